"""Agreements and their parties compared with what follows from the treaty actions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Any

from django.db.models import Exists, OuterRef, Q

from agreements.models import Agreement, AgreementRelation, LegalForce, Participation, TreatyAction
from agreements.models.agreements import AgreementStatus, ParticipationRole, RelationKind
from agreements.models.treaty_actions import CONSENTS, SIGNATURES, ActionKind, ConditionKind
from agreements.standing import AgreementRecord, PartyStanding, TextStanding, conditions, pairs, party_standing, text_standing
from agreements.standing.answers import NAMED, earliest
from agreements.standing.data import load_records
from agreements.standing.history import OWN_FORCE
from agreements.standing.queries import text_standing_on
from policytracker.edtf import first_day
from policytracker.quality.engine import CheckContext, Rule, Severity, each
from policytracker.records.access import Publication

# Which status of an agreement agrees with which standing of its text.
AGREES: dict[AgreementStatus, set[TextStanding]] = {
    AgreementStatus.PROPOSED: {TextStanding.ANNOUNCED},
    AgreementStatus.UNDER_NEGOTIATION: {TextStanding.ANNOUNCED},
    AgreementStatus.ANNOUNCED: {TextStanding.ANNOUNCED},
    AgreementStatus.ADOPTED: {TextStanding.ADOPTED},
    AgreementStatus.SIGNED: {TextStanding.SIGNED},
    AgreementStatus.PROVISIONALLY_APPLIED: {TextStanding.PROVISIONALLY_APPLIED},
    AgreementStatus.IN_FORCE: {TextStanding.IN_FORCE},
    # A mixed text follows the rules of binding ones.
    AgreementStatus.OPERATIVE: {TextStanding.OPERATIVE, TextStanding.IN_FORCE, TextStanding.SIGNED},
    AgreementStatus.SUSPENDED: {TextStanding.SUSPENDED},
    AgreementStatus.SUPERSEDED: set(TextStanding),
    AgreementStatus.EXPIRED: {TextStanding.TERMINATED},
    AgreementStatus.TERMINATED: {TextStanding.TERMINATED},
    AgreementStatus.LAPSED: {TextStanding.ANNOUNCED, TextStanding.ADOPTED, TextStanding.SIGNED, TextStanding.PROVISIONALLY_APPLIED},
    AgreementStatus.UNKNOWN: {TextStanding.UNKNOWN},
}
ENDS = [ActionKind.TERMINATION, ActionKind.SUSPENSION]
EXITS = [kind for kind in ActionKind if kind.group == "exit"]
TO_BE_CONFIRMED = [kind for kind in SIGNATURES if kind not in CONSENTS]


def has_action(*kinds: str, **which: Any) -> Exists:
    """Whether an agreement has an action of these kinds."""
    return Exists(TreatyAction.objects.filter(agreement=OuterRef("pk"), kind__in=kinds, **which))


def records(rows: Any, context: CheckContext) -> Iterator[tuple[Agreement, AgreementRecord]]:
    """Each agreement with what its standing depends on."""
    loaded = load_records([agreement.pk for agreement in rows], context.user)
    for agreement in rows:
        if agreement.pk in loaded:
            yield agreement, loaded[agreement.pk]


def differing(rows: Any, context: CheckContext) -> Any:
    """Agreements whose status does not match their standing. Where nothing is known, nothing differs."""
    matching = Q(status=AgreementStatus.SUPERSEDED) | Q(standing=TextStanding.UNKNOWN)
    for status, standings in AGREES.items():
        matching |= Q(status=status, standing__in=standings)
    return rows.alias(standing=text_standing_on(context.on)).filter(~matching)


def difference(rows: Any, context: CheckContext) -> Iterator[tuple[Agreement, str]]:
    for agreement, record in records(rows, context):
        yield agreement, f"The status is “{agreement.get_status_display()}”. {text_standing(record, context.on).sentence}"


Rule(
    "status_differs_from_standing",
    Severity.WARNING,
    "The status of an agreement does not match its treaty actions.",
    "Record the action that is missing, or correct the status.",
).check(Agreement, differing, difference)


def all_met(rows: Any, context: CheckContext) -> Iterator[tuple[Agreement, str]]:
    for agreement, record in records(rows, context):
        found = conditions(record, context.on)
        if found and all(condition.met for condition in found):
            since = max(condition.met_on for condition in found)
            yield agreement, f"Every condition of entry into force has been met since {since}, and no entry into force is recorded."


HAS_CONDITIONS = Exists(Agreement.objects.filter(pk=OuterRef("pk"), conditions__isnull=False))

Rule(
    "conditions_met_not_in_force",
    Severity.WARNING,
    "Every condition of entry into force is met, and no entry into force is recorded.",
    "Record the entry into force, or correct the conditions.",
).check(
    Agreement,
    lambda rows, context: rows.exclude(legal_force=LegalForce.NON_BINDING).filter(HAS_CONDITIONS, ~has_action(*OWN_FORCE)),
    all_met,
    confirmed_in_python=True,
)


def in_force(rows: Any, context: CheckContext) -> Any:
    return rows.alias(standing=text_standing_on(context.on)).filter(in_force_on_first__lte=context.on, standing=TextStanding.IN_FORCE)


def not_all_met(rows: Any, context: CheckContext) -> Iterator[tuple[Agreement, str]]:
    for agreement, record in records(rows, context):
        unmet = [str(ConditionKind(c.condition.kind).label).lower() for c in conditions(record, context.on) if not c.met]
        if unmet:
            yield agreement, f"It is in force since {agreement.in_force_on}. By the actions recorded, not met: {', '.join(unmet)}."


Rule(
    "in_force_conditions_not_met",
    Severity.WARNING,
    "An agreement is in force, and by the actions recorded a condition of its entry into force is not met.",
    "Record the actions that are missing, or correct the condition or the entry into force.",
).check(Agreement, lambda rows, context: in_force(rows, context).filter(HAS_CONDITIONS), not_all_met, confirmed_in_python=True)


def without_plainly_bound_party(rows: Any, context: CheckContext) -> Any:
    """Those in force without a consent of which no computation is needed to see that it binds."""
    own = TreatyAction.objects.filter(agreement=OuterRef("agreement"), party=OuterRef("party"))
    moved = own.filter(kind__in=[*EXITS, *OWN_FORCE, ActionKind.DEPOSIT])
    consents = TreatyAction.objects.filter(agreement=OuterRef("pk"), kind__in=CONSENTS, acted_on_last__lte=context.on, effective_on="")
    plain = consents.filter(~Exists(moved), party__until="")
    return in_force(rows, context).filter(~Exists(plain.filter(agreement__later_joiner_delay="")))


def no_party_bound(rows: Any, context: CheckContext) -> Iterator[tuple[Agreement, str]]:
    for agreement, record in records(rows, context):
        if not any(party_standing(record, party, context.on).bound for party in earliest(record).parties):
            yield agreement, f"It is in force since {agreement.in_force_on}, and by the actions recorded no party is bound by it."


Rule(
    "in_force_without_parties",
    Severity.WARNING,
    "An agreement is in force, and by the actions recorded no party is bound by it.",
    "Record the consents of its parties, or their withdrawals and the end of the text.",
).check(Agreement, without_plainly_bound_party, no_party_bound, confirmed_in_python=True)

Rule(
    "in_force_without_date",
    Severity.INFO,
    "The status of an agreement is in force, and no dated action says since when.",
    "Record the entry into force with its day.",
).check(
    Agreement,
    lambda rows, context: rows.filter(
        Q(status=AgreementStatus.IN_FORCE),
        ~has_action(*OWN_FORCE, acted_on_first__isnull=False),
        ~has_action(*OWN_FORCE, effective_on_first__isnull=False),
    ),
    each(lambda agreement: "Its status is in force; no dated action says since when."),
)


def with_dissolved_party(rows: Any, context: CheckContext) -> Any:
    gone = TreatyAction.objects.filter(agreement=OuterRef("pk"), party__until_first__lte=context.on, kind__in=[*CONSENTS, *OWN_FORCE])
    return rows.exclude(legal_force=LegalForce.NON_BINDING).filter(Exists(gone))


def bound_when_dissolved(rows: Any, context: CheckContext) -> Iterator[tuple[Agreement, str]]:
    """Parties that only their end has released: their recorded actions alone would still bind them."""
    for agreement, record in records(rows, context):
        still = replace(record, dissolved={})
        gone = [party for party in earliest(record).parties if was_dissolved(record, party, context.on)]
        found = [record.name(party) for party in gone if party_standing(still, party, context.on).bound]
        if found:
            yield agreement, f"Bound when they ceased to exist, with no withdrawal recorded: {some(found)}."


def was_dissolved(record: AgreementRecord, party: str, on: date) -> bool:
    day = first_day(record.dissolved.get(party, ""))
    return day is not None and day <= on


def some(names: list[str]) -> str:
    """At most five of the names, and how many more there are."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


