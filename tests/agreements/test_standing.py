"""The standing of a text and its parties on a day (docs/standing.md): the cases of standing-cases.txt, and what is no table."""

import re
from collections.abc import Iterator
from datetime import date
from itertools import product
from pathlib import Path

import pytest

from agreements.models.treaty_actions import ActionKind
from agreements.standing import Action, AgreementRecord, Condition, conditions, pairs, party_standing, text_standing
from tests.agreements.records import FORCE, act

CASES = Path(__file__).with_name("standing-cases.txt").read_text(encoding="utf-8")
OWN = "entry_into_force_for_party"
BOUND = {"bound", "withdrawing", "suspended"}

ACTION = re.compile(r"(\S+) ([a-z| ]+?)(?: (?:by|of) (\w+))?(?: with (\w+))?(?:, effective (\S+))?(?:, of action (\d+))?")
SETTINGS = {
    r"text is (non-binding)": lambda word: {"non_binding": True},
    r"text ends (.+)": lambda day: {"expires_on": day},
    r"later parties are bound after (.+)": lambda delay: {"later_joiner_delay": delay},
    r"record is complete up to (.+)": lambda day: {"actions_complete_as_of": date.fromisoformat(day)},
    r"(\w+ ended .+)": lambda end: {"dissolved": dict([end.split(" ended ")])},
}
EXPECTED = re.compile(
    r"(?P<who>text|pairs|[A-Z ]+) (?P<code>[a-z ]+?)(?: since (?P<since>\S+))?(?: (?P<precision>exact|approximate))?"
    r"(?: (?P<record>complete|incomplete))?(?: because (?P<actions>[\d ]+|nothing))?"
)


def code(words: str) -> str:
    return words.strip().replace(" ", "_").replace("own_entry_into_force", OWN)


def cases() -> Iterator:
    """The cases of the file: the record, and the day and standings of each expectation."""
    _, *paragraphs = re.split(r"\n(?:\n|#.*\n)+", CASES.strip())
    for paragraph in paragraphs:
        title, *lines = [line.strip() for line in paragraph.splitlines()]
        actions, fields, expected = [], {}, []
        for line in lines:
            setting = [make(found[1]) for pattern, make in SETTINGS.items() if (found := re.fullmatch(pattern, line))]
            if setting:
                fields |= setting[0]
            elif line.startswith(">"):
                day, _, standings = line.removeprefix("> ").partition(": ")
                expected.append((date.fromisoformat(day), standings.split("; ")))
            else:
                actions.append(ACTION.fullmatch(line).groups(""))
        for number, kinds in enumerate(product(*(action[1].split("|") for action in actions))):
            made = tuple(
                Action(
                    str(place),
                    ActionKind(code(kind)).value,
                    party,
                    "" if day == "undated" else day,
                    effective,
                    other,
                    frozenset([target] if target else []),
                )
                for place, (kind, (day, _, party, other, effective, target)) in enumerate(zip(kinds, actions, strict=True), 1)
            )
            yield pytest.param(AgreementRecord(actions=made, **fields), expected, id=title + (f" ({number})" if number else ""))


@pytest.mark.parametrize(("text", "expected"), list(cases()))
def test_the_cases_of_the_file(text, expected):
    assert expected
    for day, standings in expected:
        for standing in standings:
            if standing.startswith("pairs "):
                check_pairs(text, day, standing.removeprefix("pairs "))
            else:
                check_standing(text, day, **EXPECTED.fullmatch(standing).groupdict())


def check_pairs(text: AgreementRecord, day: date, expected: str) -> None:
    names, _, since = expected.partition(" since ")
    found = pairs(text, day)

    assert [pair.parties for pair in found] == [tuple(name.split("-")) for name in names.split() if name != "none"], day
    assert not since or {pair.since for pair in found} == {since}


