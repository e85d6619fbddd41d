"""Grids: rows that a person enters on a page, for several record types at once.

An app declares its grids as tables with a mapping, so that they are imported by the same engine, with the same rules, as files. All rows
of all grids are written, or nothing; each problem names the cell.
"""

from __future__ import annotations

import json
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.db import models
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from policytracker.admin.forms import free_key
from policytracker.importing.importer import Import
from policytracker.importing.mapping import Column, FileMapping, RecordMapping
from policytracker.importing.summary import ImportLine
from policytracker.importing.tables import Place, Table
from policytracker.records.models import Record, SluggedRecord
from policytracker.resources import registry

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

MAX_ROWS = 100  # of a grid
KEY = "key"  # the column with the key of the record, which is made
Rows = dict[int, dict[str, str]]  # the cells by column, by number of the row


@dataclass(frozen=True)
class GridColumn:
    """A column of a grid. It has the label and the codes of the field with its name, of the records that the grid is about.

    `width` is one of the style sheet. In a cell of a column with `rows_of`, the number of a row of that grid stands for its record.
    """

    name: str
    label: StrOrPromise = ""
    required: bool = False
    width: str = ""
    rows_of: str = ""


@dataclass(frozen=True)
class Grid:
    """A kind of rows. `records` are what a row makes; the grid is about the first of them. Its key is made of the column `key_from`."""

    name: str
    title: StrOrPromise
    columns: tuple[GridColumn, ...]
    records: tuple[RecordMapping, ...]
    key_from: str = ""

    @property
    def model(self) -> type[Record]:
        return registry.at(self.records[0].resource).model

    @cached_property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]

    def label(self, column: GridColumn) -> str:
        return str(column.label or capfirst(self.field(column.name).verbose_name))

    def field(self, name: str) -> Any:
        """The model field with the name of a column; None if there is none."""
        fields = {f.name: f for f in (*self.model._meta.concrete_fields, *self.model._meta.many_to_many)}
        return fields.get(name)

    def may_write(self, user: Any) -> bool:
        """Whether the user may write all records that a row makes."""
        options = [registry.at(record.resource).model._meta for record in self.records]
        return all(user.has_perm(f"{each.app_label}.{verb}_{each.model_name}") for each in options for verb in ("add", "change"))


def record(resource: str, *names: str, when: str = "", split: str = "", **headers: str) -> RecordMapping:
    """What a row makes: the fields `names` come from the columns of these names, others from `headers`. `split` is a column with a list."""
    columns = {name: Column((header,), split=";" if header == split else "") for name, header in ({n: n for n in names} | headers).items()}
    return RecordMapping(resource, columns, when=(when,) if when else ())


# All grids, in the order of the page; filled by the apps.
GRIDS: dict[str, Grid] = {}


def register(*grids: Grid) -> None:
    GRIDS.update({grid.name: grid for grid in grids})


@dataclass(frozen=True)
class CellProblem:
    """Why a row is refused. `column` is a column of the grid."""

    grid: Grid
    row: int
    column: str
    message: str

    @property
    def cell(self) -> str:
        """The HTML id of the cell."""
        return f"id_{cell_name(self.grid, self.row, self.column)}"

    @property
    def label(self) -> str:
        names = {column.name: self.grid.label(column) for column in self.grid.columns}
        return _("%(grid)s, row %(row)s, %(column)s") % {"grid": self.grid.title, "row": self.row, "column": names[self.column]}


def cell_name(grid: Grid, row: int | str, column: str) -> str:
    return f"{grid.name}-{row}-{column}"


def entered_rows(data: Mapping[str, Any], grids: Iterable[Grid]) -> dict[str, Rows]:
    """The rows of a submitted page that are not empty, by grid.

    A script sends all cells as one field, because a request has a limited number of fields.
    """
    cells: Mapping[str, Any] = data
    if "cells" in data:
        try:
            cells = json.loads(data["cells"])
        except ValueError:
            cells = {}
        cells = cells if isinstance(cells, dict) else {}
    rows: dict[str, Rows] = {grid.name: {} for grid in grids}
    columns = {grid.name: set(grid.names) for grid in grids}
    for name, value in cells.items():
        grid, _dash, place = name.partition("-")
        number, _dash, column = place.partition("-")
        row = int(number) if number.isascii() and number.isdecimal() and len(number) < 5 else 0
        if isinstance(value, str) and value.strip() and column in columns.get(grid, ()) and 0 < row <= MAX_ROWS:
            rows[grid].setdefault(row, {})[column] = value.strip()
    return {name: dict(sorted(of_grid.items())) for name, of_grid in rows.items()}


