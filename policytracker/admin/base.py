"""Base classes of admin pages: access, change context, constraint violations. They contain no rule of a domain."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import ERROR_FLAG
from django.db import DatabaseError
from django.db.models import ProtectedError
from django.http import HttpRequest, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from policytracker.admin.changelist import RecordChangeList
from policytracker.admin.error_summary import errors_of_page
from policytracker.admin.filters import read_context
from policytracker.admin.forms import DateInput, RecordForm, entered_texts, pairs
from policytracker.admin.history import history_entries
from policytracker.admin.import_page import ImportPage
from policytracker.admin.list_pages import ListPages
from policytracker.admin.query_lines import Hint, contains_text, parameters_of
from policytracker.admin.querysets import (
    CappedPaginator,
    default_search_fields,
    matching,
    references,
    search_terms,
)
from policytracker.admin.referring import referring
from policytracker.admin.theme import INPUT_CLASSES, ModelAdmin, UnfoldAdminTextInputWidget, display
from policytracker.admin.visible_rows import VisibleRowsMixin, form_for_request, return_address
from policytracker.history.record import History
from policytracker.records import publishing, violations
from policytracker.records.access import Reader
from policytracker.records.context import MAX_REASON, REASON_TOO_LONG, change_context, check_constraints, shortened
from policytracker.records.exceptions import Conflict
from policytracker.records.models import Record, lock_for_change
from policytracker.representation import filters, hidden, query_line
from policytracker.representation.query_line import WrongWord
from policytracker.resources import registry
from policytracker.sql.moment import reads_past

# It bypasses delete_view(), which checks the rules and sets the change context. The actions of a list are named in `actions`.
admin.site.disable_action("delete_selected")


class BaseAdmin(VisibleRowsMixin, ModelAdmin):
    """Base class of all pages of the admin."""

    paginator = CappedPaginator
    list_per_page = 50
    list_max_show_all = 0
    show_full_result_count = False
    list_filter_submit = True
    show_facets = admin.ShowFacets.NEVER
    list_references: Iterable[str] = ()
    list_before_template, list_after_template = "admin/list_chips.html", "admin/list_export.html"
    actions = None
    warn_unsaved_form = True
    compressed_fields = False

    def get_changelist(self, request, **kwargs):
        return RecordChangeList

    def get_paginator(self, request, *args, **kwargs):
        paginator = super().get_paginator(request, *args, **kwargs)
        paginator.user = request.user
        return paginator

    def has_view_permission(self, request, obj=None):
        """Users, roles and tokens have no past. Filters of the past find them by name."""
        has_past = issubclass(self.model, Record) or (request.resolver_match and request.resolver_match.url_name == "autocomplete")
        return (has_past or not reads_past()) and super().has_view_permission(request, obj)

    def get_actions(self, request):
        return {} if reads_past() else super().get_actions(request)

    def list_prefetches(self, request: HttpRequest) -> Iterable[Any]:
        """What the columns show besides the references of a row."""
        return ()

    def load_columns(self, request: HttpRequest, records: Sequence[Any]) -> None:
        """Set on the records of a page of the list what columns show that is calculated for several records together."""

    def list_figures(self, changes: RecordChangeList) -> Sequence[Any]:
        """Numbers about the rows of a list, each a `Tile` with a link to those rows. Only for lists that are counted completely."""
        return []

    def changelist_view(self, request, extra_context=None):
        if ERROR_FLAG in request.GET:
            self.message_user(request, _("Unknown filter or value. This list is not filtered."), messages.WARNING)
        title = {"title": capfirst(self.opts.verbose_name_plural)}  # Django's title is "Select … to change"
        return super().changelist_view(request, title | (extra_context or {}))

    def lookup_allowed(self, lookup, value, request):
        # Only the filters of the list. Other lookups could reveal values that the user may not read, such as password hashes.
        fields = [item[0] if isinstance(item, tuple) else item for item in self.get_list_filter(request)]
        return lookup in {f"{name}__{suffix}" for name in fields for suffix in ("exact", "id__exact", "isnull")}

    def get_search_fields(self, request):
        search = registry.of(self.model).search if issubclass(self.model, Record) else None
        return self.search_fields or [*default_search_fields(self.model), *(search.linked if search else ())]

    def containing(self, rows, text, user):
        """The rows that contain each word of a text in one of the searched fields."""
        for term in search_terms(text):
            rows = rows.filter(matching(self.model, user, term, self.get_search_fields(None)))
        return rows

    def get_search_results(self, request, queryset, search_term):
        queryset = self.containing(queryset, search_term, request.user)
        autocomplete = request.resolver_match and request.resolver_match.url_name == "autocomplete"
        label_relations = getattr(self.model, "label_relations", ()) if autocomplete else ()
        return (queryset.select_related(*label_relations) if label_relations else queryset), False

    @display(description=ModelAdmin.action_checkbox.short_description)
    def action_checkbox(self, obj):
        # Without the widget of the theme, which takes 800 bytes.
        field = '<input type="checkbox" name="{}" value="{}" class="action-select" aria-label="{}">'
        return format_html(field, ACTION_CHECKBOX_NAME, obj.pk, _("Select record"))

    # ---- writing

    def changeform_view(self, request, object_id=None, form_url="", extra_context=None):
        if request.method != "POST":
            return super().changeform_view(request, object_id, form_url, extra_context)
        try:
            # Shortened because the form has not been validated yet. It rejects a longer reason, so that nothing is written.
            with change_context(request.user, shortened(request.POST.get("change_reason", "")), "admin"):
                return super().changeform_view(request, object_id, form_url, extra_context)
        except DatabaseError as error:
            request.constraint_violation = violations.constraint_of(error)
        # The second call renders the form with the violation as a field error. RecordForm.clean() adds it.
        return super().changeform_view(request, object_id, form_url, extra_context)

    def _get_obj_does_not_exist_redirect(self, request, opts, object_id):
        """The seam of Django for a record that was deleted or hidden. What the user entered into its form is shown, to be copied."""
        title, message = _("Record not found"), _("This %(record)s does not exist, or you may not read it. It may have been deleted.")
        if reads_past():
            message = _("This %(record)s did not exist in the register at this moment, or you may not read it.")
        if request.POST:
            title = _("This record no longer exists")
            message = _("Not saved: this record was deleted or is no longer visible to you. Copy what you need from your input below.")
        own = {
            "title": title,
            "message": message % {"record": opts.verbose_name},
            "opts": opts,
            "entered": entered_texts(pairs(request.POST)),
        }
        return TemplateResponse(request, "admin/not_saved.html", self.admin_site.each_context(request) | own, status=404)

    def get_object(self, request, object_id, from_field=None):
        """None for a key with a NUL character, which PostgreSQL rejects. An empty `_to_field` is the primary key, as without it."""
        return None if "\0" in object_id else super().get_object(request, object_id, from_field or None)

    def save_related(self, request, form, formsets, change):
        super().save_related(request, form, formsets, change)
        check_constraints()  # before the success message

    def get_deleted_objects(self, objs, request):
        return [str(record) for record in objs], {}, set(), []  # foreign keys are PROTECT: no other record is deleted

    def deletion_error(self, record) -> str:
        """Why the record cannot be deleted, or "". The database checks references to it later."""
        try:
            publishing.check_deletion(record)
        except Conflict as rejection:
            return rejection.detail
        return ""

    def delete_view(self, request, object_id, extra_context=None):
        record = self.get_object(request, unquote(object_id))
        sentence = self.deletion_error(record) if record and self.has_delete_permission(request, record) else ""
        reason = request.POST.get("change_reason", "")
        if len(reason) > MAX_REASON:
            sentence = REASON_TOO_LONG.format(maximum=MAX_REASON)
        if not sentence:
            used_by = referring(request, record) if isinstance(record, Record) and request.method == "GET" else []
            context = (extra_context or {}) | {"input_classes": INPUT_CLASSES, "used_by": used_by}
            try:
                with change_context(request.user, reason, "admin"):
                    return super().delete_view(request, object_id, context)
            except ProtectedError:
                sentence = violations.IN_USE
            except DatabaseError as error:
                sentence = violations.constraint_of(error).message
        self.message_user(request, sentence, messages.ERROR)
        return HttpResponseRedirect(reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[object_id]))

    def delete_model(self, request, obj):
        super().delete_model(request, obj)
        check_constraints()  # before the success message

    def render_change_form(self, request, context, add=False, change=False, form_url="", obj=None):
        if obj is not None and self.deletion_error(obj):
            context["show_delete"] = False
        context["input_classes"] = INPUT_CLASSES
        context["return_address"] = return_address(request)
        context["media"] += DateInput().media  # of date fields outside the form of the record
        # Replaces the note of the theme, which does not name the errors.
        context |= {"errors": None, "error_summary": errors_of_page(context["adminform"].form, context["inline_admin_formsets"])}
        return super().render_change_form(request, context, add, change, form_url, obj)


def without_fields(fieldsets: Iterable[tuple[Any, Any]], names: set[str]) -> list[tuple[Any, Any]]:
    """The fieldsets without these fields. Rows and fieldsets that have no other field are left out."""
    kept = []
    for title, options in fieldsets:
        rows = [[name for name in ([row] if isinstance(row, str) else row) if name not in names] for row in options["fields"]]
        if rows := [row for row in rows if row]:
            kept.append((title, options | {"fields": rows}))
    return kept


class RecordAdmin(ImportPage, ListPages, BaseAdmin):
    """Base class of the pages of a record type."""

    form = RecordForm
    key_from: Sequence[str] = ()
    carried_rows: dict[str, str] = {}  # the name of the rows of an inline -> the field whose values *Save and add another* keeps

    @property
    def serializer(self) -> type:
        return registry.of(self.model).serializer

    @cached_property
    def filter_set(self) -> dict[str, filters.Filter]:
        """The filters of the list, by their names in the API. `q` is the full-text search, or looks at the names of the records."""
        return {query_line.TEXT: contains_text(self.containing)} | filters.resource_filters(registry.of(self.model))

    def get_search_results(self, request, queryset, search_term):
        """The list has filtered the rows by `q` already."""
        in_list = request.resolver_match and request.resolver_match.url_name.endswith("_changelist")
        return (queryset, False) if in_list else super().get_search_results(request, queryset, search_term)

    def changelist_view(self, request, extra_context=None):
        """The list. A query line with more than text leads to the list with its parameters; a wrong word is shown with the line."""
        line = request.GET.get(query_line.TEXT, "")
        if request.method == "GET" and line:
            try:
                parameters = parameters_of(line, self.filter_set, read_context(request))
            except WrongWord as error:
                request.refused_line = Hint(str(error), error.corrected)
            except IncorrectLookupParameters:
                parameters = {}
            else:
                text = parameters.pop(query_line.TEXT, None)
                if parameters:
                    query = request.GET.copy()
                    del query[query_line.TEXT]
                    for name, values in parameters.items():
                        query.setlist(name, [*dict.fromkeys([*query.getlist(name), *values])])
                    if text:
                        query[query_line.TEXT] = query_line.write({query_line.TEXT: text}, self.filter_set)
                    return HttpResponseRedirect(f"{request.path}?{query.urlencode()}")
        return super().changelist_view(request, extra_context)

    def get_readonly_fields(self, request, obj=None):
        return [*super().get_readonly_fields(request, obj), *([self.model.key] if obj else [])]

    def get_prepopulated_fields(self, request, obj=None):
        return {} if obj or not self.key_from else {"slug": self.key_from[:1]}

    def get_fieldsets(self, request, obj=None):
        fieldsets = list(super().get_fieldsets(request, obj))
        if obj is None:  # a new record has no calculated values
            return without_fields(fieldsets, set(self.get_readonly_fields(request)))
        if not self.has_change_permission(request, obj):
            return fieldsets
        return [*fieldsets, (None, {"fields": ["change_reason", "seen_version"]})]

    def get_form(self, request, obj=None, change=False, **kwargs):
        form = super().get_form(request, obj, change=change, **kwargs)
        if "change_reason" in form.base_fields:
            form.base_fields["change_reason"].widget = UnfoldAdminTextInputWidget()
        form = form_for_request(form, request, self.serializer)
        form.key_from = self.key_from
        return form

    def get_object(self, request, object_id, from_field=None):
        """The record with hidden references removed, or None if the user may not read it. Locked for the rest of a POST."""
        record = super().get_object(request, object_id, from_field)
        if record is None:
            return None
        if request.method == "POST":
            # A query of its own: PostgreSQL cannot lock rows of the query behind visible_to(), which has outer joins.
            lock_for_change(self.model._base_manager.all()).get(pk=record.pk)
        visible_record = self.get_queryset(request).prefetch_related(*references(self.model, request.user)).get(pk=record.pk)
        return hidden.redact([visible_record], request.user)[0]

    def render_change_form(self, request, context, add=False, change=False, form_url="", obj=None):
        if obj is not None and change:
            context["subtitle"] = obj.full_label()
        return super().render_change_form(request, context, add, change, form_url, obj)

    # ---- returning to the page from which the record was opened

    def page_of(self, record: Any) -> str:
        return self.page_of_id(record.pk)

    def page_of_id(self, pk: int) -> str:
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[pk])

    def returned(self, request: HttpRequest) -> HttpResponseRedirect | None:
        """A redirect to the page that the URL names in `return_to`, if it is a page of this host."""
        address = return_address(request)
        return HttpResponseRedirect(address) if address else None

    def response_post_save_add(self, request, obj):
        return self.returned(request) or super().response_post_save_add(request, obj)

    def response_post_save_change(self, request, obj):
        return self.returned(request) or super().response_post_save_change(request, obj)

    # ---- adding another record, with what both have in common

    @property
    def carried_over(self) -> list[str]:
        """The fields whose values the form keeps after *Save and add another*: the source, and the record that this one belongs to."""
        fields: list[Any] = [*self.model._meta.fields, *self.model._meta.many_to_many]
        return [
            field.name for field in fields if field.is_relation and (field.name == "source" or field.related_model is registry.scope.model)
        ]

    def response_add(self, request, obj, post_url_continue=None):
        response = super().response_add(request, obj, post_url_continue)
        if "_addanother" not in request.POST or not isinstance(response, HttpResponseRedirect):
            return response
        query = request.GET.copy()
        for name in self.carried_over:
            value = getattr(obj, name)
            query[name] = ",".join(str(row.pk) for row in value.all()) if hasattr(value, "all") else getattr(value, "pk", value) or ""
        for name, field in self.carried_rows.items():
            query[name] = ",".join(str(pk) for pk in getattr(obj, name).order_by("pk").values_list(field, flat=True))
        # Without its own fragment, a browser keeps that of the page before, which names a tab.
        return HttpResponseRedirect(f"{request.path}?{query.urlencode()}#general")

    def get_formset_kwargs(self, request, obj, inline, prefix):
        kwargs = super().get_formset_kwargs(request, obj, inline, prefix)
        field = self.carried_rows.get(prefix)
        if field and obj.pk is None and request.method == "GET":  # in a POST the rows differ from empty ones, so they are saved
            kwargs["initial"] = [{field: pk} for pk in request.GET.get(prefix, "").split(",") if pk.isascii() and pk.isdigit()]
        return kwargs

    def history_view(self, request, object_id, extra_context=None):
        record = self.get_object(request, unquote(object_id))
        if record is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        history = History(record, self.serializer().fields, Reader.of(request.user))
        page = CappedPaginator(history.shown().order_by("-id"), self.list_per_page).get_page(request.GET.get("p"))
        context = self.admin_site.each_context(request) | {
            "title": _("History of %(record)s") % {"record": record.full_label()},
            "entries": history_entries(history, page),
            "page": page,
            "object": record,  # makes the breadcrumb, which ends with the title
            "back_url": self.page_of(record),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/record_history.html", context | (extra_context or {}))
