"""Who may read which record: every combination of role, visibility, publication and closeness.

The combinations are asked of `visible_to`, from which every read of the API and of the admin starts (tested at the end of this
file and in `tests/admin/test_guard.py`). `tests/stories/test_permissions.py` asks the API and the admin themselves.
"""

import pytest

from agreements.models import AgreementRelation, Citation, FactCheck, Outcome, Participation, PartyOfficer
from policytracker.records.access import Role
from policytracker.records.context import change_context
from policytracker.records.models import Record, RecordQuerySet
from policytracker.records.triggers import records
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

# Who reads what: "all" everything, "own" what belongs to the officer's party, "team" what is open to somebody on its team.
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
REGISTERS = ["agreements", "components", "recommendations", "sources"]


@pytest.fixture
def person(db):
    """Somebody of a role; the officer acts for Australia."""

    def somebody(role):
        user = make_user("somebody", Role.OFFICER if role == "officer" else role)
        if role == "officer":
            PartyOfficer.objects.create(user=user, party=make_party("AUS"))
        return user

    return somebody


def own_and_team(agreement, user, how):
    """Bring the agreement near to the user: as its party's own, or as a member of its team."""
    if how == "own":
        Participation.objects.create(agreement=agreement, party=make_party("AUS"), role="party")
    if how == "team":
        agreement.team.add(user)


@change_context(channel="data set")  # which may make what is archived
def make_register(register, user, how, **fields):
    near = make_agreement()
    match register:
        case "agreements":
            record = make_agreement(**fields)
            own_and_team(record, user, how)
            return record
        case "components":
            own_and_team(near, user, how)
            return make_component(near, **fields)
        case "recommendations":
            own_and_team(near, user, how)
            return make_recommendation(make_agreement(), near, **fields)
        case "sources":
            return make_source(**fields)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("register", REGISTERS)
def test_each_cell_of_the_table_of_reading(person, register, role):
    user = person(role)
    for (visibility, publication), cells in CELLS.items():
        for how in ("strange", "own", "team"):
            record = make_register(register, user, how, visibility=visibility, publication=publication)
            # A source belongs to nobody.
            reads = cells[role] == "all" or (cells[role] == how and register != "sources")
            assert is_visible(record, user) == reads, (visibility, publication, how)


def is_visible(record, user):
    return type(record).objects.visible_to(user).filter(pk=record.pk).exists()


def assert_exists(client, address, key, exists, what=""):
    """A record is there for somebody everywhere, or nowhere."""
    detail, history = client.get(f"{address}/{key}/"), client.get(f"{address}/{key}/history/")
    assert (detail.status_code, history.status_code) == ((200, 200) if exists else (404, 404)), (address, what)
    key_field = RESOURCES[address].key if address in RESOURCES else "uid"
    assert client.keys(f"{address}/", **{key_field: key}) == ([str(key)] if exists else []), (address, what)
    assert client.list(f"{address}/", **{key_field: key})["count"] == int(exists), (address, what)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("address", ["parties", "sectors", "focus-areas"])
def test_vocabularies_and_parties_are_read_by_every_role(person, role, address):
    make_world(publication="draft", visibility="restricted")
    client = Api(person(role))

    assert client.list(f"{address}/")["count"] == {"parties": 2, "sectors": 2, "focus-areas": 1}[address]


@pytest.mark.parametrize("role", ["subject_of_concern", "listed_in_source"])
def test_an_agreement_that_only_names_a_party_does_not_belong_to_it(person, role):
    client, named = Api(person("officer")), make_agreement(publication="draft")
    participation = Participation.objects.create(agreement=named, party=make_party("AUS"), role=role)

    assert_exists(client, "agreements", named.slug, False)
    Participation.objects.create(agreement=named, party=make_party("GBR"), role="party")
    assert_exists(client, "agreements", named.slug, False)
    Participation.objects.create(agreement=named, party=make_party("AUS"), role="observer")
    assert_exists(client, "agreements", named.slug, True)
    assert_exists(client, "participations", participation.uid, True)


