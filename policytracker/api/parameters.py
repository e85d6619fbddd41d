"""Query parameters that every list and report shares."""

from __future__ import annotations

from datetime import UTC, date, datetime

from rest_framework import serializers
from rest_framework.request import Request

MAX_PAGE, COUNTED = 500, 10_000


def today() -> date:
    """Every today is the UTC day."""
    return datetime.now(UTC).date()


class InvalidParameter(serializers.ValidationError):
    """A query parameter that cannot be answered. Its body has no `_codes`: it is no field of a record."""

    in_body = False

    def __init__(self, name: str, sentence: str):
        super().__init__({name: [sentence]})


def only(request: Request, known: set[str]) -> None:
    """Raises BadParameter for the first parameter that the address does not know."""
    for name in request.query_params:
        if name not in known:
            raise InvalidParameter(name[:100], "There is no such parameter here.")


def single(request: Request, name: str, default: str = "") -> str:
    values = request.query_params.getlist(name)
    if len(values) > 1:
        raise InvalidParameter(name, "Give it once.")
    return values[0] if values else default


def page_size(request: Request) -> int:
    text = single(request, "page_size", "50")
    if not (text.isascii() and text.isdigit() and len(text) < 5 and 1 <= int(text) <= MAX_PAGE):
        raise InvalidParameter("page_size", f"Give a whole number from 1 to {MAX_PAGE}.")
    return int(text)
