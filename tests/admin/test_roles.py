"""Permissions of each role on the pages of the admin."""

import pytest
from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets
from django.contrib.auth.models import Group

from agreements.models import Agreement, Citation, PartyOfficer, Sector
from policytracker.accounts.models import Token, User
from recommendations.models import Evidence, ProgressUpdate, Recommendation
from tests.admin.page import add, admin_request, change, changes, edit, tab
from tests.make import make_agreement, make_commitment, make_recommendation, make_source

PEOPLE = [User, Group, Token, PartyOfficer]
READ_ONLY = [ProgressUpdate, Evidence]
DOMAIN = [
    model for model in admin.site._registry if model._meta.app_label in ("agreements", "recommendations") and model is not PartyOfficer
]
WRITERS = ["analyst", "reviewer", "administrator"]


@pytest.mark.parametrize("role", ["reader", "party officer", *WRITERS])
def test_every_role_sees_every_list_and_writers_may_add(role, users, signed_in):
    client, request = signed_in(users[role]), admin_request(users[role])

    for model in DOMAIN:
        assert client.get(changes(model)).status_code == 200, model
        may_add = role in WRITERS and model not in READ_ONLY
        assert admin.site.get_model_admin(model).has_add_permission(request) == may_add, model


def test_the_form_of_a_new_record_opens_for_those_who_may_add_it(analyst, reader, signed_in):
    for model in DOMAIN:
        assert signed_in(analyst).get(add(model)).status_code == (403 if model in READ_ONLY else 200), model
        assert signed_in(reader).get(add(model)).status_code == 403, model


@pytest.mark.parametrize("role", ["reader", "party officer", "analyst", "reviewer", "administrator"])
def test_only_administrators_see_the_lists_of_users(role, users, signed_in):
    client = signed_in(users[role])

    for model in PEOPLE:
        assert client.get(changes(model)).status_code == (200 if role == "administrator" else 403), model


@pytest.mark.parametrize("role", ["reader", "party officer"])
def test_users_who_may_not_edit_see_the_page_and_cannot_save_it(role, users, signed_in):
    client, agreement = signed_in(users[role]), make_agreement(title="A framework")

    page = client.get(change(agreement))
    response = client.post(change(agreement), {"title": "Another"})

    assert page.status_code == 200
    assert b"A framework" in page.content
    assert b'name="_save"' not in page.content
    assert response.status_code == 403
    assert Agreement.objects.get().title == "A framework"


def test_the_help_of_fields_is_shown_only_to_users_who_may_edit(reader, analyst, signed_in):
    agreement = make_agreement()
    citation = Citation.objects.create(agreement=agreement, source=make_source(), field="title")
    field_help = str(Agreement._meta.get_field("expires_on").help_text)

    for user, shown in ((analyst, True), (reader, False)):
        client = signed_in(user)
        assert (field_help in client.get(edit(agreement)).text) == shown
        assert ("exactly one agreement" in client.get(change(citation)).text) == shown


@pytest.mark.parametrize("model", [model for model in DOMAIN if model not in READ_ONLY], ids=lambda model: model.__name__)
def test_the_form_of_a_new_record_has_no_read_only_fields(model, analyst):
    page, request = admin.site.get_model_admin(model), admin_request(analyst)

    fields = flatten_fieldsets(page.get_fieldsets(request))

    assert fields and not set(fields) & set(page.get_readonly_fields(request))


def test_a_name_links_only_to_a_page_that_the_user_may_open(reader, analyst, signed_in):
    newer = make_recommendation(key_action="Newer")
    recommendation = make_recommendation(owner=analyst, superseded_by=newer)

    page = signed_in(reader).get(edit(recommendation)).text

    assert "analyst" in page
    assert change(analyst) not in page
    assert change(newer) in page


def test_an_analyst_finds_users_by_name_but_cannot_open_their_pages(analyst, reader, signed_in):
    client = signed_in(analyst)
    wanted = {"app_label": "recommendations", "model_name": "recommendation", "field_name": "owner", "term": "anal"}

    response = client.get("/admin/autocomplete/", wanted)
    refused = client.get(change(reader))

    assert [row["text"] for row in response.json()["results"]] == ["analyst"]
    assert refused.status_code == 403


def test_a_reader_cannot_search_users(reader, signed_in):
    wanted = {"app_label": "recommendations", "model_name": "recommendation", "field_name": "owner", "term": ""}

    assert signed_in(reader).get("/admin/autocomplete/", wanted).status_code == 403


def test_an_anonymous_user_is_redirected_to_the_login(client, db):
    assert client.get(changes(Recommendation)).status_code == 302


def test_a_user_without_a_role_has_no_access(db, signed_in):
    client = signed_in(User.objects.create_user("nobody", is_staff=True))
    recommendation = make_recommendation()

    for page in ("/admin/", changes(Recommendation), change(recommendation)):
        assert client.get(page).status_code == 302


def test_a_reader_sees_values_as_people_write_them(reader, signed_in):
    agreement = make_agreement(title="A pact")
    sector = Sector.objects.create(code="ports", name="Ports")
    agreement.sectors.add(sector)
    commitment = make_commitment(agreement, amount="120000000", currency="USD")
    citation = Citation.objects.create(source=make_source(), agreement=agreement, field="in_force_on")
    client = signed_in(reader)

    money, links, cited = (client.get(address).text for address in (change(commitment), edit(agreement), change(citation)))

    assert "120,000,000" in money
    assert "120000000.00" not in money
    assert f'href="{change(sector)}"' in links
    assert "Entry into force" in cited
    assert "in_force_on" not in cited


def test_only_users_who_can_edit_a_citation_see_how_to_fill_it_in(reader, analyst, signed_in):
    address = change(Citation.objects.create(source=make_source(), agreement=make_agreement()))

    described = [
        any(options.get("description") for _title, options in signed_in(user).get(address).context["adminform"].fieldsets)
        for user in (reader, analyst)
    ]

    assert described == [False, True]


def test_a_tab_says_that_an_agreement_has_no_rows_of_a_type(reader, analyst, signed_in):
    empty = make_agreement()
    for_reader, for_analyst = (signed_in(user).get(tab(empty, "agreement-relations")).text for user in (reader, analyst))

    assert [page.count("pt-no-rows") for page in (for_reader, for_analyst)] == [2, 2]
    assert [page.count('class="add-row') for page in (for_reader, for_analyst)] == [0, 1]
