"""The standing of a text and its parties on a day, with the reasons in a sentence (docs/standing.md). Pure functions.

A partial date counts as its earliest possible day. The standing is approximate if it is based on a partial date, or if the latest
possible days give another standing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date

from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from agreements.models.agreements import ParticipationRole
from agreements.models.treaty_actions import CONSENTS, ActionKind
from agreements.standing.calculator import PairResult, Result, StandingCalculator
from agreements.standing.codes import BINDING, PartyStanding, TextStanding
from agreements.standing.history import DISSOLUTION, NO_DELAY_KNOWN, Effect
from agreements.standing.records import Action, AgreementRecord
from policytracker.edtf import first_day, is_exact, last_day

NAMED = 5  # parties named in a sentence; the others are counted

TEXT_SENTENCES = {
    TextStanding.ANNOUNCED: _("The text has been announced since {since}: {reasons}."),
    TextStanding.ADOPTED: _("The text has been adopted since {since}, and is not signed: {reasons}."),
    TextStanding.SIGNED: _("The text has been signed since {since}, and is not in force: {reasons}."),
    TextStanding.PROVISIONALLY_APPLIED: _("The text has been applied provisionally since {since}: {reasons}."),
    TextStanding.IN_FORCE: _("The text has been in force since {since}: {reasons}."),
    TextStanding.OPERATIVE: _("The text has been in operation since {since}: {reasons}."),
    TextStanding.SUSPENDED: _("The text has been suspended since {since}: {reasons}."),
    TextStanding.TERMINATED: _("The text has been terminated since {since}, and binds no party: {reasons}."),
    TextStanding.UNKNOWN: _("No action on the text is recorded up to this date."),
}
PARTY_SENTENCES = {
    PartyStanding.ANNOUNCED: _("{party} has been named in the announcement since {since}: {reasons}."),
    PartyStanding.SIGNATORY: _("{party} has been a signatory since {since}: {reasons}."),
    PartyStanding.CONTRACTING: _("{party} has been a contracting party since {since}, and is not bound yet: {reasons}."),
    PartyStanding.BOUND: _("{party} has been bound since {since}: {reasons}."),
    PartyStanding.PROVISIONALLY_APPLYING: _("{party} has applied the text provisionally since {since}, without being bound: {reasons}."),
    PartyStanding.SUSPENDED: _("{party} is bound, and has been suspended since {since}: {reasons}."),
    PartyStanding.WITHDRAWING: _("{party} has been withdrawing since {since}, and is bound until the withdrawal takes effect: {reasons}."),
    PartyStanding.FORMER_PARTY: _("{party} has been a former party since {since}: {reasons}."),
    PartyStanding.PARTICIPANT: _("{party} has taken part since {since}: {reasons}."),
}
NO_STANDING = _("{party} has no standing according to the recorded actions.")
NO_ACTION = _("No actions of {party} are recorded.")
RECORD_IS_COMPLETE = _("The record is complete up to {day}.")
RECORD_IS_INCOMPLETE = _("The record is not complete.")
RECORD_IS_INCOMPLETE_AFTER = _("The record is not complete after {day}.")
NOT_EXPECTED = _("{party} has the role {roles}, for which no standing is expected.")
VIA = _("This standing comes from the accession protocol “{protocol}”.")
APPROXIMATE = _("Based on an approximate date.")
DELAY_UNKNOWN = _("How long after its consent a later party is bound is not recorded.")
UNDATED_FORCE = _("Its own entry into force is recorded without a date.")
UNDATED_CONSENT = _("The {kind} without a date has no effect.")
TERM_ENDS = _("end of its term {on}")
PARTY_ENDS = _("end of the party {on}")
ACTION = _("{action} {on}")
ACTION_WITH_EFFECT = _("{action} {acted_on} with effect from {on}")
UNDATED_ACTION_WITH_EFFECT = _("{action} without a date with effect from {on}")
ACTION_OF_PARTIES = _("{action} ({parties})")


@dataclass(frozen=True)
class Standing:
    """The standing of a text or party: the code, since when, the actions that it is based on, and a sentence.

    `since` is a partial date in EDTF, "" if there is no standing. `party` is the code of the party, "" for the text.
    `approximate`: it depends on a partial date. `incomplete`: the code is `none`, but the record of actions is not complete.
    `via`: the slug of the accession protocol that the standing comes from, "" if it comes from the agreement itself.
    """

    code: TextStanding | PartyStanding
    since: str = ""
    actions: tuple[Action, ...] = ()
    approximate: bool = False
    sentence: str = ""
    incomplete: bool = False
    via: str = ""
    party: str = ""

    @property
    def bound(self) -> bool:
        return self.code in BINDING


@dataclass(frozen=True)
class Pair:
    """Two parties between which the text is in force since a partial date, by actions that name both. `via` as in `Standing`."""

    parties: tuple[str, ...]
    since: str
    actions: tuple[Action, ...]
    via: str = ""


def earliest(record: AgreementRecord) -> StandingCalculator:
    """The calculator that reads each partial date as its earliest possible day."""
    return calculator(record, first_day)


def latest(record: AgreementRecord) -> StandingCalculator:
    """The calculator that reads each partial date as its latest possible day: the same one if there is no partial date."""
    return calculator(record, last_day if record.has_partial_dates else first_day)


def calculator(record: AgreementRecord, day: Callable[[str], date | None]) -> StandingCalculator:
    """The calculator of a record, cached on the record."""
    calculators = record.__dict__.setdefault("_calculators", {})
    if day not in calculators:
        calculators[day] = StandingCalculator(record, day, record.protocols)
    return calculators[day]


def text_standing(record: AgreementRecord, on: date) -> Standing:
    """The standing of the text on a day."""
    result, other = earliest(record).text_on(on), latest(record).text_on(on)
    since, actions, approximate = basis(result, other)
    reasons = basis_in_words(result.because, record.name, NAMED)
    sentences = [TEXT_SENTENCES[TextStanding(result.code)].format(since=since, reasons=reasons)]
    if approximate:
        sentences.append(str(APPROXIMATE))
    return Standing(result.code, since, actions, approximate, " ".join(sentences))


def party_standing(record: AgreementRecord, party: str, on: date) -> Standing:
    """The standing of a party on a day. `party` is the code of the party."""
    result, other = earliest(record).party_on(party, on), latest(record).party_on(party, on)
    since, actions, approximate = basis(result, other)
    at_once = any(effect.cause == NO_DELAY_KNOWN for effect in result.because)
    incomplete = result.code == PartyStanding.NONE and (record.actions_complete_as_of is None or record.actions_complete_as_of < on)
    source, own = result.via or record, earliest(record).of_party.get(party, [])
    if result.code == PartyStanding.NONE and not own and record.only_roles_without_standing(party):
        roles = sorted(ParticipationRole(role).label.lower() for role in record.participants[party])
        sentences = [NOT_EXPECTED.format(party=record.name(party), roles=", ".join(roles))]
    elif result.code == PartyStanding.NONE:
        sentences = [(NO_STANDING if own else NO_ACTION).format(party=source.name(party))]
        day = record.actions_complete_as_of
        complete = RECORD_IS_COMPLETE if not incomplete else RECORD_IS_INCOMPLETE_AFTER if day else RECORD_IS_INCOMPLETE
        sentences.append(complete.format(day=day))
    else:
        reasons = basis_in_words(result.because, source.name, NAMED - 1, party)
        sentences = [PARTY_SENTENCES[PartyStanding(result.code)].format(party=source.name(party), since=since, reasons=reasons)]
    if result.via:
        sentences.append(VIA.format(protocol=result.via.title or result.via.slug))
    if approximate:
        sentences.append(str(APPROXIMATE))
    if at_once:
        sentences.append(str(DELAY_UNKNOWN))
    if result.waits:
        sentences.append(str(UNDATED_FORCE))
    undated = [action for action in own if action.kind in CONSENTS and not (action.acted_on or action.effective_on)]
    sentences += [UNDATED_CONSENT.format(kind=label(action)) for action in undated]
    return Standing(
        code=result.code,
        since=since,
        actions=actions,
        approximate=approximate or at_once or result.waits,
        sentence=" ".join(sentences),
        incomplete=incomplete,
        via=result.via.slug if result.via else "",
        party=party,
    )


def party_standing_code(record: AgreementRecord, party: str, on: date) -> PartyStanding:
    """The code of `party_standing()`, for lists of thousands of agreements. Nothing is kept on the record."""
    return PartyStanding(StandingCalculator(record, first_day, record.protocols).party_on(party, on).code)


def pairs(record: AgreementRecord, on: date) -> list[Pair]:
    """The pairs between which the text is in force on a day, in the order of their codes."""
    return [pair_of(result) for result in earliest(record).pairs_on(on)]


def pair_of(result: PairResult) -> Pair:
    actions = tuple(effect.action for effect in result.because if effect.action)
    return Pair(result.parties, result.because[0].stated, actions, result.via.slug if result.via else "")


def basis(result: Result, other: Result) -> tuple[str, tuple[Action, ...], bool]:
    """Since when, based on which actions, and whether that depends on a partial date."""
    since = result.because[-1].stated if result.because else ""
    actions = tuple(dict.fromkeys(effect.action for effect in result.because if effect.action))
    approximate = result.code != other.code or not all(is_exact(effect.stated) for effect in result.because)
    return since, actions, approximate


# ---- sentences


def basis_in_words(because: Iterable[Effect], name: Callable[[str], str], limit: int, party: str = "") -> str:
    """The actions with their dates and at most `limit` parties. Actions of one kind and day are grouped; `party` is left out."""
    groups: dict[str, list[str]] = {}
    for effect in because:
        others = groups.setdefault(action_and_day(effect), [])
        if effect.action and (other := effect.action.counterparty or effect.action.party) and other != party:
            others.append(name(other))
    parts = []
    for words, others in groups.items():
        names = sorted(set(others))
        shown, limit = names[:limit], limit - len(names[:limit])
        parts.append(ACTION_OF_PARTIES.format(action=words, parties=parties_in_words(shown, len(names) - len(shown))) if names else words)
    return ", ".join(parts)


def parties_in_words(names: list[str], others: int) -> str:
    """The names, and the number of the other parties."""
    if names and others:
        return ngettext("{names}, {number} more", "{names}, {number} more", others).format(names=", ".join(names), number=others)
    return ngettext("{number} party", "{number} parties", others).format(number=others) if others else ", ".join(names)


def action_and_day(effect: Effect) -> str:
    action, on = effect.action, effect.stated
    if action is None:
        return (PARTY_ENDS if effect.cause == DISSOLUTION else TERM_ENDS).format(on=on)
    if on not in (action.acted_on, action.effective_on) or (action.effective_on == on != action.acted_on):
        template = ACTION_WITH_EFFECT if action.acted_on else UNDATED_ACTION_WITH_EFFECT
        return template.format(action=label(action), acted_on=action.acted_on, on=on)
    return ACTION.format(action=label(action), on=on)


def label(action: Action) -> str:
    return str(ActionKind(action.kind).label).lower()
