"""Progress reports and reviews through the API, and every refusal with code and status (docs/api.md)."""

from datetime import timedelta
from uuid import UUID

import pytest

from agreements.models import Source
from policytracker.records.access import Role
from policytracker.records.changes import Change
from policytracker.records.context import change_context
from policytracker.resources import today
from recommendations.models import ProgressUpdate, Recommendation
from tests.api.client import Api
from tests.api.world import UPDATE
from tests.conftest import make_user
from tests.make import make_party, make_recommendation, make_source

DAY = "2025-03-01"
ORDINARY = {"status": "in_progress", "narrative": "Begun.", "reported_on": DAY}
NOWHERE = "99999999-9999-4999-8999-999999999999"
EVIDENCE = [{"source": "communique", "quote": "“so they said” "}]
DONE = {"status": "implemented", "narrative": "Done.", "reported_on": "2025-03-02", "evidence": EVIDENCE}
CLAIM = {"kind": "claim", "party": "AUS", "status": "implemented", "narrative": "We did.", "reported_on": DAY}


def file(api, body, to="act", status=201, **headers):
    response = api.post(f"recommendations/{to}/progress/", body, headers=headers)
    assert response.status_code == status, response.content
    return response.json()


def at(answer) -> str:
    return f"progress-updates/{(answer.get('update') or answer)['uid']}/"


def act(api, answer, verb, body=None, status=200, **headers):
    response = api.post(f"{at(answer)}{verb}/", body or {}, headers=headers)
    assert response.status_code == status, response.content
    return response.json()


def codes(answer) -> list[str]:
    """The codes of all unmet conditions; the first is the code of the response."""
    assert (answer["code"], answer["detail"]) == tuple(answer["unmet"][0].values())
    assert all(set(unmet) == {"code", "detail"} and unmet["detail"].endswith(".") for unmet in answer["unmet"])
    return [unmet["code"] for unmet in answer["unmet"]]


def everything():
    """All rows that a report could write."""
    updates = ProgressUpdate.objects.order_by("pk").values()
    return [list(rows) for rows in (updates, Recommendation.objects.order_by("pk").values(), Source.objects.values_list("slug"))]


@pytest.fixture
def as_colleague(db):
    return Api(make_user("colleague", Role.REVIEWER))


# ---- reports


def test_a_minimal_assessment_is_accepted(world, as_analyst):
    answer = file(as_analyst, {"status": "in_progress", "narrative": "Begun."})

    update, recommendation = answer["update"], answer["recommendation"]
    assert set(answer) == {"update", "recommendation"} and list(update) == UPDATE.split()
    assert update == as_analyst.get(at(answer)).json() and recommendation == as_analyst.get("recommendations/act/").json()
    told_of = {
        "recommendation": "act", "kind": "assessment", "status": "in_progress", "progress_percent": None, "reported_on": str(today()),
        "party": None, "author": "analyst", "review": "approved", "reviewed_by": "analyst", "closes": False, "evidence": [],
    }  # fmt: skip
    assert {name: update[name] for name in told_of} == told_of
    assert (recommendation["status"], recommendation["status_since"]) == ("in_progress", str(today()))


def test_all_fields_of_a_report_are_stored(world, as_analyst, as_reviewer):
    wrong = file(as_analyst, ORDINARY)
    act(as_reviewer, wrong, "void", {"reason": "Of another."})
    row = {"source": "gazette", "locator": "p. 3", "quote": " “as is” ", "stance": "contradicts", "confidence": "confirmed"}
    said = {
        "kind": "assessment", "status": "partly_implemented", "progress_percent": 60, "reported_on": DAY, "narrative": "Half.",
        "reason": "It was said.", "assessed_by": "The audit office", "corrects": wrong["update"]["uid"], "closes": True,
    }  # fmt: skip

    answer = file(as_analyst, {**said, "evidence": [row], "party": None, "submit": True, "dry_run": False})

    assert {name: answer["update"][name] for name in said} == said
    kept = answer["update"]["evidence"][0]
    assert {name: kept[name] for name in row} == row and UUID(kept["uid"])
    assert answer["recommendation"]["closed_on"] == DAY and answer["recommendation"]["progress_percent"] == 60


def test_a_claim_does_not_change_the_assessed_status(world, as_analyst, as_reader):
    file(as_analyst, ORDINARY)

    answer = file(as_analyst, {**CLAIM, "evidence": EVIDENCE})["recommendation"]

    assert (answer["status"], answer["claimed_status"]) == ("in_progress", "implemented")
    assert answer["claims"] == [{"party": "AUS", "status": "implemented", "reported_on": DAY}]
    assert as_reader.keys("recommendations/", claim_differs="true") == ["act"]


