"""Coverage matrices of an agreement: which party leads which component, which recommendation covers which sector."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NotRequired, TypedDict

from agreements.models import Agreement, Component, Participation, Sector
from agreements.models.agreements import NON_PARTICIPANT_ROLES
from recommendations.models import Recommendation

MAX_ROWS, MAX_COLUMNS = 500, 2000


class Gaps(TypedDict):
    """The keys of the rows and of the columns without any pair."""

    rows: list[str]
    columns: list[str]


class Matrix(TypedDict):
    """The keys of rows and columns, and a list of 0 and 1 for each row. `complete` is given if it is False."""

    rows: list[str]
    columns: list[str]
    cells: list[list[int]]
    gaps: Gaps
    complete: NotRequired[bool]


class Coverage(TypedDict):
    party_component: Matrix
    sector_recommendation: Matrix


def matrix(rows: list[str], columns: list[str], pairs: Iterable[tuple[str, str]]) -> Matrix:
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
    gaps: Gaps = {
        "rows": [row for row in rows if not any(cells[row])],
        "columns": [column for column in columns if column not in covered],
    }
    result: Matrix = {"rows": rows, "columns": columns, "cells": list(cells.values()), "gaps": gaps}
    if not complete:
        result["complete"] = False
    return result


def coverage(agreement: Agreement, user: Any) -> Coverage:
    """Both matrices of an agreement, with the records that the user may read."""
    return {"party_component": party_component(agreement, user), "sector_recommendation": sector_recommendation(agreement, user)}


def party_component(agreement: Agreement, user: Any) -> Matrix:
    participants = Participation.objects.visible_to(user).filter(agreement=agreement).exclude(role__in=NON_PARTICIPANT_ROLES)
    components = Component.objects.visible_to(user).filter(agreement=agreement)
    leads = Component.lead_parties.through.objects.filter(component__in=components.order_by().values("pk"))
    return matrix(
        list(participants.order_by("party__code").values_list("party__code", flat=True).distinct()[: MAX_ROWS + 1]),
        list(components.order_by("slug").values_list("slug", flat=True)[: MAX_COLUMNS + 1]),
        leads.values_list("party__code", "component__slug"),
    )


def sector_recommendation(agreement: Agreement, user: Any) -> Matrix:
    recommendations = Recommendation.objects.visible_to(user).filter(agreements=agreement)
    covered = Recommendation.sectors.through.objects.filter(recommendation__in=recommendations.order_by().values("pk"))
    own = Agreement.sectors.through.objects.filter(agreement=agreement)
    sectors = Sector.objects.visible_to(user).filter(pk__in=own.values_list("sector").union(covered.values_list("sector")))
    return matrix(
        list(sectors.order_by("code").values_list("code", flat=True)[: MAX_ROWS + 1]),
        list(recommendations.order_by("slug").values_list("slug", flat=True)[: MAX_COLUMNS + 1]),
        covered.values_list("sector__code", "recommendation__slug"),
    )
