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
from functools import partial
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from policytracker.importing.encodings import decoded
from policytracker.importing.spreadsheets import ods_rows, spreadsheet, xlsx_rows
from policytracker.importing.tables import MAX_CELL, File, Limits, OpenTable, Place, TableError, check_columns, items_at, table, too_long
from policytracker.strict_json import refuse_constant, unique_names

MAX_FILE = 200_000_000  # bytes
MAX_DEPTH = 50  # lists and objects within one another in a JSON document
SAMPLE = 1_000_000  # characters in which the header row ends
DELIMITERS = ",;\t|"


def open_table(suffix: str, data: bytes, location: Sequence[str], encoding: str, limits: Limits) -> OpenTable:
    """The header of a file with this ending of its name, and its rows to be read. Raises TableError.

    `location` is the path of the list within a JSON document. Without an encoding, that of a text file is found. `table_files` calls
    this in a process of its own, because a file can be made to do harm.
    """
    if not data.strip():
        raise TableError(_("The file is empty."))
    return FORMATS[suffix](File(data, location, encoding, limits))


def suffix_of(name: str, location: Sequence[str] = ()) -> str:
    """The ending of a file name. Raises TableError if there is no such type of file, or a path in a file that can have none."""
    suffix = Path(name).suffix.lower()
    if suffix not in FORMATS:
        raise TableError(_("%(name)s: Use a file of one of these types: %(types)s.") % {"name": name, "types": ", ".join(FORMATS)})
    if location and suffix not in (".json", ".jsonl", ".ndjson"):
        raise TableError(_("Only a JSON document can have a path."))
    return suffix


# ---- CSV and TSV


def read_csv(file: File, delimiter: str = "") -> OpenTable:
    notes: list[str] = []
    text = decoded(file.data, file.encoding, notes)
    delimiter = delimiter or separator(text)
    if delimiter != ",":
        notes.append(_("Separator: %(name)s.") % {"name": {"\t": _("tab")}.get(delimiter, delimiter)})
    csv.field_size_limit(MAX_FILE)  # so that the length of a cell is checked where its column is known
    return table(csv_rows(text, delimiter), notes, file.limits, of_text=True)


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


def read_json(file: File) -> OpenTable:
    notes: list[str] = []
    location = file.location
    try:
        document = load_json(decoded(file.data, file.encoding, notes))
    except json.JSONDecodeError as error:
        place = {"line": error.lineno, "column": error.colno, "reason": error.msg}
        raise TableError(_("Line %(line)s, character %(column)s: Invalid JSON. %(reason)s.") % place) from error
    except RecursionError:
        raise too_deep() from None
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
    return json_table(list(enumerate(items, 1)), notes, file.limits)


def read_json_lines(file: File) -> OpenTable:
    notes: list[str] = []
    items = []
    for number, line in enumerate(decoded(file.data, file.encoding, notes).split("\n"), 1):
        if line.strip():
            try:
                items.append((number, load_json(line)))
            except (ValueError, RecursionError) as error:
                raise TableError(_("Line %(line)s: Invalid JSON. %(reason)s.") % {"line": number, "reason": error}) from error
    if file.location:
        raise TableError(_("A file of JSON lines has no path."))
    return json_table(items, notes, file.limits)


def json_table(items: list[tuple[int, Any]], notes: list[str], limits: Limits) -> OpenTable:
    limits.check_rows(len(items))
    headers: dict[str, None] = {}
    for number, item in items:
        place = Place(number, in_json=True)
        if not isinstance(item, dict):
            raise TableError(_("%(place)s: This is not an object.") % {"place": place})
        for name, value in item.items():
            if isinstance(value, str) and len(value) > MAX_CELL:
                raise too_long(value, Place(number, header=name, in_json=True))
        if is_deeper(item, MAX_DEPTH):
            raise too_deep()
        headers |= dict.fromkeys(item)
        check_columns(len(headers), place)
    return OpenTable(list(headers), items, notes, is_json=True)


def is_deeper(value: Any, depth: int) -> bool:
    """Whether a value has lists and objects within one another to more than this depth."""
    level = [value]
    for _level in range(depth):
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def too_deep() -> TableError:
    return TableError(_("The lists of the file are nested too deeply."))


FORMATS: dict[str, Callable[[File], OpenTable]] = {
    ".csv": read_csv,
    ".txt": read_csv,
    ".tsv": partial(read_csv, delimiter="\t"),
    ".tab": partial(read_csv, delimiter="\t"),
    ".xlsx": partial(spreadsheet, xlsx_rows),
    ".xlsm": partial(spreadsheet, xlsx_rows),
    ".ods": partial(spreadsheet, ods_rows),
    ".json": read_json,
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
}
