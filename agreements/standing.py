"""Where a text and its parties stand on a day, and why, from treaty actions alone (DESIGN 6).

Pure functions over acts as a source dates them. A date that is not known to the day is taken by its earliest possible day;
where its latest would give another answer, or the answer rests on it, the answer says `approximate`. An act that dates an
earlier consent (a deposit, an entry into force for the party) is read with it, whenever it came; nothing else that came
after a day changes what is said of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import NamedTuple

from agreements.effects import OWN_FORCE, Action, Effect, Effects, by, first, in_order, in_sequence
from agreements.models.treaty_actions import CONSENTS, ActionKind
from policytracker.codes import Codes
from policytracker.edtf import first_day, is_exact, last_day


class TextStanding(Codes):
    ANNOUNCED = "announced", "made public, no act on a text known", "Announced"
    ADOPTED = "adopted", "text settled, not signed", "Adopted"
    SIGNED = "signed", "signed, not in force", "Signed"
    PROVISIONALLY_APPLIED = "provisionally_applied", "applied before it is in force", "Provisionally applied"
    IN_FORCE = "in_force", "binding its parties", "In force"
    OPERATIVE = "operative", "non-binding and acted on", "Operative"
    SUSPENDED = "suspended", "operation halted, not ended", "Suspended"
    TERMINATED = "terminated", "ended by act or by its term; binds nobody", "Terminated"
    UNKNOWN = "unknown", "no act known", "Unknown"


class PartyStanding(Codes):
    NONE = "none", "no act known that gives it a standing", "None"
    ANNOUNCED = "announced", "named when it was announced", "Announced"
    SIGNATORY = "signatory", "signed, and has not consented to be bound", "Signatory"
    CONTRACTING = "contracting", "has consented, and is not bound yet", "Contracting"
    BOUND = "bound", "bound by the text", "Bound"
    PROVISIONALLY_APPLYING = "provisionally_applying", "applies it before being bound", "Provisionally applying"
    SUSPENDED = "suspended", "bound, and its operation halted", "Suspended"
    WITHDRAWING = "withdrawing", "bound, and has given notice that it leaves", "Withdrawing"
    FORMER_PARTY = "former_party", "was bound, and has left or the text has ended", "Former party"
    PARTICIPANT = "participant", "takes part in a non-binding text", "Participant"


BINDS = {PartyStanding.BOUND, PartyStanding.WITHDRAWING, PartyStanding.SUSPENDED}


@dataclass(frozen=True)
class Condition:
    """What a text asks before it enters into force."""

    uid: str
    kind: str
    number: int | None = None
    parties: frozenset[str] = frozenset()
    fixed_on: str = ""
    delay: str = ""
    text: str = ""


@dataclass(frozen=True)
class Text:
    """One agreement with all that was done about it; `participants` are those who are listed although they may not have acted."""

    slug: str = ""
    actions: tuple[Action, ...] = ()
    non_binding: bool = False
    expires_on: str = ""
    participants: frozenset[str] = frozenset()
    conditions: tuple[Condition, ...] = ()

    @cached_property
    def earliest(self) -> Reading:
        return Reading(self, first_day)

    @cached_property
    def latest(self) -> Reading:
        return Reading(self, last_day)


@dataclass(frozen=True)
class Standing:
    """An answer: the code, since when, the acts that make it so, and whether it rests on a date that is not known to the day."""

    code: TextStanding | PartyStanding
    since: str = ""
    actions: tuple[Action, ...] = ()
    approximate: bool = False
    sentence: str = ""

    @property
    def bound(self) -> bool:
        return self.code in BINDS


class Found(NamedTuple):
    """A standing with the effects that it rests on, the last of which began it."""

    code: TextStanding | PartyStanding
    because: tuple[Effect, ...] = ()


class Reading(Effects):
    """Where a text and its parties stand, with each date taken by one of its possible days."""

    def __init__(self, text: Text, day: Callable[[str], date | None]):
        super().__init__(text.actions, day)
        self.text = text

    # ---- the text

    @cached_property
    def force(self) -> tuple[Effect, ...]:
        """What put the text in force: its entry into force as a whole, else the first for a party; those of one day together."""
        whole = self.effects(self.of_party[""], ActionKind.ENTRY_INTO_FORCE)
        return first(whole) or first(self.effects(self.actions, *OWN_FORCE))

    @cached_property
    def end(self) -> tuple[Effect, ...]:
        """What ended the text: an act, or the day after the last possible day of its term."""
        ends = self.effects(self.actions, ActionKind.TERMINATION)
        term = last_day(self.text.expires_on)
        if term is not None and term < date.max:
            after = term + timedelta(1)
            ends.append(Effect(after, after.isoformat() if is_exact(self.text.expires_on) else f"{after.isoformat()}~", None))
        return first(sorted(ends, key=in_order))

    def text_on(self, on: date) -> Found:
        actions = self.actions
        if not any(e and e.day <= on for action in actions for e in (self.acted(action), self.effect(action))):
            return Found(TextStanding.UNKNOWN)
        if by(self.end, on):
            return Found(TextStanding.TERMINATED, self.end)
        if halted := self.halted(self.of_party[""], on):
            return Found(TextStanding.SUSPENDED, halted)
        if self.text.non_binding:
            began = [*self.signatures(actions), *self.effects(actions, ActionKind.START_OF_OPERATION)]
            stages = [(TextStanding.OPERATIVE, first(sorted(began, key=in_order)))]
        else:
            stages = [
                (TextStanding.IN_FORCE, self.force),
                (TextStanding.PROVISIONALLY_APPLIED, first(self.effects(actions, ActionKind.PROVISIONAL_APPLICATION))),
                (TextStanding.SIGNED, first(self.signatures(actions))),
            ]
        stages += [
            (TextStanding.ADOPTED, first(self.effects(actions, ActionKind.ADOPTION))),
            (TextStanding.ANNOUNCED, first(self.effects(actions, ActionKind.ANNOUNCEMENT))),
        ]
        return next((Found(code, because) for code, because in stages if by(because, on)), Found(TextStanding.UNKNOWN))

    # ---- a party

    def binding(self, party: str, on: date) -> tuple[Effect, ...]:
        """The effects that bind the party in the spell that a day is in, in order; the last is the day from which it is bound."""
        left, leaves = self.spell(party, on)
        # Whoever joins on the day of leaving begins the next spell with it.
        within = lambda effect: (left is None or effect.day >= left.day) and (leaves is None or effect.day < leaves.day)  # noqa: E731
        during = lambda effect: (left is None or effect.day > left.day) and (leaves is None or effect.day <= leaves.day)  # noqa: E731
        acts = self.of_party[party]
        forces = [e for e in self.effects(acts, *OWN_FORCE) if within(e)]
        own = first([e for e in forces if e.action and not e.action.counterparty]) or first(forces)
        consents, found = [c for c in self.consents(party) if within(c.counts)], []
        for consent in consents if self.force else []:
            effects = in_sequence([consent.counts, *filter(None, [consent.deposit]), *own, *self.force])
            uid = consent.counts.action.uid if consent.counts.action else ""
            if uid not in self.taken_back(party, on, effects[-1].day):
                found.append(effects)
        if own and not any(consent.counts.day <= own[0].day for consent in consents):
            found.append(in_sequence([*own, *self.force]))
        # A notice says that the party was bound, unless it had its effect before it was given; so does a suspension of what is in
        # force, of a party of which nothing else is known.
        notices = [given for given, bites, _ in self.notices(party) if given and during(given) and not (bites and bites.day <= given.day)]
        found += [(given,) for given in sorted(notices, key=in_order)[:1]]
        halts = [e for e in self.effects(acts, ActionKind.SUSPENSION) if during(e)]
        if halts and self.force and not consents and not own:
            found.append(in_sequence([halts[0], *self.force]))
        return min(found, key=lambda effects: effects[-1].day, default=())

    def party_on(self, party: str, on: date) -> Found:
        if not by(self.end, on):
            return self.before_the_end(party, on)
        then = self.before_the_end(party, self.end[0].day, applied=False)
        if then.code in BINDS or then.code == PartyStanding.PARTICIPANT:
            return Found(PartyStanding.FORMER_PARTY, (*then.because, *self.end))
        return then

    def before_the_end(self, party: str, on: date, applied: bool = True) -> Found:
        """Where the party stands as long as the text has not ended; `applied` says whether it may still apply it provisionally."""
        acts = self.of_party[party]
        left, _ = self.spell(party, on)
        after = left.day if left else None
        since_left = lambda effects: [e for e in effects if e.day <= on and (after is None or e.day >= after)]  # noqa: E731
        gone = self.taken_back(party, on)
        signed = [e for e in since_left(self.signatures(acts)) if e.action and e.action.uid not in gone]
        stages: list[tuple[PartyStanding, tuple[Effect, ...]]] = []
        if self.text.non_binding:
            began = since_left(self.effects(acts, ActionKind.START_OF_OPERATION))
            stages.append((PartyStanding.PARTICIPANT, first(sorted([*signed, *began], key=in_order))))
        else:
            bound = self.binding(party, on)
            if by(bound, on):
                return self.bound_on(party, on, bound, after)
            given = [c for c in self.consents(party) if after is None or c.counts.day >= after]
            instruments = [c.instrument for c in given if c.instrument.action and c.instrument.action.uid not in gone]
            if applied:
                back = [e.day for e in self.effects(acts, ActionKind.CONSENT_WITHDRAWAL) if e.day <= on]
                applying = since_left(self.effects(acts, ActionKind.PROVISIONAL_APPLICATION))
                stages.append((PartyStanding.PROVISIONALLY_APPLYING, first([e for e in applying if not back or e.day > back[-1]])))
            stages.append((PartyStanding.CONTRACTING, first(sorted([e for e in instruments if e.day <= on], key=in_order))))
        if left:
            stages.append((PartyStanding.FORMER_PARTY, (self.left_first(party, left),)))
        if not self.text.non_binding:
            stages.append((PartyStanding.SIGNATORY, first(signed)))
        stages.append((PartyStanding.ANNOUNCED, first(since_left(self.effects(acts, ActionKind.ANNOUNCEMENT)))))
        return next((Found(code, because) for code, because in stages if because), Found(PartyStanding.NONE))

    def left_first(self, party: str, left: Effect) -> Effect:
        """The first of the exits that speak of one leaving: between them it has not joined again."""
        joins = [c.counts for c in self.consents(party)] + self.signatures(self.of_party[party])
        joins += self.effects(self.of_party[party], *OWN_FORCE, ActionKind.START_OF_OPERATION)
        for before in reversed([e for e in self.exits(party) if e.day < left.day]):
            if any(before.day <= join.day < left.day for join in joins):
                break
            left = before
        return left

    def bound_on(self, party: str, on: date, bound: tuple[Effect, ...], after: date | None) -> Found:
        """In which way a bound party is bound."""
        leaving = [
            given
            for given, bites, revoked in self.notices(party)
            if given and given.day <= on and (after is None or given.day > after)
            if not (revoked and revoked.day <= on) and not (bites and bites.day <= on)
        ]
        if leaving:
            return Found(PartyStanding.WITHDRAWING, tuple(dict.fromkeys([*bound, *sorted(leaving, key=in_order)[:1]])))
        if halted := self.halted(self.of_party[party], on, after):
            return Found(PartyStanding.SUSPENDED, tuple(dict.fromkeys([*bound, *halted])))
        return Found(PartyStanding.BOUND, bound)

    @cached_property
    def parties(self) -> list[str]:
        return sorted(self.text.participants | {action.party for action in self.actions if action.party})


# ---- answers

OF_TEXT = {
    TextStanding.ANNOUNCED: "The text has been announced",
    TextStanding.ADOPTED: "The text has been adopted",
    TextStanding.SIGNED: "The text has been signed, and not in force,",
    TextStanding.PROVISIONALLY_APPLIED: "The text has been applied provisionally",
    TextStanding.IN_FORCE: "The text has been in force",
    TextStanding.OPERATIVE: "The text has been in operation",
    TextStanding.SUSPENDED: "The text has been suspended",
    TextStanding.TERMINATED: "The text has been at an end, and has bound nobody,",
    TextStanding.UNKNOWN: "No act upon the text is known",
}
OF_PARTY = {
    PartyStanding.NONE: "has no standing, as far as its acts are known",
    PartyStanding.ANNOUNCED: "has been named",
    PartyStanding.SIGNATORY: "has been a signatory",
    PartyStanding.CONTRACTING: "has consented, and has not been bound yet,",
    PartyStanding.BOUND: "has been bound",
    PartyStanding.PROVISIONALLY_APPLYING: "has applied it provisionally, without being bound,",
    PartyStanding.SUSPENDED: "has been bound, with its operation suspended,",
    PartyStanding.WITHDRAWING: "has been on its way out, and still bound,",
    PartyStanding.FORMER_PARTY: "has not been a party any more",
    PartyStanding.PARTICIPANT: "has taken part",
}


def text_standing(text: Text, on: date) -> Standing:
    """Where the text stands on a day."""
    found, other = text.earliest.text_on(on), text.latest.text_on(on)
    return answer(OF_TEXT[TextStanding(found.code)], found, other)


def party_standing(text: Text, party: str, on: date) -> Standing:
    """Where a party stands on a day, by its code."""
    found, other = text.earliest.party_on(party, on), text.latest.party_on(party, on)
    undated = [a for a in text.earliest.of_party[party] if a.kind in CONSENTS and not (a.acted_on or a.effective_on)]
    rest = "".join(f" An undated {label(action)} counts for nothing." for action in undated)
    return answer(f"{party} {OF_PARTY[PartyStanding(found.code)]}", found, other, rest, party)


def answer(words: str, found: Found, other: Found, rest: str = "", party: str = "") -> Standing:
    """The answer by the earliest possible days; `other` is that by the latest."""
    said = found.because[-1].said if found.because else ""
    approximate = not all(is_exact(effect.said) for effect in found.because) or found.code != other.code
    sentence = f"{words} since {said}: {told(found.because, party)}." if found.because else f"{words}."
    if approximate:
        sentence += " A date that it rests on is not known to the day."
    actions = tuple(dict.fromkeys(e.action for e in found.because if e.action))
    return Standing(found.code, said, actions, approximate, sentence + rest)


def told(because: Iterable[Effect], party: str) -> str:
    """The acts in words, with those named who did the same on the same day, unless the sentence is about them."""
    acts: dict[str, list[str]] = {}
    for effect in because:
        names = acts.setdefault(act_and_day(effect), [])
        if effect.action and (who := effect.action.counterparty or effect.action.party) and who != party:
            names.append(who)
    return ", ".join(f"{act} ({', '.join(sorted(names))})" if names else act for act, names in acts.items())


def act_and_day(effect: Effect) -> str:
    if effect.action is None:
        return f"end of its term {effect.said}"
    if effect.action.effective_on == effect.said != effect.action.acted_on:
        return f"{label(effect.action)} {effect.action.acted_on or 'on a day unknown'} with effect from {effect.said}"
    return f"{label(effect.action)} {effect.said}"


def label(action: Action) -> str:
    return str(ActionKind(action.kind).label).lower()


class Pair(NamedTuple):
    """Two parties between which the text is in force, as acts of the joining one name the other."""

    parties: tuple[str, ...]
    since: str
    actions: tuple[Action, ...]


def pairs(text: Text, on: date) -> list[Pair]:
    """The pairs in force on a day. They limit the joining party only; the others are bound among themselves without them."""
    reading, found = text.earliest, defaultdict(list)
    if reading.text_on(on).code != TextStanding.IN_FORCE:
        return []
    for effect in reading.effects(text.actions, *OWN_FORCE):
        if (action := effect.action) is None or not action.counterparty or effect.day > on:
            continue
        joined = reading.party_on(action.party, on).code in BINDS - {PartyStanding.SUSPENDED}
        exits = [left for party in (action.party, action.counterparty) if (left := reading.spell(party, on)[0])]
        if joined and not any(left.day > effect.day for left in exits):
            bound = reading.binding(action.party, on)
            found[tuple(sorted([action.party, action.counterparty]))].append(max(effect, bound[-1]._replace(action=action), key=in_order))
    return [
        Pair(both, effects[0].said, tuple(e.action for e in effects if e.action))
        for both, effects in sorted((both, sorted(effects, key=in_order)) for both, effects in found.items())
    ]
