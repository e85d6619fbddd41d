"""The facts of the fixtures, compared with independent notes from the same sources."""

import csv
import json
from typing import NamedTuple

import pytest
from django.conf import settings
from django.core.management import call_command

from agreements.models import Agreement, Component
from policytracker.quality.engine import RULES
from tests.findings import violations

FRAMEWORK = "us-au-critical-minerals-framework-2025"
FIXTURES = settings.BASE_DIR / "fixtures"


def rows(model: str) -> list[dict]:
    """The records of a model in the fixture files, with plain keys as references."""
    found = [row for path in FIXTURES.glob("*.json") for row in json.loads(path.read_text())]
    return [{name: bare(value) for name, value in row["fields"].items()} for row in found if row["model"] == f"agreements.{model}"]


def bare(value):
    """`["AUS"]` is `AUS`, and `[["AUS"], ["USA"]]` is `["AUS", "USA"]`."""
    if not isinstance(value, list):
        return value
    return value[0] if value and isinstance(value[0], str) else [key for [key] in value]


def of(agreement: str, model: str) -> list[dict]:
    return [row for row in rows(model) if row["agreement"] == agreement]


def each(kind: str, parties: str, on: str, effective: str = "") -> list[tuple]:
    """The same action for each of the parties; `-` is the text as a whole."""
    return [(kind, None if party == "-" else party, on, effective) for party in parties.split()]


class Expected(NamedTuple):
    kind: str
    legal_force: str
    status: str
    participations: list[str]  # role, parties, and start and end dates if known
    actions: list[tuple]
    signed_on: str = ""
    in_force_on: str = ""


AUKUS_THREE = "AUS GBR USA"
ELEVEN = "AUS BRN CAN CHL JPN MEX MYS NZL PER SGP VNM"
EIGHT = "BRN CHL JPN MYS NZL PER SGP VNM"
TEN = "ARE ARG COK ECU GIN MAR PER PHL PRY UZB"
FOUNDERS_OF_MSP = "AUS CAN DEU EU FIN FRA GBR JPN KOR SWE USA"
# Every signature, consent and notice of withdrawal by a party to the Paris Agreement, from the same source by another way.
with (settings.BASE_DIR / "tests" / "agreements" / "paris-actions.csv").open(encoding="utf-8") as file:
    PARIS = [(row["kind"], row["party"], row["acted_on"], row["effective_on"]) for row in csv.DictReader(file)]
PARIS_BOUND_FROM = {
    party: effective for kind, party, _, effective in PARIS if kind not in ("signature", "withdrawal_notice") and party != "USA"
}

