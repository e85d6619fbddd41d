"""Who leads which part of an agreement, what reaches which of its sectors, and where nobody and nothing does (API.md 6)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from agreements.models import Agreement, Component, Participation, Sector
from agreements.models.agreements import NON_PARTICIPANT_ROLES
from recommendations.models import Recommendation

MOST_ROWS, MOST_COLUMNS = 500, 2000


def matrix(rows: list[str], columns: list[str], pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """1 where a row and a column are a pair, and the rows and columns that are in none. What is above the bounds is cut off, and told."""
    complete = len(rows) <= MOST_ROWS and len(columns) <= MOST_COLUMNS
    rows, columns = rows[:MOST_ROWS], columns[:MOST_COLUMNS]
    across = {column: number for number, column in enumerate(columns)}
    cells = {row: [0] * len(columns) for row in rows}
    reached: set[str] = set()
    for row, column in pairs:
        if row in cells and column in across:
            cells[row][across[column]] = 1
            reached.add(column)
    gaps = {
        "rows": [row for row in rows if not any(cells[row])],
        "columns": [column for column in columns if column not in reached],
    }
    told = {"rows": rows, "columns": columns, "cells": list(cells.values()), "gaps": gaps}
    return told if complete else told | {"complete": False}


def coverage(agreement: Agreement, user: Any) -> dict[str, Any]:
    """Both matrices of one agreement, of what this user may read."""
    return {"party_component": party_component(agreement, user), "sector_recommendation": sector_recommendation(agreement, user)}


def party_component(agreement: Agreement, user: Any) -> dict[str, Any]:
    participants = Participation.objects.visible_to(user).filter(agreement=agreement).exclude(role__in=NON_PARTICIPANT_ROLES)
    components = Component.objects.visible_to(user).filter(agreement=agreement)
    leads = Component.lead_parties.through.objects.filter(component__in=components.order_by().values("pk"))
    return matrix(
        list(participants.order_by("party__code").values_list("party__code", flat=True).distinct()[: MOST_ROWS + 1]),
        list(components.order_by("slug").values_list("slug", flat=True)[: MOST_COLUMNS + 1]),
        leads.values_list("party__code", "component__slug"),
    )


def sector_recommendation(agreement: Agreement, user: Any) -> dict[str, Any]:
    recommendations = Recommendation.objects.visible_to(user).filter(agreements=agreement)
    reached = Recommendation.sectors.through.objects.filter(recommendation__in=recommendations.order_by().values("pk"))
    touched = Agreement.sectors.through.objects.filter(agreement=agreement)
    sectors = Sector.objects.visible_to(user).filter(pk__in=touched.values_list("sector").union(reached.values_list("sector")))
    return matrix(
        list(sectors.order_by("code").values_list("code", flat=True)[: MOST_ROWS + 1]),
        list(recommendations.order_by("slug").values_list("slug", flat=True)[: MOST_COLUMNS + 1]),
        reached.values_list("sector__code", "recommendation__slug"),
    )
