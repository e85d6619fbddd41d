"""Renderers of responses, and the parameter `format`, which selects one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from django.utils.translation import gettext as _
from rest_framework import renderers
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request

from policytracker.representation.parameters import InvalidParameter, single

encode = json.JSONEncoder(ensure_ascii=False).encode


class JsonText(str):
    """Text that is already JSON, such as a record that PostgreSQL has rendered."""

    @classmethod
    def array(cls, texts: Iterable[str]) -> JsonText:
        """The array of these JSON texts."""
        return cls(f"[{', '.join(texts)}]")

    @classmethod
    def object(cls, members: Mapping[str, Any]) -> JsonText:
        """The object with these members, of which some are JSON texts. The names contain nothing that JSON escapes."""
        texts = [f'"{name}": {value if isinstance(value, JsonText) else encode(value)}' for name, value in members.items()]
        return cls("{" + ", ".join(texts) + "}")


class JSONRenderer(renderers.JSONRenderer):
    """JSON. A `JsonText` is sent as it is."""

    def render(self, data, accepted_media_type=None, renderer_context=None) -> bytes:
        return data.encode() if isinstance(data, JsonText) else super().render(data, accepted_media_type, renderer_context)


class MarkdownRenderer(renderers.BaseRenderer):
    """Markdown. A subclass makes the text of the document."""

    media_type = "text/markdown"
    format = "md"
    charset = "utf-8"


class FormatParameter(DefaultContentNegotiation):
    """The parameter `format` selects the renderer, by default the first one. The Accept header is ignored."""

    def select_renderer(self, request: Request, renderers: Iterable[renderers.BaseRenderer], format_suffix: str | None = None):
        # An unknown format is reported by reject_unknown_format(), after authentication.
        name = request.query_params.get("format")
        known = list(renderers)
        renderer = next((renderer for renderer in known if renderer.format == name), known[0])
        return renderer, renderer.media_type


class FormatBeforeAccept(DefaultContentNegotiation):
    """The parameter `format` selects the renderer. Without it, the Accept header does."""

    def select_renderer(self, request: Request, renderers: Iterable[renderers.BaseRenderer], format_suffix: str | None = None):
        known = list(renderers)
        if "format" not in request.query_params:
            return super().select_renderer(request, known, format_suffix)
        name = single(request.query_params, "format")
        for renderer in known:
            if renderer.format == name:
                return renderer, renderer.media_type
        names = ", ".join(dict.fromkeys(str(renderer.format) for renderer in known))
        raise InvalidParameter("format", _("Use one of: {names}.").format(names=names))


def reject_unknown_format(request: Request, known: Iterable[renderers.BaseRenderer]) -> None:
    """Raises InvalidParameter if `format` is given and names none of the renderers."""
    formats = [renderer.format for renderer in known]
    if single(request.query_params, "format", formats[0]) not in formats:
        raise InvalidParameter("format", _("Use one of: {names}.").format(names=", ".join(formats)))