Rule(
    "bound_after_dissolution",
    Severity.WARNING,
    "A party that no longer exists was bound to the end, and no withdrawal is recorded. It counts as a former party since then.",
    "Record the withdrawal, or the succession of the states that took its place.",
).check(Agreement, with_dissolved_party, bound_when_dissolved, confirmed_in_python=True)

# ---- one text in place of another

ALIVE = [AgreementStatus.IN_FORCE, AgreementStatus.OPERATIVE]
NO_SUCCESSOR = [AgreementStatus.LAPSED, AgreementStatus.TERMINATED]


def successors(context: CheckContext) -> Any:
    """The relations by which another text supersedes this one."""
    return context.rows(AgreementRelation).filter(kind=RelationKind.SUPERSEDES, to_agreement=OuterRef("pk"))


def without_successor(rows: Any, context: CheckContext) -> Any:
    # What is published may not rest on a draft.
    shown = Q(from_agreement__publication=Publication.PUBLISHED) | Q(to_agreement__publication=Publication.DRAFT)
    valid = successors(context).filter(shown).exclude(from_agreement__status__in=NO_SUCCESSOR)
    return rows.filter(~Exists(valid), status=AgreementStatus.SUPERSEDED)


SUPERSEDED_WITHOUT_SUCCESSOR = Rule(
    "superseded_without_successor",
    Severity.ERROR,
    "A record is superseded, but no valid successor is recorded: it is missing, a draft, archived, lapsed or terminated.",
    "Name the record that took its place, or correct the status.",
)
SUPERSEDED_WITHOUT_SUCCESSOR.check(
    Agreement, without_successor, each(lambda agreement: "It is superseded, but no valid successor is recorded.")
)


