"""What a person types into a search, as queries of PostgreSQL, and the records of one type that match it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from django.contrib.admin.utils import get_fields_from_path
from django.db import connection
from django.db.models import Q
from django.db.models.expressions import RawSQL
from django.utils.translation import gettext as _

from policytracker.representation.search_words import ENTRIES, STEMS, WORDS, document
from policytracker.resources import ReadContext, Resource, registry
from policytracker.sql.moment import CHANGES, MOMENT, TABLES
from policytracker.sql.parameters import InIds

MAX_LENGTH = 200  # characters
EXAMINED = 20_000  # newest hits of a type that are looked at
FREQUENT = 10_000  # hits of a word in a list, above which it is looked for row by row
FROM_BEGINNING = 3  # the fewest letters of a word that is also found by its beginning


Rows = tuple[str, list[Any]]  # the SQL of the ids of records, and its parameters


@dataclass(frozen=True)
class Query:
    """A search as queries of PostgreSQL (tsquery).

    `exact` has the words as typed. `alternatives` are the parts between `or`, each with its terms: a term is a word, a phrase, or one
    of these after `!`, which excludes it. In terms, each word is also found by its beginning. A search without a word has no terms.
    """

    exact: str
    alternatives: tuple[tuple[str, ...], ...]

    @property
    def typed(self) -> str:
        """All terms as one tsquery. It is empty, and matches nothing, if there are none."""
        return " | ".join(" & ".join(terms) for terms in self.alternatives)


def parse(text: str, context: ReadContext | None = None) -> Query:
    """The query of a search text: words (all), "phrases", -without, or. Raises ValueError with a message for the user.

    The most frequent words of English are ignored, unless the text has no others ("WHO").
    """
    if not 1 <= len(text) <= MAX_LENGTH or "\0" in text:
        raise ValueError(_("Enter 1 to {max} characters, without NUL characters.").format(max=MAX_LENGTH))
    text = re.sub(r'-(?![\w"])', " ", text)  # excludes nothing; PostgreSQL rejects many of them
    if text.count('"') % 2:  # of a phrase that is being typed
        text = " ".join(text.rsplit('"', 1))
    words = re.findall(rf"\w{{{FROM_BEGINNING},}}", re.sub('"[^"]*"', " ", text))
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT websearch_to_tsquery('policytracker_query', said)::text, websearch_to_tsquery('{STEMS}', said)::text,
              ARRAY(SELECT ARRAY[plainto_tsquery('{STEMS}', word)::text, plainto_tsquery('{WORDS}', word)::text]
                FROM (SELECT search_text(unnest(%s::text[])) AS word) AS words)
            FROM (SELECT search_text(%s) AS said) AS texts""",
            [words, text],
        )
        without_frequent, complete, pairs = cursor.fetchone()
    exact = without_frequent or complete
    beginnings: dict[str, list[str]] = {}
    for stem, word in pairs:
        beginnings.setdefault(stem, []).append(word)

    def term(words: str) -> str:
        if words not in beginnings:  # a phrase, an excluded word or a short one
            return words
        return f"( {words} | {' | '.join(f'{word}:*' for word in beginnings[words])} )"

    # PostgreSQL joins terms with " | " and " & ", and words contain no spaces.
    alternatives = (part.split(" & ") for part in exact.split(" | ")) if exact else ()
    return Query(exact, tuple(tuple(map(term, terms)) for terms in alternatives))


def newest(resource: Resource, limit: str) -> str:
    """The SQL of an array of the ids of the newest entries that match the parameter `typed`, at most `limit`, an expression."""
    # Materialized, so that PostgreSQL plans for all of them: it would expect to find the first ones soon, and read every entry for a
    # rare word. It still reads only as many as are needed.
    return f"""ARRAY(WITH hit AS MATERIALIZED (
        SELECT row_id FROM {TABLES}.{ENTRIES} WHERE tbl = '{resource.model._meta.db_table}' AND vector @@ %(typed)s::tsquery
        ORDER BY row_id DESC LIMIT {EXAMINED}) SELECT row_id FROM hit LIMIT {limit})"""


