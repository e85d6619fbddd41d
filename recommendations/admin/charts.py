"""Charts of recommendations by status, in five groups: now, and at the end of each month. Each number leads to the list that it counts."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.utils.translation import gettext_lazy as _

from policytracker.admin import OnFilter, list_url
from policytracker.admin.charts import Distribution, Group, Trend
from recommendations.models import DONE, TERMINAL, Recommendation, Status
from recommendations.reports.trend import status_trend

SHOWN_MONTHS = 12
NOT_STARTED = Group(_("Not started"), "pale")
UNDER_WAY = Group(_("Under way"), "blue")
DELIVERED = Group(_("Done"), "green")
NOT_DELIVERED = Group(_("Ended without delivery"), "dark")
UNKNOWN = Group(_("Unknown"), "hatched")
STATUS_GROUPS = {
    Status.PROPOSED: NOT_STARTED,
    Status.PLANNED: NOT_STARTED,
    Status.IN_PROGRESS: UNDER_WAY,
    Status.STALLED: UNDER_WAY,
    Status.PARTLY_IMPLEMENTED: UNDER_WAY,
    Status.LARGELY_IMPLEMENTED: UNDER_WAY,
    **dict.fromkeys((status for status in Status if status in DONE), DELIVERED),
    **dict.fromkeys((status for status in Status if status in TERMINAL - DONE), NOT_DELIVERED),
    Status.NOT_ASSESSED: UNKNOWN,
}


def distribution(counts: dict[str, int], lists: dict[str, str]) -> Distribution:
    """The statuses that occur, each with its list; `lists` holds the other filters of the list."""

    def url(status: Any) -> str:
        return list_url(Recommendation, lists | {"status": status.value})

    return Distribution.of(STATUS_GROUPS, counts, Status.NOT_ASSESSED, url)


def trend(recommendations: Any, last: date, today: date, lists: dict[str, str]) -> Trend:
    """The statuses at the end of each month and on the last day, at most today. `lists` has the filters of their list."""

    def url(on: date, status: Any) -> str:
        past = {OnFilter.parameter_name: on.isoformat()} if on < today else {}
        return list_url(Recommendation, lists | past | ({"status": status.value} if status else {}))

    points = status_trend(recommendations, SHOWN_MONTHS, min(last, today))
    return Trend.of(STATUS_GROUPS, ((point.on, point.by_status) for point in points), Status.NOT_ASSESSED, url)
