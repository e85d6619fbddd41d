"""The OpenAPI schema, generated from serializers, filters and views."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter

from policytracker.api import schema_records  # noqa: F401 - registers its extensions
from policytracker.api.errors import ErrorSerializer
from policytracker.api.etag import IF_MATCH
from policytracker.api.export import EXPORTS
from policytracker.api.idempotency import IDEMPOTENCY_KEY
from policytracker.writing.entries import MAX_ENTRIES

INVALID = {
    "type": "object",
    "description": "Messages by field or parameter. For a list: under `errors`, by index and field.",
    "example": {"title": ["This field is required."]},
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
    "413": ("The body is too large.", "Error"),
    "415": ("JSON bodies only.", "Error"),
    "422": ("The Idempotency-Key was used with a different body.", "Error"),
    "428": ("`If-Match` with the version that you read is required.", "Error"),
    "429": ("Two of your requests of this kind are not finished. Try again after `Retry-After`.", "Error"),
    "503": ("The database is unavailable or timed out. Try again after `Retry-After`.", "Error"),
    "503Busy": ("As above, or too many heavy requests are running (`busy`). Try again after `Retry-After`.", "Error"),
}
READ = ["400", "401", "403", "406", "503"]
WRITE = [*READ, "409", "413", "415", "428"]
ON = OpenApiParameter("on", {"type": "string", "format": "date"}, description="Date of the values; today by default.")
AS_OF = OpenApiParameter(
    "as_of",
    {"type": "string"},
    description="Read the register as it was at this time, such as 2026-11-24T10:35:00Z, or at the end of this day (UTC).",
)
CHANGE_REASON = OpenApiParameter(
    "X-Change-Reason",
    {"type": "string"},
    OpenApiParameter.HEADER,
    description="Reason for the change, stored in the history. Percent-encode non-ASCII characters (UTF-8).",
)
SUMMARIES = {
    "list": "List and filter",
    "retrieve": "Read",
    "create": "Create",
    "update": "Replace",
    "partial_update": "Update",
    "update_list": "Update several",
    "destroy": "Delete",
}


def with_components(result: dict[str, Any], **kwargs) -> dict[str, Any]:
    """Add the components that operations refer to (`POSTPROCESSING_HOOKS`)."""
    result["components"]["schemas"]["Invalid"] = INVALID
    result["components"]["responses"] = {
        f"Refused{code}": {"description": about, "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{shape}"}}}}
        for code, (about, shape) in REFUSALS.items()
    }
    return result


class ViewSchema(AutoSchema):
    """One operation. Views describe it with `extend_schema`; this class adds what all of them share."""

    @property
    def action(self) -> str:
        return getattr(self.view, "action", "") or self.method.lower()

    @property
    def is_record(self) -> bool:
        return hasattr(self.view, "filter_set")

    def get_operation_id(self):
        if self.action.endswith("_list"):  # has the same path name as the action on one record
            return f"{super().get_operation_id()}_many"
        return super().get_operation_id() if self.action == "list" else super().get_operation_id().replace("_list", "_retrieve")

    def get_description(self):
        about_view = "" if self.is_record else self.view.__doc__
        return (getattr(self.view, self.action, None).__doc__ or about_view or "").strip()

    def get_summary(self):
        if not self.is_record:
            return None
        verb = SUMMARIES.get(self.action) or self.action.replace("_", " ").capitalize()
        return f"{verb}: {self.view.model._meta.verbose_name}"

    def get_override_parameters(self):
        if self.method == "GET":
            as_of = [AS_OF] if getattr(getattr(self.view, self.action, None), "reads_as_of", False) else []
            on = self.view.filter_set().get("on") if self.is_record and self.action == "retrieve" else None
            return as_of + ([OpenApiParameter("on", on.schema, description=on.help)] if on else [])
        if not self.is_record:
            return []
        return [CHANGE_REASON, IDEMPOTENCY_KEY if self.method == "POST" else IF_MATCH]

    def get_filter_backends(self):
        return super().get_filter_backends() if self.action == "list" else []

    def _get_paginator(self):
        return super()._get_paginator() if self.method == "GET" else None

    def _map_serializer(self, serializer, direction, bypass_extensions=False):
        schema = super()._map_serializer(serializer, direction, bypass_extensions)
        example = getattr(serializer, "example", None) if direction == "request" else None
        return schema | ({"example": example} if example else {})

    def _get_request_body(self, direction="request"):
        body = super()._get_request_body(direction)
        for media in body["content"].values() if body else ():
            if self.action == "create" and self.is_record:
                media["schema"] = one_or_several(media["schema"])
                media["schema"]["oneOf"][1]["maxItems"] = MAX_ENTRIES
            elif self.action == "update_list":
                media["schema"] = {"type": "array", "items": media["schema"], "maxItems": MAX_ENTRIES}
            elif media["schema"].get("type") == "array":
                media["schema"]["maxItems"] = MAX_ENTRIES
        return body

    def _get_response_bodies(self, direction="response"):
        bodies = super()._get_response_bodies(direction)
        if self.is_record and self.action in ("create", "update_list"):
            (body,) = bodies.values()
            for media in body["content"].values():
                media["schema"] = one_or_several(media["schema"])
                if self.action == "update_list":
                    media["schema"] = media["schema"]["oneOf"][1]
        if self.is_record and self.action == "list":
            content = bodies["200"]["content"]
            for renderer in EXPORTS:
                content[renderer.media_type.partition(";")[0]] = {"schema": {"type": "string"}}
        self.resolve_serializer(ErrorSerializer, "response")  # the refusals refer to it
        codes = [*(READ if self.method == "GET" else WRITE), *(["404"] if "{" in self.path else [])]
        if "{" in self.path and self.method != "GET":
            codes.append("412")
        if self.method == "POST":
            codes.append("422")
        named = {}
        if getattr(getattr(self.view, self.action, None), "heavy", ()):
            codes.append("429")
            named = {"503": "503Busy"}
        return bodies | {code: {"$ref": f"#/components/responses/Refused{named.get(code, code)}"} for code in sorted(codes)}


def one_or_several(record: dict[str, Any]) -> dict[str, Any]:
    """The schema of a record or a list of records."""
    return {"oneOf": [record, {"type": "array", "items": record}]}


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
