"""The rules of docs/standing.md on later parties, notices before force, dissolved parties, pairs, accession protocols and the record."""

from datetime import date

import pytest

from agreements.standing import Action, AgreementRecord, Condition, conditions, pairs, party_standing, text_standing
from tests.agreements.records import FORCE, act, standing_of, text_on, uids

OWN = "entry_into_force_for_party"


def record(*actions: Action, **fields) -> AgreementRecord:
    return AgreementRecord(actions=actions, **fields)


def standings(text: AgreementRecord, party: str, *days: str) -> list[str]:
    return [standing_of(text, party, day) for day in days]


def on(text: AgreementRecord, party: str, day: str):
    return party_standing(text, party, date.fromisoformat(day))


# ---- the own entry into force


def test_an_own_entry_into_force_belongs_to_the_newest_consent_and_does_not_delay_an_earlier_one():
    text = record(FORCE, act("acceptance", "AUS", "2016-01-01"), act("accession", "AUS", "2019-03-01"), act(OWN, "AUS", "2019-06-01"))

    assert standings(text, "AUS", "2016-11-03", "2016-11-04", "2019-06-01") == ["contracting", "bound", "bound"]
    assert on(text, "AUS", "2020-01-01").since == "2016-11-04"


def test_an_own_entry_into_force_delays_all_consents_of_the_same_day():
    text = record(FORCE, act("ratification", "AUS", "2017-01-01"), act("acceptance", "AUS", "2017-01-01"), act(OWN, "AUS", "2017-06-01"))

    assert standings(text, "AUS", "2017-05-31", "2017-06-01") == ["contracting", "bound"]


def test_the_first_pair_delays_the_newest_consent_before_it():
    text = record(FORCE, act("accession", "GBR", "2024-05-17"), act(OWN, "GBR", "2024-12-24", counterparty="AUS"))
    text = record(*text.actions, act(OWN, "GBR", "2024-12-15", counterparty="JPN"))

    assert standings(text, "GBR", "2024-12-14", "2024-12-15") == ["contracting", "bound"]


RETURN_DURING_NOTICE = (
    act("entry_into_force", acted_on="1970-01-01"),
    act("accession", "AUS", "1971-01-01"),
    act("withdrawal_notice", "AUS", "1980-01-01", effective_on="1981-01-01"),
    act("accession", "AUS", "1980-06-01"),
)


@pytest.mark.parametrize("counterparty", ["", "JPN"])
def test_the_own_entry_into_force_of_a_consent_during_a_notice_does_not_delay_the_earlier_consent(counterparty):
    text = record(*RETURN_DURING_NOTICE, act(OWN, "AUS", "1980-09-01", counterparty=counterparty))

    assert standings(text, "AUS", "1971-01-01", "1975-01-01", "1980-02-01") == ["bound", "bound", "withdrawing"]
    assert standings(text, "AUS", "1980-12-31", "1981-01-01", "1990-01-01") == ["withdrawing", "bound", "bound"]
    assert on(text, "AUS", "1975-01-01").since == "1971-01-01"
    assert on(text, "AUS", "1990-01-01").since == "1981-01-01"


def test_an_own_entry_into_force_after_leaving_delays_a_consent_during_the_notice():
    text = record(*RETURN_DURING_NOTICE, act(OWN, "AUS", "1981-09-01"))

    assert standings(text, "AUS", "1975-01-01", "1980-12-31", "1981-08-31", "1981-09-01") == [
        "bound",
        "withdrawing",
        "contracting",
        "bound",
    ]


def test_an_own_entry_into_force_during_a_notice_before_the_new_consent_belongs_to_the_earlier_consent():
    text = record(*RETURN_DURING_NOTICE, act(OWN, "AUS", "1980-05-31"))

    assert standings(text, "AUS", "1980-05-30", "1980-05-31", "1981-01-01") == ["contracting", "withdrawing", "bound"]


@pytest.mark.parametrize("counterparty", ["", "JPN"])
def test_an_own_entry_into_force_without_a_date_keeps_the_party_contracting_and_approximate(counterparty):
    text = record(FORCE, act("ratification", "AUS", "2016-01-01"), act(OWN, "AUS", counterparty=counterparty))

    found = on(text, "AUS", "2020-01-01")

    assert (found.code, found.approximate, found.bound) == ("contracting", True, False)


