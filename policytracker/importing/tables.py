"""Tables of cells: rows by header, places in the file, and the checks that a table of any format must pass."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

MAX_CELL = 100_000  # characters; no field of a record is longer
MAX_COLUMNS = 1000
MEMORY = 512 * 1024 * 1024  # bytes
SECONDS = 10
# An export puts ' where a spreadsheet would begin to execute a cell (api/export.py).
EXECUTABLE = re.compile(r"(^|;)'(?='*[=+\-@\t\r\uFF1D\uFF0B\uFF0D\uFF20])")
FORMULA = re.compile(r"=|[+\-@][^|(]{0,100}(?:\|[^!]{0,1000}!|(?<=[A-Za-z_.])\()")  # =1+1, @SUM(1), -1+cmd|'/C calc'!A0


class TableError(Exception):
    """The file cannot be imported. The message names the place: row and column, line or item."""


class TooLarge(TableError):
    """The file needs more than the caller permits: rows, cells, memory or time."""


@dataclass(frozen=True)
class Limits:
    """What reading a file may take. Sizes are bytes."""

    rows: int  # empty ones included
    cells: int
    characters: int
    unpacked: int  # size of the parts of a spreadsheet, which is a zip archive
    memory: int
    seconds: int  # of CPU time

    @classmethod
    def for_size(cls, size: int) -> Limits:
        """Limits for the command: they grow with the size of the file."""
        return cls(
            rows=10_000_000,
            cells=1_000_000 + 2 * size,
            characters=20_000_000 + 20 * size,
            unpacked=1_000_000_000,
            memory=MEMORY + 20 * size,
            seconds=SECONDS + 10 * size // 1_000_000,
        )

    def check_rows(self, rows: int) -> None:
        """Raises TooLarge."""
        if rows > self.rows:
            raise TooLarge(_("The file has more than %(limit)s rows. Empty rows count.") % {"limit": f"{self.rows:,}"})

    def check_cells(self, cells: int) -> None:
        """Raises TooLarge."""
        if cells > self.cells:
            raise TooLarge(_("The file has more than %(limit)s cells. Empty cells count.") % {"limit": f"{self.cells:,}"})

    def check_characters(self, characters: int) -> None:
        """Raises TooLarge."""
        if characters > self.characters:
            raise TooLarge(_("The cells have more than %(limit)s characters together.") % {"limit": f"{self.characters:,}"})


@dataclass(frozen=True)
class File:
    """The content of a file, and how to read it."""

    data: bytes
    location: Sequence[str]
    encoding: str
    limits: Limits


@dataclass(frozen=True)
class Place:
    """The place of a value: a row numbered like in a spreadsheet, where the header is row 1, and a column; or an item of a JSON list.

    `field` is our field that has the value, if no column of the file has it.
    """

    row: int | None
    column: int | None = None  # from 0
    header: str = ""
    in_json: bool = False
    field: str = ""

    def __str__(self):
        return f"{self.in_file}, {self.field}" if self.field else self.in_file

    @property
    def in_file(self) -> str:
        if self.row is None:
            return _("“%(header)s”") % vars(self)
        if self.in_json:
            return _("Item %(row)s, “%(header)s”") % vars(self) if self.header else _("Item %(row)s") % vars(self)
        if self.column is None:
            return _("Row %(row)s") % vars(self)
        from xlsxwriter.utility import xl_col_to_name  # here, because a file without errors does not need it

        values = {"row": self.row, "letter": xl_col_to_name(self.column), "header": self.header[:60]}
        return (_("Row %(row)s, column %(letter)s “%(header)s”") if self.header else _("Row %(row)s, column %(letter)s")) % values


Row = tuple[int, dict[str, Any]]  # the number of a row in the file, and its cells by header


@dataclass
class OpenTable:
    """A file whose header was read. Its rows are read when they are needed, which raises TableError at a damaged one.

    `headers` are those of the file in order; a JSON document has those that occur in any item. `notes` say how the file was read.
    """

    headers: list[str]
    rows: Iterable[Row]
    notes: list[str] = field(default_factory=list)
    is_json: bool = False
    header_row: int = 1


@dataclass
class Table(OpenTable):
    """A file whose rows were read. In JSON a cell can be a list or an object."""

    rows: list[Row]

    def place_of(self, header: str) -> Place:
        """The place of a header."""
        return Place(None, header=header) if self.is_json else self.place(self.header_row, header)

    def place(self, row: int, header: str = "") -> Place:
        column = None if self.is_json or header not in self.headers else self.headers.index(header)
        return Place(row, column, header, self.is_json)


def table(rows: Iterable[tuple[int, Sequence[str]]], notes: list[str], limits: Limits, *, of_text: bool = False) -> OpenTable:
    """The table of these rows, of which the first that is not empty is the header.

    In a text file each row must have all cells, and a cell that looks like a formula would be one in a spreadsheet.
    Raises TableError.
    """
    numbered = limited(rows, limits)
    for number, cells in numbered:
        if any(cell.strip() for cell in cells):
            headers = header_row(number, cells)
            return OpenTable(headers, rows_below(headers, numbered, of_text), notes, header_row=number)
    raise TableError(_("The file is empty."))


def limited(rows: Iterable[tuple[int, Sequence[str]]], limits: Limits) -> Iterator[tuple[int, Sequence[str]]]:
    """The rows. Raises TooLarge beyond a limit, and TableError if the numbers of the rows do not grow."""
    last = cell_count = characters = 0
    for number, cells in rows:
        if number <= last:
            raise TableError(_("%(place)s: The rows of the file are not in order. It may be damaged.") % {"place": Place(number)})
        last = number
        cell_count += len(cells)
        characters += sum(map(len, cells))
        limits.check_rows(number - 1)  # the header is not counted
        limits.check_cells(cell_count)
        limits.check_characters(characters)
        yield number, cells


def check_columns(columns: int, place: Place) -> None:
    """Raises TableError."""
    if columns > MAX_COLUMNS:
        raise TableError(_("%(place)s: At most %(limit)s columns can be imported.") % {"place": place, "limit": f"{MAX_COLUMNS:,}"})


def rows_below(headers: list[str], rows: Iterable[tuple[int, Sequence[str]]], of_text: bool) -> Iterator[Row]:
    """The rows below the header that are not empty, by header."""
    for number, cells in rows:
        if any(cell.strip() for cell in cells):
            if [cell.strip() for cell in cells[: len(headers)]] == headers:
                raise TableError(_("%(place)s: The header occurs twice.") % {"place": Place(number)})
            yield number, cells_by_header(number, headers, cells, of_text)


def header_row(number: int, cells: Sequence[str]) -> list[str]:
    headers = list(map(one_line, cells))
    while headers and not headers[-1]:
        headers.pop()
    check_columns(len(headers), Place(number))
    for column, header in enumerate(headers):
        if header and header in headers[:column]:
            raise TableError(_("%(place)s: This header occurs twice.") % {"place": Place(number, column, header)})
    return headers


def cells_by_header(number: int, headers: list[str], cells: Sequence[str], of_text: bool) -> dict[str, str]:
    """The cells of a row. Raises TableError for a cell without a header, and in a text file for missing cells and for a formula."""
    for column, cell in enumerate(cells):
        if cell.strip() and (column >= len(headers) or not headers[column]):
            raise TableError(_("%(place)s: This cell has no header.") % {"place": Place(number, column)})
    if of_text and len(cells) < len(headers):
        raise TableError(
            _("%(place)s: The row has %(cells)s of %(headers)s cells. The file may be truncated.")
            % {"place": Place(number), "cells": len(cells), "headers": len(headers)}
        )
    result = dict.fromkeys(filter(None, headers), "")
    for column, (header, cell) in enumerate(zip(headers, cells, strict=False)):
        if not header:
            continue
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


def one_line(text: str) -> str:
    """The words of a text, such as a header, with single spaces between them."""
    return " ".join(text.split())


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
