"""API views of reports: about an agreement with its recommendations, and the summary of recommendations."""

from typing import Any

from django.db import transaction
from django.http import Http404
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView

from agreements.models import Agreement
from policytracker.api import pagination
from policytracker.api.as_of import reads_as_of
from policytracker.api.markdown import link
from policytracker.api.mixins import WriteMixin
from policytracker.api.renderers import JSONRenderer, MarkdownRenderer, reject_unknown_format
from policytracker.api.schema import ON
from policytracker.api.views import RecordView
from policytracker.records.models import Record
from policytracker.representation import json_sql
from policytracker.representation.parameters import InvalidParameter, reject_unknown_parameters, single
from policytracker.resources import registry, today
from policytracker.web.heavy import REPORT, heavy, take_turn
from recommendations.models import Recommendation
from recommendations.publication import check_permission, publish
from recommendations.reports.coverage import coverage
from recommendations.reports.dossier import Dossier
from recommendations.reports.dossier_text import DossierText
from recommendations.reports.memo import Memo
from recommendations.reports.queue import queue
from recommendations.reports.scorecard import scorecard
from recommendations.reports.serializers import (
    DOSSIER,
    CoverageSerializer,
    GroupSerializer,
    MeSerializer,
    ScorecardSerializer,
    TimelineEntrySerializer,
)
from recommendations.reports.summary import GROUPINGS, Summary
from recommendations.reports.timeline import Timeline
from recommendations.serializers import PublishedSerializer, PublishSerializer

FORMAT = OpenApiParameter("format", {"type": "string", "enum": ["md"]}, description="Use `md` for Markdown. The default is JSON.")
GROUP_BY = OpenApiParameter(
    "group_by", {"type": "string", "enum": list(GROUPINGS)}, required=True, description="The property that forms the groups."
)


class DossierMarkdownRenderer(MarkdownRenderer):
    def render(self, data, accepted_media_type=None, renderer_context=None) -> str:
        context = renderer_context["view"].read_context
        with context.reading():  # names of parties and titles of sources are read here
            return str(DossierText(data, context.reader))


class MemoRenderer(MarkdownRenderer):
    def render(self, data, accepted_media_type=None, renderer_context=None) -> str:
        feed, page = renderer_context["view"].feed, renderer_context["view"].page
        more = _("There are more changes: {url}").format(url=link(data["next"])) if data["next"] else ""
        return str(Memo(page.entries, feed.filters, feed.context, more))


