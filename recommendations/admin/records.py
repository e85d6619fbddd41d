"""The pages of recommendations, and of their updates, addressees, milestones and dependencies."""

from dataclasses import dataclass

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Prefetch
from django.http import HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html

from agreements.admin import CITED, DEADLINE_COLOURS, RegistryColumns
from agreements.deadlines import DeadlineState
from policytracker.admin import BaseInline, RecordAdmin, apply_theme, choice_filter, code_column, display, related_filter
from policytracker.admin.error_summary import errors_of_form
from policytracker.admin.querysets import references, visible
from policytracker.api.parameters import today
from policytracker.models import User
from policytracker.records import exceptions
from policytracker.records.context import change_context
from recommendations import filters, progress, reviews, serializers
from recommendations.admin import forms
from recommendations.deadlines import Freshness, deadline, freshness
from recommendations.models import (
    CLOSABLE,
    DONE,
    Addressee,
    Dependency,
    Evidence,
    Milestone,
    ProgressUpdate,
    Recommendation,
    Response,
    Review,
    Status,
    UpdateKind,
)
from recommendations.slippage import slipped

EDIT = "edit"
SHOWN = 50  # updates on the page of a recommendation
BULK_EDIT_LIMIT = 500  # recommendations to which the same is done at once
AGREEMENT = related_filter("agreement", Recommendation._meta.get_field("agreements"))
STATUS_COLOURS = {"success": list(DONE), "info": [Status.IN_PROGRESS, *CLOSABLE], "warning": [Status.STALLED]}
LACKS = [(name, name.replace("_", " ")) for name in filters.LACKS]
PEOPLE = related_filter("author", ProgressUpdate._meta.get_field("author"))


def owners(request):
    people = User.visible_to(request.user).filter(is_active=True).order_by("username").values_list("username", flat=True)
    return [("me", "Me"), ("none", "Nobody"), *((name, name) for name in people)]


class AddresseeInline(BaseInline):
    model = Addressee
    fields = ["party", "role", "response", "responded_on", "response_text"]


class MilestoneInline(BaseInline):
    model = Milestone
    fields = ["position", "title", "due_on", "completed_on"]
    ordering = ["position", "id"]


class DependencyInline(BaseInline):
    model = Dependency
    fk_name = "recommendation"
    fields = ["depends_on"]
    verbose_name_plural = "dependencies"


