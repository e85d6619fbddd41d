"""The standing of a text and of its parties on a day, with each date read as one of its possible days (docs/standing.md)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from functools import cache
from typing import NamedTuple

from django.utils.functional import cached_property

from agreements.models.treaty_actions import CONSENTS, SIGNATURES, ActionKind
from agreements.standing.codes import BINDING, PartyStanding, TextStanding
from agreements.standing.history import (
    DELAY,
    DISSOLUTION,
    NO_DELAY_KNOWN,
    OWN_FORCE,
    PAIR_EXITS,
    TERM,
    Consent,
    DateReader,
    Effect,
    PartyHistory,
    by_day,
    first,
    has_come,
    in_order,
    in_sequence,
)
from agreements.standing.records import Action, AgreementRecord
from policytracker.edtf import after, is_exact, last_day

# While only these are recorded and no entry into force is, the text is known not to be in force.
BEFORE_FORCE = {*SIGNATURES, *CONSENTS, ActionKind.ADOPTION, ActionKind.ANNOUNCEMENT, ActionKind.PROVISIONAL_APPLICATION}


class Result(NamedTuple):
    """A standing with the effects that it is based on. The last effect began it.

    `waits` is true for a party whose own entry into force has no date, `via` is the accession protocol that the standing comes from.
    """

    code: TextStanding | PartyStanding
    because: tuple[Effect, ...] = ()
    waits: bool = False
    via: AgreementRecord | None = None


class PairResult(NamedTuple):
    """Two parties between which the text is in force, with the entries into force that this is based on."""

    parties: tuple[str, ...]
    because: tuple[Effect, ...]
    via: AgreementRecord | None = None


class StandingCalculator(DateReader):
    """The standing of a text and its parties. `day` gives one possible day of a partial date."""

    def __init__(self, record: AgreementRecord, day: Callable[[str], date | None], protocols: Iterable[AgreementRecord] = ()):
        super().__init__(cache(day))
        self.record = record
        self.actions = sorted(record.actions, key=lambda action: action.uid)
        self.of_party: dict[str, list[Action]] = defaultdict(list)
        for action in self.actions:
            self.of_party[action.party].append(action)
        self.histories: dict[str, PartyHistory] = {}
        # Only direct protocols: an accession to an accession protocol is no accession to the agreement.
        # A binding protocol to a non-binding text has no effect on it.
        protocols = [protocol for protocol in protocols if protocol.non_binding or not record.non_binding]
        self.protocols = [StandingCalculator(protocol, day) for protocol in protocols]

    def history(self, party: str) -> PartyHistory:
        if party not in self.histories:
            self.histories[party] = PartyHistory(self.of_party.get(party, []), self.day)
        return self.histories[party]

    @cached_property
    def parties(self) -> list[str]:
        """Every party with an action or a participation, here or in an accession protocol."""
        acting = {action.party for calculator in (self, *self.protocols) for action in calculator.actions if action.party}
        return sorted(self.record.participants.keys() | acting)

    # ---- the text

    @cached_property
    def force(self) -> tuple[Effect, ...]:
        """The effects that brought the text into force: its entry into force as a whole, otherwise the first one for a party."""
        as_a_whole = self.effects(self.of_party.get("", []), ActionKind.ENTRY_INTO_FORCE)
        return first(as_a_whole) or first(self.effects(self.actions, *OWN_FORCE))

    @cached_property
    def end(self) -> tuple[Effect, ...]:
        """The effects that ended the text: a termination, or the day after the last possible day of its term."""
        ends = self.effects(self.of_party.get("", []), ActionKind.TERMINATION)
        term = last_day(self.record.expires_on)
        if term is not None and term < date.max:
            over = term + timedelta(1)
            ends.append(Effect(over, over.isoformat() if is_exact(self.record.expires_on) else f"{over.isoformat()}~", cause=TERM))
        return first(in_order(ends))

    @cached_property
    def first_day_before_force(self) -> date | None:
        """The first day on which an action shows that the text was not yet in force."""
        return min((e.day for a in self.actions if a.kind in BEFORE_FORCE for e in (self.acted(a), self.effect(a)) if e), default=None)

    def is_known_not_in_force(self, on: date) -> bool:
        """Whether the recorded actions show that the text was not yet in force. A record without such actions shows nothing."""
        if self.force:
            return self.force[0].day > on
        return self.first_day_before_force is not None and self.first_day_before_force <= on

    @cached_property
    def first_action_day(self) -> date | None:
        return min((e.day for a in self.actions for e in (self.acted(a), self.effect(a)) if e), default=None)

    def text_on(self, on: date) -> Result:
        if self.first_action_day is None or self.first_action_day > on:
            return Result(TextStanding.UNKNOWN)
        if has_come(self.end, on):
            return Result(TextStanding.TERMINATED, self.end)
        if suspension := self.suspension_on(self.of_party.get("", []), on):
            return Result(TextStanding.SUSPENDED, suspension)
        return next((Result(code, because) for code, because in self.stages if has_come(because, on)), Result(TextStanding.UNKNOWN))

    @cached_property
    def stages(self) -> list[tuple[TextStanding, tuple[Effect, ...]]]:
        """The stages of the text with the effects that they require, the most advanced first."""
        signed, actions = self.signatures_of(self.actions), self.actions
        if self.record.non_binding:
            begun = in_order([*signed, *self.effects(actions, ActionKind.START_OF_OPERATION)])
            stages = [(TextStanding.OPERATIVE, first(begun))]
        else:
            stages = [
                (TextStanding.IN_FORCE, self.force),
                (TextStanding.PROVISIONALLY_APPLIED, first(self.effects(actions, ActionKind.PROVISIONAL_APPLICATION))),
                (TextStanding.SIGNED, first(signed)),
            ]
        return [
            *stages,
            (TextStanding.ADOPTED, first(self.effects(actions, ActionKind.ADOPTION))),
            (TextStanding.ANNOUNCED, first(self.effects(actions, ActionKind.ANNOUNCEMENT))),
        ]

    # ---- a party

    def party_on(self, party: str, on: date) -> Result:
        """The standing of a party by its actions. It is frozen when the text or the party ends."""
        ends = [(self.end[0].day, self.end[0].day, self.end)] if has_come(self.end, on) else []
        dissolved = self.at(self.record.dissolved.get(party, ""))
        if dissolved and dissolved.day <= on:
            last = dissolved.day - timedelta(1) if dissolved.day > date.min else dissolved.day
            ends.append((dissolved.day, last, (dissolved._replace(cause=DISSOLUTION),)))
        if not ends:
            return self.while_it_lasts(party, on)
        _, last, because = min(ends, key=lambda end: end[0])
        last_result = self.while_it_lasts(party, last, applied=False)
        if last_result.code in BINDING or last_result.code == PartyStanding.PARTICIPANT:
            return last_result._replace(code=PartyStanding.FORMER_PARTY, because=(*last_result.because, *because))
        return last_result

    def while_it_lasts(self, party: str, on: date, applied: bool = True) -> Result:
        """The standing by the party's own actions; if there are none by that day, the standing by an accession protocol."""
        if not self.protocols or self.has_acted(party, on):
            return self.by_own_actions(party, on, applied)
        results = [protocol.party_on(party, on)._replace(via=protocol.record) for protocol in self.protocols]
        results = [result for result in results if result.code != PartyStanding.NONE]
        return next((result for result in results if result.code in BINDING), results[0] if results else Result(PartyStanding.NONE))

    def has_acted(self, party: str, on: date) -> bool:
        days = self.history(party).days
        return bool(days) and days[0] <= on

    def by_own_actions(self, party: str, on: date, applied: bool) -> Result:
        """`applied` says whether the party may still apply the text provisionally."""
        history = self.history(party)
        left, _ = history.period(on)
        # A party that leaves before the text is in force was never a party. Its signature remains.
        was_party = left is not None and (self.record.non_binding or not self.is_known_not_in_force(left.day))
        after = left.day if left and was_party else None
        gone = history.withdrawn_consents(on)
        signed = [e for e in since(history.signatures, after, on) if e.action and e.action.uid not in gone]
        stages: list[tuple[PartyStanding, tuple[Effect, ...]]] = []
        waits = False
        if self.record.non_binding:
            begun = since(history.effects(history.actions, ActionKind.START_OF_OPERATION), after, on)
            stages.append((PartyStanding.PARTICIPANT, first(in_order([*signed, *begun]))))
        else:
            bound = self.binding(party, on)
            if has_come(bound, on):
                return self.bound_on(history, on, bound, left)
            left_on = left.day if left else None
            if applied:
                applying = since(history.effects(history.actions, ActionKind.PROVISIONAL_APPLICATION), left_on, on)
                undone = [e.day for e in history.consent_withdrawals if e.day <= on]
                stages.append((PartyStanding.PROVISIONALLY_APPLYING, first([e for e in applying if not undone or e.day > undone[-1]])))
            given = [c for c in history.consents if left_on is None or c.takes_effect.day >= left_on]
            instruments = [c.instrument for c in given if c.instrument.action and c.instrument.action.uid not in gone]
            implied = [e for e in history.own_forces if left_on is None or e.day >= left_on]
            consented = first([e for e in in_order([*instruments, *implied]) if e.day <= on])
            stages.append((PartyStanding.CONTRACTING, consented))
            waits = history.has_undated_force and not implied
        if left and was_party:
            stages.append((PartyStanding.FORMER_PARTY, (history.first_withdrawal_of(left),)))
        if not self.record.non_binding:
            stages.append((PartyStanding.SIGNATORY, first(signed)))
        announced = since(history.effects(history.actions, ActionKind.ANNOUNCEMENT), after, on)
        stages.append((PartyStanding.ANNOUNCED, first(announced)))
        code, because = next(((code, because) for code, because in stages if because), (PartyStanding.NONE, ()))
        return Result(code, because, waits and code == PartyStanding.CONTRACTING)

    def binding(self, party: str, on: date) -> tuple[Effect, ...]:
        """The effects that bind the party in the period of membership that a day is in; the last is the day from which it is bound."""
        history = self.history(party)
        left, leaves = history.period(on)

        def is_within(effect: Effect) -> bool:  # a party that joins on the day of leaving starts a new period
            return (left is None or effect.day >= left.day) and (leaves is None or effect.day < leaves.day)

        def is_during(effect: Effect) -> bool:
            return (left is None or effect.day > left.day) and (leaves is None or effect.day <= leaves.day)

        forces = [e for e in history.own_forces if is_within(e)]
        forces = [e for e in forces if e.action and not e.action.counterparty] or forces
        consents = [c for c in history.consents if is_within(c.takes_effect)]
        own, implied = assign_forces(forces, consents)
        candidates: list[tuple[Effect, ...]] = []
        waits = False
        for consent in consents if self.force else []:
            if consent not in own and history.has_undated_force and not forces:
                waits = True
                continue
            takes_effect = consent.takes_effect if consent in own else self.joins(consent)
            if takes_effect is None:
                continue
            effects = self.with_force([takes_effect, consent.deposit, *own.get(consent, ())])
            uid = takes_effect.action.uid if takes_effect.action else ""
            if uid not in history.withdrawn_consents(on, effects[-1].day):
                candidates.append(effects)
        if implied:
            candidates.append(self.with_force(implied))
        if not candidates and (waits or not consents):
            candidates += self.implied_by_notice(history, leaves, is_during)
        if not candidates and not consents and self.force:
            suspensions = [e for e in history.effects(history.general, ActionKind.SUSPENSION) if is_during(e)]
            candidates += [self.with_force([e]) for e in suspensions[:1]]
        return min(candidates, key=lambda effects: effects[-1].day, default=())

    def joins(self, consent: Consent) -> Effect | None:
        """When a consent without an own entry into force binds: after the delay of the text, if the text is already in force.

        None if the date is after the year 9999.
        """
        effect = consent.takes_effect
        if effect.day <= self.force[0].day or (effect.action and effect.action.effective_on):
            return effect
        if not self.record.later_joiner_delay:
            return effect._replace(cause=NO_DELAY_KNOWN)
        try:
            day = after(effect.day, self.record.later_joiner_delay)
        except ValueError:
            return None
        return Effect(day, day.isoformat() if is_exact(effect.stated) else f"{day.isoformat()}~", effect.action, DELAY)

    def with_force(self, own: Iterable[Effect | None]) -> tuple[Effect, ...]:
        """The party's own effects, and the text's entry into force if it came later."""
        effects = in_sequence(own)
        return effects + self.force if self.force and self.force[0].day > effects[-1].day else effects

    def implied_by_notice(self, history: PartyHistory, leaves: Effect | None, is_during: Callable) -> list[tuple[Effect, ...]]:
        """A notice of withdrawal implies that the party was bound, unless its recorded actions say otherwise."""
        implied: list[tuple[Effect, ...]] = []
        for notice in history.notices:
            given, ends = notice.given, notice.takes_effect
            if given is None or not is_during(given) or (ends and ends.day <= given.day) or self.is_known_not_in_force(given.day):
                continue
            until = leaves.day if leaves else date.max
            if not any(given.day < consent.instrument.day < until for consent in history.consents):
                implied.append((given,))
        return sorted(implied, key=lambda effects: by_day(effects[0]))[:1]

    def bound_on(self, history: PartyHistory, on: date, bound: tuple[Effect, ...], left: Effect | None) -> Result:
        """The standing of a bound party: bound, suspended or withdrawing."""
        after = left.day if left else None
        leaving = [
            notice.given
            for notice in history.notices
            if notice.given and notice.given.day <= on and (after is None or notice.given.day > after)
            if not (notice.revoked and notice.revoked.day <= on) and not (notice.takes_effect and notice.takes_effect.day <= on)
        ]
        if leaving:
            return Result(PartyStanding.WITHDRAWING, tuple(dict.fromkeys([*bound, in_order(leaving)[0]])))
        if suspension := history.suspension_on(history.general, on, after):
            return Result(PartyStanding.SUSPENDED, tuple(dict.fromkeys([*bound, *suspension])))
        return Result(PartyStanding.BOUND, bound)

    # ---- pairs

    def pairs_on(self, on: date) -> list[PairResult]:
        """The pairs between which the text is in force on a day, by actions that name both.

        Pairs limit only the joining party: the other parties are bound among themselves without them.
        """
        if has_come(self.end, on) or self.suspension_on(self.of_party.get("", []), on):
            return []
        results: dict[tuple[str, ...], PairResult] = {}
        for protocol in self.protocols:
            for pair in protocol.pairs_on(on):
                if not any(self.has_acted(effect.action.party, on) for effect in pair.because if effect.action):
                    results[pair.parties] = pair._replace(via=protocol.record)
        if self.text_on(on).code == TextStanding.IN_FORCE:
            results |= {pair.parties: pair for pair in self.own_pairs(on)}
        return [results[parties] for parties in sorted(results)]

    def own_pairs(self, on: date) -> list[PairResult]:
        joining: dict[str, Result] = {}
        effects_of_pair: dict[tuple[str, ...], list[Effect]] = defaultdict(list)
        for effect in self.effects((a for a in self.actions if a.counterparty), *OWN_FORCE):
            if (action := effect.action) is None or effect.day > on:
                continue
            party, other = action.party, action.counterparty
            if party not in joining:
                joining[party] = self.party_on(party, on)
            if joining[party].code not in BINDING - {PartyStanding.SUSPENDED} or self.pair_has_ended(party, other, effect.day, on):
                continue
            bound = self.binding(party, on)
            since = max(effect, bound[-1]._replace(action=action), key=by_day)
            effects_of_pair[tuple(sorted([party, other]))].append(since)
        return [PairResult(parties, tuple(in_order(effects))) for parties, effects in effects_of_pair.items()]

    def pair_has_ended(self, party: str, other: str, since: date, on: date) -> bool:
        """Whether one of the two has left or no longer exists, or an action between them has ended or suspended the pair."""
        for code in (party, other):
            left, dissolved = self.history(code).period(on)[0], self.at(self.record.dissolved.get(code, ""))
            if (left and left.day > since) or (dissolved and dissolved.day <= on):
                return True
        between = self.between.get(frozenset([party, other]), [])
        if not between:
            return False
        withdrawals = self.withdrawals_of(between, self.notices_of(between))
        return any(since < e.day <= on for e in withdrawals) or bool(self.suspension_on(between, on))

    @cached_property
    def between(self) -> dict[frozenset[str], list[Action]]:
        """The suspensions, notices and revocations that concern one pair."""
        actions: dict[frozenset[str], list[Action]] = defaultdict(list)
        for action in self.actions:
            if action.counterparty and action.kind in PAIR_EXITS:
                actions[frozenset([action.party, action.counterparty])].append(action)
        return actions


def since(effects: list[Effect], after: date | None, on: date) -> list[Effect]:
    """The effects up to the day `on`, from the day `after` on which the party left."""
    return [e for e in effects if e.day <= on and (after is None or e.day >= after)]


def assign_forces(forces: list[Effect], consents: list[Consent]) -> tuple[dict[Consent, tuple[Effect, ...]], tuple[Effect, ...]]:
    """The first own entry into force of each consent, and the first of those that imply a consent.

    An own entry into force belongs to the newest consent on or before it: an earlier consent is not delayed by it.
    """
    own: dict[Consent, tuple[Effect, ...]] = {}
    implied: list[Effect] = []
    for force in forces:
        earlier = [c for c in consents if c.takes_effect.day <= force.day]
        if not earlier:
            implied.append(force)
        for consent in earlier:
            if consent.takes_effect.day == earlier[-1].takes_effect.day and (consent not in own or own[consent][0].day == force.day):
                own[consent] = (*own.get(consent, ()), force)
    return own, first(implied)
