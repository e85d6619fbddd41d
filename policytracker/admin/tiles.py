"""Numbers that link to the list of the rows that they count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.text import capfirst

from policytracker.admin.querysets import COUNTED
from policytracker.resources import ReadContext


@dataclass(frozen=True)
class Tile:
    """The number of rows of a list, and the URL of the list. `more` is true if there are more than `count`."""

    title: Any
    count: int
    more: bool
    url: str


def list_url(model: type, query: dict[str, Any]) -> str:
    return f"{reverse(f'admin:{model._meta.app_label}_{model._meta.model_name}_changelist')}?{urlencode(query, doseq=True)}"


def records(model: Any, number: int) -> str:
    """The name of so many records, in the singular for one."""
    return str(capfirst(model._meta.verbose_name if number == 1 else model._meta.verbose_name_plural))


def tile(request: HttpRequest, title: Any, model: type, **query: Any) -> Tile:
    """Count the rows of a list with the filters of the list itself, so that both show the same number. "" is the name of the records."""
    page = admin.site.get_model_admin(model)
    rows: Any = page.get_queryset(request)
    for name, value in query.items():
        values = value if isinstance(value, list) else [value]
        rows = page.filter_set[name].apply(rows, values, ReadContext.of(request.user))
    counted = rows.at_most(COUNTED + 1, request.user).count()
    return Tile(title or records(model, counted), min(counted, COUNTED), counted > COUNTED, list_url(model, query))
