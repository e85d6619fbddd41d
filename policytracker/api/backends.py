"""The filter backends of lists: DRF calls them for a queryset, and describes their parameters in the schema."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from rest_framework.filters import BaseFilterBackend
from rest_framework.request import Request

from policytracker.representation.filters import filtered
from policytracker.representation.ordering import ordered, orders


def query_parameter(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    """The OpenAPI description of a query parameter. A list is sent as a repeated parameter."""
    repeated = {"style": "form", "explode": True} if schema.get("type") == "array" else {}
    return {"name": name, "in": "query", "schema": schema, "description": description} | repeated


class FieldFilters(BaseFilterBackend):
    """Filters a list by the parameters of `view.filter_set()`."""

    def filter_queryset(self, request: Request, queryset: QuerySet, view: Any) -> QuerySet:
        return filtered(queryset, view.filter_set(), view.filter_values, view.read_context)

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        return [
            query_parameter(name, {"type": "array", "items": filter.schema} if filter.many else filter.schema, filter.help)
            for name, filter in view.filter_set().items()
        ]


class Ordering(BaseFilterBackend):
    """Orders a list by the parameter `ordering`, and by its key; the last column is always unique. Unknown values come last."""

    def filter_queryset(self, request: Request, queryset: QuerySet, view: Any) -> QuerySet:
        return ordered(queryset, view.order, view.resource, view.reader)

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        names = ", ".join(orders(view.resource.serializer))
        help = f"Fields separated by commas, `-` for descending. Empty values come last. Fields: {names}."
        return [query_parameter("ordering", {"type": "string"}, help)]
