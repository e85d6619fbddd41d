"""API views of recommendations and related records, and the transitions of progress updates."""

import json
from contextlib import contextmanager

from django.core.exceptions import NON_FIELD_ERRORS
from django.db import transaction
from django.http import Http404
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response

from policytracker.api.etag import seen_versions
from policytracker.api.mixins import DestroyMixin, UpdateMixin, WriteMixin
from policytracker.api.renderers import JsonText
from policytracker.api.viewsets import ReadOnlyRecordViewSet, RecordViewSet
from policytracker.records import exceptions
from policytracker.records.access import Role
from policytracker.representation import json_sql
from policytracker.representation.errors import error_details
from policytracker.representation.parameters import reject_unknown_parameters
from policytracker.resources import registry, today
from policytracker.writing import entries as bulk
from recommendations import progress, responses, serializers
from recommendations.models import Addressee, ProgressUpdate, Recommendation
from recommendations.serializers import ResultSerializer

REVIEWS = {"approve", "approve_list", "send_back", "void"}  # actions for reviewers


class ProgressActions(WriteMixin):
    """Transitions of progress updates. The response contains the update and its recommendation after the change."""

    def update_response(self, update, status=200, dry_run=False) -> Response:
        return Response(self.result_texts([update], dry_run)[0], status)

    def update_list_response(self, updates, status=200, dry_run=False) -> Response:
        return Response(JsonText.array(self.result_texts(updates, dry_run)), status)

    def result_texts(self, updates, dry_run=False) -> list[JsonText]:
        """The JSON text of each update with its recommendation. In a dry run the update has no uid and URL."""

        def texts(serializer, ids):
            texts = self.texts(ids, json_sql.Representation(serializer, self.reader.roles))
            return {pk: JsonText(text) for pk, text in zip(ids, texts, strict=True)}

        update_texts = texts(serializers.ProgressUpdateSerializer, [update.pk for update in updates])
        if dry_run:
            update_texts = {pk: JsonText.object(json.loads(text) | {"uid": None, "url": None}) for pk, text in update_texts.items()}
        recommendation_texts = texts(serializers.RecommendationSerializer, list({update.recommendation_id for update in updates}))
        return [
            JsonText.object({"update": update_texts[update.pk], "recommendation": recommendation_texts[update.recommendation_id]})
            for update in updates
        ]

    @contextmanager
    def or_not_found(self):
        """Raises Http404 for a record that does not exist, or that the user may not read."""
        try:
            yield
        except self.model.DoesNotExist as error:
            raise Http404 from error

    def for_each(self, entries, apply) -> list:
        """Call `apply(entry)` for each entry and collect the refusals. Raises EntriesRefused if any entry was refused."""
        refusals, results = bulk.Refusals(len(entries)), []
        for index, entry in enumerate(entries):
            with refusals.collect(index), self.change_context(entry if isinstance(entry, dict) else None):
                results.append(apply(entry))
        refusals.raise_if_any()
        return results

    def report_body(self, serializer_class, find, entry=None):
        """The validated body of a report. `find()` returns the recommendation, and what the report replaces if it is a revision.

        Raises ValidationError with all that is wrong: a value that cannot be read does not hide the other errors.
        """
        try:
            return self.validated_body(serializer_class, entry)
        except ValidationError as error:
            body = self.request.data if entry is None else entry
            if isinstance(body, dict) and isinstance(error.detail, dict):
                self.add_other_errors(error.detail, serializer_class, body, find)
            raise

    def add_other_errors(self, detail, serializer_class, body, find) -> None:
        readable = {name: value for name, value in body.items() if name not in detail}
        serializer = serializer_class(data=readable, context=self.get_serializer_context())
        try:
            recommendation, previous = find()
        except Http404:
            return
        if not serializer.is_valid():
            return
        submit = serializer.validated_data.get("submit", False)
        errors = progress.errors_beside(
            set(detail), recommendation, serializer.report(previous), by=self.request.user, today=today(), submit=submit
        )
        detail |= {"non_field_errors" if name == NON_FIELD_ERRORS else name: error_details(reasons) for name, reasons in errors.items()}

    def check_replay(self, answer, location) -> None:
        """Raises also Refused if the user may no longer report or review, and Http404 if a recommendation is no longer readable."""
        super().check_replay(answer, location)
        if self.action == "create":
            return
        results = answer if isinstance(answer, list) else [answer]
        slugs = {result["recommendation"]["slug"] for result in results}
        if Recommendation.objects.visible_to(self.request.user).filter(slug__in=slugs).count() < len(slugs):
            raise Http404
        permitted = progress.REVIEWERS if self.action in REVIEWS else {*progress.EDITORS, Role.OFFICER}
        own = all(result["update"]["author"] == self.request.user.get_username() for result in results)
        if not progress.roles(self.request.user) & (permitted | ({Role.ANALYST} if own and self.action != "void" else set())):
            raise exceptions.Refused([exceptions.Refusal("not_permitted", _("Your role may not report or review."))])


