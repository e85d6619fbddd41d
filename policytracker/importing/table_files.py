"""Reading the tables of users, in a process of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Any
from xml.parsers import expat

from django.core.checks import CheckMessage, Error, register
from django.utils.translation import gettext as _

from policytracker.importing.formats import MAX_FILE, suffix_of
from policytracker.importing.processes import Lines, error_of, read_in_process
from policytracker.importing.tables import Limits, Table, TableError, megabytes

MODULE = "policytracker.importing.table_process"
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
    suffix = suffix_of(name, location)
    return read_in_process(MODULE, file, limits, table_of, suffix=suffix, location=list(location), encoding=encoding)


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


@register()
def check_expat(app_configs: Iterable[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """XML can define entities that grow without end. The parser stops them since version 2.4.1."""
    if expat.version_info >= SAFE_EXPAT:
        return []
    hint = "Use a Python that is built with a newer expat. Spreadsheets are XML."
    message = f"expat {'.'.join(map(str, expat.version_info))} is too old: {'.'.join(map(str, SAFE_EXPAT))} is needed."
    return [Error(message, hint=hint, id="policytracker.E010")]