def test_a_dated_own_entry_into_force_makes_one_without_a_date_harmless():
    text = record(FORCE, act("ratification", "AUS", "2016-01-01"), act(OWN, "AUS"), act(OWN, "AUS", "2017-01-01"))

    assert standings(text, "AUS", "2016-12-31", "2017-01-01") == ["contracting", "bound"]
    assert not on(text, "AUS", "2018-01-01").approximate


def test_notice_implies_that_an_undated_entry_into_force_has_taken_place():
    text = record(FORCE, act("ratification", "AUS", "2016-01-01"), act(OWN, "AUS"), act("withdrawal_notice", "AUS", "2019-01-01"))

    assert standings(text, "AUS", "2018-12-31", "2019-01-01") == ["contracting", "withdrawing"]


# ---- parties that join later


@pytest.mark.parametrize(("consented", "bound"), [("2018-03-01", "2018-03-31"), ("2016-11-05", "2016-12-05")])
def test_a_consent_after_entry_into_force_binds_after_the_delay_of_the_text(consented, bound):
    accession = act("accession", "AUS", consented)
    text = record(FORCE, accession, later_joiner_delay="P30D")

    day = date.fromisoformat(bound)

    assert standings(text, "AUS", consented, day.replace(day=day.day - 1).isoformat(), bound) == ["contracting", "contracting", "bound"]
    found = party_standing(text, "AUS", day)
    assert (found.since, found.approximate, uids(found)) == (bound, False, [accession.uid])


@pytest.mark.parametrize("consented", ["2016-01-01", "2016-11-04"])
def test_a_consent_by_the_day_of_entry_into_force_is_not_delayed(consented):
    text = record(FORCE, act("ratification", "AUS", consented), later_joiner_delay="P30D")

    found = on(text, "AUS", "2016-11-04")

    assert (found.code, found.since, found.approximate) == ("bound", "2016-11-04", False)


def test_the_delay_begins_with_the_deposit():
    text = record(FORCE, act("ratification", "AUS", "2018-01-01"), act("deposit", "AUS", "2018-02-01"), later_joiner_delay="P1M")

    assert standings(text, "AUS", "2018-02-28", "2018-03-01") == ["contracting", "bound"]


def test_a_delay_in_months_ends_on_the_last_day_of_the_month():
    text = record(FORCE, act("accession", "AUS", "2018-08-31"), later_joiner_delay="P6M")

    assert standings(text, "AUS", "2019-02-27", "2019-02-28") == ["contracting", "bound"]


def test_without_a_known_delay_a_later_party_is_bound_at_once_and_the_answer_is_approximate():
    text = record(FORCE, act("accession", "AUS", "2018-03-01"))

    found = on(text, "AUS", "2018-03-01")

    assert (found.code, found.since, found.approximate) == ("bound", "2018-03-01", True)


def test_an_effective_date_or_an_own_entry_into_force_takes_the_place_of_the_delay():
    effective = record(FORCE, act("accession", "AUS", "2018-03-01", "2018-03-05"), later_joiner_delay="P30D")
    own = record(FORCE, act("accession", "AUS", "2018-03-01"), act(OWN, "AUS", "2018-03-05"), later_joiner_delay="P30D")

    for text in (effective, own):
        assert standings(text, "AUS", "2018-03-04", "2018-03-05") == ["contracting", "bound"]
        assert not on(text, "AUS", "2018-03-05").approximate


def test_delay_after_the_year_9999_never_ends():
    text = record(FORCE, act("accession", "AUS", "2018-03-01"), later_joiner_delay="P9999Y")

    assert standing_of(text, "AUS", "9999-12-31") == "contracting"


def test_a_delay_after_a_consent_that_is_not_known_to_the_day_is_approximate():
    text = record(FORCE, act("accession", "AUS", "2018-03"), later_joiner_delay="P30D")

    found = on(text, "AUS", "2020-01-01")

    assert (found.since, found.approximate) == ("2018-03-31~", True)


# ---- notices and withdrawals


def test_a_notice_before_the_text_is_in_force_does_not_imply_that_the_party_was_bound():
    signed = record(act("signature", "USA", "2015-01-01"), act("withdrawal_notice", "USA", "2016-01-01"), FORCE)
    never = record(act("signature", "USA", "2015-01-01"), act("withdrawal_notice", "USA", "2016-01-01"))
    others = record(act("signature", "AUS", "2015-01-01"), act("withdrawal_notice", "USA", "2016-01-01"))

    assert [standing_of(text, "USA", "2016-06-01") for text in (signed, never, others)] == ["signatory", "signatory", "none"]


