"""Partial dates in EDTF notation: of day, month or year precision, exact or approximate (`~`).

The text is stored as entered. PostgreSQL derives its first and last possible day for sorting, filters and deadlines.
"""

import re
from calendar import monthrange
from datetime import date, timedelta

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

SHAPE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?~?", re.ASCII)
EXAMPLES = _("Enter a date such as 2025-10-20, 2019-01 or 2023. Add ~ for an approximate date. Leave empty if unknown.")


DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
NO_DAY = _("Enter a day that exists, as YYYY-MM-DD, such as 2025-10-20.")


def parse_day(text: str) -> date:
    """The day in a text such as `2025-10-20`. Raises ValueError."""
    try:
        if DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass  # a day that does not exist
    raise ValueError(str(NO_DAY))


def first_day(text: str) -> date | None:
    """The first possible day; None for an empty text. Raises ValueError for an invalid date."""
    if not text:
        return None
    if not (match := SHAPE.fullmatch(text)):
        raise ValueError(str(EXAMPLES))
    year, month, day = match.groups()
    try:
        return date(int(year), int(month or 1), int(day or 1))
    except ValueError as error:
        raise ValueError(str(EXAMPLES)) from error


def last_day(text: str) -> date | None:
    """The last possible day: 2030-12-31 for `2030`. None for an empty text. Raises ValueError for an invalid date."""
    if (first := first_day(text)) is None:
        return None
    precision = text.rstrip("~").count("-")
    month = first.month if precision else 12
    return first if precision == 2 else date(first.year, month, monthrange(first.year, month)[1])


def is_before(one: str, other: str) -> bool:
    """Whether both dates are valid and the first possible day of `one` is before that of `other`."""
    try:
        first, second = first_day(one), first_day(other)
    except ValueError:
        return False
    return first is not None and second is not None and first < second


def date_in_words(text: str) -> str:
    """The date as people read it: `about 2031` for `2031~`."""
    return _("about {date}").format(date=text[:-1]) if text.endswith("~") else text


def date_in_sentence(text: str) -> str:
    """The date for a sentence: `23 Dec 2026` for `2026-12-23`, `about Dec 2026` for `2026-12~`, `2026` for the year."""
    day, parts = first_day(text), text.rstrip("~").count("-")
    if day is None or not parts:
        return date_in_words(text)
    words = date_format(day, ["", "M Y", "j M Y"][parts])
    return _("about {date}").format(date=words) if text.endswith("~") else words


# The pattern has the same meaning in Python and PostgreSQL.
SPAN = r"^P(?=[0-9])([0-9]{1,4}Y)?([0-9]{1,4}M)?([0-9]{1,4}W)?([0-9]{1,4}D)?\Z"
NO_SPAN = _("Enter a duration such as P6M, P180D or P1Y6M (ISO 8601).")
DURATION = RegexValidator(SPAN, NO_SPAN)


NO_DURATION = _("Enter a duration such as 1 year, 6 months, 10 days or P6M (ISO 8601).")
SPOKEN = re.compile(r"(?:(\d{1,4}) years?)? ?(?:(\d{1,4}) months?)? ?(?:(\d{1,4}) weeks?)? ?(?:(\d{1,4}) days?)?", re.ASCII)


def parse_duration(text: str) -> str:
    """The duration in ISO 8601, from ISO 8601 or a form such as `1 year` or `1 year and 6 months`. Raises ValidationError."""
    if re.match(SPAN, text.upper()) or not text:
        return text.upper()
    match = SPOKEN.fullmatch(" ".join(text.lower().replace(",", " ").replace(" and ", " ").split()))
    if match is None or not any(match.groups()):
        raise ValidationError(NO_DURATION, code="invalid_duration")
    return "P" + "".join(f"{int(number)}{unit}" for number, unit in zip(match.groups(), "YMWD", strict=True) if number)


