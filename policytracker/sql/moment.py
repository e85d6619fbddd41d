"""The moment that queries read: the present, or a past one inside `as_of()`.

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

from django.db import OperationalError, connection, transaction
from django.db.models import BooleanField, Exists, Func

SCHEMA, TABLES = "as_of", "public"  # the schema of the views, and that of the tables
CHANGES = f"{TABLES}.policytracker_change"
MOMENT = "(SELECT current_setting('policytracker.as_of')::timestamptz)"  # evaluated once per query

# Columns that rarely change, and that the rules of access read for each row of a query.
ACCESS_COLUMNS = ["publication", "visibility"]

# Settings for the planner. Statements on views take long to plan, so prepared ones are planned once per connection, and their high
# estimated costs are no reason to compile them. PostgreSQL underestimates how many rows of a view match; it must not read a
# complete table and then compare each row with each other row.
PLANNING = ", ".join(
    f"set_config('{name}', '{value}', true)"
    for name, value in {"plan_cache_mode": "force_generic_plan", "jit": "off", "enable_material": "off"}.items()
)

# The moment that queries read, or None for the present. Only `as_of()` sets it.
moment_read: ContextVar[datetime | None] = ContextVar("moment_read", default=None)


def access_changed(table: str, row: str) -> str:
    """The condition that these columns of a row changed after the moment."""
    return f"""EXISTS (SELECT FROM {CHANGES} s
  WHERE s.tbl = '{table}' AND s.row_id = {row} AND s.at > {MOMENT} AND s.changed ?| '{{{",".join(ACCESS_COLUMNS)}}}')"""


def reads_past() -> bool:
    """Whether queries read a past moment. Nothing can be written then."""
    return moment_read.get() is not None


@contextmanager
def as_of(moment: datetime) -> Iterator[None]:
    """Read the register of this moment inside the block: what transactions that began at or before it had written.

    Writes are impossible inside. Raises OperationalError while the views are missing, because `migrate` is running.
    """
    token, is_nested = moment_read.set(moment), connection.in_atomic_block
    try:
        # An exception makes the surrounding transaction unusable, so its settings need no reset then.
        with transaction.atomic(savepoint=False), connection.cursor() as cursor:
            cursor.execute(
                f"""SELECT to_regnamespace('{SCHEMA}') IS NOT NULL, current_setting('search_path'),
                coalesce(current_setting('policytracker.as_of', true), ''),
                set_config('policytracker.as_of', %s, true), set_config('search_path', '{SCHEMA}, {TABLES}', true), {PLANNING}""",
                [moment.isoformat()],
            )
            has_views, path, outer, *_ = cursor.fetchone()
            if not has_views:
                raise OperationalError(f"The schema {SCHEMA} is missing.")
            yield
            if is_nested:  # otherwise the settings end with the transaction
                cursor.execute("SELECT set_config('search_path', %s, true), set_config('policytracker.as_of', %s, true)", [path, outer])
    finally:
        moment_read.reset(token)


@contextmanager
def present() -> Iterator[None]:
    """Read the present inside the block, even inside `as_of()`."""
    if not reads_past():
        yield
        return
    token = moment_read.set(None)
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT current_setting('search_path'), set_config('search_path', '{TABLES}', true)")
            path, _ = cursor.fetchone()
            yield
            cursor.execute("SELECT set_config('search_path', %s, true)", [path])
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
        AND d.op = 'delete' AND d.moved AND d.at > {MOMENT} AND NOT d.before @> '{{"visibility": "restricted"}}')"""


class IsAsAccessible(Func):
    """Whether the record with this id exists today, with the visibility and publication that it had at the moment."""

    output_field = BooleanField()
    conditional = True
    template = f"""(NOT EXISTS (SELECT FROM {CHANGES} d WHERE d.tbl = '%(table)s' AND d.row_id = %(expressions)s
        AND d.op = 'delete' AND d.moved AND d.at > {MOMENT}) AND NOT {access_changed("%(table)s", "%(expressions)s")})"""
