"""Tables of cells: rows by header, places in the file, and the checks that a table of any format must pass."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _
from xlsxwriter.utility import xl_col_to_name

MAX_CELL = 100_000  # characters; no field of a record is longer
MAX_COLUMNS = 1000
# An export puts ' where a spreadsheet would begin to execute a cell (api/export.py).
EXECUTABLE = re.compile(r"(^|;)'(?='*[=+\-@\t\r\uFF1D\uFF0B\uFF0D\uFF20])")
FORMULA = re.compile(r"=|[+\-@][^|(]{0,100}(?:\|[^!]{0,1000}!|(?<=[A-Za-z_.])\()")  # =1+1, @SUM(1), -1+cmd|'/C calc'!A0


class TableError(Exception):
    """The file cannot be imported. The message names the place: row and column, line or item."""


class TooManyRows(TableError):
    """The file has more rows than the caller accepts."""


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
        values = {"row": self.row, "letter": xl_col_to_name(self.column), "header": self.header[:60]}
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


def check_number(rows: int, max_rows: int | None) -> None:
    """Raises TooManyRows."""
    if max_rows is not None and rows > max_rows:
        raise TooManyRows(_("The file has more than %(limit)s rows.") % {"limit": f"{max_rows:,}"})


def table(rows: Iterable[tuple[int, Sequence[str]]], notes: list[str], *, of_text: bool = False, max_rows: int | None = None) -> Table:
    """The table of these rows, of which the first that is not empty is the header.

    In a text file each row must have all cells, and a cell that looks like a formula would be one in a spreadsheet.
    Reading stops with TooManyRows after `max_rows`.
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
        check_number(len(result), max_rows)
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
            if of_text and FORMULA.match(cell):
                raise formula(Place(number, column, header))
            if len(cell) > MAX_CELL:
                raise too_long(cell, Place(number, column, header))
            result[header] = EXECUTABLE.sub(r"\1", cell)
    return result


def too_long(cell: str, place: Place) -> TableError:
    return TableError(
        _("%(place)s: The cell has %(length)s characters. At most %(limit)s can be imported.")
        % {"place": place, "length": f"{len(cell):,}", "limit": f"{MAX_CELL:,}"}
    )


def formula(place: Place) -> TableError:
    return TableError(
        _("%(place)s: The cell contains a formula. Enter its value, or ' before a text that is not a formula.") % {"place": place}
    )


def megabytes(size: int, limit: int) -> dict[str, str]:
    return {"size": f"{size / 1e6:,.1f}", "limit": f"{limit / 1e6:,.0f}"}


# ---- paths in JSON


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
