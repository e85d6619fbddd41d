"""Data checks of components, commitments and indicators."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from django.db.models import BooleanField, Exists, F, OuterRef, Q
from django.db.models.expressions import RawSQL
from django.utils.translation import gettext_lazy as _

from agreements.models import Agreement, Commitment, Component, Indicator, Measurement, TreatyAction
from agreements.models.components import RESOLVED, ComponentStatus, DueAnchor
from agreements.models.treaty_actions import SIGNATURES
from policytracker.edtf import duration_in_words, latest
from policytracker.quality.engine import CheckContext, Rule, Severity, each, list_in_words

OVERDUE_NOT_ASSESSED = Rule(
    "overdue_not_assessed",
    Severity.WARNING,
    _("A due date has passed, but it is unknown whether it was met."),
    _("Update the status of the component, or submit an assessment of the recommendation."),
    title=_("Overdue and not assessed"),
)
OVERDUE_NOT_ASSESSED.check(
    Component,
    lambda rows, context: rows.filter(due_on_last__lt=context.on, status__in=[ComponentStatus.UNKNOWN, ComponentStatus.PLANNED]),
    each(_("Due {due_on}, status “{label}”."), label=Component.get_status_display),
)

Rule(
    "component_without_parties",
    Severity.INFO,
    _("A component has no lead party and no party that pays for it."),
    _("Select the lead parties, or record a commitment with its payer."),
    title=_("Component without parties"),
).check(
    Component,
    lambda rows, context: rows.exclude(status=ComponentStatus.CANCELLED).filter(
        ~Exists(Component.lead_parties.through.objects.filter(component=OuterRef("pk"))),
        ~Exists(context.rows(Commitment).filter(component=OuterRef("pk"), payer__isnull=False)),
    ),
    each(_("No lead party and no payer.")),
)

# ---- dates


def offset_of(component: Component) -> str:
    return duration_in_words(component.due_offset)


Rule(
    "broken_relative_deadline",
    Severity.ERROR,
    _("The due date of a component differs from the date that its anchor and offset give."),
    _("Save the component again. If the finding remains, ask your administrator to run migrate, then save it once more."),
    title=_("Wrong relative deadline"),
).check(
    Component,
    lambda rows, context: rows.exclude(due_anchor=DueAnchor.NONE).filter(
        RawSQL(f"agreements_component.due_on <> {RESOLVED.replace('NEW.', 'agreements_component.')}", [], BooleanField())  # noqa: S611
    ),
    each(
        _("The due date is {date}, which is not {offset} after the anchor."),
        date=lambda component: component.due_on or _("empty"),
        offset=offset_of,
    ),
)


def anchor_of(component: Component) -> str:
    return component.agreement.signed_on if component.due_anchor == DueAnchor.SIGNATURE else component.agreement.in_force_on


def inexact(anchor: str) -> Q:
    """The condition that an anchor date is known, but not exact."""
    return ~Q(**{f"agreement__{anchor}": ""}) & ~Q(**{f"agreement__{anchor}__regex": r"^\d{4}-\d\d-\d\d$"})


Rule(
    "anchor_date_is_partial",
    Severity.INFO,
    _("A relative deadline has no due date yet, because its anchor date is known only to the month or year."),
    _("Enter the exact date of the treaty action."),
    title=_("Anchor date not exact"),
).check(
    Component,
    lambda rows, context: rows.filter(
        Q(due_anchor=DueAnchor.SIGNATURE) & inexact("signed_on") | Q(due_anchor=DueAnchor.ENTRY_INTO_FORCE) & inexact("in_force_on")
    ),
    each(_("Due {offset} after {anchor}, which is not an exact date."), "agreement", anchor=anchor_of, offset=offset_of),
)


def due_before_signature(rows: Any, context: CheckContext) -> Any:
    signatures = TreatyAction.objects.filter(agreement=OuterRef("agreement"), kind__in=SIGNATURES)
    return rows.filter(
        Exists(signatures.filter(acted_on_first__isnull=False)), ~Exists(signatures.filter(acted_on_first__lte=OuterRef("due_on_last")))
    ).filter(due_on_last__isnull=False)


Rule(
    "deadline_before_signature",
    Severity.WARNING,
    _("A component is due before the first signature of the agreement."),
    _("Compare both dates with the source."),
    title=_("Due before signature"),
).check(
    Component,
    due_before_signature,
    each(
        _("Due {due_on}, but the agreement was signed on {signed_on}."),
        "agreement",
        signed_on=lambda component: component.agreement.signed_on,
    ),
)

Rule(
    "starts_after_due_date",
    Severity.ERROR,
    _("A component starts after its due date."),
    _("Correct one of the two dates."),
    title=_("Start after due date"),
).check(
    Component,
    lambda rows, context: rows.filter(starts_on_first__gt=F("due_on_last")),
    each(_("Starts {starts_on}, but is due {due_on}.")),
)

Rule(
    "completion_date_without_status",
    Severity.ERROR,
    _("A component has a completion date in the past, but its status is not completed."),
    _("Set the status to completed, or remove the date."),
    title=_("Completion date without status"),
).check(
    Component,
    lambda rows, context: rows.filter(completed_on_last__lte=context.on).exclude(status=ComponentStatus.COMPLETED),
    each(_("Completed {completed_on}, but the status is “{label}”."), label=Component.get_status_display),
)

Rule(
    "completed_without_date",
    Severity.INFO,
    _("A component is completed without a completion date, so it is unknown whether it was on time."),
    _("Enter the date, or at least the year."),
    title=_("Completed without date"),
).check(
    Component,
    lambda rows, context: rows.filter(status=ComponentStatus.COMPLETED, completed_on=""),
    each(_("Completed, but the completion date is not recorded.")),
)

# ---- figures


def disputes(context: CheckContext) -> Any:
    """The commitments that dispute another one, if the user can read both."""
    return context.rows(Commitment).filter(disputes__in=context.rows(Commitment).values("pk"))


def figure(commitment: Commitment) -> str:
    """A text such as “at least USD 3,000 by Japan”."""
    values = {"bound": commitment.get_bound_display().lower(), "currency": commitment.currency}
    values["amount"] = f"{commitment.amount:,.2f}".removesuffix(".00")
    if commitment.payer is None:
        return _("{bound} {currency} {amount}").format(**values)
    return _("{bound} {currency} {amount} by {payer}").format(**values, payer=commitment.payer.name)


def disputed(rows: Any, context: CheckContext) -> Iterator[tuple[Agreement, str]]:
    figures: dict[int, list[str]] = defaultdict(list)
    for other in disputes(context).filter(agreement__in=rows).select_related("payer", "disputes__payer").order_by("pk"):
        text = _("{figure} instead of {other}").format(figure=figure(other), other=figure(other.disputes))
        figures[other.agreement_id].append(text)
    for agreement in rows:
        yield (
            agreement,
            _("Sources give different figures: {figures}.").format(figures=list_in_words(figures[agreement.pk], separator="; ")),
        )


Rule(
    "disputed_figures",
    Severity.INFO,
    _("Sources give different figures for a commitment of an agreement."),
    _("Keep the figures side by side, unless a better source decides between them."),
    title=_("Disputed figures"),
).check(Agreement, lambda rows, context: rows.filter(Exists(disputes(context).filter(agreement=OuterRef("pk")))), disputed)


def unmeasured(rows: Any, context: CheckContext) -> Any:
    later = Measurement.objects.filter(indicator=OuterRef("pk"), measured_on_first__gte=OuterRef("target_on_first"))
    return rows.alias(until=latest("target_on")).filter(~Exists(later), until__lt=context.on)


Rule(
    "target_without_measurement",
    Severity.INFO,
    _("The target date of an indicator has passed, but no measurement on or after that date is recorded."),
    _("Record a measurement on or after the target date."),
    title=_("Target without measurement"),
).check(
    Indicator,
    unmeasured,
    each(_("The target date was {target_on}, but no later measurement is recorded.")),
)
