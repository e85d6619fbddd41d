"""Components, money and indicators."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from django.db.models import BooleanField, Exists, F, OuterRef, Q
from django.db.models.expressions import RawSQL

from agreements.models import Agreement, Commitment, Component, Indicator, Measurement, TreatyAction
from agreements.models.components import RESOLVED, ComponentStatus, DueAnchor
from agreements.models.treaty_actions import SIGNATURES
from policytracker.quality.engine import CheckContext, Rule, Severity, each, latest

OVERDUE_NOT_ASSESSED = Rule(
    "overdue_not_assessed",
    Severity.WARNING,
    "A due day has passed, and nobody has said whether it was met.",
    "Find out, and set the status of the component or file an assessment of the recommendation.",
)
OVERDUE_NOT_ASSESSED.check(
    Component,
    lambda rows, context: rows.filter(due_on_last__lt=context.on, status__in=[ComponentStatus.UNKNOWN, ComponentStatus.PLANNED]),
    each(lambda component: f"It was due {component.due_on}, and its status is “{component.get_status_display()}”."),
)

Rule(
    "component_without_parties",
    Severity.INFO,
    "No party leads a component, and none pays for it.",
    "Name the lead parties, or record what a party contributes.",
).check(
    Component,
    lambda rows, context: rows.exclude(status=ComponentStatus.CANCELLED).filter(
        ~Exists(Component.lead_parties.through.objects.filter(component=OuterRef("pk"))),
        ~Exists(context.rows(Commitment).filter(component=OuterRef("pk"), payer__isnull=False)),
    ),
    each(lambda component: "No party leads it or pays for it."),
)

# ---- days

Rule(
    "broken_relative_deadline",
    Severity.ERROR,
    "The due day of a component is another than its anchor and offset give.",
    "Save the component again; if that does not mend it, run migrate and save it once more.",
).check(
    Component,
    lambda rows, context: rows.exclude(due_anchor=DueAnchor.NONE).filter(
        RawSQL(f"agreements_component.due_on <> {RESOLVED.replace('NEW.', 'agreements_component.')}", [], BooleanField())  # noqa: S611
    ),
    each(lambda component: f"Its due day is {component.due_on or 'unknown'}, and {component.due_offset} from its anchor is another."),
)


def half_known(anchor: str) -> Q:
    """An anchor that is known, and not to the day."""
    return ~Q(**{f"agreement__{anchor}": ""}) & ~Q(**{f"agreement__{anchor}__regex": r"^\d{4}-\d\d-\d\d$"})


Rule(
    "anchor_not_to_the_day",
    Severity.INFO,
    "A relative deadline stays open-ended, because the day it is counted from is known only to the month or year.",
    "Find the day of the treaty action.",
).check(
    Component,
    lambda rows, context: rows.filter(
        Q(due_anchor=DueAnchor.SIGNATURE) & half_known("signed_on") | Q(due_anchor=DueAnchor.ENTRY_INTO_FORCE) & half_known("in_force_on")
    ),
    each(
        lambda component: f"It is due {component.due_offset} after a day that is known as {anchor_of(component)}.",
        "agreement",
    ),
)


def anchor_of(component: Component) -> str:
    return component.agreement.signed_on if component.due_anchor == DueAnchor.SIGNATURE else component.agreement.in_force_on


def due_before_signature(rows: Any, context: CheckContext) -> Any:
    signatures = TreatyAction.objects.filter(agreement=OuterRef("agreement"), kind__in=SIGNATURES)
    return rows.filter(
        Exists(signatures.filter(acted_on_first__isnull=False)), ~Exists(signatures.filter(acted_on_first__lte=OuterRef("due_on_last")))
    ).filter(due_on_last__isnull=False)


Rule(
    "deadline_before_signature",
    Severity.WARNING,
    "A component is due before anybody signed the agreement.",
    "Compare both days with the source.",
).check(
    Component,
    due_before_signature,
    each(lambda component: f"It is due {component.due_on}; the agreement was signed {component.agreement.signed_on}.", "agreement"),
)

Rule(
    "begins_after_it_is_due",
    Severity.ERROR,
    "A component begins after the day by which it is to be done.",
    "Correct one of the two days.",
).check(
    Component,
    lambda rows, context: rows.filter(starts_on_first__gt=F("due_on_last")),
    each(lambda component: f"It begins {component.starts_on}, and is due {component.due_on}."),
)

Rule(
    "completed_day_without_status",
    Severity.ERROR,
    "A component has a day of completion that has passed, and its status is not completed.",
    "Set the status, or take the day away.",
).check(
    Component,
    lambda rows, context: rows.filter(completed_on_last__lte=context.on).exclude(status=ComponentStatus.COMPLETED),
    each(lambda component: f"It was completed {component.completed_on}, and its status is “{component.get_status_display()}”."),
)

Rule(
    "completed_without_date",
    Severity.INFO,
    "A component is completed, and nobody knows when; whether it was in time cannot be said.",
    "Find the day, or at least the year.",
).check(
    Component,
    lambda rows, context: rows.filter(status=ComponentStatus.COMPLETED, completed_on=""),
    each(lambda component: "It is completed, on a day that is not recorded."),
)

# ---- figures


def disputes(context: CheckContext) -> Any:
    """The figures that dispute another; of either end one must know."""
    return context.rows(Commitment).filter(disputes__in=context.rows(Commitment).values("pk"))


def figure(commitment: Commitment) -> str:
    payer = f" by {commitment.payer.name}" if commitment.payer else ""
    return f"{commitment.get_bound_display().lower()} {commitment.currency} {commitment.amount:,.2f}".removesuffix(".00") + payer


def disputed(rows: Any, context: CheckContext) -> Iterator[tuple[Agreement, str]]:
    found: dict[int, list[str]] = defaultdict(list)
    for other in disputes(context).filter(agreement__in=rows).select_related("payer", "disputes__payer").order_by("pk"):
        found[other.agreement_id].append(f"{figure(other)} instead of {figure(other.disputes)}")
    for agreement in rows:
        told = found[agreement.pk]
        more = f"; and {len(told) - 3} more" if len(told) > 3 else ""
        yield agreement, f"Sources give other figures: {'; '.join(told[:3])}{more}."


Rule(
    "disputed_figures",
    Severity.INFO,
    "Sources of an agreement give figures that disagree.",
    "Leave them side by side; a better source may settle which one is right.",
).check(Agreement, lambda rows, context: rows.filter(Exists(disputes(context).filter(agreement=OuterRef("pk")))), disputed)


def unmeasured(rows: Any, context: CheckContext) -> Any:
    then = Measurement.objects.filter(indicator=OuterRef("pk"), measured_on_first__gte=OuterRef("target_on_first"))
    return rows.alias(until=latest("target_on")).filter(~Exists(then), until__lt=context.on)


Rule(
    "target_without_measurement",
    Severity.INFO,
    "The day of a target has passed, and nothing measured since is recorded.",
    "Record a measurement of that day or later.",
).check(Indicator, unmeasured, each(lambda indicator: f"Its target was for {indicator.target_on}; nothing measured since is recorded."))
