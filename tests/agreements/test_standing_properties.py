"""Properties that hold for random agreement records (docs/standing.md)."""

import os
from dataclasses import replace
from datetime import date, timedelta

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from agreements.models.treaty_actions import CONSENTS, ActionKind
from agreements.standing import BINDING, Action, AgreementRecord, Condition, conditions, pairs, party_standing, text_standing
from policytracker.edtf import first_day

PARTIES = ["AUS", "GBR", "USA"]
DATES = st.dates(date(2000, 1, 1), date(2003, 12, 31))
SAID = st.one_of(
    DATES.map(lambda d: d.isoformat()),
    DATES.map(lambda d: d.isoformat()[:7]),
    DATES.map(lambda d: d.isoformat()[:4]),
    DATES.map(lambda d: f"{d.isoformat()}~"),
    st.just(""),
)
MOVING = [
    "signature",
    "ratification",
    "deposit",
    "entry_into_force",
    "entry_into_force_for_party",
    "withdrawal_notice",
    "withdrawal_effect",
]
MOVING += ["notice_revocation", "consent_withdrawal", "suspension", "resumption", "provisional_application", "accession"]
KINDS = st.one_of(st.sampled_from(MOVING), st.sampled_from([kind.value for kind in ActionKind]))
# These kinds also change earlier days: they date an earlier consent, or bring the text into force.
DATING = {"deposit", "entry_into_force", "entry_into_force_for_party"}


@st.composite
def acts(draw, kinds=KINDS, parties=PARTIES, said=SAID, max_size=9):
    made = [
        Action(
            f"{index:02}",
            draw(kinds),
            draw(st.sampled_from(["", *parties])),
            draw(said),
            draw(st.one_of(st.just(""), said)),
            draw(st.sampled_from(["", "", "JPN"])),
        )
        for index in range(draw(st.integers(0, max_size)))
    ]
    return tuple(
        replace(a, targets=frozenset([draw(st.sampled_from(made)).uid]))
        if a.kind in ("notice_revocation", "consent_withdrawal") and draw(st.booleans())
        else a
        for a in made
    )


CONDITIONS = (Condition("n", "number_of_consents", 2), Condition("s", "all_signatories"), Condition("e", "exchange_of_notes"))
PROTOCOLS = st.builds(AgreementRecord, slug=st.just("protocol"), actions=acts(max_size=5))
TEXTS = st.builds(
    AgreementRecord,
    actions=acts(),
    non_binding=st.booleans(),
    expires_on=st.one_of(st.just(""), SAID),
    conditions=st.just(CONDITIONS),
    later_joiner_delay=st.sampled_from(["", "", "P30D", "P3M"]),
    dissolved=st.one_of(st.just({}), SAID.map(lambda until: {"USA": until})),
    protocols=st.one_of(st.just(()), PROTOCOLS.map(lambda protocol: (protocol,))),
)
many = settings(max_examples=3_000 if os.environ.get("THOROUGH") else 100, deadline=None)


def answers(text: AgreementRecord, on: date):
    return text_standing(text, on), {party: party_standing(text, party, on) for party in PARTIES}, pairs(text, on), conditions(text, on)


@many
@given(TEXTS, DATES, st.randoms())
def test_the_order_of_filing_does_not_matter(text, on, random):
    shuffled = list(text.actions)
    random.shuffle(shuffled)

    assert answers(replace(text, actions=tuple(shuffled)), on) == answers(text, on)


@many
@given(TEXTS, acts(), DATES)
def test_the_future_does_not_change_the_past(text, more, on):
    later = [
        a for a in more if a.kind not in DATING and all(day is None or day > on for day in map(first_day, (a.acted_on, a.effective_on)))
    ]
    renamed = tuple(replace(a, uid=f"later {a.uid}", targets=frozenset(f"later {t}" for t in a.targets)) for a in later)

    before, after = answers(text, on), answers(replace(text, actions=text.actions + renamed), on)

    assert after[0].code == before[0].code
    assert {p: s.code for p, s in after[1].items()} == {p: s.code for p, s in before[1].items()}
    assert [m.met for m in after[3]] == [m.met for m in before[3]]


