"""The coverage report: matrices of parties and components, and of sectors and recommendations, with their gaps."""

import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agreements.models import Component, Participation, Party, Sector
from recommendations.models import Recommendation
from tests.api.client import Api
from tests.make import change_with_reason, make_agreement, make_component, make_party, make_recommendation

pytestmark = pytest.mark.usefixtures("world")
AT = "agreements/quad/coverage/"
# The user and roles, the agreement, and three per matrix: rows, columns and cells.
QUERIES = 8


def take_part(agreement, *codes, role="party", **fields):
    return [Participation.objects.create(agreement=agreement, party=make_party(code), role=role, **fields) for code in codes]


@pytest.fixture
def quad(world):
    """Four participants and one mentioned party; three components, two with a lead; three sectors; two recommendations."""
    take_part(world.quad, "USA", "IND", "AUS")
    take_part(world.quad, "JPN", role="host")
    take_part(world.quad, "AUS", role="depositary")
    take_part(world.quad, "CHN", role="subject_of_concern")
    take_part(world.quad, "GBR", role="listed_in_source")
    make_component(world.quad, slug="b-ports").lead_parties.set([make_party("IND"), make_party("GBR")])
    make_component(world.quad, slug="a-cables").lead_parties.set([make_party("AUS"), make_party("IND")])
    make_component(world.quad, slug="c-nobodys")
    world.quad.sectors.set([world.water])
    world.land, world.air = (Sector.objects.create(code=code, name=code) for code in ("land", "air"))
    make_recommendation(world.quad, slug="two").sectors.set([world.energy])
    make_recommendation(world.quad, slug="one").sectors.set([])
    return world


def test_participants_are_rows_and_components_are_columns(quad, as_reader):
    told = as_reader.get(AT).json()

    assert list(told) == ["party_component", "sector_recommendation"]
    assert told["party_component"] == {
        "rows": ["AUS", "IND", "JPN", "USA"],
        "columns": ["a-cables", "b-ports", "c-nobodys"],
        "cells": [[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 0, 0]],
        "gaps": {"rows": ["JPN", "USA"], "columns": ["c-nobodys"]},
    }


def test_sectors_are_those_of_the_agreement_and_those_of_its_recommendations(quad, as_reader):
    told = as_reader.get(AT).json()["sector_recommendation"]

    assert told == {
        "rows": ["energy", "water"],
        "columns": ["one", "two"],
        "cells": [[0, 1], [0, 0]],
        "gaps": {"rows": ["water"], "columns": ["one"]},
    }


def test_an_agreement_without_records_has_empty_matrices(db, as_reader):
    make_agreement(slug="bare")

    empty = {"rows": [], "columns": [], "cells": [], "gaps": {"rows": [], "columns": []}}
    assert as_reader.get("agreements/bare/coverage/").json() == {"party_component": empty, "sector_recommendation": empty}


def test_hidden_records_add_no_row_or_column(quad, as_reader, as_officer, as_administrator):
    make_component(quad.quad, slug="hidden", visibility="restricted").lead_parties.set([make_party("USA")])
    make_recommendation(quad.quad, slug="shut", visibility="restricted").sectors.set([quad.air])
    make_recommendation(quad.quad, slug="draft", publication="draft").sectors.set([quad.land])

    def seen(client):
        told = client.get(AT).json()
        return [(matrix["rows"], matrix["columns"]) for matrix in told.values()]

    parties = ["AUS", "IND", "JPN", "USA"]
    assert seen(as_reader) == [(parties, ["a-cables", "b-ports", "c-nobodys"]), (["energy", "water"], ["one", "two"])]
    assert "USA" in as_reader.get(AT).json()["party_component"]["gaps"]["rows"]
    # Australia is a participant, so its officer can read drafts about the agreement.
    assert seen(as_officer)[1] == (["energy", "land", "water"], ["draft", "one", "two"])
    assert seen(as_administrator) == [
        (parties, ["a-cables", "b-ports", "c-nobodys", "hidden"]),
        (["air", "energy", "land", "water"], ["draft", "one", "shut", "two"]),
    ]


def test_a_hidden_agreement_has_no_coverage(quad, as_reader, as_administrator):
    change_with_reason(type(quad.quad).objects.filter(pk=quad.quad.pk), visibility="restricted")

    assert as_reader.get(AT).status_code == 404
    assert as_reader.get(AT).content == as_reader.get("agreements/none/coverage/").content
    assert as_administrator.get(AT).status_code == 200


def test_anonymous_users_can_read_it_with_public_read(quad, settings):
    assert Api().get(AT).status_code == 401
    settings.PUBLIC_READ = True

    assert Api().get(AT).json()["party_component"]["rows"] == ["AUS", "IND", "JPN", "USA"]
    assert Api().post(AT, {}).status_code == 401


@pytest.mark.parametrize("name", ["on", "page_size", "colour"])
def test_an_unknown_parameter_is_rejected(quad, as_reader, as_administrator, name):
    response = as_reader.get(AT, {name: "2025-01-01"})

    assert response.status_code == 400 and list(response.json()) == [name]
    assert as_administrator.post(AT, {}).status_code == 405


def asked(client):
    with CaptureQueriesContext(connection) as captured:
        response = client.get(AT)
    assert response.status_code == 200
    return sum("SAVEPOINT" not in query["sql"] for query in captured), response.json()


def grow(world, parties, components, recommendations):
    """Add this many of each; each component has one lead party, each recommendation both sectors."""
    Party.objects.bulk_create(Party(code=f"P{n:03}", name="P", kind="state") for n in range(parties))
    all_parties = list(Party.objects.filter(code__startswith="P"))
    Participation.objects.bulk_create(Participation(agreement=world.quad, party=party, role="party") for party in all_parties)
    made = Component.objects.bulk_create(
        Component(agreement=world.quad, slug=f"z-{n:03}", title="C", publication="published") for n in range(components)
    )
    leads = Component.lead_parties.through
    leads.objects.bulk_create(leads(component=one, party=all_parties[n % parties]) for n, one in enumerate(made))
    acts = Recommendation.objects.bulk_create(
        Recommendation(slug=f"z-{n:04}", key_action="R", publication="published") for n in range(recommendations)
    )
    for through, field, others in [
        (Recommendation.agreements.through, "agreement", [world.quad]),
        (Recommendation.sectors.through, "sector", [world.water, world.energy]),
    ]:
        through.objects.bulk_create(through(recommendation=act, **{field: other}) for act in acts for other in others)


def test_the_number_of_queries_does_not_depend_on_the_size(quad, as_reader):
    as_reader.get("agreements/")  # caches the roles of the user
    few, _ = asked(as_reader)

    grow(quad, 200, 600, 30)
    many, told = asked(as_reader)

    assert few == many == QUERIES - 1
    matrix = told["party_component"]
    assert (len(matrix["rows"]), len(matrix["columns"])) == (204, 603)
    assert sum(map(sum, matrix["cells"])) == 3 + 600
    assert "complete" not in matrix
    assert all(len(row) == 603 for row in matrix["cells"])


def test_a_matrix_is_truncated_at_its_limits(quad, as_reader):
    grow(quad, 1, 0, 2_100)

    told = as_reader.get(AT).json()

    assert "complete" not in told["party_component"]
    matrix = told["sector_recommendation"]
    assert (len(matrix["columns"]), matrix["complete"]) == (2_000, False)
    assert matrix["columns"][:3] == ["one", "two", "z-0000"]
    assert matrix["gaps"] == {"rows": [], "columns": ["one"]}
    assert len(json.dumps(told)) < 100_000
