"""What all parts of the import of one table share."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from django.db import models

from policytracker.importing.mapping import FileMapping
from policytracker.importing.names import NameIndex
from policytracker.importing.tables import Table
from policytracker.records.access import FULL_ACCESS
from policytracker.records.models import Record
from policytracker.resources import ReadContext, registry


@dataclass
class ImportContext:
    """A table, how it becomes records, and who imports it.

    `by` is the user who imports, or None. `source` is the key of the source of facts without one, and `reason` the change reason of
    rows without one. `update_others` permits changes of records whose sources are all others. With `with_changes`, the lines have the
    changed values.
    """

    table: Table
    mapping: FileMapping
    by: Any = None
    source: str = ""
    reason: str = ""
    update_others: bool = False
    with_changes: bool = False
    indexes: dict[type[models.Model], NameIndex | None] = field(default_factory=dict)  # discard those of models that were written

    @cached_property
    def reader(self) -> Any:
        """Whose records a row can refer to and change. Without a user, all."""
        return self.by or FULL_ACCESS

    @cached_property
    def read_context(self) -> ReadContext:
        return ReadContext.of(self.reader)

    @cached_property
    def made(self) -> frozenset[type[models.Model]]:
        """The types of records that the rows make."""
        return frozenset(registry.at(record.resource).model for record in self.mapping.records)

    def names(self, model: Any) -> NameIndex | None:
        """The index of the names of a model; None if its records are found by key only."""
        if model not in self.indexes:
            naming = registry.of(model).naming if issubclass(model, Record) else None
            self.indexes[model] = NameIndex(naming, model.objects.visible_to(self.reader)) if naming else None
        return self.indexes[model]
