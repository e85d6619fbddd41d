"""Lists of the admin: a fixed number of queries, chips for active filters, and what to do first where a list is empty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ORDER_VAR, PAGE_VAR
from django.contrib.auth import get_permission_codename
from django.http import HttpRequest
from django.urls import reverse
from django.utils.datastructures import MultiValueDict
from django.utils.text import format_lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from policytracker.admin.filters import ON, YES_NO, OnFilter, filter_title, read_context
from policytracker.admin.query_lines import Hint, hint_of
from policytracker.admin.querysets import references, visible
from policytracker.admin.rows import Table, order_by_name, table
from policytracker.admin.theme import INPUT_CLASSES, ChangeList
from policytracker.dataset import demo
from policytracker.records.models import MAX_COUNT, Record, RegistryRecord, UidRecord
from policytracker.representation import query_line
from policytracker.representation.filters import Filter, filtered, read_values
from policytracker.representation.filters import resource_filters as filters_of_api
from policytracker.representation.json_sql import API
from policytracker.representation.parameters import AS_OF, InvalidParameter
from policytracker.representation.query_line import WrongWord
from policytracker.resources import registry

EXPORTS = {
    _("Excel"): {"format": "xlsx", "layout": "people"},
    _("CSV"): {"format": "csv"},
    _("XLSX for machines"): {"format": "xlsx"},
}

LOOKUPS = {
    "not": _("{field} is not"),
    "empty": _("{field} missing"),
    "from": _("{field} from"),
    "to": _("{field} until"),
    "contains": _("{field} contains"),
}


def title_of(name: str, offered: dict[str, Any]) -> Any:
    """The title of a filter as people read it."""
    if name == query_line.TEXT:
        return _("Search")
    field, _separator, lookup = name.partition("__")
    if name in offered or not lookup:
        return offered[name].title if name in offered else filter_title(name, "")
    return format_lazy(LOOKUPS[lookup], field=offered[field].title if field in offered else filter_title(field, ""))


def missing_types(model: Any, user: Any) -> set[Any]:
    """The record types of which one must be added before a record of this type, because none exists that the user may read."""
    needed = {field.related_model for field in model._meta.fields if field.is_relation and not field.null}
    missing = {other for other in needed if not visible(other, user).exists()}
    return missing.union(*(missing_types(other, user) for other in missing))


def filters_in_words(page: Any, request: HttpRequest, parameters: query_line.Parameters) -> list[tuple[str, Any, str]]:
    """The name of each filter with its title and values as people read them, in the order in which the list offers them."""
    offered = {spec.parameter_name: spec(request, {}, page.model, page) for spec in page.list_filter} if parameters else {}
    order = {name: number for number, name in enumerate(dict.fromkeys([*offered, *parameters]))}
    names = sorted(parameters, key=lambda name: (name == query_line.TEXT, order[name]))
    return [(name, title_of(name, offered), values_in_words(page, request, name, parameters[name], offered)) for name in names]


def values_in_words(page: Any, request: HttpRequest, name: str, texts: list[str], offered: dict[str, Any]) -> str:
    filter, spec = page.filter_set[name], offered.get(name) or offered.get(name.partition("__")[0])
    if filter.model and issubclass(filter.model, Record):
        rows = visible(filter.model, request.user).filter(**{f"{filter.model.key}__in": texts})
        labels = {str(record.natural_key()[0]): str(record) for record in rows}
    else:
        options = (spec.options(request) if spec else []) or (YES_NO if filter.schema.get("type") == "boolean" else [])
        labels = {value: str(label) for value, label in options}
    return ", ".join(labels.get(text, text) for text in texts)


@dataclass(frozen=True)
class Chip:
    """An active filter: its title and value as people read them, and the URL of the list without it."""

    title: Any
    value: str
    url: str


class RecordChangeList(ChangeList):
    """Filters records by the filters of the API, and reads the references of a page of rows in one query per field, and no long texts."""

    input_classes = INPUT_CLASSES

    def apply_select_related(self, rows):
        return rows

    # ---- filters

    @cached_property
    def filter_set(self) -> dict[str, Filter]:
        """The filters of the list, by their names in the API. Users and tokens have none: their filters are those of Django."""
        return getattr(self.model_admin, "filter_set", {})

    @cached_property
    def parameters(self) -> query_line.Parameters:
        """The values of the filters in the URL. `q` is a query line: a text that would have another meaning in it is marked as text."""
        found = {name: [text for text in texts if text] for name, texts in self.filter_params.items() if name in self.filter_set}
        found.pop(query_line.TEXT, None)
        if self.query and self.filter_set and not self.refused:
            try:
                found |= query_line.parse(self.query, self.filter_set)
            except WrongWord as error:
                raise IncorrectLookupParameters(str(error)) from error
        return {name: self.keys(name, texts) for name, texts in found.items() if texts}

    def keys(self, name: str, texts: list[str]) -> list[str]:
        """The values of a filter. Links of the admin name a record by its id; the filter gets its key."""
        model = self.filter_set[name].model
        ids = (
            [text for text in texts if text.isascii() and text.isdigit() and len(text) < 19] if model and issubclass(model, Record) else []
        )
        records = (
            {str(record.pk): str(record.natural_key()[0]) for record in visible(model, self.request.user).filter(pk__in=ids)} if ids else {}
        )
        return [records.get(text, text) for text in texts]

    @property
    def refused(self) -> Hint | None:
        """Why the line that was typed was refused. Then the list has no rows."""
        return getattr(self.request, "refused_line", None)

    @property
    def line(self) -> str:
        """The query line that asks for this list."""
        if self.refused or not self.filter_set:
            return self.query
        return query_line.write(self.parameters, self.filter_set)

    @property
    def example(self) -> str:
        """A query line, as an example for the list."""
        return getattr(self.model_admin, "line_example", "")

    @property
    def present_query(self) -> str:
        return self.get_query_string()

    @property
    def hint(self) -> Hint | None:
        """A hint that a word that was searched as text was perhaps meant as a flag."""
        return hint_of(" ".join(self.parameters.get(query_line.TEXT, [])), self.filter_set)

    def get_filters(self, request):
        if not self.filter_set:
            return super().get_filters(request)
        unknown = self.get_filters_params().keys() - self.filter_set.keys() - {AS_OF}
        if unknown:
            raise IncorrectLookupParameters(", ".join(unknown))
        specs = [offered(request, {}, self.model, self.model_admin) for offered in self.list_filter]
        return specs, bool(specs), {}, False, bool(self.parameters)

    def get_queryset(self, request, exclude_parameters=None):
        self.request = request
        if ORDER_VAR in self.params:
            self.params[ORDER_VAR] = order_by_name(self.params[ORDER_VAR], self.list_display)
        rows = super().get_queryset(request, exclude_parameters)
        if self.refused:
            return rows.none()
        prefetches = references(self.model, request.user, {*self.list_display, *self.model_admin.list_references})
        return self.filtered_by(self.parameters, rows).prefetch_related(*prefetches, *self.model_admin.list_prefetches(request))

    def filtered_by(self, parameters: query_line.Parameters, rows: Any) -> Any:
        """The rows that match the filters. Raises IncorrectLookupParameters."""
        context = read_context(self.request)
        applied = {name: texts for name, texts in parameters.items() if name != ON}  # the page has restored the rows to that date
        try:
            return filtered(rows, self.filter_set, read_values(MultiValueDict(applied), self.filter_set, context), context)
        except InvalidParameter as error:
            raise IncorrectLookupParameters(str(error)) from error

    def get_results(self, request):
        super().get_results(request)
        self.model_admin.load_columns(request, list(self.result_list))
        if self.filtered:
            return
        self.full_result_count = self.result_count  # if it differs, the theme shows the link *Show all*
        if not self.result_count:
            self.search_fields, self.has_filters = (), False  # there is nothing to find

    @cached_property
    def fictional(self) -> set[int]:
        """The rows of the page that are demonstration data. Rows with a key of their own need no query."""
        if not issubclass(self.model, Record):
            return set()
        if issubclass(self.model, UidRecord):
            return demo.fictional(self.model, [row.pk for row in self.result_list])
        return {row.pk for row in self.result_list if demo.is_fictional(row)}

    def without(self, *names: str) -> str:
        """The URL of the first page of the list without these parameters."""
        query = self.request.GET.copy()
        for name in (*names, PAGE_VAR):
            query.pop(name, None)
        return f"?{query.urlencode()}"

    @cached_property
    def chips(self) -> list[Chip]:
        """The active filters and the search."""
        found = filters_in_words(self.model_admin, self.request, self.parameters)
        return [Chip(title, value, self.without(name)) for name, title, value in found]

    @cached_property
    def figures(self) -> Sequence[Any]:
        """The numbers above the rows."""
        return self.model_admin.list_figures(self) if self.result_count and self.paginator.counted <= MAX_COUNT else []

    def url_with(self, query: query_line.Parameters) -> str:
        """The URL of the list with these filters added to the present ones, or in their place."""
        return f"?{urlencode([*self.kept, *(self.in_url(self.parameters | query))], doseq=True)}"

    def in_url(self, parameters: query_line.Parameters) -> list[tuple[str, list[str]]]:
        """The parameters as the URL of a list has them: its `q` is a query line."""
        text = {query_line.TEXT: parameters[query_line.TEXT]} if query_line.TEXT in parameters else {}
        return [*(parameters | {name: [query_line.write(text, self.filter_set)] for name in text}).items()]

    @cached_property
    def values_on(self) -> Any:
        """The filter with the date of the list, if the list has one."""
        return next((spec for spec in self.filter_specs if isinstance(spec, OnFilter)), None)

    @property
    def table(self) -> Table:
        """The rows of the page."""
        return table(self)

    @property
    def kept(self) -> list[tuple[str, str]]:
        """The parameters of the URL that a new search keeps: not the filters, which are in the line."""
        dropped = {*self.filter_set, query_line.TEXT}
        return [(name, text) for name, texts in self.filter_params.items() if name not in dropped for text in texts]

    @property
    def exports(self) -> list[tuple[Any, str]]:
        """The list as a file of the API with the same filters: the label of each kind of file, and its URL."""
        resource = getattr(self.model_admin, "resource", None)
        if resource is None or not resource.address or self.parameters.keys() - filters_of_api(resource):
            return []
        return [(label, f"{API}{resource.address}/?{urlencode(self.parameters | kind, doseq=True)}") for label, kind in EXPORTS.items()]

    # ---- where the list is empty

    @property
    def filtered(self) -> bool:
        """Whether a filter or a search is active. Only our own filters have chips."""
        return bool(self.chips or self.has_active_filters or self.refused)

    @property
    def definition(self) -> str:
        """What the list will show, as one sentence; "" for users, roles and tokens."""
        resource = getattr(self.model_admin, "resource", None)
        return gettext(resource.definition) if resource else ""

    @cached_property
    def missing(self) -> list[Any]:
        """The pages of the record types to add first, in this order, while this list is empty."""
        if self.result_count or self.filtered:
            return []
        types = missing_types(self.model, self.request.user)
        return [self.model_admin.admin_site.get_model_admin(resource.model) for resource in registry if resource.model in types]

    @property
    def to_add_first(self) -> list[tuple[Any, str]]:
        """The names of these record types, each with the URL of the page that adds one, "" if the user may not."""
        return [(page.opts.verbose_name_plural, self.add_url_of(page) or self.elsewhere_of(page)[1]) for page in self.missing]

    @cached_property
    def first(self) -> Any:
        """The page of the record type to add first: that of this list, unless records that it needs are missing."""
        return self.missing[0] if self.missing else self.model_admin

    def add_url_of(self, page: Any) -> str:
        options = page.opts
        return reverse(f"admin:{options.app_label}_{options.model_name}_add") if page.has_add_permission(self.request) else ""

    @property
    def add_url(self) -> str:
        """The page that adds the first record, "" if the user may not."""
        return self.add_url_of(self.first)

    @property
    def import_url(self) -> str:
        """The page that imports the first records, "" if the user may not."""
        return self.page_of_first("import")

    @property
    def example_url(self) -> str:
        """An empty sheet for the first records, "" if the user may not import them."""
        return self.page_of_first("example")

    def page_of_first(self, page: str) -> str:
        may_import = getattr(self.first, "may_import", None)
        return self.first.address_of(page) if may_import and may_import(self.request) else ""

    def elsewhere_of(self, page: Any) -> tuple[Any, str]:
        options = page.opts
        sentence, address = getattr(page, "added_elsewhere", ("", ""))
        permission = f"{options.app_label}.{get_permission_codename('add', options)}"
        return (sentence, reverse(address)) if sentence and self.request.user.has_perm(permission) else ("", "")

    @property
    def elsewhere(self) -> tuple[Any, str]:
        """Where the user adds these records, if not on a page of their own: a sentence, and the URL of its link."""
        return self.elsewhere_of(self.first)

    @property
    def shown_after(self) -> str:
        """What a user who may not add records waits for; "" for records that are not published, such as parties."""
        if issubclass(self.model, RegistryRecord):
            return gettext("Records are shown here after they are published.")
        resource = getattr(self.model_admin, "resource", None)
        return (
            gettext("Records are shown here after the record that they belong to is published.")
            if resource and resource.scope_paths
            else ""
        )
