"""OpenAPI from the same declarations: what each resource shows, takes, answers and refuses."""

from __future__ import annotations

from typing import Any

from django.db import models
from drf_spectacular.extensions import OpenApiAuthenticationExtension, OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from policytracker.api.filters import kind
from policytracker.api.json_sql import ComputedField, unknown_when_blank
from policytracker.api.serializers import KeyField, KeyListField, RecordSerializer
from policytracker.records.models import Record

ERROR = {
    "type": "object",
    "required": ["code", "detail"],
    "properties": {
        "code": {"type": "string", "description": "Stable, for programs."},
        "detail": {"type": "string", "description": "A sentence, for people."},
        "unmet": {
            "type": "array",
            "items": {"type": "object", "properties": {"code": {"type": "string"}, "detail": {"type": "string"}}},
            "description": "Of a refused move: everything that is not met, at once.",
        },
        "current_version": {"type": "integer", "description": "Of a stale write."},
    },
}
INVALID = {
    "type": "object",
    "description": "By field or parameter, what is wrong with it; of a list under `errors`, by index and field.",
    "example": {"status": ["Only a binding or mixed text can be in force or provisionally applied."]},
}
REFERENCE = {"type": "object", "description": "An expanded reference: its key, its title or name, and its address."}
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
    "400": ("Wrong parameter or body.", "Invalid"),
    "401": ("Credentials are missing, wrong or expired.", "Error"),
    "403": ("Not for this role.", "Error"),
    "404": ("There is no such record for you.", "Error"),
    "405": ("Not here.", "Error"),
    "406": ("Only JSON is spoken.", "Error"),
    "409": ("The record's state forbids it.", "Error"),
    "412": ("This record has changed since you read it.", "Error"),
    "415": ("Only JSON is read.", "Error"),
    "422": ("The Idempotency-Key was used for another body.", "Error"),
    "428": ("The version that was read must be named.", "Error"),
    "503": ("The database cannot be reached, or takes too long.", "Error"),
}
READ = ["400", "401", "403", "406", "503"]
WRITE = [*READ, "409", "415", "428"]
HEADERS = {
    "X-Change-Reason": "Why, for the history; may be percent-encoded UTF-8.",
    "If-Match": "The ETag of the version that was read; another one is 412.",
    "Idempotency-Key": "The same key and body within 24 hours give the first answer again.",
}


def with_components(result: dict[str, Any], **kwargs) -> dict[str, Any]:
    """The shapes that every operation refers to."""
    result["components"]["schemas"] |= {"Error": ERROR, "Invalid": INVALID, "Change": CHANGE}
    result["components"]["responses"] = {
        f"Refused{code}": {"description": about, "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{shape}"}}}}
        for code, (about, shape) in REFUSALS.items()
    }
    return result


def refusals(codes: list[str]) -> dict[str, Any]:
    return {code: {"$ref": f"#/components/responses/Refused{code}"} for code in codes}


ON = OpenApiParameter("on", {"type": "string", "format": "date"}, description="As of that day; today without it.")
PAGE = [
    OpenApiParameter("page_size", {"type": "integer", "minimum": 1, "maximum": 500, "default": 50}, description="How many on a page."),
    OpenApiParameter("cursor", {"type": "string"}, description="From the `next` or `previous` of a page before."),
]


def shape(**properties: Any) -> dict[str, Any]:
    """An object that has all of these."""
    return {"type": "object", "required": list(properties), "properties": properties}


def envelope(item: dict[str, Any]) -> dict[str, Any]:
    """The shape of every list."""
    link = {"type": ["string", "null"], "format": "uri"}
    return {
        "type": "object",
        "required": ["count", "next", "previous", "results"],
        "properties": {
            "count": {"type": "integer"},
            "count_is_exact": {"type": "boolean", "description": "Given, and false, where there are more than the count says."},
            "next": link,
            "previous": link,
            "results": {"type": "array", "items": item},
        },
    }


