"""How often and how far a deadline has slipped, and why: read back from the history of the due day."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from policytracker.edtf import last_day
from policytracker.history import History
from policytracker.visibility import Reader
from recommendations.models import Recommendation


@dataclass(frozen=True)
class Slip:
    """A due day that was set, and was put off, or taken away. `days` is None where no day is due any more."""

    at: datetime
    user: str | None
    before: str
    after: str
    days: int | None
    reason: str


@dataclass(frozen=True)
class Slipped:
    """By when it was to be done at first, by when it is now, and what happened between. A day is the last that a date can mean."""

    first: str
    present: str
    days: int | None
    slips: list[Slip]


def days_between(before: str, after: str) -> int | None:
    first, last = last_day(before), last_day(after)
    return (last - first).days if first and last else None


def slipped(recommendation: Recommendation, who: Any) -> Slipped:
    """The slips of a deadline, oldest first, as far as this person could have read of each."""
    reader = Reader.of(who)
    moves = History(recommendation, {}, reader).readable().filter(op="update", changed__has_key="due_on").order_by("id")
    slips = []
    for move in moves:
        before, after, actor = move.before["due_on"], move.changed["due_on"], move.actor or {}
        days = days_between(before, after)
        if before and (days is None or days > 0):
            slips.append(Slip(move.at, actor.get("user"), before, after, days, actor.get("reason", "")))
    first, present = recommendation.original_due_on, recommendation.due_on
    return Slipped(first, present, days_between(first, present), slips)
