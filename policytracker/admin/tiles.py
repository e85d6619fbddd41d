"""Numbers that link to the list of the rows that they count."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db import connection
from django.http import HttpRequest
from django.urls import reverse
from django.utils.text import capfirst

from policytracker.records.models import MAX_COUNT
from policytracker.resources import ReadContext


@dataclass(frozen=True)
class Tile:
    """The number of rows of a list, and the URL of the list. `more` is true if there are more than `count`.

    `colour` is that of a number above 0: "danger" for what is late, "warning" for what is soon or uncertain, "unknown" for what
    nobody knows.
    """

    title: Any
    count: int
    more: bool
    url: str
    colour: str = ""


def list_url(model: type, query: dict[str, Any]) -> str:
    return f"{reverse(f'admin:{model._meta.app_label}_{model._meta.model_name}_changelist')}?{urlencode(query, doseq=True)}"


def records(model: Any, number: int) -> str:
    """The name of so many records, in the singular for one."""
    return str(capfirst(model._meta.verbose_name if number == 1 else model._meta.verbose_name_plural))


def capped_rows(request: HttpRequest, model: type, query: dict[str, Any]) -> Any:
    """The rows of a list with the filters of the list itself, so that both show the same number; at most as many as are counted."""
    page = admin.site.get_model_admin(model)
    rows: Any = page.get_queryset(request)
    for name, value in query.items():
        values = value if isinstance(value, list) else [value]
        rows = page.filter_set[name].apply(rows, values, ReadContext.of(request.user))
    return rows.at_most(MAX_COUNT + 1, request.user)


def tile(request: HttpRequest, title: Any, model: type, colour: str = "", **query: Any) -> Tile:
    """Count the rows of a list. "" is the name of the records."""
    return tiles(request, [Wanted(model, query, title, colour)])[0]


@dataclass(frozen=True)
class Wanted:
    """A list whose rows are to be counted. `title` may be a function of their number; "" is the name of the records."""

    model: type
    query: dict[str, Any]
    title: Any = ""
    colour: str = ""

    def tile(self, counted: int) -> Tile:
        number = min(counted, MAX_COUNT)
        title = self.title(number) if callable(self.title) else self.title or records(self.model, number)
        return Tile(title, number, counted > MAX_COUNT, list_url(self.model, self.query), self.colour)


def tiles(request: HttpRequest, wanted: Iterable[Wanted]) -> list[Tile]:
    """Count the rows of several lists in one statement."""
    found = list(wanted)
    selects = [capped_rows(request, each.model, each.query).query.sql_with_params() for each in found]
    if not selects:
        return []
    sql = " UNION ALL ".join(f"SELECT {number}, count(*) FROM ({rows}) AS counted" for number, (rows, _values) in enumerate(selects))
    with connection.cursor() as cursor:
        cursor.execute(sql, [value for _rows, values in selects for value in values])
        counts = dict(cursor.fetchall())
    return [each.tile(counts[number]) for number, each in enumerate(found)]
