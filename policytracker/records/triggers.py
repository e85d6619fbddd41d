"""What PostgreSQL does at every write: count the version, keep the history, hold the guards.

This module declares the functions and triggers; `installation.py` makes them at the end of each `migrate`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from django.apps import apps
from django.db.models import ManyToManyField, Model

from policytracker.records.constraints import ARCHIVED_IS_CLOSED, IN_THIS_TRANSACTION, DerivedWrite, TriggerConstraint
from policytracker.records.models import DeadlineFields, Record, RegistryRecord

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
  IF (SELECT {IN_THIS_TRANSACTION} FROM {CHANGES} WHERE tbl = tg_argv[0] AND row_id = owner ORDER BY id DESC LIMIT 1) IS NOT TRUE THEN
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


@dataclass(frozen=True)
class Trigger:
    """A trigger, and the SQL of the function that belongs to it alone, if it has one."""

    table: str
    name: str
    sql: str
    deferred: bool = False
    function: str = ""


def records() -> list[type[Record]]:
    """Every model that is a record."""
    return [model for model in apps.get_models() if issubclass(model, Record)]


def links(model: type[Model]) -> Iterator[ManyToManyField]:
    """The many-to-many fields of a model whose table Django keeps."""
    return (f for f in model._meta.local_many_to_many if f.remote_field.through._meta.auto_created)


def archived(model: type[Record], row: str) -> list[str]:
    """SQL conditions: the row, or a register on which it hangs, is archived. `row` is NEW, OLD or the alias of a subquery."""
    conditions = [f"{row}.publication = 'archived'"] if issubclass(model, RegistryRecord) else []
    for name in model.access_parents:
        parent = model._meta.get_field(name)
        alias = f"{row}_{parent.name}".replace(".", "_").lower()
        above = archived(parent.related_model, alias)
        if above:
            table = parent.related_model._meta.db_table
            conditions.append(f"EXISTS (SELECT 1 FROM {table} {alias} WHERE {alias}.id = {row}.{parent.column} AND ({' OR '.join(above)}))")
    return conditions


def trigger_constraints(model: type[Record]) -> Iterator[TriggerConstraint]:
    """The guards declared beside the model, and the two that every record has."""
    table = model._meta.db_table
    yield TriggerConstraint(
        f"{table}_key_is_fixed", "A key never changes.", f"NEW.{model.key} <> OLD.{model.key}", field=model.key, events="UPDATE"
    )
    new, old = archived(model, "NEW"), archived(model, "OLD")
    if new:
        loading = "coalesce(actor() ->> 'channel', '') <> 'data set'"
        moving = "NEW.publication = OLD.publication AND " if issubclass(model, RegistryRecord) else ""
        own = [c for c in new if not c.startswith("NEW.publication")]
        if own:
            yield TriggerConstraint("closed_record", ARCHIVED_IS_CLOSED, f"{loading} AND ({' OR '.join(own)})", events="INSERT")
        yield TriggerConstraint("closed_record", ARCHIVED_IS_CLOSED, f"{loading} AND {moving}({' OR '.join(new + old)})", events="UPDATE")
        yield TriggerConstraint("closed_record", ARCHIVED_IS_CLOSED, f"{loading} AND ({' OR '.join(old)})", events="DELETE")
    yield from (change.guard for change in model.reserved)
    yield from model.trigger_constraints


def create(
    name: str, when: str, table: str, call: str, *args: str, condition: str = "", deferred: bool = False, function: str = ""
) -> Trigger:
    kind, each = ("CONSTRAINT TRIGGER", "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW") if deferred else ("TRIGGER", "FOR EACH ROW")
    arguments = ", ".join(f"'{arg}'" for arg in args)
    asked = f" WHEN ({condition})" if condition else ""
    return Trigger(
        table, name, f"CREATE {kind} {name} {when} ON {table} {each}{asked} EXECUTE FUNCTION {call}({arguments})", deferred, function
    )


def of_guard(guard: TriggerConstraint, table: str) -> Trigger:
    event = guard.events.split(" ")[0].lower()
    name = guard.name if guard.name != "closed_record" else f"closed_record_{event}"
    call = f"{table}_{name}"[:63]
    sentence = str(guard.sentence).replace("'", "''")
    asked = f"IF {guard.broken} THEN PERFORM refuse('{guard.name}', '{sentence}'); END IF;"
    if guard.deferred:
        # One lock for all: two guards may watch the same rule from its two ends.
        asked = f"""PERFORM pg_advisory_xact_lock(hashtext('guards'));
  IF tg_op <> 'DELETE' THEN SELECT * INTO new FROM {table} WHERE id = new.id; IF NOT FOUND THEN RETURN NULL; END IF; END IF; {asked}"""
    made = f"""CREATE OR REPLACE FUNCTION {call}() RETURNS trigger LANGUAGE plpgsql{BY_INDEX if guard.deferred else ""} AS $$
