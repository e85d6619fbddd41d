"""Every refusal as a sentence: of constraints and guards at every door, and in the shapes that the API promises."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import Any

from django.apps import apps
from django.core.exceptions import (
    NON_FIELD_ERRORS,
    FieldDoesNotExist,
    ObjectDoesNotExist,
    RequestDataTooBig,
    ValidationError,
)
from django.db import DatabaseError, DataError, IntegrityError, OperationalError
from django.db.models import Model
from django.db.models.deletion import ProtectedError
from django.http import Http404, HttpResponse, JsonResponse
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.views import exception_handler, set_rollback

from policytracker.triggers import LINKED_STAYS, guards, records

IN_USE = "Other records refer to it; change or delete those first."


class Stale(Exception):
    """The record has changed since the caller read it."""

    def __init__(self, current_version: int):
        super().__init__("It has changed since you read it.")
        self.current_version = current_version


@dataclass(frozen=True)
class Refusal:
    """One condition that is not met."""

    code: str
    detail: str


class Refused(Exception):
    """Nothing was written, for all of these reasons."""

    def __init__(self, refusals: list[Refusal]):
        super().__init__(" ".join(refusal.detail for refusal in refusals))
        self.refusals = refusals


class Declined(exceptions.APIException):
    """A request that is not carried out, with a stable code, as {"code", "detail"}."""

    def __init__(self, code: str, detail: str, status_code: int = status.HTTP_409_CONFLICT):
        super().__init__(detail, code)
        self.status_code = status_code


class EntriesRefused(Exception):
    """Entries of a list are refused, each for its own reason, and so nothing was written."""

    def __init__(self, reasons: dict[int, Exception], total: int):
        super().__init__(f"{len(reasons)} of {total} entries are refused.")
        self.reasons, self.total = reasons, total


# What refuses one entry of a list, and is answered as if the entry had been sent alone.
OF_ONE_ENTRY = (
    exceptions.APIException, Stale, Refused, Http404, ObjectDoesNotExist, ValidationError, ProtectedError, IntegrityError, DataError,
)  # fmt: skip


@dataclass(frozen=True)
class Broken:
    """A rule that the database kept: where a person mends it, its sentence, the code of the refusal, if it has one, and of which model."""

    field: str
    sentence: str
    code: str = ""
    model: type[Model] | None = None


@cache
def rules() -> dict[str, Broken]:
    """Every constraint and guard by its name."""
    found = {LINKED_STAYS: Broken(NON_FIELD_ERRORS, IN_USE, "in_use")}
    for model in records():
        for constraint in model._meta.constraints:
            field = constraint.violation_error_code or NON_FIELD_ERRORS
            found[constraint.name] = Broken(field, str(constraint.violation_error_message), model=model)
        for guard in guards(model):
            code = guard.code or ("closed_record" if guard.name == "closed_record" else "")
            found[guard.name] = Broken(guard.field or NON_FIELD_ERRORS, guard.sentence, code, model)
    return found


@cache
def model_of(table: str) -> type[Model] | None:
    return next((model for model in apps.get_models(include_auto_created=True) if model._meta.db_table == table), None)


def broken(error: DatabaseError) -> Broken | None:
    """The rule that a write broke; None where the error is of another kind."""
    diag = getattr(error.__cause__, "diag", None)
    if diag is None or diag.sqlstate is None or diag.sqlstate[:2] not in {"22", "23"}:
        return None
    if rule := rules().get(diag.constraint_name or ""):
        return rule
    columns = re.search(r"Key \(([^)]+)\)", diag.message_detail or "")
    model = model_of(diag.table_name or "")
    field = _field(model, diag.column_name or (columns.group(1) if columns else ""))
    match diag.sqlstate:
        case "23505":
            named = str(model._meta.verbose_name).capitalize() if model else "A record"
            return Broken(field, f"{named} with this {field} already exists.", model=model)
        case "23503" if "still referenced" in (diag.message_detail or ""):
            return Broken(NON_FIELD_ERRORS, IN_USE, "in_use")
        case "23503":
            return Broken(field, "It refers to a record that is no longer there.", model=model)
    return Broken(field, f"The database does not take this value: {diag.message_primary}.", model=model)


def _field(model: type[Model] | None, column: str) -> str:
    names = {field.column: field.name for field in model._meta.concrete_fields} if model else {}
    return names.get(column.split(", ")[-1], NON_FIELD_ERRORS)


def sentences(error: ValidationError, model: type[Model]) -> dict[str, list[str]]:
    """By field, what a model's own validation found; a constraint names its field as its code."""
    found: dict[str, list[str]] = {}
    by_field = error.error_dict if hasattr(error, "error_dict") else {NON_FIELD_ERRORS: error.error_list}
    for name, errors in by_field.items():
        for one in errors:
            field = name
            if name == NON_FIELD_ERRORS and one.code and _has_field(model, one.code):
                field = one.code
            found.setdefault(field, []).extend(one.messages)
    return found


