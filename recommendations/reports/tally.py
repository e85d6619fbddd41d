"""Counting recommendations by status, deadline state and freshness."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any, TypedDict

from agreements.deadlines import DeadlineState
from policytracker.codes import Codes
from policytracker.resources import ReadContext
from policytracker.sql.parameters import Parameter
from recommendations.deadlines import Freshness, deadline, freshness
from recommendations.models import Recommendation, RecommendationQuerySet, Status


class Unknown(TypedDict):
    """The recommendations that are not assessed, and their share of the total, from 0 to 1; None if the total is 0."""

    count: int
    share: float | None


class Tally(TypedDict):
    """Numbers of recommendations, by code in the fields `by_…`. `claim_differs`: those that a claim contradicts."""

    total: int
    by_status: dict[str, int]
    by_deadline_state: dict[str, int]
    by_freshness: dict[str, int]
    claim_differs: int
    unknown: Unknown


def recommendations_on(context: ReadContext) -> RecommendationQuerySet:
    """The recommendations that the reader may read; on a past date, with their status of that date."""
    rows: Any = Recommendation.objects.all()
    return (rows.on_day(context.on) if context.past else rows).visible_to(context.reader)


def states(on: date | Parameter) -> dict[str, Any]:
    return {"deadline_state": deadline(on), "freshness": freshness(on)}


def by_code(codes: type[Codes], counts: Iterable[tuple[str, int]]) -> dict[str, int]:
    """The count for each code, in the order of the code list. Codes without a count get 0."""
    totals = dict.fromkeys(codes.values, 0)
    for code, count in counts:
        totals[code] += count
    return totals


def tally(counts: list[tuple[str, str, str, int]], differ: int) -> Tally:
    """The counts of one group of recommendations.

    `counts` has a row for each combination of status, deadline state and freshness; `differ` is the number of contradicted assessments.
    """
    total = sum(count for *_, count in counts)
    by_status = by_code(Status, ((status, n) for status, _, _, n in counts))
    unknown = by_status[Status.NOT_ASSESSED]
    return {
        "total": total,
        "by_status": by_status,
        "by_deadline_state": by_code(DeadlineState, ((state, n) for _, state, _, n in counts)),
        "by_freshness": by_code(Freshness, ((fresh, n) for _, _, fresh, n in counts)),
        "claim_differs": differ,
        "unknown": {"count": unknown, "share": unknown / total if total else None},
    }
