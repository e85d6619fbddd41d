"""The API of the feed of changes."""

import json
from functools import cached_property
from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter
from rest_framework.views import APIView

from policytracker.api import filters
from policytracker.api.filters import Parse
from policytracker.api.markdown import MEDIA_TYPE
from policytracker.api.pagination import InvalidCursor
from policytracker.api.parameters import MAX_PAGE, InvalidParameter, page_size, reject_unknown_parameters, single
from policytracker.api.schema import PAGE, shape
from policytracker.api.serializers import ADDRESSES
from policytracker.history.feed import Entry, Feed, Filters
from policytracker.history.values import OPERATIONS
from policytracker.models import User
from policytracker.resources import ReadContext

TEXT = {"type": "string"}
PARAMETERS = [
    OpenApiParameter("since", TEXT, description="Changes from this time on: a time with a zone, or a date (its beginning, UTC)."),
    OpenApiParameter("until", TEXT, description="Changes before this time."),
    OpenApiParameter("user", TEXT, description="Changes by this user."),
    OpenApiParameter("resource", TEXT, description="Changes of records of this resource, by its name in the URL."),
    OpenApiParameter("format", {"type": "string", "enum": ["md"]}, description="Use `md` for a memo in Markdown."),
    *PAGE,
]


def feed_schema(scope: str) -> dict[str, Any]:
    """The schema of a page of the feed. `scope` is the name under which an entry lists the records that it belongs to."""
    change = shape(
        uid={"type": "string", "format": "uuid"},
        at={"type": "string", "format": "date-time"},
        user={"type": ["string", "null"]},
        operation={"enum": list(OPERATIONS.values())},
        reason=TEXT,
        channel=TEXT,
        resource=TEXT,
        key=TEXT,
        url={"type": "string", "format": "uri"},
        **{scope: {"type": "array", "items": TEXT, "description": "What the record belongs to or follows from."}},
        line=TEXT,
        changes={"type": "object", "additionalProperties": shape(before={}, after={})},
    )
    return shape(
        results={"type": "array", "items": change},
        next={"type": ["string", "null"], "format": "uri"},
        cursor={"type": "string", "description": "Continues after these changes, now or later."},
    )


INVALID_CURSOR = "Invalid cursor. Use `cursor` or `next` of a response of changes/."


class Changes(APIView):
    """The feed of changes of all records that the user may read."""

    scope_model: Any = None  # changes can be filtered by a record of this model, with its name as the parameter
    function_checks_permission = True

    def perform_content_negotiation(self, request, force=False):
        # `format` is an ordinary parameter here, and the Accept header is ignored.
        renderer = self.get_renderers()[0]
        return renderer, renderer.media_type

    def get(self, request):
        """List the changes, oldest first. Each change is returned once to a client that continues at `cursor`."""
        known = {"since", "until", self.scope_parameter, "user", "resource", "cursor", "page_size", "format"}
        reject_unknown_parameters(request, known)
        format = single(request, "format", "json")
        if format not in ("json", "md"):
            raise InvalidParameter("format", _("Use md, or omit this parameter for JSON."))
        size = MAX_PAGE if format == "md" and "page_size" not in request.query_params else page_size(request)
        feed = Feed(self.read_context, self.scope_model, self.filters())
        try:
            page = feed.page(single(request, "cursor") or None, size)
        except InvalidCursor as error:
            raise InvalidParameter("cursor", INVALID_CURSOR) from error
        next_page = self.url_after(page.cursor) if page.has_more else None
        if format == "md":
            return HttpResponse(self.memo(page.entries, feed.filters, next_page), content_type=MEDIA_TYPE)
        body = {"results": [entry.data for entry in page.entries], "next": next_page, "cursor": page.cursor}
        return HttpResponse(json.dumps(body, ensure_ascii=False), content_type="application/json")

    def memo(self, entries: list[Entry], filters: Filters, next_page: str | None) -> str:
        """The changes as a document in Markdown. `next_page` is the URL of the changes that are left out."""
        raise NotImplementedError

    @property
    def scope_parameter(self) -> str:
        return self.scope_model._meta.model_name

    @cached_property
    def read_context(self) -> ReadContext:
        return ReadContext.of(self.request.user, base_url=self.request.build_absolute_uri("/")[:-1])

    def url_after(self, cursor: str) -> str:
        query = self.request.query_params.copy()
        query["cursor"] = cursor
        return self.request.build_absolute_uri(f"{self.request.path}?{query.urlencode()}")

    def filters(self) -> Filters:
        """The filters of the query parameters. Raises InvalidParameter."""
        scope = self.value(self.scope_parameter, filters.reference(self.scope_model))
        user = self.value("user", self.user)
        address = self.value("resource", filters.code(ADDRESSES.values()))
        return Filters(
            since=self.value("since", filters.timestamp),
            until=self.value("until", filters.timestamp),
            scope=None if scope is None else self.scope_model.objects.get(pk=scope),
            users=[] if user is None else [user],
            models=[model for model, known in ADDRESSES.items() if known == address],
        )

    def value(self, name: str, parse: Parse) -> Any:
        """The parsed value of a query parameter, if it is given. Raises InvalidParameter."""
        if name not in self.request.query_params:
            return None
        text = single(self.request, name)
        try:
            filters.check_length(text)
            return parse(text, self.read_context)
        except ValueError as error:
            raise InvalidParameter(name, str(error)) from error

    def user(self, name: str, context: ReadContext) -> str:
        """The name of a user whom the reader may see, or who made a change that the reader may see."""
        if not context.reader.sees_people:
            raise ValueError(_("Sign in to filter by people."))
        known = User.visible_to(context.reader).filter(username=name).exists()
        if known or Feed(context, self.scope_model, Filters(users=[name])).page(None, 1).entries:
            return name
        raise ValueError(_("There is no user “{name}”.").format(name=name[:100]))
