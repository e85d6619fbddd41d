"""Refusals of a progress update, also as errors of its fields, and the values that no update can have."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError

from policytracker.records import exceptions
from policytracker.records.exceptions import Refused
from recommendations.models import ProgressUpdate, RefusalCode, Status, UpdateKind
from recommendations.models.refusals import CORRECTS_ONLY_VOIDED, NOTE_HAS_NO_STATUS
from recommendations.models.updates import PERCENT_AGREES_WITH_STATUS


class Refusal(exceptions.Refusal):
    """One condition that is not met: its code and its message."""

    reason: RefusalCode

    def __init__(self, reason: RefusalCode, **values: Any):
        super().__init__(reason.code, reason.text(**values))
        object.__setattr__(self, "reason", reason)


def in_order(refusals: Iterable[Refusal]) -> list[Refusal]:
    """Each refusal once, in the order of RefusalCode."""
    return sorted(dict.fromkeys(refusals), key=lambda refusal: refusal.reason.value)


def raise_refusals(refusals: Iterable[Refusal]) -> None:
    """Raise Refused if there are refusals."""
    if unique := in_order(refusals):
        raise Refused(list(unique))


def errors_of_refusals(refusals: Iterable[Any], names: Collection[str]) -> dict[str, list[ValidationError]]:
    """The refusals as errors of their fields, without those of the fields `names`, which have errors of their own."""
    errors: dict[str, list[ValidationError]] = defaultdict(list)
    for refusal in refusals:
        if refusal.reason.field not in names:
            errors[refusal.reason.field or NON_FIELD_ERRORS].append(ValidationError(refusal.detail, refusal.code))
    return errors


def invalid_values(update: ProgressUpdate) -> dict[str, list[ValidationError]]:
    """The values of an update that no status and no date could make valid, by field."""
    errors: dict[str, list[ValidationError]] = defaultdict(list)
    try:
        update.clean_fields(exclude={field.name for field in update._meta.fields if field.is_relation})
    except ValidationError as error:
        errors |= error.error_dict
    percent, corrected = update.progress_percent, update.corrects
    if percent is not None and "progress_percent" not in errors and not percent_agrees(update.status, percent):
        errors["progress_percent"].append(ValidationError(str(PERCENT_AGREES_WITH_STATUS.violation_error_message)))
    if update.kind == UpdateKind.NOTE and update.status:
        errors["status"].append(ValidationError(NOTE_HAS_NO_STATUS))
    if corrected and (corrected.recommendation_id != update.recommendation_id or not corrected.voided_at):
        errors["corrects"].append(ValidationError(CORRECTS_ONLY_VOIDED))
    return errors


@lru_cache(len(Status) * 101)
def percent_agrees(status: str, percent: int) -> bool:
    """Whether the constraint accepts the percentage. PostgreSQL evaluates it, once for each pair of values."""
    try:
        PERCENT_AGREES_WITH_STATUS.validate(ProgressUpdate, ProgressUpdate(status=status, progress_percent=percent))
    except ValidationError:
        return False
    return True
