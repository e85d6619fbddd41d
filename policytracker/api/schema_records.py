"""The OpenAPI schema of records, from their serializers and models."""

from __future__ import annotations

from typing import Any

from django.db import models
from drf_spectacular.extensions import OpenApiSerializerExtension, OpenApiSerializerFieldExtension
from rest_framework import serializers

from policytracker.records.context import MAX_REASON
from policytracker.records.models import Record
from policytracker.representation.filters import field_kind
from policytracker.representation.json_sql import ComputedField, unknown_when_blank
from policytracker.representation.references import KeyField, KeyListField

REFERENCE = {"type": "object", "description": "An expanded reference: key, title or name, and URL."}
# What the body of a write may contain besides the fields of the record.
VERSION = {"type": ["integer", "null"], "description": "The version that you read. The response is 412 if the record has changed."}
CHANGE_REASON = {
    "type": ["string", "null"],
    "maxLength": MAX_REASON,
    "description": "Reason for the change, stored in the history.",
}


class RecordSchema(OpenApiSerializerExtension):
    target_class = "policytracker.representation.serializers.RecordSerializer"
    match_subclasses = True

    def map_serializer(self, auto_schema, direction):
        model, properties = self.target.Meta.model, {}
        for name, shown in self.target.fields.items():
            if isinstance(shown, serializers.BaseSerializer):
                properties[name] = auto_schema._map_serializer_field(shown, direction)
            elif direction == "response" or not shown.read_only:
                properties[name] = field_schema(shown, model, direction)
        schema = {"type": "object", "description": (model.__doc__ or "").strip(), "properties": properties}
        if direction == "request":
            properties |= {"version": VERSION, "change_reason": CHANGE_REASON}
            required = [name for name, shown in self.target.fields.items() if shown.required and not shown.read_only]
            if required and not self.target.partial:
                schema["required"] = required
        return schema


class KeySchema(OpenApiSerializerFieldExtension):
    target_class = "policytracker.representation.serializers.KeyField"

    def map_serializer_field(self, auto_schema, direction):
        return {"type": "string", "description": f"The {self.target.key} of the {self.target.model._meta.verbose_name}."}


def nullable(schema: dict[str, Any]) -> dict[str, Any]:
    schema = dict(schema)
    if "enum" in schema:
        schema["enum"] = [*schema["enum"], None]
    schema["type"] = [schema["type"], "null"]
    return schema


def field_schema(shown: Any, model: type[models.Model], direction: str) -> dict[str, Any]:
    """The schema of a field of a record; `direction` is `request` or `response`."""
    if isinstance(shown, ComputedField):
        return dict(shown.schema)
    if isinstance(shown, KeyListField):
        item = field_schema(shown.child_relation, model, direction)
        return {"type": "array", "items": item, "description": _help_text(shown)}
    if isinstance(shown, KeyField):
        key = {"type": "string", "description": f"The {shown.key} of the {shown.model._meta.verbose_name}. {_help_text(shown)}".strip()}
        if direction == "response":
            expandable = issubclass(shown.model, Record)
            return {"anyOf": [key, REFERENCE, {"type": "null"}]} if expandable else nullable(key)
        return key if shown.required or isinstance(shown.parent, KeyListField) else nullable(key)
    if isinstance(shown, serializers.ListField):
        return {"type": "array", "items": {"type": "string", "maxLength": 200}, "description": _help_text(shown)}
    if isinstance(shown, serializers.FileField):
        return {"type": ["string", "null"], "format": "uri"} if direction == "response" else {"type": "string", "format": "binary"}
    field: Any = model._meta.get_field(shown.source)
    schema = _decimal(field) if isinstance(field, models.DecimalField) else dict(field_kind(field, shown.source).schema)
    if field.get_internal_type() == "DateTimeField":
        schema["format"] = "date-time"
    if isinstance(field, models.CharField | models.TextField) and field.max_length and "enum" not in schema:
        schema["maxLength"] = field.max_length
    if isinstance(field, models.SlugField):
        schema["pattern"] = "^[-a-zA-Z0-9_]+$"
    schema["description"] = _help_text(shown)
    has_null = field.null or unknown_when_blank(field)
    return nullable(schema) if has_null or (direction == "request" and not shown.required) else schema


def _decimal(field: models.DecimalField) -> dict[str, Any]:
    """Decimals are strings in JSON, which keeps all digits."""
    pattern = f"^-?[0-9]{{1,{field.max_digits - field.decimal_places}}}([.][0-9]{{1,{field.decimal_places}}})?$"
    return {"type": "string", "format": "decimal", "pattern": pattern}


def _help_text(shown: serializers.Field) -> str:
    return str(shown.help_text or "")