def test_a_note_does_not_change_the_status(world, as_analyst):
    answer = file(as_analyst, {"kind": "note", "narrative": "They met."})

    assert (answer["update"]["kind"], answer["update"]["status"], answer["update"]["review"]) == ("note", None, "approved")
    assert (answer["recommendation"]["status"], answer["recommendation"]["last_update_on"]) == ("not_assessed", None)


def test_an_officer_claims_for_the_own_party_and_a_reviewer_approves(world, as_officer, as_reviewer, as_analyst):
    answer = file(as_officer, CLAIM)

    assert (answer["update"]["review"], answer["recommendation"]["claimed_status"]) == ("submitted", None)
    assert codes(act(as_analyst, answer, "approve", status=403)) == ["not_permitted"]
    assert act(as_reviewer, answer, "approve", {"note": "Seen."})["recommendation"]["claimed_status"] == "implemented"


def test_a_draft_is_saved_edited_submitted_returned_and_approved(world, as_analyst, as_reviewer, as_reader):
    draft = file(as_analyst, {"status": "implemented", "submit": False})
    assert draft["update"]["review"] == "draft" and draft["recommendation"]["status"] == "not_assessed"
    assert as_reader.get(at(draft)).status_code == 404
    assert codes(act(as_analyst, draft, "submit", status=409)) == ["evidence_required", "narrative_required"]

    corrected = as_analyst.patch(at(draft), {"narrative": "Done.", "evidence": EVIDENCE, "progress_percent": 100})
    assert (corrected.status_code, corrected.json()["narrative"], corrected.json()["status"]) == (200, "Done.", "implemented")
    assert corrected["ETag"] == f'"{corrected.json()["version"]}"'
    assert act(as_analyst, draft, "submit")["update"]["review"] == "submitted"
    returned = act(as_reviewer, draft, "return", {"note": "Which page?"})["update"]
    assert (returned["review"], returned["review_note"], returned["reviewed_by"]) == ("returned", "Which page?", "reviewer")
    as_analyst.patch(at(draft), {"evidence": [EVIDENCE[0] | {"locator": "p. 4"}]})
    act(as_analyst, draft, "submit")
    answer = act(as_reviewer, draft, "approve", {"note": "Good."})

    assert (answer["update"]["review"], answer["update"]["evidence"][0]["locator"]) == ("approved", "p. 4")
    assert answer["recommendation"]["status"] == "implemented"
    assert as_reader.get(at(draft)).status_code == 200


def test_put_replaces_a_draft_and_patch_updates_it(world, as_analyst):
    draft = file(as_analyst, {**ORDINARY, "progress_percent": 5, "reason": "So.", "evidence": EVIDENCE, "submit": False})

    patched = as_analyst.patch(at(draft), {"progress_percent": None}).json()
    put = as_analyst.put(at(draft), {"status": "planned"}).json()

    assert (patched["progress_percent"], patched["reason"], len(patched["evidence"])) == (None, "So.", 1)
    assert (put["status"], put["reason"], put["narrative"], put["evidence"], put["reported_on"]) == ("planned", "", "", [], str(today()))


def test_the_author_discards_a_draft_or_a_returned_update(world, as_analyst, as_reviewer):
    draft = file(as_analyst, {"status": "planned", "submit": False})
    returned = file(as_analyst, DONE)
    act(as_reviewer, returned, "return", {"note": "No."})

    assert [as_analyst.delete(at(one)).status_code for one in (draft, returned)] == [204, 204]
    assert [as_analyst.get(at(one)).status_code for one in (draft, returned)] == [404, 404]


def test_a_void_update_stays_readable_and_has_no_effect(world, as_analyst, as_reviewer, as_reader):
    answer = file(as_analyst, ORDINARY)

    voided = act(as_reviewer, answer, "void", {"reason": "Of another."})

    assert voided["recommendation"]["status"] == "not_assessed"
    shown = as_reader.get(at(answer)).json()
    assert (shown["void_reason"], shown["voided_by"], shown["review"]) == ("Of another.", "reviewer", "approved")


def test_a_dry_run_returns_the_result_and_writes_nothing(world, as_analyst):
    before = everything()

    answer = file(as_analyst, {**ORDINARY, "evidence": [{"url": "https://a.example/b", "title": "B"}], "dry_run": True}, status=200)

    assert (answer["update"]["uid"], answer["update"]["status"], answer["update"]["review"]) == (None, "in_progress", "approved")
    assert answer["recommendation"]["status"] == "in_progress"
    assert everything() == before
    assert codes(file(as_analyst, {"status": "implemented", "dry_run": True}, status=409)) == ["evidence_required", "narrative_required"]
    assert file(as_analyst, {**ORDINARY, "progress_percent": 101, "dry_run": True}, status=400)["_codes"].keys() == {"progress_percent"}
    assert everything() == before


