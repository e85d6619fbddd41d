"""Pages of recommendations, addressees, milestones and dependencies."""

from copy import copy
from dataclasses import dataclass

from django.contrib import admin, messages
from django.db.models import OuterRef, Prefetch
from django.http import HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse
from django.utils.html import format_html
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from agreements.admin import CITED, DEADLINE_COLOURS, RegistryColumns, deadline_label
from agreements.deadlines import DeadlineState
from policytracker.accounts.models import User
from policytracker.admin import (
    BaseInline,
    BulkEditAdmin,
    CodeColours,
    OnFilter,
    RecordAdmin,
    apply_theme,
    choice_filter,
    code_column,
    date_html,
    display,
    label_html,
    missing_filter,
    read_context,
    related_filter,
    sized,
    text_filter,
)
from policytracker.admin.querysets import references, visible
from policytracker.edtf import date_in_words
from policytracker.records.access import Publication
from policytracker.resources import ReadContext, today
from policytracker.sql.parameters import ExistsForRow
from recommendations import progress, responses, reviews
from recommendations.admin import addressees, forms
from recommendations.admin.rejections import DELETED_UPDATE, REJECTIONS, rejection_messages
from recommendations.admin.status_options import status_options
from recommendations.deadlines import Freshness, deadline, freshness, with_deadline_state
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
from recommendations.slippage import slippage

EDIT_TAB = "edit"
SHOWN_UPDATES = 50
MAX_NAME = 150  # characters of a recommendation in its list
AGREEMENT = related_filter("agreement", Recommendation._meta.get_field("agreements"))
FRESHNESS_COLOURS = {"warning": [Freshness.STALE]}
REVIEW_COLOURS = CodeColours({Review.APPROVED: "success", Review.RETURNED: "warning", Review.SUBMITTED: "info"})
STATUS_COLOURS = {"success": list(DONE), "info": [Status.IN_PROGRESS, *CLOSABLE], "warning": [Status.STALLED]}
STATUS_COLOUR = CodeColours({code: colour for colour, codes in STATUS_COLOURS.items() for code in codes})
MISSING = {
    "owner": _("Owner"),
    "due_on": _("Due date"),
    "evidence": _("Evidence"),
    "addressee": _("Addressee"),
    "response": _("Response"),
    "update": _("Update"),
}


def owner_choices(request):
    """The users who may be owners; for readers and officers, the owners of recommendations that they may read."""
    if progress.roles(request.user) & progress.EDITORS:
        users = User.editors()
    else:  # User.visible_to() would also look through all updates for other users
        owned = Recommendation.objects.visible_to(request.user).filter(owner=OuterRef("pk")).order_by()
        users = User.objects.filter(ExistsForRow(owned))
    names = users.filter(is_active=True).order_by("username").values_list("username", flat=True)
    return [("me", _("Me")), ("none", _("Unassigned")), *((name, name) for name in names)]