@dataclass
class GridImport:
    """Writes the rows of grids together.

    `fixed` are cells that every row has, such as a source; if one is empty, the rows are checked and not written. `problems` are the cells
    that the caller refuses; with any of them, nothing is written. `keys` are those of the records, by grid and row.
    """

    grids: Sequence[Grid]
    rows: Mapping[str, Rows]
    fixed: dict[str, str]
    by: Any
    problems: list[CellProblem] = field(default_factory=list)
    keys: dict[tuple[str, int], str] = field(default_factory=dict)

    def __post_init__(self):
        self.make_keys()

    def run(self) -> bool:
        """Write the rows. Returns whether they were written; otherwise `problems` has every reason. Raises NotPermitted."""
        tables = [(grid, self.table(grid)) for grid in self.grids if self.rows.get(grid.name)]
        lines: list[ImportLine] = []
        mappings = {grid.name: FileMapping(grid.records) for grid, _table in tables}
        importer = Import(
            [(grid.name, table) for grid, table in tables], mappings, by=self.by, reason="", update_others=True, channel="admin"
        )
        if importer.run(lines.append, dry_run=bool(self.problems) or not all(self.fixed.values())):
            return True
        self.collect(lines, [grid for grid, _table in tables])
        return False

    def collect(self, lines: Sequence[ImportLine], written: Sequence[Grid]) -> None:
        """Add the problems of the lines, in the order of the page.

        Where a record is refused, so are those that refer to it by a cell that nobody sees: only the first is told.
        """
        told, following = list(self.problems), []
        for line in lines:
            grid = next((grid for grid in written if grid.name == line.file), written[0])
            for problem in line.problems:
                found = CellProblem(grid, problem.place.row or line.row, self.column_of(grid, problem.place), problem.message)
                problems = following if problem.place.header in {KEY, *self.fixed} else told
                if found not in problems:
                    problems.append(found)
        order = [grid.name for grid in self.grids]
        self.problems = told or following
        self.problems.sort(key=lambda each: (order.index(each.grid.name), each.row, each.grid.names.index(each.column)))

    def make_keys(self) -> None:
        """Give the record of each row a key: one made of its title, or a new UUID."""
        taken: dict[type[Record], set[str]] = defaultdict(set)
        for grid in self.grids:
            for number, cells in self.rows.get(grid.name, {}).items():
                if issubclass(grid.model, SluggedRecord):
                    used = taken[grid.model]
                    key = free_key(grid.model, cells.get(grid.key_from, ""), used) or free_key(grid.model, grid.name, used)
                    used.add(key)
                else:
                    key = str(uuid.uuid4())
                self.keys[grid.name, number] = key

    def table(self, grid: Grid) -> Table:
        """The rows of a grid as a table to import."""
        rows = [
            (number, dict.fromkeys(grid.names, "") | self.cells(grid, number, cells) | self.fixed | {KEY: self.keys[grid.name, number]})
            for number, cells in self.rows[grid.name].items()
        ]
        return Table([KEY, *self.fixed, *grid.names], rows)

    def cells(self, grid: Grid, number: int, cells: Mapping[str, str]) -> dict[str, str]:
        """The cells, with the keys of the records of other rows."""
        found = dict(cells)
        for column in grid.columns:
            if column.rows_of and (text := cells.get(column.name)):
                key = self.keys.get((column.rows_of, int(text))) if text.isascii() and text.isdecimal() else None
                if key is None:
                    title = GRIDS[column.rows_of].title
                    message = _("Enter the number of a row of %(grid)s that is filled.") % {"grid": title}
                    self.problems.append(CellProblem(grid, number, column.name, message))
                found[column.name] = key or ""
        return found

    @staticmethod
    def column_of(grid: Grid, place: Place) -> str:
        """The column of a problem: of its cell, or of the field that it concerns; otherwise that of the title, or the first one."""
        names = [place.header, place.field, grid.key_from, grid.names[0]]
        return next(name for name in names if name in grid.names)


# ---- the page


@dataclass(frozen=True)
class Cell:
    """A cell as the page shows it. `options` is the id of the list of values to choose from."""

    column: GridColumn
    name: str
    label: str
    value: str
    options: str
    errors: list[str]


@dataclass(frozen=True)
class ShownGrid:
    """A grid as the page shows it: `rows` have the number and the cells, `options` are the values to choose from, by id of the list."""

    grid: Grid
    headers: list[tuple[GridColumn, str]]
    rows: list[tuple[int, list[Cell]]]
    options: dict[str, list[str]]


def shown_grid(grid: Grid, rows: Rows, problems: Sequence[CellProblem], number: int, shared: Mapping[type[models.Model], str]) -> ShownGrid:
    """The grid with at least this number of rows. `shared` are the ids of lists of names, by type of record."""
    errors: dict[tuple[int, str], list[str]] = defaultdict(list)
    for problem in problems:
        if problem.grid is grid:
            errors[problem.row, problem.column].append(problem.message)
    headers = [(column, grid.label(column)) for column in grid.columns]
    options = dict(options_of(grid))
    lists = {column.name: list_id(grid, column, options, shared) for column in grid.columns}

    def cells(row: int) -> Iterator[Cell]:
        for column, label in headers:
            name = _("%(column)s, row %(row)s") % {"column": label, "row": row}
            value = rows.get(row, {}).get(column.name, "")
            yield Cell(column, cell_name(grid, row, column.name), name, value, lists[column.name], errors[row, column.name])

    count = min(max(number, *rows, 1), MAX_ROWS) if rows else number
    return ShownGrid(grid, headers, [(row, list(cells(row))) for row in range(1, count + 1)], options)


def options_of(grid: Grid) -> Iterator[tuple[str, list[str]]]:
    """The labels of the codes of each column, by the id of the list."""
    for column in grid.columns:
        if choices := getattr(grid.field(column.name), "choices", None):
            yield f"{grid.name}-{column.name}-values", [str(label) for _code, label in choices]


def list_id(grid: Grid, column: GridColumn, options: Mapping[str, Any], shared: Mapping[type[models.Model], str]) -> str:
    own, target = f"{grid.name}-{column.name}-values", grid.field(column.name)
    return own if own in options else shared.get(getattr(target, "related_model", None), "")  # type: ignore[arg-type]
