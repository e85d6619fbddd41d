"""Hand-written SQL: the scorecard of an agreement, and the summary of all recommendations."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from benchmarks.rivals import sql

STATUSES = [
    "proposed", "planned", "in_progress", "partly_implemented", "largely_implemented", "implemented", "addressed_otherwise", "stalled",
    "closed_not_implemented", "withdrawn", "superseded", "no_longer_applicable", "not_assessed",
]  # fmt: skip
COMPONENT_STATUSES = ["planned", "active", "completed", "suspended", "cancelled", "unknown"]
DEADLINE_STATES = ["none", "open_ended", "met", "met_late", "closed", "overdue", "due_soon", "upcoming"]
FRESHNESS = ["fresh", "stale", "never", "none"]
STAGES = ["announced", "authorised", "committed", "disbursed"]

COMPONENT_DEADLINE = """CASE WHEN c.due_on_last IS NULL THEN CASE WHEN c.due_anchor <> 'none' THEN 'open_ended' ELSE 'none' END
    WHEN c.status = 'completed' THEN CASE WHEN c.completed_on_first > c.due_on_last THEN 'met_late' ELSE 'met' END
    WHEN c.status = 'cancelled' THEN 'closed' WHEN c.due_on_last < %(on)s THEN 'overdue'
    WHEN c.due_on_last <= %(on)s + 30 THEN 'due_soon' ELSE 'upcoming' END"""
STATES = f"""r.status, {sql.DEADLINE} AS deadline_state, {sql.FRESHNESS} AS freshness, ({sql.CLAIM_DIFFERS})::int AS differs"""


def totals(codes: list[str], counts: Iterable[tuple[str, int]]) -> dict[str, int]:
    result = dict.fromkeys(codes, 0)
    for code, number in counts:
        result[code] += number
    return result


def tally(rows: list[list[Any]]) -> dict[str, Any]:
    """The counts of one group from rows of status, deadline state, freshness, contradicted assessments and number."""
    total = sum(row[4] for row in rows)
    by_status = totals(STATUSES, ((row[0], row[4]) for row in rows))
    unknown = by_status["not_assessed"]
    return {
        "total": total,
        "by_status": by_status,
        "by_deadline_state": totals(DEADLINE_STATES, ((row[1], row[4]) for row in rows)),
        "by_freshness": totals(FRESHNESS, ((row[2], row[4]) for row in rows)),
        "claim_differs": sum(row[4] for row in rows if row[3]),
        "unknown": {"count": unknown, "share": unknown / total if total else None},
    }


def scorecard_sql(role: str) -> str:
    """The numbers of an agreement, in one statement."""
    visible_money = sql.component(role, "c")
    return f"""WITH a AS MATERIALIZED (SELECT id FROM {sql.AGREEMENTS} a WHERE slug = %(slug)s AND {sql.agreement(role, "a")}),
    money AS (SELECT k.* FROM agreements_commitment k, a WHERE k.agreement_id = a.id AND (k.component_id IS NULL
        OR EXISTS (SELECT FROM {sql.COMPONENTS} c WHERE c.id = k.component_id AND {visible_money})))
    SELECT
      (SELECT json_agg(json_build_array(status, state, n)) FROM (SELECT c.status, {COMPONENT_DEADLINE} AS state, count(*) AS n
        FROM {sql.COMPONENTS} c JOIN a ON a.id = c.agreement_id WHERE {sql.component(role, "c")} GROUP BY 1, 2) x),
      (SELECT json_agg(json_build_array(status, deadline_state, freshness, differs, n)) FROM (
        SELECT status, deadline_state, freshness, differs, count(*) AS n FROM (SELECT {STATES} FROM {sql.RECOMMENDATIONS} r
          JOIN recommendations_recommendation_agreements g ON g.recommendation_id = r.id JOIN a ON a.id = g.agreement_id
          WHERE {sql.recommendation(role, "r")}) r GROUP BY 1, 2, 3, 4) x),
      (SELECT json_agg(json_build_array(stage, currency, figures, total::text, disputed)) FROM (
        SELECT stage, currency, count(*) FILTER (WHERE counted) AS figures, coalesce(sum(amount) FILTER (WHERE counted), 0.00) AS total,
          count(*) FILTER (WHERE disputing) AS disputed
        FROM (SELECT k.*, EXISTS (SELECT FROM money d WHERE d.id = k.disputes_id) AS disputing,
            NOT EXISTS (SELECT FROM money d WHERE d.id IN (k.disputes_id, k.part_of_id)) AS counted FROM money k) k
        GROUP BY 1, 2 ORDER BY 1, 2) x),
      (SELECT json_agg(json_build_object('slug', i.slug, 'name', i.name, 'unit', i.unit, 'latest_value', m.value::text,
          'latest_on', m.measured_on, 'baseline_value', i.baseline_value::text, 'target_value', i.target_value::text,
          'target_on', nullif(i.target_on, '')) ORDER BY i.slug)
        FROM agreements_indicator i JOIN agreements_outcome t ON t.id = i.outcome_id JOIN a ON a.id = t.agreement_id
        LEFT JOIN LATERAL (SELECT value, measured_on FROM agreements_measurement WHERE indicator_id = i.id
          ORDER BY measured_on_first DESC, measured_on DESC LIMIT 1) m ON true)
    FROM a"""


def scorecard(row: tuple, slug: str, on: str) -> dict[str, Any]:
    """The body of the response, from the row of the statement."""
    components, recommendations, money, indicators = (value or [] for value in row)
    names = ["stage", "currency", "figures", "total", "disputed"]
    return {
        "agreement": slug,
        "on": on,
        "components": {
            "total": sum(number for *_, number in components),
            "by_status": totals(COMPONENT_STATUSES, ((status, number) for status, _, number in components)),
            "by_deadline_state": totals(DEADLINE_STATES, ((state, number) for _, state, number in components)),
        },
        "recommendations": tally(recommendations),
        "money": [dict(zip(names, row, strict=True)) for row in sorted(money, key=lambda row: (STAGES.index(row[0]), row[1]))],
        "indicators": indicators,
    }


# ---- summary: for each way to group, the groups with key and title, and the links of recommendations to groups

GROUPS = {
    "agreement": (sql.AGREEMENTS, "slug", "title", "recommendations_recommendation_agreements", "agreement_id", "agreements"),
    "party": ("agreements_party", "code", "name", "recommendations_addressee", "party_id", "parties"),
    "sector": ("agreements_sector", "code", "name", "recommendations_recommendation_sectors", "sector_id", "sectors"),
}


def summary_sql(role: str, by: str) -> str:
    """The number of groups, and the counts of the first ones by key. The recommendations without a group come last."""
    table, key, title, links, column, address = GROUPS[by]
    visible = sql.agreement(role, "g") if by == "agreement" else "true"
    readable = sql.recommendation(role, "r")
    used = (
        f"EXISTS (SELECT FROM {links} l JOIN {sql.RECOMMENDATIONS} r ON r.id = l.recommendation_id WHERE l.{column} = g.id AND {readable})"
    )
    grouped = f"EXISTS (SELECT FROM {links} l JOIN {table} g ON g.id = l.{column} WHERE l.recommendation_id = r.id AND {visible})"
    return f"""WITH groups AS MATERIALIZED (SELECT g.id, g.{key} AS key, g.{title} AS title FROM {table} g WHERE {visible} AND {used}),
    page AS MATERIALIZED (SELECT * FROM groups ORDER BY key LIMIT {sql.PAGE}),
    rest AS MATERIALIZED (SELECT {STATES} FROM {sql.RECOMMENDATIONS} r WHERE (SELECT count(*) FROM groups) < {sql.PAGE}
        AND {readable} AND NOT {grouped}),
    counted AS (
      SELECT page.id, r.status, r.deadline_state, r.freshness, r.differs, count(*) AS n FROM page JOIN {links} l ON l.{column} = page.id
        JOIN (SELECT r.id, {STATES} FROM {sql.RECOMMENDATIONS} r WHERE {readable}) r ON r.id = l.recommendation_id GROUP BY 1, 2, 3, 4, 5
      UNION ALL SELECT NULL, status, deadline_state, freshness, differs, count(*) FROM rest GROUP BY 2, 3, 4, 5)
    SELECT (SELECT count(*) FROM groups) + EXISTS (SELECT FROM {sql.RECOMMENDATIONS} r WHERE {readable} AND NOT {grouped})::int,
      (SELECT json_agg(json_build_array(id, key, title, '{sql.BASE}/{address}/' || key || '/') ORDER BY key) FROM page),
      (SELECT json_agg(json_build_array(id, status, deadline_state, freshness, differs, n)) FROM counted)"""


def summary(row: tuple, path: str) -> dict[str, Any]:
    """The body of the response, from the row of the statement."""
    count, groups, counted = row
    rows: dict[int | None, list[list[Any]]] = defaultdict(list)
    for pk, *values in counted or []:
        rows[pk].append(values)
    results = [{"key": key, "title": title, "url": url} | tally(rows[pk]) for pk, key, title, url in groups or []]
    if count > len(results) and len(results) < sql.PAGE:
        results.append({"key": None, "title": None, "url": None} | tally(rows[None]))
    following = f"{sql.BASE}/{path}&after={results[-1]['key']}" if count > len(results) else None
    return {"count": count, "next": following, "previous": None, "results": results}


def body(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()
