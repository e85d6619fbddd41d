"""The entries that recommendations and their records add to the timeline: which dates, and their titles."""

from __future__ import annotations

from django.db.models import Case, Q, Value, When

from policytracker.resources import Event
from recommendations.models import Response, Review, Status, UpdateKind


def response_title(code: str, party: str, action: str) -> str:
    return f"Response of {party}, {Response(code).label.lower()}: {action}"


def update_title(kind: str, status: str, party: str, voided: str, action: str) -> str:
    as_status = f" as {Status(status).label.lower()}" if status else ""
    labels = {UpdateKind.ASSESSMENT: "Assessed", UpdateKind.CLAIM: f"Claimed by {party}", UpdateKind.NOTE: "Noted"}
    return f"{'Voided: ' if voided else ''}{labels[UpdateKind(kind)]}{as_status}: {action}"


KEY_ACTION = "recommendation__key_action"
VOIDED = Case(When(voided_at__isnull=False, then=Value("voided")), default=Value(""))

# The closing of a recommendation is calculated from its progress updates, so it is not repeated here.
RECOMMENDATION = (
    Event("made_on", ("key_action",), "Recommended: {}".format),
    Event("due_on", ("key_action",), "Due: {}".format),
)
ADDRESSEE = (Event("responded_on", ("response", "party__name", KEY_ACTION), response_title),)
MILESTONE = (
    Event("due_on", ("title",), "Milestone due: {}".format),
    Event("completed_on", ("title",), "Milestone reached: {}".format),
)
UPDATE = (Event("reported_on", ("kind", "status", "party__name", VOIDED, KEY_ACTION), update_title, condition=Q(review=Review.APPROVED)),)
