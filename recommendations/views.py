"""API views of recommendations and related records, and the transitions of progress updates."""

import json
from bisect import bisect_left

from django.core import signing
from django.db import transaction
from django.http import Http404, HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError

from agreements.deadlines import DeadlineState
from agreements.views import array_of
from policytracker.api import bulk, json_sql
from policytracker.api.parameters import InvalidParameter, page_size, reject_unknown_parameters, single
from policytracker.api.schema import ON, PAGE, envelope, shape
from policytracker.api.viewsets import INVALID_CURSOR, RecordViewSet, list_response
from policytracker.records import exceptions
from policytracker.records.access import Role
from policytracker.records.models import Record
from policytracker.resources import registry, today
from recommendations import progress, responses, serializers
from recommendations.deadlines import Freshness
from recommendations.models import Addressee, ProgressUpdate, Recommendation, Status
from recommendations.reports.summary import GROUPINGS, Summary


def ref(name: str) -> dict:
    """The OpenAPI schema of a record."""
    return {"$ref": f"#/components/schemas/{name}"}


RESULT = shape(update=ref("ProgressUpdate"), recommendation=ref("Recommendation"))
TRANSITION = shape(status={"type": "string"}, label={"type": "string"}, allowed={"type": "boolean"}, unmet=array_of(ref("Error")))


def count_per_code(codes) -> dict:
    """The OpenAPI schema of an object with a count for each code of a list."""
    return shape(**{code: {"type": "integer"} for code in codes.values})


COUNT, TEXT = {"type": "integer"}, {"type": ["string", "null"]}
SHARE = {"type": ["number", "null"], "minimum": 0, "maximum": 1, "description": "Null if `total` is 0."}
TALLY = {
    "total": COUNT,
    "by_status": count_per_code(Status),
    "by_deadline_state": count_per_code(DeadlineState),
    "by_freshness": count_per_code(Freshness),
    "claim_differs": COUNT,
    "unknown": shape(count=COUNT, share=SHARE),
}
GROUP = shape(key=TEXT, title=TEXT, url=TEXT, **TALLY)


class ProgressActions(RecordViewSet):
    """Transitions of progress updates. The response contains the update and its recommendation after the change."""

    def update_response(self, update, status=200, dry_run=False) -> HttpResponse:
        return HttpResponse(self.result_texts([update], dry_run)[0], status=status, content_type="application/json")

    def update_list_response(self, updates, status=200, dry_run=False) -> HttpResponse:
        return HttpResponse(f"[{', '.join(self.result_texts(updates, dry_run))}]", status=status, content_type="application/json")

    def result_texts(self, updates, dry_run=False) -> list[str]:
        """The JSON text of each update with its recommendation. In a dry run the update has no uid and URL."""

        def texts(serializer, ids):
            return dict(zip(ids, self.texts(ids, json_sql.Representation(serializer, self.reader.roles)), strict=True))

        update_texts = texts(serializers.ProgressUpdateSerializer, [update.pk for update in updates])
        if dry_run:
            update_texts = {pk: json.dumps(json.loads(text) | {"uid": None, "url": None}) for pk, text in update_texts.items()}
        recommendation_texts = texts(serializers.RecommendationSerializer, list({update.recommendation_id for update in updates}))
        return [
            f'{{"update": {update_texts[update.pk]}, "recommendation": {recommendation_texts[update.recommendation_id]}}}'
            for update in updates
        ]

    def for_each(self, entries, apply) -> list:
        """Call `apply(entry)` for each entry and collect the refusals. Raises EntriesRefused if any entry was refused."""
        refusals, results = bulk.Refusals(len(entries)), []
        for index, entry in enumerate(entries):
            with refusals.collect(index), self.change_context(entry if isinstance(entry, dict) else None):
                results.append(apply(entry))
        refusals.raise_if_any()
        return results

    def check_replay(self, answer, location) -> None:
        """Check permissions again before a stored response is repeated.

        Raises Http404 if the user may no longer read a recommendation in it, Refused if the user may no longer report or review.
        """
        slugs = {result["recommendation"]["slug"] for result in (answer if isinstance(answer, list) else [answer])}
        if Recommendation.objects.visible_to(self.request.user).filter(slug__in=slugs).count() < len(slugs):
            raise Http404
        if not progress.roles(self.request.user) & {*progress.EDITORS, Role.OFFICER}:
            raise exceptions.Refused([exceptions.Refusal("not_permitted", _("Your role may not report or review."))])


