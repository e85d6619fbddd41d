"""What was changed, by whom, why and by which door, read back from what the triggers kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from django.db import models
from django.utils.dateparse import parse_datetime
from django.utils.timezone import is_aware

from policytracker import reading
from policytracker.models import Change
from policytracker.records import Published, Record
from policytracker.serializers import Key, Keys
from policytracker.visibility import Reader

OPERATIONS = {"insert": "create", "update": "update", "delete": "delete"}


class History:
    """The history of one record, as one reader may read it."""

    def __init__(self, record: Record, fields: dict[str, Any], reader: Reader):
        self.record, self.fields, self.reader = record, fields, reader
        self.model = type(record)
        self.rows = Change.objects.filter(tbl=self.model._meta.db_table, row_id=record.pk)
        self.shut = list(spans_hidden(record, reader))
        self.columns = {
            field.column: name
            for name, shown in fields.items()
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

    def entries(self, changes: list[Change]) -> list[dict[str, Any]]:
        """One entry for each version, links included, in the order of the changes."""
        told = {change.id: self.columns_changed(change) for change in changes}
        for change_id, links in self.links_changed(changes).items():
            told[change_id] |= links
        keys = self.keys_of(told.values())
        return [self.entry(change, self.in_keys(told[change.id], keys)) for change in changes]

    def columns_changed(self, change: Change) -> dict[str, tuple[Any, Any]]:
        if change.op != "update":
            return {}
        before_hidden = self.hidden(change.since)
        return {
            name: (None if before_hidden and name not in ("visibility", "publication") else change.before.get(column), change.changed[column])
            for column, name in self.columns.items()
            if column in change.changed
        }

    def links_changed(self, changes: list[Change]) -> dict[int, dict[str, tuple[list[int], list[int]]]]:
        """The many-to-many links before and after each update, worked back from those of today."""
        updates = self.rows.filter(op="update")
        wanted, found = {change.id for change in changes}, defaultdict(dict)
        last_of = dict(updates.order_by("id").values_list("txid", "id"))
        for name, shown in self.fields.items():
            if not isinstance(shown, Keys) or not last_of:
                continue
            m2m = self.model._meta.get_field(shown.source)
            through, owner, far = m2m.remote_field.through, m2m.m2m_column_name(), m2m.m2m_reverse_name()
            now = set(through._default_manager.filter(**{owner: self.record.pk}).values_list(far, flat=True))
            moves = Change.objects.filter(tbl=through._meta.db_table, txid__in=list(last_of), **{f"before__{owner}": self.record.pk})
            by_change: dict[int, list[Change]] = defaultdict(list)
            for move in moves.order_by("-id"):
                by_change[last_of[move.txid]].append(move)
            for change_id in sorted(by_change, reverse=True):
                after = set(now)
                for move in by_change[change_id]:
                    now = now - {move.before[far]} if move.op == "insert" else now | {move.before[far]}
                if change_id in wanted and after != now:
                    found[change_id][name] = (sorted(now), sorted(after))
        return found

    def keys_of(self, told: Iterable[dict[str, tuple[Any, Any]]]) -> dict[str, dict[int, str]]:
        """The natural keys of everything referred to that this reader may read, by field."""
        ids: dict[str, set[int]] = defaultdict(set)
        for changes in told:
            for name, (before, after) in changes.items():
                if isinstance(self.fields[name], Key | Keys):
                    for value in (before, after):
                        ids[name] |= set(value if isinstance(value, list) else [value])
        keys = {}
        for name, wanted in ids.items():
            shown = self.fields[name]
            reference = shown.child_relation if isinstance(shown, Keys) else shown
            rows = reference.model._default_manager.filter(pk__in=wanted - {None})
            if issubclass(reference.model, Record):
                rows = rows.visible_to(self.reader)
            keys[name] = {pk: str(key) for pk, key in rows.values_list("pk", reference.key)}
        return keys

    def in_keys(self, changes: dict[str, tuple[Any, Any]], keys: dict[str, dict[int, str]]) -> dict[str, dict[str, Any]]:
        return {
            name: {"before": self.shown(name, before, keys.get(name)), "after": self.shown(name, after, keys.get(name))}
            for name, (before, after) in changes.items()
        }

    def shown(self, name: str, value: Any, keys: dict[int, str] | None) -> Any:
        if keys is not None:
            return sorted(keys[pk] for pk in value if pk in keys) if isinstance(value, list) else keys.get(value)
        field = self.model._meta.get_field(self.fields[name].source)
        if value == "" and reading.unknown_when_blank(field):
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
            "user": actor.get("user"),
            "operation": OPERATIONS[change.op],
            "version": version,
            "reason": actor.get("reason", ""),
            "door": actor.get("door", ""),
        }
        return told | {"line": line(told, changes), "changes": changes}


def spans_hidden(record: Record, reader: Reader) -> Iterable[tuple[datetime, datetime]]:
    """The times in which the record, or a register on which it hangs, was hidden from the reader, who may read it today."""
    if reader.sees_all:
        return
    model = type(record)
    own = team = False
    if issubclass(model, Published):
        mine, ours = model.objects.all().belonging(reader)
        own, team = (model.objects.filter(rule, pk=record.pk).exists() for rule in (mine, ours))
    if model.was_readable.__func__ is not Record.was_readable.__func__:
        past = Change.objects.filter(tbl=model._meta.db_table, row_id=record.pk, op="update")
        for since, at, before in past.values_list("since", "at", "before"):
            if not model.was_readable(before, reader, own, team):
                yield since, at
    for name in model.hangs_on:
        if (parent := getattr(record, name)) is not None:
            yield from spans_hidden(parent, reader)


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
    return f"{entry['at'][:16].replace('T', ' ')} {entry['user'] or entry['door'] or 'somebody'} {done}{reason}"


def _words(value: Any) -> str:
    if value is None or value == "" or value == []:
        return "nothing"
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 120 else f"{text[:117]}…"
