"""The cost of computing standings is linear in the number of actions (docs/standing.md)."""

import sys
from datetime import date
from time import process_time

from agreements.models.treaty_actions import ConditionKind
from agreements.standing import Action, AgreementRecord, Condition, conditions, pairs, party_standing, text_standing

ON = date(2026, 1, 1)


def large_record(parties: int) -> AgreementRecord:
    """An agreement with this number of parties, four actions each, and every kind of condition."""
    codes = [f"P{number:03}" for number in range(parties)]
    actions = [Action("force", "entry_into_force", acted_on="2019-01-01")]
    for number, code in enumerate(codes):
        month, day = 1 + number % 12, 1 + number % 28
        kinds = {"signature": 2016, "ratification": 2017, "deposit": 2018, "entry_into_force_for_party": 2019}
        actions += [Action(f"{code} {kind}", kind, code, f"{year}-{month:02}-{day:02}") for kind, year in kinds.items()]
    asked = [Condition(kind, kind, parties, frozenset(codes) if kind == "named_parties" else frozenset(), "2018") for kind in ConditionKind]
    return AgreementRecord(actions=tuple(actions), conditions=tuple(asked))


def answer(record: AgreementRecord) -> None:
    text_standing(record, ON)
    for party in {action.party for action in record.actions if action.party}:
        assert party_standing(record, party, ON).bound
    pairs(record, ON)
    conditions(record, ON)


def calls(record: AgreementRecord) -> int:
    """The number of function calls for one response."""
    count = 0

    def counted(frame, event, arg):
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(counted)
    try:
        answer(record)
    finally:
        sys.setprofile(None)
    return count


def test_twice_the_parties_cost_twice_as_much():
    assert calls(large_record(200)) < 2.3 * calls(large_record(100))


def test_standing_of_two_hundred_parties_takes_bounded_time():
    """Measured: 40 ms. The limit allows for a slow machine."""
    record = large_record(200)

    begun = process_time()
    answer(record)

    assert process_time() - begun < 1
