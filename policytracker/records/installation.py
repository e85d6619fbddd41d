"""Whether the database is what this version needs: tables, migrations, functions and triggers. And how it becomes so.

Each function and trigger carries a comment with the hash of the SQL that made it, so that `migrate` touches only what differs.
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

from django.apps import apps
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.management import CommandError
from django.db import OperationalError, connections, transaction
from django.db.backends.utils import CursorWrapper
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from policytracker.records.triggers import Trigger, functions, records, triggers

MARK = "policytracker "
INSTALLING = 7_062_025  # the advisory lock of those who change functions and triggers
# `migrate` waits this long for a table that is in use. Everybody who comes after it waits too, so it gives way and tries again.
LOCK_TIMEOUT, TRIES, PAUSE = "2s", 20, 1.0
RETIRED = ["count_change"]  # shared functions of version 0.1, which carry no comment
REPAIR = "Run migrate. If that has been done, the database was restored in part: restore the backup again."
IN_USE = {"55P03": "another transaction uses it", "40P01": "two transactions wait for each other"}


@dataclass(frozen=True)
class Installed:
    """A trigger as it is in the database."""

    call: str
    comment: str
    constraint: bool
    enabled: bool


@cache
def wanted_functions() -> dict[str, str]:
    return functions()


@cache
def wanted_triggers() -> dict[tuple[str, str], Trigger]:
    return {(trigger.table, trigger.name): trigger for model in records() for trigger in triggers(model)}


@cache
def mark(sql: str) -> str:
    """The comment of what this SQL has made."""
    return MARK + hashlib.sha256(sql.encode()).hexdigest()[:32]


def installed_functions(cursor: CursorWrapper) -> dict[str, str]:
    """The comment of every function of ours, by name. Before 0.2 they had none; then the name tells, and that they are for triggers."""
    cursor.execute(
        """SELECT proname, coalesce(obj_description(oid, 'pg_proc'), '') FROM pg_proc WHERE pronamespace = current_schema()::regnamespace
           AND (proname = ANY(%s) OR obj_description(oid, 'pg_proc') LIKE %s OR prorettype = 'trigger'::regtype AND proname ~ %s)""",
        [[*wanted_functions(), *RETIRED], f"{MARK}%", our_names()],
    )
    return dict(cursor.fetchall())


def installed_triggers(cursor: CursorWrapper) -> dict[tuple[str, str], Installed]:
    """The triggers of ours, by table and name. Those that an administrator of the server has added are not ours."""
    cursor.execute(
        """SELECT relname, tgname, proname, coalesce(obj_description(t.oid, 'pg_trigger'), ''), tgconstraint <> 0, tgenabled = 'O'
           FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid JOIN pg_proc p ON p.oid = tgfoid
           WHERE NOT tgisinternal AND relnamespace = current_schema()::regnamespace
           AND (proname = ANY(%s) OR proname ~ %s OR obj_description(t.oid, 'pg_trigger') LIKE %s)""",
        [[*wanted_functions(), *RETIRED], our_names(), f"{MARK}%"],
    )
    return {(table, name): Installed(*rest) for table, name, *rest in cursor.fetchall()}


def our_names() -> str:
    """A pattern of the names of functions that belong to one table."""
    return f"^({'|'.join(sorted({model._meta.app_label for model in records()}))})_"


def is_current(trigger: Trigger, installed: Installed | None) -> bool:
    return installed is not None and installed.enabled and installed.comment == mark(trigger.sql)


def outdated_functions(cursor: CursorWrapper) -> list[str]:
    """The functions that are missing, or were made by other SQL than this version's."""
    there = installed_functions(cursor)
    return [name for name, sql in wanted_functions().items() if there.get(name) != mark(sql)]


def outdated_triggers(cursor: CursorWrapper) -> list[tuple[str, str]]:
    """(table, trigger) of those that are missing, disabled, or were made by other SQL than this version's."""
    there = installed_triggers(cursor)
    return sorted(key for key, trigger in wanted_triggers().items() if not is_current(trigger, there.get(key)))


def missing_tables(cursor: CursorWrapper, using: str) -> list[str]:
    there = set(connections[using].introspection.table_names(cursor))
    return sorted(
        model._meta.db_table
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed and not model._meta.proxy and model._meta.db_table not in there
    )


@cache
def last_migrations() -> frozenset[tuple[str, str]]:
    """The last migration of each app, read from the files once for a process."""
    return frozenset(MigrationLoader(None).graph.leaf_nodes())


def pending_migrations(using: str) -> list[str]:
    """The apps whose last migration the database does not have, each with that migration."""
    applied = MigrationRecorder(connections[using]).applied_migrations()
    return sorted(f"{app}.{name}" for app, name in last_migrations() if (app, name) not in applied)


