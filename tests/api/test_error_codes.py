"""Every message of a 400 has a stable code, and a duplicate value names the existing record."""

import pytest

from tests.api.refusals import codes, field_errors, list_errors
from tests.make import make_agreement

SPACE = {"code": "space", "name": "Space"}


@pytest.mark.parametrize(
    ("address", "body", "expected"),
    [
        ("sectors/", {}, {"code": ["required"], "name": ["required"]}),
        ("sectors/", {"code": "space", "name": ""}, {"name": ["blank"]}),
        ("sectors/", SPACE | {"colour": "blue"}, {"colour": ["unknown_field"]}),
        ("sectors/", SPACE | {"name": "x" * 201}, {"name": ["max_length"]}),
        ("agreements/", {"slug": "new", "title": "New", "kind": "pact"}, {"kind": ["invalid_choice"]}),
        ("agreements/", {"slug": "new", "title": "New", "signed_on": "2020"}, {"signed_on": ["read_only"]}),
        ("agreements/", {"slug": "new", "title": "New", "sectors": ["energy", "x", "y"]}, {"sectors": ["does_not_exist"] * 2}),
        ("agreements/", {"slug": "new", "title": "New", "lead": "nobody"}, {"lead": ["does_not_exist"]}),
        ("agreements/", {"slug": "aukus", "title": "New"}, {"slug": ["unique"]}),
        ("agreements/", {"slug": "new", "title": "New", "status": "in_force"}, {"status": ["agreement_in_force_is_binding"]}),
        ("agreements/", {"slug": "new", "title": "New", "expires_on": "soon"}, {"expires_on": ["invalid_date"]}),
        ("agreements/", {"slug": "new", "title": "New", "status": "superseded"}, {"status": ["agreement_superseded_by_another"]}),
        ("agreements/", [], {}),
    ],
)
def test_every_message_has_a_code(world, as_analyst, address, body, expected):
    response = as_analyst.post(address, body)

    if expected:
        field_errors(response, *expected)
        assert codes(response) == expected
    else:
        assert response.json() == []


def test_a_duplicate_value_names_the_existing_record(world, as_analyst):
    taken = as_analyst.post("agreements/", {"slug": "aukus", "title": "New"}).json()
    repeated = as_analyst.post("addressees/", {"recommendation": "act", "party": "AUS"}).json()
    overlapping = as_analyst.post("participations/", {"agreement": "aukus", "party": "AUS", "role": "party", "since": "2022"}).json()
    iso = as_analyst.patch("parties/AUS/", {"iso_alpha2": "AU"})
    second = as_analyst.patch("parties/GBR/", {"iso_alpha2": "AU"}).json()

    assert taken["_existing"] == {"slug": "aukus"}
    assert (repeated["_codes"], repeated["_existing"]) == ({"party": ["addressee_is_named_once"]}, {"party": str(world.addressee.uid)})
    assert overlapping["_existing"] == {"since": str(world.participation.uid)}
    assert iso.status_code == 200 and second["_existing"] == {"iso_alpha2": "AUS"}


def test_a_hidden_existing_record_is_not_named(world, as_analyst):
    make_agreement(slug="hidden", visibility="restricted")

    refused = as_analyst.post("agreements/", {"slug": "hidden", "title": "New"})

    assert codes(refused) == {"slug": ["unique"]}
    assert "_existing" not in refused.json()


def test_a_list_entry_has_the_same_error_as_if_sent_alone(world, as_analyst):
    bodies = [SPACE, {"code": "energy", "name": "Energy"}, {"code": "y"}]

    response = as_analyst.post("sectors/", bodies)

    assert list(list_errors(response)) == ["1", "2"]
    for index in ("1", "2"):
        assert response.json()["errors"][index] == as_analyst.post("sectors/", bodies[int(index)]).json()


def test_nested_errors_are_errors_of_the_field(world, as_analyst):
    body = {"status": "in_progress", "narrative": "n", "evidence": [{"source": "communique"}, {"source": "x", "colour": "blue"}]}

    response = as_analyst.post("recommendations/act/progress/", body)

    assert codes(response) == {"evidence": ["does_not_exist", "unknown_field"]}


def test_an_invalid_code_is_answered_with_the_code_list(world, as_analyst):
    in_body = field_errors(as_analyst.post("agreements/", {"slug": "new", "title": "New", "legal_force": "x"}), "legal_force")
    in_filter = as_analyst.get("agreements/", {"legal_force": "x"}).json()

    assert in_body["legal_force"] == in_filter["legal_force"]
    for code in ("binding", "non_binding", "mixed", "undetermined"):
        assert code in in_filter["legal_force"][0]


def test_an_invalid_parameter_has_no_codes(world, as_analyst):
    assert set(as_analyst.get("agreements/", {"colour": "blue"}).json()) == {"colour"}
