"""What one agreement tells together with the recommendations about it: scorecard, coverage, timeline, dossier."""

import json
from typing import Any

from django.db import transaction
from django.http import HttpResponse, JsonResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema

from agreements.deadlines import DeadlineState
from agreements.models.commitments import Stage
from agreements.models.components import ComponentStatus
from agreements.views import STANDING, AgreementViewSet
from policytracker.api import json_sql, pagination
from policytracker.api.markdown import MEDIA_TYPE
from policytracker.api.parameters import InvalidParameter, page_size, reject_unknown_parameters, single, today
from policytracker.api.schema import ON, PAGE, envelope, responses_by_media_type, shape
from policytracker.api.serializers import ADDRESSES
from policytracker.api.viewsets import INVALID_CURSOR, list_response
from recommendations.publication import publish
from recommendations.reports import scorecard
from recommendations.reports.coverage import MOST_COLUMNS, MOST_ROWS, coverage
from recommendations.reports.dossier import SECTIONS, Dossier
from recommendations.reports.dossier_text import DossierText
from recommendations.reports.timeline import Timeline
from recommendations.serializers import PublishSerializer, RecommendationSerializer
from recommendations.views import COUNT, TALLY, TEXT, numbers

REPORTS = ["scorecard", "coverage", "timeline", "dossier"]

WORDS = {"type": "string"}
LISTED = {"type": "array", "items": WORDS}
AMOUNT = {"type": ["string", "null"], "pattern": r"^-?\d+(\.\d+)?$"}


def several(**properties) -> dict:
    return {"type": "array", "items": shape(**properties)}


SCORECARD = shape(
    agreement=WORDS,
    on={"type": "string", "format": "date"},
    components=shape(total=COUNT, by_status=numbers(ComponentStatus), by_deadline_state=numbers(DeadlineState)),
    recommendations=shape(**TALLY),
    money=several(
        stage={"type": "string", "enum": Stage.values},
        currency=WORDS,
        figures=COUNT | {"description": "How many are added."},
        total=AMOUNT | {"type": "string"},
        disputed=COUNT | {"description": "How many dispute another figure, and are not added."},
    ),
    indicators=several(
        slug=WORDS, name=WORDS, unit=WORDS, latest_value=AMOUNT, latest_on=TEXT, baseline_value=AMOUNT, target_value=AMOUNT, target_on=TEXT
    ),
)
MATRIX = shape(
    rows=LISTED,
    columns=LISTED,
    cells={"type": "array", "items": {"type": "array", "items": {"type": "integer", "enum": [0, 1]}}},
    gaps=shape(rows=LISTED, columns=LISTED),
)
MATRIX["properties"]["complete"] = {
    "type": "boolean",
    "description": f"Given, and false, where there are more than {MOST_ROWS} rows or {MOST_COLUMNS} columns, and the rest was left out.",
}
COVERAGE = shape(party_component=MATRIX, sector_recommendation=MATRIX)
ENTRY = shape(
    on=WORDS | {"description": "The date as its source gives it."},
    type=WORDS | {"description": "The resource's address."},
    key=WORDS,
    title=WORDS,
    url={"type": "string", "format": "uri"},
)


def named(name: str) -> dict:
    """The shape of a record."""
    return {"$ref": f"#/components/schemas/{name}"}


def section(serializer) -> dict:
    """The shape of one section of a dossier."""
    one = named(serializer.__name__.removesuffix("Serializer"))
    if serializer is RecommendationSerializer:
        update = {"anyOf": [named("ProgressUpdate"), {"type": "null"}]}
        one = {"allOf": [one, shape(addressees={"type": "array", "items": named("Addressee")}, newest_update=update)]}
    link = {"type": ["string", "null"], "format": "uri", "description": "The list of the others, where there are more than 500."}
    return shape(count=COUNT, next=link, results={"type": "array", "items": one})


