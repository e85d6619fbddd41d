"""The history of one record: what changed, by whom, why and through which channel, as far as the reader may see it.

As of a past moment it ends there. It is computed backwards from what is stored today, so its queries read the present.
"""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Func, Q, Value

from policytracker.history.values import RecordValues, ShownChange
from policytracker.records.access import Reader, Visibility
from policytracker.records.changes import Change
from policytracker.records.fields import Text
from policytracker.records.models import Record
from policytracker.records.past_access import PastAccess
from policytracker.records.periods import EVER
from policytracker.representation.references import KeyField
from policytracker.sql.moment import present

BATCH = 200  # changes per query


class History:
    """The history of one record for one reader. `fields` are the serializer fields of the record."""

    def __init__(self, record: Record, fields: dict[str, Any], reader: Reader):
        access = PastAccess(reader)
        self.record, self.reader, self.model = record, access.reader, type(record)
        self.periods = access.periods(self.model, [record.pk])[record.pk]
        self.values = RecordValues(self.model, fields, access)
        self.fields = self.values.fields
        self.rows = Change.objects.until_moment().filter(tbl=self.model._meta.db_table, row_id=record.pk)

    def had_been_readable(self, change: Change) -> bool:
        """Whether the reader could read the record immediately before the change."""
        return self.values.had_been_readable(change)

    def readable(self):
        """The changes from the times at which the reader could have read the record."""
        if self.periods == EVER:
            return self.rows
        readable = Q(pk__in=[])
        for start, end in self.periods:
            readable |= Q(at__gte=start, at__lt=end)
        return self.rows.filter(readable)

    def shown(self):
        """The readable changes without the updates that changed only hidden fields; their reasons are hidden too."""
        rows = self.readable()
        return rows if self.reader.sees_all else rows.exclude(pk__in=self.fully_hidden(rows))

    @present()
    def fully_hidden(self, rows) -> list[int]:
        """The ids of the updates that changed only references or source texts that the reader may not see."""
        values = self.values
        always_visible = [
            column
            for column, name in values.columns.items()
            if name not in values.source_texts and not isinstance(self.fields[name], KeyField)
        ]
        # Most updates change a field that is always visible, so few need the expensive check below.
        candidates = rows.filter(~Q(changed__has_any_keys=always_visible), op="update")
        if not self.model._meta.many_to_many:
            candidates = candidates.exclude(changed={})  # only a record that is shown inside this one changed
        long = [f.column for f in self.model._meta.concrete_fields if isinstance(f, Text) and f.name not in values.source_texts]
        short = Func(
            F("before"),
            Value(long, output_field=ArrayField(models.TextField())),
            arg_joiner=" - ",
            template="(%(expressions)s::text[])",
            output_field=models.JSONField(),
        )
        ids, hidden = list(candidates.order_by("id").values_list("pk", flat=True)), []
        for start in range(0, len(ids), BATCH):
            changes: list[Any] = list(self.rows.filter(pk__in=ids[start : start + BATCH]).defer("before").annotate(short=short))
            for change in changes:
                change.before = change.short
            hidden += [pk for pk, visible in values.visible(changes).items() if not visible]
        return hidden

    @present()
    def entries(self, changes: list[Change]) -> list[ShownChange]:
        """One entry for each change, with the changed links, in the given order."""
        visible = self.values.visible(changes)
        return [self.values.entry(change, visible[change.id]) for change in changes]


def deleted_record(model: type[Record], reader: Reader, **where: Any) -> Record | None:
    """The deleted record with this `row_id` or this `before__contains`, as it was when it was deleted.

    Reviewers and administrators may read it; if it was restricted, only administrators.
    """
    deletions = Change.objects.filter(tbl=model._meta.db_table, op="delete", moved=True, **where)
    row = deletions.order_by("-id").values_list("before", flat=True).first() if reader.sees_unapproved else None
    if row is None or not (reader.sees_all or row.get("visibility") != Visibility.RESTRICTED):
        return None
    stored = (field for field in model._meta.concrete_fields if not field.generated and field.column in row)
    return model(**{field.attname: field.to_python(row[field.column]) for field in stored})
