"""Coverage matrices of an agreement: which party leads which component, which recommendation covers which sector."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from agreements.models import Agreement, Component, Participation, Sector
from agreements.models.agreements import NON_PARTICIPANT_ROLES
from recommendations.models import Recommendation

MAX_ROWS, MAX_COLUMNS = 500, 2000


def matrix(rows: list[str], columns: list[str], pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """A matrix with 1 where row and column are a pair, and the gaps: rows and columns without any pair.

    Rows and columns above the limits are omitted; `complete` is then False.
    """
    complete = len(rows) <= MAX_ROWS and len(columns) <= MAX_COLUMNS
    rows, columns = rows[:MAX_ROWS], columns[:MAX_COLUMNS]
    positions = {column: number for number, column in enumerate(columns)}
    cells = {row: [0] * len(columns) for row in rows}
    covered: set[str] = set()
    for row, column in pairs:
        if row in cells and column in positions:
            cells[row][positions[column]] = 1
            covered.add(column)
    gaps = {
        "rows": [row for row in rows if not any(cells[row])],
        "columns": [column for column in columns if column not in covered],
    }
    result = {"rows": rows, "columns": columns, "cells": list(cells.values()), "gaps": gaps}
    return result if complete else result | {"complete": False}


def coverage(agreement: Agreement, user: Any) -> dict[str, Any]:
    """Both matrices of an agreement, with the records that the user may read."""
    return {"party_component": party_component(agreement, user), "sector_recommendation": sector_recommendation(agreement, user)}


def party_component(agreement: Agreement, user: Any) -> dict[str, Any]:
    participants = Participation.objects.visible_to(user).filter(agreement=agreement).exclude(role__in=NON_PARTICIPANT_ROLES)
    components = Component.objects.visible_to(user).filter(agreement=agreement)
    leads = Component.lead_parties.through.objects.filter(component__in=components.order_by().values("pk"))
    return matrix(
        list(participants.order_by("party__code").values_list("party__code", flat=True).distinct()[: MAX_ROWS + 1]),
        list(components.order_by("slug").values_list("slug", flat=True)[: MAX_COLUMNS + 1]),
        leads.values_list("party__code", "component__slug"),
    )


def sector_recommendation(agreement: Agreement, user: Any) -> dict[str, Any]:
    recommendations = Recommendation.objects.visible_to(user).filter(agreements=agreement)
    covered = Recommendation.sectors.through.objects.filter(recommendation__in=recommendations.order_by().values("pk"))
    own = Agreement.sectors.through.objects.filter(agreement=agreement)
    sectors = Sector.objects.visible_to(user).filter(pk__in=own.values_list("sector").union(covered.values_list("sector")))
    return matrix(
        list(sectors.order_by("code").values_list("code", flat=True)[: MAX_ROWS + 1]),
        list(recommendations.order_by("slug").values_list("slug", flat=True)[: MAX_COLUMNS + 1]),
        covered.values_list("sector__code", "recommendation__slug"),
    )
