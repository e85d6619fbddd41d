"""Names of models and fields for people. Django derives a name from the code where the declaration gives none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.utils.translation import gettext_lazy, override


def owners_of_derived_names() -> Iterator[tuple[Any, str]]:
    """The fields and the options of models that have a derived name, each with the name of the attribute."""
    for model in apps.get_models():
        options = model._meta
        yield from ((options, name) for name in ("verbose_name", "verbose_name_plural") if name not in options.original_attrs)
        for field in (*options.local_fields, *options.local_many_to_many):
            if getattr(field, "_verbose_name", None) is None:  # the name in the declaration
                yield field, "verbose_name"


def translate_derived_names() -> None:
    """Look up derived names in the translations when they are shown, like declared ones. Migrations do not contain them."""
    for owner, attribute in owners_of_derived_names():
        setattr(owner, attribute, gettext_lazy(str(getattr(owner, attribute))))


def derived_names() -> list[str]:
    """The untranslated derived names, for the translators."""
    with override(None):
        return sorted({str(getattr(owner, attribute)) for owner, attribute in owners_of_derived_names()})