BEGIN
  IF tg_op = 'UPDATE' AND old.version = new.version THEN RETURN new; END IF;
  {asked}
  IF tg_op = 'DELETE' THEN RETURN old; END IF;
  RETURN new;
END $$"""
    when = f"{'AFTER' if guard.deferred else 'BEFORE'} {guard.events}"
    return create(name, when, table, call, condition=guard.when, deferred=guard.deferred, function=made)


def of_consequence(followed: DerivedWrite, table: str) -> Trigger:
    call = f"{table}_{followed.name}"[:63]
    events = "INSERT OR UPDATE" if followed.before else "INSERT OR UPDATE OR DELETE"
    # Before the count, so that what it writes is counted.
    name, when = (f"a_0_{followed.name}", "BEFORE") if followed.before else (followed.name, "AFTER")
    made = f"""CREATE OR REPLACE FUNCTION {call}() RETURNS trigger LANGUAGE plpgsql{BY_INDEX} AS $$
BEGIN
  {followed.does}
  RETURN new;
END $$"""
    return create(name, f"{when} {events}", table, call, function=made)


def counting(model: type[Record]) -> Trigger:
    """Count a change of any column that is neither calculated nor counted itself."""
    table = model._meta.db_table
    # Generated columns are not yet computed before the write; they follow the others.
    not_counted = {"version", "created_at", "updated_at", *model.derived_fields}
    kept = [f.column for f in model._meta.concrete_fields if not f.generated and f.name not in not_counted]
    # The condition is in the function, not in the trigger: PostgreSQL changes no type of a column that a trigger names.
    made = f"""CREATE OR REPLACE FUNCTION {table}_count_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF ({", ".join(f"old.{c}" for c in kept)}) IS DISTINCT FROM ({", ".join(f"new.{c}" for c in kept)}) THEN
    new.version := old.version + 1;
    new.updated_at := greatest(now(), old.updated_at + interval '1 microsecond');
  END IF;
  RETURN new;
END $$"""
    return create("a_3_count_change", "BEFORE UPDATE", table, f"{table}_count_change", function=made)


def triggers(model: type[Record]) -> Iterator[Trigger]:
    """Every trigger on the model's tables.

    PostgreSQL runs them in the order of their names: first the count and what is derived, then the guards, which check the new row.
    """
    table = model._meta.db_table
    yield create("a_1_keep_count", "BEFORE INSERT OR UPDATE", table, "keep_count")
    yield counting(model)
    yield create("record_birth_and_death", "AFTER INSERT OR DELETE", table, "record_change")
    yield create("record_update", "AFTER UPDATE", table, "record_change", condition="OLD.version <> NEW.version")
    if issubclass(model, DeadlineFields):
        yield create("a_2_keep_original_due_on", "BEFORE INSERT OR UPDATE", table, "keep_original_due_on")
    yield from (of_consequence(followed, table) for followed in model.derived_writes)
    yield from (of_guard(guard, table) for guard in trigger_constraints(model))
    if model.version_parent:
        owner = model._meta.get_field(model.version_parent)
        arguments = (owner.related_model._meta.db_table, owner.column)
        yield create("touch_owner", "AFTER INSERT OR UPDATE OR DELETE", table, "touch_owner", *arguments)
    for field in links(model):
        link = field.remote_field.through._meta.db_table
        yield create("record_link", "AFTER INSERT OR DELETE", link, "record_link", field.m2m_column_name())
        yield create("touch_owner", "AFTER INSERT OR DELETE", link, "touch_owner", table, field.m2m_column_name())
        if issubclass(field.related_model, Record):
            ends = (table, field.m2m_column_name(), field.related_model._meta.db_table, field.m2m_reverse_name())
            yield create(LINKED_STAYS, "AFTER DELETE", link, "keep_what_is_linked", *ends, deferred=True)


def functions() -> dict[str, str]:
    """The SQL of every function by its name, those that several tables share first."""
    own = [trigger.function for model in records() for trigger in triggers(model) if trigger.function]
    shared = re.split(r"\n(?=CREATE OR REPLACE FUNCTION)", FUNCTIONS)[1:]
    return {re.match(r"CREATE OR REPLACE FUNCTION (\w+)", sql)[1]: sql for sql in [*shared, *own]}