@pytest.mark.parametrize("later", [act("ratification", "USA", "2017-06-01"), act(OWN, "USA", "2017-06-01")])
def test_a_consent_or_own_entry_into_force_later_than_the_notice_says_that_the_party_was_not_bound(later):
    text = record(FORCE, act("withdrawal_notice", "USA", "2017-01-01"), later)

    assert standing_of(text, "USA", "2017-03-01") == "none"


def test_a_party_that_waits_for_its_own_entry_into_force_is_not_bound_by_its_notice():
    text = record(
        FORCE, act("ratification", "USA", "2016-12-01"), act("withdrawal_notice", "USA", "2017-01-01"), act(OWN, "USA", "2017-06-01")
    )

    assert standings(text, "USA", "2017-03-01") == ["contracting"]


def test_a_notice_implies_that_the_party_was_bound_although_it_consented_again_after_it_had_left():
    text = record(FORCE, act("withdrawal_notice", "USA", "2019-11-04", "2020-11-04"), act("acceptance", "USA", "2021-01-20", "2021-02-19"))

    days = ["2019-11-03", "2020-01-01", "2020-12-01", "2021-01-20", "2021-02-19"]
    assert standings(text, "USA", *days) == ["none", "withdrawing", "former_party", "contracting", "bound"]


@pytest.mark.parametrize("signed", [True, False])
def test_a_withdrawal_that_takes_effect_before_the_text_is_in_force_leaves_a_signatory_or_nothing(signed):
    signature = [act("signature", "USA", "2015-01-01")] if signed else []
    text = record(*signature, act("ratification", "USA", "2015-06-01"), act("withdrawal_notice", "USA", "2016-01-01", "2016-06-01"), FORCE)

    left = "signatory" if signed else "none"
    assert standings(text, "USA", "2016-05-31", "2016-06-01", "2020-01-01") == ["contracting", left, left]


def test_a_party_may_consent_again_after_a_withdrawal_before_force():
    text = record(
        act("ratification", "USA", "2015-06-01"),
        act("withdrawal_effect", "USA", "2016-01-01"),
        act("accession", "USA", "2016-03-01"),
        FORCE,
    )

    assert standings(text, "USA", "2016-02-01", "2016-03-01", "2016-11-04") == ["none", "contracting", "bound"]


# ---- parties that no longer exist


YUGOSLAVIA = {"dissolved": {"YUG": "1992-04-27"}}


def test_a_party_that_no_longer_exists_is_a_former_party_of_what_bound_it():
    text = record(act("entry_into_force", acted_on="1970-01-01"), act("ratification", "YUG", "1969-01-01"), **YUGOSLAVIA)

    assert standings(text, "YUG", "1992-04-26", "1992-04-27", "2020-01-01") == ["bound", "former_party", "former_party"]
    assert on(text, "YUG", "2000-01-01").since == "1992-04-27"


def test_a_party_that_was_not_bound_when_it_ended_is_not_a_former_party():
    text = record(act("entry_into_force", acted_on="1995-01-01"), act("ratification", "YUG", "1969-01-01"), **YUGOSLAVIA)

    assert standings(text, "YUG", "1996-01-01") == ["contracting"]


def test_a_party_whose_end_is_not_known_to_the_day_is_approximate():
    text = record(act("entry_into_force", acted_on="1970-01-01"), act("ratification", "YUG", "1969-01-01"), dissolved={"YUG": "1992"})

    assert (on(text, "YUG", "1992-06-01").code, on(text, "YUG", "1992-06-01").approximate) == ("former_party", True)


def test_a_pair_ends_with_the_end_of_either_party():
    text = record(act(OWN, "GBR", "1990-01-01", counterparty="YUG"), **YUGOSLAVIA)

    assert [len(pairs(text, date(1992, 4, day))) for day in (26, 27)] == [1, 0]


# ---- actions that concern a pair


@pytest.mark.parametrize("kind", ["suspension", "withdrawal_notice", "denunciation_notice"])
def test_a_suspension_or_notice_with_a_counterparty_leaves_the_party_as_it_is(kind):
    text = record(
        FORCE,
        act("ratification", "GBR", "2016-01-01"),
        act("ratification", "JPN", "2016-01-01"),
        act(kind, "GBR", "2020-01-01", "2020-06-01", counterparty="JPN"),
    )

    assert standings(text, "GBR", "2020-02-01", "2021-01-01") == ["bound", "bound"]


