"""Data checks of treaty actions."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from agreements.models import Participation, TreatyAction
from agreements.models.agreements import NON_PARTICIPANT_ROLES
from agreements.models.treaty_actions import CONSENTS, SIGNATURES, ActionKind
from agreements.standing.history import NOTICES, OWN_FORCE
from policytracker.edtf import latest
from policytracker.quality.engine import CheckContext, Rule, Severity, each

EFFECT_FIRST = Coalesce("effective_on_first", "acted_on_first")
EFFECT_LAST = Coalesce(latest("effective_on"), F("acted_on_last"))
SIGNATURES_AND_CONSENTS = [kind for kind in ActionKind if kind.group == "consent"]
FORCE_AND_EXITS = [kind for kind in ActionKind if kind.group in ("force", "exit")]
# A successor state declares later that it was bound from an earlier date.
SUCCESSIONS = [ActionKind.SUCCESSION, ActionKind.CONTINUED_APPLICATION]
# The dates of these are known in advance.
ANNOUNCED_IN_ADVANCE = [ActionKind.ENTRY_INTO_FORCE, ActionKind.ENTRY_INTO_FORCE_FOR_PARTY, ActionKind.WITHDRAWAL_EFFECT]


def of_the_same_party(**conditions: Any) -> Any:
    """Actions of the same party on the same agreement."""
    return TreatyAction.objects.filter(agreement=OuterRef("agreement"), party=OuterRef("party"), **conditions)


def named(action: TreatyAction) -> str:
    """A label such as “Signature by Japan”."""
    kind = action.get_kind_display()
    return _("{action} by {party}").format(action=kind, party=action.party.name) if action.party else kind


def takes_effect_on(action: TreatyAction) -> str:
    return action.effective_on or action.acted_on


Rule(
    "effect_before_act",
    Severity.WARNING,
    _("An action takes effect before the date of the action."),
    _("Compare both dates with the source. For a succession or continued application this can be correct."),
    title=_("Effective before action date"),
).check(
    TreatyAction,
    lambda rows, context: rows.alias(effect=latest("effective_on")).filter(effect__lt=F("acted_on_first")),
    each(_("{action} takes effect on {effective_on}, before its date {acted_on}."), "party", action=named),
)

Rule(
    "undated_consent",
    Severity.WARNING,
    _("A signature or consent has neither an action date nor an effective date, so it has no effect."),
    _("Enter the date, or at least the year."),
    title=_("Signature or consent without date"),
).check(
    TreatyAction,
    lambda rows, context: rows.filter(kind__in=SIGNATURES_AND_CONSENTS, acted_on="", effective_on=""),
    each(_("{action} has no date, so it has no effect."), "party", action=named),
)

Rule(
    "undated_action",
    Severity.WARNING,
    _("An action of entry into force, suspension or exit has no date, so it has no effect."),
    _("Enter the date, or at least the year."),
    title=_("Action without date"),
).check(
    TreatyAction,
    lambda rows, context: rows.filter(kind__in=FORCE_AND_EXITS, acted_on="", effective_on=""),
    each(_("{action} has no date, so it has no effect."), "party", action=named),
)

Rule(
    "action_in_the_future",
    Severity.ERROR,
    _("The date of an action is in the future."),
    _("Correct the date, or delete the action if it is only expected. The effective date can be in the future."),
    title=_("Action in the future"),
).check(
    TreatyAction,
    lambda rows, context: rows.filter(acted_on_first__gt=context.on).exclude(kind__in=ANNOUNCED_IN_ADVANCE),
    each(_("{action} is dated {acted_on}, which is in the future."), "party", action=named),
)


EXISTED_FROM_UNTIL = _("{action} is dated {acted_on}; {party} existed from {since} until {until}.")
EXISTED_FROM = _("{action} is dated {acted_on}; {party} has existed since {since}.")
EXISTED_UNTIL = _("{action} is dated {acted_on}; {party} existed until {until}.")


def outside_existence(rows: Any, context: CheckContext) -> Any:
    rows = rows.exclude(kind__in=SUCCESSIONS).alias(gone=latest("party__until"))
    return rows.filter(Q(gone__lte=F("acted_on_first")) | Q(party__since_first__gt=F("acted_on_last")))


def existence(rows: Any, context: CheckContext) -> Iterator[tuple[TreatyAction, str]]:
    for action in rows.select_related("party"):
        party = action.party
        template = EXISTED_UNTIL if not party.since else EXISTED_FROM_UNTIL if party.until else EXISTED_FROM
        values = {"action": named(action), "acted_on": action.acted_on, "party": party.name}
        yield action, template.format(**values, since=party.since, until=party.until)


Rule(
    "action_outside_party_existence",
    Severity.WARNING,
    _("An action is dated before its party existed or after it ceased to exist."),
    _("Select the predecessor or successor that acted, or correct one of the dates."),
    title=_("Action outside the party's existence"),
).check(TreatyAction, outside_existence, existence)


def before_consent(rows: Any, context: CheckContext) -> Any:
    """Entries into force for a party whose consents are all later."""
    consents = of_the_same_party(kind__in=CONSENTS)
    in_time = consents.filter(Q(acted_on_first__lte=OuterRef("ends")) | Q(effective_on_first__lte=OuterRef("ends")))
    later = consents.exclude(kind__in=SUCCESSIONS).filter(
        Q(acted_on_first__gt=OuterRef("ends")) | Q(effective_on_first__gt=OuterRef("ends"))
    )
    forces = rows.filter(party__isnull=False, kind__in=OWN_FORCE).alias(ends=EFFECT_LAST)
    return forces.filter(~Exists(in_time), Exists(later), ends__isnull=False)


Rule(
    "own_force_before_consent",
    Severity.WARNING,
    _("An agreement enters into force for a party before the party consents to be bound."),
    _("Compare both dates with the source, or record the earlier consent. For a succession this can be correct."),
    title=_("In force for a party before its consent"),
).check(
    TreatyAction,
    before_consent,
    each(_("{action} is dated {on}, before the consent of the party."), "party", action=named, on=takes_effect_on),
)


def without_effect(rows: Any, context: CheckContext) -> Any:
    """Notices given more than a year ago that took no effect and were not revoked."""
    given = rows.filter(kind__in=NOTICES, effective_on="", acted_on_first__isnull=False)
    later = of_the_same_party().alias(effect=EFFECT_FIRST).filter(effect__gte=OuterRef("acted_on_first"))
    left = later.filter(kind=ActionKind.WITHDRAWAL_EFFECT)
    revoked = later.filter(kind=ActionKind.NOTICE_REVOCATION)
    return given.filter(~Exists(left), ~Exists(revoked), acted_on_last__lt=year_before(context.on))


def year_before(on: date) -> date:
    """The same date in the year before; 28 February for 29 February."""
    try:
        return on.replace(year=max(1, on.year - 1))
    except ValueError:
        return on.replace(year=on.year - 1, day=28)


Rule(
    "notice_without_effect",
    Severity.WARNING,
    _("A notice of withdrawal is more than 12 months old, but neither its effect nor its revocation is recorded."),
    _("Record the date on which the withdrawal took effect, or the revocation."),
    title=_("Notice of withdrawal without effect"),
).check(
    TreatyAction,
    without_effect,
    each(_("{action} was given on {acted_on}, but no effect is recorded."), "party", action=named),
)


def without_participation(rows: Any, context: CheckContext) -> Any:
    """The first signature, consent or similar action of each party that has no participation."""
    kinds = [*SIGNATURES_AND_CONSENTS, ActionKind.ENTRY_INTO_FORCE_FOR_PARTY, ActionKind.START_OF_OPERATION]
    participations = Participation.objects.filter(agreement=OuterRef("agreement"), party=OuterRef("party")).exclude(
        role__in=NON_PARTICIPANT_ROLES
    )
    earlier = of_the_same_party(kind__in=kinds, pk__lt=OuterRef("pk"))
    return rows.filter(~Exists(participations), ~Exists(earlier), party__isnull=False, kind__in=kinds)


Rule(
    "consent_without_participation",
    Severity.INFO,
    _("A party has signed or consented but has no participation in the agreement."),
    _("Add the participation, so that filters by party include the agreement."),
    title=_("Consent without participation"),
).check(
    TreatyAction,
    without_participation,
    each(_("{action} is recorded, but the party has no participation."), "party", action=named),
)

Rule(
    "withdrawal_without_notice",
    Severity.INFO,
    _("A withdrawal takes effect, but no notice of it is recorded."),
    _("Record the notice with its date."),
    title=_("Withdrawal without notice"),
).check(
    TreatyAction,
    lambda rows, context: rows.filter(~Exists(of_the_same_party(kind__in=NOTICES)), kind=ActionKind.WITHDRAWAL_EFFECT, party__isnull=False),
    each(_("{action}: no notice is recorded."), "party", action=named),
)


def before_any_signature(rows: Any, context: CheckContext) -> Any:
    """Entries into force before every recorded signature and consent, of agreements with at least one dated signature."""
    consents = TreatyAction.objects.filter(agreement=OuterRef("agreement"), kind__in=SIGNATURES_AND_CONSENTS)
    signed = consents.filter(kind__in=SIGNATURES, acted_on_first__isnull=False)
    in_time = consents.filter(Q(acted_on_first__lte=OuterRef("begins")) | Q(effective_on_first__lte=OuterRef("begins")))
    force = rows.filter(kind=ActionKind.ENTRY_INTO_FORCE, party__isnull=True)
    return force.alias(begins=EFFECT_LAST).filter(Exists(signed), ~Exists(in_time), begins__isnull=False)


Rule(
    "in_force_before_signature",
    Severity.WARNING,
    _("An agreement enters into force before any party signs or consents."),
    _("Compare the dates with the source. For an agreement that applies retroactively this can be correct."),
    title=_("In force before signature"),
).check(
    TreatyAction,
    before_any_signature,
    each(_("In force from {on}, before any party signed or consented."), on=takes_effect_on),
)
