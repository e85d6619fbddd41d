"""Importing tables: rows become records by a mapping, are compared with the stored ones and written in bulk, or nothing is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from policytracker.importing.context import ImportContext
from policytracker.importing.mapping import FileMapping
from policytracker.importing.record_import import RecordImport
from policytracker.importing.summary import ImportLine
from policytracker.importing.tables import Row, Table, TableError, steps
from policytracker.records.context import change_context, mark_import, nothing_is_committed, one_check_at_the_end
from policytracker.resources import registry
from policytracker.writing.entries import in_order
from policytracker.writing.writer import Outcome

CHUNK = 1000  # rows
Report = Callable[[ImportLine], None]
ShowDone = Callable[[int], None]


class RowRefused(Exception):
    """A row of an import is refused, so nothing is written."""


class Import:
    """An import of tables, each with the name of its file: all rows are written, or none if one is refused.

    `mapping` is that of all tables, or has one for each name. Without a `reason`, that of the changes names the file. With
    `leave_out_refused`, the rows of refused records are left out, with all their records, and so are the rows that need them. For the
    other options see `ImportContext`. `notes` say how the files were read.

    Raises TableError if the columns of a table do not fit the mapping, and NotPermitted if the user may not write the records.
    """

    def __init__(
        self,
        tables: Sequence[tuple[str, Table]],
        mapping: FileMapping | Mapping[str, FileMapping],
        *,
        by: Any = None,
        source: str = "",
        reason: str | None = None,
        update_others: bool = False,
        with_changes: bool = False,
        leave_out_refused: bool = False,
        channel: str = "import",
    ):
        self.leave_out_refused = leave_out_refused
        self.tables = []
        for name, table in tables:
            given = _("Import of %(name)s") % {"name": name[:200]} if reason is None else reason
            own = mapping if isinstance(mapping, FileMapping) else mapping[name]
            context = ImportContext(table, own, by, source, given, update_others, with_changes, channel=channel)
            self.tables.append(TableImport(context, name if len(tables) > 1 else ""))
        self.notes = list(dict.fromkeys(note for table in self.tables for note in table.notes))
        self.names = self.tables[0].context.names

    def run(self, report: Report, show_done: ShowDone = lambda done: None, *, dry_run: bool) -> bool:
        """Write the rows; in a dry run, nothing. Returns whether they were written.

        `report` gets the line of each record, and `show_done` the number of rows of the table that are done.
        """
        if self.leave_out_refused:
            self.find_refused(report, show_done)
        if not dry_run and self.write(report, show_done):
            return True
        with self.trial():
            for table in self.tables:
                table.write(report, show_done)
        return False

    def write(self, report: Report, show_done: ShowDone) -> bool:
        """Write all rows. Returns whether that succeeded; otherwise nothing was written or reported.

        Rules over several records are checked once, at the end, so that others wait for their locks for a short time.
        """
        lines: list[ImportLine] = []

        def keep(line: ImportLine) -> None:
            if line.outcome == Outcome.REFUSED:
                raise RowRefused
            lines.append(line)

        try:
            with transaction.atomic(), one_check_at_the_end():
                mark_import()
                for table in self.tables:
                    table.write(keep, show_done)
        except (RowRefused, IntegrityError):
            return False
        for line in lines:
            report(line)
        return True

    @contextmanager
    def trial(self) -> Iterator[None]:
        """A transaction that finds all refused rows, and is rolled back."""
        with transaction.atomic():
            mark_import()
            nothing_is_committed()
            yield
            transaction.set_rollback(True)

    @property
    def rows_left_out(self) -> int:
        """The number of rows that were left out."""
        return sum(len(table.left_out) for table in self.tables)

    def find_refused(self, report: Report, show_done: ShowDone) -> None:
        """Report the refused records, and leave out their rows."""
        with self.trial():
            for table in self.tables:
                while refused := table.refused(show_done):
                    for line in refused:
                        report(line)
                    table.left_out |= {row for line in refused for row in line.rows}
                table.write(lambda line: None, show_done)  # the next table may refer to its records


class TableImport:
    """The import of one table. `file` is named in its lines. Raises TableError and NotPermitted as `Import`."""

    def __init__(self, context: ImportContext, file: str):
        self.context, self.file = context, file
        self.left_out: set[int] = set()  # rows
        order = [resource.address for resource in registry]
        records = sorted(context.mapping.records, key=lambda record: order.index(record.resource))  # after those they refer to
        parts = [RecordImport(context, record) for record in records]
        for part in parts:
            part.check_permission()
        self.parts = [part for part in parts if not part.when or part.is_in_file(part.when)] or parts
        self.notes = [*context.table.notes, *(note for part in self.parts for note in part.unused_alternatives())]
        message = _("The file has no column “%(header)s”, so the records made from it are left out.")
        self.notes += [message % {"header": part.when} for part in parts if part not in self.parts]
        self.check_columns()

    # ---- columns

    def check_columns(self) -> None:
        """Raises TableError for columns that the file does not have and, in a table without mapped columns, for unknown ones."""
        table, mapping = self.context.table, self.context.mapping
        used = {header for part in self.parts for header in part.headers() + part.possible_headers()}
        if table.is_json:
            used |= {step for header in used for step in steps(header)[:1]}
        unused = set() if mapping.has_columns or "*" in mapping.ignore else set(table.headers) - {""} - mapping.ignore - used
        if not mapping.has_columns and mapping.of_single_record():
            unused -= self.parts[0].use_own_names(set(table.headers) - {""} - mapping.ignore - used)
            self.context.by_title = self.parts[0].has_labels
            if headers := self.parts[0].not_imported:
                self.notes.append(_("Not imported, because these columns show other records: %(names)s.") % {"names": ", ".join(headers)})
        problems = [
            _("%(place)s: Unknown column. Map it to a field, or ignore it in the mapping.") % {"place": table.place_of(header)}
            for header in table.headers
            if header in unused
        ]
        problems += [
            _("The file has no column “%(header)s”, which the mapping uses.") % {"header": header}
            for part in self.parts
            for header in part.headers()
            if not part.is_in_file(header)
        ]
        if problems:
            raise TableError("\n".join(dict.fromkeys(problems)))

    # ---- the import

    def write(self, report: Report, show_done: ShowDone) -> None:
        """Write the rows that are not left out in the current transaction, and report each line.

        If any is refused, the caller must roll back.
        """
        self.context.indexes.clear()  # an earlier run was rolled back
        for part in self.parts:
            part.start()
        done = 0
        with change_context(self.context.by, self.context.reason, self.context.channel):
            for rows in self.chunks():
                lines = [line for part in self.parts for line in part.write(rows)]
                for line in sorted(lines, key=lambda line: line.row):
                    line.file = self.file
                    report(line)
                done += len(rows)
                show_done(done)

    def refused(self, show_done: ShowDone) -> list[ImportLine]:
        """The lines of refused records in a trial run."""
        lines: list[ImportLine] = []
        with transaction.atomic():
            self.write(lines.append, show_done)
            transaction.set_rollback(True)
        return [line for line in lines if line.problems]

    def chunks(self) -> Iterator[list[Row]]:
        """The rows in parts of about CHUNK rows. Rows that are about one record, such as its assessments, are in one part."""
        chunk: list[Row] = []
        for group in self.ordered_groups():
            if chunk and len(chunk) + len(group) > CHUNK:
                yield chunk
                chunk = []
            chunk += group
        if chunk:
            yield chunk

    def groups(self) -> list[list[Row]]:
        """The rows that are not left out, in groups of those that have assessments of the same record."""
        groups: dict[Any, list[Row]] = {}
        for index, (row, values) in enumerate(self.context.table.rows):
            if row not in self.left_out:
                keys = [key for part in self.parts if part.section_type for key in part.own_keys(row, values)[0]]
                groups.setdefault(keys[0] if keys else index, []).append((row, values))
        return list(groups.values())

    def ordered_groups(self) -> list[list[Row]]:
        """The groups of rows, each after those whose records it refers to. Otherwise their order stays."""
        groups = self.groups()
        makers: dict[Any, int] = {}  # the index of the group that makes a record, by resource and key
        needs: dict[int, list[Any]] = {}
        for part in self.parts:
            for index, group in enumerate(groups) if part.self_references else ():
                for row, values in group:
                    keys, references = part.own_keys(row, values)
                    makers |= dict.fromkeys(keys, index)
                    needs.setdefault(index, []).extend(references)
        needed = {index: [makers[key] for key in keys if key in makers] for index, keys in needs.items()}
        return [groups[index] for index in in_order(len(groups), needed)]
