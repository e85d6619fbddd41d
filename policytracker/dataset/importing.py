"""Importing a table: rows become records by a mapping, are compared with the stored ones and written by the bulk engine, or none is."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.db import models, transaction
from django.utils.translation import gettext as _

from policytracker.api import bulk
from policytracker.dataset.cells import Cells
from policytracker.dataset.mapping import FileMapping
from policytracker.dataset.names import NameIndex
from policytracker.dataset.record_import import Line, RecordImport
from policytracker.dataset.tables import Table, TableError, steps
from policytracker.dataset.writer import Outcome
from policytracker.records.access import Reader, Role
from policytracker.records.context import change_context
from policytracker.records.models import Record
from policytracker.resources import ReadContext, registry

CHUNK = 1000  # rows
FULL_ACCESS = Reader(frozenset({Role.ADMINISTRATOR}))  # without a user, an import may refer to any record


@dataclass
class Result:
    """The outcome of an import."""

    counts: Counter = field(default_factory=Counter)
    unmatched: dict[tuple[type[models.Model], str], list[int]] = field(default_factory=lambda: defaultdict(list))


class Importer:
    """Imports the rows of a table. `by` is the user who imports, or None. `source` is the key of the source of facts without one.

    Raises TableError if the columns of the table do not fit the mapping, and NotPermitted if the user may not write the records.
    """

    def __init__(self, table: Table, mapping: FileMapping, *, by: Any = None, source: str = "", reason: str = ""):
        self.table, self.mapping, self.by, self.source, self.reason = table, mapping, by, source, reason
        self.reader = by or FULL_ACCESS
        self.context = ReadContext.of(self.reader)
        self.indexes: dict[type[models.Model], NameIndex | None] = {}
        self.result = Result()
        order = [resource.address for resource in registry]
        records = sorted(mapping.records, key=lambda record: order.index(record.resource))  # a record comes after those it refers to
        self.parts = [RecordImport(self, record) for record in records]
        for part in self.parts:
            part.check_permission()
        self.check_columns()

    # ---- columns

    def check_columns(self) -> None:
        """Raises TableError for columns that the mapping does not use, and for columns that the file does not have."""
        unused = set(self.table.headers) - {""} - self.mapping.ignore
        for part in self.parts:
            used = part.headers() + part.possible_headers()
            unused -= {*used, *(step for header in used for step in steps(header)[:1] if self.table.is_json)}
        if self.mapping.of_single_record():
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

    def run(
        self,
        *,
        dry_run: bool,
        report: Callable[[Line], None],
        show_done: Callable[[int], None] = lambda done: None,
        with_changes: bool = False,
    ) -> Result:
        """Write all rows, or none if any is refused. In a dry run, nothing is written.

        `report` gets each line: in a dry run, and `with_changes`, with the changes.
        """
        ordered = self.ordered_rows()
        with transaction.atomic():
            with change_context(self.by, self.reason, "import"):
                for start in range(0, len(ordered), CHUNK):
                    rows = ordered[start : start + CHUNK]
                    lines = [line for part in self.parts for line in part.write(rows, with_changes=dry_run or with_changes)]
                    for line in sorted(lines, key=lambda line: line.row):
                        self.result.counts[line.outcome] += 1
                        report(line)
                    show_done(start + len(rows))
            transaction.set_rollback(dry_run or self.result.counts[Outcome.REFUSED] > 0)
        return self.result

    def ordered_rows(self) -> list[tuple[int, dict[str, Any]]]:
        """The rows, each after the rows whose records it refers to. Otherwise their order stays."""
        rows = self.table.rows
        makers: dict[Any, int] = {}  # the index of the row that makes a record, by resource and key
        needs: dict[int, list[Any]] = {}
        for index, (row, values) in enumerate(rows):
            for part in self.parts:
                if part.self_references:
                    keys, references = part.own_keys(Cells(self.table, row, (values,)))
                    makers |= dict.fromkeys(keys, index)
                    needs.setdefault(index, []).extend(references)
        needed = {index: [makers[key] for key in keys if key in makers] for index, keys in needs.items()}
        return [rows[index] for index in bulk.in_order(len(rows), needed)]

    def names(self, model: type[models.Model]) -> NameIndex | None:
        """The index of the names of a model; None if its records are found by key only."""
        if model not in self.indexes:
            naming = registry.of(model).naming if issubclass(model, Record) else None
            self.indexes[model] = NameIndex(naming, model.objects.visible_to(self.reader)) if naming else None
        return self.indexes[model]
