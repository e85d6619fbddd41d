"""The standing of a text and its parties on a day: unit tests of the rules in docs/standing.md."""

from datetime import date, timedelta

import pytest

from agreements.standing import AgreementRecord, pairs, party_standing, text_standing
from tests.agreements.records import FORCE, act, standing_of, text_on, uids

# ---- the text


def test_without_actions_the_text_is_unknown_and_a_party_has_no_standing():
    text = AgreementRecord(actions=(act("signature", "AUS", "2020-01-02"),))

    assert (text_on(text, "2020-01-01"), standing_of(text, "AUS", "2020-01-01")) == ("unknown", "none")
    assert text_standing(text, date(2020, 1, 1)).actions == ()


@pytest.mark.parametrize("kind", ["signature", "signature_ad_referendum", "definitive_signature"])
def test_a_text_is_signed_from_its_first_signature(kind):
    first = act(kind, "AUS", "2020-01-02")
    text = AgreementRecord(actions=(act("signature", "GBR", "2020-02-01"), first))

    found = text_standing(text, date(2020, 3, 1))

    assert (found.code, found.since, uids(found)) == ("signed", "2020-01-02", [first.uid])


def test_a_text_is_in_force_from_its_entry_into_force_as_a_whole_although_a_party_was_earlier():
    whole = act("entry_into_force", acted_on="2018-12-30")
    text = AgreementRecord(actions=(act("entry_into_force_for_party", "VNM", "2018-06-01"), whole))

    assert text_on(text, "2018-12-29") != "in_force"
    assert text_standing(text, date(2018, 12, 30)).since == "2018-12-30"


def test_without_an_entry_into_force_as_a_whole_the_first_for_a_party_counts():
    text = AgreementRecord(
        actions=(act("entry_into_force_for_party", "VNM", "2019-01-14"), act("entry_into_force_for_party", "PER", "2021-09-19"))
    )

    assert (text_on(text, "2019-01-13"), text_on(text, "2019-01-14")) == ("unknown", "in_force")


def test_an_entry_into_force_counts_from_its_effect():
    text = AgreementRecord(actions=(act("entry_into_force", acted_on="2016-10-05", effective_on="2016-11-04"),))

    assert (text_on(text, "2016-11-03"), text_on(text, "2016-11-04")) == ("unknown", "in_force")


@pytest.mark.parametrize(
    ("kind", "code"),
    [("announcement", "announced"), ("adoption", "adopted"), ("provisional_application", "provisionally_applied")],
)
def test_actions_before_entry_into_force_give_the_text_its_standing(kind, code):
    assert text_on(AgreementRecord(actions=(act(kind, acted_on="2020-01-01"),)), "2020-01-01") == code


@pytest.mark.parametrize(
    "kind",
    [
        "reaffirmation",
        "review_opened",
        "review_closed",
        "submission_to_legislature",
        "legislative_approval",
        "authentication",
        "amendment",
        "correction",
        "reservation",
        "declaration",
        "objection",
        "deposit",
        "notification",
        "registration",
    ],
)
def test_political_domestic_text_delivery_and_statement_kinds_change_nothing(kind):
    text = AgreementRecord(actions=(act(kind, "AUS", "2020-01-01"),))

    assert (text_on(text, "2021-01-01"), standing_of(text, "AUS", "2021-01-01")) == ("unknown", "none")


def test_later_announcement_does_not_replace_a_signature():
    text = AgreementRecord(actions=(act("signature", acted_on="2020-01-01"), act("announcement", acted_on="2021-01-01")))

    assert text_on(text, "2022-01-01") == "signed"


def test_a_suspension_without_a_party_suspends_the_text_until_a_resumption():
    text = AgreementRecord(
        actions=(
            FORCE,
            act("suspension", acted_on="2020-01-01"),
            act("resumption", acted_on="2021-01-01"),
            act("suspension", acted_on="2022-01-01"),
        )
    )

    days = ["2019-12-31", "2020-01-01", "2020-12-31", "2021-01-01", "2022-01-01"]
    assert [text_on(text, day) for day in days] == ["in_force", "suspended", "suspended", "in_force", "suspended"]


