"""The template filters of dates: `date_in_words` in tables, `in_sentence` in sentences, with the distance from today."""

from __future__ import annotations

from datetime import date

from django import template
from django.utils.translation import gettext as _

from policytracker import edtf
from policytracker.resources import today

register = template.Library()
register.filter(edtf.date_in_words)


@register.filter
def in_sentence(value: date | str | None) -> str:
    """A date as a sentence has it, with how far it is from today: `23 Dec 2026, in 3 weeks`; a partial one as `Dec 2026` or `about 2027`.

    In the register of a past moment, today is the day of that moment. An empty value is an empty text.
    """
    if not value:
        return ""
    text = value.isoformat() if isinstance(value, date) else value
    shown, exact = edtf.date_in_sentence(text), text.removesuffix("~")
    if not edtf.is_exact(exact):
        return shown
    return _("{date}, {distance}").format(date=shown, distance=edtf.distance(date.fromisoformat(exact), today()))
