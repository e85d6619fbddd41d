"""Every address of the API, in one list."""

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
from policytracker.api.parameters import only, today
from policytracker.api.serializers import ADDRESSES
from policytracker.api.tokens import OneToken, Tokens
from policytracker.api.viewsets import RecordViewSet
from policytracker.quality.views import Findings
from policytracker.records.access import Publication, Visibility
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


def addresses(address: str, view: type[RecordViewSet]):
    """List, detail, and every action of one resource."""
    listing = {method: name for method, name in LIST.items() if getattr(view, name)}
    yield path(f"{address}/", view.as_view(listing, basename=address), name=f"{address}-list")
    one = view.as_view(DETAIL, basename=address)
    for extra in view.get_extra_actions():
        handler = view.as_view(dict(extra.mapping), basename=address, detail=extra.detail, **extra.kwargs)
        if extra.detail:
            yield path(f"{address}/<str:key>/{extra.url_path}/", handler, name=f"{address}-{extra.url_name}")
        else:
            named_alike = {"key": extra.url_path}
            yield path(f"{address}/{extra.url_path}/", post_or(handler, one, named_alike), name=f"{address}-{extra.url_name}")
    yield path(f"{address}/<str:key>/", one, name=f"{address}-detail")


def post_or(posted, other, arguments: dict[str, str]):
    """Where a record may have the name of an act upon many: POST is the act, and everything else is about the record."""

    @wraps(posted)  # OpenAPI sees the act
    def view(request):
        return posted(request) if request.method == "POST" else other(request, **arguments)

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


@csrf_exempt  # whatever the method, the answer is the same
def nothing_here(request, address: str = "") -> JsonResponse:
    """An address of the API that is none, in the API's own words."""
    return JsonResponse({"code": "not_found", "detail": "There is nothing at this address."}, status=404)


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
    """Every code list, in its order: the code, its label and its definition."""

    @extend_schema(responses={200: {"type": "object", "additionalProperties": {"type": "array", "items": CODE}}})
    def get(self, request) -> JsonResponse:
        only(request, set())
        told = {
            name: [
                {"code": c.value, "label": str(c.label), "definition": getattr(c, "definition", "")}
                | ({"group": c.group} if hasattr(c, "group") else {})
                for c in codes
            ]
            for name, codes in CHOICES.items()
        }
        return JsonResponse(told)


class Me(APIView):
    """Who one is, what one may do, and what waits for one."""

    permission_classes = [IsAuthenticated]

    @extend_schema(responses={200: ME})
    def get(self, request) -> JsonResponse:
        only(request, set())
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
    # A failed attempt is counted although the request is refused.
    path("auth/tokens/", transaction.non_atomic_requests(Tokens.as_view()), name="tokens"),
    path("auth/tokens/<uuid:key>/", OneToken.as_view(), name="token"),
    path("checks/", Findings.as_view(model=Agreement), name="checks"),
    path("choices/", Choices.as_view(), name="choices"),
    path("me/", Me.as_view(), name="me"),
    path("summary/", recommendations.SummaryViewSet.as_view({"get": "summary"}, basename="summary"), name="summary"),
    # Of both apps, and so not with the actions of agreements.
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
    *(pattern for address, view in RESOURCES.items() for pattern in addresses(address, view)),
    path("", nothing_here),
    path("<path:address>", nothing_here),
]
