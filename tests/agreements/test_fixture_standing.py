"""The standings of the fixture agreements on important dates, and the difficult cases among them."""

import csv
from datetime import date

import pytest
from django.conf import settings

from agreements.standing import conditions, pairs, party_standing, text_standing
from tests.agreements.records import TEXTS

EIGHT = "BRN CHL JPN MYS NZL PER SGP VNM"

# Agreement, day, standing of the text, and standings of parties as "PARTIES: standing; PARTIES: standing".
with (settings.BASE_DIR / "tests" / "facts" / "standings.csv").open(encoding="utf-8") as file:
    ROWS = [tuple(row.values()) for row in csv.DictReader(file)]


@pytest.mark.parametrize(("slug", "day", "standing", "parties"), ROWS, ids=lambda cell: cell[:30])
def test_standings_of_the_fixtures_match_their_sources(slug, day, standing, parties):
    text, on = TEXTS[slug], date.fromisoformat(day)
    expected = {party: code.strip() for part in parties.split(";") for codes, code in [part.split(":")] for party in codes.split()}

    assert text_standing(text, on).code == standing
    assert {party: party_standing(text, party, on).code for party in expected} == expected


def test_every_agreement_is_tested_on_at_least_three_days():
    days = {slug: {day for s, day, *_ in ROWS if s == slug} for slug in TEXTS}

    assert {slug: len(found) for slug, found in days.items() if len(found) < 3} == {}
    assert {slug for slug, *_ in ROWS} == set(TEXTS)


# ---- difficult cases


def on(slug: str, day: str, party: str):
    return party_standing(TEXTS[slug], party, date.fromisoformat(day))


def test_the_standing_of_a_party_that_left_and_returned_dates_from_the_latest_change():
    assert on("paris-agreement", "2023-01-01", "USA").since == "2021-02-19"
    assert on("paris-agreement", "2026-06-01", "USA").since == "2026-01-27"


@pytest.mark.parametrize(
    ("day", "bound"),
    [
        ("2016-11-03", 0),
        ("2016-11-04", 74),
        ("2016-12-31", 115),
        ("2017-12-31", 170),
        ("2018-12-31", 184),
        ("2020-11-03", 189),
        ("2020-11-04", 188),
        ("2021-02-18", 189),
        ("2021-02-19", 190),
        ("2021-12-31", 193),
        ("2023-03-09", 195),
        ("2026-01-26", 195),
        ("2026-01-27", 194),
    ],
)
def test_number_of_parties_bound_by_the_paris_agreement(day, bound):
    text = TEXTS["paris-agreement"]
    parties = {action.party for action in text.actions if action.party}

    assert sum(party_standing(text, party, date.fromisoformat(day)).bound for party in parties) == bound


def test_the_united_kingdom_is_bound_by_the_cptpp_through_its_accession_protocol():
    standing = on("cptpp", "2026-11-24", "GBR")

    assert (standing.code, standing.since, standing.via) == ("bound", "2024-12-15", "cptpp-uk-accession")


def test_the_accession_protocol_is_in_force_between_pairs():
    text = TEXTS["cptpp-uk-accession"]

    between = [{party for pair in pairs(text, date(2024, 12, day)) for party in pair.parties if party != "GBR"} for day in (14, 15, 23, 24)]

    assert between == [set(), set(EIGHT.split()), set(EIGHT.split()), {*EIGHT.split(), "AUS"}]
    assert not {"CAN", "MEX"} & {party for pair in pairs(text, date(2026, 11, 24)) for party in pair.parties}


def test_a_date_keeps_the_precision_of_its_source():
    statement = text_standing(TEXTS["ca-au-minerals-declaration-2025"], date(2026, 1, 1))
    joined = on("msp", "2024-01-01", "IND")

    assert (statement.since, statement.approximate) == ("2025-10-31~", True)
    assert (joined.since, joined.approximate) == ("2023-06", True)


def test_missing_conditions_of_entry_into_force_are_listed():
    asked = conditions(TEXTS["annpa"], date(2026, 11, 24))
    met = conditions(TEXTS["us-jp-critical-minerals-2023"], date(2023, 3, 28))

    assert [(found.condition.kind, found.met, found.missing.parties) for found in asked] == [
        ("exchange_of_notes", False, ("AUS", "GBR", "USA"))
    ]
    assert [(found.condition.kind, found.met, found.met_on) for found in met] == [("on_signature", True, "2023-03-28")]