# ---- making them


def install(using: str, report: Callable[[str], object]) -> None:
    """Make what is missing or differs, and drop what is no longer declared.

    Functions first, then one table after the other in transactions of their own: whoever holds one lock waits for no second one,
    so nobody waits in a circle. Raises CommandError where a table stays in use.
    """
    with connections[using].cursor() as cursor:
        if missing_tables(cursor, using) or pending_migrations(using):
            return  # migrated back, or some of the way: the last migration is followed by this
        if outdated_functions(cursor):
            attempt("the functions", using, make_functions, report)
        there = installed_triggers(cursor)
    unwanted = there.keys() - wanted_triggers().keys()
    outdated = {key for key, trigger in wanted_triggers().items() if not is_current(trigger, there.get(key))}
    for table in sorted({table for table, _ in outdated | unwanted}):
        attempt(table, using, partial(make_triggers, table=table), report)
    with connections[using].cursor() as cursor:
        if installed_functions(cursor).keys() - wanted_functions().keys():
            attempt("the functions", using, drop_functions, report)


def make_functions(cursor: CursorWrapper) -> None:
    for name in outdated_functions(cursor):
        sql = wanted_functions()[name]
        cursor.execute(sql)
        cursor.execute(f"COMMENT ON FUNCTION {name} IS '{mark(sql)}'")


def make_triggers(cursor: CursorWrapper, table: str) -> None:
    there = {name: installed for (place, name), installed in installed_triggers(cursor).items() if place == table}
    for (place, name), trigger in wanted_triggers().items():
        if place != table or is_current(trigger, there.get(name)):
            continue
        sql = trigger.sql
        if name in there and (trigger.deferred or there[name].constraint):
            cursor.execute(f"DROP TRIGGER {name} ON {table}")
        else:  # readers go on meanwhile, as they do not where one is dropped
            sql = sql.replace("CREATE TRIGGER", "CREATE OR REPLACE TRIGGER", 1)
        cursor.execute(sql)
        if name in there and not there[name].enabled:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER {name}")
        cursor.execute(f"COMMENT ON TRIGGER {name} ON {table} IS '{mark(trigger.sql)}'")
    for name in there:
        if (table, name) not in wanted_triggers():
            cursor.execute(f"DROP TRIGGER {name} ON {table}")


def drop_functions(cursor: CursorWrapper) -> None:
    for name in sorted(installed_functions(cursor).keys() - wanted_functions().keys()):
        cursor.execute(f"DROP FUNCTION {name}")


def free_columns(using: str) -> None:
    """Drop the triggers of version 0.1 that name every column of their table: no column that they name could change its type."""
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = 'a_3_count_change' AND tgqual IS NOT NULL ORDER BY 1")
        for (table,) in cursor.fetchall():
            cursor.execute(f"DROP TRIGGER a_3_count_change ON {table}")


def attempt(subject: str, using: str, change: Callable[[CursorWrapper], object], report: Callable[[str], object]) -> None:
    """Run the change in a transaction of its own, again while others hold its locks. Raises CommandError when they keep them."""

    def once() -> None:
        with transaction.atomic(using), connections[using].cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [INSTALLING])
            change(cursor)

    again(f"change {subject}", once, report)


def again(purpose: str, once: Callable[[], object], report: Callable[[str], object]) -> None:
    """Call it until no lock is in the way. Raises CommandError, with what to do, after the last try."""
    for number in range(1, TRIES + 1):
        try:
            once()
            return
        except OperationalError as error:
            reason = IN_USE.get(getattr(error.__cause__, "sqlstate", None) or "")
            if reason is None:
                raise
            report(f"  Cannot {purpose} now ({reason}): try {number} of {TRIES}.")
            time.sleep(PAUSE)
    raise CommandError(
        f"Could not {purpose}: the database was in use all the time. The migration is not complete. "
        "End the long transactions, or stop the site, and run migrate again."
    )


# ---- asking for them


@register(Tags.database)
def database_is_complete(databases=None, **kwargs) -> list[CheckMessage]:
    """Without its triggers a write would be neither counted nor recorded; without a table nothing works."""
    found: list[CheckMessage] = []
    for using in databases or ():
        with connections[using].cursor() as cursor:
            if tables := missing_tables(cursor, using):
                found += [Error(f"The table {table} is missing.", hint=REPAIR, id="policytracker.E001") for table in tables]
                continue
            found += [
                Error(f"The function {name} is missing or not of this version.", hint="Run migrate.", id="policytracker.E002")
                for name in outdated_functions(cursor)
            ]
            found += [
                Error(f"The trigger {name} of {table} is missing or not of this version.", hint="Run migrate.", id="policytracker.E002")
                for table, name in outdated_triggers(cursor)
            ]
    return found
