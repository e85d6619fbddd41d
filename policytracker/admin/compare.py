"""The page *Compare*: what was added, removed and changed between two moments, by record and field, with removed and added words marked.

Both states are read as the pages of these moments read them, so that the comparison shows what two pages show, under the same rules.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from copy import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache, reduce
from operator import or_
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import CharField, DecimalField, Q, Value
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import Resolver404, resolve, reverse
from django.utils.formats import date_format
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from policytracker.admin.history import display_value
from policytracker.admin.past import PastMoment
from policytracker.admin.querysets import references
from policytracker.records.changes import Change
from policytracker.records.models import Record
from policytracker.representation import hidden
from policytracker.representation.diffs import Budget, diff
from policytracker.representation.parameters import AS_OF, InvalidParameter
from policytracker.representation.serializers import declared_fields
from policytracker.resources import registry, today
from policytracker.sql.moment import as_of, present
from policytracker.web.heavy import REPORT, heavy, take_turn

LIMIT = 500  # changed records that are compared, and rows of a list
WITHOUT_CHANGES = {"version", "created_at", "updated_at"}
ADDED, REMOVED, CHANGED = "added", "removed", "changed"
Ids = Mapping[type[Record], set[int]]


# ---- the records that are compared


@dataclass(frozen=True)
class Scope:
    """What a page shows: one record with its parts, the rows of a list, or the register."""

    title: str
    record: Record | None = None
    page: Any = None  # of the list
    query: str = ""

    @classmethod
    def of(cls, request: HttpRequest, address: str) -> Scope:
        """What the page at this address shows. Raises Http404 for a record that the user may not read."""
        parts = urlsplit(address)
        try:
            match = resolve(parts.path)
        except Resolver404:
            raise Http404 from None
        page = getattr(match.func, "model_admin", None)
        if page is None or not issubclass(page.model, Record):
            return cls(_("The whole register"))
        if key := match.kwargs.get("object_id"):
            record = page.get_object(copy_of(request, ""), key)
            if record is None:
                raise Http404
            return cls(record.full_label(), record)
        return cls(str(capfirst(page.opts.verbose_name_plural)), page=page, query=parts.query)

    def ids(self, request: HttpRequest) -> Ids | None:
        """The ids of these records at the moment that is read, without regard to access; None for the whole register."""
        if self.record is not None:
            return parts_of(self.record)
        return None if self.page is None else {self.page.model: self.rows(request)}

    def rows(self, request: HttpRequest) -> set[int]:
        """The ids of the first rows of the list."""
        rows = self.page.get_changelist_instance(copy_of(request, self.query)).queryset
        return set(rows.values_list("pk", flat=True)[:LIMIT])


def copy_of(request: HttpRequest, query: str) -> HttpRequest:
    """A request to read with these parameters, by the same user."""
    request = copy(request)
    request.method, request.GET = "GET", QueryDict(query)
    return request


@cache
def paths_to(target: type[Record]) -> dict[type[Record], list[str]]:
    """The record types whose records are parts of one of this type, with the fields that lead to it: without it they are not readable."""
    found: dict[type[Record], list[str]] = {}
    for resource in registry:  # a type comes after those that it refers to
        for name in resource.model.access_parents:
            parent: Any = resource.model._meta.get_field(name).related_model
            for path in [""] if parent is target else found.get(parent, []):
                found.setdefault(resource.model, []).append(f"{name}__{path}" if path else name)
    return found


def parts_of(record: Record) -> Ids:
    """The ids of the record and of its parts, by type. One query."""
    model = type(record)
    if model is registry.scope.model:
        conditions = {resource.model: resource.belonging_to(record.pk) for resource in registry if resource.scope_paths}
    else:
        conditions = {part: reduce(or_, (Q(**{path: record.pk}) for path in paths)) for part, paths in paths_to(model).items()}
    tables = {part._meta.db_table: part for part in (model, *conditions)}
    rows = [
        part._base_manager.filter(condition).order_by().values_list(Value(part._meta.db_table, CharField()), "pk")
        for part, condition in [(model, Q(pk=record.pk)), *conditions.items()]
    ]
    found: dict[type[Record], set[int]] = defaultdict(set)
    for table, pk in rows[0].union(*rows[1:], all=True):
        found[tables[table]].add(pk)
    return found


def changed_ids(first: datetime, last: datetime | None, within: Ids | None) -> dict[type[Record], set[int]]:
    """The ids of the records of the scope that changed, with their links, after the first moment and until the last one."""
    tables: dict[str, type[Record]] = {}
    for resource in registry:
        model = resource.model
        tables[model._meta.db_table] = model
        tables |= dict.fromkeys((link.m2m_db_table() for link in model._meta.many_to_many), model)  # type: ignore[attr-defined]
    changes = Change.objects.filter(at__gt=first, tbl__in=tables)
    if last is not None:
        changes = changes.filter(at__lte=last)
    if within is not None:
        scope = Q(pk__in=[])
        for table, model in tables.items():
            if ids := within.get(model):
                scope |= Q(tbl=table, row_id__in=ids)
        changes = changes.filter(scope)
    found: dict[type[Record], set[int]] = defaultdict(set)
    for table, pk in changes.order_by().values_list("tbl", "row_id").distinct()[: 4 * LIMIT]:
        found[tables[table]].add(pk)
    return found


# ---- their states


@dataclass(frozen=True)
class State:
    """A record at a moment, as a person reads it: its name, and the text of each field by the label of the field."""

    name: str
    texts: dict[str, str]


def states(model: type[Record], ids: Iterable[int], user: Any) -> dict[int, State]:
    """The states, at the moment that is read, of those records that the user may read."""
    rows: Any = model.objects.visible_to(user).filter(pk__in=list(ids)).prefetch_related(*references(model, user))
    return {record.pk: State(record.full_label(), dict(texts(record))) for record in hidden.redact(rows, user)}


def texts(record: Record) -> Iterator[tuple[str, str]]:
    fields = {f.name: f for f in (*record._meta.concrete_fields, *record._meta.many_to_many)}
    for shown in declared_fields(registry.of(type(record)).serializer).values():
        stored: Any = fields.get(shown.source)
        if stored is not None and stored.name not in WITHOUT_CHANGES and stored.name not in record.facts:
            yield str(capfirst(stored.verbose_name)), text_of(record, stored)


def text_of(record: Record, stored: Any) -> str:
    value = getattr(record, stored.name)
    if stored.many_to_many:
        return ", ".join(sorted(map(str, value.all())))
    if isinstance(value, datetime):
        return date_format(value.astimezone(UTC), "Y-m-d H:i")
    if isinstance(stored, DecimalField) and isinstance(value, Decimal):
        return f"{value.normalize():,f}"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else str(display_value(stored, value))


# ---- their differences


@dataclass(frozen=True)
class Difference:
    """A record that was added, removed or changed, with the differences of its fields: lists of (" ", "-" or "+", text).

    `note` says how a record that existed at both moments came into the list or left it.
    """

    kind: str
    name: str
    type: str
    url: str
    fields: list[tuple[str, list[tuple[str, str]]]]
    note: str = ""


@dataclass
class Comparison:
    """All differences. `more` is true if there are more records than are compared."""

    differences: list[Difference] = field(default_factory=list)
    more: bool = False

    def of_kind(self, kind: str) -> list[Difference]:
        return [difference for difference in self.differences if difference.kind == kind]


def compare(request: HttpRequest, scope: Scope, first: PastMoment, last: PastMoment | None) -> Comparison:
    """What differs between the two moments; without `last`, between the first one and now."""

    def at(moment: PastMoment | None) -> AbstractContextManager[None]:
        return present() if moment is None else as_of(moment.at)

    with at(first):
        before = scope.ids(request)
    with at(last):
        after = scope.ids(request)
    within = None if before is None or after is None else united(before, after)
    found = changed_ids(first.at, last and last.at, within)
    if before is not None and after is not None:  # a row can come into a list or leave it without a change of its own
        found = united(found, {model: before.get(model, set()) ^ after.get(model, set()) for model in united(before, after)})
    result, budget, left = Comparison(), Budget(), LIMIT
    for model in (resource.model for resource in registry):
        ids = sorted(found.get(model, ()))
        result.more = result.more or len(ids) > left
        if ids := ids[:left]:
            left -= len(ids)
            with at(first):
                old = states(model, ids, request.user)
            with at(last):
                new = states(model, ids, request.user)
            in_old = old.keys() if before is None else old.keys() & before.get(model, set())
            in_new = new.keys() if after is None else new.keys() & after.get(model, set())
            for pk in ids:
                if pk in in_old or pk in in_new:
                    result.differences += difference(model, pk, old.get(pk), new.get(pk), pk in in_old, pk in in_new, last, budget)
    return result


def united(first: Ids, second: Ids) -> dict[type[Record], set[int]]:
    return {model: first.get(model, set()) | second.get(model, set()) for model in {*first, *second}}


def difference(
    model: type[Record],
    pk: int,
    old: State | None,
    new: State | None,
    was_in: bool,
    is_in: bool,
    last: PastMoment | None,
    budget: Budget,
) -> Iterator[Difference]:
    kind = CHANGED if was_in and is_in else ADDED if is_in else REMOVED
    before, after = old.texts if old else {}, new.texts if new else {}
    changed = [label for label in (after or before) if before.get(label, "") != after.get(label, "")]
    if kind == CHANGED and not changed:
        return
    note = ""
    if kind != CHANGED and old and new:
        note = _("The record existed before, outside this selection.") if is_in else _("The record still exists, outside this selection.")
    fields = [(label, parts(before.get(label, ""), after.get(label, ""), budget)) for label in changed]
    page = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=[pk])
    if new:  # a page of the later moment; otherwise links lead to the first one
        page = f"{page}?{urlencode({AS_OF: last.text if last else today_text()})}"
    name = (new or old).name  # type: ignore[union-attr]
    yield Difference(kind, name, str(model._meta.verbose_name), page, fields, note)


def parts(before: str, after: str, budget: Budget) -> list[tuple[str, str]]:
    if not before:
        return [("+", after)]
    return list(diff(before, after, budget)) if after else [("-", before)]


def today_text() -> str:
    with present():
        return today().isoformat()


# ---- the page


@heavy(REPORT)
def page(request: Any) -> HttpResponse:
    """Compare what the page at the address `page` shows at the moment of this page and at the moment `to`, by default now."""
    first, address = getattr(request, "moment", None), request.GET.get("page", "")
    if not address.startswith(reverse("admin:index")):
        address = reverse("admin:index")
    if first is None:
        return HttpResponseRedirect(address)
    try:
        with present():
            last = PastMoment.of(request.GET["to"]) if request.GET.get("to", "").strip() else None
    except InvalidParameter as error:
        return admin.site.notice(request, 400, error.detail[AS_OF][0])  # type: ignore[attr-defined]
    older, newer = (last, first) if last and last.at < first.at else (first, last)
    scope = Scope.of(request, address)
    take_turn(request)
    try:
        comparison = compare(request, scope, older, newer)
    except IncorrectLookupParameters:
        return admin.site.notice(request, 400, _("The list has an unknown filter or value. Open it again, and compare then."))  # type: ignore[attr-defined]
    titles: Sequence[tuple[str, Any]] = [(ADDED, _("Added")), (REMOVED, _("Removed")), (CHANGED, _("Changed"))]
    context = admin.site.each_context(request) | {
        "title": _("Compare: {name}").format(name=scope.title),
        "scope": scope,
        "older": older,
        "newer": newer,
        "sections": [(kind, title, comparison.of_kind(kind)) for kind, title in titles],
        "more": comparison.more,
        "limit": LIMIT,
        "compares": True,
        "page_url": address,
        "back_url": address,
        "to": request.GET.get("to", ""),
    }
    request.current_app = admin.site.name
    return TemplateResponse(request, "admin/past/compare.html", context)
