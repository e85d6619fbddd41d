"""The API of the full-text search."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from policytracker.api.pagination import PARAMETERS, Pagination
from policytracker.api.views import RegisterView
from policytracker.representation import json_sql, keyset
from policytracker.representation.keyset import Column
from policytracker.representation.parameters import InvalidParameter, reject_unknown_parameters
from policytracker.representation.search_query import MAX_LENGTH, parse
from policytracker.representation.values import code
from policytracker.resources import registry
from policytracker.search.hits import COUNTED, Hit, Hits, find
from policytracker.search.spelling import suggestions

ORDER = [Column("rank", descending=True), Column("type", descending=True), Column("id", descending=True)]


class HitSerializer(serializers.Serializer):
    type = serializers.CharField(help_text="The resource, by its name in the URL.")
    key = serializers.CharField()
    title = serializers.CharField()
    url = serializers.URLField()
    highlight = serializers.CharField(help_text="HTML: hits in `<mark>`, everything else escaped.")
    rank = serializers.FloatField()


class SearchPages(Pagination):
    """Pages of hits, with the number of hits of each type."""

    hits: Hits

    def get_paginated_response(self, data):
        body = {"count": self.hits.count} | ({} if self.hits.exact else {"count_is_exact": False}) | {"counts": self.hits.counts}
        links = {"next": self.get_link(self.page.next), "previous": self.get_link(self.page.previous)}
        return Response(body | links | data)

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        envelope = super().get_paginated_response_schema(schema)
        counts = {"type": "object", "additionalProperties": {"type": "integer", "maximum": COUNTED}}
        about = f"Hits of each resource, at most {COUNTED:,}, regardless of `type`."
        similar = {"type": "array", "items": {"type": "string"}, "description": "Similar searches that have hits. Only without hits."}
        envelope["required"].append("counts")
        envelope["properties"] |= {"counts": counts | {"description": about}, "suggestions": similar}
        return envelope


class Search(RegisterView):
    """Full-text search of the records that the user may read."""

    serializer_class = HitSerializer
    pagination_class = SearchPages
    paginator: SearchPages

    @extend_schema(
        parameters=[
            OpenApiParameter(
                "q",
                {"type": "string", "minLength": 1, "maxLength": MAX_LENGTH},
                required=True,
                description='Words (all of them, by their beginning), `"phrases"`, `-without`, `or`.',
            ),
            OpenApiParameter(
                "type",
                {"type": "array", "items": {"type": "string", "enum": [resource.address for resource in registry.searched]}},
                description="Hits of any of these resources.",
            ),
        ],
        responses=HitSerializer(many=True),
    )
    def get(self, request):
        """List the hits, best first. Ranked are the newest 1,000 hits; if there are more, each resource contributes its newest ones."""
        reject_unknown_parameters(request.query_params, {"q", "type"} | PARAMETERS)
        query = self.value("q", parse)
        if query is None:
            raise InvalidParameter("q", _("Enter what to search for."))
        types = [registry.at(address) for address in self.values("type", code(resource.address for resource in registry.searched))]
        text = request.query_params["q"]

        def page(cursor: str | None, size: int) -> keyset.Page:
            salt = f"search {text} in {sorted(resource.address for resource in types)}"
            forward, values = keyset.decode_cursor(cursor, ORDER, salt) if cursor else (True, None)
            after = None if values is None else (values[0], values[1], values[2])
            self.paginator.hits = find(
                self.read_context, query, types or registry.searched, size, after and (after[0], after[1], after[2]), forward
            )
            rows, has_next, has_previous = keyset.trim_page(self.paginator.hits.page, size, forward, cursor is not None)
            return keyset.Page(
                rows,
                keyset.encode_cursor(True, rows[-1].position, ORDER, salt) if has_next else None,
                keyset.encode_cursor(False, rows[0].position, ORDER, salt) if has_previous else None,
            )

        results = {"results": [self.representation(hit) for hit in self.paginator.paginate(page, request)]}
        if not any(self.paginator.hits.counts.values()):
            results |= {"suggestions": suggestions(self.read_context, text)}
        return self.get_paginated_response(results)

    def representation(self, hit: Hit) -> dict[str, Any]:
        address = hit.resource.address
        return {
            "type": address,
            "key": hit.key,
            "title": hit.title,
            "url": f"{self.read_context.base_url}{json_sql.API}{address}/{hit.key}/",
            "highlight": hit.highlight,
            "rank": hit.rank,
        }