def test_the_reason_is_kept_in_the_history(world, as_analyst, as_reviewer):
    answer = file(as_analyst, {**ORDINARY, "change_reason": "Read the news."})
    act(as_reviewer, answer, "void", {"reason": "Of another."})

    line = [entry["reason"] for entry in as_reviewer.get(f"{at(answer)}history/").json()["results"]]
    assert line == ["Of another.", "Read the news."]
    assert set(Change.objects.filter(tbl="recommendations_progressupdate").values_list("actor__channel", flat=True)) == {"api"}


# ---- evidence


def test_a_url_creates_a_draft_source_for_readers_of_the_update(world, as_analyst, as_reviewer, as_reader, as_officer):
    url = {"url": "https://a.example/reports/1", "title": "Report 1", "locator": "p. 1", "quote": "“q”"}
    answer = file(as_analyst, {**DONE, "evidence": [url]})

    slug = answer["update"]["evidence"][0]["source"]
    assert as_reader.get(f"sources/{slug}/").status_code == as_officer.get(f"sources/{slug}/").status_code == 404
    act(as_reviewer, answer, "approve")

    source = as_reader.get(f"sources/{slug}/").json()
    made = {"slug": slug, "kind": "other", "title": "Report 1", "original_url": url["url"], "publication": "draft"}
    assert {name: source[name] for name in made} == made
    assert slug.startswith("a-example-reports-1-")
    assert as_reader.get(at(answer)).json()["evidence"][0]["source"] == slug
    assert file(as_analyst, {**CLAIM, "evidence": [url]})["update"]["evidence"][0]["source"] == slug


def test_an_officer_may_create_a_source(world, as_officer):
    answer = file(as_officer, {**CLAIM, "evidence": [{"url": "https://b.example/", "title": "B"}]})

    assert as_officer.get(f"sources/{answer['update']['evidence'][0]['source']}/").json()["title"] == "B"


def test_evidence_does_not_reveal_a_hidden_source(world, as_administrator, as_reader):
    make_source(slug="secret", visibility="restricted")
    answer = file(as_administrator, {**ORDINARY, "evidence": [{"source": "secret", "locator": "p. 1", "quote": "x"}]})

    row = as_reader.get(at(answer)).json()["evidence"][0]

    assert (row["source"], row["locator"], row["quote"]) == (None, "", "")


@pytest.mark.parametrize(
    "row",
    [
        {}, {"source": "nowhere"}, {"source": "communique", "url": "https://a.example/"}, {"url": "not an address"}, {"title": "T"},
        {"source": "communique", "stance": "hints"}, {"source": "communique", "confidence": "high"}, {"source": 5}, {"url": 5},
        {"source": "communique", "page": 3}, {"source": "communique", "¹": 3},
        {"source": "communique", "1": 3}, {"url": f"https://a.example/{'x' * 2000}"}, {"source": "communique", "locator": "x" * 301},
        "communique", 5, None, [], {"source": "communique", "quote": {}},
    ],
)  # fmt: skip
def test_malformed_evidence_is_400(world, as_analyst, row):
    before = everything()

    answer = file(as_analyst, {**ORDINARY, "evidence": [row]}, status=400)

    assert list(answer["_codes"]) == ["evidence"]
    assert isinstance(answer["evidence"], list) and all(isinstance(sentence, str) for sentence in answer["evidence"])
    assert everything() == before


# ---- refusals


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, "status_required narrative_required"),
        ({"status": "in_progress"}, "narrative_required"),
        ({**ORDINARY, "narrative": " \n "}, "narrative_required"),
        ({"kind": "note"}, "narrative_required"),
        ({"kind": "claim"}, "status_required party_required evidence_required narrative_required"),
        (CLAIM, "evidence_required"),
        ({"status": "superseded", "narrative": "x"}, "superseding_recommendation_required"),
        ({"status": "addressed_otherwise"}, "evidence_required narrative_required"),
        ({"status": "superseded", "reported_on": "tomorrow"}, "superseding_recommendation_required future_date narrative_required"),
        ({"kind": "claim", "reported_on": "tomorrow"}, "status_required party_required future_date evidence_required narrative_required"),
        ({**ORDINARY, "reported_on": "tomorrow"}, "future_date"),
        ({**ORDINARY, "reported_on": "tomorrow", "submit": False}, "future_date"),
        ({"submit": False}, "status_required"),
        ({"kind": "claim", "submit": False}, "status_required party_required"),
    ],
)
def test_all_unmet_conditions_are_listed_in_the_documented_order(world, as_analyst, body, expected):
    before = everything()
    body = {name: str(today() + timedelta(1)) if value == "tomorrow" else value for name, value in body.items()}

    assert codes(file(as_analyst, body, status=409)) == expected.split()
    assert everything() == before


