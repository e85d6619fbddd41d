"""Conditions of entry into force: which are met on a day, and what is missing (docs/standing.md)."""

from datetime import date

import pytest

from agreements.standing import Action, AgreementRecord, Condition, conditions, text_standing
from tests.agreements.records import act


def state(kind: str, *actions: Action, on: str, **fields):
    """The state of the condition on a day, for a text with these actions."""
    text = AgreementRecord(actions=actions, conditions=(Condition("c", kind, **fields),))
    return conditions(text, date.fromisoformat(on))[0]


SIGNED = [act("signature", party, "2024-08-05") for party in ("AUS", "GBR", "USA")]


def test_an_exchange_of_notes_is_met_when_every_signatory_has_notified():
    notes = [act("notification", "AUS", "2024-12-01"), act("notification", "USA", "2025-01-10")]
    last = act("notification", "GBR", "2025-01-17")

    before = state("exchange_of_notes", *SIGNED, *notes, last, on="2025-01-16")
    after = state("exchange_of_notes", *SIGNED, *notes, last, on="2025-01-17")

    assert (before.met, before.met_on, before.missing.parties) == (False, "", ("GBR",))
    assert (after.met, after.met_on, after.missing.parties) == (True, "2025-01-17", ())


def test_met_condition_does_not_put_the_text_in_force():
    text = AgreementRecord(actions=(*SIGNED, *(act("notification", p, "2025-01-17") for p in ("AUS", "GBR", "USA"))), conditions=())

    assert text_standing(text, date(2026, 1, 1)).code == "signed"


def test_number_of_consents_gives_the_missing_number():
    acts = [act("ratification", "AUS", "2016-01-01"), act("accession", "NZL", "2016-03-01"), act("ratification", "GBR", "2016-05-01")]

    assert [state("number_of_consents", *acts, number=3, on=day).missing.number for day in ("2015-12-31", "2016-01-01", "2016-03-01")] == [
        3,
        2,
        1,
    ]
    assert (met := state("number_of_consents", *acts, number=3, on="2016-05-01")).met and met.met_on == "2016-05-01"
    assert met.missing.number == 0


def test_signatures_do_not_count_as_consents():
    assert state("number_of_consents", *SIGNED, number=3, on="2026-01-01").missing.number == 3


def test_a_consent_counts_from_its_deposit():
    acts = [act("ratification", "AUS", "2016-01-01"), act("deposit", "AUS", "2016-06-01")]

    assert [state("number_of_consents", *acts, number=1, on=day).met for day in ("2016-05-31", "2016-06-01")] == [False, True]


def test_withdrawn_consent_does_not_count():
    acts = [
        act("ratification", "AUS", "2016-01-01"),
        act("ratification", "GBR", "2016-03-01"),
        act("consent_withdrawal", "AUS", "2016-02-01"),
    ]

    assert state("number_of_consents", *acts, number=2, on="2016-04-01").missing.number == 1


def test_undated_consent_does_not_count():
    assert state("number_of_consents", act("ratification", "AUS"), number=1, on="2026-01-01").missing.number == 1


def test_the_delay_begins_when_the_last_consent_counts():
    acts = [act("ratification", "AUS", "2016-10-05")]

    waiting = state("number_of_consents", *acts, number=1, delay="P30D", on="2016-11-03")
    met = state("number_of_consents", *acts, number=1, delay="P30D", on="2016-11-04")

    assert (waiting.met, waiting.missing.number, waiting.missing.on) == (False, 0, "2016-11-04")
    assert (met.met, met.met_on) == (True, "2016-11-04")


@pytest.mark.parametrize(("signed", "delay", "met_on"), [("2025-08-31", "P6M", "2026-02-28"), ("2025-08", "P1M", "2025-09-01~")])
def test_delay_in_months_ends_on_the_last_day_and_keeps_the_precision(signed, delay, met_on):
    assert state("on_signature", act("signature", acted_on=signed), delay=delay, on="2030-01-01").met_on == met_on


def test_delay_after_the_year_9999_never_ends():
    assert not state("on_signature", act("signature", acted_on="2025-01-01"), delay="P9999Y", on="9999-12-31").met


