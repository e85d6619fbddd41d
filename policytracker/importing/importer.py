"""Importing a table: rows become records by a mapping, are compared with the stored ones and written by the bulk engine, or none is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db import IntegrityError, models, transaction
from django.utils.translation import gettext as _

from policytracker.importing.cells import Cells, Reading
from policytracker.importing.mapping import FileMapping
from policytracker.importing.names import NameIndex
from policytracker.importing.record_import import RecordImport
from policytracker.importing.summary import Line
from policytracker.importing.tables import Table, TableError, steps
from policytracker.records.access import FULL_ACCESS
from policytracker.records.context import change_context, mark_import, nothing_is_committed, one_check_at_the_end
from policytracker.records.models import Record
from policytracker.resources import ReadContext, registry
from policytracker.writing import entries as bulk
from policytracker.writing.writer import Outcome

CHUNK = 1000  # rows


@dataclass(frozen=True)
class Options:
    """How to run an import.

    `report` gets each line, `with_changes` with the changed values, and `show_done` the number of rows that are done. With
    `leave_out_refused`, the rows of refused records are left out, with all their records, and so are the rows that need them.
    """

    report: Callable[[Line], None]
    show_done: Callable[[int], None] = lambda done: None
    with_changes: bool = False
    leave_out_refused: bool = False


class RowRefused(Exception):
    """A row of an import is refused, so nothing is written."""


def run(importers: Sequence[Importer], options: Options, *, dry_run: bool) -> bool:
    """Write the rows of several tables, or none if any is refused. In a dry run, nothing is written.

    With `leave_out_refused`, the rows that are not refused are written. Returns whether rows were written.
    """
    if options.leave_out_refused:
        leave_out_refused(importers, options)
    if not dry_run and write_all(importers, options):
        return True
    with transaction.atomic():  # nothing is written, and all refused rows are found
        mark_import()
        nothing_is_committed()
        for importer in importers:
            importer.write(options)
        transaction.set_rollback(True)
    return False


def write_all(importers: Sequence[Importer], options: Options) -> bool:
    """Write all rows. Returns whether that succeeded; otherwise nothing was written or reported.

    Rules over several records are checked once, at the end, so that others wait for their locks for a short time.
    """
    lines: list[Line] = []

    def keep(line: Line) -> None:
        if line.outcome == Outcome.REFUSED:
            raise RowRefused
        lines.append(line)

    try:
        with transaction.atomic(), one_check_at_the_end():
            mark_import()
            for importer in importers:
                importer.write(replace(options, report=keep))
    except (RowRefused, IntegrityError):
        return False
    for line in lines:
        options.report(line)
    return True


def leave_out_refused(importers: Sequence[Importer], options: Options) -> None:
    """Find the rows of refused records by trial runs, report them and leave them out."""
    silent = replace(options, report=lambda line: None, with_changes=False)
    with transaction.atomic():
        mark_import()
        nothing_is_committed()
        for importer in importers:
            while refused := importer.find_refused(silent):
                for line in refused:
                    options.report(line)
                importer.left_out |= {row for line in refused for row in line.rows}
            importer.write(silent)  # the next table may refer to its records
        transaction.set_rollback(True)


class Importer:
    """Imports the rows of a table. `by` is the user who imports, or None. `source` is the key of the source of facts without one.

    `update_others` permits changes of records whose sources are all others. `file` is named in the lines. `notes` say how the file was
    read. Raises TableError if the columns of the table do not fit the mapping, and NotPermitted if the user may not write the records.
    """

    def __init__(
        self,
        table: Table,
        mapping: FileMapping,
        *,
        by: Any = None,
        source: str = "",
        reason: str = "",
        update_others: bool = False,
        file: str = "",
    ):
        self.table, self.mapping, self.by, self.source, self.reason = table, mapping, by, source, reason
        self.update_others, self.file = update_others, file
        self.left_out: set[int] = set()  # rows
        self.reading = Reading(mapping.empty, mapping.dates)
        self.made = frozenset(registry.at(record.resource).model for record in mapping.records)
        self.reader = by or FULL_ACCESS
        self.context = ReadContext.of(self.reader)
        self.indexes: dict[type[models.Model], NameIndex | None] = {}
        order = [resource.address for resource in registry]
        records = sorted(mapping.records, key=lambda record: order.index(record.resource))  # a record comes after those it refers to
        self.records = records
        self.parts = self.new_parts()
        for part in self.parts:
            part.check_permission()
        self.notes = [*table.notes, *self.leave_out_absent()]
        self.check_columns()

    def new_parts(self) -> list[RecordImport]:
        return [RecordImport(self, record) for record in self.records]

    def cells(self, row: int, values: dict[str, Any]) -> Cells:
        return Cells(self.table, row, (values,), self.reading)

    # ---- columns

    def leave_out_absent(self) -> list[str]:
        """Leave out the parts for which the file has no column: those with a `when` that it does not have. Returns notes about them.

        Other notes name columns that are not used, because an alternative comes before them.
        """
        present = [part for part in self.parts if not part.when or part.is_in_file(part.when)]
        notes = [note for part in present or self.parts for note in part.unused_alternatives()]
        if len(self.parts) > 1 and present:
            message = _("The file has no column “%(header)s”, so the records made from it are left out.")
            notes += [message % {"header": part.when} for part in self.parts if part not in present]
            self.parts, self.records = present, [part.mapping for part in present]
        return list(dict.fromkeys(notes))

    def check_columns(self) -> None:
        """Raises TableError for columns that the file does not have and, in a table without mapped columns, for unknown ones."""
        unused = set(self.table.headers) - {""} - self.mapping.ignore
        for part in self.parts:
            used = part.headers() + part.possible_headers()
            unused -= {*used, *(step for header in used for step in steps(header)[:1] if self.table.is_json)}
        if self.mapping.has_columns:
            unused = set()
        elif self.mapping.of_single_record():
            unused -= self.parts[0].use_own_names(unused)
        problems = [
            _("%(place)s: Unknown column. Map it to a field, or ignore it in the mapping.") % {"place": self.table.place_of(header)}
            for header in self.table.headers
            if header in unused and "*" not in self.mapping.ignore
        ]
        for part in self.parts:
            problems += [
                _("The file has no column “%(header)s”, which the mapping uses.") % {"header": header}
                for header in part.headers()
                if not part.is_in_file(header)
            ]
        if problems:
            raise TableError("\n".join(dict.fromkeys(problems)))

    # ---- the import

    def write(self, options: Options) -> None:
        """Write the rows that are not left out in the current transaction, and report each line.

        If any is refused, the caller must roll back.
        """
        self.indexes = {}  # an earlier run was rolled back
        self.parts = self.new_parts()
        if not self.mapping.has_columns and self.mapping.of_single_record():
            self.parts[0].use_own_names(set(self.table.headers))
        done = 0
        with change_context(self.by, self.reason, "import"):
            for rows in self.chunks():
                lines = [line for part in self.parts for line in part.write(rows, with_changes=options.with_changes)]
                for line in sorted(lines, key=lambda line: line.row):
                    line.file = self.file
                    options.report(line)
                done += len(rows)
                options.show_done(done)

    def find_refused(self, options: Options) -> list[Line]:
        """The lines of refused records in a trial run. Nothing is written."""
        lines: list[Line] = []
        with transaction.atomic():
            self.write(replace(options, report=lines.append))
            transaction.set_rollback(True)
        return [line for line in lines if line.problems]

    def chunks(self) -> Iterator[list[tuple[int, dict[str, Any]]]]:
        """The rows in parts of about CHUNK rows. Rows that are about one record, such as its assessments, are in one part."""
        chunk: list[tuple[int, dict[str, Any]]] = []
        for group in self.ordered_groups([row for row in self.table.rows if row[0] not in self.left_out]):
            if chunk and len(chunk) + len(group) > CHUNK:
                yield chunk
                chunk = []
            chunk += group
        if chunk:
            yield chunk

    def groups(self, rows: list[tuple[int, dict[str, Any]]]) -> list[list[tuple[int, dict[str, Any]]]]:
        """The rows, in groups of those that have assessments of the same record."""
        groups: dict[Any, list[tuple[int, dict[str, Any]]]] = {}
        sectioned = [part for part in self.parts if part.section_type]
        for index, (row, values) in enumerate(rows):
            keys = [key for part in sectioned for key in part.own_keys(self.cells(row, values))[0]]
            groups.setdefault(keys[0] if keys else index, []).append((row, values))
        return list(groups.values())

    def ordered_groups(self, rows: list[tuple[int, dict[str, Any]]]) -> list[list[tuple[int, dict[str, Any]]]]:
        """The groups of rows, each after those whose records it refers to. Otherwise their order stays."""
        groups = self.groups(rows)
        makers: dict[Any, int] = {}  # the index of the group that makes a record, by resource and key
        needs: dict[int, list[Any]] = {}
        for index, group in enumerate(groups):
            for part in self.parts:
                for row, values in group if part.self_references else ():
                    keys, references = part.own_keys(self.cells(row, values))
                    makers |= dict.fromkeys(keys, index)
                    needs.setdefault(index, []).extend(references)
        needed = {index: [makers[key] for key in keys if key in makers] for index, keys in needs.items()}
        return [groups[index] for index in bulk.in_order(len(groups), needed)]

    def names(self, model: type[models.Model]) -> NameIndex | None:
        """The index of the names of a model; None if its records are found by key only."""
        if model not in self.indexes:
            naming = registry.of(model).naming if issubclass(model, Record) else None
            self.indexes[model] = NameIndex(naming, model.objects.visible_to(self.reader)) if naming else None
        return self.indexes[model]
