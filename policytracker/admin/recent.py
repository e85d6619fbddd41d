"""The newest changes that a user may see, with links to the pages of the records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from policytracker.admin.history import channel_label, display_value
from policytracker.admin.querysets import visible
from policytracker.history.feed import ChangeEntry, Feed, Filters
from policytracker.records.models import Record
from policytracker.representation.serializers import declared_fields
from policytracker.resources import ReadContext, registry

OPERATIONS = {"create": _("Created"), "update": _("Changed"), "delete": _("Deleted")}
SHOWN_FIELDS = 3
MAX_VALUE = 60  # characters


@dataclass(frozen=True)
class RecentChange:
    """A change as the home page shows it. `url` is empty for a deleted record, and `user` if the reader may not see people."""

    at: datetime | None
    user: str
    operation: Any
    kind: str
    title: str
    url: str
    fields: list[tuple[str, str]]
    more_fields: int
    reason: str


def recent_changes(request: HttpRequest, models: Sequence[type[Record]], size: int) -> list[RecentChange]:
    """The newest changes of records of these models. The number of queries is fixed."""
    entries = Feed(ReadContext.of(request.user), Filters(models=models)).newest(size)
    ids: dict[type[Record], set[int]] = defaultdict(set)
    for entry in entries:
        ids[entry.model].add(entry.pk)
    records = {
        (model, pk): record
        for model, pks in ids.items()
        for pk, record in visible(model, request.user).select_related(*model.access_parents, *model.label_relations).in_bulk(pks).items()
    }
    return [recent_change(entry, records.get((entry.model, entry.pk))) for entry in entries]


def recent_change(entry: ChangeEntry, record: Record | None) -> RecentChange:
    data, opts = entry.data, entry.model._meta
    fields = [(name, data["changes"][name]["after"]) for name in entry.edited]
    return RecentChange(
        at=parse_datetime(data["at"]),
        user=data["user"] or "",
        operation=OPERATIONS[data["operation"]],
        kind=str(opts.verbose_name),
        title=record.full_label() if record else data["key"],
        url=reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[entry.pk]) if record else "",
        fields=[field_value(entry.model, name, value) for name, value in fields[:SHOWN_FIELDS]],
        more_fields=max(0, len(fields) - SHOWN_FIELDS),
        reason=channel_label(data["channel"]) if data["reason"] == data["channel"] else data["reason"],
    )


def field_value(model: type[Record], name: str, value: Any) -> tuple[str, str]:
    """The label of a field of the API, and its new value in short."""
    field = model._meta.get_field(declared_fields(registry.of(model).serializer)[name].source)
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(display_value(field, "" if value is None else value))
    return str(capfirst(field.verbose_name)), text if len(text) <= MAX_VALUE else f"{text[: MAX_VALUE - 1]}…"
