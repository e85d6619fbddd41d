"""Violated constraints and triggers as errors of a field: which rule, on which field, with which message and code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.apps import apps
from django.contrib.postgres.constraints import ExclusionConstraint
from django.core.exceptions import (
    NON_FIELD_ERRORS,
    ValidationError,
)
from django.db import DatabaseError
from django.db.models import F, Model, Q, UniqueConstraint
from django.db.models.lookups import PostgresOperatorLookup

from policytracker.records.models import Record
from policytracker.records.triggers import LINKED_STAYS, records, trigger_constraints

IN_USE = "Other records refer to it; change or delete those first."


@dataclass(frozen=True)
class ConstraintViolation:
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
def rules() -> dict[str, ConstraintViolation]:
    """Every constraint and guard by its name."""
    found = {LINKED_STAYS: ConstraintViolation(NON_FIELD_ERRORS, IN_USE, "in_use")}
    for model in records():
        for constraint in model._meta.constraints:
            field = getattr(constraint, "field", NON_FIELD_ERRORS)
            found[constraint.name] = ConstraintViolation(field, str(constraint.violation_error_message), model=model, rule=constraint.name)
        for guard in trigger_constraints(model):
            code = guard.code or ("closed_record" if guard.name == "closed_record" else "")
            found[guard.name] = ConstraintViolation(guard.field or NON_FIELD_ERRORS, str(guard.sentence), code, model, guard.name)
    return found


@cache
def model_of(table: str) -> type[Model] | None:
    return next((model for model in apps.get_models(include_auto_created=True) if model._meta.db_table == table), None)


def broken(error: DatabaseError) -> ConstraintViolation | None:
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
                return ConstraintViolation(NON_FIELD_ERRORS, "Such a record already exists.", model=model, rule="unique")
            message = model().unique_error_message(model, (field,)).messages[0]
            return ConstraintViolation(field, message, model=model, rule="unique")
        case "23503" if "still referenced" in (diag.message_detail or ""):
            return ConstraintViolation(NON_FIELD_ERRORS, IN_USE, "in_use")
        case "23503":
            return ConstraintViolation(field, "This record no longer exists.", model=model, rule="does_not_exist")
    return ConstraintViolation(field, f"The database does not accept this value: {diag.message_primary}.", model=model)


def _field(model: type[Model] | None, column: str) -> str:
    names = {field.column: field.name for field in model._meta.concrete_fields} if model else {}
    return names.get(column.split(", ")[-1], NON_FIELD_ERRORS)


def by_field(error: ValidationError, model: type[Model]) -> dict[str, list[ValidationError]]:
    """The errors of a model's own validation, by the field on which they are reported.

    The code of an error is Django's, such as `blank` or `unique`, or the name of the constraint that is violated.
    """
    found: dict[str, list[ValidationError]] = {}
    constraints = {constraint.name: constraint for constraint in model._meta.constraints}
    declared_fields = error.error_dict if hasattr(error, "error_dict") else {NON_FIELD_ERRORS: error.error_list}
    for name, errors in declared_fields.items():
        for one in errors:
            # Django reports a violated constraint on no field. Its code is the name of the constraint.
            field = getattr(constraints.get(one.code or ""), "field", name)
            found.setdefault(field, []).append(ValidationError(one.messages[0], one.code or "invalid"))
    return found


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
