"""The first page of the admin: what waits for this person, and where everything stands. Each number opens the list it counts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import Count
from django.http import HttpRequest
from django.urls import reverse

from policytracker.filters import Asker
from policytracker.rows import CappedPaginator
from policytracker.views import today
from recommendations.models import ProgressUpdate, Recommendation, Status

SHOWN = 8  # deadlines


@dataclass(frozen=True)
class Tile:
    """A number, and the list that it counts."""

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
    """The list is asked the same questions here as there."""
    page = admin.site.get_model_admin(model)
    rows = page.get_queryset(request)
    for name, answer in asked.items():
        answers = answer if isinstance(answer, list) else [answer]
        rows = page.grammar[name].ask(rows, answers, Asker(request.user, today()))
    counted = CappedPaginator(rows, 1)
    return Tile(title, counted.count, counted.found > counted.count, listed(model, asked))


def mine(request: HttpRequest) -> list[Tile]:
    return [
        tile(request, "Overdue", Recommendation, owner="me", overdue="true"),
        tile(request, "Due within 30 days", Recommendation, owner="me", due_within="30"),
        tile(request, "To be assessed again, or for the first time", Recommendation, owner="me", freshness=["stale", "never"]),
        tile(request, "Returned to me", ProgressUpdate, review="returned", author=request.user.get_username()),
    ]


def everybodys(request: HttpRequest) -> list[Tile]:
    return [
        tile(request, "Waiting for review", ProgressUpdate, review="submitted"),
        tile(request, "Overdue", Recommendation, overdue="true"),
        tile(request, "Due within 30 days", Recommendation, due_within="30"),
        tile(request, "Claims that differ", Recommendation, claim_differs="true"),
        tile(request, "Open without an owner", Recommendation, open="true", without="owner"),
    ]


def distribution(request: HttpRequest) -> list[Share]:
    """Every status that occurs, in the order of the code list."""
    rows = Recommendation.objects.visible_to(request.user).order_by()
    counts = dict(rows.values_list("status").annotate(Count("pk")))
    total = sum(counts.values())
    found = [status for status in Status if status in counts]
    return [
        Share(status, counts[status], 100 * counts[status] / total, listed(Recommendation, {"status": status.value})) for status in found
    ]


def deadlines(request: HttpRequest, on: date) -> list[Recommendation]:
    """The next days by which something open is to be done."""
    rows = Recommendation.objects.visible_to(request.user).open().filter(due_on_last__gte=on)
    return list(rows.only("slug", "key_action", "due_on", "due_on_last", "status").order_by("due_on_last", "slug")[:SHOWN])


def page(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What the theme's index is given; it calls this by name (settings)."""
    if not request.user.has_perm("recommendations.view_recommendation"):
        return context
    shares = distribution(request)
    return context | {
        "title": "Home",
        "mine": mine(request),
        "everybodys": everybodys(request),
        "distribution": shares,
        "total": sum(share.count for share in shares),
        "unknown": next((share for share in shares if share.status == Status.NOT_ASSESSED), None),
        "deadlines": deadlines(request, today()),
    }
