"""The layout of a data set: its files, in the format of Django fixtures, which refer to records by natural key, and their fields."""

from __future__ import annotations

from pathlib import Path

from django.contrib.auth import get_user_model
from django.db.models import Field, Model

from policytracker.records.models import Record
from policytracker.resources import registry

WRITTEN_BY_TRIGGERS = {"id", "version", "created_at", "updated_at"}


def files() -> dict[str, list[type[Record]]]:
    """The names of the files with their models, in loading order: a model comes after those that it refers to."""
    result: dict[str, list[type[Record]]] = {}
    for resource in registry:
        result.setdefault(resource.file, []).append(resource.model)
    return result


def position(path: str) -> int:
    """The position of a file in the loading order; -1 for other fixtures, which may contain users that the data set refers to."""
    name = Path(path).name.split(".")[0] + ".json"
    names = list(files())
    return names.index(name) if name in names else -1


def is_user_reference(field: Field) -> bool:
    return field.is_relation and field.related_model is get_user_model()


def is_kept(field: Field) -> bool:
    """Whether a load keeps the stored value of the field in an existing row."""
    return is_user_reference(field) or field.name in getattr(field.model, "first_values", ())


def not_in_files(model: type[Model]) -> set[str]:
    """The names of the calculated fields, which the files do not contain."""
    generated = {f.name for f in model._meta.local_concrete_fields if f.generated}
    return WRITTEN_BY_TRIGGERS | registry.of(model).calculated | set(getattr(model, "derived_fields", ())) | generated


def fields(model: type[Model]) -> list[Field]:
    """The fields of a model that the files contain, in order."""
    stored = [f for f in model._meta.local_concrete_fields if f.name not in not_in_files(model)]
    return stored + list(model._meta.local_many_to_many)