def in_forms(shapes: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """An answer that comes in several forms, by their media types."""
    return {"description": "", "content": {media_type: {"schema": shape} for media_type, shape in shapes.items()}}


def nullable(schema: dict[str, Any]) -> dict[str, Any]:
    schema = dict(schema)
    if "enum" in schema:
        schema["enum"] = [*schema["enum"], None]
    schema["type"] = [schema["type"], "null"]
    return schema


def field_schema(shown: serializers.Field, model: type[models.Model], direction: str) -> dict[str, Any]:
    """One field of a record, as it is shown (`response`) or taken (`request`)."""
    if isinstance(shown, ComputedField):
        return dict(shown.schema)
    if isinstance(shown, KeyListField):
        one = field_schema(shown.child_relation, model, direction)
        return {"type": "array", "items": one, "description": _about(shown)}
    if isinstance(shown, KeyField):
        key = {"type": "string", "description": f"A {shown.model._meta.verbose_name}, by {shown.key}. {_about(shown)}".strip()}
        if direction == "response":
            expandable = issubclass(shown.model, Record)
            return {"anyOf": [key, REFERENCE, {"type": "null"}]} if expandable else nullable(key)
        return key if shown.required or isinstance(shown.parent, KeyListField) else nullable(key)
    if isinstance(shown, serializers.ListField):
        return {"type": "array", "items": {"type": "string", "maxLength": 200}, "description": _about(shown)}
    if isinstance(shown, serializers.FileField):
        return {"type": ["string", "null"], "format": "uri"} if direction == "response" else {"type": "string", "format": "binary"}
    field = model._meta.get_field(shown.source)
    schema = _decimal(field) if isinstance(field, models.DecimalField) else dict(kind(field, shown.source).schema)
    if field.get_internal_type() == "DateTimeField":
        schema["format"] = "date-time"
    if isinstance(field, models.CharField | models.TextField) and field.max_length and "enum" not in schema:
        schema["maxLength"] = field.max_length
    if isinstance(field, models.SlugField):
        schema["pattern"] = "^[-a-zA-Z0-9_]+$"
    schema["description"] = _about(shown)
    unknown = field.null or unknown_when_blank(field)
    return nullable(schema) if unknown or (direction == "request" and not shown.required) else schema


def _decimal(field: models.DecimalField) -> dict[str, Any]:
    """A decimal is a string in JSON, so that no digit is lost."""
    pattern = f"^-?[0-9]{{1,{field.max_digits - field.decimal_places}}}([.][0-9]{{1,{field.decimal_places}}})?$"
    return {"type": "string", "format": "decimal", "pattern": pattern}


def _about(shown: serializers.Field) -> str:
    return str(shown.help_text or "")


class KeySchema(OpenApiSerializerFieldExtension):
    target_class = "policytracker.api.serializers.KeyField"

    def map_serializer_field(self, auto_schema, direction):
        return {"type": "string", "description": f"A {self.target.model._meta.verbose_name}, by {self.target.key}."}


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
    """One operation. A view says by `asks = {action: serializer}` and `answers = {action: {status: schema}}` what is no record."""

    @property
    def act(self) -> str:
        return getattr(self.view, "action", "") or self.method.lower()

    @property
    def is_record(self) -> bool:
        return hasattr(self.view, "filter_set")

    def get_operation_id(self):
        # An act upon many beside the same act upon one.
        return super().get_operation_id() + ("_many" if self.act.endswith("_list") else "")

    def get_description(self):
        return (getattr(self.view, self.act, None).__doc__ or self.view.__doc__ or "").strip()

    def get_summary(self):
        if not self.is_record:
            return None
        name = self.view.model._meta.verbose_name
        words = {
            "list": "List and filter",
            "retrieve": "Read",
            "create": "Make",
            "update": "Write the whole",
            "partial_update": "Change",
            "update_list": "Change several",
            "destroy": "Delete",
        }
        return f"{words[self.act]}: {name}" if self.act in words else f"{self.act.replace('_', ' ').capitalize()}: {name}"

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
            properties["version"] = {"type": ["integer", "null"], "description": "The version that was read; another one is 412."}
            properties["change_reason"] = {"type": ["string", "null"], "maxLength": 2000, "description": "Why, for the history."}
            required = [name for name, shown in instance.fields.items() if shown.required and not shown.read_only]
            if required and not instance.partial:
                schema["required"] = required
            if instance.example:
                schema["example"] = instance.example
        return schema

    def _get_parameters(self):
        parameters = super()._get_parameters()
        if self.act in ("list", "history"):
            parameters += [
                _query("page_size", {"type": "integer", "minimum": 1, "maximum": 500, "default": 50}, "How many on a page."),
                _query("cursor", {"type": "string"}, "From the `next` or `previous` of a page before."),
            ]
        if self.is_record and self.act in ("list", "retrieve", "create", "update", "partial_update", "update_list"):
            parameters += [
                _query("expand", {"type": "string"}, "References to be shown with title and address, parted by commas."),
                _query("fields", {"type": "string"}, "Just these fields, in this order."),
                _query("omit", {"type": "string"}, "All fields but these."),
            ]
        if self.is_record and self.act == "retrieve" and (on := self.view.filter_set().get("on")):
            parameters.append(_query("on", on.schema, on.help))
        if self.is_record and self.act == "list":
            names = ", ".join(self.view.orders())
            parameters.append(
                _query("ordering", {"type": "string"}, f"Parted by commas, `-` for descending; unknown values come last. By: {names}.")
            )
            for name, question in self.view.filter_set().items():
                schema = {"type": "array", "items": question.schema} if question.many else question.schema
                parameters.append(_query(name, schema, question.help))
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
        return getattr(self.view, "asks", {}).get(self.act) or super().get_request_serializer()

    def _get_request_body(self, direction="request"):
        body = super()._get_request_body(direction)
        if body and self.is_record and self.act == "create":
            for media in body["content"].values():
                one = media["schema"]
                media["schema"] = {"oneOf": [one, {"type": "array", "items": one, "maxItems": 500}]}
        if body and self.act.endswith("_list"):
            for media in body["content"].values():
                if self.act == "update_list":
                    media["schema"] = {"type": "array", "items": media["schema"]}
                if media["schema"].get("type") == "array":
                    media["schema"]["maxItems"] = 500
        return body

    def _get_response_bodies(self, direction="response"):
        if answers := getattr(self.view, "answers", {}).get(self.act):
            bodies = {code: schema if "content" in schema else _json(schema) for code, schema in answers.items()}
        elif self.is_record and self.method == "DELETE":
            bodies = {"204": {"description": "Gone."}}
        elif self.act == "file":
            bodies = {"200": _content("application/octet-stream", {"type": "string", "format": "binary"})}
        elif self.act == "history":
            bodies = {"200": _json(envelope({"$ref": "#/components/schemas/Change"}))}
        elif self.is_record:
            one = self.resolve_serializer(self.view.serializer_class(), "response").ref
            several = {"type": "array", "items": one}
            shape = {"list": envelope(one), "create": {"oneOf": [one, several]}, "update_list": several}.get(self.act, one)
            bodies = {"201" if self.act == "create" else "200": _json(shape)}
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
