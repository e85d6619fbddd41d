"""Who can read which record: every combination of role, visibility, publication and relation to the user.

The tests call `visible_to`, which every read of the API and the admin uses (tested at the end of this file and in
`tests/admin/test_guard.py`). `tests/stories/test_permissions.py` tests the API and the admin themselves.
"""

from functools import lru_cache

import pytest

from agreements.models import AgreementRelation, Citation, FactCheck, Outcome, Participation, PartyOfficer
from policytracker.records import models
from policytracker.records.access import Role
from policytracker.records.context import change_context
from policytracker.records.declarations import records
from policytracker.records.models import Record, RecordQuerySet
from policytracker.representation import json_sql
from recommendations.models import Addressee, Dependency, Milestone, ProgressUpdate
from tests.api.client import Api
from tests.api.world import RESOURCES, make_world
from tests.conftest import make_user
from tests.make import (
    make_action,
    make_agreement,
    make_commitment,
    make_component,
    make_condition,
    make_indicator,
    make_measurement,
    make_outcome,
    make_party,
    make_recommendation,
    make_source,
)

# Records that a role can read: all of them, those of the officer's own party, or those of whose team the user is a member.
TABLE = """
                    reader  officer  analyst  reviewer  administrator
public published    all     all      all      all       all
public archived     all     all      all      all       all
public draft        -       own      all      all       all
internal published  all     own      all      all       all
internal archived   all     own      all      all       all
internal draft      -       own      all      all       all
restricted published  -     -        team     team      all
restricted archived   -     -        team     team      all
restricted draft      -     -        team     team      all
"""
ROLES = TABLE.split("\n")[1].split()
CELLS = {
    (visibility, publication): dict(zip(ROLES, cells, strict=True))
    for visibility, publication, *cells in (line.split() for line in TABLE.strip().split("\n")[1:])
}
REGISTRY_ADDRESSES = ["agreements", "components", "recommendations", "sources"]


@pytest.fixture
def person(db):
    """Creates a user with a role. The officer acts for Australia."""

    def create(role):
        user = make_user("user", Role.OFFICER if role == "officer" else role)
        if role == "officer":
            PartyOfficer.objects.create(user=user, party=make_party("AUS"))
        return user

    return create


def relate(agreement, user, relation):
    """Relate the agreement to the user: to the user's party ("own") or as a team member ("team")."""
    if relation == "own":
        Participation.objects.create(agreement=agreement, party=make_party("AUS"), role="party")
    if relation == "team":
        agreement.team.add(user)


@change_context(channel="data set")  # the channel that may create archived records
def make_related(address, user, relation, **fields):
    agreement = make_agreement()
    match address:
        case "agreements":
            record = make_agreement(**fields)
            relate(record, user, relation)
            return record
        case "components":
            relate(agreement, user, relation)
            return make_component(agreement, **fields)
        case "recommendations":
            relate(agreement, user, relation)
            return make_recommendation(make_agreement(), agreement, **fields)
        case "sources":
            return make_source(**fields)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("address", REGISTRY_ADDRESSES)
def test_readable_records_match_the_table(person, address, role):
    user = person(role)
    for (visibility, publication), cells in CELLS.items():
        for relation in ("none", "own", "team"):
            record = make_related(address, user, relation, visibility=visibility, publication=publication)
            # Sources have no party and no team.
            readable = cells[role] == "all" or (cells[role] == relation and address != "sources")
            assert is_visible(record, user) == readable, (visibility, publication, relation)


def is_visible(record, user):
    return type(record).objects.visible_to(user).filter(pk=record.pk).exists()


def assert_exists(client, address, key, exists, label=""):
    """Assert that a record exists for the user in detail, history, list and count, or in none of them."""
    detail, history = client.get(f"{address}/{key}/"), client.get(f"{address}/{key}/history/")
    assert (detail.status_code, history.status_code) == ((200, 200) if exists else (404, 404)), (address, label)
    key_field = RESOURCES[address].key if address in RESOURCES else "uid"
    assert client.keys(f"{address}/", **{key_field: key}) == ([str(key)] if exists else []), (address, label)
    assert client.list(f"{address}/", **{key_field: key})["count"] == int(exists), (address, label)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("address", ["parties", "sectors", "focus-areas"])
def test_every_role_can_read_parties_sectors_and_focus_areas(person, role, address):
    make_world(publication="draft", visibility="restricted")
    client = Api(person(role))

    assert client.list(f"{address}/")["count"] == {"parties": 2, "sectors": 2, "focus-areas": 1}[address]