AGREEMENTS = {
    FRAMEWORK: Expected(
        *("framework", "non_binding", "operative"),
        ["participant AUS USA", "listed_in_source GBR", "subject_of_concern CHN"],
        [*each("signature", "AUS USA", "2025-10-20"), *each("reaffirmation", "AUS USA", "2025-12-08")],
        signed_on="2025-10-20",
    ),
    "aukus": Expected(
        *("partnership", "non_binding", "operative"),
        ["party AUS GBR USA"],
        [
            *each("announcement", "-", "2021-09-15"),
            *each("start_of_operation", "- AUS GBR USA", "2022-04-05"),
            *each("review_opened", "USA", "2025-06-11"),
            *each("review_closed", "USA", "2025-12-04"),
            *each("reaffirmation", "AUS USA", "2025-12-08"),
            *each("reaffirmation", AUKUS_THREE, "2025-12-10"),
        ],
    ),
    "ennpia": Expected(
        *("agreement", "binding", "superseded"),
        ["party AUS GBR USA 2022-02-08"],
        [
            *each("signature", AUKUS_THREE, "2021-11-22"),
            *each("submission_to_legislature", "AUS", "2021-11-22"),
            *each("submission_to_legislature", "USA", "2021-12-01"),
            *each("entry_into_force", "-", "2022-02-08"),
            *each("entry_into_force_for_party", AUKUS_THREE, "2022-02-08"),
        ],
        *("2021-11-22", "2022-02-08"),
    ),
    "annpa": Expected(
        *("agreement", "binding", "signed"),
        ["signatory AUS GBR USA 2024-08-05"],
        [
            *each("signature", AUKUS_THREE, "2024-08-05"),
            *each("submission_to_legislature", "USA", "2024-08-07"),
            *each("submission_to_legislature", "AUS", "2024-08-12"),
        ],
        signed_on="2024-08-05",
    ),
    "geelong-treaty": Expected(
        *("treaty", "binding", "signed"),
        ["signatory AUS GBR 2025-07-26"],
        each("signature", "AUS GBR", "2025-07-26"),
        signed_on="2025-07-26",
    ),
    "msp": Expected(
        *("partnership", "non_binding", "operative"),
        [
            f"participant {FOUNDERS_OF_MSP} 2022-06-14",
            "participant ITA 2023-02",
            "participant NOR 2023-02~",
            "participant IND 2023-06",
            "participant EST 2024-03",
        ],
        [
            *each("start_of_operation", f"- {FOUNDERS_OF_MSP}", "2022-06-14"),
            *each("start_of_operation", "ITA", "2023-02"),
            *each("start_of_operation", "NOR", "2023-02~"),
            *each("start_of_operation", "IND", "2023-06"),
            *each("start_of_operation", "EST", "2024-03"),
        ],
    ),
    "forge": Expected(
        *("initiative", "non_binding", "operative"),
        ["participant KOR 2026-02-04"],
        each("start_of_operation", "- KOR", "2026-02-04"),
    ),
    "us-jp-critical-minerals-2023": Expected(
        *("agreement", "binding", "in_force"),
        ["party JPN USA 2023-03-28"],
        [*each("definitive_signature", "JPN USA", "2023-03-28"), *each("entry_into_force", "-", "2023-03-28")],
        *("2023-03-28", "2023-03-28"),
    ),
    "us-jp-framework-2025": Expected(
        *("framework", "non_binding", "operative"),
        ["participant JPN USA 2025-10-28"],
        each("signature", "JPN USA", "2025-10-28"),
        signed_on="2025-10-28",
    ),
    "quad-critical-minerals-initiative": Expected(
        *("initiative", "non_binding", "operative"),
        ["participant AUS IND JPN USA 2025-07-01"],
        each("start_of_operation", "- AUS IND JPN USA", "2025-07-01"),
    ),
    "eu-au-minerals-mou-2024": Expected(
        *("memorandum_of_understanding", "non_binding", "operative"),
        ["participant AUS EU 2024-05-28"],
        each("signature", "AUS EU", "2024-05-28"),
        signed_on="2024-05-28",
    ),
    "uk-au-minerals-soi-2023": Expected(
        *("joint_statement", "non_binding", "operative"),
        ["participant AUS GBR 2023-04-04"],
        each("signature", "AUS GBR", "2023-04-04"),
        signed_on="2023-04-04",
    ),
    "ca-au-minerals-statement-2024": Expected(
        *("joint_statement", "non_binding", "announced"),
        ["participant AUS CAN 2024-03-04"],
        each("announcement", "-", "2024-03-04"),
    ),
    "ca-au-minerals-declaration-2025": Expected(
        *("declaration_of_intent", "non_binding", "operative"),
        ["participant AUS CAN 2025-10-31~"],
        each("signature", "AUS CAN", "2025-10-31~"),
        signed_on="2025-10-31~",
    ),
    "us-ua-reconstruction-fund": Expected(
        *("agreement", "binding", "in_force"),
        ["signatory UKR USA 2025-04-30 2025-05-23", "party UKR USA 2025-05-23"],
        [
            *each("signature", "UKR USA", "2025-04-30"),
            *each("legislative_approval", "UKR", "2025-05-08"),
            *each("ratification", "UKR", "2025-05-12"),
            *each("notification", "USA", "2025-05-23"),
            *each("entry_into_force", "-", "2025-05-23"),
            *each("entry_into_force_for_party", "UKR USA", "2025-05-23"),
        ],
        *("2025-04-30", "2025-05-23"),
    ),
    "paris-agreement": Expected(
        *("agreement", "binding", "in_force"),
        [
            "party USA 2016-11-04 2020-11-04",
            "former_party USA 2020-11-04 2021-02-19",
            "party USA 2021-02-19 2026-01-27",
            "former_party USA 2026-01-27",
            "signatory IRN LBY 2016-04-22",
            "signatory YEM 2016-09-23",
            *(f"party {party} {day}" for party, day in PARIS_BOUND_FROM.items()),
        ],
        [
            *each("adoption", "-", "2015-12-12"),
            *each("signature", "-", "2016-04-22"),
            *each("entry_into_force", "-", "2016-11-04"),
            *each("registration", "-", "2016-11-04"),
            *PARIS,
        ],
        signed_on="2016-04-22",
        in_force_on="2016-11-04",
    ),
    "cptpp": Expected(
        *("agreement", "binding", "in_force"),
        [
            "party AUS CAN JPN MEX NZL SGP 2018-12-30",
            "party VNM 2019-01-14",
            "party PER 2021-09-19",
            "party MYS 2022-11-29",
            "party CHL 2023-02-21",
            "party BRN 2023-07-12",
            "acceding GBR 2023-07-16 2024-12-15",
            "party GBR 2024-12-15",
        ],
        [
            *each("ratification", "MEX", "2018-06-28"),
            *each("ratification", "JPN", "2018-07-06"),
            *each("ratification", "SGP", "2018-07-19"),
            *each("ratification", "NZL", "2018-10-25"),
            *each("ratification", "CAN", "2018-10-29"),
            *each("ratification", "AUS", "2018-10-31"),
            *each("ratification", "VNM", "2018-11-15"),
            *each("ratification", "PER", "2021-07-21"),
            *each("ratification", "MYS", "2022-09-30"),
            *each("ratification", "CHL", "2022-12-23"),
            *each("ratification", "BRN", "2023-05-13"),
            *each("signature", ELEVEN, "2018-03-08"),
            *each("entry_into_force", "-", "2018-12-30"),
            *each("entry_into_force_for_party", "AUS CAN JPN MEX NZL SGP", "2018-12-30"),
            *each("entry_into_force_for_party", "VNM", "2019-01-14"),
            *each("entry_into_force_for_party", "PER", "2021-09-19"),
            *each("entry_into_force_for_party", "MYS", "2022-11-29"),
            *each("entry_into_force_for_party", "CHL", "2023-02-21"),
            *each("entry_into_force_for_party", "BRN", "2023-07-12"),
        ],
        *("2018-03-08", "2018-12-30"),
    ),
    "cptpp-uk-accession": Expected(
        *("accession_protocol", "binding", "in_force"),
        [
            "applicant GBR 2021-02-01 2023-07-16",
            "acceding GBR 2023-07-16 2024-12-15",
            "party BRN CHL GBR JPN MYS NZL PER SGP VNM 2024-12-15",
            "party AUS 2024-12-24",
            "signatory CAN MEX 2023-07-16",
        ],
        [
            *each("notification", "GBR", "2021-02-01"),
            *each("signature", f"{ELEVEN} GBR", "2023-07-16"),
            *each("announcement", "-", "2024-05-17"),
            *8 * each("entry_into_force_for_party", "GBR", "2024-12-15"),
            *each("entry_into_force_for_party", "GBR", "2024-12-24"),
            *each("accession", "GBR", "2024-05~"),
            *each("entry_into_force_for_party", EIGHT, "2024-12-15"),
            *each("entry_into_force_for_party", "AUS", "2024-12-24"),
            *each("legislative_approval", "CAN", "2026-05-06"),
        ],
        signed_on="2023-07-16",
        in_force_on="2024-12-15",
    ),
    "us-au-technology-prosperity-deal": Expected(
        *("other", "undetermined", "announced"),
        ["participant AUS USA 2025-10-20"],
        each("announcement", "-", "2025-10-20"),
    ),
    "us-bilateral-minerals-2026": Expected(
        *("framework", "non_binding", "operative"),
        [f"participant {TEN} USA 2026-02-04"],
        each("signature", f"{TEN} USA", "2026-02-04"),
        signed_on="2026-02-04",
    ),
}

