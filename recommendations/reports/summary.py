"""Recommendations in groups, with the numbers of each group."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db import connection
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from agreements.models import Agreement, FocusArea, Party, Sector, Source
from policytracker.api.serializers import title
from policytracker.models import User
from policytracker.records.models import Record
from recommendations.models import Addressee, Evidence, Recommendation, RecommendationQuerySet
from recommendations.reports.tally import counted, standing, states, tally


@dataclass(frozen=True)
class Link:
    """Rows that each join a recommendation to a group, by the names of the two columns."""

    rows: QuerySet
    recommendation: str
    group: str


@dataclass(frozen=True)
class Grouping:
    """By what recommendations are told apart: the model of the groups, and what joins the two, as the user may know of it."""

    model: Any
    links: Callable[[Any], list[Link]]


def own(name: str) -> Callable[[Any], list[Link]]:
    return lambda user: [Link(Recommendation.objects.filter(**{f"{name}__isnull": False}), "pk", name)]


def linked(name: str) -> Callable[[Any], list[Link]]:
    field: Any = Recommendation._meta.get_field(name)
    return lambda user: [Link(field.remote_field.through._default_manager.all(), "recommendation", field.m2m_reverse_field_name())]


def cited(user: Any) -> list[Link]:
    """As `source=` finds them: by their own source, or by the evidence of an update that the user may read."""
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
    """Some recommendations that have something in common; without a key, those that have nothing of the kind."""

    pk: int | None
    key: str | None
    title: str | None


class Summary:
    """Recommendations in groups, on one day, as one user may read of both."""

    def __init__(self, by: str, user: Any, on: date, today: date):
        self.on = on
        self.model = GROUPINGS[by].model
        self.links = GROUPINGS[by].links(user)
        self.rows = standing(user, on, today)
        self.readable = Recommendation.objects.visible_to(user).order_by()
        self.known = self.model.objects.visible_to(user) if issubclass(self.model, Record) else self.model._default_manager.all()

    def groups(self) -> list[Group]:
        """Every group that has a recommendation, by key; last the one without a key."""
        key, told = ("username", F("username")) if self.model is User else (self.model.key, title(self.model)[1])
        used = Q(pk__in=[])
        for link in self.links:
            used |= Q(pk__in=link.rows.filter(**{f"{link.recommendation}__in": self.readable.values("pk")}).order_by().values(link.group))
        found = [Group(*row) for row in self.known.filter(used).order_by().values_list("pk", key, told)]
        without = [Group(None, None, None)] if self.without(self.readable).exists() else []
        return sorted(found, key=lambda group: group.key or "") + without

    def without(self, rows: RecommendationQuerySet) -> RecommendationQuerySet:
        """Those that are in no group that this user knows of."""
        for link in self.links:
            theirs = link.rows.filter(**{link.recommendation: OuterRef("pk"), f"{link.group}__in": self.known.order_by().values("pk")})
            rows = rows.filter(~Exists(theirs))
        return rows

    def tallies(self, groups: list[Group]) -> list[dict[str, Any]]:
        """The numbers of these groups, in their order."""
        ids = [group.pk for group in groups if group.pk is not None]
        counts: dict[int | None, list[tuple[str, str, str, int]]] = defaultdict(list)
        differ: dict[int | None, int] = defaultdict(int)
        if ids:
            for pk, *told in self.together(self.rows.annotate(**states(self.on)), ids, ["status", *states(self.on)]):
                counts[pk].append(tuple(told))
            differ |= dict(self.together(self.rows.claim_differs(on=self.on), ids, []))
        if len(ids) < len(groups):
            rest = self.without(self.rows)
            counts[None], differ[None] = counted(rest, self.on), rest.claim_differs(on=self.on).count()
        return [tally(counts[group.pk], differ[group.pk]) for group in groups]

    def together(self, rows: RecommendationQuerySet, ids: list[int], names: list[str]) -> list[tuple]:
        """How many of the rows there are in each group and of each combination of the named columns."""
        pairs = [
            link.rows.filter(**{f"{link.group}__in": ids}).order_by().values_list(link.recommendation, link.group) for link in self.links
        ]
        joined, joined_with = pairs[0].union(*pairs[1:]).query.sql_with_params()
        told, told_with = rows.order_by().values_list("pk", *names).query.sql_with_params()
        columns = ", ".join(["l.grouped", *(f"r.{name}" for name in names)])
        with connection.cursor() as cursor:
            cursor.execute(
                f"""SELECT {columns}, count(*) FROM ({joined}) AS l (recommendation, grouped)
                JOIN ({told}) AS r ({", ".join(["id", *names])}) ON r.id = l.recommendation GROUP BY {columns}""",
                (*joined_with, *told_with),
            )
            return cursor.fetchall()
