"""Reading records: PostgreSQL renders their JSON in one statement, which is built once from the serializer.

The queryset applies visibility, filters and order, and returns ids. The statement is cached by everything that changes its
text (serializer, fields, expansions, roles of the reader); ids, user, date and base URL are parameters.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.contrib.postgres.expressions import ArraySubquery
from django.db import connection
from django.db.models import Case, DateField, DateTimeField, F, Func, JSONField, Q, TextField, Value, When
from django.db.models.expressions import OuterRef
from django.db.models.functions import Cast, Concat, NullIf
from psycopg import RawCursor
from psycopg.sql import Literal
from rest_framework import serializers

from policytracker.codes import CodeField, ForeignCode
from policytracker.edtf import EdtfField
from policytracker.history.as_of import moment_read
from policytracker.records.access import Reader
from policytracker.records.parameters import Parameter
from policytracker.resources import ReadContext

API = "/api/v1/"
BASE = Parameter("base", TextField(), "::text")
ON = Parameter("on", DateField(), "::date")


class JsonObject(Func):
    """`json_build_object` of named expressions. Unlike jsonb it keeps their order."""

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
    """A timestamp in the format of the API: UTC, with microseconds and Z."""

    template = """to_char(%(expressions)s AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
    output_field = TextField()


@dataclass(frozen=True)
class Representation:
    """What determines the text of a statement: serializer, fields (None for all), expanded references, roles of the reader.

    With `past` the records are shown as they were on a past day (`on_day()` of the queryset). With `as_of` they are those of a past
    moment: such a statement checks access today too, and has its own plan, because PostgreSQL plans again when the search path differs.
    """

    serializer: type[serializers.Serializer]
    roles: frozenset[str]
    fields: tuple[str, ...] | None = None
    expand: frozenset[str] = frozenset()
    past: bool = False
    as_of: bool = dataclasses.field(default_factory=lambda: moment_read.get() is not None)


def link(address: str, key: Any) -> Concat:
    """The URL of the record with this key."""
    return Concat(BASE, Value(f"{API}{address}/"), Cast(key, TextField()), Value("/"), output_field=TextField())


def columns(serializer: serializers.ModelSerializer, reader: Reader, expand: Iterable[str] = ()) -> dict[str, Any]:
    """The SQL expression of each serializer field, by name."""
    expressions = {}
    for name, field in serializer.fields.items():
        if hasattr(field, "column"):
            expressions[name] = field.column(reader, name in expand)
        else:
            expressions[name] = stored_value(serializer.Meta.model._meta.get_field(field.source), field.source)
    return expressions


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


@lru_cache(1024)
def statement(shape: Representation, single: bool) -> tuple[str, tuple[str, ...]]:
    """The SQL that returns one JSON text per id, in the order of the ids, and the names of its parameters $1, $2 and so on.

    A `single` id has its own statement: with an array PostgreSQL would plan it each time, because the generic plan for an
    array is estimated to cost more than the plan for one id.
    """
    serializer = shape.serializer()
    reader = Reader(shape.roles, Parameter("user"), shape.as_of)
    expressions = columns(serializer, reader, shape.expand)
    selected = {name: expressions[name] for name in (expressions if shape.fields is None else shape.fields)}
    model = serializer.Meta.model
    source = (model.objects.on_day(ON) if shape.past else model._base_manager).order_by()
    rows = source.values_list(Cast(JsonObject(selected), TextField()), flat=True)
    select, names = numbered(*rows.query.sql_with_params(), "ids")
    key = f'"{model._meta.db_table}"."id"'
    where = f"{key} = $1::bigint" if single else f"{key} = ANY($1::bigint[]) ORDER BY array_position($1::bigint[], {key})"
    return f"{'/* as of */ ' if shape.as_of else ''}{select} WHERE {where}", names


def numbered(sql: str, params: Iterable[Any], *first: str) -> tuple[str, tuple[str, ...]]:
    """The SQL with $1, $2 and so on for its parameters, and their names in this order; other values become part of the text."""
    names = (*first, *dict.fromkeys(p.name for p in params if isinstance(p, Parameter)))
    placeholders = {name: f"${number}" for number, name in enumerate(names, 1)}
    values = (placeholders[p.name] if isinstance(p, Parameter) else Literal(p).as_string(connection.connection) for p in params)
    return sql % tuple(values), names


def texts(shape: Representation, ids: Sequence[int], context: ReadContext) -> list[str]:
    """The JSON text of each record, in the order of the ids. Ids that no longer exist are left out."""
    if not ids:
        return []
    single = len(ids) == 1
    connection.ensure_connection()
    sql, names = statement(shape, single)
    # Send all values as texts: psycopg would choose the type of a number by its size, and each type needs its own statement.
    values = {
        "ids": str(ids[0]) if single else f"{{{','.join(map(str, ids))}}}",
        "user": None if context.reader.id is None else str(context.reader.id),
        "on": str(context.on),
        "base": context.base_url,
    }
    return list(execute_prepared(sql, [values[name] for name in names]))


def execute_prepared(sql: str, values: list[str | None]) -> Iterator[str]:
    """Run a prepared statement and return its texts. It is planned once per connection, because planning takes longer than a page.

    With `DB_PREPARE=0` (behind a transaction pooler) nothing is prepared.
    """
    # Django's own cursors put the values into the SQL text, so that PostgreSQL would plan it each time.
    if settings.DB_PREPARE:
        connection.connection.prepare_threshold = 0
    raw = RawCursor(connection.connection)
    log = connection.make_debug_cursor(raw).debug_sql(sql, values) if connection.queries_logged else nullcontext()
    with connection.make_cursor(raw) as cursor, log:
        cursor.execute(sql, values)
        yield from (text for (text,) in cursor)


class ComputedField(serializers.ReadOnlyField):
    """A read-only field computed by PostgreSQL: `expression(reader)` gives its SQL, `schema` its OpenAPI schema."""

    def __init__(self, expression, schema: dict[str, Any] | None = None, **kwargs):
        self.expression, self.schema = expression, schema or {"type": "string"}
        super().__init__(**kwargs)

    def column(self, reader: Reader, expand: bool = False):
        return self.expression(reader)


class SourceContentField(serializers.CharField):
    """Content of the record's source: empty for readers who may not read the source."""

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
        super().__init__(lambda reader: link(address, F(key)), {"type": "string", "format": "uri"}, **kwargs)


class NestedRecords(serializers.ListSerializer):
    """Child records, shown inside their parent record."""

    def column(self, reader: Reader, expand: bool = False):
        model = self.child.Meta.model
        rows = model.objects.visible_to(reader).filter(**{self.child.Meta.parent: OuterRef("pk")}).order_by("id")
        return ArraySubquery(rows.values_list(JsonObject(columns(self.child, reader)), flat=True))
