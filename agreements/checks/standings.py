"""Data checks that compare agreements and participations with the standing computed from treaty actions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db.models import BooleanField, Case, CharField, Exists, Func, OuterRef, Q, Value, When
from django.utils.translation import gettext_lazy as _

from agreements.models import Agreement, AgreementRelation, LegalForce, Participation, TreatyAction
from agreements.models.agreements import AgreementStatus, ParticipationRole
from agreements.models.relations import RelationKind
from agreements.models.treaty_actions import CONSENTS, SIGNATURES, ActionKind, ConditionKind
from agreements.standing import AgreementRecord, PartyStanding, TextStanding, conditions, pairs, party_standing, text_standing
from agreements.standing.answers import NAMED, earliest
from agreements.standing.data import load_records
from agreements.standing.history import OWN_FORCE
from agreements.standing.queries import text_standing_on
from policytracker.edtf import first_day
from policytracker.quality.engine import BATCH, CheckContext, Rule, Severity, each, list_in_words
from policytracker.records.access import Publication

# The standings of the text that match each status of an agreement.
MATCHING_STANDINGS: dict[AgreementStatus, set[TextStanding]] = {
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


def has_action(*kinds: str, **conditions: Any) -> Exists:
    """Whether an agreement has an action of these kinds."""
    return Exists(TreatyAction.objects.filter(agreement=OuterRef("pk"), kind__in=kinds, **conditions))


def records(rows: Any, context: CheckContext) -> Iterator[tuple[Agreement, AgreementRecord]]:
    """Each agreement with the record that its standing is computed from."""
    loaded = loaded_records([agreement.pk for agreement in rows], context)
    for agreement in rows:
        if agreement.pk in loaded:
            yield agreement, loaded[agreement.pk]


def loaded_records(pks: Iterable[int], context: CheckContext) -> dict[int, AgreementRecord]:
    """The records of these agreements. Checks that are counted together load the records of all their agreements at once."""
    wanted = set(pks)
    missing = wanted - context.loaded.keys()
    together = missing | context.candidates.get(Agreement, set())
    if len(context.loaded) + len(together) > BATCH or not context.candidates:
        return load_records(wanted, context.reader)
    if missing:
        context.loaded.update(load_records(together, context.reader))
    return {pk: record for pk, record in context.loaded.items() if pk in wanted}


def differing(rows: Any, context: CheckContext) -> Any:
    """Agreements whose status does not match their standing. An unknown standing matches every status."""
    # The expression of the standing is long, so it occurs only once.
    codes = {
        status: Value(sorted({*allowed, TextStanding.UNKNOWN}), ArrayField(CharField())) for status, allowed in MATCHING_STANDINGS.items()
    }
    matching = Case(*(When(status=status, then=allowed) for status, allowed in codes.items()))
    allowed = Func(
        matching, text_standing_on(context.on), template="array_position(%(expressions)s) IS NOT NULL", output_field=BooleanField()
    )
    return rows.filter(~Q(allowed))


def difference(rows: Any, context: CheckContext) -> Iterator[tuple[Agreement, str]]:
    for agreement, record in records(rows, context):
        label, reason = agreement.get_status_display(), text_standing(record, context.on).sentence
        yield agreement, _("The status is “{label}”. {reason}").format(label=label, reason=reason)


Rule(
    "status_differs_from_standing",
    Severity.WARNING,
    _("The status of an agreement does not match its treaty actions."),
    _("Record the missing action, or correct the status."),
    title=_("Status contradicts treaty actions"),
).check(Agreement, differing, difference)


MET_WITHOUT_ENTRY_INTO_FORCE = _("All conditions of entry into force have been met since {since}, but no entry into force is recorded.")
NOT_MET_BY_ACTIONS = _("In force since {since}. Not met according to the recorded actions: {conditions}.")
NO_PARTY_IS_BOUND = _("In force since {since}, but according to the recorded actions no party is bound.")


def all_met(rows: Any, context: CheckContext) -> Iterator[tuple[Agreement, str]]:
    for agreement, record in records(rows, context):
        results = conditions(record, context.on)
        if results and all(result.met for result in results):
            since = max(result.met_on for result in results)
            yield agreement, MET_WITHOUT_ENTRY_INTO_FORCE.format(since=since)


HAS_CONDITIONS = Exists(Agreement.objects.filter(pk=OuterRef("pk"), conditions__isnull=False))

Rule(
    "conditions_met_not_in_force",
    Severity.WARNING,
    _("All conditions of entry into force are met, but no entry into force is recorded."),
    _("Record the entry into force, or correct the conditions."),
    title=_("Conditions met but not in force"),
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
            yield agreement, NOT_MET_BY_ACTIONS.format(since=agreement.in_force_on, conditions=", ".join(unmet))


Rule(
    "in_force_conditions_not_met",
    Severity.WARNING,
    _("An agreement is in force, but according to the recorded actions a condition of entry into force is not met."),
    _("Record the missing actions, or correct the condition or the entry into force."),
    title=_("In force with unmet conditions"),
).check(Agreement, lambda rows, context: in_force(rows, context).filter(HAS_CONDITIONS), not_all_met, confirmed_in_python=True)


def without_obviously_bound_party(rows: Any, context: CheckContext) -> Any:
    """Agreements in force, except those with a consent that obviously binds, so that fewer standings are computed."""
    own = TreatyAction.objects.filter(agreement=OuterRef("agreement"), party=OuterRef("party"))
    moved = own.filter(kind__in=[*EXITS, *OWN_FORCE, ActionKind.DEPOSIT])
    consents = TreatyAction.objects.filter(agreement=OuterRef("pk"), kind__in=CONSENTS, acted_on_last__lte=context.on, effective_on="")
    obvious = consents.filter(~Exists(moved), party__until="")
    return in_force(rows, context).filter(~Exists(obvious.filter(agreement__later_joiner_delay="")))


def no_party_bound(rows: Any, context: CheckContext) -> Iterator[tuple[Agreement, str]]:
    for agreement, record in records(rows, context):
        if not any(party_standing(record, party, context.on).bound for party in earliest(record).parties):
            yield agreement, NO_PARTY_IS_BOUND.format(since=agreement.in_force_on)


Rule(
    "in_force_without_parties",
    Severity.WARNING,
    _("An agreement is in force, but according to the recorded actions no party is bound."),
    _("Record the missing consents, or the withdrawals and the termination."),
    title=_("In force without parties"),
).check(Agreement, without_obviously_bound_party, no_party_bound, confirmed_in_python=True)

Rule(
    "in_force_without_date",
    Severity.INFO,
    _("The status of an agreement is in force, but no dated action records its entry into force."),
    _("Record the entry into force with its date."),
    title=_("In force without date"),
).check(
    Agreement,
    lambda rows, context: rows.filter(
        Q(status=AgreementStatus.IN_FORCE),
        ~has_action(*OWN_FORCE, acted_on_first__isnull=False),
        ~has_action(*OWN_FORCE, effective_on_first__isnull=False),
    ),
    each(_("The status is in force, but no dated action records the entry into force.")),
)


def with_dissolved_party(rows: Any, context: CheckContext) -> Any:
    gone = TreatyAction.objects.filter(agreement=OuterRef("pk"), party__until_first__lte=context.on, kind__in=[*CONSENTS, *OWN_FORCE])
    return rows.exclude(legal_force=LegalForce.NON_BINDING).filter(Exists(gone))


def bound_when_dissolved(rows: Any, context: CheckContext) -> Iterator[tuple[Agreement, str]]:
    """Agreements with parties that their recorded actions would still bind if they had not ceased to exist."""
    for agreement, record in records(rows, context):
        undissolved = replace(record, dissolved={})
        gone = [party for party in earliest(record).parties if was_dissolved(record, party, context.on)]
        names = [record.name(party) for party in gone if party_standing(undissolved, party, context.on).bound]
        if names:
            yield (
                agreement,
                _("Bound when they ceased to exist, without a recorded withdrawal: {parties}.").format(parties=list_in_words(names, NAMED)),
            )


def was_dissolved(record: AgreementRecord, party: str, on: date) -> bool:
    day = first_day(record.dissolved.get(party, ""))
    return day is not None and day <= on


Rule(
    "bound_after_dissolution",
    Severity.WARNING,
    _("A party was bound when it ceased to exist, and no withdrawal is recorded. It counts as a former party from then on."),
    _("Record the withdrawal, or the succession of its successor states."),
    title=_("Bound when it ceased to exist"),
).check(Agreement, with_dissolved_party, bound_when_dissolved, confirmed_in_python=True)

# ---- superseded agreements

IN_EFFECT = [AgreementStatus.IN_FORCE, AgreementStatus.OPERATIVE]
NO_SUCCESSOR = [AgreementStatus.LAPSED, AgreementStatus.TERMINATED]


def successors(context: CheckContext) -> Any:
    """The relations in which another agreement supersedes this one."""
    return context.rows(AgreementRelation).filter(kind=RelationKind.SUPERSEDES, to_agreement=OuterRef("pk"))


def without_successor(rows: Any, context: CheckContext) -> Any:
    # A draft is no valid successor of a published agreement.
    shown = Q(from_agreement__publication=Publication.PUBLISHED) | Q(to_agreement__publication=Publication.DRAFT)
    valid = successors(context).filter(shown).exclude(from_agreement__status__in=NO_SUCCESSOR)
    return rows.filter(~Exists(valid), status=AgreementStatus.SUPERSEDED)


SUPERSEDED_WITHOUT_SUCCESSOR = Rule(
    "superseded_without_successor",
    Severity.ERROR,
    _("A record is superseded, but no valid successor is recorded: it is missing, a draft, archived, lapsed or terminated."),
    _("Add the successor, or correct the status."),
    title=_("Superseded without successor"),
)
NO_VALID_SUCCESSOR = each(_("Superseded, but no valid successor is recorded."))
SUPERSEDED_WITHOUT_SUCCESSOR.check(Agreement, without_successor, NO_VALID_SUCCESSOR)


SUPERSEDED_BY_ONE_IN_FORCE = _("In force or operative, although it is superseded by {successor}, which is in force or operative too.")


def successors_in_effect(rows: Any, context: CheckContext) -> Iterator[tuple[Agreement, str]]:
    relations = context.rows(AgreementRelation).filter(
        kind=RelationKind.SUPERSEDES, to_agreement__in=rows, from_agreement__status__in=IN_EFFECT
    )
    names = {relation.to_agreement_id: relation.from_agreement.slug for relation in relations.select_related("from_agreement")}
    for agreement in rows:
        yield agreement, SUPERSEDED_BY_ONE_IN_FORCE.format(successor=names[agreement.pk])


Rule(
    "superseded_but_in_force",
    Severity.WARNING,
    _("An agreement and another one that supersedes it are both in force or operative."),
    _("Set the status to superseded, or change the kind of relation, for example to amends."),
    title=_("Superseded but still in force"),
).check(
    Agreement,
    lambda rows, context: rows.filter(Exists(successors(context).filter(from_agreement__status__in=IN_EFFECT)), status__in=IN_EFFECT),
    successors_in_effect,
)

# ---- roles

# The standings of a party that match each role.
MATCHING_ROLES: dict[str, set[PartyStanding]] = {
    ParticipationRole.PARTY: {PartyStanding.BOUND, PartyStanding.WITHDRAWING, PartyStanding.SUSPENDED},
    ParticipationRole.SIGNATORY: {PartyStanding.SIGNATORY, PartyStanding.CONTRACTING, PartyStanding.PROVISIONALLY_APPLYING},
    ParticipationRole.PROVISIONAL_APPLIER: {PartyStanding.PROVISIONALLY_APPLYING},
    ParticipationRole.FORMER_PARTY: {PartyStanding.FORMER_PARTY},
    ParticipationRole.ACCEDING: {PartyStanding.NONE, PartyStanding.ANNOUNCED, PartyStanding.SIGNATORY, PartyStanding.CONTRACTING},
    ParticipationRole.APPLICANT: {PartyStanding.NONE, PartyStanding.ANNOUNCED, PartyStanding.SIGNATORY, PartyStanding.FORMER_PARTY},
}
# Sources also use these roles for participants in a non-binding text.
PARTICIPANT_ROLES = {ParticipationRole.PARTY, ParticipationRole.SIGNATORY}


def own_actions(*conditions: Q, **lookups: Any) -> Exists:
    """Whether the party of a participation has an action with these properties on the agreement."""
    return Exists(TreatyAction.objects.filter(*conditions, agreement=OuterRef("agreement"), party=OuterRef("party"), **lookups))


def actions_on_protocols(context: CheckContext) -> Exists:
    """Whether the party of a participation has an action on an accession protocol to the agreement."""
    joined = context.rows(AgreementRelation).filter(kind=RelationKind.ACCESSION_TO, to_agreement=OuterRef("agreement"))
    return Exists(joined.filter(from_agreement__actions__party=OuterRef("party")))


def current(context: CheckContext) -> Q:
    """The condition that a participation covers the day. An unknown date excludes nothing."""
    return (Q(since_first__isnull=True) | Q(since_first__lte=context.on)) & (Q(until_first__isnull=True) | Q(until_first__gt=context.on))


def obviously_matching(on: date) -> Q:
    """The condition that a role obviously matches the actions, in the most common cases, so that fewer standings are computed."""
    ended = TreatyAction.objects.filter(agreement=OuterRef("agreement"), kind__in=ENDS)
    lasts = Q(agreement__expires_on_last__isnull=True) | Q(agreement__expires_on_last__gte=on)
    lasts &= ~Q(Exists(ended))
    staying = lasts & ~own_actions(kind__in=EXITS)
    by_day = {"acted_on_first__lte": on, "effective_on": ""}
    binding = ~Q(agreement__legal_force=LegalForce.NON_BINDING)
    in_force = binding & Q(agreement__in_force_on_first__isnull=False, agreement__in_force_on_first__lte=on)
    later = Q(acted_on_first__gt=on) | Q(effective_on_first__gt=on)
    undated = Q(acted_on="", effective_on="")
    put_off = own_actions(later | undated, kind__in=[ActionKind.DEPOSIT, *OWN_FORCE])
    at_once = Q(agreement__later_joiner_delay="")
    bound = Q(role=ParticipationRole.PARTY) & in_force & staying & at_once & own_actions(kind__in=CONSENTS, **by_day) & ~put_off
    moved = own_actions(
        kind__in=[kind for kind in ActionKind if kind.group in ("consent", "force", "exit") and kind not in TO_BE_CONFIRMED]
    )
    signed = Q(role=ParticipationRole.SIGNATORY) & binding & lasts & own_actions(kind__in=TO_BE_CONFIRMED, **by_day) & ~moved
    begun = own_actions(kind__in=[*SIGNATURES, ActionKind.START_OF_OPERATION], **by_day)
    takes_part = Q(agreement__legal_force=LegalForce.NON_BINDING, role__in=PARTICIPANT_ROLES) & staying & begun
    return Q(party__until="") & (bound | signed | takes_part)


def against_standing(rows: Any, context: CheckContext) -> Iterator[tuple[Participation, str]]:
    rows = rows.select_related("party", "agreement")
    loaded = loaded_records({participation.agreement_id for participation in rows}, context)
    # Both parties of a pair count as parties, although only one of them has an action.
    paired = {pk: {party for pair in pairs(record, context.on) for party in pair.parties} for pk, record in loaded.items()}
    for participation in rows:
        role, agreement = participation.role, participation.agreement_id
        standing = party_standing(loaded[agreement], participation.party.code, context.on)
        takes_part = participation.agreement.legal_force == LegalForce.NON_BINDING and standing.code == PartyStanding.PARTICIPANT
        fits = standing.code in MATCHING_ROLES[role] or (takes_part and role in PARTICIPANT_ROLES)
        if not fits and not (role == ParticipationRole.PARTY and participation.party.code in paired[agreement]):
            label = participation.get_role_display()
            yield participation, _("The role is “{label}”. {reason}").format(label=label, reason=standing.sentence)


Rule(
    "role_against_standing",
    Severity.WARNING,
    _("The current role of a party does not match its treaty actions."),
    _("End the participation, record the missing action, or correct the role."),
    title=_("Role contradicts treaty actions"),
).check(
    Participation,
    lambda rows, context: rows.filter(
        current(context), own_actions() | actions_on_protocols(context), ~obviously_matching(context.on), role__in=MATCHING_ROLES
    ),
    against_standing,
    confirmed_in_python=True,
)


def without_action(rows: Any, context: CheckContext) -> Any:
    """Participations of a party without an action on the agreement or on an accession protocol to it."""
    roles = [ParticipationRole.PARTY, ParticipationRole.SIGNATORY, ParticipationRole.FORMER_PARTY]
    return rows.filter(~own_actions(), ~actions_on_protocols(context), role__in=roles)


Rule(
    "party_without_action",
    Severity.INFO,
    _("A party, former party or signatory has no recorded treaty action."),
    _("Record the signature or consent, with its source."),
    title=_("Party without treaty action"),
).check(
    Participation,
    without_action,
    each(
        _("{party} is recorded as {label}, but has no treaty action."),
        "party",
        party=lambda participation: participation.party.name,
        label=lambda participation: participation.get_role_display().lower(),
    ),
)