@pytest.mark.parametrize(
    ("first", "then", "expected"),
    [
        ("proposed", "proposed", []),
        ("in_progress", "proposed", ["transition_not_allowed"]),
        ("in_progress", "planned", ["transition_not_allowed"]),
        ("stalled", "planned", ["transition_not_allowed"]),
        ("partly_implemented", "in_progress", ["reason_required"]),
        ("planned", "proposed", ["reason_required"]),
    ],
)
def test_only_allowed_status_changes_are_accepted(world, as_analyst, first, then, expected):
    file(as_analyst, {**ORDINARY, "status": first})

    response = as_analyst.post("recommendations/act/progress/", {**ORDINARY, "status": then})

    assert (response.status_code, codes(response.json()) if expected else []) == (409 if expected else 201, expected)
    if expected == ["reason_required"]:
        file(as_analyst, {**ORDINARY, "status": then, "reason": "It was undone."})


def test_a_late_report_is_validated_on_its_report_date(world, as_analyst):
    file(as_analyst, {**ORDINARY, "status": "stalled"})

    answer = file(as_analyst, {**ORDINARY, "status": "planned", "reported_on": "2025-02-01"})

    assert answer["recommendation"]["status"] == "stalled"


@pytest.mark.parametrize("kind", ["assessment", "note", "claim"])
def test_a_reader_cannot_report(world, as_reader, kind):
    body = {"kind": kind, "party": "AUS", "narrative": "x", "evidence": EVIDENCE} | ({} if kind == "note" else {"status": "planned"})

    assert codes(file(as_reader, body, status=403)) == ["not_permitted"]
    assert codes(file(as_reader, {"kind": kind}, status=403))[0] == "not_permitted"


def test_an_officer_can_only_claim_for_the_own_party(world, as_officer):
    assert codes(file(as_officer, ORDINARY, status=403)) == ["not_permitted"]
    assert codes(file(as_officer, {"kind": "note", "narrative": "x"}, status=403)) == ["not_permitted"]
    assert codes(file(as_officer, {**CLAIM, "party": "GBR"}, status=403)) == ["not_permitted", "evidence_required"]
    assert codes(file(as_officer, {**CLAIM, "party": "GBR", "evidence": EVIDENCE}, status=403)) == ["not_permitted"]
    assert ProgressUpdate.objects.count() == 0


def test_anonymous_users_cannot_report(world):
    assert Api().post("recommendations/act/progress/", ORDINARY).status_code == 401


def test_archived_recommendations_accept_no_report(world, as_analyst, as_reviewer):
    waiting, draft = file(as_analyst, DONE), file(as_analyst, {**ORDINARY, "submit": False})
    approved = file(as_analyst, ORDINARY)
    with change_context(reason="Over."):
        Recommendation.objects.filter(slug="act").update(publication="archived")

    assert codes(file(as_analyst, {}, status=409)) == ["closed_record", "status_required", "narrative_required"]
    assert codes(act(as_reviewer, waiting, "approve", status=409)) == ["closed_record"]
    assert codes(act(as_reviewer, waiting, "return", status=409)) == ["closed_record", "reason_required"]
    assert codes(act(as_reviewer, approved, "void", {"reason": "x"}, status=409)) == ["closed_record"]
    assert codes(act(as_analyst, draft, "submit", status=409)) == ["closed_record"]
    for response in (as_analyst.patch(at(draft), {"narrative": "x"}), as_analyst.delete(at(draft))):
        assert (response.status_code, codes(response.json())) == (409, ["closed_record"])


