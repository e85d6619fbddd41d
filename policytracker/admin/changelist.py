"""Lists of the admin: a fixed number of queries, chips for active filters, and what to do next where a list is empty."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django.contrib.admin.views.main import PAGE_VAR, SEARCH_VAR
from django.urls import reverse
from django.utils.safestring import SafeData
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from unfold.templatetags import unfold_list
from unfold.views import ChangeList

from policytracker.admin.querysets import references
from policytracker.api.json_sql import API

# The theme writes about 30 classes into each cell, most of the bytes of a list. One of ours replaces them.
unfold_list.ROW_CLASSES[:] = ["pt-cell"]
unfold_list.CHECKBOX_CLASSES[:] = ["pt-cell", "action-checkbox"]
unfold_list.LINK_CLASSES[:] = []


def result_headers(cl: ChangeList, make: Any = unfold_list.result_headers) -> list[dict[str, Any]]:
    """The headers of a list. The theme would make them again for each row, where they are the labels of a narrow window."""
    if not hasattr(cl, "headers"):
        cl.headers = list(make(cl))
        for header in cl.headers:
            if not isinstance(header["text"], SafeData):  # the box that selects all rows
                header["text"] = capfirst(header["text"])
    return cl.headers


unfold_list.result_headers = result_headers


@dataclass(frozen=True)
class Chip:
    """An active filter: its title and value as people read them, and the URL of the list without it."""

    title: Any
    value: str
    url: str


class RecordChangeList(ChangeList):
    """Reads the references of a page of rows in one query per field, and no long texts."""

    def apply_select_related(self, rows):
        return rows

    def get_queryset(self, request, exclude_parameters=None):
        self.request = request
        rows = super().get_queryset(request, exclude_parameters)
        prefetches = references(self.model, request.user, {*self.list_display, *self.model_admin.list_references})
        return rows.prefetch_related(*prefetches, *self.model_admin.list_prefetches(request))

    def get_results(self, request):
        """The theme shows a count with the link *Show all* where this number differs from that of the whole list."""
        super().get_results(request)
        if not self.chips:
            self.full_result_count = self.result_count

    def without(self, parameter: str) -> str:
        """The URL of the first page of the list without this parameter."""
        query = self.request.GET.copy()
        for name in (parameter, PAGE_VAR):
            query.pop(name, None)
        return f"?{query.urlencode()}"

    @cached_property
    def chips(self) -> list[Chip]:
        """The active filters and the search."""
        found = [
            Chip(spec.title, spec.chosen, self.without(spec.parameter_name)) for spec in self.filter_specs if getattr(spec, "chosen", "")
        ]
        return [*found, Chip(_("Search"), self.query, self.without(SEARCH_VAR))] if self.query else found

    @property
    def exports(self) -> list[tuple[str, str]]:
        """The list as a file of the API with the same filters: the label of each format, and its URL."""
        resource = getattr(self.model_admin, "resource", None)
        if resource is None or not resource.address:
            return []
        query = {spec.parameter_name: values for spec in self.filter_specs if (values := getattr(spec, "api_values", []))}
        if self.query:
            query["q"] = [self.query]
        return [(kind.upper(), f"{API}{resource.address}/?{urlencode(query | {'format': kind}, doseq=True)}") for kind in ("csv", "xlsx")]

    @property
    def add_url(self) -> str:
        """The page that adds a record, "" if the user may not."""
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_add"
        return reverse(name) if self.model_admin.has_add_permission(self.request) else ""

    @property
    def empty_help(self) -> Any:
        """What to do where the list is empty and the user may not add a record to it."""
        return getattr(self.model_admin, "empty_help", _("Nothing is recorded here yet, or you may not read it."))

    @property
    def import_url(self) -> str:
        """The page that imports records, "" if the user may not."""
        may_import = getattr(self.model_admin, "may_import", None)
        return self.model_admin.address_of("import") if may_import and may_import(self.request) else ""
