"""The entries that recommendations and their records add to the timeline: which dates, and their titles."""

from __future__ import annotations

from django.db.models import Case, Q, Value, When
from django.utils.translation import gettext_lazy as _

from agreements.events import titled
from policytracker.resources import Event
from recommendations.models import Response, Review, Status, UpdateKind


def response_title(code: str, party: str, action: str) -> str:
    return _("Response of {party}, {response}: {action}").format(party=party, response=Response(code).label.lower(), action=action)


def update_title(kind: str, status: str, party: str, voided: str, action: str) -> str:
    label = Status(status).label.lower() if status else ""
    title = UPDATES[UpdateKind(kind)].format(status=label, party=party, action=action)
    return _("Voided: {title}").format(title=title) if voided else title


UPDATES = {
    UpdateKind.ASSESSMENT: _("Assessed as {status}: {action}"),
    UpdateKind.CLAIM: _("Claimed by {party} as {status}: {action}"),
    UpdateKind.NOTE: _("Noted: {action}"),
}
KEY_ACTION = "recommendation__key_action"
VOIDED = Case(When(voided_at__isnull=False, then=Value("voided")), default=Value(""))

# The closing of a recommendation is calculated from its progress updates, so it is not repeated here.
RECOMMENDATION = (
    Event("made_on", ("key_action",), titled(_("Recommended: {title}"))),
    Event("due_on", ("key_action",), titled(_("Due: {title}"))),
)
ADDRESSEE = (Event("responded_on", ("response", "party__name", KEY_ACTION), response_title),)
MILESTONE = (
    Event("due_on", ("title",), titled(_("Milestone due: {title}"))),
    Event("completed_on", ("title",), titled(_("Milestone reached: {title}"))),
)
UPDATE = (Event("reported_on", ("kind", "status", "party__name", VOIDED, KEY_ACTION), update_title, condition=Q(review=Review.APPROVED)),)