def successors_alive(rows: Any, context: CheckContext) -> Iterator[tuple[Agreement, str]]:
    found = context.rows(AgreementRelation).filter(kind=RelationKind.SUPERSEDES, to_agreement__in=rows, from_agreement__status__in=ALIVE)
    names = {relation.to_agreement_id: relation.from_agreement.slug for relation in found.select_related("from_agreement")}
    for agreement in rows:
        yield agreement, f"It is “{agreement.get_status_display()}”, and so is {names[agreement.pk]}, which supersedes it."


Rule(
    "superseded_and_alive",
    Severity.WARNING,
    "A text is in force or operative, and so is another that supersedes it.",
    "Set its status to superseded, or make the relation another, such as amends.",
).check(
    Agreement,
    lambda rows, context: rows.filter(Exists(successors(context).filter(from_agreement__status__in=ALIVE)), status__in=ALIVE),
    successors_alive,
)

# ---- roles

# Which standing of a party a role claims.
CLAIMS: dict[str, set[PartyStanding]] = {
    ParticipationRole.PARTY: {PartyStanding.BOUND, PartyStanding.WITHDRAWING, PartyStanding.SUSPENDED},
    ParticipationRole.SIGNATORY: {PartyStanding.SIGNATORY, PartyStanding.CONTRACTING, PartyStanding.PROVISIONALLY_APPLYING},
    ParticipationRole.PROVISIONAL_APPLIER: {PartyStanding.PROVISIONALLY_APPLYING},
    ParticipationRole.FORMER_PARTY: {PartyStanding.FORMER_PARTY},
    ParticipationRole.ACCEDING: {PartyStanding.NONE, PartyStanding.ANNOUNCED, PartyStanding.SIGNATORY, PartyStanding.CONTRACTING},
    ParticipationRole.APPLICANT: {PartyStanding.NONE, PartyStanding.ANNOUNCED, PartyStanding.SIGNATORY, PartyStanding.FORMER_PARTY},
}
# Of a non-binding text these are sources' own words for whoever takes part.
TOLERATED = {ParticipationRole.PARTY, ParticipationRole.SIGNATORY}


def own_acts(*conditions: Q, **which: Any) -> Exists:
    """Whether the party of a participation has such an action on its agreement."""
    return Exists(TreatyAction.objects.filter(*conditions, agreement=OuterRef("agreement"), party=OuterRef("party"), **which))


