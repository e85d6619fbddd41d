"""Why an update on progress is refused. `progress.py` reports all conditions at once, and the guards of the models enforce some."""

from enum import Enum
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from policytracker.records import ARCHIVED_IS_CLOSED

BLOCKS_STATUS = "blocks status"  # no report can meet the condition: the status cannot be chosen now
REQUIRED_OF_DRAFT = "required of a draft"  # must be met before a draft is stored; the other conditions, when it is submitted


class RefusalCode(Enum):
    """Each condition with its code in the API, the field that it is about, its behaviour and its message.

    In the order in which a person should meet them, which the API promises. Several conditions may share a code.
    """

    NOT_PERMITTED_TO_REPORT = (
        "not_permitted", "", {BLOCKS_STATUS, REQUIRED_OF_DRAFT}, _("Your role does not permit submitting this update."),
    )  # fmt: skip
    NOT_PERMITTED_TO_REVIEW = "not_permitted", "", {BLOCKS_STATUS, REQUIRED_OF_DRAFT}, _("Your role does not permit reviewing this update.")
    NOT_PERMITTED_TO_VOID = (
        "not_permitted", "", {BLOCKS_STATUS, REQUIRED_OF_DRAFT}, _("Only reviewers and administrators may void an update."),
    )  # fmt: skip
    CLOSED_RECORD = "closed_record", "", {BLOCKS_STATUS, REQUIRED_OF_DRAFT}, ARCHIVED_IS_CLOSED
    STATUS_REQUIRED = "status_required", "status", {REQUIRED_OF_DRAFT}, _("Select a status.")
    TRANSITION_NOT_ALLOWED = "transition_not_allowed", "status", {BLOCKS_STATUS}, _("{old} cannot become {new}.")
    SUPERSEDING_RECOMMENDATION_REQUIRED = (
        "superseding_recommendation_required", "superseded_by", {BLOCKS_STATUS},
        _("Enter the recommendation that supersedes this one first."),
    )  # fmt: skip
    PARTY_REQUIRED = "party_required", "party", {REQUIRED_OF_DRAFT}, _("Select the party that makes this claim.")
    FUTURE_DATE = "future_date", "reported_on", {REQUIRED_OF_DRAFT}, _("The report date cannot be in the future.")
    REASON_REQUIRED = "reason_required", "reason", set(), _("Enter a reason for changing the status back from {old} to {new}.")
    REASON_REQUIRED_TO_RETURN = "reason_required", "review_note", set(), _("Enter a note that tells the author why the update is returned.")
    REASON_REQUIRED_TO_VOID = "reason_required", "void_reason", set(), _("Enter a reason for voiding the update.")
    EVIDENCE_REQUIRED = "evidence_required", "evidence", set(), _("Supporting evidence is required for “{new}”.")
    EVIDENCE_REQUIRED_OF_CLAIM = "evidence_required", "evidence", set(), _("A claim submitted on behalf of a party requires evidence.")
    NARRATIVE_REQUIRED = "narrative_required", "narrative", set(), _("Enter a narrative.")
    SECOND_PERSON_REQUIRED = "second_person_required", "", set(), _("Someone other than the author must approve this update.")
    NOT_EDITABLE = "append_only", "", set(), _("Only its author can change an update, while it is a draft or after it was returned.")
    NOT_SUBMITTED = "append_only", "", set(), _("This update is a draft. Its author must submit it before it can be reviewed.")
    NOT_APPROVED = "append_only", "", set(), _("Only an approved update can be voided.")
    ALREADY_REVIEWED = "already_reviewed", "", set(), _("This update has already been reviewed: {review}.")
    ALREADY_VOIDED = "already_voided", "", set(), _("This update has already been voided.")

    def __init__(self, code: str, field: str, behaviour: set[str], message: str | Promise):
        self.code, self.field, self.message = code, field, message
        self.blocks_status = BLOCKS_STATUS in behaviour
        self.required_of_draft = REQUIRED_OF_DRAFT in behaviour

    @property
    def order(self) -> int:
        return list(type(self)).index(self)

    def text(self, **values: Any) -> str:
        """The message with its parameters filled in."""
        return str(self.message).format(**values)


# Values that are wrong in themselves. They are reported as errors of the field, without a code.
NOTE_HAS_NO_STATUS = _("A note has no status.")
CORRECTS_ONLY_VOIDED = _("Only a voided update of the same recommendation can be corrected.")
