"""Who can read which record: the table of docs/records.md, through every way of reading.

The register has each combination of visibility, publication and relation to its readers, and random links between its records.
`tests/admin/test_guard.py` tests that every page of the admin reads with `visible_to`.
"""

from functools import lru_cache
from itertools import product
from random import Random
from types import SimpleNamespace

import pytest
from django.contrib import admin
from django.contrib.auth.models import AnonymousUser
from django.utils import timezone

from agreements.models import Agreement, AgreementRelation, Citation, Component, FactCheck, Outcome, Participation, PartyOfficer, Source
from policytracker.accounts.models import User
from policytracker.records import models
from policytracker.records.access import Role
from policytracker.records.context import change_context
from policytracker.records.declarations import records
from policytracker.records.models import Record, RecordQuerySet
from policytracker.representation import json_sql, list_query
from policytracker.resources import registry
from recommendations.models import Addressee, Dependency, Milestone, ProgressUpdate, Recommendation
from tests.admin.page import admin_request
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

pytestmark = pytest.mark.usefixtures("register")

# Records that a role can read: all of them, those of the officer's own party, or those of whose team the user is a member.
# Anonymous visitors read with PUBLIC_READ=1. The owner of a recommendation reads it like a member of its team.
TABLE = """
                      anonymous  reader  officer  analyst  reviewer  administrator
public published      all        all     all      all      all       all
public archived       all        all     all      all      all       all
public draft          -          -       own      all      all       all
internal published    -          all     own      all      all       all
internal archived     -          all     own      all      all       all
internal draft        -          -       own      all      all       all
restricted published  -          -       -        team     team      all
restricted archived   -          -       -        team     team      all
restricted draft      -          -       -        team     team      all
"""
HEAD, *LINES = (line.split() for line in TABLE.strip().split("\n"))
CELLS = {(visibility, publication): dict(zip(HEAD, cells, strict=True)) for visibility, publication, *cells in LINES}
READERS = {
    "anonymous": ["anonymous"],
    "a reader": ["reader"],
    "an officer": ["officer"],
    "an officer without a party": ["officer"],
    "a reading officer": ["reader", "officer"],
    "an analyst": ["analyst"],
    "a reviewer": ["reviewer"],
    "an analyst and officer": ["analyst", "officer"],
    "an administrator": ["administrator"],
    "nobody": [],
}
OFFICERS = ["an officer", "a reading officer", "an analyst and officer"]
LISTED = {"subject_of_concern", "listed_in_source"}


def role_of(name: str) -> str:
    return Role.OFFICER if name == "officer" else name


def make_register() -> SimpleNamespace:
    """Agreements of each access, relation and team; on the public ones components and recommendations of each access; and random links."""
    random, accesses = Random(7), [{"visibility": visibility, "publication": publication} for visibility, publication in CELLS]
    users = {name: make_user(name, *map(role_of, roles)) for name, roles in READERS.items() if name != "anonymous"}
    own, other = make_party("AUS"), make_party("USA")
    for name in OFFICERS:
        PartyOfficer.objects.create(user=users[name], party=own)
    relations = [(), ((own, "party"),), ((own, "subject_of_concern"),), ((own, "listed_in_source"), (other, "party"))]
    relations += [((own, "observer"), (own, "subject_of_concern"))]

    with change_context(channel="data set"):
        agreements = []
        for access, participations, team in product(accesses, relations, ([], users.values())):
            agreement = make_agreement(**access)
            agreement.team.set(team)
            for party, role in participations:
                Participation.objects.create(agreement=agreement, party=party, role=role)
            make_component(agreement)
            make_component(agreement, **random.choice(accesses))
            agreements.append(agreement)
        sources = [make_source(**access) for access in accesses]
        for access in accesses:
            for agreement in agreements[: 2 * len(relations)]:  # those with the first access: public and published
                make_component(agreement, **access)
                make_recommendation(agreement, **access)
            for owner in (None, *users.values()):
                linked = random.sample(agreements, random.randint(0, 2))
                make_recommendation(*linked, owner=owner, source=random.choice(sources), **access)
    return SimpleNamespace(users={name: user.pk for name, user in users.items()})


@pytest.fixture(scope="module")
def shared_register(once_per_module):
    return once_per_module(make_register)


@pytest.fixture
def register(shared_register, db, settings):
    settings.PUBLIC_READ = True
    return shared_register


def user_of(register, name: str) -> User | AnonymousUser:
    return AnonymousUser() if name == "anonymous" else User.objects.get(pk=register.users[name])


