"""Reading tables: CSV, TSV, XLSX, ODS, JSON and JSON lines. A file that is damaged or ambiguous is refused, with the place of the error.

Nothing is interpreted here: each cell is the text that the file contains. Exceptions are the dates of a spreadsheet, which become
partial dates of the precision that the cell shows.
"""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from charset_normalizer import from_bytes
from django.utils.translation import gettext as _
from openpyxl import load_workbook
from openpyxl.utils import get_column_letter
from openpyxl.utils.exceptions import InvalidFileException
from python_calamine import CalamineError, CalamineWorkbook

from policytracker.dataset.loading import refuse_constant, unique_names

MAX_FILE = 200_000_000  # bytes
MAX_UNPACKED = 1_000_000_000  # bytes of a spreadsheet, which is a zip archive
MAX_RATIO = 200  # unpacked bytes per packed byte; the XML of large real spreadsheets is below 50
MAX_CELL = 100_000  # characters; no field of a record is longer
MAX_COLUMNS = 1000
SAMPLE = 1_000_000  # bytes from which the encoding is detected
WITH_MARK = ["utf_16", "utf_16_be", "utf_16_le", "utf_32", "utf_32_be", "utf_32_le"]  # recognised only by their byte order mark
DELIMITERS = ",;\t|"
EXECUTABLE = re.compile(r"'(?='*[=+\-@\t\r])")  # an export puts ' before a cell that a spreadsheet would execute
FORMULA = re.compile(r"=|[+\-@][^|(]{0,100}(?:\|[^!]{0,1000}!|(?<=[A-Za-z_.])\()")  # =1+1, @SUM(1), -1+cmd|'/C calc'!A0
MARKUP = re.compile(r"\\.|\"[^\"]*\"|\[[^\]]*\]")  # in a number format: escaped characters, literals, colours and locales


class TableError(Exception):
    """The file cannot be imported. The message names the place: row and column, line or item."""


@dataclass(frozen=True)
class Place:
    """The place of a value: a row numbered like in a spreadsheet, where the header is row 1, and a column; or an item of a JSON list."""

    row: int | None
    column: int | None = None  # from 0
    header: str = ""
    in_json: bool = False

    def __str__(self):
        if self.row is None:
            return _("“%(header)s”") % vars(self)
        if self.in_json:
            return _("Item %(row)s, “%(header)s”") % vars(self) if self.header else _("Item %(row)s") % vars(self)
        if self.column is None:
            return _("Row %(row)s") % vars(self)
        values = {"row": self.row, "letter": get_column_letter(self.column + 1), "header": self.header[:60]}
        return (_("Row %(row)s, column %(letter)s “%(header)s”") if self.header else _("Row %(row)s, column %(letter)s")) % values


@dataclass
class Table:
    """The content of a file. `rows` are the cells by header, with the number of the row; in JSON a cell can be a list or an object.

    `headers` are those of the file in order; a JSON document has those that occur in any item. `notes` say how the file was read.
    """

    headers: list[str]
    rows: list[tuple[int, dict[str, Any]]]
    notes: list[str] = field(default_factory=list)
    is_json: bool = False
    header_row: int = 1

    def place_of(self, header: str) -> Place:
        """The place of a header."""
        return Place(None, header=header) if self.is_json else self.place(self.header_row, header)

    def place(self, row: int, header: str = "") -> Place:
        column = None if self.is_json or header not in self.headers else self.headers.index(header)
        return Place(row, column, header, self.is_json)


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


def parse(name: str, data: bytes, location: Sequence[str] = ()) -> Table:
    """The table in the content of a file with this name. Raises TableError."""
    suffix = Path(name).suffix.lower()
    if suffix not in FORMATS:
        raise TableError(_("%(name)s: Use a file of one of these types: %(types)s.") % {"name": name, "types": ", ".join(FORMATS)})
    if not data.strip():
        raise TableError(_("The file is empty."))
    if location and suffix not in (".json", ".jsonl", ".ndjson"):
        raise TableError(_("Only a JSON document can have a path."))
    return FORMATS[suffix](data, location)


def megabytes(size: int, limit: int) -> dict[str, str]:
    return {"size": f"{size / 1e6:,.1f}", "limit": f"{limit / 1e6:,.0f}"}


# ---- tables of cells


def table(rows: Iterable[tuple[int, Sequence[str]]], notes: list[str], of_text: bool = False) -> Table:
    """The table of these rows, of which the first that is not empty is the header.

    In a text file each row must have all cells, and a cell that looks like a formula would be one in a spreadsheet.
    """
    headers: list[str] = []
    header_number = 1
    result: list[tuple[int, dict[str, Any]]] = []
    for number, cells in rows:
        if not any(cell.strip() for cell in cells):
            continue
        if not headers:
            headers, header_number = header_row(number, cells), number
            continue
        if [cell.strip() for cell in cells[: len(headers)]] == headers:
            raise TableError(_("%(place)s: The header occurs twice.") % {"place": Place(number)})
        check_width(number, cells, headers, of_text)
        result.append((number, cells_by_header(number, headers, cells, of_text)))
    if not headers:
        raise TableError(_("The file is empty."))
    return Table(headers, result, notes, header_row=header_number)