class AgreementReportViewSet(WriteMixin):
    """The agreement endpoints that need recommendations: reports and publishing."""

    resource = registry.of(Agreement)

    @extend_schema(request=PublishSerializer, responses={200: PublishedSerializer})
    @action(detail=True, methods=["post"], function_checks_permission=True)
    def publish(self, request, *args, **kwargs):
        """Publish the agreement and its drafts: components, sources, and recommendations that follow from this agreement only."""
        check_permission(request.user)
        reject_unknown_parameters(request.query_params, set())
        return self.run_once(self.publish_once)

    def publish_once(self) -> Response:
        options = dict(self.validated_body(PublishSerializer).validated_data)
        dry_run = options.pop("dry_run")
        options.pop("change_reason", None)  # is read by change_context()
        with transaction.atomic():
            with self.change_context():
                agreement: Any = self.find(lock=True)
                user: Any = self.request.user
                published = publish(agreement, by=user, **options)
            transaction.set_rollback(dry_run)
        return Response({"published": [{"type": registry.of(type(record)).address, "key": record.slug} for record in published]})

    @extend_schema(parameters=[ON], responses=ScorecardSerializer)
    @action(detail=True, methods=["get"])
    @reads_as_of
    def scorecard(self, request, *args, **kwargs):
        """Counts of components and recommendations on a date, with totals of commitments and the values of indicators."""
        reject_unknown_parameters(request.query_params, {"on"})
        card = scorecard(self.key_value(self.kwargs["key"]), self.read_context)
        if card is None:
            raise Http404
        return Response(card)

    @extend_schema(responses=CoverageSerializer)
    @action(detail=True, methods=["get"])
    @reads_as_of
    def coverage(self, request, *args, **kwargs):
        """Two matrices of 0 and 1: which party leads which component, and which recommendation covers which sector."""
        reject_unknown_parameters(request.query_params, set())
        return Response(coverage(self.find(), request.user))

    @extend_schema(responses=TimelineEntrySerializer(many=True))
    @action(detail=True, methods=["get"])
    @reads_as_of
    def timeline(self, request, *args, **kwargs):
        """The dated events of the agreement and its recommendations, oldest first. Partial dates are sorted by their first possible day."""
        reject_unknown_parameters(request.query_params, pagination.PARAMETERS)
        entries = self.paginator.paginate(Timeline(self.find(), request.user).page, request)
        return self.get_paginated_response([self.represent(entry) for entry in entries])

    @heavy(REPORT)
    @extend_schema(parameters=[ON, FORMAT], responses={(200, "application/json"): DOSSIER, (200, "text/markdown"): {"type": "string"}})
    @action(detail=True, methods=["get"], renderer_classes=[JSONRenderer, DossierMarkdownRenderer])
    @reads_as_of
    def dossier(self, request, *args, **kwargs):
        """All records of the agreement on a date, in one document: at most 500 of each kind, with the URL of the remaining ones."""
        reject_unknown_parameters(request.query_params, {"on", "format"})
        reject_unknown_format(request, self.get_renderers())
        agreement = self.find()
        take_turn(request)
        document = Dossier(agreement, self.read_context)
        return Response(document if request.accepted_renderer.format == "md" else document.as_dict())

    def represent(self, entry) -> dict:
        url = self.request.build_absolute_uri(f"{json_sql.API}{entry.type}/{entry.key}/")
        return {"on": entry.on, "type": entry.type, "key": entry.key, "title": entry.title, "url": url}


class SummaryViewSet(RecordView):
    """Counts of recommendations by group."""

    resource = registry.of(Recommendation)

    @heavy(REPORT)
    @extend_schema(parameters=[GROUP_BY, ON], responses=GroupSerializer(many=True))
    @reads_as_of
    def summary(self, request, *args, **kwargs):
        """Counts by status, deadline state and freshness for each group, on a date. A recommendation can be in several groups."""
        reject_unknown_parameters(request.query_params, {"group_by", "on"} | pagination.PARAMETERS)
        by = single(request.query_params, "group_by")
        if by not in GROUPINGS:
            raise InvalidParameter("group_by", _("Use one of: {names}.").format(names=", ".join(GROUPINGS)))
        if by == "owner" and not self.reader.sees_people:
            raise InvalidParameter("group_by", _("Sign in to group by owner."))
        summary = Summary(by, self.read_context)
        self.paginator.check(request, summary.decode)
        take_turn(request)
        groups = self.paginator.paginate(summary.page, request)
        return self.get_paginated_response([self.represent(group, summary.model) | counts for group, counts in groups])

    def represent(self, group, model) -> dict:
        """Key, title and URL of a group. Without a key, or for groups without an API resource (users), the URL is None."""
        has_url = issubclass(model, Record) and group.key is not None
        address = f"{json_sql.API}{registry.of(model).address}/{group.key}/" if has_url else ""
        url = self.request.build_absolute_uri(address) if has_url else None
        return {"key": group.key, "title": group.title, "url": url}


class Me(APIView):
    """The current user: roles, permissions and queue."""

    permission_classes = [IsAuthenticated]

    @extend_schema(responses=MeSerializer)
    def get(self, request) -> Response:
        reject_unknown_parameters(request.query_params, set())
        user = request.user
        office = getattr(user, "office", None)
        return Response({
            "username": user.get_username(),
            "name": user.get_full_name(),
            "roles": sorted(user.roles),
            "party": office.party.code if office else None,
            "permissions": sorted(user.get_all_permissions()),
            "queue": queue(user, today()),
        })  # fmt: skip
