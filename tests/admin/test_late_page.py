"""The page *Late*: rows, filters, the numbers beside "overdue", and the sheet."""

from datetime import date, timedelta
from io import BytesIO

import pytest
from django.urls import reverse
from openpyxl import load_workbook

from recommendations.models import Addressee
from tests.admin.page import change, messages_of
from tests.make import make_agreement, make_component, make_party, make_recommendation
from tests.queries import count_queries

TODAY = date.today()
LATE = "/admin/late/"


def ago(days: int) -> str:
    return str(TODAY - timedelta(days))


@pytest.fixture
def pact(analyst):
    agreement = make_agreement(short_title="Pact")
    make_component(agreement, title="=Base", due_on=ago(400))
    recommendation = make_recommendation(agreement, key_action="Build hubs", due_on=ago(30), owner=analyst)
    Addressee.objects.create(recommendation=recommendation, party=make_party("AUS", name="Australia"))
    make_recommendation(agreement, due_on="")
    return agreement


def names(page) -> list[str]:
    return [line.late.name for line in page.context["lines"]]


@pytest.mark.parametrize("role", ["reader", "party officer", "analyst", "administrator"])
def test_the_page_is_in_the_menu_and_shows_the_longest_late_first(role, users, signed_in, pact):
    client = signed_in(users[role])

    page = client.get(LATE)

    assert names(page) == ["=Base", "Build hubs"]
    assert [tile.count for tile in page.context["tiles"]] == [1, 0, 1, 2]
    assert f'href="{reverse("late")}"' in client.get("/admin/").text
    assert change(pact) in page.text


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("type=component", ["=Base"]),
        ("type=component&type=recommendation", ["=Base", "Build hubs"]),
        ("party=australia", ["Build hubs"]),
        ("agreement=PACT-KEY", []),
        ("owner=me", ["Build hubs"]),
        ("owner=none", ["=Base"]),
        ("reason=never_assessed", ["=Base", "Build hubs"]),
        ("reason=moved", []),
    ],
)
def test_the_rows_are_filtered(query, found, analyst, signed_in, pact):
    make_agreement(slug="pact-key")

    page = signed_in(analyst).get(f"{LATE}?{query}")

    assert names(page) == found


@pytest.mark.parametrize("query", ["party=Atlantis", "owner=nobody", "type=x", "reason=%00", "agreement=%00", "p=x", "p=99999", "p=-1"])
def test_a_wrong_value_is_shown_at_its_field_and_shows_no_row(query, analyst, signed_in, pact):
    page = signed_in(analyst).get(f"{LATE}?{query}")

    assert page.status_code == 200
    if not query.startswith("p="):
        assert names(page) == []
    assert not messages_of(page)


def test_the_late_records_are_exported_as_csv_and_as_a_sheet(analyst, signed_in, pact):
    client = signed_in(analyst)

    csv = client.get(f"{LATE}?format=csv&type=component").text.splitlines()
    rows = list(load_workbook(BytesIO(client.get(f"{LATE}?format=xlsx").content)).active.iter_rows(values_only=True))

    assert len(csv) == 2
    assert f"400,{ago(400)},Component,'=Base,Pact," in csv[1]
    assert [(row[0], row[1].date().isoformat(), row[3], row[5]) for row in rows[1:]] == [
        (400, ago(400), "=Base", ""),
        (30, ago(30), "Build hubs", "analyst"),
    ]


def test_the_page_takes_few_queries(analyst, signed_in, pact):
    client = signed_in(analyst)
    client.get(LATE)

    assert count_queries(client.get, LATE) <= 40


def test_a_user_without_a_role_does_not_see_the_page(django_user_model, signed_in):
    stranger = django_user_model.objects.create_user("stranger", password="x", is_staff=True)

    assert signed_in(stranger).get(LATE).status_code in (302, 403)
