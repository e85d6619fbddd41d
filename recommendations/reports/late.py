"""What is late on a day, and why: recommendations, components, milestones, reviews and expiries, the longest late first.

This module says what is late, and which numbers stand beside "overdue": without a due date, a low number of overdue recommendations says
little, and without a recent assessment it may be wrong.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import BooleanField, Count, Exists, ExpressionWrapper, F, OuterRef, Q, QuerySet, TextField, Value
from django.db.models.functions import Coalesce, NullIf
from django.utils.translation import gettext_lazy as _

from agreements.deadlines import DeadlineState, component_states, has_code, later
from agreements.models import Agreement, Citation, Component, Source, TreatyAction, agreements
from agreements.models.agreements import AgreementStatus
from agreements.models.components import ComponentStatus
from agreements.models.treaty_actions import ActionKind
from agreements.standing.queries import EFFECT
from policytracker.codes import Codes
from policytracker.dataset import demo
from policytracker.edtf import latest
from policytracker.resources import ReadContext
from policytracker.sql.parameters import InIds
from recommendations.deadlines import Freshness, freshness_states, milestones_in
from recommendations.models import DONE, Evidence, Milestone, Recommendation
from recommendations.models.recommendations import is_overdue
from recommendations.models.updates import in_effect
from recommendations.reports.tally import recommendations_on

SOON = 30  # days
ENDED = [AgreementStatus.SUPERSEDED, AgreementStatus.EXPIRED, AgreementStatus.TERMINATED, AgreementStatus.LAPSED]


# ---- the numbers that stand beside each other


@dataclass(frozen=True)
class Figures:
    """Numbers of open recommendations: past their due date, due within 30 days, without a due date, and without a recent assessment.

    `total` counts the closed ones too.
    """

    overdue: int = 0
    due_soon: int = 0
    undated: int = 0
    stale: int = 0
    total: int = 0


def counts(on: date) -> dict[str, Count]:
    """The figures as expressions, by their names."""
    is_open = Q(closed_on__isnull=True)
    conditions = {
        "overdue": is_overdue(on),
        "due_soon": is_open & Q(due_on_last__range=(on, later(on, SOON))),
        "undated": is_open & Q(due_on_last__isnull=True),
        "stale": has_code(freshness_states(on), [Freshness.STALE, Freshness.NEVER]),
    }
    return {f"number_{name}": Count("pk", filter=condition) for name, condition in conditions.items()} | {"number_total": Count("pk")}


def figures(rows: QuerySet, on: date) -> Figures:
    """The figures of these recommendations on a day."""
    return Figures(*rows.order_by().aggregate(**counts(on)).values())


def figures_by(path: str, ids: Iterable[int], context: ReadContext) -> dict[int, Figures]:
    """The figures for each of these records to which recommendations lead along the path, such as `agreements`."""
    rows = recommendations_on(context).filter(**{f"{path}__in": list(ids)}).order_by().values_list(path).annotate(**counts(context.on))
    return {pk: Figures(*numbers) for pk, *numbers in rows.values_list(path, *counts(context.on))}


# ---- what is late


class Reason(Codes):
    MOVED = "moved", _("the due date was moved, and the new one has passed too"), _("Moved")
    CLAIMED_DONE = "claimed_done", _("a party claims that it is done, and we do not say so"), _("Claimed done")
    NEVER_ASSESSED = "never_assessed", _("nobody has assessed it"), _("Never assessed")


@dataclass(frozen=True)
class Kind:
    """A kind of date that can be late.

    `rows` returns the late records with their last possible day as `last`. `parties`, `agreements` and `owner` are paths from a record,
    `cited` is the path from the evidence for it, and `reasons` are the conditions of the reasons.
    """

    code: str
    label: Any
    model: Any
    date_field: str
    rows: Callable[[ReadContext], QuerySet]
    name: Any
    key: str
    owner: str
    agreements: str
    parties: str
    status: str = ""
    reasons: Mapping[Reason, Q] = field(default_factory=dict)


def late_recommendations(context: ReadContext) -> QuerySet:
    rows = recommendations_on(context).overdue(on=context.on)
    return rows.alias(planned=latest("original_due_on")).annotate(last=F("due_on_last"))


def late_components(context: ReadContext) -> QuerySet:
    rows = Component.objects.visible_to(context.reader).filter(has_code(component_states(context.on), [DeadlineState.OVERDUE]))
    return rows.alias(planned=latest("original_due_on")).annotate(last=F("due_on_last"))


def late_milestones(context: ReadContext) -> QuerySet:
    rows = milestones_in(Milestone.objects.visible_to(context.reader), [DeadlineState.OVERDUE], context.on)
    return rows.annotate(last=latest("due_on"))


def unended(context: ReadContext) -> QuerySet:
    """Agreements of which neither the status nor an action says that the text has ended. A date of expiry alone does not say so."""
    ending = TreatyAction.objects.filter(agreement=OuterRef("pk"), party__isnull=True, kind=ActionKind.TERMINATION).order_by()
    ending = ending.alias(effect=EFFECT).filter(effect__lte=context.on)
    return Agreement.objects.visible_to(context.reader).exclude(status__in=ENDED).filter(~Exists(ending))


def late_reviews(context: ReadContext) -> QuerySet:
    return unended(context).annotate(last=latest("next_review_on")).filter(last__lt=context.on)


def late_expiries(context: ReadContext) -> QuerySet:
    return unended(context).filter(expires_on_last__lt=context.on).annotate(last=F("expires_on_last"))


MOVED = ~Q(original_due_on="") & Q(planned__lt=F("last"))
KINDS = {
    kind.code: kind
    for kind in (
        Kind(
            "recommendation",
            _("Recommendation"),
            Recommendation,
            "due_on",
            late_recommendations,
            F("key_action"),
            "slug",
            "owner__username",
            "agreements",
            "addressees__party",
            "status",
            {
                Reason.MOVED: MOVED,
                Reason.CLAIMED_DONE: Q(claimed_status__in=sorted(DONE)),
                Reason.NEVER_ASSESSED: Q(last_update_on__isnull=True),
            },
        ),
        Kind(
            "component",
            _("Component"),
            Component,
            "due_on",
            late_components,
            F("title"),
            "slug",
            "agreement__lead__username",
            "agreement",
            "lead_parties",
            "status",
            {Reason.MOVED: MOVED, Reason.NEVER_ASSESSED: Q(status=ComponentStatus.UNKNOWN)},
        ),
        Kind(
            "milestone",
            _("Milestone"),
            Milestone,
            "due_on",
            late_milestones,
            F("title"),
            "uid",
            "recommendation__owner__username",
            "recommendation__agreements",
            "recommendation__addressees__party",
            reasons={
                Reason.CLAIMED_DONE: Q(recommendation__claimed_status__in=sorted(DONE)),
                Reason.NEVER_ASSESSED: Q(recommendation__last_update_on__isnull=True),
            },
        ),
        Kind(
            "review",
            _("Agreement review"),
            Agreement,
            "next_review_on",
            late_reviews,
            agreements.name(),
            "slug",
            "lead__username",
            "pk",
            "participations__party",
        ),
        Kind(
            "expiry",
            _("Agreement expiry"),
            Agreement,
            "expires_on",
            late_expiries,
            agreements.name(),
            "slug",
            "lead__username",
            "pk",
            "participations__party",
        ),
    )
}


@dataclass(frozen=True)
class Filters:
    """Which late records are wanted: kinds, reasons, and the ids of agreements, parties and owners (None: without an owner)."""

    kinds: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    agreements: tuple[int, ...] = ()
    parties: tuple[int, ...] = ()
    owners: tuple[int | None, ...] = ()

    def apply(self, kind: Kind, rows: QuerySet) -> QuerySet:
        if self.reasons:
            wanted = [condition for reason, condition in kind.reasons.items() if reason in self.reasons]
            rows = rows.filter(reduce(or_, wanted, Q(pk__in=[])))
        for path, ids in ((kind.agreements, self.agreements), (kind.parties, self.parties)):
            if ids:
                found = kind.model._base_manager.filter(**{f"{path}__in": ids}).order_by()
                rows = rows.filter(pk__in=found.values("pk"))
        if self.owners:
            owner = kind.owner.removesuffix("__username")
            is_owner = Q(**{f"{owner}__in": [pk for pk in self.owners if pk is not None]})
            rows = rows.filter(is_owner | Q(**{f"{owner}__isnull": True}) if None in self.owners else is_owner)
        return rows


@dataclass(frozen=True)
class LastEvidence:
    """The newest evidence for a record: a source, and the date of the update or of the publication that has it."""

    source: int
    title: str
    on: str


@dataclass(frozen=True)
class Late:
    """A late record. `due_on` is the date as recorded, `days` are those since its last possible day; `owner` is a user name or ""."""

    kind: Kind
    pk: int
    key: str
    name: str
    due_on: str
    days: int
    owner: str
    status: str
    reasons: list[Reason]
    agreements: list[tuple[int, str]]
    evidence: LastEvidence | None
    fictional: bool  # demonstration data


class LateReport:
    """What is late for a reader on a day."""

    def __init__(self, context: ReadContext, filters: Filters = Filters()):
        self.context, self.filters = context, filters
        self.kinds = [kind for code, kind in KINDS.items() if not filters.kinds or code in filters.kinds]

    def rows(self, kind: Kind) -> QuerySet:
        return self.filters.apply(kind, kind.rows(self.context)).order_by()

    def ids(self) -> QuerySet:
        """The kind, id and last possible day of all late records, the longest late first."""
        parts = [self.rows(kind).annotate(late_kind=Value(kind.code)).values_list("late_kind", "pk", "last") for kind in self.kinds]
        return parts[0].union(*parts[1:], all=True).order_by("last", "late_kind", "pk")

    def count(self) -> dict[str, int]:
        """The number of late records of each kind."""
        return {kind.code: self.rows(kind).count() for kind in self.kinds}

    def page(self, start: int, size: int) -> list[Late]:
        """Some of the late records in their order, in a fixed number of queries."""
        found = list(self.ids()[start : start + size])
        by_kind: dict[str, list[int]] = defaultdict(list)
        for code, pk, _last in found:
            by_kind[code].append(pk)
        records = {(code, late.pk): late for code, ids in by_kind.items() for late in self.details(KINDS[code], ids)}
        return [records[code, pk] for code, pk, _last in found if (code, pk) in records]

    def details(self, kind: Kind, ids: list[int]) -> Iterator[Late]:
        flags = {reason.value: ExpressionWrapper(condition, BooleanField()) for reason, condition in kind.reasons.items()}
        flags["fictional"] = demo.in_rows(kind.model)
        status = F(kind.status) if kind.status else Value("")
        rows = kind.rows(self.context).filter(InIds("pk", ids)).order_by().annotate(shown=kind.name, state=status, **flags)
        agreements, evidence = self.agreements(kind, ids), self.evidence(kind, ids)
        for row in rows.values("pk", kind.key, "shown", kind.date_field, "last", kind.owner, "state", *flags):
            yield Late(
                kind,
                row["pk"],
                str(row[kind.key]),
                row["shown"],
                str(row[kind.date_field]),
                (self.context.on - row["last"]).days,
                row[kind.owner] or "",
                row["state"],
                [reason for reason in kind.reasons if row[reason.value]],
                agreements[row["pk"]],
                evidence.get(row["pk"]),
                row["fictional"],
            )

    def agreements(self, kind: Kind, ids: list[int]) -> dict[int, list[tuple[int, str]]]:
        """The agreements of records, by id: those that the reader may read. An agreement is its own name."""
        found: dict[int, list[tuple[int, str]]] = defaultdict(list)
        if kind.model is Agreement:
            return found
        rows = kind.model._base_manager.filter(InIds("pk", ids)).order_by()
        pairs = list(rows.filter(**{f"{kind.agreements}__isnull": False}).values_list("pk", kind.agreements))
        readable = Agreement.objects.visible_to(self.context.reader).filter(InIds("pk", {agreement for _pk, agreement in pairs}))
        names = dict(readable.order_by().values_list("pk", agreements.name()))
        for pk, agreement in pairs:
            if agreement in names:
                found[pk].append((agreement, names[agreement]))
        return found

    def evidence(self, kind: Kind, ids: list[int]) -> dict[int, LastEvidence]:
        """The newest evidence of records, from sources that the reader may read."""
        reader = self.context.reader
        if kind.model in (Recommendation, Milestone):
            path = "update__recommendation__pk" if kind.model is Recommendation else "update__recommendation__milestones__pk"
            on = order = "update__reported_on"
            rows: Any = Evidence.objects.visible_to(reader).filter(in_effect(on=self.context.on, path="update__"))
        else:
            path, on, order = f"{kind.model._meta.model_name}__pk", "source__published_on", "source__published_on_first"
            rows = Citation.objects.visible_to(reader)
        rows = rows.filter(**{f"{path}__in": ids}, source__in=Source.objects.visible_to(reader).order_by().values("pk"))
        newest = rows.order_by(path, F(order).desc(nulls_last=True), "-pk").distinct(path)
        named = newest.annotate(named=Coalesce(NullIf("source__title", Value("")), "source__slug", output_field=TextField()))
        return {pk: LastEvidence(source, name, str(day or "")) for pk, source, name, day in named.values_list(path, "source", "named", on)}
