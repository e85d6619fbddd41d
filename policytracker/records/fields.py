"""Model fields and indexes for all apps."""

from __future__ import annotations

from django.contrib.postgres.indexes import GinIndex, OpClass
from django.core.validators import MaxLengthValidator
from django.db import models
from django.db.models.functions import Upper


def contains_index(field: str, name: str) -> GinIndex:
    """A trigram index that makes `field__icontains` fast on large tables."""
    return GinIndex(OpClass(Upper(field), name="gin_trgm_ops"), name=name)


class Text(models.TextField):
    """Text of at most 100,000 characters; "" if empty."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **{"max_length": 100_000, "blank": True, "default": ""} | kwargs)
        self.validators.append(MaxLengthValidator(self.max_length))

    def deconstruct(self):
        name, path, args, kwargs = super().deconstruct()
        return name, path, args, kwargs
