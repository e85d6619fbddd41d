"""Pages of outcomes, indicators and measurements."""

from django.contrib import admin
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from agreements import models
from agreements.admin.parts import WithinAgreement, cite_links
from agreements.admin.shared import AGREEMENT, CITED, SourcedPage
from agreements.models.outcomes import Direction
from agreements.numbers import number
from policytracker.admin import (
    BaseInline,
    RecordAdmin,
    choice_filter,
    code_column,
    date_column,
    date_range_filters,
    display,
    missing_filter,
    related_filter,
)
from policytracker.admin.forms import RecordForm


class IndicatorInline(BaseInline):
    model = models.Indicator
    fields = ["name", "unit", "direction", "baseline_value", "target_value", "target_on", "slug"]
    widths = {"slug": "medium"}
    readonly_fields = ["slug"]
    ordering = [Lower("name"), "id"]
    template_after = "admin/inline_links.html"

    def has_add_permission(self, request, obj=None):
        return False  # a new indicator requires a slug, which its own page suggests


class MeasurementInline(BaseInline):
    model = models.Measurement
    fields = ["measured_on", "value", "source", "locator"]
    ordering = ["-measured_on_first", "-id"]


class OutcomeForm(WithinAgreement, RecordForm):
    """The form of an outcome."""

    within = ["component"]


@admin.register(models.Outcome)
class OutcomeAdmin(SourcedPage, RecordAdmin):
    form = OutcomeForm
    icon, menu_position = "target", 15
    list_display = ["__str__", "agreement", "component", "sector"]
    ordering = [Lower("statement")]
    list_filter = [
        AGREEMENT,
        related_filter("component", models.Outcome._meta.get_field("component")),
        related_filter("sector", models.Outcome._meta.get_field("sector")),
    ]
    search_fields = ["slug", "agreement"]
    fieldsets = [(None, {"fields": ["statement", "slug", "agreement", "component", "sector"]})]
    key_from = ["statement"]
    inlines = [IndicatorInline]

    def get_form(self, request, obj=None, change=False, **kwargs):
        return cite_links(super().get_form(request, obj, change, **kwargs), request, obj, "outcome")


@admin.register(models.Indicator)
class IndicatorAdmin(SourcedPage, RecordAdmin):
    icon, menu_position = "speed", 16
    list_display = ["named", "outcome", "direction_shown", "baseline", "target", "target_date"]
    ordering = [Lower("name")]
    list_filter = [
        AGREEMENT,
        related_filter("outcome", models.Indicator._meta.get_field("outcome")),
        choice_filter("direction"),
        *date_range_filters("baseline_on", _("Baseline date")),
        *date_range_filters("target_on", _("Target date")),
    ]
    search_fields = ["slug", "name", "outcome"]
    fieldsets = [
        (None, {"fields": ["name", "slug", "outcome", ("unit", "direction")]}),
        (_("Baseline and target"), {"fields": [("baseline_value", "baseline_on"), ("target_value", "target_on")]}),
    ]
    key_from = ["name"]
    inlines = [MeasurementInline]

    direction_shown = code_column("direction", Direction)

    @display(description=_("name"), ordering=Lower("name"))
    def named(self, indicator):
        return str(indicator)

    @display(description=_("baseline value"), ordering="baseline_value")
    def baseline(self, indicator):
        return None if indicator.baseline_value is None else number(indicator.baseline_value)

    @display(description=_("target value"), ordering="target_value")
    def target(self, indicator):
        return None if indicator.target_value is None else number(indicator.target_value)

    target_date = date_column("target_on", _("target date"))


@admin.register(models.Measurement)
class MeasurementAdmin(RecordAdmin):
    icon, menu_position = "straighten", 17
    list_display = ["indicator", "value_shown", "measured", "source"]
    ordering = [Lower("indicator__name"), "-measured_on_first", "-id"]
    list_filter = [
        AGREEMENT,
        related_filter("indicator", models.Measurement._meta.get_field("indicator")),
        *date_range_filters("measured_on", _("Date measured")),
        related_filter("source", models.Measurement._meta.get_field("source")),
        missing_filter("source", _("Source missing")),
    ]
    search_fields = ["uid", "indicator", "note"]
    fieldsets = [(None, {"fields": ["indicator", ("measured_on", "value"), "note"]}), CITED]

    @display(description=_("value"), ordering="value")
    def value_shown(self, measurement):
        return number(measurement.value)

    measured = date_column("measured_on", _("date measured"))
