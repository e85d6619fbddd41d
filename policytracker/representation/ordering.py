"""Ordering of lists by `ordering`: every stored field with a single value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from typing import Any

from django.db import models
from django.db.models import F, QuerySet, Subquery, Value
from django.db.models.functions import NullIf
from django.utils.translation import gettext as _
from rest_framework import serializers

from policytracker import edtf
from policytracker.records.access import Reader
from policytracker.representation.filters import TEXT_FIELDS, names_people
from policytracker.representation.json_sql import SourceContentField
from policytracker.representation.keyset import Column
from policytracker.representation.parameters import InvalidParameter
from policytracker.representation.references import KeyField
from policytracker.representation.serializers import declared_fields
from policytracker.resources import Resource

MAX_FIELDS = 5


def read_order(text: str, resource: Resource, reader: Reader) -> tuple[str, ...]:
    """The fields of the parameter `ordering`, each with `-` for descending. Raises InvalidParameter."""
    parts = tuple(filter(None, text.split(",")))
    for number, part in enumerate(parts):
        name = part.removeprefix("-")
        if name not in orders(resource.serializer):
            raise InvalidParameter("ordering", _("The list cannot be ordered by “{name}”.").format(name=name[:100]))
        if number >= MAX_FIELDS:
            raise InvalidParameter("ordering", _("Order by at most {max} fields.").format(max=MAX_FIELDS))
        if names_people(declared_fields(resource.serializer)[name]) and not reader.sees_people:
            raise InvalidParameter("ordering", _("Sign in to order by people."))
    return parts


def columns(order: Iterable[str], resource: Resource) -> list[Column]:
    """The columns of an order by these fields, and last a unique one: without fields the key."""
    result = []
    for part in order:
        column, _expression = orders(resource.serializer)[part.removeprefix("-")]
        result.append(Column(column.path, part.startswith("-"), column.nullable))
    return [*result, Column("id") if result else Column("id" if resource.model.key == "uid" else resource.model.key)]


def ordered(rows: QuerySet, order: Iterable[str], resource: Resource, reader: Reader) -> QuerySet:
    """The rows in the order of these fields."""
    found = [orders(resource.serializer)[part.removeprefix("-")] for part in order]
    rows = rows.annotate(**{column.path: expression(reader) for column, expression in found if expression})
    return rows.order_by(*(column.order_by() for column in columns(order, resource)))


@cache
def orders(serializer_class: type[serializers.ModelSerializer]) -> dict[str, tuple[Column, Callable[[Reader], Any] | None]]:
    """The fields by which the list can be ordered: the column, and the expression to annotate it with if it is not stored."""
    serializer = serializer_class()
    model: Any = serializer.Meta.model
    fields: Mapping[str, Any] = serializer.fields
    result: dict[str, tuple[Column, Callable[[Reader], Any] | None]] = {}
    for name, field in fields.items():
        computed = Column(f"order_{name}", nullable=True)
        if isinstance(field, KeyField):
            result[name] = computed, partial(_key_expression, field)
            continue
        stored = next((f for f in model._meta.concrete_fields if f.name == field.source), None)
        if stored is None or isinstance(field, serializers.ListField):
            continue
        if isinstance(field, SourceContentField):
            result[name] = computed, partial(_content_expression, field)
        elif isinstance(stored, edtf.EdtfField):
            result[name] = Column(f"{field.source}_first", nullable=True), None
        elif stored.blank and isinstance(stored, TEXT_FIELDS):
            result[name] = computed, partial(_text_expression, field.source)
        else:
            result[name] = Column(field.source, nullable=stored.null), None
    return result


def _key_expression(field: KeyField, reader: Reader) -> Any:
    expression = field.column(reader)
    return expression if isinstance(expression, Subquery) else F(expression.name)


def _content_expression(field: SourceContentField, reader: Reader) -> NullIf:
    return NullIf(field.column(reader), Value(""), output_field=models.TextField())


def _text_expression(path: str, reader: Reader) -> NullIf:
    return NullIf(F(path), Value(""), output_field=models.TextField())