class RecommendationViewSet(ProgressActions, RecordViewSet):
    resource = registry.of(Recommendation)

    @extend_schema(request=serializers.FilingSerializer, responses={200: ResultSerializer, 201: ResultSerializer})
    @action(detail=True, methods=["post"], url_path="progress", function_checks_permission=True)
    def report(self, request, *args, **kwargs):
        """Submit a progress update. If it is refused, the response lists every unmet condition and nothing is saved."""
        reject_unknown_parameters(request.query_params, set())
        return self.run_once(self.report_once)

    def report_once(self) -> Response:
        serializer = self.report_body(serializers.FilingSerializer, lambda: (self.find(), None))
        dry_run = serializer.validated_data["dry_run"]
        with transaction.atomic(savepoint=dry_run):
            with self.change_context():
                response = self.update_response(self.submit_report(self.kwargs["key"], serializer), 200 if dry_run else 201, dry_run)
            if dry_run:
                transaction.set_rollback(True)
        return response

    def submit_report(self, slug, serializer):
        submit, seen = serializer.validated_data["submit"], seen_versions(self.request, serializer.initial_data)
        with self.or_not_found():
            return progress.report_progress(
                self.key_value(slug), serializer.report(), by=self.request.user, today=today(), version=seen, submit=submit
            )

    @extend_schema(
        request=serializers.FilingEntrySerializer(many=True),
        responses={200: ResultSerializer(many=True), 201: ResultSerializer(many=True)},
    )
    @action(detail=False, methods=["post"], url_path="progress", function_checks_permission=True)
    def report_list(self, request, *args, **kwargs):
        """Submit progress updates of several recommendations. If any is refused, nothing is saved."""
        reject_unknown_parameters(request.query_params, set())
        return self.run_once(self.report_list_once)

    def report_list_once(self) -> Response:
        keys, dry_runs = set(), set()

        def report(entry):
            serializer = self.report_body(
                serializers.FilingEntrySerializer,
                lambda: (self.find(key=str(entry.get("recommendation"))), None),
                entry,
            )
            dry_runs.add(serializer.validated_data["dry_run"])
            if len(dry_runs) > 1:
                raise ValidationError({"dry_run": [_("Use the same value in all entries.")]})
            key = serializer.validated_data["recommendation"]
            if key in keys:
                raise ValidationError({"recommendation": [_("This recommendation occurs more than once in the list.")]}, "duplicate")
            keys.add(key)
            return self.submit_report(key, serializer)

        with transaction.atomic():
            updates, dry_run = self.for_each(bulk.validated_entries(self.request.data), report), True in dry_runs
            response = self.update_list_response(updates, 200 if dry_run else 201, dry_run)
            transaction.set_rollback(dry_run)
        return response

    @extend_schema(responses=serializers.TransitionSerializer(many=True))
    @action(detail=True, methods=["get"], pagination_class=None)
    def transitions(self, request, *args, **kwargs):
        """Each status, with whether a report may set it next and the conditions that are unmet."""
        reject_unknown_parameters(request.query_params, set())
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
        return Response(results)


class AddresseeViewSet(RecordViewSet):
    resource = registry.of(Addressee)

    def check_replay(self, answer, location) -> None:
        """Raises also NotPermitted if the user may no longer record the response."""
        super().check_replay(answer, location)
        if self.action == "respond":
            responses.check_permission(self.find(), self.request.user)

    @extend_schema(request=serializers.ResponseSerializer)
    @action(detail=True, methods=["post"], function_checks_permission=True)
    def respond(self, request, *args, **kwargs):
        """Record the response of an addressee. Omitted fields keep their values."""
        reject_unknown_parameters(request.query_params, set())
        return self.run_once(self.respond_once)

    def respond_once(self) -> Response:
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


