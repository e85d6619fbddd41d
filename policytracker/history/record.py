"""What was changed, by whom, why and through which channel, read back from what the triggers kept."""

from __future__ import annotations

from bisect import bisect
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import product
from typing import Any

from django.db import models
from django.db.models import F, Func, Q, Value
from django.utils.dateparse import parse_datetime
from django.utils.timezone import is_aware

from policytracker.api import json_sql
from policytracker.api.filters import names_people
from policytracker.api.json_sql import source_text_fields
from policytracker.api.serializers import KeyField, KeyListField
from policytracker.models import Change
from policytracker.records.access import Reader
from policytracker.records.fields import Text
from policytracker.records.models import Record, RegistryRecord

EVER = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
BATCH = 200  # changes that are looked at together
OPERATIONS = {"insert": "create", "update": "update", "delete": "delete"}


class History:
    """The history of one record, as one reader may read it."""

    def __init__(self, record: Record, fields: dict[str, Any], reader: Reader):
        self.record, self.reader = record, reader
        self.fields = {name: shown for name, shown in fields.items() if reader.sees_people or not names_people(shown)}
        self.model = type(record)
        self.rows = Change.objects.filter(tbl=self.model._meta.db_table, row_id=record.pk)
        self.shut = list(spans_hidden(record, reader))
        self.columns = {
            field.column: name
            for name, shown in self.fields.items()
            if (field := next((f for f in self.model._meta.concrete_fields if f.name == shown.source), None))
            and field.column not in ("version", "updated_at", "created_at")
        }

    def hidden(self, moment: datetime) -> bool:
        return any(start <= moment < end for start, end in self.shut)

    def readable(self):
        """The changes that were written while the reader could have read the record."""
        rows = self.rows
        for start, end in self.shut:
            rows = rows.exclude(at__gte=start, at__lt=end)
        return rows

    def shown(self):
        """The readable changes, without the updates of which the reader may see nothing; their reasons are hidden with them."""
        rows = self.readable()
        return rows if self.reader.sees_all else rows.exclude(pk__in=self.unseen(rows))

    def unseen(self, rows) -> list[int]:
        """The ids of the updates of which the reader may see nothing: all that changed are references or words that are hidden."""
        words = source_text_fields(self.model, self.fields)
        certain = [column for column, name in self.columns.items() if name not in words and not isinstance(self.fields[name], KeyField)]
        after_hidden = Q(pk__in=[])
        for start, end in self.shut:
            after_hidden |= Q(since__gte=start, since__lt=end)
        # Most updates change a plain field, and are not looked at.
        doubtful = rows.filter(~Q(changed__has_any_keys=certain) | after_hidden, op="update")
        if not self.model._meta.many_to_many:
            doubtful = doubtful.exclude(changed={})  # what counts for it has changed, such as evidence
        long = [f.column for f in self.model._meta.concrete_fields if isinstance(f, Text) and f.name not in words]
        short = Func(F("before"), Value(long), arg_joiner=" - ", template="(%(expressions)s::text[])", output_field=models.JSONField())
        ids, found = list(doubtful.order_by("id").values_list("pk", flat=True)), []
        for start in range(0, len(ids), BATCH):
            changes = list(self.rows.filter(pk__in=ids[start : start + BATCH]).defer("before").annotate(short=short))
            for change in changes:
                change.before = change.short
            found += [pk for pk, visible in self.visible_changes(changes).items() if not visible]
        return found

    def entries(self, changes: list[Change]) -> list[dict[str, Any]]:
        """One entry for each version, links included, in the order of the changes."""
        visible = self.visible_changes(changes)
        return [self.entry(change, visible[change.id]) for change in changes]

    def visible_changes(self, changes: list[Change]) -> dict[int, dict[str, dict[str, Any]]]:
        """By id of the change, and by field, what the reader may see of it: {"before", "after"}."""
        told = {change.id: self.columns_changed(change) for change in changes}
        for change_id, links in self.links_changed(changes).items():
            told[change_id] |= links
        self.hide_words(changes, told)
        keys = self.keys_of(told.values())
        return {change_id: self.in_keys(fields, keys) for change_id, fields in told.items()}

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
        """The many-to-many links before and after each update, worked back from those of today."""
        updates, found = {change.id: change for change in changes if change.op == "update"}, defaultdict(dict)
        versions: dict[str, list[int]] = defaultdict(list)
        for txid, change_id in self.rows.exclude(op="delete").order_by("id").values_list("txid", "id"):
            versions[txid].append(change_id)
        for name, shown in self.fields.items():
            if not isinstance(shown, KeyListField) or not updates:
                continue
            m2m = self.model._meta.get_field(shown.source)
            through, owner, far = m2m.remote_field.through, m2m.m2m_column_name(), m2m.m2m_reverse_name()
            now = set(through._default_manager.filter(**{owner: self.record.pk}).values_list(far, flat=True))
            moves = Change.objects.filter(tbl=through._meta.db_table, row_id=self.record.pk)
            by_change: dict[int, list[Change]] = defaultdict(list)
            for move in moves.order_by("-id"):
                # A link counts with the version that its transaction had made before it, or else makes one.
                made = versions[move.txid] or [move.id]
                by_change[made[max(bisect(made, move.id) - 1, 0)]].append(move)
            for change_id in sorted(by_change, reverse=True):
                after = set(now)
                for move in by_change[change_id]:
                    now = now - {move.before[far]} if move.op == "insert" else now | {move.before[far]}
                if change_id in updates and after != now:
                    found[change_id][name] = ([] if self.hidden(updates[change_id].since) else sorted(now), sorted(after))
        return found

    def hide_words(self, changes: list[Change], told: dict[int, dict[str, tuple[Any, Any]]]) -> None:
        """Where a source is hidden, so is what would tell what it says."""
        words = source_text_fields(self.model, self.fields)
        if not words or self.reader.sees_all:
            return
        cited = {c.id: (c.before["source_id"], c.changed.get("source_id", c.before["source_id"])) for c in changes if c.op == "update"}
        sources = (
            self.fields["source"].model.objects.visible_to(self.reader).filter(pk__in={pk for pair in cited.values() for pk in pair if pk})
        )
        readable = {None, *sources.values_list("pk", flat=True)}
        for change_id, (before, after) in cited.items():
            for name in words & told[change_id].keys():
                was, is_now = told[change_id][name]
                told[change_id][name] = (was if before in readable else "", is_now if after in readable else "")

    def keys_of(self, told: Iterable[dict[str, tuple[Any, Any]]]) -> dict[str, dict[int, str]]:
        """The natural keys of everything referred to that this reader may read, by field."""
        ids: dict[str, set[int]] = defaultdict(set)
        for changes in told:
            for name, (before, after) in changes.items():
                if isinstance(self.fields[name], KeyField | KeyListField):
                    for value in (before, after):
                        ids[name] |= set(value if isinstance(value, list) else [value])
        keys = {}
        for name, wanted in ids.items():
            shown = self.fields[name]
            reference = shown.child_relation if isinstance(shown, KeyListField) else shown
            rows = reference.model._default_manager.filter(pk__in=wanted - {None})
            if issubclass(reference.model, Record):
                rows = rows.visible_to(self.reader)
            keys[name] = {pk: str(key) for pk, key in rows.values_list("pk", reference.key)}
        return keys

    def in_keys(self, changes: dict[str, tuple[Any, Any]], keys: dict[str, dict[int, str]]) -> dict[str, dict[str, Any]]:
        shown = {name: [self.value(name, value, keys.get(name)) for value in values] for name, values in changes.items()}
        # What changed among what is hidden has not changed for this reader.
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
        told = {
            "uid": str(change.uid),
            "at": moment(change.at),
            "user": actor.get("user") if self.reader.sees_people else None,
            "operation": OPERATIONS[change.op],
            "version": version,
            "reason": actor.get("reason", ""),
            "channel": actor.get("channel", ""),
        }
        return told | {"line": line(told, changes), "changes": changes}


