"""Dates in common forms: one meaning is read, several are refused, and an order is used only where it decides."""

import re
from datetime import date

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from policytracker.date_forms import ORDERS, parse

days = st.dates(date(1800, 1, 1), date(2199, 12, 31))
separators = st.sampled_from("/-")
orders = st.sampled_from(["", *ORDERS])
FRENCH = ["janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre"]
GERMAN = ["Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November", "Dezember"]
SPANISH = ["enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre", "noviembre", "diciembre"]
ENGLISH = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"]


def refusal(text: str, order: str = "") -> str:
    with pytest.raises(ValidationError) as error:
        parse(text, order)
    return error.value.code


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("18/06/1949", "1949-06-18"), ("06/18/1949", "1949-06-18"), ("13-05-1998", "1998-05-13"), ("19980513", "1998-05-13"),
        ("13 mai 1998", "1998-05-13"), ("13. Mai 1998", "1998-05-13"), ("13-May-1998", "1998-05-13"), ("1998/05/13", "1998-05-13"),
        ("13.5.98", "1998-05-13"), ("1/1/2019", "2019-01-01"), ("1er janvier 2020", "2020-01-01"), ("13 de mayo de 1998", "1998-05-13"),
        ("1998 May 13", "1998-05-13"), ("05/1998", "1998-05"), ("août 1998~", "1998-08~"), ("13-May-98", "1998-05-13"),
        ("1998.05.13", "1998-05-13"), ("1998-5-3", "1998-05-03"), ("10.11.2022", "2022-11-10"),
    ],
)  # fmt: skip
def test_a_date_with_one_meaning_is_read(written, meant):
    assert {parse(written, order) for order in ("", "day first", "year first")} == {meant}


@pytest.mark.parametrize(
    ("written", "day_first", "month_first"),
    [("03/04/2019", "2019-04-03", "2019-03-04"), ("3-4-1998", "1998-04-03", "1998-03-04"), ("01/02/75", "1975-02-01", "1975-01-02")],
)
def test_the_order_decides_where_day_and_month_can_be_exchanged(written, day_first, month_first):
    assert refusal(written) == "ambiguous_date"
    assert (parse(written, "day first"), parse(written, "month first")) == (day_first, month_first)


def test_two_digits_of_a_year_can_also_be_in_front():
    assert (parse("29.2.24"), parse("29.2.24", "year first")) == ("2024-02-29", "2029-02-24")


def test_three_pairs_of_figures_have_three_orders():
    assert [parse("01/02/03", order) for order in ORDERS] == ["2003-02-01", "2003-01-02", "2001-02-03"]
    assert refusal("01/02/03") == "ambiguous_date"


@pytest.mark.parametrize("written", ["13.5.49", "13/05/49", "13-May-30", "13.5.69"])
def test_a_year_of_two_digits_without_a_certain_century_is_refused(written):
    for order in ("", *ORDERS):
        assert refusal(written, order) == "ambiguous_date"


@pytest.mark.parametrize(
    "written",
    ["31/02/2019", "13/13/2019", "19981313", "2010/11", "1998/13/05", "5/1/2/2019", "13 maj 1998", "13 May", "May May 1998", "١٣/٠٥/١٩٩٨",
     "0/1/2019", "13/05/998", "1" * 100_000, "/" * 100_000, "13 May 13 1998", ""],
)  # fmt: skip
def test_a_text_that_is_no_date_is_refused_or_stays_empty(written):
    if written:
        assert refusal(written) == "invalid_date"
    else:
        assert parse("") == ""


@given(days, separators, orders)
def test_figures_are_read_as_the_day_or_refused(day, separator, order):
    written = separator.join([str(day.day), str(day.month), str(day.year)])

    if day.day > 12 or day.day == day.month or order == "day first":
        assert parse(written, order) == day.isoformat()
    elif order == "month first":
        assert parse(written, order) == date(day.year, day.day, day.month).isoformat()
    else:
        assert refusal(written, order) == "ambiguous_date"


@given(days, orders)
def test_a_year_with_four_digits_in_front_has_one_meaning(day, order):
    for form in ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d"):
        assert parse(day.strftime(form), order) == day.isoformat()


@given(days, orders, st.sampled_from([ENGLISH, FRENCH, GERMAN, SPANISH]), st.sampled_from([" ", "-", ". ", " de "]))
def test_the_names_of_months_are_read_in_four_languages(day, order, names, separator):
    assert parse(f"{day.day}{separator}{names[day.month - 1]}{separator}{day.year}", order) == day.isoformat()
    assert parse(f"{names[day.month - 1]} {day.year}", order) == day.isoformat()[:7]


@given(st.text(max_size=30) | st.text(st.sampled_from("0123456789/.- ~mai"), max_size=14), orders)
def test_any_text_is_a_partial_date_or_refused(text, order):
    try:
        result = parse(text, order)
    except ValidationError as error:
        assert error.code in ("invalid_date", "ambiguous_date")
    else:
        assert re.fullmatch(r"([0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?~?)?", result)