def test_terminated_text_binds_no_party():
    text = AgreementRecord(
        actions=(
            FORCE,
            act("ratification", "AUS", "2016-01-01"),
            act("ratification", "GBR", "2016-01-01"),
            act("withdrawal_notice", "GBR", "2019-12-01", "2020-12-01"),
            act("signature", "JPN", "2016-01-01"),
            act("termination", acted_on="2020-01-01"),
        )
    )

    assert text_on(text, "2020-01-01") == "terminated"
    assert [standing_of(text, party, "2020-01-01") for party in ("AUS", "GBR", "JPN")] == ["former_party", "former_party", "signatory"]
    assert standing_of(text, "AUS", "2019-12-31") == "bound"


@pytest.mark.parametrize(
    ("expires_on", "last", "over", "since", "approximate"),
    [
        ("2075-12-31", "2075-12-31", "2076-01-01", "2076-01-01", False),
        ("2030", "2030-12-31", "2031-01-01", "2031-01-01~", True),
        ("2028-02", "2028-02-29", "2028-03-01", "2028-03-01~", True),
    ],
)
def test_a_text_ends_the_day_after_the_last_possible_day_of_its_term(expires_on, last, over, since, approximate):
    text = AgreementRecord(actions=(FORCE, act("ratification", "AUS", "2016-01-01")), expires_on=expires_on)

    found = text_standing(text, date.fromisoformat(over))

    assert text_on(text, last) == "in_force"
    assert (found.code, found.since, found.approximate) == ("terminated", since, approximate)
    assert standing_of(text, "AUS", over) == "former_party"


def test_term_until_the_year_9999_never_ends():
    assert text_on(AgreementRecord(actions=(FORCE,), expires_on="9999-12-31"), "9999-12-31") == "in_force"


# ---- non-binding texts


@pytest.mark.parametrize("kind", ["signature", "start_of_operation"])
def test_signed_non_binding_text_is_operative_with_participants(kind):
    text = AgreementRecord(actions=(act(kind, "AUS", "2025-10-20"),), non_binding=True)

    assert (text_on(text, "2025-10-19"), text_on(text, "2025-10-20")) == ("unknown", "operative")
    assert (standing_of(text, "AUS", "2025-10-19"), standing_of(text, "AUS", "2025-10-20")) == ("none", "participant")
    assert not party_standing(text, "AUS", date(2025, 10, 20)).bound


def test_a_non_binding_text_is_never_in_force():
    text = AgreementRecord(
        actions=(act("signature", "AUS", "2020-01-01"), FORCE, act("entry_into_force_for_party", "AUS", "2016-11-04")), non_binding=True
    )

    assert text_on(text, "2030-01-01") == "operative"
    assert standing_of(text, "AUS", "2030-01-01") == "participant"


def test_participant_takes_part_until_it_leaves():
    text = AgreementRecord(
        actions=(act("signature", "AUS", "2020-01-01"), act("withdrawal_notice", "AUS", "2021-01-01", "2022-01-01")), non_binding=True
    )

    assert [standing_of(text, "AUS", day) for day in ("2021-06-01", "2022-01-01")] == ["participant", "former_party"]


def test_an_announcement_names_the_party():
    text = AgreementRecord(actions=(act("announcement", "AUS", "2025-10-20"),))

    assert (text_on(text, "2025-10-20"), standing_of(text, "AUS", "2025-10-20")) == ("announced", "announced")


# ---- consent


@pytest.mark.parametrize("kind", ["signature", "signature_ad_referendum"])
def test_signature_to_be_confirmed_makes_a_signatory(kind):
    text = AgreementRecord(actions=(FORCE, act(kind, "AUS", "2016-04-22")))

    assert standing_of(text, "AUS", "2026-01-01") == "signatory"


