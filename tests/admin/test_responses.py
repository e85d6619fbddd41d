"""Addressees, milestones and dependencies on the tab Progress, and recording a response."""

from datetime import date, timedelta

import pytest

from recommendations.models import Addressee, Dependency, Milestone
from tests.admin.page import change, changes, messages_of, rows_of, typed_in
from tests.make import make_party, make_recommendation
from tests.queries import count_queries

TODAY = date.today()


@pytest.fixture
def asked(officer):
    """The addressees of a recommendation: the party of the officer, and another one."""
    recommendation = make_recommendation()
    parties = (officer.office.party, make_party("JPN"))
    return [Addressee.objects.create(recommendation=recommendation, party=party) for party in parties]


def respond(client, addressee, key=None, **values):
    fields = {"response": "accepted", "responded_on": "", "response_text": "", "change_reason": ""} | values
    data = {f"response-{addressee.pk}-{name}": value for name, value in fields.items()}
    return client.post(change(addressee.recommendation), data | {"_response": key or addressee.pk}, follow=True)


@pytest.mark.parametrize(
    ("role", "expected"),
    [("reader", []), ("party officer", ["AUS"]), ("analyst", ["AUS", "JPN"]), ("reviewer", ["AUS", "JPN"])],
)
def test_the_form_of_a_response_is_shown_to_those_who_may_record_it(role, expected, users, asked, signed_in):
    page = signed_in(users[role]).get(change(asked[0].recommendation))

    lines = page.context["addressees"]
    assert len(lines) == 2
    assert sorted(line.addressee.party.code for line in lines if line.form) == expected


@pytest.mark.parametrize(("role", "linked"), [("reader", []), ("party officer", ["AUS"])])
def test_the_page_of_an_addressee_leads_to_the_form_of_its_response(role, linked, users, asked, signed_in):
    client = signed_in(users[role])
    page = client.get(change(asked[0].recommendation)).text

    forms = {addressee.party.code: f"respond-{addressee.pk}" for addressee in asked}
    assert [code for code, form in forms.items() if f'id="{form}"' in page] == linked
    addresses = {code: f'href="{change(asked[0].recommendation)}#{form}"' for code, form in forms.items()}
    assert [addressee.party.code for addressee in asked if addresses[addressee.party.code] in client.get(change(addressee)).text] == linked


def test_the_page_of_a_milestone_shows_its_deadline_state(reader, signed_in):
    milestone = Milestone.objects.create(recommendation=make_recommendation(), title="Site chosen", due_on="2020")

    assert signed_in(reader).get(change(milestone)).text.count("pt-label pt-danger") == 1


def test_an_officer_records_the_response_of_the_own_party(officer, asked, signed_in):
    page = respond(signed_in(officer), asked[0], responded_on="2 March 2026", response_text="We agree.\r\nFully.")

    asked[0].refresh_from_db()
    assert (asked[0].response, asked[0].responded_on, asked[0].response_text) == ("accepted", "2026-03-02", "We agree.\nFully.")
    assert [message.tags for message in page.context["response_messages"]] == ["addressees success"]
    assert page.redirect_chain[0][0].endswith("#addressees")


@pytest.mark.parametrize("role", ["reader", "party officer"])
def test_nobody_responds_for_another_party(role, users, asked, signed_in):
    page = respond(signed_in(users[role]), asked[1])

    asked[1].refresh_from_db()
    assert page.status_code == 200
    assert asked[1].response == "none_recorded"


def test_a_rejected_response_keeps_the_text(officer, asked, signed_in):
    page = respond(signed_in(officer), asked[0], responded_on=str(TODAY + timedelta(1)), response_text="typed with care")

    asked[0].refresh_from_db()
    assert asked[0].response == "none_recorded"
    (form,) = [line.form for line in page.context["addressees"] if line.form]
    assert list(form.errors) == ["responded_on"]
    assert "typed with care" in page.text


def sent_form(page, addressee, **values):
    """What a browser sends for the form of a response on the page."""
    (form,) = [line.form for line in page.context["addressees"] if line.addressee == addressee]
    return typed_in(form) | {form.add_prefix(name): value for name, value in values.items()} | {"_response": addressee.pk}


