"""The API of recommendations as plain DRF: model serializers and viewsets over our models and querysets, joined and prefetched."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Prefetch
from django.http import HttpResponse
from django.urls import include, path
from rest_framework import serializers, status
from rest_framework.pagination import PageNumberPagination
from rest_framework.response import Response
from rest_framework.routers import DefaultRouter
from rest_framework.viewsets import ModelViewSet

from agreements.models import Agreement, Component, Party, Source
from policytracker.records.context import change_context
from policytracker.resources import today
from recommendations.deadlines import deadline, freshness
from recommendations.models import Evidence, ProgressUpdate, Recommendation, in_effect
from recommendations.serializers import RecommendationSerializer


class NullIfEmpty(serializers.CharField):
    """Null for an empty text."""

    def to_representation(self, value):
        return value or None


class PlainSerializer(serializers.ModelSerializer):
    url = serializers.HyperlinkedIdentityField("recommendations-detail", lookup_field="slug")
    focus_area = serializers.SlugRelatedField("code", read_only=True)
    agreements = serializers.SlugRelatedField("slug", many=True, queryset=Agreement.objects.all(), required=False)
    components = serializers.SlugRelatedField("slug", many=True, read_only=True)
    sectors = serializers.SlugRelatedField("code", many=True, read_only=True)
    parent = serializers.SlugRelatedField("slug", read_only=True)
    made_by = serializers.SlugRelatedField("code", read_only=True)
    source = serializers.SlugRelatedField("slug", read_only=True)
    owner = serializers.SlugRelatedField("username", read_only=True)
    superseded_by = serializers.SlugRelatedField("slug", read_only=True)
    made_on, due_on = NullIfEmpty(required=False), NullIfEmpty(required=False)
    original_due_on, claimed_status = NullIfEmpty(read_only=True), NullIfEmpty(read_only=True)
    deadline_state = serializers.CharField(read_only=True)
    freshness = serializers.CharField(read_only=True)
    claims = serializers.SerializerMethodField()

    class Meta:
        model = Recommendation
        fields = ["slug", "url", "version", "created_at", "updated_at", "visibility", "publication", *RecommendationSerializer.Meta.fields]

    def get_claims(self, recommendation):
        newest = {}
        for claim in recommendation.standing_claims:
            newest.setdefault(claim.party.code, {"party": claim.party.code, "status": claim.status, "reported_on": str(claim.reported_on)})
        return [newest[party] for party in sorted(newest)]

    def to_representation(self, recommendation):
        data = super().to_representation(recommendation)
        if recommendation.source_id and not data["source"]:
            data["locator"] = data["quote"] = ""
        return data


class Pages(PageNumberPagination):
    page_size = 50


class PlainViewSet(ModelViewSet):
    serializer_class = PlainSerializer
    pagination_class = Pages
    lookup_field = "slug"

    def get_queryset(self):
        user, joined = self.request.user, ["focus_area", "made_by", "owner"]
        restricted = {"source": Source, "parent": Recommendation, "superseded_by": Recommendation}
        visible = {name: model.objects.visible_to(user) for name, model in restricted.items()}
        many = {"agreements": Agreement.objects.visible_to(user), "components": Component.objects.visible_to(user)}
        if "administrator" in user.roles:
            joined += visible
        else:
            many |= visible
        claims = ProgressUpdate.objects.in_effect("claim").newest_first().select_related("party")
        prefetched = [Prefetch(name, queryset.only("slug").order_by("slug")) for name, queryset in many.items()]
        prefetched.append(Prefetch("updates", claims, to_attr="standing_claims"))
        rows = Recommendation.objects.visible_to(user).select_related(*joined).prefetch_related(*prefetched, "sectors")
        return rows.annotate(deadline_state=deadline(today()), freshness=freshness(today())).order_by("slug")

    def filter_queryset(self, rows):
        parameters = self.request.query_params
        for name in ("status", "deadline_state", "freshness"):
            if name in parameters:
                rows = rows.filter(**{name: parameters[name]})
        if "party" in parameters:
            rows = rows.addressed_to([Party.objects.get(code=parameters["party"]).pk])
        if "overdue" in parameters:
            rows = rows.overdue(on=today())
        if "due_within" in parameters:
            rows = rows.open().filter(due_on_last__gte=today(), deadline_state__in=["due_soon"])
        if parameters.get("without") == "evidence":
            rows = rows.filter(~Exists(Evidence.objects.filter(in_effect(path="update__"), update__recommendation=OuterRef("pk"))))
        if "ordering" in parameters:
            return rows.order_by(F("due_on_first").desc(nulls_last=True), "id")
        return rows

    def create(self, request, *args, **kwargs):
        with change_context(request.user, "", "plain"):
            serializer = self.get_serializer(data=request.data, many=isinstance(request.data, list))
            serializer.is_valid(raise_exception=True)
            created = serializer.save()
        slugs = [recommendation.slug for recommendation in (created if isinstance(created, list) else [created])]
        rows = self.get_queryset().filter(slug__in=slugs).order_by("pk")
        return Response(self.get_serializer(rows, many=True).data, status.HTTP_201_CREATED)


router = DefaultRouter()
router.register("recommendations", PlainViewSet, "recommendations")
urlpatterns = [
    path("healthz", transaction.non_atomic_requests(lambda request: HttpResponse("ok"))),
    path("api/v1/", include(router.urls)),
]
