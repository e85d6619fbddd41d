"""The page on which an officer answers and claims for several recommendations."""

from datetime import date

import pytest

from recommendations.models import Addressee, ProgressUpdate
from tests.admin.page import change, typed_in
from tests.make import make_party, make_recommendation
from tests.queries import count_queries

PAGE = "/admin/answers/"
TODAY = date.today()


@pytest.fixture
def addressees(officer):
    """Three open recommendations addressed to the party of the officer, of which one has a response; one closed; one of others."""
    party = officer.office.party
    rows = [
        Addressee.objects.create(recommendation=make_recommendation(key_action=name), party=party, response=response)
        for name, response in (("Answered", "noted"), ("First", "none_recorded"), ("Second", "none_recorded"))
    ]
    Addressee.objects.create(recommendation=make_recommendation(key_action="Theirs"), party=make_party("JPN"))
    Addressee.objects.create(
        recommendation=make_recommendation(publication="draft", visibility="restricted", key_action="Hidden"), party=party
    )
    return rows


def sent(page, **values) -> dict[str, object]:
    """The data of the page, with what an officer enters: `response_1` is the response of the second row."""
    rows = page.context["rows"]
    data: dict[str, object] = {"addressee": [row.addressee.pk for row in rows]}
    for number, row in enumerate(rows):
        for form in (row.response, row.claim):
            data |= typed_in(form)
        for name, value in values.items():
            field, _, of_row = name.rpartition("_")
            if int(of_row) == number:
                form = row.claim if field in ("status", "narrative", "url") else row.response
                data[form.add_prefix(field)] = value
    return {name: value for name, value in data.items() if value is not None}


def test_the_page_lists_what_is_addressed_to_the_party_and_open_the_unanswered_first(addressees, officer, signed_in):
    page = signed_in(officer).get(PAGE)

    assert [str(row.recommendation) for row in page.context["rows"]] == ["First", "Second", "Answered"]
    assert PAGE in signed_in(officer).get("/admin/").text


def test_responses_and_claims_of_several_recommendations_are_saved_at_once(addressees, officer, signed_in):
    client = signed_in(officer)
    data = sent(client.get(PAGE), response_0="accepted", response_text_0="We will.", status_1="implemented", narrative_1="Done.")

    response = client.post(PAGE, data | {}, follow=True)

    answered, first, second = (Addressee.objects.get(pk=row.pk) for row in addressees)
    assert (first.response, first.response_text, second.response, answered.response) == ("accepted", "We will.", "none_recorded", "noted")
    update = ProgressUpdate.objects.get()
    assert (update.kind, update.status, update.review, update.party, update.author, update.recommendation) == (
        *("claim", "implemented", "submitted", officer.office.party, officer),
        second.recommendation,
    )
    assert [message.level_tag for message in response.context["messages"]] == ["success"]
    assert answered.version == addressees[0].version


def test_one_rejected_row_saves_nothing_and_all_errors_are_told(addressees, officer, signed_in):
    client = signed_in(officer)
    entered = {
        "response_0": "accepted",
        "responded_on_0": "2999",
        "status_1": "planned",
        "url_1": "no address",
        "narrative_2": "Only text.",
    }

    page = client.post(PAGE, sent(client.get(PAGE), **entered))

    first, second, answered = page.context["rows"]
    assert page.status_code == 200
    assert (set(first.response.errors), set(second.claim.errors), set(answered.claim.errors)) == (
        *({"responded_on"}, {"url", "narrative"}),
        {"status"},
    )
    assert len(page.context["errors"]) == 4
    assert "Only text." in page.text and "no address" in page.text
    assert not ProgressUpdate.objects.exists()
    assert not Addressee.objects.filter(response="accepted").exists()


def test_what_is_sent_twice_is_saved_once(addressees, officer, signed_in):
    client = signed_in(officer)
    data = sent(client.get(PAGE), status_0="planned", narrative_0="Soon.")

    client.post(PAGE, data)
    again = client.post(PAGE, data)

    assert ProgressUpdate.objects.count() == 1
    assert again.context["rows"][0].claim.errors.as_data()["__all__"][0].code == "already_submitted"


def test_a_response_that_another_person_changed_meanwhile_is_not_lost(addressees, officer, analyst, signed_in):
    client = signed_in(officer)
    data = sent(client.get(PAGE), response_0="accepted")
    row = addressees[1]
    row.response_text = "By somebody else."
    row.save()

    page = client.post(PAGE, data)

    assert Addressee.objects.get(pk=row.pk).response == "none_recorded"
    assert "By somebody else." in page.text


@pytest.mark.parametrize("keys", [["x"], ["0"], ["99999999999999999999"], [""], []])
def test_rows_that_the_officer_may_not_answer_are_ignored(keys, addressees, officer, signed_in):
    theirs = Addressee.objects.get(party__code="JPN")
    data = {"addressee": [*keys, theirs.pk], f"response-{theirs.pk}-response": "accepted"}

    signed_in(officer).post(PAGE, data)

    theirs.refresh_from_db()
    assert theirs.response == "none_recorded"


def test_only_officers_with_a_party_open_the_page(analyst, reader, officer, signed_in):
    assert [signed_in(user).get(PAGE).status_code for user in (analyst, reader)] == [403, 403]
    officer.office.delete()
    assert signed_in(type(officer).objects.get(pk=officer.pk)).get(PAGE).status_code == 403


def test_the_number_of_queries_does_not_grow_with_the_rows(addressees, officer, signed_in):
    client, costs = signed_in(officer), []
    client.get(PAGE)
    for _ in range(2):
        Addressee.objects.create(recommendation=make_recommendation(), party=officer.office.party)
        costs.append(count_queries(client.get, PAGE))

    assert costs[0] == costs[1] <= 40
    assert change(addressees[0].recommendation) in client.get(PAGE).text