def test_a_response_that_another_person_changed_meanwhile_is_merged(officer, analyst, asked, signed_in):
    """The analyst records text and date; the officer, who opened the form before, changes only the code."""
    page, client = signed_in(officer).get(change(asked[0].recommendation)), signed_in(officer)
    respond(signed_in(analyst), asked[0], response="noted", responded_on="2026-03-02", response_text="By letter.")

    refused = client.post(change(asked[0].recommendation), sent_form(page, asked[0], response="rejected"))
    (form,) = [line.form for line in refused.context["addressees"] if line.form]
    asked[0].refresh_from_db()
    assert (asked[0].response, asked[0].response_text) == ("noted", "By letter.")
    assert [error.code for error in form.errors["__all__"].as_data()] == ["stale"]
    assert [error.code for error in form.errors["response"].as_data()] == ["changed_by_both"]
    assert (form["response_text"].value(), form["responded_on"].value()) == ("By letter.", "2026-03-02")

    again = client.post(change(asked[0].recommendation), sent_form(refused, asked[0]))

    asked[0].refresh_from_db()
    assert again.status_code == 302
    assert (asked[0].response, asked[0].responded_on, asked[0].response_text) == ("rejected", "2026-03-02", "By letter.")


@pytest.mark.parametrize("key", ["0", "x", "9" * 30, "-1"])
def test_a_missing_addressee_is_reported(analyst, asked, signed_in, key):
    assert "This addressee no longer exists." in messages_of(respond(signed_in(analyst), asked[0], key))


def test_milestones_and_dependencies_are_shown_without_hidden_ones(reader, signed_in):
    recommendation = make_recommendation()
    Milestone.objects.create(recommendation=recommendation, title="Site chosen", due_on="2027")
    shown, hidden = make_recommendation(key_action="Train pilots"), make_recommendation(key_action="Not to be seen", publication="draft")
    for other in (shown, hidden):
        Dependency.objects.create(recommendation=recommendation, depends_on=other)

    page = signed_in(reader).get(change(recommendation))

    assert "Site chosen" in page.text
    assert page.context["depends_on"] == [shown]
    assert "Not to be seen" not in page.text


def test_addressees_are_shown_by_name_and_the_lead_first(reader, signed_in):
    recommendation = make_recommendation()
    for code, role in (("USA", "support"), ("AUS", "support"), ("NZL", "lead")):
        Addressee.objects.create(recommendation=recommendation, party=make_party(code, name=code), role=role)

    page = signed_in(reader).get(change(recommendation))

    assert [line.addressee.party.code for line in page.context["addressees"]] == ["NZL", "AUS", "USA"]


def test_dependencies_are_shown_by_name_and_milestones_by_date(reader, signed_in):
    recommendation = make_recommendation()
    for name in ("Train pilots", "Build hubs"):
        Dependency.objects.create(recommendation=recommendation, depends_on=make_recommendation(key_action=name))
    for due_on in ("2028", "2027"):
        Milestone.objects.create(recommendation=recommendation, title=due_on, due_on=due_on)

    context = signed_in(reader).get(change(recommendation)).context

    assert [str(other) for other in context["depends_on"]] == ["Build hubs", "Train pilots"]
    assert [str(milestone) for milestone, _deadline in context["milestones"]] == ["2027", "2028"]


def test_empty_parts_of_the_page_lead_those_who_may_fill_them_to_the_forms(analyst, reader, signed_in):
    address = change(make_recommendation())

    for_analyst, for_reader = (signed_in(user).get(address).text for user in (analyst, reader))

    links = ['<a href="#report">', 'href="?tab=edit#addressees"', 'href="?tab=edit#milestones"']
    assert [link in for_analyst for link in links] == [True] * 3
    assert [link in for_reader for link in links] == [False] * 3


def test_the_page_and_the_list_show_the_deadline_state_of_a_milestone(reader, signed_in):
    recommendation, client = make_recommendation(), signed_in(reader)
    late = Milestone.objects.create(recommendation=recommendation, title="Site chosen", due_on="2020")
    Milestone.objects.create(recommendation=recommendation, title="Site built", due_on="2020", completed_on="2020")
    Milestone.objects.create(recommendation=recommendation, title="Site opened", due_on="9999")

    milestones = client.get(change(recommendation)).context["milestones"]
    overdue = client.get(changes(Milestone, "?deadline_state=overdue"))

    assert [(str(row), colour) for row, (_label, colour) in milestones] == [
        ("Site chosen", "danger"),
        ("Site built", "success"),
        ("Site opened", ""),
    ]
    assert rows_of(overdue) == {late}
    assert overdue.text.count("pt-danger") == 1


def test_the_number_of_queries_does_not_depend_on_addressees(analyst, asked, signed_in):
    client, costs, recommendation = signed_in(analyst), [], asked[0].recommendation
    client.get(change(recommendation))

    for code in ("NZL", "KOR"):
        Addressee.objects.create(recommendation=recommendation, party=make_party(code))
        Milestone.objects.create(recommendation=recommendation, title="Step", due_on="2027")
        Dependency.objects.create(recommendation=recommendation, depends_on=make_recommendation())
        costs.append(count_queries(client.get, change(recommendation)))

    assert costs[0] == costs[1] <= 40