RELATIONS = {
    (FRAMEWORK, "announced_alongside", "aukus"),
    ("aukus", "complements", FRAMEWORK),
    ("annpa", "supersedes", "ennpia"),
    ("ennpia", "implements", "aukus"),
    ("annpa", "implements", "aukus"),
    ("geelong-treaty", "implements", "aukus"),
    ("forge", "successor_of", "msp"),
    ("cptpp-uk-accession", "accession_to", "cptpp"),
    ("us-au-technology-prosperity-deal", "announced_alongside", FRAMEWORK),
}

CONDITIONS = {
    ("annpa", "exchange_of_notes", None, ""),
    ("cptpp", "number_of_consents", 6, "P60D"),
    ("paris-agreement", "number_of_consents", 55, "P30D"),
    ("us-jp-critical-minerals-2023", "on_signature", None, ""),
    ("us-ua-reconstruction-fund", "exchange_of_notes", None, ""),
}

COMPONENTS = {
    FRAMEWORK: """
        comp-joint-mining-ventures comp-supply-chain-diversification comp-technology-sharing
        fw-supply-assurance fw-investment-mobilisation fw-project-prioritisation fw-financing-1bn fw-investment-ministerial fw-permitting
        fw-price-mechanisms fw-asset-sales fw-recycling fw-third-parties fw-geological-mapping fw-response-group
        proj-alcoa-sojitz-gallium proj-arafura-nolans proj-arafura-nolans-output prog-exim-loi prog-pipeline prog-dod-gallium""",
    "aukus": """
        comp-aukus-maritime-technology comp-aukus-cyber-warfare comp-aukus-intelligence-sharing comp-aukus-tech-transfer-joint-rd
        aukus-pillar-i aukus-pillar-ii aukus-wg-undersea-capabilities aukus-wg-quantum-technologies aukus-wg-ai-and-autonomy
        aukus-wg-advanced-cyber aukus-wg-hypersonic-and-counter-hypersonic aukus-wg-electronic-warfare aukus-wg-innovation
        aukus-wg-information-sharing aukus-quantum-arrangement aukus-undersea-robotics-autonomous-systems""",
    "msp": "msp-forum",
    "us-jp-framework-2025": "us-jp-financing us-jp-investment-ministerial us-jp-rapid-response-group",
    "eu-au-minerals-mou-2024": "eu-au-road-map",
    "uk-au-minerals-soi-2023": "uk-au-joint-working-group",
    "ca-au-minerals-declaration-2025": "ca-au-ministerial",
}
RELATIVE_DEADLINES = {
    "fw-financing-1bn": ("P6M", "2026-04-20"),
    "fw-investment-ministerial": ("P180D", "2026-04-18"),
    "us-jp-financing": ("P6M", "2026-04-28"),
    "us-jp-investment-ministerial": ("P180D", "2026-04-26"),
    "eu-au-road-map": ("P6M", "2024-11-28"),
    "ca-au-ministerial": ("P6M", ""),  # the day of signature is approximate
}

