"""Responses of addressees, recorded by analysts and reviewers, or by an officer for the own party."""

import pytest

from recommendations.models import Addressee
from tests.api.refusals import codes
from tests.make import make_agreement, make_party, make_recommendation

ANSWER = {"response": "accepted", "responded_on": "2026-03", "response_text": "We will.", "source": "communique", "quote": "yes"}


@pytest.fixture
def respond(world):
    def send(client, body=ANSWER, addressee=None, **headers):
        return client.post(f"addressees/{(addressee or world.addressee).uid}/respond/", body, **headers)

    return send


def test_officers_analysts_and_reviewers_record_a_response(respond, as_officer, as_analyst, as_reviewer, as_administrator):
    for client in (as_officer, as_analyst, as_reviewer, as_administrator):
        answered = respond(client)
        assert answered.status_code == 200, answered.content
        assert {name: answered.json()[name] for name in ANSWER} == ANSWER


def test_omitted_fields_stay_and_the_version_increases(respond, as_officer):
    first = respond(as_officer)
    second = respond(as_officer, {"response_text": "By 2027."})

    assert second.json()["response"] == "accepted" and second.json()["response_text"] == "By 2027."
    assert second.json()["version"] == first.json()["version"] + 1


def test_the_history_names_who_recorded_the_response(world, respond, as_officer):
    respond(as_officer)

    newest = as_officer.get(f"addressees/{world.addressee.uid}/history/").json()["results"][0]
    assert newest["user"] == "officer" and newest["changes"]["response"]["after"] == "accepted"


def test_nobody_else_records_a_response(world, respond, as_officer, as_reader):
    theirs = Addressee.objects.create(recommendation=world.act, party=make_party("GBR"))

    for refused in (respond(as_reader), respond(as_officer, addressee=theirs)):
        assert (refused.status_code, refused.json()["code"]) == (403, "not_permitted")
    theirs.refresh_from_db()
    assert theirs.response == "none_recorded"


def test_an_officer_cannot_patch_a_response(world, as_officer):
    assert as_officer.patch(f"addressees/{world.addressee.uid}/", {"response": "accepted"}).status_code == 403


def test_a_response_to_a_hidden_recommendation_is_404(respond, as_officer):
    hidden = make_recommendation(make_agreement(), visibility="restricted")
    asked = Addressee.objects.create(recommendation=hidden, party=make_party("AUS"))

    assert respond(as_officer, addressee=asked).status_code == 404


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"responded_on": "2999"}, {"responded_on": ["future_date"]}),
        ({"response": "maybe"}, {"response": ["invalid_choice"]}),
        ({"role": "support"}, {"role": ["unknown_field"]}),
        ({"source": "nowhere"}, {"source": ["does_not_exist"]}),
    ],
)
def test_an_invalid_response_is_rejected_on_its_field(world, respond, as_officer, body, expected):
    assert codes(respond(as_officer, body)) == expected
    world.addressee.refresh_from_db()
    assert world.addressee.version == 1


def test_a_stale_response_is_refused(respond, as_officer):
    assert respond(as_officer, HTTP_IF_MATCH='"7"').status_code == 412
