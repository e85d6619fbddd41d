"""Lists, details, writes and history, once for every kind of record."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date
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
from policytracker.api.parameters import COUNTED, InvalidParameter, only, page_size, single, today
from policytracker.api.serializers import KeyField, KeyListField, RecordSerializer
from policytracker.history.record import History
from policytracker.models import IdempotencyKey
from policytracker.records import exceptions, publishing
from policytracker.records.access import Reader
from policytracker.records.context import MAX_REASON, change_context
from policytracker.records.models import Record

PATIENCE = "10s"  # with a request whose first is still at work
INVALID_CURSOR = "This cursor is not one of ours, or belongs to another list or order."
SHAPE = {"expand", "fields", "omit"}
LISTING = {"ordering", "cursor", "page_size"}


def list_response(request: Request, results: str, *, count: int, next: str | None, previous: str | None) -> HttpResponse:
    """The envelope of every list, around results that are JSON already."""

    def to(cursor: str | None) -> str | None:
        if cursor is None:
            return None
        query = request.query_params.copy()
        query["cursor"] = cursor
        return request.build_absolute_uri(f"{request.path}?{query.urlencode()}")

    capped = count > COUNTED
    head: dict[str, Any] = {"count": min(count, COUNTED)} | ({"count_is_exact": False} if capped else {})
    head |= {"next": to(next), "previous": to(previous)}
    return HttpResponse(f'{json.dumps(head)[:-1]}, "results": [{results}]}}', content_type="application/json")


class RecordViewSet(GenericViewSet):
    """One kind of record: a list and a detail that cost the page, not the table, and writes that the model judges."""

    serializer_class: type[RecordSerializer]
    questions: dict[str, filters.Filter] = {}
    address: str
    metadata_class = None  # the schema tells what DRF's OPTIONS would
    judged_by_function = False  # whether a function of the domain, and not a model permission, says who may write

    def perform_content_negotiation(self, request, force=False):
        # `format` is a parameter like any other here, and whoever asks for something else is answered in JSON too.
        renderer = self.get_renderers()[0]
        return renderer, renderer.media_type

    # ---- what the declaration gives

    @property
    def model(self) -> type[Record]:
        return self.serializer_class.Meta.model

    def outside(self, field: str) -> str:
        return self.serializer_class.outside(field)

    @classmethod
    def filter_set(cls) -> dict[str, filters.Filter]:
        """Every question that this list answers: those of its fields, and its own."""
        if "_grammar" not in cls.__dict__:
            cls._grammar = filters.filter_set(cls.serializer_class) | cls.questions
        return cls._grammar

    @classmethod
    def orders(cls):
        if "_orders" not in cls.__dict__:
            cls._orders = filters.orders(cls.serializer_class)
        return cls._orders

    def get_queryset(self) -> QuerySet:
        return self.model.objects.visible_to(self.request.user)

    @cached_property
    def reader(self) -> Reader:
        return Reader.of(self.request.user)

    @cached_property
    def day(self) -> date:
        """The day that is asked of: today, unless `on` names another."""
        if "on" not in self.request.query_params:
            return today()
        try:
            return filters.day(single(self.request, "on"), filters.FilterContext(self.request.user, today()))
        except ValueError as error:
            raise InvalidParameter("on", str(error)) from error

    @property
    def by(self) -> date | None:
        """The same day if it is a past one."""
        return self.day if self.day < today() else None

    def find(self, lock: bool = False, rows: QuerySet | None = None, key: str | None = None) -> Record:
        """The record at this address, or with this key. Raises Http404 where it does not exist for the caller."""
        field = self.model._meta.get_field(self.model.key)
        rows, given = self.get_queryset() if rows is None else rows, self.kwargs["key"] if key is None else key
        try:
            key = field.to_python(given)
            if "\0" in given:
                raise Http404
            if lock:
                # Lock by id, since a row lock does not go with the joins and DISTINCTs of what may be seen; and let others
                # refer to it meanwhile, so that two who write records that refer to each other do not wait for ever.
                pk = rows.values_list("pk", flat=True).get(**{self.model.key: key})
                return self.model._base_manager.select_for_update(of=("self",), no_key=True).get(pk=pk)
            return rows.get(**{self.model.key: key})
        except (self.model.DoesNotExist, errors.ValidationError) as error:
            raise Http404 from error

    # ---- reading

    def shape(self) -> json_sql.Representation:
        """Which fields are shown, in which order, and which references are told in full."""
        fields = declared_fields(self.serializer_class)
        known = tuple(fields)
        chosen = {name: [part for part in single(self.request, name).split(",") if part] for name in SHAPE}
        for name, parts in chosen.items():
            for part in parts:
                if part not in known:
                    raise InvalidParameter(name, f"There is no field “{part[:100]}”.")
        for part in chosen["expand"]:
            reference = fields[part].child_relation if isinstance(fields[part], KeyListField) else fields[part]
            if not isinstance(reference, KeyField) or not issubclass(reference.model, Record):
                raise InvalidParameter("expand", f"“{part}” is no reference that can be expanded.")
        shown = chosen["fields"] or known
        kept = tuple(dict.fromkeys(part for part in shown if part not in chosen["omit"]))
        return json_sql.Representation(self.serializer_class, self.reader.roles, kept, frozenset(chosen["expand"]), self.by is not None)

    def texts(self, ids: list[int], shape: json_sql.Representation | None = None) -> list[str]:
        shape = shape or json_sql.Representation(self.serializer_class, self.reader.roles)
        base = self.request.build_absolute_uri("/")[:-1]
        return json_sql.texts(shape, ids, user=self.reader.id, on=self.day, base=base)

    def one(
        self, record: Record, code: int = status.HTTP_200_OK, shape: json_sql.Representation | None = None, version: int | None = None
    ) -> HttpResponse:
        """The answer that is one record, with its version as the ETag."""
        found = self.texts([record.pk], shape)
        if not found:
            raise Http404
        if version is None:
            version = self.model._base_manager.values_list("version", flat=True).get(pk=record.pk)
        response = HttpResponse(found[0], status=code, content_type="application/json")
        response["ETag"] = f'"{version}"'
        return response

    def filtered(self) -> QuerySet:
        context = filters.FilterContext(self.request.user, self.day, self.by)
        rows, filter_set = self.get_queryset(), self.filter_set()
        # The day first, for the others ask of the rows as they were then.
        for name, values in sorted(self.request.query_params.lists(), key=lambda asked: asked[0] != "on"):
            if name in filter_set:
                try:
                    rows = filter_set[name].apply(rows, values, context)
                except ValueError as error:
                    raise InvalidParameter(name, str(error)) from error
        return rows

    def ordered_by(self) -> tuple[list[pagination.Column], dict[str, Any]]:
        """The columns of the order, the last of them unique, and the annotations that they need."""
        columns: list[pagination.Column] = []
        annotations: dict[str, Any] = {}
        for part in filter(None, single(self.request, "ordering").split(",")):
            name = part.removeprefix("-")
            if name not in self.orders() or len(columns) >= 5:
                raise InvalidParameter("ordering", f"The list cannot be ordered by “{name[:100]}”.")
            if filters.names_people(declared_fields(self.serializer_class)[name]) and not self.reader.sees_people:
                raise InvalidParameter("ordering", "Sign in to ask about people.")
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
        only(request, SHAPE | LISTING | set(self.filter_set()))
        shape, size, (columns, annotations) = self.shape(), page_size(request), self.ordered_by()
        rows, cursor = self.filtered(), single(request, "cursor") or None
        try:
            page = pagination.page(rows.annotate(**annotations), columns, cursor, size, self.address)
        except pagination.InvalidCursor as error:
            raise InvalidParameter("cursor", INVALID_CURSOR) from error
        whole = cursor is None and page.next is None
        count = len(page.ids) if whole else rows.order_by()[: COUNTED + 1].count()
        return list_response(request, ",".join(self.texts(page.ids, shape)), count=count, next=page.next, previous=page.previous)

    def retrieve(self, request: Request, *args, **kwargs) -> HttpResponse:
        only(request, SHAPE | ({"on"} & self.filter_set().keys()))
        record = self.find(rows=self.get_queryset().only("version"))
        return self.one(record, shape=self.shape(), version=record.version)

    @action(detail=True, methods=["get"])
    def history(self, request: Request, *args, **kwargs) -> HttpResponse:
        """Who changed what, when, why and through which channel, newest first."""
        only(request, {"page_size", "cursor"})
        record = self.find()
        told = History(record, declared_fields(self.serializer_class), self.reader)
        rows, newest_first = told.shown(), [pagination.Column("id", descending=True)]
        try:
            page = pagination.page(rows, newest_first, single(request, "cursor") or None, page_size(request), f"history of {record.pk}")
        except pagination.InvalidCursor as error:
            raise InvalidParameter("cursor", INVALID_CURSOR) from error
        changes = rows.in_bulk(page.ids)
        entries = told.entries([changes[pk] for pk in page.ids])
        results = ", ".join(json.dumps(entry, ensure_ascii=False) for entry in entries)
        return list_response(request, results, count=rows.count(), next=page.next, previous=page.previous)

    # ---- writing

    def body(self, serializer_class: type[serializers.Serializer], entry: Any = None) -> serializers.Serializer:
        """What was sent to an act, or one entry of it, judged. Raises ValidationError."""
        sent = serializer_class(data=self.request.data if entry is None else entry, context=self.get_serializer_context())
        sent.is_valid(raise_exception=True)
        return sent

    @property
    def reason(self) -> str:
        return self.reason_of(self.request.data)

    def reason_of(self, body: Any) -> str:
        """The change reason of a body, or of one entry of a list; that of the header comes first."""
        given = body.get("change_reason") if isinstance(body, dict) else None
        reason = unquote(self.request.headers.get("X-Change-Reason", "")) or given
        try:
            return serializers.CharField(allow_blank=True, allow_null=True, max_length=MAX_REASON).run_validation(reason) or ""
        except serializers.ValidationError as error:
            raise serializers.ValidationError({"change_reason": error.detail}) from error

    def change_context(self, entry: dict[str, Any] | None = None):
        return change_context(self.request.user, self.reason if entry is None else self.reason_of(entry), "api")

    def still_current(self, record: Record, body: Any = None, tag_required: bool | None = None) -> int | None:
        """The version that the caller has named, if any. Refuses whoever names another than the present one, or must name one."""
        tag = self.request.headers["If-Match"].strip() if "If-Match" in self.request.headers else None
        if tag is None and (settings.REQUIRE_IF_MATCH if tag_required is None else tag_required):
            raise errors.APIError("if_match_required", "Send the version that you read in If-Match.", 428)
        if tag is not None and tag != "*":
            tags = {part.strip().removeprefix("W/").strip('"') for part in tag.split(",")}
            if str(record.version) not in tags:
                raise exceptions.Stale(record.version)
        seen = body.get("version") if isinstance(body, dict) else None
        if seen not in (None, "") and str(seen) != str(record.version):  # a multipart body has texts only
            raise exceptions.Stale(record.version)
        return None if tag in (None, "*") and seen in (None, "") else record.version

    def create(self, request: Request, *args, **kwargs) -> HttpResponse:
        only(request, SHAPE)
        return self.once(self.create_list if isinstance(request.data, list) else self.create_one)

    def create_one(self) -> HttpResponse:
        with self.change_context():
            record = self.make(self.request.data)
        return self.made(record)

    def made(self, record: Record) -> HttpResponse:
        # Links are set after the row, and the version is the database's to tell.
        version = None if record._meta.many_to_many else record.version
        response = self.one(record, status.HTTP_201_CREATED, self.shape(), version=version)
        response["Location"] = self.request.build_absolute_uri(f"{json_sql.API}{self.address}/{record.natural_key()[0]}/")
        return response

    def make(self, body: Any) -> Record:
        serializer = self.get_serializer(data=body)
        serializer.is_valid(raise_exception=True)
        self.begins_at_one(body)
        self.check_changes(None, serializer.validated_data)
        return serializer.save()

    def check_changes(self, record: Record | None, values: dict[str, Any]) -> None:
        """Raises NotPermitted for a change that this user may not make; `record` is None for a new one."""
        publishing.check_changes(self.request.user, record or self.model(), values)

    def begins_at_one(self, body: Any) -> None:
        if isinstance(body, dict) and body.get("version") not in (None, "", 1, "1"):
            raise serializers.ValidationError({"version": ["A new record has version 1."]})

    def create_list(self) -> HttpResponse:
        """Make a record of each entry, or none."""
        return self.write_list(bulk.Entries.create, status.HTTP_201_CREATED)

    def update_list(self, request: Request, *args, **kwargs) -> HttpResponse:
        """Change several records, each named by its key, or none of them."""
        only(request, SHAPE)
        return self.write_list(bulk.Entries.change, status.HTTP_200_OK, partial=True)

    def write_list(self, write: Callable[[bulk.Entries], Sequence[int]], code: int, **serializer) -> HttpResponse:
        bodies, shape = bulk.checked(self.request.data), self.shape()
        with self.change_context():
            ids = write(self.entries(bodies, self.get_serializer(**serializer)))
        return HttpResponse(f"[{','.join(self.texts(ids, shape))}]", status=code, content_type="application/json")

    def entries(self, bodies: Sequence[Any], serializer: RecordSerializer) -> bulk.Entries:
        return bulk.Entries(
            bodies,
            serializer,
            readable=self.get_queryset(),
            read=self.texts,
            permit=self.check_changes,
            still_current=self.entry_is_current,
            reason=self.reason_of,
        )

    def entry_is_current(self, record: Record | None, body: Any) -> None:
        """Of an entry of a list, where its `version` stands for If-Match."""
        if record is None:
            self.begins_at_one(body)
        else:
            self.still_current(record, body, tag_required=settings.REQUIRE_IF_MATCH and body.get("version") in (None, ""))

    def update(self, request: Request, *args, **kwargs) -> HttpResponse:
        return self.write(partial=False)

    def partial_update(self, request: Request, *args, **kwargs) -> HttpResponse:
        return self.write(partial=True)

    def write(self, *, partial: bool) -> HttpResponse:
        only(self.request, SHAPE)
        shape = self.shape()
        with self.change_context():
            record = self.find(lock=True)
            body = self.request.data
            self.still_current(record, body)
            serializer = self.get_serializer(record, data=body, partial=True)
            serializer.context["current"] = json.loads(self.texts([record.pk])[0])
            if not partial:
                self.all_required(serializer, body)
            serializer.is_valid(raise_exception=True)
            values = serializer.validated_data
            if not partial:
                serializer.whole(values, body)
            self.check_changes(record, values)
            serializer.save()
        return self.one(record, shape=shape)

    def all_required(self, serializer: RecordSerializer, body: Any) -> None:
        if isinstance(body, dict):
            missing = [n for n, f in serializer.fields.items() if f.required and not f.read_only and n not in body and n != self.model.key]
            if missing:
                required = serializers.ErrorDetail(serializers.Field.default_error_messages["required"], "required")
                raise serializers.ValidationError({name: [required] for name in missing})

    def destroy(self, request: Request, *args, **kwargs) -> HttpResponse:
        only(request, set())
        with self.change_context():
            record = self.find(lock=True)
            self.still_current(record)
            publishing.check_deletion(record)
            record.delete()
        return HttpResponse(status=status.HTTP_204_NO_CONTENT)

    # ---- doing it once

    def once(self, do) -> HttpResponse:
        """Answer a repeated POST as the first time, where it names itself by an Idempotency-Key (24 hours, per user and address)."""
        key = self.request.headers.get("Idempotency-Key")
        if key is None:
            return do()
        if not 1 <= len(key) <= 255 or not key.isascii() or not key.isprintable() or " " in key:
            raise serializers.ValidationError({"Idempotency-Key": ["Give 1 to 255 visible characters."]})
        digest = hashlib.sha256(self.request.get_full_path().encode() + b"\0" + self.raw_body).hexdigest()
        mine = IdempotencyKey.objects.filter(user=self.request.user, address=self.request.path, key=key)
        IdempotencyKey.objects.delete_expired()
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                # The unique key makes a second request wait here until the first has ended, but not for ever.
                cursor.execute("SELECT current_setting('lock_timeout')")
                (usual,) = cursor.fetchone()
                cursor.execute(f"SET LOCAL lock_timeout = '{PATIENCE}'")
                kept, first = mine.get_or_create(defaults={"body_hash": digest}, user=self.request.user, address=self.request.path, key=key)
                cursor.execute("SELECT set_config('lock_timeout', %s, true)", [usual])
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", "") != "55P03":
                raise
            raise errors.APIError("in_progress", "The first request with this key is still in progress.", 409) from error
        if first:
            response = do()
            kept.status, kept.body = response.status_code, response.content.decode()
            kept.headers = {name: response[name] for name in ("ETag", "Location", "Content-Type") if name in response}
            kept.save()
            return response
        if kept.body_hash != digest:
            raise errors.APIError("idempotency_key_reused", "This key was used for a different body.", 422)
        self.check_replay(json.loads(kept.body), kept.headers.get("Location", ""))
        response = HttpResponse(kept.body, status=kept.status, headers=kept.headers)
        response["Idempotent-Replayed"] = "true"
        return response

    def check_replay(self, answer: Any, location: str) -> None:
        """Raises Http404 where the caller may no longer read what the first answer made. A deleted record may be shown."""
        key = self.model.key
        keys = [record[key] for record in (answer if isinstance(answer, list) else [answer]) if key in record]
        keys += [location.rstrip("/").rsplit("/", 1)[-1]] if location else []
        existing = self.model._base_manager.filter(**{f"{key}__in": keys})
        if existing.exclude(pk__in=self.get_queryset().values("pk")).exists():
            raise Http404

    def initialize_request(self, request, *args, **kwargs):
        # DRF reads the stream once; a key is compared by the bytes that were sent.
        self.raw_body = b""
        if request.method == "POST" and "Idempotency-Key" in request.headers:
            with suppress(RequestDataTooBig):  # the parser says so
                self.raw_body = request.body
        return super().initialize_request(request, *args, **kwargs)


def declared_fields(serializer_class: type[RecordSerializer]) -> dict[str, serializers.Field]:
    """The declared fields, made once: making them costs more than a page does."""
    if "_fields" not in serializer_class.__dict__:
        serializer_class._fields = dict(serializer_class().fields)
    return serializer_class._fields
