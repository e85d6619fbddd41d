"""Access today, as of a past moment, and as the history judges it are one rule: compared on random changes of what decides it.

After each change the records that each user can read are noted. Later, `as_of` must show those that the user can also read today, and
`PastAccess`, which decides about history and feed, must have the same periods.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any

import pytest
from django.db import IntegrityError
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from agreements.models import Agreement, Component, Participation, PartyOfficer, Source
from policytracker.accounts.models import User
from policytracker.records.access import Publication, Reader, Role, Visibility
from policytracker.records.context import change_context
from policytracker.records.past_access import PastAccess
from policytracker.records.periods import contains
from policytracker.sql.moment import as_of
from recommendations.models import Evidence, ProgressUpdate, Recommendation
from tests.conftest import make_user
from tests.history.conftest import mark
from tests.make import make_agreement, make_component, make_party, make_recommendation, make_source

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
MODELS = [Agreement, Component, Recommendation, Source, ProgressUpdate, Evidence, Participation]
EXAMPLES, CHANGES = (10, 40) if os.environ.get("THOROUGH") else (2, 30)
ROLES = [[Role.READER], [Role.OFFICER], [Role.ANALYST], [Role.REVIEWER], [Role.ADMINISTRATOR], [Role.READER, Role.OFFICER]]


@pytest.fixture
def users(transactional_db) -> list[User]:
    """A user of each combination of roles, and the records whose access changes."""
    people = [make_user("-".join(roles).replace(" ", "-"), *roles) for roles in ROLES]
    parties = [make_party("AUS"), make_party("USA")]
    for person in people:
        if Role.OFFICER in person.roles:
            PartyOfficer.objects.create(user=person, party=parties[0])
    with change_context(channel="data set"):
        agreements = [make_agreement(publication="draft") for _ in range(2)]
        for number, agreement in enumerate(agreements):
            make_component(agreement, publication="draft")
            Participation.objects.create(agreement=agreement, party=parties[number], role="party")
            update = make_recommendation(agreement, publication="draft").updates.create(
                kind="note", narrative="Note", reported_on="2025-01-01", author=people[2 + number], review=["draft", "submitted"][number]
            )
            Evidence.objects.create(update=update, source=make_source(kind="other", publication="draft"))
    return people


def change(random: Random, users: list[User]) -> None:
    """One random change of visibility, publication, team, owner, links, participation or stage."""
    person = random.choice([None, *users])

    def pick(model: Any) -> Any:
        return random.choice(list(model.objects.order_by("pk")))

    def code() -> None:
        record = pick(random.choice([Agreement, Component, Recommendation, Source]))
        name, codes = random.choice([("visibility", Visibility.values), ("publication", Publication.values)])
        type(record).objects.filter(pk=record.pk).update(**{name: random.choice(codes)})

    def team() -> None:
        pick(Agreement).team.set(random.sample(users, 2))

    def links() -> None:
        pick(Recommendation).agreements.set(random.sample(list(Agreement.objects.all()), random.randint(0, 2)))

    def owner() -> None:
        Recommendation.objects.filter(pk=pick(Recommendation).pk).update(owner=person)

    def participation() -> None:
        role = random.choice(["party", "observer", "subject_of_concern"])
        Participation.objects.filter(pk=pick(Participation).pk).update(role=role)

    def kind() -> None:
        Source.objects.filter(pk=pick(Source).pk).update(kind=random.choice(["other", "news"]))

    def stage() -> None:
        update = pick(ProgressUpdate)
        stages = {"draft": "submitted", "submitted": "returned", "returned": "submitted"}
        ProgressUpdate.objects.filter(pk=update.pk).update(review=stages[update.review], review_note="See note.")

    actions: list[Callable[[], None]] = [code, team, links, owner, participation, participation, kind, stage]
    with suppress(IntegrityError), change_context(users[4], "A reason.", "admin"):  # an archived record refuses changes of its parts
        random.choice(actions)()


def readable(users: list[User]) -> dict[tuple[int, type], set[int]]:
    """The ids of the records that each user can read at the moment that is read."""
    return {(user.pk, model): set(model.objects.visible_to(user).values_list("pk", flat=True)) for user in users for model in MODELS}


@settings(max_examples=EXAMPLES, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_what_could_be_read_then_is_the_same_for_as_of_and_for_the_history(users, seed):
    random, marks = Random(seed), []
    for _ in range(CHANGES):
        change(random, users)
        marks.append((mark(), readable(users)))
    today = readable(users)
    judged: dict[tuple[int, type], Any] = {}
    for user in users:
        access = PastAccess(Reader.of(user))
        for model in MODELS:
            judged[user.pk, model] = access.periods(model, model.objects.values_list("pk", flat=True))

    assert any(ids > today[key] or ids < today[key] for _moment, then in marks for key, ids in then.items())
    for moment, then in marks:
        with as_of(moment):
            found = readable(users)
        for key, ids in then.items():
            assert found[key] == ids & today[key], (moment, key)
            assert {pk for pk, periods in judged[key].items() if contains(periods, moment)} == ids & today[key], (moment, key)
