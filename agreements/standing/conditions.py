"""Conditions of entry into force: which are met on a day, and what is missing (docs/standing.md). Pure functions.

Each party gives one step for each day on which its state changes. The conditions are evaluated along these steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from agreements.models.treaty_actions import ActionKind, ConditionKind
from agreements.standing.answers import earliest
from agreements.standing.calculator import StandingCalculator
from agreements.standing.history import Effect, PartyHistory, in_order
from agreements.standing.records import AgreementRecord, Condition
from policytracker.edtf import after, first_day, is_exact


@dataclass(frozen=True)
class Missing:
    """What is missing for a condition: a number of consents, parties by code, or a partial date."""

    number: int | None = None
    parties: tuple[str, ...] = ()
    on: str = ""

    @property
    def nothing(self) -> bool:
        return not (self.number or self.parties or self.on)


@dataclass(frozen=True)
class ConditionResult:
    """The state of a condition on a day: since when it is met (a partial date, or ""), or what is missing."""

    condition: Condition
    met_on: str
    missing: Missing

    @property
    def met(self) -> bool:
        return self.missing.nothing


class Step(NamedTuple):
    """The state of a party from a day on; `stated` is that day as the source gives it."""

    day: date
    stated: str
    party: str
    known: bool
    signed: bool
    consented: bool
    notified: bool


def conditions(record: AgreementRecord, on: date) -> list[ConditionResult]:
    """The state of each condition on a day. Parties that sign after the entry into force do not count."""
    if not record.conditions:
        return []
    calculator = earliest(record)
    steps = sorted((step for party in calculator.parties for step in steps_of(calculator, party)), key=lambda s: (s.day, s.party))
    return [result(calculator, condition, steps, on) for condition in record.conditions]


def result(calculator: StandingCalculator, condition: Condition, steps: list[Step], on: date) -> ConditionResult:
    force = calculator.force[0].day if calculator.force else date.max
    # A condition that was met at entry into force stays met. Otherwise it may be met later, since recorded dates may differ.
    for until in (min(on, force), on):
        met, missing = progress(calculator, condition, steps, until)
        if missing.nothing:
            break
    else:
        return ConditionResult(condition, "", missing)
    met = met or Effect(until, until.isoformat())
    due, stated = delayed(met, condition.delay)
    if due is None or due > on:
        return ConditionResult(condition, "", Missing(0 if missing.number is not None else None, on=stated))
    return ConditionResult(condition, stated, missing)


def delayed(met: Effect, delay: str) -> tuple[date | None, str]:
    """The day after the delay, as a day and as stated. The day is None if it is after the year 9999."""
    if not delay:
        return met.day, met.stated
    try:
        due = after(met.day, delay)
    except ValueError:
        return None, "9999-12-31"
    return due, due.isoformat() if is_exact(met.stated) else f"{due.isoformat()}~"


# ---- the parties


def steps_of(calculator: StandingCalculator, party: str) -> Iterator[Step]:
    """The state of a party from each day on which it changes."""
    history = calculator.history(party)
    force = calculator.force[0].day if calculator.force else date.max
    stated = {effect.day: effect.stated for effect in reversed(in_order(effects_of(history)))}
    first_day_known = date.min if party in calculator.record.participants else None
    notified = [
        e.day for e in in_order(history.acted(a) or history.effect(a) for a in history.actions if a.kind == ActionKind.NOTIFICATION)
    ]
    if first_day_known:
        yield Step(date.min, date.min.isoformat(), party, known=True, signed=False, consented=False, notified=False)
    for day in sorted(stated):
        yield Step(
            day,
            stated[day],
            party,
            known=True,
            signed=has_signed(history, min(day, force)),
            consented=has_consented(history, day),
            notified=bool(notified) and notified[0] <= day,
        )


def effects_of(history: PartyHistory) -> Iterator[Effect | None]:
    for action in history.actions:
        yield history.acted(action)
        yield history.effect(action)
    for consent in history.consents:
        yield consent.counts


def has_signed(history: PartyHistory, by: date) -> bool:
    gone = history.withdrawn_consents(by)
    return any(e.day <= by and e.action and e.action.uid not in gone for e in history.signatures)


def has_consented(history: PartyHistory, by: date) -> bool:
    """Whether the party has consented by the day: by an instrument, or implied by its own entry into force."""
    gone, (left, _) = history.withdrawn_consents(by), history.period(by)
    consents = [c for c in history.consents if left is None or c.takes_effect.day >= left.day]
    if any(c.counts.day <= by and c.counts.action and c.counts.action.uid not in gone for c in consents):
        return True
    implied = [e for e in history.own_forces if e.day <= by and (left is None or e.day >= left.day)]
    return any(not any(c.takes_effect.day <= e.day for c in consents) for e in implied)


# ---- the conditions


class Tally:
    """The parties that have signed and that have fulfilled a condition, updated with each step."""

    def __init__(self, condition: Condition, text_signed_on: date | None):
        self.condition, self.text_signed_on = condition, text_signed_on
        self.named = condition.parties
        self.known: set[str] = set()
        self.signed: set[str] = set()
        self.fulfilled: set[str] = set()
        self.signed_not_fulfilled: set[str] = set()
        self.known_not_fulfilled: set[str] = set()

    def update(self, step: Step) -> None:
        if self.named and step.party not in self.named:
            return
        fulfilled = step.notified if self.condition.kind == ConditionKind.EXCHANGE_OF_NOTES else step.consented
        for members, is_member in (
            (self.known, step.known),
            (self.signed, step.signed),
            (self.fulfilled, fulfilled),
            (self.signed_not_fulfilled, step.signed and not fulfilled),
            (self.known_not_fulfilled, step.known and not fulfilled),
        ):
            (members.add if is_member else members.discard)(step.party)

    def is_met(self, day: date) -> bool:
        text_signed = self.text_signed_on is not None and self.text_signed_on <= day
        match self.condition.kind:
            case ConditionKind.ON_SIGNATURE:
                return text_signed or (self.named <= self.signed if self.named else bool(self.signed))
            case ConditionKind.ON_DATE:
                fixed = first_day(self.condition.fixed_on)
                return fixed is not None and fixed <= day
            case ConditionKind.NUMBER_OF_CONSENTS:
                return len(self.fulfilled) >= (self.condition.number or 0)
            case ConditionKind.NAMED_PARTIES:
                return self.named <= self.fulfilled
        if self.named:
            return self.named <= self.fulfilled
        if self.signed:
            return not self.signed_not_fulfilled
        return text_signed and bool(self.known) and not self.known_not_fulfilled

    def missing(self, day: date) -> Missing:
        if self.is_met(day):
            return Missing(number=0 if self.condition.kind == ConditionKind.NUMBER_OF_CONSENTS else None)
        text_signed = self.text_signed_on is not None and self.text_signed_on <= day
        match self.condition.kind:
            case ConditionKind.ON_SIGNATURE:
                return Missing(parties=tuple(sorted(self.named - self.signed))) if self.named else Missing(number=1)
            case ConditionKind.ON_DATE:
                return Missing(on=self.condition.fixed_on)
            case ConditionKind.NUMBER_OF_CONSENTS:
                return Missing(number=(self.condition.number or 0) - len(self.fulfilled))
        if self.named:
            return Missing(parties=tuple(sorted(self.named - self.fulfilled)))
        if self.signed:
            return Missing(parties=tuple(sorted(self.signed_not_fulfilled)))
        # No party has signed yet: all known parties are missing, or one unknown party.
        waiting = self.known_not_fulfilled if text_signed else self.known
        return Missing(number=None if self.known else 1, parties=tuple(sorted(waiting)))


def progress(calculator: StandingCalculator, condition: Condition, steps: list[Step], until: date) -> tuple[Effect | None, Missing]:
    """Since when the condition has been met without interruption, and what is missing on the day `until`."""
    text_signature = signature_of_the_text(calculator)
    tally = Tally(condition, text_signature.day if text_signature else None)
    # Effects that belong to no party.
    partyless = [effect for effect in (text_signature, calculator.at(condition.fixed_on)) if effect]
    moments = sorted([*((s.day, s.stated, s) for s in steps), *((e.day, e.stated, None) for e in partyless)], key=lambda moment: moment[0])
    since: Effect | None = None
    for index, (day, stated, step) in enumerate(moments):
        if day > until:
            break
        if step:
            tally.update(step)
        if index + 1 < len(moments) and moments[index + 1][0] == day:
            continue  # further steps on the same day follow
        if not tally.is_met(day):
            since = None
        elif since is None:
            since = Effect(day, stated)
    return since, tally.missing(until)


def signature_of_the_text(reader: StandingCalculator) -> Effect | None:
    return next(iter(reader.signatures_of(reader.of_party.get("", []))), None)
