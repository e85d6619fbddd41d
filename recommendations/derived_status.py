"""The status of a recommendation, calculated from its updates: the current values, the periods of earlier values, and the facts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from django.db import connection, transaction
from django.db.models import QuerySet

from policytracker.records.models import lock_for_change
from policytracker.sql.parameters import Statement
from recommendations.facts import calculated_facts
from recommendations.models import DERIVED_FIELDS, Recommendation
from recommendations.models.periods import PERIODS, RECOMPUTING_SETTING, StatusPeriod

_TABLE, _PERIODS = Recommendation._meta.db_table, StatusPeriod._meta.db_table


def columns(table: str, names: Sequence[str] = DERIVED_FIELDS) -> str:
    return ", ".join(f"{table}.{name}" for name in names)


INITIAL_VALUES = {"status": "'not_assessed'", "claimed_status": "''"}  # SQL values without any update; the other fields are null

# SQL condition: the stored values or periods of a recommendation differ from those calculated from its updates.
_DEFAULTS = ", ".join(INITIAL_VALUES.get(name, "NULL") for name in DERIVED_FIELDS)
DIFFERS = f"""(
    (SELECT array_agg(ROW(since, until, {columns("computed")})::text ORDER BY since)
        FROM ({PERIODS.format(condition=f"recommendation_id = {_TABLE}.id")}) AS computed)
    IS DISTINCT FROM (SELECT array_agg(ROW(since, until, {columns("period")})::text ORDER BY since)
        FROM recommendations_statusperiod AS period WHERE period.recommendation_id = {_TABLE}.id)
    OR ROW({columns(_TABLE)})::text IS DISTINCT FROM coalesce((SELECT ROW({columns("period")})::text
        FROM recommendations_statusperiod AS period WHERE period.recommendation_id = {_TABLE}.id AND period.until IS NULL),
        ROW({_DEFAULTS})::text)
)"""

# A stored fact of a recommendation differs from the calculated one. Each fact is named after its column.
FACTS = Recommendation.facts
_CALCULATED = f"calculated (id, {', '.join(FACTS)})"
FACTS_DIFFER = f"stored.id = calculated.id AND ({columns('stored', FACTS)}) IS DISTINCT FROM ({columns('calculated', FACTS)})"


@cache
def recompute(ids: str) -> str:
    """The statement that stores periods, current values and facts of the recommendations with these ids, an SQL array."""
    current = ", ".join(
        f"coalesce(period.{name}, {INITIAL_VALUES[name]}) AS {name}" if name in INITIAL_VALUES else f"period.{name}"
        for name in DERIVED_FIELDS
    )
    written, names = (*DERIVED_FIELDS, *FACTS), ", ".join(DERIVED_FIELDS)
    # The facts follow from the values that are about to be stored, so the query of the facts reads these under the name of the table.
    # MATERIALIZED, because PostgreSQL would plan and calculate each fact twice: to compare it and to store it.
    # Unchanged periods are excluded, because ON CONFLICT would lock them.
    return f"""WITH computed AS MATERIALIZED ({PERIODS.format(condition=f"recommendation_id = ANY({ids})")}),
obsolete AS (DELETE FROM {_PERIODS} AS stored WHERE recommendation_id = ANY({ids}) AND NOT EXISTS (SELECT FROM computed
    WHERE computed.recommendation_id = stored.recommendation_id AND computed.since = stored.since)),
periods AS (INSERT INTO {_PERIODS} (recommendation_id, since, until, {names}) SELECT recommendation_id, since, until, {names} FROM computed
    WHERE NOT EXISTS (SELECT FROM {_PERIODS} AS stored
        WHERE stored.recommendation_id = computed.recommendation_id AND stored.since = computed.since
            AND (stored.until, {columns("stored")}) IS NOT DISTINCT FROM (computed.until, {columns("computed")}))
    ON CONFLICT (recommendation_id, since) DO UPDATE SET (until, {names}) = ROW(excluded.until, {columns("excluded")})),
current AS MATERIALIZED (SELECT id, {current} FROM unnest({ids}) AS id
    LEFT JOIN computed AS period ON period.recommendation_id = id AND period.until IS NULL),
{_CALCULATED} AS MATERIALIZED (WITH {_TABLE} AS (SELECT * FROM current) {calculated_facts()}),
new AS (SELECT * FROM current JOIN calculated USING (id))
UPDATE {_TABLE} AS stored SET ({", ".join(written)}) = ROW({columns("new", written)})
FROM new WHERE stored.id = new.id AND ({columns("stored", written)}) IS DISTINCT FROM ({columns("new", written)}) RETURNING true"""


def recompute_status(recommendations: QuerySet[Recommendation] | None = None) -> None:
    """Calculate the derived fields, periods and facts of these recommendations, or of all. Writes only the rows that differ."""
    with transaction.atomic():
        rows = Recommendation.objects.all() if recommendations is None else recommendations
        # Lock before reading the updates, so that a concurrent change of an update is either visible or waits.
        recompute_locked(list(lock_for_change(rows.order_by("pk")).values_list("pk", flat=True)))


def recompute_locked(ids: list[int]) -> None:
    """The same for recommendations that the transaction has locked."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT set_config('{RECOMPUTING_SETTING}', 'on', true)")
        if len(ids) == 1:  # prepared: PostgreSQL plans the statement longer than it executes it
            Statement(recompute("ARRAY[$1::bigint]"), ("id",)).rows({"id": ids[0]})
        else:
            cursor.execute(recompute("%(ids)s::bigint[]"), {"ids": ids})
        cursor.execute(f"SELECT set_config('{RECOMPUTING_SETTING}', '', true)")


def inconsistent() -> list[str]:
    """The slugs of recommendations whose derived fields, periods or facts do not match their updates. Normally empty."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT slug FROM {_TABLE} WHERE {DIFFERS}
            UNION SELECT slug FROM {_TABLE} AS stored, ({calculated_facts()}) AS {_CALCULATED} WHERE {FACTS_DIFFER} ORDER BY slug"""
        )
        return [slug for (slug,) in cursor]
