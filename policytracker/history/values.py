"""The values that changes of records set, as one reader may see them."""

from __future__ import annotations

from bisect import bisect
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, TypedDict

from django.db import models
from django.db.models import F, Func, OuterRef, Subquery, Value
from django.db.models.functions import Cast, Coalesce
from django.utils.timezone import is_aware
from django.utils.translation import gettext_lazy as _

from policytracker.records.changes import Change
from policytracker.records.models import Record
from policytracker.records.past_access import PastAccess
from policytracker.records.periods import contains, contains_before
from policytracker.representation import json_sql
from policytracker.representation.diffs import display_text
from policytracker.representation.filters import names_people
from policytracker.representation.json_sql import source_content
from policytracker.representation.references import KeyField, KeyListField

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

OPERATIONS = {"insert": "create", "update": "update", "delete": "delete"}
Values = dict[str, tuple[Any, Any]]  # before and after, by field
# Their old values are shown even if the record was hidden before: they say why it was.
ACCESS = ("visibility", "publication")


class FieldChange(TypedDict):
    """The value of a field before and after a change, in the format of the API."""

    before: Any
    after: Any


class HistoryHead(TypedDict):
    """A change without its values. `at` is UTC with microseconds; `user` is None if unknown or not shown to the reader.

    `operation` is "create", "update" or "delete"; `reason` and `channel` are "" if unknown.
    """

    uid: str
    at: str
    user: str | None
    operation: str
    version: int
    reason: str
    channel: str


class HistoryEntry(HistoryHead):
    """A change in the history of its record, in the form of the API. `line` is the change in one line, `changes` the values by field."""

    line: str
    changes: dict[str, FieldChange]