class RecommendationViewSet(ProgressActions):
    resource = registry.of(Recommendation)
    request_serializers = {"report": serializers.FilingSerializer, "report_list": serializers.FilingEntrySerializer(many=True)}
    response_schemas = {
        "report": {"200": RESULT, "201": RESULT},
        "report_list": {"200": array_of(RESULT), "201": array_of(RESULT)},
        "transitions": {"200": array_of(TRANSITION)},
    }

    @action(detail=True, methods=["post"], url_path="progress", function_checks_permission=True)
    def report(self, request, *args, **kwargs):
        """Submit a progress update. If it is refused, the response lists every unmet condition and nothing is saved."""
        reject_unknown_parameters(request, set())
        return self.run_once(self.report_once)

    def report_once(self) -> HttpResponse:
        serializer = self.validated_body(serializers.FilingSerializer)
        dry_run = serializer.validated_data["dry_run"]
        with transaction.atomic():
            with self.change_context():
                response = self.update_response(self.submit_report(self.find(), serializer), 200 if dry_run else 201, dry_run)
            transaction.set_rollback(dry_run)
        return response

    def submit_report(self, recommendation, serializer):
        version = self.check_version(recommendation, serializer.initial_data)
        submit = serializer.validated_data["submit"]
        return progress.report_progress(
            recommendation, serializer.report(), by=self.request.user, today=today(), version=version, submit=submit
        )

    @action(detail=False, methods=["post"], url_path="progress", function_checks_permission=True)
    def report_list(self, request, *args, **kwargs):
        """Submit progress updates of several recommendations. If any is refused, nothing is saved."""
        reject_unknown_parameters(request, set())
        return self.run_once(self.report_list_once)

    def report_list_once(self) -> HttpResponse:
        keys, dry_runs = set(), set()

        def report(entry):
            serializer = self.validated_body(serializers.FilingEntrySerializer, entry)
            dry_runs.add(serializer.validated_data["dry_run"])
            if len(dry_runs) > 1:
                raise ValidationError({"dry_run": [_("Use the same value in all entries.")]})
            key = serializer.validated_data["recommendation"]
            if key in keys:
                raise ValidationError({"recommendation": [_("This recommendation occurs more than once in the list.")]}, "duplicate")
            keys.add(key)
            return self.submit_report(self.find(key=key), serializer)

        with transaction.atomic():
            updates, dry_run = self.for_each(bulk.validated_entries(self.request.data), report), True in dry_runs
            response = self.update_list_response(updates, 200 if dry_run else 201, dry_run)
            transaction.set_rollback(dry_run)
        return response

    @action(detail=True, methods=["get"])
    def transitions(self, request, *args, **kwargs):
        """Each status, with whether a report may set it next and the conditions that are unmet."""
        reject_unknown_parameters(request, set())
        transitions = progress.transitions(self.find(), by=request.user, today=today())
        results = [
            {
                "status": transition.status,
                "label": transition.label,
                "allowed": transition.allowed,
                "unmet": [{"code": unmet.code, "detail": unmet.detail} for unmet in transition.unmet],
            }
            for transition in transitions
        ]
        return JsonResponse(results, safe=False)


class AddresseeViewSet(RecordViewSet):
    resource = registry.of(Addressee)
    request_serializers = {"respond": serializers.ResponseSerializer}

    @action(detail=True, methods=["post"], function_checks_permission=True)
    def respond(self, request, *args, **kwargs):
        """Record the response of an addressee. Omitted fields keep their values."""
        reject_unknown_parameters(request, set())
        return self.run_once(self.respond_once)

    def respond_once(self) -> HttpResponse:
        with self.change_context():
            addressee = self.find(lock=True)
            self.check_version(addressee, self.request.data)
            serializer = serializers.ResponseSerializer(
                addressee, data=self.request.data, partial=True, context=self.get_serializer_context()
            )
            serializer.is_valid(raise_exception=True)
            values = serializer.keep_hidden(addressee, serializer.validated_data)
            responses.respond(addressee, values, by=self.request.user, today=today())
        return self.record_response(addressee)


