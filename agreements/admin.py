"""The pages on which what was agreed is read and kept."""

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html

from agreements import filters, models, serializers
from agreements.deadlines import DeadlineState, of_component
from agreements.models.agreements import INVERSE, AgreementStatus, LegalForce, ParticipationRole
from agreements.models.components import ComponentStatus
from agreements.models.sources import Confidence, Verdict
from policytracker.admin import BaseInline, ListInline, PeopleAdmin, RecordAdmin, ask, chip, display, pick
from policytracker.views import today
from policytracker.visibility import Publication, Visibility

AGREEMENT = pick("agreement", models.Participation._meta.get_field("agreement"))
PARTY = pick("party", models.Participation._meta.get_field("party"))
SOURCE = pick("source", models.Citation._meta.get_field("source"))
PUBLISHED = [ask("publication"), ask("visibility")]
WHO_READS_IT = ("Who reads it", {"fields": [("visibility", "publication")]})
CITED = ("Where it says so", {"fields": ["source", "locator", "quote"]})
DEADLINE_COLOURS = {
    "danger": [DeadlineState.OVERDUE],
    "warning": [DeadlineState.DUE_SOON, DeadlineState.MET_LATE],
    "success": [DeadlineState.MET],
}


class PublishedColumns:
    """The columns that every register has."""

    publication_shown = chip("publication", Publication, warning=[Publication.DRAFT], info=[Publication.ARCHIVED])
    visibility_shown = chip("visibility", Visibility, danger=[Visibility.RESTRICTED], warning=[Visibility.INTERNAL])


@admin.register(models.Party)
class PartyAdmin(RecordAdmin):
    serializer = serializers.PartySerializer
    icon, place = "flag", 50
    list_display = ["name", "code", "kind", "parent", "since", "until"]
    list_filter = [ask("kind"), pick("parent", models.Party._meta.get_field("parent"))]
    search_fields = ["code", "name", "iso_alpha2"]
    fieldsets = [
        (None, {"fields": ["code", "name", "kind", "parent", "aliases"]}),
        ("Codes and time", {"fields": [("iso_alpha2", "iso_numeric"), ("since", "until")]}),
    ]


class SubjectAdmin(RecordAdmin):
    list_display = ["name", "code"]
    fieldsets = [(None, {"fields": ["code", "name", "description"]})]


@admin.register(models.Sector)
class SectorAdmin(SubjectAdmin):
    serializer = serializers.SectorSerializer
    icon, place = "category", 60


@admin.register(models.FocusArea)
class FocusAreaAdmin(SubjectAdmin):
    serializer = serializers.FocusAreaSerializer
    icon, place = "center_focus_strong", 61


@admin.register(models.PartyOfficer)
class PartyOfficerAdmin(PeopleAdmin):
    icon, place = "badge", 90
    list_display = ["user", "party"]
    list_references = ["user", "party"]
    search_fields = ["user", "party"]

    def get_autocomplete_fields(self, request):
        return ["user", "party"]


@admin.register(models.Source)
class SourceAdmin(PublishedColumns, RecordAdmin):
    serializer = serializers.SourceSerializer
    icon, place = "description", 40
    list_display = ["named", "kind", "publisher", "published_on", "visibility_shown", "publication_shown"]
    list_filter = [ask("kind"), *PUBLISHED]
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


class ParticipationInline(BaseInline):
    model = models.Participation
    fields = ["party", "role", "since", "until", "focus_area"]


class ComponentInline(BaseInline):
    model = models.Component
    fields = ["slug", "title", "status", "due_on"]
    readonly_fields = ["slug"]
    template_after = "admin/add_elsewhere.html"

    def has_add_permission(self, request, obj=None):
        return False  # a new one is named on a page of its own


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
        return INVERSE[relation.kind]


class CitationInline(ListInline):
    model = models.Citation
    fields = ["source", "field", "locator", "confidence", "stance"]


class FactCheckInline(ListInline):
    model = models.FactCheck
    fields = ["statement", "verdict", "source"]


class OutcomeInline(ListInline):
    model = models.Outcome
    fields = ["statement", "component", "sector"]


@admin.register(models.Agreement)
class AgreementAdmin(PublishedColumns, RecordAdmin):
    serializer = serializers.AgreementSerializer
    questions = filters.AGREEMENTS
    icon, place = "handshake", 1
    list_display = ["named", "status_shown", "legal_force_shown", "kind", "next_review_on", "lead", "visibility_shown", "publication_shown"]
    list_filter = [
        ask("status"),
        ask("legal_force"),
        ask("kind"),
        PARTY,
        pick("sectors", models.Agreement._meta.get_field("sectors")),
        *PUBLISHED,
    ]
    fieldsets = [
        (None, {"fields": ["slug", "title", "short_title", ("kind", "legal_force", "status")]}),
        ("What it says", {"fields": ["summary", "purpose", "sectors"]}),
        ("Signature and term", {"fields": [("signed_at_place", "depositary", "registration"), ("expires_on", "next_review_on")]}),
        ("Who works on it and who reads it", {"fields": ["lead", "team", ("visibility", "publication")]}),
    ]
    prepopulated_fields = {"slug": ["title"]}
    inlines = [ParticipationInline, ComponentInline, RelationInline, IncomingRelationInline, OutcomeInline, CitationInline, FactCheckInline]

    status_shown = chip(
        "status", AgreementStatus, ordering="status", success=["in_force", "operative", "provisionally_applied"], warning=["suspended"]
    )
    legal_force_shown = chip("legal_force", LegalForce, primary=["binding", "mixed"])

    @display(description="title", ordering="slug", header=True)
    def named(self, agreement):
        return [str(agreement), agreement.slug]


