"""Searching the records of all types: counts, the best hits, and their titles and highlights, as one reader may read them.

A reader's access is checked hit by hit, newest first, until enough are found: a condition over all rows that the reader may read
would cost more the larger the register is.
"""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.db import connection
from django.db.models import TextField, Value
from django.db.models.expressions import RawSQL
from django.db.models.functions import Cast, Coalesce, NullIf

from policytracker.records.access import Reader
from policytracker.representation.references import title
from policytracker.representation.search_query import EXAMINED, Query, newest
from policytracker.representation.search_words import ENTRIES, STEMS, complete_text
from policytracker.resources import ReadContext, Resource, registry
from policytracker.sql.parameters import Parameter, Statement, bind_parameters

COUNTED = 1_000  # hits of each type that are counted, and hits of all types that are ranked
FIRST = 1_500  # newest hits of each type whose access is checked; if these are not enough, EXAMINED
OF_BEGINNING = 0.1  # the rank of a hit in which a word of the search is only the beginning of a word
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
    searched, reader = registry.searched, context.reader
    selected = [searched.index(resource) for resource in types]
    values = {
        "user": reader.id,
        "exact": query.exact,
        "typed": query.typed,
        "types": f"{{{','.join(map(str, selected))}}}",
        "size": size + 1,
        **dict(zip(POSITION, after or (), strict=False)),
    }
    for limit in (COUNTED + 1,) if reader.sees_all else (FIRST, EXAMINED):
        ids = newest_ids(query, limit)
        ((text,),) = statement(reader.roles, forward, after is not None).rows(values | ids)
        result = json.loads(text)
        counts = [result["counts"].get(str(number), 0) for number in range(len(searched))]
        # Otherwise there may be more hits that the reader may read among older ones.
        if all(count > COUNTED or examined < limit for count, examined in zip(counts, result["examined"], strict=True)):
            break
    by_type = {resource.address: min(count, COUNTED) for resource, count in zip(searched, counts, strict=True)}
    is_complete = result["count"] == sum(counts[number] for number in selected)
    return Hits(read(query, result["page"] or []), result["count"], is_complete, by_type)


def newest_ids(query: Query, limit: int) -> dict[str, str]:
    """The ids of the newest hits of each type, as texts of arrays by the names of their parameters, without regard to access.

    A statement of its own: its plan depends on how frequent the words are, while that of `statement` does not depend on the query.
    """
    arrays = [f"{newest(resource, '%(limit)s')}::text" for resource in registry.searched]
    with connection.cursor() as cursor:
        # The setting is for `statement`: PostgreSQL would plan it for each array of ids, which takes longer than to execute it.
        cursor.execute(
            f"SELECT {', '.join(arrays)}, set_config('plan_cache_mode', 'force_generic_plan', true)",
            {"typed": query.typed, "limit": limit},
        )
        return {f"ids{number}": ids for number, ids in enumerate(cursor.fetchone()[:-1])}


@lru_cache(128)
def statement(roles: frozenset[str], forward: bool, continued: bool) -> Statement:
    """The statement that counts and ranks the hits that the reader may read, as a JSON text.

    If there are more hits than are ranked, each type contributes its newest ones, so that a type with few hits is not lost.
    """
    reader = Reader(roles, Parameter("user"), False)
    arrays = [Parameter(f"ids{number}") for number in range(len(registry.searched))]
    parts, parameters = [], []
    for number, resource in enumerate(registry.searched):
        access, values = access_of(resource, reader)
        parts.append(
            f"(SELECT {number} AS type, row_id, row_number() OVER () AS number FROM unnest(%s::bigint[]) AS hit (row_id)"
            f" WHERE {access} LIMIT {COUNTED + 1})"
        )
        parameters += [arrays[number], *values]
    tables = ", ".join(f"'{resource.model._meta.db_table}'" for resource in registry.searched)
    examined = ", ".join("cardinality(%s::bigint[])" for _ in arrays)
    direction, operator = ("DESC", "<") if forward else ("ASC", ">")
    order = f"rank {direction}, type {direction}, row_id {direction}"
    start = f"WHERE (rank, type, row_id) {operator} (%s::float8, %s::int, %s::bigint)" if continued else ""
    exact, typed = (f"ts_rank_cd('{WEIGHTS}', vector, %s::tsquery, 1)" for _ in range(2))
    rank = f"CASE WHEN vector @@ %s::tsquery THEN {exact} ELSE {OF_BEGINNING} * {typed} END"
    sql = f"""WITH hits AS MATERIALIZED ({" UNION ALL ".join(parts)}),
newest AS MATERIALIZED (SELECT type, row_id FROM hits WHERE type = ANY(%s::int[]) ORDER BY number, type LIMIT {COUNTED}),
ranked AS (
  SELECT type, row_id, round(({rank})::numeric, 6)::float8 AS rank
  FROM newest JOIN {ENTRIES} AS entry USING (row_id) WHERE entry.tbl = (ARRAY[{tables}])[type + 1]),
page AS (SELECT rank, type, row_id FROM ranked {start} ORDER BY {order} LIMIT %s::int)
SELECT json_build_object(
  'counts', (SELECT coalesce(json_object_agg(type, count), '{{}}') FROM (SELECT type, count(*) FROM hits GROUP BY type) AS counted),
  'examined', json_build_array({examined}),
  'count', (SELECT count(*) FROM newest),
  'page', (SELECT json_agg(json_build_array(rank, type, row_id) ORDER BY {order}) FROM page))::text"""
    position = [Parameter(name) for name in POSITION] if continued else []
    return Statement.numbered(sql, [*parameters, Parameter("types"), EXACT, EXACT, TYPED, *position, Parameter("size"), *arrays])


def access_of(resource: Resource, reader: Reader) -> tuple[str, Sequence[Any]]:
    """The SQL condition that the reader may read the record of a hit, and its parameters."""
    if reader.sees_all:
        return "true", []
    # A scalar subquery: PostgreSQL would turn EXISTS into a join with all rows that the reader may read.
    rows = resource.model.objects.visible_to(reader).filter(pk=RawSQL("hit.row_id", [])).order_by().values_list(Value(True))[:1]
    sql, parameters = rows.query.sql_with_params()
    return f"({sql})", parameters


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
    content = f"search_text(translate(left({complete_text(resource, table)}, {HIGHLIGHTED}), '{START}{STOP}', ''))"
    # Made of names of columns and constants.
    highlight = RawSQL(f"ts_headline('{STEMS}', {content}, %s::tsquery, '{OPTIONS}')", [TYPED])  # noqa: S611
    sql, parameters = model._base_manager.order_by().values_list(Value(number), "pk", key, name, highlight).query.sql_with_params()
    return f"{sql} WHERE {table}.id = ANY(%s)", list(parameters)


def marked_up(highlight: str) -> str:
    return html.escape(highlight.replace(SEPARATOR, "")).replace(START, "<mark>").replace(STOP, "</mark>")
