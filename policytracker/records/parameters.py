"""Parameters for SQL statements that are compiled once and executed with different values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import Expression, IntegerField


class Parameter(Expression):
    """A placeholder for a value that each execution provides: the user, the date, the base URL."""

    def __init__(self, name: str, output_field=None, cast: str = ""):
        super().__init__(output_field=output_field or IntegerField())
        self.name, self.cast = name, cast

    def as_sql(self, compiler, connection):
        return f"%s{self.cast}", [self]


def bind_parameters(values: Iterable[Any], **bound: Any) -> list[Any]:
    """The values of a compiled statement, with each Parameter replaced by the value bound to its name."""
    return [bound[value.name] if isinstance(value, Parameter) else value for value in values]
