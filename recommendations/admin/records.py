"""Pages of recommendations, addressees, milestones and dependencies."""

from copy import copy
from dataclasses import dataclass

from django.contrib import admin, messages
from django.db.models import Prefetch
from django.http import HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from agreements.admin import CITED, DEADLINE_COLOURS, deadline_label
from agreements.deadlines import DeadlineState
from agreements.source_marks import mark_of
from policytracker.admin import (
    BaseInline,
    CodeColours,
    RecordAdmin,
    apply_theme,
    choice_filter,
    code_column,
    display,
    related_filter,
)
from policytracker.admin.querysets import references, visible
from policytracker.resources import today
from policytracker.sql.moment import reads_past
from recommendations import progress, responses, reviews
from recommendations.admin import addressees, forms
from recommendations.admin.lists import AGREEMENT, STATUS_COLOUR, RecommendationList, deadline_html
from recommendations.admin.rejections import DELETED_UPDATE, REJECTIONS, rejection_messages
from recommendations.admin.status_options import status_options
from recommendations.deadlines import Freshness, with_deadline_state
from recommendations.models import (
    Addressee,
    Dependency,
    Evidence,
    Milestone,
    ProgressUpdate,
    Recommendation,
    Response,
    Review,
    UpdateKind,
)
from recommendations.slippage import slippage

EDIT_TAB = "edit"
SHOWN_UPDATES = 50
REVIEW_COLOURS = CodeColours({Review.APPROVED: "success", Review.RETURNED: "warning", Review.SUBMITTED: "info"})


class AddresseeInline(BaseInline):
    model = Addressee
    fields = ["party", "role", "response", "responded_on", "response_text"]
    widths = {"party": "wide", "role": "narrow"}
    ordering = addressees.LEAD_FIRST


class MilestoneInline(BaseInline):
    model = Milestone
    fields = ["position", "title", "due_on", "completed_on"]
    widths = {"title": "main"}
    ordering = ["position", "due_on_first", "id"]


class DependencyInline(BaseInline):
    model = Dependency
    fk_name = "recommendation"
    fields = ["depends_on"]
    widths = {"depends_on": "widest"}
    ordering = ["depends_on__key_action", "id"]
    verbose_name_plural = _("dependencies")