class RecordValues:
    """What a reader may see of the changes of records of one model.

    `fields` are the serializer fields of the model, `access` says when the reader could read records.
    """

    def __init__(self, model: type[Record], fields: Mapping[str, Any], access: PastAccess):
        self.model, self.access, self.reader = model, access, access.reader
        self.fields: dict[str, Any] = {name: shown for name, shown in fields.items() if self.reader.sees_people or not names_people(shown)}
        self.columns: dict[Any, str] = {  # names of fields, by column
            field.column: name
            for name, shown in self.fields.items()
            if (field := next((f for f in model._meta.concrete_fields if f.name == shown.source), None))
            and field.column not in ("version", "updated_at", "created_at")
        }
        self.source_texts = source_content(self.fields)

    def readable(self, changes: Iterable[Change]) -> list[Change]:
        """The changes from the times at which the reader could read the record; of deletions, those of records it could read before."""
        changes = list(changes)
        periods = self.access.periods(self.model, {change.row_id for change in changes})
        return [change for change in changes if contains(periods[change.row_id], change.at)]

    def had_been_readable(self, change: Change) -> bool:
        """Whether the reader could read the record immediately before the change."""
        return change.op != "insert" and contains_before(self.access.periods(self.model, [change.row_id])[change.row_id], change.at)

    def visible(self, changes: list[Change]) -> dict[int, dict[str, FieldChange]]:
        """What the reader may see of each change, by id of the change and by field."""
        values = self.stored(changes)
        keys = Keys(self.access, [self.references(values.values())])
        return {change.id: self.shown(change, values[change.id], keys) for change in changes}

    def has_content(self, change: Change, visible: dict[str, FieldChange]) -> bool:
        """Whether the change is an entry for this reader. An update that shows nothing has no entry, and its reason is hidden too."""
        # Without links an empty update was caused by a record that is shown inside this one.
        by_inner_record = not self.model._meta.many_to_many and not change.changed
        return self.reader.sees_all or change.op != "update" or bool(visible) or by_inner_record

    def edited(self, change: Change, visible: Iterable[str]) -> list[str]:
        """The visible fields that an update itself changed. An update that made the record readable shows all its fields."""
        if change.op != "update":
            return []
        columns = {name: column for column, name in self.columns.items()}
        return [name for name in visible if columns.get(name) in change.changed or (name not in columns and self.had_been_readable(change))]

    def stored(self, changes: list[Change]) -> dict[int, Values]:
        """The stored values of each change, with ids in place of keys, and without the words of hidden sources.

        A change that created the record, or made it readable, has all values, and None before it.
        """
        complete = [change for change in changes if change.op != "delete" and not self.had_been_readable(change)]
        rows = self.rows_after(complete)
        result = {change.id: self.columns_changed(change, rows.get(change.id)) for change in changes}
        for change_id, links in self.links_changed(changes, rows.keys()).items():
            result[change_id] |= links
        self.hide_source_texts(changes, rows, result)
        return result

    def rows_after(self, changes: list[Change]) -> dict[int, dict[str, Any]]:
        """The rows after these changes, by id of the change: before the next change, or today. Empty if the row was just removed."""
        if not changes:
            return {}
        following = Change.objects.filter(tbl=OuterRef("tbl"), row_id=OuterRef("row_id"), id__gt=OuterRef("id"), before__isnull=False)
        present = Func(F("row_id"), template=f'(SELECT to_jsonb(r) FROM "{self.model._meta.db_table}" r WHERE r.id = %(expressions)s)')
        row = Coalesce(Subquery(following.order_by("id").values("before")[:1]), present, output_field=models.JSONField())
        rows = Change.objects.filter(pk__in=[change.id for change in changes]).annotate(after=row)
        return {pk: after or {} for pk, after in rows.values_list("pk", "after")}

    def columns_changed(self, change: Change, row: dict[str, Any] | None) -> Values:
        """The stored values of an update; of a change with all values, those of the `row` after it."""
        if row is not None:
            old = {column: change.before[column] for column in ACCESS if change.op == "update" and column in change.changed}
            return {name: (old.get(column), row.get(column)) for column, name in self.columns.items()}
        if change.op != "update":
            return {}
        return {
            name: (change.before.get(column), change.changed[column]) for column, name in self.columns.items() if column in change.changed
        }

    def links_changed(self, changes: list[Change], complete: Collection[int]) -> dict[int, dict[str, tuple[list[int] | None, list[int]]]]:
        """The many-to-many links before and after each change, reconstructed backwards from the current links.

        Of the `complete` changes all links, with None before them; of the others the fields whose links changed.
        """
        shown = {change.id: change for change in changes if change.op != "delete"}
        result: dict[int, dict[str, tuple[list[int] | None, list[int]]]] = defaultdict(dict)
        fields: dict[str, Any] = {name: field for name, field in self.fields.items() if isinstance(field, KeyListField)}
        if not shown or not fields:
            return result
        ids = {change.row_id for change in shown.values()}
        versions: dict[tuple[int, int, str], list[int]] = defaultdict(list)
        rows = Change.objects.filter(tbl=self.model._meta.db_table, row_id__in=ids).exclude(op="delete").order_by("id")
        for pk, era, txid, change_id in rows.values_list("row_id", "era", "txid", "id"):
            versions[pk, era, txid].append(change_id)
        m2m: dict[str, Any] = {name: self.model._meta.get_field(field.source) for name, field in fields.items()}
        present, changed = present_links(m2m.values(), ids), link_changes(m2m.values(), ids)
        for name, field in m2m.items():
            table, far = field.remote_field.through._meta.db_table, field.m2m_reverse_name()
            links = present[table]
            by_change: dict[tuple[int, int], list[Change]] = {(change_id, shown[change_id].row_id): [] for change_id in complete}
            for link_change in changed[table]:
                # A link belongs to the version that its transaction wrote last before the link, else to the next one.
                of_transaction = versions[link_change.row_id, link_change.era, link_change.txid] or [link_change.id]
                version = of_transaction[max(bisect(of_transaction, link_change.id) - 1, 0)]
                by_change.setdefault((version, link_change.row_id), []).append(link_change)
            for change_id, pk in sorted(by_change, reverse=True):
                after = set(links[pk])
                for link_change in by_change[change_id, pk]:
                    target = {link_change.before[far]}
                    links[pk] = links[pk] - target if link_change.op == "insert" else links[pk] | target
                if change_id in complete:
                    result[change_id][name] = (None, sorted(after))
                elif change_id in shown and after != links[pk]:
                    result[change_id][name] = (sorted(links[pk]), sorted(after))
        return result

    def hide_source_texts(self, changes: list[Change], rows: Mapping[int, dict[str, Any]], values: dict[int, Values]) -> None:
        """Empty the texts that quote a source which the reader could not read at the time."""
        if not self.source_texts or self.reader.sees_all:
            return
        cited = {}
        for change in changes:
            if change.op != "delete":
                before = None if change.id in rows else change.before["source_id"]
                row = rows.get(change.id, change.changed)
                cited[change.id] = (before, row.get("source_id", before))
        sources = self.access.periods(self.fields["source"].model, {pk for pair in cited.values() for pk in pair if pk})
        for change in changes:
            for name in self.source_texts & values[change.id].keys():
                (old, new), (before, after) = values[change.id][name], cited[change.id]
                values[change.id][name] = (
                    old if before is None or contains_before(sources[before], change.at) else "",
                    new if after is None or contains(sources[after], change.at) else "",
                )

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
        return getattr(shown, "child_relation", shown)

    def shown(self, change: Change, values: Values, keys: Keys) -> dict[str, FieldChange]:
        """The values in the format of the API."""
        pairs = {
            name: (self.value(name, before, partial(keys.before, change.at)), self.value(name, after, partial(keys.after, change.at)))
            for name, (before, after) in values.items()
        }
        # A change between hidden references is no change for this reader.
        return {name: {"before": before, "after": after} for name, (before, after) in pairs.items() if before != after}

    def value(self, name: str, value: Any, key: Callable[[type[models.Model], int], str | None]) -> Any:
        """A stored value in the format of the API: a reference as a key, or None for a hidden record; links as a sorted list of keys."""
        if value is None:
            return None
        if isinstance(self.fields[name], KeyField | KeyListField):
            model = self.referenced(name).model
            return sorted(filter(None, (key(model, pk) for pk in value))) if isinstance(value, list) else key(model, value)
        field = self.model._meta.get_field(self.fields[name].source)
        if value == "" and (json_sql.unknown_when_blank(field) or isinstance(field, models.FileField)):
            return None
        if isinstance(field, models.DateTimeField) and isinstance(value, str):
            return moment(datetime.fromisoformat(value))
        return f"{Decimal(str(value)):.{field.decimal_places}f}" if isinstance(field, models.DecimalField) else value

    def entry(self, change: Change, changes: dict[str, FieldChange]) -> ShownChange:
        """The entry of a change with these visible values."""
        actor = change.actor or {}
        head: HistoryHead = {
            "uid": str(change.uid),
            "at": moment(change.at),
            "user": actor.get("user") if self.reader.sees_people else None,
            "operation": OPERATIONS[change.op],
            "version": 1 if change.op == "insert" else change.before["version"] + (change.op == "update"),
            "reason": actor.get("reason", ""),
            "channel": actor.get("channel", ""),
        }
        edited = self.edited(change, changes)
        stored: dict[str, Any] = {name: self.model._meta.get_field(self.fields[name].source) for name in edited}
        labels = {name: field.verbose_name for name, field in stored.items()}
        text = line(head, {name: changes[name] for name in edited}, labels)
        return ShownChange({**head, "line": text, "changes": changes}, edited)


