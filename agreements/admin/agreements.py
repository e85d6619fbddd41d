"""The pages of agreements, of how they hang together, and of who takes part."""

from django.contrib import admin

from agreements import filters, models, serializers
from agreements.admin.components import Relative
from agreements.admin.shared import AGREEMENT, CITED, PARTY, PUBLISHED, RegistryColumns
from agreements.admin.standing import Panel
from agreements.admin.treaty_actions import warn
from agreements.models.agreements import INVERSE_LABELS, AgreementStatus, LegalForce, ParticipationRole, team_with_caller
from agreements.standing import TextStanding
from policytracker.admin import (
    BaseInline,
    ListInline,
    RecordAdmin,
    choice_filter,
    code_column,
    date_range_filters,
    display,
    related_filter,
    text_filter,
)
from policytracker.admin.forms import RecordForm, VersionedForm


class ParticipationInline(BaseInline):
    model = models.Participation
    fields = ["party", "role", "since", "until", "focus_area"]


class ComponentRow(Relative, VersionedForm):
    """A component among the others of its agreement."""


class ComponentInline(BaseInline):
    model = models.Component
    form = ComponentRow
    fields = ["slug", "title", "status", "due_on"]
    readonly_fields = ["slug"]
    template_after = "admin/inline_links.html"

    def has_add_permission(self, request, obj=None):
        return False  # a new one is named on a page of its own


class TreatyActionInline(BaseInline):
    model = models.TreatyAction
    fields = ["kind", "party", "acted_on", "effective_on", "counterparty"]
    ordering = ["acted_on_first", "id"]


class ConditionInline(ListInline):
    model = models.EntryIntoForceCondition
    fields = ["kind", "number", "parties", "fixed_on", "delay"]


class CommitmentInline(ListInline):
    model = models.Commitment
    fields = ["__str__", "payer", "component", "stated_on", "disputes", "part_of"]
    readonly_fields = ["__str__"]


class RelationInline(BaseInline):
    model = models.AgreementRelation
    fk_name = "from_agreement"
    fields = ["kind", "to_agreement", "note"]
    verbose_name_plural = "relations"


class IncomingRelationInline(ListInline):
    model = models.AgreementRelation
    fk_name = "to_agreement"
    fields = ["from_agreement", "word", "note"]
    readonly_fields = ["word"]
    verbose_name_plural = "related from"
    template_after = None

    @display(description="read from here")
    def word(self, relation):
        return INVERSE_LABELS[relation.kind]


class CitationInline(ListInline):
    model = models.Citation
    fields = ["source", "field", "locator", "confidence", "stance"]


class FactCheckInline(ListInline):
    model = models.FactCheck
    fields = ["statement", "verdict", "source"]


class OutcomeInline(ListInline):
    model = models.Outcome
    fields = ["statement", "component", "sector"]


class AgreementForm(RecordForm):
    """An agreement on its own page."""

    def clean(self):
        values = super().clean()
        if {"team", "visibility"} <= values.keys():
            values["team"] = team_with_caller(self.request.user, values["visibility"], values["team"])
        return values


@admin.register(models.Agreement)
class AgreementAdmin(RegistryColumns, Panel, RecordAdmin):
    form = AgreementForm
    serializer = serializers.AgreementSerializer
    named_filters = filters.AGREEMENTS
    icon, menu_position = "handshake", 1
    list_display = ["named", "status_shown", "legal_force_shown", "kind", "next_review_on", "lead", "visibility_shown", "publication_shown"]
    list_filter = [
        choice_filter("status"),
        choice_filter("legal_force"),
        choice_filter("kind"),
        PARTY,
        related_filter("sectors", models.Agreement._meta.get_field("sectors")),
        *date_range_filters("signed_on"),
        *date_range_filters("in_force_on"),
        text_filter("in_force_on", "in force on the day"),
        choice_filter("text_standing", title="standing of the text", answers=TextStanding.choices),
        text_filter("party_standing", "standing of a party, as AUS:bound"),
        text_filter("binds", "binds the party, as AUS"),
        *PUBLISHED,
    ]
    fieldsets = [
        (None, {"fields": ["slug", "title", "short_title", ("kind", "legal_force", "status")]}),
        ("What it says", {"fields": ["summary", "purpose", "sectors"]}),
        (
            "Signature and term",
            {
                "fields": [
                    ("signed_on", "in_force_on"),
                    ("signed_at_place", "depositary", "registration"),
                    ("expires_on", "next_review_on"),
                    ("later_joiner_delay", "actions_complete_as_of"),
                ]
            },
        ),
        ("Who works on it and who reads it", {"fields": ["lead", "team", ("visibility", "publication")]}),
    ]
    readonly_fields = ["signed_on", "in_force_on"]  # they follow the treaty actions
    prepopulated_fields = {"slug": ["title"]}
    # Components before actions: an action moves the due days of components, which their rows have not seen.
    inlines = [
        ParticipationInline,
        ComponentInline,
        TreatyActionInline,
        ConditionInline,
        CommitmentInline,
        RelationInline,
        IncomingRelationInline,
        OutcomeInline,
        CitationInline,
        FactCheckInline,
    ]

    status_shown = code_column(
        "status", AgreementStatus, ordering="status", success=["in_force", "operative", "provisionally_applied"], warning=["suspended"]
    )
    legal_force_shown = code_column("legal_force", LegalForce, primary=["binding", "mixed"])

    def save_related(self, request, form, formsets, change):
        super().save_related(request, form, formsets, change)
        for rows in (rows for rows in formsets if rows.model is models.TreatyAction):
            for action in [*rows.new_objects, *(changed for changed, _ in rows.changed_objects)]:
                warn(request, self, action)

    @display(description="title", ordering="slug", header=True)
    def named(self, agreement):
        return [str(agreement), agreement.slug]


@admin.register(models.AgreementRelation)
class AgreementRelationAdmin(RecordAdmin):
    serializer = serializers.AgreementRelationSerializer
    named_filters = filters.RELATIONS
    icon, menu_position = "share", 11
    list_display = ["from_agreement", "kind", "to_agreement"]
    list_filter = [choice_filter("kind"), AGREEMENT]
    fieldsets = [(None, {"fields": ["from_agreement", "kind", "to_agreement", "note"]}), CITED]


@admin.register(models.Participation)
class ParticipationAdmin(RecordAdmin):
    serializer = serializers.ParticipationSerializer
    icon, menu_position = "group", 10
    list_display = ["party", "agreement", "role_shown", "since", "until"]
    list_filter = [
        choice_filter("role"),
        AGREEMENT,
        PARTY,
        related_filter("focus_area", models.Participation._meta.get_field("focus_area")),
    ]
    search_fields = ["uid", "agreement", "party"]
    fieldsets = [(None, {"fields": ["agreement", "party", "role", ("since", "until"), "focus_area", "contribution", "note"]})]

    role_shown = code_column("role", ParticipationRole, primary=["party"])
