"""API views of agreements and related records."""

import logging
from functools import cached_property

from django.http import FileResponse, Http404, HttpResponse
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.parsers import MultiPartParser
from rest_framework.response import Response

from agreements import filters
from agreements.models import Agreement, Party, Source, SourceText
from agreements.standing.data import load_record, standing_document
from agreements.standing.serializers import StandingSerializer
from policytracker.api.as_of import reads_as_of
from policytracker.api.errors import APIError
from policytracker.api.parsers import Json
from policytracker.api.schema import ON
from policytracker.api.viewsets import RecordViewSet
from policytracker.representation.filters import Filter, any_of
from policytracker.representation.parameters import InvalidParameter, reject_unknown_parameters, reported_as
from policytracker.representation.values import reference
from policytracker.resources import registry

log = logging.getLogger(__name__)

PARTIES_BY_CODE = Filter(reference(Party), any_of("pk"))
PARTIES = OpenApiParameter("party", {"type": "array", "items": {"type": "string"}}, description="Only these parties.")


class SourceViewSet(RecordViewSet):
    resource = registry.of(Source)
    parser_classes = [Json, MultiPartParser]

    @extend_schema(responses={(200, "application/octet-stream"): OpenApiTypes.BINARY})
    @action(detail=True, methods=["get"])
    def file(self, request, *args, **kwargs):
        """Download the file of this source. It is always sent as an attachment."""
        reject_unknown_parameters(request.query_params, set())
        source = self.find()
        if not source.file:
            raise Http404
        if not source.file.storage.exists(source.file.name):
            log.error("The file of a source is missing in MEDIA_ROOT: %s", source.file.name)
            raise APIError("file_missing", _("The file of this source is missing on the server. Contact the operator."), 404)
        name = f"{source.slug}.{source.file.name.rpartition('.')[2]}"
        return FileResponse(source.file.open(), as_attachment=True, filename=name, content_type="application/octet-stream")

    @extend_schema(responses={(200, "text/plain"): OpenApiTypes.STR})
    @action(detail=True, methods=["get"])
    @reads_as_of
    def text(self, request, *args, **kwargs):
        """The text of this source, in which quotes are looked for. Pages are separated by form feeds."""
        reject_unknown_parameters(request.query_params, set())
        source = self.find(rows=self.get_queryset().only("pk"))
        text = SourceText.objects.visible_to(self.reader).filter(source=source).values_list("text", flat=True).first()
        if text is None:
            raise Http404
        return HttpResponse(text, content_type="text/plain; charset=utf-8", headers={"Content-Disposition": "attachment"})


class AgreementViewSet(RecordViewSet):
    resource = registry.of(Agreement)

    @cached_property
    def filter_values(self):
        parameters = self.request.query_params.keys()
        if "on" in parameters and not {name.removesuffix("__not") for name in parameters} & filters.DATE_DEPENDENT:
            names = ", ".join(sorted(filters.DATE_DEPENDENT))
            raise InvalidParameter("on", _("Use this parameter together with one of: {names}.").format(names=names))
        return super().filter_values

    @extend_schema(parameters=[ON, PARTIES], responses=StandingSerializer)
    @action(detail=True, methods=["get"])
    @reads_as_of
    def standing(self, request, *args, **kwargs):
        """The standing of the text and its parties on a date, with the treaty actions behind it and the conditions of entry into force."""
        reject_unknown_parameters(request.query_params, {"on", "party"})
        agreement = self.find(rows=self.get_queryset().only("pk"))
        record = load_record(agreement, request.user)
        return Response(StandingSerializer(standing_document(record, self.read_context.on, self.parties())).data)

    def parties(self) -> dict[str, str] | None:
        """The names of the parties in the `party` parameter, by code. None without the parameter."""
        codes = self.request.query_params.getlist("party")
        if not codes:
            return None
        with reported_as("party"):
            parties = PARTIES_BY_CODE.apply(Party.objects.all(), codes, self.read_context)
        return dict(parties.values_list("code", "name"))
