"""The standings of the fixture agreements on important dates, and the difficult cases among them."""

import re
from datetime import date

import pytest

from agreements.standing import Action, AgreementRecord, conditions, pairs, party_standing, text_standing
from tests.agreements.records import TEXTS

EIGHT = "BRN CHL JPN MYS NZL PER SGP VNM"
SIX = "AUS CAN JPN MEX NZL SGP"
FIRST_OF_MSP = "AUS CAN DEU EU FIN FRA GBR JPN KOR SWE USA"
TEN = "ARE ARG COK ECU GIN MAR PER PHL PRY UZB"

# Agreement, date, standing of the text, and standings of parties as "PARTIES: standing".
TABLE = """
us-au-critical-minerals-framework-2025 | 2025-10-19 | unknown       | AUS USA GBR CHN: none
us-au-critical-minerals-framework-2025 | 2025-10-20 | operative     | AUS USA: participant; GBR CHN: none
us-au-critical-minerals-framework-2025 | 2026-11-24 | operative     | AUS USA: participant; GBR CHN: none
aukus                                  | 2021-09-14 | unknown       | AUS GBR USA: none
aukus                                  | 2021-09-15 | announced     | AUS GBR USA: none
aukus                                  | 2022-04-04 | announced     | AUS GBR USA: none
aukus                                  | 2022-04-05 | operative     | AUS GBR USA: participant
aukus                                  | 2025-12-08 | operative     | AUS GBR USA: participant
ennpia                                 | 2021-11-21 | unknown       | AUS GBR USA: none
ennpia                                 | 2021-11-22 | signed        | AUS GBR USA: signatory
ennpia                                 | 2022-02-07 | signed        | AUS GBR USA: signatory
ennpia                                 | 2022-02-08 | in_force      | AUS GBR USA: bound
annpa                                  | 2024-08-04 | unknown       | AUS GBR USA: none
annpa                                  | 2024-08-05 | signed        | AUS GBR USA: signatory
annpa                                  | 2026-11-24 | signed        | AUS GBR USA: signatory
annpa                                  | 2075-12-31 | signed        | AUS GBR USA: signatory
annpa                                  | 2076-01-01 | terminated    | AUS GBR USA: signatory
geelong-treaty                         | 2025-07-25 | unknown       | AUS GBR: none
geelong-treaty                         | 2025-07-26 | signed        | AUS GBR: signatory
geelong-treaty                         | 2026-11-24 | signed        | AUS GBR: signatory
msp                                    | 2022-06-13 | unknown       | AUS EU USA IND EST: none
msp                                    | 2022-06-14 | operative     | FIRST_OF_MSP: participant; ITA NOR IND EST: none
msp                                    | 2023-01-31 | operative     | FIRST_OF_MSP: participant; ITA NOR IND EST: none
msp                                    | 2023-02-01 | operative     | FIRST_OF_MSP ITA NOR: participant; IND EST: none
msp                                    | 2023-06-01 | operative     | FIRST_OF_MSP ITA NOR IND: participant; EST: none
msp                                    | 2024-03-01 | operative     | FIRST_OF_MSP ITA NOR IND EST: participant
forge                                  | 2026-02-03 | unknown       | KOR: none
forge                                  | 2026-02-04 | operative     | KOR: participant
forge                                  | 2026-11-24 | operative     | KOR: participant
us-jp-critical-minerals-2023           | 2023-03-27 | unknown       | JPN USA: none
us-jp-critical-minerals-2023           | 2023-03-28 | in_force      | JPN USA: bound
us-jp-critical-minerals-2023           | 2026-11-24 | in_force      | JPN USA: bound
us-jp-framework-2025                   | 2025-10-27 | unknown       | JPN USA: none
us-jp-framework-2025                   | 2025-10-28 | operative     | JPN USA: participant
us-jp-framework-2025                   | 2026-11-24 | operative     | JPN USA: participant
quad-critical-minerals-initiative      | 2025-06-30 | unknown       | AUS IND JPN USA: none
quad-critical-minerals-initiative      | 2025-07-01 | operative     | AUS IND JPN USA: participant
quad-critical-minerals-initiative      | 2026-11-24 | operative     | AUS IND JPN USA: participant
eu-au-minerals-mou-2024                | 2024-05-27 | unknown       | AUS EU: none
eu-au-minerals-mou-2024                | 2024-05-28 | operative     | AUS EU: participant
eu-au-minerals-mou-2024                | 2026-11-24 | operative     | AUS EU: participant
uk-au-minerals-soi-2023                | 2023-04-03 | unknown       | AUS GBR: none
uk-au-minerals-soi-2023                | 2023-04-04 | operative     | AUS GBR: participant
uk-au-minerals-soi-2023                | 2026-11-24 | operative     | AUS GBR: participant
ca-au-minerals-statement-2024          | 2024-03-03 | unknown       | AUS CAN: none
ca-au-minerals-statement-2024          | 2024-03-04 | announced     | AUS CAN: none
ca-au-minerals-statement-2024          | 2026-11-24 | announced     | AUS CAN: none
ca-au-minerals-declaration-2025        | 2025-10-30 | unknown       | AUS CAN: none
ca-au-minerals-declaration-2025        | 2025-10-31 | operative     | AUS CAN: participant
ca-au-minerals-declaration-2025        | 2026-11-24 | operative     | AUS CAN: participant
us-ua-reconstruction-fund              | 2025-04-29 | unknown       | UKR USA: none
us-ua-reconstruction-fund              | 2025-04-30 | signed        | UKR USA: signatory
us-ua-reconstruction-fund              | 2025-05-12 | signed        | UKR: contracting; USA: signatory
us-ua-reconstruction-fund              | 2025-05-22 | signed        | UKR: contracting; USA: signatory
us-ua-reconstruction-fund              | 2025-05-23 | in_force      | UKR USA: bound
us-ua-reconstruction-fund              | 2026-11-24 | in_force      | UKR USA: bound
paris-agreement                        | 2015-12-11 | unknown       | USA AUS: none
paris-agreement                        | 2015-12-12 | adopted       | USA AUS: none
paris-agreement                        | 2016-04-22 | signed        | USA AUS IRN LBY: signatory; YEM NIC SYR VAT: none
paris-agreement                        | 2016-09-02 | signed        | USA AUS: signatory
paris-agreement                        | 2016-09-03 | signed        | USA: contracting; AUS IRN: signatory
paris-agreement                        | 2016-11-03 | signed        | USA: contracting; AUS: signatory
paris-agreement                        | 2016-11-04 | in_force      | USA: bound; AUS: signatory
paris-agreement                        | 2016-12-09 | in_force      | USA AUS: bound; IRN LBY YEM: signatory; NIC SYR VAT: none
paris-agreement                        | 2017-06-01 | in_force      | USA: bound
paris-agreement                        | 2018-06-01 | in_force      | USA: bound
paris-agreement                        | 2019-11-03 | in_force      | USA: bound
paris-agreement                        | 2019-11-04 | in_force      | USA: withdrawing
paris-agreement                        | 2020-11-03 | in_force      | USA: withdrawing
paris-agreement                        | 2020-11-04 | in_force      | USA: former_party
paris-agreement                        | 2021-01-19 | in_force      | USA: former_party
paris-agreement                        | 2021-01-20 | in_force      | USA: contracting
paris-agreement                        | 2021-02-18 | in_force      | USA: contracting
paris-agreement                        | 2021-02-19 | in_force      | USA: bound
paris-agreement                        | 2025-01-26 | in_force      | USA: bound
paris-agreement                        | 2025-01-27 | in_force      | USA: withdrawing
paris-agreement                        | 2026-01-26 | in_force      | USA: withdrawing
paris-agreement                        | 2026-01-27 | in_force      | USA: former_party; AUS NIC SYR VAT: bound; IRN LBY YEM: signatory
cptpp                                  | 2018-03-07 | unknown       | SIX VNM PER MYS CHL BRN: none
cptpp                                  | 2018-03-08 | signed        | SIX VNM PER MYS CHL BRN: signatory
cptpp                                  | 2018-06-28 | signed        | MEX: contracting; JPN SGP NZL CAN AUS VNM PER MYS CHL BRN: signatory
cptpp                                  | 2018-10-31 | signed        | SIX: contracting; VNM PER MYS CHL BRN: signatory
cptpp                                  | 2018-12-29 | signed        | SIX VNM: contracting; PER MYS CHL BRN: signatory
cptpp                                  | 2018-12-30 | in_force      | SIX: bound; VNM: contracting; PER MYS CHL BRN: signatory
cptpp                                  | 2019-01-14 | in_force      | SIX VNM: bound; PER MYS CHL BRN: signatory
cptpp                                  | 2021-07-20 | in_force      | PER: signatory
cptpp                                  | 2021-07-21 | in_force      | PER: contracting; MYS CHL BRN: signatory
cptpp                                  | 2021-09-18 | in_force      | PER: contracting
cptpp                                  | 2021-09-19 | in_force      | SIX VNM PER: bound; MYS CHL BRN: signatory
cptpp                                  | 2022-11-28 | in_force      | MYS: contracting
cptpp                                  | 2022-11-29 | in_force      | SIX VNM PER MYS: bound; CHL BRN: signatory
cptpp                                  | 2023-02-20 | in_force      | CHL: contracting; BRN: signatory
cptpp                                  | 2023-02-21 | in_force      | SIX VNM PER MYS CHL: bound; BRN: signatory
cptpp                                  | 2023-07-12 | in_force      | SIX VNM PER MYS CHL BRN: bound; GBR: none
cptpp                                  | 2023-07-16 | in_force      | GBR: signatory
cptpp                                  | 2024-05-01 | in_force      | GBR: contracting
cptpp                                  | 2024-12-14 | in_force      | GBR: contracting
cptpp                                  | 2024-12-15 | in_force      | GBR: bound; CAN MEX: bound
cptpp-uk-accession                     | 2023-07-15 | unknown       | GBR AUS CAN: none
cptpp-uk-accession                     | 2023-07-16 | signed        | GBR AUS CAN MEX EIGHT: signatory
cptpp-uk-accession                     | 2024-05-01 | signed        | GBR: contracting; AUS CAN: signatory
cptpp-uk-accession                     | 2024-12-14 | signed        | GBR: contracting; EIGHT: signatory
cptpp-uk-accession                     | 2024-12-15 | in_force      | GBR EIGHT: bound; AUS CAN MEX: signatory
cptpp-uk-accession                     | 2024-12-24 | in_force      | GBR EIGHT AUS: bound; CAN MEX: signatory
cptpp-uk-accession                     | 2026-11-24 | in_force      | GBR EIGHT AUS: bound; CAN MEX: signatory
us-au-technology-prosperity-deal       | 2025-10-19 | unknown       | AUS USA: none
us-au-technology-prosperity-deal       | 2025-10-20 | announced     | AUS USA: none
us-au-technology-prosperity-deal       | 2026-11-24 | announced     | AUS USA: none
us-bilateral-minerals-2026             | 2026-02-03 | unknown       | USA TEN: none
us-bilateral-minerals-2026             | 2026-02-04 | operative     | USA TEN: participant
us-bilateral-minerals-2026             | 2026-11-24 | operative     | USA TEN: participant
"""
GROUPS = {"EIGHT": EIGHT, "SIX": SIX, "FIRST_OF_MSP": FIRST_OF_MSP, "TEN": TEN}
ROWS = [tuple(cell.strip() for cell in line.split("|")) for line in TABLE.strip().splitlines()]


