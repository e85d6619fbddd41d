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

    @property
    def nothing(self) -> bool:
        return not (self.number or self.parties or self.on)


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
    """Each condition of the text on a day. Who signs after the text is in force does not count for it."""
    return [judged(text.earliest, condition, on) for condition in text.conditions]


def judged(reading: Reading, condition: Condition, on: date) -> Met:
    force = reading.force[0].day if reading.force else date.max
    # What was met by the day of force stays so; what was not may be met later, by acts that are recorded of another day.
    for by in (min(on, force), on):
        missing = missing_by(reading, condition, by, force)
        if missing.nothing:
            break
    else:
        return Met(condition, "", missing)
    due, said = delayed(since(reading, condition, by, force), condition.delay)
    if due is None or due > on:
        return Met(condition, "", Missing(0 if missing.number is not None else None, on=said))
    return Met(condition, said, missing)


def since(reading: Reading, condition: Condition, by: date, force: date) -> Effect:
    """The effect from which the condition has been met until the day."""
    found = None
    for effect in sorted(moments(reading, condition), key=lambda e: e.day, reverse=True):
        if effect.day <= by:
            if found and effect.day != found.day and not missing_by(reading, condition, effect.day, force).nothing:
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


def missing_by(reading: Reading, condition: Condition, by: date, force: date) -> Missing:
    """What was missing on a day; signatories are those of the day of force, once it has come."""
    named = sorted(condition.parties)
    consented, notified = (partial(test, reading, by=by) for test in (has_consented, has_notified))
    signed = partial(has_signed, reading, by=min(by, force))
    whole = any(e.day <= by for e in reading.signatures(reading.of_party[""]))
    match condition.kind:
        case ConditionKind.ON_SIGNATURE:
            done = whole or (not named and any(map(signed, reading.parties)))
            lacking = () if done else tuple(p for p in named if not signed(p))
            return Missing(number=1 if not done and not named else None, parties=lacking)
        case ConditionKind.ON_DATE:
            day = first_day(condition.fixed_on)
            return Missing(on="" if day and day <= by else condition.fixed_on)
        case ConditionKind.NUMBER_OF_CONSENTS:
            count = sum(map(consented, named or reading.parties))
            return Missing(number=max(0, (condition.number or 0) - count))
        case ConditionKind.NAMED_PARTIES:
            return Missing(parties=tuple(p for p in named if not consented(p)))
    signatories, known = named or [p for p in reading.parties if signed(p)], [p for p in reading.parties if is_known(reading, p, by)]
    if not signatories and not (whole and known):  # nobody has signed yet: it waits for all, whoever they are
        return Missing(number=None if known else 1, parties=tuple(known))
    test = consented if condition.kind == ConditionKind.ALL_SIGNATORIES else notified
    return Missing(parties=tuple(p for p in signatories or known if not test(p)))


def is_known(reading: Reading, party: str, by: date) -> bool:
    """Whether it is listed, or has done anything by then."""
    return party in reading.text.participants or any((e := reading.effect(a)) and e.day <= by for a in reading.of_party[party])


def has_signed(reading: Reading, party: str, by: date) -> bool:
    gone = reading.taken_back(party, by)
    return any(e.day <= by and e.action and e.action.uid not in gone for e in reading.signatures(reading.of_party[party]))


def has_consented(reading: Reading, party: str, by: date) -> bool:
    """Whether a consent of the party counts by then, or an entry into force for it implies one."""
    gone, (left, _) = reading.taken_back(party, by), reading.spell(party, by)
    consents = [c for c in reading.consents(party) if left is None or c.counts.day >= left.day]
    if any(c.counts.day <= by and c.counts.action and c.counts.action.uid not in gone for c in consents):
        return True
    implied = [e for e in reading.effects(reading.of_party[party], *OWN_FORCE) if e.day <= by and (left is None or e.day >= left.day)]
    return any(not any(c.counts.day <= e.day for c in consents) for e in implied)


def has_notified(reading: Reading, party: str, by: date) -> bool:
    return any(e.day <= by for e in reading.effects(reading.of_party[party], ActionKind.NOTIFICATION))
