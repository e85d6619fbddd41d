"""Query parameters shared by lists and reports."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any

from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.request import Request

from policytracker.api.filters import end_timestamp
from policytracker.history.as_of import as_of, moment_read
from policytracker.resources import today

MAX_PAGE, MAX_COUNT = 500, 10_000
AS_OF = "as_of"


class InvalidParameter(serializers.ValidationError):
    """An invalid query parameter, answered with 400. The body has no `_codes`, because a parameter is not a field of a record."""

    in_body = False

    def __init__(self, name: str, message: str):
        super().__init__({name: [message]})


def reject_unknown_parameters(request: Request, known: set[str]) -> None:
    """Raises InvalidParameter for the first query parameter that is not in `known`, except for `as_of` in a handler that reads it."""
    for name in request.query_params:
        if name not in known and not (name == AS_OF and moment_read.get()):
            raise InvalidParameter(name[:100], "Unknown parameter. Remove it or check the spelling.")


def single(request: Request, name: str, default: str = "") -> str:
    """The value of a parameter. Raises InvalidParameter if it is repeated."""
    values = request.query_params.getlist(name)
    if len(values) > 1:
        raise InvalidParameter(name, "May be given only once.")
    return values[0] if values else default


def reads_as_of(handler: Callable[..., Any]) -> Callable[..., Any]:
    """The handler of a GET request accepts the parameter `as_of`: it then reads the register of that time. Raises InvalidParameter."""

    @wraps(handler)
    def read(self, request: Request, *args, **kwargs):
        if AS_OF not in request.query_params:
            return handler(self, request, *args, **kwargs)
        with as_of(past_moment(single(request, AS_OF))):
            return handler(self, request, *args, **kwargs)

    read.reads_as_of = True  # type: ignore[attr-defined] # for the OpenAPI schema
    return read


def past_moment(text: str) -> datetime:
    """The moment of a parameter: a time with a time zone, or a date, which means its end in UTC. Raises InvalidParameter."""
    try:
        moment = end_timestamp(text)
    except ValueError as error:
        raise InvalidParameter(AS_OF, str(error)) from error
    if moment.date() > today():
        raise InvalidParameter(AS_OF, _("This date is in the future. Enter today or an earlier date."))
    return moment


def page_size(request: Request) -> int:
    """The value of `page_size`, 50 by default. Raises InvalidParameter."""
    text = single(request, "page_size", "50")
    if not (text.isascii() and text.isdigit() and len(text) < 5 and 1 <= int(text) <= MAX_PAGE):
        raise InvalidParameter("page_size", f"Enter a whole number from 1 to {MAX_PAGE}.")
    return int(text)