def client_of(user: User | AnonymousUser) -> Api:
    return Api(None if user.is_anonymous else user)


def may_read(name: str, record, own: bool, team: bool) -> bool:
    """Whether the table allows reading the record, by its own visibility and publication."""
    cells = CELLS[record.visibility, record.publication]
    return any(cells[role] == "all" or (cells[role] == "own" and own) or (cells[role] == "team" and team) for role in READERS[name])


def expected(register, name: str) -> dict[type[Record], set[str]]:
    """The keys that the reader may read, by type."""
    pk = register.users.get(name)
    agreements = Agreement.objects.prefetch_related("team", "participations__party")
    own = {a.pk for a in agreements if name in OFFICERS and {p.role for p in a.participations.all() if p.party.code == "AUS"} - LISTED}
    team = {a.pk for a in agreements if pk in {user.pk for user in a.team.all()}}
    readable = {a.pk for a in agreements if may_read(name, a, a.pk in own, a.pk in team)}
    components = Component.objects.filter(agreement__in=readable)
    recommendations = [(r, {a.pk for a in r.agreements.all()}) for r in Recommendation.objects.prefetch_related("agreements")]
    return {
        Agreement: {a.slug for a in agreements if a.pk in readable},
        Participation: {str(uid) for uid in Participation.objects.filter(agreement__in=readable).values_list("uid", flat=True)},
        Component: {c.slug for c in components if may_read(name, c, c.agreement_id in own, c.agreement_id in team)},
        Recommendation: {
            r.slug for r, linked in recommendations if may_read(name, r, bool(linked & own), bool(linked & team) or r.owner_id == pk)
        },
        Source: {s.slug for s in Source.objects.all() if may_read(name, s, False, False)},
    }


def keys(rows, model: type[Record]) -> list[str]:
    return sorted(map(str, rows.values_list(model.key, flat=True)))


@pytest.mark.parametrize("name", [name for name in READERS if name != "anonymous"])
def test_the_rule_and_the_admin_select_what_the_table_allows(register, name):
    user = user_of(register, name)

    for model, found in expected(register, name).items():
        visible = model.objects.visible_to(user)
        assert keys(visible, model) == sorted(found), model
        assert keys(model.objects.filter(pk__in=visible.values("pk")), model) == sorted(found), model
        assert visible.at_most(1000, user).count() == len(found), model
        assert keys(admin.site.get_model_admin(model).get_queryset(admin_request(user)), model) == sorted(found), model


@pytest.mark.parametrize("name", [name for name in READERS if name != "nobody"])
def test_lists_and_details_show_what_the_table_allows(register, name):
    client = client_of(user_of(register, name))

    for model, found in expected(register, name).items():
        address = registry.of(model).address
        past = {"as_of": timezone.now().isoformat()}
        for parameters in ({}, {"ordering": "-created_at"}, past):
            page = client.list(f"{address}/", page_size=500, **parameters)
            assert (sorted(row[model.key] for row in page["results"]), page["count"]) == (sorted(found), len(found)), (address, parameters)
        for key in sorted(found)[::20]:
            assert_exists(client, address, key, True)
        for key in sorted(set(keys(model.objects, model)) - found)[::20]:
            assert_exists(client, address, key, False)
            for rest in ("", "history/"):  # not a word more than about a record that never existed
                missing = client.get(f"{address}/{'0' * 8 + key[8:] if model.key == 'uid' else 'missing'}/{rest}")
                assert client.get(f"{address}/{key}/{rest}").content == missing.content


def test_the_pages_of_a_list_meet_from_both_ends(register):
    client, slugs = Api(user_of(register, "an officer")), sorted(expected(register, "an officer")[Recommendation])

    url, forward, last = "recommendations/?page_size=20", [], None
    while url:
        page = client.list(url)
        forward += [row["slug"] for row in page["results"]]
        url, last = page["next"], page
    backward = [row["slug"] for row in last["results"]]
    while last["previous"]:
        last = client.list(last["previous"])
        backward = [row["slug"] for row in last["results"]] + backward

    assert forward == backward == slugs


def is_visible(record, user):
    return type(record).objects.visible_to(user).filter(pk=record.pk).exists()


def assert_exists(client, address, key, exists, label=""):
    """Assert that a record exists for the reader in detail, history, list and count, or in none of them."""
    detail, history = client.get(f"{address}/{key}/"), client.get(f"{address}/{key}/history/")
    assert (detail.status_code, history.status_code) == ((200, 200) if exists else (404, 404)), (address, label)
    key_field = RESOURCES[address].key if address in RESOURCES else "uid"
    assert client.keys(f"{address}/", **{key_field: key}) == ([str(key)] if exists else []), (address, label)
    assert client.list(f"{address}/", **{key_field: key})["count"] == int(exists), (address, label)


