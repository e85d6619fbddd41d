"""The errors of a rejected form, each with a link to its field, for the summary at the top of the page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS
from django.utils.text import slugify

GENERAL = "general"  # the theme's name for the tab of the record's own fields


@dataclass(frozen=True)
class FieldError:
    """One error. `field` is the HTML id of the field, "" if the error concerns no single field; `tab` is the tab that holds it."""

    field: str
    label: str
    message: str
    tab: str = GENERAL


def errors_of_form(form: forms.BaseForm, *, tab: str = GENERAL, row: str = "") -> Iterator[FieldError]:
    """The errors of one form. `row` names the row, if the form is part of a formset."""
    for name, messages in form.errors.items():
        field, label = "", row
        if name != NON_FIELD_ERRORS and not (bound := form[name]).is_hidden:
            field = bound.id_for_label or bound.auto_id
            label = f"{row}, {bound.label}" if row else bound.label
        yield from (FieldError(field, label, message, tab) for message in messages)


def errors_of_formset(formset: forms.BaseFormSet, row: str, *, tab: str = GENERAL) -> Iterator[FieldError]:
    """The errors of a formset. Each row is named `row` and its number, such as "Line 2"."""
    yield from (FieldError("", row, message, tab) for message in formset.non_form_errors())
    for number, form in enumerate(formset.forms, 1):
        yield from errors_of_form(form, tab=tab, row=f"{row} {number}")


def errors_of_page(form: forms.BaseForm, inlines: Iterable[Any]) -> list[FieldError]:
    """The errors of a record's form and of its inlines."""
    errors = list(errors_of_form(form))
    for inline in inlines:
        tab = slugify(inline.formset.prefix) if getattr(inline.opts, "tab", False) else GENERAL
        errors += errors_of_formset(inline.formset, str(inline.opts.verbose_name).capitalize(), tab=tab)
    return errors
