"""What a text asks before it enters into force: what of it is met on a day, and what is still missing. Pure, like `standing.py`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import partial

from agreements.effects import OWN_FORCE, Effect
from agreements.models.treaty_actions import ActionKind, ConditionKind
from agreements.standing import Condition, Reading, Text
from policytracker.edtf import after, first_day, is_exact


@dataclass(frozen=True)
class Missing:
    """What is still missing: so many consents, these parties, this day."""

    number: int | None = None
    parties: tuple[str, ...] = ()
    on: str = ""
    signature: bool = False

    @property
    def nothing(self) -> bool:
        return not (self.number or self.parties or self.on or self.signature)


@dataclass(frozen=True)
class Met:
    """A condition on a day: met, and since when, or what is missing."""

    condition: Condition
    met_on: str
    missing: Missing

    @property
    def met(self) -> bool:
        return self.missing.nothing


def conditions(text: Text, on: date) -> list[Met]:
    """Each condition of the text on a day. What came after the text was in force does not count against it."""
    return [judged(text.earliest, condition, on) for condition in text.conditions]


def judged(reading: Reading, condition: Condition, on: date) -> Met:
    force = reading.force[0].day if reading.force else date.max
    by = min(on, force)
    missing = missing_by(reading, condition, by)
    if not missing.nothing:
        return Met(condition, "", missing)
    met = since(reading, condition, by)
    due, said = delayed(met, condition.delay)
    if due is None or due > on:
        return Met(condition, "", Missing(0 if missing.number is not None else None, on=said))
    return Met(condition, said, missing)


def since(reading: Reading, condition: Condition, by: date) -> Effect:
    """The effect from which the condition has been met until the day."""
    found = None
    for effect in sorted(moments(reading, condition), key=lambda e: e.day, reverse=True):
        if effect.day <= by:
            if found and effect.day != found.day and not missing_by(reading, condition, effect.day).nothing:
                break
            found = effect
    return found or Effect(by, by.isoformat(), None)


def moments(reading: Reading, condition: Condition) -> list[Effect]:
    """Every effect that may have met it."""
    found = [reading.at(condition.fixed_on, None)]
    for action in reading.actions:
        found += [reading.effect(action), reading.acted(action)]
    for party in reading.parties:
        for consent in reading.consents(party):
            found.append(consent.counts)
    return [effect for effect in found if effect]


def delayed(met: Effect, delay: str) -> tuple[date | None, str]:
    """The day so long after, and how it is said: about that day, where the other is not known to the day; None past the calendar."""
    if not delay:
        return met.day, met.said
    try:
        due = after(met.day, delay)
    except ValueError:
        return None, "9999-12-31"
    return due, due.isoformat() if is_exact(met.said) else f"{due.isoformat()}~"


def missing_by(reading: Reading, condition: Condition, by: date) -> Missing:
    """What was missing on a day."""
    named = sorted(condition.parties)
    signed, consented, notified = (partial(test, reading, by=by) for test in (has_signed, has_consented, has_notified))
    match condition.kind:
        case ConditionKind.ON_SIGNATURE:
            whole = [e for e in reading.signatures(reading.of_party[""]) if e.day <= by]
            lacking = () if whole else tuple(p for p in named if not signed(p))
            return Missing(parties=lacking, signature=not whole and not named and not any(map(signed, reading.parties)))
        case ConditionKind.ON_DATE:
            day = first_day(condition.fixed_on)
            return Missing(on="" if day and day <= by else condition.fixed_on)
        case ConditionKind.NUMBER_OF_CONSENTS:
            count = sum(map(consented, named or reading.parties))
            return Missing(number=max(0, (condition.number or 0) - count))
        case ConditionKind.NAMED_PARTIES:
            return Missing(parties=tuple(p for p in named if not consented(p)))
    signatories = named or [p for p in reading.parties if signed(p)]
    done = consented if condition.kind == ConditionKind.ALL_SIGNATORIES else notified
    return Missing(parties=tuple(p for p in signatories if not done(p)), signature=not signatories)


def has_signed(reading: Reading, party: str, by: date) -> bool:
    gone = reading.taken_back(party, by)
    return any(e.day <= by and e.action and e.action.uid not in gone for e in reading.signatures(reading.of_party[party]))


def has_consented(reading: Reading, party: str, by: date) -> bool:
    """Whether a consent of the party counts by then, or an entry into force for it implies one."""
    gone = reading.taken_back(party, by)
    consents = reading.consents(party)
    if any(c.counts.day <= by and c.counts.action and c.counts.action.uid not in gone for c in consents):
        return True
    implied = reading.effects(reading.of_party[party], *OWN_FORCE)
    return not consents and any(e.day <= by for e in implied)


def has_notified(reading: Reading, party: str, by: date) -> bool:
    return any(e.day <= by for e in reading.effects(reading.of_party[party], ActionKind.NOTIFICATION))
