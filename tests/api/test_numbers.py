"""A number of any size in a filter is an answer or a 400."""

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


def test_every_decimal_of_a_model_can_be_asked_for():
    decimals = [
        (address, field.name)
        for address, view in RESOURCES.items()
        for field in view.serializer_class.Meta.model._meta.fields
        if isinstance(field, models.DecimalField)
    ]

    assert set(decimals) <= set(FILTERS)


@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_that_is_too_large_or_small_is_refused(number, as_reader):
    for address, name in FILTERS:
        answer = as_reader.get(f"{address}/", {name: number})

        assert answer.status_code == 400, (address, name, number)
        assert list(answer.json()) == [name]
