"""Who may open which page, and do what there (DESIGN 8 and 10)."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group

from agreements.models import Agreement, PartyOfficer
from policytracker.models import Token, User
from recommendations.models import Evidence, ProgressUpdate, Recommendation
from tests.admin.page import add, change, changes
from tests.make import make_agreement, make_recommendation

PEOPLE = [User, Group, Token, PartyOfficer]
READ_ONLY = [ProgressUpdate, Evidence]
DOMAIN = [
    model for model in admin.site._registry if model._meta.app_label in ("agreements", "recommendations") and model is not PartyOfficer
]
WRITERS = ["analyst", "reviewer", "administrator"]


@pytest.mark.parametrize("role", ["reader", "party officer", *WRITERS])
def test_every_role_sees_every_list_and_writers_may_add(role, everybody, signed_in):
    client = signed_in(everybody[role])

    for model in DOMAIN:
        assert client.get(changes(model)).status_code == 200, model
        expected = 200 if role in WRITERS and model not in READ_ONLY else 403
        assert client.get(add(model)).status_code == expected, model


@pytest.mark.parametrize("role", ["reader", "party officer", "analyst", "reviewer", "administrator"])
def test_people_are_the_business_of_administrators(role, everybody, signed_in):
    client = signed_in(everybody[role])

    for model in PEOPLE:
        assert client.get(changes(model)).status_code == (200 if role == "administrator" else 403), model


@pytest.mark.parametrize("role", ["reader", "party officer"])
def test_whoever_does_not_write_sees_the_same_page_and_changes_nothing(role, everybody, signed_in):
    client, agreement = signed_in(everybody[role]), make_agreement(title="A framework")

    page = client.get(change(agreement))
    answer = client.post(change(agreement), {"title": "Another"})

    assert page.status_code == 200
    assert b"A framework" in page.content
    assert b'name="_save"' not in page.content
    assert answer.status_code == 403
    assert Agreement.objects.get().title == "A framework"


def test_an_analyst_finds_people_by_name_and_opens_no_page_of_theirs(analyst, reader, signed_in):
    client = signed_in(analyst)
    wanted = {"app_label": "recommendations", "model_name": "recommendation", "field_name": "owner", "term": "read"}

    found = client.get("/admin/autocomplete/", wanted)
    refused = client.get(change(reader))

    assert [row["text"] for row in found.json()["results"]] == ["reader"]
    assert refused.status_code == 403


def test_a_reader_finds_no_people(reader, signed_in):
    wanted = {"app_label": "recommendations", "model_name": "recommendation", "field_name": "owner", "term": ""}

    assert signed_in(reader).get("/admin/autocomplete/", wanted).status_code == 403


def test_a_stranger_is_asked_to_sign_in(client, db):
    assert client.get(changes(Recommendation)).status_code == 302


def test_a_user_without_a_role_is_not_let_in(db, signed_in):
    client = signed_in(User.objects.create_user("nobody", is_staff=True))
    recommendation = make_recommendation()

    for page in ("/admin/", changes(Recommendation), change(recommendation)):
        assert client.get(page).status_code == 302
