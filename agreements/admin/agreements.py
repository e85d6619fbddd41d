"""Pages of agreements, their relations and participations."""

from dataclasses import dataclass

from django import forms
from django.contrib import admin
from django.db.models import Count, F, Window
from django.db.models.functions import Lower, RowNumber
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from agreements import models
from agreements.admin import citations
from agreements.admin.components import RelativeDeadlineForm
from agreements.admin.parts import add_participation, cite_links, role_of_signer
from agreements.admin.shared import ACCESS_COLUMNS, AGREEMENT, CITED, PARTY, PUBLISHED, SOURCE, RegistryColumns, SourcedPage, with_access
from agreements.admin.treaty_actions import warn_effective_before_action
from agreements.models.agreements import (
    NON_PARTICIPANT_ROLES,
    AgreementStatus,
    LegalForce,
    ParticipationRole,
    by_name,
    team_with_caller,
)
from agreements.models.relations import INVERSE_LABELS
from agreements.standing import TextStanding
from policytracker.accounts.models import User
from policytracker.admin import (
    BaseInline,
    BulkEditAdmin,
    BulkEditForm,
    ListInline,
    RecordAdmin,
    TabbedAdmin,
    choice_filter,
    code_column,
    date_range_filters,
    display,
    related_filter,
    sized,
    text_filter,
)
from policytracker.admin.forms import RecordForm, VersionedForm

SHOWN_PARTIES = 5  # of an agreement, in the list


class ParticipationInline(BaseInline):
    model = models.Participation
    fields = ["party", "role", "since", "until", "focus_area"]
    widths = {"party": "wide", "role": "narrow"}
    ordering = ["party__name", "id"]
    template_before = "admin/agreements/agreement/participations_note.html"
    template_after = "admin/inline_links.html"

    def get_formset(self, request, obj=None, **kwargs):
        formset = super().get_formset(request, obj, **kwargs)
        if obj is not None and "role" in formset.form.base_fields:
            formset.form.base_fields["role"].initial = role_of_signer(obj)
        return formset


class ComponentRow(RelativeDeadlineForm, VersionedForm):
    """A component in the inline of its agreement. The key of a new one is made from its title."""

    key_from = ["title"]


class ComponentInline(BaseInline):
    model = models.Component
    form = ComponentRow
    fields = ["title", "status", "due_on", "slug"]
    readonly_fields = ["slug", "named"]
    widths = {"title": "main", "slug": "medium"}
    ordering = ["position", "id"]  # components without a position come last, in the order of their entry
    template_after = "admin/inline_links.html"

    def get_fields(self, request, obj=None):
        """The title as a link instead of an input, and no key, for users who cannot edit."""
        if self.has_change_permission(request, obj):
            return super().get_fields(request, obj)
        return ["named", "status", "due_on"]

    @display(description=_("title"))
    def named(self, component):
        return self.link_to(component, component.title)


class TreatyActionInline(BaseInline):
    model = models.TreatyAction
    fields = ["kind", "party", "acted_on", "effective_on"]
    widths = {"kind": "wide", "party": "wide"}
    ordering = ["acted_on_first", "id"]
    template_after = "admin/inline_links.html"


class ConditionInline(ListInline):
    model = models.EntryIntoForceCondition
    fields = ["kind", "number", "parties", "fixed_on", "delay"]
    verbose_name_plural = _("conditions")


class CommitmentInline(ListInline):
    model = models.Commitment
    fields = ["__str__", "payer", "component", "stated_on", "description", "stated_in", "related"]
    readonly_fields = ["__str__", "stated_in", "related"]
    ordering = [F("stated_on_first").desc(nulls_last=True), "-id"]

    @display(description=_("related figure"))
    def related(self, commitment):
        if commitment.disputes:
            return self.link_to(commitment.disputes, _("Disputes %(figure)s") % {"figure": commitment.disputes})
        return self.link_to(commitment.part_of, _("Part of %(figure)s") % {"figure": commitment.part_of}) if commitment.part_of else None

    @display(description=_("source and quote"))
    def stated_in(self, commitment):
        if commitment.source is None:
            return None
        page = reverse("admin:agreements_source_change", args=[commitment.source_id])
        source = format_html('<a href="{}" class="text-link">{}</a>', page, commitment.source)
        stated = [source, *filter(None, [commitment.locator, commitment.quote and _("“%(quote)s”") % {"quote": commitment.quote}])]
        return format_html_join(SafeString("<br>"), "{}", ((part,) for part in stated))


