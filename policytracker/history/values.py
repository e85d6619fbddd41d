"""The values that changes of records set, as one reader may see them."""

from __future__ import annotations

from bisect import bisect
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.db import models
from django.utils.dateparse import parse_datetime
from django.utils.timezone import is_aware
from django.utils.translation import gettext_lazy as _

from policytracker.api import json_sql
from policytracker.api.filters import names_people
from policytracker.api.json_sql import source_content
from policytracker.api.serializers import KeyField, KeyListField
from policytracker.history.access import Period
from policytracker.history.diffs import display_text
from policytracker.models import Change
from policytracker.records.access import Reader
from policytracker.records.models import Record

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

OPERATIONS = {"insert": "create", "update": "update", "delete": "delete"}
Values = dict[str, tuple[Any, Any]]  # before and after, by field
Keys = dict[type[models.Model], dict[int, str]]  # natural keys by model and id


class RecordValues:
    """What a reader may see of the changes of records of one model.

    `fields` are the serializer fields of the model, `hidden_periods` the periods in which each record was hidden from the reader.
    """

    def __init__(self, model: type[Record], fields: Mapping[str, Any], reader: Reader, hidden_periods: Mapping[int, list[Period]]):
        self.model, self.reader, self.hidden_periods = model, reader, hidden_periods
        self.fields = {name: shown for name, shown in fields.items() if reader.sees_people or not names_people(shown)}
        self.columns = {
            field.column: name
            for name, shown in self.fields.items()
            if (field := next((f for f in model._meta.concrete_fields if f.name == shown.source), None))
            and field.column not in ("version", "updated_at", "created_at")
        }
        self.source_texts = source_content(self.fields)

    def hidden(self, pk: int, time: datetime) -> bool:
        """Whether the reader could not have read the record at that time."""
        return any(start <= time < end for start, end in self.hidden_periods[pk])

    def visible(self, changes: list[Change]) -> dict[int, dict[str, dict[str, Any]]]:
        """What the reader may see of each change: by id of the change and by field, {"before", "after"}."""
        values = self.stored(changes)
        keys = readable_keys(self.reader, [self.references(values.values())])
        return {change_id: self.shown(fields, keys) for change_id, fields in values.items()}

    def has_content(self, change: Change, visible: dict[str, Any]) -> bool:
        """Whether the change is an entry for this reader. An update that shows nothing is none, and its reason is hidden too."""
        # Without links an empty update was caused by a record that is shown inside this one.
        by_inner_record = not self.model._meta.many_to_many and not change.changed
        return self.reader.sees_all or change.op != "update" or bool(visible) or by_inner_record

    def stored(self, changes: list[Change]) -> dict[int, Values]:
        """The stored values of each change, with ids in place of keys, and without the words of hidden sources."""
        result = {change.id: self.columns_changed(change) for change in changes}
        for change_id, links in self.links_changed(changes).items():
            result[change_id] |= links
        self.hide_source_texts(changes, result)
        return result

    def columns_changed(self, change: Change) -> Values:
        if change.op != "update":
            return {}
        before_hidden = self.hidden(change.row_id, change.since)
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
        fields = {name: shown for name, shown in self.fields.items() if isinstance(shown, KeyListField)}
        if not updates or not fields:
            return result
        ids = {change.row_id for change in updates.values()}
        versions: dict[tuple[int, int, str], list[int]] = defaultdict(list)
        rows = Change.objects.filter(tbl=self.model._meta.db_table, row_id__in=ids).exclude(op="delete").order_by("id")
        for *transaction, change_id in rows.values_list("row_id", "era", "txid", "id"):
            versions[*transaction].append(change_id)
        for name, shown in fields.items():
            m2m = self.model._meta.get_field(shown.source)
            through, column, far = m2m.remote_field.through, m2m.m2m_column_name(), m2m.m2m_reverse_name()
            links: dict[int, set[int]] = defaultdict(set)
            for pk, target in through._default_manager.filter(**{f"{column}__in": ids}).values_list(column, far):
                links[pk].add(target)
            by_change: dict[tuple[int, int], list[Change]] = defaultdict(list)
            for link_change in Change.objects.filter(tbl=through._meta.db_table, row_id__in=ids).order_by("-id"):
                # A link belongs to the version that its transaction wrote last before the link, else to the next one.
                of_transaction = versions[link_change.row_id, link_change.era, link_change.txid] or [link_change.id]
                version = of_transaction[max(bisect(of_transaction, link_change.id) - 1, 0)]
                by_change[version, link_change.row_id].append(link_change)
            for change_id, pk in sorted(by_change, reverse=True):
                after = set(links[pk])
                for link_change in by_change[change_id, pk]:
                    target = {link_change.before[far]}
                    links[pk] = links[pk] - target if link_change.op == "insert" else links[pk] | target
                if change_id in updates and after != links[pk]:
                    before = [] if self.hidden(pk, updates[change_id].since) else sorted(links[pk])
                    result[change_id][name] = (before, sorted(after))
        return result

    def hide_source_texts(self, changes: list[Change], values: dict[int, Values]) -> None:
        """Empty the texts that quote a source which the reader may not read."""
        if not self.source_texts or self.reader.sees_all:
            return
        cited = {c.id: (c.before["source_id"], c.changed.get("source_id", c.before["source_id"])) for c in changes if c.op == "update"}
        sources = (
            self.fields["source"].model.objects.visible_to(self.reader).filter(pk__in={pk for pair in cited.values() for pk in pair if pk})
        )
        readable = {None, *sources.values_list("pk", flat=True)}
        for change_id, (before, after) in cited.items():
            for name in self.source_texts & values[change_id].keys():
                old, new = values[change_id][name]
                values[change_id][name] = (old if before in readable else "", new if after in readable else "")

    def references(self, values: Iterable[Values]) -> dict[type[models.Model], set[int]]:
        """The ids of the referenced records and people, by model."""
        ids: dict[type[models.Model], set[int]] = defaultdict(set)
        for changes in values:
            for name, pair in changes.items():
                if isinstance(self.fields[name], KeyField | KeyListField):
                    for pks in pair:
                        ids[self.referenced(name).model] |= set(pks if isinstance(pks, list) else [pks])
        return ids

    def referenced(self, name: str) -> KeyField:
        shown = self.fields[name]
        return shown.child_relation if isinstance(shown, KeyListField) else shown

    def shown(self, values: Values, keys: Keys) -> dict[str, dict[str, Any]]:
        """The values in the format of the API."""
        pairs = {name: [self.value(name, value, keys) for value in pair] for name, pair in values.items()}
        # A change between hidden references is no change for this reader.
        return {name: {"before": before, "after": after} for name, (before, after) in pairs.items() if before != after}

    def value(self, name: str, value: Any, keys: Keys) -> Any:
        if isinstance(self.fields[name], KeyField | KeyListField):
            of_model = keys.get(self.referenced(name).model, {})
            return sorted(of_model[pk] for pk in value if pk in of_model) if isinstance(value, list) else of_model.get(value)
        field = self.model._meta.get_field(self.fields[name].source)
        if value == "" and json_sql.unknown_when_blank(field):
            return None
        if isinstance(field, models.DateTimeField) and isinstance(value, str):
            return moment(parse_datetime(value))
        return str(value) if isinstance(field, models.DecimalField) and value is not None else value

    def entry(self, change: Change, changes: dict[str, Any]) -> dict[str, Any]:
        """The entry of a change in the history of its record."""
        actor = change.actor or {}
        entry = {
            "uid": str(change.uid),
            "at": moment(change.at),
            "user": actor.get("user") if self.reader.sees_people else None,
            "operation": OPERATIONS[change.op],
            "version": 1 if change.op == "insert" else change.before["version"] + (change.op == "update"),
            "reason": actor.get("reason", ""),
            "channel": actor.get("channel", ""),
        }
        labels = {name: self.model._meta.get_field(self.fields[name].source).verbose_name for name in changes}
        return entry | {"line": line(entry, changes, labels), "changes": changes}


def readable_keys(reader: Reader, references: Iterable[Mapping[type[models.Model], set[int]]]) -> Keys:
    """The natural keys of those referenced records that the reader may read, and the names of people."""
    ids: dict[type[models.Model], set[int]] = defaultdict(set)
    for of_model in references:
        for model, pks in of_model.items():
            ids[model] |= pks - {None}
    keys: Keys = {}
    for model, pks in ids.items():
        rows = model._default_manager.filter(pk__in=pks)
        if issubclass(model, Record):
            rows = rows.visible_to(reader)
        name = getattr(model, "key", "username")
        keys[model] = {pk: str(key) for pk, key in rows.values_list("pk", name)}
    return keys


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
    """The entry as one line: `2026-11-24 11:10 ann due date: 2024-05-20 → 2027-01-01 (minister postponed it)`."""
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
