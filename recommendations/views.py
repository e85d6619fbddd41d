"""The resources of this app, and the entry points by which progress is filed and reviewed."""

import json
from bisect import bisect_left

from django.core import signing
from django.db import transaction
from django.http import Http404, HttpResponse, JsonResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError

from agreements.deadlines import DeadlineState
from policytracker.api import bulk, json_sql
from policytracker.api.parameters import InvalidParameter, page_size, reject_unknown_parameters, single, today
from policytracker.api.schema import ON, PAGE, envelope, shape
from policytracker.api.serializers import ADDRESSES
from policytracker.api.viewsets import INVALID_CURSOR, RecordViewSet, list_response
from policytracker.records import exceptions
from policytracker.records.access import Role
from recommendations import filters, progress, responses, serializers
from recommendations.deadlines import Freshness
from recommendations.models import Recommendation, Status
from recommendations.reports.summary import GROUPINGS, Summary

BOTH = {
    "type": "object",
    "required": ["update", "recommendation"],
    "properties": {
        "update": {"$ref": "#/components/schemas/ProgressUpdate"},
        "recommendation": {"$ref": "#/components/schemas/Recommendation"},
    },
}
EACH = {"type": "array", "items": BOTH}
MOVE = {
    "type": "object",
    "required": ["status", "label", "allowed", "unmet"],
    "properties": {
        "status": {"type": "string"},
        "label": {"type": "string"},
        "allowed": {"type": "boolean"},
        "unmet": {"type": "array", "items": {"$ref": "#/components/schemas/Error"}},
    },
}


def numbers(codes) -> dict:
    """The shape of how many there are of each code."""
    return {"type": "object", "required": codes.values, "properties": {code: {"type": "integer"} for code in codes.values}}


COUNT, TEXT = {"type": "integer"}, {"type": ["string", "null"]}
SHARE = {"type": ["number", "null"], "minimum": 0, "maximum": 1, "description": "Null where there is nothing to share."}
TALLY = {
    "total": COUNT,
    "by_status": numbers(Status),
    "by_deadline_state": numbers(DeadlineState),
    "by_freshness": numbers(Freshness),
    "claim_differs": COUNT,
    "unknown": shape(count=COUNT, share=SHARE),
}
GROUP = shape(key=TEXT, title=TEXT, url=TEXT, **TALLY)


class ProgressActions(RecordViewSet):
    """Answers an act upon a recommendation with both records as they then are."""

    def filed(self, update, status=200, dry_run=False) -> HttpResponse:
        return HttpResponse(self.both([update], dry_run)[0], status=status, content_type="application/json")

    def filed_list(self, updates, status=200, dry_run=False) -> HttpResponse:
        return HttpResponse(f"[{', '.join(self.both(updates, dry_run))}]", status=status, content_type="application/json")

    def both(self, updates, dry_run=False) -> list[str]:
        """The text of each update, together with that of its recommendation."""

        def texts(serializer, ids):
            return dict(zip(ids, self.texts(ids, json_sql.Representation(serializer, self.reader.roles)), strict=True))

        reported = texts(serializers.ProgressUpdateSerializer, [update.pk for update in updates])
        if dry_run:
            reported = {pk: json.dumps(json.loads(text) | {"uid": None, "url": None}) for pk, text in reported.items()}
        now = texts(serializers.RecommendationSerializer, list({update.recommendation_id for update in updates}))
        return [f'{{"update": {reported[update.pk]}, "recommendation": {now[update.recommendation_id]}}}' for update in updates]

    def each(self, entries, do) -> list:
        """Do it for each entry of a list; `do(entry)` is judged by itself. Raises EntriesRefused where any is refused."""
        refusals, done = bulk.Refusals(len(entries)), []
        for index, entry in enumerate(entries):
            with refusals.collect(index), self.change_context(entry if isinstance(entry, dict) else None):
                done.append(do(entry))
        refusals.raise_if_any()
        return done

    def check_replay(self, answer, location) -> None:
        """Raises Http404 if the caller may no longer read a record of the answer, and Refused if they may no longer report or review."""
        slugs = {one["recommendation"]["slug"] for one in (answer if isinstance(answer, list) else [answer])}
        if Recommendation.objects.visible_to(self.request.user).filter(slug__in=slugs).count() < len(slugs):
            raise Http404
        if not progress.roles(self.request.user) & {*progress.EDITORS, Role.OFFICER}:
            raise exceptions.Refused([exceptions.Refusal("not_permitted", "Your role may not report or review.")])