def test_a_hidden_record_is_404(world, as_analyst, as_officer, as_reader):
    make_recommendation(slug="draft", publication="draft")
    make_recommendation(slug="secret", visibility="restricted")
    waiting = file(as_analyst, DONE)
    draft = file(as_analyst, {**ORDINARY, "submit": False})

    assert {file(as_officer, CLAIM, to=slug, status=404)["code"] for slug in ("draft", "secret", "nowhere")} == {"not_found"}
    file(as_analyst, ORDINARY, to="secret", status=404)
    for verb in ("submit", "approve", "return", "void"):
        assert act(as_reader, waiting, verb, status=404)["code"] == "not_found"
        act(Api(make_user(f"other {verb}", Role.ANALYST)), draft, verb, status=404)
        act(as_analyst, {"uid": NOWHERE}, verb, status=404)
        act(as_analyst, {"uid": "x"}, verb, status=404)


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"progress_percent": 101}, "progress_percent"), ({"progress_percent": -1}, "progress_percent"),
        ({"progress_percent": "many"}, "progress_percent"), ({"progress_percent": 1.5}, "progress_percent"),
        ({"progress_percent": True}, "progress_percent"), ({"progress_percent": [1]}, "progress_percent"),
        ({"status": "finished"}, "status"), ({"status": 5}, "status"), ({"status": ["planned"]}, "status"),
        ({"kind": "rumour"}, "kind"), ({"kind": "note"}, "status"), ({"reported_on": "2025-02-30"}, "reported_on"),
        ({"reported_on": "2025-03"}, "reported_on"), ({"reported_on": 20250301}, "reported_on"), ({"reported_on": {}}, "reported_on"),
        ({"party": "XXX"}, "party"), ({"party": 5}, "party"), ({"party": ["AUS"]}, "party"), ({"corrects": NOWHERE}, "corrects"),
        ({"corrects": "x"}, "corrects"), ({"corrects": 5}, "corrects"), ({"closes": "maybe"}, "closes"), ({"submit": "later"}, "submit"),
        ({"dry_run": "perhaps"}, "dry_run"), ({"evidence": {}}, "evidence"), ({"evidence": "communique"}, "evidence"),
        ({"evidence": [{"source": "communique"}] * 101}, "evidence"), ({"narrative": "x" * 100_001}, "narrative"),
        ({"narrative": {}}, "narrative"), ({"narrative": "a\0b"}, "narrative"), ({"assessed_by": "x" * 301}, "assessed_by"),
        ({"reason": []}, "reason"), ({"version": "one"}, "version"), ({"mood": "good"}, "mood"), ({"author": "reviewer"}, "author"),
        ({"review": "approved"}, "review"), ({"change_reason": "x" * 2001}, "change_reason"), ({"change_reason": {}}, "change_reason"),
        ({"progress_percent": 101, "status": "finished", "mood": "good"}, "progress_percent status mood"),
    ],
)  # fmt: skip
def test_an_invalid_value_is_400_on_its_field(world, as_analyst, body, fields):
    before = everything()

    answer = file(as_analyst, {**ORDINARY, **body}, status=400)

    assert set(answer["_codes"]) == set(fields.split())
    assert all(isinstance(found, list) and isinstance(found[0], str) for found in answer["_codes"].values()), answer
    assert everything() == before


@pytest.mark.parametrize("body", [[], [ORDINARY], "planned", 5, None, True])
def test_a_malformed_body_is_400(world, as_analyst, body):
    draft = file(as_analyst, {**ORDINARY, "submit": False})
    addresses = ["recommendations/act/progress/", *(f"{at(draft)}{verb}/" for verb in ("submit", "approve", "return", "void"))]

    for address in addresses:
        response = as_analyst.post(address, body) if body is not None else as_analyst.generic("POST", address, "null", "application/json")
        assert (response.status_code, list(response.json()["_codes"])) == (400, ["non_field_errors"]), address
        assert as_analyst.generic("POST", address, '{"status":', "application/json").status_code == 400
    assert as_analyst.patch(at(draft), body if body is not None else [None]).status_code == 400


def test_an_action_rejects_unknown_fields(world, as_analyst, as_reviewer):
    waiting = file(as_analyst, DONE)

    assert act(as_reviewer, waiting, "approve", {"reason": "x"}, status=400)["_codes"].keys() == {"reason"}
    assert act(as_reviewer, waiting, "approve", {"note": {}}, status=400)["_codes"].keys() == {"note"}
    assert act(as_reviewer, waiting, "return", {"note": 5, "x": 1}, status=400)["_codes"].keys() == {"x"}
    assert act(as_reviewer, waiting, "void", {"note": "x"}, status=400)["_codes"].keys() == {"note"}
    assert act(as_analyst, waiting, "submit", {"status": "planned"}, status=400)["_codes"].keys() == {"status"}
    assert as_reviewer.post(f"{at(waiting)}approve/?x=1").status_code == 400
    assert as_reviewer.get(f"{at(waiting)}approve/").status_code == 405


# ---- reviewing


def test_approval_by_a_second_person_is_enforced(world, as_reviewer, as_colleague, as_analyst):
    Recommendation.objects.filter(slug="later").update(priority="high")
    for answer in (file(as_reviewer, DONE), file(as_reviewer, ORDINARY, to="later")):
        assert answer["update"]["review"] == "submitted"
        assert codes(act(as_reviewer, answer, "approve", status=409)) == ["second_person_required"]
        assert codes(act(as_analyst, answer, "approve", status=403)) == ["not_permitted"]
        assert act(as_colleague, answer, "approve")["update"]["reviewed_by"] == "colleague"