@pytest.mark.parametrize("role", ["subject_of_concern", "listed_in_source"])
def test_a_subject_of_concern_or_listed_party_cannot_read_the_draft(person, role):
    client, agreement = Api(person("officer")), make_agreement(publication="draft")
    participation = Participation.objects.create(agreement=agreement, party=make_party("AUS"), role=role)

    assert_exists(client, "agreements", agreement.slug, False)
    Participation.objects.create(agreement=agreement, party=make_party("GBR"), role="party")
    assert_exists(client, "agreements", agreement.slug, False)
    Participation.objects.create(agreement=agreement, party=make_party("AUS"), role="observer")
    assert_exists(client, "agreements", agreement.slug, True)
    assert_exists(client, "participations", participation.uid, True)


def test_an_officer_without_party_and_a_team_member_without_role_can_read_only_public_records(db):
    officer, reader = make_user("officer", Role.OFFICER), make_user("reader", Role.READER)
    agreement = make_agreement(publication="draft")
    relate(agreement, reader, "team")
    relate(agreement, reader, "own")
    restricted = make_agreement(visibility="restricted")
    relate(restricted, reader, "team")

    for user in (officer, reader):
        assert_exists(Api(user), "agreements", agreement.slug, False)
        assert_exists(Api(user), "agreements", restricted.slug, False)
        assert_exists(Api(user), "agreements", make_agreement().slug, True)


def test_the_owner_can_read_a_restricted_recommendation(db):
    for role, readable in ((Role.ANALYST, True), (Role.REVIEWER, True), (Role.READER, False)):
        user = make_user(f"owner-{role}", role)
        record = make_recommendation(visibility="restricted", owner=user)
        assert_exists(Api(user), "recommendations", record.slug, readable, role)


@pytest.mark.parametrize("role", ROLES)
def test_a_component_is_at_most_as_readable_as_its_agreement(person, role):
    user = person(role)
    for (visibility, publication), cells in CELLS.items():
        for relation in ("none", "own", "team"):
            with change_context(channel="data set"):
                agreement = make_agreement(visibility=visibility, publication=publication)
                relate(agreement, user, relation)
                component = make_component(agreement)
            assert is_visible(component, user) == (cells[role] in ("all", relation)), (visibility, publication, relation)


def test_the_agreement_and_source_of_a_recommendation_do_not_restrict_it(db):
    client = Api(make_user("reader", Role.READER))
    hidden = make_agreement(visibility="restricted")

    assert_exists(client, "recommendations", make_recommendation(hidden, source=make_source(publication="draft")).slug, True)


# Each type of dependent record, with the records that can hide it.
DEPENDENT = {
    "agreement-relations": ["from_agreement", "to_agreement"],
    "participations": ["agreement"],
    "treaty-actions": ["agreement"],
    "entry-into-force-conditions": ["agreement"],
    "commitments": ["agreement", "component", "component agreement"],
    "outcomes": ["agreement"],
    "indicators": ["agreement"],
    "measurements": ["agreement"],
    "fact-checks": ["source", "agreement"],
    "citations": ["source", "agreement", "component", "component agreement", "participation", "outcome"],
    "addressees": ["recommendation"],
    "milestones": ["recommendation"],
    "dependencies": ["recommendation", "depends_on"],
}


def make_dependent(address, **hidden):
    """Create a dependent record. `hidden` has the fields of the records that it depends on, by name."""

    def create(name, make, *args):
        return make(*args, **hidden.get(name, {}))

    agreement = create("agreement", make_agreement)
    match address:
        case "agreement-relations":
            first, second = create("from_agreement", make_agreement), create("to_agreement", make_agreement)
            return AgreementRelation.objects.create(from_agreement=first, kind="amends", to_agreement=second)
        case "participations":
            return Participation.objects.create(agreement=agreement, party=make_party("GBR"), role="host")
        case "treaty-actions":
            return make_action(agreement)
        case "entry-into-force-conditions":
            return make_condition(agreement)
        case "commitments":
            if "component agreement" in hidden:
                agreement = create("component agreement", make_agreement)
            component = create("component", make_component, agreement) if "agreement" not in hidden else None
            return make_commitment(agreement, component=component)
        case "outcomes":
            return make_outcome(agreement)
        case "indicators":
            return make_indicator(make_outcome(agreement))
        case "measurements":
            return make_measurement(make_indicator(make_outcome(agreement)))
        case "fact-checks":
            return FactCheck.objects.create(slug=agreement.slug, agreement=agreement, source=create("source", make_source), statement="x")
        case "addressees":
            return Addressee.objects.create(recommendation=create("recommendation", make_recommendation), party=make_party("GBR"))
        case "milestones":
            return Milestone.objects.create(recommendation=create("recommendation", make_recommendation), title="x")
        case "dependencies":
            first, second = create("recommendation", make_recommendation), create("depends_on", make_recommendation)
            return Dependency.objects.create(recommendation=first, depends_on=second)
    source = create("source", make_source)
    if "component" in hidden or "component agreement" in hidden:
        return Citation.objects.create(
            source=source, component=create("component", make_component, create("component agreement", make_agreement))
        )
    if "participation" in hidden:
        agreement = make_agreement(**hidden["participation"])
        return Citation.objects.create(
            source=source, participation=Participation.objects.create(agreement=agreement, party=make_party("GBR"), role="host")
        )
    if "outcome" in hidden:
        return Citation.objects.create(
            source=source, outcome=Outcome.objects.create(slug=agreement.slug, agreement=make_agreement(**hidden["outcome"]), statement="x")
        )
    return Citation.objects.create(source=source, agreement=agreement)


