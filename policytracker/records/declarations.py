"""What all record types declare: the types, their many-to-many links and their constraint triggers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.db.models import CharField, Model
from django.utils.translation import gettext_lazy as _

from policytracker.records.constraints import ARCHIVED_IS_CLOSED, TriggerConstraint
from policytracker.records.models import Record, RegistryRecord


def records() -> list[type[Record]]:
    """Every concrete model that is a record."""
    return [model for model in apps.get_models() if issubclass(model, Record)]


def links(model: type[Model]) -> Iterator[Any]:
    """The many-to-many fields of a model that use an automatic link table."""
    fields: Any = model._meta.local_many_to_many
    return (field for field in fields if field.remote_field.through._meta.auto_created)


def archived(model: type[Record], row: str) -> list[str]:
    """SQL conditions that are true if the row or one of its parents is archived. `row` is NEW, OLD or the alias of a subquery."""
    conditions = [f"{row}.publication = 'archived'"] if issubclass(model, RegistryRecord) else []
    for name in model.access_parents:
        parent: Any = model._meta.get_field(name)
        alias = f"{row}_{parent.name}".replace(".", "_").lower()
        if parent_conditions := archived(parent.related_model, alias):
            table = parent.related_model._meta.db_table
            conditions.append(
                f"EXISTS (SELECT 1 FROM {table} {alias} WHERE {alias}.id = {row}.{parent.column} AND ({' OR '.join(parent_conditions)}))"
            )
    return conditions


def trigger_constraints(model: type[Record]) -> Iterator[TriggerConstraint]:
    """The constraint triggers of a model: those it declares, and those that every record has."""
    table = model._meta.db_table
    yield TriggerConstraint(
        f"{table}_key_is_fixed", _("A key cannot be changed."), f"NEW.{model.key} <> OLD.{model.key}", field=model.key, events="UPDATE"
    )
    if isinstance(model._meta.get_field(model.key), CharField):
        yield TriggerConstraint(
            f"{table}_key_is_not_empty", _("Enter a key."), f"NEW.{model.key} = ''", field=model.key, events="INSERT"
        )  # and a key that is not empty cannot become it
    new, old = archived(model, "NEW"), archived(model, "OLD")
    if new:
        same_publication = "NEW.publication = OLD.publication AND " if issubclass(model, RegistryRecord) else ""
        if by_parent := [condition for condition in new if not condition.startswith("NEW.publication")]:
            yield TriggerConstraint("closed_record", ARCHIVED_IS_CLOSED, " OR ".join(by_parent), events="INSERT", in_loads=False)
        yield TriggerConstraint(
            "closed_record", ARCHIVED_IS_CLOSED, f"{same_publication}({' OR '.join(new + old)})", events="UPDATE", in_loads=False
        )
        yield TriggerConstraint("closed_record", ARCHIVED_IS_CLOSED, " OR ".join(old), events="DELETE", in_loads=False)
    yield from (change.constraint for change in model.reserved)
    yield from model.trigger_constraints