@pytest.mark.parametrize(
    "kind",
    [
        "definitive_signature",
        "ratification",
        "acceptance",
        "approval",
        "accession",
        "formal_confirmation",
        "succession",
        "continued_application",
        "consent_to_be_bound",
    ],
)
def test_consent_makes_a_party_contracting_and_bound_from_entry_into_force(kind):
    consent = act(kind, "AUS", "2016-09-03")
    text = AgreementRecord(actions=(FORCE, consent))

    days = ["2016-09-02", "2016-09-03", "2016-11-03", "2016-11-04"]
    assert [standing_of(text, "AUS", day) for day in days] == ["none", "contracting", "contracting", "bound"]
    found = party_standing(text, "AUS", date(2020, 1, 1))
    assert (found.since, uids(found), found.bound, found.approximate) == ("2016-11-04", [consent.uid, FORCE.uid], True, False)


def test_text_is_signed_on_the_action_date_of_the_signature():
    text = AgreementRecord(actions=(FORCE, act("definitive_signature", "AUS", "2016-01-01", "2017-01-01")))

    assert (text_on(text, "2016-01-01"), text_on(text, "2016-11-04")) == ("signed", "in_force")
    assert [standing_of(text, "AUS", day) for day in ("2016-12-31", "2017-01-01")] == ["contracting", "bound"]


def test_an_entry_into_force_that_names_a_party_is_that_of_the_party():
    text = AgreementRecord(actions=(act("entry_into_force", "AUS", "2018-01-01"), act("ratification", "GBR", "2019-01-01")))

    assert text_on(text, "2018-01-01") == "in_force"
    assert [standing_of(text, party, "2018-06-01") for party in ("AUS", "GBR")] == ["bound", "none"]


def test_a_consent_to_a_text_in_force_binds_from_the_consent():
    text = AgreementRecord(actions=(FORCE, act("accession", "AUS", "2018-03-01")))

    assert [standing_of(text, "AUS", day) for day in ("2018-02-28", "2018-03-01")] == ["none", "bound"]


def test_a_consent_counts_from_its_effect_where_it_is_given():
    text = AgreementRecord(actions=(FORCE, act("accession", "AUS", "2018-03-01", "2018-03-31"), act("deposit", "AUS", "2018-05-01")))

    days = ["2018-02-28", "2018-03-01", "2018-03-30", "2018-03-31"]
    assert [standing_of(text, "AUS", day) for day in days] == ["none", "contracting", "contracting", "bound"]


def test_a_consent_without_an_effect_counts_from_the_next_deposit_of_that_party():
    ratification, deposit = act("ratification", "AUS", "2017-01-10"), act("deposit", "AUS", "2017-02-10")
    text = AgreementRecord(actions=(FORCE, act("deposit", "GBR", "2017-01-20"), ratification, act("deposit", "AUS", "2016-12-01"), deposit))

    assert [standing_of(text, "AUS", day) for day in ("2017-01-10", "2017-02-09", "2017-02-10")] == ["contracting", "contracting", "bound"]
    assert {ratification.uid, deposit.uid} <= set(uids(party_standing(text, "AUS", date(2017, 2, 10))))


def test_deposit_after_a_return_does_not_belong_to_the_first_period():
    text = AgreementRecord(
        actions=(
            FORCE,
            act("ratification", "USA", "2016-09-03"),
            act("withdrawal_effect", "USA", "2020-11-04"),
            act("acceptance", "USA", "2021-01-20"),
            act("deposit", "USA", "2021-02-19"),
        )
    )

    days = ["2017-01-01", "2020-11-04", "2021-01-20", "2021-02-19"]
    assert [standing_of(text, "USA", day) for day in days] == ["bound", "former_party", "contracting", "bound"]


