"""Parsing the values of query parameters: each parser raises ValueError with a message for the user."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from django.db import models
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from policytracker import edtf
from policytracker.codes import invalid_choice
from policytracker.representation.references import does_not_exist, find_id
from policytracker.resources import ReadContext

Parse = Callable[[str, ReadContext], Any]
MAX_LENGTH = 500  # characters


def check_length(value: str) -> None:
    """Raises ValueError for a value that is too long, or contains a NUL character."""
    if len(value) > MAX_LENGTH or "\0" in value:
        raise ValueError(_("Enter at most {max} characters, without NUL characters.").format(max=MAX_LENGTH))


def text(value: str, context: ReadContext) -> str:
    return value


def boolean(value: str, context: ReadContext) -> bool:
    if value not in ("true", "false"):
        raise ValueError(_("Enter true or false."))
    return value == "true"


def code(codes: Iterable[str]) -> Parse:
    known = list(codes)

    def parse(value: str, context: ReadContext) -> str:
        if value not in known:
            raise ValueError(invalid_choice(value, known))
        return value

    return parse


def iso_date(value: str, context: ReadContext) -> date:
    return edtf.parse_day(value)


def timestamp(value: str, context: ReadContext | None = None) -> datetime:
    message = _("Enter a time with a time zone, such as 2026-11-24T10:35:00Z, or a date, such as 2026-11-24.")
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII):
            return datetime.fromisoformat(value).replace(tzinfo=UTC)
        parsed = parse_datetime(value.replace(" ", "+"))  # an unescaped + in a URL is decoded as a space
        if parsed is not None and parsed.tzinfo is not None:
            return parsed.astimezone(UTC)
    except (ValueError, OverflowError) as error:  # the first and last days of the calendar cannot be converted to UTC
        raise ValueError(message) from error
    raise ValueError(message)


def end_timestamp(value: str, context: ReadContext | None = None) -> datetime:
    """The timestamp; for a date the end of that day."""
    parsed = timestamp(value)
    return parsed.replace(hour=23, minute=59, second=59, microsecond=999999) if len(value) == 10 else parsed


def integer_between(low: int, high: int) -> Parse:
    def parse(value: str, context: ReadContext) -> int:
        if not re.fullmatch(r"-?\d{1,18}", value, re.ASCII) or not low <= int(value) <= high:
            raise ValueError(_("Enter a whole number from {low} to {high}.").format(low=low, high=high))
        return int(value)

    return parse


def number(value: str, context: ReadContext) -> Decimal:
    try:
        parsed = Decimal(value)
    except InvalidOperation as error:
        raise ValueError(_("Enter a number.")) from error
    # Check the exponent instead of comparing, because arithmetic with a huge exponent overflows.
    if not parsed.is_finite() or not -100 <= parsed.adjusted() < 20:
        raise ValueError(_("Enter a number."))
    return parsed


def uid(value: str, context: ReadContext) -> UUID:
    try:
        return UUID(value)
    except ValueError as error:
        raise ValueError(_("Enter a UUID.")) from error


def partial_date(value: str, context: ReadContext) -> str:
    edtf.first_day(value)
    return value


def first_day(value: str, context: ReadContext) -> date | None:
    if not value:
        raise ValueError(edtf.EXAMPLES)
    return edtf.first_day(value)


def last_day(value: str, context: ReadContext) -> date | None:
    if not value:
        raise ValueError(edtf.EXAMPLES)
    return edtf.last_day(value)


class reference:  # noqa: N801 - used like the other parsers
    """Parse the key of a record, or the user name of a person, to its id. Records that the reader may not read do not exist."""

    def __init__(self, model: type[models.Model]):
        self.model = model

    def __call__(self, value: str, context: ReadContext) -> Any:
        pk = find_id(self.model, value, context.reader)
        if pk is None:
            raise ValueError(does_not_exist(self.model, value))
        return pk
