"""Idempotency-Key: a repeated POST gets the first response (24 hours, per user and URL)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.db import OperationalError
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from policytracker.api.errors import APIError
from policytracker.api.models import IdempotencyKey
from policytracker.api.renderers import JSONRenderer, JsonText
from policytracker.sql.errors import waited_too_long_for_a_lock

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    OpenApiParameter.HEADER,
    description="Repeating a request with the same key and body within 24 hours returns the first response.",
)


class IdempotencyMixin(APIView):
    """Runs the operation of a POST once. The view must implement `check_replay`."""

    raw_body: bytes

    def initialize_request(self, request, *args, **kwargs):
        # DRF can read the stream only once, and run_once() needs the bytes of the body.
        self.raw_body = b""
        if request.method == "POST" and "Idempotency-Key" in request.headers:
            with suppress(RequestDataTooBig):  # the parser reports it
                self.raw_body = request.body
        return super().initialize_request(request, *args, **kwargs)

    def run_once(self, operation: Callable[[], Response]) -> Response:
        """Run the operation, or return the stored response of the first request with the same key.

        Raises APIError if the key was used with a different body, or its first request is still in progress.
        """
        key = self.request.headers.get("Idempotency-Key")
        if key is None:
            return operation()
        if not 1 <= len(key) <= 255 or not key.isascii() or not key.isprintable() or " " in key:
            raise serializers.ValidationError({"Idempotency-Key": [_("Enter 1 to 255 visible ASCII characters without spaces.")]})
        digest = hashlib.sha256(self.request.get_full_path().encode() + b"\0" + self.raw_body).hexdigest()
        stored, is_first = self.stored_response(key, digest)
        if is_first:
            response = operation()
            stored.status, stored.body = response.status_code, JSONRenderer().render(response.data).decode()
            stored.headers = {name: response[name] for name in ("ETag", "Location") if name in response}
            stored.save()
            return response
        if stored.body_hash != digest:
            raise APIError("idempotency_key_reused", _("This key was used for a different body."), 422)
        self.check_replay(json.loads(stored.body), stored.headers.get("Location", ""))
        return Response(JsonText(stored.body), stored.status, headers={**stored.headers, "Idempotent-Replayed": "true"})

    def stored_response(self, key: str, digest: str) -> tuple[IdempotencyKey, bool]:
        """The row of the key, and whether this request is the first with it. Waits for a first request in progress."""
        values = {"user": self.request.user, "address": self.request.path, "key": key}
        IdempotencyKey.objects.delete_expired()
        try:
            # The unique constraint makes a repeated request wait here for the first one, until `lock_timeout`.
            stored, is_first = IdempotencyKey.objects.get_or_create(defaults={"body_hash": digest}, **values)
        except OperationalError as error:
            if not waited_too_long_for_a_lock(error):
                raise
            message = _("The first request with this Idempotency-Key is still in progress. Try again later.")
            raise APIError("in_progress", message, 409) from error
        return stored, is_first

    def check_replay(self, answer: Any, location: str) -> None:
        """Raises if the user may no longer read the first response. `answer` is its body."""
        raise NotImplementedError
