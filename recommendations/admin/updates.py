"""Pages of updates and their evidence."""

from django.contrib import admin, messages
from django.db.models import OuterRef, Prefetch, Q, Subquery, prefetch_related_objects
from django.db.models.functions import Left
from django.http import HttpResponseRedirect
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from policytracker.admin import CodeColours, RecordAdmin, choice_filter, date_html, display, related_filter, sized
from policytracker.admin.querysets import visible
from policytracker.records.context import change_context
from policytracker.resources import today
from recommendations import progress
from recommendations.admin.records import AGREEMENT, REVIEW_COLOURS, UpdateLine, evidence_of_updates
from recommendations.admin.rejections import DELETED_UPDATE, REJECTIONS, rejection_messages
from recommendations.models import Evidence, ProgressUpdate, Recommendation, RefusalCode, Review, Status, UpdateKind

VOIDED = "voided"
SHOWN_COLOURS = CodeColours(REVIEW_COLOURS | {VOIDED: "danger"})
WAITING_COLUMNS = ["recommendation_link", "status_change", "narrative_shown", "evidence_shown", "author"]
SHOWN_NARRATIVE, SHOWN_QUOTE = 400, 200  # characters
AUTHOR = related_filter("author", ProgressUpdate._meta.get_field("author"))


class ReadOnly:
    """Makes the pages of updates and evidence read-only; they are edited on the page of their recommendation."""

    def has_add_permission(self, request):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        return False


def status_before():
    """The status that was in effect before an update: that of the newest earlier one of the same kind, of a claim by the same party."""
    earlier = ProgressUpdate.objects.in_effect().filter(
        recommendation=OuterRef("recommendation"), kind=OuterRef("kind"), reported_on__lte=OuterRef("reported_on")
    )
    same_party = Q(party=OuterRef("party")) | Q(party=None, kind=UpdateKind.ASSESSMENT)
    return Subquery(earlier.filter(same_party).exclude(pk=OuterRef("pk")).newest_first().values("status")[:1])


def evidence_html(evidence):
    """The source of a piece of evidence, with its place and quote."""
    address = reverse("admin:agreements_source_change", args=[evidence.source.pk])
    place = f", {evidence.locator}" if evidence.locator else ""
    quote = f" “{Truncator(evidence.quote).chars(SHOWN_QUOTE)}”" if evidence.quote else ""
    return format_html('<a href="{}">{}</a>{}{}', address, evidence.source, place, quote)


def decision_html(update, user):
    """The button that approves the update. Other reasons against it than the author are told when it is pressed."""
    if update.needs_second_person and user.pk in (update.author_id, update.imported_by_id):
        return str(RefusalCode.SECOND_PERSON_REQUIRED.message)
    if update.author_id != user.pk and not progress.roles(user) & progress.REVIEWERS:
        return None
    return format_html('<button form="approve" class="pt-button" name="_approve" value="{}">{}</button>', update.pk, _("Approve"))