def test_a_reviewed_update_cannot_be_reviewed_again(world, as_analyst, as_reviewer, as_colleague):
    approved = file(as_analyst, DONE)
    act(as_reviewer, approved, "approve")
    returned = file(as_analyst, {**DONE, "reported_on": "2025-03-03"})
    act(as_reviewer, returned, "return", {"note": "No."})
    before = everything()

    for answer in (approved, returned):
        assert codes(act(as_colleague, answer, "approve", status=409)) == ["already_reviewed"]
        assert codes(act(as_colleague, answer, "return", {"note": "x"}, status=409)) == ["already_reviewed"]
    assert codes(act(as_colleague, approved, "return", status=409)) == ["reason_required", "already_reviewed"]
    assert everything() == before


def test_a_draft_cannot_be_reviewed(world, as_analyst, as_reviewer):
    draft = file(as_analyst, {**ORDINARY, "submit": False})

    assert codes(act(as_reviewer, draft, "approve", status=409)) == ["append_only"]
    assert codes(act(as_reviewer, draft, "return", {"note": "x"}, status=409)) == ["append_only"]


@pytest.mark.parametrize("note", [None, "", "  "])
def test_return_requires_a_note_and_void_a_reason(world, as_analyst, as_reviewer, note):
    waiting, approved = file(as_analyst, DONE), file(as_analyst, ORDINARY)

    assert codes(act(as_reviewer, waiting, "return", {"note": note}, status=409)) == ["reason_required"]
    assert codes(act(as_reviewer, approved, "void", {"reason": note}, status=409)) == ["reason_required"]


def test_a_reviewer_can_void_an_approved_update_once(world, as_analyst, as_reviewer):
    waiting, draft, approved = file(as_analyst, DONE), file(as_reviewer, {**ORDINARY, "submit": False}), file(as_analyst, ORDINARY)

    assert codes(act(as_analyst, approved, "void", {"reason": "x"}, status=403)) == ["not_permitted"]
    assert codes(act(as_reviewer, waiting, "void", {"reason": "x"}, status=409)) == ["append_only"]
    assert codes(act(as_reviewer, draft, "void", {"reason": "x"}, status=409)) == ["append_only"]
    act(as_reviewer, approved, "void", {"reason": "x"})
    assert codes(act(as_reviewer, approved, "void", {"reason": "x"}, status=409)) == ["already_voided"]


def test_only_the_author_can_edit_and_only_drafts(world, as_analyst, as_reviewer, as_administrator, as_reader):
    waiting, draft, approved = file(as_analyst, DONE), file(as_analyst, {**ORDINARY, "submit": False}), file(as_analyst, ORDINARY)
    before = everything()

    refused = [(as_analyst, waiting), (as_analyst, approved), (as_administrator, draft), (as_reviewer, approved), (as_reader, approved)]
    for api, answer in refused:
        for response in (api.patch(at(answer), {"progress_percent": 9}), api.delete(at(answer)), api.put(at(answer), ORDINARY)):
            assert response.status_code == (403 if api is as_reader and response.json()["code"] == "not_permitted" else 409)
            assert "append_only" in codes(response.json())
    assert codes(act(as_analyst, waiting, "submit", status=409)) == ["append_only"]
    assert as_analyst.post("progress-updates/", ORDINARY).status_code == 405
    assert everything() == before


def test_an_update_is_revalidated_on_approval(world, as_analyst, as_reviewer, as_colleague):
    waiting = file(as_analyst, {"status": "withdrawn", "narrative": "Taken back.", "reported_on": "2025-03-05"})
    file(as_analyst, {**ORDINARY, "status": "largely_implemented", "reported_on": "2025-03-04"})
    before = everything()

    assert codes(act(as_reviewer, waiting, "approve", status=409)) == ["transition_not_allowed"]
    assert everything() == before

    reopening = file(as_analyst, {**DONE, "reported_on": "2025-03-06"})
    act(as_reviewer, reopening, "approve")
    assert codes(act(as_reviewer, waiting, "approve", status=409)) == ["transition_not_allowed"]


def test_an_update_that_became_a_reopening_needs_a_reason_on_approval(world, as_analyst, as_reviewer):
    Recommendation.objects.filter(slug="act").update(priority="critical")
    waiting = file(as_analyst, {**ORDINARY, "reported_on": "2025-03-05"})
    act(as_reviewer, file(as_analyst, DONE), "approve")

    assert codes(act(as_reviewer, waiting, "approve", status=409)) == ["reason_required"]
    act(as_reviewer, waiting, "return", {"note": "Why again?"})
    as_analyst.patch(at(waiting), {"reason": "A part was undone."})
    act(as_analyst, waiting, "submit")
    assert act(as_reviewer, waiting, "approve")["recommendation"]["status"] == "in_progress"


