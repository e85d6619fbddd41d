"""Query parameters shared by lists and reports."""

from __future__ import annotations

from rest_framework import serializers
from rest_framework.request import Request

MAX_PAGE, MAX_COUNT = 500, 10_000


class InvalidParameter(serializers.ValidationError):
    """An invalid query parameter, answered with 400. The body has no `_codes`, because a parameter is not a field of a record."""

    in_body = False

    def __init__(self, name: str, message: str):
        super().__init__({name: [message]})


def reject_unknown_parameters(request: Request, known: set[str]) -> None:
    """Raises InvalidParameter for the first query parameter that is not in `known`."""
    for name in request.query_params:
        if name not in known:
            raise InvalidParameter(name[:100], "Unknown parameter. Remove it or check the spelling.")


def single(request: Request, name: str, default: str = "") -> str:
    """The value of a parameter. Raises InvalidParameter if it is repeated."""
    values = request.query_params.getlist(name)
    if len(values) > 1:
        raise InvalidParameter(name, "May be given only once.")
    return values[0] if values else default


def page_size(request: Request) -> int:
    """The value of `page_size`, 50 by default. Raises InvalidParameter."""
    text = single(request, "page_size", "50")
    if not (text.isascii() and text.isdigit() and len(text) < 5 and 1 <= int(text) <= MAX_PAGE):
        raise InvalidParameter("page_size", f"Enter a whole number from 1 to {MAX_PAGE}.")
    return int(text)