def test_a_party_is_bound_from_its_own_entry_into_force_also_while_the_text_is_in_force_for_others():
    own = act("entry_into_force_for_party", "VNM", "2019-01-14")
    text = AgreementRecord(actions=(act("entry_into_force", acted_on="2018-12-30"), act("ratification", "VNM", "2018-11-15"), own))

    days = ["2018-11-15", "2018-12-31", "2019-01-13", "2019-01-14"]
    assert [standing_of(text, "VNM", day) for day in days] == ["contracting", "contracting", "contracting", "bound"]


def test_an_entry_into_force_for_a_party_before_that_of_the_text_makes_it_contracting_until_then():
    text = AgreementRecord(actions=(FORCE, act("entry_into_force_for_party", "AUS", "2016-01-01")))

    assert [standing_of(text, "AUS", day) for day in ("2016-11-03", "2016-11-04")] == ["contracting", "bound"]


@pytest.mark.parametrize("counterparty", ["", "JPN"])
def test_an_entry_into_force_for_a_party_implies_its_consent_where_none_is_recorded(counterparty):
    own = act("entry_into_force_for_party", "GBR", "2024-12-15", counterparty=counterparty)
    text = AgreementRecord(actions=(own,))

    found = party_standing(text, "GBR", date(2024, 12, 15))

    assert standing_of(text, "GBR", "2024-12-14") == "none"
    assert (found.code, found.since, uids(found)) == ("bound", "2024-12-15", [own.uid])


def test_later_consent_does_not_replace_the_implied_consent():
    text = AgreementRecord(actions=(FORCE, act("entry_into_force_for_party", "HRV", "2017-01-01"), act("succession", "HRV", "2018-01-01")))

    assert [standing_of(text, "HRV", day) for day in ("2016-12-31", "2017-01-01", "2018-06-01")] == ["none", "bound", "bound"]


def test_a_consent_without_a_date_has_no_effect_and_is_reported():
    text = AgreementRecord(actions=(FORCE, act("ratification", "AUS"), act("signature", "AUS", "2016-04-22")))

    found = party_standing(text, "AUS", date(2020, 1, 1))

    assert found.code == "signatory"
    assert "ratification without a date" in found.sentence


def test_an_undated_consent_with_a_day_of_effect_counts_from_it():
    text = AgreementRecord(actions=(FORCE, act("ratification", "AUS", "", "2017-01-01")))

    assert [standing_of(text, "AUS", day) for day in ("2016-12-31", "2017-01-01")] == ["none", "bound"]


@pytest.mark.parametrize("kind", ["succession", "continued_application"])
def test_a_succession_binds_from_its_effect_although_the_instrument_is_later(kind):
    text = AgreementRecord(actions=(act("entry_into_force", acted_on="1970-04-26"), act(kind, "HRV", "1992-07-28", "1991-10-08")))

    assert [standing_of(text, "HRV", day) for day in ("1991-10-07", "1991-10-08", "1992-01-01")] == ["none", "bound", "bound"]


def test_a_party_may_apply_a_text_provisionally_until_it_is_bound():
    text = AgreementRecord(
        actions=(
            FORCE,
            act("signature", "AUS", "2016-01-01"),
            act("provisional_application", "AUS", "2016-02-01"),
            act("ratification", "AUS", "2016-03-01"),
        )
    )

    days = ["2016-01-01", "2016-02-01", "2016-03-01", "2016-11-04"]
    assert [standing_of(text, "AUS", day) for day in days] == ["signatory", "provisionally_applying", "provisionally_applying", "bound"]
    assert not party_standing(text, "AUS", date(2016, 3, 1)).bound


# ---- withdrawal