def test_only_a_voided_update_of_the_same_recommendation_can_be_corrected(world, as_analyst, as_reviewer):
    standing, elsewhere = file(as_analyst, ORDINARY), file(as_analyst, ORDINARY, to="later")
    act(as_reviewer, elsewhere, "void", {"reason": "x"})

    for wrong in (standing, elsewhere):
        for submit in (True, False):
            answer = file(as_analyst, {**ORDINARY, "corrects": wrong["update"]["uid"], "submit": submit}, status=400)
            assert list(answer["_codes"]) == ["corrects"]
    draft = file(as_analyst, {**ORDINARY, "submit": False})
    assert as_analyst.patch(at(draft), {"corrects": standing["update"]["uid"]}).json()["_codes"].keys() == {"corrects"}


# ---- versions and idempotency


def test_a_stale_report_is_412_and_writes_nothing(world, as_analyst):
    version = as_analyst.get("recommendations/act/").json()["version"]
    answer = file(as_analyst, ORDINARY, **{"If-Match": f'"{version}"'})
    before = everything()

    current = answer["recommendation"]["version"]
    assert current != version
    expected = {"code": "stale", "detail": "This record has changed since you read it.", "current_version": current}
    assert file(as_analyst, ORDINARY, status=412, **{"If-Match": f'"{version}"'}) == expected
    assert file(as_analyst, {**ORDINARY, "version": version}, status=412) == expected
    assert file(as_analyst, {**ORDINARY, "version": version, "dry_run": True}, status=412) == expected
    assert everything() == before
    file(as_analyst, {**ORDINARY, "version": current})
    file(as_analyst, ORDINARY, **{"If-Match": "*"})


def test_a_stale_review_action_is_412(world, as_analyst, as_reviewer):
    waiting, approved = file(as_analyst, DONE), file(as_analyst, ORDINARY)
    draft = file(as_analyst, {**ORDINARY, "submit": False})
    as_analyst.patch(at(draft), {"narrative": "Otherwise."})
    current = as_analyst.get(at(draft)).json()["version"]
    before = everything()

    acts = [
        (as_reviewer, waiting, "approve", {}),
        (as_reviewer, waiting, "return", {"note": "x"}),
        (as_reviewer, approved, "void", {"reason": "x"}),
    ]
    for api, answer, verb, body in acts:
        assert act(api, answer, verb, body, status=412, **{"If-Match": '"99"'})["code"] == "stale"
    stale = {"If-Match": f'"{current - 1}"'}
    assert act(as_analyst, draft, "submit", status=412, **stale)["current_version"] == current
    assert as_analyst.patch(at(draft), {"narrative": "x"}, headers=stale).status_code == 412
    assert as_analyst.patch(at(draft), {"narrative": "x", "version": current - 1}).status_code == 412
    assert as_analyst.put(at(draft), {**ORDINARY, "version": current - 1}).status_code == 412
    assert as_analyst.delete(at(draft), headers=stale).status_code == 412
    assert everything() == before
    assert act(as_analyst, draft, "submit", **{"If-Match": f'"{current}"'})["update"]["review"] == "approved"


def test_if_match_is_required_if_the_site_requires_it(world, as_analyst, settings):
    settings.REQUIRE_IF_MATCH = True

    assert file(as_analyst, ORDINARY, status=428)["code"] == "if_match_required"
    assert file(as_analyst, ORDINARY, **{"If-Match": "*"})["update"]["status"] == "in_progress"


def test_a_repeated_report_gets_the_first_response(world, as_analyst, as_reviewer):
    key = {"Idempotency-Key": "mine-1"}
    first = file(as_analyst, ORDINARY, **key)

    again = as_analyst.post("recommendations/act/progress/", ORDINARY, headers=key)
    assert (again.status_code, again.json(), again["Idempotent-Replayed"]) == (201, first, "true")
    assert ProgressUpdate.objects.count() == 1
    assert file(as_analyst, {**ORDINARY, "progress_percent": 1}, status=422, **key)["code"] == "idempotency_key_reused"

    void = act(as_reviewer, first, "void", {"reason": "x"}, **key)
    assert act(as_reviewer, first, "void", {"reason": "x"}, **key) == void
    assert codes(act(as_reviewer, first, "void", {"reason": "x"}, status=409)) == ["already_voided"]
    waiting = file(as_analyst, DONE)
    assert act(as_reviewer, waiting, "approve", **key) == act(as_reviewer, waiting, "approve", **key)


