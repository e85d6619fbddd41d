"""The trend of the admin: the recommendations by status, each month, with the list of each number."""

from __future__ import annotations

from datetime import date
from typing import Any

from policytracker.admin import OnFilter, list_url
from policytracker.admin.charts import Trend
from recommendations.models import Recommendation, Status
from recommendations.reports.trend import status_trend

SHOWN_MONTHS = 12


def trend(recommendations: Any, today: date, lists: dict[str, str]) -> Trend:
    """The statuses at the end of each month and today. `lists` holds the filters of the list of these recommendations."""

    def url(on: date, status: Any) -> str:
        past = {OnFilter.parameter_name: on.isoformat()} if on < today else {}
        return list_url(Recommendation, lists | past | ({"status": status.value} if status else {}))

    points = status_trend(recommendations, SHOWN_MONTHS, today)
    return Trend.of(Status, ((point.on, point.by_status) for point in points), Status.NOT_ASSESSED, url)
