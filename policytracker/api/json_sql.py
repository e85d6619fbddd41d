"""The read side: a serializer's declaration, turned into SQL once, writes the JSON of many records in one statement.

Filters, visibility and order go through the ordinary queryset and give ids; the statement is kept by what changes its text
(serializer, fields, expansions, roles of the reader), and gets ids, user, day and address as values.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.contrib.postgres.expressions import ArraySubquery
from django.db import connection, models
from django.db.models import Case, DateField, DateTimeField, F, Func, JSONField, Q, TextField, Value, When
from django.db.models.expressions import OuterRef
from django.db.models.functions import Cast, Concat, NullIf
from psycopg import RawCursor
from psycopg.sql import Literal
from rest_framework import serializers

from policytracker.codes import CodeField, ForeignCode
from policytracker.edtf import EdtfField
from policytracker.records.access import Reader
from policytracker.records.parameters import Parameter

API = "/api/v1/"
BASE = Parameter("base", TextField(), "::text")
ON = Parameter("on", DateField(), "::date")


class JsonObject(Func):
    """`json_build_object` of named expressions; unlike jsonb it keeps their order."""

    output_field = JSONField()

    def __init__(self, columns: dict[str, Any]):
        self.names = list(columns)
        super().__init__(*columns.values())

    def as_sql(self, compiler, connection, **extra):
        parts, params = [], []
        for name, expression in zip(self.names, self.source_expressions, strict=True):
            sql, values = compiler.compile(expression)
            parts.append(f"'{name}', {sql}")
            params += values
        return f"json_build_object({', '.join(parts)})", params


class UtcTimestamp(Func):
    """A time as the API writes it: UTC, with microseconds and Z."""

    template = """to_char(%(expressions)s AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
    output_field = TextField()


@dataclass(frozen=True)
class Representation:
    """What makes one statement differ from another: the fields (all, where none are named), those expanded, and the reader's roles.

    `past` asks for the records as they were on a past day (`on_day()` of the queryset).
    """

    serializer: type[serializers.Serializer]
    roles: frozenset[str]
    fields: tuple[str, ...] | None = None
    expand: frozenset[str] = frozenset()
    past: bool = False


def link(address: str, key: Any) -> Concat:
    return Concat(BASE, Value(f"{API}{address}/"), Cast(key, TextField()), Value("/"), output_field=TextField())


def columns(serializer: serializers.ModelSerializer, reader: Reader, expand: Iterable[str] = ()) -> dict[str, Any]:
    """The SQL of each field of the serializer, by its name."""
    found = {}
    for name, field in serializer.fields.items():
        if hasattr(field, "column"):
            found[name] = field.column(reader, name in expand)
        elif name in source_text_fields(serializer.Meta.model, serializer.fields):
            found[name] = said(name, serializer, reader)
        else:
            found[name] = plain(serializer.Meta.model._meta.get_field(field.source), field.source)
    return found


def source_text_fields(model: type[models.Model], fields: Mapping[str, Any]) -> set[str]:
    """The fields that tell what the source of a record says, where a reader of the record may not read the source."""
    may_be_hidden = "source" in fields and "source" not in model.access_parents
    return {"locator", "quote"} & fields.keys() if may_be_hidden else set()


def said(name: str, serializer: serializers.ModelSerializer, reader: Reader) -> Any:
    """Such words, as empty where their source is hidden."""
    if reader.sees_all:
        return F(name)
    readable = Q(source__isnull=True) | Q(serializer.fields["source"].visible(reader))
    return Case(When(readable, then=F(name)), default=Value(""), output_field=TextField())


def plain(field, path: str) -> Any:
    if isinstance(field, DateTimeField):
        return UtcTimestamp(F(path))
    if unknown_when_blank(field):
        return NullIf(F(path), Value(""))
    if field.get_internal_type() == "DecimalField":
        return Cast(F(path), TextField())
    return F(path)


def unknown_when_blank(field) -> bool:
    """Whether "" in the database is null outside: for dates and codes it is, an absent text stays ""."""
    return isinstance(field, EdtfField | ForeignCode) or (isinstance(field, CodeField) and field.blank)


@lru_cache(1024)
def statement(shape: Representation, one: bool) -> tuple[str, tuple[str, ...]]:
    """The SQL that writes one JSON text for each of the ids, in their order, and the names of what its $1, $2 and so on stand for.

    For `one` id it is another, since PostgreSQL keeps no plan for many that is much dearer than what one costs.
    """
    serializer = shape.serializer()
    reader = Reader(shape.roles, Parameter("user"))
    written = columns(serializer, reader, shape.expand)
    chosen = {name: written[name] for name in (written if shape.fields is None else shape.fields)}
    model = serializer.Meta.model
    source = (model.objects.on_day(ON) if shape.past else model._base_manager).order_by()
    rows = source.values_list(Cast(JsonObject(chosen), TextField()), flat=True)
    sql, params = rows.query.sql_with_params()
    names = ("ids", *dict.fromkeys(p.name for p in params if isinstance(p, Parameter)))
    places = {name: f"${number}" for number, name in enumerate(names, 1)}
    told = sql % tuple(places[p.name] if isinstance(p, Parameter) else Literal(p).as_string(connection.connection) for p in params)
    key = f'"{model._meta.db_table}"."id"'
    return f"{told} WHERE {key} = {'$1::bigint' if one else f'ANY($1::bigint[]) ORDER BY array_position($1::bigint[], {key})'}", names


def texts(shape: Representation, ids: Sequence[int], *, user: int | None, on: date, base: str) -> list[str]:
    """The JSON text of each record, in the order of the ids; an id that is gone is left out."""
    if not ids:
        return []
    one = len(ids) == 1
    connection.ensure_connection()
    sql, names = statement(shape, one)
    # All go as texts, so that PostgreSQL sees one statement, of whatever size the numbers are.
    values = {"ids": str(ids[0]) if one else f"{{{','.join(map(str, ids))}}}", "user": user and str(user), "on": str(on), "base": base}
    return list(execute_prepared(sql, [values[name] for name in names]))


def execute_prepared(sql: str, values: list[str | None]) -> Iterator[str]:
    """The texts that a statement gives, which PostgreSQL plans once for a connection, since planning takes longer than a page does.

    With `DB_PREPARE=0` it is planned each time, since the connection may be another one each time.
    """
    # The cursors that Django makes write the values into the statement, and so it is planned each time.
    if settings.DB_PREPARE:
        connection.connection.prepare_threshold = 0
    cursor = RawCursor(connection.connection)
    told = connection.make_debug_cursor(cursor).debug_sql(sql, values) if connection.queries_logged else nullcontext()
    with connection.make_cursor(cursor) as asked, told:
        asked.execute(sql, values)
        yield from (text for (text,) in asked)


class ComputedField(serializers.ReadOnlyField):
    """A field that PostgreSQL computes: `expression(reader)` is shown, filtered and exported from here."""

    def __init__(self, expression, schema: dict[str, Any] | None = None, **kwargs):
        self.expression, self.schema = expression, schema or {"type": "string"}
        super().__init__(**kwargs)

    def column(self, reader: Reader, expand: bool = False):
        return self.expression(reader)


class Address(ComputedField):
    """Where the record itself is read."""

    def __init__(self, address: str, key: str, **kwargs):
        super().__init__(lambda reader: link(address, F(key)), {"type": "string", "format": "uri"}, **kwargs)


class NestedRecords(serializers.ListSerializer):
    """Records that are shown inside the one they belong to."""

    def column(self, reader: Reader, expand: bool = False):
        model = self.child.Meta.model
        rows = model.objects.visible_to(reader).filter(**{self.child.Meta.parent: OuterRef("pk")}).order_by("id")
        return ArraySubquery(rows.values_list(JsonObject(columns(self.child, reader)), flat=True))
