"""Filters of recommendations and related records, in addition to the filters of their fields."""

from collections.abc import Callable
from typing import Any

from django.db.models import Q, QuerySet

from agreements.deadlines import DeadlineState, has_code, later
from agreements.models import Party, Source
from policytracker.accounts.models import User
from policytracker.representation.filters import Filter, on
from policytracker.representation.values import boolean, code, integer_between, reference
from policytracker.resources import ReadContext
from recommendations.deadlines import Freshness, deadline_states, freshness_states, milestones_in
from recommendations.facts import fact
from recommendations.models import Evidence, ProgressUpdate, Recommendation, Review
from recommendations.models.recommendations import is_overdue
from recommendations.models.updates import readable_stages

MISSING_CONDITIONS: dict[str, Callable[[ReadContext], Q]] = {
    "owner": lambda context: Q(owner__isnull=True),
    "due_on": lambda context: Q(due_on_last__isnull=True),
    "evidence": lambda context: ~fact("has_evidence", context),
    "addressee": lambda context: ~fact("has_addressee", context),
    "response": lambda context: ~fact("has_response", context),
    "update": lambda context: ~fact("has_update", context),
}


def boolean_filter(condition: Callable[[ReadContext], Q], help: str) -> Filter:
    """A filter with the values true and false, for the rows that match the condition and for the others."""

    def apply(rows: QuerySet, values: list[bool], context: ReadContext) -> QuerySet:
        return rows.filter(condition(context)) if values[0] else rows.exclude(condition(context))

    return Filter(boolean, apply, {"type": "boolean"}, help, many=False)


def owner(value: str, context: ReadContext) -> Any:
    """Parse a username, `me` or `none` into the primary key of a user, or None."""
    if value == "none":
        return None
    return context.reader.id if value == "me" else reference(User)(value, context)


def of_owners(rows: QuerySet, owners: list[int | None], context: ReadContext) -> QuerySet:
    condition = Q(owner__in=[pk for pk in owners if pk is not None])
    if None in owners:
        condition |= Q(owner__isnull=True)
    return rows.filter(condition)


def without(rows: QuerySet, names: list[str], context: ReadContext) -> QuerySet:
    condition = Q()
    for name in names:
        condition |= MISSING_CONDITIONS[name](context)
    return rows.filter(condition)


def awaiting_approval(context: ReadContext) -> Q:
    """Recommendations with a submitted update that the user may read."""
    updates, reader = ProgressUpdate.objects.filter(review=Review.SUBMITTED), context.reader
    if reader.as_of:
        updates = updates.visible_to(reader)
    elif Review.SUBMITTED not in readable_stages(reader):  # the rows of the list are readable, so only the own updates are left
        updates = updates.filter(author=reader.id) if reader.id else updates.none()
    return Q(pk__in=updates.values("recommendation"))


def cites(rows: QuerySet, sources: list[int], context: ReadContext) -> QuerySet:
    """Recommendations that cite any of the sources themselves, or in the evidence of an update that the user may read."""
    evidence = Evidence.objects.visible_to(context.reader).filter(source__in=sources)
    own = Recommendation.objects.filter(source__in=sources)
    return rows.filter(pk__in=own.values_list("pk").union(evidence.values_list("update__recommendation")))


def deadline_state(apply: Callable[[QuerySet, list[str], ReadContext], QuerySet], help: str) -> Filter:
    return Filter(code(DeadlineState.values), apply, {"type": "string", "enum": DeadlineState.values}, help)


RECOMMENDATIONS = {
    "party": Filter(reference(Party), lambda rows, parties, context: rows.addressed_to(parties), help="Addressed to any of these parties."),
    "owner": Filter(owner, of_owners, help="A username, `me` or `none`.", of_people=True),
    "open": Filter(
        boolean,
        lambda rows, values, context: rows.open() if values[0] else rows.closed(),
        {"type": "boolean"},
        "Whether the recommendation is open: `closed_on` is empty.",
        many=False,
    ),
    "on": on(lambda rows, days, context: rows.on_day(context.on) if context.past else rows),
    "source": Filter(reference(Source), cites, help="The recommendation, or the evidence of an update, cites any of these sources."),
    "claim_differs": boolean_filter(
        lambda context: fact("claim_differs", context), "The newest claim of a party differs from our assessment."
    ),
    "awaiting_approval": boolean_filter(awaiting_approval, "An update is waiting for review."),
    "overdue": boolean_filter(lambda context: is_overdue(context.on), "Open and past the due date."),
    "due_within": Filter(
        integer_between(0, 3650),
        lambda rows, days, context: rows.due_between(context.on, later(context.on, days[0])),
        {"type": "integer", "minimum": 0, "maximum": 3650},
        "Open, and due within this number of days from today, or from the date `on`.",
        many=False,
    ),
    "deadline_state": deadline_state(
        lambda rows, states, context: rows.filter(has_code(deadline_states(context.on), states)), "The deadline state on the date `on`."
    ),
    "freshness": Filter(
        code(Freshness.values),
        lambda rows, states, context: rows.filter(has_code(freshness_states(context.on), states)),
        {"type": "string", "enum": Freshness.values},
        "The freshness on the date `on`: whether the newest approved assessment is recent enough.",
    ),
    "without": Filter(code(MISSING_CONDITIONS), without, {"type": "string", "enum": list(MISSING_CONDITIONS)}, "Any of these is missing."),
}
MILESTONES = {
    "deadline_state": deadline_state(lambda rows, states, context: milestones_in(rows, states, context.today), "The deadline state today."),
}