# Component, payer, bound, currency, millions, the currency and millions of the figure that it disputes.
COMMITMENTS = [
    ("fw-financing-1bn", None, "at_least", "USD", 1000, None),
    ("fw-financing-1bn", "AUS", "at_least", "USD", 1000, ("USD", 1000)),
    ("fw-financing-1bn", "USA", "at_least", "USD", 1000, ("USD", 1000)),
    ("fw-financing-1bn", None, "at_least", "USD", 3000, ("USD", 1000)),
    ("fw-financing-1bn", None, "at_least", "AUD", 1000, ("USD", 1000)),
    ("proj-alcoa-sojitz-gallium", "AUS", "up_to", "USD", 200, None),
    ("proj-alcoa-sojitz-gallium", "AUS", "up_to", "AUD", 307, ("USD", 200)),
    ("proj-arafura-nolans", "AUS", "exactly", "USD", 100, None),
    ("proj-arafura-nolans", "AUS", "exactly", "AUD", 154, ("USD", 100)),
    ("proj-arafura-nolans-output", "USA", "up_to", "USD", 300, None),
    ("prog-exim-loi", "USA", "at_least", "USD", 2200, None),
    *(("prog-exim-loi", "USA", "up_to", "USD", millions, None) for millions in (230, 200, 122, 67)),
    ("prog-pipeline", None, "exactly", "USD", 8500, None),
    ("prog-pipeline", None, "about", "AUD", 13000, ("USD", 8500)),
]

INDICATORS = {
    "ind-nolans-ndpr-output": ("t/y", "reach", "4440.0000"),
    "ind-nolans-mixed-oxide-output": ("t/y", "reach", "573.0000"),
    "ind-nolans-world-share": ("%", "reach", "5.0000"),
    "ind-wagerup-gallium-world-share": ("%", "reach", "10.0000"),
    "ind-gallium-refinery-output": ("t/y", "reach", "100.0000"),
    "ind-china-mining-share": ("%", "decrease", None),
    "ind-china-processing-share": ("%", "decrease", None),
}
MEASUREMENTS = {("ind-china-mining-share", "2025-10", "70.0000"), ("ind-china-processing-share", "2025-10", "90.0000")}

FACT_CHECKS = {
    "claim-trump-former-president": "incorrect",
    "claim-uk-in-framework-table": "incorrect",
    "claim-us-confirmed-aukus": "imprecise",
    "claim-binding-agreement": "imprecise",
    "claim-components": "unsupported",
    "claim-role-split": "unsupported",
    "claim-aukus-scope": "incomplete",
    "claim-china-dominates": "supported",
    "claim-semiconductor-growth": "forecast",
    "claim-expert-attribution": "unattributed",
    "claim-missing-facts": "incomplete",
    "claim-geelong-ratified": "incorrect",
    "claim-forge-name": "incorrect",
    "claim-cptpp-peru-date": "incorrect",
    "claim-ennpia-signed-2022": "incorrect",
}

