"""The cursor of the feed of changes never loses nor repeats a change, while transactions overlap and processes are killed."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import psycopg
import pytest
from django.conf import settings as django_settings
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agreements.models import Participation, PartyOfficer, Sector
from policytracker.accounts.models import User
from policytracker.installed import installation
from policytracker.records.context import change_context
from tests.api.client import Api
from tests.conftest import make_user
from tests.database.conftest import Database
from tests.make import change_with_reason, make_agreement, make_party, make_recommendation
from tests.queries import captured_queries

pytestmark = pytest.mark.django_db(transaction=True)


class Writer:
    """A database connection of its own, as another process has it."""

    def __init__(self):
        self.connection = psycopg.connect(**connection.get_connection_params() | {"cursor_factory": psycopg.Cursor})

    def create(self, code):
        self.connection.execute("INSERT INTO agreements_sector (code, name, description) VALUES (%s, %s, '')", [code, f"Sector {code}"])

    def rename(self, code, name):
        self.connection.execute("UPDATE agreements_sector SET name = %s WHERE code = %s", [name, code])

    def commit(self):
        self.connection.commit()

    def rollback(self):
        self.connection.rollback()


@contextmanager
def writers(number):
    made = [Writer() for _ in range(number)]
    try:
        yield made
    finally:
        for writer in made:
            writer.connection.close()


class Client:
    """A client of the feed that continues at its cursor."""

    def __init__(self, user, size=50):
        self.api, self.size, self.cursor = Api(user), size, ""

    def poll(self):
        """The new entries as (key, operation), from one page."""
        answer = self.api.get(f"changes/?page_size={self.size}&cursor={self.cursor}").json()
        self.cursor = answer["cursor"]
        return [(entry["key"], entry["operation"]) for entry in answer["results"]]

    def drain(self):
        found = []
        while new := self.poll():
            found += new
        return found


@pytest.fixture
def client(transactional_db):
    return Client(make_user("reader", "reader"))


def test_a_transaction_that_began_first_and_ends_last_is_not_lost(client):
    with writers(2) as (first, second):
        first.create("slow")
        second.create("quick")
        second.commit()

        assert client.poll() == []  # the first transaction is still open
        first.commit()
        assert client.poll() == [("slow", "create"), ("quick", "create")]
        assert client.poll() == []


def test_an_open_transaction_holds_back_only_later_ones(client):
    Sector.objects.create(code="before", name="Before")
    with writers(2) as (open_one, other):
        open_one.create("open")
        other.create("later")
        other.commit()

        assert client.poll() == [("before", "create")]
        open_one.rollback()
        assert client.poll() == [("later", "create")]


def test_an_open_transaction_of_another_database_holds_nothing_back(client):
    elsewhere = connection.get_connection_params() | {"dbname": "postgres", "cursor_factory": psycopg.Cursor}
    with psycopg.connect(**elsewhere) as other, writers(1) as (writer,):
        other.execute("SELECT pg_current_xact_id()")
        writer.create("here")
        writer.commit()

        assert client.poll() == [("here", "create")]


def test_a_transaction_that_only_reads_holds_nothing_back(client):
    with writers(1) as (reading,):
        reading.connection.execute("SELECT count(*) FROM agreements_sector")
        Sector.objects.create(code="new", name="New")

        assert client.poll() == [("new", "create")]


def test_changes_of_one_transaction_stay_in_order_over_pages(client):
    client.size = 2
    with change_context():
        for number in range(5):
            Sector.objects.create(code=f"s{number}", name="S")

    assert client.drain() == [(f"s{number}", "create") for number in range(5)]


KILLED = """
import django; django.setup()
from agreements.models import Participation, PartyOfficer, Sector
from policytracker.accounts.models import User
from policytracker.records.context import change_context
with change_context():
    Sector.objects.create(code="killed", name="Killed")
    print("written", flush=True)
    input()
