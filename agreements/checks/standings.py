"""Agreements and their parties against what follows from the treaty actions."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

from django.db.models import Exists, OuterRef, Q

from agreements.acts import texts
from agreements.conditions import conditions
from agreements.models import Agreement, AgreementRelation, LegalForce, Participation, TreatyAction
from agreements.models.agreements import AgreementStatus, ParticipationRole, RelationKind
from agreements.models.treaty_actions import CONSENTS, SIGNATURES, ActionKind
from agreements.standing import PartyStanding, TextStanding, pairs, party_standing, text_standing
from policytracker.checks import Look, Rule, Severity, each
from policytracker.visibility import Publication

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
FORCE = [ActionKind.ENTRY_INTO_FORCE, ActionKind.ENTRY_INTO_FORCE_FOR_PARTY]
ENDS = [ActionKind.TERMINATION, ActionKind.SUSPENSION]
EXITS = [kind for kind in ActionKind if kind.group == "exit"]
TO_BE_CONFIRMED = [kind for kind in SIGNATURES if kind not in CONSENTS]


def acts(*kinds: str, **which: Any) -> Exists:
    """Whether an agreement has an act of these kinds, or any."""
    rows = TreatyAction.objects.filter(agreement=OuterRef("pk"), **which)
    return Exists(rows.filter(kind__in=kinds) if kinds else rows)


def plainly_right(on: date) -> Q:
    """The commonest agreements of which no computation is needed to see that their status agrees."""
    lasts = Q(expires_on_last__isnull=True) | Q(expires_on_last__gte=on)
    by_then = {"acted_on_first__lte": on, "effective_on": ""}
    signed = acts(*SIGNATURES, **by_then)
    begun = acts(*SIGNATURES, ActionKind.START_OF_OPERATION, **by_then)
    binding = ~Q(legal_force=LegalForce.NON_BINDING)
    # Whatever may be unknown is asked for as well, since this is negated.
    in_force = Q(status=AgreementStatus.IN_FORCE, in_force_on_first__isnull=False, in_force_on_first__lte=on) & binding
    just_signed = Q(status=AgreementStatus.SIGNED) & binding & signed & ~acts(*FORCE, ActionKind.PROVISIONAL_APPLICATION)
    operative = Q(status=AgreementStatus.OPERATIVE, legal_force=LegalForce.NON_BINDING) & begun
    return lasts & ~acts(*ENDS) & (in_force | just_signed | operative)


def may_differ(rows: Any, look: Look) -> Any:
    has_standing = acts() | Q(expires_on_last__lt=look.on)
    return rows.filter(has_standing).exclude(status=AgreementStatus.SUPERSEDED).filter(~plainly_right(look.on))


def differing(rows: Any, look: Look) -> Iterator[tuple[Agreement, str]]:
    """Those whose status is another than the acts say."""
    found = texts(agreement.pk for agreement in rows)
    for agreement in rows:
        standing = text_standing(found[agreement.pk], look.on)
        if standing.code != TextStanding.UNKNOWN and standing.code not in AGREES[AgreementStatus(agreement.status)]:
            yield agreement, f"The status is “{agreement.get_status_display()}”, but: {standing.sentence}"


Rule(
    "status_differs_from_standing",
    Severity.WARNING,
    "The status of an agreement is another than its treaty actions say.",
    "Record the action that is missing, or set the status right.",
).check(Agreement, may_differ, differing, sifted=True)


def all_met(rows: Any, look: Look) -> Iterator[tuple[Agreement, str]]:
    found = texts(agreement.pk for agreement in rows)
    for agreement in rows:
        judged = conditions(found[agreement.pk], look.on)
        if judged and all(one.met for one in judged):
            since = max(one.met_on for one in judged)
            yield agreement, f"Every condition of its entry into force is met, the last since {since}, and no entry into force is recorded."


Rule(
    "conditions_met_not_in_force",
    Severity.WARNING,
    "All that a text asks for its entry into force is met, and no entry into force is recorded.",
    "Record the entry into force, or mend the conditions.",
).check(
    Agreement,
    lambda rows, look: rows.exclude(legal_force=LegalForce.NON_BINDING).filter(
        Exists(Agreement.objects.filter(pk=OuterRef("pk"), conditions__isnull=False)), ~acts(*FORCE)
    ),
    all_met,
    sifted=True,
)

Rule(
    "in_force_without_date",
    Severity.INFO,
    "An agreement is said to be in force, and no dated action says since when.",
    "Record the entry into force with its day.",
).check(
    Agreement,
    lambda rows, look: rows.filter(
        Q(status=AgreementStatus.IN_FORCE), ~acts(*FORCE, acted_on_first__isnull=False), ~acts(*FORCE, effective_on_first__isnull=False)
    ),
    each(lambda agreement: "It is said to be in force; no action says since when."),
)

# ---- one text in place of another

ALIVE = [AgreementStatus.IN_FORCE, AgreementStatus.OPERATIVE]
NO_SUCCESSOR = [AgreementStatus.LAPSED, AgreementStatus.TERMINATED]


def successors(look: Look) -> Any:
    """The relations by which another text supersedes this one."""
    return look.rows(AgreementRelation).filter(kind=RelationKind.SUPERSEDES, to_agreement=OuterRef("pk"))


def without_successor(rows: Any, look: Look) -> Any:
    # What is published may not rest on a draft.
    shown = Q(from_agreement__publication=Publication.PUBLISHED) | Q(to_agreement__publication=Publication.DRAFT)
    valid = successors(look).filter(shown).exclude(from_agreement__status__in=NO_SUCCESSOR)
    return rows.filter(~Exists(valid), status=AgreementStatus.SUPERSEDED)


SUPERSEDED_WITHOUT_SUCCESSOR = Rule(
    "superseded_without_successor",
    Severity.ERROR,
    "A record is superseded, and by none that stands: its successor is not named, a draft, in the archive, lapsed or terminated.",
    "Name the record that took its place, or set the status right.",
)
SUPERSEDED_WITHOUT_SUCCESSOR.check(
    Agreement, without_successor, each(lambda agreement: "It is superseded, and no published text that stands supersedes it.")
)


def successors_alive(rows: Any, look: Look) -> Iterator[tuple[Agreement, str]]:
    found = look.rows(AgreementRelation).filter(kind=RelationKind.SUPERSEDES, to_agreement__in=rows, from_agreement__status__in=ALIVE)
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
    lambda rows, look: rows.filter(Exists(successors(look).filter(from_agreement__status__in=ALIVE)), status__in=ALIVE),
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
    """Whether the party of a participation has such an act upon its agreement."""
    return Exists(TreatyAction.objects.filter(*conditions, agreement=OuterRef("agreement"), party=OuterRef("party"), **which))


def of_today(look: Look) -> Q:
    """The spells that the day is in, as far as they are known."""
    return (Q(since_first__isnull=True) | Q(since_first__lte=look.on)) & (Q(until_first__isnull=True) | Q(until_first__gt=look.on))


def plainly_filled(on: date) -> Q:
    """The commonest spells of which no computation is needed to see that the role is right."""
    ended = TreatyAction.objects.filter(agreement=OuterRef("agreement"), kind__in=ENDS)
    lasts = Q(agreement__expires_on_last__isnull=True) | Q(agreement__expires_on_last__gte=on)
    lasts &= ~Q(Exists(ended))
    alive = lasts & ~own_acts(kind__in=EXITS)
    by_then = {"acted_on_first__lte": on, "effective_on": ""}
    binding = ~Q(agreement__legal_force=LegalForce.NON_BINDING)
    in_force = binding & Q(agreement__in_force_on_first__isnull=False, agreement__in_force_on_first__lte=on)
    later = Q(acted_on_first__gt=on) | Q(effective_on_first__gt=on)
    put_off = own_acts(later, kind__in=[ActionKind.DEPOSIT, ActionKind.ENTRY_INTO_FORCE_FOR_PARTY])
    bound = Q(role=ParticipationRole.PARTY) & in_force & alive & own_acts(kind__in=CONSENTS, **by_then) & ~put_off
    moved = own_acts(kind__in=[kind for kind in ActionKind if kind.group in ("consent", "force", "exit") and kind not in TO_BE_CONFIRMED])
    signed = Q(role=ParticipationRole.SIGNATORY) & binding & lasts & own_acts(kind__in=TO_BE_CONFIRMED, **by_then) & ~moved
    begun = own_acts(kind__in=[*SIGNATURES, ActionKind.START_OF_OPERATION], **by_then)
    takes_part = Q(agreement__legal_force=LegalForce.NON_BINDING, role__in=TOLERATED) & alive & begun
    return bound | signed | takes_part


def against_standing(rows: Any, look: Look) -> Iterator[tuple[Participation, str]]:
    rows = rows.select_related("party", "agreement")
    found = texts({spell.agreement_id for spell in rows})
    # Between the other party of a pair and the one that joins it is in force, although no act of its own says so.
    paired = {pk: {party for pair in pairs(text, look.on) for party in pair.parties} for pk, text in found.items()}
    for spell in rows:
        standing = party_standing(found[spell.agreement_id], spell.party.code, look.on)
        takes_part = spell.agreement.legal_force == LegalForce.NON_BINDING and standing.code == PartyStanding.PARTICIPANT
        fits = standing.code in CLAIMS[spell.role] or (takes_part and spell.role in TOLERATED)
        if not fits and not (spell.role == ParticipationRole.PARTY and spell.party.code in paired[spell.agreement_id]):
            yield spell, f"The role is “{spell.get_role_display()}”, but: {standing.sentence}"


Rule(
    "role_against_standing",
    Severity.WARNING,
    "The present role of a party is another than its treaty actions say.",
    "End the spell, record the action that is missing, or correct the role.",
).check(
    Participation,
    lambda rows, look: rows.filter(of_today(look), own_acts(), ~plainly_filled(look.on), role__in=CLAIMS),
    against_standing,
    sifted=True,
)


def without_action(rows: Any, look: Look) -> Any:
    """Those of a party that has acted neither upon the agreement nor upon a text by which it accedes to it."""
    joined = look.rows(AgreementRelation).filter(kind=RelationKind.ACCESSION_TO, to_agreement=OuterRef("agreement"))
    elsewhere = joined.filter(from_agreement__actions__party=OuterRef("party"))
    roles = [ParticipationRole.PARTY, ParticipationRole.SIGNATORY, ParticipationRole.FORMER_PARTY]
    return rows.filter(~own_acts(), ~Exists(elsewhere), role__in=roles)


Rule(
    "party_without_action",
    Severity.INFO,
    "Somebody is named as party, former party or signatory, and no treaty action of theirs is recorded.",
    "Record the signature or consent, with its source.",
).check(
    Participation,
    without_action,
    each(lambda spell: f"{spell.party.name} is named as {spell.get_role_display().lower()}, and no action of theirs is recorded.", "party"),
)