# Pages of governments, parliaments and depositaries. Their facts are confirmed.
OFFICIAL = """
aph-gov-au-annpa-report aph-gov-au-ennpia-report aph-gov-au-geelong-report gov-uk gov-uk-aukus-2025-12-10 govinfo-gov industry-gov-au
industry-gov-au-ca-declaration-2025 industry-gov-au-ca-statement-2024 mfat-govt-nz-cptpp minister-industry-gov-au-11520
policy-trade-ec-europa-eu treaties-un-org-cn-10-2021 treaties-un-org-cn-575-2019 treaties-un-org-cn-612-2016 treaties-un-org-cn-71-2025
treaties-un-org-paris-agreement usa-embassy-gov-au-critical-minerals ustr-gov
"""
# Sources whose title is in no page that was read.
WITHOUT_TITLE = """
asiantradecentre-org atlanticcouncil-org canadianminingjournal-com-1003781650 centralchronicle-com-235304 centreline-com-pk
hanna-ai-com-aukus-uuv-2 indiandefensenews-in inkhabar-com-66251 japantimes-co-jp newsletter-mw-creamermedia-com novyny-live-256142
pravda-com-ua shine-cn source-article wam-ae
"""
WITHOUT_ADDRESS = "centreline-com-pk newsletter-mw-creamermedia-com pravda-com-ua source-article"
NOT_OPENED = """
news-usni-org-2023-06-21-report-to-congress-on-aukus-progress
news-usni-org-2024-11-19-report-to-congress-on-aukus-nuclear-cooperation-2 treaties-un-org-cn-10-2021 treaties-un-org-cn-575-2019
treaties-un-org-cn-612-2016 treaties-un-org-cn-71-2025
vu-govpulse-tools-2025-10-20-united-states-australia-framework-for-securing-of-supply-in-the-mining
"""
# Recommendation, kind, status, report date and number of pieces of evidence.
UPDATES = """
rec-interoperability assessment in_progress 2026-05-30 1
rec-standardize-communication-protocols assessment in_progress 2026-05-30 1
rec-streamline-joint-research assessment in_progress 2025-12-10 2
rec-streamline-joint-research assessment in_progress 2026-05-30 1
rec-joint-funding-emerging-tech assessment in_progress 2026-05-30 1
rec-sustainable-rare-earths-supply-chain assessment in_progress 2026-01-12 2
rec-sustainable-rare-earths-supply-chain assessment in_progress 2026-02-04 2
rec-diversified-sourcing-networks assessment in_progress 2026-02-04 3
rec-domestic-processing assessment planned 2025-10-20 3
rec-processing-hubs assessment planned 2025-10-20 4
rec-processing-hubs assessment planned 2026-02-08 3
rec-exchange-programs assessment in_progress 2025-12-10 2
rec-transparency-joint-projects assessment in_progress 2025-12-08 4
rec-private-sector-procurement note - 2025-10-20 1
rec-domestic-processing note - 2025-12-31 1
rec-diversified-sourcing-networks note - 2026-01-30 1
rec-domestic-processing note - 2026-04-15 1
rec-processing-hubs note - 2026-04-15 1
rec-exchange-programs note - 2024-07-19 1
rec-interoperability note - 2024-09-30 1
rec-private-sector-procurement note - 2024-09-30 1
"""

# Components whose status follows from what was found, and since when.
FOLLOWED_UP = {
    "fw-supply-assurance": ("active", "2026-01-12"),
    "fw-price-mechanisms": ("planned", "2026-02-04"),
    "fw-permitting": ("active", "2025-11-27"),
    "fw-third-parties": ("active", "2025-12-12"),
    "fw-investment-mobilisation": ("active", "2025-10-20"),
    "prog-exim-loi": ("active", "2025-10-20"),
    "proj-arafura-nolans": ("planned", "2025-10-20"),
    "proj-arafura-nolans-output": ("planned", "2025-10-20"),
    "proj-alcoa-sojitz-gallium": ("planned", "2025-10-20"),
    "prog-dod-gallium": ("planned", "2025-10-20"),
    "comp-joint-mining-ventures": ("planned", "2025-10-20"),
    "comp-supply-chain-diversification": ("active", "2025-12-12"),
    "comp-aukus-maritime-technology": ("active", "2026-05-30"),
    "comp-aukus-tech-transfer-joint-rd": ("active", "2025-12-10"),
}


def noted(line: str) -> tuple[str, list[tuple]]:
    """The role, and the parties with start and end date of each period: `party USA - 2020-11` has no start date."""
    role, *rest = line.split()
    days = [word for word in rest if word == "-" or word[0].isdigit()]
    since, until = [*("" if day == "-" else day for day in days), "", ""][:2]
    return role, [(party, since, until) for party in rest if party not in days]


def by_text(action: tuple) -> tuple:
    return tuple(value or "" for value in action)


# ---- the agreements


def test_fixtures_contain_exactly_the_expected_agreements():
    assert {row["slug"] for row in rows("agreement")} == set(AGREEMENTS)


@pytest.mark.parametrize("slug", AGREEMENTS)
def test_agreement_has_the_expected_kind_force_and_status(slug):
    [row] = [row for row in rows("agreement") if row["slug"] == slug]

    assert (row["kind"], row["legal_force"], row["status"]) == AGREEMENTS[slug][:3]


@pytest.mark.parametrize("slug", AGREEMENTS)
def test_participations_have_the_expected_roles_and_periods(slug):
    expected = [(role, spell) for line in AGREEMENTS[slug].participations for role, found in [noted(line)] for spell in found]

    assert sorted((row["role"], (row["party"], row["since"], row["until"])) for row in of(slug, "participation")) == sorted(expected)


@pytest.mark.parametrize("slug", AGREEMENTS)
def test_agreement_has_exactly_the_expected_actions(slug):
    found = [(row["kind"], row["party"], row["acted_on"], row["effective_on"]) for row in of(slug, "treatyaction")]

    assert sorted(found, key=by_text) == sorted(AGREEMENTS[slug].actions, key=by_text)


