"""The named questions about recommendations (API.md 3)."""

from datetime import timedelta

from django.db.models import Exists, OuterRef, Q, QuerySet

from agreements.deadlines import DeadlineState
from agreements.models import Agreement, Party
from policytracker.filters import Asker, Question, code, linked, reference, truth, whole
from policytracker.models import User
from recommendations.deadlines import Freshness, deadline, freshness
from recommendations.models import Addressee, Evidence, ProgressUpdate, Recommendation, Response, Review

LACKS = {
    "owner": Q(owner__isnull=True),
    "due_on": Q(due_on=""),
    "evidence": ~Exists(
        Evidence.objects.filter(update__recommendation=OuterRef("pk"), update__review=Review.APPROVED, update__voided_at=None)
    ),
    "addressee": ~Exists(Addressee.objects.filter(recommendation=OuterRef("pk"))),
    "response": ~Exists(Addressee.objects.filter(recommendation=OuterRef("pk")).exclude(response=Response.NONE_RECORDED)),
    "update": ~Exists(ProgressUpdate.objects.filter(recommendation=OuterRef("pk"), review=Review.APPROVED, voided_at=None)),
}


def yes_or_no(narrow, help: str) -> Question:
    """A question that is answered by true or false: `narrow(rows, asker)` are the rows for which it is true."""

    def ask(rows: QuerySet, values: list[bool], asker: Asker) -> QuerySet:
        true = narrow(rows, asker)
        return true if values[0] else rows.exclude(pk__in=true.order_by().values("pk"))

    return Question(truth, ask, {"type": "boolean"}, help, many=False)


def owner(value: str, asker: Asker) -> int | None:
    """A user name, `me`, or `none`."""
    if value == "none":
        return None
    return asker.user.pk if value == "me" else reference(User)(value, asker)


def of_owners(rows: QuerySet, owners: list[int | None], asker: Asker) -> QuerySet:
    nobody = Q(owner__isnull=True) if None in owners else Q()
    return rows.filter(Q(owner__in=[pk for pk in owners if pk is not None]) | nobody) if nobody else rows.filter(owner__in=owners)


def lacking(rows: QuerySet, names: list[str], asker: Asker) -> QuerySet:
    either = Q()
    for name in names:
        either |= Q(LACKS[name])
    return rows.filter(either)


of_agreements = linked("agreements", Recommendation)
RECOMMENDATIONS = {
    "agreement": Question(
        reference(Agreement), lambda rows, pks, asker: rows.filter(of_agreements(pks)), help="Of any of these agreements."
    ),
    "party": Question(reference(Party), lambda rows, parties, asker: rows.addressed_to(parties), help="Addressed to any of these parties."),
    "owner": Question(owner, of_owners, help="A user name, `me` or `none`."),
    "open": Question(
        truth,
        lambda rows, values, asker: rows.open() if values[0] else rows.closed(),
        {"type": "boolean"},
        "Whether more is expected.",
        many=False,
    ),
    "overdue": yes_or_no(lambda rows, asker: rows.overdue(on=asker.on), "Open and past its due day."),
    "due_within": Question(
        whole(0, 3650),
        lambda rows, days, asker: rows.due_between(asker.on, asker.on + timedelta(days[0])),
        {"type": "integer", "minimum": 0, "maximum": 3650},
        "Open, and due within so many days from today.",
        many=False,
    ),
    "deadline_state": Question(
        code(DeadlineState.values),
        lambda rows, states, asker: rows.alias(state=deadline(asker.on)).filter(state__in=states),
        {"type": "string", "enum": DeadlineState.values},
        "Where the deadline stands today.",
    ),
    "freshness": Question(
        code(Freshness.values),
        lambda rows, states, asker: rows.alias(fresh=freshness(asker.on)).filter(fresh__in=states),
        {"type": "string", "enum": Freshness.values},
        "How old the newest approved assessment is today.",
    ),
    "without": Question(code(LACKS), lacking, {"type": "string", "enum": list(LACKS)}, "Lacks any of these."),
}


def _through(path: str) -> Question:
    def narrow(rows: QuerySet, pks: list[int], asker: Asker) -> QuerySet:
        links = Recommendation.agreements.through.objects.filter(agreement__in=pks)
        return rows.filter(**{f"{path}__in": links.values("recommendation")})

    return Question(reference(Agreement), narrow, help="Of recommendations of any of these agreements.")


ADDRESSEES = UPDATES = {"agreement": _through("recommendation")}
