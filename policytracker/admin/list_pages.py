"""Two pages of a list that its own page shows as a dialog: its filters, with the values in use and their counts, and its columns."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any
from urllib.parse import urlencode

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import label_for_field
from django.core.exceptions import EmptyResultSet, PermissionDenied
from django.db import connection
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from policytracker.accounts.models import ListChoice
from policytracker.admin.changelist import RecordChangeList, title_of
from policytracker.admin.filters import OfferedFilter, RelatedFilter
from policytracker.admin.querysets import visible
from policytracker.admin.theme import ModelAdmin
from policytracker.records.models import MAX_COUNT
from policytracker.representation import query_line

SHOWN_VALUES = 12  # records that a filter offers, those with the most rows
APPLY = "_apply"  # the button of the form of the filters
TYPED = "typed-"  # before the name of a filter: the field in which values are typed


@dataclass(frozen=True)
class Value:
    """A value of a filter, with the number of rows that have it, None if they were not counted."""

    value: str
    label: str
    count: int | None
    chosen: bool
    excluded: bool


@dataclass(frozen=True)
class Offered:
    """A filter of the page: its values to choose from, or the field in which they are typed."""

    name: str
    title: str
    values: list[Value]
    typed: str
    can_exclude: bool
    has_field: bool


class FilterValues:
    """The values of the filters of a list, and the rows that each would leave of it."""

    def __init__(self, changes: RecordChangeList):
        self.changes, self.request = changes, changes.request
        self.user = changes.request.user

    def rows(self, name: str) -> Any:
        """The rows of the list without this filter."""
        others = {other: texts for other, texts in self.changes.parameters.items() if other.partition("__")[0] != name}
        return self.changes.filtered_by(others, self.changes.root_queryset.order_by())

    def labels(self, spec: OfferedFilter) -> dict[str, str]:
        """The values that the filter offers, with their labels: for records, those with the most rows, and those that are chosen."""
        if not isinstance(spec, RelatedFilter):
            return {value: str(label) for value, label in spec.options(self.request)}
        model, name = spec.field.related_model, spec.parameter_name
        chosen = [*self.changes.parameters.get(name, ()), *self.changes.parameters.get(f"{name}__not", ())]
        rows = visible(model, self.user)
        found = {str(record.natural_key()[0]): str(record) for record in rows.filter(**{f"{model.key}__in": chosen})} if chosen else {}
        if spec.path:
            counts = self.rows(name).filter(**{f"{spec.path}__isnull": False}).values_list(spec.path).annotate(number=Count("pk"))
            most = [pk for pk, _number in counts.order_by("-number")[:SHOWN_VALUES]]
            records = rows.in_bulk(most)
            found |= {str(records[pk].natural_key()[0]): str(records[pk]) for pk in most if pk in records}
        return found

    def counts(self, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
        """The number of rows for each filter and value, in one statement, for lists that are counted completely."""
        pairs = list(wanted)
        if not pairs or self.changes.paginator.counted > MAX_COUNT:
            return {}
        selects = []
        for name, of_name in groupby(pairs, lambda pair: pair[0]):
            rows = self.rows(name)
            for pair in of_name:
                with suppress(EmptyResultSet):  # no row can have this value
                    selects.append((pair, self.changes.filtered_by({name: [pair[1]]}, rows).values("pk").query.sql_with_params()))
        sql = " UNION ALL ".join(f"SELECT {number}, count(*) FROM ({rows}) AS counted" for number, (_pair, (rows, _)) in enumerate(selects))
        with connection.cursor() as cursor:
            cursor.execute(sql, [value for _pair, (_rows, values) in selects for value in values])
            return dict.fromkeys(pairs, 0) | {selects[number][0]: count for number, count in cursor.fetchall()}

    def offered(self) -> list[tuple[str, list[Offered]]]:
        """The filters of the list in their groups, and those in the URL that the list does not offer."""
        specs = {spec.parameter_name: spec for spec in self.changes.filter_specs}
        labels = {name: self.labels(spec) for name, spec in specs.items()}
        counts = self.counts((name, value) for name, values in labels.items() for value in values)
        groups: dict[str, list[Offered]] = {}
        for name, spec in specs.items():
            groups.setdefault(str(spec.group), []).append(self.offer(name, specs, labels[name], counts))
        known = {*specs, *(f"{name}__not" for name in specs), query_line.TEXT}
        if others := [name for name in self.changes.parameters if name not in known]:
            groups.setdefault(_("Others"), []).extend(self.offer(name, specs, {}, counts) for name in others)
        return list(groups.items())

    def offer(self, name: str, specs: dict[str, Any], labels: dict[str, str], counts: dict[tuple[str, str], int]) -> Offered:
        chosen, excluded = self.changes.parameters.get(name, []), self.changes.parameters.get(f"{name}__not", [])
        can_exclude = f"{name}__not" in self.changes.filter_set
        values = [Value(value, label, counts.get((name, value)), value in chosen, value in excluded) for value, label in labels.items()]
        has_field = not values or isinstance(specs.get(name), RelatedFilter)
        typed = ",".join(query_line.quoted(value) for value in chosen if value not in labels)
        return Offered(name, str(capfirst(title_of(name, specs))), values, typed, can_exclude, has_field)


def chosen_line(data: QueryDict, filters: query_line.Filters) -> str:
    """The query line for what was chosen in the form of the filters, with the values that were typed. The list checks it."""
    chosen = {name: found for name in data if name in filters and (found := [value for value in data.getlist(name) if value])}
    words = [query_line.write(chosen, filters)]
    for name in data:
        typed = data[name].strip()
        if name.startswith(TYPED) and typed:
            separate = typed if '"' in typed else ",".join(query_line.quoted(part.strip()) for part in typed.split(","))
            words.append(f"{name.removeprefix(TYPED)}:{separate}")
    return " ".join(filter(None, words))


class ListPages(ModelAdmin):
    """Adds the pages *Filters* and *Columns* to the list of a record type."""

    more_columns: Iterable[str] = ()  # columns that are not shown unless a user chooses them

    def get_urls(self):
        own = {"filters": self.filters_view, "columns": self.columns_view}
        options = self.opts
        name = f"{options.app_label}_{options.model_name}"
        return [
            *(path(f"{page}/", self.admin_site.admin_view(view), name=f"{name}_{page}") for page, view in own.items()),
            *super().get_urls(),
        ]

    @cached_property
    def available_columns(self) -> list[str]:
        return [*self.list_display, *self.more_columns]

    def get_list_display(self, request):
        """The columns that the user has chosen, or the usual ones. The first column is always shown."""
        if not hasattr(request, "chosen_columns"):
            request.chosen_columns = self.choices_of(request).values_list("columns", flat=True).first()
        usual = super().get_list_display(request)
        if not request.chosen_columns:
            return usual
        return [name for name in self.available_columns if name in request.chosen_columns or name == usual[0]]

    def choices_of(self, request: HttpRequest) -> Any:
        return ListChoice.objects.filter(user=request.user.pk, model=self.opts.label_lower).order_by()

    def label_of(self, name: str) -> str:
        return capfirst(str(label_for_field(name, self.model, self)))

    def list_address(self, request: HttpRequest) -> str:
        address = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")
        return f"{address}?{request.GET.urlencode()}" if request.GET else address

    def filters_view(self, request: HttpRequest) -> HttpResponse:
        """The filters of the list. The form leads back to this page, which leads to the list with what was chosen."""
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        if APPLY in request.GET:
            kept = [
                (name, value) for name, value in request.GET.items() if name not in self.filter_set and not name.startswith((TYPED, APPLY))
            ]
            line = chosen_line(request.GET, self.filter_set)
            address = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")
            return HttpResponseRedirect(f"{address}?{urlencode([*kept, (query_line.TEXT, line)] if line else kept)}")
        try:
            changes = self.get_changelist_instance(request)
        except IncorrectLookupParameters:
            return HttpResponseRedirect(request.path)
        context = self.admin_site.each_context(request) | {
            "title": _("Filters: %(list)s") % {"list": capfirst(self.opts.verbose_name_plural)},
            "groups": FilterValues(changes).offered(),
            "cl": changes,
            "words": [(name, filter.help) for name, filter in self.filter_set.items() if "__" not in name],
            "list_url": self.list_address(request),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/list_filters.html", context)

    def columns_view(self, request: HttpRequest) -> HttpResponse:
        """The columns of the list, which are remembered for the user."""
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        present, first = self.get_list_display(request), self.available_columns[0]
        if request.method == "POST":
            chosen = [] if "_usual" in request.POST else [name for name in self.available_columns if name in request.POST.getlist("column")]
            self.choices_of(request).delete()
            if chosen:
                ListChoice.objects.create(user=request.user, model=self.opts.label_lower, columns=chosen)
            return HttpResponseRedirect(self.list_address(request))
        context = self.admin_site.each_context(request) | {
            "title": _("Columns: %(list)s") % {"list": capfirst(self.opts.verbose_name_plural)},
            "columns": [(name, self.label_of(name), name in present, name == first) for name in self.available_columns],
            "list_url": self.list_address(request),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/list_columns.html", context)
