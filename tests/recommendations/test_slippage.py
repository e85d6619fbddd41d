"""Postponements of due dates: how often, by how many days, and why."""

import pytest

from policytracker.records.context import change_context
from recommendations.slippage import slippage
from tests.admin.page import change
from tests.conftest import make_user
from tests.make import make_recommendation

pytestmark = pytest.mark.django_db


def change_fields(recommendation, by, reason="", **values):
    with change_context(by, reason):
        type(recommendation).objects.filter(pk=recommendation.pk).update(**values)
    recommendation.refresh_from_db()


@pytest.fixture
def postponed(analyst, reviewer):
    recommendation = make_recommendation()
    change_fields(recommendation, analyst, due_on="2026-03")
    change_fields(recommendation, analyst, due_on="2026-06-30", reason="minister postponed it")
    change_fields(recommendation, analyst, details="No due date here.")
    change_fields(recommendation, reviewer, due_on="2026-05-31", reason="sooner after all")
    change_fields(recommendation, reviewer, due_on="", reason="on hold")
    change_fields(recommendation, reviewer, due_on="2027")
    return recommendation


def test_each_slip_has_time_user_days_and_reason(postponed, analyst):
    result = slippage(postponed, analyst)

    assert [(slip.user, slip.before, slip.after, slip.days, slip.reason) for slip in result.slips] == [
        ("analyst", "2026-03", "2026-06-30", 91, "minister postponed it"),
        ("reviewer", "2026-05-31", "", None, "on hold"),
    ]
    assert (result.first, result.present) == ("2026-03", "2027")
    assert result.days == 640  # from 2026-03-31 to 2027-12-31, the last possible days
    assert result.slips == sorted(result.slips, key=lambda slip: slip.at)


def test_days_are_unknown_without_a_first_or_current_due_date(analyst):
    recommendation = make_recommendation()
    assert (slippage(recommendation, analyst).days, slippage(recommendation, analyst).slips) == (None, [])
    change_fields(recommendation, analyst, due_on="2026")
    assert (slippage(recommendation, analyst).days, slippage(recommendation, analyst).slips) == (0, [])
    change_fields(recommendation, analyst, due_on="", reason="on hold")
    assert (slippage(recommendation, analyst).days, len(slippage(recommendation, analyst).slips)) == (None, 1)


def test_slips_from_the_time_before_a_recommendation_was_readable_are_hidden(analyst):
    recommendation, reader = make_recommendation(due_on="2026", visibility="restricted"), make_user("a reader", "reader")
    change_fields(recommendation, analyst, due_on="2027", reason="confidential")
    change_fields(recommendation, analyst, visibility="public")
    change_fields(recommendation, analyst, due_on="2028", reason="announced")

    assert [slip.reason for slip in slippage(recommendation, reader).slips] == ["announced"]


def test_a_slip_in_the_same_change_that_made_it_readable_is_hidden(analyst):
    recommendation, reader = make_recommendation(due_on="2026", visibility="restricted"), make_user("a reader", "reader")
    change_fields(recommendation, analyst, due_on="2027", visibility="public", reason="published")

    assert slippage(recommendation, reader).slips == []
    assert [slip.before for slip in slippage(recommendation, make_user("admin", "administrator")).slips] == ["2026"]


def test_the_page_shows_slips_beside_the_due_date(postponed, analyst, client):
    client.force_login(analyst, backend="django.contrib.auth.backends.ModelBackend")

    page = client.get(change(postponed), secure=True).content.decode()

    assert "moved 2 times, by 640 days in total" in page
    assert "analyst: 2026-03 → 2026-06-30 (minister postponed it)" in page