@pytest.mark.parametrize(("address", "name"), [(address, name) for address, names in DEPENDENT.items() for name in names])
def test_a_dependent_record_is_as_readable_as_the_records_it_depends_on(db, address, name):
    users = {role: make_user(f"a-{role}", role) for role in (Role.READER, Role.ANALYST, Role.ADMINISTRATOR)}
    for fields, readers in (
        ({}, {Role.READER, Role.ANALYST, Role.ADMINISTRATOR}),
        ({"publication": "draft"}, {Role.ANALYST, Role.ADMINISTRATOR}),
        ({"visibility": "internal"}, {Role.READER, Role.ANALYST, Role.ADMINISTRATOR}),
        ({"visibility": "restricted"}, {Role.ADMINISTRATOR}),
    ):
        record = make_dependent(address, **{name: fields})
        for role, user in users.items():
            assert is_visible(record, user) == (role in readers), (name, fields, role)
        record.delete()


REVIEW_TABLE = """
            reader  officer  analyst  author  reviewer  administrator
draft       -       -        -        yes     yes       yes
submitted   -       -        yes      yes     yes       yes
returned    -       -        -        yes     yes       yes
approved    yes     yes      yes      yes     yes       yes
"""


@pytest.mark.parametrize("line", REVIEW_TABLE.strip().split("\n")[1:], ids=str.split)
def test_readable_updates_match_the_table_of_review_states(db, person, line):
    review, *cells = line.split()
    roles = REVIEW_TABLE.strip().split("\n")[0].split()
    people = {role: make_user(role, role) for role in roles if role not in ("author", "officer")}
    people |= {"author": make_user("author", Role.ANALYST), "officer": person("officer")}
    recommendation = make_recommendation()
    reviewed = {"reviewed_by": people["reviewer"], "reviewed_at": "2025-02-01T00:00:00Z"} if review in ("approved", "returned") else {}
    update = ProgressUpdate.objects.create(
        recommendation=recommendation,
        status="planned",
        reported_on="2025-01-01",
        narrative="x",
        author=people["author"],
        review=review,
        **reviewed,
    )

    for role, cell in zip(roles, cells, strict=True):
        assert_exists(Api(people[role]), "progress-updates", update.uid, cell == "yes", role)


def test_an_update_of_an_unreadable_recommendation_is_hidden_from_its_author(db):
    author = make_user("author", Role.ANALYST)
    recommendation = make_recommendation(visibility="restricted")
    update = ProgressUpdate.objects.create(
        recommendation=recommendation, status="planned", reported_on="2025-01-01", narrative="x", author=author
    )

    assert_exists(Api(author), "progress-updates", update.uid, False)


# ---- every read uses visible_to


def test_every_read_of_the_api_uses_visible_to(db, monkeypatch):
    """If `visible_to` returns nothing, the API returns no record."""
    make_world()
    first, second = make_recommendation(slug="r"), make_recommendation()
    ProgressUpdate.objects.create(recommendation=first, status="planned", reported_on="2025-01-01", narrative="x")
    Milestone.objects.create(recommendation=first, title="x")
    Dependency.objects.create(recommendation=first, depends_on=second)
    administrator = Api(make_user("a", Role.ADMINISTRATOR))
    keys = {address: administrator.keys(f"{address}/") for address in [*RESOURCES, "progress-updates"]}
    assert all(keys.values())
    # Forget the statements with the real rule.
    for module, name in ((json_sql, "statement_by_key"), (json_sql, "statement_of_page"), (models, "statement_of_record")):
        monkeypatch.setattr(module, name, lru_cache(getattr(module, name).__wrapped__))
    for model in records():
        monkeypatch.setattr(type(model.objects.all()), "visible_to", lambda rows, user: rows.none())

    for address, existing in keys.items():
        assert administrator.list(f"{address}/")["count"] == 0
        for key in existing:
            assert administrator.get(f"{address}/{key}/").status_code == 404
            assert administrator.get(f"{address}/{key}/history/").status_code == 404
            assert administrator.patch(f"{address}/{key}/", {}).status_code == 404
            assert administrator.delete(f"{address}/{key}/").status_code == 404


def test_a_user_without_a_role_can_read_no_record(db):
    user = make_user("user")
    make_world()

    for model in records():
        assert issubclass(model, Record) and isinstance(model.objects.all(), RecordQuerySet)
        assert not model.objects.visible_to(user).exists()