def test_consent_withdrawn_before_entry_into_force_leaves_a_signatory_or_none():
    text = AgreementRecord(
        actions=(
            act("signature", "AUS", "2016-04-22"),
            act("ratification", "AUS", "2016-05-01"),
            act("accession", "NZL", "2016-05-01"),
            act("consent_withdrawal", "AUS", "2016-06-01"),
            act("consent_withdrawal", "NZL", "2016-06-01"),
            FORCE,
        )
    )

    assert [standing_of(text, "AUS", day) for day in ("2016-05-31", "2016-06-01", "2017-01-01")] == [
        "contracting",
        "signatory",
        "signatory",
    ]
    assert [standing_of(text, "NZL", day) for day in ("2016-05-31", "2016-06-01", "2017-01-01")] == ["contracting", "none", "none"]


def test_withdrawn_signature_leaves_none():
    text = AgreementRecord(actions=(act("signature", "USA", "2016-02-04"), act("consent_withdrawal", "USA", "2017-01-30")))

    assert [standing_of(text, "USA", day) for day in ("2017-01-29", "2017-01-30")] == ["signatory", "none"]


def test_consent_after_a_withdrawn_consent_counts():
    text = AgreementRecord(
        actions=(
            FORCE,
            act("ratification", "AUS", "2016-05-01"),
            act("consent_withdrawal", "AUS", "2016-06-01"),
            act("ratification", "AUS", "2016-07-01"),
        )
    )

    assert [standing_of(text, "AUS", day) for day in ("2016-06-15", "2016-07-01", "2016-11-04")] == ["none", "contracting", "bound"]


def test_bound_party_cannot_withdraw_its_consent():
    text = AgreementRecord(actions=(FORCE, act("ratification", "AUS", "2016-05-01"), act("consent_withdrawal", "AUS", "2018-01-01")))

    assert standing_of(text, "AUS", "2019-01-01") == "bound"


@pytest.mark.parametrize("kind", ["withdrawal_notice", "denunciation_notice"])
def test_party_is_withdrawing_until_its_notice_takes_effect(kind):
    consent, notice = act("ratification", "USA", "2016-09-03"), act(kind, "USA", "2019-11-04", "2020-11-04")
    text = AgreementRecord(actions=(FORCE, consent, notice))

    days = ["2019-11-03", "2019-11-04", "2020-11-03", "2020-11-04", "2025-01-01"]
    assert [standing_of(text, "USA", day) for day in days] == ["bound", "withdrawing", "withdrawing", "former_party", "former_party"]
    leaving = party_standing(text, "USA", date(2020, 1, 1))
    assert (leaving.bound, leaving.since, uids(leaving)) == (True, "2019-11-04", [consent.uid, FORCE.uid, notice.uid])


def test_notice_without_effective_date_lasts_until_the_withdrawal_takes_effect():
    text = AgreementRecord(
        actions=(
            FORCE,
            act("ratification", "USA", "2016-09-03"),
            act("withdrawal_notice", "USA", "2019-11-04"),
            act("withdrawal_effect", "USA", "2020-11-04"),
        ),
    )

    assert [standing_of(text, "USA", day) for day in ("2020-11-03", "2020-11-04")] == ["withdrawing", "former_party"]


def test_a_notice_implies_that_the_party_was_bound():
    notice = act("withdrawal_notice", "USA", "2025-01-27", "2026-01-27")
    text = AgreementRecord(actions=(notice,))

    found = party_standing(text, "USA", date(2025, 6, 1))

    assert (found.code, found.bound, uids(found)) == ("withdrawing", True, [notice.uid])
    assert [standing_of(text, "USA", day) for day in ("2025-01-26", "2026-01-27")] == ["none", "former_party"]


@pytest.mark.parametrize("named", [True, False])
def test_revocation_cancels_the_notice(named):
    notice = act("withdrawal_notice", "ZAF", "2016-10-19", "2017-10-19")
    revocation = act("notice_revocation", "ZAF", "2017-03-07", targets=frozenset([notice.uid]) if named else frozenset())
    text = AgreementRecord(actions=(FORCE, act("ratification", "ZAF", "2016-01-01"), notice, revocation))

    days = ["2017-03-06", "2017-03-07", "2018-01-01"]
    assert [standing_of(text, "ZAF", day) for day in days] == ["withdrawing", "bound", "bound"]