def _has_field(model: type[Model], name: str) -> bool:
    try:
        model._meta.get_field(name)
    except FieldDoesNotExist:
        return False
    return True


def answer(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler: the answer of API.md 4 to each refusal; None, and so a 500, only for our own mistakes."""
    response = _entries_refused(error, context) if isinstance(error, EntriesRefused) else _alone(error, context)
    if response is not None:
        response.data = writable(response.data)
    set_rollback()
    return response


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
        response.data = {"non_field_errors": [str(error.detail)]}
    elif isinstance(error, exceptions.ValidationError):
        response.data = response.data if isinstance(response.data, dict) else {"non_field_errors": response.data}
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
    if isinstance(error, Refused):
        unmet = [vars(refusal) for refusal in error.refusals]
        forbidden = unmet[0]["code"] == "not_permitted"
        code = status.HTTP_403_FORBIDDEN if forbidden else status.HTTP_409_CONFLICT
        return Response({**unmet[0], "unmet": unmet}, code)
    if isinstance(error, ValidationError):  # of a function of the domain; a serializer tells its own
        by_field = error.message_dict if hasattr(error, "error_dict") else {NON_FIELD_ERRORS: error.messages}
        return Response({outside(name): told for name, told in by_field.items()}, status.HTTP_400_BAD_REQUEST)
    if isinstance(error, ProtectedError):
        return Response({"code": "in_use", "detail": IN_USE}, status.HTTP_409_CONFLICT)
    if isinstance(error, DatabaseError) and (rule := broken(error)):
        field = outside(rule.field)
        if rule.code == "reason_required":
            return Response({"code": rule.code, "detail": rule.sentence, field: [rule.sentence]}, status.HTTP_400_BAD_REQUEST)
        if rule.code:
            return Response({"code": rule.code, "detail": rule.sentence}, status.HTTP_409_CONFLICT)
        return Response({field: [rule.sentence]}, status.HTTP_400_BAD_REQUEST)
    if isinstance(error, OperationalError):
        state = getattr(error.__cause__, "sqlstate", None)
        if state == "40P01":
            return Response(
                {"code": "conflict", "detail": "Two writes waited for each other; send this one again."}, status.HTTP_409_CONFLICT
            )
        if state == "57014":
            detail = "This takes too long; ask for less at a time."
            return Response({"code": "timeout", "detail": detail}, status.HTTP_503_SERVICE_UNAVAILABLE)
        if state is None or state.startswith("08"):
            return Response({"code": "unavailable", "detail": "The database cannot be reached."}, status.HTTP_503_SERVICE_UNAVAILABLE)
    return None


class DatabaseErrors:
    """Middleware for what the database refuses outside a view: as it begins the request's transaction, or ends it."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        return self.get_response(request)

    def process_exception(self, request, error):
        response = _answer(error, lambda field: field) if isinstance(error, DatabaseError) else None
        if response is None:
            return None
        if request.path.startswith("/api/"):
            return JsonResponse(response.data, status=response.status_code)
        sentence = response.data.get("detail") or " ".join(chain.from_iterable(response.data.values()))
        return HttpResponse(sentence, content_type="text/plain; charset=utf-8", status=response.status_code)
