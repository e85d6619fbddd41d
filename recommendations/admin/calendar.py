"""The next dates of the register: deadlines of recommendations, components and milestones, reviews and expiries of agreements."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from django.contrib import admin
from django.db.models import F, Q, Value
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from agreements.models import Agreement, Component, Party, agreements
from agreements.models.components import ComponentStatus
from policytracker.dataset import demo
from policytracker.edtf import date_in_words, latest
from recommendations.models import Milestone, Recommendation

LONGEST_PERIOD = timedelta(366)  # of a partial date: a year


@dataclass(frozen=True)
class Kind:
    """A kind of date: the field, the condition for rows that are not finished, and the name of the row.

    `party` and `agreement` are the paths from a row to the parties that it concerns, and to the agreements that it belongs to.
    """

    label: Any
    model: Any
    date_field: str
    name: Any
    party: str
    agreement: str
    open: Q = field(default_factory=Q)
    stores_last_day: bool = True

    def rows(self, user: Any, on: date, limit: int, party: Party | None) -> list[tuple[date, str, int, str, bool]]:
        """Day, date as recorded, id and name of the next rows, and whether each is demonstration data.

        A partial date counts as its last possible day. With a party, the rows that concern it.
        """
        rows = self.coming(user, on)
        if party:
            rows = rows.filter(pk__in=self.model.objects.filter(**{self.party: party}).order_by().values("pk"))
        rows = rows.annotate(fictional=demo.in_rows(self.model)).order_by("last", "pk")
        return list(rows.values_list("last", self.date_field, "pk", self.name, "fictional")[:limit])

    def coming(self, user: Any, on: date) -> Any:
        """The rows whose last possible day, as `last`, is that day or later."""
        rows = self.model.objects.visible_to(user).filter(self.open)
        if self.stores_last_day:
            last: Any = F(f"{self.date_field}_last")
        else:
            rows, last = rows.filter(**{f"{self.date_field}_first__gte": on - LONGEST_PERIOD}), latest(self.date_field)
        return rows.annotate(last=last).filter(last__gte=on)


KINDS = [
    Kind(_("Recommendation due"), Recommendation, "due_on", "key_action", "addressees__party", "agreements", Q(closed_on__isnull=True)),
    Kind(
        _("Component due"),
        Component,
        "due_on",
        "title",
        "lead_parties",
        "agreement",
        ~Q(status__in=[ComponentStatus.COMPLETED, ComponentStatus.CANCELLED]),
    ),
    Kind(
        _("Milestone due"),
        Milestone,
        "due_on",
        "title",
        "recommendation__addressees__party",
        "recommendation__agreements",
        Q(completed_on="", recommendation__closed_on__isnull=True),
        stores_last_day=False,
    ),
    Kind(_("Agreement review"), Agreement, "next_review_on", agreements.name(), "participations__party", "pk", stores_last_day=False),
    Kind(_("Agreement expires"), Agreement, "expires_on", agreements.name(), "participations__party", "pk"),
]


@dataclass(frozen=True)
class Deadline:
    """An entry of the calendar: its date in words, its kind, and the name and page of the record."""

    day: date
    on: str
    kind: Any
    name: str
    url: str
    fictional: bool


def next_deadlines(request: HttpRequest, on: date, limit: int, party: Party | None = None) -> list[Deadline]:
    """The next dates of all kinds, or of those that concern a party, in order, in one query for each kind."""
    found = []
    for kind in KINDS:
        page = page_of(kind.model)
        found += [
            Deadline(day, date_in_words(text), kind.label, name, page(pk), fictional)
            for day, text, pk, name, fictional in kind.rows(request.user, on, limit, party)
        ]
    return sorted(found, key=lambda deadline: (deadline.day, deadline.url))[:limit]


def next_by_agreement(user: Any, on: date, ids: Iterable[int]) -> dict[int, tuple[date, str, Any]]:
    """The next date of each of these agreements and what belongs to it: its last possible day, the date as recorded and its kind.

    In one query.
    """
    parts = []
    for number, kind in enumerate(KINDS):
        path = kind.agreement if kind.agreement == "pk" else f"{kind.agreement}__pk"
        first = kind.coming(user, on).filter(**{f"{path}__in": list(ids)}).order_by(path, "last", "pk").distinct(path)
        parts.append(first.values_list(path, "last", kind.date_field, Value(number)))
    found: dict[int, tuple[date, str, Any]] = {}
    for agreement, last, text, number in parts[0].union(*parts[1:], all=True):
        if agreement not in found or last < found[agreement][0]:
            found[agreement] = last, str(text), KINDS[number].label
    return found


def page_of(model: Any) -> Callable[[int], str]:
    """A function that returns the address of the page of a record."""
    name = f"{admin.site.name}:{model._meta.app_label}_{model._meta.model_name}_change"
    return lambda pk: reverse(name, args=[pk])
