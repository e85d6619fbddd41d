"""Questions that agreements and what hangs on them answer beside those of their fields."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from agreements import acts
from agreements.deadlines import DeadlineState, of_component
from agreements.effects import OWN_FORCE
from agreements.models import Agreement, AgreementRelation, Citation, Indicator, LegalForce, Measurement, Party, TreatyAction
from agreements.models.treaty_actions import ActionKind
from agreements.standing import PartyStanding, TextStanding, party_standing, text_standing
from policytracker.filters import Asker, Question, code, day, matching, on, reference, text

TARGETS = ["agreement", "component__agreement", "participation__agreement", "outcome__agreement"]


def by_any(model: Any, paths: Sequence[str], agreement: Any) -> Q:
    """What has to do with the agreement by any of the paths: each by its own index, as PostgreSQL would not see in one condition of all."""
    if len(paths) == 1:
        return Q(**{paths[0]: agreement})
    found = [model.objects.filter(**{path: agreement}).order_by().values("pk") for path in paths]
    return Q(pk__in=found[0].union(*found[1:]))


def of_agreement(model: Any, *paths: str) -> Question:
    return Question(reference(Agreement), matching(lambda pk: by_any(model, paths, pk)), help="Of any of these agreements.")


def party_and_standing(value: str, asker: Asker) -> tuple[int, str, str]:
    """Reads `AUS:bound`. Raises ValueError."""
    party, colon, standing = value.partition(":")
    if not colon:
        raise ValueError("Write a party and a standing as AUS:bound.")
    return reference(Party)(party, asker), party, code(PartyStanding.values)(standing, asker)


def with_party_standing(rows: QuerySet, asked: list[tuple[int, str, str]], asker: Asker) -> QuerySet:
    """The agreements upon which any of the parties has the standing on the day; those that do not name it are not looked at."""
    wanted: dict[tuple[int, str], set[str]] = defaultdict(set)
    for pk, party, standing in asked:
        wanted[pk, party].add(standing)
    fitting: set[int] = set()
    for (pk, party), standings in wanted.items():
        named = rows.filter(Q(actions__party=pk) | Q(participations__party=pk)).order_by().values_list("pk", flat=True).distinct()
        texts = acts.texts(named, party=pk)
        fitting |= {agreement for agreement, text in texts.items() if party_standing(text, party, asker.on).code in standings}
    return rows.filter(pk__in=fitting)


def in_force_on(rows: QuerySet, days: list[date], asker: Asker) -> QuerySet:
    """The agreements that were in force on any of the days.

    Their own day tells it where nothing can have halted or ended them; the others are asked one by one.
    """
    binding = rows.exclude(legal_force=LegalForce.NON_BINDING).order_by()
    halts = TreatyAction.objects.filter(agreement=OuterRef("pk"), kind__in=[ActionKind.SUSPENSION, ActionKind.TERMINATION])
    plainly = binding.filter(~Exists(halts), in_force_on_first__lte=max(days), expires_on="")
    partly = TreatyAction.objects.filter(agreement=OuterRef("pk"), kind__in=OWN_FORCE)
    perhaps = binding.filter(
        Q(in_force_on_first__lte=max(days)) & (Exists(halts) | ~Q(expires_on="")) | Q(in_force_on="") & Exists(partly),
    )
    texts = acts.texts(perhaps.values_list("pk", flat=True))
    found = [pk for pk, text in texts.items() if any(text_standing(text, d).code == TextStanding.IN_FORCE for d in days)]
    return rows.filter(Q(pk__in=plainly.values("pk")) | Q(pk__in=found))


AGREEMENTS = {
    "on": on(lambda rows, days, asker: rows),
    "party_standing": Question(
        party_and_standing, with_party_standing, help="A party has this standing upon it, such as AUS:bound; on another day with `on`."
    ),
    "in_force_on": Question(
        day, in_force_on, {"type": "string", "format": "date"}, "It was in force on any of these days; the field itself by __from and __to."
    ),
    "party": Question(
        reference(Party),
        lambda rows, parties, asker: rows.with_party(parties),
        help="Any of these parties takes part; one that is only named in it does not.",
    ),
}
PARTIES = {
    "named": Question(
        text,
        lambda rows, names, asker: rows.named(*names),
        help="With this code, name or alias; case and diacritics are ignored.",
    )
}
RELATIONS = {"agreement": of_agreement(AgreementRelation, "from_agreement", "to_agreement")}
INDICATORS = {"agreement": of_agreement(Indicator, "outcome__agreement")}
MEASUREMENTS = {"agreement": of_agreement(Measurement, "indicator__outcome__agreement")}
CITATIONS = {"agreement": of_agreement(Citation, *TARGETS)}
COMPONENTS = {
    "on": on(lambda rows, days, asker: rows),
    "deadline_state": Question(
        code(DeadlineState.values),
        lambda rows, states, asker: rows.alias(state=of_component(asker.on)).filter(state__in=states),
        {"type": "string", "enum": DeadlineState.values},
        "Where the deadline stands.",
    ),
}
