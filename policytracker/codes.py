"""Code lists, and the fields that hold a code."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property, partialmethod
from typing import TYPE_CHECKING

from django import forms
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.encoding import force_str
from django.utils.translation import gettext as _

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


class Codes(models.TextChoices):
    """A code list. Members have the form `CODE = "code", _("definition"), _("Label")` or `CODE = "code", _("Label")`."""

    definition: StrOrPromise

    def __new__(cls, code: str, definition: StrOrPromise = ""):
        member = str.__new__(cls, code)
        member._value_ = code
        member.definition = definition
        return member


def invalid_choice(value: object, codes: Iterable[str]) -> str:
    """The message for a value that is not in the code list."""
    return _("“%(value)s” is not one of: %(codes)s.") % {"value": str(value)[:100], "codes": ", ".join(codes)}


def required_code(codes: Iterable[str]) -> str:
    """The message for an empty value of a field that requires a code."""
    return _("A value is required. Enter one of: %(codes)s.") % {"codes": ", ".join(codes)}


def code_of(field: models.Field, text: str) -> str | None:
    """The code of a field that a text means: a code or a label, in any case. None if there is none, or more than one."""
    wanted, choices = text.strip().casefold(), [(code, str(label)) for code, label in field.flatchoices]
    for names in [(code, code) for code, _label in choices], [(label, code) for code, label in choices]:
        if found := {code for name, code in names if name.casefold() == wanted}:
            return found.pop() if len(found) == 1 else None
    return None


def label_of(record: models.Model, field: CodeField) -> str | None:
    """The label of the code in this field, in the current language. A value that is not in the code list stays as it is."""
    code = getattr(record, field.attname)
    return force_str(field.labels.get(code, code), strings_only=True)


class CodeField(models.CharField):
    """A field for one code of a list, with a check constraint in the database."""

    def validate(self, value, model_instance):
        codes = [code for code, _ in self.choices or ()]
        if value not in self.empty_values and value not in codes:
            raise ValidationError(invalid_choice(value, codes), "invalid_choice")
        super().validate(value, model_instance)

    def __init__(self, codes: type[models.TextChoices] | None = None, **kwargs):
        if codes is not None:
            kwargs |= {"choices": codes.choices}
            self.codes = codes
        super().__init__(**{"max_length": 40} | kwargs)

    def contribute_to_class(self, cls, name, private_only=False):
        getter = f"get_{name}_display"
        defined = getter in cls.__dict__
        super().contribute_to_class(cls, name, private_only)
        if self.choices and not defined:  # Django's makes a dictionary of all choices for each value
            setattr(cls, getter, partialmethod(label_of, field=self))

    @cached_property
    def labels(self) -> dict[str, StrOrPromise]:
        return dict(self.flatchoices)

    def db_check(self, connection):
        allowed = [code for code, _ in self.choices or ()] + ([""] if self.blank else [])
        return f'"{self.column}" IN ({", ".join(repr(code) for code in allowed)})'


class WrittenCode(forms.CharField):
    """A form field for a code, which may also be typed in another way."""

    def __init__(self, *, read: Callable[[str], str], **kwargs):
        super().__init__(**kwargs)
        self.read = read

    def to_python(self, value):
        return self.read(super().to_python(value))


class ForeignCode(models.CharField):
    """A code of an external list (ISO, BCP 47). The API shows null if it is empty.

    `read` returns the code for a text as people write it, such as `USD` for `usd`. Forms and imports use it. The API takes codes only.
    """

    def __init__(self, *args, read: Callable[[str], str] | None = None, **kwargs):
        super().__init__(*args, **kwargs)
        self.read = read

    def formfield(self, **kwargs):
        return super().formfield(**({"form_class": WrittenCode, "read": self.read} if self.read else {}) | kwargs)
