"""Pages of sources, citations and fact checks."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from django.contrib import admin
from django.db.models.functions import Lower
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from agreements import models
from agreements.admin.parts import CitationForm
from agreements.admin.shared import ACCESS, ACCESS_COLUMNS, AGREEMENT, PUBLISHED, SOURCE, RegistryColumns, with_access
from agreements.admin.source_work import SourceWork
from agreements.models.source_texts import has_text
from agreements.models.sources import CITABLE, Confidence, Verdict, by_source_name
from agreements.source_uses import Use, quotes_of
from policytracker.admin import (
    BulkEditAdmin,
    Panel,
    RecordAdmin,
    TabbedAdmin,
    choice_filter,
    code_column,
    display,
    referring,
    related_filter,
    without_fields,
)

SHOWN_QUOTES = 30


def overview(request: HttpRequest, source: models.Source) -> dict[str, Any]:
    """What rests on the source, in numbers, and the first quotes from it, by type, with what they are about and their own page."""
    quotes: dict[str, list[tuple[Use, str, str]]] = defaultdict(list)
    for use in quotes_of(source, request.user, SHOWN_QUOTES):
        model, pk = use.about
        kind = str(capfirst(use.resource.model._meta.verbose_name_plural))
        own, about = (admin.site.get_model_admin(m).page_of_id(key) for m, key in ((use.resource.model, use.pk), (model, pk)))  # type: ignore[attr-defined]
        quotes[kind].append((use, about, own if own != about else ""))
    page = admin.site.get_model_admin(models.Source)
    return {
        "referring": referring(request, source),
        "quotes": quotes.items(),
        "text_url": reverse("admin:agreements_source_text", args=[source.pk]) if has_text(source) else "",
        "work_url": page.work_address(source) if page.may_work(request) else "",
    }


@admin.register(models.Source)
class SourceAdmin(SourceWork, RegistryColumns, TabbedAdmin, BulkEditAdmin):
    icon, menu_position, in_menu = "description", 5, True
    panels = [Panel("overview", _("Overview"), "admin/agreements/source/overview.html", overview)]
    list_display = ["named", "kind", "publisher", "published_on"]
    more_columns = ["author", "retrieved_on", "language", *ACCESS_COLUMNS]
    list_filter = [choice_filter("kind"), *PUBLISHED]
    ordering = [by_source_name()]
    fieldsets = [
        (None, {"fields": ["title", "slug", "kind", ("publisher", "author"), ("published_on", "retrieved_on", "language")]}),
        (_("Addresses and file"), {"fields": ["original_url", "archived_url", "file", "file_link", "sha256"]}),
        (None, {"fields": ["notes"]}),
        ACCESS,
    ]
    readonly_fields = ["file_link", "sha256"]
    key_from = ["title"]

    @display(description=_("title"), ordering=by_source_name())
    def named(self, source):
        return with_access(source, str(source))

    @display(description=_("stored file"))
    def file_link(self, source):
        if not source.file:
            return None
        return format_html(
            '<a href="{}" class="text-link">{}</a>', reverse("sources-file", args=[source.slug]), source.file.name.split("/")[-1]
        )

    def get_fieldsets(self, request, obj=None):
        """Without the upload field for users who cannot edit. The link to the stored file leads to the API, which checks access."""
        fieldsets = super().get_fieldsets(request, obj)
        return fieldsets if self.has_change_permission(request, obj) else without_fields(fieldsets, {"file"})


@admin.register(models.FactCheck)
class FactCheckAdmin(RecordAdmin):
    icon, menu_position = "rule", 42
    list_display = ["__str__", "verdict_shown", "source", "agreement", "checked_on"]
    ordering = [Lower("statement")]
    list_filter = [
        choice_filter("verdict"),
        AGREEMENT,
        SOURCE,
        related_filter("correcting_source", models.FactCheck._meta.get_field("correcting_source")),
    ]
    titles_from = {"correcting_source": ngettext_lazy("Correction of another source", "Corrections of other sources")}
    search_fields = ["slug", "source", "agreement"]
    key_from = ["statement"]
    fieldsets = [
        (None, {"fields": ["statement", "slug", "agreement", "source", "locator", "quote"]}),
        (_("Result of the check"), {"fields": ["verdict", "correction", "correcting_source", "checked_on"]}),
    ]

    verdict_shown = code_column(
        "verdict", Verdict, success=["supported"], danger=["incorrect", "unsupported"], warning=["imprecise", "incomplete", "disputed"]
    )


@admin.register(models.Citation)
class CitationAdmin(RecordAdmin):
    form = CitationForm
    icon, menu_position = "format_quote", 41
    list_display = ["source", "cited_record", "field_shown", "confidence_shown", "stance"]
    list_references = CITABLE
    ordering = ["-id"]
    list_filter = [
        choice_filter("confidence"),
        choice_filter("stance"),
        AGREEMENT,
        related_filter("component", models.Citation._meta.get_field("component")),
        SOURCE,
    ]
    search_fields = ["uid", "source", "agreement"]
    fieldsets = [
        (
            None,
            {
                "fields": ["source", ("agreement", "component"), ("participation", "outcome"), "field"],
                "description": _(
                    "Select a source and the record that it is about: exactly one agreement, component, participation or outcome."
                ),
            },
        ),
        (_("Content"), {"fields": ["locator", "quote", ("confidence", "stance")]}),
    ]

    def get_fieldsets(self, request, obj=None):
        """With the label of the cited field and without instructions, for users who cannot edit."""
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or self.has_change_permission(request, obj):
            return fieldsets
        return [
            (title, {"fields": ["field_shown" if name == "field" else name for name in options["fields"]]}) for title, options in fieldsets
        ]

    def get_readonly_fields(self, request, obj=None):
        return [*super().get_readonly_fields(request, obj), "field_shown"]

    confidence_shown = code_column("confidence", Confidence, success=["confirmed"], danger=["refuted"], warning=["disputed", "unverified"])

    @display(description=_("cited record"))
    def cited_record(self, citation):
        return citation.target

    @display(description=_("field"), ordering="field")
    def field_shown(self, citation):
        return citation.field_label or None