@admin.register(Recommendation)
class RecommendationAdmin(RecommendationList):
    icon, menu_position, in_menu = "checklist", 3, True
    guides = ("analyst#a-recommendations-page", "officer#submit-a-claim", "reviewer#approve-or-return-an-update")
    fieldsets = [
        (None, {"fields": ["key_action", "slug", "details", "expected_outcome"]}),
        (_("Assignment"), {"fields": [("owner", "priority"), ("due_on", "original_due_on", "update_every")]}),
        (_("Links"), {"fields": ["agreements", "components", "sectors", "focus_area", ("parent", "superseded_by")]}),
        (_("Origin"), {"fields": [("made_by", "made_by_text", "made_on"), ("source_scheme", "source_code")]}),
        CITED,
        (_("Access"), {"fields": [("visibility", "publication")]}),
    ]
    titles_from = {"made_by": ngettext_lazy("Recommendation it made", "Recommendations it made")}
    readonly_fields = ["original_due_on"]
    key_from = ["key_action"]
    carried_rows = {"addressees": "party"}
    inlines = [AddresseeInline, MilestoneInline, DependencyInline]

    # ---- two tabs, each a page of its own: Progress with the updates, Edit with the record form

    def is_progress_tab(self, request, object_id):
        """Whether to show the Progress tab. A rejected record form is shown on the Edit tab."""
        return bool(object_id) and request.method != "POST" and request.GET.get("tab") != EDIT_TAB

    def get_inline_instances(self, request, obj=None):
        return [] if self.is_progress_tab(request, obj) else super().get_inline_instances(request, obj)

    def response_change(self, request, obj):
        response = super().response_change(request, obj)
        return HttpResponseRedirect(f"{request.path}?tab={EDIT_TAB}") if "_continue" in request.POST else response

    def changeform_view(self, request, object_id=None, form_url="", extra_context=None):
        """The record form, unless a form of the Progress tab was sent. If that is rejected, the tab is shown again, with its errors."""
        progress_forms = {"_report": self.save_update, "_action": self.review_update, "_response": self.save_response}
        save = next((save for button, save in progress_forms.items() if button in request.POST), None)
        if save is None or object_id is None:
            return super().changeform_view(request, object_id, form_url, extra_context)
        recommendation = self.get_object(request, object_id)
        outcome = save(request, recommendation) if recommendation is not None else {}
        return outcome if isinstance(outcome, HttpResponse) else super().changeform_view(as_get(request), object_id, form_url, outcome)

    def may_report(self, request):
        """Whether the user may submit updates. An officer without a party may not: each claim would be rejected."""
        user = request.user
        may_claim = bool(progress.roles(user) & progress.EDITORS) or hasattr(user, "office")
        return may_claim and user.has_perm("recommendations.add_progressupdate")

    # Each form of the Progress tab returns a redirect, or what the tab shows because it was rejected.

    def save_update(self, request, recommendation):
        """Submit an update or save it as a draft."""
        if not self.may_report(request):
            return {}
        report = forms.ReportForm(request.POST, recommendation, request.user, today())
        update = report.save(submit=request.POST["_report"] != "draft")
        if update is None:
            return {"report": report}
        self.message_user(request, forms.saved_message(update), messages.SUCCESS, extra_tags="report")
        return HttpResponseRedirect(f"{request.path}#report")

    def review_update(self, request, recommendation):
        """Submit, approve, return, void or discard an update of the recommendation."""
        form = forms.ReviewForm(request.POST, recommendation, request.user)
        if not form.is_valid():
            self.message_user(request, DELETED_UPDATE, messages.ERROR)
            return {}
        update, action, note = (form.cleaned_data[name] for name in ("update", "_action", "note"))
        anchor = "updates" if action == "discard" else f"update-{update.pk}"
        try:
            message = form.apply(today())
            if action in ("approve", "return") and (waiting := reviews.next_waiting(request.user)):
                page = reverse("admin:recommendations_recommendation_change", args=[waiting.recommendation_id])
                message = format_html('{} <a href="{}#update-{}">{}</a>', message, page, waiting.pk, _("Next waiting"))
        except ProgressUpdate.DoesNotExist:
            self.message_user(request, DELETED_UPDATE, messages.ERROR)
            return {}
        except REJECTIONS as rejection:
            return {"rejected_review": RejectedReview(update.pk, note, rejection_messages(rejection))}
        self.message_user(request, message, messages.SUCCESS, extra_tags=anchor)
        return HttpResponseRedirect(f"{request.path}#{anchor}")

    def save_response(self, request, recommendation):
        """Record the response of an addressee."""
        form = addressees.save_response(request, recommendation)
        if form is None:
            self.message_user(request, addressees.DELETED_ADDRESSEE, messages.ERROR)
            return {}
        if form.errors:
            return {"response": form}
        self.message_user(request, _("Response saved."), messages.SUCCESS, extra_tags="addressees")
        return HttpResponseRedirect(f"{request.path}#addressees")

    def render_change_form(self, request, context, add=False, change=False, form_url="", obj=None):
        if obj is not None and change:
            progress_tab = self.is_progress_tab(request, obj.pk)
            context |= {"tabs": True, "progress_tab": progress_tab, "may_edit": self.has_change_permission(request, obj)}
            if progress_tab:
                timeline = self.timeline(request, obj, context.get("report"), context.get("rejected_review"))
                context |= self.current_values(request, obj) | timeline
                context |= status_marks(context["claims"], timeline["updates"])
                context |= addressees.related(request, obj, context.get("response"))
                if report := context["report"]:  # its fields search, also where no field of the record form does
                    context["media"] += report.media + report.evidence.media
        return super().render_change_form(request, context, add, change, form_url, obj)

    def current_values(self, request, recommendation):
        """The four values: our assessment, the claims, the responses, the deadline."""
        newest = recommendation.updates.visible_to(request.user).in_effect(UpdateKind.CLAIM).newest_for("party__name", "party_id")
        closed = recommendation.freshness == Freshness.NONE
        return {
            "recommendation": recommendation,
            "claims": newest.prefetch_related(*references(ProgressUpdate, request.user, ["party"])),
            "deadline": deadline_label(recommendation.deadline_state),
            "status_colour": STATUS_COLOUR[recommendation.status],
            "freshness_label": "" if closed else Freshness(recommendation.freshness).label,
            "is_stale": recommendation.freshness == Freshness.STALE,
            "slipped": slippage(recommendation, request.user),
        }

    def timeline(self, request, recommendation, report, rejected):
        """The updates with their evidence, the allowed status changes, and the form of an update.

        `report` is that form and `rejected` the review action, if they were sent and rejected.
        """
        user = request.user
        related = references(ProgressUpdate, user, ["party", "author", "imported_by", "reviewed_by", "voided_by", "corrects"])
        rows = recommendation.updates.visible_to(user).prefetch_related(*related, evidence_of_updates(user))
        updates = list(rows[: SHOWN_UPDATES + 1])
        may_report, is_editor = self.may_report(request), bool(progress.roles(user) & progress.EDITORS) and not reads_past()
        if may_report and report is None:
            revised = (update for update in updates if str(update.pk) == request.GET.get("revise") and update.author == user)
            report = forms.ReportForm(None, recommendation, user, today(), revises=next(revised, None))
        returns = reviews.returns(updates[:SHOWN_UPDATES], user)
        lines = [UpdateLine(update, recommendation, user, returns[update.pk], rejected) for update in updates[:SHOWN_UPDATES]]
        # A message with the anchor of a part of the page in its tags is shown there, any other at the top of the page.
        context: dict[str, list] = {name: [] for name in ("page_messages", "report_messages", "updates_messages", "response_messages")}
        by_anchor = {"report": context["report_messages"], "updates": context["updates_messages"]}
        by_anchor["addressees"] = context["response_messages"]
        by_anchor |= {f"update-{line.update.pk}": line.messages for line in lines}
        for message in messages.get_messages(request):
            by_anchor.get(message.extra_tags, context["page_messages"]).append(message)
        return context | {
            "updates": lines,
            "to_review": [line.update for line in lines if line.may_review],
            "more_updates": len(updates) > SHOWN_UPDATES,
            "report": apply_theme(report, *report.evidence) if may_report else None,
            "statuses": status_options(recommendation, user) if is_editor else None,
        }


