"""What a person types into a search, as queries of PostgreSQL, and the records of one type that match it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.db import connection
from django.db.models import Q
from django.db.models.expressions import RawSQL
from django.utils.translation import gettext as _

from policytracker.history.as_of import CHANGES, MOMENT, TABLES
from policytracker.resources import ReadContext, Resource
from policytracker.search import index

MAX_LENGTH = 200  # characters
EXAMINED = 20_000  # newest hits of a type that are looked at
FREQUENT = 10_000  # hits of a word in a list, above which it is looked for row by row
FROM_BEGINNING = 3  # the fewest letters of a last word that is also found by its beginning


@dataclass(frozen=True)
class Query:
    """Two tsqueries as texts: the words as typed, and the same with the last word as the beginning of a word. Empty ones match nothing."""

    exact: str
    typed: str


def parse(text: str, context: ReadContext | None = None) -> Query:
    """The query of a search text: words (all), "phrases", -without, or. Raises ValueError with a message for the user.

    The most frequent words of English are ignored, unless the text has no others ("WHO").
    """
    if not 1 <= len(text) <= MAX_LENGTH or "\0" in text:
        raise ValueError(_("Enter 1 to {max} characters, without NUL characters.").format(max=MAX_LENGTH))
    text = re.sub(r'-(?![\w"])', " ", text)  # excludes nothing; PostgreSQL rejects many of them
    last = re.search(rf"(?<![\w-])\w{{{FROM_BEGINNING},}}$", text)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT websearch_to_tsquery('policytracker_query', said)::text, websearch_to_tsquery('{index.STEMS}', said)::text,
            plainto_tsquery('{index.STEMS}', last)::text, plainto_tsquery('{index.WORDS}', last)::text
            FROM (SELECT search_text(%s) AS said, search_text(%s) AS last) AS words""",
            [text, last[0] if last else ""],
        )
        without_frequent, complete, stem, word = cursor.fetchone()
    exact = without_frequent or complete
    if not stem or not exact.endswith(stem) or exact.endswith(f"!{stem}"):
        return Query(exact, exact)
    return Query(exact, f"{exact.removesuffix(stem)}( {stem} | {word}:* )")


def newest(resource: Resource, limit: str) -> str:
    """The SQL of an array of the ids of the newest entries that match the parameter `typed`, at most `limit`, an expression."""
    # Materialized, so that PostgreSQL plans for all of them: it would expect to find the first ones soon, and read every entry for a
    # rare word. It still reads only as many as are needed.
    return f"""ARRAY(WITH hit AS MATERIALIZED (
        SELECT row_id FROM {TABLES}.{index.ENTRIES} WHERE tbl = '{resource.model._meta.db_table}' AND vector @@ %(typed)s::tsquery
        ORDER BY row_id DESC LIMIT {EXAMINED}) SELECT row_id FROM hit LIMIT {limit})"""


def matching(resource: Resource, query: Query, context: ReadContext) -> Q:
    """The records that match the query. As of a past moment, with the words of that moment."""
    table = resource.model._meta.db_table
    with connection.cursor() as cursor:
        ids = newest(resource, str(FREQUENT + 1))
        cursor.execute(f"SELECT ids::text, cardinality(ids) FROM (SELECT {ids} AS ids) AS hits", {"typed": query.typed})
        array, count = cursor.fetchone()
    # PostgreSQL cannot estimate how rare a word is. If it is, it gets the ids, so that it does not look through the list for them.
    if count <= FREQUENT:
        hits, values = "SELECT e.row_id FROM unnest(%s::bigint[]) AS e (row_id)", [array]
    else:
        hits = f"SELECT e.row_id FROM {TABLES}.{index.ENTRIES} e WHERE e.tbl = '{table}' AND e.vector @@ %s::tsquery"
        values = [query.typed]
    if context.as_of is not None:
        changed = f"{CHANGES} c WHERE c.tbl = '{table}' AND c.at > {MOMENT}"
        hits = f"""SELECT row_id FROM ({hits}) AS e WHERE NOT EXISTS (SELECT FROM {changed} AND c.row_id = e.row_id)
            UNION SELECT r.id FROM {table} r
            WHERE r.id IN (SELECT c.row_id FROM {changed}) AND ({index.document(resource, "r")}) @@ %s::tsquery"""
        values.append(query.typed)
    return Q(pk__in=RawSQL(hits, values))  # noqa: S611 - made of names of tables and columns
