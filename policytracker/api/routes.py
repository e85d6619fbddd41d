"""The URLs of record types, and the code lists."""

from collections.abc import Iterable, Iterator
from functools import wraps

from django.http import JsonResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from drf_spectacular.utils import extend_schema
from rest_framework.views import APIView

from policytracker.api.views import RecordView
from policytracker.api.viewsets import RecordViewSet
from policytracker.representation.parameters import reject_unknown_parameters
from policytracker.resources import Resource, registry

LIST = {"get": "list", "post": "create", "patch": "update_list"}
DETAIL = {"get": "retrieve", "put": "update", "patch": "partial_update", "delete": "destroy"}


def record_urls(viewsets: Iterable[type[RecordView]]) -> list[URLPattern]:
    """The URLs of all record types. `viewsets` are those of types with actions of their own; the others need none."""
    special = {viewset.resource: viewset for viewset in viewsets}
    return [url for resource in registry.addressed for url in resource_urls(resource, special.get(resource, RecordViewSet))]


def resource_urls(resource: Resource, view: type[RecordView]) -> Iterator[URLPattern]:
    """The URLs of one record type: list, detail and actions."""
    address = resource.address
    options = {"basename": address, "resource": resource}
    list_actions = {method: name for method, name in LIST.items() if hasattr(view, name)}
    yield path(f"{address}/", view.as_view(list_actions, **options), name=f"{address}-list")
    detail = view.as_view(DETAIL, **options)
    for extra in view.get_extra_actions():
        handler = view.as_view(dict(extra.mapping), detail=extra.detail, **options, **extra.kwargs)
        if extra.detail:
            yield path(f"{address}/<str:key>/{extra.url_path}/", handler, name=f"{address}-{extra.url_name}")
        else:
            path_as_key = {"key": extra.url_path}
            yield path(f"{address}/{extra.url_path}/", post_or_detail(handler, detail, path_as_key), name=f"{address}-{extra.url_name}")
    yield path(f"{address}/<str:key>/", detail, name=f"{address}-detail")


def post_or_detail(list_action, detail, arguments: dict[str, str]):
    """A list action whose name can also be the key of a record: POST is the action, other methods are about the record."""

    @wraps(list_action)  # the OpenAPI schema describes the action
    def view(request):
        return list_action(request) if request.method == "POST" else detail(request, **arguments)

    return view


@csrf_exempt  # respond with 404 to every method
def not_found(request, address: str = "") -> JsonResponse:
    """The 404 response for unknown URLs below the API."""
    return JsonResponse({"code": "not_found", "detail": _("Unknown URL. See /api/v1/docs/ for the URLs of the API.")}, status=404)


CODE = {"type": "object", "properties": {name: {"type": "string"} for name in ("code", "label", "definition", "group")}}


class Choices(APIView):
    """All code lists, in order: code, label and definition."""

    @extend_schema(responses={200: {"type": "object", "additionalProperties": {"type": "array", "items": CODE}}})
    def get(self, request) -> JsonResponse:
        reject_unknown_parameters(request.query_params, set())
        code_lists = {
            name: [
                {"code": c.value, "label": str(c.label), "definition": getattr(c, "definition", "")}
                | ({"group": c.group} if hasattr(c, "group") else {})
                for c in codes
            ]
            for name, codes in registry.code_lists.items()
        }
        return JsonResponse(code_lists)
