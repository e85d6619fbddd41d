"""The tab Overview of an agreement: its parts, recommendations and standing for reading. All numbers come from the reports of the API."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.db.models import Count, Prefetch, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from agreements.admin import deadline_label
from agreements.admin.figures import figures
from agreements.admin.standing import standing_panel
from agreements.deadlines import DeadlineState, of_component
from agreements.models import Agreement, AgreementRelation, Commitment, Component, FactCheck, Outcome
from agreements.models.agreements import AgreementStatus
from agreements.models.commitments import Stage
from agreements.models.relations import INVERSE_LABELS
from agreements.numbers import number
from agreements.source_marks import SourceMarks
from agreements.source_uses import Use, by_source, uses_of_agreement
from policytracker.admin import OnFilter, Tile, list_url
from policytracker.admin.charts import Bar
from policytracker.admin.querysets import references, visible
from policytracker.edtf import date_in_words
from policytracker.resources import ReadContext, registry
from recommendations.admin.addressees import LEAD_FIRST
from recommendations.admin.charts import distribution, trend
from recommendations.admin.coverage import matrices
from recommendations.admin.dates import dates_of
from recommendations.admin.lists import STATUS_COLOUR
from recommendations.deadlines import Freshness
from recommendations.models import Addressee, Recommendation
from recommendations.publication import has_something_to_publish, may_publish
from recommendations.reports.scorecard import IndicatorValues, MoneyTotal, Scorecard, scorecard

SHOWN_RECOMMENDATIONS = 15
SHOWN_USES = 40  # without a quote, of one source
SHOWN_FACT_CHECKS = 20
SHOWN_OUTCOMES = 30
SHOWN_RELATIONS = 30


def overview(request: HttpRequest, agreement: Agreement) -> dict[str, Any]:
    """The variables of the template. The number of queries is fixed."""
    user = request.user
    sources = by_source(uses_of_agreement(agreement, user))
    marks = SourceMarks((use for uses in sources.values() for use in uses), {source: n for n, source in enumerate(sources, 1)})
    standing = standing_panel(request, agreement, marks)
    context = ReadContext.of(user, on=standing.on)
    card = scorecard(agreement.slug, context)
    timeline, next_dates = dates_of(agreement, user, context)
    components = list(components_of(request, agreement, context, marks))
    recommendations = recommendation_lines(request, agreement, SHOWN_RECOMMENDATIONS, context, marks)
    names = {
        "parties": standing.names,
        "components": {line.component.slug: line.component.title for line in components},
        "recommendations": {line.recommendation.slug: line.recommendation.key_action for line in recommendations},
    }
    lists = {"agreement": agreement.slug}
    titles = {line.component.pk: line.component.title for line in components}
    lists_on = lists | ({OnFilter.parameter_name: context.on.isoformat()} if context.on != context.today else {})
    return own_values(agreement, marks) | {
        "standing": standing,
        "on_other_day": context.on != context.today,
        "media": standing.form.media,
        "suggested_status": suggested_status(agreement, standing.text.code),
        "late": lateness(card, lists_on),
        "attention": attention(card, lists, lists_on),
        "progress": distribution(card["recommendations"]["by_status"], lists_on),
        "trend": trend(of_agreement(user, agreement), context.on, context.today, lists),
        "money": money_bars(card["money"], lists),
        "figures": figures(agreement, user, marks, titles),
        "outcomes": outcomes(agreement, user, marks),
        "relations": relations(agreement, user, marks),
        "indicators": [indicator_values(indicator, marks) for indicator in card["indicators"]],
        "timeline": timeline,
        "next_dates": next_dates,
        "components": components,
        "recommendations": recommendations,
        "recommendations_url": list_url(Recommendation, lists_on),
        "recommendation_total": card["recommendations"]["total"],
        "matrices": matrices(request, agreement, names),
        "sources": [SourceLine.of(n, source, uses) for n, (source, uses) in enumerate(sources.items(), 1)],
        "fact_checks": fact_checks(agreement, user, marks),
        "dossier_url": f"{reverse('agreements-dossier', args=[agreement.slug])}?format=md",
        "may_publish": may_publish(user) and has_something_to_publish(agreement, user),
        "publish_url": reverse("admin:agreements_agreement_publish", args=[agreement.pk]),
        "address": request.build_absolute_uri(request.path),
        "today": context.today,
    }


def own_values(agreement: Agreement, marks: SourceMarks) -> dict[str, Any]:
    """The facts of the agreement itself, and the source marks of its texts."""
    return {
        "facts": list(facts(agreement, marks)),
        "marks": {name: marks.of("agreement", agreement.pk, name) for name in TEXTS},
        "mark": marks.of("agreement", agreement.pk, "", "title", "short_title"),
        "other_mark": marks.of_others("agreement", agreement.pk, "", *(name for name in STATED if getattr(agreement, name))),
    }


def suggested_status(agreement: Agreement, code: Any) -> AgreementStatus | None:
    """The status that the actions suggest for an agreement whose status is unknown, or None."""
    known = {status.value: status for status in AgreementStatus}
    suggests = agreement.status == AgreementStatus.UNKNOWN and code.value in known and code.value != AgreementStatus.UNKNOWN
    return known[code.value] if suggests else None


# ---- the agreement itself

FACTS = ["signed_on", "in_force_on", "expires_on", "next_review_on", "depositary", "registration"]
TEXTS = ["summary", "purpose", "kind", "legal_force", "status"]
STATED = [*FACTS, *TEXTS, "signed_at_place", "title", "short_title"]  # the mark of a field stands beside its value, if it has one


@dataclass(frozen=True)
class Fact:
    """The value of a field of the agreement, with its label and the mark of its sources."""

    label: str
    value: str
    mark: str


def facts(agreement: Agreement, marks: SourceMarks) -> Iterator[Fact]:
    """The dates and names that the agreement has, each with its sources."""
    for name in FACTS:
        if value := getattr(agreement, name):
            place = agreement.signed_at_place if name == "signed_on" else ""
            text = date_in_words(value) if name.endswith("_on") else value
            fields = [name, "signed_at_place"] if place else [name]
            label = str(capfirst(agreement._meta.get_field(name).verbose_name))
            yield Fact(label, f"{text}, {place}" if place else text, marks.of("agreement", agreement.pk, *fields))
    if agreement.lead:
        yield Fact(str(capfirst(agreement._meta.get_field("lead").verbose_name)), str(agreement.lead), "")


@dataclass(frozen=True)
class Marked:
    """A record in words, with its page and the mark of its sources."""

    text: str
    url: str
    mark: str
    note: str = ""


def outcomes(agreement: Agreement, user: Any, marks: SourceMarks) -> list[Marked]:
    page = admin.site.get_model_admin(Outcome)
    rows = Outcome.objects.visible_to(user).filter(agreement=agreement).order_by("statement", "pk")[:SHOWN_OUTCOMES]
    return [Marked(row.statement, page.page_of(row), marks.of("outcome", row.pk)) for row in rows]


def relations(agreement: Agreement, user: Any, marks: SourceMarks) -> list[Marked]:
    """The relations of the agreement to others, and of others to it, read from this agreement."""
    page = admin.site.get_model_admin(Agreement)
    rows = AgreementRelation.objects.visible_to(user).filter(registry.of(AgreementRelation).belonging_to(agreement.pk))
    found = []
    for row in rows.select_related("from_agreement", "to_agreement").order_by("kind", "pk")[:SHOWN_RELATIONS]:
        outgoing = row.from_agreement_id == agreement.pk
        other = row.to_agreement if outgoing else row.from_agreement
        kind = row.get_kind_display() if outgoing else str(capfirst(_(INVERSE_LABELS[row.kind])))
        found.append(Marked(str(other), page.page_of(other), marks.of("agreementrelation", row.pk), kind))
    return found


# ---- numbers and charts


def lateness(card: Scorecard, lists: dict[str, str]) -> list[Tile]:
    """How many recommendations are late and due soon, and beside it, of how many nobody can say it."""
    numbers = card["recommendations"]
    wanted: list[tuple[str, str, str, list[Any]]] = [
        (_("Overdue"), "danger", "deadline_state", [DeadlineState.OVERDUE]),
        (_("Due within 30 days"), "warning", "deadline_state", [DeadlineState.DUE_SOON]),
        (_("Without a due date"), "unknown", "deadline_state", [DeadlineState.NONE]),
        (_("Stale or never assessed"), "unknown", "freshness", [Freshness.STALE, Freshness.NEVER]),
    ]
    return [
        Tile(
            title,
            sum(numbers[f"by_{name}"][code] for code in codes),  # type: ignore[literal-required]
            False,
            list_url(Recommendation, lists | {name: [code.value for code in codes]}),
            colour,
        )
        for title, colour, name, codes in wanted
    ]


def attention(card: Scorecard, lists: dict[str, str], lists_on: dict[str, str]) -> list[Tile]:
    """What else is late or contradicted, if anything is. `lists_on` filters lists of recommendations, with the day of the card."""
    late, differ = card["components"]["by_deadline_state"][DeadlineState.OVERDUE], card["recommendations"]["claim_differs"]
    tiles = [
        Tile(_("Overdue components"), late, False, list_url(Component, lists | {"deadline_state": DeadlineState.OVERDUE.value}), "danger"),
        Tile(_("Contradicted by a claim"), differ, False, list_url(Recommendation, lists_on | {"claim_differs": "true"}), "warning"),
    ]
    return [tile for tile in tiles if tile.count]


def money_bars(totals: list[MoneyTotal], lists: dict[str, str]) -> list[Bar]:
    """A bar for each stage and currency. Bars of one currency have one scale."""
    largest: dict[str, Decimal] = defaultdict(Decimal)
    for row in totals:
        largest[row["currency"]] = max(largest[row["currency"]], Decimal(row["total"]))
    bars = []
    for row in totals:
        rows = lists | {"stage": row["stage"], "currency": row["currency"]}
        figures = ngettext("%(number)d figure", "%(number)d figures", row["figures"]) % {"number": row["figures"]}
        details = [(figures, list_url(Commitment, rows | {"disputes__empty": "true", "part_of__empty": "true"}))]
        if row["disputed"]:
            disputed = ngettext("%(number)d disputed figure", "%(number)d disputed figures", row["disputed"]) % {"number": row["disputed"]}
            details.append((disputed, list_url(Commitment, rows | {"disputes__empty": "false"})))
        total, scale = Decimal(row["total"]), largest[row["currency"]]
        bars.append(
            Bar(
                name=str(Stage(row["stage"]).label),
                value=f"{row['currency']} {total:,.2f}".removesuffix(".00"),
                percent=float(100 * total / scale) if scale else 0,
                details=details,
            )
        )
    return bars


def indicator_values(indicator: IndicatorValues, marks: SourceMarks) -> dict[str, Any]:
    """An indicator of the scorecard with its values as text, without needless zeros."""
    values = {name: number(indicator[name]) for name in ("baseline_value", "latest_value", "target_value") if indicator[name] is not None}
    return {**indicator, **values, "mark": marks.of_indicator(indicator["slug"])}


# ---- components and recommendations

COMPONENT_COLUMNS = ["status", "due_on", "lead_parties"]  # whose sources stand beside their values


@dataclass(frozen=True)
class ComponentLine:
    """A component in the tree, its number of recommendations, and their list."""

    component: Component
    depth: int
    status_label: str
    deadline: tuple[str, str]
    recommendations: int
    recommendations_url: str
    marks: dict[str, str]


def components_of(request: HttpRequest, agreement: Agreement, context: ReadContext, marks: SourceMarks) -> Iterator[ComponentLine]:
    """The components of the agreement, each after its parent, in the order of their positions, with the deadline state of the day."""
    user = request.user
    rows: Any = visible(Component, user).filter(agreement=agreement).annotate(deadline_state=of_component(context.on))
    found = list(rows.prefetch_related(*references(Component, user, ["lead_parties"])).order_by("position", "pk"))
    links: Any = Recommendation.objects.visible_to(user).filter(components__in=[component.pk for component in found]).order_by()
    numbers = dict(links.values_list("components").annotate(Count("pk")))
    ids = {component.pk for component in found}
    children: dict[int | None, list[Component]] = defaultdict(list)
    for component in found:
        children[component.parent_id if component.parent_id in ids else None].append(component)

    def branch(parent: int | None, depth: int) -> Iterator[ComponentLine]:
        for component in children[parent]:
            yield ComponentLine(
                component,
                depth,
                component.get_status_display(),
                deadline_label(component.deadline_state),  # type: ignore[attr-defined]
                numbers.get(component.pk, 0),
                list_url(Recommendation, {"components": component.slug}),
                {name: marks.of("component", component.pk, name) for name in COMPONENT_COLUMNS}
                | {"title": marks.of_others("component", component.pk, *COMPONENT_COLUMNS)},
            )
            yield from branch(component.pk, depth + 1)

    return branch(None, 0)


@dataclass(frozen=True)
class RecommendationLine:
    """A recommendation with the labels and colours of its status and deadline."""

    recommendation: Recommendation
    status: tuple[str, str]
    deadline: tuple[str, str]
    addressees: list[str]
    mark: str


def recommendation_lines(
    request: HttpRequest, agreement: Agreement, limit: int, context: ReadContext | None = None, marks: SourceMarks | None = None
) -> list[RecommendationLine]:
    """The first recommendations of the agreement: open ones first, then by due date. With the values of the day of the context."""
    page = admin.site.get_model_admin(Recommendation)
    request.list_context = context  # type: ignore[attr-defined] # for the page of the list
    addressees = Addressee.objects.visible_to(request.user).select_related("party").order_by(*LEAD_FIRST)
    rows: Any = page.get_queryset(request).filter(agreements=agreement).order_by("-closed_on", "due_on_last", "slug")
    return [
        RecommendationLine(
            row,
            (row.get_status_display(), STATUS_COLOUR[row.status]),
            deadline_label(row.deadline_state),
            [str(addressee.party) for addressee in row.addressees.all()],
            marks.of("recommendation", row.pk) if marks else "",
        )
        for row in rows.prefetch_related(Prefetch("addressees", addressees))[:limit]
    ]


def of_agreement(user: Any, agreement: Any) -> QuerySet:
    """The recommendations of an agreement, which may be a parameter of a compiled statement."""
    return Recommendation.objects.visible_to(user).filter(agreements=agreement)


# ---- sources


@dataclass(frozen=True)
class SourceLine:
    """A source with its number: its quotes with what they are cited for, the titles of uses without one, and how many are not shown."""

    number: int
    source: Any
    quoted: list[tuple[Use, str]]
    unquoted: list[str]
    more: int

    @classmethod
    def of(cls, number: int, source: Any, uses: list[Use]) -> SourceLine:
        quotes: dict[tuple[str, str, str], list[Use]] = defaultdict(list)
        for use in uses:
            if use.quote:
                quotes[use.locator, use.quote, use.judgement].append(use)
        quoted = [(alike[0], "; ".join(dict.fromkeys(use.title for use in alike))) for alike in quotes.values()]
        others = [use for use in uses if not use.quote]
        titles = [use.title + (f" ({use.locator})" if use.locator else "") for use in others[:SHOWN_USES]]
        return cls(number, source, quoted, list(dict.fromkeys(titles)), max(0, len(others) - SHOWN_USES))


@dataclass(frozen=True)
class Check:
    """A fact check with its sources, and their marks."""

    check: FactCheck
    source: Any
    correcting: Any
    mark: str


def fact_checks(agreement: Agreement, user: Any, marks: SourceMarks) -> list[Check]:
    """The first fact checks. Who may read one may read its source; the correcting source may be hidden."""
    readable = {source.pk: source for source in marks.numbers or ()}
    rows = FactCheck.objects.visible_to(user).filter(agreement=agreement)[:SHOWN_FACT_CHECKS]
    return [
        Check(row, readable.get(row.source_id), readable.get(row.correcting_source_id or 0), marks.of("factcheck", row.pk)) for row in rows
    ]
