"""The summary of recommendations: counts by group, such as agreement, party or sector."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from typing import Any

from django.core import signing
from django.db import connection
from django.db.models import BooleanField, Exists, F, IntegerField, OuterRef, Q, QuerySet, Value
from django.db.models.expressions import RawSQL

from agreements.models import Agreement, FocusArea, Party, Sector, Source
from policytracker.accounts.models import User
from policytracker.records.models import MAX_COUNT, Record
from policytracker.representation.keyset import InvalidCursor, Page, bound
from policytracker.representation.references import title
from policytracker.resources import ReadContext
from recommendations.models import Addressee, Evidence, ProgressUpdate, Recommendation, RecommendationQuerySet, UpdateKind
from recommendations.reports.tally import Tally, recommendations_on, states, tally


@dataclass(frozen=True)
class GroupLinks:
    """Rows that link recommendations to groups, with the names of the two columns."""

    rows: QuerySet
    recommendation: str
    group: str


@dataclass(frozen=True)
class Grouping:
    """A way to group recommendations: the model of the groups, and a function that returns the links that a user may read."""

    model: Any
    links: Callable[[Any], list[GroupLinks]]


def own(name: str) -> Callable[[Any], list[GroupLinks]]:
    return lambda user: [GroupLinks(Recommendation.objects.filter(**{f"{name}__isnull": False}), "pk", name)]


def linked(name: str) -> Callable[[Any], list[GroupLinks]]:
    field: Any = Recommendation._meta.get_field(name)
    return lambda user: [GroupLinks(field.remote_field.through._default_manager.all(), "recommendation", field.m2m_reverse_field_name())]


def cited(user: Any) -> list[GroupLinks]:
    """As in the filter `source`: the source of the recommendation, and sources of evidence that the user may read."""
    return [*own("source")(user), GroupLinks(Evidence.objects.visible_to(user), "update__recommendation", "source")]


GROUPINGS = {
    "agreement": Grouping(Agreement, linked("agreements")),
    "party": Grouping(Party, lambda user: [GroupLinks(Addressee.objects.all(), "recommendation", "party")]),
    "sector": Grouping(Sector, linked("sectors")),
    "focus_area": Grouping(FocusArea, own("focus_area")),
    "owner": Grouping(User, own("owner")),
    "source": Grouping(Source, cited),
}


@dataclass(frozen=True)
class Group:
    """A group of recommendations. The group without a key contains the recommendations that are in no other group."""

    pk: int | None
    key: str | None
    title: str | None


class Summary:
    """Groups and counts on a date, of the recommendations and group records that the user may read."""

    def __init__(self, by: str, context: ReadContext):
        self.salt = bound(f"summary by {by}")
        user, self.on = context.reader, context.on
        self.model = GROUPINGS[by].model
        self.links = GROUPINGS[by].links(user)
        self.rows = recommendations_on(context)
        self.readable = Recommendation.objects.visible_to(user).order_by()
        self.visible = self.model.objects.visible_to(user) if issubclass(self.model, Record) else self.model._default_manager.all()
        self.key = "username" if self.model is User else self.model.key

    def page(self, cursor: str | None, size: int) -> Page:
        """The groups of a page with their counts. A cursor holds the key of the first group. Raises InvalidCursor.

        The group without a key comes last. If it is the first one of the page, the cursor holds None.
        """
        start = self.decode(cursor) if cursor else ""
        used = self.used()
        has_rest = self.without(self.readable).exists()
        groups = [] if start is None else self.read(used.filter(**{f"{self.key}__gte": start}).order_by(self.key)[: size + 1])
        groups = [*groups, Group(None, None, None)][: size + 1] if has_rest else groups
        shown = groups[:size]
        earlier = used if start is None else used.filter(**{f"{self.key}__lt": start})
        previous = list(earlier.order_by(f"-{self.key}").values_list(self.key, flat=True)[:size]) if cursor else []
        return Page(
            list(zip(shown, self.tallies(shown), strict=True)),
            signing.dumps(groups[size].key, salt=self.salt) if len(groups) > size else None,
            signing.dumps(previous[-1], salt=self.salt) if previous else None,
            used[: MAX_COUNT + 1].count() + has_rest,
        )

    def decode(self, cursor: str) -> str | None:
        try:
            return signing.loads(cursor, salt=self.salt)
        except signing.BadSignature as error:
            raise InvalidCursor from error

    def used(self) -> QuerySet:
        """The groups that contain a recommendation, except the group without a key."""
        used = Q()
        for link in self.links:
            links = link.rows.filter(**{link.group: OuterRef("pk")})
            used |= Q(Exists(links.filter(**among(link.recommendation, self.readable)).order_by()))
        return self.visible.filter(used).order_by()

    def read(self, rows: QuerySet) -> list[Group]:
        name = F("username") if self.model is User else title(self.model)[1]
        return [Group(*row) for row in rows.values_list("pk", self.key, name)]

    def without(self, rows: RecommendationQuerySet) -> RecommendationQuerySet:
        """Recommendations that are in no group that the user may read."""
        for link in self.links:
            links = link.rows.filter(**{link.recommendation: OuterRef("pk")}, **among(link.group, self.visible))
            rows = rows.filter(~Exists(links.order_by()))
        return rows

    def tallies(self, groups: list[Group]) -> list[Tally]:
        """The counts of these groups, in the same order."""
        counts: dict[int | None, list[tuple[str, str, str, int]]] = defaultdict(list)
        differ: dict[int | None, int] = defaultdict(int)
        for pk, *row, contradicted in self.counts(groups):
            counts[pk].append(tuple(row))
            differ[pk] += contradicted
        return [tally(counts[group.pk], differ[group.pk]) for group in groups]

    def counts(self, groups: list[Group]) -> list[tuple]:
        """For each group and combination of states: the number of recommendations, and of those that a claim contradicts.

        One statement that reads only the recommendations of these groups. The newest claim of a party contradicts the assessment if
        its status differs, as in `claim_differs()`.
        """
        if not groups:
            return []
        ids = [group.pk for group in groups if group.pk is not None]
        of_groups = [link.rows.filter(**{f"{link.group}__in": ids}).order_by() for link in self.links] if ids else []
        pairs = [rows.values_list(link.recommendation, link.group) for rows, link in zip(of_groups, self.links, strict=bool(ids))]
        links = [pairs[0].union(*pairs[1:]) if pairs[1:] else pairs[0]] if pairs else []
        if len(ids) < len(groups):
            links.append(self.without(Recommendation.objects.order_by()).values_list("pk", Value(None, IntegerField())))
        # As an array, because PostgreSQL cannot estimate the number of linked recommendations: the index suits few and many.
        linked = RawSQL("recommendation_id = ANY(ARRAY(SELECT recommendation FROM link))", [], BooleanField())
        rows = self.rows.order_by().annotate(**states(self.on)).values_list("pk", "status", *states(self.on))
        claims = ProgressUpdate.objects.in_effect(UpdateKind.CLAIM, on=self.on).filter(linked)
        newest = claims.newest_for("recommendation_id", "party_id").values_list("recommendation_id", "status")
        (*link_statements, row_statement, newest_statement), values = zip(
            *(part.query.sql_with_params() for part in (*links, rows, newest)), strict=True
        )
        with connection.cursor() as cursor:
            cursor.execute(
                f"""WITH link (recommendation, grouped) AS MATERIALIZED ({" UNION ALL ".join(f"({sql})" for sql in link_statements)}),
                row (id, status, deadline_state, freshness) AS ({row_statement}),
                newest (recommendation, status) AS ({newest_statement}),
                claim AS (SELECT recommendation, min(status) AS first, max(status) AS last FROM newest GROUP BY recommendation)
                SELECT grouped, row.status, deadline_state, freshness, count(*),
                    count(*) FILTER (WHERE row.status <> claim.first OR row.status <> claim.last)
                FROM link JOIN row ON row.id = link.recommendation LEFT JOIN claim ON claim.recommendation = row.id
                GROUP BY grouped, row.status, deadline_state, freshness""",
                list(chain(*values)),
            )
            return cursor.fetchall()


def among(path: str, rows: QuerySet) -> dict[str, Any]:
    """The condition that the reference at the path is one of these rows; none if they are all rows of the table."""
    return {f"{path}__in": rows.order_by().values("pk")} if rows.query.where else {}
