"""The SQL of the search index: the trigger that keeps the words of each record, and the statement that fills it.

`installed/installation.py` installs them at the end of each `migrate`, and fills the index where a declaration changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from policytracker.records.constraints import DerivedWrite
from policytracker.records.models import Record
from policytracker.representation.search_words import ENTRIES, document
from policytracker.resources import Resource


def searched_columns(resource: Resource, row: str) -> str:
    """The SQL of the columns on which the words of a record depend, as a row."""
    assert resource.search
    fields: list[Any] = [resource.model._meta.get_field(name) for name in (*resource.search.titles, *resource.search.texts)]
    return f"({', '.join(f'{row}.{field.column}' for field in fields)})"


def writes(resource: Resource) -> DerivedWrite:
    """The trigger statements that keep the entry of a record. Keys never change."""
    table = resource.model._meta.db_table

    def entry(source: str, row: str) -> str:
        return f"""INSERT INTO {partition(resource)} (tbl, row_id, vector) SELECT '{table}', {row}.id, {document(resource, row)}{source}
    ON CONFLICT (tbl, row_id) DO UPDATE SET vector = excluded.vector;"""

    return DerivedWrite(
        "search",
        f"""IF tg_op = 'DELETE' THEN
    DELETE FROM {partition(resource)} WHERE tbl = '{table}' AND row_id = old.id;
  ELSIF {searched_columns(resource, "old")} IS DISTINCT FROM {searched_columns(resource, "new")} THEN
    {entry("", "new")}
  END IF;""",
        inserted=entry(" FROM written", "written"),
    )


def writes_within(resource: Resource) -> Iterator[tuple[type[Record], DerivedWrite]]:
    """The trigger statements of the records that are shown inside others, which keep the words of these."""
    table = resource.model._meta.db_table
    for name in resource.search.within if resource.search else ():
        relation: Any = resource.model._meta.get_field(name)
        parent = relation.field.column
        sql = f"""INSERT INTO {partition(resource)} (tbl, row_id, vector)
    SELECT '{table}', r.id, {document(resource, "r")} FROM {table} r WHERE r.id = coalesce(new.{parent}, old.{parent})
    ON CONFLICT (tbl, row_id) DO UPDATE SET vector = excluded.vector;"""
        yield relation.related_model, DerivedWrite("search", sql)


def partition(resource: Resource) -> str:
    """The name of the partition with the entries of one record type."""
    return f"search_{resource.model._meta.db_table}"


def definition(resource: Resource) -> str:
    """What the entries of a record type depend on. If it changes, they are made again."""
    return document(resource, "r")


def fill(resource: Resource) -> str:
    """The SQL that adds the entries of the next records after an id, and returns the id of the last one. NULL: there are no more.

    What a trigger wrote meanwhile is newer, and stays.
    """
    table = resource.model._meta.db_table
    return f"""WITH r AS MATERIALIZED (SELECT * FROM {table} WHERE id > %s ORDER BY id LIMIT %s), filled AS (
  INSERT INTO {ENTRIES} (tbl, row_id, vector) SELECT '{table}', r.id, {document(resource, "r")} FROM r ON CONFLICT DO NOTHING)
SELECT max(id) FROM r"""