def as_get(request):
    """A request that opens the page, by the same user. It keeps what was sent, which a page that no longer exists shows."""
    request = copy(request)
    request.method, request.GET = "GET", QueryDict()
    return request


def status_marks(claims, lines):
    """The source marks of our assessment and of the claims, which are those of the updates that made them."""
    in_effect = {line.update.pk: line for line in lines if line.review == Review.APPROVED and not line.update.voided_at}
    assessments = [line.mark for line in in_effect.values() if line.update.kind == UpdateKind.ASSESSMENT]
    marked = [(claim, in_effect[claim.pk].mark if claim.pk in in_effect else "") for claim in claims]
    return {"assessment_mark": next(iter(assessments), ""), "claims": marked}


def evidence_of_updates(user):
    """The evidence of updates, without sources that the user may not read."""
    return Prefetch("evidence", visible(Evidence, user).prefetch_related(*references(Evidence, user, ["source"])).defer(None))


@dataclass(frozen=True)
class RejectedReview:
    """A rejected review action: the id of the update, the note that was entered, and the errors."""

    update: int
    note: str
    errors: list[str]


class UpdateLine:
    """An update on the timeline, with the actions that the user may perform."""

    def __init__(self, update, recommendation, user, returns, rejected):
        update.recommendation = recommendation
        self.update, self.review, self.returns = update, Review(update.review), returns
        self.review_colour = REVIEW_COLOURS[update.review]
        self.rejected = rejected if rejected and rejected.update == update.pk else None
        self.messages = []
        may_act = not reads_past()
        self.may_revise = may_act and update.author_id == user.pk and update.review in (Review.DRAFT, Review.RETURNED)
        refusals = list(progress.review_refusals(update, user)) if may_act and update.review == Review.SUBMITTED else []
        self.may_review = may_act and update.review == Review.SUBMITTED and not refusals
        # Reviewers see why they cannot review it. Other users only see that it awaits review.
        self.refusals = [] if any(refusal.code == "not_permitted" for refusal in refusals) else refusals
        may_void = may_act and bool(progress.roles(user) & progress.REVIEWERS)
        self.may_void = may_void and update.review == Review.APPROVED and not update.voided_at
        self.evidence = list(update.evidence.all())
        self.mark = mark_of(*self.evidence)


