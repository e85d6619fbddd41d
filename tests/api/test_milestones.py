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
    ("recommendation", "depends_on", "sentence"),
    [
        ("later", "act", "This dependency is already recorded."),
        ("act", "act", "A recommendation does not need itself."),
        ("act", "later", "A recommendation cannot depend on itself, directly or through others."),
        ("act", "last", "A recommendation cannot depend on itself, directly or through others."),
    ],
)
def test_an_invalid_dependency_is_reported_on_depends_on(world, as_analyst, recommendation, depends_on, sentence):
    last = make_recommendation(slug="last")
    Dependency.objects.create(recommendation=world.later, depends_on=world.act)
    Dependency.objects.create(recommendation=last, depends_on=world.later)

    refused = as_analyst.post("dependencies/", {"recommendation": recommendation, "depends_on": depends_on})

    assert refused.status_code == 400 and refused.json()["depends_on"] == [sentence]


def test_a_circular_dependency_within_a_list_is_rejected(world, as_analyst):
    bodies = [{"recommendation": "act", "depends_on": "later"}, {"recommendation": "later", "depends_on": "act"}]

    refused = as_analyst.post("dependencies/", bodies)

    assert refused.status_code == 400 and list(refused.json()["errors"]) == ["1"]
    assert not Dependency.objects.exists()
