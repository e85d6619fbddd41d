"""Code lists: each code with its label and, where the field has one, its definition (DOMAIN C5)."""

from collections.abc import Iterable

from django.core.exceptions import ValidationError
from django.db import models


class Codes(models.TextChoices):
    """Members are written `CODE = "code", "definition", "Label"`, or `CODE = "code", "Label"`."""

    definition: str

    def __new__(cls, code: str, definition: str = ""):
        member = str.__new__(cls, code)
        member._value_ = code
        member.definition = definition
        return member


def invalid_choice(value: object, codes: Iterable[str]) -> str:
    """The message for a value that is not in its code list."""
    return f"“{str(value)[:100]}” is not one of: {', '.join(codes)}."


class CodeField(models.CharField):
    """One code of a list; the database refuses any other."""

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

    def db_check(self, connection):
        allowed = [code for code, _ in self.choices or ()] + ([""] if self.blank else [])
        return f'"{self.column}" IN ({", ".join(repr(code) for code in allowed)})'


class ForeignCode(models.CharField):
    """A code of a list that others keep (ISO, BCP 47): null outside where it is unknown."""