UNITS = [
    ngettext_lazy("%d year", "%d years"),
    ngettext_lazy("%d month", "%d months"),
    ngettext_lazy("%d week", "%d weeks"),
    ngettext_lazy("%d day", "%d days"),
]


def duration_in_words(duration: str) -> str:
    """A duration (ISO 8601) in a form that `parse_duration` reads, such as `1 year 6 months`; "" for none."""
    match = re.match(SPAN, duration)
    return " ".join(str(unit % int(part[:-1])) for unit, part in zip(UNITS, match.groups(), strict=True) if part) if match else ""


# For each unit: the least number of days that is given in it, and its own number of days
DISTANCES = list(zip(UNITS, [2 * 365.25, 60, 14, 0], [365.25, 365.25 / 12, 7, 1], strict=True))


def distance(day: date, today: date) -> str:
    """How far a day is from today, in a unit in which the number is small: `in 3 weeks`, `2 years ago`."""
    days = (day - today).days
    if abs(days) <= 1:
        return str({-1: _("yesterday"), 0: _("today"), 1: _("tomorrow")}[days])
    unit, length = next((unit, length) for unit, least, length in DISTANCES if abs(days) >= least)
    return (_("{period} ago") if days < 0 else _("in {period}")).format(period=unit % round(abs(days) / length))


def after(day: date, duration: str) -> date:
    """The date that is `duration` (ISO 8601: years, months, weeks, days) after `day`; 31 January plus P1M is the last of February.

    Raises ValueError for an invalid duration, or for a result after the year 9999.
    """
    if not (match := re.match(SPAN, duration)):
        raise ValueError(str(NO_SPAN))
    years, months, weeks, days = (int(part[:-1]) if part else 0 for part in match.groups())
    year, month = divmod(day.year * 12 + day.month - 1 + years * 12 + months, 12)
    try:
        return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1])) + timedelta(weeks=weeks, days=days)
    except (ValueError, OverflowError) as error:
        raise ValueError(_("{duration} after {day} is later than the year 9999.").format(duration=duration, day=day)) from error


def is_exact(text: str) -> bool:
    """Whether the date has day precision and is not approximate."""
    return len(text) == 10


def validate(text: str) -> None:
    """Raises ValidationError (invalid_date) for an invalid date."""
    try:
        first_day(text)
    except ValueError as error:
        raise ValidationError(EXAMPLES, code="invalid_date") from error


class EdtfField(models.CharField):
    """A field for a partial date; "" if unknown."""

    default_validators = [validate]

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **{"max_length": 11, "blank": True, "default": ""} | kwargs)

    def deconstruct(self):
        name, path, args, kwargs = super().deconstruct()
        return name, path, args, {k: v for k, v in kwargs.items() if k not in {"max_length", "blank", "default"}}

    def db_check(self, connection):
        return f"\"{self.column}\" ~ '^([0-9]{{4}}(-[0-9][0-9](-[0-9][0-9])?)?~?)?$'"


def latest(name: str) -> models.Func:
    """The last possible day of the EDTF field `name`, for a query on a partial date that has no column for it."""
    return _calculated(name, "edtf_last")


def _calculated(name: str, function: str) -> models.Func:
    return models.Func(models.F(name), function=function, output_field=models.DateField())


def _day(name: str, function: str) -> models.GeneratedField:
    return models.GeneratedField(expression=_calculated(name, function), output_field=models.DateField(null=True), db_persist=True)


def FirstDay(name: str) -> models.GeneratedField:  # noqa: N802 - used like a field class
    """A generated column with the first possible day of the EDTF field `name`."""
    return _day(name, "edtf_first")


def LastDay(name: str) -> models.GeneratedField:  # noqa: N802
    """A generated column with the last possible day of the EDTF field `name`."""
    return _day(name, "edtf_last")


# The first migration creates them for the generated columns, and migration 0002 redefines them so that dumps can be restored. Do not
# edit: a change would not recalculate stored columns.
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
