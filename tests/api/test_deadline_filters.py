"""Filters of recommendations by deadline and freshness."""

from datetime import timedelta

import pytest
from django.utils import timezone

from policytracker.resources import today
from recommendations.derived_status import recompute_status
from recommendations.models import Milestone, Recommendation
from tests.make import make_recommendation

pytestmark = pytest.mark.django_db


@pytest.fixture
def register(as_reader, analyst):
    """Recommendations with every kind of deadline. Returns a function from filters to matching slugs."""
    day = today()
    for slug, fields in {
        "past": {"due_on": str(day - timedelta(1))},
        "today": {"due_on": str(day)},
        "in-30": {"due_on": str(day + timedelta(30))},
        "in-31": {"due_on": str(day + timedelta(31))},
        "this-year": {"due_on": str(day.year)},
        "last-year": {"due_on": str(day.year - 1)},
        "never": {"owner": analyst},
        "met": {"due_on": "2025-06", "found": ("implemented", "2025-06-30")},
        "met-late": {"due_on": "2025-06", "found": ("addressed_otherwise", "2025-07-01")},
        "dropped": {"due_on": "2025-06", "found": ("withdrawn", "2025-05-01")},
        "partly": {"due_on": "2025-06", "found": ("partly_implemented", "2025-05-01"), "closes": True},
        "fresh": {"found": ("in_progress", day - timedelta(90))},
        "stale": {"found": ("in_progress", day - timedelta(91))},
        "weekly": {"found": ("in_progress", day - timedelta(8)), "update_every": 7},
    }.items():
        found, closes = fields.pop("found", None), fields.pop("closes", False)
        made = make_recommendation(slug=slug, **fields)
        if found:
            status, on = found
            made.updates.create(status=status, reported_on=on, closes=closes, review="approved", reviewed_at=timezone.now())
    recompute_status()
    return lambda **question: set(as_reader.keys("recommendations/", **question))


CLOSED = {"met", "met-late", "dropped", "partly"}


def test_open_means_without_a_closing_date(register):
    assert register(open="false") == CLOSED == register(closed_on__empty="false")
    assert register(open="true") == register() - CLOSED


def test_overdue_means_open_and_past_the_last_due_day(register):
    assert register(overdue="true") == {"past", "last-year"}
    assert register(overdue="false") == register() - {"past", "last-year"}
    assert register(overdue="true", open="false") == set()


def test_due_within_counts_days_from_today(register):
    this_year = {"this-year"} if (today().replace(month=12, day=31) - today()).days <= 30 else set()

    assert register(due_within=0) == {"today"} | (this_year if (today().month, today().day) == (12, 31) else set())
    assert register(due_within=30) == {"today", "in-30"} | this_year
    assert register(due_within=31) >= {"today", "in-30", "in-31"}
    assert register(due_within=3650) == {"today", "in-30", "in-31", "this-year"}


def test_the_deadline_state_is_shown_and_filtered_alike(register, as_reader):
    near = (today().replace(month=12, day=31) - today()).days <= 30
    expected = {
        "none": {"never", "fresh", "stale", "weekly"},
        "met": {"met"},
        "met_late": {"met-late"},
        "closed": {"dropped", "partly"},
        "overdue": {"past", "last-year"},
        "due_soon": {"today", "in-30"} | ({"this-year"} if near else set()),
        "upcoming": {"in-31"} | (set() if near else {"this-year"}),
        "open_ended": set(),
    }

    assert {state: register(deadline_state=state) for state in expected} == expected
    shown = as_reader.list("recommendations/", fields="slug,deadline_state")["results"]
    assert all(row["slug"] in expected[row["deadline_state"]] for row in shown)
    assert register(deadline_state=["met", "met_late"]) == {"met", "met-late"}


def test_freshness_is_the_age_of_the_newest_approved_assessment(register, as_reader):
    expected = {
        "none": CLOSED,
        "fresh": {"fresh"},
        "stale": {"stale", "weekly"},
        "never": {"past", "today", "in-30", "in-31", "this-year", "last-year", "never"},
    }

    assert {freshness: register(freshness=freshness) for freshness in expected} == expected
    shown = as_reader.list("recommendations/", fields="slug,freshness")["results"]
    assert all(row["slug"] in expected[row["freshness"]] for row in shown)


def test_milestones_are_filtered_by_deadline_state(register, as_reader):
    day, open_one, closed = today(), Recommendation.objects.get(slug="never"), Recommendation.objects.get(slug="dropped")
    expected = {
        "none": {"recommendation": open_one},
        "met": {"recommendation": closed, "due_on": "2025-06", "completed_on": "2025-06-30"},
        "met_late": {"recommendation": open_one, "due_on": "2025-06", "completed_on": "2025-07-01"},
        "closed": {"recommendation": closed, "due_on": "2025-06"},
        "overdue": {"recommendation": open_one, "due_on": str(day.year - 1)},
        "due_soon": {"recommendation": open_one, "due_on": str(day)},
        "upcoming": {"recommendation": open_one, "due_on": str(day.year + 1)},
    }
    keys = {state: str(Milestone.objects.create(title=state, **fields).uid) for state, fields in expected.items()}

    assert {state: as_reader.keys("milestones/", deadline_state=state) for state in expected} == {
        state: [key] for state, key in keys.items()
    }
    assert set(as_reader.keys("milestones/", deadline_state=["overdue", "met"])) == {keys["overdue"], keys["met"]}