@dataclass(frozen=True)
class ShownChange:
    """An entry of the history, and the names of the fields that the change itself edited, for sentences about it."""

    data: HistoryEntry
    edited: list[str]


def present_links(fields: Iterable[Any], ids: Collection[int]) -> dict[str, dict[int, set[int]]]:
    """The linked ids of records through many-to-many fields of their model, by table of the links and id; in one statement."""
    found: dict[str, dict[int, set[int]]] = defaultdict(lambda: defaultdict(set))
    rows = []
    for field in fields:
        through, column = field.remote_field.through, field.m2m_column_name()
        linked = through._default_manager.filter(**{f"{column}__in": ids})
        rows.append(linked.values_list(Value(through._meta.db_table, models.CharField()), column, field.m2m_reverse_name()))
    for table, pk, target in rows[0].union(*rows[1:], all=True):
        found[table][pk].add(target)
    return found


def link_changes(fields: Iterable[Any], ids: Collection[int]) -> dict[str, list[Change]]:
    """The changes of these links, newest first, by table of the links."""
    found: dict[str, list[Change]] = defaultdict(list)
    tables = [field.remote_field.through._meta.db_table for field in fields]
    for change in Change.objects.filter(tbl__in=tables, row_id__in=ids).order_by("-id"):
        found[change.tbl].append(change)
    return found