@pytest.mark.parametrize(("slug", "day", "standing", "parties"), ROWS, ids=lambda cell: cell[:30])
def test_standings_of_the_fixtures_match_their_sources(slug, day, standing, parties):
    text, on = TEXTS[slug], date.fromisoformat(day)
    for group, codes in GROUPS.items():
        parties = re.sub(rf"\b{group}\b", codes, parties)
    expected = {party: code.strip() for part in parties.split(";") for codes, code in [part.split(":")] for party in codes.split()}

    assert text_standing(text, on).code == standing
    assert {party: party_standing(text, party, on).code for party in expected} == expected


def test_every_agreement_is_tested_on_at_least_three_days():
    days = {slug: {day for s, day, *_ in ROWS if s == slug} for slug in TEXTS}

    assert {slug: len(found) for slug, found in days.items() if len(found) < 3} == {}
    assert {slug for slug, *_ in ROWS} == set(TEXTS)


# ---- difficult cases, numbered as in the domain notes


def on(slug: str, day: str, party: str):
    return party_standing(TEXTS[slug], party, date.fromisoformat(day))


def test_d1_a_party_need_not_be_a_state():
    assert on("eu-au-minerals-mou-2024", "2024-06-01", "EU").code == "participant"


def test_d2_in_force_before_the_instrument():
    text = AgreementRecord(
        actions=(
            Action("1", "entry_into_force", acted_on="1970-04-26"),
            Action("2", "continued_application", "HRV", "1992-07-28", "1991-10-08"),
        )
    )

    assert party_standing(text, "HRV", date(1992, 1, 1)).bound