@admin.register(Recommendation)
class RecommendationAdmin(RegistryColumns, RecordAdmin):
    serializer = serializers.RecommendationSerializer
    named_filters = filters.RECOMMENDATIONS
    icon, menu_position = "checklist", 0
    list_display = ["named", "status_shown", "deadline_state_shown", "due", "freshness_shown", "priority", "owner", "publication_shown"]
    list_filter = [
        choice_filter("owner", answers=owners),
        choice_filter("overdue"),
        choice_filter("due_within", answers=[("7", "7 days"), ("30", "30 days"), ("90", "90 days"), ("365", "a year")]),
        choice_filter("deadline_state", answers=DeadlineState.choices),
        choice_filter("freshness", answers=Freshness.choices),
        choice_filter("open"),
        choice_filter("claim_differs"),
        choice_filter("awaiting_approval"),
        choice_filter("without", answers=LACKS),
        choice_filter("status"),
        choice_filter("priority"),
        AGREEMENT,
        related_filter("party", Addressee._meta.get_field("party"), title="addressee"),
        related_filter("focus_area", Recommendation._meta.get_field("focus_area")),
        choice_filter("publication"),
        choice_filter("visibility"),
    ]
    fieldsets = [
        (None, {"fields": ["slug", "key_action", "details", "expected_outcome"]}),
        ("Assignment", {"fields": [("owner", "priority"), ("due_on", "original_due_on", "update_every")]}),
        ("Links", {"fields": ["agreements", "components", "sectors", "focus_area", ("parent", "superseded_by")]}),
        ("Origin", {"fields": [("made_by", "made_by_text", "made_on"), ("source_scheme", "source_code")]}),
        CITED,
        ("Access", {"fields": [("visibility", "publication")]}),
    ]
    readonly_fields = ["original_due_on"]
    prepopulated_fields = {"slug": ["key_action"]}
    inlines = [AddresseeInline, MilestoneInline, DependencyInline]
    actions = ["bulk_edit"]

    status_shown = code_column("status", Status, ordering="status", **STATUS_COLOURS)
    deadline_state_shown = code_column("deadline_state", DeadlineState, **DEADLINE_COLOURS)
    freshness_shown = code_column("freshness", Freshness, warning=[Freshness.STALE], success=[Freshness.FRESH])

    @display(description="recommendation", ordering="slug", header=True)
    def named(self, recommendation):
        action = recommendation.key_action
        return [action if len(action) <= 90 else f"{action[:89]}…", recommendation.slug]

    @display(description="due on", ordering="due_on_first")
    def due(self, recommendation):
        return recommendation.due_on

    def get_queryset(self, request):
        return super().get_queryset(request).annotate(deadline_state=deadline(today()), freshness=freshness(today()))

    @admin.action(description="Bulk edit", permissions=["change"])
    def bulk_edit(self, request, queryset):
        """Change several recommendations. Each rejection is reported, and does not stop the others."""
        form = forms.BulkEditForm(request.POST if "_bulk_edit" in request.POST else None, request.user, today())
        chosen = list(queryset[:BULK_EDIT_LIMIT])
        if not form.is_valid():
            context = self.admin_site.each_context(request) | {
                "title": "Bulk edit",
                "opts": self.opts,
                "form": apply_theme(form),
                "error_summary": list(errors_of_form(form)),
                "chosen": chosen,
            }
            return TemplateResponse(request, "admin/recommendations/recommendation/bulk_edit.html", context)
        refused = {recommendation: sentences for recommendation in chosen if (sentences := form.act(recommendation))}
        for recommendation, sentences in refused.items():
            self.message_user(request, f"{recommendation}: {' '.join(sentences)}", messages.ERROR)
        if done := len(chosen) - len(refused):
            self.message_user(request, f"{done} of {len(chosen)} recommendations changed.", messages.SUCCESS)
        return None

    # ---- two tabs, each a page of its own: Progress with the updates, Edit with the form of the record

    def on_progress(self, request, object_id):
        """Whether the page shows progress. A form that was sent, and refused, is shown where it was typed."""
        return bool(object_id) and request.method != "POST" and request.GET.get("tab") != EDIT

    def get_inline_instances(self, request, obj=None):
        return [] if self.on_progress(request, obj) else super().get_inline_instances(request, obj)

    def response_change(self, request, obj):
        response = super().response_change(request, obj)
        return HttpResponseRedirect(f"{request.path}?tab={EDIT}") if "_continue" in request.POST else response

    def changeform_view(self, request, object_id=None, form_url="", extra_context=None):
        if request.method == "POST" and object_id and {"_report", "_move"} & set(request.POST):
            answer = self.file(request, object_id) if "_report" in request.POST else self.move(request, object_id)
            if answer:
                return answer
            request.method = "GET"  # the update is refused; the record itself is only shown
            request.GET = QueryDict()
        return super().changeform_view(request, object_id, form_url, extra_context)

    def may_file(self, request):
        return request.user.has_perm("recommendations.add_progressupdate")

    def file(self, request, object_id):
        """Submit an update or save it as a draft. Returns None if it is refused; the form then has the errors."""
        recommendation = self.get_object(request, object_id)
        if recommendation is None or not self.may_file(request):
            return None
        request.report = forms.ReportForm(request.POST, recommendation, request.user, today())
        update = request.report.file(submit=request.POST["_report"] != "draft")
        if update is None:
            return None
        self.message_user(request, forms.submitted(update), messages.SUCCESS, extra_tags="report")
        return HttpResponseRedirect(f"{request.path}#report")

    def move(self, request, object_id):
        """Submit, approve, return, void or discard one of its updates. Returns None if that is refused."""
        recommendation = self.get_object(request, object_id)
        if recommendation is None:
            return None
        form = forms.ReviewForm(request.POST, recommendation, request.user)
        if not form.is_valid():
            self.message_user(request, "This update no longer exists. Nothing was changed.", messages.ERROR)
            return None
        update, name = form.cleaned_data["update"], form.cleaned_data["_move"]
        place = "updates" if name == "discard" else f"update-{update.pk}"
        try:
            self.message_user(request, form.act(today()), messages.SUCCESS, extra_tags=place)
        except ProgressUpdate.DoesNotExist:
            self.message_user(request, "This update no longer exists. Nothing was changed.", messages.ERROR)
        except exceptions.Refused as refused:
            request.refused_move = RefusedMove(update.pk, name, form.cleaned_data["note"], [r.detail for r in refused.refusals])
        except ValidationError as error:
            request.refused_move = RefusedMove(update.pk, name, form.cleaned_data["note"], error.messages)
        else:
            return HttpResponseRedirect(f"{request.path}#{place}")
        return None

    def render_change_form(self, request, context, add=False, change=False, form_url="", obj=None):
        if obj is not None and change:
            progress_tab = self.on_progress(request, obj.pk)
            context |= {"tabs": True, "progress_tab": progress_tab, "may_edit": self.has_change_permission(request, obj)}
            if progress_tab:
                context |= self.axes(request, obj) | self.time_line(request, obj)
        return super().render_change_form(request, context, add, change, form_url, obj)

    def axes(self, request, recommendation):
        """The four values: our assessment, the claims, the responses, the deadline."""
        newest = recommendation.updates.visible_to(request.user).in_effect(UpdateKind.CLAIM).newest_for("party_id")
        closed = recommendation.freshness == Freshness.NONE
        return {
            "recommendation": recommendation,
            "claims": newest.prefetch_related(*references(ProgressUpdate, request.user, ["party"])),
            "addressees": recommendation.addressees.prefetch_related(*references(Addressee, request.user, ["party"])),
            "deadline_label": DeadlineState(recommendation.deadline_state).label,
            "freshness_label": "" if closed else Freshness(recommendation.freshness).label,
            "slipped": slipped(recommendation, request.user),
        }

    def time_line(self, request, recommendation):
        """The updates with their evidence, the allowed status changes, and the form of a new update."""
        user = request.user
        evidence = visible(Evidence, user).prefetch_related(*references(Evidence, user, ["source"]))
        known = references(ProgressUpdate, user, ["party", "author", "reviewed_by", "voided_by", "corrects"])
        rows = recommendation.updates.visible_to(user).prefetch_related(*known, Prefetch("evidence", evidence.defer(None)))
        updates = list(rows[: SHOWN + 1])
        may_file = self.may_file(request)
        if may_file and not hasattr(request, "report"):
            mine = [update for update in updates if str(update.pk) == request.GET.get("revise") and update.author == user]
            request.report = forms.ReportForm(None, recommendation, user, today(), revises=next(iter(mine), None))
        refused, returns = getattr(request, "refused_move", None), reviews.returns(updates[:SHOWN], user)
        shown = [Shown(update, recommendation, user, returns[update.pk], refused) for update in updates[:SHOWN]]
        # A message appears where the person acted, otherwise at the top of the page.
        places = {"report": "report_messages", "updates": "updates_messages"}
        placed: dict[str, list] = {"page_messages": [], **{name: [] for name in places.values()}}
        at_updates = {f"update-{one.update.pk}": one.messages for one in shown}
        for message in messages.get_messages(request):
            placed_at = at_updates.get(message.extra_tags)
            (placed[places.get(message.extra_tags, "page_messages")] if placed_at is None else placed_at).append(message)
        return placed | {
            "updates": shown,
            "more_updates": len(updates) > SHOWN,
            "report": apply_theme(request.report) if may_file else None,
            "moves": progress.transitions(recommendation, by=user, today=today()) if progress.roles(user) & progress.EDITORS else None,
        }


