"""Dates in common forms, read by one form field."""

import pytest
from django.core.exceptions import ValidationError

from policytracker.admin.forms import Day, PartialDate


@pytest.mark.parametrize(
    ("typed", "edtf"),
    [
        ("2022-10-22", "2022-10-22"),
        ("2022-10", "2022-10"),
        ("2022", "2022"),
        ("2022~", "2022~"),
        ("22 Oct 2022", "2022-10-22"),
        ("2 october 2022", "2022-10-02"),
        ("22nd October 2022", "2022-10-22"),
        ("October 22, 2022", "2022-10-22"),
        ("October 2022", "2022-10"),
        ("Sept 2022~", "2022-09~"),
        ("22.10.2022", "2022-10-22"),
        ("1.2.2022", "2022-02-01"),
        ("  22   Oct  2022 ", "2022-10-22"),
        ("", ""),
    ],
)
def test_a_date_is_read_in_common_forms(typed, edtf):
    assert PartialDate(required=False).clean(typed) == edtf


@pytest.mark.parametrize("typed", ["22/10/2022", "10/22/2022", "3/4/2022", "2022/10/22"])
def test_a_date_with_slashes_is_rejected_as_ambiguous(typed):
    with pytest.raises(ValidationError) as error:
        PartialDate().clean(typed)

    assert error.value.code == "ambiguous_date"


@pytest.mark.parametrize("typed", ["31 Feb 2022", "22 Foo 2022", "soon", "2022-13", "32.1.2022", "22 Oct", "Oct 22 Nov 2022", "x" * 10_000])
def test_what_is_no_date_is_rejected(typed):
    with pytest.raises(ValidationError) as error:
        PartialDate().clean(typed)

    assert error.value.code == "invalid_date"


def test_no_limit_of_the_browser_cuts_a_date_off():
    assert "maxlength" not in PartialDate(max_length=11).widget.attrs


def test_a_day_takes_the_same_forms_and_is_complete():
    assert str(Day().clean("22 Oct 2022")) == "2022-10-22"
    for typed, code in (("Oct 2022", "invalid"), ("10/22/2022", "ambiguous_date")):
        with pytest.raises(ValidationError) as error:
            Day().clean(typed)
        assert error.value.code == code