@pytest.mark.parametrize(("actor", "other"), [("GBR", "JPN"), ("JPN", "GBR")])
def test_a_suspension_between_two_suspends_their_pair_until_a_resumption(actor, other):
    text = record(
        act(OWN, "GBR", "2019-01-01", counterparty="JPN"),
        act(OWN, "GBR", "2019-01-01", counterparty="AUS"),
        act("suspension", actor, "2020-01-01", counterparty=other),
        act("resumption", actor, "2021-01-01", counterparty=other),
    )

    in_force = [[pair.parties for pair in pairs(text, date.fromisoformat(day))] for day in ("2019-06-01", "2020-06-01", "2021-01-01")]
    both, one = [("AUS", "GBR"), ("GBR", "JPN")], [("AUS", "GBR")]
    assert in_force == [both, one, both]


@pytest.mark.parametrize("revoked", [True, False])
def test_a_notice_between_two_ends_their_pair_unless_it_is_revoked(revoked):
    text = record(
        act(OWN, "GBR", "2019-01-01", counterparty="JPN"),
        act("withdrawal_notice", "GBR", "2020-01-01", "2020-06-01", counterparty="JPN"),
        *([act("notice_revocation", "GBR", "2020-03-01", counterparty="JPN")] if revoked else []),
    )

    assert [len(pairs(text, date.fromisoformat(day))) for day in ("2020-05-31", "2020-06-01")] == [1, 1 if revoked else 0]
    assert standing_of(text, "GBR", "2021-01-01") == "bound"


def test_a_revocation_with_a_counterparty_does_not_revoke_the_notice_of_the_party():
    text = record(
        FORCE,
        act("ratification", "GBR", "2016-01-01"),
        act("withdrawal_notice", "GBR", "2020-01-01", "2020-06-01"),
        act("notice_revocation", "GBR", "2020-03-01", counterparty="JPN"),
    )

    assert standing_of(text, "GBR", "2020-06-01") == "former_party"


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


# ---- incomplete records


@pytest.mark.parametrize(
    ("complete", "day", "incomplete"),
    [(None, "2020-01-01", True), (date(2019, 12, 31), "2020-01-01", True), (date(2020, 1, 1), "2020-01-01", False)],
)
def test_none_is_incomplete_where_the_actions_are_not_completely_recorded(complete, day, incomplete):
    text = record(FORCE, act("ratification", "AUS", "2016-01-01"), actions_complete_as_of=complete)

    assert (on(text, "USA", day).code, on(text, "USA", day).incomplete) == ("none", incomplete)
    assert not on(text, "AUS", day).incomplete


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


def test_a_sentence_names_at_most_five_parties_and_counts_the_rest():
    signatures = [act("signature", f"P{number}", "2020-01-01") for number in range(9)]
    own = [act(OWN, "GBR", "2020-01-01", counterparty=f"P{number}") for number in range(9)]

    assert text_standing(record(*signatures), date(2021, 1, 1)).sentence.endswith("(P0, P1, P2, P3, P4, 4 more).")
    assert on(record(*own), "GBR", "2021-01-01").sentence.endswith("(P0, P1, P2, P3, 5 more).")


def test_a_sentence_uses_names():
    text = record(FORCE, act("ratification", "AUS", "2016-01-01"), names={"AUS": "Australia"})

    assert on(text, "AUS", "2020-01-01").sentence.startswith("Australia has been bound since 2016-11-04: ")


def test_the_entry_into_force_of_the_text_is_given_as_a_reason_only_where_it_came_later():
    before, after = act("ratification", "AUS", "2016-01-01"), act("accession", "NZL", "2017-01-01", "2017-02-01")
    text = record(FORCE, before, after)

    assert uids(on(text, "AUS", "2020-01-01")) == [before.uid, FORCE.uid]
    assert uids(on(text, "NZL", "2020-01-01")) == [after.uid]


def test_a_text_without_its_own_entry_into_force_is_in_force_from_the_first_party():
    text = record(act(OWN, "AUS", "2020-01-01"), act(OWN, "NZL", "2019-01-01"))

    assert text_on(text, "2019-01-01") == "in_force"
