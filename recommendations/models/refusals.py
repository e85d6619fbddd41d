"""The conditions of a progress update. `progress.py` reports all that are not met; trigger constraints of the models enforce some."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext_lazy as _

from policytracker.records.constraints import ARCHIVED_IS_CLOSED

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

OF_DRAFT = "required of a draft"  # all other conditions must be met only when the draft is submitted
BLOCKS = "blocks the status"  # no report can meet the condition, so the status cannot be selected


class RefusalCode(Enum):
    """A condition with its API code, the field that it concerns, its message and its behaviour.

    The order is part of the API: it is the order in which a person should meet the conditions. Conditions may share a code.
    """

    NOT_PERMITTED_TO_REPORT = "not_permitted", "", _("Your role does not allow you to submit this update."), BLOCKS, OF_DRAFT
    NOT_PERMITTED_TO_REVIEW = "not_permitted", "", _("Your role does not allow you to review this update."), BLOCKS, OF_DRAFT
    NOT_PERMITTED_TO_VOID = "not_permitted", "", _("Only reviewers and administrators may void an update."), BLOCKS, OF_DRAFT
    CLOSED_RECORD = "closed_record", "", ARCHIVED_IS_CLOSED, BLOCKS, OF_DRAFT
    STATUS_REQUIRED = "status_required", "status", _("Select a status."), OF_DRAFT
    TRANSITION_NOT_ALLOWED = "transition_not_allowed", "status", _("The status cannot change from {old} to {new}."), BLOCKS
    SUPERSEDING_RECOMMENDATION_REQUIRED = (
        *("superseding_recommendation_required", "superseded_by"),
        *(_("Set “Superseded by” in the record first."), BLOCKS),
    )
    PARTY_REQUIRED = "party_required", "party", _("Select the party that makes this claim."), OF_DRAFT
    FUTURE_DATE = "future_date", "reported_on", _("The report date cannot be in the future."), OF_DRAFT
    REASON_REQUIRED = "reason_required", "reason", _("Enter a reason for changing the status back from {old} to {new}.")
    REASON_REQUIRED_TO_RETURN = "reason_required", "review_note", _("Enter a note for the author.")
    REASON_REQUIRED_TO_VOID = "reason_required", "void_reason", _("Enter a reason for voiding the update.")
    EVIDENCE_REQUIRED = "evidence_required", "evidence", _("{new} requires evidence.")
    EVIDENCE_REQUIRED_OF_CLAIM = "evidence_required", "evidence", _("A claim submitted on behalf of a party requires evidence.")
    NARRATIVE_REQUIRED = "narrative_required", "narrative", _("Enter a narrative.")
    SECOND_PERSON_REQUIRED = "second_person_required", "", _("Another person must approve the update.")
    NOT_EDITABLE = "append_only", "", _("Only its author can change an update, while it is a draft or after it was returned.")
    NOT_SUBMITTED = "append_only", "", _("This update is a draft. Its author must submit it before it can be reviewed.")
    NOT_APPROVED = "append_only", "", _("Only an approved update can be voided.")
    ALREADY_REVIEWED = "already_reviewed", "", _("This update has already been reviewed: {review}.")
    ALREADY_VOIDED = "already_voided", "", _("This update has already been voided.")

    def __new__(cls, code: str, field: str, message: StrOrPromise, *behaviour: str):
        member = object.__new__(cls)
        # The position is the value, because Enum compares values and lazy messages cannot be evaluated before Django is set up.
        member._value_ = len(cls.__members__)
        return member

    def __init__(self, code: str, field: str, message: StrOrPromise, *behaviour: str):
        self.code, self.field, self.message = code, field, message
        self.blocks_status = BLOCKS in behaviour
        self.required_of_draft = OF_DRAFT in behaviour

    def text(self, **values: Any) -> str:
        """The message with its parameters filled in."""
        return str(self.message).format(**values)


# Invalid values. They are reported as errors of their field, without a code.
NOTE_HAS_NO_STATUS = _("A note has no status.")
CORRECTS_ONLY_VOIDED = _("Only a voided update of the same recommendation can be corrected.")
