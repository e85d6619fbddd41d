"""Code lists: each code with its label and, where the field has one, its definition (DOMAIN C5)."""

from django.db import models


class Codes(models.TextChoices):
    """Members are written `CODE = "code", "definition", "Label"`, or `CODE = "code", "Label"`."""

    definition: str

    def __new__(cls, code: str, definition: str = ""):
        member = str.__new__(cls, code)
        member._value_ = code
        member.definition = definition
        return member


class CodeField(models.CharField):
    """One code of a list; the database refuses any other."""

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
