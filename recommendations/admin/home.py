"""The home page of the admin, by role: queues, status of recommendations and next deadlines.

Each number links to the list that it counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from agreements.models import Agreement, Party
from policytracker.admin.charts import Distribution
from policytracker.admin.querysets import visible
from policytracker.admin.tiles import Tile, Wanted, list_url, tile, tiles
from policytracker.dataset.demo import is_demo
from policytracker.records.access import Role
from policytracker.resources import today
from policytracker.web.heavy import REPORT, heavy, take_turn
from recommendations import progress
from recommendations.admin.calendar import next_deadlines
from recommendations.admin.charts import distribution, trend
from recommendations.admin.lists import LATENESS
from recommendations.models import Addressee, ProgressUpdate, Recommendation, Response

SHOWN_DEADLINES = 12
SHOWN_AGREEMENTS = 10


@dataclass(frozen=True)
class Queue:
    """A group of numbers with a title."""

    name: str
    title: Any
    tiles: list[Tile]


# ---- queues


def waiting_for_review(request: HttpRequest) -> Tile:
    return tile(request, _("Waiting for review"), ProgressUpdate, review="submitted")


def lateness(request: HttpRequest, **whose: str) -> list[Tile]:
    """What is late and soon, and beside it what nobody can call late: open ones without a due date or a recent assessment."""
    return tiles(request, [Wanted(Recommendation, query | whose, title, colour) for title, colour, query in LATENESS.values()])


def my_queue(request: HttpRequest) -> list[Tile]:
    return [
        *lateness(request, owner="me"),
        tile(request, _("Returned to me"), ProgressUpdate, review="returned", author=request.user.get_username()),
    ]


def team_queue(request: HttpRequest) -> list[Tile]:
    return [
        *lateness(request),
        tile(request, _("Contradicted by a claim"), Recommendation, "warning", claim_differs="true"),
        tile(request, _("Unassigned"), Recommendation, open="true", without="owner"),
    ]


def officer_queue(request: HttpRequest, party: Party) -> list[Tile]:
    return [
        tile(request, _("Addressed to us"), Recommendation, party=party.code, open="true"),
        tile(request, _("Awaiting our response"), Addressee, party=party.code, response=Response.NONE_RECORDED.value),
        *lateness(request, party=party.code),
        tile(request, _("Our claims in review"), ProgressUpdate, party=party.code, kind="claim", review="submitted"),
        tile(request, _("Returned to me"), ProgressUpdate, review="returned", author=request.user.get_username()),
    ]


def queues(request: HttpRequest, party: Party | None) -> list[Queue]:
    """What waits for the user, by role; `party` is the party of an officer. Readers have no queue."""
    roles, found = progress.roles(request.user), []
    if party:
        found.append(Queue("party-queue", party.name, officer_queue(request, party)))
    if roles & progress.EDITORS:
        own, team = my_queue(request), team_queue(request)
        (own if roles & progress.REVIEWERS else team).insert(0, waiting_for_review(request))
        found += [Queue("my-queue", _("My queue"), own), Queue("team-queue", _("Whole team"), team)]
    return found


def party_of(user: Any) -> Party | None:
    """The party for which an officer acts, if there is one."""
    return Party.objects.filter(officers__user=user).first() if Role.OFFICER in progress.roles(user) else None


# ---- statuses


@dataclass(frozen=True)
class AgreementLine:
    """The statuses of the recommendations of an agreement, with their list."""

    title: str
    url: str
    list_url: str
    statuses: Distribution


def statuses(request: HttpRequest) -> Distribution:
    rows: Any = Recommendation.objects.visible_to(request.user).order_by()
    return distribution(dict(rows.values_list("status").annotate(Count("pk"))), {})


def statuses_by_agreement(request: HttpRequest) -> list[AgreementLine]:
    """The agreements with the most recommendations."""
    rows: Any = Recommendation.objects.visible_to(request.user).order_by()
    readable = Agreement.objects.visible_to(request.user).order_by().values("pk")
    totals = rows.filter(agreements__in=readable).values_list("agreements").annotate(number=Count("pk"))
    largest = [pk for pk, _number in totals.order_by("-number", "agreements")[:SHOWN_AGREEMENTS]]
    counts: dict[int, dict[str, int]] = {pk: {} for pk in largest}
    for pk, status, number in rows.filter(agreements__in=largest).values_list("agreements", "status").annotate(Count("pk")):
        counts[pk][status] = number
    agreements = visible(Agreement, request.user).in_bulk(largest)
    return [
        AgreementLine(
            str(agreements[pk]),
            reverse("admin:agreements_agreement_change", args=[pk]),
            list_url(Recommendation, {"agreement": agreements[pk].slug}),
            distribution(counts[pk], {"agreement": agreements[pk].slug}),
        )
        for pk in largest
    ]


# ---- the pages


@heavy(REPORT)
def numbers(request: HttpRequest) -> HttpResponse:
    """The page of recommendations in numbers: of all that the user may read. The home page loads its content last, too."""
    if not request.user.has_perm("recommendations.view_recommendation"):
        raise PermissionDenied
    take_turn(request)
    context = admin.site.each_context(request) | {
        "title": _("Recommendations in numbers"),
        "statuses": statuses(request),
        "trend": trend(Recommendation.objects.visible_to(request.user), today(), today(), {}),
        "agreements": statuses_by_agreement(request),
        "agreements_url": list_url(Agreement, {}),
    }
    request.current_app = admin.site.name
    return TemplateResponse(request, "admin/numbers.html", context)


def page(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """The context of the home page. The theme calls this function, which DASHBOARD_CALLBACK in the settings names."""
    context |= {"title": _("Home")}
    if not request.user.has_perm("recommendations.view_recommendation"):
        return context
    roles, party, agreement_page = progress.roles(request.user), party_of(request.user), admin.site.get_model_admin(Agreement)
    has_records = Recommendation.objects.visible_to(request.user).exists() or agreement_page.get_queryset(request).exists()
    return context | {
        "has_role": True,
        "queues": queues(request, party),
        "shows_checks": bool(roles & progress.EDITORS),
        "party": party,
        "is_officer_without_party": Role.OFFICER in roles and party is None,
        "deadlines": next_deadlines(request, today(), SHOWN_DEADLINES),
        "own_deadlines": next_deadlines(request, today(), SHOWN_DEADLINES, party) if party else [],
        "is_empty": not has_records,
        "has_demo": has_records and any(model.objects.filter(is_demo(model)).exists() for model in (Agreement, Recommendation)),
        "has_parties": has_records or Party.objects.exists(),
        "may_add": agreement_page.has_add_permission(request),
    }