def header_row(number: int, cells: Sequence[str]) -> list[str]:
    headers = [" ".join(cell.split()) for cell in cells]
    while headers and not headers[-1]:
        headers.pop()
    if len(headers) > MAX_COLUMNS:
        raise TableError(_("%(place)s: At most %(limit)s columns can be imported.") % {"place": Place(number), "limit": MAX_COLUMNS})
    for column, header in enumerate(headers):
        if header and header in headers[:column]:
            raise TableError(_("%(place)s: This header occurs twice.") % {"place": Place(number, column, header)})
    return headers


def check_width(number: int, cells: Sequence[str], headers: list[str], complete: bool) -> None:
    """Raises TableError for cells without a header, and for missing cells if rows must be complete."""
    for column, cell in enumerate(cells):
        if cell.strip() and (column >= len(headers) or not headers[column]):
            raise TableError(_("%(place)s: This cell has no header.") % {"place": Place(number, column)})
    if complete and len(cells) < len(headers):
        raise TableError(
            _("%(place)s: The row has %(cells)s of %(headers)s cells. The file may be truncated.")
            % {"place": Place(number), "cells": len(cells), "headers": len(headers)}
        )


def cells_by_header(number: int, headers: list[str], cells: Sequence[str], of_text: bool) -> dict[str, str]:
    result = {}
    for column, header in enumerate(headers):
        cell = cells[column] if column < len(cells) else ""
        if header:
            if cell:
                place = Place(number, column, header)
                if of_text and FORMULA.match(cell):
                    raise formula(place)
                cell = checked(cell, place)
            result[header] = cell
    return result


def checked(cell: str, place: Place) -> str:
    """The text of a cell, without the ' that an export adds. Raises TableError for a text that cannot be stored."""
    if len(cell) > MAX_CELL:
        raise TableError(
            _("%(place)s: The cell has %(length)s characters. At most %(limit)s can be imported.")
            % {"place": place, "length": f"{len(cell):,}", "limit": f"{MAX_CELL:,}"}
        )
    if "\0" in cell:
        raise TableError(_("%(place)s: The cell contains a NUL character.") % {"place": place})
    return cell[1:] if EXECUTABLE.match(cell) else cell


def formula(place: Place) -> TableError:
    return TableError(
        _("%(place)s: The cell contains a formula. Enter its value, or ' before a text that is not a formula.") % {"place": place}
    )


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


def read_csv(data: bytes, location: Sequence[str], delimiter: str = "") -> Table:
    notes: list[str] = []
    text = decoded(data, notes)
    delimiter = delimiter or separator(text)
    if delimiter != ",":
        notes.append(_("Separator: %(name)s.") % {"name": {"\t": _("tab")}.get(delimiter, delimiter)})
    csv.field_size_limit(MAX_FILE)  # so that the length of a cell is checked where its column is known
    return table(csv_rows(text, delimiter), notes, of_text=True)


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


# ---- spreadsheets

UNREADABLE = (zipfile.BadZipFile, zlib.error, KeyError, ValueError, EOFError, InvalidFileException, ElementTree.ParseError, CalamineError)


