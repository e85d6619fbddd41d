"""The scorecard of an agreement: its components, recommendations, commitments and indicators in numbers."""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from itertools import chain
from typing import Any, TypedDict

from django.core.exceptions import EmptyResultSet
from django.db.models import Count, IntegerField, OuterRef, Q, QuerySet, SlugField, Subquery, TextField, Value
from django.db.models.expressions import RawSQL
from django.db.models.functions import Cast, NullIf

from agreements.deadlines import DeadlineState, of_component
from agreements.models import Agreement, Commitment, Component, Indicator, Measurement
from agreements.models.commitments import Stage
from agreements.models.components import ComponentStatus
from policytracker.representation.json_sql import ON, Representation, parameters
from policytracker.resources import ReadContext, registry
from policytracker.sql.parameters import Parameter, Statement
from recommendations.models import Recommendation, claim_differs
from recommendations.reports.tally import Tally, by_code, states, tally


class ComponentTally(TypedDict):
    """Numbers of components, by code in the fields `by_…`."""

    total: int
    by_status: dict[str, int]
    by_deadline_state: dict[str, int]


class MoneyTotal(TypedDict):
    """The total of `figures` commitments of a stage in a currency, as a decimal number, and how many dispute another one."""

    stage: str
    currency: str
    figures: int
    total: str
    disputed: int


class IndicatorValues(TypedDict):
    """An indicator. Values are decimal numbers as text, dates are partial dates; None if unknown."""

    slug: str
    name: str
    unit: str
    latest_value: str | None
    latest_on: str | None
    baseline_value: str | None
    target_value: str | None
    target_on: str | None


class Scorecard(TypedDict):
    """The numbers of the agreement with this key on a date (ISO 8601)."""

    agreement: str
    on: str
    components: ComponentTally
    recommendations: Tally
    money: list[MoneyTotal]
    indicators: list[IndicatorValues]


def scorecard(key: str, context: ReadContext) -> Scorecard | None:
    """The numbers of an agreement on a date, from the records that the reader may read. None if the reader may not read the agreement.

    On a past date, recommendations are counted with their status of that date, and only the commitments stated and the indicators
    measured until then count. The status of components is always the current one.
    """
    representation = Representation(registry.of(Agreement).serializer, context.reader.roles, past=context.past)
    compiled = statement(representation)
    row = None if compiled is None else compiled.row(parameters(context) | {"key": key})
    if row is None:
        return None
    components, recommendations, money, indicators = (rows or [] for rows in row)
    return {
        "agreement": key,
        "on": context.on.isoformat(),
        "components": {
            "total": sum(n for *_, n in components),
            "by_status": by_code(ComponentStatus, ((status, n) for status, _, n in components)),
            "by_deadline_state": by_code(DeadlineState, ((state, n) for _, state, n in components)),
        },
        "recommendations": tally([counts for *counts, _ in recommendations], sum(differ for *_, differ in recommendations)),
        "money": sorted(money, key=lambda row: (Stage.values.index(row["stage"]), row["currency"])),
        "indicators": indicators,
    }


@lru_cache(1024)
def statement(representation: Representation) -> Statement | None:
    """The statement that returns the rows of each part as JSON; None for readers who may read no agreement.

    It returns no row if the reader may not read the agreement.
    """
    agreement: Any = RawSQL("(SELECT id FROM agreement)", [], IntegerField())
    parts: dict[str, QuerySet] = {
        "agreement (id)": representation.readable.filter(slug=Parameter("key", SlugField())).order_by().values_list("pk"),
        "component (status, state, number)": components(representation, agreement),
        "recommendation (status, deadline_state, freshness, number, differ)": recommendations(representation, agreement),
        "figure (id, stage, currency, amount, disputes, part_of)": figures(representation, agreement),
        "indicator (slug, name, unit, latest_value, latest_on, baseline_value, target_value, target_on)": indicators(
            representation, agreement
        ),
    }
    with suppress(EmptyResultSet):
        statements, values = zip(*(rows.query.sql_with_params() for rows in parts.values()), strict=True)
        tables = ", ".join(f"{name} AS MATERIALIZED ({sql})" for name, sql in zip(parts, statements, strict=True))
        return Statement.numbered(
            f"""WITH {tables}, money AS ({MONEY}) SELECT
                (SELECT json_agg(json_build_array(status, state, number)) FROM component),
                (SELECT json_agg(json_build_array(status, deadline_state, freshness, number, differ)) FROM recommendation),
                (SELECT json_agg(money) FROM money),
                (SELECT json_agg(indicator ORDER BY slug) FROM indicator)
            FROM agreement""",
            list(chain(*values)),
        ).marked(representation.as_of)
    return None


def components(representation: Representation, agreement: Any) -> QuerySet:
    """The number of components for each status and deadline state."""
    rows = Component.objects.visible_to(representation.reader).filter(agreement=agreement).order_by()
    return rows.annotate(state=of_component(ON)).values_list("status", "state").annotate(Count("pk"))


def recommendations(representation: Representation, agreement: Any) -> QuerySet:
    """For each status, deadline state and freshness: the number of recommendations, and of those that a claim contradicts."""
    rows: Any = Recommendation.objects.order_by()
    rows = (rows.on_day(ON) if representation.past else rows).visible_to(representation.reader).filter(agreements=agreement)
    rows = rows.annotate(**states(ON)).values_list("status", "deadline_state", "freshness")
    return rows.annotate(number=Count("pk"), differ=Count("pk", filter=claim_differs(ON)))


def figures(representation: Representation, agreement: Any) -> QuerySet:
    """The commitments. On a past date, commitments stated later are excluded; those without a date count."""
    rows = Commitment.objects.visible_to(representation.reader).filter(agreement=agreement).order_by()
    if representation.past:
        rows = rows.filter(Q(stated_on_first__isnull=True) | Q(stated_on_first__lte=ON))
    return rows.values_list("pk", "stage", "currency", "amount", "disputes", "part_of")


# The total for each stage and currency. A commitment that disputes another one, or is part of another one, is not added.
MONEY = """SELECT figure.stage, figure.currency, count(*) FILTER (WHERE disputed.id IS NULL AND whole.id IS NULL) AS figures,
        coalesce(sum(figure.amount) FILTER (WHERE disputed.id IS NULL AND whole.id IS NULL), 0.00)::text AS total,
        count(disputed.id) AS disputed
    FROM figure LEFT JOIN figure AS disputed ON disputed.id = figure.disputes LEFT JOIN figure AS whole ON whole.id = figure.part_of
    GROUP BY figure.stage, figure.currency"""


def indicators(representation: Representation, agreement: Any) -> QuerySet:
    """Baseline, newest measurement and target of each indicator. On a past date, later measurements are excluded."""
    newest = (
        Measurement.objects.visible_to(representation.reader)
        .filter(indicator=OuterRef("pk"))
        .order_by("-measured_on_first", "-measured_on")
    )
    if representation.past:
        newest = newest.filter(measured_on_first__lte=ON)
    return (
        Indicator.objects.visible_to(representation.reader)
        .filter(outcome__agreement=agreement)
        .order_by()
        .values_list(
            "slug",
            "name",
            "unit",
            Subquery(newest.values_list(Cast("value", TextField()))[:1]),
            Subquery(newest.values("measured_on")[:1]),
            Cast("baseline_value", TextField()),
            Cast("target_value", TextField()),
            NullIf("target_on", Value("")),
        )
    )
