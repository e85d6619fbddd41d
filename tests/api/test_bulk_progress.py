"""Bulk progress reports and approvals: all entries or none."""

import pytest

from recommendations.models import ProgressUpdate, Recommendation
from tests.api.client import Api
from tests.make import make_recommendation

NOWHERE = "99999999-9999-4999-8999-999999999999"
BEGUN = {"status": "in_progress", "narrative": "Begun.", "reported_on": "2025-03-01"}
DONE = {"status": "implemented", "narrative": "Done.", "reported_on": "2025-03-02", "evidence": [{"source": "communique"}]}


@pytest.fixture
def three(world):
    return [make_recommendation(slug=slug) for slug in ("one", "two", "three")]


def errors(response) -> dict:
    assert response.status_code == 400, response.content
    assert list(response.json()) == ["errors"]
    return response.json()["errors"]


def waiting(client, *slugs) -> list[str]:
    answer = client.post("recommendations/progress/", [{"recommendation": slug, **DONE} for slug in slugs])
    assert answer.status_code == 201, answer.content
    return [row["update"]["uid"] for row in answer.json()]


# ---- report


def test_progress_of_several_recommendations_is_reported_in_one_list(three, as_analyst):
    entries = [{"recommendation": "two", **BEGUN, "version": 1}, {"recommendation": "one", **DONE, "change_reason": "seen"}]

    answer = as_analyst.post("recommendations/progress/", entries)

    assert answer.status_code == 201, answer.content
    rows = answer.json()
    assert [(row["recommendation"]["slug"], row["recommendation"]["status"]) for row in rows] == [
        ("two", "in_progress"),
        ("one", "not_assessed"),
    ]
    assert [row["update"]["review"] for row in rows] == ["approved", "submitted"]
    for row in rows:
        assert row["update"] == as_analyst.get(f"progress-updates/{row['update']['uid']}/").json()
        assert row["recommendation"] == as_analyst.get(f"recommendations/{row['recommendation']['slug']}/").json()
    history = as_analyst.get(f"progress-updates/{rows[1]['update']['uid']}/history/").json()["results"]
    assert history[-1]["reason"] == "seen"


def test_a_refused_report_has_the_same_error_as_if_sent_alone(three, as_analyst):
    bodies = {
        "one": {"status": "implemented", "reported_on": "2025-03-01"},
        "two": {**BEGUN, "version": 7},
        "three": {**BEGUN, "progress_percent": 200, "colour": "red"},
        "nowhere": BEGUN,
    }
    alone = [as_analyst.post(f"recommendations/{slug}/progress/", body) for slug, body in bodies.items()]
    listed = [{"recommendation": slug, **body} for slug, body in bodies.items()]

    found = errors(as_analyst.post("recommendations/progress/", [{"recommendation": "act", **BEGUN}, *listed]))

    assert [response.status_code for response in alone] == [409, 412, 400, 404]
    assert found == {str(index): response.json() for index, response in enumerate(alone, 1)}
    assert [refusal["code"] for refusal in found["1"]["unmet"]] == ["evidence_required", "narrative_required"]
    assert not ProgressUpdate.objects.filter(recommendation__slug="act").exists()


def test_a_recommendation_occurs_once_in_a_list(three, as_analyst):
    entries = [{"recommendation": "one", **BEGUN}, {**BEGUN}, {"recommendation": "one", **BEGUN}, 5, None]

    found = errors(as_analyst.post("recommendations/progress/", entries))

    assert {index: {name for name in body if not name.startswith("_")} for index, body in found.items()} == {
        "1": {"recommendation"},
        "2": {"recommendation"},
        "3": {"non_field_errors"},
        "4": {"non_field_errors"},
    }


def test_a_dry_run_of_a_list_writes_nothing(three, as_analyst):
    entries = [{"recommendation": slug, **BEGUN, "dry_run": True} for slug in ("one", "two")]

    answer = as_analyst.post("recommendations/progress/", entries)

    assert answer.status_code == 200, answer.content
    assert [(row["update"]["uid"], row["recommendation"]["status"]) for row in answer.json()] == [(None, "in_progress")] * 2
    assert not ProgressUpdate.objects.exists()
    assert set(errors(as_analyst.post("recommendations/progress/", [*entries, {"recommendation": "three", **BEGUN}]))) == {"2"}


