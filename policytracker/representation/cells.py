"""Fields as cells of a table: texts that no spreadsheet executes, and several values in one cell."""

from __future__ import annotations

from typing import Any

from django.db.models import Func, TextField, Value
from django.db.models.functions import Cast
from rest_framework import serializers

from policytracker.representation.json_sql import ComputedField, NestedRecords
from policytracker.representation.references import KeyField, KeyListField


class SafeText(Func):
    """A text that no spreadsheet executes: a `'` before = + - @ (also full-width), tab and CR, and before `'` and one of these.

    It is put where a cell begins: at the start, and after a semicolon, at which spreadsheets of many countries split a CSV file.
    """

    template = r"""regexp_replace(%(expressions)s, E'(^|;)(?=''*[-=+@\t\r\uFF1D\uFF0B\uFF0D\uFF20])', E'\\1''', 'g')"""
    output_field = TextField()


class JoinedTexts(Func):
    """The texts of an array, separated by semicolons. A semicolon inside a text is written as `\\;`."""

    template = r"""(SELECT string_agg(replace(part, ';', '\;'), '%(separator)s' ORDER BY number)
        FROM unnest(%(expressions)s::text[]) WITH ORDINALITY AS parts(part, number))"""
    output_field = TextField()

    def __init__(self, expression: Any, separator: str = ";"):
        super().__init__(expression, separator=separator)


def is_nested(field: serializers.Field) -> bool:
    """Whether the field is a list of records or of objects."""
    computed_list = isinstance(field, ComputedField) and field.schema.get("type") == "array"
    return isinstance(field, NestedRecords) or computed_list


def cell(field: serializers.Field, expression: Any) -> Any:
    """The expression of a cell: text that is safe in a spreadsheet; null for an unknown value."""
    reference = field.child_relation if isinstance(field, KeyListField) else field
    if isinstance(reference, KeyField) and isinstance(expression, Cast):  # people that the reader may not see
        return Cast(Value(None), TextField())
    if isinstance(field, KeyListField | serializers.ListField):
        return SafeText(JoinedTexts(expression))
    text = Cast(expression, TextField())
    return text if isinstance(field, serializers.DecimalField | serializers.IntegerField) else SafeText(text)
