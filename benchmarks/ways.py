"""The compared implementations: our API, a plain ModelSerializer, and hand-written SQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from django.core.paginator import Paginator
from django.db import connection
from django.db.models import F, Prefetch
from django.utils.functional import cached_property
from rest_framework import serializers
from rest_framework.pagination import PageNumberPagination
from rest_framework.test import APIRequestFactory, force_authenticate
from rest_framework.viewsets import ModelViewSet

from agreements.models import Agreement, Component, Party, Source
from policytracker.api.pagination import MAX_COUNT
from policytracker.models import User
from policytracker.resources import today
from recommendations.deadlines import deadline, freshness
from recommendations.models import ProgressUpdate, Recommendation
from recommendations.serializers import RecommendationSerializer
from recommendations.views import RecommendationViewSet

# ---- a plain ModelSerializer, with its references joined or prefetched


class NullIfEmpty(serializers.CharField):
    """Null for an empty text."""

    def to_representation(self, value):
        return value or None


class PlainSerializer(serializers.ModelSerializer):
    url = serializers.HyperlinkedIdentityField("recommendations-detail", lookup_field="slug", lookup_url_kwarg="key")
    focus_area = serializers.SlugRelatedField("code", read_only=True)
    agreements = serializers.SlugRelatedField("slug", many=True, read_only=True)
    components = serializers.SlugRelatedField("slug", many=True, read_only=True)
    sectors = serializers.SlugRelatedField("code", many=True, read_only=True)
    parent = serializers.SlugRelatedField("slug", read_only=True)
    made_by = serializers.SlugRelatedField("code", read_only=True)
    source = serializers.SlugRelatedField("slug", read_only=True)
    owner = serializers.SlugRelatedField("username", read_only=True)
    superseded_by = serializers.SlugRelatedField("slug", read_only=True)
    made_on, due_on, original_due_on, claimed_status = NullIfEmpty(), NullIfEmpty(), NullIfEmpty(), NullIfEmpty()
    deadline_state = serializers.CharField()
    freshness = serializers.CharField()
    claims = serializers.SerializerMethodField()

    class Meta:
        model = Recommendation
        fields = ["slug", "url", "version", "created_at", "updated_at", "visibility", "publication", *RecommendationSerializer.Meta.fields]

    def get_claims(self, recommendation):
        newest = {}
        for claim in recommendation.standing_claims:
            newest.setdefault(claim.party.code, {"party": claim.party.code, "status": claim.status, "reported_on": str(claim.reported_on)})
        return list(newest.values())

    def to_representation(self, recommendation):
        data = super().to_representation(recommendation)
        if recommendation.source_id and not data["source"]:
            data["locator"] = data["quote"] = ""
        return data


class CappedPaginator(Paginator):
    @cached_property
    def count(self):
        return self.object_list.order_by()[: MAX_COUNT + 1].count()


class Pages(PageNumberPagination):
    page_size = 50


class CappedPages(Pages):
    django_paginator_class = CappedPaginator


class PlainViewSet(ModelViewSet):
    serializer_class = PlainSerializer
    pagination_class = Pages
    lookup_field = "slug"
    omit: frozenset[str] = frozenset()

    def get_serializer(self, *args, **kwargs):
        serializer = super().get_serializer(*args, **kwargs)
        for name in self.omit:
            getattr(serializer, "child", serializer).fields.pop(name)
        return serializer

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
        prefetched = [Prefetch(name, queryset.only("slug")) for name, queryset in many.items()]
        if "claims" not in self.omit:
            prefetched.append(Prefetch("updates", claims, to_attr="standing_claims"))
        rows = Recommendation.objects.visible_to(user).select_related(*joined).prefetch_related(*prefetched, "sectors")
        return rows.annotate(deadline_state=deadline(today()), freshness=freshness(today()))

    def filter_queryset(self, rows):
        parameters = self.request.query_params
        if "agreement" in parameters:
            agreement = Agreement.objects.visible_to(self.request.user).get(slug=parameters["agreement"])
            rows = rows.filter(pk__in=Recommendation.agreements.through.objects.filter(agreement=agreement).values("recommendation"))
        if "party" in parameters:
            rows = rows.addressed_to([Party.objects.get(code=parameters["party"]).pk])
        if "overdue" in parameters:
            rows = rows.overdue(on=today())
        if "ordering" in parameters:
            return rows.order_by(F("due_on_first").desc(nulls_last=True), "id")
        return rows.order_by("slug")


# ---- hand-written SQL, for administrators

ONE = """
json_build_object(
  'slug', r.slug, 'url', 'http://localhost/api/v1/recommendations/' || r.slug || '/', 'version', r.version,
  'created_at', to_char(r.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
  'updated_at', to_char(r.updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
  'visibility', r.visibility, 'publication', r.publication, 'key_action', r.key_action, 'details', r.details,
  'expected_outcome', r.expected_outcome, 'focus_area', f.code,
  'agreements', ARRAY(SELECT a.slug FROM recommendations_recommendation_agreements l JOIN agreements_agreement a ON a.id = l.agreement_id
    WHERE l.recommendation_id = r.id ORDER BY 1),
  'components', ARRAY(SELECT c.slug FROM recommendations_recommendation_components l JOIN agreements_component c ON c.id = l.component_id
    WHERE l.recommendation_id = r.id ORDER BY 1),
  'sectors', ARRAY(SELECT s.code FROM recommendations_recommendation_sectors l JOIN agreements_sector s ON s.id = l.sector_id
    WHERE l.recommendation_id = r.id ORDER BY 1),
  'parent', p.slug, 'made_by', m.code, 'made_by_text', r.made_by_text, 'made_on', nullif(r.made_on, ''), 'source', s.slug,
  'locator', r.locator, 'quote', r.quote, 'priority', r.priority, 'owner', o.username, 'due_on', nullif(r.due_on, ''),
  'original_due_on', nullif(r.original_due_on, ''), 'update_every', r.update_every, 'superseded_by', b.slug,
  'source_scheme', r.source_scheme, 'source_code', r.source_code, 'status', r.status,
  'claimed_status', nullif(r.claimed_status, ''), 'status_since', r.status_since, 'progress_percent', r.progress_percent,
  'last_update_on', r.last_update_on, 'closed_on', r.closed_on,
  'deadline_state', CASE WHEN r.due_on_last IS NULL THEN 'none'
    WHEN r.status IN ('implemented', 'addressed_otherwise') THEN CASE WHEN r.closed_on > r.due_on_last THEN 'met_late' ELSE 'met' END
    WHEN r.closed_on IS NOT NULL THEN 'closed' WHEN r.due_on_last < %(on)s THEN 'overdue'
    WHEN r.due_on_last <= %(on)s + 30 THEN 'due_soon' ELSE 'upcoming' END,
  'freshness', CASE WHEN r.closed_on IS NOT NULL THEN 'none' WHEN r.last_update_on IS NULL THEN 'never'
    WHEN r.last_update_on + coalesce(r.update_every, 90) < %(on)s THEN 'stale' ELSE 'fresh' END/*claims*/)
FROM page r LEFT JOIN agreements_focusarea f ON f.id = r.focus_area_id LEFT JOIN recommendations_recommendation p ON p.id = r.parent_id
LEFT JOIN agreements_party m ON m.id = r.made_by_id LEFT JOIN agreements_source s ON s.id = r.source_id
LEFT JOIN policytracker_user o ON o.id = r.owner_id LEFT JOIN recommendations_recommendation b ON b.id = r.superseded_by_id
"""
CLAIMS = """, 'claims', ARRAY(SELECT json_build_object('party', code, 'status', u.status, 'reported_on', u.reported_on) FROM (
    SELECT DISTINCT ON (u.party_id) u.party_id, u.status, u.reported_on FROM recommendations_progressupdate u
    WHERE u.recommendation_id = r.id AND u.kind = 'claim' AND u.review = 'approved' AND u.voided_at IS NULL
    ORDER BY u.party_id, u.reported_on DESC, u.reviewed_at DESC, u.uid DESC) u JOIN agreements_party y ON y.id = u.party_id)"""
DETAIL = f"WITH page AS (SELECT * FROM recommendations_recommendation WHERE slug = %(slug)s) SELECT {ONE}"
LIST = f"""
WITH page AS (SELECT * FROM recommendations_recommendation r WHERE {{where}} AND {{first}} ORDER BY {{order}} LIMIT 50),
counted AS (SELECT count(*) FROM (SELECT FROM recommendations_recommendation r WHERE {{where}} LIMIT {MAX_COUNT + 1}) c)
SELECT json_build_object('count', (SELECT count FROM counted), 'results', ARRAY(SELECT {ONE} ORDER BY {{order}}))"""


# ---- one request in each implementation


@dataclass(frozen=True)
class Request:
    """A list with its parameters and their SQL, or the details of the slugs in turn."""

    parameters: dict[str, str] = field(default_factory=dict)
    where: str = "true"
    first: str = "true"  # an SQL condition for the rows of the first page
    order: str = "r.slug"
    slugs: tuple[str, ...] = ()

    @property
    def is_list(self) -> bool:
        return not self.slugs


class Client:
    """Sends requests as one user."""

    def __init__(self, username: str, omit: str = ""):
        self.user = User.objects.get(username=username)
        self.omit = frozenset(omit.split(",") if omit else [])
        self.factory = APIRequestFactory(SERVER_NAME="localhost")

    def functions(self, request: Request) -> dict[str, Callable[[int], bytes | str]]:
        parameters = {"omit": ",".join(self.omit)} if self.omit else {}
        actions = {"get": "list" if request.is_list else "retrieve"}
        plain = {"omit": self.omit}
        functions = {
            "ours": self.through_view(RecommendationViewSet.as_view(actions, basename="recommendations"), request, "key", parameters),
            "plain": self.through_view(PlainViewSet.as_view(actions, **plain), request, "slug", {}),
        }
        if request.is_list:
            functions["capped"] = self.through_view(
                PlainViewSet.as_view(actions, pagination_class=CappedPages, **plain), request, "slug", {}
            )
        if "administrator" in self.user.roles:
            functions["hand"] = self.by_hand(request)
        return functions

    def through_view(self, view, request: Request, key: str, extra: dict[str, str]) -> Callable[[int], bytes]:
        """A call of the view and its renderer. Each call creates its own request, which costs the same for all views."""

        def call(number: int) -> bytes:
            arguments = {key: request.slugs[number % len(request.slugs)]} if request.slugs else {}
            http_request = self.factory.get(
                f"/api/v1/recommendations/{''.join(f'{slug}/' for slug in arguments.values())}", request.parameters | extra
            )
            force_authenticate(http_request, self.user)
            response = view(http_request, **arguments)
            if hasattr(response, "render"):
                response.render()
            if response.status_code != 200:
                raise AssertionError(response.content)
            return response.content

        return call

    def by_hand(self, request: Request) -> Callable[[int], str]:
        sql = LIST if request.is_list else DETAIL
        sql = sql.replace("{where}", request.where).replace("{first}", request.first).replace("{order}", request.order)
        sql = sql.replace("/*claims*/", "" if "claims" in self.omit else CLAIMS)

        def call(number: int) -> str:
            values = request.parameters | {"on": today(), "slug": request.slugs[number % len(request.slugs)] if request.slugs else ""}
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT ({sql})::text", values)
                return cursor.fetchone()[0]

        return call


OF_AGREEMENT = """EXISTS (SELECT FROM recommendations_recommendation_agreements l WHERE l.recommendation_id = r.id
AND l.agreement_id = (SELECT id FROM agreements_agreement WHERE slug = %(agreement)s))"""
OF_PARTY = """EXISTS (SELECT FROM recommendations_addressee d WHERE d.recommendation_id = r.id
AND d.party_id = (SELECT id FROM agreements_party WHERE code = %(party)s))"""


def requests(client: Client) -> Iterator[tuple[str, Request]]:
    """The measured requests: lists of 50 and details. The agreement and the party have an average number of recommendations."""
    rows = Recommendation.objects.visible_to(client.user)
    agreements = Agreement.objects.visible_to(client.user).order_by("slug")
    slugs = agreements.values_list("slug", flat=True)
    yield "list", Request()
    yield "list, agreement=", Request({"agreement": slugs[len(slugs) // 20]}, OF_AGREEMENT)
    yield "list, party=", Request({"party": "p-040"}, OF_PARTY)
    yield "list, overdue=true", Request({"overdue": "true"}, "r.closed_on IS NULL AND r.due_on_last < %(on)s")
    yield "list, ordering=-due_on", Request({"ordering": "-due_on"}, first="r.due_on_first IS NOT NULL", order="r.due_on_first DESC, r.id")
    yield "detail", Request(slugs=tuple(rows.order_by("slug").values_list("slug", flat=True)[1000:1100]))
