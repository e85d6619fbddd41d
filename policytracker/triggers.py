"""What PostgreSQL does at every write: count the version, keep the history, hold the guards.

The functions and triggers are made anew after each `migrate`, as Django does with permissions, and are safe to make again.
"""

from collections.abc import Iterator

from django.apps import apps
from django.core.checks import Tags, Warning, register
from django.db import connections
from django.db.models import ManyToManyField, Model

from policytracker.records import ARCHIVED_IS_CLOSED, Consequence, Due, Guard, Published, Record

CHANGES = "policytracker_change"
LINKED_STAYS = "linked_record_stays"
# For what looks at other rows: a plan that was made while a table was small would read all of it for each row of a load.
BY_INDEX = " SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off"

FUNCTIONS = f"""
CREATE OR REPLACE FUNCTION refuse(rule text, sentence text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN RAISE check_violation USING CONSTRAINT = rule, MESSAGE = sentence; END $$;

CREATE OR REPLACE FUNCTION actor() RETURNS jsonb LANGUAGE sql STABLE AS $$
SELECT nullif(current_setting('policytracker.actor', true), '')::jsonb $$;

-- Nobody else writes the three columns. touch_owner() asks to be counted by a version of NULL.
CREATE OR REPLACE FUNCTION keep_count() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF tg_op = 'INSERT' THEN
    new.version := 1; new.created_at := now(); new.updated_at := now();
  ELSE
    new.created_at := old.created_at;
    new.updated_at := CASE WHEN new.version IS NULL THEN greatest(now(), old.updated_at + interval '1 microsecond') ELSE old.updated_at END;
    new.version := old.version + (new.version IS NULL)::int;
  END IF;
  RETURN new;
END $$;

CREATE OR REPLACE FUNCTION count_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  new.version := old.version + 1;
  new.updated_at := greatest(now(), old.updated_at + interval '1 microsecond');
  RETURN new;
END $$;

-- The live row is the newest version, so a birth keeps no copy; an update and a death keep the row that was.
CREATE OR REPLACE FUNCTION record_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE o jsonb; n jsonb;
BEGIN
  IF tg_op = 'INSERT' THEN
    INSERT INTO {CHANGES} (tbl, row_id, op, at, actor) VALUES (tg_table_name, new.id, 'insert', new.updated_at, actor());
  ELSIF tg_op = 'UPDATE' THEN
    o := to_jsonb(old); n := to_jsonb(new);
    INSERT INTO {CHANGES} (tbl, row_id, op, since, at, actor, before, changed)
    VALUES (tg_table_name, new.id, 'update', old.updated_at, new.updated_at, actor(), o,
      (SELECT coalesce(jsonb_object_agg(key, value), '{{}}') FROM jsonb_each(n - 'version' - 'updated_at')
       WHERE value IS DISTINCT FROM o -> key));
  ELSE
    INSERT INTO {CHANGES} (tbl, row_id, op, since, at, actor, before)
    VALUES (tg_table_name, old.id, 'delete', old.updated_at, greatest(now(), old.updated_at), actor(), to_jsonb(old));
  END IF;
  RETURN NULL;
END $$;

-- A link has no life of its own: it is kept as a change of its owner, with its columns.
CREATE OR REPLACE FUNCTION record_link() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE link jsonb := to_jsonb(coalesce(new, old));
BEGIN
  INSERT INTO {CHANGES} (tbl, row_id, op, at, actor, before)
  VALUES (tg_table_name, (link ->> tg_argv[0])::bigint, lower(tg_op), now(), actor(), link);
  RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION keep_original_due_on() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF tg_op = 'UPDATE' THEN new.original_due_on := old.original_due_on; END IF;
  IF new.original_due_on = '' THEN new.original_due_on := new.due_on; END IF;
  RETURN new;
END $$;

-- Links count once in a transaction, and not where it has counted, or made, their owner already. A clock could not tell.
CREATE OR REPLACE FUNCTION touch_owner() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE owner bigint := (to_jsonb(coalesce(new, old)) ->> tg_argv[1])::bigint;
BEGIN
  IF (SELECT txid FROM {CHANGES} WHERE tbl = tg_argv[0] AND row_id = owner ORDER BY id DESC LIMIT 1)
     IS DISTINCT FROM pg_current_xact_id() THEN
    EXECUTE format('UPDATE %I SET version = NULL WHERE id = $1', tg_argv[0]) USING owner;
  END IF;
  RETURN NULL;
END $$;

-- Django takes the links along when it deletes what they lead to; but then their owner would change and nobody had said so.
CREATE OR REPLACE FUNCTION keep_what_is_linked() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE link jsonb := to_jsonb(old); torn boolean;
BEGIN
  EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE id = $1) AND NOT EXISTS (SELECT FROM %I WHERE id = $2)', tg_argv[0], tg_argv[2])
    INTO torn USING (link ->> tg_argv[1])::bigint, (link ->> tg_argv[3])::bigint;
  IF torn THEN PERFORM refuse('{LINKED_STAYS}', 'Other records refer to it.'); END IF;
  RETURN NULL;
END $$;
"""


