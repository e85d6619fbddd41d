"""Reading spreadsheets: the first sheet of an XLSX or ODS file."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree

from django.utils.translation import gettext as _
from python_calamine import CalamineError, CalamineWorkbook

from policytracker.dataset.tables import Place, Table, TableError, formula, megabytes, table

MAX_UNPACKED = 1_000_000_000  # bytes of a spreadsheet, which is a zip archive
MAX_ROW = 5_000  # bytes of XML for each row, if the number of rows is limited
MAX_RATIO = 200  # unpacked bytes per packed byte; the XML of large real spreadsheets is below 50
MARKUP = re.compile(r"\\.|\"[^\"]*\"|\[[^\]]*\]")  # in a number format: escaped characters, literals, colours and locales

UNREADABLE = (zipfile.BadZipFile, zlib.error, KeyError, ValueError, EOFError, ElementTree.ParseError, CalamineError)


def check_archive(data: bytes, max_unpacked: int) -> None:
    """Raises TableError for an archive that would fill the memory, or that unpacks to more bytes than the caller accepts."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = archive.infolist()
    size = sum(part.file_size for part in parts)
    if size > max_unpacked or any(part.file_size > max(MAX_RATIO * part.compress_size, 10_000_000) for part in parts):
        raise TableError(
            _("The file unpacks to %(size)s MB, which is too much for a spreadsheet of its size.") % megabytes(size, max_unpacked)
        )


def spreadsheet(sheet_rows: Callable[[bytes, list[str]], Iterator[tuple[int, list[str]]]]) -> Callable[..., Table]:
    """A reader of spreadsheets: `sheet_rows(data, notes)` yields the numbered rows of the first sheet."""

    def read_spreadsheet(data: bytes, location: Sequence[str], max_rows: int | None) -> Table:
        notes: list[str] = []
        try:
            check_archive(data, MAX_UNPACKED if max_rows is None else max_rows * MAX_ROW)
            return table(sheet_rows(data, notes), notes, max_rows=max_rows)
        except UNREADABLE as error:
            raise TableError(_("The file is damaged or incomplete, or it is not a spreadsheet: %(reason)s.") % {"reason": error}) from error

    return read_spreadsheet


def xlsx_rows(data: bytes, notes: list[str]) -> Iterator[tuple[int, list[str]]]:
    from openpyxl import load_workbook  # here, because importing it takes a quarter of the time in which a command starts

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
