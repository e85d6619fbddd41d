"""URLs of the API."""

from functools import wraps

from django.db import transaction
from django.http import JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.views import APIView

from agreements import views as agreements
from policytracker.api.parameters import reject_unknown_parameters
from policytracker.api.tokens import TokenDetail, TokenList
from policytracker.api.viewsets import RecordViewSet
from policytracker.quality.views import Findings
from policytracker.resources import Resource, registry, today
from recommendations import views as recommendations
from recommendations.reports import queue, views

# The viewsets of record types with actions of their own; the others need none.
VIEWSETS = {
    view.resource: view
    for view in (
        agreements.SourceViewSet,
        agreements.AgreementViewSet,
        recommendations.RecommendationViewSet,
        recommendations.AddresseeViewSet,
        recommendations.ProgressUpdateViewSet,
    )
}
LIST = {"get": "list", "post": "create", "patch": "update_list"}
DETAIL = {"get": "retrieve", "put": "update", "patch": "partial_update", "delete": "destroy"}


def resource_urls(resource: Resource):
    """The URLs of one record type: list, detail and actions."""
    view, address = VIEWSETS.get(resource, RecordViewSet), resource.address
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
    return JsonResponse({"code": "not_found", "detail": "Unknown URL. See /api/v1/docs/ for the URLs of the API."}, status=404)


CODE = {"type": "object", "properties": {name: {"type": "string"} for name in ("code", "label", "definition", "group")}}
NAMES = {"type": "array", "items": {"type": "string"}}
ME = {
    "type": "object",
    "properties": {
        "username": {"type": "string"},
        "name": {"type": "string"},
        "roles": NAMES,
        "party": {"type": ["string", "null"]},
        "permissions": NAMES,
        "queue": {"type": "object", "properties": {n: {"type": "integer"} for n in ("due", "stale", "returned", "waiting_for_review")}},
    },
}


class Choices(APIView):
    """All code lists, in order: code, label and definition."""

    @extend_schema(responses={200: {"type": "object", "additionalProperties": {"type": "array", "items": CODE}}})
    def get(self, request) -> JsonResponse:
        reject_unknown_parameters(request, set())
        code_lists = {
            name: [
                {"code": c.value, "label": str(c.label), "definition": getattr(c, "definition", "")}
                | ({"group": c.group} if hasattr(c, "group") else {})
                for c in codes
            ]
            for name, codes in registry.code_lists.items()
        }
        return JsonResponse(code_lists)


class Me(APIView):
    """The current user: roles, permissions and queue."""

    permission_classes = [IsAuthenticated]

    @extend_schema(responses={200: ME})
    def get(self, request) -> JsonResponse:
        reject_unknown_parameters(request, set())
        user = request.user
        office = getattr(user, "office", None)
        return JsonResponse({
            "username": user.get_username(),
            "name": user.get_full_name(),
            "roles": sorted(user.roles),
            "party": office.party.code if office else None,
            "permissions": sorted(user.get_all_permissions()),
            "queue": queue.queue(user, today()),
        })  # fmt: skip


urlpatterns = [
    path("schema/", SpectacularAPIView.as_view(authentication_classes=[], permission_classes=[AllowAny]), name="schema"),
    path(
        "docs/",
        SpectacularSwaggerSplitView.as_view(url_name="schema", authentication_classes=[], permission_classes=[AllowAny]),
        name="docs",
    ),
    # Not atomic: a failed login is recorded although the request fails.
    path("auth/tokens/", transaction.non_atomic_requests(TokenList.as_view()), name="tokens"),
    path("auth/tokens/<uuid:key>/", TokenDetail.as_view(), name="token"),
    path("checks/", Findings.as_view(), name="checks"),
    path("choices/", Choices.as_view(), name="choices"),
    path("me/", Me.as_view(), name="me"),
    path("summary/", views.SummaryViewSet.as_view({"get": "summary"}, basename="summary"), name="summary"),
    # These need both apps, so they are not actions of the agreement viewset.
    *(
        path(
            f"agreements/<str:key>/{extra.url_path}/",
            views.AgreementReportViewSet.as_view(dict(extra.mapping), basename="agreements", detail=True, **extra.kwargs),
            name=f"agreements-{extra.url_name}",
        )
        for extra in views.AgreementReportViewSet.get_extra_actions()
    ),
    *(pattern for resource in registry.addressed for pattern in resource_urls(resource)),
    path("", not_found),
    path("<path:address>", not_found),
]
