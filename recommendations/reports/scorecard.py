"""The scorecard of an agreement: its components, recommendations, commitments and indicators in numbers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, Subquery, Sum, TextField, Value
from django.db.models.functions import Cast, Coalesce, NullIf

from agreements.deadlines import DeadlineState, of_component
from agreements.models import Agreement, Commitment, Component, Indicator, Measurement
from agreements.models.commitments import Stage
from agreements.models.components import ComponentStatus
from policytracker.resources import ReadContext
from recommendations.facts import fact
from recommendations.reports.tally import by_code, counts_by_state, recommendations_on, tally


def scorecard(agreement: Agreement, context: ReadContext) -> dict[str, Any]:
    """The numbers of an agreement on a date, from the records that the reader may read.

    On a past date, recommendations are counted with their status of that date, and only the commitments stated and the indicators
    measured until then count. The status of components is always the current one.
    """
    rows, on = recommendations_on(context).filter(agreements=agreement), context.on
    components = Component.objects.visible_to(context.reader).filter(agreement=agreement).order_by()
    counts = list(components.annotate(state=of_component(on)).values_list("status", "state").annotate(Count("pk")))
    return {
        "agreement": agreement.slug,
        "on": on.isoformat(),
        "components": {
            "total": sum(n for *_, n in counts),
            "by_status": by_code(ComponentStatus, ((status, n) for status, _, n in counts)),
            "by_deadline_state": by_code(DeadlineState, ((state, n) for _, state, n in counts)),
        },
        "recommendations": tally(counts_by_state(rows, on), rows.filter(fact("claim_differs", context)).count()),
        "money": money(agreement, context),
        "indicators": indicators(agreement, context),
    }


def money(agreement: Agreement, context: ReadContext) -> list[dict[str, Any]]:
    """Total of the commitments for each stage and currency.

    Commitments that dispute another one, or are part of another one, are not added. Only commitments that the
    reader may read are considered. On a past date, commitments stated later are excluded; those without a date count.
    """
    rows = Commitment.objects.visible_to(context.reader).filter(agreement=agreement).order_by()
    if context.past:
        rows = rows.filter(Q(stated_on_first__isnull=True) | Q(stated_on_first__lte=context.on))
    disputing = Exists(rows.filter(pk=OuterRef("disputes")))
    included = Exists(rows.filter(pk=OuterRef("part_of")))
    sums: Any = rows.annotate(disputing=disputing, included=included).values("stage", "currency").annotate(
        figures=Count("pk", filter=Q(disputing=False, included=False)),
        total=Coalesce(Sum("amount", filter=Q(disputing=False, included=False)), Decimal(0)),
        disputed=Count("pk", filter=Q(disputing=True)),
    )  # fmt: skip
    ordered = sorted(sums, key=lambda row: (Stage.values.index(row["stage"]), row["currency"]))
    return [row | {"total": f"{row['total']:.2f}"} for row in ordered]


def indicators(agreement: Agreement, context: ReadContext) -> list[dict[str, Any]]:
    """Baseline, newest measurement and target of each indicator. On a past date, later measurements are excluded."""
    newest = Measurement.objects.visible_to(context.reader).filter(indicator=OuterRef("pk")).order_by("-measured_on_first", "-measured_on")
    if context.past:
        newest = newest.filter(measured_on_first__lte=context.on)
    values: dict[str, Any] = {
        "latest_value": Subquery(newest.values_list(Cast("value", TextField()), flat=True)[:1]),
        "latest_on": Subquery(newest.values("measured_on")[:1]),
        "baseline_value": Cast("baseline_value", TextField()),
        "target_value": Cast("target_value", TextField()),
        "target_on": NullIf("target_on", Value("")),
    }
    rows = Indicator.objects.visible_to(context.reader).filter(outcome__agreement=agreement).order_by("slug")
    names = ["slug", "name", "unit", *values]
    return [dict(zip(names, row, strict=True)) for row in rows.values_list("slug", "name", "unit", *values.values())]
