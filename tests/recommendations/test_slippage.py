"""How often and how far a deadline slipped, and why."""

import pytest

from policytracker.records.context import change_context
from recommendations.slippage import slipped
from tests.admin.page import change
from tests.conftest import make_user
from tests.make import make_recommendation

pytestmark = pytest.mark.django_db


def move(recommendation, by, **to):
    with change_context(by, to.pop("reason", "")):
        type(recommendation).objects.filter(pk=recommendation.pk).update(**to)
    recommendation.refresh_from_db()


@pytest.fixture
def put_off(analyst, reviewer):
    recommendation = make_recommendation()
    move(recommendation, analyst, due_on="2026-03")
    move(recommendation, analyst, due_on="2026-06-30", reason="minister postponed it")
    move(recommendation, analyst, details="Nothing about days.")
    move(recommendation, reviewer, due_on="2026-05-31", reason="sooner after all")
    move(recommendation, reviewer, due_on="", reason="on hold")
    move(recommendation, reviewer, due_on="2027")
    return recommendation


def test_each_slip_says_when_who_how_far_and_why(put_off, analyst):
    found = slipped(put_off, analyst)

    told = [(slip.user, slip.before, slip.after, slip.days, slip.reason) for slip in found.slips]
    assert told == [
        ("analyst", "2026-03", "2026-06-30", 91, "minister postponed it"),
        ("reviewer", "2026-05-31", "", None, "on hold"),
    ]
    assert (found.first, found.present) == ("2026-03", "2027")
    # From the last day that each can mean.
    assert found.days == 640
    assert found.slips == sorted(found.slips, key=lambda slip: slip.at)


def test_without_a_due_day_at_either_end_no_days_have_slipped(analyst):
    recommendation = make_recommendation()
    assert (slipped(recommendation, analyst).days, slipped(recommendation, analyst).slips) == (None, [])
    move(recommendation, analyst, due_on="2026")
    assert (slipped(recommendation, analyst).days, slipped(recommendation, analyst).slips) == (0, [])
    move(recommendation, analyst, due_on="", reason="on hold")
    assert (slipped(recommendation, analyst).days, len(slipped(recommendation, analyst).slips)) == (None, 1)


def test_what_slipped_while_it_was_hidden_stays_hidden(analyst):
    recommendation, reader = make_recommendation(due_on="2026", visibility="restricted"), make_user("a reader", "reader")
    move(recommendation, analyst, due_on="2027", reason="a secret")
    move(recommendation, analyst, visibility="public")
    move(recommendation, analyst, due_on="2028", reason="told to all")

    assert [slip.reason for slip in slipped(recommendation, reader).slips] == ["told to all"]


def test_the_due_day_before_the_change_that_made_it_visible_stays_hidden(analyst):
    recommendation, reader = make_recommendation(due_on="2026", visibility="restricted"), make_user("a reader", "reader")
    move(recommendation, analyst, due_on="2027", visibility="public", reason="first known as 2026")

    assert slipped(recommendation, reader).slips == []
    assert [slip.before for slip in slipped(recommendation, make_user("boss", "administrator")).slips] == ["2026"]


def test_the_page_tells_it_beside_the_deadline(put_off, analyst, client):
    client.force_login(analyst, backend="django.contrib.auth.backends.ModelBackend")

    page = client.get(change(put_off), secure=True).content.decode()

    assert "moved 2 times, by 640 days in total" in page
    assert "analyst: 2026-03 → 2026-06-30 (minister postponed it)" in page
