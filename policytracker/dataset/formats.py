"""Reading tables: CSV, TSV, XLSX, ODS, JSON and JSON lines. A file that is damaged or ambiguous is refused, with the place of the error.

Nothing is interpreted here: each cell is the text that the file contains. Exceptions are the dates of a spreadsheet, which become
partial dates of the precision that the cell shows.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from charset_normalizer import from_bytes
from django.utils.translation import gettext as _

from policytracker.dataset.reading import refuse_constant, unique_names
from policytracker.dataset.spreadsheets import ods_rows, spreadsheet, xlsx_rows
from policytracker.dataset.tables import MAX_CELL, Place, Table, TableError, check_number, items_at, megabytes, table, too_long

MAX_FILE = 200_000_000  # bytes
SAMPLE = 1_000_000  # bytes from which the encoding is detected
WITH_MARK = ["utf_16", "utf_16_be", "utf_16_le", "utf_32", "utf_32_be", "utf_32_le"]  # recognised only by their byte order mark
DELIMITERS = ",;\t|"


def read(path: Path, location: Sequence[str] = ()) -> Table:
    """The table in a file. `location` is the path of the list within a JSON document. Raises TableError."""
    try:
        size = path.stat().st_size
        if size > MAX_FILE:
            raise TableError(_("The file has %(size)s MB. Import at most %(limit)s MB.") % megabytes(size, MAX_FILE))
        data = path.read_bytes()
    except OSError as error:
        raise TableError(_("%(path)s cannot be read: %(reason)s.") % {"path": path, "reason": error.strerror}) from error
    return parse(path.name, data, location)


def parse(name: str, data: bytes, location: Sequence[str] = (), max_rows: int | None = None) -> Table:
    """The table in the content of a file with this name. Raises TableError, and TooManyRows after `max_rows`."""
    suffix = Path(name).suffix.lower()
    if suffix not in FORMATS:
        raise TableError(_("%(name)s: Use a file of one of these types: %(types)s.") % {"name": name, "types": ", ".join(FORMATS)})
    if not data.strip():
        raise TableError(_("The file is empty."))
    if location and suffix not in (".json", ".jsonl", ".ndjson"):
        raise TableError(_("Only a JSON document can have a path."))
    return FORMATS[suffix](data, location, max_rows)


# ---- CSV and TSV


def decoded(data: bytes, notes: list[str]) -> str:
    """The text of a file in any common encoding. A note says which encoding was detected. Raises TableError."""
    for mark, encoding in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if data.startswith(mark):
            return decoded_as(encoding, data, notes)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        if re.search(rb"[\xc2-\xf4][\x80-\xbf]", data[: error.start]):  # earlier letters are UTF-8, so the file is damaged
            return decoded_as("utf-8", data, notes)
    if b"\0" in data[:SAMPLE]:
        raise TableError(_("The file is not a text file."))
    # Only lines with other letters than ASCII tell encodings apart.
    sample = b"\n".join(line for line in data[:SAMPLE].splitlines() if not line.isascii()) or data
    matches = from_bytes(sample, cp_exclusion=WITH_MARK)
    if (best := matches.best()) is None:
        raise TableError(_("The encoding of the file cannot be determined. Save it as UTF-8."))
    # In a few words, Western European letters are also letters of other encodings. Then the most common encoding is assumed.
    western = next((match for match in matches if "cp1252" in match.could_be_from_charset), None)
    if western and western.chaos <= best.chaos and western.coherence >= best.coherence:
        return decoded_as("cp1252", data, notes)
    return decoded_as(best.encoding, data, notes)


def decoded_as(encoding: str, data: bytes, notes: list[str]) -> str:
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        before = data[: error.start].decode(encoding, "replace")
        place = {"row": before.count("\n") + 1, "column": len(before) - before.rfind("\n"), "encoding": encoding.removesuffix("-sig")}
        raise TableError(_("Line %(row)s, character %(column)s: The file is not valid %(encoding)s.") % place) from error
    if encoding not in ("utf-8", "utf-8-sig"):
        notes.append(_("Encoding: %(encoding)s (detected).") % {"encoding": encoding})
    return text.removeprefix("\ufeff")


def read_csv(data: bytes, location: Sequence[str], max_rows: int | None, delimiter: str = "") -> Table:
    notes: list[str] = []
    text = decoded(data, notes)
    delimiter = delimiter or separator(text)
    if delimiter != ",":
        notes.append(_("Separator: %(name)s.") % {"name": {"\t": _("tab")}.get(delimiter, delimiter)})
    csv.field_size_limit(MAX_FILE)  # so that the length of a cell is checked where its column is known
    return table(csv_rows(text, delimiter), notes, of_text=True, max_rows=max_rows)


def csv_rows(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    reader, number = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True), 0
    try:
        for cells in reader:
            number += 1
            yield number, cells
    except csv.Error as error:
        reason = _("A quoted cell does not end. The file may be truncated") if "unexpected end" in str(error) else str(error)
        raise TableError(_("%(place)s: %(reason)s.") % {"place": Place(number + 1), "reason": reason}) from error


def separator(text: str) -> str:
    """The separator of the header row: the one that occurs most often outside quotes."""
    header = re.sub(r'"[^"]*"', "", text.lstrip()[:SAMPLE]).split("\n", 1)[0]
    return max(DELIMITERS, key=header.count)


# ---- JSON


def load_json(text: str) -> Any:
    """The JSON value. Numbers keep the digits that the file contains. Raises ValueError and RecursionError."""
    return json.loads(text, object_pairs_hook=unique_names, parse_constant=refuse_constant, parse_int=str, parse_float=str)


def read_json(data: bytes, location: Sequence[str], max_rows: int | None) -> Table:
    notes: list[str] = []
    try:
        document = load_json(decoded(data, notes))
    except json.JSONDecodeError as error:
        place = {"line": error.lineno, "column": error.colno, "reason": error.msg}
        raise TableError(_("Line %(line)s, character %(column)s: Invalid JSON. %(reason)s.") % place) from error
    except RecursionError:
        raise TableError(_("The lists of the file are nested too deeply.")) from None
    except ValueError as error:
        raise TableError(_("Invalid JSON. %(reason)s.") % {"reason": error}) from error
    items = list(items_at(document, location))
    if location and all(isinstance(item, list) for item in items):
        items = [item for inner in items for item in inner]
    elif not location and isinstance(document, list):
        items = document
    elif location:
        raise TableError(_("There is no list at %(path)s.") % {"path": ".".join(location)})
    else:
        raise TableError(_("The document is not a list. Enter the place of the list as `path` in a mapping."))
    return json_table(list(enumerate(items, 1)), notes, max_rows)


def read_json_lines(data: bytes, location: Sequence[str], max_rows: int | None) -> Table:
    notes: list[str] = []
    items = []
    for number, line in enumerate(decoded(data, notes).split("\n"), 1):
        if line.strip():
            try:
                items.append((number, load_json(line)))
            except (ValueError, RecursionError) as error:
                raise TableError(_("Line %(line)s: Invalid JSON. %(reason)s.") % {"line": number, "reason": error}) from error
    if location:
        raise TableError(_("A file of JSON lines has no path."))
    return json_table(items, notes, max_rows)


def json_table(items: list[tuple[int, Any]], notes: list[str], max_rows: int | None) -> Table:
    check_number(len(items), max_rows)
    headers: dict[str, None] = {}
    for number, item in items:
        if not isinstance(item, dict):
            raise TableError(_("%(place)s: This is not an object.") % {"place": Place(number, in_json=True)})
        for name, value in item.items():
            if isinstance(value, str) and len(value) > MAX_CELL:
                raise too_long(value, Place(number, header=name, in_json=True))
        headers |= dict.fromkeys(item)
    return Table(list(headers), items, notes, is_json=True)


FORMATS: dict[str, Callable[[bytes, Sequence[str], int | None], Table]] = {
    ".csv": read_csv,
    ".txt": read_csv,
    ".tsv": lambda data, location, max_rows: read_csv(data, location, max_rows, "\t"),
    ".tab": lambda data, location, max_rows: read_csv(data, location, max_rows, "\t"),
    ".xlsx": spreadsheet(xlsx_rows),
    ".xlsm": spreadsheet(xlsx_rows),
    ".ods": spreadsheet(ods_rows),
    ".json": read_json,
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
}
