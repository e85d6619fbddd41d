"""What a viewset of records can do: list, read, history, and writes. A viewset lists the mixins that it has.

They follow DRF's mixins, with the same hooks (`perform_create`, `perform_update`, `perform_destroy`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from urllib.parse import unquote

from django.http import Http404, HttpResponseBase
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.mixins import CreateModelMixin, DestroyModelMixin, ListModelMixin, RetrieveModelMixin, UpdateModelMixin
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from policytracker.api import etag, pagination
from policytracker.api.as_of import reads_as_of
from policytracker.api.export import EXPORTS, Export, ExportRenderer
from policytracker.api.idempotency import IdempotencyMixin
from policytracker.api.renderers import JsonText, reject_unknown_format
from policytracker.api.views import REPRESENTATION, REPRESENTATION_PARAMETERS, RecordView, json_response
from policytracker.history.record import History, deleted_record
from policytracker.history.serializers import ChangeSerializer
from policytracker.records import publishing
from policytracker.records.context import MAX_REASON, change_context
from policytracker.records.models import Record
from policytracker.representation import json_sql, keyset
from policytracker.representation.list_query import ListQuery
from policytracker.representation.ordering import columns
from policytracker.representation.parameters import AS_OF, InvalidParameter, reject_unknown_parameters
from policytracker.representation.serializers import RecordSerializer, declared_fields
from policytracker.web.heavy import EXPORT, REPORT, has_left, heavy, take_turn
from policytracker.writing import entries as bulk

LIST_PARAMETERS = REPRESENTATION_PARAMETERS | pagination.PARAMETERS | {"ordering", "format"}
FORMATS = {"type": "string", "enum": ["json", *(renderer.format for renderer in EXPORTS)]}
FORMAT = OpenApiParameter("format", FORMATS, description="The format of the response. All except json contain all rows.")

# ---- reading


class ListMixin(ListModelMixin, RecordView):
    """The list of the records: a page, whose cost does not depend on the size of the table, or an export of all rows."""

    def get_renderers(self) -> list[BaseRenderer]:
        return [*super().get_renderers(), *(renderer() for renderer in EXPORTS if self.action == "list")]

    @heavy(REPORT, when=lambda request: AS_OF in request.GET)
    @heavy(EXPORT, when=lambda request: request.GET.get("format", "json") != "json")
    @extend_schema(parameters=[*REPRESENTATION, FORMAT])
    @reads_as_of
    def list(self, request: Request, *args, **kwargs) -> HttpResponseBase:
        reject_unknown_parameters(request.query_params, LIST_PARAMETERS | self.filter_set().keys())
        reject_unknown_format(request, self.get_renderers())
        representation = self.representation()
        if isinstance(renderer := request.accepted_renderer, ExportRenderer):
            export = self.export(representation)
            renderer.check(export)
            take_turn(request)
            return renderer.response(export)
        if self.read_context.as_of is not None:
            ordering = columns(self.order, self.resource)
            self.paginator.check(request, lambda cursor: keyset.decode_cursor(cursor, ordering, self.address))
            _values = self.filter_values  # are checked when they are read
            take_turn(request)
        return self.get_paginated_response(JsonText.array(self.page(representation)))

    def page(self, representation: json_sql.Representation) -> Sequence[str]:
        """The JSON texts of a page. Its statements are kept, unless they are different each time. Without filters it is one statement."""
        context, filter_set, is_unfiltered = self.read_context, self.filter_set(), not self.filter_values and not self.order
        is_compiled = context.as_of is None and not any(filter_set[name].reads for name, _values in self.filter_values)
        if is_unfiltered or is_compiled:
            roles, rendered = context.reader.roles, representation if is_unfiltered else None
            query = ListQuery(self.resource, roles, context.today, context.on, self.filter_values, self.order, rendered)
            results = self.paginator.paginate(lambda cursor, size: query.page(cursor, size, self.address, context), self.request)
        else:
            results = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        if is_unfiltered:
            return results
        # A record may be hidden between the two statements. A past moment has no second check: its statements take long to plan.
        return json_sql.read_many(representation, results, context, checked=context.as_of is None)

    def export(self, representation: json_sql.Representation) -> Export:
        """All rows of the list. Raises InvalidParameter for a parameter of pages."""
        for name in pagination.PARAMETERS & self.request.query_params.keys():
            raise InvalidParameter(name, _("An export contains all rows. Remove this parameter."))
        rows = self.filter_queryset(self.get_queryset())
        fields = representation.fields or tuple(declared_fields(self.serializer_class))
        return Export(
            rows, self.serializer_class, fields, representation.expand, self.read_context, self.address, partial(has_left, self.request)
        )


class RetrieveMixin(RetrieveModelMixin, RecordView):
    """One record, and its history."""

    @extend_schema(parameters=REPRESENTATION)
    @reads_as_of
    def retrieve(self, request: Request, *args, **kwargs) -> Response:
        reject_unknown_parameters(request.query_params, REPRESENTATION_PARAMETERS | ({"on"} & self.filter_set().keys()))
        found = json_sql.read_one(self.representation(), self.key_value(self.kwargs["key"]), self.read_context)
        if found is None:
            raise Http404
        text, version = found
        return json_response(text, version)

    @extend_schema(responses=ChangeSerializer(many=True))
    @action(detail=True, methods=["get"])
    def history(self, request: Request, *args, **kwargs) -> Response:
        """The changes of the record, newest first: user, time, reason, channel, old and new values."""
        reject_unknown_parameters(request.query_params, pagination.PARAMETERS)
        record = self.find_or_deleted()
        history = History(record, declared_fields(self.serializer_class), self.reader)
        rows = history.shown().order_by(keyset.Column("id", descending=True).order_by())
        ids = self.paginator.paginate_queryset(rows, request, salt=f"history of {record.pk}")
        changes = rows.in_bulk(ids)
        return self.get_paginated_response([entry.data for entry in history.entries([changes[pk] for pk in ids])])

    def find_or_deleted(self) -> Record:
        """The record of this URL, or for reviewers and administrators the deleted one. Raises Http404."""
        try:
            return self.find()
        except Http404:
            key = self.kwargs["key"]
            deleted = None if "\0" in key else deleted_record(self.model, self.reader, before__contains={self.model.key: key})
            if deleted is None or not History(deleted, {}, self.reader).readable().exists():
                raise
            return deleted


# ---- writing


class WriteMixin(IdempotencyMixin, RecordView):
    """What all writes share: the body, the change reason, and the context of the change."""

    def validated_body(self, serializer_class: type[serializers.Serializer], entry: Any = None) -> serializers.Serializer:
        """The validated body of an action, or of one entry of a list. Raises ValidationError."""
        serializer = serializer_class(data=self.request.data if entry is None else entry, context=self.get_serializer_context())
        serializer.is_valid(raise_exception=True)
        return serializer

    def reason_of(self, body: Any) -> str:
        """The change reason: from the header, else from the body or the entry of a list. Raises ValidationError."""
        body_reason = body.get("change_reason") if isinstance(body, dict) else None
        reason = unquote(self.request.headers.get("X-Change-Reason", "")) or body_reason
        try:
            return serializers.CharField(allow_blank=True, allow_null=True, max_length=MAX_REASON).run_validation(reason) or ""
        except serializers.ValidationError as error:
            raise serializers.ValidationError({"change_reason": error.detail}) from error

    def change_context(self, entry: dict[str, Any] | None = None):
        return change_context(self.request.user, self.reason_of(self.request.data if entry is None else entry), "api")

    def check_version(self, record: Record, body: Any = None) -> None:
        """Raises Stale if the request is based on another version of the record."""
        etag.check_version(self.request, record, body)

    def check_changes(self, record: Record | None, values: dict[str, Any]) -> None:
        """Raises NotPermitted if the user may not write these values. `record` is None for a new record."""
        publishing.check_changes(self.request.user, record or self.model(), values)

    def check_replay(self, answer: Any, location: str) -> None:
        """Raises Http404 if the user may no longer read the record of this URL, or one of the first response that was not deleted."""
        if "key" in self.kwargs:
            self.find()
        key = self.model.key
        keys = [record[key] for record in (answer if isinstance(answer, list) else [answer]) if key in record]
        keys += [location.rstrip("/").rsplit("/", 1)[-1]] if location else []
        existing = self.model._base_manager.filter(**{f"{key}__in": keys})
        if existing.exclude(pk__in=self.get_queryset().values("pk")).exists():
            raise Http404


class WriteListMixin(WriteMixin):
    """Writes of a list of records: all or nothing."""

    def write_list(self, write: Callable[[bulk.Entries], Sequence[int]], code: int, **serializer) -> Response:
        bodies, representation = bulk.validated_entries(self.request.data), self.representation()
        with self.change_context():
            ids = write(self.entries(bodies, self.get_serializer(**serializer)))
        return Response(self.list_text(ids, representation), code)

    def entries(self, bodies: Sequence[Any], serializer: RecordSerializer) -> bulk.Entries:
        return bulk.Entries(
            bodies,
            serializer,
            readable=self.get_queryset(),
            read=self.texts,
            check_permission=self.check_changes,
            check_version=partial(etag.check_entry_version, self.request),
            reason=self.reason_of,
        )


class CreateMixin(CreateModelMixin, WriteListMixin):
    """Creates a record, or several from a list."""

    @extend_schema(parameters=REPRESENTATION)
    def create(self, request: Request, *args, **kwargs) -> Response:
        reject_unknown_parameters(request.query_params, REPRESENTATION_PARAMETERS)
        return self.run_once(self.create_list if isinstance(request.data, list) else self.create_one)

    def create_one(self) -> Response:
        with self.change_context():
            serializer = self.get_serializer(data=self.request.data)
            serializer.is_valid(raise_exception=True)
            self.perform_create(serializer)
        record = serializer.instance
        response = self.record_response(record, status.HTTP_201_CREATED, self.representation())
        response["Location"] = self.request.build_absolute_uri(f"{json_sql.API}{self.address}/{record.natural_key()[0]}/")
        return response

    def perform_create(self, serializer: RecordSerializer) -> None:
        etag.check_initial_version(serializer.initial_data)
        self.check_changes(None, serializer.validated_data)
        serializer.save()

    def create_list(self) -> Response:
        """Create a record from each entry, or none if any entry is invalid."""
        return self.write_list(bulk.Entries.create, status.HTTP_201_CREATED)


class UpdateMixin(UpdateModelMixin, WriteMixin):
    """Replaces or updates a record."""

    @extend_schema(parameters=REPRESENTATION)
    def update(self, request: Request, *args, **kwargs) -> Response:
        partial = kwargs.get("partial", False)
        reject_unknown_parameters(request.query_params, REPRESENTATION_PARAMETERS)
        representation = self.representation()
        with self.change_context():
            record = self.find(lock=True)
            self.check_version(record, request.data)
            serializer = self.get_serializer(record, data=request.data, partial=True)
            serializer.context["current"] = lambda: json.loads(self.texts([record.pk])[0])
            if not partial:
                self.check_required(serializer, request.data)
            serializer.is_valid(raise_exception=True)
            if not partial:
                serializer.reset_omitted(serializer.validated_data, request.data)
            self.perform_update(serializer)
        return self.record_response(record, representation=representation)

    @extend_schema(parameters=REPRESENTATION)
    def partial_update(self, request: Request, *args, **kwargs) -> Response:
        return super().partial_update(request, *args, **kwargs)

    def perform_update(self, serializer: RecordSerializer) -> None:
        self.check_changes(serializer.instance, serializer.validated_data)
        serializer.save()

    def check_required(self, serializer: RecordSerializer, body: Any) -> None:
        """Raises ValidationError if a PUT omits a required field. The key is in the URL and may be omitted."""
        if isinstance(body, dict):
            missing = [n for n, f in serializer.fields.items() if f.required and not f.read_only and n not in body and n != self.model.key]
            if missing:
                required = serializers.ErrorDetail(serializers.Field.default_error_messages["required"], "required")
                raise serializers.ValidationError({name: [required] for name in missing})


class UpdateListMixin(WriteListMixin):
    """Updates several records."""

    @extend_schema(parameters=REPRESENTATION)
    def update_list(self, request: Request, *args, **kwargs) -> Response:
        """Update the records with the keys of the entries, or none if any entry is invalid."""
        reject_unknown_parameters(request.query_params, REPRESENTATION_PARAMETERS)
        return self.write_list(bulk.Entries.change, status.HTTP_200_OK, partial=True)


class DestroyMixin(DestroyModelMixin, WriteMixin):
    """Deletes a record."""

    @extend_schema(responses={204: OpenApiResponse(description="Deleted.")})
    def destroy(self, request: Request, *args, **kwargs) -> Response:
        reject_unknown_parameters(request.query_params, set())
        with self.change_context():
            record = self.find(lock=True)
            self.check_version(record)
            self.perform_destroy(record)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def perform_destroy(self, instance: Record) -> None:
        publishing.check_deletion(instance)
        instance.delete()
