"""Pages of treaty actions and of conditions of entry into force."""

from django.contrib import admin, messages
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from agreements import models
from agreements.admin.parts import add_participation
from agreements.admin.shared import AGREEMENT, CITED, PARTY, SOURCE
from agreements.events import action_title
from agreements.models.agreements import by_name
from agreements.models.treaty_actions import ActionKind, ConditionKind
from policytracker.admin import (
    CodeColours,
    RecordAdmin,
    choice_filter,
    code_column,
    date_column,
    date_range_filters,
    display,
    missing_filter,
    related_filter,
)
from policytracker.edtf import duration_in_words, is_before

EFFECTIVE_BEFORE_ACTION = _("%(action)s: saved, but the effective date %(effective_on)s is before the action date. Check both dates.")
GROUPS = {
    "political": _("Political"),
    "text": _("Text"),
    "consent": _("Consent"),
    "domestic": _("Domestic procedure"),
    "delivery": _("Deposit and notification"),
    "force": _("Start of effect"),
    "statement": _("Statement"),
    "exit": _("Withdrawal and end"),
}
GROUP_COLOURS = CodeColours({"consent": "primary", "force": "success", "exit": "danger"})


@admin.register(models.TreatyAction)
class TreatyActionAdmin(RecordAdmin):
    icon, menu_position = "history_edu", 12
    guides = ("standing",)
    list_display = ["named", "agreement", "group", "acted", "effective"]
    list_references = ["party", "counterparty"]
    list_filter = [
        AGREEMENT,
        choice_filter("kind"),
        PARTY,
        related_filter("counterparty", models.TreatyAction._meta.get_field("counterparty")),
        *date_range_filters("acted_on", _("Action date")),
        *date_range_filters("effective_on", _("Effective date")),
        missing_filter("acted_on", _("Action date missing")),
        related_filter("source", models.TreatyAction._meta.get_field("source")),
        missing_filter("source", _("Source missing")),
    ]
    titles_from = {"counterparty": ngettext_lazy("Treaty action of another party towards it", "Treaty actions of others towards it")}
    search_fields = ["uid", "agreement", "party", "signed_by"]
    ordering = ["-acted_on_first", "-id"]
    fieldsets = [
        (None, {"fields": ["agreement", "kind", ("party", "counterparty"), ("acted_on", "effective_on"), ("place", "signed_by")]}),
        (_("Content"), {"fields": ["targets", "text", "note"]}),
        CITED,
    ]

    @display(description=_("treaty action"))
    def named(self, action):
        return action_title(action.kind, *(str(party) if party else "" for party in (action.party, action.counterparty)))

    @display(description=_("group"), label=GROUP_COLOURS)
    def group(self, action):
        code = ActionKind(action.kind).group
        return code, GROUPS.get(code, code)

    acted = date_column("acted_on", _("action date"))

    effective = date_column("effective_on", _("effective date"))

    def save_related(self, request, form, formsets, change):
        super().save_related(request, form, formsets, change)
        if not change:
            add_participation(request, self, form.instance)
        warn_effective_before_action(request, self, form.instance)


def warn_effective_before_action(request, page, action: models.TreatyAction) -> None:
    """Warn about an effective date before the action date. It is not an error: successions have it."""
    if is_before(action.effective_on, action.acted_on):
        parameters = {"action": action, "effective_on": action.effective_on}
        page.message_user(request, EFFECTIVE_BEFORE_ACTION % parameters, messages.WARNING)


@admin.register(models.EntryIntoForceCondition)
class EntryIntoForceConditionAdmin(RecordAdmin):
    icon, menu_position = "rule_settings", 13
    list_display = ["kind_shown", "agreement", "number", "fixed_on", "delay_shown"]
    ordering = [by_name("agreement__"), "id"]
    list_filter = [
        AGREEMENT,
        choice_filter("kind"),
        related_filter("parties", models.EntryIntoForceCondition._meta.get_field("parties"), _("Named party")),
        *date_range_filters("fixed_on", _("Fixed date")),
        SOURCE,
    ]
    search_fields = ["uid", "agreement", "text"]
    fieldsets = [(None, {"fields": ["agreement", "kind", ("number", "fixed_on", "delay"), "parties", "text"]}), CITED]

    kind_shown = code_column("kind", ConditionKind)

    @display(description=_("delay"))
    def delay_shown(self, condition):
        return duration_in_words(condition.delay) or None
