"""Treaty actions by themselves, and beside one another."""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Coalesce

from agreements.effects import NOTICES
from agreements.models import Participation, Party, TreatyAction
from agreements.models.agreements import BYSTANDERS
from agreements.models.treaty_actions import SIGNATURES, ActionKind
from policytracker.checks import Look, Rule, Severity, each, latest

CONSENTS = [kind for kind in ActionKind if kind.group == "consent"]
MOVES = [kind for kind in ActionKind if kind.group in ("force", "exit")]


def of_the_same_party(**which: Any) -> Any:
    """Acts of the same party upon the same agreement."""
    return TreatyAction.objects.filter(agreement=OuterRef("agreement"), party=OuterRef("party"), **which)


def named(action: TreatyAction) -> str:
    """The act in words: “Signature by Japan”."""
    return f"{action.get_kind_display()} by {action.party.name}" if action.party else action.get_kind_display()


Rule(
    "effect_before_act",
    Severity.WARNING,
    "An act has its effect before the day on which it was done.",
    "Compare both days with the source. A succession or continued application may be right as it is.",
).check(
    TreatyAction,
    lambda rows, look: rows.alias(effect=latest("effective_on")).filter(effect__lt=F("acted_on_first")),
    each(lambda action: f"{named(action)} has effect from {action.effective_on}, before the act of {action.acted_on}.", "party"),
)

Rule(
    "undated_consent",
    Severity.WARNING,
    "A signature or consent has neither a day of its own nor one of effect, and so counts for nothing.",
    "Find its day, or at least its year.",
).check(
    TreatyAction,
    lambda rows, look: rows.filter(kind__in=CONSENTS, acted_on="", effective_on=""),
    each(lambda action: f"{named(action)} has no day, and counts for nothing.", "party"),
)

Rule(
    "undated_act",
    Severity.WARNING,
    "An act that puts in force, suspends or ends has no day, and so counts for nothing.",
    "Find its day, or at least its year.",
).check(
    TreatyAction,
    lambda rows, look: rows.filter(kind__in=MOVES, acted_on="", effective_on=""),
    each(lambda action: f"{named(action)} has no day, and counts for nothing.", "party"),
)

Rule(
    "act_in_the_future",
    Severity.ERROR,
    "An act is recorded as done on a day that has not come.",
    "Correct the day. What is only expected is no act; an act may have its effect later.",
).check(
    TreatyAction,
    lambda rows, look: rows.filter(acted_on_first__gt=look.on),
    each(lambda action: f"{named(action)} is recorded as done on {action.acted_on}.", "party"),
)


def outside_its_life(rows: Any, look: Look) -> Any:
    return rows.alias(gone=latest("party__until")).filter(Q(gone__lte=F("acted_on_first")) | Q(party__since_first__gt=F("acted_on_last")))


Rule(
    "act_outside_a_partys_life",
    Severity.ERROR,
    "A party acts before it came into being, or after it ceased to be.",
    "Name the predecessor or successor that acted, or correct one of the days.",
).check(
    TreatyAction,
    outside_its_life,
    each(lambda action: f"{named(action)} is dated {action.acted_on}; {life(action.party)}.", "party"),
)


def life(party: Party) -> str:
    since, until = (f" since {party.since}" if party.since else ""), (f" until {party.until}" if party.until else "")
    return f"{party.name} was{since}{until}"


def without_participation(rows: Any, look: Look) -> Any:
    """The first such act of each party."""
    kinds = [*CONSENTS, ActionKind.ENTRY_INTO_FORCE_FOR_PARTY, ActionKind.START_OF_OPERATION]
    listed = Participation.objects.filter(agreement=OuterRef("agreement"), party=OuterRef("party")).exclude(role__in=BYSTANDERS)
    earlier = of_the_same_party(kind__in=kinds, pk__lt=OuterRef("pk"))
    return rows.filter(~Exists(listed), ~Exists(earlier), party__isnull=False, kind__in=kinds)


Rule(
    "consent_without_participation",
    Severity.INFO,
    "A party has signed or consented, and is not among the participants of the agreement.",
    "Add its participation; lists by party go by that.",
).check(TreatyAction, without_participation, each(lambda action: f"{named(action)} is recorded, and no participation of theirs.", "party"))

Rule(
    "withdrawal_without_notice",
    Severity.INFO,
    "A withdrawal takes effect, and no notice of it is recorded.",
    "Record the notice with its day.",
).check(
    TreatyAction,
    lambda rows, look: rows.filter(~Exists(of_the_same_party(kind__in=NOTICES)), kind=ActionKind.WITHDRAWAL_EFFECT, party__isnull=False),
    each(lambda action: f"{named(action)}: no notice before it is recorded.", "party"),
)


def before_any_signature(rows: Any, look: Look) -> Any:
    """Of texts of which signatures are recorded, and not only those who joined later."""
    consents = TreatyAction.objects.filter(agreement=OuterRef("agreement"), kind__in=CONSENTS)
    signed = consents.filter(kind__in=SIGNATURES, acted_on_first__isnull=False)
    in_time = consents.filter(Q(acted_on_first__lte=OuterRef("begins")) | Q(effective_on_first__lte=OuterRef("begins")))
    force = rows.filter(kind=ActionKind.ENTRY_INTO_FORCE, party__isnull=True)
    begins = Coalesce(latest("effective_on"), F("acted_on_last"))
    return force.alias(begins=begins).filter(Exists(signed), ~Exists(in_time), begins__isnull=False)


Rule(
    "in_force_before_signature",
    Severity.WARNING,
    "A text enters into force before anybody has signed it or consented to it.",
    "Compare the days with the source. A text may apply to days before it was made.",
).check(
    TreatyAction,
    before_any_signature,
    each(lambda action: f"It is in force from {action.effective_on or action.acted_on}, before anybody signed or consented."),
)