def check_standing(text: AgreementRecord, day: date, who: str, since, precision, record, actions, **expected) -> None:
    for party in who.split():
        found = text_standing(text, day) if party == "text" else party_standing(text, party, day)

        assert found.code == code(expected["code"]), (party, day)
        assert party == "text" or found.bound == (found.code in BOUND)
        assert since is None or found.since == since
        assert precision is None or found.approximate == (precision == "approximate")
        assert record is None or found.incomplete == (record == "incomplete")
        assert actions is None or [action.uid for action in found.actions] == actions.replace("nothing", "").split()


def record(*actions: Action, **fields) -> AgreementRecord:
    return AgreementRecord(actions=actions, **fields)


def standings(text: AgreementRecord, party: str, *days: str) -> list[str]:
    return [on(text, party, day).code for day in days]


def on(text: AgreementRecord, party: str, day: str):
    return party_standing(text, party, date.fromisoformat(day))


# ---- accession protocols


def accession() -> AgreementRecord:
    protocol = record(
        act("signature", "GBR", "2023-07-16"),
        act("signature", "JPN", "2023-07-16"),
        act(OWN, "GBR", "2024-12-15", counterparty="JPN"),
        act(OWN, "GBR", "2024-12-24", counterparty="AUS"),
        slug="uk-accession",
        title="UK accession",
    )
    members = [act("ratification", party, "2018-10-01") for party in ("AUS", "JPN")]
    return record(act("entry_into_force", acted_on="2018-12-30"), *members, slug="cptpp", protocols=(protocol,))


def test_a_party_to_an_accession_protocol_has_its_standing_on_the_agreement():
    text = accession()

    found = on(text, "GBR", "2024-12-20")

    assert standings(text, "GBR", "2023-07-15", "2023-07-16", "2024-12-15") == ["none", "signatory", "bound"]
    assert (found.via, found.bound, found.since) == ("uk-accession", True, "2024-12-15")
    assert {action.kind for action in found.actions} == {OWN}
    assert "UK accession" in found.sentence


def test_a_party_with_an_action_of_its_own_on_the_agreement_keeps_its_own_standing():
    text = accession()

    assert (on(text, "JPN", "2024-01-01").code, on(text, "JPN", "2024-01-01").via) == ("bound", "")


def test_pairs_of_an_accession_protocol_are_pairs_of_the_agreement():
    text = accession()

    found = pairs(text, date(2024, 12, 24))

    assert [(pair.parties, pair.since, pair.via) for pair in found] == [
        (("AUS", "GBR"), "2024-12-24", "uk-accession"),
        (("GBR", "JPN"), "2024-12-15", "uk-accession"),
    ]


def test_a_terminated_agreement_binds_no_party_of_its_accession_protocol():
    base = accession()
    text = record(*base.actions, act("termination", acted_on="2026-01-01"), protocols=base.protocols)

    assert standings(text, "GBR", "2025-12-31", "2026-01-01") == ["bound", "former_party"]
    assert [len(pairs(text, date(2026, 1, 1)))] == [0]


def test_the_protocol_that_binds_comes_before_one_that_does_not():
    first = record(act("signature", "GBR", "2020-01-01"), slug="a")
    second = record(act(OWN, "GBR", "2024-01-01"), slug="b")

    assert on(record(FORCE, protocols=(first, second)), "GBR", "2025-01-01").via == "b"


# ---- conditions


def condition(kind: str, *actions: Action, day: str, **fields):
    return conditions(record(*actions, conditions=(Condition("c", kind, **fields),)), date.fromisoformat(day))[0]


def test_conditions_count_the_deposit_of_an_instrument_and_not_its_effective_date():
    deposited = [act("ratification", "AUS", "2016-08-01", "2016-11-04"), act("deposit", "AUS", "2016-10-05")]
    acted = [act("ratification", "AUS", "2016-10-05", "2016-11-04")]

    for actions in (deposited, acted):
        found = [condition("number_of_consents", *actions, number=1, day=day).met for day in ("2016-10-04", "2016-10-05")]
        assert found == [False, True]


def test_a_succession_counts_from_its_instrument():
    succession = act("succession", "HRV", "1992-07-28", "1991-10-08")

    assert [condition("number_of_consents", succession, number=1, day=day).met for day in ("1992-07-27", "1992-07-28")] == [False, True]


# ---- sentences


