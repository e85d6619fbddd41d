"""The history of one record: what changed, by whom, why and through which channel, as far as the reader may see it."""

from __future__ import annotations

from bisect import bisect
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import product
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import F, Func, Q, Value
from django.utils.dateparse import parse_datetime
from django.utils.timezone import is_aware
from django.utils.translation import gettext_lazy as _

from policytracker.api import json_sql
from policytracker.api.filters import names_people
from policytracker.api.json_sql import source_content
from policytracker.api.serializers import KeyField, KeyListField
from policytracker.history.diffs import display_text
from policytracker.models import Change
from policytracker.records.access import Reader
from policytracker.records.fields import Text
from policytracker.records.models import Record, RegistryRecord

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

EVER = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
BATCH = 200  # changes per query
OPERATIONS = {"insert": "create", "update": "update", "delete": "delete"}


class History:
    """The history of one record for one reader. `fields` are the serializer fields of the record."""

    def __init__(self, record: Record, fields: dict[str, Any], reader: Reader):
        self.record, self.reader = record, reader
        self.fields = {name: shown for name, shown in fields.items() if reader.sees_people or not names_people(shown)}
        self.model = type(record)
        self.rows = Change.objects.filter(tbl=self.model._meta.db_table, row_id=record.pk)
        self.hidden_periods = list(hidden_periods(record, reader))
        self.columns = {
            field.column: name
            for name, shown in self.fields.items()
            if (field := next((f for f in self.model._meta.concrete_fields if f.name == shown.source), None))
            and field.column not in ("version", "updated_at", "created_at")
        }

    def hidden(self, time: datetime) -> bool:
        """Whether the reader could not have read the record at that time."""
        return any(start <= time < end for start, end in self.hidden_periods)

    def readable(self):
        """The changes from the times at which the reader could have read the record."""
        rows = self.rows
        for start, end in self.hidden_periods:
            rows = rows.exclude(at__gte=start, at__lt=end)
        return rows

    def shown(self):
        """The readable changes without the updates that changed only hidden fields; their reasons are hidden too."""
        rows = self.readable()
        return rows if self.reader.sees_all else rows.exclude(pk__in=self.fully_hidden(rows))

    def fully_hidden(self, rows) -> list[int]:
        """The ids of the updates that changed only references or source texts that the reader may not see."""
        source_texts = source_content(self.fields)
        always_visible = [
            column for column, name in self.columns.items() if name not in source_texts and not isinstance(self.fields[name], KeyField)
        ]
        after_hidden = Q(pk__in=[])
        for start, end in self.hidden_periods:
            after_hidden |= Q(since__gte=start, since__lt=end)
        # Most updates change a field that is always visible, so few need the expensive check below.
        candidates = rows.filter(~Q(changed__has_any_keys=always_visible) | after_hidden, op="update")
        if not self.model._meta.many_to_many:
            candidates = candidates.exclude(changed={})  # only a record that is shown inside this one changed
        long = [f.column for f in self.model._meta.concrete_fields if isinstance(f, Text) and f.name not in source_texts]
        short = Func(F("before"), Value(long), arg_joiner=" - ", template="(%(expressions)s::text[])", output_field=models.JSONField())
        ids, hidden = list(candidates.order_by("id").values_list("pk", flat=True)), []
        for start in range(0, len(ids), BATCH):
            changes = list(self.rows.filter(pk__in=ids[start : start + BATCH]).defer("before").annotate(short=short))
            for change in changes:
                change.before = change.short
            hidden += [pk for pk, visible in self.visible_changes(changes).items() if not visible]
        return hidden

    def entries(self, changes: list[Change]) -> list[dict[str, Any]]:
        """One entry for each change, with the changed links, in the given order."""
        visible = self.visible_changes(changes)
        return [self.entry(change, visible[change.id]) for change in changes]

    def visible_changes(self, changes: list[Change]) -> dict[int, dict[str, dict[str, Any]]]:
        """What the reader may see of each change: by id of the change and by field, {"before", "after"}."""
        result = {change.id: self.columns_changed(change) for change in changes}
        for change_id, links in self.links_changed(changes).items():
            result[change_id] |= links
        self.hide_source_texts(changes, result)
        keys = self.keys_of(result.values())
        return {change_id: self.with_keys(fields, keys) for change_id, fields in result.items()}

    def columns_changed(self, change: Change) -> dict[str, tuple[Any, Any]]:
        if change.op != "update":
            return {}
        before_hidden = self.hidden(change.since)
        return {
            name: (
                None if before_hidden and name not in ("visibility", "publication") else change.before.get(column),
                change.changed[column],
            )
            for column, name in self.columns.items()
            if column in change.changed
        }

    def links_changed(self, changes: list[Change]) -> dict[int, dict[str, tuple[list[int], list[int]]]]:
        """The many-to-many links before and after each update, reconstructed backwards from the current links."""
        updates, result = {change.id: change for change in changes if change.op == "update"}, defaultdict(dict)
        versions: dict[str, list[int]] = defaultdict(list)
        for txid, change_id in self.rows.exclude(op="delete").order_by("id").values_list("txid", "id"):
            versions[txid].append(change_id)
        for name, shown in self.fields.items():
            if not isinstance(shown, KeyListField) or not updates:
                continue
            m2m = self.model._meta.get_field(shown.source)
            through, column, far = m2m.remote_field.through, m2m.m2m_column_name(), m2m.m2m_reverse_name()
            links = set(through._default_manager.filter(**{column: self.record.pk}).values_list(far, flat=True))
            link_changes = Change.objects.filter(tbl=through._meta.db_table, row_id=self.record.pk)
            by_change: dict[int, list[Change]] = defaultdict(list)
            for link_change in link_changes.order_by("-id"):
                # A link belongs to the version that its transaction wrote last before the link, else to the next one.
                ids = versions[link_change.txid] or [link_change.id]
                by_change[ids[max(bisect(ids, link_change.id) - 1, 0)]].append(link_change)
            for change_id in sorted(by_change, reverse=True):
                after = set(links)
                for link_change in by_change[change_id]:
                    target = {link_change.before[far]}
                    links = links - target if link_change.op == "insert" else links | target
                if change_id in updates and after != links:
                    result[change_id][name] = ([] if self.hidden(updates[change_id].since) else sorted(links), sorted(after))
        return result

    def hide_source_texts(self, changes: list[Change], values: dict[int, dict[str, tuple[Any, Any]]]) -> None:
        """Empty the texts that quote a source which the reader may not read."""
        source_texts = source_content(self.fields)
        if not source_texts or self.reader.sees_all:
            return
        cited = {c.id: (c.before["source_id"], c.changed.get("source_id", c.before["source_id"])) for c in changes if c.op == "update"}
        sources = (
            self.fields["source"].model.objects.visible_to(self.reader).filter(pk__in={pk for pair in cited.values() for pk in pair if pk})
        )
        readable = {None, *sources.values_list("pk", flat=True)}
        for change_id, (before, after) in cited.items():
            for name in source_texts & values[change_id].keys():
                old, new = values[change_id][name]
                values[change_id][name] = (old if before in readable else "", new if after in readable else "")

    def keys_of(self, values: Iterable[dict[str, tuple[Any, Any]]]) -> dict[str, dict[int, str]]:
        """The natural keys, by field and id, of the referenced records that the reader may read."""
        ids: dict[str, set[int]] = defaultdict(set)
        for changes in values:
            for name, (before, after) in changes.items():
                if isinstance(self.fields[name], KeyField | KeyListField):
                    for pks in (before, after):
                        ids[name] |= set(pks if isinstance(pks, list) else [pks])
        keys = {}
        for name, pks in ids.items():
            shown = self.fields[name]
            reference = shown.child_relation if isinstance(shown, KeyListField) else shown
            rows = reference.model._default_manager.filter(pk__in=pks - {None})
            if issubclass(reference.model, Record):
                rows = rows.visible_to(self.reader)
            keys[name] = {pk: str(key) for pk, key in rows.values_list("pk", reference.key)}
        return keys

    def with_keys(self, changes: dict[str, tuple[Any, Any]], keys: dict[str, dict[int, str]]) -> dict[str, dict[str, Any]]:
        shown = {name: [self.value(name, value, keys.get(name)) for value in values] for name, values in changes.items()}
        # A change between hidden references is no change for this reader.
        return {name: {"before": before, "after": after} for name, (before, after) in shown.items() if before != after}

    def value(self, name: str, value: Any, keys: dict[int, str] | None) -> Any:
        if keys is not None:
            return sorted(keys[pk] for pk in value if pk in keys) if isinstance(value, list) else keys.get(value)
        field = self.model._meta.get_field(self.fields[name].source)
        if value == "" and json_sql.unknown_when_blank(field):
            return None
        if isinstance(field, models.DateTimeField) and isinstance(value, str):
            return moment(parse_datetime(value))
        return str(value) if isinstance(field, models.DecimalField) and value is not None else value

    def entry(self, change: Change, changes: dict[str, Any]) -> dict[str, Any]:
        actor = change.actor or {}
        version = 1 if change.op == "insert" else change.before["version"] + (change.op == "update")
        entry = {
            "uid": str(change.uid),
            "at": moment(change.at),
            "user": actor.get("user") if self.reader.sees_people else None,
            "operation": OPERATIONS[change.op],
            "version": version,
            "reason": actor.get("reason", ""),
            "channel": actor.get("channel", ""),
        }
        labels = {name: self.model._meta.get_field(self.fields[name].source).verbose_name for name in changes}
        return entry | {"line": line(entry, changes, labels), "changes": changes}


