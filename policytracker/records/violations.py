"""Translates violated constraints into errors: the field, the message and the code of each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.contrib.postgres.constraints import ExclusionConstraint
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import DatabaseError
from django.db.models import F, Model, Q, UniqueConstraint
from django.db.models.lookups import PostgresOperatorLookup
from django.utils.translation import gettext_lazy as _

from policytracker.records.constraints import LINKED_IS_PROTECTED
from policytracker.records.declarations import records, trigger_constraints
from policytracker.records.models import Record

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

IN_USE = _("Other records refer to this record. Change or delete them first.")


@dataclass(frozen=True)
class ConstraintViolation:
    """A constraint that a write violated.

    `field` is the field that it is reported on. `code` is the code of the error response, such as `in_use`; if it is empty, the
    violation is a validation error with the code `rule`: the name of the constraint, `unique`, `does_not_exist` or `invalid`.
    """

    field: str
    message: StrOrPromise
    code: str = ""
    model: type[Model] | None = None
    rule: str = "invalid"


@cache
def constraints_by_name() -> dict[str, ConstraintViolation]:
    """The violation of each constraint and constraint trigger, by the name of the constraint."""
    violations = {LINKED_IS_PROTECTED: ConstraintViolation(NON_FIELD_ERRORS, IN_USE, "in_use")}
    for model in records():
        for constraint in model._meta.constraints:
            field = getattr(constraint, "field", NON_FIELD_ERRORS)
            message = constraint.violation_error_message or ""
            violations[constraint.name] = ConstraintViolation(field, message, model=model, rule=constraint.name)
        for trigger in trigger_constraints(model):
            code = trigger.code or ("closed_record" if trigger.name == "closed_record" else "")
            violations[trigger.name] = ConstraintViolation(trigger.field or NON_FIELD_ERRORS, trigger.message, code, model, trigger.name)
    return violations


@cache
def model_of(table: str) -> type[Model] | None:
    return next((model for model in apps.get_models(include_auto_created=True) if model._meta.db_table == table), None)


def violated_constraint(error: DatabaseError) -> ConstraintViolation | None:
    """The constraint that the error reports; None for any other error."""
    diag = getattr(error.__cause__, "diag", None)
    if diag is None or diag.sqlstate is None or diag.sqlstate[:2] not in {"22", "23"}:
        return None
    if violation := constraints_by_name().get(diag.constraint_name or ""):
        return replace(violation, message=str(violation.message))
    columns = re.search(r"Key \(([^)]+)\)", diag.message_detail or "")
    model = model_of(diag.table_name or "")
    field = _field(model, diag.column_name or (columns.group(1) if columns else ""))
    match diag.sqlstate:
        case "23505":
            if model is None or field == NON_FIELD_ERRORS:
                return ConstraintViolation(NON_FIELD_ERRORS, str(_("This record already exists.")), model=model, rule="unique")
            message = model().unique_error_message(model, (field,)).messages[0]
            return ConstraintViolation(field, message, model=model, rule="unique")
        case "23503" if "still referenced" in (diag.message_detail or ""):
            return ConstraintViolation(NON_FIELD_ERRORS, str(IN_USE), "in_use")
        case "23503":
            return ConstraintViolation(field, str(_("This record no longer exists.")), model=model, rule="does_not_exist")
    return ConstraintViolation(field, _("Invalid value: %(reason)s.") % {"reason": diag.message_primary}, model=model)


def constraint_of(error: DatabaseError) -> ConstraintViolation:
    """The constraint that the error reports. Raises the error again if it reports none."""
    if (violation := violated_constraint(error)) is None:
        raise error
    return violation


def _field(model: type[Model] | None, column: str) -> str:
    names = {field.column: field.name for field in model._meta.concrete_fields} if model else {}
    return names.get(column.split(", ")[-1], NON_FIELD_ERRORS)


def by_field(error: ValidationError, model: type[Model]) -> dict[str, list[ValidationError]]:
    """The errors of `full_clean()` by the field that they are reported on.

    The code of an error is the name of the violated constraint, or Django's code, such as `blank` or `unique`.
    """
    result: dict[str, list[ValidationError]] = {}
    constraints = {constraint.name: constraint for constraint in model._meta.constraints}
    error_dict = error.error_dict if hasattr(error, "error_dict") else {NON_FIELD_ERRORS: error.error_list}
    for name, errors in error_dict.items():
        for item in errors:
            # Django reports a violated constraint on no field. Its code is the name of the constraint.
            field = getattr(constraints.get(item.code or ""), "field", name)
            result.setdefault(field, []).append(ValidationError(item.messages[0], item.code or "invalid"))
    return result


def existing(instance: Any, error: ValidationError, field: str, user: Any) -> Record | None:
    """The record that already has the unique value or values of `instance`; None if the user may not read it."""
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
    """The conditions of the exclusion constraint that a stored row must meet to conflict with `instance`."""
    values = {F(name): value for name, value in instance._get_field_expression_map(instance._meta).items()}
    for expression, operator in constraint.expressions:
        stored = F(expression) if isinstance(expression, str) else expression
        lookup = PostgresOperatorLookup(lhs=stored, rhs=stored.replace_expressions(values))
        lookup.postgres_operator = operator
        yield lookup
