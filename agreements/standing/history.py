"""The actions of one party on one text: from which day each has effect, and which periods of membership they make."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from datetime import date
from typing import NamedTuple

from django.utils.functional import cached_property

from agreements.models.treaty_actions import CONSENTS, SIGNATURES, ActionKind
from agreements.standing.records import Action
from policytracker.edtf import last_day

# An entry into force with a party is that of the party, never of the text as a whole.
OWN_FORCE = [ActionKind.ENTRY_INTO_FORCE_FOR_PARTY, ActionKind.ENTRY_INTO_FORCE]
NOTICES = [ActionKind.WITHDRAWAL_NOTICE, ActionKind.DENUNCIATION_NOTICE]
# With a counterparty, these concern only the pair and do not change the standing of the party.
PAIR_EXITS = {*NOTICES, ActionKind.NOTICE_REVOCATION, ActionKind.WITHDRAWAL_EFFECT, ActionKind.SUSPENSION, ActionKind.RESUMPTION}

# Why the date of an effect differs from the date of its action.
TERM = "term"
DISSOLUTION = "dissolution"
DELAY = "delay"
NO_DELAY_KNOWN = "no delay known"


class Effect(NamedTuple):
    """An action takes effect on a day; `stated` is that day as the source gives it. The end of a term or a party has no action."""

    day: date
    stated: str
    action: Action | None = None
    cause: str = ""


class Consent(NamedTuple):
    """A consent to be bound: the day on which it takes effect, the day of the instrument, the deposit that delays its effect,
    and the day from which it counts for conditions of entry into force.

    `takes_effect` is later than `own_effect` if the party had given notice of withdrawal: it takes effect when the party has left.
    """

    takes_effect: Effect
    own_effect: Effect
    instrument: Effect
    deposit: Effect | None
    counts: Effect


class Notice(NamedTuple):
    """A notice of withdrawal: when it was given, when it takes effect by itself, and when it was revoked before that."""

    given: Effect | None
    takes_effect: Effect | None
    revoked: Effect | None


class DateReader:
    """Reads partial dates of actions as one of their possible days. `day` returns that day: the earliest or the latest."""

    def __init__(self, day: Callable[[str], date | None]):
        self.day = day

    def at(self, stated: str, action: Action | None = None) -> Effect | None:
        day = self.day(stated)
        return None if day is None else Effect(day, stated, action)

    def acted(self, action: Action) -> Effect | None:
        return self.at(action.acted_on, action)

    def effect(self, action: Action) -> Effect | None:
        return self.at(action.effective_on or action.acted_on, action)

    def effects(self, actions: Iterable[Action], *kinds: str) -> list[Effect]:
        """The effects of the dated actions of these kinds, in order."""
        return in_order(self.effect(action) for action in actions if action.kind in kinds)

    def signatures_of(self, actions: Iterable[Action]) -> list[Effect]:
        """The dated signatures, by the day of signing even if they take effect later."""
        return in_order(self.acted(action) for action in actions if action.kind in SIGNATURES)

    def suspension_on(self, actions: list[Action], on: date, after: date | None = None) -> tuple[Effect, ...]:
        """The suspension that lasts on a day, if any: one that no resumption on the same day or later has ended."""
        begun = [s for s in self.effects(actions, ActionKind.SUSPENSION) if s.day <= on and (after is None or s.day > after)]
        if not begun:
            return ()
        ended = [r for r in self.effects(actions, ActionKind.RESUMPTION) if r.day <= on]
        return tuple([s for s in begun if not ended or s.day > ended[-1].day][:1])

    def notices_of(self, actions: Iterable[Action]) -> list[Notice]:
        """Each notice of withdrawal among the actions, with the revocation that cancels it."""
        actions = list(actions)
        given_notices = [action for action in actions if action.kind in NOTICES]
        revocations = self.effects(actions, ActionKind.NOTICE_REVOCATION) if given_notices else []
        notices = []
        for action in given_notices:
            given, takes_effect = self.acted(action), self.at(action.effective_on, action)
            since = given or takes_effect
            revoked = next(
                (
                    r
                    for r in revocations
                    if since and r.day >= since.day and (takes_effect is None or r.day < takes_effect.day)
                    if r.action and (not r.action.targets or action.uid in r.action.targets)
                ),
                None,
            )
            notices.append(Notice(given, takes_effect, revoked))
        return notices

    def withdrawals_of(self, actions: list[Action], notices: list[Notice]) -> list[Effect]:
        """Every day on which a withdrawal takes effect, in order."""
        by_notice = [notice.takes_effect for notice in notices if not notice.revoked]
        return in_order([*by_notice, *self.effects(actions, ActionKind.WITHDRAWAL_EFFECT)])


class PartyHistory(DateReader):
    """The actions of one party on one text. Each list is computed once, so that the cost is linear in the number of actions."""

    def __init__(self, actions: list[Action], day: Callable[[str], date | None]):
        super().__init__(day)
        self.actions = actions

    @cached_property
    def general(self) -> list[Action]:
        """The actions that do not concern only one counterparty."""
        return [action for action in self.actions if not (action.counterparty and action.kind in PAIR_EXITS)]

    @cached_property
    def signatures(self) -> list[Effect]:
        return self.signatures_of(self.actions)

    @cached_property
    def notices(self) -> list[Notice]:
        return self.notices_of(self.general)

    @cached_property
    def withdrawals(self) -> list[Effect]:
        return self.withdrawals_of(self.general, self.notices)

    @cached_property
    def own_forces(self) -> list[Effect]:
        """The dated entries into force for the party, with or without a counterparty.

        One that belongs to a consent given during a notice of withdrawal takes effect when the party has left, like the consent.
        """
        forces = self.effects(self.actions, *OWN_FORCE)
        consents = sorted(self.consents if forces else [], key=lambda consent: by_day(consent.own_effect))
        days = [consent.own_effect.day for consent in consents]

        def after_leaving(force: Effect) -> Effect:
            earlier = bisect_right(days, force.day)
            start = consents[earlier - 1].takes_effect if earlier else force
            return start._replace(action=force.action) if start.day > force.day else force

        return in_order(after_leaving(force) for force in forces)

    @cached_property
    def has_undated_force(self) -> bool:
        return any(action.kind in OWN_FORCE and self.effect(action) is None for action in self.actions)

    @cached_property
    def consents(self) -> list[Consent]:
        """The dated consents, in the order in which they take effect.

        A consent takes effect on its effective day if given, otherwise with the next deposit, otherwise on the day of the action.
        A consent given during a notice of withdrawal takes effect when the party has left.
        """
        deposits = self.effects(self.actions, ActionKind.DEPOSIT)
        consents = []
        for action in self.actions:
            effect = self.effect(action) if action.kind in CONSENTS else None
            if effect is None:
                continue
            acted = self.acted(action)
            start = acted or effect
            # A deposit that is not known to the day may have been made after the action.
            deposit = next((d for d in deposits if (last_day(d.stated) or d.day) >= start.day), None)
            if deposit and any(start.day <= left.day < deposit.day for left in self.withdrawals):
                deposit = None  # of a later period
            counts = max(start, deposit._replace(action=action), key=by_day) if deposit else start
            if action.effective_on:
                deposit = None
            own_effect = deposit._replace(action=action) if deposit and deposit.day > effect.day else effect
            instrument = min((e for e in (acted, own_effect) if e), key=by_day)
            leaves = self.next_withdrawal(instrument.day)
            takes_effect = leaves._replace(action=action) if leaves and own_effect.day < leaves.day else own_effect
            consents.append(Consent(takes_effect, own_effect, instrument, deposit, counts))
        return sorted(consents, key=lambda consent: by_day(consent.takes_effect))

    def next_withdrawal(self, day: date) -> Effect | None:
        """The withdrawal of a party that gave notice before the day and has not left by that day."""
        given = [n.given for n in self.notices if n.given and n.given.day < day and not n.revoked]
        pending = [next((e for e in self.withdrawals if e.day > notice.day), None) for notice in given]
        return next((e for e in pending if e and e.day > day), None)

    def withdrawn_consents(self, on: date, before: date = date.max) -> set[str]:
        """The uids of signatures and consents withdrawn by a day: the targets, otherwise the newest consent, otherwise the signature.

        `before` is the day from which the party would be bound. From that day on a consent cannot be withdrawn.
        """
        gone: set[str] = set()
        for effect in self.consent_withdrawals:
            if effect.day > on or effect.day >= before or effect.action is None:
                continue
            given = [*self.signatures, *(consent.instrument for consent in self.consents)]
            remaining = [e.action.uid for e in given if e.action and e.day <= effect.day and e.action.uid not in gone]
            gone |= effect.action.targets or set(remaining[-1:])
        return gone

    @cached_property
    def consent_withdrawals(self) -> list[Effect]:
        return self.effects(self.actions, ActionKind.CONSENT_WITHDRAWAL)

    def period(self, on: date) -> tuple[Effect | None, Effect | None]:
        """The last withdrawal on or before a day, and the next one after it."""
        left = next((e for e in reversed(self.withdrawals) if e.day <= on), None)
        return left, next((e for e in self.withdrawals if e.day > on), None)

    def first_withdrawal_of(self, left: Effect) -> Effect:
        """The first of several withdrawals between which the party has not joined again."""
        joins = [consent.takes_effect for consent in self.consents] + self.signatures + self.own_forces
        joins += self.effects(self.actions, ActionKind.START_OF_OPERATION)
        for before in reversed([e for e in self.withdrawals if e.day < left.day]):
            if any(before.day <= join.day < left.day for join in joins):
                break
            left = before
        return left

    @cached_property
    def days(self) -> list[date]:
        """Every day on which anything about the party may change."""
        effects = [e for action in self.actions for e in (self.acted(action), self.effect(action)) if e]
        effects += [e for consent in self.consents for e in (consent.takes_effect, consent.counts)]
        return sorted({effect.day for effect in effects})


def by_day(effect: Effect) -> tuple[date, str]:
    return effect.day, effect.action.uid if effect.action else ""


def in_order(effects: Iterable[Effect | None]) -> list[Effect]:
    """The effects in order, without None."""
    return sorted((effect for effect in effects if effect), key=by_day)


def in_sequence(effects: Iterable[Effect | None]) -> tuple[Effect, ...]:
    """The effects in order, without None and duplicates."""
    return tuple(in_order(set(effects)))


def first(effects: list[Effect]) -> tuple[Effect, ...]:
    """The effects on the day of the first one. `effects` must be in order."""
    return tuple(e for e in effects if e.day == effects[0].day)


def has_come(effects: tuple[Effect, ...], on: date) -> bool:
    """Whether there are effects, and all of them have taken place by the day."""
    return bool(effects) and effects[-1].day <= on