class RecommendationViewSet(ProgressActions):
    serializer_class = serializers.RecommendationSerializer
    extra_filters = filters.RECOMMENDATIONS
    request_serializers = {"report": serializers.FilingSerializer, "report_list": serializers.FilingEntrySerializer(many=True)}
    response_schemas = {
        "report": {"200": BOTH, "201": BOTH},
        "report_list": {"200": EACH, "201": EACH},
        "transitions": {"200": {"type": "array", "items": MOVE}},
    }

    @action(detail=True, methods=["post"], url_path="progress", function_checks_permission=True)
    def report(self, request, *args, **kwargs):
        """File how far it has come. Refused with all that is unmet, and then nothing is written."""
        reject_unknown_parameters(request, set())
        return self.run_once(self.file_once)

    def file_once(self) -> HttpResponse:
        asked = self.validated_body(serializers.FilingSerializer)
        dry_run = asked.validated_data["dry_run"]
        with transaction.atomic():
            with self.change_context():
                response = self.filed(self.file(self.find(), asked), 200 if dry_run else 201, dry_run)
            transaction.set_rollback(dry_run)
        return response

    def file(self, recommendation, asked):
        seen = self.check_version(recommendation, asked.initial_data)
        submit = asked.validated_data["submit"]
        return progress.report_progress(recommendation, asked.report(), by=self.request.user, today=today(), version=seen, submit=submit)

    @action(detail=False, methods=["post"], url_path="progress", function_checks_permission=True)
    def report_list(self, request, *args, **kwargs):
        """File how far several recommendations have come: all of it, or nothing."""
        reject_unknown_parameters(request, set())
        return self.run_once(self.file_list)

    def file_list(self) -> HttpResponse:
        named, dry_runs = set(), set()

        def file(entry):
            asked = self.validated_body(serializers.FilingEntrySerializer, entry)
            dry_runs.add(asked.validated_data["dry_run"])
            if len(dry_runs) > 1:
                raise ValidationError({"dry_run": ["Ask it of all entries or of none."]})
            key = asked.validated_data["recommendation"]
            if key in named:
                raise ValidationError({"recommendation": ["This recommendation occurs twice in the list."]}, "duplicate")
            named.add(key)
            return self.file(self.find(key=key), asked)

        with transaction.atomic():
            updates, dry_run = self.each(bulk.validated_entries(self.request.data), file), True in dry_runs
            response = self.filed_list(updates, 200 if dry_run else 201, dry_run)
            transaction.set_rollback(dry_run)
        return response

    @action(detail=True, methods=["get"])
    def transitions(self, request, *args, **kwargs):
        """Each status in turn: whether it may come next, and what its report must bring and who must agree, or why not."""
        reject_unknown_parameters(request, set())
        moves = progress.transitions(self.find(), by=request.user, today=today())
        told = [
            {
                "status": move.status,
                "label": move.label,
                "allowed": move.allowed,
                "unmet": [{"code": unmet.code, "detail": unmet.detail} for unmet in move.unmet],
            }
            for move in moves
        ]
        return JsonResponse(told, safe=False)


class AddresseeViewSet(RecordViewSet):
    serializer_class = serializers.AddresseeSerializer
    extra_filters = filters.ADDRESSEES
    request_serializers = {"respond": serializers.ResponseSerializer}

    @action(detail=True, methods=["post"], function_checks_permission=True)
    def respond(self, request, *args, **kwargs):
        """Record the response of the addressed party; what the body leaves out stays as it is."""
        reject_unknown_parameters(request, set())
        return self.run_once(self.respond_once)

    def respond_once(self) -> HttpResponse:
        with self.change_context():
            addressee = self.find(lock=True)
            self.check_version(addressee, self.request.data)
            answer = serializers.ResponseSerializer(addressee, data=self.request.data, partial=True, context=self.get_serializer_context())
            answer.is_valid(raise_exception=True)
            values = answer.keep_hidden(addressee, answer.validated_data)
            responses.respond(addressee, values, by=self.request.user, today=today())
        return self.record_response(addressee)


class MilestoneViewSet(RecordViewSet):
    serializer_class = serializers.MilestoneSerializer
    extra_filters = filters.MILESTONES


class DependencyViewSet(RecordViewSet):
    serializer_class = serializers.DependencySerializer
    extra_filters = filters.DEPENDENCIES