def hidden_periods(record: Record, reader: Reader) -> Iterable[tuple[datetime, datetime]]:
    """The periods (start, end) in which the record or one of its access parents was hidden from a reader who may read it now."""
    if reader.sees_all:
        return
    model = type(record)
    updates = Change.objects.filter(tbl=model._meta.db_table, row_id=record.pk, op="update").order_by("id")
    past = list(updates.values_list("since", "at", "before"))
    own = team = False
    if issubclass(model, RegistryRecord):
        own_rows, team_rows = model.objects.all().own_and_team(reader)
        own, team = (model.objects.filter(rule, pk=record.pk).exists() for rule in (own_rows, team_rows))
    for since, at, before in past:
        if not model.snapshot_readable(before, reader, own, team):
            yield since, at
    present = (past[-1][1] if past else EVER[0], EVER[1])
    for name in model.access_parents:
        field = model._meta.get_field(name)
        periods: dict[int, list[tuple[datetime, datetime]]] = defaultdict(list)
        for since, at, before in past:
            periods[before[field.column]].append((since, at))
        periods[getattr(record, field.column)].append(present)
        parents = field.related_model.objects.visible_to(reader).in_bulk(periods.keys() - {None})
        for parent_id in periods.keys() - {None}:
            # A parent that is hidden now hides its complete period.
            hidden = list(hidden_periods(parents[parent_id], reader)) if parent_id in parents else [EVER]
            yield from intersections(periods[parent_id], hidden)


