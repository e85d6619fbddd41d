"""The base viewset of records: list, detail, writes, bulk writes and history."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from typing import Any
from urllib.parse import unquote

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import OperationalError, connection, transaction
from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.viewsets import GenericViewSet

from policytracker.api import bulk, errors, filters, json_sql, pagination
from policytracker.api.parameters import MAX_COUNT, InvalidParameter, page_size, reject_unknown_parameters, single
from policytracker.api.serializers import KeyField, KeyListField, RecordSerializer
from policytracker.history.record import History
from policytracker.models import IdempotencyKey
from policytracker.records import exceptions, publishing
from policytracker.records.access import Reader
from policytracker.records.context import MAX_REASON, change_context
from policytracker.records.models import Record
from policytracker.resources import ReadContext, Resource

MAX_ORDERING = 5
IDEMPOTENCY_WAIT = "10s"  # how long a repeated request waits for the first one
INVALID_CURSOR = "Invalid cursor. Use `next` or `previous` of a response for the same list and order."
REPRESENTATION_PARAMETERS = {"expand", "fields", "omit"}
LIST_PARAMETERS = {"ordering", "cursor", "page_size"}


def list_response(request: Request, results: str, *, count: int, next: str | None, previous: str | None) -> HttpResponse:
    """A page of a list; `results` are JSON texts, joined by commas."""

    def url(cursor: str | None) -> str | None:
        if cursor is None:
            return None
        query = request.query_params.copy()
        query["cursor"] = cursor
        return request.build_absolute_uri(f"{request.path}?{query.urlencode()}")

    capped = count > MAX_COUNT
    head: dict[str, Any] = {"count": min(count, MAX_COUNT)} | ({"count_is_exact": False} if capped else {})
    head |= {"next": url(next), "previous": url(previous)}
    return HttpResponse(f'{json.dumps(head)[:-1]}, "results": [{results}]}}', content_type="application/json")


class RecordViewSet(GenericViewSet):
    """The API of one type of record. The cost of reading depends on the page, not on the table; the model validates writes.

    Overrides of DRF: PostgreSQL renders the JSON (`json_sql`), and paging is by keyset (`pagination`).
    """

    resource: Resource = None  # type: ignore[assignment]  # set by a subclass or by as_view()
    metadata_class = None  # no OPTIONS: the OpenAPI schema has the metadata
    function_checks_permission = False  # a function of the domain checks write permission, not the model permission

    def perform_content_negotiation(self, request, force=False):
        # Always JSON: `format` is an ordinary parameter here, and the Accept header is ignored.
        renderer = self.get_renderers()[0]
        return renderer, renderer.media_type

    # ---- configuration

    @property
    def model(self) -> type[Record]:
        return self.resource.model

    @property
    def serializer_class(self) -> type[RecordSerializer]:
        return self.resource.serializer

    @property
    def address(self) -> str:
        return self.resource.address

    def api_name(self, field: str) -> str:
        return self.serializer_class.api_name(field)

    def filter_set(self) -> dict[str, filters.Filter]:
        """The filters of the list by parameter name."""
        return filters.resource_filters(self.resource)

    def orders(self):
        return filters.orders(self.resource.serializer)

    def get_queryset(self) -> QuerySet:
        return self.model.objects.visible_to(self.request.user)

    @cached_property
    def read_context(self) -> ReadContext:
        """Who reads, and for which date: today, or the parameter `on`. Raises InvalidParameter."""
        context = ReadContext.of(self.request.user, base_url=self.request.build_absolute_uri("/")[:-1])
        if "on" not in self.request.query_params:
            return context
        try:
            return replace(context, on=filters.iso_date(single(self.request, "on"), context))
        except ValueError as error:
            raise InvalidParameter("on", str(error)) from error

    @property
    def reader(self) -> Reader:
        return self.read_context.reader

    def find(self, lock: bool = False, rows: QuerySet | None = None, key: str | None = None) -> Record:
        """The record of this URL, or with this key. Raises Http404 if it does not exist or the user may not read it."""
        field = self.model._meta.get_field(self.model.key)
        rows, text = self.get_queryset() if rows is None else rows, self.kwargs["key"] if key is None else key
        try:
            key = field.to_python(text)
            if "\0" in text:
                raise Http404
            if lock:
                # Lock by id, because visible_to() uses joins and DISTINCT, which row locks do not allow. NO KEY lets others
                # insert references meanwhile; otherwise two writers of records that refer to each other would deadlock.
                pk = rows.values_list("pk", flat=True).get(**{self.model.key: key})
                return self.model._base_manager.select_for_update(of=("self",), no_key=True).get(pk=pk)
            return rows.get(**{self.model.key: key})
        except (self.model.DoesNotExist, errors.ValidationError) as error:
            raise Http404 from error

    # ---- reading

    def representation(self) -> json_sql.Representation:
        """The fields to return and the references to expand (`fields`, `omit`, `expand`). Raises InvalidParameter."""
        fields = declared_fields(self.serializer_class)
        known = tuple(fields)
        requested = {name: [part for part in single(self.request, name).split(",") if part] for name in REPRESENTATION_PARAMETERS}
        for name, parts in requested.items():
            for part in parts:
                if part not in known:
                    raise InvalidParameter(name, f"There is no field “{part[:100]}”.")
        for part in requested["expand"]:
            reference = fields[part].child_relation if isinstance(fields[part], KeyListField) else fields[part]
            if not isinstance(reference, KeyField) or not issubclass(reference.model, Record):
                raise InvalidParameter("expand", f"“{part}” cannot be expanded. Only references to records can.")
        included = requested["fields"] or known
        names = tuple(dict.fromkeys(part for part in included if part not in requested["omit"]))
        expand = frozenset(requested["expand"])
        return json_sql.Representation(self.serializer_class, self.reader.roles, names, expand, self.read_context.past)

    def texts(self, ids: list[int], representation: json_sql.Representation | None = None) -> list[str]:
        """The JSON texts of the records, as the user reads them."""
        representation = representation or json_sql.Representation(self.serializer_class, self.reader.roles)
        return json_sql.texts(representation, ids, self.read_context)

    def record_response(
        self,
        record: Record,
        code: int = status.HTTP_200_OK,
        representation: json_sql.Representation | None = None,
        version: int | None = None,
    ) -> HttpResponse:
        """The response with one record, and its version as the ETag. Raises Http404 if the record no longer exists."""
        texts = self.texts([record.pk], representation)
        if not texts:
            raise Http404
        if version is None:
            version = self.model._base_manager.values_list("version", flat=True).get(pk=record.pk)
        response = HttpResponse(texts[0], status=code, content_type="application/json")
        response["ETag"] = f'"{version}"'
        return response

    def filtered_queryset(self) -> QuerySet:
        """The records of the list, filtered by the query parameters. Raises InvalidParameter."""
        context = self.read_context
        rows, filter_set = self.get_queryset(), self.filter_set()
        # `on` first: it restores the rows to that date, and the other filters apply to the result.
        for name, values in sorted(self.request.query_params.lists(), key=lambda parameter: parameter[0] != "on"):
            if name in filter_set:
                try:
                    rows = filter_set[name].apply(rows, values, context)
                except ValueError as error:
                    raise InvalidParameter(name, str(error)) from error
        return rows

    def ordering_columns(self) -> tuple[list[pagination.Column], dict[str, Any]]:
        """The columns of `ordering`, of which the last is unique, and the annotations that they need. Raises InvalidParameter."""
        columns: list[pagination.Column] = []
        annotations: dict[str, Any] = {}
        for part in filter(None, single(self.request, "ordering").split(",")):
            name = part.removeprefix("-")
            if name not in self.orders():
                raise InvalidParameter("ordering", f"The list cannot be ordered by “{name[:100]}”.")
            if len(columns) >= MAX_ORDERING:
                raise InvalidParameter("ordering", f"Order by at most {MAX_ORDERING} fields.")
            if filters.names_people(declared_fields(self.serializer_class)[name]) and not self.reader.sees_people:
                raise InvalidParameter("ordering", "Sign in to order by people.")
            column, expression = self.orders()[name]
            columns.append(pagination.Column(column.path, part.startswith("-"), column.nullable))
            if expression:
                annotations[column.path] = expression(self.reader)
        if not columns and self.model.key != "uid":
            columns.append(pagination.Column(self.model.key))
        else:
            columns.append(pagination.Column("id"))
        return columns, annotations

    def list(self, request: Request, *args, **kwargs) -> HttpResponse:
        reject_unknown_parameters(request, REPRESENTATION_PARAMETERS | LIST_PARAMETERS | set(self.filter_set()))
        representation, size, (columns, annotations) = self.representation(), page_size(request), self.ordering_columns()
        rows, cursor = self.filtered_queryset(), single(request, "cursor") or None
        try:
            page = pagination.page(rows.annotate(**annotations), columns, cursor, size, self.address)
        except pagination.InvalidCursor as error:
            raise InvalidParameter("cursor", INVALID_CURSOR) from error
        is_complete = cursor is None and page.next is None
        count = len(page.ids) if is_complete else rows.order_by()[: MAX_COUNT + 1].count()
        results = ",".join(self.texts(page.ids, representation))
        return list_response(request, results, count=count, next=page.next, previous=page.previous)

    def retrieve(self, request: Request, *args, **kwargs) -> HttpResponse:
        reject_unknown_parameters(request, REPRESENTATION_PARAMETERS | ({"on"} & self.filter_set().keys()))
        record = self.find(rows=self.get_queryset().only("version"))
        return self.record_response(record, representation=self.representation(), version=record.version)

    @action(detail=True, methods=["get"])
    def history(self, request: Request, *args, **kwargs) -> HttpResponse:
        """The changes of the record, newest first: user, time, reason, channel, old and new values."""
        reject_unknown_parameters(request, {"page_size", "cursor"})
        record = self.find()
        history = History(record, declared_fields(self.serializer_class), self.reader)
        rows, newest_first = history.shown(), [pagination.Column("id", descending=True)]
        try:
            page = pagination.page(rows, newest_first, single(request, "cursor") or None, page_size(request), f"history of {record.pk}")
        except pagination.InvalidCursor as error:
            raise InvalidParameter("cursor", INVALID_CURSOR) from error
        changes = rows.in_bulk(page.ids)
        entries = history.entries([changes[pk] for pk in page.ids])
        results = ", ".join(json.dumps(entry, ensure_ascii=False) for entry in entries)
        return list_response(request, results, count=rows.count(), next=page.next, previous=page.previous)

    # ---- writing

    def validated_body(self, serializer_class: type[serializers.Serializer], entry: Any = None) -> serializers.Serializer:
        """The validated body of an action, or of one entry of a list. Raises ValidationError."""
        serializer = serializer_class(data=self.request.data if entry is None else entry, context=self.get_serializer_context())
        serializer.is_valid(raise_exception=True)
        return serializer

    @property
    def reason(self) -> str:
        return self.reason_of(self.request.data)

    def reason_of(self, body: Any) -> str:
        """The change reason: from the header, else from the body or the entry of a list. Raises ValidationError."""
        body_reason = body.get("change_reason") if isinstance(body, dict) else None
        reason = unquote(self.request.headers.get("X-Change-Reason", "")) or body_reason
        try:
            return serializers.CharField(allow_blank=True, allow_null=True, max_length=MAX_REASON).run_validation(reason) or ""
        except serializers.ValidationError as error:
            raise serializers.ValidationError({"change_reason": error.detail}) from error

    def change_context(self, entry: dict[str, Any] | None = None):
        return change_context(self.request.user, self.reason if entry is None else self.reason_of(entry), "api")

    def check_version(self, record: Record, body: Any = None, tag_required: bool | None = None) -> int | None:
        """Compare `If-Match`, or `version` of the body, with the version of the record. Returns the version if one was given.

        Raises Stale if it differs, and APIError if it is required (`tag_required`, by default `REQUIRE_IF_MATCH`) and missing.
        """
        tag = self.request.headers["If-Match"].strip() if "If-Match" in self.request.headers else None
        if tag is None and (settings.REQUIRE_IF_MATCH if tag_required is None else tag_required):
            raise errors.APIError("if_match_required", "Send the ETag of the version that you read in the If-Match header.", 428)
        if tag is not None and tag != "*":
            tags = {part.strip().removeprefix("W/").strip('"') for part in tag.split(",")}
            if str(record.version) not in tags:
                raise exceptions.Stale(record.version)
        body_version = body.get("version") if isinstance(body, dict) else None
        if body_version not in (None, "") and str(body_version) != str(record.version):  # a multipart body has only texts
            raise exceptions.Stale(record.version)
        return None if tag in (None, "*") and body_version in (None, "") else record.version

    def create(self, request: Request, *args, **kwargs) -> HttpResponse:
        reject_unknown_parameters(request, REPRESENTATION_PARAMETERS)
        return self.run_once(self.create_list if isinstance(request.data, list) else self.create_one)

    def create_one(self) -> HttpResponse:
        with self.change_context():
            record = self.create_record(self.request.data)
        return self.created_response(record)

    def created_response(self, record: Record) -> HttpResponse:
        # The database counts the version again when many-to-many links are added after the row.
        version = None if record._meta.many_to_many else record.version
        response = self.record_response(record, status.HTTP_201_CREATED, self.representation(), version=version)
        response["Location"] = self.request.build_absolute_uri(f"{json_sql.API}{self.address}/{record.natural_key()[0]}/")
        return response

    def create_record(self, body: Any) -> Record:
        serializer = self.get_serializer(data=body)
        serializer.is_valid(raise_exception=True)
        self.check_initial_version(body)
        self.check_changes(None, serializer.validated_data)
        return serializer.save()

    def check_changes(self, record: Record | None, values: dict[str, Any]) -> None:
        """Raises NotPermitted if the user may not write these values. `record` is None for a new record."""
        publishing.check_changes(self.request.user, record or self.model(), values)

    def check_initial_version(self, body: Any) -> None:
        if isinstance(body, dict) and body.get("version") not in (None, "", 1, "1"):
            raise serializers.ValidationError({"version": ["A new record has version 1. Omit the version."]})

    def create_list(self) -> HttpResponse:
        """Create a record from each entry, or none if any entry is invalid."""
        return self.write_list(bulk.Entries.create, status.HTTP_201_CREATED)

    def update_list(self, request: Request, *args, **kwargs) -> HttpResponse:
        """Update the records with the keys of the entries, or none if any entry is invalid."""
        reject_unknown_parameters(request, REPRESENTATION_PARAMETERS)
        return self.write_list(bulk.Entries.change, status.HTTP_200_OK, partial=True)

    def write_list(self, write: Callable[[bulk.Entries], Sequence[int]], code: int, **serializer) -> HttpResponse:
        bodies, representation = bulk.validated_entries(self.request.data), self.representation()
        with self.change_context():
            ids = write(self.entries(bodies, self.get_serializer(**serializer)))
        return HttpResponse(f"[{','.join(self.texts(ids, representation))}]", status=code, content_type="application/json")

    def entries(self, bodies: Sequence[Any], serializer: RecordSerializer) -> bulk.Entries:
        return bulk.Entries(
            bodies,
            serializer,
            readable=self.get_queryset(),
            read=self.texts,
            check_permission=self.check_changes,
            check_version=self.check_entry_version,
            reason=self.reason_of,
        )

    def check_entry_version(self, record: Record | None, body: Any) -> None:
        """Check the `version` of an entry of a list, which replaces the If-Match header."""
        if record is None:
            self.check_initial_version(body)
        else:
            self.check_version(record, body, tag_required=settings.REQUIRE_IF_MATCH and body.get("version") in (None, ""))

    def update(self, request: Request, *args, **kwargs) -> HttpResponse:
        return self.write(partial=False)

    def partial_update(self, request: Request, *args, **kwargs) -> HttpResponse:
        return self.write(partial=True)

    def write(self, *, partial: bool) -> HttpResponse:
        reject_unknown_parameters(self.request, REPRESENTATION_PARAMETERS)
        representation = self.representation()
        with self.change_context():
            record = self.find(lock=True)
            body = self.request.data
            self.check_version(record, body)
            serializer = self.get_serializer(record, data=body, partial=True)
            serializer.context["current"] = json.loads(self.texts([record.pk])[0])
            if not partial:
                self.check_required(serializer, body)
            serializer.is_valid(raise_exception=True)
            values = serializer.validated_data
            if not partial:
                serializer.reset_omitted(values, body)
            self.check_changes(record, values)
            serializer.save()
        return self.record_response(record, representation=representation)

    def check_required(self, serializer: RecordSerializer, body: Any) -> None:
        """Raises ValidationError if a PUT omits a required field. The key is in the URL and may be omitted."""
        if isinstance(body, dict):
            missing = [n for n, f in serializer.fields.items() if f.required and not f.read_only and n not in body and n != self.model.key]
            if missing:
                required = serializers.ErrorDetail(serializers.Field.default_error_messages["required"], "required")
                raise serializers.ValidationError({name: [required] for name in missing})

    def destroy(self, request: Request, *args, **kwargs) -> HttpResponse:
        reject_unknown_parameters(request, set())
        with self.change_context():
            record = self.find(lock=True)
            self.check_version(record)
            publishing.check_deletion(record)
            record.delete()
        return HttpResponse(status=status.HTTP_204_NO_CONTENT)

    # ---- idempotency

    def run_once(self, operation: Callable[[], HttpResponse]) -> HttpResponse:
        """Run the operation. With an Idempotency-Key, a repeated POST gets the first response (24 hours, per user and URL).

        Raises APIError if the key was used with a different body, or its first request is still in progress.
        """
        key = self.request.headers.get("Idempotency-Key")
        if key is None:
            return operation()
        if not 1 <= len(key) <= 255 or not key.isascii() or not key.isprintable() or " " in key:
            raise serializers.ValidationError({"Idempotency-Key": ["Enter 1 to 255 visible ASCII characters without spaces."]})
        digest = hashlib.sha256(self.request.get_full_path().encode() + b"\0" + self.raw_body).hexdigest()
        keys = IdempotencyKey.objects.filter(user=self.request.user, address=self.request.path, key=key)
        IdempotencyKey.objects.delete_expired()
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                # The unique constraint makes a repeated request wait here for the first one, at most `IDEMPOTENCY_WAIT`.
                cursor.execute("SELECT current_setting('lock_timeout')")
                (default_timeout,) = cursor.fetchone()
                cursor.execute(f"SET LOCAL lock_timeout = '{IDEMPOTENCY_WAIT}'")
                stored, is_first = keys.get_or_create(
                    defaults={"body_hash": digest}, user=self.request.user, address=self.request.path, key=key
                )
                cursor.execute("SELECT set_config('lock_timeout', %s, true)", [default_timeout])
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", "") != "55P03":
                raise
            raise errors.APIError(
                "in_progress", "The first request with this Idempotency-Key is still in progress. Try again later.", 409
            ) from error
        if is_first:
            response = operation()
            stored.status, stored.body = response.status_code, response.content.decode()
            stored.headers = {name: response[name] for name in ("ETag", "Location", "Content-Type") if name in response}
            stored.save()
            return response
        if stored.body_hash != digest:
            raise errors.APIError("idempotency_key_reused", "This key was used for a different body.", 422)
        self.check_replay(json.loads(stored.body), stored.headers.get("Location", ""))
        response = HttpResponse(stored.body, status=stored.status, headers=stored.headers)
        response["Idempotent-Replayed"] = "true"
        return response

    def check_replay(self, answer: Any, location: str) -> None:
        """Raises Http404 if the user may no longer read a record of the first response. Deleted records do not matter."""
        key = self.model.key
        keys = [record[key] for record in (answer if isinstance(answer, list) else [answer]) if key in record]
        keys += [location.rstrip("/").rsplit("/", 1)[-1]] if location else []
        existing = self.model._base_manager.filter(**{f"{key}__in": keys})
        if existing.exclude(pk__in=self.get_queryset().values("pk")).exists():
            raise Http404

    def initialize_request(self, request, *args, **kwargs):
        # DRF can read the stream only once, and run_once() needs the bytes of the body.
        self.raw_body = b""
        if request.method == "POST" and "Idempotency-Key" in request.headers:
            with suppress(RequestDataTooBig):  # the parser reports it
                self.raw_body = request.body
        return super().initialize_request(request, *args, **kwargs)


def declared_fields(serializer_class: type[RecordSerializer]) -> dict[str, serializers.Field]:
    """The fields of the serializer, cached, because creating them takes longer than reading a page."""
    if "_fields" not in serializer_class.__dict__:
        serializer_class._fields = dict(serializer_class().fields)
    return serializer_class._fields