class ProgressUpdateViewSet(ProgressActions):
    serializer_class = serializers.ProgressUpdateSerializer
    extra_filters = filters.UPDATES
    function_checks_permission = True
    request_serializers = {
        "update": serializers.RevisionSerializer,
        "partial_update": serializers.RevisionSerializer,
        "submit": serializers.ActSerializer,
        "approve": serializers.NoteSerializer,
        "approve_list": serializers.ApprovalsSerializer,
        "send_back": serializers.NoteSerializer,
        "void": serializers.ReasonSerializer,
    }
    response_schemas = {act: {"200": BOTH} for act in ("submit", "approve", "send_back", "void")} | {"approve_list": {"200": EACH}}
    create = None  # an update is made by progress/ of its recommendation
    update_list = None

    def act(self, do) -> HttpResponse:
        """Do it to the update at this address; `do(update, seen)` is judged once its recommendation is locked."""
        reject_unknown_parameters(self.request, set())
        with self.change_context():
            update = self.find()
            return self.filed(do(update, self.check_version(update, self.request.data)))

    def write(self, *, partial: bool) -> HttpResponse:
        """Its author says it otherwise, while it is a draft or after it was returned."""
        reject_unknown_parameters(self.request, set())
        asked = self.validated_body(serializers.RevisionSerializer)
        with self.change_context():
            update = self.find()
            seen = self.check_version(update, self.request.data)
            report = asked.report(progress.Report.of(update) if partial else None)
            update = progress.revise(update, report, by=self.request.user, today=today(), version=seen)
        return self.record_response(update)

    def destroy(self, request, *args, **kwargs) -> HttpResponse:
        reject_unknown_parameters(request, set())
        with self.change_context():
            update = self.find()
            progress.discard(update, by=request.user, version=self.check_version(update))
        return HttpResponse(status=204)

    @action(detail=True, methods=["post"])
    def submit(self, request, *args, **kwargs):
        """Hand in a draft, or a returned update once more."""
        self.validated_body(serializers.ActSerializer)
        return self.run_once(lambda: self.act(lambda update, seen: progress.submit(update, by=request.user, today=today(), version=seen)))

    @action(detail=True, methods=["post"])
    def approve(self, request, *args, **kwargs):
        """Let it count."""
        note = self.validated_body(serializers.NoteSerializer).validated_data["note"]
        return self.run_once(
            lambda: self.act(lambda update, seen: progress.approve(update, by=request.user, today=today(), note=note, version=seen))
        )

    @action(detail=False, methods=["post"], url_path="approve")
    def approve_list(self, request, *args, **kwargs):
        """Let several updates count: all of them, or none."""
        reject_unknown_parameters(request, set())
        asked = self.validated_body(serializers.ApprovalsSerializer).validated_data

        def approve(uid):
            update = self.find(key=uid)
            return progress.approve(update, by=request.user, today=today(), note=asked["note"], version=self.check_version(update))

        def approve_all():
            with transaction.atomic():
                return self.filed_list(self.each(asked["updates"], approve))

        return self.run_once(approve_all)

    @action(detail=True, methods=["post"], url_path="return")
    def send_back(self, request, *args, **kwargs):
        """Return it to its author, with a note."""
        note = self.validated_body(serializers.NoteSerializer).validated_data["note"]
        return self.run_once(lambda: self.act(lambda update, seen: progress.send_back(update, by=request.user, note=note, version=seen)))

    @action(detail=True, methods=["post"])
    def void(self, request, *args, **kwargs):
        """Let an approved update count no more; it stays readable."""
        reason = self.validated_body(serializers.ReasonSerializer).validated_data["reason"]
        return self.run_once(lambda: self.act(lambda update, seen: progress.void(update, by=request.user, reason=reason, version=seen)))


class SummaryViewSet(RecommendationViewSet):
    """How far recommendations have come, in groups."""

    response_schemas = {"summary": {"200": envelope(GROUP)}}

    @extend_schema(
        parameters=[
            OpenApiParameter("group_by", {"type": "string", "enum": list(GROUPINGS)}, required=True, description="By what."),
            ON,
            *PAGE,
        ]
    )
    def summary(self, request, *args, **kwargs):
        """Each group with its numbers, on any day; one that has several things in common with others counts with each of them."""
        reject_unknown_parameters(request, {"group_by", "on", "page_size", "cursor"})
        by, size = single(request, "group_by"), page_size(request)
        if by not in GROUPINGS:
            raise InvalidParameter("group_by", f"Group by one of: {', '.join(GROUPINGS)}.")
        if by == "owner" and not self.reader.sees_people:
            raise InvalidParameter("group_by", "Sign in to ask about people.")
        summary = Summary(by, request.user, self.day, today())
        groups = summary.groups()
        salt = f"summary by {by}"
        start = self.start([group.key for group in groups], salt)
        page = groups[start : start + size]
        cursor = lambda at: signing.dumps(groups[at].key, salt=salt)  # noqa: E731
        told = [self.told(group, summary.model) | numbers for group, numbers in zip(page, summary.tallies(page), strict=True)]
        results = ", ".join(json.dumps(one, ensure_ascii=False) for one in told)
        next_at, previous_at = start + size, max(start - size, 0)
        return list_response(
            request,
            results,
            count=len(groups),
            next=cursor(next_at) if next_at < len(groups) else None,
            previous=cursor(previous_at) if start else None,
        )

    def start(self, keys, salt) -> int:
        """Where the page begins: at the key that the cursor names, or where it would stand. No key comes last."""
        cursor = single(self.request, "cursor")
        if not cursor:
            return 0
        try:
            key = signing.loads(cursor, salt=salt)
        except signing.BadSignature as error:
            raise InvalidParameter("cursor", INVALID_CURSOR) from error
        order = [(key is None, key or "") for key in keys]
        return bisect_left(order, (key is None, key or ""))

    def told(self, group, model) -> dict:
        address = ADDRESSES.get(model)
        known = address and group.key is not None
        url = self.request.build_absolute_uri(f"{json_sql.API}{address}/{group.key}/") if known else None
        return {"key": group.key, "title": group.title, "url": url}