def matching(resource: Resource, query: Query, context: ReadContext) -> Q:
    """The records in which every term of an alternative occurs. As of a past moment, with the words of that moment.

    A term occurs in the words of the record, in the title of a linked record (`Search.linked`), or in the words of a record that
    reports on it (`Search.reported`), if the reader may read that record.
    """
    assert resource.search
    terms = {term.removeprefix("!") for terms in query.alternatives for term in terms}
    linked = (
        {term: rows for term in sorted(terms) if (rows := linked_rows(resource, term, context))}
        if resource.search.linked or resource.search.reported
        else {}
    )
    sql, values = rows_with_words(resource, query.typed, context)
    if linked:

        def rows_of(term: str) -> Rows:
            return combined("UNION", rows_with_words(resource, term, context), *linked.get(term, ()))

        def rows_of_all(terms: tuple[str, ...]) -> Rows:
            included = [rows_of(term) for term in terms if not term.startswith("!")]
            excluded = [rows_of(term[1:]) for term in terms if term.startswith("!")]
            every: Rows = f"SELECT id AS row_id FROM {resource.model._meta.db_table}", []
            return combined("EXCEPT", combined("INTERSECT", *included) if included else every, *excluded)

        sql, values = combined("UNION", *map(rows_of_all, query.alternatives))
    return Q(pk__in=RawSQL(sql, values))  # noqa: S611 - made of names of tables and columns


def combined(operator: str, *rows: Rows) -> Rows:
    """The rows of several statements, combined by UNION, INTERSECT or EXCEPT."""
    return f" {operator} ".join(f"({sql})" for sql, _values in rows), [value for _sql, values in rows for value in values]


def rows_with_words(resource: Resource, typed: str, context: ReadContext) -> Rows:
    """The records with these words in their own texts."""
    table = resource.model._meta.db_table
    with connection.cursor() as cursor:
        ids = newest(resource, str(FREQUENT + 1))
        cursor.execute(f"SELECT ids::text, cardinality(ids) FROM (SELECT {ids} AS ids) AS hits", {"typed": typed})
        array, count = cursor.fetchone()
    # PostgreSQL cannot estimate how rare a word is. If it is, it gets the ids, so that it does not look through the list for them.
    if count <= FREQUENT:
        hits, values = "SELECT e.row_id FROM unnest(%s::bigint[]) AS e (row_id)", [array]
    else:
        hits = f"SELECT e.row_id FROM {TABLES}.{ENTRIES} e WHERE e.tbl = '{table}' AND e.vector @@ %s::tsquery"
        values = [typed]
    if context.as_of is not None:
        changed = f"{CHANGES} c WHERE c.tbl = '{table}' AND c.at > {MOMENT}"
        hits = f"""SELECT row_id FROM ({hits}) AS e WHERE NOT EXISTS (SELECT FROM {changed} AND c.row_id = e.row_id)
            UNION SELECT r.id FROM {table} r
            WHERE r.id IN (SELECT c.row_id FROM {changed}) AND ({document(resource, "r")}) @@ %s::tsquery"""
        values.append(typed)
    return hits, values


def linked_rows(resource: Resource, term: str, context: ReadContext) -> list[Rows]:
    """The records with this term in a readable record that is linked to them or reports on them: for each path, if there are any."""
    assert resource.search
    in_titles = re.sub(r"(?<=')(:\*)?(?= |$)", lambda found: f"{found[0] or ':'}A", term)
    found = []
    for path in (*resource.search.linked, *resource.search.reported):
        model: Any = get_fields_from_path(resource.model, path)[-1].related_model
        sql, values = rows_with_words(registry.of(model), in_titles if path in resource.search.linked else term, context)
        readable = model.objects.visible_to(context.reader).filter(pk__in=RawSQL(sql, values))  # noqa: S611 - as above
        if ids := list(readable.order_by().values_list("pk", flat=True)):
            rows = resource.model.objects.filter(InIds(path, ids)).order_by().values("pk")
            sql, parameters = rows.query.sql_with_params()
            found.append((sql, list(parameters)))
    return found
