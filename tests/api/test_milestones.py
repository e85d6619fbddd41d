"""Milestones and dependencies: validation errors."""

import pytest

from recommendations.models import Dependency
from tests.make import make_recommendation

REASON = "Enter a change reason. It is required to change a due date."


def test_changing_the_due_date_of_a_milestone_requires_a_reason(world, as_analyst):
    made = as_analyst.post("milestones/", {"recommendation": "act", "title": "The keel is laid"}).json()
    at = f"milestones/{made['uid']}/"

    assert as_analyst.patch(at, {"due_on": "2027-06"}).status_code == 200
    for due_on in ("2028", None):
        refused = as_analyst.patch(at, {"due_on": due_on})
        assert refused.status_code == 400
        assert refused.json() == {"code": "reason_required", "detail": REASON, "due_on": [REASON]}
    moved = as_analyst.patch(at, {"due_on": "2028", "change_reason": "No steel."})
    assert (moved.status_code, moved.json()["due_on"]) == (200, "2028")
    assert as_analyst.list(f"{at}history/")["results"][0]["reason"] == "No steel."


@pytest.mark.parametrize(
    ("recommendation", "depends_on", "code"),
    [
        ("later", "act", "dependency_is_stated_once"),
        ("act", "act", "dependency_needs_two"),
        ("act", "later", "dependency_has_no_circle"),
        ("act", "last", "dependency_has_no_circle"),
    ],
)
def test_an_invalid_dependency_is_reported_on_depends_on(world, as_analyst, recommendation, depends_on, code):
    last = make_recommendation(slug="last")
    Dependency.objects.create(recommendation=world.later, depends_on=world.act)
    Dependency.objects.create(recommendation=last, depends_on=world.later)

    refused = as_analyst.post("dependencies/", {"recommendation": recommendation, "depends_on": depends_on})

    assert refused.status_code == 400 and refused.json()["_codes"] == {"depends_on": [code]}


def test_a_circular_dependency_within_a_list_is_rejected(world, as_analyst):
    bodies = [{"recommendation": "act", "depends_on": "later"}, {"recommendation": "later", "depends_on": "act"}]

    refused = as_analyst.post("dependencies/", bodies)

    assert refused.status_code == 400 and list(refused.json()["errors"]) == ["1"]
    assert not Dependency.objects.exists()
