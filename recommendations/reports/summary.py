"""The summary of recommendations: counts by group, such as agreement, party or sector."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.core import signing
from django.db import connection
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from agreements.models import Agreement, FocusArea, Party, Sector, Source
from policytracker.api.keyset import InvalidCursor, Page, bound
from policytracker.api.serializers import title
from policytracker.models import User
from policytracker.records.models import Record
from policytracker.resources import ReadContext
from recommendations.models import Addressee, Evidence, Recommendation, RecommendationQuerySet
from recommendations.reports.tally import counts_by_state, recommendations_on, states, tally


@dataclass(frozen=True)
class Link:
    """Rows that link recommendations to groups, with the names of the two columns."""

    rows: QuerySet
    recommendation: str
    group: str


@dataclass(frozen=True)
class Grouping:
    """A way to group recommendations: the model of the groups, and a function that returns the links that a user may read."""

    model: Any
    links: Callable[[Any], list[Link]]


def own(name: str) -> Callable[[Any], list[Link]]:
    return lambda user: [Link(Recommendation.objects.filter(**{f"{name}__isnull": False}), "pk", name)]


def linked(name: str) -> Callable[[Any], list[Link]]:
    field: Any = Recommendation._meta.get_field(name)
    return lambda user: [Link(field.remote_field.through._default_manager.all(), "recommendation", field.m2m_reverse_field_name())]


def cited(user: Any) -> list[Link]:
    """As in the filter `source`: the source of the recommendation, and sources of evidence that the user may read."""
    return [*own("source")(user), Link(Evidence.objects.visible_to(user), "update__recommendation", "source")]


GROUPINGS = {
    "agreement": Grouping(Agreement, linked("agreements")),
    "party": Grouping(Party, lambda user: [Link(Addressee.objects.all(), "recommendation", "party")]),
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

    def groups(self) -> list[Group]:
        """The groups that contain a recommendation, by key. The group without a key comes last."""
        key, name = ("username", F("username")) if self.model is User else (self.model.key, title(self.model)[1])
        used = Q(pk__in=[])
        for link in self.links:
            used |= Q(pk__in=link.rows.filter(**{f"{link.recommendation}__in": self.readable.values("pk")}).order_by().values(link.group))
        groups = [Group(*row) for row in self.visible.filter(used).order_by().values_list("pk", key, name)]
        without = [Group(None, None, None)] if self.without(self.readable).exists() else []
        return sorted(groups, key=lambda group: group.key or "") + without

    def page(self, cursor: str | None, size: int) -> Page:
        """The groups of a page with their counts. A cursor holds the key of the first group. Raises InvalidCursor."""
        groups = self.groups()
        start = self.start(groups, cursor) if cursor else 0
        end, previous = start + size, max(start - size, 0)
        shown = groups[start:end]
        return Page(
            list(zip(shown, self.tallies(shown), strict=True)),
            signing.dumps(groups[end].key, salt=self.salt) if end < len(groups) else None,
            signing.dumps(groups[previous].key, salt=self.salt) if start else None,
            len(groups),
        )

    def start(self, groups: list[Group], cursor: str) -> int:
        """The index of the group with the key in the cursor, or its place if that group is gone. None is the last key."""
        try:
            key = signing.loads(cursor, salt=self.salt)
        except signing.BadSignature as error:
            raise InvalidCursor from error
        return bisect_left([(group.key is None, group.key or "") for group in groups], (key is None, key or ""))

    def without(self, rows: RecommendationQuerySet) -> RecommendationQuerySet:
        """Recommendations that are in no group that the user may read."""
        for link in self.links:
            links = link.rows.filter(**{link.recommendation: OuterRef("pk"), f"{link.group}__in": self.visible.order_by().values("pk")})
            rows = rows.filter(~Exists(links))
        return rows

    def tallies(self, groups: list[Group]) -> list[dict[str, Any]]:
        """The counts of these groups, in the same order."""
        ids = [group.pk for group in groups if group.pk is not None]
        counts: dict[int | None, list[tuple[str, str, str, int]]] = defaultdict(list)
        differ: dict[int | None, int] = defaultdict(int)
        if ids:
            for pk, *row in self.counts_per_group(self.rows.annotate(**states(self.on)), ids, ["status", *states(self.on)]):
                counts[pk].append(tuple(row))
            differ |= dict(self.counts_per_group(self.rows.claim_differs(on=self.on), ids, []))
        if len(ids) < len(groups):
            rest = self.without(self.rows)
            counts[None], differ[None] = counts_by_state(rest, self.on), rest.claim_differs(on=self.on).count()
        return [tally(counts[group.pk], differ[group.pk]) for group in groups]

    def counts_per_group(self, rows: RecommendationQuerySet, ids: list[int], names: list[str]) -> list[tuple]:
        """The number of rows for each group and combination of values of the columns `names`."""
        pairs = [
            link.rows.filter(**{f"{link.group}__in": ids}).order_by().values_list(link.recommendation, link.group) for link in self.links
        ]
        links_sql, links_values = pairs[0].union(*pairs[1:]).query.sql_with_params()
        rows_sql, rows_values = rows.order_by().values_list("pk", *names).query.sql_with_params()
        columns = ", ".join(["l.grouped", *(f"r.{name}" for name in names)])
        with connection.cursor() as cursor:
            cursor.execute(
                f"""SELECT {columns}, count(*) FROM ({links_sql}) AS l (recommendation, grouped)
                JOIN ({rows_sql}) AS r ({", ".join(["id", *names])}) ON r.id = l.recommendation GROUP BY {columns}""",
                (*links_values, *rows_values),
            )
            return cursor.fetchall()
