"""Messages of saved and rejected forms."""

import pytest

from agreements.models import Agreement, Participation
from recommendations.models import Addressee
from tests.admin.page import add, change, changes, edit, tab, typed
from tests.make import make_agreement, make_party, make_recommendation, make_source


def test_a_rejected_form_has_a_summary_with_a_link_to_each_field_and_its_tab(analyst, signed_in):
    client, recommendation = signed_in(analyst), make_recommendation(due_on="2030")
    Addressee.objects.create(recommendation=recommendation, party=make_party("AUS"))

    form = typed(client.get(edit(recommendation))) | {"due_on": "3/4/2031", "addressees-0-responded_on": "soon", "details": "kept text"}
    response = client.post(edit(recommendation), form)

    summary = response.context["error_summary"]
    assert [(error.field, error.tab) for error in summary] == [
        ("id_due_on", "general"),
        ("id_addressees-0-responded_on", "addressees"),
    ]
    page = response.content.decode()
    assert all(page.count(f'href="#{error.field}"') == 1 for error in summary)
    assert page.count("data-message") == 1
    assert all(typed_text in page for typed_text in ("3/4/2031", "soon", "kept text"))


def test_a_constraint_violation_is_in_the_summary(analyst, signed_in):
    client, recommendation = signed_in(analyst), make_recommendation(due_on="2030")

    response = client.post(edit(recommendation), typed(client.get(edit(recommendation))) | {"due_on": "2031"})

    assert [error.field for error in response.context["error_summary"]] == ["id_change_reason"]


def test_every_record_form_has_the_summary(analyst, signed_in):
    client = signed_in(analyst)

    for record, field in ((make_source(), "kind"), (make_agreement(), "title"), (make_party("AUS"), "name")):
        response = client.post(change(record), typed(client.get(edit(record))) | {field: ""})
        assert [error.field for error in response.context["error_summary"]] == [f"id_{field}"], record
    assert client.post(add(Participation), {}).context["error_summary"]


def test_a_rejected_form_does_not_change_the_values_shown_beside_it(analyst, signed_in):
    client = signed_in(analyst)
    agreement = make_agreement(title="The stored title", legal_force="non_binding")
    recommendation = make_recommendation(key_action="The stored action", due_on="2030-01-01")

    forms = typed(client.get(edit(agreement))), typed(client.get(edit(recommendation)))
    refused_agreement = client.post(change(agreement), forms[0] | {"title": "Typed", "status": "in_force"})
    refused = client.post(edit(recommendation), forms[1] | {"key_action": "Typed", "due_on": "2031-01-01"})

    assert refused_agreement.context["original"].title == "The stored title"
    assert "Typed" not in refused_agreement.context["subtitle"]
    assert (refused.context["original"].key_action, refused.context["original"].due_on) == ("The stored action", "2030-01-01")
    assert refused.context["adminform"].form["due_on"].value() == "2031-01-01"


def test_the_tab_with_the_form_of_an_update_has_no_save_button(analyst, signed_in):
    client, recommendation = signed_in(analyst), make_recommendation()

    progress, form = client.get(change(recommendation)).content.decode(), client.get(edit(recommendation)).content.decode()

    assert ('name="_report"' in progress, 'name="_save"' in progress) == (True, False)
    assert ('name="_report"' in form, 'name="_save"' in form) == (False, True)


def test_saving_and_continuing_stays_on_the_tab_with_the_form(analyst, signed_in):
    client, recommendation = signed_in(analyst), make_recommendation()

    response = client.post(edit(recommendation), typed(client.get(edit(recommendation))) | {"details": "More.", "_continue": "1"})

    assert response["Location"] == edit(recommendation)


@pytest.mark.parametrize("role", ["reader", "party officer"])
def test_users_who_may_not_edit_see_the_details_without_a_save_button(role, users, signed_in):
    recommendation = make_recommendation(details="What it says.")

    page = signed_in(users[role]).get(edit(recommendation)).content.decode()

    assert ("What it says." in page, 'name="_save"' in page) == (True, False)


@pytest.mark.parametrize(("role", "offered"), [("reader", False), ("party officer", False), ("analyst", True)])
def test_the_button_that_adds_a_component_is_shown_to_users_who_may_add_one(role, offered, users, signed_in):
    agreement = make_agreement()

    page = signed_in(users[role]).get(tab(agreement, "components")).content.decode()

    assert ('class="add-row' in page) == offered


def test_an_unknown_and_a_hidden_record_answer_404_with_a_link_to_the_list(reader, signed_in):
    hidden = make_agreement(publication="draft", title="Working title")
    client = signed_in(reader)

    for address in (change(hidden), change(hidden).replace(str(hidden.pk), "999999")):
        response = client.get(address)
        assert response.status_code == 404
        assert f'<p><a href="{changes(Agreement)}">' in response.text
        assert hidden.title not in response.text
