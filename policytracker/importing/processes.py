"""Reading files of users in a process of its own with limits of memory, time and size, so that no file can stop the site.

`read_in_process` starts the process and reads the lines of JSON that it writes; `answer` is what the process does. Of Django it imports
only the translation of messages, so it starts in a tenth of a second.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict
from threading import Timer
from typing import IO, Any, TypeVar

from django.apps import apps
from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext as _

from policytracker.importing.tables import Limits, TableError, TooLarge

log = logging.getLogger(__name__)
Result = TypeVar("Result")

# The process needs no secrets of the site, so it gets only what starting Python can need.
KEPT = {"PATH", "LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE"}
BYTES_PER_CHARACTER = 6  # at most, in a line from the process
BYTES_PER_CELL = 4  # quotes, comma and space
PATIENCE = 2  # seconds for each second of CPU time, because other processes use the processor too


# ---- the site


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


def read_in_process(module: str, file: bytes | IO[bytes], limits: Limits, result: Callable[[Lines], Result], **options: Any) -> Result:
    """What `result` makes of the lines that the module writes for a file. Raises TableError, and TooLarge beyond a limit."""
    request = options | {
        "limits": asdict(limits),
        "language": translation.get_language() or "en",
        "locale_paths": [str(path) for path in settings.LOCALE_PATHS],
    }
    started = time.monotonic()
    process = subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", module, json.dumps(request)],
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
            return result(Lines(process.stdout, limits))  # type: ignore[arg-type]
        except EOFError:
            process.kill()
            too_late = time.monotonic() - started >= PATIENCE * limits.seconds
            raise error_after(-signal.SIGXCPU if too_late else process.wait(), limits) from None
        finally:
            timer.cancel()
            process.kill()


def error_of(end: dict[str, Any]) -> TableError:
    """The error that the process tells."""
    if "error" in end:
        return (TooLarge if end["too_large"] else TableError)(end["error"])
    if "out_of_memory" in end:
        return out_of_memory()
    log.warning("The process that reads a file met the defect %s", end["defect"])
    return TableError(_("The file cannot be read. It is damaged, or of another type than its name says."))


def error_after(code: int, limits: Limits) -> TableError:
    """The error for a process that ended with this exit code and without an answer. It concerns the file, so the site goes on."""
    log.warning("The process that reads a file ended with exit code %s", code)
    if code == -signal.SIGXCPU:
        return TooLarge(_("Reading the file takes more than %(seconds)s seconds. It is too large, or damaged.") % asdict(limits))
    return out_of_memory()


def out_of_memory() -> TooLarge:
    return TooLarge(_("Reading the file takes more than the permitted memory. It is too large, or damaged."))


# ---- the process


def answer(lines: Callable[[bytes, dict[str, Any], Limits], Iterator[Any]]) -> None:
    """Write these lines for the file on the standard input, or one line with the error. Limits memory and time before it reads anything."""
    try:
        request = json.loads(sys.argv[1])
        settings.configure(USE_I18N=True, LANGUAGE_CODE="en", LOCALE_PATHS=request["locale_paths"])
        apps.populate([])
        limits = Limits(**request["limits"])
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (limits.memory, limits.memory))
        resource.setrlimit(resource.RLIMIT_CPU, (limits.seconds, limits.seconds + 1))
        with translation.override(request["language"]):
            write(lines, request, limits)
        sys.stdout.buffer.flush()
    except BrokenPipeError:  # the site has read enough
        sys.stdout = None


def write(lines: Callable[[bytes, dict[str, Any], Limits], Iterator[Any]], request: dict[str, Any], limits: Limits) -> None:
    try:
        for line in lines(sys.stdin.buffer.read(), request, limits):
            sys.stdout.buffer.write(json.dumps(line, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n")
    except TableError as error:
        report({"error": str(error), "too_large": isinstance(error, TooLarge)})
    except MemoryError:
        report({"out_of_memory": True})
    except BrokenPipeError:
        raise
    except Exception as error:
        report({"defect": type(error).__name__})  # without the message, which can contain texts of the file


def report(end: dict[str, Any]) -> None:
    sys.stdout.buffer.write(json.dumps(end).encode() + b"\n")
