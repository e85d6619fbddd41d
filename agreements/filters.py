"""Filters of agreements and related records, in addition to the filters of their fields."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from agreements.deadlines import DEADLINE_WORDS, DeadlineState, component_states, has_code
from agreements.models import AgreementRelation, Participation, Party, TreatyAction
from agreements.models.relations import RelationKind
from agreements.standing import BINDING, PartyStanding, TextStanding, party_standing_code
from agreements.standing.data import load_records
from agreements.standing.queries import text_standing_on
from policytracker.representation.filters import Filter, on
from policytracker.representation.values import Parse, code, iso_date, reference, text
from policytracker.resources import ReadContext
from policytracker.sql.parameters import InIds


def party_and_standing(value: str, context: ReadContext) -> tuple[int, str, str]:
    """Parse `AUS:bound` into the primary key of the party, its code and the standing. Raises ValueError."""
    party, colon, standing = value.partition(":")
    if not colon:
        raise ValueError(_("Enter a party and a standing, such as AUS:bound."))
    return reference(Party)(party, context), party, code(PartyStanding.values)(standing, context)


def with_party_standing(rows: QuerySet, pairs: list[tuple[int, str, str]], context: ReadContext) -> QuerySet:
    """Agreements in which any of the parties has one of its requested standings on the day.

    Standing is computed only for candidates: agreements with a treaty action or participation of the party, and agreements that the
    party can have joined by an accession protocol.
    """
    requested: dict[tuple[int, str], set[str]] = defaultdict(set)
    for pk, party, standing in pairs:
        requested[pk, party].add(standing)
    matches: set[int] = set()
    for (pk, party), standings in requested.items():
        actions = TreatyAction.objects.filter(party=pk).order_by()
        participating = Participation.objects.filter(party=pk).order_by()
        joined = AgreementRelation.objects.filter(kind=RelationKind.ACCESSION_TO, from_agreement__in=actions.values("agreement")).order_by()
        candidates = {*actions.values_list("agreement", flat=True), *participating.values_list("agreement", flat=True)}
        candidates.update(joined.values_list("to_agreement", flat=True))
        ids = rows.filter(InIds("pk", candidates)).order_by().values_list("pk", flat=True)
        records = load_records(ids, context.reader, party=pk)
        matches |= {agreement for agreement, record in records.items() if party_standing_code(record, party, context.on) in standings}
    return rows.filter(InIds("pk", sorted(matches)))


def party_with(standings: Iterable[PartyStanding]) -> Parse:
    """A parser that combines a party with each of the standings, in the format of `with_party_standing`."""

    def read(value: str, context: ReadContext) -> tuple[tuple[int, str, str], ...]:
        return tuple((reference(Party)(value, context), value, standing) for standing in sorted(standings))

    return read


def bound(rows: QuerySet, parties: list[tuple[tuple[int, str, str], ...]], context: ReadContext) -> QuerySet:
    return with_party_standing(rows, [pair for pairs in parties for pair in pairs], context)


def with_text_standing(rows: QuerySet, standings: list[str], context: ReadContext) -> QuerySet:
    return rows.alias(text_standing=text_standing_on(context.on)).filter(text_standing__in=standings)


def in_force_on(rows: QuerySet, days: list[date], context: ReadContext) -> QuerySet:
    """Agreements in force on any of the days. The indexed column excludes most of them before a standing is computed."""
    condition = Q()
    for number, chosen in enumerate(set(days)):
        rows = rows.alias(**{f"standing_{number}": text_standing_on(chosen)})
        condition |= Q(**{"in_force_on_first__lte": chosen, f"standing_{number}": TextStanding.IN_FORCE})
    return rows.filter(condition)


# The filters that use the date in `on`.
DATE_DEPENDENT = {"party_standing", "binds", "text_standing"}
AGREEMENTS = {
    "on": on(lambda rows, days, context: rows),
    "party_standing": Filter(
        party_and_standing,
        with_party_standing,
        help="The party has exactly this standing on the date `on`, such as AUS:bound.",
        reads=True,
    ),
    "binds": Filter(
        party_with(BINDING),
        bound,
        help="Any of these parties is bound on the date `on`: standing bound, withdrawing or suspended.",
        reads=True,
    ),
    "text_standing": Filter(
        code(TextStanding.values),
        with_text_standing,
        {"type": "string", "enum": TextStanding.values},
        "The text has any of these standings on the date `on`.",
    ),
    "in_force_on": Filter(
        iso_date,
        in_force_on,
        {"type": "string", "format": "date"},
        "The text is in force on any of these dates. To filter the field, use `in_force_on__from` and `in_force_on__to`.",
    ),
    "party": Filter(
        reference(Party),
        lambda rows, parties, context: rows.with_party(parties),
        help="Any of these parties takes part. Parties that are only mentioned do not count.",
    ),
}
PARTIES = {
    "named": Filter(
        text,
        lambda rows, names, context: rows.named(*names),
        help="The code, name or an alias of the party. Case and diacritics are ignored.",
        reads=True,
    )
}
COMPONENTS = {
    "on": on(lambda rows, days, context: rows),
    "deadline_state": Filter(
        code(DeadlineState.values),
        lambda rows, states, context: rows.filter(has_code(component_states(context.on), states)),
        {"type": "string", "enum": DeadlineState.values},
        "The deadline state on the date `on`.",
        words=DEADLINE_WORDS,
    ),
}
