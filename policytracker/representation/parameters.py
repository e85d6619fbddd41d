"""Query parameters shared by lists and reports."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext as _
from rest_framework import serializers

from policytracker.sql.moment import moment_read

AS_OF = "as_of"


class InvalidParameter(serializers.ValidationError):
    """An invalid query parameter, answered with 400. The body has no `_codes`, because a parameter is not a field of a record."""

    in_body = False

    def __init__(self, name: str, message: str):
        super().__init__({name: [message]})


@contextmanager
def reported_as(name: str) -> Iterator[None]:
    """Raises InvalidParameter for this parameter instead of the ValueError of a parser."""
    try:
        yield
    except ValueError as error:
        raise InvalidParameter(name, str(error)) from error


def reject_unknown_parameters(parameters: MultiValueDict, known: set[str]) -> None:
    """Raises InvalidParameter for the first query parameter that is not in `known`, except for `as_of` in a handler that reads it."""
    for name in parameters:
        if name not in known and not (name == AS_OF and moment_read.get()):
            raise InvalidParameter(name[:100], _("Unknown parameter. Remove it or check the spelling."))


def single(parameters: MultiValueDict, name: str, default: str = "") -> str:
    """The value of a parameter. Raises InvalidParameter if it is repeated."""
    values = parameters.getlist(name)
    if len(values) > 1:
        raise InvalidParameter(name, _("May be given only once."))
    return values[0] if values else default