@pytest.mark.django_db
def test_signature_and_force_dates_are_calculated():
    call_command("load_dataset", FIXTURES, verbosity=0)

    found = {slug: days for slug, *days in Agreement.objects.values_list("slug", "signed_on", "in_force_on")}

    assert found == {slug: [expected.signed_on, expected.in_force_on] for slug, expected in AGREEMENTS.items()}


def test_agreements_have_the_expected_relations():
    assert {(row["from_agreement"], row["kind"], row["to_agreement"]) for row in rows("agreementrelation")} == RELATIONS


def test_conditions_of_entry_into_force_are_recorded():
    found = {(row["agreement"], row["kind"], row["number"], row["delay"]) for row in rows("entryintoforcecondition")}

    assert found == CONDITIONS
    assert all(row["text"] for row in rows("entryintoforcecondition"))


def test_the_accession_of_the_united_kingdom_is_in_force_by_pairs():
    pairs = {row["counterparty"]: row["acted_on"] for row in of("cptpp-uk-accession", "treatyaction") if row["counterparty"]}

    assert pairs == dict.fromkeys(EIGHT.split(), "2024-12-15") | {"AUS": "2024-12-24"}
    assert [row for row in rows("treatyaction") if row["counterparty"] and row["agreement"] != "cptpp-uk-accession"] == []


def test_the_signatures_of_the_framework_name_person_office_and_place():
    signed = {row["party"]: (row["signed_by"], row["place"]) for row in of(FRAMEWORK, "treatyaction") if row["kind"] == "signature"}

    assert signed == {
        "AUS": ("Anthony Albanese, Prime Minister", "White House, Washington"),
        "USA": ("Donald Trump, President", "White House, Washington"),
    }


@pytest.mark.parametrize(
    ("slug", "kind", "words"),
    [
        (FRAMEWORK, "signature", "21 October"),
        ("aukus", "announcement", "16 September"),
        ("us-ua-reconstruction-fund", "signature", "1 May"),
        ("ca-au-minerals-declaration-2025", "signature", "1 November"),
        ("ca-au-minerals-statement-2024", "announcement", "5 March"),
        ("cptpp", "entry_into_force_for_party", "20 February 2023"),
    ],
)
def test_note_of_an_action_has_the_other_date(slug, kind, words):
    assert any(words in row["note"] for row in of(slug, "treatyaction") if row["kind"] == kind)


def test_annpa_has_its_term_and_registration_number():
    [row] = [row for row in rows("agreement") if row["slug"] == "annpa"]

    assert (row["expires_on"], row["registration"]) == ("2075-12-31", "[2024] ATNIF 20")


# ---- components, commitments and indicators


@pytest.mark.parametrize("slug", AGREEMENTS)
def test_agreement_has_the_expected_components(slug):
    assert {row["slug"] for row in of(slug, "component")} == set(COMPONENTS.get(slug, "").split())


def test_working_groups_and_sub_projects_belong_to_the_second_pillar():
    parts = {row["slug"] for row in rows("component") if row["parent"] == "aukus-pillar-ii"}

    assert parts == {slug for slug in COMPONENTS["aukus"].split() if not slug.startswith(("comp-", "aukus-pillar-"))}


def test_relative_deadlines_are_counted_from_the_signature():
    found = {row["slug"]: row for row in rows("component") if row["due_on"] or row["due_anchor"] != "none"}

    assert {slug: (row["due_offset"], row["due_on"]) for slug, row in found.items()} == RELATIVE_DEADLINES
    assert all(row["due_anchor"] == "signature" and row["original_due_on"] == row["due_on"] for row in found.values())


@pytest.mark.django_db
def test_deadlines_of_the_framework_have_unknown_status():
    call_command("load_dataset", FIXTURES, verbosity=0)

    found = Component.objects.filter(slug__in=["fw-financing-1bn", "fw-investment-ministerial"])

    assert set(found.values_list("status", "completed_on")) == {("unknown", "")}


