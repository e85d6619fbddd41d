"""Constraints that name the field on which a violation is reported."""

import pytest
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db.migrations.writer import MigrationWriter
from django.db.models import Q

from agreements.models import AgreementRelation, Citation
from policytracker.records.constraints import CheckConstraint
from policytracker.records.declarations import records
from policytracker.records.violations import by_field
from tests.make import make_agreement

CONSTRAINTS = [(model, constraint) for model in records() for constraint in model._meta.constraints]


@pytest.mark.parametrize(("model", "constraint"), CONSTRAINTS, ids=lambda value: getattr(value, "name", ""))
def test_every_constraint_has_its_name_as_code_and_a_field_of_its_model(model, constraint):
    assert constraint.violation_error_code == constraint.name
    assert constraint.field == NON_FIELD_ERRORS or model._meta.get_field(constraint.field)


def test_a_migration_contains_the_class_of_django():
    constraint = CheckConstraint(name="x", condition=Q(pk=1), field="title", violation_error_message="No.")

    text, _ = MigrationWriter.serialize(constraint)

    assert text.startswith("models.CheckConstraint(condition=") and "field" not in text


def test_a_copy_keeps_the_field():
    constraint = CheckConstraint(name="x", condition=Q(pk=1), field="title")

    assert constraint.clone().field == "title"
    assert constraint.clone() == constraint


def test_a_violation_is_reported_on_the_field_of_the_constraint(db):
    agreement = make_agreement()

    with pytest.raises(ValidationError) as refused:
        AgreementRelation(from_agreement=agreement, kind="amends", to_agreement=agreement).full_clean()

    assert {field: [e.code for e in errors] for field, errors in by_field(refused.value, AgreementRelation).items()} == {
        "to_agreement": ["agreement_relation_needs_two"]
    }


def test_a_constraint_without_a_field_is_reported_on_none(db):
    with pytest.raises(ValidationError) as refused:
        Citation().full_clean()

    errors = by_field(refused.value, Citation)
    assert [error.code for error in errors[NON_FIELD_ERRORS]] == ["citation_has_exactly_one_target"]
