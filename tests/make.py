"""Factories of records for tests: complete, published and minimal."""

from collections.abc import Iterable
from itertools import count

from django.db import models

from agreements.models import (
    Agreement,
    Commitment,
    Component,
    EntryIntoForceCondition,
    Indicator,
    Measurement,
    Outcome,
    Party,
    Source,
    TreatyAction,
)
from agreements.models.treaty_actions import OF_A_PARTY
from policytracker.records.context import change_context
from recommendations.models import Recommendation

number = count(1)


def settled() -> None:
    """Check deferred constraints now, because a test runs in one transaction."""
    with change_context():
        pass


def change_with_reason(rows: models.QuerySet, **values) -> None:
    """Change rows with a change reason, for changes that require one, such as restricting the visibility."""
    with change_context(reason="The test needs it so."):
        rows.update(**values)


def make_party(code: str = "AUS", **fields) -> Party:
    return Party.objects.get_or_create(code=code, defaults={"name": code.title(), "kind": "state"} | fields)[0]


def make_source(**fields) -> Source:
    return Source.objects.create(**{"slug": f"source-{next(number)}", "kind": "news", "publication": "published"} | fields)


def make_agreement(**fields) -> Agreement:
    slug = fields.pop("slug", f"agreement-{next(number)}")
    return Agreement.objects.create(**{"slug": slug, "title": slug, "publication": "published"} | fields)


def make_component(agreement: Agreement, **fields) -> Component:
    slug = fields.pop("slug", f"component-{next(number)}")
    return Component.objects.create(**{"slug": slug, "title": slug, "agreement": agreement, "publication": "published"} | fields)


def make_action(
    agreement: Agreement, kind: str = "signature", party: Party | str | None = None, acted_on: str = "", **fields
) -> TreatyAction:
    """An action of a party, given as a record or by its code. Kinds that need a party have Australia unless another is given."""
    if isinstance(party, str) and party:
        party = make_party(party)
    party = party or (make_party() if kind in OF_A_PARTY else None)
    return TreatyAction.objects.create(agreement=agreement, kind=kind, party=party, acted_on=acted_on, **fields)


def make_condition(agreement: Agreement, kind: str = "all_signatories", parties: Iterable[Party] = (), **fields) -> EntryIntoForceCondition:
    with change_context():
        made = EntryIntoForceCondition.objects.create(agreement=agreement, kind=kind, **fields)
        made.parties.set(parties)
    return made


def make_commitment(agreement: Agreement, **fields) -> Commitment:
    return Commitment.objects.create(**{"agreement": agreement, "stage": "announced", "amount": 1_000_000, "currency": "AUD"} | fields)


def make_outcome(agreement: Agreement, **fields) -> Outcome:
    slug = fields.pop("slug", f"outcome-{next(number)}")
    return Outcome.objects.create(**{"slug": slug, "agreement": agreement, "statement": slug} | fields)


def make_indicator(outcome: Outcome, **fields) -> Indicator:
    slug = fields.pop("slug", f"indicator-{next(number)}")
    return Indicator.objects.create(**{"slug": slug, "outcome": outcome, "name": slug} | fields)


def make_measurement(indicator: Indicator, measured_on: str = "2025", **fields) -> Measurement:
    return Measurement.objects.create(**{"indicator": indicator, "measured_on": measured_on, "value": 1} | fields)


def make_recommendation(*agreements: Agreement, **fields) -> Recommendation:
    slug = fields.pop("slug", f"recommendation-{next(number)}")
    made = Recommendation.objects.create(**{"slug": slug, "key_action": slug, "publication": "published"} | fields)
    made.agreements.set(agreements)
    return made


def agreeing_percent(status: str, percent: int | None) -> int | None:
    """The percentage, or the only percentage that the status permits."""
    if percent is None or status == "not_assessed":
        return None
    return 100 if status == "implemented" else percent