def records() -> list[type[Record]]:
    """Every model that is a record."""
    return [model for model in apps.get_models() if issubclass(model, Record)]


def links(model: type[Model]) -> Iterator[ManyToManyField]:
    """The many-to-many fields of a model whose table Django keeps."""
    return (f for f in model._meta.local_many_to_many if f.remote_field.through._meta.auto_created)


def archived(model: type[Record], row: str) -> list[str]:
    """SQL conditions: the row, or a register on which it hangs, is archived. `row` is NEW, OLD or the alias of a subquery."""
    conditions = [f"{row}.publication = 'archived'"] if issubclass(model, Published) else []
    for name in model.hangs_on:
        parent = model._meta.get_field(name)
        alias = f"{row}_{parent.name}".replace(".", "_").lower()
        above = archived(parent.related_model, alias)
        if above:
            table = parent.related_model._meta.db_table
            conditions.append(f"EXISTS (SELECT 1 FROM {table} {alias} WHERE {alias}.id = {row}.{parent.column} AND ({' OR '.join(above)}))")
    return conditions


def guards(model: type[Record]) -> Iterator[Guard]:
    """The guards declared beside the model, and the two that every record has."""
    table = model._meta.db_table
    yield Guard(f"{table}_key_is_fixed", "A key never changes.", f"NEW.{model.key} <> OLD.{model.key}", field=model.key, events="UPDATE")
    new, old = archived(model, "NEW"), archived(model, "OLD")
    if new:
        loading = "coalesce(actor() ->> 'door', '') <> 'data set'"
        moving = "NEW.publication = OLD.publication AND " if issubclass(model, Published) else ""
        own = [c for c in new if not c.startswith("NEW.publication")]
        if own:
            yield Guard("closed_record", ARCHIVED_IS_CLOSED, f"{loading} AND ({' OR '.join(own)})", events="INSERT")
        yield Guard("closed_record", ARCHIVED_IS_CLOSED, f"{loading} AND {moving}({' OR '.join(new + old)})", events="UPDATE")
        yield Guard("closed_record", ARCHIVED_IS_CLOSED, f"{loading} AND ({' OR '.join(old)})", events="DELETE")
    yield from model.guards


def create(name: str, when: str, table: str, function: str, *args: str, condition: str = "", deferred: bool = False) -> str:
    kind, each = ("CONSTRAINT TRIGGER", "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW") if deferred else ("TRIGGER", "FOR EACH ROW")
    replace = f"DROP TRIGGER IF EXISTS {name} ON {table}; CREATE" if deferred else "CREATE OR REPLACE"
    arguments = ", ".join(f"'{arg}'" for arg in args)
    asked = f"WHEN ({condition})" if condition else ""
    return f"{replace} {kind} {name} {when} ON {table} {each} {asked} EXECUTE FUNCTION {function}({arguments});"


def function(guard: Guard, name: str, table: str) -> str:
    sentence = str(guard.sentence).replace("'", "''")
    asked = f"IF {guard.broken} THEN PERFORM refuse('{guard.name}', '{sentence}'); END IF;"
    if guard.deferred:
        # One lock for all: two guards may watch the same rule from its two ends.
        asked = f"""PERFORM pg_advisory_xact_lock(hashtext('guards'));
  IF tg_op <> 'DELETE' THEN SELECT * INTO new FROM {table} WHERE id = new.id; IF NOT FOUND THEN RETURN NULL; END IF; END IF; {asked}"""
    return f"""CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql{BY_INDEX if guard.deferred else ""} AS $$
BEGIN
  IF tg_op = 'UPDATE' AND old.version = new.version THEN RETURN new; END IF;
  {asked}
  IF tg_op = 'DELETE' THEN RETURN old; END IF;
  RETURN new;
END $$;"""


def consequence(followed: Consequence, table: str) -> tuple[str, str, str]:
    call = f"{table}_{followed.name}"[:63]
    events = "INSERT OR UPDATE" if followed.before else "INSERT OR UPDATE OR DELETE"
    # Before the count, so that what it writes is counted.
    name, when = (f"a_0_{followed.name}", "BEFORE") if followed.before else (followed.name, "AFTER")
    made = f"""CREATE OR REPLACE FUNCTION {call}() RETURNS trigger LANGUAGE plpgsql{BY_INDEX} AS $$
BEGIN
  {followed.does}
  RETURN new;
END $$;"""
    return table, name, made + create(name, f"{when} {events}", table, call)


