"""The API of the feed of changes."""

from functools import cached_property

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from policytracker.accounts.models import User
from policytracker.api import pagination
from policytracker.api.renderers import FormatParameter, JSONRenderer, reject_unknown_format
from policytracker.api.views import RegisterView
from policytracker.history.feed import Feed, FeedPage, Filters
from policytracker.history.serializers import ChangeSerializer
from policytracker.representation.keyset import InvalidCursor
from policytracker.representation.parameters import InvalidParameter, reject_unknown_parameters, single
from policytracker.representation.values import code, timestamp
from policytracker.resources import ReadContext, registry

TEXT = {"type": "string"}
PARAMETERS = [
    OpenApiParameter("since", TEXT, description="Changes from this time on: a time with a zone, or a date (its beginning, UTC)."),
    OpenApiParameter("until", TEXT, description="Changes before this time."),
    OpenApiParameter("user", TEXT, description="Changes by this user."),
    OpenApiParameter("resource", TEXT, description="Changes of records of this resource, by its name in the URL."),
    OpenApiParameter("format", {"type": "string", "enum": ["md"]}, description="Use `md` for a memo in Markdown."),
    OpenApiParameter("page_size", {"type": "integer", "minimum": 1, "maximum": 500, "default": 50}, description="Changes per page."),
    OpenApiParameter("cursor", TEXT, description="Continues after the response that had this `cursor`."),
]


class FeedEntrySerializer(ChangeSerializer):
    resource = serializers.CharField()
    key = serializers.CharField()
    url = serializers.URLField()

    def get_fields(self):
        fields = super().get_fields()
        del fields["version"]
        scope = serializers.ListField(child=serializers.CharField(), help_text="The records that this one belongs to or follows from.")
        return fields | {registry.scope.address: scope}


class FeedSerializer(serializers.Serializer):
    results = FeedEntrySerializer(many=True)
    next = serializers.URLField(allow_null=True)
    cursor = serializers.CharField(help_text="Continues after these changes, now or later.")


class Changes(RegisterView):
    """The feed of changes of all records that the user may read."""

    content_negotiation_class = FormatParameter
    renderer_classes = [JSONRenderer]
    serializer_class = FeedSerializer
    pagination_class = None
    page: FeedPage

    @extend_schema(
        parameters=[
            OpenApiParameter(registry.scope_name, TEXT, description="Changes of this record and those that belong to it."),
            *PARAMETERS,
        ],
        responses={(200, "application/json"): FeedSerializer, (200, "text/markdown"): TEXT},
    )
    def get(self, request):
        """List the changes, oldest first. Each change is returned once to a client that continues at `cursor`."""
        known = {"since", "until", registry.scope_name, "user", "resource", "format"}
        reject_unknown_parameters(request.query_params, known | pagination.PARAMETERS)
        reject_unknown_format(request, self.get_renderers())
        whole = "page_size" not in request.query_params and request.query_params.get("format") == "md"
        size = pagination.MAX_PAGE_SIZE if whole else pagination.Pagination().get_page_size(request)
        try:
            self.page = self.feed.page(single(request.query_params, "cursor") or None, size)
        except InvalidCursor as error:
            message = _("Invalid cursor. Use `cursor` or `next` of a response of this feed.")
            raise InvalidParameter("cursor", message) from error
        next_page = pagination.url_at(request, self.page.cursor) if self.page.has_more else None
        results = [entry.document for entry in self.page.entries]
        return Response({"results": results, "next": next_page, "cursor": self.page.cursor})

    @cached_property
    def feed(self) -> Feed:
        """The feed that the query parameters describe. Raises InvalidParameter."""
        scope = self.scope
        user = self.value("user", self.user)
        address = self.value("resource", code(resource.address for resource in registry.addressed))
        filters = Filters(
            since=self.value("since", timestamp),
            until=self.value("until", timestamp),
            scope=scope,
            users=[] if user is None else [user],
            models=[] if address is None else [registry.at(address).model],
        )
        return Feed(self.read_context, filters)

    def user(self, name: str, context: ReadContext) -> str:
        """The name of a user whom the reader may see, or who made a change that the reader may see."""
        if not context.reader.sees_people:
            raise ValueError(_("Sign in to filter by people."))
        known = User.visible_to(context.reader).filter(username=name).exists()
        if known or Feed(context, Filters(users=[name])).page(None, 1).entries:
            return name
        raise ValueError(_("There is no user “{name}”.").format(name=name[:100]))
