"""A number of any size in a filter gets a result or a 400."""

import pytest
from django.db import models

from policytracker.representation.filters import resource_filters
from policytracker.resources import registry

NUMBERS = ["1E19999999", "-1E19999999", "1E-19999999", "0E19999999", "0E-19999999", "NaN", "sNaN", "Infinity", "9" * 500, "1" * 501]
FILTERS = [
    (resource.address, f"{name}{form}")
    for resource in registry.addressed
    for name, question in resource_filters(resource).items()
    if question.schema["type"] in ("number", "integer") and "__" not in name
    for form in ("", "__not", "__from", "__to")
    if f"{name}{form}" in resource_filters(resource)
]


def test_every_decimal_field_accepts_all_its_values_as_filters():
    decimals = [
        (resource.address, field.name)
        for resource in registry.addressed
        for field in resource.model._meta.fields
        if isinstance(field, models.DecimalField)
    ]

    assert set(decimals) <= set(FILTERS)


@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_out_of_range_is_rejected(number, as_reader):
    for address, name in FILTERS:
        answer = as_reader.get(f"{address}/", {name: number})

        assert answer.status_code == 400, (address, name, number)
        assert list(answer.json()) == [name]
