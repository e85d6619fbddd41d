"""Pages of components and commitments."""

from django.contrib import admin
from django.db.models import F
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from agreements import models
from agreements.admin.parts import WithinAgreement, cite_links
from agreements.admin.shared import ACCESS, AGREEMENT, CITED, DEADLINE_COLOURS, PUBLISHED, ReferringPage, RegistryColumns
from agreements.deadlines import DeadlineState, of_component
from agreements.models.commitments import CURRENCIES, Stage
from agreements.models.components import ComponentStatus, DueAnchor
from policytracker.admin import (
    BulkEditAdmin,
    BulkEditForm,
    RecordAdmin,
    choice_filter,
    code_column,
    date_column,
    date_range_filters,
    display,
    missing_filter,
    related_filter,
    text_filter,
)
from policytracker.admin.forms import PartialDate, RecordForm
from policytracker.edtf import duration_in_words
from policytracker.resources import today

CALCULATED = _("Calculated: %(offset)s after %(anchor)s. Empty until the exact date is known.")
NOT_EMPTY = [("false", _("Yes")), ("true", _("No"))]  # for a filter by empty fields with the opposite title


class RelativeDeadlineForm:
    """Part of a component form. Disables the due date of a relative deadline, which is calculated."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        component = self.instance
        if "due_offset" in self.fields:
            self.fields["due_offset"].help_text = _("Time after the anchor, such as 6 months or 180 days.")
        if "due_on" in self.fields and component.pk and component.due_anchor != DueAnchor.NONE:
            field = self.fields["due_on"]
            field.disabled = True
            field.help_text = CALCULATED % {
                "anchor": component.get_due_anchor_display().lower(),
                "offset": duration_in_words(component.due_offset),
            }
            field.widget.attrs |= {"placeholder": DeadlineState.OPEN_ENDED.label, "title": field.help_text}


class ComponentForm(RelativeDeadlineForm, WithinAgreement, RecordForm):
    """The form of a component's own page."""

    within = ["parent"]


class CommitmentForm(WithinAgreement, RecordForm):
    """The form of a commitment."""

    within = ["component", "disputes", "part_of"]


class ComponentBulkEditForm(BulkEditForm):
    columns = ("due_on",)

    due_on = PartialDate(required=False, label=_("Due date"), help_text=_("Not for components whose due date is calculated."))


@admin.register(models.Component)
class ComponentAdmin(RegistryColumns, ReferringPage, BulkEditAdmin):
    form, bulk_edit_form = ComponentForm, ComponentBulkEditForm
    icon, menu_position = "account_tree", 2
    list_display = ["named", "agreement", "status_shown", "due", "deadline_state_shown", "visibility_shown", "publication_shown"]
    list_filter = [
        choice_filter("status"),
        choice_filter("deadline_state", choices=DeadlineState.choices),
        AGREEMENT,
        *date_range_filters("due_on", _("Due date")),
        choice_filter("due_anchor", _("Counted from")),
        related_filter("lead_parties", models.Component._meta.get_field("lead_parties"), _("Lead party")),
        missing_filter("lead_parties", _("Lead party missing")),
        related_filter("parent", models.Component._meta.get_field("parent")),
        text_filter("slug", _("Key")),
        *PUBLISHED,
    ]
    fieldsets = [
        (None, {"fields": ["title", "slug", "agreement", ("parent", "position"), "status", "description", "lead_parties"]}),
        (_("Dates"), {"fields": [("due_on", "original_due_on"), ("due_anchor", "due_offset"), ("starts_on", "completed_on")]}),
        ACCESS,
    ]
    titles_from = {
        "lead_parties": ngettext_lazy("Component it leads", "Components it leads"),
        "parent": ngettext_lazy("Part", "Parts"),
    }
    ordering = [Lower("title")]
    readonly_fields = ["original_due_on"]
    key_from = ["title"]

    status_shown = code_column("status", ComponentStatus, wraps=True, success=["completed"], info=["active"], warning=["suspended"])
    deadline_state_shown = code_column("deadline_state", DeadlineState, blank=DeadlineState.NONE, **DEADLINE_COLOURS)

    def get_form(self, request, obj=None, change=False, **kwargs):
        return cite_links(super().get_form(request, obj, change, **kwargs), request, obj, "component")

    def get_queryset(self, request):
        return super().get_queryset(request).annotate(deadline_state=of_component(today()))

    @display(description=_("title"), ordering=Lower("title"), header=True)
    def named(self, component):
        return [component.title, component.slug]

    due = date_column("due_on", _("due date"))


@admin.register(models.Commitment)
class CommitmentAdmin(RecordAdmin):
    form = CommitmentForm
    icon, menu_position = "payments", 14
    list_display = ["amount_shown", "stage_shown", "agreement", "component", "payer", "stated", "disputes"]
    ordering = [F("stated_on_first").desc(nulls_last=True), "-id"]
    list_filter = [
        AGREEMENT,
        choice_filter("stage"),
        choice_filter("currency", choices=[(code, code) for code in sorted(CURRENCIES)]),
        related_filter("payer", models.Commitment._meta.get_field("payer")),
        related_filter("component", models.Commitment._meta.get_field("component")),
        *date_range_filters("stated_on", _("Date stated")),
        choice_filter("disputes__empty", _("Disputes another figure"), NOT_EMPTY),
        choice_filter("part_of__empty", _("Part of another figure"), NOT_EMPTY),
        related_filter("source", models.Commitment._meta.get_field("source")),
        missing_filter("source", _("Source missing")),
    ]
    titles_from = {"payer": ngettext_lazy("Commitment it pays", "Commitments it pays")}
    search_fields = ["uid", "agreement", "payer", "description"]
    fieldsets = [
        (None, {"fields": ["agreement", "component", "payer", "stage", ("bound", "amount", "currency"), "stated_on", "description"]}),
        (_("Related figures"), {"fields": ["disputes", "part_of"]}),
        CITED,
    ]

    stage_shown = code_column("stage", Stage, info=[Stage.AUTHORISED, Stage.COMMITTED], success=[Stage.DISBURSED])

    @display(description=_("amount"), ordering="amount")
    def amount_shown(self, commitment):
        return commitment.figure

    stated = date_column("stated_on", _("date stated"))
