"""Every address of the API, in one list."""

from django.urls import path

from agreements import views as agreements
from policytracker.serializers import ADDRESSES
from policytracker.views import RecordViewSet
from recommendations import views as recommendations

RESOURCES: dict[str, type[RecordViewSet]] = {
    "parties": agreements.PartyViewSet,
    "sectors": agreements.SectorViewSet,
    "focus-areas": agreements.FocusAreaViewSet,
    "sources": agreements.SourceViewSet,
    "agreements": agreements.AgreementViewSet,
    "agreement-relations": agreements.AgreementRelationViewSet,
    "participations": agreements.ParticipationViewSet,
    "components": agreements.ComponentViewSet,
    "outcomes": agreements.OutcomeViewSet,
    "fact-checks": agreements.FactCheckViewSet,
    "citations": agreements.CitationViewSet,
    "recommendations": recommendations.RecommendationViewSet,
    "addressees": recommendations.AddresseeViewSet,
    "progress-updates": recommendations.ProgressUpdateViewSet,
}
LIST = {"get": "list", "post": "create"}
DETAIL = {"get": "retrieve", "put": "update", "patch": "partial_update", "delete": "destroy"}


for address, view in RESOURCES.items():
    view.address = address
    ADDRESSES[view.serializer_class.Meta.model] = address


def addresses(address: str, view: type[RecordViewSet]):
    """List, detail, and every action of one resource."""
    allowed = view.http_method_names
    yield path(f"{address}/", view.as_view({m: a for m, a in LIST.items() if m in allowed}, basename=address), name=f"{address}-list")
    for extra in view.get_extra_actions():
        handler = view.as_view(dict(extra.mapping), basename=address, detail=True, **extra.kwargs)
        yield path(f"{address}/<str:key>/{extra.url_path}/", handler, name=f"{address}-{extra.url_name}")
    yield path(f"{address}/<str:key>/", view.as_view({m: a for m, a in DETAIL.items() if m in allowed}, basename=address), name=f"{address}-detail")


urlpatterns = [pattern for address, view in RESOURCES.items() for pattern in addresses(address, view)]
