"""Base classes of the rows that are shown on the page of their parent record."""

from __future__ import annotations

from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _

from policytracker.admin.forms import VersionedForm, VersionedFormSet
from policytracker.admin.querysets import references
from policytracker.admin.theme import TabularInline, display
from policytracker.admin.visible_rows import RETURN_TO, VisibleRowsMixin, form_for_request
from policytracker.resources import registry


class BaseInline(VisibleRowsMixin, TabularInline):
    """Rows that are edited on the page of their parent record, page by page."""

    form = VersionedForm
    list_parameter = ""  # the filter of the list for the rows of the parent, if it has another name than the foreign key
    widths: dict[str, str] = {}  # the width of a column, if it is not the usual one: "narrow", "medium", "wide", "widest" or "main"
    per_page = 15  # more would make the page larger than 250 KB
    extra = 0
    tab = True
    can_delete = False
    hide_title = True
    template_before = "admin/inline_empty.html"

    def get_queryset(self, request):
        return super().get_queryset(request).prefetch_related(*references(self.model, request.user))

    def formfield_for_dbfield(self, db_field, request, **kwargs):
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        for action in ("add", "change", "view"):  # links that would make up half of each row
            if field is not None and hasattr(field.widget, f"can_{action}_related"):
                setattr(field.widget, f"can_{action}_related", False)
        if field is not None and (width := self.widths.get(db_field.name)):
            attrs = getattr(field.widget, "widget", field.widget).attrs
            attrs["class"] = f"{attrs.get('class', '')} pt-{width}".strip()
        return field

    def get_fields(self, request, obj=None):
        version = ["seen_version"] if self.has_change_permission(request, obj) else []
        return [*super().get_fields(request, obj), "open_link", *version]

    def get_readonly_fields(self, request, obj=None):
        return [*super().get_readonly_fields(request, obj), "open_link"]

    @display(description=_("link"))
    def open_link(self, record):
        return self.link_to(record, _("Open"))

    def link_to(self, record, text):
        """A link to the page of a row, "" for a new row."""
        if record.pk is None:
            return ""
        address = reverse(f"admin:{record._meta.app_label}_{record._meta.model_name}_change", args=[record.pk])
        return format_html('<a href="{}?{}" class="text-link">{}</a>', address, self.return_query, text)

    def get_formset(self, request, obj=None, **kwargs):
        self.form = form_for_request(type(self).form, request, registry.of(self.model).serializer)
        self.may_add = self.admin_site.get_model_admin(self.model).has_add_permission(request)
        self.return_query = urlencode({RETURN_TO: request.get_full_path()})
        formset = super().get_formset(request, obj, **kwargs)
        formset.extra = (
            len([pk for pk in request.GET.get(formset.get_default_prefix(), "").split(",") if pk]) if obj is None else self.extra
        )
        return type(formset.__name__, (VersionedFormSet, formset), {"request": request})


class ListInline(BaseInline):
    """Read-only rows, with links to their own pages."""

    template_after: str | None = "admin/inline_links.html"

    def has_add_permission(self, request, obj=None):
        return False

    def has_change_permission(self, request, obj=None):
        return False
