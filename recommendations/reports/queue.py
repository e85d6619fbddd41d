"""The work queue of a user in numbers."""

from __future__ import annotations

from datetime import date, timedelta

from policytracker.accounts.models import User
from recommendations.deadlines import Freshness, freshness
from recommendations.models import ProgressUpdate, Recommendation, Review
from recommendations.progress import REVIEWERS

DUE_WITHIN = 30  # days


def queue(user: User, today: date) -> dict[str, int]:
    """Counts of the user's open work today.

    `due`: own recommendations due within 30 days or overdue. `stale`: own recommendations without a recent assessment.
    `returned`: own updates to revise. `waiting_for_review`: submitted updates, if the user may review.
    """
    own = Recommendation.objects.visible_to(user).open().filter(owner=user)
    updates = ProgressUpdate.objects.visible_to(user)
    submitted = updates.filter(review=Review.SUBMITTED)
    return {
        "due": own.filter(due_on_last__lte=today + timedelta(DUE_WITHIN)).count(),
        "stale": own.alias(fresh=freshness(today)).filter(fresh__in=[Freshness.STALE, Freshness.NEVER]).count(),
        "returned": updates.filter(review=Review.RETURNED, author=user).count(),
        "waiting_for_review": submitted.count() if user.roles & REVIEWERS else 0,
    }