def test_an_officer_without_a_party_and_a_team_member_without_the_role_read_only_what_is_public(db):
    officer, reader = make_user("lost", Role.OFFICER), make_user("helper", Role.READER)
    agreement = make_agreement(publication="draft")
    own_and_team(agreement, reader, "team"), own_and_team(agreement, reader, "own")
    restricted = make_agreement(visibility="restricted")
    own_and_team(restricted, reader, "team")

    for user in (officer, reader):
        assert_exists(Api(user), "agreements", agreement.slug, False)
        assert_exists(Api(user), "agreements", restricted.slug, False)
        assert_exists(Api(user), "agreements", make_agreement().slug, True)


def test_the_owner_of_a_restricted_recommendation_reads_it(db):
    for role, reads in ((Role.ANALYST, True), (Role.REVIEWER, True), (Role.READER, False)):
        user = make_user(f"owner-{role}", role)
        record = make_recommendation(visibility="restricted", owner=user)
        assert_exists(Api(user), "recommendations", record.slug, reads, role)


@pytest.mark.parametrize("role", ROLES)
def test_no_component_is_more_readable_than_its_agreement(person, role):
    user = person(role)
    for (visibility, publication), cells in CELLS.items():
        for how in ("strange", "own", "team"):
            with change_context(channel="data set"):
                agreement = make_agreement(visibility=visibility, publication=publication)
                own_and_team(agreement, user, how)
                component = make_component(agreement)
            assert is_visible(component, user) == (cells[role] in ("all", how)), (visibility, publication, how)


def test_a_recommendation_follows_its_own_fields_only(db):
    client = Api(make_user("reader", Role.READER))
    hidden = make_agreement(visibility="restricted")

    assert_exists(client, "recommendations", make_recommendation(hidden, source=make_source(publication="draft")).slug, True)