def test_revocation_after_the_effect_has_no_effect():
    text = AgreementRecord(
        actions=(
            FORCE,
            act("ratification", "GMB", "2016-01-01"),
            act("withdrawal_notice", "GMB", "2016-12-01", "2017-12-01"),
            act("notice_revocation", "GMB", "2017-12-01"),
        ),
    )

    assert standing_of(text, "GMB", "2018-01-01") == "former_party"


def test_a_party_may_leave_return_and_leave_again():
    text = AgreementRecord(
        actions=(
            FORCE,
            act("acceptance", "USA", "2016-09-03"),
            act("withdrawal_notice", "USA", "2019-11-04", "2020-11-04"),
            act("acceptance", "USA", "2021-01-20", "2021-02-19"),
            act("withdrawal_notice", "USA", "2025-01-27", "2026-01-27"),
        )
    )

    days = ["2016-09-03", "2016-11-04", "2019-11-04", "2020-11-04", "2021-01-20", "2021-02-19", "2025-01-27", "2026-01-26", "2026-01-27"]
    assert [standing_of(text, "USA", day) for day in days] == [
        "contracting", "bound", "withdrawing", "former_party", "contracting", "bound", "withdrawing", "withdrawing", "former_party",
    ]  # fmt: skip
    assert party_standing(text, "USA", date(2023, 1, 1)).since == "2021-02-19"


def test_own_entry_into_force_after_a_return_does_not_date_the_first_period():
    text = AgreementRecord(
        actions=(
            FORCE,
            act("acceptance", "USA", "2016-09-03"),
            act("withdrawal_effect", "USA", "2020-11-04"),
            act("acceptance", "USA", "2021-01-20"),
            act("entry_into_force_for_party", "USA", "2021-02-19"),
        )
    )

    days = ["2018-01-01", "2021-02-18", "2021-02-19"]
    assert [standing_of(text, "USA", day) for day in days] == ["bound", "contracting", "bound"]


def test_a_suspension_with_a_party_suspends_the_party_and_not_the_text():
    text = AgreementRecord(
        actions=(
            FORCE,
            act("ratification", "RUS", "2016-01-01"),
            act("suspension", "RUS", "2023-02-28"),
            act("resumption", "RUS", "2025-01-01"),
        ),
    )

    assert [standing_of(text, "RUS", day) for day in ("2023-02-28", "2025-01-01")] == ["suspended", "bound"]
    assert text_on(text, "2024-01-01") == "in_force"
    assert party_standing(text, "RUS", date(2024, 1, 1)).bound


def test_a_party_may_return_on_the_day_on_which_it_leaves():
    # Guyana and the Optional Protocol to the International Covenant on Civil and Political Rights.
    text = AgreementRecord(
        actions=(
            act("entry_into_force", acted_on="1976-03-23"),
            act("accession", "GUY", "1993-05-10", "1993-08-10"),
            act("denunciation_notice", "GUY", "1999-01-05", "1999-04-05"),
            act("accession", "GUY", "1999-01-05", "1999-04-05"),
        )
    )

    days = ["1995-01-01", "1999-04-04", "1999-04-05", "2005-01-01"]
    assert [standing_of(text, "GUY", day) for day in days] == ["bound", "withdrawing", "bound", "bound"]
    assert party_standing(text, "GUY", date(2005, 1, 1)).since == "1999-04-05"


def test_entry_into_force_on_the_day_of_leaving_belongs_to_the_new_period():
    text = AgreementRecord(
        actions=(
            act("entry_into_force", acted_on="1976-03-23"),
            act("accession", "GUY", "1993-05-10"),
            act("denunciation_notice", "GUY", "1999-01-05", "1999-04-05"),
            act("accession", "GUY", "1999-01-05"),
            act("entry_into_force_for_party", "GUY", "1999-04-05"),
        )
    )

    assert [standing_of(text, "GUY", day) for day in ("1995-01-01", "2005-01-01")] == ["bound", "bound"]