def check_archive(data: bytes) -> None:
    """Raises TableError for an archive that would fill the memory."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = archive.infolist()
    size = sum(part.file_size for part in parts)
    if size > MAX_UNPACKED or any(part.file_size > max(MAX_RATIO * part.compress_size, 10_000_000) for part in parts):
        raise TableError(
            _("The file unpacks to %(size)s MB, which is too much for a spreadsheet of its size.") % megabytes(size, MAX_UNPACKED)
        )


def spreadsheet(sheet_rows: Callable[[bytes, list[str]], Iterator[tuple[int, list[str]]]]) -> Callable[[bytes, Sequence[str]], Table]:
    """A reader of spreadsheets: `sheet_rows(data, notes)` yields the numbered rows of the first sheet."""

    def read_spreadsheet(data: bytes, location: Sequence[str]) -> Table:
        notes: list[str] = []
        try:
            check_archive(data)
            return table(sheet_rows(data, notes), notes)
        except UNREADABLE as error:
            raise TableError(_("The file is damaged or incomplete, or it is not a spreadsheet: %(reason)s.") % {"reason": error}) from error

    return read_spreadsheet


def xlsx_rows(data: bytes, notes: list[str]) -> Iterator[tuple[int, list[str]]]:
    workbook = load_workbook(io.BytesIO(data), read_only=True)
    sheet = workbook.worksheets[0]
    name_sheet(sheet.title, len(workbook.worksheets), notes)
    sheet.reset_dimensions()  # the recorded size can be wrong; then each row would have thousands of empty cells
    for number, cells in enumerate(sheet.iter_rows(), 1):
        yield number, [xlsx_text(cell, number, column) for column, cell in enumerate(cells)]


def xlsx_text(cell: Any, row: int, column: int) -> str:
    if cell.value is None:
        return ""
    if cell.data_type in ("s", "inlineStr"):
        return str(cell.value)  # text, also if it begins with =
    if cell.data_type == "f":
        raise formula(Place(row, column))
    if cell.data_type == "e":
        raise TableError(_("%(place)s: The cell contains the error %(error)s.") % {"place": Place(row, column), "error": cell.value})
    return plain_text(cell.value, cell.number_format)


def ods_rows(data: bytes, notes: list[str]) -> Iterator[tuple[int, list[str]]]:
    refuse_ods_formulas(data)
    workbook = CalamineWorkbook.from_filelike(io.BytesIO(data))
    name_sheet(workbook.sheet_names[0], len(workbook.sheet_names), notes)
    rows = workbook.get_sheet_by_index(0).to_python(skip_empty_area=False)
    for number, cells in enumerate(rows, 1):
        yield number, [plain_text(cell) for cell in cells]


def refuse_ods_formulas(data: bytes) -> None:
    """Raises TableError for a formula in the first sheet. The library returns only the values."""
    row = column = 0
    namespace = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
    with zipfile.ZipFile(io.BytesIO(data)) as archive, archive.open("content.xml") as content:
        for event, element in ElementTree.iterparse(content, ("start", "end")):  # noqa: S314 - the size is checked, and expat limits entities
            name = element.tag.removeprefix(namespace)
            if event == "end":
                if name == "table":
                    return
                if name == "table-row":
                    row += int(element.get(f"{namespace}number-rows-repeated", 1))
                    column = 0
                    element.clear()
            elif name in ("table-cell", "covered-table-cell"):
                if element.get(f"{namespace}formula"):
                    raise formula(Place(row + 1, column))
                column += int(element.get(f"{namespace}number-columns-repeated", 1))


def name_sheet(name: str, sheets: int, notes: list[str]) -> None:
    if sheets > 1:
        notes.append(_("Sheet: “%(name)s”, the first of %(number)s.") % {"name": name, "number": sheets})


def plain_text(value: Any, number_format: str = "") -> str:
    """The value of a cell as text."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return format(Decimal(repr(value)).normalize(), "f")
    if isinstance(value, datetime) and (value.hour or value.minute or value.second or value.microsecond):
        return value.isoformat()
    if isinstance(value, date):
        return value.strftime("%Y-%m-%d")[: 10 - 3 * missing_parts(number_format)]
    return str(value)


def missing_parts(number_format: str) -> int:
    """How many parts of a date a number format does not show: 1 for `mmm yyyy` (no day), 2 for `yyyy` (no day and no month)."""
    shown = MARKUP.sub("", number_format).lower()
    if "y" not in shown or "d" in shown:
        return 0
    return 1 if "m" in shown else 2


# ---- JSON


def load_json(text: str) -> Any:
    """The JSON value. Numbers keep the digits that the file contains. Raises ValueError and RecursionError."""
    return json.loads(text, object_pairs_hook=unique_names, parse_constant=refuse_constant, parse_int=str, parse_float=str)


def read_json(data: bytes, location: Sequence[str]) -> Table:
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
    return json_table(list(enumerate(items, 1)), notes)


def read_json_lines(data: bytes, location: Sequence[str]) -> Table:
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
    return json_table(items, notes)


def json_table(items: list[tuple[int, Any]], notes: list[str]) -> Table:
    headers: dict[str, None] = {}
    for number, item in items:
        if not isinstance(item, dict):
            raise TableError(_("%(place)s: This is not an object.") % {"place": Place(number, in_json=True)})
        for name, value in item.items():
            if isinstance(value, str) and len(value) > MAX_CELL:
                checked(value, Place(number, header=name, in_json=True))
        headers |= dict.fromkeys(item)
    return Table(list(headers), items, notes, is_json=True)


def steps(path: str) -> tuple[str, ...]:
    """The steps of a path such as `data.promises`, `/data/promises`, `data.groups[0].promises` or `groups.*.promises`."""
    parts = re.sub(r"\[(\d+|\*)\]", r".\1", path.strip().removeprefix("$")).replace("/", ".").split(".")
    return tuple(part for part in parts if part)


def items_at(value: Any, path: Sequence[str]) -> Iterator[Any]:
    """The values at a path. `*` stands for each item of a list and each value of an object. Raises TableError if a step does not exist."""
    if not path:
        yield value
        return
    step, rest = path[0], path[1:]
    if step == "*" and isinstance(value, list | dict):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from items_at(inner, rest)
    elif isinstance(value, dict) and step in value:
        yield from items_at(value[step], rest)
    elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
        yield from items_at(value[int(step)], rest)
    else:
        raise TableError(_("There is no “%(step)s” in the document.") % {"step": step[:60]})


FORMATS: dict[str, Callable[[bytes, Sequence[str]], Table]] = {
    ".csv": read_csv,
    ".txt": read_csv,
    ".tsv": lambda data, location: read_csv(data, location, "\t"),
    ".tab": lambda data, location: read_csv(data, location, "\t"),
    ".xlsx": spreadsheet(xlsx_rows),
    ".xlsm": spreadsheet(xlsx_rows),
    ".ods": spreadsheet(ods_rows),
    ".json": read_json,
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
}