def spans_hidden(record: Record, reader: Reader) -> Iterable[tuple[datetime, datetime]]:
    """The times in which the record, or a register on which it hangs, was hidden from the reader, who may read it today."""
    if reader.sees_all:
        return
    model = type(record)
    updates = Change.objects.filter(tbl=model._meta.db_table, row_id=record.pk, op="update").order_by("id")
    past = list(updates.values_list("since", "at", "before"))
    own = team = False
    if issubclass(model, RegistryRecord):
        mine, ours = model.objects.all().own_and_team(reader)
        own, team = (model.objects.filter(rule, pk=record.pk).exists() for rule in (mine, ours))
    for since, at, before in past:
        if not model.snapshot_readable(before, reader, own, team):
            yield since, at
    present = (past[-1][1] if past else EVER[0], EVER[1])
    for name in model.access_parents:
        field = model._meta.get_field(name)
        stays: dict[int, list[tuple[datetime, datetime]]] = defaultdict(list)
        for since, at, before in past:
            stays[before[field.column]].append((since, at))
        stays[getattr(record, field.column)].append(present)
        parents = field.related_model.objects.visible_to(reader).in_bulk(stays.keys() - {None})
        for parent_id in stays.keys() - {None}:
            # Where it hung on what is hidden today, all of that time is.
            shut = list(spans_hidden(parents[parent_id], reader)) if parent_id in parents else [EVER]
            yield from shared(stays[parent_id], shut)


def shared(stays: list[tuple[datetime, datetime]], shut: list[tuple[datetime, datetime]]) -> Iterable[tuple[datetime, datetime]]:
    """The times that are in one of each."""
    for (since, until), (start, end) in product(stays, shut):
        if max(since, start) < min(until, end):
            yield max(since, start), min(until, end)


def moment(value: datetime | None) -> str | None:
    """A time as the API writes it."""
    if value is None:
        return None
    value = value.astimezone(UTC) if is_aware(value) else value
    return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def line(entry: dict[str, Any], changes: dict[str, dict[str, Any]]) -> str:
    """The entry as a sentence: `2026-11-24 11:10 ann due on: 2024-05-20 → 2027-01-01 (minister postponed it)`."""
    what = "; ".join(f"{name.replace('_', ' ')}: {_words(c['before'])} → {_words(c['after'])}" for name, c in changes.items())
    done = {"create": "created it", "delete": "deleted it"}.get(entry["operation"], what or "changed it")
    reason = f" ({entry['reason']})" if entry["reason"] else ""
    return f"{entry['at'][:16].replace('T', ' ')} {entry['user'] or entry['channel'] or 'somebody'} {done}{reason}"


def _words(value: Any) -> str:
    if value is None or value == "" or value == []:
        return "nothing"
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 120 else f"{text[:117]}…"
