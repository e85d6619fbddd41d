"""Record pages with tabs: panels for reading, inline rows, and the form of the record. Each tab is a page of its own (`?tab=`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import connection
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from policytracker.admin.base import RecordAdmin
from policytracker.admin.inlines import BaseInline
from policytracker.admin.querysets import references
from policytracker.records.access import Reader
from policytracker.representation import hidden
from policytracker.resources import registry
from policytracker.sql.parameters import Parameter, bind_parameters

EDIT = "edit"


@dataclass(frozen=True)
class Panel:
    """A tab for reading. `context` returns the variables of the template, and `rows` the rows of a record that the tab counts."""

    name: str
    title: Any
    template: str
    context: Callable[[HttpRequest, Any], dict[str, Any]]
    rows: Callable[[Reader, Any], QuerySet] | None = None


@dataclass(frozen=True)
class TabLink:
    """A tab in the navigation. `count` is None for a tab that counts nothing."""

    title: Any
    url: str
    current: bool
    count: int | None = None


def tab_of(inline: type[BaseInline]) -> str:
    """The name of the tab with this inline. Inlines of one record type share a tab."""
    return registry.of(inline.model).address


RECORD = Parameter("record")


class TabbedAdmin(RecordAdmin):
    """Shows the panels first, then a tab for each record type of the inlines, then the form.

    A tab loads when it is opened, and saves only what it shows. `panel_references` are the references of the record that the panels
    show, and `add_inlines` the inlines of the page that adds a record.
    """

    panels: Sequence[Panel] = ()
    panel_references: Sequence[str] = ()
    add_inlines: Sequence[type[BaseInline]] = ()

    def tab(self, request: HttpRequest) -> str:
        """The name of the tab that the URL selects. A POST without a tab, and a popup window, concern the form."""
        names = [*(panel.name for panel in self.panels), *(tab_of(inline) for inline in self.inlines), EDIT]
        if "_popup" in request.GET or "_popup" in request.POST:
            return EDIT
        selected = request.GET.get("tab", EDIT if request.method == "POST" else "")
        return selected if selected in names else names[0]

    def get_inlines(self, request, obj):
        if obj is None:
            return self.add_inlines
        return [inline for inline in super().get_inlines(request, obj) if tab_of(inline) == self.tab(request)]

    def get_inline_instances(self, request, obj=None):
        instances = super().get_inline_instances(request, obj)
        for inline in instances:
            inline.tab = False  # of the theme, which loads all tabs at once
        return instances

    def get_fieldsets(self, request, obj=None):
        if obj is None or self.tab(request) == EDIT:
            return super().get_fieldsets(request, obj)
        return [(None, {"fields": ["change_reason"]})] if self.has_change_permission(request, obj) else []

    # ---- the pages

    def changeform_view(self, request, object_id=None, form_url="", extra_context=None):
        panel = next((panel for panel in self.panels if object_id and panel.name == self.tab(request)), None)
        if panel and request.method in ("GET", "HEAD"):
            return self.panel_view(request, object_id, panel)
        return super().changeform_view(request, object_id, form_url, extra_context)

    def panel_view(self, request: HttpRequest, object_id: str, panel: Panel) -> HttpResponse:
        record = self.record_to_read(request, unquote(object_id))
        if record is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        if not self.has_view_permission(request, record):
            raise PermissionDenied
        context = self.admin_site.each_context(request) | {
            "title": str(record),
            "opts": self.opts,
            "original": record,
            "object": record,
            "change": True,
            "show_history": True,
            "may_edit": self.has_change_permission(request, record),
            "panel_template": panel.template,
            "record_tabs": self.tab_links(request, record),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/record_panel.html", context | panel.context(request, record))

    def record_to_read(self, request: HttpRequest, object_id: str) -> Any:
        """The record with the references that the panels show, or None. Unlike get_object(), it locks nothing."""
        try:
            key = self.opts.pk.to_python(object_id)
        except ValidationError:
            return None
        rows = self.get_queryset(request).prefetch_related(*references(self.model, request.user, self.panel_references))
        record = rows.filter(pk=key).first()
        return record and hidden.redact([record], request.user)[0]

    def render_change_form(self, request, context, add=False, change=False, form_url="", obj=None):
        if obj is not None and change and not context.get("is_popup"):
            context |= {
                "record_tabs": self.tab_links(request, obj),
                "show_save_and_continue": False,
                "show_save_and_add_another": False,
            }
            if self.tab(request) != EDIT:
                inlines = [inline.opts for inline in context["inline_admin_formsets"]]
                editable = any(inline.has_add_permission(request, obj) or inline.has_change_permission(request, obj) for inline in inlines)
                context |= {"rows_tab": True, "editable_rows": editable, "show_delete": False}
        return super().render_change_form(request, context, add, change, form_url, obj)

    # ---- the navigation

    def tab_links(self, request: HttpRequest, record: Any) -> list[TabLink]:
        numbers = self.counts(request.user, record)
        titles = {panel.name: panel.title for panel in self.panels}
        for inline in self.inlines:
            titles.setdefault(tab_of(inline), capfirst(inline.verbose_name_plural or inline.model._meta.verbose_name_plural))
        titles[EDIT] = _("Edit") if self.has_change_permission(request, record) else _("Details")
        current = self.tab(request)
        return [TabLink(title, f"{request.path}?tab={name}", name == current, numbers.get(name)) for name, title in titles.items()]

    def counted_rows(self, reader: Reader) -> Iterator[tuple[str, QuerySet]]:
        """The name of each tab that counts rows, with the rows of the record RECORD. A name with several querysets counts them all."""
        for panel in self.panels:
            if panel.rows:
                yield panel.name, panel.rows(reader, RECORD)
        for inline in self.inlines:
            rows: Any = inline.model.objects
            yield tab_of(inline), rows.visible_to(reader).filter(**{self.reference_of(inline): RECORD})

    @lru_cache(20)  # noqa: B019 - pages live as long as the process
    def count_statement(self, roles: frozenset[str], as_of: bool) -> tuple[str, tuple]:
        """SQL and values that count the rows of each tab for these roles. Compiling it takes ten times as long as running it."""
        statements = [
            (name, *rows.order_by().values("pk").query.sql_with_params())
            for name, rows in self.counted_rows(Reader(roles, Parameter("user"), as_of))
        ]
        sql = " UNION ALL ".join(f"SELECT %s, count(*) FROM ({rows}) AS counted" for _name, rows, _values in statements)
        return sql, tuple(value for name, _rows, values in statements for value in (name, *values))

    def counts(self, user: Any, record: Any) -> dict[str, int]:
        """The number of rows of each tab, in one query."""
        reader = Reader.of(user)
        sql, values = self.count_statement(reader.roles, reader.as_of)
        totals: dict[str, int] = {}
        if not sql:  # no tab counts anything
            return totals
        with connection.cursor() as cursor:
            cursor.execute(sql, bind_parameters(values, user=reader.id, record=record.pk))
            for name, number in cursor.fetchall():
                totals[name] = totals.get(name, 0) + number
        return totals

    def reference_of(self, inline: type[BaseInline]) -> str:
        """The name of the foreign key from the rows of an inline to this record."""
        return inline.fk_name or next(f.name for f in inline.model._meta.fields if f.related_model is self.model)

    # ---- after saving

    def response_post_save_add(self, request, obj):
        return self.returned(request) or HttpResponseRedirect(self.page_of(obj))

    def response_post_save_change(self, request, obj):
        tab = self.tab(request)
        return self.returned(request) or HttpResponseRedirect(self.page_of(obj) + ("" if tab == EDIT else f"?tab={tab}"))
