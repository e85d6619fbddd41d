"""Charts of recommendations by status: now, and at the end of each month. Each number leads to the list that it counts."""

from __future__ import annotations

from datetime import date
from typing import Any

from policytracker.admin import OnFilter, list_url
from policytracker.admin.charts import Distribution, Trend
from recommendations.models import Recommendation, Status
from recommendations.reports.trend import status_trend

SHOWN_MONTHS = 12
STATUS_FILLS = {
    Status.PROPOSED: "lavender",
    Status.PLANNED: "violet",
    Status.IN_PROGRESS: "blue",
    Status.PARTLY_IMPLEMENTED: "cyan",
    Status.LARGELY_IMPLEMENTED: "lime",
    Status.IMPLEMENTED: "green",
    Status.ADDRESSED_OTHERWISE: "green-lines",
    Status.STALLED: "orange",
    Status.CLOSED_NOT_IMPLEMENTED: "grey",
    Status.WITHDRAWN: "grey-rows",
    Status.SUPERSEDED: "grey-columns",
    Status.NO_LONGER_APPLICABLE: "grey-dots",
    Status.NOT_ASSESSED: "hatched",
}


def distribution(counts: dict[str, int], lists: dict[str, str]) -> Distribution:
    """The statuses that occur, each with its list; `lists` holds the other filters of the list."""

    def url(status: Any) -> str:
        return list_url(Recommendation, lists | {"status": status.value})

    return Distribution.of(STATUS_FILLS, counts, Status.NOT_ASSESSED, url)


def trend(recommendations: Any, last: date, today: date, lists: dict[str, str]) -> Trend:
    """The statuses at the end of each month and on the last day, at most today. `lists` has the filters of their list."""

    def url(on: date, status: Any) -> str:
        past = {OnFilter.parameter_name: on.isoformat()} if on < today else {}
        return list_url(Recommendation, lists | past | ({"status": status.value} if status else {}))

    points = status_trend(recommendations, SHOWN_MONTHS, min(last, today))
    return Trend.of(STATUS_FILLS, ((point.on, point.by_status) for point in points), Status.NOT_ASSESSED, url)
