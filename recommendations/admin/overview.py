"""The tab Overview of an agreement: its parts, recommendations and standing for reading. All numbers come from the reports of the API."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

from django.contrib import admin
from django.db.models import Count, Prefetch, QuerySet, TextField, Value
from django.db.models.functions import Cast
from django.http import HttpRequest
from django.urls import reverse
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from agreements.admin import deadline_label
from agreements.admin.standing import standing_panel
from agreements.deadlines import DeadlineState, of_component
from agreements.models import Agreement, Citation, Commitment, Component, FactCheck, Sector
from agreements.models.agreements import AgreementStatus
from agreements.models.commitments import Bound, Stage
from agreements.numbers import number
from policytracker.admin import Tile, list_url
from policytracker.admin.charts import Bar, Cell, Matrix, MatrixRow, Moment, Timeline
from policytracker.admin.querysets import references, visible
from policytracker.edtf import date_in_words
from policytracker.resources import ReadContext, registry
from recommendations.admin.addressees import LEAD_FIRST
from recommendations.admin.charts import distribution, trend
from recommendations.admin.records import STATUS_COLOUR
from recommendations.deadlines import Freshness
from recommendations.models import Addressee, ProgressUpdate, Recommendation
from recommendations.publication import has_something_to_publish, may_publish
from recommendations.reports import coverage as reported
from recommendations.reports import timeline
from recommendations.reports.scorecard import IndicatorValues, MoneyTotal, Scorecard, scorecard

SHOWN_RECOMMENDATIONS = 15
SHOWN_CITATIONS = 40
SHOWN_FACT_CHECKS = 20
SHOWN_DATES = 8
DRAWN_DATES = 200
DRAWN_COLUMNS = SHOWN_RECOMMENDATIONS  # of a matrix; a wider one shows the counts only
DRAWN_LINES = 40


def overview(request: HttpRequest, agreement: Agreement) -> dict[str, Any]:
    """The variables of the template. The number of queries is fixed."""
    user, context = request.user, ReadContext.of(request.user)
    card = scorecard(agreement.slug, context)
    dates = timeline.Timeline(agreement, user)
    page = dates.page(None, DRAWN_DATES)
    drawn = moments(page.results)
    components = list(components_of(request, agreement))
    recommendations = recommendation_lines(request, agreement, SHOWN_RECOMMENDATIONS)
    standing = standing_panel(request, agreement)
    names = {
        "parties": standing.names,
        "components": {line.component.slug: line.component.title for line in components},
        "recommendations": {line.recommendation.slug: line.recommendation.key_action for line in recommendations},
    }
    lists = {"agreement": agreement.slug}
    return {
        "standing": standing,
        "media": standing.form.media,
        "suggested_status": suggested_status(agreement, standing.text.code),
        "attention": list(attention(card, lists)),
        "progress": distribution(card["recommendations"]["by_status"], lists),
        "trend": trend(of_agreement(user, agreement), context.today, lists),
        "money": money_bars(card["money"], lists),
        "inexact_money": has_inexact_money(agreement, user),
        "indicators": [indicator_values(indicator) for indicator in card["indicators"]],
        "timeline": Timeline(drawn, context.today, page.count),
        "next_dates": next_dates(dates, page, context),
        "components": components,
        "recommendations": recommendations,
        "recommendations_url": list_url(Recommendation, lists),
        "recommendation_total": card["recommendations"]["total"],
        "matrices": matrices(request, agreement, names),
        "sources": cited_sources(agreement, user),
        "fact_checks": fact_checks(agreement, user),
        "dossier_url": f"{reverse('agreements-dossier', args=[agreement.slug])}?format=md",
        "may_publish": may_publish(user) and has_something_to_publish(agreement, user),
        "publish_url": reverse("admin:agreements_agreement_publish", args=[agreement.pk]),
    }


def suggested_status(agreement: Agreement, code: Any) -> AgreementStatus | None:
    """The status that the actions suggest for an agreement whose status is unknown, or None."""
    known = {status.value: status for status in AgreementStatus}
    suggests = agreement.status == AgreementStatus.UNKNOWN and code.value in known and code.value != AgreementStatus.UNKNOWN
    return known[code.value] if suggests else None


# ---- numbers and charts


def attention(card: Scorecard, lists: dict[str, str]) -> Iterator[Tile]:
    """What is late or contradicted, and beside it what nobody can call late: recommendations without a due date or a recent assessment."""
    numbers, late, undated = card["recommendations"], DeadlineState.OVERDUE.value, DeadlineState.NONE.value
    unknown = {freshness.value: numbers["by_freshness"][freshness] for freshness in (Freshness.STALE, Freshness.NEVER)}

    def tile(title: str, count: int, model: type, query: dict[str, Any], colour: str = "") -> Tile:
        return Tile(title, count, False, list_url(model, lists | query), colour)

    yield tile(_("Overdue recommendations"), numbers["by_deadline_state"][late], Recommendation, {"deadline_state": late}, "danger")
    yield tile(_("Without a due date"), numbers["by_deadline_state"][undated], Recommendation, {"deadline_state": undated})
    yield tile(_("Stale or never assessed"), sum(unknown.values()), Recommendation, {"freshness": list(unknown)}, "warning")
    yield tile(_("Overdue components"), card["components"]["by_deadline_state"][late], Component, {"deadline_state": late}, "danger")
    yield tile(_("Contradicted by a claim"), numbers["claim_differs"], Recommendation, {"claim_differs": "true"}, "warning")


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


def has_inexact_money(agreement: Agreement, user: Any) -> bool:
    """Whether a total contains a figure that is not given as exact."""
    added: Any = Commitment.objects.visible_to(user).filter(agreement=agreement, disputes=None, part_of=None)
    return added.exclude(bound=Bound.EXACTLY).exists()


def indicator_values(indicator: IndicatorValues) -> dict[str, Any]:
    """An indicator of the scorecard with its values as text, without needless zeros."""
    values = {name: number(indicator[name]) for name in ("baseline_value", "latest_value", "target_value") if indicator[name] is not None}
    return {**indicator, **values}


def moments(entries: Iterable[timeline.DatedEvent]) -> list[Moment]:
    lane = cache(lambda address: str(capfirst(registry.at(address).model._meta.verbose_name_plural)))
    return [Moment(entry.day, date_in_words(entry.on), entry.title, lane(entry.type)) for entry in entries]


def next_dates(dates: timeline.Timeline, page: Any, context: ReadContext) -> list[tuple[Moment, str]]:
    """The next entries of the timeline, from today on, without the assessments of today, and the page of each record.

    `page` is the first page of the timeline.
    """
    updates = registry.of(ProgressUpdate).address

    def coming(entries: Iterable[timeline.DatedEvent]) -> list[timeline.DatedEvent]:
        return [entry for entry in entries if entry.day >= context.today and entry.type != updates][:SHOWN_DATES]

    found = coming(page.results)
    if page.next and len(found) < SHOWN_DATES:
        found = coming(dates.page(dates.cursor_from(context.today), DRAWN_DATES).results)
    pages = record_pages(found)
    return [(moment, pages[entry.type, entry.key]) for entry, moment in zip(found, moments(found), strict=True)]


def record_pages(entries: Iterable[timeline.DatedEvent]) -> dict[tuple[str, str], str]:
    """The address of the page of the record of each entry, by type and key. One query."""
    keys: dict[str, set[str]] = defaultdict(set)
    for entry in entries:
        keys[entry.type].add(entry.key)
    rows = [
        registry.at(address)
        .model._base_manager.filter(**{f"{registry.at(address).model.key}__in": found})
        .order_by()
        .values_list(Value(address, TextField()), Cast(registry.at(address).model.key, TextField()), "pk")
        for address, found in keys.items()
    ]
    ids = rows[0].union(*rows[1:], all=True) if rows else []
    return {(address, key): admin.site.get_model_admin(registry.at(address).model).page_of_id(pk) for address, key, pk in ids}


# ---- components and recommendations


@dataclass(frozen=True)
class ComponentLine:
    """A component in the tree, its number of recommendations, and their list."""

    component: Component
    depth: int
    status_label: str
    deadline: tuple[str, str]
    recommendations: int
    recommendations_url: str


def components_of(request: HttpRequest, agreement: Agreement) -> Iterator[ComponentLine]:
    """The components of the agreement, each after its parent, in the order of their positions."""
    user, on = request.user, ReadContext.of(request.user).today
    rows: Any = visible(Component, user).filter(agreement=agreement).annotate(deadline_state=of_component(on))
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


def recommendation_lines(request: HttpRequest, agreement: Agreement, limit: int) -> list[RecommendationLine]:
    """The first recommendations of the agreement: open ones first, then by due date."""
    page = admin.site.get_model_admin(Recommendation)
    addressees = Addressee.objects.visible_to(request.user).select_related("party").order_by(*LEAD_FIRST)
    rows: Any = page.get_queryset(request).filter(agreements=agreement).order_by("-closed_on", "due_on_last", "slug")
    return [
        RecommendationLine(
            row,
            (row.get_status_display(), STATUS_COLOUR[row.status]),
            deadline_label(row.deadline_state),
            [str(addressee.party) for addressee in row.addressees.all()],
        )
        for row in rows.prefetch_related(Prefetch("addressees", addressees))[:limit]
    ]


def of_agreement(user: Any, agreement: Any) -> QuerySet:
    """The recommendations of an agreement, which may be a parameter of a compiled statement."""
    return Recommendation.objects.visible_to(user).filter(agreements=agreement)


# ---- coverage


def matrices(request: HttpRequest, agreement: Agreement, names: dict[str, dict[str, str]]) -> list[tuple[str, Matrix, str]]:
    """Each coverage matrix with its kind and the list of what no row covers. `names` are the names of parties, components, ..."""
    data = reported.coverage(agreement, request.user)
    parties, sectors = data["party_component"], data["sector_recommendation"]
    sector_names = dict(visible(Sector, request.user).filter(code__in=sectors["rows"]).order_by().values_list("code", "name"))
    return [
        ("parties", *matrix(parties, Component, "lead_parties", agreement, names["parties"], names["components"])),
        ("sectors", *matrix(sectors, Recommendation, "sectors", agreement, sector_names, names["recommendations"])),
    ]


def matrix(
    data: reported.Matrix, model: type, filter_name: str, agreement: Agreement, row_names: dict[str, str], column_names: dict[str, str]
) -> tuple[Matrix, str]:
    """The chart of a coverage matrix, and the list of the records of `model` that no row covers.

    Its cells link to the list of `model`, filtered by the agreement, the row and the column.
    """
    lists = {"agreement": agreement.slug}
    drawn = data["columns"] if len(data["columns"]) <= DRAWN_COLUMNS else []
    lines = []
    for row, cells in zip(data["rows"], data["cells"], strict=True):
        if not any(cells):
            continue
        of_row, name = lists | {filter_name: row}, row_names.get(row, row)
        shown = [
            Cell(f"{name}: {column_names.get(column, column)}", list_url(model, of_row | {"slug": column})) if filled else Cell("")
            for column, filled in zip(drawn, cells, strict=False)
        ]
        lines.append(MatrixRow(name, list_url(model, of_row), sum(cells), shown))
    chart = Matrix(
        columns=[column_names.get(column, column) for column in drawn],
        lines=lines[:DRAWN_LINES],
        row_gaps=[row_names.get(row, row) for row in data["gaps"]["rows"]],
        column_gaps=len(data["gaps"]["columns"]),
        more=max(0, len(lines) - DRAWN_LINES),
    )
    return chart, list_url(model, lists | {f"{filter_name}__empty": "true"})


# ---- sources


@dataclass(frozen=True)
class CitedSource:
    """A source, its citations with a quote, each with what it is about, and what it is cited for without a quote."""

    source: Any
    quoted: list[tuple[str, Citation]]
    unquoted: list[str]


def subject(citation: Citation) -> str:
    """The part of the agreement that is cited, and its field."""
    target = citation.target_name
    part = "" if target == "agreement" else str(citation.participation.party if target == "participation" else citation.target)
    return ", ".join(filter(None, [part, citation.field_label])) or _("Agreement")


def cited_sources(agreement: Agreement, user: Any) -> dict[str, Any]:
    """The first citations of the agreement, its components, participations and outcomes, by source."""
    # Who may read a citation may read its source and what it cites.
    rows = Citation.objects.visible_to(user).filter(registry.of(Citation).belonging_to(agreement.pk))
    parts = rows.select_related("source", "component", "participation__party", "outcome").defer("source__notes", "component__description")
    found = list(parts.order_by("source", "id")[: SHOWN_CITATIONS + 1])
    shown = found[:SHOWN_CITATIONS]
    by_source: dict[Any, list[tuple[str, Citation]]] = defaultdict(list)
    for citation in shown:
        by_source[citation.source].append((subject(citation), citation))
    lines = [
        CitedSource(source, [line for line in citations if line[1].quote], [about for about, citation in citations if not citation.quote])
        for source, citations in by_source.items()
    ]
    return {"lines": lines, "more": len(found) > SHOWN_CITATIONS, "url": list_url(Citation, {"agreement": agreement.slug})}


def fact_checks(agreement: Agreement, user: Any) -> list[FactCheck]:
    rows = FactCheck.objects.visible_to(user).filter(agreement=agreement).select_related("source").defer("source__notes")
    return list(rows.prefetch_related(*references(FactCheck, user, ["correcting_source"]))[:SHOWN_FACT_CHECKS])