def natural_keys(ids: Mapping[Any, Iterable[int]]) -> dict[Any, dict[int, str]]:
    """The keys of records that exist, and the names of people, by model and id; in one statement."""
    rows = []
    for model, pks in ids.items():
        table, key = Value(model._meta.db_table, models.CharField()), Cast(getattr(model, "key", "username"), models.TextField())
        rows.append(model._base_manager.filter(pk__in=pks).order_by().values_list(table, "pk", key))
    keys: dict[Any, dict[int, str]] = {model: {} for model in ids}
    tables = {model._meta.db_table: model for model in ids}
    for table, pk, key in rows[0].union(*rows[1:], all=True) if rows else ():
        keys[tables[table]][pk] = key
    return keys


class Keys:
    """The natural keys of referenced records, at times when the reader could read them, and the names of people."""

    def __init__(self, access: PastAccess, references: Iterable[Mapping[type[models.Model], set[int]]]):
        ids: dict[type[models.Model], set[int]] = defaultdict(set)
        for of_model in references:
            for model, pks in of_model.items():
                ids[model] |= pks - {None}
        self.keys = natural_keys(ids)
        self.periods = {model: access.periods(model, pks) for model, pks in ids.items() if issubclass(model, Record)}

    def after(self, time: datetime, model: type[models.Model], pk: int) -> str | None:
        """The key, if the reader could read the record at this time."""
        readable = not issubclass(model, Record) or contains(self.periods[model][pk], time)
        return self.keys[model].get(pk) if readable else None

    def before(self, time: datetime, model: type[models.Model], pk: int) -> str | None:
        """The key, if the reader could read the record immediately before this time."""
        readable = not issubclass(model, Record) or contains_before(self.periods[model][pk], time)
        return self.keys[model].get(pk) if readable else None


def moment(value: datetime) -> str:
    """A time in the format of the API."""
    value = value.astimezone(UTC) if is_aware(value) else value
    return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


CREATED, DELETED = _("{time} {user} created the record"), _("{time} {user} deleted the record")
CHANGED, CHANGED_FIELDS = _("{time} {user} changed the record"), _("{time} {user} {changes}")
FIELD_CHANGE = _("{field}: {before} → {after}")
WITH_REASON = _("{line} ({reason})")


def line(head: HistoryHead, changes: dict[str, FieldChange], labels: dict[str, StrOrPromise]) -> str:
    """The change as one line: `2026-11-24 11:10 ann due date: 2024-05-20 → 2027-01-01 (minister postponed it)`."""
    summary = "; ".join(
        FIELD_CHANGE.format(field=labels[name], before=_shortened(change["before"]), after=_shortened(change["after"]))
        for name, change in changes.items()
    )
    template = {"create": CREATED, "delete": DELETED}.get(head["operation"], CHANGED_FIELDS if summary else CHANGED)
    user = head["user"] or head["channel"] or _("unknown user")
    text = template.format(time=head["at"][:16].replace("T", " "), user=user, changes=summary)
    return WITH_REASON.format(line=text, reason=head["reason"]) if head["reason"] else text


def _shortened(value: Any) -> str:
    text = display_text(value)
    return text if len(text) <= 120 else f"{text[:117]}…"
