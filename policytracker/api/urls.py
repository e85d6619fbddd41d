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
from agreements.deadlines import DeadlineState
from agreements.models import Agreement
from agreements.models.agreements import AgreementKind, AgreementStatus, LegalForce, ParticipationRole, RelationKind
from agreements.models.commitments import Bound, Stage
from agreements.models.components import ComponentStatus, DueAnchor
from agreements.models.outcomes import Direction
from agreements.models.parties import PartyKind
from agreements.models.sources import Confidence, SourceKind, Stance, Verdict
from agreements.models.treaty_actions import ActionKind, ConditionKind
from agreements.standing import PartyStanding, TextStanding
from policytracker.api.parameters import reject_unknown_parameters
from policytracker.api.serializers import ADDRESSES, SERIALIZERS
from policytracker.api.tokens import TokenDetail, TokenList
from policytracker.api.viewsets import RecordViewSet
from policytracker.quality.views import Findings
from policytracker.records.access import Publication, Visibility
from policytracker.resources import today
from recommendations import views as recommendations
from recommendations.deadlines import Freshness
from recommendations.models import AddresseeRole, Priority, Response, Review, Status, UpdateKind
from recommendations.reports import queue, views

RESOURCES: dict[str, type[RecordViewSet]] = {
    "parties": agreements.PartyViewSet,
    "sectors": agreements.SectorViewSet,
    "focus-areas": agreements.FocusAreaViewSet,
    "sources": agreements.SourceViewSet,
    "agreements": agreements.AgreementViewSet,
    "agreement-relations": agreements.AgreementRelationViewSet,
    "participations": agreements.ParticipationViewSet,
    "treaty-actions": agreements.TreatyActionViewSet,
    "entry-into-force-conditions": agreements.EntryIntoForceConditionViewSet,
    "components": agreements.ComponentViewSet,
    "commitments": agreements.CommitmentViewSet,
    "outcomes": agreements.OutcomeViewSet,
    "indicators": agreements.IndicatorViewSet,
    "measurements": agreements.MeasurementViewSet,
    "fact-checks": agreements.FactCheckViewSet,
    "citations": agreements.CitationViewSet,
    "recommendations": recommendations.RecommendationViewSet,
    "addressees": recommendations.AddresseeViewSet,
    "milestones": recommendations.MilestoneViewSet,
    "progress-updates": recommendations.ProgressUpdateViewSet,
    "dependencies": recommendations.DependencyViewSet,
}
LIST = {"get": "list", "post": "create", "patch": "update_list"}
DETAIL = {"get": "retrieve", "put": "update", "patch": "partial_update", "delete": "destroy"}


for address, view in RESOURCES.items():
    view.address = address
    ADDRESSES[view.serializer_class.Meta.model] = address
    SERIALIZERS[view.serializer_class.Meta.model] = view.serializer_class


def resource_urls(address: str, view: type[RecordViewSet]):
    """The URLs of one resource: list, detail and actions."""
    list_actions = {method: name for method, name in LIST.items() if getattr(view, name)}
    yield path(f"{address}/", view.as_view(list_actions, basename=address), name=f"{address}-list")
    detail = view.as_view(DETAIL, basename=address)
    for extra in view.get_extra_actions():
        handler = view.as_view(dict(extra.mapping), basename=address, detail=extra.detail, **extra.kwargs)
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


CHOICES = {
    "agreement.legal_force": LegalForce,
    "agreement.kind": AgreementKind,
    "agreement.status": AgreementStatus,
    "agreement_relation.kind": RelationKind,
    "participation.role": ParticipationRole,
    "treaty_action.kind": ActionKind,
    "component.status": ComponentStatus,
    "component.due_anchor": DueAnchor,
    "recommendation.status": Status,
    "recommendation.priority": Priority,
    "addressee.response": Response,
    "addressee.role": AddresseeRole,
    "source.kind": SourceKind,
    "citation.confidence": Confidence,
    "citation.stance": Stance,
    "fact_check.verdict": Verdict,
    "party.kind": PartyKind,
    "commitment.stage": Stage,
    "commitment.bound": Bound,
    "entry_into_force_condition.kind": ConditionKind,
    "indicator.direction": Direction,
    "progress_update.kind": UpdateKind,
    "progress_update.review": Review,
    "visibility": Visibility,
    "publication": Publication,
    "deadline_state": DeadlineState,
    "freshness": Freshness,
    "standing.text": TextStanding,
    "standing.party": PartyStanding,
}


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
            for name, codes in CHOICES.items()
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
    path("changes/", views.RegisterChanges.as_view(), name="changes"),
    path("checks/", Findings.as_view(model=Agreement), name="checks"),
    path("choices/", Choices.as_view(), name="choices"),
    path("me/", Me.as_view(), name="me"),
    path("summary/", recommendations.SummaryViewSet.as_view({"get": "summary"}, basename="summary"), name="summary"),
    # These reports need both apps, so they are not actions of the agreement viewset.
    *(
        path(
            f"agreements/<str:key>/{name}/",
            views.AgreementReportViewSet.as_view({"get": name}, basename="agreements", detail=True),
            name=f"agreements-{name}",
        )
        for name in views.REPORTS
    ),
    path(
        "agreements/<str:key>/publish/",
        views.AgreementReportViewSet.as_view({"post": "publish"}, basename="agreements", detail=True),
        name="agreements-publish",
    ),
    *(pattern for address, view in RESOURCES.items() for pattern in resource_urls(address, view)),
    path("", not_found),
    path("<path:address>", not_found),
]
