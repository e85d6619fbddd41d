"""Where a recommendation stands by its updates, today and on days gone by (DESIGN 5)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from django.db import connection, transaction
from django.db.models import DateField, QuerySet, Value
from django.db.models.sql.datastructures import BaseTable

from policytracker.visibility import Slot
from recommendations.models import SETTLED, Recommendation, Status

DONE = {Status.IMPLEMENTED, Status.ADDRESSED_OTHERWISE}
TERMINAL = DONE | {Status.CLOSED_NOT_IMPLEMENTED, Status.WITHDRAWN, Status.SUPERSEDED, Status.NO_LONGER_APPLICABLE}
CLOSABLE = {Status.PARTLY_IMPLEMENTED, Status.LARGELY_IMPLEMENTED}


def listed(statuses: Iterable[Status]) -> str:
    return ", ".join(f"'{status.value}'" for status in sorted(statuses))


# The status is that of the newest assessment, since the first of the unbroken run of it. An ending closes on the first day
# of that run; `closes` on the first day since which each of them has said so.
NEWEST = "WINDOW newest AS (PARTITION BY recommendation_id, kind ORDER BY reported_on DESC, reviewed_at DESC, uid DESC)"
RUNS = f"""(
    SELECT *, bool_and(status = last_status) OVER newest AS unbroken, bool_and(status = last_status AND ends) OVER newest AS ended
    FROM (
        SELECT *, row_number() OVER newest = 1 AS last, first_value(status) OVER newest AS last_status,
            status IN ({listed(TERMINAL)}) OR closes AND status IN ({listed(CLOSABLE)}) AS ends
        FROM recommendations_progressupdate
        WHERE {{which}} AND kind <> 'note' AND review = 'approved' AND voided_at IS NULL
        {NEWEST}
    ) AS standing {NEWEST}
) AS runs"""
OWED = {
    "status": "coalesce(max(status) FILTER (WHERE kind = 'assessment' AND last), 'not_assessed')",
    "claimed_status": "coalesce(max(status) FILTER (WHERE kind = 'claim' AND last), '')",
    "status_since": "min(reported_on) FILTER (WHERE kind = 'assessment' AND unbroken)",
    "progress_percent": "max(progress_percent) FILTER (WHERE kind = 'assessment' AND last)",
    "last_update_on": "max(reported_on) FILTER (WHERE kind = 'assessment')",
    "closed_on": "min(reported_on) FILTER (WHERE kind = 'assessment' AND ended)",
}
OWED_AS = ", ".join(f"{OWED[name]} AS {name}" for name in SETTLED)

AS_STORED, AS_SETTLED = (", ".join(f"{row}.{name}" for name in SETTLED) for row in ("stored", "settled"))
SETTLED_ROWS = f"""(
    SELECT recommendation_id, {OWED_AS}
    FROM unnest(%(ids)s::bigint[]) AS recommendation_id
        LEFT JOIN {RUNS.format(which="recommendation_id = ANY(%(ids)s::bigint[])")} USING (recommendation_id)
    GROUP BY recommendation_id
) AS settled"""
DIFFERS = f"stored.id = recommendation_id AND ({AS_STORED}) IS DISTINCT FROM ({AS_SETTLED})"
SETTLE = f"""UPDATE recommendations_recommendation AS stored SET ({", ".join(SETTLED)}) = ROW({AS_SETTLED})
FROM {SETTLED_ROWS} WHERE {DIFFERS}"""
UNSETTLED = f"SELECT slug FROM recommendations_recommendation AS stored, {SETTLED_ROWS} WHERE {DIFFERS} ORDER BY slug"


def settle(recommendations: QuerySet[Recommendation] | None = None) -> None:
    """Compute what these recommendations, or all, owe to their approved updates; only rows that differ are written."""
    with transaction.atomic(), connection.cursor() as cursor:
        rows = Recommendation.objects.all() if recommendations is None else recommendations
        # Locked before the updates are read, so that nothing is settled by what somebody is about to overrule.
        ids = list(rows.order_by("pk").select_for_update(of=("self",)).values_list("pk", flat=True))
        cursor.execute("SELECT set_config('policytracker.settling', 'on', true)")
        cursor.execute(SETTLE, {"ids": ids})
        cursor.execute("SELECT set_config('policytracker.settling', '', true)")


def unsettled() -> list[str]:
    """The recommendations that do not stand as their approved updates say. There should be none."""
    with connection.cursor() as cursor:
        cursor.execute(UNSETTLED, {"ids": list(Recommendation.objects.values_list("pk", flat=True))})
        return [slug for (slug,) in cursor]


class Then(BaseTable):
    """The table of recommendations, where each owes what it does to the updates that were reported by a day.

    It stands in a query in the place of the stored table and under its name, so that whatever shows, narrows or orders
    recommendations as they are does the same to them as they were.
    """

    def __init__(self, table_name: str, alias: str, day: Value | Slot):
        super().__init__(table_name, alias)
        self.day = day

    def as_sql(self, compiler, connection):
        day, params = compiler.compile(self.day)
        columns = [field.column for field in Recommendation._meta.concrete_fields]
        told = ", ".join(f"{'owed' if name in SETTLED else 'stored'}.{name}" for name in columns)
        owed = f"SELECT {OWED_AS} FROM {RUNS.format(which=f'recommendation_id = stored.id AND reported_on <= {day}')}"
        table, alias = compiler.quote_name_unless_alias(self.table_name), compiler.quote_name_unless_alias(self.table_alias)
        return f"(SELECT {told} FROM {table} AS stored LEFT JOIN LATERAL ({owed}) AS owed ON true) {alias}", params

    def relabeled_clone(self, change_map):
        return type(self)(self.table_name, change_map.get(self.table_alias, self.table_alias), self.day)

    @property
    def identity(self):
        return (*super().identity, self.day)


def reported_by(rows: QuerySet[Recommendation], day: date | Slot) -> QuerySet[Recommendation]:
    """The same recommendations as they stood on a day gone by, as far as it is known today.

    Ask this first: what was asked of the rows inside another query before does not follow.
    """
    rows = rows.all()
    alias = rows.query.get_initial_alias()
    rows.query.alias_map[alias] = Then(rows.query.get_meta().db_table, alias, day if isinstance(day, Slot) else Value(day, DateField()))
    return rows
