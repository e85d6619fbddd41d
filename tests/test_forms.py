"""Form fields for dates accept common notations."""

import pytest
from django.core.exceptions import ValidationError

from policytracker.admin.forms import Day, PartialDate


@pytest.mark.parametrize(
    ("value", "edtf"),
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
        ("22/10/2022", "2022-10-22"),
        ("10/22/2022", "2022-10-22"),
        ("1/1/2019", "2019-01-01"),
        ("18/06/1949", "1949-06-18"),
        ("2022/10/22", "2022-10-22"),
        ("13 mai 1998", "1998-05-13"),
        ("1.2.2022", "2022-02-01"),
        ("  22   Oct  2022 ", "2022-10-22"),
        ("", ""),
    ],
)
def test_common_notations_are_accepted(value, edtf):
    assert PartialDate(required=False).clean(value) == edtf


@pytest.mark.parametrize("value", ["3/4/2022", "10/11/2022", "3-4-2022", "13.5.49", "01/02/03"])
def test_a_date_with_several_meanings_is_rejected_as_ambiguous(value):
    with pytest.raises(ValidationError) as error:
        PartialDate().clean(value)

    assert error.value.code == "ambiguous_date"


@pytest.mark.parametrize("value", ["31 Feb 2022", "22 Foo 2022", "soon", "2022-13", "32.1.2022", "22 Oct", "Oct 22 Nov 2022", "x" * 10_000])
def test_a_value_that_is_not_a_date_is_rejected(value):
    with pytest.raises(ValidationError) as error:
        PartialDate().clean(value)

    assert error.value.code == "invalid_date"


def test_the_widget_has_no_maximum_length():
    assert "maxlength" not in PartialDate(max_length=11).widget.attrs


def test_a_full_date_accepts_the_same_notations_but_must_be_complete():
    assert str(Day().clean("22 Oct 2022")) == "2022-10-22"
    for value, code in (("Oct 2022", "invalid"), ("10/12/2022", "ambiguous_date")):
        with pytest.raises(ValidationError) as error:
            Day().clean(value)
        assert error.value.code == code