class ProgressUpdateViewSet(ProgressActions, UpdateMixin, DestroyMixin, ReadOnlyRecordViewSet):
    """Progress updates. They are created by `progress/` of a recommendation."""

    resource = registry.of(ProgressUpdate)
    function_checks_permission = True

    def apply(self, transition, **values) -> Response:
        """The response to a transition of the update at this URL: a function of progress.py, with these values."""
        reject_unknown_parameters(self.request.query_params, set())

        def apply_once():
            with self.change_context():
                return self.update_response(self.changed(transition, body=self.request.data, **values))

        return self.run_once(apply_once)

    def changed(self, transition, key=None, body=None, **values):
        """What a function of progress.py returns for the update with this key, by default that of the URL, with the version in the body."""
        key, seen = self.key_value(key or self.kwargs["key"]), seen_versions(self.request, body)
        with self.or_not_found():
            return transition(key, by=self.request.user, version=seen, **values)

    @extend_schema(request=serializers.RevisionSerializer)
    def partial_update(self, request, *args, **kwargs) -> Response:
        return self.update(request, *args, **kwargs, partial=True)

    @extend_schema(request=serializers.RevisionSerializer)
    def update(self, request, *args, **kwargs) -> Response:
        """Change the content of an own update that is a draft or was returned."""
        reject_unknown_parameters(request.query_params, set())
        partial = kwargs.get("partial")
        serializer = self.report_body(serializers.RevisionSerializer, lambda: self.revised(partial))
        with self.change_context():
            update = self.changed(
                progress.revise,
                body=request.data,
                report=lambda stored: serializer.report(stored if partial else None),
                today=today(),
            )
        return self.record_response(update)

    def revised(self, partial):
        """The recommendation of the update at this URL, and the content that a partial revision keeps."""
        update = self.find()
        return update.recommendation, progress.Report.of(update) if partial else None

    def destroy(self, request, *args, **kwargs) -> Response:
        reject_unknown_parameters(request.query_params, set())
        with self.change_context():
            self.changed(progress.discard)
        return Response(status=204)

    @extend_schema(request=serializers.ActSerializer, responses=ResultSerializer)
    @action(detail=True, methods=["post"])
    def submit(self, request, *args, **kwargs):
        """Submit a draft or a returned update for review."""
        self.validated_body(serializers.ActSerializer)
        return self.apply(progress.submit, today=today())

    @extend_schema(request=serializers.NoteSerializer, responses=ResultSerializer)
    @action(detail=True, methods=["post"])
    def approve(self, request, *args, **kwargs):
        """Approve a submitted update. It takes effect."""
        note = self.validated_body(serializers.NoteSerializer).validated_data["note"]
        return self.apply(progress.approve, today=today(), note=note)

    @extend_schema(request=serializers.ApprovalsSerializer, responses={200: ResultSerializer(many=True)})
    @action(detail=False, methods=["post"], url_path="approve")
    def approve_list(self, request, *args, **kwargs):
        """Approve several updates. If any is refused, none is approved."""
        reject_unknown_parameters(request.query_params, set())
        values = self.validated_body(serializers.ApprovalsSerializer).validated_data

        def approve(uid):
            return self.changed(progress.approve, uid, today=today(), note=values["note"])

        def approve_all():
            with transaction.atomic():
                return self.update_list_response(self.for_each(values["updates"], approve))

        return self.run_once(approve_all)

    @extend_schema(request=serializers.NoteSerializer, responses=ResultSerializer)
    @action(detail=True, methods=["post"], url_path="return")
    def send_back(self, request, *args, **kwargs):
        """Return a submitted update to its author with a note."""
        note = self.validated_body(serializers.NoteSerializer).validated_data["note"]
        return self.apply(progress.send_back, note=note)

    @extend_schema(request=serializers.ReasonSerializer, responses=ResultSerializer)
    @action(detail=True, methods=["post"])
    def void(self, request, *args, **kwargs):
        """Void an approved update with a reason. It stays readable and has no further effect."""
        reason = self.validated_body(serializers.ReasonSerializer).validated_data["reason"]
        return self.apply(progress.void, reason=reason)
