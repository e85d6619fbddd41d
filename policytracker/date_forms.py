"""Dates as people and other registers write them: `22 Oct 2022`, `13. Mai 1998`, `18/06/1949`, `19980513`.

A date is read only if its parts have one meaning. Where day and month can be exchanged, the order must be given.
"""

from __future__ import annotations

import re
import unicodedata
from contextlib import suppress
from datetime import date

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from policytracker.edtf import first_day

DAY_FIRST, MONTH_FIRST, YEAR_FIRST = ORDERS = ("day first", "month first", "year first")
MONTHS_BY_LANGUAGE = {  # without accents
    "en": "january february march april may june july august september october november december",
    "fr": "janvier fevrier mars avril mai juin juillet aout septembre octobre novembre decembre",
    "de": "januar februar marz april mai juni juli august september oktober november dezember",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
}
SHORT_MONTHS = {
    "en": "jan feb mar apr may jun jul aug sep oct nov dec",
    "fr": "janv fevr mars avr mai juin juil aout sept oct nov dec",
    "de": "jan feb mrz apr mai jun jul aug sep okt nov dez",
    "es": "ene feb mar abr may jun jul ago sept oct nov dic",
}
MONTHS = {
    name: number for names in (MONTHS_BY_LANGUAGE, SHORT_MONTHS) for line in names.values() for number, name in enumerate(line.split(), 1)
}
MONTHS |= {name[:4]: MONTHS[name] for name in MONTHS_BY_LANGUAGE["en"].split() if len(name) > 4}
MAX_LENGTH = 60  # characters; no date is longer
SHOWN = 40  # characters of a date in a message

BASIC = re.compile(r"(\d{4})(\d\d)(\d\d)", re.ASCII)  # 19980513, ISO 8601
IN_FIGURES = re.compile(r"(\d{1,4})([./-])(\d{1,2})\2(\d{1,4})", re.ASCII)
MONTH_AND_YEAR = re.compile(r"(\d{1,2})[./-](\d{4})", re.ASCII)  # 05/1998; not 2010/11, which can be a pair of years
ORDINAL = re.compile(r"\b(\d{1,2})(?:st|nd|rd|th|er)\b", re.ASCII)
BETWEEN = re.compile(r"[\s,./-]+")
FILLERS = {"of", "de", "del", "the"}  # 13 de mayo de 1998

AMBIGUOUS = _("Day and month are ambiguous in %(date)s. Enter the date as 2022-10-22 or 22 Oct 2022.")
TWO_DIGITS = _("The century is ambiguous in %(date)s. Enter the year with four digits.")
NO_DATE = _("Enter a date as 2022-10-22, 22 Oct 2022, October 2022 or 2022. Add ~ for an approximate date.")


class Unclear(Exception):
    """A date has several meanings. The argument is the message."""


def parse(text: str, order: str = "") -> str:
    """The date in EDTF, from EDTF or a common form. `order` is one of ORDERS, for dates in which day and month can be exchanged.

    Raises ValidationError: `ambiguous_date` if the parts have several meanings, `invalid_date` if they have none.
    """
    approximate = "~" if text.endswith("~") else ""
    bare = text.removesuffix("~").strip()
    try:
        written = meaning(bare, order) if len(bare) <= MAX_LENGTH else None
    except Unclear as error:
        raise ValidationError(error.args[0], code="ambiguous_date", params={"date": text[:SHOWN]}) from error
    try:
        result = (bare if written is None else written) + approximate
        first_day(result)
    except ValueError as error:
        raise ValidationError(NO_DATE, code="invalid_date") from error
    return result


def meaning(text: str, order: str) -> str | None:
    """The date of a common form in EDTF; None for any other text. Raises Unclear."""
    plain = "".join(char for char in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(char))
    if match := BASIC.fullmatch(plain):
        return "-".join(match.groups())
    if match := MONTH_AND_YEAR.fullmatch(plain):
        return f"{match[2]}-{match[1]:0>2}"
    if match := IN_FIGURES.fullmatch(plain):
        first, separator, second, third = match.groups()
        return from_numbers(first, second, third, separator, order)
    return from_words([part for part in BETWEEN.split(ORDINAL.sub(r"\1", plain)) if part and part not in FILLERS])


def from_words(parts: list[str]) -> str | None:
    """The date with the name of a month: `22 october 2022`, `october 22 2022`, `2022 october 22`, `oct 2022`."""
    months = [index for index, part in enumerate(parts) if part in MONTHS]
    if len(months) != 1 or len(parts) not in (2, 3) or months[0] > 1:
        return None
    month = MONTHS[parts[months[0]]]
    others = [part for index, part in enumerate(parts) if index != months[0]]
    if not all(re.fullmatch(r"\d{1,4}", part, re.ASCII) for part in others):
        return None
    if len(others) == 1:
        return f"{others[0]}-{month:02}" if months[0] == 0 and len(others[0]) == 4 else None
    day, written_year = reversed(others) if months[0] == 1 and len(others[0]) == 4 else others
    if len(day) > 2 or len(written_year) not in (2, 4):
        return None
    return f"{year_of(written_year):04}-{month:02}-{day:0>2}"


def from_numbers(first: str, second: str, third: str, separator: str, order: str) -> str | None:
    """The date of three numbers with two separators. Raises Unclear."""
    found = readings(first, second, third, separator, order)
    days = set(found.values())
    if len(days) > 1 and order not in found:
        raise Unclear(AMBIGUOUS)
    if not days:
        return None
    day = found[order] if len(days) > 1 else days.pop()
    if day is None:
        raise Unclear(TWO_DIGITS)
    return day.isoformat()


def readings(first: str, second: str, third: str, separator: str, order: str) -> dict[str, date | None]:
    """The days that three numbers can mean, by the order of their parts; None if the century of the day is ambiguous.

    Between dots the day is first, unless the order says otherwise.
    """
    orders = {DAY_FIRST: (third, second, first), MONTH_FIRST: (third, first, second), YEAR_FIRST: (first, second, third)}
    if separator == "." and len(first) < 3:
        orders = {name: parts for name, parts in orders.items() if name in (DAY_FIRST, order)}
    found: dict[str, date | None] = {}
    for name, (year, month, day) in orders.items():
        if len(year) in (2, 4) and len(month) <= 2 and len(day) <= 2:
            with suppress(ValueError):
                date(int(year) if len(year) == 4 else 2000, int(month), int(day))  # 2000 is a leap year
                found[name] = None
                with suppress(Unclear):
                    found[name] = date(year_of(year), int(month), int(day))
    return found


def year_of(digits: str) -> int:
    """The year. Two digits have one only where all programs agree: 70 to 99 are 1970 to 1999, 00 to 29 are 2000 to 2029.

    30 to 69 are years of this century for POSIX, and of the last one for spreadsheets. Raises Unclear for them.
    """
    number = int(digits)
    if len(digits) > 2:
        return number
    if 30 <= number <= 69:
        raise Unclear(TWO_DIGITS)
    return number + (1900 if number >= 70 else 2000)
