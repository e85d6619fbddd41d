"""Model fields and indexes for all apps."""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.indexes import GinIndex, OpClass
from django.core.validators import MaxLengthValidator
from django.db import models
from django.db.models.functions import Upper
from django.utils.translation import gettext_lazy as _


def contains_index(field: str, name: str) -> GinIndex:
    """A trigram index that makes `field__icontains` fast on large tables."""
    return GinIndex(OpClass(Upper(field), name="gin_trgm_ops"), name=name)


class Text(models.TextField):
    """Text of at most 100,000 characters; "" if empty."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **{"max_length": 100_000, "blank": True, "default": ""} | kwargs)
        self.validators.append(MaxLengthValidator(self.max_length))


class SourceContent:
    """Content of the source of a record. Readers of the record who may not read its `source` see it empty."""

    model: Any
    name: str


class Locator(SourceContent, models.CharField):
    """The place within the source of a record: page, section, row."""

    def __init__(self, *args, **kwargs):
        defaults = {"max_length": 300, "blank": True, "default": "", "help_text": _("The place within the source: page, section, row.")}
        super().__init__(*args, **defaults | kwargs)


class Quote(SourceContent, Text):
    """The exact words of the source of a record."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **{"help_text": _("The source's exact words.")} | kwargs)


def hides_source_content(model: type[models.Model], field: models.Field) -> bool:
    """Whether some readers of the record may not read the field, because they may not read its source."""
    return isinstance(field, SourceContent) and "source" not in model.access_parents  # type: ignore[attr-defined]