"""


def test_changes_of_a_killed_process_never_appear(client):
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings", "DATABASE_URL": Database(connection.settings_dict["NAME"]).url}
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED], env=environment, cwd=django_settings.BASE_DIR, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout.readline() == b"written\n"
        Sector.objects.create(code="after", name="After")
        assert client.poll() == []
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=20)
    wait_until_no_transaction_is_open()

    assert client.poll() == [("after", "create")]
    assert not Sector.objects.filter(code="killed").exists()


def wait_until_no_transaction_is_open():
    """PostgreSQL notices within moments that a client is gone. `pg_stat_activity` says when it has."""
    with connection.cursor() as cursor:
        for _ in range(1000):
            cursor.execute(
                """SELECT count(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND backend_xid IS NOT NULL AND pid <> pg_backend_pid()"""
            )
            if cursor.fetchone() == (0,):
                return
            cursor.execute("SELECT pg_sleep(0.01)")
    raise AssertionError("A transaction is still open.")


# Each step is (writer, what it does). A transaction begins with the first change of a writer.
STEPS = st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["create", "rename", "commit", "rollback"])) | st.just("poll"), max_size=30)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS, st.integers(1, 4))
def test_every_committed_change_is_returned_exactly_once_and_in_order(transactional_db, steps, size):
    client = Client(None, size)
    client.api = Api(get_reader())
    received, committed, number = [], [], 0
    client.drain()
    with writers(3) as made:
        pending = [[] for _ in made]
        for step in steps:
            if step == "poll":
                received += client.poll()
                continue
            index, action = step
            writer = made[index]
            if action == "create":
                number += 1
                code = f"p{Sector.objects.count()}-{index}-{number}"
                writer.create(code)
                pending[index].append((code, "create"))
            elif action == "rename" and pending[index]:
                number += 1
                code = pending[index][0][0]  # its own row, so that no writer waits for another
                writer.rename(code, f"Name {number}")
                pending[index].append((code, "update"))
            elif action == "commit":
                writer.commit()
                committed += [pending[index]]
                pending[index] = []
            elif action == "rollback":
                writer.rollback()
                pending[index] = []
        for index, writer in enumerate(made):
            writer.commit()
            committed += [pending[index]]
    received += client.drain()

    assert sorted(received) == sorted(change for transaction in committed for change in transaction)
    for transaction in committed:  # the changes of a transaction are together, in the order in which it made them
        assert [change for change in received if change in transaction] == transaction
    assert client.poll() == []


def get_reader():
    return User.objects.filter(username="reader").first() or make_user("reader", "reader")


def test_changes_after_a_restore_on_another_server_come_after_the_old_cursor(client):
    """The numbers of transactions start low again on another server."""
    Sector.objects.create(code="old", name="Old")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE policytracker_change SET txid = (pg_current_xact_id()::text::bigint + 1000000)::text::xid8")
    try:
        with connection.cursor() as cursor:
            installation.begin_era(cursor)
            installation.begin_era(cursor)
        assert client.poll() == [("old", "create")]
        Sector.objects.create(code="new", name="New")

        assert client.poll() == [("new", "create")]
        assert Client(client.api.user).poll() == [("old", "create"), ("new", "create")]
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE policytracker_change ALTER COLUMN era SET DEFAULT 0")


def test_no_new_era_begins_on_the_same_server(client):
    Sector.objects.create(code="a", name="A")
    with connection.cursor() as cursor:
        installation.begin_era(cursor)
        cursor.execute(installation.CURRENT_ERA)
        assert cursor.fetchone() == (0,)


@pytest.mark.parametrize("role", ["reader", "analyst", "administrator"])
def test_the_number_of_queries_does_not_depend_on_the_number_of_changes(role, transactional_db):
    user = make_user(f"a {role}", role)
    sectors = [Sector.objects.create(code=f"s{number}", name="S") for number in range(2)]

    def change(count):
        for number in range(count):
            recommendation = make_recommendation(publication="published")
            with change_context(user, "because"):
                recommendation.sectors.set([sectors[number % 2]])
                type(recommendation).objects.filter(pk=recommendation.pk).update(owner=user, due_on="2027")

    def queries(size, cursor):
        client = Api(type(user).objects.get(pk=user.pk))
        with captured_queries() as found:
            answer = client.get(f"changes/?page_size={size}&cursor={cursor}&resource=recommendations").json()
        assert len(answer["results"]) == size and answer["next"]
        return len(found)

    cursor = Client(user).api.get("changes/").json()["cursor"]
    change(100)
    counts = {size: queries(size, cursor) for size in (2, 40, 80)}

    assert set(counts.values()) == {{"administrator": 15, "analyst": 16, "reader": 16}[role]}, counts


@pytest.mark.parametrize("role", ["party officer", "reviewer"])
def test_asking_whether_teams_and_parties_could_read_a_record_takes_a_fixed_number_of_queries(role, transactional_db):
    user, party = make_user(f"a {role}", role), make_party("AUS")
    if role == "party officer":
        PartyOfficer.objects.create(user=user, party=party)
    visibility = "internal" if role == "party officer" else "restricted"

    def queries(size):
        client = Api(type(user).objects.get(pk=user.pk))
        with captured_queries() as found:
            answer = client.get(f"changes/?page_size={size}&cursor={cursor}&resource=recommendations").json()
        assert len(answer["results"]) == size
        return len(found)

    cursor = Client(user).api.get("changes/").json()["cursor"]
    for _ in range(60):
        with change_context():
            agreement = make_agreement(visibility=visibility)
            Participation.objects.create(agreement=agreement, party=party, role="party")
            agreement.team.set([user])
            recommendation = make_recommendation(agreement, visibility=visibility)
        change_with_reason(type(recommendation).objects.filter(pk=recommendation.pk), due_on="2027")

    counts = {size: queries(size) for size in (2, 20, 40)}

    assert set(counts.values()) == {{"party officer": 28, "reviewer": 25}[role]}, counts
