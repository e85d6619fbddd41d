"""Records with more fields than a function of PostgreSQL has arguments."""

import json

import pytest
from django.db.models import F, TextField, Value
from django.db.models.functions import Cast

from agreements.models import Sector
from policytracker.records.access import Reader, Role
from policytracker.representation import json_sql
from policytracker.representation.json_sql import ComputedField, JsonObject
from policytracker.representation.serializers import RecordSerializer
from policytracker.resources import ReadContext

HARD = 'a "quote", a {brace}, an ü and 100 %, a \\ and \''


class WideSerializer(RecordSerializer):
    """A sector with 120 more fields. Those at the border of two parts are objects, which end in braces."""

    class Meta:
        model = Sector
        fields = ["name", *(f"field_{number:03}" for number in range(120))]

    for number in range(120):
        locals()[f"field_{number:03}"] = ComputedField(
            lambda reader, number=number: (
                JsonObject({"inner": JsonObject({"text": Value(HARD, TextField())})}) if number % 5 else Value(number)
            )
        )


@pytest.mark.parametrize("number", [0, 1, 49, 50, 51, 100, 101, 149])
def test_an_object_has_any_number_of_fields(number, db):
    sector = Sector.objects.create(code="space", name=HARD)

    (text,) = Sector.objects.filter(pk=sector.pk).values_list(
        Cast(JsonObject({f"n{i}": F("name") for i in range(number)}), TextField()), flat=True
    )

    assert text == (json.dumps({f"n{i}": HARD for i in range(number)}, ensure_ascii=False).replace('": "', '" : "') if number else "{}")


def test_a_record_with_more_than_fifty_fields_is_read(db):
    Sector.objects.create(code="space", name=HARD)
    context = ReadContext.of(Reader(frozenset({Role.ADMINISTRATOR}), 1))
    representation = json_sql.Representation(WideSerializer, context.reader.roles)

    text, _version = json_sql.read_one(representation, "space", context)

    record = json.loads(text)
    assert list(record) == ["code", "url", "version", "created_at", "updated_at", "name", *(f"field_{n:03}" for n in range(120))]
    assert record["name"] == HARD
    assert [record[f"field_{n:03}"] for n in range(120)] == [{"inner": {"text": HARD}} if n % 5 else n for n in range(120)]
