"""Lists of request bodies: each entry is validated as if sent alone, and all are written together, or nothing."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.db import DataError, IntegrityError, models
from django.db.models import QuerySet
from django.db.models.deletion import ProtectedError
from django.http import Http404
from django.utils.translation import gettext as _
from rest_framework import exceptions, serializers

from policytracker.records.context import change_context
from policytracker.records.exceptions import EntriesRefused, Refused, Rejected, Stale
from policytracker.records.models import Record, lock_for_change
from policytracker.representation import hidden
from policytracker.representation.references import KeyField, KeyListField
from policytracker.representation.serializers import RecordSerializer, not_an_object
from policytracker.writing import writer

MAX_ENTRIES = 500
# Errors of one entry in a list. They are reported per entry, as if the entry had been sent alone.
ENTRY_ERRORS = (
    exceptions.APIException, Rejected, Stale, Refused, Http404, ObjectDoesNotExist, ValidationError, ProtectedError,
    IntegrityError, DataError,
)  # fmt: skip


class References:
    """The records that the entries of a list refer to and the user may read, with one query per model."""

    def __init__(self) -> None:
        self.by_key: dict[type[models.Model], dict[Any, models.Model | None]] = defaultdict(dict)
        self.readable: dict[type[models.Model], dict[int, bool]] = defaultdict(dict)
        self.linked_ids: dict[str, dict[int, set[int]]] = defaultdict(dict)

    def find(self, reference: KeyField, keys: Iterable[Any]) -> list[models.Model]:
        """The records with these keys. Keys without a readable record are left out."""
        known = self.by_key[reference.model]
        if missing := [key for key in keys if key not in known]:
            known |= dict.fromkeys(missing)
            known |= {getattr(row, reference.key): row for row in reference.rows().filter(**{f"{reference.key}__in": missing})}
        return [row for key in dict.fromkeys(keys) if (row := known[key]) is not None]

    def readable_ids(self, model: type[Record], ids: set[int], user: Any) -> set[int]:
        """The ids of those records that the user may read."""
        known = self.readable[model]
        if missing := ids - known.keys():
            known |= dict.fromkeys(missing, False)
            known |= dict.fromkeys(hidden.readable_ids(model, missing, user), True)
        return {pk for pk in ids if known[pk]}

    def links(self, record: Record, name: str) -> set[int]:
        """The stored ids of a many-to-many field, after `read_links`."""
        return self.linked_ids[name][record.pk]

    def read_links(self, records: Sequence[Record], name: str) -> None:
        through, owner_field, target_field = writer.ends(records[0]._meta.get_field(name))
        self.linked_ids[name] = {record.pk: set() for record in records}
        for owner, target in through.filter(**{f"{owner_field}__in": self.linked_ids[name]}).values_list(owner_field, target_field):
            self.linked_ids[name][owner].add(target)

    def forget(self, model: type[models.Model]) -> None:
        """Discard cached records of this model, after it was written."""
        self.by_key.pop(model, None)


@dataclass
class Refusals:
    """The errors of the entries of a list, by index. `total` is the number of entries."""

    total: int
    reasons: dict[int, Exception] = field(default_factory=dict)

    @contextmanager
    def collect(self, index: int) -> Iterator[None]:
        """Store the error of an entry instead of raising it."""
        try:
            yield
        except ENTRY_ERRORS as error:
            self.reasons[index] = error

    def raise_if_any(self) -> None:
        """Raises EntriesRefused if any entry has an error."""
        if self.reasons:
            raise EntriesRefused(self.reasons, self.total)


def in_order(total: int, needed: dict[int, list[int]]) -> list[int]:
    """The numbers below `total`, each after those that it needs. Otherwise their order stays; in a circle too."""
    ordered: list[int] = []
    begun: set[int] = set()
    for first in range(total):
        stack = [(first, iter(needed.get(first, ())))] if first not in begun else []
        begun.add(first)
        while stack:
            index, others = stack[-1]
            if (other := next((other for other in others if other not in begun), None)) is not None:
                begun.add(other)
                stack.append((other, iter(needed.get(other, ()))))
            else:
                ordered.append(index)
                stack.pop()
    return ordered


def validated_entries(entries: Any) -> list[Any]:
    """The entries, if they are a list of at most `MAX_ENTRIES`. Raises ValidationError otherwise."""
    if not isinstance(entries, list):
        raise serializers.ValidationError({"non_field_errors": [_("Send a JSON list.")]})
    if len(entries) > MAX_ENTRIES:
        raise serializers.ValidationError(
            {"non_field_errors": [_("Send at most {maximum} records per request.").format(maximum=MAX_ENTRIES)]}
        )
    return entries


@dataclass
class Entries:
    """A list of request bodies for one type of record.

    `readable` are the records that the user may read, `read(ids)` returns their JSON texts. `check_permission(record, values)` raises
    if the user may not write these values, `check_version(record, body)` if the record has changed since the user read it.
    `reason(body)` is the change reason of an entry. With `keep_current`, `current` has the JSON of each stored record as it was read.
    """

    bodies: Sequence[Any]
    serializer: RecordSerializer
    readable: QuerySet
    read: Callable[[list[int]], list[str]]
    check_permission: Callable[[Record | None, dict[str, Any]], None]
    check_version: Callable[[Record | None, Any], Any]
    reason: Callable[[Any], str]
    keep_current: bool = False

    def __post_init__(self):
        self.model: type[Record] = self.serializer.Meta.model
        self.refusals = Refusals(len(self.bodies))
        self.references = self.serializer.context["references"] = References()
        self.rows: dict[int, writer.Row] = {}
        self.current: dict[int, dict[str, Any]] = {}  # the JSON of the stored records that is needed, by index of the entry
        self.used_keys: set[str] = set()

    # ---- operations

    def create(self) -> list[int]:
        """Create a record from each entry. Returns their ids in order. Raises EntriesRefused; the caller must roll back."""
        self.write(self.new_rows)
        self.refusals.raise_if_any()
        return [self.rows[index].record.pk for index in range(len(self.bodies))]

    def change(self) -> list[int]:
        """Update the record with the key of each entry. Returns their ids in order. Raises EntriesRefused; the caller must roll back."""
        stored = self.locked_records()
        self.write(lambda segment: self.changed_rows(segment, stored))
        self.refusals.raise_if_any()
        return [self.rows[index].record.pk for index in range(len(self.bodies))]

    # ---- steps

    def write(self, rows_of: Callable[[list[tuple[int, Any]]], dict[int, writer.Row]]) -> None:
        for reason, segment in self.segments():
            self.find_references([body for _, body in segment])
            rows = rows_of(segment)
            with change_context(None, reason):
                writer.write(list(rows.values()), error_of=self.serializer.refusal)
            self.rows |= rows
            self.refusals.reasons |= {index: row.error for index, row in rows.items() if row.error}
            self.references.forget(self.model)

    def segments(self) -> Iterator[tuple[str, list[tuple[int, Any]]]]:
        """Groups of entries to write together: with the same reason, and without references to each other.

        An entry is written after the earlier entries that it refers to, otherwise as early as possible: a tree needs as many groups as
        it has levels. Entries with another reason than the one before begin new groups.
        """
        groups: dict[tuple[int, int], list[tuple[int, Any]]] = defaultdict(list)
        levels: dict[str, int] = {}  # of the entries of the run, by key
        reasons: list[str] = []
        for index, body in enumerate(self.bodies):
            reason = None
            with self.refusals.collect(index):
                reason = self.reason(body)
            if reason is None:
                continue
            if not reasons or reason != reasons[-1]:
                reasons.append(reason)
                levels = {}
            level = 1 + max((levels[key] for key in self.same_model_keys(body) if key in levels), default=-1)
            groups[len(reasons) - 1, level].append((index, body))
            if key := self.key_of(body):
                levels[key] = max(level, levels.get(key, 0))
        for run, level in sorted(groups):
            yield reasons[run], groups[run, level]

    def key_of(self, body: Any) -> str:
        """The key of an entry in normalized form; "" if it has none."""
        return self.normalized_key(body.get(self.model.key)) if isinstance(body, dict) else ""

    def normalized_key(self, key: Any) -> str:
        field: Any = self.model._meta.get_field(self.model.key)
        try:
            return str(field.clean(key, None)) if isinstance(key, str) else ""
        except ValidationError:
            return ""

    def same_model_keys(self, body: Any) -> set[str]:
        """The keys of records of the same model that an entry refers to."""
        return {
            self.normalized_key(key) for reference, keys in self.reference_keys(body) if reference.model is self.model for key in keys
        } - {""}

    def reference_keys(self, body: Any) -> Iterator[tuple[KeyField, list[str]]]:
        """The reference fields of an entry with their keys."""
        if isinstance(body, dict):
            for name, reference in self.references_by_name.items():
                value = body.get(name)
                keys = [key for key in (value if isinstance(value, list) else [value]) if isinstance(key, str) and key]
                if keys:
                    yield reference, keys

    @cached_property
    def references_by_name(self) -> dict[str, KeyField]:
        fields = {
            name: f.child_relation if isinstance(f, KeyListField) else f for name, f in self.serializer.fields.items() if not f.read_only
        }
        return {name: reference for name, reference in fields.items() if isinstance(reference, KeyField)}

    def find_references(self, bodies: Iterable[Any]) -> None:
        """Look up all references of the entries, with one query per model."""
        keys: dict[type[models.Model], list[str]] = defaultdict(list)
        fields: dict[type[models.Model], KeyField] = {}
        for body in bodies:
            for reference, entry_keys in self.reference_keys(body):
                keys[reference.model] += entry_keys
                fields[reference.model] = reference
        for model, reference in fields.items():
            reference.find(list(dict.fromkeys(keys[model])))

    def new_rows(self, segment: list[tuple[int, Any]]) -> dict[int, writer.Row]:
        rows = {}
        for index, body in segment:
            with self.refusals.collect(index):
                values = self.serializer.run_validation(body)
                self.check_version(None, body)
                self.check_permission(None, values)
                rows[index] = self.row(self.model(), values)
        return rows

    def locked_records(self) -> dict[str, Record]:
        """The existing records of the entries, locked, by key."""
        keys = {self.key_of(body) for body in self.bodies} - {""}
        ids = list(self.readable.filter(**{f"{self.model.key}__in": keys}).values_list("pk", flat=True))
        rows = lock_for_change(self.model._base_manager.filter(pk__in=ids).order_by("pk"))
        return {str(getattr(record, self.model.key)): record for record in rows}

    def changed_rows(self, segment: list[tuple[int, Any]], stored: dict[str, Record]) -> dict[int, writer.Row]:
        records: dict[int, Record] = {}
        for index, body in segment:
            with self.refusals.collect(index):
                records[index] = self.record_of(body, stored)
        self.read_current({index: records[index] for index, body in segment if index in records and self.needs_current(body)})
        self.read_references(list(records.values()))
        rows = {}
        for index, body in segment:
            if index in records:
                with self.refusals.collect(index):
                    rows[index] = self.changed_row(records[index], body, self.current.get(index))
        return rows

    def record_of(self, body: Any, stored: dict[str, Record]) -> Record:
        """The record with the key of an entry. Raises for a missing, unknown or repeated key."""
        name = self.model.key
        if not isinstance(body, dict):
            raise serializers.ValidationError({"non_field_errors": [not_an_object()]})
        if body.get(name) in (None, ""):
            raise serializers.ValidationError({name: [_("This field is required.")]}, "required")
        key = self.key_of(body)
        if key not in stored:
            raise Http404
        if key in self.used_keys:
            raise serializers.ValidationError(
                {name: [_("Another entry of the list has the same key. Send each record once.")]}, "duplicate"
            )
        self.used_keys.add(key)
        return stored[key]

    def needs_current(self, body: dict[str, Any]) -> bool:
        """Whether the JSON of the stored record is needed: to compare the read-only fields of the entry, or by the caller."""
        return self.keep_current or bool(self.serializer.stored_read_only(body))

    def read_current(self, records: dict[int, Record]) -> None:
        self.current |= zip(records, map(json.loads, self.read([record.pk for record in records.values()])), strict=True)

    def read_references(self, rows: list[Record]) -> None:
        """Read which of the references of stored records the user may read."""
        for reference_field in self.serializer._writable_fields if rows else ():
            reference = reference_field.child_relation if isinstance(reference_field, KeyListField) else reference_field
            if not isinstance(reference, KeyField) or not reference.hides:
                continue
            if isinstance(reference_field, KeyListField):
                self.references.read_links(rows, reference_field.source)
                ids = set().union(*(self.references.links(record, reference_field.source) for record in rows))
            else:
                ids = {getattr(record, f"{reference_field.source}_id") for record in rows} - {None}
            model: Any = reference.model
            self.serializer.readable_ids(model, ids)

    def changed_row(self, record: Record, body: Any, current: dict[str, Any] | None) -> writer.Row:
        self.check_version(record, body)
        self.serializer.instance = record
        context: Any = self.serializer.context
        context["current"] = lambda: current or json.loads(self.read([record.pk])[0])
        values = self.serializer.run_validation(body)
        self.check_permission(record, values)
        return self.row(record, self.serializer.keep_hidden(record, values))

    def row(self, record: Record, values: dict[str, Any]) -> writer.Row:
        values = self.serializer.complete(record, values)
        links = self.serializer.links(values)
        return writer.Row(record, values, {name: {getattr(to, "pk", to) for to in targets} for name, targets in links.items()})
