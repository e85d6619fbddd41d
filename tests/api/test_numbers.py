"""A number of any size in a filter gets a result or a 400."""

import pytest
from django.db import models

from policytracker.api.urls import RESOURCES

NUMBERS = ["1E19999999", "-1E19999999", "1E-19999999", "0E19999999", "0E-19999999", "NaN", "sNaN", "Infinity", "9" * 500, "1" * 501]
FILTERS = [
    (address, f"{name}{form}")
    for address, view in RESOURCES.items()
    for name, question in view.filter_set().items()
    if question.schema["type"] in ("number", "integer") and "__" not in name
    for form in ("", "__not", "__from", "__to")
    if f"{name}{form}" in view.filter_set()
]


def test_every_decimal_field_accepts_all_its_values_as_filters():
    decimals = [
        (address, field.name)
        for address, view in RESOURCES.items()
        for field in view.serializer_class.Meta.model._meta.fields
        if isinstance(field, models.DecimalField)
    ]

    assert set(decimals) <= set(FILTERS)


@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_out_of_range_is_rejected(number, as_reader):
    for address, name in FILTERS:
        answer = as_reader.get(f"{address}/", {name: number})

        assert answer.status_code == 400, (address, name, number)
        assert list(answer.json()) == [name]