@dataclass(frozen=True)
class RefusedMove:
    """An act of review that was refused, with the note that was typed."""

    update: int
    name: str
    note: str
    sentences: list[str]


class Shown:
    """An update as one user sees it, with the actions that this user may take."""

    def __init__(self, update, recommendation, user, returns, refused):
        update.recommendation = recommendation
        self.update, self.review, self.returns = update, Review(update.review), returns
        self.refused = refused if refused and refused.update == update.pk else None
        self.messages = []
        mine = update.author_id == user.pk
        self.may_revise = mine and update.review in (Review.DRAFT, Review.RETURNED)
        refusals = list(progress.review_refusals(update, user)) if update.review == Review.SUBMITTED else []
        self.may_review = update.review == Review.SUBMITTED and not refusals
        # Whoever could review it is told why not; for everybody else it only waits.
        self.refusals = [] if any(refusal.code == "not_permitted" for refusal in refusals) else refusals
        self.may_void = update.review == Review.APPROVED and not update.voided_at and bool(progress.roles(user) & progress.REVIEWERS)
        self.evidence = list(update.evidence.all())


@admin.register(Addressee)
class AddresseeAdmin(RecordAdmin):
    serializer = serializers.AddresseeSerializer
    named_filters = filters.ADDRESSEES
    icon, menu_position = "outgoing_mail", 3
    list_display = ["party", "recommendation", "role", "response_shown", "responded_on"]
    list_filter = [choice_filter("response"), choice_filter("role"), AGREEMENT, related_filter("party", Addressee._meta.get_field("party"))]
    search_fields = ["uid", "recommendation", "party"]
    fieldsets = [
        (None, {"fields": ["recommendation", "party", "role"]}),
        ("Response", {"fields": [("response", "responded_on"), "response_text"]}),
        CITED,
    ]

    response_shown = code_column(
        "response", Response, success=[Response.ACCEPTED], warning=[Response.ACCEPTED_IN_PART], danger=[Response.REJECTED]
    )


