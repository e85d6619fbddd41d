"""Workbooks for people: a sheet of records, and a second one that says what it is and explains its columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import IO, Any

from django.utils.text import capfirst
from django.utils.translation import gettext as _
from xlsxwriter import Workbook
from xlsxwriter.format import Format
from xlsxwriter.utility import xl_col_to_name
from xlsxwriter.worksheet import Worksheet

from policytracker.representation.sheets import Column, Kind, sheet_columns
from policytracker.resources import Resource

MAX_ROWS, MAX_CELL, MAX_SHEET_NAME = 1_048_576, 32_767, 31  # of a worksheet: rows with the header, characters of a cell and of its name
TOO_LONG = -2  # returned by XlsxWriter
DIGITS = 15  # of a number in a spreadsheet; a longer one is a text
DAY_ONE = date(1900, 3, 1)  # the first day on which all spreadsheets agree; an earlier one is a text
MAX_LIST = 255  # characters of the values that a cell offers
ROW_HEIGHT = 30  # points: two lines, so that a long text does not hide the next rows
WIDTHS = {
    Kind.TITLE: 52,
    Kind.TEXT: 52,
    Kind.LINE: 24,
    Kind.KEY: 32,
    Kind.REFERENCE: 32,
    Kind.LIST: 32,
    Kind.CODE: 20,
    Kind.DECIMAL: 20,
    Kind.TIME: 17,
}
NARROW = 13  # characters: a date, a number
NUMBER_FORMATS = {
    Kind.DAY: "yyyy-mm-dd",
    Kind.DATE: "yyyy-mm-dd",
    Kind.TIME: "yyyy-mm-dd hh:mm",
    Kind.NUMBER: "0",
    Kind.DECIMAL: "#,##0.00##",
}
NUMBERS = (Kind.NUMBER, Kind.DECIMAL)
TOP = {"valign": "top", "text_wrap": True}


class TooLongForSheet(ValueError):
    """A list has more rows, or a text more characters, than a worksheet can have."""


class TextSheet:
    """A sheet of texts with a header, written row by row."""

    def __init__(self, workbook: Workbook, name: str, labels: Sequence[str]):
        self.labels, self.rows = labels, 0
        self.sheet: Worksheet = workbook.add_worksheet(name[:MAX_SHEET_NAME])
        self.write_header(workbook)

    def write_header(self, workbook: Workbook) -> None:
        self.sheet.write_row(0, 0, self.labels)

    def write(self, texts: Sequence[str | None]) -> None:
        """Add a row. Raises TooLongForSheet."""
        self.rows += 1
        if self.rows == MAX_ROWS:
            message = _("The list has more rows than a worksheet can have ({max}). Use csv.")
            raise TooLongForSheet(message.format(max=f"{MAX_ROWS:,}"))
        for number, text in enumerate(texts):
            if text and self.write_cell(number, text) == TOO_LONG:
                message = _("Row {row}, {field}: the text has more characters than a cell can have ({max}). Use csv, or omit the field.")
                raise TooLongForSheet(message.format(row=self.rows + 1, field=self.labels[number], max=f"{MAX_CELL:,}"))

    def write_cell(self, number: int, text: str) -> int:
        return self.sheet.write_string(self.rows, number, text)


class RecordSheet(TextSheet):
    """A sheet of records for people: labels, dates and numbers, with a header that stays in view and has filters."""

    def __init__(self, workbook: Workbook, resource: Resource, columns: Sequence[Column]):
        self.columns = columns
        formats = {kind: cell_format(workbook, kind) for kind in Kind}
        self.formats = [formats[column.kind] for column in columns]
        super().__init__(workbook, str(capfirst(resource.model._meta.verbose_name_plural)), [column.label for column in columns])

    def write_header(self, workbook):
        self.sheet.set_default_row(ROW_HEIGHT)
        self.sheet.set_row(0, ROW_HEIGHT)
        header = header_format(workbook)
        for number, column in enumerate(self.columns):
            self.sheet.set_column(number, number, width_of(column), self.formats[number])
            self.sheet.write_string(0, number, column.label, header)
        self.sheet.freeze_panes(1, 0)

    def write_cell(self, number, text):
        column, shown = self.columns[number], self.formats[number]
        if column.kind in NUMBERS and len(Decimal(text).normalize().as_tuple().digits) <= DIGITS:
            return self.sheet.write_number(self.rows, number, float(text), shown)
        day = column.day(text)
        if day is not None and (day.date() if isinstance(day, datetime) else day) >= DAY_ONE:
            return self.sheet.write_datetime(self.rows, number, day, shown)
        return self.sheet.write_string(self.rows, number, column.text(text), shown)

    def finish(self) -> None:
        """Add what depends on the number of rows."""
        last = len(self.columns) - 1
        self.sheet.autofilter(0, 0, max(self.rows, 1), last)
        self.sheet.ignore_errors({"number_stored_as_text": f"A2:{xl_col_to_name(last)}{self.rows + 2}"})  # such as a year


def width_of(column: Column) -> int:
    """The width of a column in characters: that of its content, and at least that of the longest word of its label."""
    return max(WIDTHS.get(column.kind, NARROW), *(len(word) + 4 for word in column.label.split()))  # 4 for the button of the filter


def cell_format(workbook: Workbook, kind: Kind) -> Format:
    if kind not in NUMBER_FORMATS:
        return workbook.add_format(TOP)
    align = "right" if kind in NUMBERS else "left"
    return workbook.add_format({"valign": "top", "num_format": NUMBER_FORMATS[kind], "align": align})


def header_format(workbook: Workbook) -> Format:
    return workbook.add_format({"bold": True, "valign": "vcenter", "text_wrap": True, "bg_color": "#E8EDF2", "bottom": 1})


# ---- the second sheet


def write_about(workbook: Workbook, columns: Sequence[Column], facts: Mapping[str, str], **more: Mapping[str, str]) -> None:
    """Add the sheet that says what the first one is, and explains each of its columns.

    `more` are further columns of the explanation, such as examples: the text for each column by its name, and the title as key.
    """
    sheet = workbook.add_worksheet(_("About this sheet")[:MAX_SHEET_NAME])
    bold, wrapped, header = workbook.add_format({"bold": True, "valign": "top"}), workbook.add_format(TOP), header_format(workbook)
    for number, width in enumerate([28, 70, 60, 24, *([34] * len(more))]):
        sheet.set_column(number, number, width)
    row = 0
    for title, text in facts.items():
        sheet.write_string(row, 0, title, bold)
        sheet.write_string(row, 1, text[:MAX_CELL], wrapped)
        row += 1
    row += 1
    sheet.set_row(row, 20)
    for number, title in enumerate([_("Column"), _("Meaning"), _("Values"), _("Field"), *more]):
        sheet.write_string(row, number, title, header)
    for column in columns:
        row += 1
        texts = [column.label, column.meaning, column.values, column.name, *(texts.get(column.name, "") for texts in more.values())]
        for number, text in enumerate(texts):
            sheet.write_string(row, number, text[:MAX_CELL], wrapped if number else bold)


# ---- an empty sheet to fill in


def write_example(file: IO[bytes], resource: Resource, names: Sequence[str]) -> None:
    """An empty sheet with the columns of these fields, to be filled in and imported."""
    columns = [column for column in sheet_columns(resource) if column.name in names]
    fields, example = resource.serializer().fields, resource.serializer.example or {}
    with Workbook(file) as workbook:
        records = RecordSheet(workbook, resource, columns)
        for number, column in enumerate(columns):
            labels = [label for label, _definition in column.codes.values()]
            if labels and "," not in "".join(labels) and len(",".join(labels)) <= MAX_LIST:
                offered = {"validate": "list", "source": labels, "error_type": "warning"}
                records.sheet.data_validation(1, number, MAX_ROWS - 1, number, offered)
        records.finish()
        facts = {
            _("What this is"): _("An empty sheet for {records}. Fill in a row for each record, and import the file.").format(
                records=resource.model._meta.verbose_name_plural
            ),
            _("Records of this type"): _(resource.definition),
            _("Columns"): _("Those that are not required can stay empty or be deleted. An empty cell means unknown."),
        }
        required = {column.name: _("Required") for column in columns if fields[column.name].required}
        examples = {column.name: example_of(column, example[column.name]) for column in columns if column.name in example}
        write_about(workbook, columns, facts, **{_("Required"): required, _("Example"): examples})


def example_of(column: Column, value: Any) -> str:
    return "; ".join(map(str, value)) if isinstance(value, list) else column.text(str(value))
