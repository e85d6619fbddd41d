"""Earlier returns of an update: who reads them, and from which times."""

from datetime import date

import pytest
from django.contrib.auth.models import AnonymousUser

from policytracker.accounts.models import User
from policytracker.records.context import change_context
from recommendations.models import ProgressUpdate, Recommendation
from recommendations.progress import Report, report_progress, send_back, submit
from recommendations.reviews import returns
from tests.conftest import make_user
from tests.make import make_recommendation

# Each write is committed, so that each has a time of its own.
pytestmark = pytest.mark.django_db(transaction=True)
TODAY = date(2026, 1, 5)


@pytest.fixture
def people() -> dict[str, User]:
    people = {role: make_user(role, role) for role in ("analyst", "reviewer", "administrator")}
    return people | {"other": make_user("other", "analyst")}


def set_visibility(update: ProgressUpdate, visibility: str, by: User) -> None:
    with change_context(by, "It was decided."):
        Recommendation.objects.filter(pk=update.recommendation_id).update(visibility=visibility)


@pytest.fixture
def returned(people) -> ProgressUpdate:
    """A submitted update that was returned when its recommendation was public, restricted and internal. It is public now."""
    recommendation = make_recommendation(priority="high")
    update = report_progress(recommendation, Report(status="in_progress", narrative="Begun."), by=people["analyst"], today=TODAY)
    for visibility, note in {"public": "First.", "restricted": "Second.", "internal": "Third."}.items():
        set_visibility(update, visibility, by=people["administrator"])
        send_back(update, by=people["administrator"], note=note)
        set_visibility(update, "public", by=people["administrator"])
        submit(update, by=people["analyst"], today=TODAY)
    return ProgressUpdate.objects.get(pk=update.pk)


def notes(update: ProgressUpdate, user: User | AnonymousUser) -> list[str]:
    return [each.note for each in returns([update], user)[update.pk]]


def test_a_return_from_a_time_when_the_reader_could_not_read_the_recommendation_is_not_shown(people, returned):
    shown = {name: notes(returned, user) for name, user in people.items()}

    assert shown == {
        "analyst": ["First.", "Third."],
        "reviewer": ["First.", "Third."],
        "administrator": ["First.", "Second.", "Third."],
        "other": [],
    }


def test_the_newest_return_of_a_returned_update_is_shown_to_all_who_may_read_the_update_now(people, returned):
    set_visibility(returned, "restricted", by=people["administrator"])
    send_back(returned, by=people["administrator"], note="Fourth.")
    set_visibility(returned, "public", by=people["administrator"])

    update = ProgressUpdate.objects.get(pk=returned.pk)

    assert notes(update, people["analyst"]) == ["First.", "Third.", "Fourth."]
    assert notes(update, people["administrator"]) == ["First.", "Second.", "Third.", "Fourth."]
