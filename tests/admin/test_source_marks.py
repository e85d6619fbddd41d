"""Source marks: what opens the source of a fact, on every page that states facts, and the list of all sources of an agreement."""

import re
from copy import deepcopy
from datetime import date

import pytest
from django.urls import reverse

from agreements.models import AgreementRelation, Citation, FactCheck, Participation, Source
from recommendations.models import Addressee, ProgressUpdate
from recommendations.progress import EvidenceRow, Report, report_progress
from tests.admin.page import change
from tests.conftest import make_user
from tests.make import (
    change_with_reason,
    make_action,
    make_agreement,
    make_commitment,
    make_component,
    make_condition,
    make_indicator,
    make_measurement,
    make_outcome,
    make_party,
    make_recommendation,
    make_source,
    settled,
)

TODAY = date.today()
MARK = re.compile(r'<a class="pt-source" href="([^"]*)"')
# What each of the sources of `made` is cited for, by the key of the source.
KINDS = {
    *("agreement", "component", "participation", "outcome", "relation", "action", "condition", "commitment"),
    *("measurement", "fact-check", "correction", "recommendation", "response", "evidence"),
}


def source(key: str, **fields):
    words = {"title": f"Title of {key}", "publisher": f"Publisher of {key}", "original_url": f"https://example.org/{key}"}
    return make_source(slug=key, published_on="2024-05-06", **words, **fields)


def stating(key: str) -> dict[str, object]:
    return {"source": source(key), "locator": f"Place in {key}", "quote": f"Quote of {key}"}


def make_world():
    """An agreement with a fact of each kind, each from a source of its own."""
    pact, party = make_agreement(slug="pact", title="A pact", summary="On output."), make_party("AUS", name="Australia")
    component, outcome = make_component(pact, due_on="2030", title="Projects"), make_outcome(pact, statement="More output")
    participation = Participation.objects.create(agreement=pact, party=party, role="party")
    Citation.objects.create(agreement=pact, field="summary", confidence="confirmed", **stating("agreement"))
    Citation.objects.create(component=component, field="due_on", **stating("component"))
    Citation.objects.create(participation=participation, **stating("participation"))
    Citation.objects.create(outcome=outcome, **stating("outcome"))
    AgreementRelation.objects.create(from_agreement=pact, kind="amends", to_agreement=make_agreement(), **stating("relation"))
    make_action(pact, "signature", party, "2024-01-02", **stating("action"))
    make_condition(pact, **stating("condition"))
    make_commitment(pact, payer=party, **stating("commitment"))
    indicator = make_indicator(outcome, name="Tonnes")
    make_measurement(indicator, **stating("measurement"))
    FactCheck.objects.create(slug="check", agreement=pact, statement="x", correcting_source=source("correction"), **stating("fact-check"))
    recommendation = make_recommendation(pact, **stating("recommendation"))
    Addressee.objects.create(recommendation=recommendation, party=party, response="accepted", **stating("response"))
    evidence = (EvidenceRow(**stating("evidence")),)
    update = report_progress(
        recommendation,
        Report(status="in_progress", narrative="Begun.", evidence=evidence),
        by=make_user("assessor", "analyst"),
        today=TODAY,
    )
    return {
        "agreement": pact,
        "party": party,
        "component": component,
        "outcome": outcome,
        "participation": participation,
        "indicator": indicator,
        "recommendation": recommendation,
        "update": update,
    }


@pytest.fixture(scope="module")
def shared_world(once_per_module):
    return once_per_module(make_world)


@pytest.fixture
def world(shared_world, db):
    return deepcopy(shared_world)


pytestmark = pytest.mark.usefixtures("world")


def opened(client, page: str) -> str:
    """The text of the pages that all marks of a page open."""
    return "".join(client.get(url.replace("&amp;", "&")).text for url in MARK.findall(page))


@pytest.mark.parametrize("role", ["reader", "party officer", "analyst"])
def test_the_overview_lists_every_source_with_what_rests_on_it(role, users, signed_in, world):
    sources = signed_in(users[role]).get(change(world["agreement"])).context["sources"]

    listed = {line.source.slug: ([use.quote for use, _titles in line.quoted], line.unquoted) for line in sources}

    assert listed == {key: ([f"Quote of {key}"], []) for key in KINDS - {"correction"}} | {"correction": ([], ["Checked, unchecked: x"])}


PAGES = {
    "agreement": KINDS - {"response", "evidence", "fact-check", "correction"},
    "recommendation": {"recommendation", "response", "evidence"},
    "party": {"action"},
    "component": {"component"},
    "indicator": {"measurement"},
    "update": {"evidence"},
    "outcome": {"outcome"},
    "participation": {"participation"},
}