def test_commitments_have_the_expected_bound_and_currency():
    figures = {row["uid"]: row for row in rows("commitment")}

    def sum_of(row: dict | None) -> tuple | None:
        return row and (row["currency"], int(float(row["amount"])) // 1_000_000)

    found = [(row["component"], row["payer"], row["bound"], *sum_of(row), sum_of(figures.get(row["disputes"]))) for row in figures.values()]

    assert sorted(found, key=str) == sorted(COMMITMENTS, key=str)
    assert {(row["agreement"], row["stage"]) for row in figures.values()} == {(FRAMEWORK, "announced")}


def test_disputing_figures_refer_to_undisputing_figures_of_the_same_component():
    figures = {row["uid"]: row for row in rows("commitment")}

    for row in filter(lambda row: row["disputes"], figures.values()):
        disputed = figures[row["disputes"]]
        assert disputed["component"] == row["component"]
        assert disputed["disputes"] is None


def test_indicators_and_measurements_have_the_expected_values():
    assert {row["slug"]: (row["unit"], row["direction"], row["target_value"]) for row in rows("indicator")} == INDICATORS
    assert {(row["indicator"], row["measured_on"], row["value"]) for row in rows("measurement")} == MEASUREMENTS


# ---- sources


@pytest.mark.django_db
def test_findings_about_sources_are_what_stayed_unknown():
    call_command("load_dataset", FIXTURES, verbosity=0)

    def keys(rule: str) -> set[str]:
        assert rule in RULES
        return {record.natural_key()[0] for record in violations(rule)}

    assert keys("source_without_title") == set(WITHOUT_TITLE.split())
    assert keys("source_address_is_home_page") == set()
    assert keys("duplicate_sources") == set()
    assert keys("citation_without_quote") == {row["uid"] for row in rows("citation") if not row["quote"]}
    assert keys("no_source") == {
        row["uid"] for row in of("cptpp", "treatyaction") if (row["kind"], row["party"]) == ("ratification", "VNM")
    }


def test_sources_without_an_address_are_those_whose_page_is_unknown():
    assert {row["slug"] for row in rows("source") if not row["original_url"]} == set(WITHOUT_ADDRESS.split())


def test_sources_that_were_read_have_the_day_and_say_that_it_was_a_copy():
    read = {row["slug"] for row in rows("source") if row["retrieved_on"]}

    assert read == {row["slug"] for row in rows("source")} - {*WITHOUT_ADDRESS.split(), *NOT_OPENED.split()}
    assert {row["retrieved_on"] for row in rows("source") if row["slug"] in read} == {"2026-11-25"}
    assert {row["slug"] for row in rows("source") if "Read in a stored copy" in row["notes"]} == read


def test_a_source_is_one_page():
    assert not [
        row["slug"] for row in rows("source") if "which one is said" in row["notes"] or "address is that of the site" in row["notes"]
    ]
    assert "communitylock-net" not in {row["slug"] for row in rows("source")}
    assert not [row for row in rows("source") if row["archived_url"] or row["sha256"] or row["file"]]


@pytest.mark.parametrize(
    ("agreement", "source"),
    [
        ("ca-au-minerals-statement-2024", "industry-gov-au-ca-statement-2024"),
        ("ca-au-minerals-declaration-2025", "industry-gov-au-ca-declaration-2025"),
        ("eu-au-minerals-mou-2024", "industry-gov-au"),
    ],
)
def test_each_page_of_the_australian_department_is_cited_for_its_agreement(agreement, source):
    members = {row["uid"] for row in of(agreement, "participation")}
    cited = {row["source"] for row in rows("citation") if row["agreement"] == agreement or row["participation"] in members}

    assert {slug for slug in cited if slug.startswith("industry-gov-au")} == {source}


@pytest.mark.parametrize("model", ["treatyaction", "entryintoforcecondition", "commitment", "measurement", "agreementrelation", "citation"])
def test_every_fact_has_a_source(model):
    found = {(row.get("agreement"), row.get("kind"), row.get("party")) for row in rows(model) if not row["source"]}

    # The day of the ratification by Viet Nam is derived: 60 days before the entry into force.
    assert found == ({("cptpp", "ratification", "VNM")} if model == "treatyaction" else set())


@pytest.mark.parametrize("model", ["agreement", "component", "participation", "outcome"])
def test_every_other_record_has_a_citation(model):
    cited = {row[model] for row in rows("citation")}

    assert [row for row in rows(model) if (row.get("slug") or row["uid"]) not in cited] == []


def test_only_official_sources_are_confirmed():
    # What followed has the confidence of its fact.
    facts = [row for row in rows("citation") if not (row["component"] and row["field"] == "status")]

    assert {row["source"] for row in facts if row["confidence"] == "confirmed"} == set(OFFICIAL.split())
    assert {row["confidence"] for row in facts if row["source"] in OFFICIAL.split()} == {"confirmed"}


def test_derived_facts_are_probable():
    probable = [row for row in rows("citation") if row["confidence"] == "probable"]

    assert {(row["component"] or row["agreement"], row["field"]) for row in probable} == {
        *((slug, "due_on") for slug, (_, due_on) in RELATIVE_DEADLINES.items() if due_on),
        ("aukus", "review_closed"),
        ("aukus", "review_opened"),
        *(("us-ua-reconstruction-fund", field) for field in ("entry_into_force", "entry_into_force_for_party", "status")),
        (None, "role"),  # that the United States has left the Paris Agreement, and the parties to the reconstruction fund
    }


def test_citations_of_agreements_have_a_field_or_an_action_kind():
    fields = {field.name for field in Agreement._meta.get_fields()} | {row["kind"] for row in rows("treatyaction")} | {"signed_by"}

    assert {row["field"] for row in rows("citation") if row["agreement"]} <= fields


def test_errors_of_the_article_are_contradicting_citations():
    refuted = [row for row in rows("citation") if row["field"] == "signed_by" and row["confidence"] == "refuted"]

    assert len(refuted) == 4
    assert all(row["stance"] == "contradicts" and "former" in row["quote"] for row in refuted)


def test_errors_of_sources_have_fact_checks():
    assert {row["slug"]: row["verdict"] for row in rows("factcheck")} == FACT_CHECKS


def test_the_two_sources_on_peru_are_the_right_way_round():
    [claim] = [row for row in rows("factcheck") if row["slug"] == "claim-cptpp-peru-date"]
    stances = {
        row["source"]: row["stance"] for row in rows("citation") if row["agreement"] == "cptpp" and row["locator"].startswith("Peru")
    }

    assert (claim["source"], claim["correcting_source"]) == ("wikifwd-glitch-me", "mfat-govt-nz-cptpp")
    assert stances == {"asiantradecentre-org": "supports", "wikifwd-glitch-me": "contradicts"}


# ---- what followed the article


def progress(model: str) -> list[dict]:
    found = json.loads((FIXTURES / "recommendations.json").read_text())
    return [{k: bare(v) for k, v in row["fields"].items()} for row in found if row["model"] == f"recommendations.{model}"]


def test_updates_are_exactly_those_that_sources_support():
    evidence = [row["update"] for row in progress("evidence")]
    found = [
        (row["recommendation"], row["kind"], row["status"] or "-", row["reported_on"], str(evidence.count(row["uid"])))
        for row in progress("progressupdate")
    ]

    assert sorted(found) == sorted(tuple(line.split()) for line in UPDATES.strip().splitlines())


def test_updates_are_approved_and_name_no_user():
    for row in progress("progressupdate"):
        assert (row["review"], row["author"], row["reviewed_by"], row["party"]) == ("approved", None, None, None)
        assert row["reviewed_at"] == f"{row['reported_on']}T00:00:00+00:00"


def test_every_piece_of_evidence_has_a_quote():
    assert [row for row in progress("evidence") if not row["quote"]] == []
    assert {(row["source"], row["quote"][:30]) for row in progress("evidence") if row["stance"] == "contradicts"} == {
        ("ad-hoc-news-de-arafura-68533685", "The target, previously set for"),
        ("exchangemonitor-com-pentagon-completes-aukus-review-says-agreement-can-move-full-steam-ahead", "While the review has yet to be"),
    }


@pytest.mark.parametrize("slug", ["rec-intelligence-sharing-frameworks", "rec-joint-task-forces", "rec-private-sector-procurement"])
def test_a_recommendation_about_which_nothing_was_found_is_not_assessed(slug):
    assert [row for row in progress("progressupdate") if row["recommendation"] == slug and row["kind"] != "note"] == []


def test_components_have_the_status_that_the_facts_support():
    status = {row["slug"]: row["status"] for row in rows("component")}
    since = {
        row["component"]: row["locator"] for row in rows("citation") if row["locator"].startswith("since ") and row["field"] == "status"
    }

    assert {slug: (status[slug], since[slug].removeprefix("since ")) for slug in since} == FOLLOWED_UP
    assert {status[slug] for slug in ("fw-financing-1bn", "fw-investment-ministerial", "fw-response-group")} == {"unknown"}


def test_citations_of_a_component_status_quote_their_source():
    assert [row for row in rows("citation") if row["component"] and row["field"] == "status" and not row["quote"]] == []


def test_letters_of_interest_are_part_of_their_sum():
    figures = rows("commitment")
    [whole] = [row["uid"] for row in figures if (row["component"], row["bound"]) == ("prog-exim-loi", "at_least")]

    assert sorted(int(float(row["amount"])) // 1_000_000 for row in figures if row["part_of"] == whole) == [67, 122, 200, 230, 300]
    assert {row["payer"] for row in figures if row["part_of"]} == {"USA"}


# ---- facts without a source


def test_fixtures_contain_no_unsourced_facts():
    days = {(row["agreement"], row["acted_on"]) for row in rows("treatyaction")}
    kinds = {slug: {row["kind"] for row in of(slug, "treatyaction")} for slug in ("annpa", "geelong-treaty")}

    assert ("annpa", "2025-01-17") not in days
    assert not kinds["annpa"] & {"entry_into_force", "entry_into_force_for_party"}
    assert kinds["geelong-treaty"] == {"signature"}
    assert "tpp-us-withdrawal" not in {row["slug"] for row in rows("agreement")}
    assert not [row for row in of("cptpp", "treatyaction") if row["party"] == "GBR"]
    assert {row["party"] for row in of("forge", "participation")} == {"KOR"}
