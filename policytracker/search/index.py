"""The SQL of the search index: the words of each record, and the trigger that keeps them.

`records/installation.py` installs them at the end of each `migrate`, and fills the index where a declaration changed.
"""

from __future__ import annotations

from typing import Any

from policytracker.records.constraints import DerivedWrite
from policytracker.resources import Resource

ENTRIES = "policytracker_searchentry"
# Text search configurations (migration 0007). All ignore case and diacritics.
STEMS = "policytracker_stems"  # English stems of all words: the words of records
WORDS = "policytracker_words"  # whole words: titles, to find them by the beginning of a word
MAX_TEXT = 100_000  # characters of a record's texts; PostgreSQL limits the words of one record to 1 MB


def title_text(resource: Resource, row: str) -> str:
    """The SQL of the titles of a record as one text. `row` is NEW, OLD or the name of a table."""
    assert resource.search
    return joined(resource, resource.search.titles, row)


def complete_text(resource: Resource, row: str) -> str:
    """The SQL of everything in a record that is searched except its key, as one text."""
    assert resource.search
    return joined(resource, (*resource.search.titles, *resource.search.texts), row)


def joined(resource: Resource, names: tuple[str, ...], row: str) -> str:
    columns = []
    for name in names:
        field: Any = resource.model._meta.get_field(name)
        column = f'{row}."{field.column}"'
        columns.append(f"array_to_string({column}, ' · ')" if field.get_internal_type() == "ArrayField" else f"nullif({column}, '')")
    return f"concat_ws(' · ', {', '.join(columns)})" if columns else "''"


def document(resource: Resource, row: str) -> str:
    """The SQL of the words of a record, a tsvector: titles have the weight A, the key B, and texts D."""
    assert resource.search
    model = resource.model
    parts = [(title_text(resource, row), "A")]
    if model.key != "uid":
        parts.append((f'{row}."{model.key}"', "B"))
    vectors = [f"setweight(to_tsvector('{name}', search_text({text})), '{weight}')" for text, weight in parts for name in (STEMS, WORDS)]
    texts = joined(resource, resource.search.texts, row)
    vectors.append(f"setweight(to_tsvector('{STEMS}', search_text(left({texts}, {MAX_TEXT}))), 'D')")
    return " || ".join(vectors)


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
