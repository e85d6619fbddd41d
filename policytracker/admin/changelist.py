"""Lists of the admin: a fixed number of queries, chips for active filters, and what to do first where a list is empty."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django.contrib.admin.views.main import PAGE_VAR, SEARCH_VAR
from django.contrib.auth import get_permission_codename
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from policytracker.admin.querysets import references, visible
from policytracker.admin.theme import ChangeList
from policytracker.dataset import demo
from policytracker.records.models import Record, RegistryRecord, UidRecord
from policytracker.representation.json_sql import API
from policytracker.resources import registry


def missing_types(model: Any, user: Any) -> set[Any]:
    """The record types of which one must be added before a record of this type, because none exists that the user may read."""
    needed = {field.related_model for field in model._meta.fields if field.is_relation and not field.null}
    missing = {other for other in needed if not visible(other, user).exists()}
    return missing.union(*(missing_types(other, user) for other in missing))


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
        super().get_results(request)
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

    # ---- where the list is empty

    @property
    def filtered(self) -> bool:
        """Whether a filter or a search is active. Only our own filters have chips."""
        return bool(self.chips or self.has_active_filters)

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
        may_import = getattr(self.first, "may_import", None)
        return self.first.address_of("import") if may_import and may_import(self.request) else ""

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
