"""Which stored record a row is about: found by key, by uid or by the fields that identify a record without a key."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from rest_framework import serializers

from policytracker.records.models import Record
from policytracker.representation.references import KeyField, KeyListField
from policytracker.representation.serializers import RecordSerializer


class Identities:
    """Finds the records of a model that a user may read."""

    def __init__(self, model: type[Record], serializer: type[RecordSerializer], readable: QuerySet):
        self.model, self.readable = model, readable
        self.key_field: Any = model._meta.get_field(model.key)
        self.fields: dict[str, Any] = {name: field for name, field in serializer().fields.items() if self.is_comparable(field)}

    def is_comparable(self, field: serializers.Field) -> bool:
        many = isinstance(field, KeyListField | serializers.ListField)
        return not many and not field.read_only and field.source != self.model.key and not isinstance(field, serializers.FileField)

    def of(self, body: dict[str, Any]) -> Any:
        """What identifies the record of a body: its key, or the values of the identifying fields. None if neither is known."""
        if body.get(self.model.key):
            return self.valid_key(body[self.model.key]) or None
        names = self.names(body)
        return (names, self.values(names, body)) if names else None

    def valid_key(self, key: Any) -> str:
        with suppress(ValidationError):
            return str(self.key_field.clean(key, None))
        return ""

    def names(self, body: dict[str, Any]) -> tuple[str, ...]:
        """The API names of the fields that identify the record: those of the model, else all that are given. () if it must have a key."""
        if self.model.key != "uid":
            return ()
        sources = self.model.identifying_fields({field.source: body.get(name) for name, field in self.fields.items()})
        return tuple(n for n, f in self.fields.items() if f.source in sources) if sources else tuple(n for n in self.fields if n in body)

    def values(self, names: Iterable[str], values: dict[str, Any]) -> tuple[str, ...]:
        return tuple(comparable(self.fields[name], values.get(name)) for name in names)

    def find(self, bodies: Sequence[dict[str, Any]]) -> list[str | None]:
        """The key of the stored record of each body; None if there is none. One query for keys, and one for each set of fields."""
        keys: list[str | None] = [None] * len(bodies)
        given = {
            index: key for index, body in enumerate(bodies) if body.get(self.model.key) and (key := self.valid_key(body[self.model.key]))
        }
        stored = set(map(str, self.readable.filter(**{f"{self.model.key}__in": given.values()}).values_list(self.model.key, flat=True)))
        for index, key in given.items():
            keys[index] = key if key in stored else None
        groups: dict[tuple[str, ...], list[int]] = {}
        for index, body in enumerate(bodies):
            if not body.get(self.model.key) and (names := self.names(body)):
                groups.setdefault(names, []).append(index)
        for names, indexes in groups.items():
            found = self.find_by_fields(names, [bodies[index] for index in indexes])
            for index in indexes:
                keys[index] = found.get(self.values(names, bodies[index]))
        return keys

    def find_by_fields(self, names: tuple[str, ...], bodies: list[dict[str, Any]]) -> dict[tuple[str, ...], str]:
        """The keys of the stored records with the same references, by the values of the fields."""
        rows, paths = self.readable.order_by("-pk"), []
        for name in names:
            field = self.fields[name]
            is_reference = isinstance(field, KeyField)
            paths.append(f"{field.source}__{field.key}" if is_reference else field.source)
            keys = {body.get(name) for body in bodies}
            if is_reference and "" not in keys and None not in keys:
                rows = rows.filter(**{f"{paths[-1]}__in": keys})
        found = {}
        for key, *values in rows.values_list(self.model.key, *paths):
            found[tuple(comparable(self.fields[name], value) for name, value in zip(names, values, strict=True))] = str(key)
        return found


def comparable(field: serializers.Field, value: Any) -> str:
    """A value in the one form that equal values have, whether it comes from a file or from the database."""
    if value is None or value == "":
        return ""
    if isinstance(field, serializers.DecimalField):
        with suppress(InvalidOperation):
            return format(Decimal(str(value)).normalize(), "f")
    return value.isoformat() if isinstance(value, date) else str(value)
