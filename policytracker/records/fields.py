"""Fields and indexes that every app uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.postgres.indexes import GinIndex, OpClass
from django.core.validators import MaxLengthValidator
from django.db import models
from django.db.models.functions import Upper

if TYPE_CHECKING:
    pass


def contains_index(field: str, name: str) -> GinIndex:
    """The index by which `field__icontains` finds words at register size."""
    return GinIndex(OpClass(Upper(field), name="gin_trgm_ops"), name=name)


class Text(models.TextField):
    """Prose, of at most 100,000 characters, "" where there is none."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **{"max_length": 100_000, "blank": True, "default": ""} | kwargs)
        self.validators.append(MaxLengthValidator(self.max_length))

    def deconstruct(self):
        name, path, args, kwargs = super().deconstruct()
        return name, path, args, kwargs
