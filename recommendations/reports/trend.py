"""The trend: how many recommendations had each status at the end of each month."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db.models import Count, DateField, F, Func, IntegerField, Value

from recommendations.models import RecommendationQuerySet, Status


@dataclass(frozen=True)
class TrendPoint:
    """The number of recommendations with each status on a day, in the order of the code list."""

    on: date
    by_status: dict[str, int]


def month_ends(months: int, today: date) -> list[date]:
    """The last days of the preceding months and today, oldest first; `months` dates in total, if the calendar has so many."""
    days = [today]
    while len(days) < months and days[-1].replace(day=1) > date.min:
        days.append(days[-1].replace(day=1) - timedelta(1))
    return days[::-1]


def status_trend(recommendations: RecommendationQuerySet, months: int, today: date) -> list[TrendPoint]:
    """Counts of the recommendations by status, at each month end and today, in one query.

    As in lists with `on`, a recommendation counts as not assessed before its first assessment.
    """
    days = month_ends(months, today)
    periods: Any = recommendations.order_by().values("status_periods__status")
    counts = periods.annotate(
        first=position("status_periods__since", days), end=position("status_periods__until", days), number=Count("pk")
    ).values_list("status_periods__status", "first", "end", "number")
    points = [TrendPoint(day, dict.fromkeys(Status.values, 0)) for day in days]
    total = 0
    for status, first, end, number in counts:
        if end is None:  # each recommendation has one period without an end, or no period at all
            total += number
        if first is not None:
            for point in points[first:end]:
                point.by_status[status] += number
    for point in points:
        point.by_status[Status.NOT_ASSESSED] += total - sum(point.by_status.values())
    return points


def position(path: str, days: list[date]) -> Func:
    """The index of the first of the days that is not earlier than the date at the path."""
    thresholds = Value([day + timedelta(1) for day in days], output_field=ArrayField(DateField()))
    return Func(F(path), thresholds, function="width_bucket", output_field=IntegerField())
