"""The lists of the records that refer to a record, such as everything that cites a source, with their counts."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from policytracker.admin.tiles import Tile, Wanted, records, tiles
from policytracker.resources import registry


def filters_of(page: Any) -> set[str]:
    """The names of the filters that a list offers."""
    return {getattr(list_filter, "parameter_name", "") for list_filter in page.list_filter}


def title_of(model: type[models.Model], name: str, number: int) -> str:
    """The title of so many records that refer to a record by this field. A page may name it in `titles_from`, with a plural."""
    page, field = admin.site.get_model_admin(model), model._meta.get_field(name)
    if title := getattr(page, "titles_from", {}).get(name):
        return title % number
    related: Any = field.related_model._meta  # type: ignore[union-attr]
    alike = str(field.verbose_name) in (str(related.verbose_name), str(related.verbose_name_plural))
    return records(model, number) if alike else f"{records(model, number)}: {field.verbose_name}"


def referring(request: HttpRequest, record: Any, *first: Wanted) -> list[Tile]:
    """A tile for each list with records that refer to it and that the user may view, in the order of loading. Empty lists are left out."""
    wanted = list(first)
    for model, name in registry.references_to(type(record)):
        page = admin.site.get_model_admin(model)
        if name in filters_of(page) and page.has_view_permission(request):
            wanted.append(Wanted(model, {name: record.natural_key()[0]}, partial(title_of, model, name)))
    return [counted for counted in tiles(request, wanted) if counted.count]
