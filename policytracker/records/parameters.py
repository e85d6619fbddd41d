"""Parameters of SQL statements that are compiled once and run with new values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.db.models import Expression, IntegerField

if TYPE_CHECKING:
    pass


class Parameter(Expression):
    """A value that a compiled statement gets at each run: the user, the day, the address of this server."""

    def __init__(self, name: str, output_field=None, cast: str = ""):
        super().__init__(output_field=output_field or IntegerField())
        self.name, self.cast = name, cast

    def as_sql(self, compiler, connection):
        return f"%s{self.cast}", [self]


def bind_parameters(values: Iterable[Any], **slots: Any) -> list[Any]:
    """The values of a statement that is kept, with those that it gets at this run in their places."""
    return [slots[value.name] if isinstance(value, Parameter) else value for value in values]