class RelationInline(BaseInline):
    model = models.AgreementRelation
    fk_name = "from_agreement"
    fields = ["kind", "to_agreement", "note"]
    widths = {"kind": "wide", "to_agreement": "widest"}
    ordering = [by_name("to_agreement__"), "id"]
    verbose_name_plural = _("relations")
    template_after, list_parameter = "admin/inline_links.html", "agreement"


class IncomingRelationInline(ListInline):
    model = models.AgreementRelation
    fk_name = "to_agreement"
    fields = ["from_agreement", "relation", "note"]
    readonly_fields = ["relation"]
    ordering = [by_name("from_agreement__"), "id"]
    verbose_name_plural = _("incoming relations")
    template_after = None

    @display(description=_("relation"))
    def relation(self, relation):
        return _(INVERSE_LABELS[relation.kind])


class FactCheckInline(ListInline):
    model = models.FactCheck
    fields = ["statement", "verdict", "source"]
    ordering = [Lower("statement"), "id"]


class OutcomeInline(ListInline):
    model = models.Outcome
    fields = ["statement", "component", "sector"]
    ordering = [Lower("statement"), "id"]


class AgreementForm(RecordForm):
    """The form of an agreement. Keeps a user who makes it restricted on its team."""

    def clean(self):
        values = super().clean()
        if {"team", "visibility"} <= values.keys():
            values["team"] = team_with_caller(self.request.user, values["visibility"], values["team"])
        return values


class AgreementBulkEditForm(BulkEditForm):
    columns = ("lead",)

    lead = forms.ModelChoiceField(User.objects.none(), required=False, label=_("Lead"), empty_label="—")

    def __init__(self, data, user):
        super().__init__(data, user)
        self.fields["lead"].queryset = User.editors().order_by("username")


@dataclass(frozen=True)
class ListedParties:
    """The codes and names of the first parties of an agreement, and the number of all."""

    first: list[tuple[str, str]]
    count: int


def parties_of(agreements):
    """The parties that take part in these agreements, by id, in one query that reads few rows of an agreement with many parties."""
    by_agreement = {"partition_by": F("agreement"), "order_by": F("party__code").asc()}
    rows = models.Participation.objects.filter(agreement__in=agreements).exclude(role__in=NON_PARTICIPANT_ROLES)
    once = rows.order_by("agreement_id", "party_id", "pk").distinct("agreement_id", "party_id")  # a party may take part in several roles
    distinct = models.Participation.objects.filter(pk__in=once.values("pk"))
    numbered = distinct.order_by().annotate(
        number=Window(RowNumber(), **by_agreement), total=Window(Count("pk"), partition_by=F("agreement"))
    )
    found = {}
    first = numbered.filter(number__lte=SHOWN_PARTIES).order_by("agreement", "number")
    for agreement, code, name, total in first.values_list("agreement", "party__code", "party__name", "total"):
        found.setdefault(agreement, ListedParties([], total)).first.append((code, name))
    return found


