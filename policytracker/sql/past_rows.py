"""The rows of record types at the moment that is read: the SQL of the views of the schema `as_of`, and of tables in queries."""

from __future__ import annotations

import re
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import connection, models
from django.db.models import BooleanField, Expression, QuerySet
from django.db.models.sql.datastructures import BaseTable

from policytracker.sql.moment import ACCESS_COLUMNS, CHANGES, MOMENT, TABLES, access_changed


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
    return f"SELECT {', '.join(looked_up(field) for field in model._meta.concrete_fields)}\n{present_and_removed(model)}"


def looked_up(field: Any) -> str:
    """The column at the moment, in a view."""
    table = field.model._meta.db_table
    if column := without_history(field):
        return column
    unchanged = f"r.updated_at <= {MOMENT}"
    if field.column in ACCESS_COLUMNS:
        unchanged += f" OR NOT {access_changed(table, 'r.id')}"
    past = stored(field, f"{TABLES}.row_before('{table}', r.id)")
    return f'CASE WHEN {unchanged} THEN r."{field.column}" ELSE {past} END AS "{field.column}"'


class SelectedFirst(BaseTable):
    """Rows of the moment as the first table of a query, which are selected before the rest of it is computed."""

    def __init__(self, table_name: str, alias: str | None, rows: QuerySet, computed: dict[str, Any]):
        super().__init__(table_name, alias)
        self.rows, self.computed = rows, computed

    @classmethod
    def of(cls, rows: QuerySet, **computed: Any) -> QuerySet:
        """These rows, in the same order, with additional columns, which `ComputedFirst` reads."""
        query = rows.model._default_manager.order_by(*rows.query.order_by)
        alias = query.query.get_initial_alias()
        query.query.alias_map[alias] = cls(alias, alias, JoinedHistory.of(rows), computed)
        return query

    def relabeled_clone(self, change_map):
        return type(self)(self.table_name, change_map.get(self.table_alias, self.table_alias), self.rows, self.computed)

    def as_sql(self, compiler, connection):
        # PostgreSQL would merge a subquery with the rest, and compute its columns wherever they are used; OFFSET prevents this.
        sql, params = self.rows.query.sql_with_params()
        sql = f'({sql}{"" if self.rows.query.is_sliced else " OFFSET 0"}) "{self.table_alias}"'
        for name, expression in self.computed.items():
            column, more = compiler.compile(expression.resolve_expression(compiler.query))
            sql, params = f'(SELECT *, {column} AS "{name}" FROM {sql} OFFSET 0) "{self.table_alias}"', (*more, *params)
        return sql, params


class ComputedFirst(Expression):
    """A condition that `SelectedFirst` computed for each row of the record type."""

    def __init__(self, model: Any, name: str):
        super().__init__(output_field=BooleanField())
        self.table, self.name = model._meta.db_table, name

    def as_sql(self, compiler, connection):
        return f'"{self.table}"."{self.name}"', []


class JoinedHistory(BaseTable):
    """The rows of a record type at the moment, as the first table of a query.

    They are those of `record_view()`, but their history is joined, so that it is read once for all columns.
    """

    @classmethod
    def of(cls, rows: QuerySet) -> QuerySet:
        """The same rows, read in this way."""
        rows = rows.all()
        alias = rows.query.get_initial_alias()
        rows.query.alias_map[alias] = cls(rows.model._meta.db_table, alias)
        return rows

    def as_sql(self, compiler, connection):
        model = compiler.query.model
        columns = (
            without_history(field)
            or f'CASE WHEN h.before IS NULL THEN r."{field.column}" ELSE {stored(field, "h.before")} END AS "{field.column}"'
            for field in model._meta.concrete_fields
        )
        history = f"""LEFT JOIN LATERAL (SELECT c.before FROM {CHANGES} c
  WHERE {covers("c", self.table_name)} AND c.row_id = r.id AND r.updated_at > {MOMENT}) h ON true"""
        return f'(SELECT {", ".join(columns)}\n{present_and_removed(model, history)}) "{self.table_alias}"', []


def without_history(field: Any) -> str:
    """A column that is the same at every moment while the row is not moved to another parent; null for a fact. "" for others."""
    model = field.model
    if field.name in model.facts:
        return f'NULL::{field.db_type(connection)} AS "{field.column}"'
    constant = field.primary_key or field.name in (model.key, "created_at") or field.column in parent_columns(model)
    return f'r."{field.column}"' if constant else ""


def present_and_removed(model: Any, join: str = "") -> str:
    """The FROM and WHERE of the rows `r` that existed at the moment. Those that still exist have their present values."""
    table, fields = model._meta.db_table, model._meta.concrete_fields
    moved = f"SELECT m.row_id FROM {CHANGES} m WHERE m.tbl = '{table}' AND m.moved AND m.at > {MOMENT} AND m.op"
    removing, stayed = "= 'delete'", "true"
    if parent_columns(model):
        removing, stayed = "IN ('update', 'delete')", f"(NOT r.present OR r.id NOT IN ({moved} = 'update'))"
    removed = ", ".join("v.row_id" if field.primary_key else stored(field, "v.before") for field in fields)
    return f"""FROM (
  SELECT true AS present, {", ".join(f'"{field.column}"' for field in fields)} FROM {TABLES}.{table}
  UNION ALL
  SELECT false, {removed} FROM {CHANGES} v WHERE {covers("v", table)} AND v.row_id IN ({moved} {removing})
) r {join}
WHERE r.created_at <= {MOMENT} AND {stayed}"""


def covers(change: str, table: str) -> str:
    """The condition that the row before the change is that of the moment."""
    return f"{change}.tbl = '{table}' AND {change}.since <= {MOMENT} AND {change}.at > {MOMENT}"


def stored(field: Any, before: str) -> str:
    """The value of a column in a stored row."""
    if field.generated:
        sql, _ = field.generated_sql(connection)
        return re.sub(r'"(\w+)"', lambda name: stored(field.model._meta.get_field(name[1]), before), sql)
    if isinstance(field, ArrayField | models.JSONField):
        return f'(jsonb_populate_record(NULL::{TABLES}.{field.model._meta.db_table}, {before}))."{field.column}"'
    value = f"({before} ->> '{field.column}')::{field.db_type(connection)}"
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
