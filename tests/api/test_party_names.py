"""Parties are found by code, name or alias, whatever the case and the diacritics."""

import pytest

from tests.make import make_party


@pytest.fixture
def parties(db):
    make_party("CIV", name="Côte d’Ivoire", aliases=["Ivory Coast"])
    make_party("TUR", name="Türkiye", aliases=["Turkey"])
    make_party("USA", name="United States", aliases=["The United States of America"])


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("civ", "CIV"),
        ("COTE D'IVOIRE", "CIV"),
        ("ivory coast", "CIV"),
        ("turkiye", "TUR"),
        ("United States of America", "USA"),
    ],
)
def test_a_party_is_found_by_code_name_or_alias(parties, as_reader, name, code):
    assert as_reader.keys("parties/", named=name) == [code]


def test_a_part_of_a_name_finds_nothing_and_several_names_find_each(parties, as_reader):
    assert as_reader.keys("parties/", named="United") == []
    assert as_reader.keys("parties/", named=["USA", "turkey"]) == ["TUR", "USA"]
