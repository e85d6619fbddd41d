"""More databases on the test server, created and restored by a role without superuser rights."""

import gzip
import io
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.core.management import CommandError, call_command
from django.db import connection, connections

from tests.database.private_postgres import Result
from tools import backup

BASELINE = Path(__file__).parent / "fixtures" / "baseline-0.1.0.sql.gz"


class Database:
    """A database of the test server."""

    def __init__(self, name: str):
        self.name = name

    @property
    def url(self) -> str:
        at = connection.settings_dict
        password, port = f":{quote(at['PASSWORD'])}" if at["PASSWORD"] else "", f":{at['PORT']}" if at["PORT"] else ""
        return f"postgres://{quote(at['USER'])}{password}@{quote(at['HOST'], safe='')}{port}/{self.name}"

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(self.url, autocommit=True)

    def rows(self, sql: str, *values) -> list[tuple]:
        with self.connect() as server:
            return server.execute(sql, values or None).fetchall()

    def execute(self, sql: str) -> None:
        with self.connect() as server:
            server.execute(sql)

    def manage(self, *arguments, **environment) -> subprocess.CompletedProcess:
        return subprocess.run(self.command(*arguments), env=self.environment(**environment), **self.where, timeout=120)

    def call(self, *arguments) -> Result:
        """Run a command of `manage.py` in this process: a process of its own takes a second to start."""
        output = io.StringIO()
        with using(self):
            try:
                call_command(*arguments, stdout=output)
            except CommandError as error:
                return Result(error.returncode, output.getvalue(), str(error))
        return Result(0, output.getvalue(), "")

    def start(self, *arguments, **environment) -> subprocess.Popen:
        return subprocess.Popen(
            self.command(*arguments), env=self.environment(**environment), cwd=settings.BASE_DIR,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    where = {"cwd": settings.BASE_DIR, "capture_output": True, "text": True}

    def command(self, *arguments) -> list[str]:
        return [sys.executable, "manage.py", *arguments]

    def environment(self, **changes) -> dict[str, str]:
        return os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings", "DATABASE_URL": self.url} | changes

    def program(self, name: str, *arguments: str, **options) -> subprocess.CompletedProcess:
        """Run a program of PostgreSQL on this database."""
        path = backup.find(name, self.version)
        return subprocess.run([path, *arguments], **self.where | {"text": "input" not in options} | options, timeout=120)

    @property
    def version(self) -> int:
        with self.connect() as server:
            return server.info.server_version // 10_000


@contextmanager
def using(chosen: Database) -> Iterator[None]:
    """Use a connection to this database for all queries of the block."""
    outer, made = connections["default"], connections["default"].copy()
    made.settings_dict["NAME"] = chosen.name
    connections["default"] = made
    ContentType.objects.clear_cache()  # its ids differ between databases
    try:
        yield
    finally:
        made.close()
        connections["default"] = outer
        ContentType.objects.clear_cache()


def drop(server: Database, name: str) -> None:
    """Drop a database with its connections. PostgreSQL 15 refuses it to this role while autovacuum works in the database."""
    for left in reversed(range(20)):
        try:
            server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            return
        except psycopg.errors.InsufficientPrivilege:
            if not left:
                raise
            time.sleep(0.5)


@contextmanager
def database(server: Database, purpose: str, template: str = "template0"):
    """An empty database, or a copy of the template. It is dropped after the block."""
    made = Database(f"{server.name}_{purpose}")
    drop(server, made.name)
    locale = "ENCODING 'UTF8' LOCALE 'C.UTF-8'" if template == "template0" else ""
    server.execute(f"CREATE DATABASE {made.name} TEMPLATE {template} {locale}")
    try:
        yield made
    finally:
        drop(server, made.name)


@pytest.fixture(scope="session")
def fresh(django_db_setup) -> Database:
    """The test database: a fresh installation of this version."""
    return Database(connection.settings_dict["NAME"])


def restore_baseline(empty: Database) -> None:
    sql = gzip.decompress(BASELINE.read_bytes()).replace(
        b"set_config('search_path', '', false)", b"set_config('search_path', 'public', false)"
    )
    restored = empty.program("psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "--single-transaction", "-d", empty.url, input=sql)
    assert restored.returncode == 0, restored.stderr


@pytest.fixture(scope="session")
def baseline(fresh):
    """A database of version 0.1.0, restored from its dump as docs/operator.md describes."""
    with database(fresh, "baseline") as made:
        restore_baseline(made)
        yield made


@pytest.fixture(scope="session")
def upgraded(fresh, baseline, django_db_blocker):
    """The same database after `migrate`."""
    with database(fresh, "upgraded", template=baseline.name) as made:
        with django_db_blocker.unblock():
            migrated = made.call("migrate")
        assert migrated.returncode == 0, migrated.stderr
        yield made


# ---- comparison

# Without the default of `era`, the number of the present era, which depends on the server.
SCHEMA = {
    "columns": """SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attgenerated, a.attidentity,
        CASE WHEN (c.relname, a.attname) <> ('policytracker_change', 'era') THEN pg_get_expr(d.adbin, d.adrelid) END,
        a.attcollation::regcollation::text
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (c.oid, a.attnum)
        WHERE c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped AND {ours}""",
    "constraints": """SELECT c.relname, conname, contype, pg_get_constraintdef(n.oid), condeferrable, condeferred, convalidated
        FROM pg_constraint n JOIN pg_class c ON c.oid = conrelid WHERE {ours} AND contype <> 'n'""",
    "indexes": "SELECT c.relname, pg_get_indexdef(indexrelid), indisvalid FROM pg_index JOIN pg_class c ON c.oid = indrelid WHERE {ours}",
    "triggers": """SELECT c.relname, tgname, pg_get_triggerdef(t.oid), tgenabled, obj_description(t.oid, 'pg_trigger')
        FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid WHERE NOT tgisinternal AND {ours}""",
    "functions": """SELECT p.proname, pg_get_functiondef(p.oid), obj_description(p.oid, 'pg_proc') FROM pg_proc p
        WHERE p.pronamespace = 'public'::regnamespace AND NOT EXISTS
            (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = p.oid AND deptype = 'e')""",
    "sequences": """SELECT s.sequencename, data_type::text, start_value, increment_by, pg_get_serial_sequence(c.relname, a.attname)
        FROM pg_sequences s LEFT JOIN pg_depend d ON d.objid = s.sequencename::regclass AND d.deptype IN ('a', 'i')
        LEFT JOIN pg_class c ON c.oid = d.refobjid LEFT JOIN pg_attribute a ON (a.attrelid, a.attnum) = (d.refobjid, d.refobjsubid)
        WHERE s.schemaname = 'public'""",
    "extensions": "SELECT extname FROM pg_extension",
    "views": """SELECT c.relname, pg_get_viewdef(c.oid), obj_description(c.oid, 'pg_class') FROM pg_class c
        WHERE c.relnamespace = to_regnamespace('as_of')""",
}


def schema_of(compared: Database) -> dict[str, list]:
    ours = "c.relnamespace = 'public'::regnamespace"
    rows = {kind: map(repr, compared.rows(sql.replace("{ours}", ours))) for kind, sql in SCHEMA.items()}
    return {kind: sorted(map(normalized, of_kind)) for kind, of_kind in rows.items()}


def normalized(definition: str) -> str:
    """The definition without casts between text types and parentheses, which PostgreSQL changes each time it restores a list."""
    return re.sub(r"::(character varying|text)(\[\])?|[()\[\]]", "", definition)


def tables_of(compared: Database) -> list[str]:
    return [name for (name,) in compared.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")]


def data_of(compared: Database) -> dict[str, tuple]:
    """The number and a hash of the rows of each table, and the state of each sequence."""
    digest = """SELECT count(*), md5(coalesce(string_agg(t::text, chr(10) ORDER BY t::text COLLATE "C"), '')) FROM "{}" t"""
    sequences = compared.rows("SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'public'")
    return {table: compared.rows(digest.format(table))[0] for table in tables_of(compared)} | {name: (last,) for name, last in sequences}
