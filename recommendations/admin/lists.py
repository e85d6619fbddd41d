"""The list of recommendations: its columns, filters and figures."""

from typing import Any

from django.db.models import OuterRef, Prefetch
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from agreements.admin import ACCESS_COLUMNS, DEADLINE_COLOUR, RegistryColumns, deadline_label, with_access
from agreements.deadlines import DeadlineState
from policytracker.accounts.models import User
from policytracker.admin import (
    BulkEditAdmin,
    CodeColours,
    OnFilter,
    Tile,
    choice_filter,
    code_column,
    date_range_filters,
    display,
    grouped,
    label_html,
    missing_filter,
    read_context,
    related_filter,
    text_filter,
)
from policytracker.edtf import date_in_words
from policytracker.resources import ReadContext
from policytracker.sql.parameters import ExistsForRow
from recommendations import progress
from recommendations.admin import addressees, forms
from recommendations.deadlines import Freshness, deadline, freshness
from recommendations.models import CLOSABLE, DONE, Addressee, Recommendation, Status
from recommendations.reports.late import figures

AGREEMENT = related_filter("agreement", Recommendation._meta.get_field("agreements"))
FRESHNESS_COLOURS = {"plain": [Freshness.STALE, Freshness.NEVER]}
STATUS_COLOURS = {"success": list(DONE), "info": [Status.IN_PROGRESS, *CLOSABLE], "warning": [Status.STALLED]}
STATUS_COLOUR = CodeColours({code: colour for colour, codes in STATUS_COLOURS.items() for code in codes})
# The figures of reports/late.py, in the order in which they are shown: title, colour of a number above 0, and the filters of their lists.
LATENESS: dict[str, tuple[Any, str, dict[str, Any]]] = {
    "overdue": (_("Overdue"), "danger", {"overdue": ["true"]}),
    "due_soon": (_("Due within 30 days"), "warning", {"due_within": ["30"]}),
    "undated": (_("Without a due date"), "unknown", {"open": ["true"], "without": ["due_on"]}),
    "stale": (_("Stale or never assessed"), "unknown", {"freshness": ["stale", "never"]}),
}
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


class RecommendationList(RegistryColumns, BulkEditAdmin):
    """The list. `RecommendationAdmin` adds the pages of a recommendation."""

    list_display = [
        "named",
        "agreements_shown",
        "addressees_shown",
        "status_shown",
        "due",
        "freshness_shown",
        "owner",
    ]
    list_references = ["agreements"]
    ordering = ["-closed_on", "due_on_first", "id"]  # open ones first: NULL comes first. The order of the index
    more_columns = [
        *(
            "progress_shown",
            "priority",
            "made_by",
            "made_on",
            "focus_area",
            "last_update_on",
            "status_since",
            "original_due_on",
            "closed_on",
        ),
        *ACCESS_COLUMNS,
    ]
    line_example = "overdue party:AUS owner:me"
    list_filter = [
        *grouped(
            _("Deadline and progress"),
            [
                choice_filter("overdue"),
                choice_filter("due_within", choices=[("7", _("7 days")), ("30", _("30 days")), ("90", _("90 days")), ("365", _("1 year"))]),
                choice_filter("deadline_state", _("Deadline"), DeadlineState.choices),
                choice_filter("freshness", choices=Freshness.choices),
                choice_filter("status"),
                choice_filter("open"),
                choice_filter("claim_differs", _("Contradicted by a claim")),
                choice_filter("awaiting_approval"),
                choice_filter("without", _("Missing"), list(MISSING.items())),
                *date_range_filters("due_on", _("Due date")),
                OnFilter,
            ],
        ),
        *grouped(
            _("People and parties"),
            [
                choice_filter("owner", choices=owner_choices),
                choice_filter("priority"),
                related_filter("party", Addressee._meta.get_field("party"), title=_("Addressee")),
                related_filter("made_by", Recommendation._meta.get_field("made_by")),
            ],
        ),
        *grouped(
            _("Subject and source"),
            [
                AGREEMENT,
                related_filter("components", Recommendation._meta.get_field("components"), _("Component")),
                related_filter("sectors", Recommendation._meta.get_field("sectors"), _("Sector")),
                missing_filter("sectors", _("Sector missing")),
                related_filter("focus_area", Recommendation._meta.get_field("focus_area")),
                related_filter("source", Recommendation._meta.get_field("source")),
                text_filter("slug", _("Key")),
            ],
        ),
        *grouped(_("Access"), [choice_filter("publication"), choice_filter("visibility")]),
    ]
    bulk_edit_form = forms.RecommendationBulkEditForm

    @display(description=_("status"), ordering="status")
    def status_shown(self, recommendation):
        """The status, with the progress if it is known."""
        label, colour = Status(recommendation.status).label, STATUS_COLOUR[recommendation.status]
        label = label_html(label, colour) if colour else label
        progress = recommendation.progress_percent
        return label if progress is None else format_html("{} {} %", label, progress)

    @display(description=_("recommendation"), ordering="key_action")
    def named(self, recommendation):
        return with_access(recommendation, recommendation.key_action)

    @display(description=_("agreement"))
    def agreements_shown(self, recommendation):
        return ", ".join(str(agreement) for agreement in recommendation.agreements.all())

    @display(description=_("addressee"))
    def addressees_shown(self, recommendation):
        return ", ".join(str(addressee.party) for addressee in recommendation.addressees.all())

    @display(description=_("progress"), ordering="progress_percent")
    def progress_shown(self, recommendation):
        return None if recommendation.progress_percent is None else f"{recommendation.progress_percent} %"

    @display(description=_("due date"), ordering="due_on_first")
    def due(self, recommendation):
        if not recommendation.due_on:
            return ""
        label = deadline_html(recommendation) if DEADLINE_COLOUR[recommendation.deadline_state] else ""
        return format_html("{} {}", date_in_words(recommendation.due_on), label)

    freshness_shown = code_column("freshness", Freshness, blank=Freshness.NONE, **FRESHNESS_COLOURS)

    def list_figures(self, changes):
        numbers = figures(changes.queryset, read_context(changes.request).on)
        return [
            Tile(title, getattr(numbers, name), False, changes.url_with(query), colour) for name, (title, colour, query) in LATENESS.items()
        ]

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