def test_consent_during_a_notice_takes_effect_after_leaving():
    text = AgreementRecord(
        actions=(
            FORCE,
            act("ratification", "USA", "2016-12-01"),
            act("withdrawal_notice", "USA", "2019-01-01", "2019-04-01"),
            act("accession", "USA", "2019-03-15"),
        )
    )

    days = ["2018-01-01", "2019-03-20", "2019-04-01", "2026-01-01"]
    assert [standing_of(text, "USA", day) for day in days] == ["bound", "withdrawing", "bound", "bound"]


@pytest.mark.parametrize(("given", "bites"), [("2020-03-01", "2020-02-01"), ("2020-03-15", "2020"), ("2017-03-15", "2017-03")])
def test_notice_effective_before_it_was_given_does_not_bind_the_party_again(given, bites):
    text = AgreementRecord(actions=(FORCE, act("ratification", "USA", "2016-12-01"), act("withdrawal_notice", "USA", given, bites)))

    assert standing_of(text, "USA", "2026-01-01") == "former_party"


def test_suspension_does_not_bind_a_party_without_consent():
    text = AgreementRecord(
        actions=(
            act("signature", "RUS", "2015-01-01"),
            act("suspension", "RUS", "2016-01-01"),
            act("resumption", "RUS", "2017-01-01"),
            act("ratification", "RUS", "2019-01-01"),
            act("entry_into_force", acted_on="2020-01-01"),
        )
    )

    days = ["2016-06-01", "2018-01-01", "2019-06-01", "2021-01-01"]
    assert [standing_of(text, "RUS", day) for day in days] == ["signatory", "signatory", "contracting", "bound"]
    assert party_standing(text, "RUS", date(2021, 1, 1)).since == "2020-01-01"


def test_suspension_while_in_force_implies_a_consent():
    text = AgreementRecord(actions=(FORCE, act("suspension", "RUS", "2023-02-28")))

    assert [standing_of(text, "RUS", day) for day in ("2023-02-27", "2023-02-28")] == ["none", "suspended"]


def test_repeated_suspension_or_withdrawal_does_not_move_the_date():
    halted = AgreementRecord(actions=(FORCE, act("suspension", acted_on="2020-01-01"), act("suspension", acted_on="2021-01-01")))
    left = AgreementRecord(
        actions=(
            FORCE,
            act("ratification", "USA", "2016-12-01"),
            act("withdrawal_notice", "USA", "2025-01-27", "2026-01-27"),
            act("withdrawal_effect", "USA", "2026-01-28"),
        )
    )

    assert text_standing(halted, date(2022, 1, 1)).since == "2020-01-01"
    assert [party_standing(left, "USA", date(2026, month, 28)).since for month in (1, 6)] == ["2026-01-27", "2026-01-27"]


def test_provisional_application_after_a_withdrawn_consent_counts():
    text = AgreementRecord(
        actions=(
            act("signature", "AUS", "2016-01-01"),
            act("provisional_application", "AUS", "2016-02-01"),
            act("consent_withdrawal", "AUS", "2016-06-01"),
            act("signature", "AUS", "2018-01-01"),
            act("provisional_application", "AUS", "2018-02-01"),
        )
    )

    days = ["2016-03-01", "2016-06-01", "2018-01-15", "2018-03-01"]
    assert [standing_of(text, "AUS", day) for day in days] == ["provisionally_applying", "none", "signatory", "provisionally_applying"]


def test_standing_based_on_a_partial_deposit_date_is_approximate():
    text = AgreementRecord(actions=(FORCE, act("ratification", "AUS", "2018-05-10"), act("deposit", "AUS", "2018-05")))

    assert party_standing(text, "AUS", date(2020, 1, 1)).approximate


def test_text_without_actions_is_unknown_even_after_its_term():
    assert text_on(AgreementRecord(expires_on="2019"), "2026-01-01") == "unknown"


