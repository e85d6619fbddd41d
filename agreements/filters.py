"""Questions that agreements and what hangs on them answer beside those of their fields."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from django.db.models import Q, QuerySet

from agreements.deadlines import DeadlineState, of_component
from agreements.models import Agreement, AgreementRelation, Citation, Indicator, Measurement, Party, TreatyAction
from agreements.models.agreements import RelationKind
from agreements.standing import BINDING, PartyStanding, TextStanding, party_standing
from agreements.standing.data import load_records
from agreements.standing.queries import text_standing_on
from policytracker.api.filters import Filter, FilterContext, Parse, code, iso_date, matching, on, reference, text

TARGETS = ["agreement", "component__agreement", "participation__agreement", "outcome__agreement"]


def by_any(model: Any, paths: Sequence[str], agreement: Any) -> Q:
    """What has to do with the agreement by any of the paths: each by its own index, as PostgreSQL would not see in one condition of all."""
    if len(paths) == 1:
        return Q(**{paths[0]: agreement})
    found = [model.objects.filter(**{path: agreement}).order_by().values("pk") for path in paths]
    return Q(pk__in=found[0].union(*found[1:]))


def of_agreement(model: Any, *paths: str) -> Filter:
    return Filter(reference(Agreement), matching(lambda pk: by_any(model, paths, pk)), help="Of any of these agreements.")


def party_and_standing(value: str, context: FilterContext) -> tuple[int, str, str]:
    """Reads `AUS:bound`. Raises ValueError."""
    party, colon, standing = value.partition(":")
    if not colon:
        raise ValueError("Write a party and a standing as AUS:bound.")
    return reference(Party)(party, context), party, code(PartyStanding.values)(standing, context)


def with_party_standing(rows: QuerySet, asked: list[tuple[int, str, str]], context: FilterContext) -> QuerySet:
    """The agreements on which any of the parties has one of these standings on the day.

    Only agreements that name the party are looked at, or that have an accession protocol with an action of it.
    """
    wanted: dict[tuple[int, str], set[str]] = defaultdict(set)
    for pk, party, standing in asked:
        wanted[pk, party].add(standing)
    fitting: set[int] = set()
    for (pk, party), standings in wanted.items():
        change_context = TreatyAction.objects.filter(party=pk).order_by()
        joined = AgreementRelation.objects.filter(
            kind=RelationKind.ACCESSION_TO, from_agreement__in=change_context.values("agreement")
        ).order_by()
        named = Q(actions__party=pk) | Q(participations__party=pk) | Q(pk__in=joined.values("to_agreement"))
        records = load_records(rows.filter(named).order_by().values_list("pk", flat=True).distinct(), context.user, party=pk)
        fitting |= {agreement for agreement, record in records.items() if party_standing(record, party, context.on).code in standings}
    return rows.filter(pk__in=fitting)


def party_with(standings: Iterable[PartyStanding]) -> Parse:
    """Reads a party as the question whether it has one of the standings."""

    def read(value: str, context: FilterContext) -> list[tuple[int, str, str]]:
        return [(reference(Party)(value, context), value, standing) for standing in sorted(standings)]

    return read


def bound(rows: QuerySet, asked: list[list[tuple[int, str, str]]], context: FilterContext) -> QuerySet:
    return with_party_standing(rows, [one for standings in asked for one in standings], context)


def with_text_standing(rows: QuerySet, standings: list[str], context: FilterContext) -> QuerySet:
    return rows.alias(text_standing=text_standing_on(context.on)).filter(text_standing__in=standings)


def in_force_on(rows: QuerySet, days: list[date], context: FilterContext) -> QuerySet:
    """The agreements that are in force on any of the days. The column excludes most of them before anything is computed."""
    found = Q()
    for number, chosen in enumerate(set(days)):
        rows = rows.alias(**{f"standing_{number}": text_standing_on(chosen)})
        found |= Q(**{"in_force_on_first__lte": chosen, f"standing_{number}": TextStanding.IN_FORCE})
    return rows.filter(found)


# The questions that are about a day, which `on` names.
OF_A_DAY = {"party_standing", "binds", "text_standing"}
AGREEMENTS = {
    "on": on(lambda rows, days, context: rows),
    "party_standing": Filter(
        party_and_standing, with_party_standing, help="A party has exactly this standing, such as AUS:bound, on the day `on`."
    ),
    "binds": Filter(party_with(BINDING), bound, help="Any of these parties is bound (bound, withdrawing or suspended) on the day `on`."),
    "text_standing": Filter(
        code(TextStanding.values),
        with_text_standing,
        {"type": "string", "enum": TextStanding.values},
        "The text has any of these standings on the day `on`.",
    ),
    "in_force_on": Filter(
        iso_date,
        in_force_on,
        {"type": "string", "format": "date"},
        "The text is in force on any of these days. Filter the field itself with __from and __to.",
    ),
    "party": Filter(
        reference(Party),
        lambda rows, parties, context: rows.with_party(parties),
        help="Any of these parties takes part; one that is only named in it does not.",
    ),
}
PARTIES = {
    "named": Filter(
        text,
        lambda rows, names, context: rows.named(*names),
        help="With this code, name or alias; case and diacritics are ignored.",
    )
}
RELATIONS = {"agreement": of_agreement(AgreementRelation, "from_agreement", "to_agreement")}
INDICATORS = {"agreement": of_agreement(Indicator, "outcome__agreement")}
MEASUREMENTS = {"agreement": of_agreement(Measurement, "indicator__outcome__agreement")}
CITATIONS = {"agreement": of_agreement(Citation, *TARGETS)}
COMPONENTS = {
    "on": on(lambda rows, days, context: rows),
    "deadline_state": Filter(
        code(DeadlineState.values),
        lambda rows, states, context: rows.alias(state=of_component(context.on)).filter(state__in=states),
        {"type": "string", "enum": DeadlineState.values},
        "Where the deadline stands.",
    ),
}
