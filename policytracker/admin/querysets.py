"""Querysets of the lists and forms of the admin: only what the user may read, with a fixed number of queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from functools import cached_property
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.utils import get_fields_from_path
from django.core.paginator import Paginator
from django.db import models
from django.db.models import Prefetch, Q, QuerySet, prefetch_related_objects
from django.utils.text import smart_split, unescape_string_literal

from policytracker.accounts.models import User
from policytracker.records.fields import Text
from policytracker.records.models import MAX_COUNT, Record, UidRecord, count_rows
from policytracker.representation import hidden
from policytracker.representation.filters import is_name
from policytracker.representation.values import reference
from policytracker.resources import ReadContext

MAX_TERMS = 10  # of a search


class CappedPaginator(Paginator):
    """Counts at most MAX_COUNT rows, because counting a large table takes longer than reading a page of it."""

    template_name = "admin/capped_pagination.html"
    user: Any = None  # the rows of records are those that this user may read

    @cached_property
    def counted(self) -> int:
        """The number of rows; MAX_COUNT + 1 if there are more than MAX_COUNT."""
        rows = self.object_list
        return count_rows(rows, self.user) if isinstance(rows, QuerySet) else len(rows)

    @cached_property
    def count(self) -> int:
        return min(self.counted, MAX_COUNT)


def visible(model: type[models.Model], user: Any) -> QuerySet:
    """The rows that the user may read, with the relations that their labels need and without long texts."""
    if not issubclass(model, Record):
        return model.visible_to(user) if issubclass(model, User) else model._default_manager.all()
    rows = model.objects.visible_to(user).defer(*(f.name for f in model._meta.fields if isinstance(f, Text) and f.blank))
    return rows.select_related(*model.label_relations) if model.label_relations else rows


def references(model: type[models.Model], user: Any, names: Iterable[str] | None = None) -> list[Prefetch]:
    """Prefetches of the references of rows, one query per field. A reference that the user may not read becomes None or is left out."""
    fields = [f for f in (*model._meta.fields, *model._meta.many_to_many) if f.is_relation and (names is None or f.name in names)]
    # A user named in a readable row may be shown.
    return [
        Prefetch(field.name, User._default_manager.all() if field.related_model is User else visible(field.related_model, user))
        for field in fields
    ]


def id_from_url(model: type[Record], text: str, user: Any) -> str:
    """The id of a record, which a URL names by id or key; "0", which no record has, for an unknown key."""
    if not text or (text.isascii() and text.isdigit() and len(text) < 19):
        return text
    try:
        return str(reference(model)(text, ReadContext.of(user)))
    except ValueError:
        return "0"


def load_labels(records: Iterable[Record], user: Any) -> None:
    """Load the records that `full_label` names, with one query per field, and without those that the user may not read."""
    by_model: dict[type[Record], list[Record]] = defaultdict(list)
    for record in records:
        record._state.fields_cache.clear()  # loaded without regard to the user
        by_model[type(record)].append(record)
    for model, rows in by_model.items():
        parents = model.access_parents if issubclass(model, UidRecord) else ()
        names = {path.partition("__")[0] for path in (*model.label_parts, *model.label_relations, *parents)}
        prefetch_related_objects(rows, *references(model, user, names))
        if "source" in names:
            hidden.redact(rows, user)


def default_search_fields(model: type[Record]) -> list[str]:
    """The fields by which records are searched: key and name, or the parents of a record that has neither."""
    names = [f.name for f in model._meta.fields if is_name(f, model) or f.name == "uid"]
    return [*names, *(model.access_parents if names == ["uid"] else ())]


def search_terms(text: str) -> list[str]:
    """The words of a search, and its phrases in quotation marks."""
    parts = list(smart_split(text.replace("\0", "")))[:MAX_TERMS]
    return [unescape_string_literal(part) if len(part) > 1 and part[0] in "\"'" and part[0] == part[-1] else part for part in parts]


def matching(model: type[models.Model], user: Any, term: str, names: Iterable[str]) -> Q:
    """The condition for rows with this term in one of the fields, or in the label of a record to which one of them leads.

    `names` are fields, or paths to other records such as `addressees__party`.
    """
    condition = Q(pk__in=[])
    for name in names:
        *through, field = get_fields_from_path(model, name)
        if field.is_relation:
            related = field.related_model
            searched = default_search_fields(related) if issubclass(related, Record) else admin.site.get_model_admin(related).search_fields
            rows = visible(related, user).filter(matching(related, user, term, searched))
            found = Q(**{f"{name}__in": rows.order_by().values("pk")})
            if through or field.many_to_many:  # a row may lead to several of them
                found = Q(pk__in=model._base_manager.filter(found).order_by().values("pk"))
            condition |= found
        elif isinstance(field, models.UUIDField):
            try:
                condition |= Q(**{name: UUID(term)})
            except ValueError:
                continue
        else:
            condition |= Q(**{f"{name}__icontains": term})
    return condition