@admin.register(ProgressUpdate)
class ProgressUpdateAdmin(ReadOnly, RecordAdmin):
    icon, menu_position = "timeline", 2
    guides = ("reviewer#approve-or-return-an-update", "analyst#submitting-an-assessment", "officer#submit-a-claim")
    added_elsewhere = _("Updates are submitted on the page of a recommendation."), "admin:recommendations_recommendation_changelist"
    list_display = ["__str__", "recommendation_link", "party", "review_shown", "author", "voided"]
    list_filter = [
        choice_filter("review"),
        choice_filter("kind"),
        choice_filter("status"),
        AGREEMENT,
        related_filter("recommendation", ProgressUpdate._meta.get_field("recommendation")),
        related_filter("party", ProgressUpdate._meta.get_field("party"), _("Claimed by")),
        AUTHOR,
    ]
    titles_from = {"party": ngettext_lazy("Claim", "Claims")}
    fieldsets = [
        (None, {"fields": ["recommendation", ("kind", "status", "progress_percent"), ("reported_on", "closes"), "narrative", "reason"]}),
        (_("Author"), {"fields": [("party", "assessed_by", "author", "imported_by"), "corrects"]}),
        (
            _("Review"),
            {"fields": [("review", "reviewed_by", "reviewed_at"), "review_note", ("voided_at", "voided_by"), "void_reason"]},
        ),
    ]
    change_form_outer_before_template = "admin/recommendations/progressupdate/review.html"
    change_form_outer_after_template = "admin/recommendations/progressupdate/sources.html"
    actions = ["approve"]
    list_before_template = "admin/recommendations/progressupdate/approve.html"
    ordering = ["-reported_on", "-id"]  # the order of the index
    list_references = ["recommendation", "party"]

    # ---- the list, and that of the updates that wait for a review, which can be approved there

    def get_changelist_instance(self, request):
        request.lists_waiting = request.GET.get("review") == Review.SUBMITTED
        return super().get_changelist_instance(request)

    def get_list_display(self, request):
        if not getattr(request, "lists_waiting", False):
            return super().get_list_display(request)

        @display(description=_("decision"))
        def decision(update):
            return decision_html(update, request.user)

        return [*WAITING_COLUMNS, decision]

    def get_queryset(self, request):
        rows = super().get_queryset(request)
        if not getattr(request, "lists_waiting", False):
            return rows
        return rows.annotate(old_status=status_before(), beginning=Left("narrative", SHOWN_NARRATIVE + 1))

    def list_prefetches(self, request):
        return [evidence_of_updates(request.user)] if getattr(request, "lists_waiting", False) else []

    def changelist_view(self, request, extra_context=None):
        if request.method == "POST" and "_approve" in request.POST and self.has_review_permission(request):
            key = request.POST["_approve"]
            waiting = self.get_queryset(request).filter(pk=key) if key.isascii() and key.isdigit() and len(key) < 19 else []
            if not waiting:
                self.message_user(request, DELETED_UPDATE, messages.ERROR)
            self.approve(request, waiting)
            return HttpResponseRedirect(request.get_full_path())
        return super().changelist_view(request, extra_context)

    @display(description=_("old and new status"))
    def status_change(self, update):
        """The status before this update, as on its page, and that which it reports."""
        if not update.status:
            return update.get_kind_display()
        old, new = Status(update.old_status).label if update.old_status else _("none"), update.get_status_display()
        percent = "" if update.progress_percent is None else f", {update.progress_percent} %"
        by = _(" (claim by %(party)s)") % {"party": update.party} if update.party else ""
        return sized(f"{old} → {new}{percent}{by}", "narrow")

    @display(description=_("narrative"))
    def narrative_shown(self, update):
        return sized(Truncator(update.beginning).chars(SHOWN_NARRATIVE), "widest")

    @display(description=_("evidence"))
    def evidence_shown(self, update):
        rows = [row for row in update.evidence.all() if row.source]
        return sized(format_html_join(mark_safe("<br>"), "{}", [(evidence_html(row),) for row in rows]), "widest") if rows else None

    @display(description=_("review"), label=SHOWN_COLOURS)
    def review_shown(self, update):
        """The review status. A voided update stays approved, but has no effect."""
        return (VOIDED, _("Voided")) if update.voided_at else (update.review, Review(update.review).label)

    @display(description=_("recommendation"))
    def recommendation_link(self, update):
        """A link to the page on which the update is reviewed and edited."""
        address = reverse("admin:recommendations_recommendation_change", args=[update.recommendation_id])
        return format_html('<a href="{}#update-{}">{}</a>', address, update.pk, update.recommendation)

    @display(description=_("voided"), ordering="voided_at")
    def voided(self, update):
        return date_html(date_format(update.voided_at, "SHORT_DATE_FORMAT")) if update.voided_at else None

    def get_fieldsets(self, request, obj=None):
        """The fields with a value: nobody fills in the others here."""

        def filled(row):
            names = row if isinstance(row, tuple) else (row,)
            return tuple(name for name in names if getattr(obj, name) not in (None, ""))

        sets = [(title, {"fields": list(filter(None, map(filled, options["fields"])))}) for title, options in self.fieldsets]
        return [fieldset for fieldset in sets if fieldset[1]["fields"]]

    def render_change_form(self, request, context, add=False, change=False, form_url="", obj=None):
        prefetch_related_objects([obj], evidence_of_updates(request.user))
        context["line"] = UpdateLine(obj, obj.recommendation, request.user, [], None)
        return super().render_change_form(request, context, add, change, form_url, obj)

    def has_review_permission(self, request):
        return bool(progress.roles(request.user) & progress.EDITORS)

    @admin.action(description=_("Approve"), permissions=["review"])
    def approve(self, request, queryset):
        """Approve several updates. A rejected one is reported and does not stop the others."""
        for update in queryset:
            try:
                with change_context(request.user, channel="admin"):
                    progress.approve(update, by=request.user, today=today())
                self.message_user(request, _("Approved: %(update)s") % {"update": update}, messages.SUCCESS)
            except REJECTIONS as rejection:
                reasons = " ".join(rejection_messages(rejection))
                self.message_user(request, _("%(update)s: %(reasons)s") % {"update": update, "reasons": reasons}, messages.ERROR)


@admin.register(Evidence)
class EvidenceAdmin(ReadOnly, RecordAdmin):
    icon, menu_position = "verified", 4
    added_elsewhere = _("Evidence is added to updates, on the page of a recommendation."), "admin:recommendations_recommendation_changelist"
    list_display = ["source", "recommendation", "update", "stance", "confidence"]
    ordering = ["-id"]
    list_filter = [choice_filter("stance"), choice_filter("confidence"), related_filter("source", Evidence._meta.get_field("source"))]
    search_fields = ["uid", "source"]
    fieldsets = [(None, {"fields": ["update", "source", "locator", "quote", ("stance", "confidence")]})]

    @display(description=_("recommendation"))
    def recommendation(self, evidence):
        return evidence.update.recommendation

    def list_prefetches(self, request):
        return [Prefetch("update__recommendation", visible(Recommendation, request.user))]
