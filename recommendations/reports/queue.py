"""How much work waits for a user."""

from __future__ import annotations

from datetime import date, timedelta

from policytracker.models import User
from recommendations.deadlines import Freshness, freshness
from recommendations.models import ProgressUpdate, Recommendation, Review
from recommendations.progress import REVIEWERS

DUE_WITHIN = 30  # days


def queue(user: User, on: date) -> dict[str, int]:
    """How much waits for this user: own open recommendations that are due or stale, updates returned, and updates to review."""
    mine = Recommendation.objects.visible_to(user).open().filter(owner=user)
    updates = ProgressUpdate.objects.visible_to(user)
    waiting = updates.filter(review=Review.SUBMITTED)
    return {
        "due": mine.filter(due_on_last__lte=on + timedelta(DUE_WITHIN)).count(),
        "stale": mine.alias(fresh=freshness(on)).filter(fresh__in=[Freshness.STALE, Freshness.NEVER]).count(),
        "returned": updates.filter(review=Review.RETURNED, author=user).count(),
        "waiting_for_review": waiting.count() if user.roles & REVIEWERS else 0,
    }
