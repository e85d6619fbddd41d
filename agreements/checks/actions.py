"""Treaty actions by themselves, and compared with one another."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Coalesce

from agreements.models import Participation, Party, TreatyAction
from agreements.models.agreements import NON_PARTICIPANT_ROLES
from agreements.models.treaty_actions import CONSENTS, SIGNATURES, ActionKind
from agreements.standing.history import NOTICES, OWN_FORCE
from policytracker.quality.engine import CheckContext, Rule, Severity, each, latest

EFFECT_FIRST = Coalesce("effective_on_first", "acted_on_first")
EFFECT_LAST = Coalesce(latest("effective_on"), F("acted_on_last"))
SIGNATURES_AND_CONSENTS = [kind for kind in ActionKind if kind.group == "consent"]
FORCE_AND_EXITS = [kind for kind in ActionKind if kind.group in ("force", "exit")]
# A successor declares later that it was bound from an earlier day.
SUCCESSIONS = [ActionKind.SUCCESSION, ActionKind.CONTINUED_APPLICATION]
# The day of these is known in advance.
ANNOUNCED_IN_ADVANCE = [ActionKind.ENTRY_INTO_FORCE, ActionKind.ENTRY_INTO_FORCE_FOR_PARTY, ActionKind.WITHDRAWAL_EFFECT]


def of_the_same_party(**which: Any) -> Any:
    """Actions of the same party on the same agreement."""
    return TreatyAction.objects.filter(agreement=OuterRef("agreement"), party=OuterRef("party"), **which)


def named(action: TreatyAction) -> str:
    """The action in words: “Signature by Japan”."""
    return f"{action.get_kind_display()} by {action.party.name}" if action.party else action.get_kind_display()


Rule(
    "effect_before_act",
    Severity.WARNING,
    "An action takes effect before the day on which it was done.",
    "Compare both days with the source. A succession or continued application may be right as it is.",
).check(
    TreatyAction,
    lambda rows, context: rows.alias(effect=latest("effective_on")).filter(effect__lt=F("acted_on_first")),
    each(lambda action: f"{named(action)} takes effect on {action.effective_on}, before the action itself on {action.acted_on}.", "party"),
)

Rule(
    "undated_consent",
    Severity.WARNING,
    "A signature or consent has neither a date of its own nor an effective date, and therefore no effect.",
    "Find its day, or at least its year.",
).check(
    TreatyAction,
    lambda rows, context: rows.filter(kind__in=SIGNATURES_AND_CONSENTS, acted_on="", effective_on=""),
    each(lambda action: f"{named(action)} has no date, and therefore no effect.", "party"),
)

Rule(
    "undated_action",
    Severity.WARNING,
    "An action that brings into force, suspends or ends has no date, and therefore no effect.",
    "Find its day, or at least its year.",
).check(
    TreatyAction,
    lambda rows, context: rows.filter(kind__in=FORCE_AND_EXITS, acted_on="", effective_on=""),
    each(lambda action: f"{named(action)} has no date, and therefore no effect.", "party"),
)

Rule(
    "action_in_the_future",
    Severity.ERROR,
    "An action is recorded with a day in the future.",
    "Correct the day. What is only expected is not an action; an action may take effect later.",
).check(
    TreatyAction,
    lambda rows, context: rows.filter(acted_on_first__gt=context.on).exclude(kind__in=ANNOUNCED_IN_ADVANCE),
    each(lambda action: f"{named(action)} is recorded for {action.acted_on}, which is in the future.", "party"),
)


def outside_existence(rows: Any, context: CheckContext) -> Any:
    rows = rows.exclude(kind__in=SUCCESSIONS).alias(gone=latest("party__until"))
    return rows.filter(Q(gone__lte=F("acted_on_first")) | Q(party__since_first__gt=F("acted_on_last")))


Rule(
    "action_outside_party_existence",
    Severity.WARNING,
    "A party acts before it existed, or after it ceased to exist.",
    "Name the predecessor or successor that acted, or correct one of the days.",
).check(
    TreatyAction,
    outside_existence,
    each(lambda action: f"{named(action)} is dated {action.acted_on}; {existence(action.party)}.", "party"),
)


def existence(party: Party) -> str:
    since, until = (f" from {party.since}" if party.since else ""), (f" until {party.until}" if party.until else "")
    return f"{party.name} existed{since}{until}"


def before_consent(rows: Any, context: CheckContext) -> Any:
    """Entries into force for a party whose consents are all later."""
    consents = of_the_same_party(kind__in=CONSENTS)
    in_time = consents.filter(Q(acted_on_first__lte=OuterRef("ends")) | Q(effective_on_first__lte=OuterRef("ends")))
    later = consents.exclude(kind__in=SUCCESSIONS).filter(
        Q(acted_on_first__gt=OuterRef("ends")) | Q(effective_on_first__gt=OuterRef("ends"))
    )
    own = rows.filter(party__isnull=False, kind__in=OWN_FORCE).alias(ends=EFFECT_LAST)
    return own.filter(~Exists(in_time), Exists(later), ends__isnull=False)


Rule(
    "own_force_before_consent",
    Severity.WARNING,
    "A text enters into force for a party before the party consents to be bound.",
    "Compare both days with the source, or record the earlier consent. A succession may be right as it is.",
).check(
    TreatyAction,
    before_consent,
    each(lambda action: f"{named(action)} is dated {action.effective_on or action.acted_on}, before the consent of the party.", "party"),
)


def without_effect(rows: Any, context: CheckContext) -> Any:
    """Notices given more than a year ago that took no effect and were not revoked."""
    given = rows.filter(kind__in=NOTICES, effective_on="", acted_on_first__isnull=False)
    later = of_the_same_party().alias(effect=EFFECT_FIRST).filter(effect__gte=OuterRef("acted_on_first"))
    left = later.filter(kind=ActionKind.WITHDRAWAL_EFFECT)
    revoked = later.filter(kind=ActionKind.NOTICE_REVOCATION)
    return given.filter(~Exists(left), ~Exists(revoked), acted_on_last__lt=year_before(context.on))


def year_before(on: date) -> date:
    """The day one year before, the last day of February for its 29th."""
    try:
        return on.replace(year=max(1, on.year - 1))
    except ValueError:
        return on.replace(year=on.year - 1, day=28)


Rule(
    "notice_without_effect",
    Severity.WARNING,
    "A notice of withdrawal was given more than 12 months ago, and neither its effect nor its revocation is recorded.",
    "Record the day on which the withdrawal took effect, or the revocation of the notice.",
).check(
    TreatyAction,
    without_effect,
    each(lambda action: f"{named(action)} was given on {action.acted_on}; no effect of it is recorded.", "party"),
)


def without_participation(rows: Any, context: CheckContext) -> Any:
    """The first such action of each party."""
    kinds = [*SIGNATURES_AND_CONSENTS, ActionKind.ENTRY_INTO_FORCE_FOR_PARTY, ActionKind.START_OF_OPERATION]
    listed = Participation.objects.filter(agreement=OuterRef("agreement"), party=OuterRef("party")).exclude(role__in=NON_PARTICIPANT_ROLES)
    earlier = of_the_same_party(kind__in=kinds, pk__lt=OuterRef("pk"))
    return rows.filter(~Exists(listed), ~Exists(earlier), party__isnull=False, kind__in=kinds)


Rule(
    "consent_without_participation",
    Severity.INFO,
    "A party has signed or consented, and has no participation in the agreement.",
    "Add its participation; the filter by party uses it.",
).check(
    TreatyAction, without_participation, each(lambda action: f"{named(action)} is recorded, but no participation of the party.", "party")
)

Rule(
    "withdrawal_without_notice",
    Severity.INFO,
    "A withdrawal takes effect, and no notice of it is recorded.",
    "Record the notice with its day.",
).check(
    TreatyAction,
    lambda rows, context: rows.filter(~Exists(of_the_same_party(kind__in=NOTICES)), kind=ActionKind.WITHDRAWAL_EFFECT, party__isnull=False),
    each(lambda action: f"{named(action)}: no notice of it is recorded.", "party"),
)


def before_any_signature(rows: Any, context: CheckContext) -> Any:
    """Entries into force of texts of which signatures are recorded, and not only consents of later parties."""
    consents = TreatyAction.objects.filter(agreement=OuterRef("agreement"), kind__in=SIGNATURES_AND_CONSENTS)
    signed = consents.filter(kind__in=SIGNATURES, acted_on_first__isnull=False)
    in_time = consents.filter(Q(acted_on_first__lte=OuterRef("begins")) | Q(effective_on_first__lte=OuterRef("begins")))
    force = rows.filter(kind=ActionKind.ENTRY_INTO_FORCE, party__isnull=True)
    return force.alias(begins=EFFECT_LAST).filter(Exists(signed), ~Exists(in_time), begins__isnull=False)


Rule(
    "in_force_before_signature",
    Severity.WARNING,
    "A text enters into force before any party has signed it or consented to it.",
    "Compare the days with the source. A text may apply to days before it was made.",
).check(
    TreatyAction,
    before_any_signature,
    each(lambda action: f"It is in force from {action.effective_on or action.acted_on}, before any party signed or consented."),
)