def test_a_refused_report_may_be_repeated_with_its_key(world, as_analyst):
    key = {"Idempotency-Key": "mine-2"}

    assert codes(file(as_analyst, {"status": "planned"}, status=409, **key)) == ["narrative_required"]
    assert codes(file(as_analyst, {"status": "planned"}, status=409, **key)) == ["narrative_required"]
    file(as_analyst, ORDINARY, **key)


# ---- transitions


def test_transitions_lists_allowed_status_changes(world, as_analyst, as_reader):
    file(as_analyst, {**ORDINARY, "status": "partly_implemented"})

    moves = as_analyst.get("recommendations/act/transitions/").json()

    assert [list(move) for move in moves] == [["status", "label", "allowed", "unmet"]] * 13
    answer = {move["status"]: (move["allowed"], [unmet["code"] for unmet in move["unmet"]]) for move in moves}
    assert answer["partly_implemented"] == (True, ["narrative_required"])
    assert answer["in_progress"] == (True, ["reason_required", "narrative_required"])
    assert answer["implemented"] == (True, ["evidence_required", "narrative_required", "second_person_required"])
    assert answer["planned"] == (False, ["transition_not_allowed"])
    assert answer["superseded"] == (False, ["superseding_recommendation_required"])
    refused = as_reader.get("recommendations/act/transitions/").json()
    assert {move["allowed"] for move in refused} == {False} and {move["unmet"][0]["code"] for move in refused} == {"not_permitted"}


# ---- filters


def test_awaiting_approval_finds_only_visible_updates(world, as_analyst, as_reviewer, as_reader, as_officer):
    waiting = file(as_analyst, DONE)
    file(as_analyst, {**ORDINARY, "submit": False}, to="later")

    for api in (as_analyst, as_reviewer):
        assert api.keys("recommendations/", awaiting_approval="true") == ["act"]
        assert api.keys("recommendations/", awaiting_approval="false") == ["later"]
    for api in (as_reader, as_officer):
        assert api.keys("recommendations/", awaiting_approval="true") == []
    act(as_reviewer, waiting, "approve")
    assert as_reviewer.keys("recommendations/", awaiting_approval="true") == []


def test_claim_differs_compares_the_newest_claim_of_each_party(world, as_analyst, as_reader):
    make_party("USA")
    file(as_analyst, ORDINARY)
    claims = [("AUS", "implemented", "2025-02-01"), ("GBR", "in_progress", "2025-03-01"), ("AUS", "in_progress", "2025-02-02")]
    found = []
    for party, status, day in claims:
        file(as_analyst, {**CLAIM, "party": party, "status": status, "reported_on": day, "evidence": EVIDENCE})
        found.append(as_reader.keys("recommendations/", claim_differs="true"))

    assert found == [["act"], ["act"], []]
    assert as_reader.keys("recommendations/", claim_differs="false") == ["act", "later"]
    file(as_analyst, {**CLAIM, "party": "USA", "status": "planned", "evidence": EVIDENCE}, to="later")
    assert as_reader.keys("recommendations/", claim_differs="true") == ["later"]


def test_source_finds_its_recommendations_and_those_with_it_as_evidence(world, as_analyst, as_reviewer, as_reader):
    Recommendation.objects.filter(slug="later").update(source=world.gazette)
    waiting = file(as_analyst, {**DONE, "evidence": [{"source": "gazette"}]})

    assert as_reader.keys("recommendations/", source="gazette") == ["later"]
    assert as_analyst.keys("recommendations/", source="gazette") == ["act", "later"]
    act(as_reviewer, waiting, "approve")
    assert as_reader.keys("recommendations/", source="gazette") == ["act", "later"]
    assert as_reader.keys("recommendations/", source="communique") == []
    assert as_reader.keys("recommendations/", source=["communique", "gazette"], ordering="-slug") == ["later", "act"]
    assert as_reader.get("recommendations/", {"source": "nowhere"}).status_code == 400


@pytest.mark.parametrize("name", ["claim_differs", "awaiting_approval"])
def test_boolean_filters_accept_only_true_and_false(world, as_reader, name):
    response = as_reader.get("recommendations/", {name: "maybe"})

    assert response.status_code == 400 and list(response.json()) == [name]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("post", "submit/", {}),
        ("post", "approve/", {}),
        ("post", "return/", {"note": "Which site?"}),
        ("post", "void/", {"reason": "Wrong site."}),
        ("patch", "", {"narrative": "The third site."}),
        ("delete", "", None),
    ],
)
def test_a_transition_of_an_update_that_does_not_exist_is_not_found(world, as_analyst, method, path, body):
    response = getattr(as_analyst, method)(f"progress-updates/{NOWHERE}/{path}", body)

    assert (response.status_code, response.json()["code"]) == (404, "not_found")