@pytest.mark.parametrize("name", PAGES)
def test_the_marks_of_a_page_open_publisher_date_place_quote_and_document(name, reader, signed_in, world):
    client = signed_in(reader)

    text = opened(client, client.get(change(world[name])).text)

    for key in PAGES[name]:
        for words in (
            f"Title of {key}",
            f"Publisher of {key}",
            "2024-05-06",
            f"Place in {key}",
            f"Quote of {key}",
            f"https://example.org/{key}",
        ):
            assert words in text, (key, words)
    assert name != "agreement" or "Confirmed" in text


def test_a_mark_has_an_accessible_name_that_says_source(reader, signed_in, world):
    client = signed_in(reader)

    for record in world.values():
        for mark in re.findall(r'<a class="pt-source"[^>]*>[^<]*</a>', client.get(change(record)).text):
            assert re.search(r'aria-label="Sources? [\d, and]+"|>Sources?<', mark), mark


@pytest.mark.parametrize("name", PAGES)
def test_a_source_that_the_user_may_not_read_has_no_mark(name, reader, administrator, signed_in, world):
    change_with_reason(Source.objects.all(), visibility="restricted")
    settled()

    pages = [signed_in(user).get(change(world[name])).text for user in (reader, administrator)]

    assert [bool(MARK.search(page)) for page in pages] == [False, True]
    assert not re.search("(Title|Publisher|Place|Quote) (of|in) ", pages[0])
    marks = MARK.findall(pages[1])
    assert {signed_in(reader).get(url.replace("&amp;", "&")).status_code for url in marks} == {404}


@pytest.mark.parametrize("query", ["", "?citation=", "?citation=x", "?citation=0", f"?citation={'9' * 400}", "?citation=%00", "?nothing=1"])
def test_an_address_without_a_readable_record_is_not_found(query, reader, signed_in):
    assert signed_in(reader).get(f"{reverse('source_marks')}{query}").status_code == 404


def test_evidence_of_an_update_that_has_no_effect_is_no_source_of_the_agreement(analyst, signed_in, world):
    def listed() -> bool:
        return "evidence" in {line.source.slug for line in signed_in(analyst).get(change(world["agreement"])).context["sources"]}

    before = listed()
    ProgressUpdate.objects.update(voided_at="2024-01-01T00:00Z", void_reason="wrong")

    assert (before, listed()) == (True, False)


def test_evidence_leads_to_the_document_and_beside_it_to_the_page_of_the_source(reader, signed_in, world):
    page = signed_in(reader).get(change(world["recommendation"])).text
    evidence = world["update"].evidence.get()

    assert re.search(r'<a href="https://example.org/evidence"[^>]*>Title of evidence</a>', page)
    assert f'href="{change(evidence.source)}"' in page


# ---- sums


def test_figures_that_contradict_each_other_stand_side_by_side_with_what_counts(reader, signed_in, world):
    pact, party = world["agreement"], world["party"]
    first = make_commitment(pact, amount=80, currency="USD", payer=party, **stating("first"))
    second = make_commitment(pact, amount=27, currency="USD", disputes=first, **stating("second"))
    make_commitment(pact, amount=20, currency="USD", disputes=second)
    make_commitment(pact, amount=5, currency="USD", part_of=first)

    context = signed_in(reader).get(change(pact)).context
    (conflict,) = context["figures"].conflicts

    assert [(line.commitment.amount, line.counts) for line in conflict] == [(80, True), (27, False), (20, False)]
    assert [line.use and line.use.quote for line in conflict] == ["Quote of first", "Quote of second", None]
    assert sum(line.commitment.amount for line in conflict if line.counts) == 80
    assert [(line.commitment.amount, line.counts) for line in context["figures"].others] == [(1_000_000, True), (5, False)]
    assert [bar.value for bar in context["money"]] == ["AUD 1,000,000", "USD 80"]


def test_the_figures_of_the_overview_that_count_are_its_totals(reader, signed_in, world):
    hidden = make_component(world["agreement"], publication="draft")
    disputed = make_commitment(world["agreement"], amount=7, component=hidden)
    make_commitment(world["agreement"], amount=3, disputes=disputed)

    context = signed_in(reader).get(change(world["agreement"])).context

    assert context["figures"].conflicts == []
    assert sum(line.commitment.amount for line in context["figures"].others if line.counts) == 1_000_003
    assert [bar.value for bar in context["money"]] == ["AUD 1,000,003"]
