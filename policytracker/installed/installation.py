"""Installs functions, triggers, views and the search index, and checks that the database is that of this version.

Each of them has a comment with the hash of its SQL, so that `migrate` replaces only what differs.
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from itertools import chain

from django.apps import apps
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.management import CommandError
from django.db import OperationalError, connections, transaction
from django.db.backends.utils import CursorWrapper
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.utils import translation
from django.utils.translation import gettext_lazy as _

from policytracker.installed import search_index
from policytracker.installed.triggers import Trigger, functions, own_triggers, triggers
from policytracker.records.declarations import links, records
from policytracker.representation.search_words import ENTRIES
from policytracker.resources import Resource, registry
from policytracker.sql.moment import CHANGES, SCHEMA, TABLES
from policytracker.sql.past_rows import link_view, record_view

MARK = "policytracker "
INSTALLATION_LOCK = 7_062_025  # an advisory lock: one process at a time installs functions, triggers and views
# `migrate` waits this long for the lock of a table. Later queries wait behind it, so it gives up and tries again.
LOCK_TIMEOUT, TRIES, PAUSE = "2s", 20, 1.0  # PAUSE in seconds
# Shared functions of version 0.1, without comments.
RETIRED = ["count_change", "keep_count", "keep_what_is_linked", "record_change", "record_link", "touch_owner"]
# The era of new history entries is the default of its column. SQL that reads it. PostgreSQL may read the defaults of the other columns
# too before it compares the name, so what is no number must be no error.
CURRENT_ERA = f"""SELECT substring(pg_get_expr(adbin, adrelid) FROM '^[0-9]+$')::int
    FROM pg_attrdef JOIN pg_attribute a ON (attrelid, attnum) = (adrelid, adnum)
    WHERE adrelid = '{CHANGES}'::regclass AND attname = 'era'"""
REPAIR = _("Run migrate. If that does not help, the backup was only partly restored: restore it again.")
FILL_ROWS, FILL_LOCK_TIMEOUT = 500, "500ms"  # per transaction; shorter than the wait after which PostgreSQL looks for deadlocks
IN_USE = {"55P03": _("another transaction holds a lock"), "40P01": _("deadlock")}
FUNCTIONS_FAILED = _("The functions could not be changed")
NOT_INDEXED = _("The search index of {table} could not be filled")
STAYED_LOCKED = _(
    "{failure}: the database stayed locked. The migration is not complete. End long transactions or stop the site, and run migrate again."
)


@dataclass(frozen=True)
class Installed:
    """A trigger in the database. `function` is the name of its function."""

    function: str
    comment: str
    constraint: bool
    enabled: bool


@cache
def wanted_functions() -> dict[str, str]:
    with translation.override(None):  # the SQL contains messages; its hash must not depend on the language of a request
        return functions()


@cache
def wanted_triggers() -> dict[tuple[str, str], Trigger]:
    with translation.override(None):
        declared = chain(own_triggers(), chain.from_iterable(triggers(model) for model in records()))
        return {(trigger.table, trigger.name): trigger for trigger in declared}


@cache
def wanted_views() -> dict[str, str]:
    """The SQL of each view of the schema `as_of`, by name. A model without history may declare its view (`as_of_view`)."""
    views = {model._meta.db_table: record_view(model) for model in records()}
    views |= {field.m2m_db_table(): link_view(field) for model in records() for field in links(model)}
    return views | {model._meta.db_table: model.as_of_view for model in apps.get_models() if hasattr(model, "as_of_view")}


@cache
def mark(sql: str) -> str:
    """The comment for the function, trigger or view that this SQL creates."""
    return MARK + hashlib.sha256(sql.encode()).hexdigest()[:32]


def installed_functions(cursor: CursorWrapper) -> dict[str, str]:
    """The comment of each of our functions, by name. Functions of version 0.1 have no comment and are recognized by name and type."""
    cursor.execute(
        """SELECT proname, coalesce(obj_description(oid, 'pg_proc'), '') FROM pg_proc WHERE pronamespace = current_schema()::regnamespace
           AND (proname = ANY(%s) OR obj_description(oid, 'pg_proc') LIKE %s OR prorettype = 'trigger'::regtype AND proname ~ %s)""",
        [[*wanted_functions(), *RETIRED], f"{MARK}%", function_pattern()],
    )
    return dict(cursor.fetchall())


def installed_triggers(cursor: CursorWrapper) -> dict[tuple[str, str], Installed]:
    """Our triggers, by table and name. Triggers that an administrator added to the database are left out."""
    cursor.execute(
        """SELECT relname, tgname, proname, coalesce(obj_description(t.oid, 'pg_trigger'), ''), tgconstraint <> 0, tgenabled = 'O'
           FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid JOIN pg_proc p ON p.oid = tgfoid
           WHERE NOT tgisinternal AND relnamespace = current_schema()::regnamespace
           AND (proname = ANY(%s) OR proname ~ %s OR obj_description(t.oid, 'pg_trigger') LIKE %s)""",
        [[*wanted_functions(), *RETIRED], function_pattern(), f"{MARK}%"],
    )
    return {(table, name): Installed(*rest) for table, name, *rest in cursor.fetchall()}


def function_pattern() -> str:
    """A regular expression for the names of functions that belong to one table."""
    return f"^({'|'.join(sorted({model._meta.app_label for model in records()}))})_"


def is_current(trigger: Trigger, installed: Installed | None) -> bool:
    return installed is not None and installed.enabled and installed.comment == mark(trigger.sql)


def outdated_functions(cursor: CursorWrapper) -> list[str]:
    """The functions that are missing or differ from this version."""
    installed = installed_functions(cursor)
    return [name for name, sql in wanted_functions().items() if installed.get(name) != mark(sql)]


def outdated_triggers(cursor: CursorWrapper) -> list[tuple[str, str]]:
    """(table, name) of the triggers that are missing, disabled or differ from this version."""
    installed = installed_triggers(cursor)
    return sorted(key for key, trigger in wanted_triggers().items() if not is_current(trigger, installed.get(key)))


def outdated_views(cursor: CursorWrapper) -> list[str]:
    """The views of the schema `as_of` that are missing or differ from this version."""
    cursor.execute(
        "SELECT relname, obj_description(oid, 'pg_class') FROM pg_class WHERE relkind = 'v' AND relnamespace = to_regnamespace(%s)",
        [SCHEMA],
    )
    installed = dict(cursor.fetchall())
    return [name for name, sql in wanted_views().items() if installed.get(name) != mark(sql)]


def outdated_entries(cursor: CursorWrapper) -> list[Resource]:
    """The record types whose search entries are missing, incomplete or differ from this version. A complete partition has our comment."""
    cursor.execute(
        """SELECT relname, obj_description(oid, 'pg_class') FROM pg_class
           WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace AND relname = ANY(%s)""",
        [[search_index.partition(resource) for resource in registry.searched]],
    )
    installed = dict(cursor.fetchall())
    return [
        resource
        for resource in registry.searched
        if installed.get(search_index.partition(resource)) != mark(search_index.definition(resource))
    ]


def missing_tables(cursor: CursorWrapper, using: str) -> list[str]:
    existing = set(connections[using].introspection.table_names(cursor))
    return sorted(
        model._meta.db_table
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed and not model._meta.proxy and model._meta.db_table not in existing
    )


@cache
def last_migrations() -> frozenset[tuple[str, str]]:
    """The last migration of each app, read from the files once per process."""
    return frozenset(MigrationLoader(None).graph.leaf_nodes())


def pending_migrations(using: str) -> list[str]:
    """`app.name` of the last migration of each app, where it is not applied."""
    applied = MigrationRecorder(connections[using]).applied_migrations()
    return sorted(f"{app}.{name}" for app, name in last_migrations() if (app, name) not in applied)


# ---- installing


def install(using: str, report: Callable[[str], object]) -> None:
    """Create or replace the functions, triggers and views that are missing or differ, and drop those that are no longer declared.

    Each table is changed in its own transaction, so that no transaction locks two tables and deadlocks cannot occur.
    Raises CommandError if a table stays locked.
    """
    with connections[using].cursor() as cursor:
        if missing_tables(cursor, using) or pending_migrations(using):
            return  # migrated backwards or only in part; the triggers fit the last migration only
        begin_era(cursor)
        outdated_types = outdated_entries(cursor)
        for resource in outdated_types:  # before the triggers, which write into them
            attempt(not_indexed(resource), using, partial(create_partition, resource=resource), report)
        if outdated_functions(cursor):
            attempt(str(FUNCTIONS_FAILED), using, create_functions, report)
        installed = installed_triggers(cursor)
    unwanted = installed.keys() - wanted_triggers().keys()
    outdated = {key for key, trigger in wanted_triggers().items() if not is_current(trigger, installed.get(key))}
    for table in sorted({table for table, _trigger in outdated | unwanted}):
        attempt(_("The table {table} could not be changed").format(table=table), using, partial(create_triggers, table=table), report)
    with connections[using].cursor() as cursor:
        if installed_functions(cursor).keys() - wanted_functions().keys():
            attempt(str(FUNCTIONS_FAILED), using, drop_functions, report)
        if outdated_views(cursor):
            attempt(str(_("The views could not be changed")), using, create_views, report)
    for resource in outdated_types:
        fill_partition(using, resource, report)


def create_functions(cursor: CursorWrapper) -> None:
    for name in outdated_functions(cursor):
        sql = wanted_functions()[name]
        cursor.execute(sql)
        cursor.execute(f"COMMENT ON FUNCTION {name} IS '{mark(sql)}'")


def create_triggers(cursor: CursorWrapper, table: str) -> None:
    installed = {name: trigger for (its_table, name), trigger in installed_triggers(cursor).items() if its_table == table}
    for (its_table, name), trigger in wanted_triggers().items():
        if its_table != table or is_current(trigger, installed.get(name)):
            continue
        sql = trigger.sql
        if name in installed and (trigger.deferred or installed[name].constraint):
            cursor.execute(f"DROP TRIGGER {name} ON {table}")
        else:  # this lock does not block readers; the lock of DROP TRIGGER does
            sql = sql.replace("CREATE TRIGGER", "CREATE OR REPLACE TRIGGER", 1)
        cursor.execute(sql)
        if name in installed and not installed[name].enabled:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER {name}")
        cursor.execute(f"COMMENT ON TRIGGER {name} ON {table} IS '{mark(trigger.sql)}'")
    for name in installed:
        if (table, name) not in wanted_triggers():
            cursor.execute(f"DROP TRIGGER {name} ON {table}")


def drop_functions(cursor: CursorWrapper) -> None:
    for name in sorted(installed_functions(cursor).keys() - wanted_functions().keys()):
        cursor.execute(f"DROP FUNCTION {name}")


def create_views(cursor: CursorWrapper) -> None:
    """Create all views again: some read others, and PostgreSQL replaces a view only by one with the same columns."""
    cursor.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
    cursor.execute(f"CREATE SCHEMA {SCHEMA}")
    cursor.execute(f"SET LOCAL search_path = {SCHEMA}, {TABLES}")  # for the views that read others
    for name, sql in wanted_views().items():
        cursor.execute(f"CREATE VIEW {SCHEMA}.{name} AS {sql}")
        cursor.execute(f"COMMENT ON VIEW {SCHEMA}.{name} IS '{mark(sql)}'")


def not_indexed(resource: Resource) -> str:
    return NOT_INDEXED.format(table=resource.model._meta.db_table)


def create_partition(cursor: CursorWrapper, resource: Resource) -> None:
    name = search_index.partition(resource)
    cursor.execute(f"CREATE TABLE IF NOT EXISTS {name} PARTITION OF {ENTRIES} FOR VALUES IN ('{resource.model._meta.db_table}')")
    cursor.execute(f"COMMENT ON TABLE {name} IS NULL")


def fill_partition(using: str, resource: Resource, report: Callable[[str], object]) -> None:
    """Make the entries of all records again.

    In short transactions, because a change of a record waits for the one that adds its entry.
    """
    last = 0

    def fill(cursor: CursorWrapper) -> None:
        nonlocal last
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [FILL_LOCK_TIMEOUT])
        cursor.execute(search_index.fill(resource), [last, FILL_ROWS])
        last = cursor.fetchone()[0]

    def empty(cursor: CursorWrapper) -> None:
        cursor.execute(f"TRUNCATE {search_index.partition(resource)}")

    def complete(cursor: CursorWrapper) -> None:
        cursor.execute(f"ANALYZE {search_index.partition(resource)}")
        cursor.execute(f"COMMENT ON TABLE {search_index.partition(resource)} IS '{mark(search_index.definition(resource))}'")

    attempt(not_indexed(resource), using, empty, report)
    while last is not None:
        attempt(not_indexed(resource), using, fill, report)
    attempt(not_indexed(resource), using, complete, report)


def free_columns(using: str) -> None:
    """Drop what prevents migrations from changing columns: the views, and triggers of version 0.1 that name every column of their table."""
    with connections[using].cursor() as cursor:
        cursor.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
        cursor.execute("SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = 'a_3_count_change' AND tgqual IS NOT NULL ORDER BY 1")
        for (table,) in cursor.fetchall():
            cursor.execute(f"DROP TRIGGER a_3_count_change ON {table}")


def attempt(failure: str, using: str, change: Callable[[CursorWrapper], object], report: Callable[[str], object]) -> None:
    """Run the change in its own transaction, and retry while tables are locked. Raises CommandError after the last try."""

    def once() -> None:
        with transaction.atomic(using), connections[using].cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [INSTALLATION_LOCK])
            change(cursor)

    retry(failure, once, report)


def retry(failure: str, once: Callable[[], object], report: Callable[[str], object]) -> None:
    """Call `once`, and retry while a lock prevents it. Raises CommandError after the last try. `failure` says what did not succeed."""
    for number in range(1, TRIES + 1):
        try:
            once()
            return
        except OperationalError as error:
            reason = IN_USE.get(getattr(error.__cause__, "sqlstate", None) or "")
            if reason is None:
                raise
            report(_("  {failure} ({reason}): try {number} of {tries}.").format(failure=failure, reason=reason, number=number, tries=TRIES))
            time.sleep(PAUSE)
    raise CommandError(STAYED_LOCKED.format(failure=failure))


def begin_era(cursor: CursorWrapper) -> None:
    """Begin a new era if the history has later transactions than this server: it was restored from another one.

    Then those transactions stay before the new ones, although their numbers are higher.
    """
    cursor.execute(
        f"""SELECT era.now FROM ({CURRENT_ERA}) AS era (now) WHERE EXISTS
            (SELECT FROM {CHANGES} c WHERE c.era = era.now AND c.txid >= pg_snapshot_xmax(pg_current_snapshot()))"""
    )
    if row := cursor.fetchone():
        cursor.execute(f"ALTER TABLE {CHANGES} ALTER COLUMN era SET DEFAULT {row[0] + 1}")


# ---- system check


@register(Tags.database)
def database_is_complete(databases=None, **kwargs) -> list[CheckMessage]:
    """Django system check: all tables, functions, triggers and views exist and are of this version."""
    errors: list[CheckMessage] = []
    for using in databases or ():
        with connections[using].cursor() as cursor:
            if tables := missing_tables(cursor, using):
                errors += [
                    Error(_("The table {table} is missing.").format(table=table), hint=str(REPAIR), id="policytracker.E001")
                    for table in tables
                ]
                continue
            errors += [
                Error(
                    _("The function {name} is missing or outdated.").format(name=name), hint=str(_("Run migrate.")), id="policytracker.E002"
                )
                for name in outdated_functions(cursor)
            ]
            errors += [
                Error(
                    _("The trigger {name} of {table} is missing or outdated.").format(name=name, table=table),
                    hint=str(_("Run migrate.")),
                    id="policytracker.E002",
                )
                for table, name in outdated_triggers(cursor)
            ]
            errors += [
                Error(
                    _("The view {name} is missing or outdated.").format(name=f"{SCHEMA}.{name}"),
                    hint=str(_("Run migrate.")),
                    id="policytracker.E002",
                )
                for name in outdated_views(cursor)
            ]
            errors += [
                Error(
                    _("The search index of {table} is incomplete or outdated.").format(table=resource.model._meta.db_table),
                    hint=str(_("Run migrate.")),
                    id="policytracker.E002",
                )
                for resource in outdated_entries(cursor)
            ]
    return errors
