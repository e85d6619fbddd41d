"""Versions of records: the header If-Match, or `version` in the body, says which version a write is based on."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request

from policytracker.api.errors import APIError
from policytracker.records import versions
from policytracker.records.models import Record

IF_MATCH = OpenApiParameter(
    "If-Match",
    {"type": "string"},
    OpenApiParameter.HEADER,
    description="The ETag of the version that you read. The response is 412 if the record has changed.",
)


def seen_versions(request: Request, body: Any = None, tag_required: bool | None = None) -> set[str] | None:
    """The versions of the record on which If-Match and `version` of the body allow the change to be based; None: any.

    Raises APIError if If-Match is required (`tag_required`, by default `REQUIRE_IF_MATCH`) and missing.
    """
    tag = request.headers["If-Match"].strip() if "If-Match" in request.headers else None
    if tag is None and (settings.REQUIRE_IF_MATCH if tag_required is None else tag_required):
        raise APIError("if_match_required", _("Send the ETag of the version that you read in the If-Match header."), 428)
    tags = None if tag in (None, "*") else {part.strip().removeprefix("W/").strip('"') for part in tag.split(",")}
    body_version = body.get("version") if isinstance(body, dict) else None
    if body_version in (None, ""):
        return tags
    return {str(body_version)} if tags is None else {str(body_version)} & tags


def check_version(request: Request, record: Record, body: Any = None, tag_required: bool | None = None) -> None:
    """Raises Stale if the request is based on another version of the record, and APIError as `seen_versions`."""
    versions.check(record, seen_versions(request, body, tag_required))


def check_initial_version(body: Any) -> None:
    """Raises ValidationError if the body of a new record has another version than 1."""
    if isinstance(body, dict) and body.get("version") not in (None, "", 1, "1"):
        raise serializers.ValidationError({"version": [_("A new record has version 1. Omit the version.")]})


def check_entry_version(request: Request, record: Record | None, body: Any) -> None:
    """Check the `version` of an entry of a list, which replaces the If-Match header."""
    if record is None:
        check_initial_version(body)
    else:
        check_version(request, record, body, tag_required=settings.REQUIRE_IF_MATCH and body.get("version") in (None, ""))