@many
@given(TEXTS, acts(parties=["GBR", "USA"]), DATES)
def test_actions_of_other_parties_do_not_change_a_standing(text, more, on):
    # Except an action that ends the text, or brings it into force because no entry into force as a whole is recorded.
    of_the_text = Action("whole", "entry_into_force", acted_on="2001-06-01")
    text = replace(text, actions=(*text.actions, of_the_text))
    others = tuple(replace(a, uid=f"other {a.uid}") for a in more if a.party and a.kind not in ("termination", "entry_into_force"))

    assert party_standing(replace(text, actions=text.actions + others), "AUS", on) == party_standing(text, "AUS", on)


@many
@given(TEXTS, DATES)
def test_non_binding_text_is_never_in_force_and_binds_no_party(text, on):
    text = replace(text, non_binding=True)

    assert text_standing(text, on).code not in ("in_force", "provisionally_applied", "signed")
    assert not any(party_standing(text, party, on).bound for party in PARTIES)


@many
@given(TEXTS, DATES)
def test_terminated_text_binds_no_party(text, on):
    text = replace(text, non_binding=False, actions=(*text.actions, Action("ended", "termination", acted_on=on.isoformat())))
    assume(text_standing(text, on).code == "terminated")

    assert not any(party_standing(text, party, on).bound for party in PARTIES)
    assert pairs(text, on) == []


@many
@given(TEXTS, DATES)
def test_bound_party_has_an_action(text, on):
    for party in PARTIES:
        standing = party_standing(text, party, on)
        own = {a.kind for a in standing.actions if a.party == party}
        if standing.code in BINDING:
            assert own & {
                *CONSENTS,
                "entry_into_force_for_party",
                "withdrawal_notice",
                "denunciation_notice",
                "suspension",
                "entry_into_force",
            }


@many
@given(TEXTS, DATES)
def test_consent_binds_no_party_before_entry_into_force(text, on):
    actions = tuple(a for a in text.actions if a.kind not in ("withdrawal_notice", "denunciation_notice"))
    text = replace(text, actions=actions, expires_on="")
    assume(text_standing(text, on).code not in ("in_force", "suspended", "terminated"))

    standings = [party_standing(text, party, on) for party in PARTIES]
    # The text of an accession protocol may be in force although nothing is recorded about that of the agreement.
    assert not any(standing.bound and not standing.via for standing in standings)


@many
@given(TEXTS, DATES)
def test_standing_is_based_on_actions_up_to_that_day(text, on):
    for standing in [text_standing(text, on), *(party_standing(text, party, on) for party in PARTIES)]:
        for action in standing.actions:
            assert any(day and day <= on for day in [*map(first_day, (action.acted_on, action.effective_on)), *deposits(text, action)])


def deposits(text, action):
    return [first_day(a.acted_on) for a in text.actions if a.kind == "deposit" and a.party == action.party]


# ---- partial dates


def possible_days(said: str) -> list[str]:
    """The first, a middle and the last possible day of a partial date."""
    if len(said.rstrip("~")) == 4:
        return [f"{said[:4]}-01-01", f"{said[:4]}-07-02", f"{said[:4]}-12-31"]
    if len(said.rstrip("~")) == 7:
        first = date.fromisoformat(f"{said[:7]}-01")
        return [first.isoformat(), (first + timedelta(14)).isoformat(), (first + timedelta(27)).isoformat()]
    return [said.rstrip("~")]


@many
@given(acts(max_size=4), DATES, st.data())
@example(
    (Action("0", "entry_into_force", acted_on="2001-01-01"), Action("1", "ratification", "AUS", "2000")),
    date(2000, 6, 1),
    None,
)
def test_standing_based_on_a_partial_date_is_approximate(actions, on, data):
    """A standing that is not approximate is the same for the first and the last possible day of each date."""
    text = AgreementRecord(actions=actions)
    exact = [
        AgreementRecord(actions=tuple(replace(a, acted_on=pick(a.acted_on, end), effective_on=pick(a.effective_on, end)) for a in actions))
        for end in (0, -1)
    ]

    for party in PARTIES:
        standing = party_standing(text, party, on)
        if standing.code != "none" and not standing.approximate:
            assert {party_standing(t, party, on).code for t in exact} == {standing.code}
    if (standing := text_standing(text, on)).code != "unknown" and not standing.approximate:
        assert {text_standing(t, on).code for t in exact} == {standing.code}


def pick(said: str, end: int) -> str:
    return possible_days(said)[end] if said else said