def statements(model: type[Record]) -> Iterator[tuple[str, str, str]]:
    """(table, trigger, SQL) for everything that hangs on the model's tables."""
    table = model._meta.db_table
    # Triggers go by name: first the count and what is derived, then the guards, which look at what would change.
    # Generated columns are not yet computed before the write; they follow the others.
    not_counted = {"version", "created_at", "updated_at", *model.follows}
    kept = [f.column for f in model._meta.concrete_fields if not f.generated and f.name not in not_counted]
    changed = f"({', '.join(f'OLD.{c}' for c in kept)}) IS DISTINCT FROM ({', '.join(f'NEW.{c}' for c in kept)})"
    for name, when, does, condition in [
        ("a_1_keep_count", "BEFORE INSERT OR UPDATE", "keep_count", ""),
        ("a_3_count_change", "BEFORE UPDATE", "count_change", changed),
        ("record_birth_and_death", "AFTER INSERT OR DELETE", "record_change", ""),
        ("record_update", "AFTER UPDATE", "record_change", "OLD.version <> NEW.version"),
    ]:
        yield table, name, create(name, when, table, does, condition=condition)
    if issubclass(model, Due):
        yield (
            table,
            "a_2_keep_original_due_on",
            create("a_2_keep_original_due_on", "BEFORE INSERT OR UPDATE", table, "keep_original_due_on"),
        )
    yield from (consequence(followed, table) for followed in model.consequences)
    for guard in guards(model):
        event = guard.events.split(" ")[0].lower()
        name = guard.name if guard.name != "closed_record" else f"closed_record_{event}"
        call = f"{table}_{name}"[:63]
        when = f"{'AFTER' if guard.deferred else 'BEFORE'} {guard.events}"
        yield table, name, function(guard, call, table) + create(name, when, table, call, condition=guard.when, deferred=guard.deferred)
    if model.counts_for:
        owner = model._meta.get_field(model.counts_for)
        arguments = (owner.related_model._meta.db_table, owner.column)
        yield table, "touch_owner", create("touch_owner", "AFTER INSERT OR UPDATE OR DELETE", table, "touch_owner", *arguments)
    for field in links(model):
        link = field.remote_field.through._meta.db_table
        yield link, "record_link", create("record_link", "AFTER INSERT OR DELETE", link, "record_link", field.m2m_column_name())
        yield link, "touch_owner", create("touch_owner", "AFTER INSERT OR DELETE", link, "touch_owner", table, field.m2m_column_name())
        if issubclass(field.related_model, Record):
            ends = (table, field.m2m_column_name(), field.related_model._meta.db_table, field.m2m_reverse_name())
            yield link, LINKED_STAYS, create(LINKED_STAYS, "AFTER DELETE", link, "keep_what_is_linked", *ends, deferred=True)


def install(using: str = "default", **kwargs) -> None:
    """Make every function and trigger, and drop those that no model declares any more."""
    wanted = [row for model in records() for row in statements(model)]
    tables = sorted({table for table, _, _ in wanted})
    with connections[using].cursor() as cursor:
        present = set(connections[using].introspection.table_names(cursor))
        if not present.issuperset([*tables, CHANGES]):
            return  # a migration part of the way, or back: the last one of all makes them
        cursor.execute(FUNCTIONS + "".join(sql for _, _, sql in wanted))
        for table, name in found(cursor, tables) - {(table, name) for table, name, _ in wanted}:
            cursor.execute(f"DROP TRIGGER {name} ON {table}")


def found(cursor, tables: list[str]) -> set[tuple[str, str]]:
    """The triggers that stand on the tables, as (table, trigger)."""
    cursor.execute(
        "SELECT relname, tgname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid WHERE NOT tgisinternal AND relname = ANY(%s)",
        [tables],
    )
    return set(cursor.fetchall())


@register(Tags.database)
def every_record_has_its_triggers(databases=None, **kwargs) -> list[Warning]:
    """Without them a write would be neither counted nor remembered. Only a warning, since `migrate` asks before it mends."""
    missing: set[tuple[str, str]] = set()
    for using in databases or ():
        with connections[using].cursor() as cursor:
            present = set(connections[using].introspection.table_names(cursor))
            wanted = {(table, name) for model in records() for table, name, _ in statements(model) if table in present}
            missing |= wanted - found(cursor, sorted(present))
    return [Warning(f"{table} lacks the trigger {name}: run migrate.", id="policytracker.W001") for table, name in sorted(missing)]
