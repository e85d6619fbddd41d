"""The base of the views about one type of record: who reads which records, for which date, and how a record is shown."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import replace
from functools import cached_property
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import QuerySet
from django.http import Http404
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter
from rest_framework import status
from rest_framework.generics import GenericAPIView
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from policytracker.api.backends import FieldFilters, Ordering
from policytracker.api.pagination import Pagination
from policytracker.api.renderers import FormatParameter, JsonText
from policytracker.records.access import Reader
from policytracker.records.models import Record, get_record
from policytracker.representation import filters, json_sql
from policytracker.representation.ordering import read_order
from policytracker.representation.parameters import InvalidParameter, reported_as, single
from policytracker.representation.references import KeyField, KeyListField
from policytracker.representation.serializers import RecordSerializer, declared_fields
from policytracker.representation.values import Parse, check_length, iso_date, reference
from policytracker.resources import ReadContext, Resource, registry
from policytracker.sql.moment import moment_read
from policytracker.sql.past_rows import JoinedHistory

REPRESENTATION = [
    OpenApiParameter("expand", {"type": "string"}, description="References to expand with title and URL, separated by commas."),
    OpenApiParameter("fields", {"type": "string"}, description="Return only these fields, in this order, separated by commas."),
    OpenApiParameter("omit", {"type": "string"}, description="Omit these fields, separated by commas."),
]
REPRESENTATION_PARAMETERS = {parameter.name for parameter in REPRESENTATION}
# The hooks of DRF by which a view selects and shows its rows, and what to declare instead: details and lists of the present are compiled
# from the declaration of the record type, and call none of them.
NOT_CALLED = {
    **dict.fromkeys(("queryset", "get_queryset", "get_object"), "`visible_to()` of the model selects the records"),
    **dict.fromkeys(("filter_backends", "filter_queryset"), "declare filters in the `Resource`"),
    **dict.fromkeys(("serializer_class", "get_serializer_class"), "declare the serializer in the `Resource`"),
    **dict.fromkeys(("lookup_field", "lookup_url_kwarg"), "`key` of the model is the name of its key"),
    "paginate_queryset": "lists of the present are pages of `ListQuery`",
}


def context_of(request: Request) -> ReadContext:
    """Who sends the request, for today, with the scheme and host for links in the response."""
    return ReadContext.of(request.user, base_url=request.build_absolute_uri("/")[:-1])


def json_response(text: str, version: int, code: int = status.HTTP_200_OK) -> Response:
    """The response with the JSON text of one record, and its version as the ETag."""
    return Response(JsonText(text), code, headers={"ETag": f'"{version}"'})


def reject_hooks(view: type, names: list[str]) -> None:
    """Raises TypeError if the view sets any of these hooks."""
    if names:
        reasons = "; ".join(f"`{name}`: {NOT_CALLED[name]}" for name in names)
        raise TypeError(f"{view.__name__} sets what lists and details do not use: {reasons}.")


class RegisterView(GenericAPIView):
    """A view about the records of all types, which can be limited to those that belong to one record of the scope."""

    function_checks_permission = True

    @property
    def model(self) -> type[Record]:
        """Reading requires a role, as for records of the scope."""
        return registry.scope.model

    @cached_property
    def read_context(self) -> ReadContext:
        return context_of(self.request)

    def values(self, name: str, parse: Parse) -> list[Any]:
        """The parsed values of a query parameter. Raises InvalidParameter."""
        texts = self.request.query_params.getlist(name)
        with reported_as(name):
            for text in texts:
                check_length(text)
            return [parse(text, self.read_context) for text in texts]

    def value(self, name: str, parse: Parse) -> Any:
        """The parsed value of a query parameter, None if it is not given. Raises InvalidParameter, also if it is repeated."""
        single(self.request.query_params, name)
        return next(iter(self.values(name, parse)), None)

    @property
    def scope(self) -> Record | None:
        """The record to whose records the response is limited, if any. Raises InvalidParameter."""
        pk = self.value(registry.scope_name, reference(self.model))
        return None if pk is None else self.model.objects.get(pk=pk)


class RecordView(GenericViewSet):
    """A view about one type of record. PostgreSQL renders the JSON of records (`json_sql`), not the serializer."""

    resource: Resource = None  # type: ignore[assignment]  # set by a subclass or by as_view()
    filter_backends = [FieldFilters, Ordering]
    pagination_class = Pagination
    paginator: Pagination
    content_negotiation_class = FormatParameter
    function_checks_permission = False  # a function of the domain checks write permission, not the model permission

    def __init_subclass__(cls, **kwargs):
        """Raises TypeError for a class that defines or inherits a hook that would not be called (`NOT_CALLED`)."""
        super().__init_subclass__(**kwargs)
        reject_hooks(cls, [name for name in NOT_CALLED if getattr(cls, name) is not getattr(RecordView, name)])

    @classmethod
    def as_view(cls, actions=None, **kwargs):
        """Raises TypeError for an option, such as one of `@action`, that would not be used."""
        reject_hooks(cls, [name for name in NOT_CALLED if name in kwargs])
        return transaction.non_atomic_requests(super().as_view(actions, **kwargs))

    def dispatch(self, request, *args, **kwargs):
        """Writes are one transaction, reads need none: each of their statements reads what is committed, with or without it."""
        # An error response rolls back, which an enclosing transaction (of a test) must survive.
        needs_none = request.method in SAFE_METHODS and not connection.in_atomic_block and not connection.transaction_limits
        with nullcontext() if needs_none else transaction.atomic():
            return super().dispatch(request, *args, **kwargs)

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

    @cached_property
    def filter_values(self) -> filters.Values:
        """The values of the filter parameters. Raises InvalidParameter."""
        return filters.read_values(self.request.query_params, self.filter_set(), self.read_context)

    @cached_property
    def order(self) -> tuple[str, ...]:
        """The fields of the parameter `ordering`. Raises InvalidParameter."""
        return read_order(single(self.request.query_params, "ordering"), self.resource, self.reader)

    def get_queryset(self) -> QuerySet:
        rows = self.model.objects.visible_to(self.request.user)
        return rows if moment_read.get() is None else JoinedHistory.of(rows)

    @cached_property
    def read_context(self) -> ReadContext:
        """Who reads, and for which date: today, or the parameter `on`. Raises InvalidParameter."""
        context = context_of(self.request)
        if "on" not in self.request.query_params:
            return context
        with reported_as("on"):
            return replace(context, on=iso_date(single(self.request.query_params, "on"), context))

    @property
    def reader(self) -> Reader:
        return self.read_context.reader

    def get_serializer_context(self):
        return super().get_serializer_context() | {"user": self.request.user}

    def find(self, lock: bool = False, rows: QuerySet | None = None, key: str | None = None) -> Record:
        """The record of this URL, or with this key. Raises Http404 if it does not exist or the user may not read it."""
        key = self.key_value(self.kwargs["key"] if key is None else key)
        try:
            if lock:
                return get_record(self.model, self.model.key, key, self.reader, lock=True)
            return (self.get_queryset() if rows is None else rows).get(**{self.model.key: key})
        except self.model.DoesNotExist as error:
            raise Http404 from error

    def key_value(self, text: str) -> Any:
        """A key in a URL as the value of its field. Raises Http404 if it cannot be one."""
        try:
            if "\0" in text:
                raise Http404
            return self.model._meta.get_field(self.model.key).to_python(text)
        except ValidationError as error:
            raise Http404 from error

    def representation(self) -> json_sql.Representation:
        """The fields to return and the references to expand (`fields`, `omit`, `expand`). Raises InvalidParameter."""
        fields = declared_fields(self.serializer_class)
        known = tuple(fields)
        requested = {
            name: [part for part in single(self.request.query_params, name).split(",") if part] for name in REPRESENTATION_PARAMETERS
        }
        for name, parts in requested.items():
            for part in parts:
                if part not in known:
                    raise InvalidParameter(name, _("There is no field “{name}”.").format(name=part[:100]))
        for part in requested["expand"]:
            reference = fields[part].child_relation if isinstance(fields[part], KeyListField) else fields[part]
            if not isinstance(reference, KeyField) or not issubclass(reference.model, Record):
                message = _("“{name}” cannot be expanded. Only references to records can.")
                raise InvalidParameter("expand", message.format(name=part))
        included = requested["fields"] or known
        names = tuple(dict.fromkeys(part for part in included if part not in requested["omit"]))
        expand = frozenset(requested["expand"])
        return json_sql.Representation(self.serializer_class, self.reader.roles, names, expand, self.read_context.past)

    def texts(self, ids: list[int], representation: json_sql.Representation | None = None) -> list[str]:
        """The JSON texts of the records, as the user reads them."""
        representation = representation or json_sql.Representation(self.serializer_class, self.reader.roles)
        return json_sql.read_many(representation, ids, self.read_context)

    def list_text(self, ids: Iterable[int], representation: json_sql.Representation | None = None) -> JsonText:
        """The JSON text of a list of the records."""
        return JsonText.array(self.texts(list(ids), representation))

    def record_response(
        self, record: Record, code: int = status.HTTP_200_OK, representation: json_sql.Representation | None = None
    ) -> Response:
        """The response with one record, and its version as the ETag. Raises Http404 if the record no longer exists."""
        representation = representation or json_sql.Representation(self.serializer_class, self.reader.roles)
        found = json_sql.read_stored(representation, record.pk, self.read_context)
        if found is None:
            raise Http404
        text, version = found
        return json_response(text, version, code)
