"""Periods of time: lists of (start, first moment after it), in order and without overlaps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

Period = tuple[datetime, datetime]
START, END = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
EVER: list[Period] = [(START, END)]


def union(periods: Iterable[Period]) -> list[Period]:
    """The times that are in one of these periods, which may overlap and be in any order. Empty periods are left out."""
    joined: list[Period] = []
    for start, end in sorted(periods):
        if start >= end:
            continue
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined


def intersection(first: Sequence[Period], second: Sequence[Period]) -> list[Period]:
    """The times that are in both lists."""
    common = []
    i = j = 0
    while i < len(first) and j < len(second):
        start, end = max(first[i][0], second[j][0]), min(first[i][1], second[j][1])
        if start < end:
            common.append((start, end))
        if first[i][1] < second[j][1]:
            i += 1
        else:
            j += 1
    return common


def contains(periods: Iterable[Period], time: datetime) -> bool:
    return any(start <= time < end for start, end in periods)


def contains_before(periods: Iterable[Period], time: datetime) -> bool:
    """Whether the periods contain the moment immediately before the time."""
    return any(start < time <= end for start, end in periods)
