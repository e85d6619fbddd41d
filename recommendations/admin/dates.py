"""The dates of an agreement for reading: its timeline, whose entries lead to the pages of their records, and the next ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.contrib import admin
from django.db.models import TextField, Value
from django.db.models.functions import Cast
from django.utils.text import capfirst

from policytracker.admin.charts import Moment, Timeline
from policytracker.edtf import date_in_words, distance
from policytracker.resources import ReadContext, registry
from recommendations.models import ProgressUpdate
from recommendations.reports import timeline

SHOWN_DATES = 3
DRAWN_DATES = 150  # more would make the page of a large agreement larger than 250 KB


@dataclass(frozen=True)
class NextDate:
    """A coming date, how long until then, and the page of its record."""

    moment: Moment
    until: str

    @property
    def url(self) -> str:
        return self.moment.url


def dates_of(agreement: Any, user: Any, context: ReadContext) -> tuple[Timeline, list[NextDate]]:
    """The first DRAWN_DATES dates of the agreement, and the next ones from the day of the context on, without assessments."""
    dates, updates = timeline.Timeline(agreement, user), registry.of(ProgressUpdate).address
    page = dates.page(None, DRAWN_DATES)

    def coming(entries: Iterable[timeline.DatedEvent]) -> list[timeline.DatedEvent]:
        return [entry for entry in entries if entry.day >= context.on and entry.type != updates][:SHOWN_DATES]

    following = coming(page.results)
    if page.next and len(following) < SHOWN_DATES:
        following = coming(dates.page(dates.cursor_from(context.on), DRAWN_DATES).results)
    pages = record_pages({*((entry.type, entry.key) for entry in (*page.results, *following))})
    nearest = [NextDate(moment, distance(moment.day, context.on)) for moment in moments(following, pages)]
    return Timeline(moments(page.results, pages), context.on, page.count), nearest


def moments(entries: Iterable[timeline.DatedEvent], pages: dict[tuple[str, str], str]) -> list[Moment]:
    lane = cache(lambda address: str(capfirst(registry.at(address).model._meta.verbose_name_plural)))
    return [
        Moment(entry.day, date_in_words(entry.on), entry.title, lane(entry.type), pages.get((entry.type, entry.key), ""))
        for entry in entries
    ]


def record_pages(records: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """The address of the page of each record, by type and key. One query."""
    keys: dict[str, set[str]] = defaultdict(set)
    for address, key in records:
        keys[address].add(key)
    rows = [
        registry.at(address)
        .model._base_manager.filter(**{f"{registry.at(address).model.key}__in": found})
        .order_by()
        .values_list(Value(address, TextField()), Cast(registry.at(address).model.key, TextField()), "pk")
        for address, found in keys.items()
    ]
    ids = rows[0].union(*rows[1:], all=True) if rows else []
    return {(address, key): admin.site.get_model_admin(registry.at(address).model).page_of_id(pk) for address, key, pk in ids}
