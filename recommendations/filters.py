"""The named questions about recommendations (API.md 3)."""

from collections.abc import Callable

from django.db.models import Exists, OuterRef, Q, QuerySet

from agreements.deadlines import DeadlineState, later
from agreements.models import Agreement, Party, Source
from policytracker.api.filters import Filter, FilterContext, boolean, code, integer_between, linked, on, reference
from policytracker.models import User
from recommendations.deadlines import Freshness, deadline, freshness
from recommendations.models import Addressee, Evidence, ProgressUpdate, Recommendation, Response, Review, in_effect

LACKS: dict[str, Callable[[FilterContext], Q | Exists]] = {
    "owner": lambda context: Q(owner__isnull=True),
    "due_on": lambda context: Q(due_on=""),
    "evidence": lambda context: (
        ~Exists(Evidence.objects.filter(in_effect(on=context.on, path="update__"), update__recommendation=OuterRef("pk")))
    ),
    "addressee": lambda context: ~Exists(Addressee.objects.filter(recommendation=OuterRef("pk"))),
    "response": lambda context: ~Exists(Addressee.objects.filter(recommendation=OuterRef("pk")).exclude(response=Response.NONE_RECORDED)),
    "update": lambda context: ~Exists(ProgressUpdate.objects.in_effect(on=context.on).filter(recommendation=OuterRef("pk"))),
}


def yes_or_no(narrow, help: str) -> Filter:
    """A question that is answered by true or false: `narrow(rows, asker)` are the rows for which it is true."""

    def apply(rows: QuerySet, values: list[bool], context: FilterContext) -> QuerySet:
        true = narrow(rows, context)
        return true if values[0] else rows.exclude(pk__in=true.order_by().values("pk"))

    return Filter(boolean, apply, {"type": "boolean"}, help, many=False)


def owner(value: str, context: FilterContext) -> int | None:
    """A user name, `me`, or `none`."""
    if value == "none":
        return None
    return context.user.pk if value == "me" else reference(User)(value, context)


def of_owners(rows: QuerySet, owners: list[int | None], context: FilterContext) -> QuerySet:
    nobody = Q(owner__isnull=True) if None in owners else Q()
    return rows.filter(Q(owner__in=[pk for pk in owners if pk is not None]) | nobody) if nobody else rows.filter(owner__in=owners)


def lacking(rows: QuerySet, names: list[str], context: FilterContext) -> QuerySet:
    either = Q()
    for name in names:
        either |= Q(LACKS[name](context))
    return rows.filter(either)


def awaiting(rows: QuerySet, context: FilterContext) -> QuerySet:
    """Those of which the asker knows that somebody should review an update."""
    updates = ProgressUpdate.objects.visible_to(context.user).filter(review=Review.SUBMITTED)
    return rows.filter(pk__in=updates.values("recommendation"))


def by_source(rows: QuerySet, sources: list[int], context: FilterContext) -> QuerySet:
    """Those that a source makes, or says something of in an update that the asker may read."""
    evidence = Evidence.objects.visible_to(context.user).filter(source__in=sources)
    own = Recommendation.objects.filter(source__in=sources)
    return rows.filter(pk__in=own.values_list("pk").union(evidence.values_list("update__recommendation")))


of_agreements = linked("agreements", Recommendation)
RECOMMENDATIONS = {
    "agreement": Filter(
        reference(Agreement), lambda rows, pks, context: rows.filter(of_agreements(pks)), help="Of any of these agreements."
    ),
    "party": Filter(reference(Party), lambda rows, parties, context: rows.addressed_to(parties), help="Addressed to any of these parties."),
    "owner": Filter(owner, of_owners, help="A user name, `me` or `none`.", of_people=True),
    "open": Filter(
        boolean,
        lambda rows, values, context: rows.open() if values[0] else rows.closed(),
        {"type": "boolean"},
        "Whether more is expected.",
        many=False,
    ),
    "on": on(lambda rows, days, context: rows.on_day(context.by) if context.by else rows),
    "source": Filter(reference(Source), by_source, help="Made by any of these sources, or reported with one of them as evidence."),
    "claim_differs": yes_or_no(
        lambda rows, context: rows.claim_differs(on=context.on), "The newest claim of some party is another status than ours."
    ),
    "awaiting_approval": yes_or_no(awaiting, "An update waits to be approved or returned."),
    "overdue": yes_or_no(lambda rows, context: rows.overdue(on=context.on), "Open and past its due day."),
    "due_within": Filter(
        integer_between(0, 3650),
        lambda rows, days, context: rows.due_between(context.on, later(context.on, days[0])),
        {"type": "integer", "minimum": 0, "maximum": 3650},
        "Open, and due within so many days from today, or from the day of `on`.",
        many=False,
    ),
    "deadline_state": Filter(
        code(DeadlineState.values),
        lambda rows, states, context: rows.alias(state=deadline(context.on)).filter(state__in=states),
        {"type": "string", "enum": DeadlineState.values},
        "Where the deadline stands.",
    ),
    "freshness": Filter(
        code(Freshness.values),
        lambda rows, states, context: rows.alias(fresh=freshness(context.on)).filter(fresh__in=states),
        {"type": "string", "enum": Freshness.values},
        "How old the newest approved assessment is.",
    ),
    "without": Filter(code(LACKS), lacking, {"type": "string", "enum": list(LACKS)}, "Lacks any of these."),
}


def _through(path: str) -> Filter:
    def narrow(rows: QuerySet, pks: list[int], context: FilterContext) -> QuerySet:
        links = Recommendation.agreements.through.objects.filter(agreement__in=pks)
        return rows.filter(**{f"{path}__in": links.values("recommendation")})

    return Filter(reference(Agreement), narrow, help="Of recommendations of any of these agreements.")


ADDRESSEES = MILESTONES = DEPENDENCIES = UPDATES = {"agreement": _through("recommendation")}
