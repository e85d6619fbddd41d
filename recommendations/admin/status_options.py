"""The box *Allowed next statuses* on the tab *Progress*."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _

from policytracker.accounts.models import User
from policytracker.resources import today
from recommendations import progress
from recommendations.models import Recommendation
from recommendations.models.refusals import RefusalCode

SHORT = {RefusalCode.EVIDENCE_REQUIRED: _("Requires evidence.")}  # without the status, which is beside it
Line = tuple[str, list[str]]  # a status, and what it requires or why it is blocked


@dataclass(frozen=True)
class StatusOptions:
    """The statuses that an update can set besides the present one, and the others.

    `common` are the conditions of all allowed ones, which are shown once.
    """

    allowed: list[Line]
    blocked: list[Line]
    common: list[str]


def status_options(recommendation: Recommendation, user: User) -> StatusOptions:
    allowed, blocked = [], []
    for option in progress.transitions(recommendation, by=user, today=today()):
        if option.status == recommendation.status:
            continue
        # Each update needs a narrative, and its form requires it.
        reasons = [refusal for refusal in option.unmet if refusal.reason is not RefusalCode.NARRATIVE_REQUIRED]
        unmet = [str(SHORT.get(refusal.reason, refusal.detail)) for refusal in reasons]
        (allowed if option.allowed else blocked).append((option.label, unmet))
    first = allowed[0][1] if allowed else []
    common = [detail for detail in first if all(detail in unmet for _label, unmet in allowed)]
    return StatusOptions([(label, [detail for detail in unmet if detail not in common]) for label, unmet in allowed], blocked, common)