@admin.register(models.AgreementRelation)
class AgreementRelationAdmin(RecordAdmin):
    serializer = serializers.AgreementRelationSerializer
    questions = filters.RELATIONS
    icon, place = "share", 11
    list_display = ["from_agreement", "kind", "to_agreement"]
    list_filter = [ask("kind"), AGREEMENT]
    fieldsets = [(None, {"fields": ["from_agreement", "kind", "to_agreement", "note"]}), CITED]


@admin.register(models.Participation)
class ParticipationAdmin(RecordAdmin):
    serializer = serializers.ParticipationSerializer
    icon, place = "group", 10
    list_display = ["party", "agreement", "role_shown", "since", "until"]
    list_filter = [ask("role"), AGREEMENT, PARTY, pick("focus_area", models.Participation._meta.get_field("focus_area"))]
    search_fields = ["uid", "agreement", "party"]
    fieldsets = [(None, {"fields": ["agreement", "party", "role", ("since", "until"), "focus_area", "contribution", "note"]})]

    role_shown = chip("role", ParticipationRole, primary=["party"])


@admin.register(models.Component)
class ComponentAdmin(PublishedColumns, RecordAdmin):
    serializer = serializers.ComponentSerializer
    questions = filters.COMPONENTS
    icon, place = "account_tree", 2
    list_display = ["named", "agreement", "status_shown", "due", "deadline_state_shown", "visibility_shown", "publication_shown"]
    list_filter = [ask("status"), ask("deadline_state", answers=DeadlineState.choices), AGREEMENT, *PUBLISHED]
    fieldsets = [
        (None, {"fields": ["slug", "title", "agreement", ("parent", "position"), "status", "description", "lead_parties"]}),
        ("By when", {"fields": [("due_on", "original_due_on"), ("due_anchor", "due_offset"), ("starts_on", "completed_on")]}),
        WHO_READS_IT,
    ]
    readonly_fields = ["original_due_on"]
    prepopulated_fields = {"slug": ["title"]}

    status_shown = chip("status", ComponentStatus, success=["completed"], info=["active"], warning=["suspended"])
    deadline_state_shown = chip("deadline_state", DeadlineState, **DEADLINE_COLOURS)

    def get_queryset(self, request):
        return super().get_queryset(request).annotate(deadline_state=of_component(today()))

    @display(description="title", ordering="slug", header=True)
    def named(self, component):
        return [component.title, component.slug]

    @display(description="due on", ordering="due_on_first")
    def due(self, component):
        return component.due_on


@admin.register(models.Outcome)
class OutcomeAdmin(RecordAdmin):
    serializer = serializers.OutcomeSerializer
    icon, place = "target", 12
    list_display = ["__str__", "agreement", "component", "sector"]
    list_filter = [AGREEMENT, pick("sector", models.Outcome._meta.get_field("sector"))]
    search_fields = ["slug", "agreement"]
    fieldsets = [(None, {"fields": ["slug", "agreement", "component", "sector", "statement"]})]


@admin.register(models.FactCheck)
class FactCheckAdmin(RecordAdmin):
    serializer = serializers.FactCheckSerializer
    icon, place = "rule", 42
    list_display = ["__str__", "verdict_shown", "source", "agreement", "checked_on"]
    list_filter = [ask("verdict"), AGREEMENT, SOURCE]
    search_fields = ["slug", "source", "agreement"]
    fieldsets = [
        (None, {"fields": ["slug", "statement", "agreement", "source", "locator", "quote"]}),
        ("What is right", {"fields": ["verdict", "correction", "correcting_source", "checked_on"]}),
    ]

    verdict_shown = chip(
        "verdict", Verdict, success=["supported"], danger=["incorrect", "unsupported"], warning=["imprecise", "incomplete", "disputed"]
    )


@admin.register(models.Citation)
class CitationAdmin(RecordAdmin):
    serializer = serializers.CitationSerializer
    questions = filters.CITATIONS
    icon, place = "format_quote", 41
    list_display = ["source", "field", "agreement", "component", "outcome", "confidence_shown", "stance"]
    list_filter = [ask("confidence"), ask("stance"), AGREEMENT, SOURCE]
    search_fields = ["uid", "source", "agreement"]
    fieldsets = [
        (None, {"fields": ["source", ("agreement", "component"), ("participation", "outcome"), "field"]}),
        ("What it says", {"fields": ["locator", "quote", ("confidence", "stance")]}),
    ]

    confidence_shown = chip("confidence", Confidence, success=["confirmed"], danger=["refuted"], warning=["disputed", "unverified"])
