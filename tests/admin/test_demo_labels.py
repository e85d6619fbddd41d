"""Demonstration data carry a label in lists and in the search, and a banner on their pages; real data do not."""

import pytest
from django.urls import reverse

from agreements.models import Agreement, Component
from recommendations.models import Milestone, Recommendation
from tests.admin.page import change, changes, edit, history, tab
from tests.make import make_agreement, make_component, make_recommendation
from tests.queries import captured_queries

LABEL, BANNER = "pt-label pt-demo", "pt-banner"


@pytest.fixture
def records(db):
    real, fictional = make_agreement(slug="pact", title="Pact"), make_agreement(slug="demo-pact", title="Harbour pact")
    made = {"real": real, "fictional": fictional}
    made["real component"], made["fictional component"] = make_component(real, slug="part"), make_component(fictional, slug="demo-part")
    made["real advice"] = make_recommendation(real, slug="rec", due_on="2999-01-01")
    made["fictional advice"] = make_recommendation(fictional, slug="demo-rec", due_on="2999-01-01")
    return made


@pytest.mark.parametrize("model", [Agreement, Component, Recommendation])
def test_each_fictional_row_of_a_list_has_a_label(model, records, reader, signed_in):
    page = signed_in(reader).get(changes(model))

    assert len(page.context["cl"].result_list) == 2
    assert page.text.count(LABEL) == 1
    row = next(part for part in page.text.split("<tr") if LABEL in part)
    assert change(page.context["cl"].result_list.get(**{f"{model.key}__startswith": "demo-"})) in row


def test_the_label_of_rows_without_a_key_of_their_own_takes_one_query(records, analyst, signed_in):
    client = signed_in(analyst)
    for name in ("real advice", "fictional advice"):
        Milestone.objects.create(recommendation=records[name], title="Begin", due_on="2030")

    page = client.get(changes(Milestone))

    assert len(page.context["cl"].result_list) == 2 and page.text.count(LABEL) == 1
    changelist = page.context["cl"]
    vars(changelist).pop("fictional")
    with captured_queries() as queries:
        assert len(changelist.fictional) == 1
    assert len(queries) == 1


@pytest.mark.parametrize("page", [change, edit, history, lambda record: tab(record, "components")])
def test_the_pages_of_a_fictional_record_have_a_banner(page, records, analyst, signed_in):
    client = signed_in(analyst)

    texts = [client.get(page(records[name])).text for name in ("fictional", "real")]

    assert [BANNER in text for text in texts] == [True, False]


def test_home_says_that_there_are_fictional_records_and_labels_their_deadlines(records, reader, signed_in):
    client = signed_in(reader)

    page = client.get("/admin/").text

    assert BANNER in page and page.count(LABEL) > 1


def test_the_page_of_what_is_late_labels_fictional_records(records, reader, signed_in):
    for name in ("real component", "fictional component"):
        records[name].due_on = "2020-01-01"
        records[name].save()

    page = signed_in(reader).get(reverse("late"))

    assert {line.late.key: line.late.fictional for line in page.context["lines"]} == {"part": False, "demo-part": True}
    assert page.text.count(LABEL) == 1


def test_home_says_nothing_without_fictional_records(reader, signed_in):
    make_recommendation(make_agreement(), due_on="2999-01-01")

    assert BANNER not in signed_in(reader).get("/admin/").text


def test_the_search_labels_fictional_records(records, reader, signed_in):
    page = signed_in(reader).get(reverse("palette"), {"s": "pact", "extended": "1"}).text

    assert page.count(LABEL) == 1
