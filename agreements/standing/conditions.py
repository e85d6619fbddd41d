"""Conditions of entry into force: what is met on a day, and what is still missing (docs/standing.md). Pure functions.

Each party is looked at once for each day on which something about it changes; the conditions then count along those days.
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
    """What is still missing: a number of consents, these parties, this day."""

    number: int | None = None
    parties: tuple[str, ...] = ()
    on: str = ""

    @property
    def nothing(self) -> bool:
        return not (self.number or self.parties or self.on)


@dataclass(frozen=True)
class ConditionResult:
    """A condition on a day: met since a day, or what is missing."""

    condition: Condition
    met_on: str
    missing: Missing

    @property
    def met(self) -> bool:
        return self.missing.nothing


class Step(NamedTuple):
    """What holds of a party from a day on; `stated` is that day as a source gives it."""

    day: date
    stated: str
    party: str
    known: bool
    signed: bool
    consented: bool
    notified: bool


def conditions(record: AgreementRecord, on: date) -> list[ConditionResult]:
    """Each condition of the text on a day. Parties that sign after the text is in force do not count."""
    if not record.conditions:
        return []
    calculator = earliest(record)
    steps = sorted((step for party in calculator.parties for step in steps_of(calculator, party)), key=lambda s: (s.day, s.party))
    return [result(calculator, condition, steps, on) for condition in record.conditions]


def result(calculator: StandingCalculator, condition: Condition, steps: list[Step], on: date) -> ConditionResult:
    force = calculator.force[0].day if calculator.force else date.max
    # What was met on the day of force stays met; what was not may be met later, by actions that are recorded with another day.
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
    """The day after the delay, approximate if the day before it is; None past the calendar."""
    if not delay:
        return met.day, met.stated
    try:
        due = after(met.day, delay)
    except ValueError:
        return None, "9999-12-31"
    return due, due.isoformat() if is_exact(met.stated) else f"{due.isoformat()}~"


# ---- the parties


def steps_of(calculator: StandingCalculator, party: str) -> Iterator[Step]:
    """What holds of a party from each day on which something about it changes."""
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
    """Whether a consent counts by the day, by its instrument, or an own entry into force implies one."""
    gone, (left, _) = history.withdrawn_consents(by), history.period(by)
    consents = [c for c in history.consents if left is None or c.takes_effect.day >= left.day]
    if any(c.counts.day <= by and c.counts.action and c.counts.action.uid not in gone for c in consents):
        return True
    implied = [e for e in history.own_forces if e.day <= by and (left is None or e.day >= left.day)]
    return any(not any(c.takes_effect.day <= e.day for c in consents) for e in implied)


# ---- along the days


class Tally:
    """Who has signed, and who has done what a condition asks for, kept up to date from step to step."""

    def __init__(self, condition: Condition, whole_text_signed: date | None):
        self.condition, self.whole_text_signed = condition, whole_text_signed
        self.named = condition.parties
        self.known: set[str] = set()
        self.signed: set[str] = set()
        self.passed: set[str] = set()
        self.signed_not_passed: set[str] = set()
        self.known_not_passed: set[str] = set()

    def take(self, step: Step) -> None:
        if self.named and step.party not in self.named:
            return
        passed = step.notified if self.condition.kind == ConditionKind.EXCHANGE_OF_NOTES else step.consented
        for members, belongs in (
            (self.known, step.known),
            (self.signed, step.signed),
            (self.passed, passed),
            (self.signed_not_passed, step.signed and not passed),
            (self.known_not_passed, step.known and not passed),
        ):
            (members.add if belongs else members.discard)(step.party)

    def is_met(self, day: date) -> bool:
        whole = self.whole_text_signed is not None and self.whole_text_signed <= day
        match self.condition.kind:
            case ConditionKind.ON_SIGNATURE:
                return whole or (self.named <= self.signed if self.named else bool(self.signed))
            case ConditionKind.ON_DATE:
                fixed = first_day(self.condition.fixed_on)
                return fixed is not None and fixed <= day
            case ConditionKind.NUMBER_OF_CONSENTS:
                return len(self.passed) >= (self.condition.number or 0)
            case ConditionKind.NAMED_PARTIES:
                return self.named <= self.passed
        if self.named:
            return self.named <= self.passed
        if self.signed:
            return not self.signed_not_passed
        return whole and bool(self.known) and not self.known_not_passed

    def missing(self, day: date) -> Missing:
        if self.is_met(day):
            return Missing(number=0 if self.condition.kind == ConditionKind.NUMBER_OF_CONSENTS else None)
        whole = self.whole_text_signed is not None and self.whole_text_signed <= day
        match self.condition.kind:
            case ConditionKind.ON_SIGNATURE:
                return Missing(parties=tuple(sorted(self.named - self.signed))) if self.named else Missing(number=1)
            case ConditionKind.ON_DATE:
                return Missing(on=self.condition.fixed_on)
            case ConditionKind.NUMBER_OF_CONSENTS:
                return Missing(number=(self.condition.number or 0) - len(self.passed))
        if self.named:
            return Missing(parties=tuple(sorted(self.named - self.passed)))
        if self.signed:
            return Missing(parties=tuple(sorted(self.signed_not_passed)))
        # Nobody has signed yet: the condition waits for everybody who is known, or for somebody.
        waiting = self.known_not_passed if whole else self.known
        return Missing(number=None if self.known else 1, parties=tuple(sorted(waiting)))


def progress(calculator: StandingCalculator, condition: Condition, steps: list[Step], until: date) -> tuple[Effect | None, Missing]:
    """Since when the condition has been met without a break until the day, and what is missing on it."""
    whole = signature_of_the_text(calculator)
    tally = Tally(condition, whole.day if whole else None)
    # Days that belong to no party.
    extra = [effect for effect in (whole, calculator.at(condition.fixed_on)) if effect]
    moments = sorted([*((s.day, s.stated, s) for s in steps), *((e.day, e.stated, None) for e in extra)], key=lambda moment: moment[0])
    since: Effect | None = None
    for index, (day, stated, step) in enumerate(moments):
        if day > until:
            break
        if step:
            tally.take(step)
        if index + 1 < len(moments) and moments[index + 1][0] == day:
            continue  # the day is not over
        if not tally.is_met(day):
            since = None
        elif since is None:
            since = Effect(day, stated)
    return since, tally.missing(until)


def signature_of_the_text(reader: StandingCalculator) -> Effect | None:
    return next(iter(reader.signatures_of(reader.of_party.get("", []))), None)
