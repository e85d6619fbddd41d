"""Pagination of lists: the parameters `page_size` and `cursor`, and the envelope of the response."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response

from policytracker.api.backends import query_parameter
from policytracker.api.renderers import JsonText
from policytracker.records.models import MAX_COUNT, count_rows
from policytracker.representation import keyset
from policytracker.representation.parameters import InvalidParameter, single

PAGE_SIZE, MAX_PAGE_SIZE = 50, 500
PARAMETERS = {"page_size", "cursor"}


def url_at(request: Request, cursor: str) -> str:
    """The URL of the request with this cursor."""
    query = request.query_params.copy()
    query["cursor"] = cursor
    return request.build_absolute_uri(f"{request.path}?{query.urlencode()}")


@contextmanager
def valid_cursor() -> Iterator[None]:
    """Raises InvalidParameter instead of InvalidCursor."""
    try:
        yield
    except keyset.InvalidCursor as error:
        message = _("Invalid cursor. Use `next` or `previous` of a response for the same list and order.")
        raise InvalidParameter("cursor", message) from error


class Pagination(BasePagination):
    """Pages of an ordered queryset, or of any other list that can be read from a cursor on (`paginate`)."""

    request: Request
    page: keyset.Page
    count: int

    def paginate_queryset(self, queryset: QuerySet, request: Request, view: Any = None, salt: str = "") -> Sequence[int]:  # type: ignore[override]
        """The ids of the page. The queryset must be ordered by `keyset.Column`.

        A cursor is valid for one list only: that with this `salt`, by default the address of the view.
        """
        columns = keyset.columns_of(queryset)
        ids = self.paginate(lambda cursor, size: keyset.page(queryset, columns, cursor, size, salt or view.address), request)
        is_complete = self.page.next is None and not request.query_params.get("cursor")
        self.count = len(ids) if is_complete else count_rows(queryset, request.user)
        return ids

    def paginate(self, read: Callable[[str | None, int], keyset.Page], request: Request) -> Sequence[Any]:
        """The results of the page that `read(cursor, size)` returns. Raises InvalidParameter."""
        self.request = request
        size, cursor = self.get_page_size(request), single(request.query_params, "cursor") or None
        with valid_cursor():
            self.page = read(cursor, size)
        self.count = self.page.count or 0
        return self.page.results

    def check(self, request: Request, decode: Callable[[str], Any]) -> None:
        """Check `page_size` and `cursor` before the request waits for its turn. Raises InvalidParameter."""
        self.get_page_size(request)
        if cursor := single(request.query_params, "cursor"):
            with valid_cursor():
                decode(cursor)

    def get_page_size(self, request: Request) -> int:
        """The value of `page_size`. Raises InvalidParameter."""
        text = single(request.query_params, "page_size", str(PAGE_SIZE))
        if not (text.isascii() and text.isdigit() and len(text) < 5 and 1 <= int(text) <= MAX_PAGE_SIZE):
            raise InvalidParameter("page_size", _("Enter a whole number from 1 to {max}.").format(max=MAX_PAGE_SIZE))
        return int(text)

    def get_paginated_response(self, data: JsonText | list[dict[str, Any]]) -> Response:
        head = {"count": min(self.count, MAX_COUNT)} | ({"count_is_exact": False} if self.count > MAX_COUNT else {})
        links = {"next": self.get_link(self.page.next), "previous": self.get_link(self.page.previous)}
        return Response(JsonText.object(head | links | {"results": data}))

    def get_link(self, cursor: str | None) -> str | None:
        """The URL of the page at the cursor."""
        return None if cursor is None else url_at(self.request, cursor)

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": ["string", "null"], "format": "uri"}
        inexact = "Present, and false, only if there are more results than `count`."
        return {
            "type": "object",
            "required": ["count", "next", "previous", "results"],
            "properties": {
                "count": {"type": "integer"},
                "count_is_exact": {"type": "boolean", "description": inexact},
                "next": link,
                "previous": link,
                "results": schema,
            },
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        size = {"type": "integer", "minimum": 1, "maximum": MAX_PAGE_SIZE, "default": PAGE_SIZE}
        return [
            query_parameter("page_size", size, "Results per page."),
            query_parameter("cursor", {"type": "string"}, "Taken from `next` or `previous` of a response."),
        ]
