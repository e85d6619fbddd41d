"""The coverage matrices of an agreement: which parties lead which components, and which recommendations concern which sectors."""

from __future__ import annotations

from django.http import HttpRequest

from agreements.models import Agreement, Component, Sector
from policytracker.admin import list_url
from policytracker.admin.charts import Cell, Matrix, MatrixRow
from policytracker.admin.querysets import visible
from recommendations.models import Recommendation
from recommendations.reports import coverage as reported

DRAWN_COLUMNS = 15  # of a matrix; a wider one shows the counts only
DRAWN_LINES = 40


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
