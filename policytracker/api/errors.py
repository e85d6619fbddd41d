"""The response to each rejected request, in the shapes that the API promises."""

from __future__ import annotations

from itertools import chain
from typing import Any

from django.core.exceptions import (
    NON_FIELD_ERRORS,
    ObjectDoesNotExist,
    RequestDataTooBig,
    ValidationError,
)
from django.db import DatabaseError, DataError, IntegrityError, InterfaceError
from django.db.models.deletion import ProtectedError
from django.http import Http404, HttpResponse, JsonResponse
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.views import exception_handler, set_rollback

from policytracker.db.errors import RETRY_AFTER, trouble_of
from policytracker.records.exceptions import EntriesRefused, NotPermitted, Refused, Rejected, Stale
from policytracker.records.violations import IN_USE, violated_constraint


class APIError(exceptions.APIException):
    """A rejected request, answered as {"code", "detail"} with the given status."""

    def __init__(self, code: str, detail: str, status_code: int):
        super().__init__(detail, code)
        self.status_code = status_code


# What refuses one entry of a list, and is answered as if the entry had been sent alone.
OF_ONE_ENTRY = (
    exceptions.APIException, Rejected, Stale, Refused, Http404, ObjectDoesNotExist, ValidationError, ProtectedError,
    IntegrityError, DataError,
)  # fmt: skip


def error_details(errors: list[ValidationError]) -> list[exceptions.ErrorDetail]:
    """Django's errors as DRF's: message and code."""
    return [exceptions.ErrorDetail(message, error.code or "invalid") for error in errors for message in error.messages]


def answer(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler: the answer of API.md 4 to each refusal; None, and so a 500, only for our own mistakes."""
    response = _entries_refused(error, context) if isinstance(error, EntriesRefused) else _alone(error, context)
    if response is not None:
        response.data = writable(response.data)
    set_rollback()
    return response


def validation_body(detail: dict[str, Any]) -> dict[str, Any]:
    """The body of a 400: messages by field, and their stable codes under `_codes`."""
    fields = {name: messages for name, messages in detail.items() if name != "_existing"}
    codes = {name: [getattr(message, "code", "invalid") for message in messages] for name, messages in fields.items()}
    return {**detail, "_codes": codes}


def _alone(error: Exception, context: dict[str, Any]) -> Response | None:
    outside = getattr(context.get("view"), "outside", lambda field: field)
    return _answer(error, outside) or _drfs_answer(error, context)


def _entries_refused(error: EntriesRefused, context: dict[str, Any]) -> Response | None:
    """By its index, the body that each refused entry would get alone; forbidden where the caller may do it for no entry."""
    responses: dict[str, Response] = {}
    for index, reason in sorted(error.reasons.items()):
        response = _alone(reason, context)
        if response is None:
            return None
        responses[str(index)] = response
    if len(responses) == error.total and all(response.status_code == status.HTTP_403_FORBIDDEN for response in responses.values()):
        return next(iter(responses.values()))
    return Response({"errors": {index: response.data for index, response in responses.items()}}, status.HTTP_400_BAD_REQUEST)


def _drfs_answer(error: Exception, context: dict[str, Any]) -> Response | None:
    """What DRF says by itself, in our shapes."""
    response = exception_handler(error, context)
    if response is None:
        return None
    if isinstance(error, exceptions.ParseError):
        response.data = validation_body({"non_field_errors": [error.detail]})
    elif isinstance(error, exceptions.ValidationError):
        fields: Any = error.detail if isinstance(error.detail, dict) else {"non_field_errors": error.detail}
        response.data = validation_body(fields) if getattr(error, "in_body", True) else fields
    else:
        detail = getattr(error, "detail", exceptions.PermissionDenied.default_detail)
        code = getattr(detail, "code", exceptions.PermissionDenied.default_code)
        response.data = {"code": code, "detail": str(detail)}
    return response


def writable(told: Any) -> Any:
    """The same, where what was sent in broken characters comes back with question marks: UTF-8 has no word for them."""
    if isinstance(told, dict):
        return {writable(name): writable(value) for name, value in told.items()}
    if isinstance(told, list):
        return [writable(value) for value in told]
    return told.encode(errors="replace").decode() if isinstance(told, str) else told


def _answer(error: Exception, outside) -> Response | None:
    if isinstance(error, Http404 | ObjectDoesNotExist):
        return Response({"code": "not_found", "detail": "There is no such record."}, status.HTTP_404_NOT_FOUND)
    if isinstance(error, RequestDataTooBig):
        return Response({"code": "too_large", "detail": "The body is too large."}, status.HTTP_413_REQUEST_ENTITY_TOO_LARGE)
    if isinstance(error, Stale):
        body = {"code": "stale", "detail": str(error), "current_version": error.current_version}
        return Response(body, status.HTTP_412_PRECONDITION_FAILED)
    if isinstance(error, Rejected):
        code = status.HTTP_403_FORBIDDEN if isinstance(error, NotPermitted) else status.HTTP_409_CONFLICT
        return Response({"code": error.code, "detail": error.detail}, code)
    if isinstance(error, Refused):
        unmet = [{"code": refusal.code, "detail": refusal.detail} for refusal in error.refusals]
        forbidden = unmet[0]["code"] == "not_permitted"
        code = status.HTTP_403_FORBIDDEN if forbidden else status.HTTP_409_CONFLICT
        return Response({**unmet[0], "unmet": unmet}, code)
    if isinstance(error, ValidationError):  # of a function of the domain; a serializer raises its own
        errors = error.error_dict if hasattr(error, "error_dict") else {NON_FIELD_ERRORS: error.error_list}
        fields = {outside(name): error_details(found) for name, found in errors.items()}
        return Response(validation_body(fields), status.HTTP_400_BAD_REQUEST)
    if isinstance(error, ProtectedError):
        return Response({"code": "in_use", "detail": IN_USE}, status.HTTP_409_CONFLICT)
    if isinstance(error, DatabaseError) and (rule := violated_constraint(error)):
        field = outside(rule.field)
        if rule.code == "reason_required":
            return Response({"code": rule.code, "detail": rule.message, field: [rule.message]}, status.HTTP_400_BAD_REQUEST)
        if rule.code:
            return Response({"code": rule.code, "detail": rule.message}, status.HTTP_409_CONFLICT)
        body = validation_body({field: [exceptions.ErrorDetail(str(rule.message), rule.rule)]})
        return Response(body, status.HTTP_400_BAD_REQUEST)
    if isinstance(error, DatabaseError | InterfaceError) and (trouble := trouble_of(error)):
        response = Response({"code": trouble.code, "detail": trouble.detail}, trouble.status)
        if trouble.status == status.HTTP_503_SERVICE_UNAVAILABLE:
            response["Retry-After"] = str(RETRY_AFTER)
        return response
    return None


class DatabaseErrors:
    """Middleware for what the database refuses outside a view: as it begins the request's transaction, or ends it."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        return self.get_response(request)

    def process_exception(self, request, error):
        response = _answer(error, lambda field: field) if isinstance(error, DatabaseError | InterfaceError) else None
        if response is None:
            return None
        headers = {"Retry-After": response["Retry-After"]} if "Retry-After" in response else {}
        if request.path.startswith("/api/"):
            return JsonResponse(response.data, status=response.status_code, headers=headers)
        sentence = response.data.get("detail") or " ".join(chain.from_iterable(response.data.values()))
        return HttpResponse(sentence, content_type="text/plain; charset=utf-8", status=response.status_code, headers=headers)
