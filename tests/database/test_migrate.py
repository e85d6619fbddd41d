"""`migrate` installs what is missing or differs while others read and write, and changes nothing else."""

import os
import threading
from collections import Counter
from contextlib import contextmanager

import psycopg
import pytest
from django.core.management import CommandError
from django.db import OperationalError

from policytracker.installed import installation

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

ROUNDS = 20 if os.environ.get("THOROUGH") else 2
TABLES = ["agreements_agreement", "agreements_party", "agreements_source", "recommendations_recommendation"]


@pytest.fixture
def database(upgraded):
    """A database whose triggers are restored after the test."""
    yield upgraded
    if not complete(upgraded):
        assert upgraded.call("migrate").returncode == 0


def complete(database) -> bool:
    """Whether all functions, triggers and views are installed, current and enabled."""
    with database.connect() as server, server.cursor() as cursor:
        outdated = (installation.outdated_functions, installation.outdated_triggers, installation.outdated_views)
        return not any(names(cursor) for names in outdated)


def test_migrate_with_nothing_to_do_needs_no_locks(database):
    with database.connect() as other, other.transaction():
        for table in TABLES:
            other.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")

        migrated = database.manage("migrate")

    assert migrated.returncode == 0, migrated.stdout
    assert "try" not in migrated.stdout


def test_only_a_missing_trigger_is_created_while_another_transaction_reads(database):
    objects = "SELECT oid, xmin::text FROM pg_trigger WHERE NOT tgisinternal UNION ALL SELECT oid, xmin::text FROM pg_proc ORDER BY 1"
    before = database.rows(objects)
    database.execute("DROP TRIGGER a_3_count_change ON agreements_party")
    with database.connect() as reader, reader.transaction():
        reader.execute("SELECT count(*) FROM agreements_party")

        migrated = database.call("migrate")

    assert (migrated.returncode, migrated.stderr) == (0, "")
    assert "try" not in migrated.stdout
    assert "trigger" not in migrated.stdout
    assert complete(database)
    assert len(set(before) ^ set(database.rows(objects))) == 2, "the dropped trigger and the new one"


def test_migrate_retries_while_a_table_is_locked(database):
    database.execute("DROP TRIGGER a_3_count_change ON agreements_party")
    with database.connect() as writer, writer.transaction():
        writer.execute("UPDATE agreements_party SET name = name WHERE id = (SELECT min(id) FROM agreements_party)")
        migrating = database.start("migrate", PYTHONUNBUFFERED="1")
        seen = next((line for line in migrating.stdout if "try 1" in line), None)

    migrating.communicate(timeout=60)
    assert seen, "migrate did not wait for the lock"
    assert migrating.returncode == 0
    assert complete(database)


def test_a_database_that_stays_locked_is_an_error(monkeypatch):
    def in_use():
        raise OperationalError from psycopg.errors.LockNotAvailable()

    monkeypatch.setattr(installation, "PAUSE", 0)
    reports: list[str] = []

    with pytest.raises(CommandError, match="run migrate again"):
        installation.retry("do it", in_use, reports.append)

    assert len(reports) == installation.TRIES


def test_other_errors_are_not_retried():
    def fail():
        raise OperationalError from psycopg.errors.DiskFull()

    with pytest.raises(OperationalError):
        installation.retry("do it", fail, print)


def test_migrate_repairs_what_differs_and_drops_what_is_no_longer_declared(database):
    database.execute(
        """CREATE FUNCTION agreements_party_old_rule() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN new; END $$;
        CREATE TRIGGER old_rule BEFORE INSERT ON agreements_party FOR EACH ROW EXECUTE FUNCTION agreements_party_old_rule();
        COMMENT ON FUNCTION agreements_party_old_rule() IS 'policytracker of an old version';
        COMMENT ON FUNCTION refuse(text, text) IS 'policytracker of another version';
        COMMENT ON VIEW as_of.agreements_party IS 'policytracker of another version';
        ALTER TABLE agreements_party DISABLE TRIGGER record_update"""
    )

    assert not complete(database)
    assert database.call("migrate").returncode == 0

    assert complete(database)
    assert database.rows("SELECT proname FROM pg_proc WHERE proname = 'agreements_party_old_rule'") == []
    assert database.rows("SELECT tgname FROM pg_trigger WHERE tgname = 'old_rule'") == []


def test_migrating_backwards_and_forwards_again_restores_the_views(database):
    backwards = database.call("migrate", "recommendations", "0006")
    assert backwards.returncode == 0, backwards.stderr
    assert database.rows("SELECT viewname FROM pg_views WHERE schemaname = 'as_of'") == []

    assert database.call("migrate").returncode == 0

    assert complete(database)


def test_a_trigger_added_by_an_administrator_is_kept(database):
    database.execute(
        """CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
        CREATE TRIGGER audit AFTER INSERT ON agreements_party FOR EACH ROW EXECUTE FUNCTION audit()"""
    )
    try:
        assert database.call("migrate").returncode == 0

        assert database.rows("SELECT tgname FROM pg_trigger WHERE tgname = 'audit'") == [("audit",)]
    finally:
        database.execute("DROP FUNCTION audit CASCADE")


@contextmanager
def traffic(database):
    """Readers and writers that lock several tables in different orders. Yields the number of errors by type."""
    over, errors = threading.Event(), Counter()

    def work(number: int) -> None:
        tables = TABLES[number % 4 :] + TABLES[: number % 4]
        with database.connect() as server:
            while not over.is_set():
                try:
                    with server.transaction():
                        for table in tables if number % 2 else sorted(tables):
                            server.execute(f"SELECT count(*) FROM {table}")
                            if number % 2 == 0:
                                row = f"(SELECT min(id) + {number} FROM {table})"
                                server.execute(f"UPDATE {table} SET updated_at = now() WHERE id = {row}")
                    errors["none"] += 1
                except psycopg.Error as error:
                    errors[type(error).__name__] += 1

    workers = [threading.Thread(target=work, args=[number]) for number in range(4)]
    for worker in workers:
        worker.start()
    try:
        yield errors
    finally:
        over.set()
        for worker in workers:
            worker.join(timeout=60)


@pytest.mark.parametrize("dropped", [False, True], ids=["with nothing to do", "with triggers missing"])
def test_migrate_during_reads_and_writes(dropped, database):
    with traffic(database) as errors:
        for _ in range(ROUNDS):
            if dropped:
                for table in sorted(TABLES):
                    database.execute(f"DROP TRIGGER IF EXISTS record_insert ON {table}")

            migrated = database.call("migrate")

            assert migrated.returncode == 0, migrated.stderr
    assert complete(database)
    assert errors.pop("none") > ROUNDS
    assert not errors
