"""The box *Allowed next statuses* on the tab *Progress*."""

from __future__ import annotations

from dataclasses import dataclass

from policytracker.models import User
from policytracker.resources import today
from recommendations import progress
from recommendations.models import Recommendation
from recommendations.models.refusals import RefusalCode

Line = tuple[str, list[str]]  # a status, and what it requires or why it is blocked


@dataclass(frozen=True)
class StatusOptions:
    """The statuses that an update can set, and the others. `common` are the conditions of all allowed ones, which are shown once."""

    allowed: list[Line]
    blocked: list[Line]
    common: list[str]


def status_options(recommendation: Recommendation, user: User) -> StatusOptions:
    allowed, blocked = [], []
    for option in progress.transitions(recommendation, by=user, today=today()):
        # Each update needs a narrative, and its form says so.
        unmet = [str(refusal.detail) for refusal in option.unmet if refusal.reason is not RefusalCode.NARRATIVE_REQUIRED]
        (allowed if option.allowed else blocked).append((option.label, unmet))
    first = allowed[0][1] if allowed else []
    common = [detail for detail in first if all(detail in unmet for _label, unmet in allowed)]
    return StatusOptions([(label, [detail for detail in unmet if detail not in common]) for label, unmet in allowed], blocked, common)
