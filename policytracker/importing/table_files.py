"""Reading the tables of users: in a process of its own with limits of memory, time and size, so that no file can stop the site."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from threading import Timer
from typing import IO, Any
from xml.parsers import expat

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.utils import translation
from django.utils.translation import gettext as _

from policytracker.importing.formats import MAX_FILE, suffix_of
from policytracker.importing.tables import Limits, Table, TableError, TooLarge, megabytes

log = logging.getLogger(__name__)

MODULE = "policytracker.importing.table_process"
# The process needs no secrets of the site, so it gets only what starting Python can need.
KEPT = {"PATH", "LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE"}
BYTES_PER_CHARACTER = 6  # at most, in a line from the process
BYTES_PER_CELL = 4  # quotes, comma and space
PATIENCE = 2  # seconds for each second of CPU time, because other processes use the processor too
SAFE_EXPAT = (2, 4, 1)  # the first version that stops entities which grow without end


def read(path: Path, location: Sequence[str] = (), encoding: str = "") -> Table:
    """The table in a file. The limits grow with its size. Raises TableError."""
    try:
        size = path.stat().st_size
        if size > MAX_FILE:
            raise TableError(_("The file has %(size)s MB. Import at most %(limit)s MB.") % megabytes(size, MAX_FILE))
        with path.open("rb") as file:
            return parse(path.name, file, Limits.for_size(size), location, encoding)
    except OSError as error:
        raise TableError(_("%(path)s cannot be read: %(reason)s.") % {"path": path, "reason": error.strerror}) from error


def parse(name: str, file: bytes | IO[bytes], limits: Limits, location: Sequence[str] = (), encoding: str = "") -> Table:
    """The table in a file with this name, or in its content. Raises TableError, and TooLarge beyond a limit."""
    request = {
        "suffix": suffix_of(name, location),
        "location": list(location),
        "encoding": encoding,
        "limits": asdict(limits),
        "language": translation.get_language() or "en",
        "locale_paths": [str(path) for path in settings.LOCALE_PATHS],
    }
    started = time.monotonic()
    process = subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", MODULE, json.dumps(request)],
        stdin=subprocess.PIPE if isinstance(file, bytes) else file,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=settings.BASE_DIR,
        env={name: os.environ[name] for name in KEPT & os.environ.keys()} | {"PYTHONPATH": str(settings.BASE_DIR)},
    )
    timer = Timer(PATIENCE * limits.seconds, process.kill)
    timer.start()
    with process:
        try:
            if isinstance(file, bytes):
                with suppress(BrokenPipeError), process.stdin:  # type: ignore[union-attr]
                    process.stdin.write(file)  # type: ignore[union-attr]
            return table_of(Lines(process.stdout, limits))  # type: ignore[arg-type]
        except EOFError:
            process.kill()
            too_late = time.monotonic() - started >= PATIENCE * limits.seconds
            raise error_after(-signal.SIGXCPU if too_late else process.wait(), limits) from None
        finally:
            timer.cancel()
            process.kill()


class Lines:
    """The lines that the process writes, up to the size that the limits permit."""

    def __init__(self, stream: IO[bytes], limits: Limits):
        self.stream = stream
        self.left = 10_000_000 + BYTES_PER_CHARACTER * limits.characters + BYTES_PER_CELL * limits.cells

    def next(self) -> Any:
        """The next line. Raises EOFError if the process has ended, or wrote too much."""
        line = self.stream.readline(self.left)
        self.left -= len(line)
        if not line.endswith(b"\n"):
            raise EOFError
        return json.loads(line.decode("utf-8", "surrogatepass"))


def table_of(lines: Lines) -> Table:
    """The table from the lines of the process. Raises TableError, and EOFError if they do not end as they should."""
    head = lines.next()
    if "headers" not in head:
        raise error_of(head)
    names = [name for name in head["headers"] if name]
    rows: list[tuple[int, dict[str, Any]]] = []
    while isinstance(line := lines.next(), list):
        number, cells = line
        rows.append((number, cells if head["is_json"] else dict(zip(names, cells, strict=True))))
    if "notes" not in line:
        raise error_of(line)
    return Table(head["headers"], rows, line["notes"], head["is_json"], head["header_row"])


def error_of(end: dict[str, Any]) -> TableError:
    if "error" in end:
        return (TooLarge if end["too_large"] else TableError)(end["error"])
    if "out_of_memory" in end:
        return out_of_memory()
    log.warning("The process that reads a table met the defect %s", end["defect"])
    return TableError(_("The file cannot be read. It is damaged, or of another type than its name says."))


def error_after(code: int, limits: Limits) -> TableError:
    """The error for a process that ended with this exit code and without an answer. It concerns the file, so the site goes on."""
    log.warning("The process that reads a table ended with exit code %s", code)
    if code == -signal.SIGXCPU:
        return TooLarge(_("Reading the file takes more than %(seconds)s seconds. It is too large, or damaged.") % asdict(limits))
    return out_of_memory()


def out_of_memory() -> TooLarge:
    return TooLarge(_("Reading the file takes more than the permitted memory. It is too large, or damaged."))


@register()
def check_expat(app_configs: Iterable[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """XML can define entities that grow without end. The parser stops them since version 2.4.1."""
    if expat.version_info >= SAFE_EXPAT:
        return []
    hint = "Use a Python that is built with a newer expat. Spreadsheets are XML."
    message = f"expat {'.'.join(map(str, expat.version_info))} is too old: {'.'.join(map(str, SAFE_EXPAT))} is needed."
    return [Error(message, hint=hint, id="policytracker.E010")]
