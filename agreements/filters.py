"""Questions that agreements and what hangs on them answer beside those of their fields."""

from django.db.models import Q

from agreements.deadlines import DeadlineState, of_component
from agreements.models import Agreement, Party
from policytracker.filters import Question, code, matching, on, reference

TARGETS = ["agreement", "component__agreement", "participation__agreement", "outcome__agreement"]


def _of_agreement(paths):
    """Rows that have to do with the agreement by any of the paths."""

    def condition(pk) -> Q:
        either = Q()
        for path in paths:
            either |= Q(**{path: pk})
        return either

    return Question(reference(Agreement), matching(condition), help="Of any of these agreements.")


AGREEMENTS = {
    "party": Question(
        reference(Party),
        lambda rows, parties, asker: rows.with_party(parties),
        help="Any of these parties takes part; one that is only named in it does not.",
    )
}
RELATIONS = {"agreement": _of_agreement(["from_agreement", "to_agreement"])}
CITATIONS = {"agreement": _of_agreement(TARGETS)}
COMPONENTS = {
    "on": on(lambda rows, days, asker: rows),
    "deadline_state": Question(
        code(DeadlineState.values),
        lambda rows, states, asker: rows.alias(state=of_component(asker.on)).filter(state__in=states),
        {"type": "string", "enum": DeadlineState.values},
        "Where the deadline stands.",
    ),
}
