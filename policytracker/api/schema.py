"""The OpenAPI schema, generated from serializers, filters and views."""

from __future__ import annotations

from typing import Any

from django.db import models
from drf_spectacular.extensions import OpenApiAuthenticationExtension, OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from policytracker.api.filters import field_kind
from policytracker.api.json_sql import ComputedField, unknown_when_blank
from policytracker.api.serializers import KeyField, KeyListField, RecordSerializer
from policytracker.records.models import Record

ERROR = {
    "type": "object",
    "required": ["code", "detail"],
    "properties": {
        "code": {"type": "string", "description": "Stable code, for programs."},
        "detail": {"type": "string", "description": "Message, for people. May change."},
        "unmet": {
            "type": "array",
            "items": {"type": "object", "properties": {"code": {"type": "string"}, "detail": {"type": "string"}}},
            "description": "For a refused action: all unmet conditions.",
        },
        "current_version": {"type": "integer", "description": "For `stale`: the current version of the record."},
    },
}
INVALID = {
    "type": "object",
    "description": "Messages by field or parameter. For a list: under `errors`, by index and field.",
    "example": {"status": ["Only a binding or mixed agreement can be in force or provisionally applied."]},
}
REFERENCE = {"type": "object", "description": "An expanded reference: key, title or name, and URL."}
CHANGE = {
    "type": "object",
    "properties": {
        "uid": {"type": "string", "format": "uuid"},
        "at": {"type": "string", "format": "date-time"},
        "user": {"type": ["string", "null"]},
        "operation": {"enum": ["create", "update", "delete"]},
        "version": {"type": "integer"},
        "reason": {"type": "string"},
        "channel": {"type": "string"},
        "line": {"type": "string"},
        "changes": {"type": "object", "additionalProperties": {"type": "object", "properties": {"before": {}, "after": {}}}},
    },
}
REFUSALS = {
    "400": ("Invalid parameter or body.", "Invalid"),
    "401": ("Credentials are missing, wrong or expired.", "Error"),
    "403": ("Not permitted for your role.", "Error"),
    "404": ("The record does not exist, or you may not read it.", "Error"),
    "405": ("Method not allowed.", "Error"),
    "406": ("JSON responses only.", "Error"),
    "409": ("Not allowed in the current state of the record.", "Error"),
    "412": ("The record has changed since you read it.", "Error"),
    "415": ("JSON bodies only.", "Error"),
    "422": ("The Idempotency-Key was used with a different body.", "Error"),
    "428": ("`If-Match` with the version that you read is required.", "Error"),
    "503": ("The database is unavailable or timed out. Try again.", "Error"),
}
READ = ["400", "401", "403", "406", "503"]
WRITE = [*READ, "409", "415", "428"]
HEADERS = {
    "X-Change-Reason": "Reason for the change, stored in the history. Percent-encode non-ASCII characters (UTF-8).",
    "If-Match": "The ETag of the version that you read. The response is 412 if the record has changed.",
    "Idempotency-Key": "Repeating a request with the same key and body within 24 hours returns the first response.",
}


def with_components(result: dict[str, Any], **kwargs) -> dict[str, Any]:
    """Add the components that operations refer to (`POSTPROCESSING_HOOKS`)."""
    result["components"]["schemas"] |= {"Error": ERROR, "Invalid": INVALID, "Change": CHANGE}
    result["components"]["responses"] = {
        f"Refused{code}": {"description": about, "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{shape}"}}}}
        for code, (about, shape) in REFUSALS.items()
    }
    return result


def refusals(codes: list[str]) -> dict[str, Any]:
    return {code: {"$ref": f"#/components/responses/Refused{code}"} for code in codes}


ON = OpenApiParameter("on", {"type": "string", "format": "date"}, description="Date of the values; today by default.")
PAGE = [
    OpenApiParameter("page_size", {"type": "integer", "minimum": 1, "maximum": 500, "default": 50}, description="Results per page."),
    OpenApiParameter("cursor", {"type": "string"}, description="Taken from `next` or `previous` of a response."),
]