@admin.register(models.Agreement)
class AgreementAdmin(RegistryColumns, TabbedAdmin, BulkEditAdmin):
    form, bulk_edit_form = AgreementForm, AgreementBulkEditForm
    icon, menu_position, in_menu = "handshake", 2, True
    guides = ("analyst#an-agreements-page", "standing")
    list_display = ["named", "parties_shown", "status_shown", "legal_force_shown", "lead"]
    more_columns = ["kind", "signed_on", "in_force_on", "expires_on", "next_review_on", *ACCESS_COLUMNS]
    line_example = "party:AUS status:in_force"
    list_filter = [
        choice_filter("status"),
        choice_filter("legal_force"),
        choice_filter("kind"),
        PARTY,
        related_filter("sectors", models.Agreement._meta.get_field("sectors"), _("Sector")),
        *date_range_filters("signed_on", _("Signature date")),
        *date_range_filters("in_force_on", _("Entry into force")),
        text_filter("in_force_on", _("In force on date")),
        choice_filter("text_standing", _("Legal status"), TextStanding.choices),
        text_filter("party_standing", _("Party's legal status, such as AUS:bound")),
        text_filter("binds", _("Bound party, such as AUS")),
        *PUBLISHED,
    ]
    fieldsets = [
        (None, {"fields": ["title", "short_title", "slug", ("kind", "legal_force", "status")]}),
        (_("Content"), {"fields": ["summary", "purpose", "sectors"]}),
        (
            _("Signature and term"),
            {
                "fields": [
                    ("signed_on", "in_force_on"),
                    ("signed_at_place", "depositary", "registration"),
                    ("expires_on", "next_review_on"),
                    ("later_joiner_delay", "actions_complete_as_of"),
                ]
            },
        ),
        (_("Access"), {"fields": ["lead", "team", ("visibility", "publication")]}),
    ]
    ordering = [by_name()]
    readonly_fields = ["signed_on", "in_force_on"]  # calculated from treaty actions
    key_from = ["short_title", "title"]
    # Components are saved before actions, because saving an action changes due dates and versions of components.
    inlines = [
        ParticipationInline,
        ComponentInline,
        TreatyActionInline,
        ConditionInline,
        CommitmentInline,
        RelationInline,
        IncomingRelationInline,
        OutcomeInline,
        FactCheckInline,
    ]
    add_inlines = [ParticipationInline, TreatyActionInline]
    panels = [citations.PANEL]

    status_shown = code_column(
        "status",
        AgreementStatus,
        ordering="status",
        success=["in_force", "operative", "provisionally_applied"],
        warning=["suspended"],
    )
    legal_force_shown = code_column("legal_force", LegalForce, primary=["binding", "mixed"])

    def get_form(self, request, obj=None, change=False, **kwargs):
        return cite_links(super().get_form(request, obj, change, **kwargs), request, obj, "agreement")

    def save_related(self, request, form, formsets, change):
        super().save_related(request, form, formsets, change)
        for formset in (formset for formset in formsets if formset.model is models.TreatyAction):
            for action in formset.new_objects:
                add_participation(request, self, action)
            for action in [*formset.new_objects, *(changed for changed, _fields in formset.changed_objects)]:
                warn_effective_before_action(request, self, action)

    def load_columns(self, request, records):
        super().load_columns(request, records)
        parties = parties_of([agreement.pk for agreement in records])
        for agreement in records:
            agreement.list_parties = parties.get(agreement.pk)

    @display(description=_("parties"))
    def parties_shown(self, agreement):
        """The codes of the first parties with their names, and how many more there are."""
        if not agreement.list_parties:
            return ""
        codes = format_html_join(" ", '<abbr title="{}">{}</abbr>', ((name, code) for code, name in agreement.list_parties.first))
        more = agreement.list_parties.count - len(agreement.list_parties.first)
        return sized(format_html("{} +{}", codes, more) if more else codes, "widest")

    @display(description=_("title"), ordering=by_name())
    def named(self, agreement):
        return with_access(agreement, str(agreement))


@admin.register(models.AgreementRelation)
class AgreementRelationAdmin(RecordAdmin):
    icon, menu_position = "share", 11
    list_display = ["from_agreement", "kind", "to_agreement"]
    ordering = [by_name("from_agreement__"), "id"]
    list_filter = [choice_filter("kind"), AGREEMENT, SOURCE]
    fieldsets = [(None, {"fields": ["from_agreement", "kind", "to_agreement", "note"]}), CITED]


@admin.register(models.Participation)
class ParticipationAdmin(SourcedPage, RecordAdmin):
    icon, menu_position = "group", 10
    list_display = ["party", "agreement", "role_shown", "since", "until"]
    ordering = [by_name("agreement__"), "party__name", "id"]
    list_filter = [
        choice_filter("role"),
        AGREEMENT,
        PARTY,
        related_filter("focus_area", models.Participation._meta.get_field("focus_area"), _("Focus area")),
    ]
    search_fields = ["uid", "agreement", "party"]
    fieldsets = [(None, {"fields": ["agreement", "party", "role", ("since", "until"), "focus_area", "contribution", "note"]})]

    role_shown = code_column("role", ParticipationRole, primary=["party"])

    def get_form(self, request, obj=None, change=False, **kwargs):
        return cite_links(super().get_form(request, obj, change, **kwargs), request, obj, "participation")