@admin.register(Addressee)
class AddresseeAdmin(RecordAdmin):
    icon, menu_position = "outgoing_mail", 3
    list_display = ["party", "recommendation", "role", "response_shown", "responded_on"]
    ordering = ["-id"]
    list_filter = [
        choice_filter("response"),
        choice_filter("role"),
        AGREEMENT,
        related_filter("party", Addressee._meta.get_field("party")),
        related_filter("source", Addressee._meta.get_field("source")),
    ]
    titles_from = {
        "party": ngettext_lazy("Recommendation addressed to it", "Recommendations addressed to it"),
        "source": ngettext_lazy("Response", "Responses"),
    }
    search_fields = ["uid", "recommendation", "party"]
    fieldsets = [
        (None, {"fields": ["recommendation", "party", "role"]}),
        (_("Response"), {"fields": [("response", "responded_on"), "response_text"]}),
        CITED,
    ]
    change_form_outer_before_template = "admin/recommendations/addressee/respond.html"

    response_shown = code_column(
        "response", Response, success=[Response.ACCEPTED], warning=[Response.ACCEPTED_IN_PART], danger=[Response.REJECTED]
    )

    def render_change_form(self, request, context, add=False, change=False, form_url="", obj=None):
        # Who may change the record answers in its form.
        context["may_respond"] = obj and not self.has_change_permission(request, obj) and responses.may_respond(obj, request.user)
        return super().render_change_form(request, context, add, change, form_url, obj)


@admin.register(Milestone)
class MilestoneAdmin(RecordAdmin):
    icon, menu_position = "flag_circle", 5
    list_display = ["title", "recommendation", "due_on", "deadline_state_shown", "completed_on"]
    ordering = ["due_on_first", "id"]
    list_filter = [
        choice_filter("deadline_state", _("Deadline"), DeadlineState.choices),
        AGREEMENT,
        related_filter("recommendation", Milestone._meta.get_field("recommendation")),
    ]
    search_fields = ["uid", "title", "recommendation"]
    fieldsets = [(None, {"fields": ["recommendation", ("position", "title"), ("due_on", "deadline", "completed_on")]})]
    readonly_fields = ["deadline"]

    deadline_state_shown = code_column("deadline_state", DeadlineState, blank=DeadlineState.NONE, **DEADLINE_COLOURS)

    @display(description=_("deadline"))
    def deadline(self, milestone):
        return deadline_html(milestone)

    def get_queryset(self, request):
        return with_deadline_state(super().get_queryset(request), today())


@admin.register(Dependency)
class DependencyAdmin(RecordAdmin):
    icon, menu_position = "low_priority", 6
    list_display = ["recommendation", "depends_on"]
    list_filter = [AGREEMENT, related_filter("recommendation", Dependency._meta.get_field("recommendation"))]
    search_fields = ["uid", "recommendation", "depends_on"]
    fieldsets = [(None, {"fields": ["recommendation", "depends_on"]})]
