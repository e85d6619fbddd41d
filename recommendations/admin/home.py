"""The home page of the admin: own queue, team queue, status distribution and deadlines. Each number links to its list."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import Count
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from policytracker.admin.tiles import Tile, list_url, tile
from policytracker.records.access import Role
from policytracker.resources import today
from recommendations import progress
from recommendations.models import ProgressUpdate, Recommendation, Status

SHOWN_DEADLINES = 8


@dataclass(frozen=True)
class Share:
    """The number of recommendations with a status."""

    status: Status
    count: int
    percent: float
    url: str


def my_queue(request: HttpRequest) -> list[Tile]:
    return [
        tile(request, _("Overdue"), Recommendation, owner="me", overdue="true"),
        tile(request, _("Due within 30 days"), Recommendation, owner="me", due_within="30"),
        tile(request, _("Needs assessment"), Recommendation, owner="me", freshness=["stale", "never"]),
        tile(request, _("Returned to me"), ProgressUpdate, review="returned", author=request.user.get_username()),
    ]


def officer_queue(request: HttpRequest) -> list[Tile]:
    return [
        tile(request, _("Claims in review"), ProgressUpdate, review="submitted", author=request.user.get_username()),
        tile(request, _("Returned to me"), ProgressUpdate, review="returned", author=request.user.get_username()),
    ]


def team_queue(request: HttpRequest) -> list[Tile]:
    return [
        tile(request, _("Waiting for review"), ProgressUpdate, review="submitted"),
        tile(request, _("Overdue"), Recommendation, overdue="true"),
        tile(request, _("Due within 30 days"), Recommendation, due_within="30"),
        tile(request, _("Contradicted by a claim"), Recommendation, claim_differs="true"),
        tile(request, _("Unassigned"), Recommendation, open="true", without="owner"),
    ]


def distribution(request: HttpRequest) -> list[Share]:
    """The statuses that recommendations have, in the order of the code list."""
    rows = Recommendation.objects.visible_to(request.user).order_by()
    counts = dict(rows.values_list("status").annotate(Count("pk")))
    total = sum(counts.values())
    return [
        Share(status, counts[status], 100 * counts[status] / total, list_url(Recommendation, {"status": status.value}))
        for status in Status
        if status in counts
    ]


def deadlines(request: HttpRequest, on: date) -> list[Recommendation]:
    """The open recommendations with the next due dates."""
    rows = Recommendation.objects.visible_to(request.user).open().filter(due_on_last__gte=on)
    return list(rows.only("slug", "key_action", "due_on", "due_on_last", "status").order_by("due_on_last", "slug")[:SHOWN_DEADLINES])


def page(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """The context of the home page. The theme calls this function, which DASHBOARD_CALLBACK in the settings names."""
    if not request.user.has_perm("recommendations.view_recommendation"):
        return context
    shares, roles = distribution(request), progress.roles(request.user)
    is_editor = bool(roles & progress.EDITORS)
    return context | {
        "title": _("Home"),
        "has_role": True,
        "my_queue": my_queue(request) if is_editor else officer_queue(request) if roles & {Role.OFFICER} else [],
        "team_queue": team_queue(request) if is_editor else [],
        "distribution": shares,
        "total": sum(share.count for share in shares),
        "not_assessed": next((share for share in shares if share.status == Status.NOT_ASSESSED), None),
        "deadlines": deadlines(request, today()),
    }
