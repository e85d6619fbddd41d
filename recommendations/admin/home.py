"""The home page of the admin: the user's queue, the team's queue and the status overview. Each number links to the list that it counts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import Count
from django.http import HttpRequest
from django.urls import reverse

from policytracker.admin.querysets import CappedPaginator
from policytracker.records.access import Role
from policytracker.resources import ReadContext, today
from recommendations import progress
from recommendations.models import ProgressUpdate, Recommendation, Status

SHOWN = 8  # deadlines


@dataclass(frozen=True)
class Tile:
    """A number and the list that it counts."""

    title: str
    count: int
    more: bool
    url: str


@dataclass(frozen=True)
class Share:
    """How many recommendations have a status."""

    status: Status
    count: int
    percent: float
    url: str


def listed(model: type, asked: dict[str, Any]) -> str:
    return f"{reverse(f'admin:{model._meta.app_label}_{model._meta.model_name}_changelist')}?{urlencode(asked, doseq=True)}"


def tile(request: HttpRequest, title: str, model: type, **asked: Any) -> Tile:
    """Count the list with its own filters."""
    page = admin.site.get_model_admin(model)
    rows = page.get_queryset(request)
    for name, answer in asked.items():
        answers = answer if isinstance(answer, list) else [answer]
        rows = page.filter_set[name].apply(rows, answers, ReadContext.of(request.user))
    counted = CappedPaginator(rows, 1)
    return Tile(title, counted.count, counted.found > counted.count, listed(model, asked))


def mine(request: HttpRequest) -> list[Tile]:
    return [
        tile(request, "Overdue", Recommendation, owner="me", overdue="true"),
        tile(request, "Due within 30 days", Recommendation, owner="me", due_within="30"),
        tile(request, "Needs assessment", Recommendation, owner="me", freshness=["stale", "never"]),
        tile(request, "Returned to me", ProgressUpdate, review="returned", author=request.user.get_username()),
    ]


def claims(request: HttpRequest) -> list[Tile]:
    """The queue of a party officer."""
    return [
        tile(request, "Claims in review", ProgressUpdate, review="submitted", author=request.user.get_username()),
        tile(request, "Returned to me", ProgressUpdate, review="returned", author=request.user.get_username()),
    ]


def team_queue(request: HttpRequest) -> list[Tile]:
    return [
        tile(request, "Waiting for review", ProgressUpdate, review="submitted"),
        tile(request, "Overdue", Recommendation, overdue="true"),
        tile(request, "Due within 30 days", Recommendation, due_within="30"),
        tile(request, "Contradicted by claim", Recommendation, claim_differs="true"),
        tile(request, "Unassigned", Recommendation, open="true", without="owner"),
    ]


def distribution(request: HttpRequest) -> list[Share]:
    """The statuses that occur, in the order of the code list."""
    rows = Recommendation.objects.visible_to(request.user).order_by()
    counts = dict(rows.values_list("status").annotate(Count("pk")))
    total = sum(counts.values())
    found = [status for status in Status if status in counts]
    return [
        Share(status, counts[status], 100 * counts[status] / total, listed(Recommendation, {"status": status.value})) for status in found
    ]


def deadlines(request: HttpRequest, on: date) -> list[Recommendation]:
    """The open recommendations with the next due dates."""
    rows = Recommendation.objects.visible_to(request.user).open().filter(due_on_last__gte=on)
    return list(rows.only("slug", "key_action", "due_on", "due_on_last", "status").order_by("due_on_last", "slug")[:SHOWN])


def page(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """The context of the home page. The theme calls this function by its name in the settings."""
    if not request.user.has_perm("recommendations.view_recommendation"):
        return context
    shares, works = distribution(request), bool(progress.roles(request.user) & progress.EDITORS)
    return context | {
        "title": "Home",
        "has_role": True,
        "mine": mine(request) if works else claims(request) if progress.roles(request.user) & {Role.OFFICER} else [],
        "everybodys": team_queue(request) if works else [],
        "distribution": shares,
        "total": sum(share.count for share in shares),
        "unknown": next((share for share in shares if share.status == Status.NOT_ASSESSED), None),
        "deadlines": deadlines(request, today()),
    }
