"""Building the whole register in one transaction."""

from __future__ import annotations

from datetime import UTC, date, datetime

from django.db import connection, transaction

from agreements.models import Party
from benchmarks.build.agreements import fill_agreements, fill_parties
from benchmarks.build.recommendations import fill_recommendations
from benchmarks.build.treaties import fill_treaties
from benchmarks.build.users import make_users
from benchmarks.build.values import Maker
from benchmarks.build.writer import Writer
from policytracker.accounts.models import User
from policytracker.records.context import change_context
from recommendations.derived_status import recompute_status
from recommendations.models import Recommendation

SMALLEST = 200  # recommendations


class BuildError(Exception):
    """The database cannot be filled."""


def build(recommendations: int = 5_000, *, today: date | None = None, seed: int = 1, show: bool = False) -> None:
    """Write that many recommendations and the records that belong to them, in one transaction. Raises BuildError."""
    if recommendations < SMALLEST:
        raise BuildError(f"Use at least {SMALLEST} recommendations.")
    if Party.objects.filter(code="p-001").exists():
        raise BuildError("This database already contains benchmark data.")
    make, write = Maker(today or datetime.now(UTC).date(), seed), Writer(show)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("DISCARD PLANS")  # this connection may have planned the functions of triggers for small tables
        parties = fill_parties(make, write)
        analysts, reviewers = make_users(parties)
        context = fill_agreements(recommendations, make, write, analysts, parties)
        fill_treaties(context, make, write)
        fill_recommendations(recommendations, context, make, write, analysts, reviewers)
        with change_context(User.objects.get(username="reviewer-1"), "No longer followed.", "benchmark"):
            recompute_status()
            Recommendation.objects.filter(slug__endswith="77", publication="published").update(publication="archived")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
