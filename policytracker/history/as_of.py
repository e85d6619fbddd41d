"""The register at a past moment: views that show it, and the context manager that makes queries read them.

The schema `as_of` has a view with the name of each record table. Inside `as_of(moment)` the search path begins with this schema, so
that every query, with its filters, joins and aggregates, reads the rows of that moment. Tables without history, such as users, have
no view: queries read their present rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import OperationalError, connection, models, transaction
from django.db.models import BooleanField, Exists, Func

SCHEMA, TABLES = "as_of", "public"  # the schema of the views, and that of the tables
CHANGES = f"{TABLES}.policytracker_change"
MOMENT = "(SELECT current_setting('policytracker.as_of')::timestamptz)"  # evaluated once per query

# Settings for the planner. Statements on views take long to plan, so prepared ones are planned once per connection, and their high
# estimated costs are no reason to compile them. PostgreSQL underestimates how many rows of a view match; it must not read a
# complete table and then compare each row with each other row.
PLANNING = ", ".join(
    f"set_config('{name}', '{value}', true)"
    for name, value in {"plan_cache_mode": "force_generic_plan", "jit": "off", "enable_material": "off"}.items()
)

# The moment that queries read, or None for the present. Only `as_of()` sets it.
moment_read: ContextVar[datetime | None] = ContextVar("moment_read", default=None)


@contextmanager
def as_of(moment: datetime) -> Iterator[None]:
    """Read the register of this moment inside the block: what transactions that began at or before it had written.

    Writes are impossible inside. Raises OperationalError while the views are missing, because `migrate` is running.
    """
    token = moment_read.set(moment)
    try:
        # An exception makes the surrounding transaction unusable, so its search path needs no reset then.
        with transaction.atomic(savepoint=False), connection.cursor() as cursor:
            cursor.execute(
                f"""SELECT current_setting('search_path'), to_regnamespace('{SCHEMA}') IS NOT NULL,
                set_config('policytracker.as_of', %s, true), set_config('search_path', '{SCHEMA}, {TABLES}', true), {PLANNING}""",
                [moment.isoformat()],
            )
            outer, has_views, *_ = cursor.fetchone()
            if not has_views:
                raise OperationalError(f"The schema {SCHEMA} is missing.")
            yield
            cursor.execute("SELECT set_config('search_path', %s, true)", [outer])
    finally:
        moment_read.reset(token)


class ExistsToday(Exists):
    """Whether the query has a row in the present tables, even inside `as_of()`."""

    def as_sql(self, *args, **kwargs):
        sql, params = super().as_sql(*args, **kwargs)
        return re.sub(r'\b(FROM|JOIN) "', rf'\1 "{TABLES}"."', sql), params


class WasDeleted(Func):
    """Whether the record with this id was deleted after the moment. If it was restricted then, only administrators may know."""

    output_field = BooleanField()
    conditional = True
    template = f"""EXISTS (SELECT FROM {CHANGES} d WHERE d.tbl = '%(table)s' AND d.row_id = %(expressions)s
        AND d.op = 'delete' AND NOT d.before @> '{{"visibility": "restricted"}}')"""


# ---- the views


def parent_columns(model: Any) -> list[str]:
    """The foreign keys by which queries find the record from those that it belongs to."""
    fields = (f for f in model._meta.concrete_fields if f.is_relation and (f.name in model.access_parents or not f.null))
    return [field.column for field in fields]


def record_view(model: Any) -> str:
    """The rows of a record type.

    The first part of the union has the present rows. Their key and parents are the same at every moment, so that queries by key or
    parent, and the default order, use the indexes of the table. If a row changed since the moment, each of its other columns is
    looked up in the history where a query uses it: a join instead would double the number of tables that PostgreSQL has to order.
    The second part has the rows that were deleted, or moved to another parent, since the moment. Facts have no history, so they are null.
    """
    table, fields = model._meta.db_table, model._meta.concrete_fields
    constant = {"id", model._meta.get_field(model.key).column, "created_at", *parent_columns(model)}
    columns = [
        f'NULL::{field.db_type(connection)} AS "{field.column}"'
        if field.name in model.facts
        else f'r."{field.column}"'
        if field.column in constant
        else f"""CASE WHEN r.updated_at <= {MOMENT} THEN r."{field.column}"
  ELSE (SELECT {stored(field, "c")} FROM {CHANGES} c WHERE {covers("c", table)} AND c.row_id = r.id) END AS "{field.column}\""""
        for field in fields
    ]
    moved = f"SELECT m.row_id FROM {CHANGES} m WHERE m.tbl = '{table}' AND m.moved AND m.at > {MOMENT} AND m.op"
    return f"""SELECT {", ".join(columns)}
FROM (
  SELECT true AS present, {", ".join(f'"{field.column}"' for field in fields)} FROM {TABLES}.{table}
  UNION ALL
  SELECT false, {", ".join(stored(field, "v") for field in fields)} FROM {CHANGES} v
  WHERE {covers("v", table)} AND v.row_id IN ({moved} IN ('update', 'delete'))
) r
WHERE r.created_at <= {MOMENT} AND (NOT r.present OR r.id NOT IN ({moved} = 'update'))"""


def covers(change: str, table: str) -> str:
    """The condition that the row before the change is that of the moment."""
    return f"{change}.tbl = '{table}' AND {change}.since <= {MOMENT} AND {change}.at > {MOMENT}"


def stored(field: Any, change: str) -> str:
    """The value of a column before a change."""
    if field.primary_key:
        return f"{change}.row_id"
    if field.generated:
        sql, _ = field.generated_sql(connection)
        return re.sub(r'"(\w+)"', lambda name: stored(field.model._meta.get_field(name[1]), change), sql)
    if isinstance(field, ArrayField | models.JSONField):
        return f'(jsonb_populate_record(NULL::{TABLES}.{field.model._meta.db_table}, {change}.before))."{field.column}"'
    value = f"({change}.before ->> '{field.column}')::{field.db_type(connection)}"
    if field.null or not field.has_default() or callable(field.default):
        return value
    default = connection.schema_editor(collect_sql=True).quote_value(field.get_default())
    return f"coalesce({value}, {default})"  # the column may be newer than the change


def link_view(field: Any) -> str:
    """The links of a many-to-many field: the present ones without a later change, and those whose next change is their removal."""
    table, holder, target = field.m2m_db_table(), field.m2m_column_name(), field.m2m_reverse_name()
    return f"""SELECT l.id, l.{holder}, l.{target} FROM {TABLES}.{table} l
WHERE NOT EXISTS (SELECT FROM {CHANGES} c
  WHERE c.tbl = '{table}' AND c.row_id = l.{holder} AND (c.before ->> '{target}')::bigint = l.{target} AND c.at > {MOMENT})
UNION ALL
SELECT (c.before ->> 'id')::bigint, c.row_id, (c.before ->> '{target}')::bigint FROM {CHANGES} c
WHERE c.tbl = '{table}' AND c.moved AND c.op = 'delete' AND c.at > {MOMENT} AND NOT EXISTS (SELECT FROM {CHANGES} e
  WHERE e.tbl = c.tbl AND e.row_id = c.row_id AND e.before -> '{target}' = c.before -> '{target}' AND e.at > {MOMENT} AND e.id < c.id)"""
