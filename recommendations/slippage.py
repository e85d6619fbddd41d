"""Postponements of a due date: how often, by how many days, and why. Read from the history of the record."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from policytracker.edtf import last_day
from policytracker.history.record import History
from policytracker.records.access import Reader
from recommendations.models import Recommendation


@dataclass(frozen=True)
class Slip:
    """A change of the due date to a later date, or its removal. `days` is None for a removal."""

    at: datetime
    user: str | None
    before: str
    after: str
    days: int | None
    reason: str


@dataclass(frozen=True)
class Slippage:
    """The first and the current due date, the days between them, and each slip. A partial date counts as its last possible day."""

    first: str
    present: str
    days: int | None
    slips: list[Slip]


def days_between(before: str, after: str) -> int | None:
    """The days from one partial date to another. None if one is empty."""
    first, last = last_day(before), last_day(after)
    return (last - first).days if first and last else None


def slippage(recommendation: Recommendation, user: Any) -> Slippage:
    """The slips of the due date, oldest first. Excludes those from times when this user could not read the recommendation."""
    reader = Reader.of(user)
    history = History(recommendation, {}, reader)
    changes = history.readable().filter(op="update", changed__has_key="due_on").order_by("id")
    slips = []
    for change in changes:
        if not history.had_been_readable(change):
            continue  # the user may not see the previous due date
        before, after, actor = change.before["due_on"], change.changed["due_on"], change.actor or {}
        days = days_between(before, after)
        if before and (days is None or days > 0):
            slips.append(Slip(change.at, actor.get("user"), before, after, days, actor.get("reason", "")))
    first, present = recommendation.original_due_on, recommendation.due_on
    return Slippage(first, present, days_between(first, present), slips)