DOSSIER = shape(
    agreement=named("Agreement"),
    on={"type": "string", "format": "date"},
    standing=STANDING,
    **{name: section(part.serializer) for name, part in SECTIONS.items()},
)
FORMAT = OpenApiParameter("format", {"type": "string", "enum": ["md"]}, description="`md` for the same as a text to read; JSON without it.")


class AgreementReportViewSet(AgreementViewSet):
    """What only this app can tell of an agreement."""

    request_serializers = {"publish": PublishSerializer}
    response_schemas = {
        "publish": {"200": shape(published=several(type=WORDS, key=WORDS))},
        "scorecard": {"200": SCORECARD},
        "coverage": {"200": COVERAGE},
        "timeline": {"200": envelope(ENTRY)},
        "dossier": {"200": responses_by_media_type({"application/json": DOSSIER, "text/markdown": WORDS})},
    }

    def publish(self, request, *args, **kwargs):
        """Publish it with its drafts: components, recommendations of this agreement alone, and sources."""
        reject_unknown_parameters(request, set())
        return self.run_once(self.publish_once)

    def publish_once(self) -> HttpResponse:
        chosen = dict(self.validated_body(PublishSerializer).validated_data)
        dry_run, _ = chosen.pop("dry_run"), chosen.pop("change_reason", None)
        with transaction.atomic():
            with self.change_context():
                agreement: Any = self.find(lock=True)
                user: Any = self.request.user
                published = publish(agreement, by=user, **chosen)
            transaction.set_rollback(dry_run)
        return JsonResponse({"published": [{"type": ADDRESSES[type(one)], "key": one.slug} for one in published]})

    @extend_schema(parameters=[ON])
    def scorecard(self, request, *args, **kwargs):
        """Its parts and the recommendations about it, counted by status, deadline and freshness, on any day; its money and indicators."""
        reject_unknown_parameters(request, {"on"})
        return JsonResponse(scorecard.scorecard(self.find(), request.user, self.day, today()))

    def coverage(self, request, *args, **kwargs):
        """Which participant leads which component, and which recommendation reaches which sector: 1 where it does."""
        reject_unknown_parameters(request, set())
        return JsonResponse(coverage(self.find(), request.user))

    @extend_schema(parameters=PAGE)
    def timeline(self, request, *args, **kwargs):
        """Everything dated that belongs to it, oldest first by the first possible day; what has no date is left out."""
        reject_unknown_parameters(request, {"page_size", "cursor"})
        size, cursor = page_size(request), single(request, "cursor") or None
        line = Timeline(self.find(), request.user)
        try:
            page = line.page(cursor, size)
        except pagination.InvalidCursor as error:
            raise InvalidParameter("cursor", INVALID_CURSOR) from error
        results = ", ".join(json.dumps(self.told(entry), ensure_ascii=False) for entry in page.entries)
        return list_response(request, results, count=page.count, next=page.next, previous=page.previous)

    @extend_schema(parameters=[ON, FORMAT])
    def dossier(self, request, *args, **kwargs):
        """All that is known of it, in one document: at most 500 records of each kind, and where the others are read."""
        reject_unknown_parameters(request, {"on", "format"})
        form = single(request, "format", "json")
        if form not in ("json", "md"):
            raise InvalidParameter("format", "Ask for md, or leave it out for JSON.")
        by = self.day if self.day < today() else None
        base = request.build_absolute_uri("/")[:-1]
        told = Dossier(self.find(), request.user, on=self.day, by=by, base=base).told()
        if form == "md":
            return HttpResponse(str(DossierText(told, request.user)), content_type=MEDIA_TYPE)
        return HttpResponse(json.dumps(told, ensure_ascii=False), content_type="application/json")

    def told(self, entry) -> dict:
        url = self.request.build_absolute_uri(f"{json_sql.API}{entry.type}/{entry.key}/")
        return {"on": entry.on, "type": entry.type, "key": entry.key, "title": entry.title, "url": url}