@pytest.mark.parametrize("address", ["parties", "sectors", "focus-areas"])
def test_every_reader_can_read_parties_sectors_and_focus_areas(register, address):
    make_world(publication="draft", visibility="restricted")

    for name in READERS:
        if name != "nobody":
            assert (
                client_of(user_of(register, name)).list(f"{address}/")["count"] == {"parties": 3, "sectors": 2, "focus-areas": 1}[address]
            )


# ---- records that depend on others

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
def test_a_dependent_record_is_as_readable_as_the_records_it_depends_on(address, name):
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


# ---- updates

REVIEW_TABLE = """
           anonymous  reader  officer  analyst  reading_author  author  reviewer  administrator
draft      -          -       -        -        yes             yes     yes       yes
submitted  -          -       -        yes      yes             yes     yes       yes
returned   -          -       -        -        yes             yes     yes       yes
approved   yes        yes     yes      yes      yes             yes     yes       yes
voided     yes        yes     yes      yes      yes             yes     yes       yes
"""
STATES, *REVIEWS = (line.split() for line in REVIEW_TABLE.strip().split("\n"))
REVIEWED = {"reviewed_at": "2025-02-01T00:00:00Z"}
FIELDS = {
    "draft": {"review": "draft"},
    "submitted": {"review": "submitted"},
    "returned": {"review": "returned"} | REVIEWED,
    "approved": {"review": "approved"} | REVIEWED,
    "voided": {"review": "approved", "voided_at": "2025-03-01T00:00:00Z", "void_reason": "Wrong."} | REVIEWED,
}


def make_update(author: User, state: str, **fields) -> ProgressUpdate:
    recommendation = make_recommendation(**fields)
    return ProgressUpdate.objects.create(
        recommendation=recommendation, status="planned", reported_on="2025-01-01", narrative="x", author=author, **FIELDS[state]
    )


@pytest.mark.parametrize(("state", "cells"), [(state, cells) for state, *cells in REVIEWS], ids=FIELDS)
def test_updates_are_read_as_their_table_says(register, state, cells):
    authors = {"reading_author": make_user("reading author", Role.READER), "author": make_user("author", Role.ANALYST)}
    by_reader, by_analyst = (make_update(author, state) for author in authors.values())

    for name, cell in zip(STATES, cells, strict=True):
        user = authors.get(name) or (AnonymousUser() if name == "anonymous" else make_user(name, role_of(name)))
        update = by_reader if name == "reading_author" else by_analyst
        assert_exists(client_of(user), "progress-updates", update.uid, cell == "yes", name)
        if name != "anonymous":
            assert is_visible(update, user) == (cell == "yes"), name


@pytest.mark.parametrize("state", FIELDS)
def test_an_update_of_an_unreadable_recommendation_is_hidden_from_its_author(register, state):
    author = make_user("author", Role.ANALYST)
    update = make_update(author, state, visibility="restricted")

    assert_exists(Api(author), "progress-updates", update.uid, False)
    assert_exists(Api(user_of(register, "a reviewer")), "progress-updates", update.uid, False)
    assert_exists(Api(user_of(register, "an administrator")), "progress-updates", update.uid, True)


# ---- every read uses visible_to


def test_every_read_of_the_api_uses_visible_to(monkeypatch):
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
    for module, name in ((json_sql, "statement_by_key"), (list_query, "statements_of_page"), (models, "statement_of_record")):
        monkeypatch.setattr(module, name, lru_cache(getattr(module, name).__wrapped__))
    for model in records():
        monkeypatch.setattr(type(model.objects.all()), "visible_to", lambda rows, user: rows.none())

    for address, existing in keys.items():
        assert administrator.list(f"{address}/")["count"] == 0
        for key in existing[:2]:
            assert administrator.get(f"{address}/{key}/").status_code == 404
            assert administrator.get(f"{address}/{key}/history/").status_code == 404
            assert administrator.patch(f"{address}/{key}/", {}).status_code == 404
            assert administrator.delete(f"{address}/{key}/").status_code == 404


def test_a_user_without_a_role_can_read_no_record():
    user = make_user("user")
    make_world()

    for model in records():
        assert issubclass(model, Record) and isinstance(model.objects.all(), RecordQuerySet)
        assert not model.objects.visible_to(user).exists()
