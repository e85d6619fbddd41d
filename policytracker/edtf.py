"""Dates as sources give them: to the day, the month or the year, exact or about (EDTF level 0 and `~`).

The text is the fact. PostgreSQL derives its first and last possible day, for order, filters and deadlines.
"""

import re
from calendar import monthrange
from datetime import date, timedelta

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models

SHAPE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?~?", re.ASCII)
EXAMPLES = "Write a date as 2025-10-20, 2019-01 or 2023, with ~ behind it for “about”, or leave it empty."


def first_day(text: str) -> date | None:
    """The earliest day that the date can mean; None where it is unknown. Raises ValueError for what is no date."""
    if not text:
        return None
    if not (match := SHAPE.fullmatch(text)):
        raise ValueError(EXAMPLES)
    year, month, day = match.groups()
    return date(int(year), int(month or 1), int(day or 1))


def last_day(text: str) -> date | None:
    """The latest day that the date can mean: `2030` ends on 2030-12-31."""
    if (first := first_day(text)) is None:
        return None
    precision = text.rstrip("~").count("-")
    month = first.month if precision else 12
    return first if precision == 2 else date(first.year, month, monthrange(first.year, month)[1])


def is_before(one: str, other: str) -> bool:
    """Whether both are known and the first begins before the other does. What is no date is before nothing."""
    try:
        first, second = first_day(one), first_day(other)
    except ValueError:
        return False
    return first is not None and second is not None and first < second


# Python and PostgreSQL read it alike.
SPAN = r"^P(?=[0-9])([0-9]{1,4}Y)?([0-9]{1,4}M)?([0-9]{1,4}W)?([0-9]{1,4}D)?\Z"
NO_SPAN = "Write a duration as P6M, P180D or P1Y6M (ISO 8601)."
DURATION = RegexValidator(SPAN, NO_SPAN)


def after(day: date, duration: str) -> date:
    """So long after the day (ISO 8601: years, months, weeks, days); months end on their last day.

    Raises ValueError for what is no duration, or ends past the year 9999.
    """
    if not (match := re.match(SPAN, duration)):
        raise ValueError(NO_SPAN)
    years, months, weeks, days = (int(part[:-1]) if part else 0 for part in match.groups())
    year, month = divmod(day.year * 12 + day.month - 1 + years * 12 + months, 12)
    try:
        return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1])) + timedelta(weeks=weeks, days=days)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{duration} after {day} is past the calendar.") from error


def is_exact(text: str) -> bool:
    """Whether the date is known to the day."""
    return len(text) == 10


def validate(text: str) -> None:
    """Raises ValidationError, with examples, for what is not a date of the calendar in one of the forms."""
    try:
        first_day(text)
    except ValueError as error:
        raise ValidationError(EXAMPLES, code="invalid_date") from error


class EdtfField(models.CharField):
    """A date of mixed precision, kept as its source gives it; "" where it is unknown."""

    default_validators = [validate]

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **{"max_length": 11, "blank": True, "default": ""} | kwargs)

    def deconstruct(self):
        name, path, args, kwargs = super().deconstruct()
        return name, path, args, {k: v for k, v in kwargs.items() if k not in {"max_length", "blank", "default"}}

    def db_check(self, connection):
        return f"\"{self.column}\" ~ '^([0-9]{{4}}(-[0-9][0-9](-[0-9][0-9])?)?~?)?$'"


def _day(name: str, function: str) -> models.GeneratedField:
    return models.GeneratedField(
        expression=models.Func(models.F(name), function=function, output_field=models.DateField()),
        output_field=models.DateField(null=True),
        db_persist=True,
    )


def FirstDay(name: str) -> models.GeneratedField:  # noqa: N802 - reads as a field where it is used
    """The first possible day of the EDTF field `name`, kept by the database."""
    return _day(name, "edtf_first")


def LastDay(name: str) -> models.GeneratedField:  # noqa: N802
    """The last possible day of the EDTF field `name`, kept by the database."""
    return _day(name, "edtf_last")


# The first migration makes them, since columns are calculated by them. Migration 0002 redefines them so that dumps restore; keep this
# text as it is. Different results would not change the days already stored.
FUNCTIONS = """
CREATE FUNCTION edtf_first(edtf text) RETURNS date LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT make_date(nullif(substr(edtf, 1, 4), '')::int,
    coalesce(nullif(substr(rtrim(edtf, '~'), 6, 2), '')::int, 1), coalesce(nullif(substr(rtrim(edtf, '~'), 9, 2), '')::int, 1)) $$;

CREATE FUNCTION edtf_last(edtf text) RETURNS date LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT CASE length(rtrim(edtf, '~'))
    WHEN 4 THEN make_date(substr(edtf, 1, 4)::int, 12, 31)
    WHEN 7 THEN (edtf_first(edtf) + interval '1 month' - interval '1 day')::date
    ELSE edtf_first(edtf) END $$;
"""
