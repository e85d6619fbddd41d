"""Lists of records as the API takes them: each entry judged as if it came alone, all of them written together."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import QuerySet
from django.http import Http404
from rest_framework import serializers

from policytracker.api.errors import OF_ONE_ENTRY
from policytracker.api.serializers import NOT_AN_OBJECT, KeyField, KeyListField, RecordSerializer
from policytracker.dataset import writer
from policytracker.records.context import change_context
from policytracker.records.exceptions import EntriesRefused
from policytracker.records.models import Record

MAX_ENTRIES = 500


class References:
    """What the entries of a list refer to, as far as the caller may read it; read once for each kind of record."""

    def __init__(self) -> None:
        self.rows: dict[type[models.Model], dict[Any, models.Model | None]] = defaultdict(dict)
        self.may_read: dict[type[models.Model], dict[int, bool]] = defaultdict(dict)
        self.stored: dict[str, dict[int, set[int]]] = defaultdict(dict)

    def find(self, reference: KeyField, keys: Iterable[Any]) -> list[models.Model]:
        known = self.rows[reference.model]
        if missing := [key for key in keys if key not in known]:
            known |= dict.fromkeys(missing)
            known |= {getattr(row, reference.key): row for row in reference.rows().filter(**{f"{reference.key}__in": missing})}
        return [known[key] for key in dict.fromkeys(keys) if known[key] is not None]

    def readable_ids(self, reference: KeyField, ids: set[int]) -> set[int]:
        known = self.may_read[reference.model]
        if missing := ids - known.keys():
            known |= dict.fromkeys(missing, False)
            known |= dict.fromkeys(reference.rows().filter(pk__in=missing).values_list("pk", flat=True), True)
        return {pk for pk in ids if known[pk]}

    def links(self, record: Record, name: str) -> set[int]:
        return self.stored[name][record.pk]

    def read_links(self, records: Sequence[Record], name: str) -> None:
        through, near, far = writer.ends(records[0]._meta.get_field(name))
        self.stored[name] = {record.pk: set() for record in records}
        for owner, target in through.filter(**{f"{near}__in": self.stored[name]}).values_list(near, far):
            self.stored[name][owner].add(target)

    def forget(self, model: type[models.Model]) -> None:
        """Records of this model were written."""
        self.rows.pop(model, None)


@dataclass
class Refusals:
    """Why entries of a list are refused, by their index."""

    total: int
    reasons: dict[int, Exception] = field(default_factory=dict)

    @contextmanager
    def of(self, index: int) -> Iterator[None]:
        """One entry: what refuses it is kept, and the others go on."""
        try:
            yield
        except OF_ONE_ENTRY as error:
            self.reasons[index] = error

    def stop(self) -> None:
        """Raises EntriesRefused where any entry is refused."""
        if self.reasons:
            raise EntriesRefused(self.reasons, self.total)


@dataclass
class Preview:
    """What would become of an entry: each field that changes, before and after, as the caller reads it; or why it is refused."""

    outcome: writer.Outcome
    changes: dict[str, tuple[Any, Any]]
    error: Exception | None = None


def checked(entries: Any) -> list[Any]:
    """The entries of a list. Raises ValidationError for what is none, or is too long."""
    if not isinstance(entries, list):
        raise serializers.ValidationError({"non_field_errors": ["Send a list."]})
    if len(entries) > MAX_ENTRIES:
        raise serializers.ValidationError({"non_field_errors": [f"Send at most {MAX_ENTRIES} records at once."]})
    return entries


@dataclass
class Entries:
    """A list of bodies for one kind of record.

    `readable` are the records that exist for the caller, `read(ids)` gives their JSON texts. `permit(record, values)` raises where the
    caller may not write these values, `still_current(record, body)` where the caller has read another version. `reason(body)` is
    the reason for the change of an entry.
    """

    bodies: Sequence[Any]
    serializer: RecordSerializer
    readable: QuerySet
    read: Callable[[list[int]], list[str]]
    permit: Callable[[Record | None, dict[str, Any]], None]
    still_current: Callable[[Record | None, Any], Any]
    reason: Callable[[Any], str]

    def __post_init__(self):
        self.model: type[Record] = self.serializer.Meta.model
        self.refusals = Refusals(len(self.bodies))
        self.references = self.serializer.context["references"] = References()
        self.rows: dict[int, writer.Row] = {}
        # The texts of the stored records, before.
        self.before: dict[int, str] = {}
        self.taken: set[str] = set()

    # ---- what is done with them

    def create(self) -> list[int]:
        """Make a record of each entry. Returns their ids in order. Raises EntriesRefused, and the caller rolls back."""
        self.write(self.new_rows)
        self.refusals.stop()
        return [self.rows[index].record.pk for index in range(len(self.bodies))]

    def change(self) -> list[int]:
        """Change the record that each entry names by its key. Returns their ids in order. Raises EntriesRefused, likewise."""
        stored = self.stored()
        self.write(lambda segment: self.changed_rows(segment, stored))
        self.refusals.stop()
        return [self.rows[index].record.pk for index in range(len(self.bodies))]

    def preview(self, do: Callable[[], Any]) -> list[Preview]:
        """What `create` or `change` would do with each entry. Nothing is written."""
        with transaction.atomic():
            with suppress(EntriesRefused):
                do()
            after = dict(zip(self.ids, self.read(self.ids), strict=True)) if self.ids else {}
            transaction.set_rollback(True)
        return [self.foreseen(index, after) for index in range(len(self.bodies))]

    @property
    def ids(self) -> list[int]:
        return [row.record.pk for row in self.rows.values() if not row.error]

    def foreseen(self, index: int, after: dict[int, str]) -> Preview:
        if index in self.refusals.reasons:
            return Preview(writer.Outcome.REFUSED, {}, self.refusals.reasons[index])
        row = self.rows[index]
        now = json.loads(after[row.record.pk])
        before = json.loads(self.before[index]) if index in self.before else dict.fromkeys(now)
        counted = {"url", "version", "created_at", "updated_at"}
        changes = {name: (before[name], now[name]) for name in now if name not in counted and before[name] != now[name]}
        return Preview(row.outcome, changes)

    # ---- how

    def write(self, rows_of: Callable[[list[tuple[int, Any]]], dict[int, writer.Row]]) -> None:
        for reason, segment in self.segments():
            self.find_references([body for _, body in segment])
            rows = rows_of(segment)
            with change_context(None, reason):
                writer.write(list(rows.values()), judge=self.serializer.refusal)
            self.rows |= rows
            self.refusals.reasons |= {index: row.error for index, row in rows.items() if row.error}
            self.references.forget(self.model)

    def segments(self) -> Iterator[tuple[str, list[tuple[int, Any]]]]:
        """Entries that can be written together: they have one reason, and none refers to another of them."""
        segment: list[tuple[int, Any]] = []
        keys: set[str] = set()
        common = ""
        for index, body in enumerate(self.bodies):
            reason = None
            with self.refusals.of(index):
                reason = self.reason(body)
            if reason is None:
                continue
            if segment and (reason != common or keys & self.own_kind(body)):
                yield common, segment
                segment, keys = [], set()
            common = reason
            segment.append((index, body))
            keys.add(self.key_of(body))
        if segment:
            yield common, segment

    def key_of(self, body: Any) -> str:
        """The key that an entry gives its record, as a record has it; "" for none."""
        return self.plain(body.get(self.model.key)) if isinstance(body, dict) else ""

    def plain(self, key: Any) -> str:
        try:
            return str(self.model._meta.get_field(self.model.key).clean(key, None)) if isinstance(key, str) else ""
        except ValidationError:
            return ""

    def own_kind(self, body: Any) -> set[str]:
        """The keys of records of the same kind to which an entry refers."""
        return {self.plain(key) for reference, keys in self.named(body) if reference.model is self.model for key in keys} - {""}

    def named(self, body: Any) -> Iterator[tuple[KeyField, list[str]]]:
        """The references of an entry, with the keys that it gives."""
        if isinstance(body, dict):
            for name, reference in self.references_by_name.items():
                given = body.get(name)
                keys = [key for key in (given if isinstance(given, list) else [given]) if isinstance(key, str) and key]
                if keys:
                    yield reference, keys

    @property
    def references_by_name(self) -> dict[str, KeyField]:
        fields = {
            name: f.child_relation if isinstance(f, KeyListField) else f for name, f in self.serializer.fields.items() if not f.read_only
        }
        return {name: reference for name, reference in fields.items() if isinstance(reference, KeyField)}

    def find_references(self, bodies: Iterable[Any]) -> None:
        """Read all that the entries name, in one query for each kind of record."""
        keys: dict[type[models.Model], list[str]] = defaultdict(list)
        fields: dict[type[models.Model], KeyField] = {}
        for body in bodies:
            for reference, given in self.named(body):
                keys[reference.model] += given
                fields[reference.model] = reference
        for model, reference in fields.items():
            reference.find(list(dict.fromkeys(keys[model])))

    def new_rows(self, segment: list[tuple[int, Any]]) -> dict[int, writer.Row]:
        rows = {}
        for index, body in segment:
            with self.refusals.of(index):
                values = self.serializer.run_validation(body)
                self.still_current(None, body)
                self.permit(None, values)
                rows[index] = self.row(self.model(), values)
        return rows

    def stored(self) -> dict[str, Record]:
        """The records that the entries name, locked, by the text of their keys."""
        keys = {self.key_of(body) for body in self.bodies} - {""}
        ids = list(self.readable.filter(**{f"{self.model.key}__in": keys}).values_list("pk", flat=True))
        # In one order, so that two lists do not wait for each other; and so that others may refer to the records meanwhile.
        rows = self.model._base_manager.select_for_update(of=("self",), no_key=True).filter(pk__in=ids).order_by("pk")
        return {str(getattr(record, self.model.key)): record for record in rows}

    def changed_rows(self, segment: list[tuple[int, Any]], stored: dict[str, Record]) -> dict[int, writer.Row]:
        records: dict[int, Record] = {}
        for index, body in segment:
            with self.refusals.of(index):
                records[index] = self.record_of(body, stored)
        self.read_stored(records)
        rows = {}
        for index, body in segment:
            if index in records:
                with self.refusals.of(index):
                    rows[index] = self.changed_row(records[index], body, self.before[index])
        return rows

    def record_of(self, body: Any, stored: dict[str, Record]) -> Record:
        """The record that an entry names. Raises for a key that is unknown, or that an entry before it has named."""
        name = self.model.key
        if not isinstance(body, dict):
            raise serializers.ValidationError({"non_field_errors": [NOT_AN_OBJECT]})
        if body.get(name) in (None, ""):
            raise serializers.ValidationError({name: ["This field is required."]}, "required")
        key = self.key_of(body)
        if key not in stored:
            raise Http404
        if key in self.taken:
            raise serializers.ValidationError({name: ["This key occurs twice in the list."]}, "duplicate")
        self.taken.add(key)
        return stored[key]

    def read_stored(self, records: dict[int, Record]) -> None:
        """Read what is needed of the stored records to judge their entries: as the caller reads them, and what they refer to."""
        if not records:
            return
        rows = list(records.values())
        self.before |= dict(zip(records, self.read([record.pk for record in rows]), strict=True))
        for reference_field in self.serializer._writable_fields:
            reference = reference_field.child_relation if isinstance(reference_field, KeyListField) else reference_field
            if not isinstance(reference, KeyField) or not reference.hides:
                continue
            if isinstance(reference_field, KeyListField):
                self.references.read_links(rows, reference_field.source)
                ids = set().union(*(self.references.links(record, reference_field.source) for record in rows))
            else:
                ids = {getattr(record, f"{reference_field.source}_id") for record in rows} - {None}
            reference.readable_ids(ids)

    def changed_row(self, record: Record, body: Any, text: str) -> writer.Row:
        self.still_current(record, body)
        self.serializer.instance = record
        self.serializer.context["current"] = json.loads(text)
        values = self.serializer.run_validation(body)
        self.permit(record, values)
        return self.row(record, self.serializer.keep_hidden(record, values))

    def row(self, record: Record, values: dict[str, Any]) -> writer.Row:
        links = self.serializer.links(values)
        return writer.Row(record, values, {name: {getattr(to, "pk", to) for to in targets} for name, targets in links.items()})
