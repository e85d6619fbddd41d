"""How many recommendations had each status, month by month."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db.models import Count, DateField, F, Func, IntegerField, Value

from recommendations.models import Recommendation, Status


@dataclass(frozen=True)
class TrendPoint:
    """The number of recommendations with each status on a day, in the order of the code list."""

    on: date
    by_status: dict[str, int]


def month_ends(months: int, today: date) -> list[date]:
    """Today, and before it the last day of each of the preceding months: as many days as `months`, oldest first."""
    days = [today]
    while len(days) < months:
        days.append(days[-1].replace(day=1) - timedelta(1))
    return days[::-1]


def status_trend(user: Any, months: int, today: date) -> list[TrendPoint]:
    """The statuses of all recommendations that the user may read, on the last day of each month and today, in one query.

    As with `on=`: a recommendation counts as not assessed on the days before its first assessment.
    """
    days = month_ends(months, today)
    periods: Any = Recommendation.objects.visible_to(user).order_by().values("status_periods__status")
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
    """How many of the days are earlier than the value at the path: the index of the first day that is not."""
    thresholds = Value([day + timedelta(1) for day in days], output_field=ArrayField(DateField()))
    return Func(F(path), thresholds, function="width_bucket", output_field=IntegerField())