# Every record that hangs on registers, with each of those that may hide it.
HANGING = {
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


def make_hanging(address, **hidden):
    """The record, and what hides it: the registers named in `hidden` are made with those fields."""

    def register(name, make, *args):
        return make(*args, **hidden.get(name, {}))

    agreement = register("agreement", make_agreement)
    match address:
        case "agreement-relations":
            ends = register("from_agreement", make_agreement), register("to_agreement", make_agreement)
            return AgreementRelation.objects.create(from_agreement=ends[0], kind="amends", to_agreement=ends[1])
        case "participations":
            return Participation.objects.create(agreement=agreement, party=make_party("GBR"), role="host")
        case "treaty-actions":
            return make_action(agreement)
        case "entry-into-force-conditions":
            return make_condition(agreement)
        case "commitments":
            if "component agreement" in hidden:
                agreement = register("component agreement", make_agreement)
            component = register("component", make_component, agreement) if "agreement" not in hidden else None
            return make_commitment(agreement, component=component)
        case "outcomes":
            return make_outcome(agreement)
        case "indicators":
            return make_indicator(make_outcome(agreement))
        case "measurements":
            return make_measurement(make_indicator(make_outcome(agreement)))
        case "fact-checks":
            return FactCheck.objects.create(slug=agreement.slug, agreement=agreement, source=register("source", make_source), statement="x")
        case "addressees":
            return Addressee.objects.create(recommendation=register("recommendation", make_recommendation), party=make_party("GBR"))
        case "milestones":
            return Milestone.objects.create(recommendation=register("recommendation", make_recommendation), title="x")
        case "dependencies":
            ends = register("recommendation", make_recommendation), register("depends_on", make_recommendation)
            return Dependency.objects.create(recommendation=ends[0], depends_on=ends[1])
    source = register("source", make_source)
    if "component" in hidden or "component agreement" in hidden:
        return Citation.objects.create(
            source=source, component=register("component", make_component, register("component agreement", make_agreement))
        )
    if "participation" in hidden:
        on = make_agreement(**hidden["participation"])
        return Citation.objects.create(
            source=source, participation=Participation.objects.create(agreement=on, party=make_party("GBR"), role="host")
        )
    if "outcome" in hidden:
        return Citation.objects.create(
            source=source, outcome=Outcome.objects.create(slug=agreement.slug, agreement=make_agreement(**hidden["outcome"]), statement="x")
        )
    return Citation.objects.create(source=source, agreement=agreement)


@pytest.mark.parametrize(("address", "name"), [(address, name) for address, names in HANGING.items() for name in names])
def test_a_dependent_record_is_as_readable_as_the_records_it_belongs_to(db, address, name):
    users = {role: make_user(f"a-{role}", role) for role in (Role.READER, Role.ANALYST, Role.ADMINISTRATOR)}
    for fields, readers in (
        ({}, {Role.READER, Role.ANALYST, Role.ADMINISTRATOR}),
        ({"publication": "draft"}, {Role.ANALYST, Role.ADMINISTRATOR}),
        ({"visibility": "internal"}, {Role.READER, Role.ANALYST, Role.ADMINISTRATOR}),
        ({"visibility": "restricted"}, {Role.ADMINISTRATOR}),
    ):
        record = make_hanging(address, **{name: fields})
        for role, user in users.items():
            assert is_visible(record, user) == (role in readers), (name, fields, role)
        record.delete()


STAGES = """
            reader  officer  analyst  author  reviewer  administrator
draft       -       -        -        yes     yes       yes
submitted   -       -        yes      yes     yes       yes
returned    -       -        -        yes     yes       yes
approved    yes     yes      yes      yes     yes       yes
"""


@pytest.mark.parametrize("line", STAGES.strip().split("\n")[1:], ids=str.split)
def test_who_reads_an_update_depends_on_its_review_stage(db, person, line):
    stage, *cells = line.split()
    roles = STAGES.strip().split("\n")[0].split()
    people = {role: make_user(role, role) for role in roles if role not in ("author", "officer")}
    people |= {"author": make_user("author", Role.ANALYST), "officer": person("officer")}
    recommendation = make_recommendation()
    reviewed = {"reviewed_by": people["reviewer"], "reviewed_at": "2025-02-01T00:00:00Z"} if stage in ("approved", "returned") else {}
    update = ProgressUpdate.objects.create(
        recommendation=recommendation,
        status="planned",
        reported_on="2025-01-01",
        narrative="x",
        author=people["author"],
        review=stage,
        **reviewed,
    )

    for role, cell in zip(roles, cells, strict=True):
        assert_exists(Api(people[role]), "progress-updates", update.uid, cell == "yes", role)


def test_an_update_of_a_hidden_recommendation_is_hidden_even_from_its_author(db):
    author = make_user("author", Role.ANALYST)
    recommendation = make_recommendation(visibility="restricted")
    update = ProgressUpdate.objects.create(
        recommendation=recommendation, status="planned", reported_on="2025-01-01", narrative="x", author=author
    )

    assert_exists(Api(author), "progress-updates", update.uid, False)


# ---- one home


def test_every_record_that_is_read_starts_from_what_is_visible(db, monkeypatch):
    """Where nothing is visible to anybody, no address of the API tells of anything."""
    make_world()
    first, second = make_recommendation(slug="r"), make_recommendation()
    ProgressUpdate.objects.create(recommendation=first, status="planned", reported_on="2025-01-01", narrative="x")
    Milestone.objects.create(recommendation=first, title="x")
    Dependency.objects.create(recommendation=first, depends_on=second)
    administrator = Api(make_user("a", Role.ADMINISTRATOR))
    keys = {address: administrator.keys(f"{address}/") for address in [*RESOURCES, "progress-updates"]}
    assert all(keys.values())
    for model in records():
        monkeypatch.setattr(type(model.objects.all()), "visible_to", lambda rows, user: rows.none())

    for address, there in keys.items():
        assert administrator.list(f"{address}/")["count"] == 0
        for key in there:
            assert administrator.get(f"{address}/{key}/").status_code == 404
            assert administrator.get(f"{address}/{key}/history/").status_code == 404
            assert administrator.patch(f"{address}/{key}/", {}).status_code == 404
            assert administrator.delete(f"{address}/{key}/").status_code == 404


def test_a_user_without_a_role_sees_no_record(db):
    nobody = make_user("nobody")
    make_world()

    for model in records():
        assert issubclass(model, Record) and isinstance(model.objects.all(), RecordQuerySet)
        assert not model.objects.visible_to(nobody).exists()