class ProgressUpdateViewSet(ProgressActions):
    resource = registry.of(ProgressUpdate)
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
    response_schemas = {name: {"200": RESULT} for name in ("submit", "approve", "send_back", "void")} | {
        "approve_list": {"200": array_of(RESULT)}
    }
    create = None  # updates are created by progress/ of a recommendation
    update_list = None

    def apply(self, transition) -> HttpResponse:
        """Call `transition(update, version)` for the update at this URL. `version` is what the request is based on, or None."""
        reject_unknown_parameters(self.request, set())
        with self.change_context():
            update = self.find()
            return self.update_response(transition(update, self.check_version(update, self.request.data)))

    def write(self, *, partial: bool) -> HttpResponse:
        """Change the content of an own update that is a draft or was returned."""
        reject_unknown_parameters(self.request, set())
        serializer = self.validated_body(serializers.RevisionSerializer)
        with self.change_context():
            update = self.find()
            version = self.check_version(update, self.request.data)
            report = serializer.report(progress.Report.of(update) if partial else None)
            update = progress.revise(update, report, by=self.request.user, today=today(), version=version)
        return self.record_response(update)

    def destroy(self, request, *args, **kwargs) -> HttpResponse:
        reject_unknown_parameters(request, set())
        with self.change_context():
            update = self.find()
            progress.discard(update, by=request.user, version=self.check_version(update))
        return HttpResponse(status=204)

    @action(detail=True, methods=["post"])
    def submit(self, request, *args, **kwargs):
        """Submit a draft or a returned update for review."""
        self.validated_body(serializers.ActSerializer)
        return self.run_once(
            lambda: self.apply(lambda update, version: progress.submit(update, by=request.user, today=today(), version=version))
        )

    @action(detail=True, methods=["post"])
    def approve(self, request, *args, **kwargs):
        """Approve a submitted update. It takes effect."""
        note = self.validated_body(serializers.NoteSerializer).validated_data["note"]
        return self.run_once(
            lambda: self.apply(lambda update, version: progress.approve(update, by=request.user, today=today(), note=note, version=version))
        )

    @action(detail=False, methods=["post"], url_path="approve")
    def approve_list(self, request, *args, **kwargs):
        """Approve several updates. If any is refused, none is approved."""
        reject_unknown_parameters(request, set())
        values = self.validated_body(serializers.ApprovalsSerializer).validated_data

        def approve(uid):
            update = self.find(key=uid)
            return progress.approve(update, by=request.user, today=today(), note=values["note"], version=self.check_version(update))

        def approve_all():
            with transaction.atomic():
                return self.update_list_response(self.for_each(values["updates"], approve))

        return self.run_once(approve_all)

    @action(detail=True, methods=["post"], url_path="return")
    def send_back(self, request, *args, **kwargs):
        """Return a submitted update to its author with a note."""
        note = self.validated_body(serializers.NoteSerializer).validated_data["note"]
        return self.run_once(
            lambda: self.apply(lambda update, version: progress.send_back(update, by=request.user, note=note, version=version))
        )

    @action(detail=True, methods=["post"])
    def void(self, request, *args, **kwargs):
        """Void an approved update with a reason. It stays readable and has no further effect."""
        reason = self.validated_body(serializers.ReasonSerializer).validated_data["reason"]
        by = request.user
        return self.run_once(lambda: self.apply(lambda update, version: progress.void(update, by=by, reason=reason, version=version)))


class SummaryViewSet(RecommendationViewSet):
    """Counts of recommendations by group."""

    response_schemas = {"summary": {"200": envelope(GROUP)}}

    @extend_schema(
        parameters=[
            OpenApiParameter(
                "group_by", {"type": "string", "enum": list(GROUPINGS)}, required=True, description="The property that forms the groups."
            ),
            ON,
            *PAGE,
        ]
    )
    def summary(self, request, *args, **kwargs):
        """Counts by status, deadline state and freshness for each group, on a date. A recommendation can be in several groups."""
        reject_unknown_parameters(request, {"group_by", "on", "page_size", "cursor"})
        by, size = single(request, "group_by"), page_size(request)
        if by not in GROUPINGS:
            raise InvalidParameter("group_by", _("Use one of: {names}.").format(names=", ".join(GROUPINGS)))
        if by == "owner" and not self.reader.sees_people:
            raise InvalidParameter("group_by", _("Sign in to group by owner."))
        summary = Summary(by, self.read_context)
        groups = summary.groups()
        salt = f"summary by {by}"
        start = self.start([group.key for group in groups], salt)
        page = groups[start : start + size]
        cursor = lambda index: signing.dumps(groups[index].key, salt=salt)  # noqa: E731
        rows = [self.represent(group, summary.model) | counts for group, counts in zip(page, summary.tallies(page), strict=True)]
        results = ", ".join(json.dumps(row, ensure_ascii=False) for row in rows)
        next_start, previous_start = start + size, max(start - size, 0)
        return list_response(
            request,
            results,
            count=len(groups),
            next=cursor(next_start) if next_start < len(groups) else None,
            previous=cursor(previous_start) if start else None,
        )

    def start(self, keys, salt) -> int:
        """The index of the first group of the page: the key in the cursor, or its place if that group is gone. Sorts None last."""
        cursor = single(self.request, "cursor")
        if not cursor:
            return 0
        try:
            key = signing.loads(cursor, salt=salt)
        except signing.BadSignature as error:
            raise InvalidParameter("cursor", INVALID_CURSOR) from error
        order = [(key is None, key or "") for key in keys]
        return bisect_left(order, (key is None, key or ""))

    def represent(self, group, model) -> dict:
        """Key, title and URL of a group. Without a key, or for groups without an API resource (users), the URL is None."""
        has_url = issubclass(model, Record) and group.key is not None
        address = f"{json_sql.API}{registry.of(model).address}/{group.key}/" if has_url else ""
        url = self.request.build_absolute_uri(address) if has_url else None
        return {"key": group.key, "title": group.title, "url": url}