@admin.register(Milestone)
class MilestoneAdmin(RecordAdmin):
    serializer = serializers.MilestoneSerializer
    named_filters = filters.MILESTONES
    icon, menu_position = "flag_circle", 5
    list_display = ["title", "recommendation", "position", "due_on", "completed_on"]
    list_filter = [AGREEMENT, related_filter("recommendation", Milestone._meta.get_field("recommendation"))]
    search_fields = ["uid", "title", "recommendation"]
    fieldsets = [(None, {"fields": ["recommendation", ("position", "title"), ("due_on", "completed_on")]})]


@admin.register(Dependency)
class DependencyAdmin(RecordAdmin):
    serializer = serializers.DependencySerializer
    named_filters = filters.DEPENDENCIES
    icon, menu_position = "low_priority", 6
    list_display = ["recommendation", "depends_on"]
    list_filter = [AGREEMENT, related_filter("recommendation", Dependency._meta.get_field("recommendation"))]
    search_fields = ["uid", "recommendation", "depends_on"]
    fieldsets = [(None, {"fields": ["recommendation", "depends_on"]})]


class ReadOnly:
    """Records that are written on the page of their recommendation and read-only on their own."""

    def has_add_permission(self, request):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        return False


@admin.register(ProgressUpdate)
class ProgressUpdateAdmin(ReadOnly, RecordAdmin):
    serializer = serializers.ProgressUpdateSerializer
    named_filters = filters.UPDATES
    icon, menu_position = "timeline", 2
    list_display = ["__str__", "where", "kind", "review_shown", "reported_on", "author", "voided"]
    list_filter = [
        choice_filter("review"),
        choice_filter("kind"),
        choice_filter("status"),
        AGREEMENT,
        related_filter("recommendation", ProgressUpdate._meta.get_field("recommendation")),
        PEOPLE,
    ]
    fieldsets = [
        (None, {"fields": ["uid", "recommendation", ("kind", "status", "progress_percent"), "reported_on", "narrative", "reason"]}),
        ("Author", {"fields": [("party", "assessed_by", "author"), ("corrects", "closes")]}),
        ("Review", {"fields": [("review", "reviewed_by", "reviewed_at"), "review_note", ("voided_at", "voided_by"), "void_reason"]}),
    ]
    actions = ["approve"]
    ordering = ["-reported_on", "-id"]  # as the index has it
    list_references = ["recommendation"]

    review_shown = code_column("review", Review, success=[Review.APPROVED], warning=[Review.RETURNED], info=[Review.SUBMITTED])

    @display(description="recommendation")
    def where(self, update):
        """The page on which the update is reviewed and edited."""
        address = reverse("admin:recommendations_recommendation_change", args=[update.recommendation_id])
        return format_html('<a href="{}#update-{}">{}</a>', address, update.pk, update.recommendation)

    @display(description="voided", boolean=True)
    def voided(self, update):
        return update.voided_at is not None

    def has_review_permission(self, request):
        return bool(progress.roles(request.user) & progress.EDITORS)

    @admin.action(description="Approve", permissions=["review"])
    def approve(self, request, queryset):
        """Approve several updates. Each rejection is reported, and does not stop the others."""
        for update in queryset:
            try:
                with change_context(request.user, channel="admin"):
                    progress.approve(update, by=request.user, today=today())
                self.message_user(request, f"Approved: {update}.", messages.SUCCESS)
            except exceptions.Refused as refused:
                self.message_user(request, f"{update}: {refused}", messages.ERROR)


@admin.register(Evidence)
class EvidenceAdmin(ReadOnly, RecordAdmin):
    serializer = serializers.EvidenceSerializer
    icon, menu_position = "verified", 4
    list_display = ["uid", "source", "update", "stance", "confidence"]
    list_filter = [choice_filter("stance"), choice_filter("confidence"), related_filter("source", Evidence._meta.get_field("source"))]
    search_fields = ["uid", "source"]
    fieldsets = [(None, {"fields": ["uid", "update", "source", "locator", "quote", ("stance", "confidence")]})]
