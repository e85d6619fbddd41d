"""The search of recommendations in hand-written SQL: the newest 1,000 hits that the reader may read, ranked, the best 50 highlighted.

The hits of the other types are counted, as the product does.
"""

from __future__ import annotations

import html
import json
import re
from typing import Any

from psycopg import Connection

from benchmarks.rivals import sql

RANKED, EXAMINED = 1_000, 20_000
START, STOP, SEPARATOR = "\2", "\3", "\4"
QUERY = """SELECT websearch_to_tsquery('policytracker_query', said)::text, plainto_tsquery('policytracker_stems', last)::text,
    plainto_tsquery('policytracker_words', last)::text FROM (SELECT search_text(%(q)s) AS said, search_text(%(last)s) AS last) AS words"""
ENTRIES = "policytracker_searchentry e WHERE e.tbl = 'recommendations_recommendation' AND"
TEXT = "concat_ws(' · ', nullif(r.key_action, ''), nullif(r.details, ''), nullif(r.expected_outcome, ''), nullif(r.made_by_text, ''))"
RANK = "ts_rank_cd('{{0.02, 0.1, 0.4, 1}}', e.vector, %({})s::tsquery, 1)"
OPTIONS = f"StartSel={START}, StopSel={STOP}, MaxWords=40, MinWords=20"


def parent(name: str, table: str, condition: str) -> str:
    return f"EXISTS (SELECT FROM {table} p WHERE p.id = r.{name}_id AND {condition} {sql.BY_ROW})"


def rules(role: str) -> dict[str, tuple[str, str]]:
    """The table of each type that is searched, and the condition that this role reads its row `r`."""
    of_agreement = parent("agreement", sql.AGREEMENTS, sql.agreement(role, "p"))
    of_recommendation = parent("recommendation", sql.RECOMMENDATIONS, sql.recommendation(role, "p"))
    stage = "r.review = 'approved' OR r.author_id = %(user)s" + ("" if role == "officer" else " OR r.review = 'submitted'")
    return {
        "parties": ("agreements_party", "true"),
        "sources": (sql.SOURCES, sql.source(role, "r")),
        "agreements": (sql.AGREEMENTS, sql.agreement(role, "r")),
        "components": (sql.COMPONENTS, sql.component(role, "r")),
        "outcomes": ("agreements_outcome", of_agreement),
        "fact-checks": (
            "agreements_factcheck",
            f"{parent('source', sql.SOURCES, sql.source(role, 'p'))} AND (r.agreement_id IS NULL OR {of_agreement})",
        ),
        "recommendations": (sql.RECOMMENDATIONS, sql.recommendation(role, "r")),
        "progress-updates": (sql.UPDATES, "true" if role == "administrator" else f"({stage}) AND {of_recommendation}"),
    }


def hits(table: str, rule: str) -> str:
    """The newest hits that the reader may read, of all that are examined."""
    entries = f"SELECT e.row_id FROM policytracker_searchentry e WHERE e.tbl = '{table}' AND e.vector @@ %(typed)s::tsquery"
    readable = f"LATERAL (SELECT FROM {table} r WHERE r.id = row_id AND {rule} OFFSET 0) readable"
    found = f"WITH found AS MATERIALIZED ({entries} ORDER BY e.row_id DESC LIMIT {EXAMINED}) SELECT row_id FROM found"
    return f"{found} LIMIT {RANKED}" if rule == "true" else f"{found}, {readable} LIMIT {RANKED}"


def statement(role: str) -> str:
    """The hits of each type, whether there are more than a page, and the page as JSON, whose highlights are not escaped yet."""
    others = [f"'{name}', (SELECT count(*) FROM ({hits(*rule)}) n)" for name, rule in rules(role).items() if name != "recommendations"]
    return f"""
    WITH newest AS MATERIALIZED ({hits(*rules(role)["recommendations"])}),
    ranked AS (SELECT e.row_id, round((CASE WHEN e.vector @@ %(exact)s::tsquery THEN {RANK.format("exact")}
      ELSE 0.1 * {RANK.format("typed")} END)::numeric, 6)::float8 AS rank
      FROM newest, {ENTRIES} e.row_id = newest.row_id),
    page AS MATERIALIZED (SELECT * FROM ranked ORDER BY rank DESC, row_id DESC LIMIT {sql.PAGE + 1}),
    shown AS (SELECT * FROM page ORDER BY rank DESC, row_id DESC LIMIT {sql.PAGE})
    SELECT json_build_object('recommendations', (SELECT count(*) FROM newest), {", ".join(others)}),
      (SELECT count(*) > {sql.PAGE} FROM page), (SELECT json_agg(json_build_object(
        'type', 'recommendations', 'key', r.slug, 'title', coalesce(nullif(r.key_action, ''), r.slug),
        'url', '{sql.BASE}/recommendations/' || r.slug || '/', 'rank', s.rank, 'highlight', ts_headline('policytracker_stems',
          search_text(translate(left({TEXT}, 5000), '{START}{STOP}', '')), %(typed)s::tsquery, '{OPTIONS}'))
        ORDER BY s.rank DESC, s.row_id DESC) FROM shown s JOIN {sql.RECOMMENDATIONS} r ON r.id = s.row_id)"""


def body(connection: Connection, role: str, text: str, values: dict[str, Any]) -> bytes:
    """The response to a search text. The last word is also found as the beginning of a word."""
    last = re.search(r"(?<![\w-])\w{3,}$", text)
    row = connection.execute(QUERY, {"q": text, "last": last[0] if last else ""}).fetchone()
    assert row
    exact, stem, word = row
    typed = exact
    if stem and exact.endswith(stem) and not exact.endswith(f"!{stem}"):
        typed = f"{exact.removesuffix(stem)}( {stem} | {word}:* )"
    # Planned for each request: the best plan depends on how frequent the words are.
    row = connection.execute(statement(role), values | {"exact": exact, "typed": typed}, prepare=False).fetchone()
    assert row
    counts, more, results = row
    for hit in results or []:
        escaped = html.escape(hit["highlight"].replace(SEPARATOR, ""))
        hit["highlight"] = escaped.replace(START, "<mark>").replace(STOP, "</mark>")
    return json.dumps({"counts": counts, "next": "more" if more else None, "previous": None, "results": results or []}).encode()
