"""The pages of parties, sources and components, with the records that refer to them."""

from datetime import UTC, datetime

import pytest
from django.contrib import admin

from agreements.models import Agreement, Citation, Component, FactCheck, FocusArea, Participation, Party, Sector, Source
from policytracker.admin.referring import filters_of, title_of
from policytracker.records.context import change_context
from policytracker.resources import registry
from recommendations.models import Addressee, Evidence, ProgressUpdate
from tests.admin.page import change, rows_in_list, tab
from tests.make import (
    make_action,
    make_agreement,
    make_commitment,
    make_component,
    make_condition,
    make_party,
    make_recommendation,
    make_source,
)
from tests.queries import count_queries


def make_evidence(recommendation, source, quote: str, **fields) -> Evidence:
    with change_context():
        update = ProgressUpdate.objects.create(
            recommendation=recommendation, kind="note", reported_on="2025-01-01", narrative="So.", **fields
        )
        return Evidence.objects.create(update=update, source=source, quote=quote)


@pytest.fixture(scope="module")
def shared_records(once_per_module):
    def make():
        agreement, hidden = make_agreement(legal_force="binding"), make_agreement(publication="draft")
        party, source = make_party("NZL", name="New Zealand"), make_source(title="A paper")
        component = make_component(agreement)
        for each in (agreement, hidden):
            Participation.objects.create(agreement=each, party=party, role="party")
            make_action(each, "ratification", party, "2020-01-01", source=source)
            make_commitment(each, payer=party, source=source)
            make_component(each).lead_parties.add(party)
        make_action(agreement, "entry_into_force", None, "2021-01-01")
        make_component(agreement, parent=component)
        make_commitment(agreement, component=component)
        make_condition(agreement, "named_parties", [party], source=source)
        for publication in ("published", "draft"):
            recommendation = make_recommendation(agreement, made_by=party, source=source, publication=publication)
            recommendation.components.add(component)
            Addressee.objects.create(recommendation=recommendation, party=party, source=source)
        ProgressUpdate.objects.create(
            recommendation=recommendation,
            kind="claim",
            status="planned",
            party=party,
            reported_on="2025-01-01",
            narrative="Done.",
            review="draft",
        )
        Citation.objects.create(source=source, component=component, quote="as they said")
        make_evidence(make_recommendation(agreement), source, "it is planned", review="approved", reviewed_at=datetime.now(UTC))
        make_evidence(make_recommendation(hidden), source, "not to be seen", review="draft")
        FactCheck.objects.create(slug="one", source=source, statement="So", correcting_source=make_source(slug="other"))
        sector, area = Sector.objects.create(code="ports", name="Ports"), FocusArea.objects.create(code="tides", name="Tides")
        agreement.sectors.add(sector)
        Participation.objects.filter(party=party).update(focus_area=area)
        return party.pk, source.pk, component.pk, sector.pk, area.pk

    return once_per_module(make)


@pytest.fixture
def records(shared_records, db):
    return [model.objects.get(pk=pk) for model, pk in zip((Party, Source, Component, Sector, FocusArea), shared_records, strict=True)]


pytestmark = pytest.mark.usefixtures("records")


@pytest.mark.parametrize("role", ["reader", "party officer", "analyst"])
def test_each_count_equals_the_list_to_which_it_links(role, users, signed_in, records):
    client = signed_in(users[role])

    for record in records:
        tiles = client.get(change(record)).context["referring"]
        assert tiles and all(tile.count for tile in tiles)
        for tile in tiles:
            assert rows_in_list(tile.url, users[role]) == tile.count, tile


@pytest.mark.parametrize("model", [Party, Source, Component, Sector, FocusArea])
def test_every_reference_to_the_record_has_a_list(model):
    missing = [(m.__name__, name) for m, name in registry.references_to(model) if name not in filters_of(admin.site.get_model_admin(m))]

    assert missing == []


def test_a_tile_with_one_record_names_it_in_the_singular(reader, signed_in, records):
    party, *_others, sector, area = (signed_in(reader).get(change(record)).context["referring"] for record in records)

    assert "Agreement" in [tile.title for tile in party]
    assert [(tile.title, tile.count) for tile in (*sector, *area)] == [("Agreement", 1), ("Participation", 1)]


def test_every_name_of_a_tile_has_a_singular_and_a_plural():
    named = [(page.model, name) for page in admin.site._registry.values() for name in getattr(page, "titles_from", {})]
    assert len(named) > 5
    for model, name in named:
        assert title_of(model, name, 1) != title_of(model, name, 2)


def test_a_party_shows_its_standings(reader, signed_in, records):
    page = signed_in(reader).get(change(records[0]))

    (line,) = page.context["standings"]
    assert (line.badge.label, line.since) == ("Bound", "2021-01-01")
    assert b"New Zealand" in page.content


def test_a_source_shows_what_is_quoted_from_it(reader, signed_in, records):
    content = signed_in(reader).get(change(records[1])).content.decode()
    citation, evidence = Citation.objects.get(quote="as they said"), Evidence.objects.get(quote="it is planned")

    assert "A paper" in content
    for quoted, about in ((citation, records[2]), (evidence, evidence.update.recommendation)):
        assert quoted.quote in content
        assert f'href="{change(quoted)}"' in content
        assert f'href="{change(about)}"' in content
    assert "not to be seen" not in content


def test_the_form_is_a_tab_of_its_own(reader, analyst, signed_in, records):
    for record in records[:2]:
        form, details = (signed_in(user).get(tab(record, "edit")).content.decode() for user in (analyst, reader))
        assert ('name="_save"' in form, 'name="_save"' in details) == (True, False)


def test_the_cost_does_not_grow_with_the_records(analyst, signed_in, records):
    client = signed_in(analyst)
    costs = []

    for size in (0, 10):
        for _ in range(size):
            agreement = make_agreement()
            make_action(agreement, party=records[0], acted_on="2022", source=records[1])
            Citation.objects.create(source=records[1], agreement=agreement, quote="so")
            make_component(Agreement.objects.get(components=records[2]), parent=records[2])
        for record in records:
            client.get(change(record))
            costs.append(count_queries(client.get, change(record)))

    assert costs[: len(records)] == costs[len(records) :]
    assert max(costs) <= 40