def intersections(first: list[tuple[datetime, datetime]], second: list[tuple[datetime, datetime]]) -> Iterable[tuple[datetime, datetime]]:
    """The periods that are in both lists."""
    for (since, until), (start, end) in product(first, second):
        if max(since, start) < min(until, end):
            yield max(since, start), min(until, end)


def moment(value: datetime | None) -> str | None:
    """A time in the format of the API."""
    if value is None:
        return None
    value = value.astimezone(UTC) if is_aware(value) else value
    return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


CREATED, DELETED = _("{time} {user} created the record"), _("{time} {user} deleted the record")
CHANGED, CHANGED_FIELDS = _("{time} {user} changed the record"), _("{time} {user} {changes}")
FIELD_CHANGE = _("{field}: {before} → {after}")
WITH_REASON = _("{line} ({reason})")


def line(entry: dict[str, Any], changes: dict[str, dict[str, Any]], labels: dict[str, StrOrPromise]) -> str:
    """The entry as one line: `2026-11-24 11:10 ann due on: 2024-05-20 → 2027-01-01 (minister postponed it)`."""
    summary = "; ".join(
        FIELD_CHANGE.format(field=labels[name], before=_shortened(change["before"]), after=_shortened(change["after"]))
        for name, change in changes.items()
    )
    template = {"create": CREATED, "delete": DELETED}.get(entry["operation"], CHANGED_FIELDS if summary else CHANGED)
    user = entry["user"] or entry["channel"] or _("unknown user")
    text = template.format(time=entry["at"][:16].replace("T", " "), user=user, changes=summary)
    return WITH_REASON.format(line=text, reason=entry["reason"]) if entry["reason"] else text


def _shortened(value: Any) -> str:
    text = display_text(value)
    return text if len(text) <= 120 else f"{text[:117]}…"
