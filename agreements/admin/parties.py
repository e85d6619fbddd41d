"""Pages of parties, sectors and focus areas."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from agreements import models
from policytracker.admin import RecordAdmin, choice_filter, related_filter


@admin.register(models.Party)
class PartyAdmin(RecordAdmin):
    icon, menu_position = "flag", 50
    list_display = ["name", "code", "kind", "parent", "since", "until"]
    list_filter = [choice_filter("kind"), related_filter("parent", models.Party._meta.get_field("parent"))]
    search_fields = ["code", "name", "iso_alpha2"]
    fieldsets = [
        (None, {"fields": ["code", "name", "kind", "parent", "aliases"]}),
        (_("Codes and dates"), {"fields": [("iso_alpha2", "iso_numeric"), ("since", "until")]}),
    ]


class SubjectAdmin(RecordAdmin):
    """Base class of the pages of sectors and focus areas."""

    list_display = ["name", "code"]
    fieldsets = [(None, {"fields": ["code", "name", "description"]})]


@admin.register(models.Sector)
class SectorAdmin(SubjectAdmin):
    icon, menu_position = "category", 60


@admin.register(models.FocusArea)
class FocusAreaAdmin(SubjectAdmin):
    icon, menu_position = "center_focus_strong", 61
