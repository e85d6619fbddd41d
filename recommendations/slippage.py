"""How often and by how many days a due date was postponed, and why, according to the history of the record."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from policytracker.edtf import last_day
from policytracker.history.record import History
from policytracker.records.access import Reader
from recommendations.models import Recommendation


@dataclass(frozen=True)
class Slip:
    """One change of a due date to a later one, or its removal. `days` is None if there is no due date any more."""

    at: datetime
    user: str | None
    before: str
    after: str
    days: int | None
    reason: str


@dataclass(frozen=True)
class Slipped:
    """The first and the present due date, the days between them, and each slip. A partial date counts as its last possible day."""

    first: str
    present: str
    days: int | None
    slips: list[Slip]


def days_between(before: str, after: str) -> int | None:
    first, last = last_day(before), last_day(after)
    return (last - first).days if first and last else None


def slipped(recommendation: Recommendation, user: Any) -> Slipped:
    """The slips of a due date, oldest first, without those that this user could not have read at the time."""
    reader = Reader.of(user)
    history = History(recommendation, {}, reader)
    changes = history.readable().filter(op="update", changed__has_key="due_on").order_by("id")
    slips = []
    for change in changes:
        if history.hidden(change.since):
            continue  # the due date before it is hidden
        before, after, actor = change.before["due_on"], change.changed["due_on"], change.actor or {}
        days = days_between(before, after)
        if before and (days is None or days > 0):
            slips.append(Slip(change.at, actor.get("user"), before, after, days, actor.get("reason", "")))
    first, present = recommendation.original_due_on, recommendation.due_on
    return Slipped(first, present, days_between(first, present), slips)
