"""The template filters of dates: `date_in_words` in tables, `in_sentence` in sentences, with the distance from today."""

from __future__ import annotations

from datetime import UTC, date

from django import template
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from policytracker import edtf
from policytracker.resources import today
from policytracker.sql.moment import moment_read

register = template.Library()
register.filter(edtf.date_in_words)

DAYS_OF_MONTH, DAYS_OF_YEAR = 365.25 / 12, 365.25


@register.filter
def in_sentence(value: date | str | None) -> str:
    """A date as a sentence has it, with how far it is from today: `23 Dec 2026, in 3 weeks`; a partial one as `Dec 2026` or `about 2027`.

    In the register of a past moment, today is the day of that moment. An empty value is an empty text.
    """
    if not value:
        return ""
    text = value.isoformat() if isinstance(value, date) else value
    shown = edtf.date_in_sentence(text)
    if len(text.removesuffix("~")) < len("2026-12-23"):
        return shown
    day, moment = date.fromisoformat(text.removesuffix("~")), moment_read.get()
    now = today() if moment is None else moment.astimezone(UTC).date()
    return _("{date}, {distance}").format(date=shown, distance=distance((day - now).days))


def distance(days: int) -> str:
    """How far a day is from today, in a unit in which the number is small. Below 0 it is in the past."""
    if abs(days) <= 1:
        return {-1: _("yesterday"), 0: _("today"), 1: _("tomorrow")}[days]
    length, past = abs(days), days < 0
    if length < 14:
        return number_of(length, past, ngettext("{number} day", "{number} days", length))
    if length < 60:
        weeks = round(length / 7)
        return number_of(weeks, past, ngettext("{number} week", "{number} weeks", weeks))
    if length < 2 * DAYS_OF_YEAR:
        months = round(length / DAYS_OF_MONTH)
        return number_of(months, past, ngettext("{number} month", "{number} months", months))
    years = round(length / DAYS_OF_YEAR)
    return number_of(years, past, ngettext("{number} year", "{number} years", years))


def number_of(number: int, past: bool, text: str) -> str:
    return (_("{period} ago") if past else _("in {period}")).format(period=text.format(number=number))
