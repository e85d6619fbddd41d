"""The check that compares what is stored of a recommendation with what its updates say."""

from datetime import date
from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection

from recommendations.models import Recommendation
from recommendations.progress import Report, report
from tests.make import make_recommendation

TODAY = date(2026, 11, 24)


@pytest.fixture
def assessed(analyst) -> Recommendation:
    recommendation = make_recommendation()
    report(recommendation, Report(status="in_progress", narrative="Begun.", reported_on=TODAY), by=analyst, today=TODAY)
    return recommendation


def tamper(recommendation: Recommendation) -> None:
    """Write past the guard, as a careless superuser might."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('policytracker.settling', 'on', true)")
        Recommendation.objects.filter(pk=recommendation.pk).update(status="implemented", closed_on=TODAY)
        cursor.execute("SELECT set_config('policytracker.settling', '', true)")


def settle(*arguments: str) -> str:
    out = StringIO()
    call_command("settle", *arguments, stdout=out)
    return out.getvalue().strip()


def test_recommendations_stand_as_their_updates_say(assessed):
    assert settle("--check") == settle() == "All stand as their updates say."


def test_one_that_does_not_is_named_and_left_alone_by_the_check(assessed):
    tamper(assessed)

    with pytest.raises(CommandError, match=assessed.slug):
        settle("--check")
    assessed.refresh_from_db()
    assert assessed.status == "implemented"


def test_settling_lets_it_stand_as_its_updates_say(assessed):
    tamper(assessed)

    assert settle() == "1 settled anew."
    assessed.refresh_from_db()
    assert (assessed.status, assessed.closed_on) == ("in_progress", None)
    assert settle("--check") == "All stand as their updates say."
