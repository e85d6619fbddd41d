"""Reading the texts of documents of users, in a process of its own."""

from __future__ import annotations

from pathlib import Path

from django.utils.translation import gettext as _

from policytracker.importing.processes import Lines, error_of, read_in_process
from policytracker.importing.tables import MEMORY, SECONDS, Limits, TableError, megabytes
from policytracker.writing.writer import UNSTORABLE

MODULE = "policytracker.importing.document_process"
SUFFIXES = (".pdf", ".txt", ".md")
MAX_FILE = 25_000_000  # bytes
MAX_TEXT = 4_000_000  # characters that are read; what is kept of them is for the caller to decide


def text_of(name: str, data: bytes) -> str:
    """The text of a document with this file name; a form feed separates pages. Raises TableError."""
    suffix = Path(name).suffix.lower()
    if suffix not in SUFFIXES:
        raise TableError(_("%(name)s: Use a file of one of these types: %(types)s.") % {"name": name, "types": ", ".join(SUFFIXES)})
    if len(data) > MAX_FILE:
        raise TableError(_("The file has %(size)s MB. Use at most %(limit)s MB.") % megabytes(len(data), MAX_FILE))
    limits = Limits(rows=0, cells=0, characters=MAX_TEXT, unpacked=0, memory=MEMORY, seconds=SECONDS)
    return read_in_process(MODULE, data, limits, answer_of, suffix=suffix)


def answer_of(lines: Lines) -> str:
    line = lines.next()
    if isinstance(line, str):
        return UNSTORABLE.sub(" ", line)
    raise error_of(line)
