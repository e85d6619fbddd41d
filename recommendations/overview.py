"""What needs both apps, or all of them: whose turn it is, and how far everything has come."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Subquery, Sum, TextField, Value
from django.db.models.functions import Cast, Coalesce, NullIf

from agreements.deadlines import DeadlineState, of_component
from agreements.models import Agreement, Commitment, Component, FocusArea, Indicator, Measurement, Party, Sector, Source
from agreements.models.commitments import Stage
from agreements.models.components import ComponentStatus
from policytracker.codes import Codes
from policytracker.models import User
from policytracker.records import Record
from policytracker.serializers import title
from recommendations.deadlines import Freshness, deadline, freshness
from recommendations.models import Addressee, Evidence, ProgressUpdate, Recommendation, RecommendationQuerySet, Review, Status
from recommendations.progress import REVIEWERS

DUE_WITHIN = 30  # days


def queue(user: User, on: date) -> dict[str, int]:
    """How much waits for this user: own open recommendations that are due or stale, updates returned, and updates to review."""
    mine = Recommendation.objects.visible_to(user).open().filter(owner=user)
    updates = ProgressUpdate.objects.visible_to(user)
    waiting = updates.filter(review=Review.SUBMITTED)
    return {
        "due": mine.filter(due_on_last__lte=on + timedelta(DUE_WITHIN)).count(),
        "stale": mine.alias(fresh=freshness(on)).filter(fresh__in=[Freshness.STALE, Freshness.NEVER]).count(),
        "returned": updates.filter(review=Review.RETURNED, author=user).count(),
        "waiting_for_review": waiting.count() if user.roles & REVIEWERS else 0,
    }


# ---- how far many have come


def standing(user: Any, on: date, today: date) -> RecommendationQuerySet:
    """The recommendations that this user may read, as they stood on a day gone by, or as they stand."""
    rows: Any = Recommendation.objects.all()
    return (rows.on_day(on) if on < today else rows).visible_to(user)


def states(on: date) -> dict[str, Any]:
    return {"deadline_state": deadline(on), "freshness": freshness(on)}


def by_code(codes: type[Codes], counts: Iterable[tuple[str, int]]) -> dict[str, int]:
    """How many there are of each code, in the order of the list, and 0 where there is none."""
    found = dict.fromkeys(codes.values, 0)
    for code, count in counts:
        found[code] += count
    return found


def tally(counts: list[tuple[str, str, str, int]], differ: int) -> dict[str, Any]:
    """The numbers of one group, from how many there are of each status, deadline state and freshness together."""
    total = sum(count for *_, count in counts)
    by_status = by_code(Status, ((status, n) for status, _, _, n in counts))
    unknown = by_status[Status.NOT_ASSESSED]
    return {
        "total": total,
        "by_status": by_status,
        "by_deadline_state": by_code(DeadlineState, ((state, n) for _, state, _, n in counts)),
        "by_freshness": by_code(Freshness, ((fresh, n) for _, _, fresh, n in counts)),
        "claim_differs": differ,
        "unknown": {"count": unknown, "share": unknown / total if total else None},
    }


def counted(rows: RecommendationQuerySet, on: date) -> list[tuple[str, str, str, int]]:
    """How many of the rows there are of each status, deadline state and freshness together."""
    told: Any = rows.order_by().annotate(**states(on))
    return list(told.values_list("status", "deadline_state", "freshness").annotate(Count("pk")))


def scorecard(agreement: Agreement, user: Any, on: date, today: date) -> dict[str, Any]:
    """How far the parts of an agreement, and the recommendations about it, had come on a day.

    Status of parts, money and indicators are as they are today.
    """
    rows, by = standing(user, on, today).filter(agreements=agreement), on if on < today else None
    parts = Component.objects.visible_to(user).filter(agreement=agreement).order_by()
    found = list(parts.annotate(state=of_component(on)).values_list("status", "state").annotate(Count("pk")))
    return {
        "agreement": agreement.slug,
        "on": on.isoformat(),
        "components": {
            "total": sum(n for *_, n in found),
            "by_status": by_code(ComponentStatus, ((status, n) for status, _, n in found)),
            "by_deadline_state": by_code(DeadlineState, ((state, n) for _, state, n in found)),
        },
        "recommendations": tally(counted(rows, on), rows.claim_differs(on=on).count()),
        "money": money(agreement, user, by),
        "indicators": indicators(agreement, user, by),
    }


def money(agreement: Agreement, user: Any, by: date | None) -> list[dict[str, Any]]:
    """What is to be paid, for each stage and currency. A figure that disputes another one, or is part of it, is not added.

    What the user may not read makes no difference to the sum.

    `by` is a day gone by: then only what was stated by it counts, and what has no day.
    """
    rows = Commitment.objects.visible_to(user).filter(agreement=agreement).order_by()
    if by is not None:
        rows = rows.filter(Q(stated_on_first__isnull=True) | Q(stated_on_first__lte=by))
    disputing = Exists(rows.filter(pk=OuterRef("instead_of")))
    included = Exists(rows.filter(pk=OuterRef("part_of")))
    sums: Any = rows.annotate(disputing=disputing, included=included).values("stage", "currency").annotate(
        figures=Count("pk", filter=Q(disputing=False, included=False)),
        total=Coalesce(Sum("amount", filter=Q(disputing=False, included=False)), Decimal(0)),
        disputed=Count("pk", filter=Q(disputing=True)),
    )  # fmt: skip
    in_order = sorted(sums, key=lambda row: (Stage.values.index(row["stage"]), row["currency"]))
    return [row | {"total": f"{row['total']:.2f}"} for row in in_order]


def indicators(agreement: Agreement, user: Any, by: date | None) -> list[dict[str, Any]]:
    """Where each indicator started, where it is by its newest measurement (of those by a day gone by), and where it should go."""
    newest = Measurement.objects.visible_to(user).filter(indicator=OuterRef("pk")).order_by("-measured_on_first", "-measured_on")
    if by is not None:
        newest = newest.filter(measured_on_first__lte=by)
    told: dict[str, Any] = {
        "latest_value": Subquery(newest.values_list(Cast("value", TextField()), flat=True)[:1]),
        "latest_on": Subquery(newest.values("measured_on")[:1]),
        "baseline_value": Cast("baseline_value", TextField()),
        "target_value": Cast("target_value", TextField()),
        "target_on": NullIf("target_on", Value("")),
    }
    found = Indicator.objects.visible_to(user).filter(outcome__agreement=agreement).order_by("slug")
    names = ["slug", "name", "unit", *told]
    return [dict(zip(names, row, strict=True)) for row in found.values_list("slug", "name", "unit", *told.values())]


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
