"""`visible_to()` selects the same records as the table of docs/records.md, row by row, in a register with random records."""

from random import Random
from types import SimpleNamespace

import pytest
from django.db import transaction

from agreements.models import Agreement, Component, Participation, PartyOfficer
from policytracker.records.access import Publication, Role, Visibility
from policytracker.records.context import change_context
from policytracker.resources import registry
from recommendations.models import Recommendation
from tests.api.client import Api
from tests.conftest import make_user
from tests.make import make_agreement, make_component, make_party, make_recommendation

pytestmark = pytest.mark.django_db
PEOPLE = {
    "a reader": [Role.READER],
    "an officer": [Role.OFFICER],
    "an officer without a party": [Role.OFFICER],
    "a reading officer": [Role.READER, Role.OFFICER],
    "an analyst": [Role.ANALYST],
    "a reviewer": [Role.REVIEWER],
    "an analyst and officer": [Role.ANALYST, Role.OFFICER],
    "an administrator": [Role.ADMINISTRATOR],
    "nobody": [],
}


@pytest.fixture(scope="module")
def world(django_db_setup, django_db_blocker):
    """Agreements with parties, teams and components, and recommendations with owners, that nobody arranged."""
    random = Random(7)
    with django_db_blocker.unblock(), transaction.atomic():
        people = {name: make_user(name, *roles) for name, roles in PEOPLE.items()}
        parties = [make_party(code) for code in ("AUS", "USA", "FJI")]
        for name in ("an officer", "a reading officer", "an analyst and officer"):
            PartyOfficer.objects.create(user=people[name], party=parties[0])

        def access():
            return {"visibility": random.choice(Visibility.values), "publication": random.choice(Publication.values)}

        with change_context(channel="data set"):
            agreements = [make_agreement(**access()) for _ in range(40)]
            for agreement in agreements:
                agreement.team.set(user for user in people.values() if random.random() < 0.3)
                for party in random.sample(parties, random.randint(0, 2)):
                    role = random.choice(["party", "observer", "subject_of_concern", "listed_in_source"])
                    Participation.objects.create(agreement=agreement, party=party, role=role)
                make_component(agreement, **access())
            for _ in range(80):
                owner = random.choice([None, *people.values()])
                make_recommendation(*random.sample(agreements, random.randint(0, 2)), owner=owner, **access())
        yield SimpleNamespace(people=people)
        transaction.set_rollback(True)


def reads(user, record, own, team):
    """Whether the row of the table for this user's roles allows reading the record, by its own fields."""
    roles, draft, restricted = user.roles, record.publication == "draft", record.visibility == "restricted"
    if Role.ADMINISTRATOR in roles:
        return True
    if not roles:
        return False
    if record.visibility == "public" and not draft:
        return True
    if Role.READER in roles and not restricted and not draft:
        return True
    if Role.OFFICER in roles and not restricted and own:
        return True
    return bool(roles & {Role.ANALYST, Role.REVIEWER}) and (not restricted or team)


def is_own(user, agreement):
    office = PartyOfficer.objects.filter(user=user).first()
    roles = {p.role for p in agreement.participations.all() if office and p.party_id == office.party_id}
    return bool(roles - {"subject_of_concern", "listed_in_source"})


def expected(user):
    """The slugs that the user may read, by type."""
    agreements = list(Agreement.objects.all())
    own = {a.pk for a in agreements if is_own(user, a)}
    team = {a.pk for a in agreements if user in a.team.all()}
    readable = {a.pk for a in agreements if reads(user, a, a.pk in own, a.pk in team)}
    recommendations = []
    for record in Recommendation.objects.all():
        linked = {a.pk for a in record.agreements.all()}
        if reads(user, record, bool(linked & own), bool(linked & team) or record.owner_id == user.pk):
            recommendations.append(record.slug)
    components = Component.objects.select_related("agreement")
    return {
        Agreement: sorted(a.slug for a in agreements if a.pk in readable),
        Component: sorted(
            c.slug for c in components if c.agreement_id in readable and reads(user, c, c.agreement_id in own, c.agreement_id in team)
        ),
        Recommendation: sorted(recommendations),
    }


@pytest.mark.parametrize("name", PEOPLE)
def test_the_rule_equals_the_table(world, name):
    user = world.people[name]

    for model, slugs in expected(user).items():
        visible = model.objects.visible_to(user)
        assert sorted(visible.values_list("slug", flat=True)) == slugs, model
        assert sorted(model.objects.filter(pk__in=visible.values("pk")).values_list("slug", flat=True)) == slugs, model
        assert visible.at_most(1000, user).count() == len(slugs), model


@pytest.mark.parametrize("name", [name for name in PEOPLE if name != "nobody"])
def test_lists_and_details_show_what_the_rule_selects(world, name):
    user = world.people[name]
    client = Api(user)

    for model, slugs in expected(user).items():
        address = registry.of(model).address
        for parameters in ({}, {"ordering": "slug"}):
            page = client.list(f"{address}/", page_size=500, **parameters)
            assert ([row["slug"] for row in page["results"]], page["count"]) == (slugs, len(slugs)), (address, parameters)
        hidden = sorted(set(model.objects.values_list("slug", flat=True)) - set(slugs))
        for slug in hidden[:5]:
            assert client.get(f"{address}/{slug}/").status_code == 404
        for slug in slugs[:5]:
            assert client.get(f"{address}/{slug}/").status_code == 200


def test_the_pages_of_a_list_meet_from_both_ends(world):
    user = world.people["an officer"]
    client, slugs = Api(user), expected(user)[Recommendation]

    url, forward, last = "recommendations/?page_size=7", [], None
    while url:
        page = client.list(url)
        forward += [row["slug"] for row in page["results"]]
        url, last = page["next"], page
    backward = [row["slug"] for row in last["results"]]
    while last["previous"]:
        last = client.list(last["previous"])
        backward = [row["slug"] for row in last["results"]] + backward

    assert forward == backward == slugs
