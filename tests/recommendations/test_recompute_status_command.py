"""`manage.py recompute_status` compares the stored status with the updates and corrects it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection

from recommendations.models import Recommendation, StatusPeriod
from recommendations.progress import Report, report_progress
from tests.make import make_recommendation

TODAY = date(2026, 11, 24)


@pytest.fixture
def assessed(analyst) -> Recommendation:
    recommendation = make_recommendation()
    report_progress(recommendation, Report(status="in_progress", narrative="Begun.", reported_on=TODAY), by=analyst, today=TODAY)
    return recommendation


@contextmanager
def recomputing() -> Iterator[None]:
    """Set the parameter with which the database accepts writes of derived fields."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('policytracker.recomputing_status', 'on', true)")
        yield
        cursor.execute("SELECT set_config('policytracker.recomputing_status', '', true)")


def change_status(recommendation: Recommendation) -> None:
    with recomputing():
        Recommendation.objects.filter(pk=recommendation.pk).update(status="implemented", closed_on=TODAY)


def change_period(recommendation: Recommendation) -> None:
    with recomputing():
        StatusPeriod.objects.filter(recommendation=recommendation).update(progress_percent=99)


def delete_period(recommendation: Recommendation) -> None:
    with recomputing():
        StatusPeriod.objects.filter(recommendation=recommendation).delete()


def recompute(*arguments: str) -> str:
    out = StringIO()
    call_command("recompute_status", *arguments, stdout=out)
    return out.getvalue().strip()


def test_nothing_is_reported_when_statuses_match_the_updates(assessed):
    assert recompute("--check") == recompute() == "All statuses match the updates."


@pytest.mark.parametrize("tamper", [change_status, change_period, delete_period])
def test_the_check_lists_differences_and_changes_nothing(assessed, tamper):
    tamper(assessed)
    before = [*Recommendation.objects.values(), *StatusPeriod.objects.values()]

    with pytest.raises(CommandError, match=assessed.slug):
        recompute("--check")

    assert [*Recommendation.objects.values(), *StatusPeriod.objects.values()] == before


@pytest.mark.parametrize("tamper", [change_status, change_period, delete_period])
def test_recomputing_restores_the_values(assessed, tamper):
    before = [Recommendation.objects.values("status", "closed_on").get(), StatusPeriod.objects.values().get()]
    tamper(assessed)

    assert recompute() == "1 recomputed."

    assert [Recommendation.objects.values("status", "closed_on").get(), StatusPeriod.objects.values().get()] == before
    assert recompute("--check") == "All statuses match the updates."