def deadline_html(record):
    """The label of the deadline state of a recommendation or milestone with a due date, otherwise ""."""
    if not record.due_on:
        return ""
    return label_html(*deadline_label(record.deadline_state))


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
class RecommendationAdmin(RegistryColumns, BulkEditAdmin):
    icon, menu_position, in_menu = "checklist", 3, True
    guides = ("analyst#a-recommendations-page", "officer#submit-a-claim", "reviewer#approve-or-return-an-update")
    list_display = [
        "named",
        "agreements_shown",
        "addressees_shown",
        "status_shown",
        "progress_shown",
        "due",
        "freshness_shown",
        "owner",
    ]
    list_references = ["agreements"]
    ordering = ["-closed_on", "due_on_first", "id"]  # open ones first: NULL comes first. The order of the index
    list_filter = [
        choice_filter("owner", choices=owner_choices),
        choice_filter("overdue"),
        choice_filter("due_within", choices=[("7", _("7 days")), ("30", _("30 days")), ("90", _("90 days")), ("365", _("1 year"))]),
        choice_filter("deadline_state", _("Deadline"), DeadlineState.choices),
        choice_filter("freshness", choices=Freshness.choices),
        choice_filter("open"),
        choice_filter("claim_differs", _("Contradicted by a claim")),
        choice_filter("awaiting_approval"),
        choice_filter("without", _("Missing"), list(MISSING.items())),
        choice_filter("status"),
        choice_filter("priority"),
        OnFilter,
        AGREEMENT,
        related_filter("party", Addressee._meta.get_field("party"), title=_("Addressee")),
        related_filter("components", Recommendation._meta.get_field("components"), _("Component")),
        related_filter("sectors", Recommendation._meta.get_field("sectors"), _("Sector")),
        missing_filter("sectors", _("Sector missing")),
        related_filter("focus_area", Recommendation._meta.get_field("focus_area")),
        related_filter("made_by", Recommendation._meta.get_field("made_by")),
        related_filter("source", Recommendation._meta.get_field("source")),
        text_filter("slug", _("Key")),
        choice_filter("publication"),
        choice_filter("visibility"),
    ]
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
    carried_over = ["source", "agreements"]
    carried_rows = {"addressees": "party"}
    inlines = [AddresseeInline, MilestoneInline, DependencyInline]
    bulk_edit_form = forms.RecommendationBulkEditForm

    status_shown = code_column("status", Status, ordering="status", wraps=True, **STATUS_COLOURS)

    @display(description=_("recommendation"), ordering="key_action")
    def named(self, recommendation):
        name = Truncator(recommendation.key_action).chars(MAX_NAME)
        published = recommendation.publication == Publication.PUBLISHED
        return sized(name if published else f"{name} ({recommendation.get_publication_display().lower()})", "wide")

    @display(description=_("agreement"))
    def agreements_shown(self, recommendation):
        return ", ".join(str(agreement) for agreement in recommendation.agreements.all())

    @display(description=_("addressee"))
    def addressees_shown(self, recommendation):
        return sized(", ".join(str(addressee.party) for addressee in recommendation.addressees.all()), "narrow")

    @display(description=_("progress"), ordering="progress_percent")
    def progress_shown(self, recommendation):
        return None if recommendation.progress_percent is None else f"{recommendation.progress_percent} %"

    @display(description=_("due date"), ordering="due_on_first", header=True)
    def due(self, recommendation):
        return [date_html(date_in_words(recommendation.due_on)), deadline_html(recommendation)]

    freshness_shown = code_column("freshness", Freshness, blank=Freshness.NONE, **FRESHNESS_COLOURS)

    def list_prefetches(self, request):
        parties = Addressee.objects.visible_to(request.user).select_related("party").order_by(*addressees.LEAD_FIRST)
        return [Prefetch("addressees", parties)]

    def get_changelist_instance(self, request):
        request.list_context = read_context(request)  # only the list shows a past date
        return super().get_changelist_instance(request)

    def get_queryset(self, request):
        rows, context = super().get_queryset(request), getattr(request, "list_context", None) or ReadContext.of(request.user)
        if context.past:
            rows = rows.on_day(context.on)
        return rows.annotate(deadline_state=deadline(context.on), freshness=freshness(context.on))

    def get_ordering(self, request):
        """On a past date no index has the default order: closed_on is then a value of that day."""
        return ["due_on_first", "id"] if OnFilter.parameter_name in request.GET else super().get_ordering(request)

    def get_actions(self, request):
        return {} if OnFilter.parameter_name in request.GET else super().get_actions(request)  # they change the values of today

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
                message = format_html('{} <a href="{}#update-{}">{}</a>', message, page, waiting.pk, _("Next waiting update"))
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
        may_report, is_editor = self.may_report(request), bool(progress.roles(user) & progress.EDITORS)
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
        self.may_revise = update.author_id == user.pk and update.review in (Review.DRAFT, Review.RETURNED)
        refusals = list(progress.review_refusals(update, user)) if update.review == Review.SUBMITTED else []
        self.may_review = update.review == Review.SUBMITTED and not refusals
        # Reviewers see why they cannot review it. Other users only see that it awaits review.
        self.refusals = [] if any(refusal.code == "not_permitted" for refusal in refusals) else refusals
        self.may_void = update.review == Review.APPROVED and not update.voided_at and bool(progress.roles(user) & progress.REVIEWERS)
        self.evidence = list(update.evidence.all())


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
