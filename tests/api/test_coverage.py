"""Coverage matrices: party by component and sector by recommendation, with the gaps in both."""

import json

import pytest

from agreements.models import Component, Participation, Party, Sector
from recommendations.models import Recommendation
from tests.api.client import Api
from tests.make import change_with_reason, make_agreement, make_component, make_party, make_recommendation
from tests.queries import count_queries

pytestmark = pytest.mark.usefixtures("world")
URL = "agreements/quad/coverage/"
# The user, the roles, the agreement, and three for each matrix: rows, columns and pairs.
QUERIES = 8


def add_participants(agreement, *codes, role="party", **fields):
    return [Participation.objects.create(agreement=agreement, party=make_party(code), role=role, **fields) for code in codes]


@pytest.fixture
def quad(world):
    """An agreement with four participants, three components of which two have a lead, two sectors and two recommendations."""
    add_participants(world.quad, "USA", "IND", "AUS")
    add_participants(world.quad, "JPN", role="host")
    add_participants(world.quad, "AUS", role="depositary")
    add_participants(world.quad, "CHN", role="subject_of_concern")
    add_participants(world.quad, "GBR", role="listed_in_source")
    make_component(world.quad, slug="b-ports").lead_parties.set([make_party("IND"), make_party("GBR")])
    make_component(world.quad, slug="a-cables").lead_parties.set([make_party("AUS"), make_party("IND")])
    make_component(world.quad, slug="c-unled")
    world.quad.sectors.set([world.water])
    world.land, world.air = (Sector.objects.create(code=code, name=code) for code in ("land", "air"))
    make_recommendation(world.quad, slug="two").sectors.set([world.energy])
    make_recommendation(world.quad, slug="one").sectors.set([])
    return world


def test_participants_are_rows_and_components_are_columns(quad, as_reader):
    body = as_reader.get(URL).json()

    assert list(body) == ["party_component", "sector_recommendation"]
    assert body["party_component"] == {
        "rows": ["AUS", "IND", "JPN", "USA"],
        "columns": ["a-cables", "b-ports", "c-unled"],
        "cells": [[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 0, 0]],
        "gaps": {"rows": ["JPN", "USA"], "columns": ["c-unled"]},
    }


def test_sectors_are_those_of_the_agreement_and_those_of_its_recommendations(quad, as_reader):
    body = as_reader.get(URL).json()["sector_recommendation"]

    assert body == {
        "rows": ["energy", "water"],
        "columns": ["one", "two"],
        "cells": [[0, 1], [0, 0]],
        "gaps": {"rows": ["water"], "columns": ["one"]},
    }


def test_an_agreement_without_records_has_empty_matrices(db, as_reader):
    make_agreement(slug="bare")

    empty = {"rows": [], "columns": [], "cells": [], "gaps": {"rows": [], "columns": []}}
    assert as_reader.get("agreements/bare/coverage/").json() == {"party_component": empty, "sector_recommendation": empty}


def test_records_that_the_user_may_not_read_add_no_row_and_no_column(quad, as_reader, as_officer, as_administrator):
    make_component(quad.quad, slug="hidden", visibility="restricted").lead_parties.set([make_party("USA")])
    make_recommendation(quad.quad, slug="shut", visibility="restricted").sectors.set([quad.air])
    make_recommendation(quad.quad, slug="draft", publication="draft").sectors.set([quad.land])

    def rows_and_columns(client):
        return [(matrix["rows"], matrix["columns"]) for matrix in client.get(URL).json().values()]

    parties = ["AUS", "IND", "JPN", "USA"]
    assert rows_and_columns(as_reader) == [(parties, ["a-cables", "b-ports", "c-unled"]), (["energy", "water"], ["one", "two"])]
    assert "USA" in as_reader.get(URL).json()["party_component"]["gaps"]["rows"]
    # Australia takes part in the agreement, so its party officer may read the drafts about it.
    assert rows_and_columns(as_officer)[1] == (["energy", "land", "water"], ["draft", "one", "two"])
    assert rows_and_columns(as_administrator) == [
        (parties, ["a-cables", "b-ports", "c-unled", "hidden"]),
        (["air", "energy", "land", "water"], ["draft", "one", "shut", "two"]),
    ]


def test_a_hidden_agreement_has_no_coverage(quad, as_reader, as_administrator):
    change_with_reason(type(quad.quad).objects.filter(pk=quad.quad.pk), visibility="restricted")

    assert as_reader.get(URL).status_code == 404
    assert as_reader.get(URL).content == as_reader.get("agreements/none/coverage/").content
    assert as_administrator.get(URL).status_code == 200


def test_anonymous_users_can_read_coverage_with_public_read(quad, settings):
    assert Api().get(URL).status_code == 401
    settings.PUBLIC_READ = True

    assert Api().get(URL).json()["party_component"]["rows"] == ["AUS", "IND", "JPN", "USA"]
    assert Api().post(URL, {}).status_code == 401


@pytest.mark.parametrize("name", ["on", "page_size", "colour"])
def test_an_unknown_parameter_is_refused(quad, as_reader, as_administrator, name):
    response = as_reader.get(URL, {name: "2025-01-01"})

    assert (response.status_code, list(response.json())) == (400, [name])
    assert as_administrator.post(URL, {}).status_code == 405


def grow(world, parties, components, recommendations):
    """Add this many of each. Each component gets one lead party, each recommendation both sectors."""
    Party.objects.bulk_create(Party(code=f"P{n:03}", name="P", kind="state") for n in range(parties))
    all_parties = list(Party.objects.filter(code__startswith="P"))
    Participation.objects.bulk_create(Participation(agreement=world.quad, party=party, role="party") for party in all_parties)
    made_components = Component.objects.bulk_create(
        Component(agreement=world.quad, slug=f"z-{n:03}", title="C", publication="published") for n in range(components)
    )
    leads = Component.lead_parties.through
    leads.objects.bulk_create(leads(component=component, party=all_parties[n % parties]) for n, component in enumerate(made_components))
    made_recommendations = Recommendation.objects.bulk_create(
        Recommendation(slug=f"z-{n:04}", key_action="R", publication="published") for n in range(recommendations)
    )
    for through, field, others in [
        (Recommendation.agreements.through, "agreement", [world.quad]),
        (Recommendation.sectors.through, "sector", [world.water, world.energy]),
    ]:
        through.objects.bulk_create(
            through(recommendation=made_recommendation, **{field: other})
            for made_recommendation in made_recommendations
            for other in others
        )


def test_the_number_of_queries_does_not_grow_with_the_matrix(quad, as_reader):
    as_reader.get("agreements/")  # loads the roles of the user
    few = count_queries(as_reader.get, URL)

    grow(quad, 200, 600, 30)

    assert few == count_queries(as_reader.get, URL) == QUERIES - 1
    matrix = as_reader.get(URL).json()["party_component"]
    assert (len(matrix["rows"]), len(matrix["columns"])) == (204, 603)
    assert sum(map(sum, matrix["cells"])) == 3 + 600
    assert "complete" not in matrix
    assert all(len(row) == 603 for row in matrix["cells"])


def test_a_matrix_above_the_limits_is_cut_off_and_marked_incomplete(quad, as_reader):
    grow(quad, 1, 0, 2_100)

    body = as_reader.get(URL).json()

    assert "complete" not in body["party_component"]
    matrix = body["sector_recommendation"]
    assert (len(matrix["columns"]), matrix["complete"]) == (2_000, False)
    assert matrix["columns"][:3] == ["one", "two", "z-0000"]
    assert matrix["gaps"] == {"rows": [], "columns": ["one"]}
    assert len(json.dumps(body)) < 100_000
