"""API views of an agreement together with its recommendations: scorecard, coverage, timeline, dossier, and publishing."""

import json
from typing import Any

from django.db import transaction
from django.http import HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema

from agreements.deadlines import DeadlineState
from agreements.models.commitments import Stage
from agreements.models.components import ComponentStatus
from agreements.views import STANDING, AgreementViewSet, array_of
from policytracker.api import json_sql, pagination
from policytracker.api.markdown import MEDIA_TYPE
from policytracker.api.parameters import InvalidParameter, page_size, reject_unknown_parameters, single
from policytracker.api.schema import ON, PAGE, envelope, responses_by_media_type, shape
from policytracker.api.viewsets import INVALID_CURSOR, list_response
from policytracker.resources import registry
from recommendations.publication import publish
from recommendations.reports.coverage import MAX_COLUMNS, MAX_ROWS, coverage
from recommendations.reports.dossier import Dossier, sections
from recommendations.reports.dossier_text import DossierText
from recommendations.reports.scorecard import scorecard
from recommendations.reports.timeline import Timeline
from recommendations.serializers import PublishSerializer, RecommendationSerializer
from recommendations.views import COUNT, TALLY, TEXT, count_per_code, ref

REPORTS = ["scorecard", "coverage", "timeline", "dossier"]

STRING = {"type": "string"}
STRINGS = array_of(STRING)
AMOUNT = {"type": ["string", "null"], "pattern": r"^-?\d+(\.\d+)?$"}


SCORECARD = shape(
    agreement=STRING,
    on={"type": "string", "format": "date"},
    components=shape(total=COUNT, by_status=count_per_code(ComponentStatus), by_deadline_state=count_per_code(DeadlineState)),
    recommendations=shape(**TALLY),
    money=array_of(
        shape(
            stage={"type": "string", "enum": Stage.values},
            currency=STRING,
            figures=COUNT | {"description": "The number of commitments in the total."},
            total=AMOUNT | {"type": "string"},
            disputed=COUNT | {"description": "The number of commitments that dispute another one. They are not in the total."},
        )
    ),
    indicators=array_of(
        shape(
            slug=STRING,
            name=STRING,
            unit=STRING,
            latest_value=AMOUNT,
            latest_on=TEXT,
            baseline_value=AMOUNT,
            target_value=AMOUNT,
            target_on=TEXT,
        )
    ),
)
MATRIX = shape(
    rows=STRINGS,
    columns=STRINGS,
    cells=array_of(array_of({"type": "integer", "enum": [0, 1]})),
    gaps=shape(rows=STRINGS, columns=STRINGS),
)
MATRIX["properties"]["complete"] = {
    "type": "boolean",
    "description": f"False if rows above {MAX_ROWS} or columns above {MAX_COLUMNS} were omitted. Absent otherwise.",
}
COVERAGE = shape(party_component=MATRIX, sector_recommendation=MATRIX)
ENTRY = shape(
    on=STRING | {"description": "The date as recorded: a partial date in EDTF notation."},
    type=STRING | {"description": "The name of the resource in URLs, such as components."},
    key=STRING,
    title=STRING,
    url={"type": "string", "format": "uri"},
)


def section(serializer) -> dict:
    """The OpenAPI schema of one section of a dossier."""
    record = ref(serializer.__name__.removesuffix("Serializer"))
    if serializer is RecommendationSerializer:
        update = {"anyOf": [ref("ProgressUpdate"), {"type": "null"}]}
        record = {"allOf": [record, shape(addressees=array_of(ref("Addressee")), newest_update=update)]}
    link = {"type": ["string", "null"], "format": "uri", "description": "The URL of the remaining records, if there are more than 500."}
    return shape(count=COUNT, next=link, results=array_of(record))


DOSSIER = shape(
    agreement=ref("Agreement"),
    on={"type": "string", "format": "date"},
    standing=STANDING,
    **{part.name: section(resource.serializer) for part, resource in sections()},
)
FORMAT = OpenApiParameter("format", {"type": "string", "enum": ["md"]}, description="Use `md` for Markdown. The default is JSON.")


class AgreementReportViewSet(AgreementViewSet):
    """The agreement endpoints that need recommendations."""

    request_serializers = {"publish": PublishSerializer}
    response_schemas = {
        "publish": {"200": shape(published=array_of(shape(type=STRING, key=STRING)))},
        "scorecard": {"200": SCORECARD},
        "coverage": {"200": COVERAGE},
        "timeline": {"200": envelope(ENTRY)},
        "dossier": {"200": responses_by_media_type({"application/json": DOSSIER, "text/markdown": STRING})},
    }

    def publish(self, request, *args, **kwargs):
        """Publish the agreement and its drafts: components, sources, and recommendations that follow from this agreement only."""
        reject_unknown_parameters(request, set())
        return self.run_once(self.publish_once)

    def publish_once(self) -> HttpResponse:
        options = dict(self.validated_body(PublishSerializer).validated_data)
        dry_run = options.pop("dry_run")
        options.pop("change_reason", None)  # is read by change_context()
        with transaction.atomic():
            with self.change_context():
                agreement: Any = self.find(lock=True)
                user: Any = self.request.user
                published = publish(agreement, by=user, **options)
            transaction.set_rollback(dry_run)
        return JsonResponse({"published": [{"type": registry.of(type(record)).address, "key": record.slug} for record in published]})

    @extend_schema(parameters=[ON])
    def scorecard(self, request, *args, **kwargs):
        """Counts of components and recommendations on a date, with totals of commitments and the values of indicators."""
        reject_unknown_parameters(request, {"on"})
        return JsonResponse(scorecard(self.find(), self.read_context))

    def coverage(self, request, *args, **kwargs):
        """Two matrices of 0 and 1: which party leads which component, and which recommendation covers which sector."""
        reject_unknown_parameters(request, set())
        return JsonResponse(coverage(self.find(), request.user))

    @extend_schema(parameters=PAGE)
    def timeline(self, request, *args, **kwargs):
        """The dated events of the agreement and its recommendations, oldest first. Partial dates are sorted by their first possible day."""
        reject_unknown_parameters(request, {"page_size", "cursor"})
        size, cursor = page_size(request), single(request, "cursor") or None
        events = Timeline(self.find(), request.user)
        try:
            page = events.page(cursor, size)
        except pagination.InvalidCursor as error:
            raise InvalidParameter("cursor", INVALID_CURSOR) from error
        results = ", ".join(json.dumps(self.represent(entry), ensure_ascii=False) for entry in page.entries)
        return list_response(request, results, count=page.count, next=page.next, previous=page.previous)

    @extend_schema(parameters=[ON, FORMAT])
    def dossier(self, request, *args, **kwargs):
        """All records of the agreement on a date, in one document: at most 500 of each kind, with the URL of the remaining ones."""
        reject_unknown_parameters(request, {"on", "format"})
        format = single(request, "format", "json")
        if format not in ("json", "md"):
            raise InvalidParameter("format", _("Use md, or omit this parameter for JSON."))
        document = Dossier(self.find(), self.read_context).as_dict()
        if format == "md":
            return HttpResponse(str(DossierText(document, request.user)), content_type=MEDIA_TYPE)
        return HttpResponse(json.dumps(document, ensure_ascii=False), content_type="application/json")

    def represent(self, entry) -> dict:
        url = self.request.build_absolute_uri(f"{json_sql.API}{entry.type}/{entry.key}/")
        return {"on": entry.on, "type": entry.type, "key": entry.key, "title": entry.title, "url": url}