def test_missing_named_parties_are_listed():
    acts = [act("ratification", "AUS", "2016-01-01"), act("ratification", "NZL", "2016-01-01")]

    result = state("named_parties", *acts, parties=frozenset(["AUS", "GBR", "USA"]), on="2020-01-01")

    assert (result.met, result.missing.parties) == (False, ("GBR", "USA"))


def test_all_signatories_must_have_consented():
    acts = [*SIGNED, act("ratification", "AUS", "2024-10-01"), act("ratification", "GBR", "2024-11-01")]

    assert state("all_signatories", *acts, on="2025-01-01").missing.parties == ("USA",)
    assert state("all_signatories", *acts, act("ratification", "USA", "2024-12-01"), on="2025-01-01").met_on == "2024-12-01"


@pytest.mark.parametrize("kind", ["all_signatories", "exchange_of_notes", "on_signature"])
def test_conditions_on_signatories_are_not_met_without_a_signature(kind):
    assert not state(kind, act("adoption", acted_on="2024-01-01"), on="2025-01-01").met


def test_later_signatory_is_missing_until_entry_into_force():
    first = [act("definitive_signature", "AUS", "2024-01-01")]
    second = act("signature", "USA", "2024-02-01")
    force = act("entry_into_force", acted_on="2024-01-15")

    assert state("all_signatories", *first, second, on="2024-01-10").met
    assert state("all_signatories", *first, second, on="2024-03-01").missing.parties == ("USA",)
    assert state("all_signatories", *first, second, force, on="2024-03-01").met_on == "2024-01-01"


def test_on_signature_requires_one_signature_or_all_named_parties():
    acts = [act("signature", "AUS", "2024-01-01"), act("signature", "USA", "2024-02-01")]
    both = frozenset(["AUS", "USA"])

    assert state("on_signature", *acts, on="2024-01-15").met_on == "2024-01-01"
    assert state("on_signature", *acts, parties=both, on="2024-01-15").missing.parties == ("USA",)
    assert state("on_signature", *acts, parties=both, on="2024-03-01").met_on == "2024-02-01"


def test_on_a_date_is_met_from_that_day():
    assert [state("on_date", fixed_on="2030-01-01", on=day).met for day in ("2029-12-31", "2030-01-01")] == [False, True]
    assert state("on_date", fixed_on="2030-01-01", on="2029-12-31").missing.on == "2030-01-01"
    assert state("on_date", fixed_on="2030", on="2031-01-01").met_on == "2030"


def test_later_withdrawal_does_not_change_a_met_condition():
    acts = [
        act("ratification", "AUS", "2016-01-01"),
        act("entry_into_force", acted_on="2016-01-01"),
        act("withdrawal_effect", "AUS", "2020-01-01"),
    ]

    assert state("number_of_consents", *acts, number=1, on="2021-01-01").met_on == "2016-01-01"


def test_notification_after_entry_into_force_counts():
    acts = [act("signature", party, "2024-01-01") for party in ("AUS", "GBR")]
    acts += [
        act("notification", "AUS", "2024-02-01"),
        act("notification", "GBR", "2024-03-05"),
        act("entry_into_force", acted_on="2024-03-01"),
    ]

    assert state("exchange_of_notes", *acts, on="2024-03-04").missing.parties == ("GBR",)
    assert state("exchange_of_notes", *acts, on="2026-01-01").met_on == "2024-03-05"


def test_consent_of_a_party_that_left_before_entry_into_force_does_not_count():
    acts = [act("ratification", "AUS", "2016-02-01"), act("withdrawal_notice", "AUS", "2017-01-01", "2017-06-01")]

    assert [state("number_of_consents", *acts, number=1, on=day).met for day in ("2017-05-31", "2017-06-01")] == [True, False]


@pytest.mark.parametrize("kind", ["all_signatories", "exchange_of_notes", "on_signature"])
def test_unsigned_text_lists_the_missing_signatories(kind):
    assert not state(kind, on="2026-01-01").missing.nothing


def test_unsigned_text_without_known_parties_misses_one_party():
    assert state("all_signatories", act("signature", acted_on="2024-01-01"), on="2026-01-01").missing.number == 1


def test_after_a_signature_of_the_whole_text_its_participants_are_its_signatories():
    notes = [act("notification", party, "2024-02-01") for party in ("AUS", "GBR")]

    assert state("exchange_of_notes", act("signature", acted_on="2024-01-01"), *notes, on="2026-01-01").met_on == "2024-02-01"
