"""Searching the records of all types: counts, the best hits, and their titles and highlights, as one reader may read them.

A reader's access is checked hit by hit, newest first, until enough are found: a condition over all rows that the reader may read
would cost more the larger the register is.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.db import connection
from django.db.models import TextField, Value
from django.db.models.expressions import RawSQL
from django.db.models.functions import Cast, Coalesce, NullIf

from policytracker.api.serializers import title
from policytracker.records.access import Reader
from policytracker.records.parameters import Parameter, bind_parameters
from policytracker.resources import ReadContext, Resource, registry
from policytracker.search import index
from policytracker.search.query import Query

COUNTED = 1_000  # hits of each type that are counted, and hits of all types that are ranked
EXAMINED = 20_000  # newest hits of each type whose access is checked
WEIGHTS = "{0.02, 0.1, 0.4, 1}"  # of a hit in texts (D), nothing (C), the key (B) and titles (A)
HIGHLIGHTED = 5_000  # characters of a record in which its highlight is searched
START, STOP, SEPARATOR = "\2", "\3", "\4"  # around a hit until the highlight is escaped; between words (`search_text`)
OPTIONS = f"StartSel={START}, StopSel={STOP}, MaxWords=40, MinWords=20"
EXACT, TYPED = Parameter("exact", TextField()), Parameter("typed", TextField())
POSITION = ("after_rank", "after_type", "after_id")

Position = tuple[float, int, int]  # rank, number of the type, id of the record: the order of hits, from highest to lowest


@dataclass(frozen=True)
class Hit:
    """One hit. `highlight` is HTML in which only the hits are marked up."""

    resource: Resource
    id: int
    key: str
    title: str
    highlight: str
    position: Position

    @property
    def rank(self) -> float:
        return self.position[0]


@dataclass(frozen=True)
class Hits:
    """A page of hits, the number on all pages, and the number of hits of each type, at most COUNTED."""

    page: list[Hit]
    count: int
    exact: bool
    counts: dict[str, int]


def find(
    context: ReadContext, query: Query, types: Sequence[Resource], size: int, after: Position | None = None, forward: bool = True
) -> Hits:
    """The best hits of these types, and one more than `size` if there are more, after (or before) a position in that order."""
    connection.ensure_connection()
    searched, reader = registry.searched, context.reader
    sql, parameters = statement(reader.roles, forward, after is not None)
    values = bind_parameters(
        parameters,
        user=reader.id,
        exact=query.exact,
        typed=query.typed,
        types=[searched.index(resource) for resource in types],
        **dict(zip(POSITION, after or (), strict=False)),
        size=size + 1,
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        counts, ranked, positions = cursor.fetchone()
    by_type = {resource.address: min(counts.get(str(number), 0), COUNTED) for number, resource in enumerate(searched)}
    selected = [counts.get(str(searched.index(resource)), 0) for resource in types]
    return Hits(read(query, positions or []), ranked, ranked == sum(selected), by_type)


@lru_cache(128)
def statement(roles: frozenset[str], forward: bool, continued: bool) -> tuple[str, list[Any]]:
    """The SQL that counts and ranks hits, and its parameters. The text depends on the roles of the reader.

    If there are more hits than are ranked, each type contributes its newest ones, so that a type with few hits is not lost.
    """
    reader = Reader(roles, Parameter("user"), False)
    parts, parameters = [], []
    for number, resource in enumerate(registry.searched):
        sql, values = hits_of_type(number, resource, reader)
        parts.append(sql)
        parameters += values
    tables = ", ".join(f"'{resource.model._meta.db_table}'" for resource in registry.searched)
    direction, operator = ("DESC", "<") if forward else ("ASC", ">")
    start = f"WHERE (rank, type, row_id) {operator} (%s, %s, %s)" if continued else ""
    exact, typed = (f"ts_rank_cd('{WEIGHTS}', vector, %s::tsquery, 1)" for _ in range(2))
    sql = f"""WITH hits AS MATERIALIZED ({" UNION ALL ".join(parts)}),