def test_standing_has_a_sentence_with_reasons():
    text = AgreementRecord(actions=(FORCE, act("ratification", "AUS", "2016-09-03")))

    found = party_standing(text, "AUS", date(2020, 1, 1))

    assert found.sentence == "AUS has been bound since 2016-11-04: ratification 2016-09-03, entry into force 2016-11-04."
    assert text_standing(AgreementRecord(), date(2020, 1, 1)).sentence == "No action on the text is recorded up to this date."


def test_sentence_names_parties_and_effective_dates():
    text = AgreementRecord(
        actions=(act("signature", "USA", "2020"), act("signature", "AUS", "2020"), act("withdrawal_notice", "USA", "2021-01-02", "2022"))
    )

    assert text_standing(text, date(2021, 1, 1)).sentence == (
        "The text has been signed since 2020, and is not in force: signature 2020 (AUS, USA). Based on an approximate date."
    )
    left = AgreementRecord(actions=(FORCE, *text.actions))
    assert party_standing(left, "USA", date(2023, 1, 1)).sentence.startswith(
        "USA has been a former party since 2022: notice of withdrawal 2021-01-02 with effect from 2022."
    )


def test_the_sentence_names_a_consent_without_a_date():
    assert "ratification without a date" in on(record(FORCE, act("ratification", "AUS")), "AUS", "2020-01-01").sentence


def test_a_sentence_names_at_most_five_parties_and_counts_the_rest():
    signatures = [act("signature", f"P{number}", "2020-01-01") for number in range(9)]
    own = [act(OWN, "GBR", "2020-01-01", counterparty=f"P{number}") for number in range(9)]

    assert text_standing(record(*signatures), date(2021, 1, 1)).sentence.endswith("(P0, P1, P2, P3, P4, 4 more).")
    assert on(record(*own), "GBR", "2021-01-01").sentence.endswith("(P0, P1, P2, P3, 5 more).")


def test_a_sentence_uses_names():
    text = record(FORCE, act("ratification", "AUS", "2016-01-01"), names={"AUS": "Australia"})

    assert on(text, "AUS", "2020-01-01").sentence.startswith("Australia has been bound since 2016-11-04: ")


def test_the_message_of_an_incomplete_answer_says_that_no_actions_are_recorded():
    text = record(FORCE, names={"USA": "United States"})

    assert on(text, "USA", "2020-01-01").sentence == "No actions of United States are recorded. The record is not complete."


def test_the_message_of_an_incomplete_answer_names_the_last_day_of_a_complete_record():
    text = record(FORCE, actions_complete_as_of=date(2019, 3, 1))

    assert "2019-03-01" in on(text, "USA", "2020-01-01").sentence


def test_no_action_is_expected_of_a_party_that_only_has_roles_without_a_standing():
    roles = {"CHE": {"depositary", "host"}, "USA": {"depositary", "party"}, "AUS": {"observer"}}
    text = record(FORCE, act("ratification", "AUS", "2016-01-01"), participants=roles)

    sentences = {party: on(text, party, "2020-01-01").sentence for party in ("CHE", "USA", "GBR")}

    assert "depositary, host" in sentences["CHE"]
    assert not sentences["CHE"].endswith("The record is not complete.")
    assert sentences["USA"].endswith("The record is not complete.")
    assert sentences["GBR"].endswith("The record is not complete.")
    assert (on(text, "CHE", "2020-01-01").code, on(text, "CHE", "2020-01-01").incomplete) == ("none", True)
    assert on(text, "AUS", "2020-01-01").code == "bound"


@pytest.mark.parametrize("year", ["0001", "0001-01-01", "9999", "9999-12-31"])
def test_first_and_last_years_of_the_calendar_are_accepted(year):
    text = AgreementRecord(
        actions=(
            act("entry_into_force", acted_on=year),
            act("ratification", "AUS", year),
            act("consent_withdrawal", "AUS", year),
            act("withdrawal_notice", "AUS", year, year),
        ),
        expires_on=year,
    )

    for day in (date.min, date.max):
        assert text_standing(text, day).code and party_standing(text, "AUS", day).code
