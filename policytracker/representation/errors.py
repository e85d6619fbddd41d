"""What an error of Django, of a rule or of the database means to a client: its status, code and messages by field (docs/api.md)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ObjectDoesNotExist, ValidationError
from django.db import DatabaseError
from django.db.models.deletion import ProtectedError
from django.http import Http404
from django.utils.translation import gettext as _
from rest_framework import exceptions, status

from policytracker.records.exceptions import NotPermitted, Refused, Rejected, Stale
from policytracker.records.violations import IN_USE, violated_constraint


@dataclass(frozen=True)
class Rejection:
    """The HTTP status and the body of an error."""

    status: int
    body: dict[str, Any]


def error_details(errors: list[ValidationError]) -> list[exceptions.ErrorDetail]:
    """Django's validation errors as DRF error details, with message and code."""
    return [exceptions.ErrorDetail(message, error.code or "invalid") for error in errors for message in error.messages]


def validation_body(detail: Any) -> dict[str, Any]:
    """The body of a 400: messages by field, and their stable codes under `_codes`."""
    fields = {name: messages for name, messages in detail.items() if name != "_existing"}
    codes = {name: [getattr(message, "code", "invalid") for message in messages] for name, messages in fields.items()}
    return {**detail, "_codes": codes}


def domain_error(error: Exception, api_name: Callable[[str], str]) -> Rejection | None:
    """What the error means; None for one that is a defect or temporary. `api_name` maps field names of the model to the API's."""
    if isinstance(error, Http404 | ObjectDoesNotExist):
        return Rejection(status.HTTP_404_NOT_FOUND, {"code": "not_found", "detail": _("There is no such record.")})
    if isinstance(error, Stale):
        body = {"code": "stale", "detail": str(error), "current_version": error.current_version}
        return Rejection(status.HTTP_412_PRECONDITION_FAILED, body)
    if isinstance(error, Rejected):
        code = status.HTTP_403_FORBIDDEN if isinstance(error, NotPermitted) else status.HTTP_409_CONFLICT
        return Rejection(code, {"code": error.code, "detail": error.detail})
    if isinstance(error, Refused):
        unmet = [{"code": refusal.code, "detail": refusal.detail} for refusal in error.refusals]
        forbidden = unmet[0]["code"] == "not_permitted"
        return Rejection(status.HTTP_403_FORBIDDEN if forbidden else status.HTTP_409_CONFLICT, {**unmet[0], "unmet": unmet})
    if isinstance(error, ValidationError):  # from domain functions; serializers raise DRF's ValidationError
        errors = error.error_dict if hasattr(error, "error_dict") else {NON_FIELD_ERRORS: error.error_list}
        fields = {api_name(name): error_details(reasons) for name, reasons in errors.items()}
        return Rejection(status.HTTP_400_BAD_REQUEST, validation_body(fields))
    if isinstance(error, ProtectedError):
        return Rejection(status.HTTP_409_CONFLICT, {"code": "in_use", "detail": IN_USE})
    if isinstance(error, DatabaseError) and (rule := violated_constraint(error)):
        field = api_name(rule.field)
        if rule.code == "reason_required":
            return Rejection(status.HTTP_400_BAD_REQUEST, {"code": rule.code, "detail": rule.message, field: [rule.message]})
        if rule.code:
            return Rejection(status.HTTP_409_CONFLICT, {"code": rule.code, "detail": rule.message})
        body = validation_body({field: [exceptions.ErrorDetail(str(rule.message), rule.rule)]})
        return Rejection(status.HTTP_400_BAD_REQUEST, body)
    return None