def test_d3_signed_and_never_bound():
    assert not on("annpa", "2026-11-24", "AUS").bound


def test_d4_leave_return_leave_again():
    days = ["2020-06-01", "2020-12-01", "2023-01-01", "2025-06-01", "2026-06-01"]

    assert [on("paris-agreement", day, "USA").code for day in days] == [
        "withdrawing",
        "former_party",
        "bound",
        "withdrawing",
        "former_party",
    ]
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


def test_d5_force_between_pairs():
    text = TEXTS["cptpp-uk-accession"]

    between = [{party for pair in pairs(text, date(2024, 12, day)) for party in pair.parties if party != "GBR"} for day in (14, 15, 23, 24)]

    assert between == [set(), set(EIGHT.split()), set(EIGHT.split()), {*EIGHT.split(), "AUS"}]
    assert not {"CAN", "MEX"} & {party for pair in pairs(text, date(2026, 11, 24)) for party in pair.parties}


def test_d6_and_d7_a_date_keeps_the_precision_of_its_source():
    statement = text_standing(TEXTS["ca-au-minerals-declaration-2025"], date(2026, 1, 1))
    joined = on("msp", "2024-01-01", "IND")

    assert (statement.since, statement.approximate) == ("2025-10-31~", True)
    assert (joined.since, joined.approximate) == ("2023-06", True)


def test_d9_the_superseded_text_keeps_its_own_standing():
    assert text_standing(TEXTS["ennpia"], date(2026, 11, 24)).code == "in_force"
    assert text_standing(TEXTS["msp"], date(2026, 11, 24)).code == "operative"


def test_d10_a_non_binding_text_needs_no_ratification():
    assert text_standing(TEXTS["quad-critical-minerals-initiative"], date(2026, 11, 24)).code == "operative"


def test_missing_conditions_of_entry_into_force_are_listed():
    asked = conditions(TEXTS["annpa"], date(2026, 11, 24))
    met = conditions(TEXTS["us-jp-critical-minerals-2023"], date(2023, 3, 28))

    assert [(found.condition.kind, found.met, found.missing.parties) for found in asked] == [
        ("exchange_of_notes", False, ("AUS", "GBR", "USA"))
    ]
    assert [(found.condition.kind, found.met, found.met_on) for found in met] == [("on_signature", True, "2023-03-28")]