newest AS MATERIALIZED (SELECT type, row_id FROM hits WHERE type = ANY(%s) ORDER BY number, type LIMIT {COUNTED}),
ranked AS (
  SELECT type, row_id, round(({exact} + 0.1 * {typed})::numeric, 6)::float8 AS rank
  FROM newest JOIN {index.ENTRIES} AS entry USING (row_id) WHERE entry.tbl = (ARRAY[{tables}])[type + 1]),
page AS (SELECT rank, type, row_id FROM ranked {start} ORDER BY rank {direction}, type {direction}, row_id {direction} LIMIT %s)
SELECT (SELECT coalesce(json_object_agg(type, count), '{{}}') FROM (SELECT type, count(*) FROM hits GROUP BY type) AS counted),
  (SELECT count(*) FROM newest),
  (SELECT json_agg(json_build_array(rank, type, row_id) ORDER BY rank {direction}, type {direction}, row_id {direction}) FROM page)"""
    return sql, [
        *parameters,
        Parameter("types"),
        EXACT,
        TYPED,
        *(Parameter(name) for name in (POSITION if continued else ())),
        Parameter("size"),
    ]


def hits_of_type(number: int, resource: Resource, reader: Reader) -> tuple[str, list[Any]]:
    """The SQL of the newest hits of one type that the reader may read, numbered from the newest on."""
    table = resource.model._meta.db_table
    sql = f"SELECT row_id FROM {index.ENTRIES} WHERE tbl = '{table}' AND vector @@ %s::tsquery ORDER BY row_id DESC LIMIT {EXAMINED}"
    # Materialized, so that PostgreSQL plans for all of them: it would expect to find the first 1,000 soon, and read every entry for a
    # rare word. It still reads only as many as are needed.
    sql = f"WITH hit AS MATERIALIZED ({sql}) SELECT {number} AS type, row_id, row_number() OVER () AS number FROM hit"
    parameters: list[Any] = [TYPED]
    if not reader.sees_all:
        # A scalar subquery: PostgreSQL would turn EXISTS into a join with all rows that the reader may read.
        rows = resource.model.objects.visible_to(reader).filter(pk=RawSQL("hit.row_id", [])).order_by().values_list(Value(True))[:1]
        access, values = rows.query.sql_with_params()
        sql, parameters = f"{sql} WHERE ({access})", [*parameters, *values]
    return f"({sql} LIMIT {COUNTED + 1})", parameters


def read(query: Query, positions: list[list[Any]]) -> list[Hit]:
    """The hits at these positions, with their texts."""
    if not positions:
        return []
    ids: dict[int, list[int]] = {}
    for _rank, number, row_id in positions:
        ids.setdefault(number, []).append(row_id)
    parts, values = [], []
    for number, rows in ids.items():
        sql, parameters = texts_of_type(number)
        parts.append(sql)
        values += [*bind_parameters(parameters, typed=query.typed), rows]
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(parts), values)
        texts = {(number, row_id): rest for number, row_id, *rest in cursor}
    hits = []
    for rank, number, row_id in positions:
        if (number, row_id) in texts:
            key, name, highlight = texts[number, row_id]
            hits.append(Hit(registry.searched[number], row_id, key, name, marked_up(highlight), (rank, number, row_id)))
    return hits


@lru_cache
def texts_of_type(number: int) -> tuple[str, list[Any]]:
    """The SQL of key, title and highlight of the records of one type with some ids, and its parameters but the ids."""
    resource = registry.searched[number]
    model, table = resource.model, f'"{resource.model._meta.db_table}"'
    key = Cast(model.key, TextField())
    name = Coalesce(NullIf(Cast(title(model)[1], TextField()), Value(""), output_field=TextField()), key)
    content = f"search_text(translate(left({index.complete_text(resource, table)}, {HIGHLIGHTED}), '{START}{STOP}', ''))"
    # Made of names of columns and constants.
    highlight = RawSQL(f"ts_headline('{index.STEMS}', {content}, %s::tsquery, '{OPTIONS}')", [TYPED])  # noqa: S611
    sql, parameters = model._base_manager.order_by().values_list(Value(number), "pk", key, name, highlight).query.sql_with_params()
    return f"{sql} WHERE {table}.id = ANY(%s)", list(parameters)


def marked_up(highlight: str) -> str:
    return html.escape(highlight.replace(SEPARATOR, "")).replace(START, "<mark>").replace(STOP, "</mark>")