def shape(**properties: Any) -> dict[str, Any]:
    """The schema of an object with these required properties."""
    return {"type": "object", "required": list(properties), "properties": properties}


def envelope(item: dict[str, Any]) -> dict[str, Any]:
    """The schema of a paginated list."""
    link = {"type": ["string", "null"], "format": "uri"}
    return {
        "type": "object",
        "required": ["count", "next", "previous", "results"],
        "properties": {
            "count": {"type": "integer"},
            "count_is_exact": {"type": "boolean", "description": "Present, and false, only if there are more results than `count`."},
            "next": link,
            "previous": link,
            "results": {"type": "array", "items": item},
        },
    }


def responses_by_media_type(schemas: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """A response with one schema per media type."""
    return {"description": "", "content": {media_type: {"schema": schema} for media_type, schema in schemas.items()}}


def nullable(schema: dict[str, Any]) -> dict[str, Any]:
    schema = dict(schema)
    if "enum" in schema:
        schema["enum"] = [*schema["enum"], None]
    schema["type"] = [schema["type"], "null"]
    return schema


def field_schema(shown: serializers.Field, model: type[models.Model], direction: str) -> dict[str, Any]:
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
    field = model._meta.get_field(shown.source)
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


class KeySchema(OpenApiSerializerFieldExtension):
    target_class = "policytracker.api.serializers.KeyField"

    def map_serializer_field(self, auto_schema, direction):
        return {"type": "string", "description": f"The {self.target.key} of the {self.target.model._meta.verbose_name}."}


class TokenSchema(OpenApiAuthenticationExtension):
    target_class = "policytracker.api.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema):
        return {"type": "http", "scheme": "bearer"}


class SessionSchema(OpenApiAuthenticationExtension):
    target_class = "policytracker.api.authentication.SessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema):
        return {"type": "apiKey", "in": "cookie", "name": "sessionid"}


class RecordSchema(AutoSchema):
    """One operation. For bodies and responses that are not records, a view sets `request_serializers = {action: serializer}` and
    `response_schemas = {action: {status: schema}}`.
    """

    @property
    def action(self) -> str:
        return getattr(self.view, "action", "") or self.method.lower()

    @property
    def is_record(self) -> bool:
        return hasattr(self.view, "filter_set")

    def get_operation_id(self):
        # Actions on a list have the same path name as the action on one record.
        return super().get_operation_id() + ("_many" if self.action.endswith("_list") else "")

    def get_description(self):
        about_view = "" if self.is_record else self.view.__doc__
        return (getattr(self.view, self.action, None).__doc__ or about_view or "").strip()

    def get_summary(self):
        if not self.is_record:
            return None
        name = self.view.model._meta.verbose_name
        verbs = {
            "list": "List and filter",
            "retrieve": "Read",
            "create": "Create",
            "update": "Replace",
            "partial_update": "Update",
            "update_list": "Update several",
            "destroy": "Delete",
        }
        return f"{verbs[self.action]}: {name}" if self.action in verbs else f"{self.action.replace('_', ' ').capitalize()}: {name}"

    def _map_serializer(self, serializer, direction, bypass_extensions=False):
        instance = serializer() if isinstance(serializer, type) else serializer
        if not isinstance(instance, RecordSerializer):
            schema = super()._map_serializer(serializer, direction, bypass_extensions)
            return schema | ({"example": instance.example} if getattr(instance, "example", None) else {})
        model, properties = instance.Meta.model, {}
        for name, shown in instance.fields.items():
            if isinstance(shown, serializers.ListSerializer):
                properties[name] = {"type": "array", "items": self._map_serializer(shown.child, direction)}
            elif direction == "response" or not shown.read_only:
                properties[name] = field_schema(shown, model, direction)
        schema = {"type": "object", "description": (model.__doc__ or "").strip(), "properties": properties}
        if direction == "request":
            properties["version"] = {
                "type": ["integer", "null"],
                "description": "The version that you read. The response is 412 if the record has changed.",
            }
            properties["change_reason"] = {
                "type": ["string", "null"],
                "maxLength": 2000,
                "description": "Reason for the change, stored in the history.",
            }
            required = [name for name, shown in instance.fields.items() if shown.required and not shown.read_only]
            if required and not instance.partial:
                schema["required"] = required
            if instance.example:
                schema["example"] = instance.example
        return schema

    def _get_parameters(self):
        parameters = super()._get_parameters()
        if self.action in ("list", "history"):
            parameters += [
                _query("page_size", {"type": "integer", "minimum": 1, "maximum": 500, "default": 50}, "Results per page."),
                _query("cursor", {"type": "string"}, "Taken from `next` or `previous` of a response."),
            ]
        if self.is_record and self.action in ("list", "retrieve", "create", "update", "partial_update", "update_list"):
            parameters += [
                _query("expand", {"type": "string"}, "References to expand with title and URL, separated by commas."),
                _query("fields", {"type": "string"}, "Return only these fields, in this order, separated by commas."),
                _query("omit", {"type": "string"}, "Omit these fields, separated by commas."),
            ]
        if self.is_record and self.action == "retrieve" and (on := self.view.filter_set().get("on")):
            parameters.append(_query("on", on.schema, on.help))
        if self.is_record and self.action == "list":
            names = ", ".join(self.view.orders())
            parameters.append(
                _query(
                    "ordering",
                    {"type": "string"},
                    f"Fields separated by commas, `-` for descending. Empty values come last. Fields: {names}.",
                )
            )
            for name, filter in self.view.filter_set().items():
                schema = {"type": "array", "items": filter.schema} if filter.many else filter.schema
                parameters.append(_query(name, schema, filter.help))
        if self.is_record and self.method not in ("GET", "HEAD"):
            for name in ["X-Change-Reason", "Idempotency-Key" if self.method == "POST" else "If-Match"]:
                limit = (
                    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"}
                    if name == "Idempotency-Key"
                    else {"type": "string"}
                )
                parameters.append({"name": name, "in": "header", "schema": limit, "description": HEADERS[name]})
        return parameters

    def get_request_serializer(self):
        return getattr(self.view, "request_serializers", {}).get(self.action) or super().get_request_serializer()

    def _get_request_body(self, direction="request"):
        body = super()._get_request_body(direction)
        if body and self.is_record and self.action == "create":
            for media in body["content"].values():
                record = media["schema"]
                media["schema"] = {"oneOf": [record, {"type": "array", "items": record, "maxItems": 500}]}
        if body and self.action.endswith("_list"):
            for media in body["content"].values():
                if self.action == "update_list":
                    media["schema"] = {"type": "array", "items": media["schema"]}
                if media["schema"].get("type") == "array":
                    media["schema"]["maxItems"] = 500
        return body

    def _get_response_bodies(self, direction="response"):
        if schemas := getattr(self.view, "response_schemas", {}).get(self.action):
            bodies = {code: schema if "content" in schema else _json(schema) for code, schema in schemas.items()}
        elif self.is_record and self.method == "DELETE":
            bodies = {"204": {"description": "Deleted."}}
        elif self.action == "file":
            bodies = {"200": _content("application/octet-stream", {"type": "string", "format": "binary"})}
        elif self.action == "history":
            bodies = {"200": _json(envelope({"$ref": "#/components/schemas/Change"}))}
        elif self.is_record:
            record = self.resolve_serializer(self.view.serializer_class(), "response").ref
            records = {"type": "array", "items": record}
            shape = {"list": envelope(record), "create": {"oneOf": [record, records]}, "update_list": records}.get(self.action, record)
            bodies = {"201" if self.action == "create" else "200": _json(shape)}
        else:
            bodies = super()._get_response_bodies(direction)
        codes = [*(READ if self.method == "GET" else WRITE), *(["404"] if "{" in self.path else [])]
        if "{" in self.path and self.method != "GET":
            codes.append("412")
        if self.method == "POST":
            codes.append("422")
        return bodies | refusals(sorted(codes))


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return _content("application/json", schema)


def _content(media_type: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": "", "content": {media_type: {"schema": schema}}}


def _query(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    parameter = {"name": name, "in": "query", "schema": schema, "description": description}
    return parameter | ({"style": "form", "explode": True} if schema.get("type") == "array" else {})
