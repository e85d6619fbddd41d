"""Reading records: PostgreSQL renders their JSON in one statement, which is built once from the serializer.

The queryset applies visibility, filters and order, and returns ids. The statement is cached by everything that changes its
text (serializer, fields, expansions, roles of the reader); ids, user, date and base URL are parameters.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.core.exceptions import EmptyResultSet
from django.db.models import (
    BigIntegerField,
    BooleanField,
    Case,
    DateField,
    DateTimeField,
    F,
    Func,
    JSONField,
    Q,
    QuerySet,
    TextField,
    Value,
    When,
)
from django.db.models.expressions import OuterRef
from django.db.models.functions import Cast, Concat, NullIf
from rest_framework import serializers

from policytracker.codes import CodeField, ForeignCode
from policytracker.edtf import EdtfField
from policytracker.records.access import Reader
from policytracker.resources import ReadContext
from policytracker.sql.moment import moment_read
from policytracker.sql.parameters import Parameter, Statement
from policytracker.sql.past_rows import ComputedFirst, SelectedFirst

API = "/api/v1/"
BASE = Parameter("base", TextField(), "::text")
ON = Parameter("on", DateField(), "::date")


class JsonObject(Func):
    """`json_build_object` of named expressions. Unlike jsonb it keeps their order.

    A function of PostgreSQL has at most 100 arguments. The text of a larger object is joined from those of its parts.
    """

    output_field = JSONField()
    part_size = 50  # names with their values

    def __init__(self, columns: dict[str, Any]):
        self.names = list(columns)
        super().__init__(*columns.values())

    def as_sql(self, compiler, connection, **extra):  # type: ignore[override] # its text needs no template
        parts, params = [], []
        for name, expression in zip(self.names, self.source_expressions, strict=True):
            sql, values = compiler.compile(expression)
            parts.append(f"'{name}', {sql}")
            params += values
        objects = [
            f"json_build_object({', '.join(parts[start : start + self.part_size])})" for start in range(0, len(parts) or 1, self.part_size)
        ]
        if len(objects) == 1:
            return objects[0], params
        contents = " || ', ' || ".join(f"left(substr({part}::text, 2), -1)" for part in objects)  # without the braces
        return f"('{{' || {contents} || '}}')::json", params


class IsOneOf(Func):
    """The condition that a value is in an array."""

    output_field = BooleanField()
    conditional = True
    template, arg_joiner = "%(expressions)s)", " = ANY("


class UtcTimestamp(Func):
    """A timestamp in the format of the API: UTC, with microseconds and Z."""

    template = """to_char(%(expressions)s AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
    output_field = TextField()


@dataclass(frozen=True)
class Representation:
    """What determines the text of a statement: serializer, fields (None for all), expanded references, roles of the reader.

    With `past` the records are shown as they were on a past day (`on_day()` of the queryset). With `as_of` they are those of a past
    moment: such a statement checks access today too, and has its own plan, because PostgreSQL plans again when the search path differs.
    """

    serializer: type[serializers.ModelSerializer]
    roles: frozenset[str]
    fields: tuple[str, ...] | None = None
    expand: frozenset[str] = frozenset()
    past: bool = False
    as_of: bool = dataclasses.field(default_factory=lambda: moment_read.get() is not None)

    @property
    def model(self) -> Any:
        """The model of the records."""
        return self.serializer.Meta.model

    @property
    def reader(self) -> Reader:
        """The reader, whose id is a Parameter."""
        return Reader(self.roles, Parameter("user"), self.as_of)

    @property
    def readable(self) -> QuerySet:
        """The records that the reader may read."""
        return self.model.objects.visible_to(self.reader)


def url_of(address: str, key: Any) -> Concat:
    """The URL of the record with this key."""
    return Concat(BASE, Value(f"{API}{address}/"), Cast(key, TextField()), Value("/"), output_field=TextField())


def columns(serializer: serializers.ModelSerializer, reader: Reader, expand: Iterable[str] = ()) -> dict[str, Any]:
    """The SQL expression of each serializer field, by name."""
    model: Any = serializer.Meta.model
    fields: Mapping[str, Any] = serializer.fields
    return {
        name: field.column(reader, name in expand)
        if hasattr(field, "column")
        else stored_value(model._meta.get_field(field.source), field.source)
        for name, field in fields.items()
    }


def stored_value(field, path: str) -> Any:
    """The expression of a stored field in the format of the API."""
    if isinstance(field, DateTimeField):
        return UtcTimestamp(F(path))
    if unknown_when_blank(field):
        return NullIf(F(path), Value(""))
    if field.get_internal_type() == "DecimalField":
        return Cast(F(path), TextField())
    return F(path)


def unknown_when_blank(field) -> bool:
    """Whether the API shows "" of the database as null. Dates and codes: yes; texts: no."""
    return isinstance(field, EdtfField | ForeignCode) or (isinstance(field, CodeField) and field.blank)


def with_json(representation: Representation, rows: QuerySet, *also: str) -> QuerySet:
    """The JSON text of each row, with Parameters for what differs between requests, and the values of the fields in `also`."""
    serializer = representation.serializer()
    names = tuple(serializer.fields) if representation.fields is None else representation.fields
    if representation.as_of:
        rows = selected_first(rows, serializer, names, representation.reader)
    expressions = columns(serializer, representation.reader, representation.expand)
    selected = {name: expressions[name] for name in names}
    if representation.past:
        rows = rows.on_day(ON)  # type: ignore[attr-defined]
    return rows.values_list(Cast(JsonObject(selected), TextField()), *also)


def selected_first(rows: QuerySet, serializer: serializers.ModelSerializer, names: Iterable[str], reader: Reader) -> QuerySet:
    """The rows of a past moment. Whether the source of each is readable is computed once, not for each field that shows its content."""
    using = source_content(serializer.fields) & set(names)
    if not using or reader.sees_all:
        return SelectedFirst.of(rows)
    source: Any = serializer.fields["source"]
    rows = SelectedFirst.of(rows, source_is_visible=source.visible(reader))
    source.is_visible = ComputedFirst(rows.model, "source_is_visible")
    return rows


@lru_cache(1024)
def statement(representation: Representation, single: bool, checked: bool) -> Statement:
    """The statement that returns the JSON text and the version of each id, in the order of the ids; if `checked`, of readable records only.

    A `single` id has its own statement: with an array PostgreSQL would plan it each time, because the generic plan for an
    array is estimated to cost more than the plan for one id.
    """
    rows = (representation.readable if checked else representation.model.objects).order_by()
    if single:
        rows = rows.filter(pk=Parameter("ids", BigIntegerField(), "::bigint"))
    else:
        ids = Parameter("ids", BigIntegerField(), "::bigint[]")
        rows = rows.filter(IsOneOf(F("pk"), ids)).order_by(Func(ids, F("pk"), function="array_position"))
    return Statement.of(with_json(representation, rows, "version"), "ids").marked(representation.as_of)


@lru_cache(1024)
def statement_by_key(representation: Representation) -> Statement | None:
    """The statement that returns the JSON text and the version of the record with a key; None for readers who may read no record."""
    name = representation.model.key
    key = Parameter("key", representation.model._meta.get_field(name))
    rows = representation.readable.filter(**{name: key}).order_by()
    with suppress(EmptyResultSet):
        return Statement.of(with_json(representation, rows, "version")).marked(representation.as_of)
    return None


def parameters(context: ReadContext) -> dict[str, Any]:
    """The values of the parameters in the statements of this reader."""
    return {"user": context.reader.id, "on": context.on, "base": context.base_url}


def read_many(representation: Representation, ids: Sequence[int], context: ReadContext, checked: bool = False) -> list[str]:
    """The JSON text of each record, in the order of the ids. Ids that no longer exist are left out.

    `checked` also leaves out records that were hidden from the reader after the ids were read.
    """
    if not ids:
        return []
    single = len(ids) == 1
    values = parameters(context) | {"ids": ids[0] if single else f"{{{','.join(map(str, ids))}}}"}
    return [text for text, _version in statement(representation, single, checked).rows(values)]


def read_stored(representation: Representation, pk: int, context: ReadContext) -> tuple[str, int] | None:
    """The JSON text and the version of the record with this id, whether or not the reader may read it; None if it no longer exists."""
    return statement(representation, single=True, checked=False).row(parameters(context) | {"ids": pk})


def read_one(representation: Representation, key: Any, context: ReadContext) -> tuple[str, int] | None:
    """The JSON text and the version of the record with this key. None if it does not exist or the reader may not read it."""
    compiled = statement_by_key(representation)
    return None if compiled is None else compiled.row(parameters(context) | {"key": key})


class ComputedField(serializers.ReadOnlyField):
    """A read-only field computed by PostgreSQL: `expression(reader)` gives its SQL, `schema` its OpenAPI schema."""

    def __init__(self, expression, schema: dict[str, Any] | None = None, **kwargs):
        self.expression, self.schema = expression, schema or {"type": "string"}
        super().__init__(**kwargs)

    def column(self, reader: Reader, expand: bool = False):
        return self.expression(reader)


class SourceContentField(serializers.CharField):
    """Content of the record's source: empty for readers who may not read the source."""

    source: str
    parent: Any  # the serializer of the record

    def column(self, reader: Reader, expand: bool = False):
        if reader.sees_all:
            return F(self.source)
        readable = Q(source__isnull=True) | Q(self.parent.fields["source"].visible(reader))
        return Case(When(readable, then=F(self.source)), default=Value(""), output_field=TextField())


def source_content(fields: Mapping[str, serializers.Field]) -> set[str]:
    """The names of those fields that show content of the record's source."""
    return {name for name, field in fields.items() if isinstance(field, SourceContentField)}


class UrlField(ComputedField):
    """The URL of the record."""

    def __init__(self, address: str, key: str, **kwargs):
        super().__init__(lambda reader: url_of(address, F(key)), {"type": "string", "format": "uri"}, **kwargs)


class NestedRecords(serializers.ListSerializer):
    """Child records, shown inside their parent record."""

    child: Any  # their serializer

    def column(self, reader: Reader, expand: bool = False):
        model = self.child.Meta.model
        rows = model.objects.visible_to(reader).filter(**{self.child.Meta.parent: OuterRef("pk")}).order_by("id")
        return ArraySubquery(rows.values_list(JsonObject(columns(self.child, reader)), flat=True))
