"""References to records and people by natural key."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.core.exceptions import EmptyResultSet
from django.core.exceptions import ValidationError as ModelError
from django.db import models
from django.db.models import F, OuterRef, Subquery, TextField
from django.db.models.functions import Cast, Coalesce
from django.utils.translation import gettext as _
from rest_framework import serializers

from policytracker.records.access import Reader
from policytracker.records.models import Record, key_of
from policytracker.representation import hidden
from policytracker.representation.json_sql import JsonObject, url_of
from policytracker.resources import registry
from policytracker.sql.parameters import ExistsForRow, Parameter, Statement

MAX_KEYS = 1000


def referable(model: Any, reader: Any) -> models.QuerySet:
    """The records or people that the reader may read, and so may refer to."""
    return model.objects.visible_to(reader) if issubclass(model, Record) else model.visible_to(reader)


def valid_keys(model: type[models.Model], keys: Iterable[str]) -> list[Any]:
    """Those keys that are valid values of the key field."""
    field: Any = model._meta.get_field(key_of(model))
    values = []
    for key in keys:
        with suppress(ModelError):
            values.append(field.clean(key, None))
    return values


def find_by_key(model: type[models.Model], keys: Iterable[str], reader: Any) -> dict[str, models.Model]:
    """The records with these keys that the reader may refer to, by key; at most one query."""
    name, values = key_of(model), valid_keys(model, keys)
    records = referable(model, reader).filter(**{f"{name}__in": values}) if values else []
    return {str(getattr(record, name)): record for record in records}


def find_id(model: type[models.Model], key: str, reader: Reader) -> int | None:
    """The id of the record with this key. None if it does not exist, or the reader may not refer to it."""
    statement = statement_of_id(model, reader.roles, reader.as_of)
    values = valid_keys(model, [key])
    found = statement.row({"user": reader.id, "key": values[0]}) if statement and values else None
    return found[0] if found else None


@lru_cache(1024)
def statement_of_id(model: type[models.Model], roles: frozenset[str], as_of: bool) -> Statement | None:
    """The statement that returns the id of the record with a key; None for readers who may refer to no record."""
    name = key_of(model)
    key = Parameter("key", model._meta.get_field(name))
    rows = referable(model, Reader(roles, Parameter("user"), as_of)).filter(**{name: key}).order_by()
    with suppress(EmptyResultSet):
        return Statement.of(rows.values("pk")).marked(as_of)
    return None


def does_not_exist(model: type[models.Model], key: str) -> serializers.ErrorDetail:
    """The error for a key without a record, or with a record that the reader may not read."""
    return serializers.ErrorDetail(_("There is no {type} “{key}”.").format(type=model._meta.verbose_name, key=key[:100]), "does_not_exist")


class KeyListField(serializers.ManyRelatedField):
    """References to several records by key, looked up in one query."""

    source: str
    child_relation: KeyField

    def to_internal_value(self, data: Any) -> list[models.Model]:
        if not isinstance(data, list) or not all(isinstance(key, str) for key in data):
            raise serializers.ValidationError(_("Send a list of keys."), "not_a_list")
        if len(data) > MAX_KEYS:
            raise serializers.ValidationError(_("Send at most {maximum} keys.").format(maximum=f"{MAX_KEYS:,}"), "max_length")
        records = self.child_relation.find(data)
        if missing := [key for key in data if key not in records]:
            raise serializers.ValidationError([self.child_relation.missing(key) for key in missing])
        return list(records.values())

    def to_representation(self, value: Any) -> list[str]:
        return sorted(super().to_representation(value))

    def column(self, reader: Reader, expand: bool = False):
        return self.child_relation.columns(reader, expand, self.source)

    @property
    def hides(self) -> bool:
        return self.child_relation.hides


class KeyField(serializers.RelatedField):
    """A reference to a record by its natural key, or to a user by user name."""

    source: str
    parent: Any  # the serializer of the record, or the field of a list

    def __init__(self, model: Any, **kwargs):
        self.model = model
        self.key = key_of(model)
        self.is_visible: Any = None  # the condition of `visible()`, where a statement has computed it already
        if not kwargs.get("read_only"):
            kwargs["queryset"] = model._default_manager.none()
        super().__init__(**kwargs)

    @classmethod
    def many_init(cls, *args, **kwargs):
        list_kwargs = {
            name: kwargs.pop(name) for name in ("required", "allow_empty", "help_text", "label", "source", "read_only") if name in kwargs
        }
        return KeyListField(child_relation=cls(*args, **kwargs), **list_kwargs)

    @property
    def hides(self) -> bool:
        """Whether some users may not read the referenced records."""
        return hidden.can_be_hidden(self.model)

    @property
    def of_people(self) -> bool:
        """Whether the field refers to users."""
        return not issubclass(self.model, Record)

    def rows(self) -> models.QuerySet:
        """The records or users that the current user may read, and so may refer to."""
        return referable(self.model, self.context["user"])

    def find(self, keys: list[str]) -> dict[str, models.Model]:
        """The records with these keys that the current user may read, by key."""
        if "references" in self.context:  # in a list: looked up for all entries at once
            records = self.context["references"].find(self, valid_keys(self.model, keys))
            return {str(getattr(record, self.key)): record for record in records}
        return find_by_key(self.model, keys, self.context["user"])

    def missing(self, key: str) -> serializers.ErrorDetail:
        """The error for a key without a record, or with a record that the current user may not read."""
        return does_not_exist(self.model, key)

    def to_internal_value(self, data: Any) -> models.Model:
        if not isinstance(data, str):
            raise serializers.ValidationError(_("Send the {field} as a string.").format(field=self.key), "incorrect_type")
        records = self.find([data])
        if not records:
            raise serializers.ValidationError([self.missing(data)])
        return next(iter(records.values()))

    def use_pk_only_optimization(self) -> bool:
        return False

    def to_representation(self, value: Any) -> str:
        return str(getattr(value, self.key))

    def get_choices(self, cutoff=None):
        return {}

    def visible(self, reader: Reader) -> Any:
        """The condition that the reader may read the referenced record."""
        return self.is_visible or ExistsForRow(self.model.objects.visible_to(reader).filter(pk=OuterRef(f"{self.source}_id")))

    def unknown(self, reader: Reader) -> models.Q:
        """The condition that the reference is empty, or its record is hidden from the reader."""
        return ~models.Q(self.visible(reader)) if self.hides and not reader.sees_all else models.Q(**{f"{self.source}__isnull": True})

    def _representation(self, path: str, expand: bool):
        """The key; if expanded, an object with key, title (or name) and URL."""
        key = F(f"{path}{self.key}")
        if not expand or not issubclass(self.model, Record):
            return key
        name, value = title(self.model, path)
        return JsonObject({self.key: key, name: value, "url": url_of(registry.of(self.model).address, key)})

    def column(self, reader: Reader, expand: bool = False):
        if self.of_people and not reader.sees_people:
            return Cast(models.Value(None), TextField())
        if (self.hides and not reader.sees_all) or (reader.as_of and issubclass(self.model, Record)):
            visible = self.model.objects.all() if self.is_visible else self.model.objects.visible_to(reader)
            rows = visible.filter(pk=OuterRef(f"{self.source}_id")).order_by()
            found = Subquery(rows.values_list(self._representation("", expand), flat=True))
            return models.Case(models.When(self.is_visible, then=found)) if self.is_visible else found
        representation = self._representation(f"{self.source}__", expand)
        if not expand or not issubclass(self.model, Record):
            return representation
        return models.Case(models.When(**{f"{self.source}__isnull": False}, then=representation), output_field=models.JSONField())

    def columns(self, reader: Reader, expand: bool, source: str):
        """The references of the many-to-many field `source`, ordered by key."""
        if self.of_people and not reader.sees_people:
            return Cast(models.Value("[]"), models.JSONField())
        field = self.parent.parent.Meta.model._meta.get_field(source)
        through = field.remote_field.through._default_manager.filter(**{field.m2m_field_name(): OuterRef("pk")})
        target = field.m2m_reverse_field_name()
        if self.hides and not reader.sees_all:
            through = through.filter(**{f"{target}__in": self.model.objects.visible_to(reader).values("pk")})
        return ArraySubquery(through.order_by(f"{target}__{self.key}").values_list(self._representation(f"{target}__", expand), flat=True))


def title(model: type[Record], path: str = "") -> tuple[str, Any]:
    """The name (`name` or `title`) and the expression of the text that identifies a record to people."""
    parts = [F(f"{path}{part}") for part in model.label_parts]
    joined = models.functions.Concat(*_separated(parts), output_field=TextField()) if len(parts) > 1 else parts[0]
    return "name" if model.label_parts == ("name",) else "title", joined


def _separated(parts: list[Any]) -> list[Any]:
    result: list[Any] = []
    for part in parts:
        result += [models.Value(" · "), Coalesce(Cast(part, TextField()), models.Value(""), output_field=TextField())]
    return result[1:]
