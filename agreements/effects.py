"""From which day each act upon a text has its effect: consents and their deposits, notices and their revocations, exits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from agreements.models.treaty_actions import CONSENTS, SIGNATURES, ActionKind
from policytracker.edtf import last_day

# In force for a party: what is recorded of a party is never of the text as a whole.
OWN_FORCE = [ActionKind.ENTRY_INTO_FORCE_FOR_PARTY, ActionKind.ENTRY_INTO_FORCE]
NOTICES = {ActionKind.WITHDRAWAL_NOTICE, ActionKind.DENUNCIATION_NOTICE}


@dataclass(frozen=True)
class Action:
    """A treaty action: dates as the source gives them, parties by code, other actions by uid; "" where there is none."""

    uid: str
    kind: str
    party: str = ""
    acted_on: str = ""
    effective_on: str = ""
    counterparty: str = ""
    targets: frozenset[str] = frozenset()


class Effect(NamedTuple):
    """That an act has its effect from a day; `said` is that day in its source's words. Without an act it is the end of the term."""

    day: date
    said: str
    action: Action | None


class Consent(NamedTuple):
    """An expression of consent: from when it counts, from when the instrument exists, and the deposit that it counts from."""

    counts: Effect
    instrument: Effect
    deposit: Effect | None


class Effects:
    """The acts upon one text, with each date taken by one of its possible days."""

    def __init__(self, actions: Iterable[Action], day: Callable[[str], date | None]):
        self.day = day
        self.actions = sorted(actions, key=lambda action: action.uid)
        self.of_party: dict[str, list[Action]] = defaultdict(list)
        for action in self.actions:
            self.of_party[action.party].append(action)

    def at(self, said: str, action: Action | None) -> Effect | None:
        day = self.day(said)
        return None if day is None else Effect(day, said, action)

    def acted(self, action: Action) -> Effect | None:
        return self.at(action.acted_on, action)

    def effect(self, action: Action) -> Effect | None:
        return self.at(action.effective_on or action.acted_on, action)

    def effects(self, actions: Iterable[Action], *kinds: str) -> list[Effect]:
        """The effects of the dated acts of these kinds, in order."""
        found = (self.effect(action) for action in actions if action.kind in kinds)
        return sorted((effect for effect in found if effect), key=in_order)

    def signatures(self, actions: Iterable[Action]) -> list[Effect]:
        """The dated signatures, in order, by the day of signing whatever their effect."""
        found = (self.acted(action) for action in actions if action.kind in SIGNATURES)
        return sorted((effect for effect in found if effect), key=in_order)

    def consents(self, party: str) -> list[Consent]:
        """The dated consents of a party, by the day from which they count: the effect that is given, the deposit that follows, the act.

        Of what is given by a party that is on its way out nothing counts before it has left.
        """
        deposits, exits, found = self.effects(self.of_party[party], ActionKind.DEPOSIT), self.exits(party), []
        for action in self.of_party[party]:
            effect, acted = self.effect(action), self.acted(action)
            if action.kind not in CONSENTS or effect is None:
                continue
            # A deposit that is not known to the day may have been made after the act.
            deposit = None if action.effective_on else next((d for d in deposits if (last_day(d.said) or d.day) >= effect.day), None)
            if deposit and any(effect.day <= left.day < deposit.day for left in exits):
                deposit = None  # of a later spell
            counts = deposit._replace(action=action) if deposit and deposit.day > effect.day else effect
            instrument = min(filter(None, [acted, counts]), key=in_order)
            leaves = self.leaves_after(party, instrument.day)
            if leaves and counts.day < leaves.day:
                counts = leaves._replace(action=action)
            found.append(Consent(counts, instrument, deposit))
        return sorted(found, key=lambda consent: in_order(consent.counts))

    def leaves_after(self, party: str, day: date) -> Effect | None:
        """When it leaves, where it has given notice of that before the day, and has not left yet."""
        given = [given for given, _, revoked in self.notices(party) if given and given.day < day and not revoked]
        pending = [next((e for e in self.exits(party) if e.day > notice.day), None) for notice in given]
        return next((e for e in pending if e and e.day > day), None)

    def notices(self, party: str) -> list[tuple[Effect | None, Effect | None, Effect | None]]:
        """Each notice that it leaves: when it was given, when it takes effect by itself, and when it was revoked before that."""
        revocations = self.effects(self.of_party[party], ActionKind.NOTICE_REVOCATION)
        found = []
        for action in self.of_party[party]:
            if action.kind not in NOTICES:
                continue
            given, bites = self.acted(action), self.at(action.effective_on, action)
            since = given or bites
            revoked = next(
                (
                    r
                    for r in revocations
                    if since and r.day >= since.day and (bites is None or r.day < bites.day)
                    if r.action and (not r.action.targets or action.uid in r.action.targets)
                ),
                None,
            )
            found.append((given, bites, revoked))
        return found

    def exits(self, party: str) -> list[Effect]:
        """Every day on which it left, in order."""
        bites = [bites for _, bites, revoked in self.notices(party) if bites and not revoked]
        return sorted([*bites, *self.effects(self.of_party[party], ActionKind.WITHDRAWAL_EFFECT)], key=in_order)

    def taken_back(self, party: str, on: date, before: date = date.max) -> set[str]:
        """The uids of signatures and consents that it has taken back by a day: those named, else its last consent, else its signature.

        `before` is the day from which it would be bound: then it is too late.
        """
        gone: set[str] = set()
        for effect in self.effects(self.of_party[party], ActionKind.CONSENT_WITHDRAWAL):
            if effect.day > on or effect.day >= before or effect.action is None:
                continue
            consents = [c.instrument for c in self.consents(party)]
            signatures = self.signatures(self.of_party[party])
            standing = [e.action.uid for e in [*signatures, *consents] if e.action and e.day <= effect.day and e.action.uid not in gone]
            gone |= effect.action.targets or set(standing[-1:])
        return gone

    def spell(self, party: str, on: date) -> tuple[Effect | None, Effect | None]:
        """When it left last before a day, or on it, and when it leaves next."""
        exits = self.exits(party)
        return next((e for e in reversed(exits) if e.day <= on), None), next((e for e in exits if e.day > on), None)

    def halted(self, actions: list[Action], on: date, after: date | None = None) -> tuple[Effect, ...]:
        """The suspension that lasts on a day, if any: one that no resumption of the same day or a later one has ended."""
        begun = [s for s in self.effects(actions, ActionKind.SUSPENSION) if s.day <= on and (after is None or s.day > after)]
        ended = [r for r in self.effects(actions, ActionKind.RESUMPTION) if r.day <= on]
        lasting = [s for s in begun if not ended or s.day > ended[-1].day]
        return tuple(lasting[:1])


def in_order(effect: Effect) -> tuple[date, str]:
    return effect.day, effect.action.uid if effect.action else ""


def in_sequence(effects: Iterable[Effect]) -> tuple[Effect, ...]:
    """The effects in order, each once."""
    return tuple(sorted(set(effects), key=in_order))


def first(effects: list[Effect]) -> tuple[Effect, ...]:
    """The earliest of effects in order, and those of the same day."""
    return tuple(e for e in effects if e.day == effects[0].day)


def by(effects: tuple[Effect, ...], on: date) -> bool:
    """Whether all that it takes has come by the day."""
    return bool(effects) and effects[-1].day <= on