# ---- pairs


def test_pair_ends_when_a_party_leaves_and_does_not_resume_on_return():
    text = AgreementRecord(
        actions=(
            act("entry_into_force", acted_on="2018-01-01"),
            act("ratification", "JPN", "2018-01-01"),
            act("entry_into_force_for_party", "GBR", "2024-12-15", counterparty="JPN"),
            act("withdrawal_effect", "JPN", "2025-06-01"),
            act("accession", "JPN", "2026-01-01"),
        )
    )

    assert [len(pairs(text, date.fromisoformat(day))) for day in ("2025-01-01", "2025-07-01", "2026-02-01")] == [1, 0, 0]


@pytest.mark.parametrize("party", ["", "GBR"])
def test_a_pair_is_not_in_force_while_the_text_or_the_joining_party_is_suspended(party):
    text = AgreementRecord(
        actions=(act("entry_into_force_for_party", "GBR", "2024-12-15", counterparty="JPN"), act("suspension", party, "2025-01-01")),
    )

    assert [len(pairs(text, date(2025, 1, 1) + timedelta(days))) for days in (-1, 0)] == [1, 0]


def test_pairs_limit_only_the_joining_party():
    whole = act("entry_into_force", acted_on="2018-12-30")
    members = [act("ratification", party, "2018-10-01") for party in ("JPN", "CAN")]
    joining = [
        act("entry_into_force_for_party", "GBR", day, counterparty=other) for other, day in (("JPN", "2024-12-15"), ("AUS", "2024-12-24"))
    ]
    text = AgreementRecord(actions=(whole, *members, act("ratification", "GBR", "2024-05-17"), *joining))

    assert [standing_of(text, "GBR", day) for day in ("2024-12-14", "2024-12-15")] == ["contracting", "bound"]
    assert standing_of(text, "CAN", "2024-12-20") == standing_of(text, "JPN", "2024-01-01") == "bound"
    assert [(pair.parties, pair.since) for pair in pairs(text, date(2024, 12, 20))] == [(("GBR", "JPN"), "2024-12-15")]
    assert [pair.parties for pair in pairs(text, date(2024, 12, 24))] == [("AUS", "GBR"), ("GBR", "JPN")]


@pytest.mark.parametrize("leaver", ["GBR", "JPN"])
def test_pair_ends_when_either_party_leaves(leaver):
    text = AgreementRecord(
        actions=(
            act("entry_into_force_for_party", "GBR", "2024-12-15", counterparty="JPN"),
            act("withdrawal_effect", leaver, "2025-12-15"),
        )
    )

    assert [len(pairs(text, date(2025, 12, day))) for day in (14, 15)] == [1, 0]


# ---- partial dates


def test_partial_dates_count_from_their_first_day_and_make_the_standing_approximate():
    text = AgreementRecord(actions=(FORCE, act("ratification", "AUS", "2019")))

    found = party_standing(text, "AUS", date(2019, 1, 1))

    assert (found.code, found.since, found.approximate) == ("bound", "2019", True)
    assert standing_of(text, "AUS", "2018-12-31") == "none"


def test_approximate_date_makes_the_standing_approximate():
    assert text_standing(AgreementRecord(actions=(act("signature", "AUS", "2023-04-04~"),)), date(2024, 1, 1)).approximate


def test_standing_that_differs_on_the_last_possible_day_is_approximate():
    text = AgreementRecord(actions=(FORCE, act("suspension", acted_on="2020"), act("resumption", acted_on="2020-03-01")))

    found = text_standing(text, date(2021, 6, 1))

    assert (found.code, found.approximate) == ("in_force", True)


def test_standing_based_on_exact_dates_is_exact():
    text = AgreementRecord(actions=(FORCE, act("announcement", "AUS", "2015"), act("ratification", "AUS", "2016-05-01")))

    assert not party_standing(text, "AUS", date(2020, 1, 1)).approximate


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
