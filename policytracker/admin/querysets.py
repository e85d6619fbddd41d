"""Rows as one person may see them, at the cost of a page: what the admin's lists and forms are made of."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any
from uuid import UUID

from django.core.paginator import Paginator
from django.db import models
from django.db.models import Prefetch, Q, QuerySet
from django.utils.text import smart_split, unescape_string_literal

from policytracker.api.filters import INDEXED_TEXTS
from policytracker.models import User
from policytracker.records.fields import Text
from policytracker.records.models import Record

COUNTED = 10_000
WORDS = 10  # of a search


class CappedPaginator(Paginator):
    """Counts no further than a person would turn pages."""

    template_name = "admin/capped_pagination.html"

    @cached_property
    def found(self) -> int:
        """Their number; one more than is counted stands for all the rest."""
        rows = self.object_list
        return rows.order_by()[: COUNTED + 1].count() if isinstance(rows, QuerySet) else len(rows)

    @cached_property
    def count(self) -> int:
        return min(self.found, COUNTED)


def visible(model: type[models.Model], user: Any) -> QuerySet:
    """The rows that exist for this user, with what else they are named by, and without the long texts, by which nothing is named."""
    if not issubclass(model, Record):
        return model.visible_to(user) if issubclass(model, User) else model._default_manager.all()
    rows = model.objects.visible_to(user).defer(*(f.name for f in model._meta.fields if isinstance(f, Text) and f.blank))
    return rows.select_related(*model.label_relations) if model.label_relations else rows


def references(model: type[models.Model], user: Any, names: Iterable[str] | None = None) -> list[Prefetch]:
    """What rows refer to, in one query for each field; a reference that the user may not read is None, or missing from its list."""
    fields = [f for f in (*model._meta.fields, *model._meta.many_to_many) if f.is_relation and (names is None or f.name in names)]
    # Who is named in a row that may be read may be known.
    return [
        Prefetch(field.name, User._default_manager.all() if field.related_model is User else visible(field.related_model, user))
        for field in fields
    ]


def redact_source(record: Record) -> Record:
    """Where its source is hidden from the reader, who reads its references through `references`, so are the source's words."""
    if getattr(record, "source_id", None) and record._state.fields_cache.get("source") is None:
        record.locator = record.quote = ""
        field = record._meta.get_field("source")
        if not field.null:
            field.set_cached_value(record, field.related_model())
    return record


def searched(model: type[models.Model]) -> list[str]:
    """By which fields rows of a model are found: its key and name, or else what it hangs on."""
    names = [f.name for f in model._meta.fields if f.name in INDEXED_TEXTS or f.name == "uid"]
    return [*names, *(getattr(model, "access_parents", ()) if names == ["uid"] else ())]


def words(text: str) -> list[str]:
    """What a person searches for: words, and phrases in quotation marks."""
    parts = list(smart_split(text.replace("\0", "")))[:WORDS]
    return [unescape_string_literal(part) if len(part) > 1 and part[0] in "\"'" and part[0] == part[-1] else part for part in parts]


def matching(model: type[models.Model], user: Any, word: str, names: Iterable[str]) -> Q:
    """Rows with this word in one of the fields, or in the name of what one of them refers to."""
    either = Q(pk__in=[])
    for name in names:
        field = model._meta.get_field(name)
        if field.is_relation:
            far = field.related_model
            found = visible(far, user).filter(matching(far, user, word, searched(far)))
            either |= Q(**{f"{name}__in": found.order_by().values("pk")})
        elif isinstance(field, models.UUIDField):
            try:
                either |= Q(**{name: UUID(word)})
            except ValueError:
                continue
        else:
            either |= Q(**{f"{name}__icontains": word})
    return either
