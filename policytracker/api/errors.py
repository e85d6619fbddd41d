"""API errors: the response to each rejected request (docs/api.md)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from itertools import chain
from typing import Any

from django.core.exceptions import (
    RequestDataTooBig,
)
from django.db import DatabaseError, InterfaceError
from django.http import JsonResponse
from django.utils.translation import gettext as _
from rest_framework import exceptions, serializers, status
from rest_framework.response import Response
from rest_framework.views import exception_handler, set_rollback

from policytracker.api.renderers import JSONRenderer
from policytracker.records.context import import_is_running
from policytracker.records.exceptions import EntriesRefused
from policytracker.representation.errors import domain_error, validation_body
from policytracker.sql.errors import IMPORT_RUNS, RETRY_AFTER, TemporaryError, temporary_error, waited_too_long_for_a_lock
from policytracker.web.errors import API, error_page


class RefusalSerializer(serializers.Serializer):
    """One unmet condition."""

    code = serializers.CharField()
    detail = serializers.CharField()


class ErrorSerializer(serializers.Serializer):
    code = serializers.CharField(help_text="Stable code, for programs.")
    detail = serializers.CharField(help_text="Message, for people. May change.")
    unmet = RefusalSerializer(many=True, required=False, help_text="For a refused action: all unmet conditions.")
    current_version = serializers.IntegerField(required=False, help_text="For `stale`: the current version of the record.")


class APIError(exceptions.APIException):
    """A rejected request, answered as {"code", "detail"} with the given status."""

    def __init__(self, code: str, detail: str, status_code: int):
        super().__init__(detail, code)
        self.status_code = status_code


def handle_exception(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler: the response to an error. None, and so a 500, only for a defect of this software.

    Also None if the request waited too long for a lock: `DatabaseErrors` answers it after the transaction has ended.
    """
    if waited_too_long_for_a_lock(error):
        return None
    response = _entries_response(error, context) if isinstance(error, EntriesRefused) else _single_response(error, context)
    if response is not None:
        response.data = replace_unencodable(response.data)
        request = context["request"]  # errors are JSON, whatever `format` was requested
        request.accepted_renderer, request.accepted_media_type = JSONRenderer(), JSONRenderer.media_type
    set_rollback()
    return response


def _single_response(error: Exception, context: dict[str, Any]) -> Response | None:
    api_name = getattr(context.get("view"), "api_name", lambda field: field)
    return domain_response(error, api_name) or _drf_response(error, context)


def _entries_response(error: EntriesRefused, context: dict[str, Any]) -> Response | None:
    """400 with the error body of each refused entry by index; 403 if the user has no permission for any entry."""
    responses: dict[str, Response] = {}
    for index, reason in sorted(error.reasons.items()):
        response = _single_response(reason, context)
        if response is None:
            return None
        responses[str(index)] = response
    if len(responses) == error.total and all(response.status_code == status.HTTP_403_FORBIDDEN for response in responses.values()):
        return next(iter(responses.values()))
    return Response({"errors": {index: response.data for index, response in responses.items()}}, status.HTTP_400_BAD_REQUEST)


def _drf_response(error: Exception, context: dict[str, Any]) -> Response | None:
    """The response to DRF's own exceptions, in the shapes of this API."""
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


def replace_unencodable(data: Any) -> Any:
    """The data with characters that UTF-8 cannot encode (lone surrogates from the request) replaced by question marks."""
    if isinstance(data, dict):
        return {replace_unencodable(name): replace_unencodable(value) for name, value in data.items()}
    if isinstance(data, list):
        return [replace_unencodable(value) for value in data]
    return data.encode(errors="replace").decode() if isinstance(data, str) else data


def domain_response(error: Exception, api_name: Callable[[str], str]) -> Response | None:
    """The response to errors of Django, the domain and the database; `api_name` maps field names of the model to the API's."""
    if isinstance(error, RequestDataTooBig):
        body = {"code": "too_large", "detail": _("The request body is too large. Send less data per request.")}
        return Response(body, status.HTTP_413_REQUEST_ENTITY_TOO_LARGE)
    if rejection := domain_error(error, api_name):
        return Response(rejection.body, rejection.status)
    if isinstance(error, DatabaseError | InterfaceError) and (temporary := temporary_error(error)):
        return temporary_response(temporary)
    return None


def temporary_response(temporary: TemporaryError) -> Response:
    response = Response({"code": temporary.code, "detail": temporary.detail}, temporary.status)
    if temporary.status == status.HTTP_503_SERVICE_UNAVAILABLE:
        response["Retry-After"] = str(RETRY_AFTER)
    return response


def busy_response(error: Exception) -> Response | None:
    """The response to a request that waited too long for a lock while an import is running. It needs a query."""
    with suppress(DatabaseError, InterfaceError):
        if waited_too_long_for_a_lock(error) and import_is_running():
            return temporary_response(IMPORT_RUNS)
    return None


class DatabaseErrors:
    """Middleware for database errors outside a view: at the start or the end of the request's transaction."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        return self.get_response(request)

    def process_exception(self, request, error):
        if not isinstance(error, DatabaseError | InterfaceError):
            return None
        response = busy_response(error) or domain_response(error, lambda field: field)
        if response is None:
            return None
        headers = {"Retry-After": response["Retry-After"]} if "Retry-After" in response else {}
        if request.path.startswith(API):
            return JsonResponse(response.data, status=response.status_code, headers=headers)
        message = response.data.get("detail") or " ".join(chain.from_iterable(response.data.values()))
        return error_page(response.status_code, message, headers)
