"""Reading spreadsheets: the first sheet of an XLSX or ODS file."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree

from django.utils.translation import gettext as _

from policytracker.importing.tables import File, Limits, OpenTable, Place, TableError, check_columns, formula, megabytes, table

MAX_RATIO = 200  # unpacked bytes per packed byte; the XML of large real spreadsheets is below 50
MARKUP = re.compile(r"\\.|\"[^\"]*\"|\[[^\]]*\]")  # in a number format: escaped characters, literals, colours and locales
TABLE, OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}", "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"

SheetRows = Callable[[bytes, list[str], Limits], Iterator[tuple[int, list[str]]]]


def spreadsheet(sheet_rows: SheetRows, file: File) -> OpenTable:
    """The table in the first sheet, of which `sheet_rows(data, notes, limits)` yields the numbered rows. Raises TableError."""
    notes: list[str] = []
    return table(readable(sheet_rows, file, notes), notes, file.limits)


def readable(sheet_rows: SheetRows, file: File, notes: list[str]) -> Iterator[tuple[int, list[str]]]:
    """The rows of a sheet. Raises TableError for a damaged file."""
    try:
        check_archive(file.data, file.limits.unpacked)
        yield from sheet_rows(file.data, notes, file.limits)
    except (TableError, MemoryError):
        raise
    except Exception as error:  # a damaged file can raise any error of the libraries, such as IndexError or one of their own
        reason = str(error)[:200] or type(error).__name__
        raise TableError(_("The file is damaged or incomplete, or it is not a spreadsheet: %(reason)s.") % {"reason": reason}) from error


def check_archive(data: bytes, max_unpacked: int) -> None:
    """Raises TableError for an archive that would fill the memory, or that unpacks to more bytes than the caller accepts."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = archive.infolist()
    size = sum(part.file_size for part in parts)
    if size > max_unpacked or any(part.file_size > max(MAX_RATIO * part.compress_size, 10_000_000) for part in parts):
        raise TableError(
            _("The file unpacks to %(size)s MB, which is too much for a spreadsheet of its size.") % megabytes(size, max_unpacked)
        )


def xlsx_rows(data: bytes, notes: list[str], limits: Limits) -> Iterator[tuple[int, list[str]]]:
    """The rows of the sheet as they are in the file. `iter_rows` of openpyxl would add all rows and columns between them."""
    from openpyxl import load_workbook  # here, because importing it takes longer than reading an ODS file
    from openpyxl.cell.read_only import ReadOnlyCell
    from openpyxl.worksheet._reader import WorkSheetParser

    workbook = load_workbook(io.BytesIO(data), read_only=True)
    sheet = workbook.worksheets[0]
    name_sheet(sheet.title, len(workbook.worksheets), notes)
    with sheet._get_source() as source:
        parser = WorkSheetParser(
            source,
            sheet._shared_strings,
            epoch=workbook.epoch,
            date_formats=workbook._date_formats,
            timedelta_formats=workbook._timedelta_formats,
        )
        for number, parsed in parser.parse():
            limits.check_rows(number - 1)
            texts: list[str] = []
            last = 0
            for cell in parsed:
                if cell["column"] <= last:
                    raise TableError(
                        _("%(place)s: The cells of the row are not in order. The file may be damaged.") % {"place": Place(number)}
                    )
                last = cell["column"]
                if text := xlsx_text(ReadOnlyCell(sheet, **cell), number, last - 1):
                    check_columns(last, Place(number))
                    texts += [""] * (last - 1 - len(texts))
                    texts.append(text)
            yield number, texts


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


def ods_rows(data: bytes, notes: list[str], limits: Limits) -> Iterator[tuple[int, list[str]]]:
    from python_calamine import CalamineWorkbook

    check_ods(data, limits)
    workbook = CalamineWorkbook.from_filelike(io.BytesIO(data))
    name_sheet(workbook.sheet_names[0], len(workbook.sheet_names), notes)
    rows = workbook.get_sheet_by_index(0).to_python(skip_empty_area=False)
    for number, cells in enumerate(rows, 1):
        yield number, [plain_text(cell) for cell in cells]


def check_ods(data: bytes, limits: Limits) -> None:
    """Raises TableError if the sheets are too large, or the first one has a formula. The library reads all sheets.

    The library makes a rectangle of each sheet that ends at its last row and column with a value. In the file a cell can be repeated.
    """
    area = sheets = row = column = rows = columns = 0
    with zipfile.ZipFile(io.BytesIO(data)) as archive, archive.open("content.xml") as content:
        for event, element in ElementTree.iterparse(content, ("start", "end")):  # noqa: S314 - table_files checks that expat limits entities
            name = element.tag.removeprefix(TABLE)
            if event == "start":
                if name == "table":
                    row = rows = columns = 0
                    sheets += 1
                elif name in ("table-cell", "covered-table-cell") and sheets == 1 and element.get(f"{TABLE}formula"):
                    raise formula(Place(row + 1, column))
            elif name in ("table-cell", "covered-table-cell"):
                column += repeats(element, "number-columns-repeated")
                if len(element) or element.get(f"{OFFICE}value-type"):
                    rows, columns = row + 1, max(columns, column)
            elif name == "table-row":
                times = repeats(element, "number-rows-repeated")
                if rows == row + 1:  # the row has a value
                    rows = row + times
                    if sheets == 1:
                        limits.check_rows(rows - 1)
                        check_columns(columns, Place(row + 1))
                    limits.check_cells(area + rows * columns)
                row, column = row + times, 0
                element.clear()
            elif name == "table":
                area += rows * columns
                element.clear()


def repeats(element: ElementTree.Element, attribute: str) -> int:
    return max(int(element.get(f"{TABLE}{attribute}", 1)), 1)


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
