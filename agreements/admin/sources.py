"""The pages of sources, of what cites them, and of what they got wrong."""

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html

from agreements import filters, models, serializers
from agreements.admin.shared import AGREEMENT, PUBLISHED, SOURCE, WHO_READS_IT, RegistryColumns
from agreements.models.sources import Confidence, Verdict
from policytracker.admin import RecordAdmin, choice_filter, code_column, display


@admin.register(models.Source)
class SourceAdmin(RegistryColumns, RecordAdmin):
    serializer = serializers.SourceSerializer
    icon, menu_position = "description", 40
    list_display = ["named", "kind", "publisher", "published_on", "visibility_shown", "publication_shown"]
    list_filter = [choice_filter("kind"), *PUBLISHED]
    fieldsets = [
        (None, {"fields": ["slug", "title", "kind", ("publisher", "author"), ("published_on", "retrieved_on", "language")]}),
        ("Where it is", {"fields": ["original_url", "archived_url", "file", "read_it", "sha256"]}),
        ("Its words", {"fields": ["notes"]}),
        WHO_READS_IT,
    ]
    readonly_fields = ["read_it", "sha256"]

    @display(description="title", ordering="slug", header=True)
    def named(self, source):
        return [source.title or source.slug, source.slug]

    @display(description="the file")
    def read_it(self, source):
        if not source.file:
            return None
        return format_html(
            '<a href="{}" class="text-link">{}</a>', reverse("sources-file", args=[source.slug]), source.file.name.split("/")[-1]
        )

    def get_fieldsets(self, request, obj=None):
        """The file is read where rights are asked for; its field only takes a new one."""
        fieldsets = super().get_fieldsets(request, obj)
        if self.has_change_permission(request, obj):
            return fieldsets
        return [(title, options | {"fields": [name for name in options["fields"] if name != "file"]}) for title, options in fieldsets]


@admin.register(models.FactCheck)
class FactCheckAdmin(RecordAdmin):
    serializer = serializers.FactCheckSerializer
    icon, menu_position = "rule", 42
    list_display = ["__str__", "verdict_shown", "source", "agreement", "checked_on"]
    list_filter = [choice_filter("verdict"), AGREEMENT, SOURCE]
    search_fields = ["slug", "source", "agreement"]
    fieldsets = [
        (None, {"fields": ["slug", "statement", "agreement", "source", "locator", "quote"]}),
        ("What is right", {"fields": ["verdict", "correction", "correcting_source", "checked_on"]}),
    ]

    verdict_shown = code_column(
        "verdict", Verdict, success=["supported"], danger=["incorrect", "unsupported"], warning=["imprecise", "incomplete", "disputed"]
    )


@admin.register(models.Citation)
class CitationAdmin(RecordAdmin):
    serializer = serializers.CitationSerializer
    named_filters = filters.CITATIONS
    icon, menu_position = "format_quote", 41
    list_display = ["source", "field", "agreement", "component", "outcome", "confidence_shown", "stance"]
    list_filter = [choice_filter("confidence"), choice_filter("stance"), AGREEMENT, SOURCE]
    search_fields = ["uid", "source", "agreement"]
    fieldsets = [
        (None, {"fields": ["source", ("agreement", "component"), ("participation", "outcome"), "field"]}),
        ("What it says", {"fields": ["locator", "quote", ("confidence", "stance")]}),
    ]

    confidence_shown = code_column("confidence", Confidence, success=["confirmed"], danger=["refuted"], warning=["disputed", "unverified"])
