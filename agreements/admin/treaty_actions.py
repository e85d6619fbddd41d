"""The pages of what governments did about a text, and of what it takes for it to enter into force."""

from django.contrib import admin, messages

from agreements import models, serializers
from agreements.admin.shared import AGREEMENT, CITED, PARTY
from agreements.models.treaty_actions import ActionKind, ConditionKind
from policytracker.admin import CodeColours, RecordAdmin, choice_filter, code_column, date_range_filters, display, related_filter
from policytracker.edtf import is_before

GROUP_COLOURS = CodeColours({"consent": "primary", "force": "success", "exit": "danger"})


@admin.register(models.TreatyAction)
class TreatyActionAdmin(RecordAdmin):
    serializer = serializers.TreatyActionSerializer
    icon, menu_position = "history_edu", 12
    list_display = ["__str__", "agreement", "about", "acted", "effective", "counterparty"]
    list_references = ["party"]
    list_filter = [
        AGREEMENT,
        choice_filter("kind"),
        PARTY,
        related_filter("counterparty", models.TreatyAction._meta.get_field("counterparty")),
        *date_range_filters("acted_on"),
        *date_range_filters("effective_on"),
        choice_filter("acted_on__empty", title="undated"),
        related_filter("source", models.TreatyAction._meta.get_field("source")),
        choice_filter("source__empty", title="without a source"),
    ]
    search_fields = ["uid", "agreement", "party", "signed_by"]
    ordering = ["-acted_on_first", "-id"]
    fieldsets = [
        (None, {"fields": ["agreement", "kind", ("party", "counterparty"), ("acted_on", "effective_on"), ("place", "signed_by")]}),
        ("What it says", {"fields": ["targets", "text", "note"]}),
        CITED,
    ]

    @display(description="about", label=GROUP_COLOURS)
    def about(self, action):
        return ActionKind(action.kind).group

    @display(description="acted on", ordering="acted_on_first")
    def acted(self, action):
        return action.acted_on

    @display(description="effective on", ordering="effective_on_first")
    def effective(self, action):
        return action.effective_on

    def save_related(self, request, form, formsets, change):
        super().save_related(request, form, formsets, change)
        warn(request, self, form.instance)


def warn(request, page, action: models.TreatyAction) -> None:
    """An effect before the act is no error, since successions have it; but whoever typed it may have meant another day."""
    if is_before(action.effective_on, action.acted_on):
        sentence = f"{action}: it has effect from {action.effective_on}, before the act itself. It is kept; are both days meant?"
        page.message_user(request, sentence, messages.WARNING)


@admin.register(models.EntryIntoForceCondition)
class EntryIntoForceConditionAdmin(RecordAdmin):
    serializer = serializers.EntryIntoForceConditionSerializer
    icon, menu_position = "rule_settings", 13
    list_display = ["kind_shown", "agreement", "number", "fixed_on", "delay"]
    list_filter = [
        AGREEMENT,
        choice_filter("kind"),
        related_filter("parties", models.EntryIntoForceCondition._meta.get_field("parties"), title="named party"),
        *date_range_filters("fixed_on"),
    ]
    search_fields = ["uid", "agreement", "text"]
    fieldsets = [(None, {"fields": ["agreement", "kind", ("number", "fixed_on", "delay"), "parties", "text"]}), CITED]

    kind_shown = code_column("kind", ConditionKind)
