"""Every refusal as a sentence: of constraints and guards at every door, and in the shapes that the API promises."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import Any

from django.apps import apps
from django.contrib.postgres.constraints import ExclusionConstraint
from django.core.exceptions import (
    NON_FIELD_ERRORS,
    ObjectDoesNotExist,
    RequestDataTooBig,
    ValidationError,
)
from django.db import DatabaseError, DataError, IntegrityError, InterfaceError, OperationalError
from django.db.models import BaseConstraint, F, Model, Q, UniqueConstraint
from django.db.models.deletion import ProtectedError
from django.db.models.lookups import PostgresOperatorLookup
from django.http import Http404, HttpResponse, JsonResponse
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.views import exception_handler, set_rollback

from policytracker.records import Record
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
    """A rule that the database enforced.

    `field` is where it is reported, `code` the code of a refusal if it is one (such as `in_use`), `rule` the stable code of the
    error otherwise: the name of the constraint, `unique`, `does_not_exist` or `invalid`.
    """

    field: str
    sentence: str
    code: str = ""
    model: type[Model] | None = None
    rule: str = "invalid"


@cache
def rules() -> dict[str, Broken]:
    """Every constraint and guard by its name."""
    found = {LINKED_STAYS: Broken(NON_FIELD_ERRORS, IN_USE, "in_use")}
    for model in records():
        for constraint in model._meta.constraints:
            field = constraint.violation_error_code or NON_FIELD_ERRORS
            found[constraint.name] = Broken(field, str(constraint.violation_error_message), model=model, rule=constraint.name)
        for guard in guards(model):
            code = guard.code or ("closed_record" if guard.name == "closed_record" else "")
            found[guard.name] = Broken(guard.field or NON_FIELD_ERRORS, str(guard.sentence), code, model, guard.name)
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
            if model is None or field == NON_FIELD_ERRORS:
                return Broken(NON_FIELD_ERRORS, "Such a record already exists.", model=model, rule="unique")
            message = model().unique_error_message(model, (field,)).messages[0]
            return Broken(field, message, model=model, rule="unique")
        case "23503" if "still referenced" in (diag.message_detail or ""):
            return Broken(NON_FIELD_ERRORS, IN_USE, "in_use")
        case "23503":
            return Broken(field, "This record no longer exists.", model=model, rule="does_not_exist")
    return Broken(field, f"The database does not accept this value: {diag.message_primary}.", model=model)


def _field(model: type[Model] | None, column: str) -> str:
    names = {field.column: field.name for field in model._meta.concrete_fields} if model else {}
    return names.get(column.split(", ")[-1], NON_FIELD_ERRORS)


def by_field(error: ValidationError, model: type[Model]) -> dict[str, list[ValidationError]]:
    """The errors of a model's own validation, by the field on which they are reported.

    The code of an error is Django's, such as `blank` or `unique`, or the name of the constraint that is violated.
    """
    found: dict[str, list[ValidationError]] = {}
    declared = error.error_dict if hasattr(error, "error_dict") else {NON_FIELD_ERRORS: error.error_list}
    for name, errors in declared.items():
        for one in errors:
            message, constraint = one.messages[0], _constraint(model, one)
            field = constraint.violation_error_code or NON_FIELD_ERRORS if constraint else name
            code = constraint.name if constraint else one.code or "invalid"
            found.setdefault(field, []).append(ValidationError(message, code))
    return found


def _constraint(model: type[Model], error: ValidationError) -> BaseConstraint | None:
    """The constraint that raised an error of a model's validation: Django names it by message and code only."""
    raised = (error.code, error.messages[0])
    declared = model._meta.constraints
    return next((c for c in declared if (c.violation_error_code, str(c.violation_error_message)) == raised), None)


def existing(instance: Any, error: ValidationError, field: str, user: Any) -> Record | None:
    """The record that has the value, or combination of values, that `instance` would repeat; None if the user may not read it."""
    model = type(instance)
    rows = model.objects.visible_to(user).exclude(pk=instance.pk)
    if error.code == "unique":
        return rows.filter(**{field: getattr(instance, field)}).first()
    constraint = next((c for c in model._meta.constraints if c.name == error.code), None)
    if isinstance(constraint, UniqueConstraint):
        values = {name: getattr(instance, name) for name in constraint.fields}
        equal = {name if value is not None else f"{name}__isnull": True if value is None else value for name, value in values.items()}
        return rows.filter(constraint.condition or Q(), **equal).first()
    if isinstance(constraint, ExclusionConstraint):
        return rows.filter(*_conflicts(instance, constraint)).first()
    return None


def _conflicts(instance: Any, constraint: Any) -> Iterator[PostgresOperatorLookup]:
    """The conditions under which a stored row conflicts with `instance`."""
    values = {F(name): value for name, value in instance._get_field_expression_map(instance._meta).items()}
    for expression, operator in constraint.expressions:
        stored = F(expression) if isinstance(expression, str) else expression
        lookup = PostgresOperatorLookup(lhs=stored, rhs=stored.replace_expressions(values))
        lookup.postgres_operator = operator
        yield lookup


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
    if isinstance(error, DatabaseError) and (rule := broken(error)):
        field = outside(rule.field)
        if rule.code == "reason_required":
            return Response({"code": rule.code, "detail": rule.sentence, field: [rule.sentence]}, status.HTTP_400_BAD_REQUEST)
        if rule.code:
            return Response({"code": rule.code, "detail": rule.sentence}, status.HTTP_409_CONFLICT)
        body = validation_body({field: [exceptions.ErrorDetail(rule.sentence, rule.rule)]})
        return Response(body, status.HTTP_400_BAD_REQUEST)
    if isinstance(error, DatabaseError | InterfaceError) and (trouble := trouble_of(error)):
        response = Response({"code": trouble.code, "detail": trouble.detail}, trouble.status)
        if trouble.status == status.HTTP_503_SERVICE_UNAVAILABLE:
            response["Retry-After"] = str(RETRY_AFTER)
        return response
    return None


RETRY_AFTER = 5  # seconds


@dataclass(frozen=True)
class Trouble:
    """What hinders the database for the moment, and is no fault of the request."""

    code: str
    detail: str
    status: int = status.HTTP_503_SERVICE_UNAVAILABLE


UNREACHABLE = Trouble("unavailable", "The database cannot be reached. Try again in a few seconds.")
TROUBLES = {  # by SQLSTATE, https://www.postgresql.org/docs/current/errcodes-appendix.html
    "25006": Trouble("unavailable", "The database takes no changes at the moment. Try again later."),
    "40P01": Trouble("conflict", "Two writes waited for each other. Send this one again.", status.HTTP_409_CONFLICT),
    "53100": Trouble("unavailable", "The database has no space left. Try again later."),
    "53200": Trouble("unavailable", "The database has no memory left. Try again later."),
    "53300": Trouble("unavailable", "The database has no free connection. Try again in a few seconds."),
    "55P03": Trouble("busy", "Another request is changing the same record. Try again in a few seconds."),
    "57014": Trouble("timeout", "This takes too long. Ask for less at a time."),
    "57P01": UNREACHABLE,
    "57P02": UNREACHABLE,
    "57P03": UNREACHABLE,
}


def trouble_of(error: DatabaseError | InterfaceError) -> Trouble | None:
    """What hinders the database, or None where the error is a fault of the request or of ours."""
    state = getattr(error.__cause__, "sqlstate", None)
    if state is None:  # it did not come from the server, so there was no server, or no connection of the pool
        return UNREACHABLE if isinstance(error, OperationalError | InterfaceError) else None
    return UNREACHABLE if state.startswith("08") else TROUBLES.get(state)


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