def acts_on_a_protocol(context: CheckContext) -> Exists:
    """Whether the party of a participation has an action on an accession protocol to its agreement."""
    joined = context.rows(AgreementRelation).filter(kind=RelationKind.ACCESSION_TO, to_agreement=OuterRef("agreement"))
    return Exists(joined.filter(from_agreement__actions__party=OuterRef("party")))


def of_today(context: CheckContext) -> Q:
    """The participations that include the day, as far as their dates are known."""
    return (Q(since_first__isnull=True) | Q(since_first__lte=context.on)) & (Q(until_first__isnull=True) | Q(until_first__gt=context.on))


def plainly_filled(on: date) -> Q:
    """The most common participations of which no computation is needed to see that the role is right."""
    ended = TreatyAction.objects.filter(agreement=OuterRef("agreement"), kind__in=ENDS)
    lasts = Q(agreement__expires_on_last__isnull=True) | Q(agreement__expires_on_last__gte=on)
    lasts &= ~Q(Exists(ended))
    alive = lasts & ~own_acts(kind__in=EXITS)
    by_then = {"acted_on_first__lte": on, "effective_on": ""}
    binding = ~Q(agreement__legal_force=LegalForce.NON_BINDING)
    in_force = binding & Q(agreement__in_force_on_first__isnull=False, agreement__in_force_on_first__lte=on)
    later = Q(acted_on_first__gt=on) | Q(effective_on_first__gt=on)
    undated = Q(acted_on="", effective_on="")
    put_off = own_acts(later | undated, kind__in=[ActionKind.DEPOSIT, *OWN_FORCE])
    at_once = Q(agreement__later_joiner_delay="")
    bound = Q(role=ParticipationRole.PARTY) & in_force & alive & at_once & own_acts(kind__in=CONSENTS, **by_then) & ~put_off
    moved = own_acts(kind__in=[kind for kind in ActionKind if kind.group in ("consent", "force", "exit") and kind not in TO_BE_CONFIRMED])
    signed = Q(role=ParticipationRole.SIGNATORY) & binding & lasts & own_acts(kind__in=TO_BE_CONFIRMED, **by_then) & ~moved
    begun = own_acts(kind__in=[*SIGNATURES, ActionKind.START_OF_OPERATION], **by_then)
    takes_part = Q(agreement__legal_force=LegalForce.NON_BINDING, role__in=TOLERATED) & alive & begun
    return Q(party__until="") & (bound | signed | takes_part)


def against_standing(rows: Any, context: CheckContext) -> Iterator[tuple[Participation, str]]:
    rows = rows.select_related("party", "agreement")
    found = load_records({participation.agreement_id for participation in rows}, context.user)
    # The text is in force between both parties of a pair, although only one of them has an action.
    paired = {pk: {party for pair in pairs(record, context.on) for party in pair.parties} for pk, record in found.items()}
    for participation in rows:
        role, agreement = participation.role, participation.agreement_id
        standing = party_standing(found[agreement], participation.party.code, context.on)
        takes_part = participation.agreement.legal_force == LegalForce.NON_BINDING and standing.code == PartyStanding.PARTICIPANT
        fits = standing.code in CLAIMS[role] or (takes_part and role in TOLERATED)
        if not fits and not (role == ParticipationRole.PARTY and participation.party.code in paired[agreement]):
            yield participation, f"The role is “{participation.get_role_display()}”. {standing.sentence}"


Rule(
    "role_against_standing",
    Severity.WARNING,
    "The present role of a party does not match its treaty actions.",
    "End the participation, record the action that is missing, or correct the role.",
).check(
    Participation,
    lambda rows, context: rows.filter(
        of_today(context), own_acts() | acts_on_a_protocol(context), ~plainly_filled(context.on), role__in=CLAIMS
    ),
    against_standing,
    confirmed_in_python=True,
)


def without_action(rows: Any, context: CheckContext) -> Any:
    """Participations of a party without an action on the agreement or on an accession protocol to it."""
    roles = [ParticipationRole.PARTY, ParticipationRole.SIGNATORY, ParticipationRole.FORMER_PARTY]
    return rows.filter(~own_acts(), ~acts_on_a_protocol(context), role__in=roles)


Rule(
    "party_without_action",
    Severity.INFO,
    "A party, former party or signatory has no treaty action recorded.",
    "Record the signature or consent, with its source.",
).check(
    Participation,
    without_action,
    each(lambda row: f"{row.party.name} is named as {row.get_role_display().lower()}, and has no action recorded.", "party"),
)