def test_reports_without_a_permitted_entry_are_403(three, as_reader, as_officer):
    ours = {"kind": "claim", "party": "AUS", **BEGUN}

    for client in (as_reader, as_officer):
        refused = client.post("recommendations/progress/", [{"recommendation": "one", **BEGUN}, {"recommendation": "two", **BEGUN}])
        assert (refused.status_code, refused.json()["code"]) == (403, "not_permitted")
    mixed = as_officer.post("recommendations/progress/", [{"recommendation": "one", **ours}, {"recommendation": "two", **BEGUN}])
    assert errors(mixed)["1"]["code"] == "not_permitted"
    assert Api().post("recommendations/progress/", []).status_code == 401


@pytest.mark.parametrize("body", [{}, {"recommendation": "one", **BEGUN}, [{"recommendation": "one", **BEGUN}] * 501, "text"])
def test_a_list_of_reports_has_at_most_500_entries(three, as_analyst, body):
    answer = as_analyst.post("recommendations/progress/", body)

    assert answer.status_code == 400 and "non_field_errors" in answer.json()


def test_a_repeated_list_of_reports_is_filed_once(three, as_analyst):
    body = [{"recommendation": "one", **BEGUN}]

    sent = [as_analyst.post("recommendations/progress/", body, HTTP_IDEMPOTENCY_KEY="k") for _ in range(2)]

    assert sent[0].json() == sent[1].json() and sent[1]["Idempotent-Replayed"] == "true"
    assert ProgressUpdate.objects.count() == 1


def test_a_recommendation_may_have_the_slug_progress(world, as_analyst):
    make_recommendation(slug="progress")

    assert as_analyst.get("recommendations/progress/").json()["slug"] == "progress"
    assert as_analyst.patch("recommendations/progress/", {"key_action": "Go on"}).json()["key_action"] == "Go on"
    assert as_analyst.get("progress-updates/approve/").status_code == 404


# ---- approve


def test_several_updates_are_approved_with_one_note(three, as_analyst, as_reviewer):
    uids = waiting(as_analyst, "one", "two")

    answer = as_reviewer.post("progress-updates/approve/", {"updates": uids, "note": "Seen."})

    assert answer.status_code == 200, answer.content
    assert [(row["update"]["uid"], row["update"]["review_note"]) for row in answer.json()] == [(uid, "Seen.") for uid in uids]
    assert set(Recommendation.objects.filter(slug__in=["one", "two"]).values_list("status", flat=True)) == {"implemented"}


def test_a_refused_approval_has_the_same_error_as_if_sent_alone(three, as_analyst, as_reviewer):
    uids = waiting(as_analyst, "one", "two")
    [own] = waiting(as_reviewer, "three")
    alone = [as_reviewer.post(f"progress-updates/{uid}/approve/") for uid in (own, NOWHERE)]

    found = errors(as_reviewer.post("progress-updates/approve/", {"updates": [*uids, own, NOWHERE, "nonsense", uids[0]]}))

    assert [found["2"], found["3"]] == [response.json() for response in alone]
    assert [found[index]["code"] for index in sorted(found)] == [
        "second_person_required", "not_found", "not_found", "already_reviewed",
    ]  # fmt: skip
    assert set(ProgressUpdate.objects.values_list("review", flat=True)) == {"submitted"}


def test_approvals_without_a_permitted_entry_are_403(three, as_analyst, as_reviewer, as_officer):
    of_reviewer, of_analyst = waiting(as_reviewer, "one"), waiting(as_analyst, "two")

    refused = as_analyst.post("progress-updates/approve/", {"updates": of_reviewer})

    assert (refused.status_code, refused.json()["code"]) == (403, "not_permitted")
    mixed = errors(as_analyst.post("progress-updates/approve/", {"updates": of_reviewer + of_analyst}))
    assert [body["code"] for body in mixed.values()] == ["not_permitted", "second_person_required"]
    unseen = errors(as_officer.post("progress-updates/approve/", {"updates": of_reviewer}))
    assert unseen["0"]["code"] == "not_found"


@pytest.mark.parametrize(
    "body", [[], {}, {"updates": "x"}, {"updates": [NOWHERE] * 501}, {"updates": [5.5, []]}, {"updates": [], "colour": 1}]
)
def test_a_list_of_approvals_has_at_most_500_entries(world, as_reviewer, body):
    assert as_reviewer.post("progress-updates/approve/", body).status_code == 400


def test_a_repeated_list_of_approvals_is_done_once(three, as_analyst, as_reviewer):
    body = {"updates": waiting(as_analyst, "one")}

    sent = [as_reviewer.post("progress-updates/approve/", body, HTTP_IDEMPOTENCY_KEY="k") for _ in range(2)]

    assert sent[0].json() == sent[1].json() and sent[1]["Idempotent-Replayed"] == "true"
