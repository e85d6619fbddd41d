"""The SQL of the triggers: they count versions, record the history, write derived columns and the search index, and enforce
constraints.

`installation.py` installs them at the end of each `migrate`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from django.apps import apps

from policytracker.installed import search_index
from policytracker.records.constraints import (
    IN_THIS_TRANSACTION,
    LINKED_IS_PROTECTED,
    NOT_LOADING,
    DerivedWrite,
    TriggerConstraint,
    differs,
)
from policytracker.records.declarations import links, records, trigger_constraints
from policytracker.records.models import DeadlineFields, Record
from policytracker.resources import registry
from policytracker.sql.moment import CHANGES
from policytracker.sql.past_rows import parent_columns

# The locks of rules are advisory locks with this first number. PostgreSQL has room for a few thousand locks of all transactions, so rule
# and record are hashed to one of RULE_LOCKS numbers.
RULE_LOCK, RULE_LOCKS = 7_092_312, 1024
# For functions that read other rows: a plan cached while a table is small would scan the table for each row of a large load.
BY_INDEX = " SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off"

FUNCTIONS = f"""
CREATE OR REPLACE FUNCTION refuse(rule text, sentence text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN RAISE check_violation USING CONSTRAINT = rule, MESSAGE = sentence; END $$;

CREATE OR REPLACE FUNCTION actor() RETURNS jsonb LANGUAGE sql STABLE AS $$
SELECT nullif(current_setting('policytracker.actor', true), '')::jsonb $$;

-- The complete row at the moment that is read, if it has changed since (sql/moment.py).
CREATE OR REPLACE FUNCTION row_before(name text, key bigint) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
DECLARE moment timestamptz := current_setting('policytracker.as_of');
BEGIN
  RETURN (SELECT c.before FROM {CHANGES} c WHERE c.tbl = name AND c.row_id = key AND c.since <= moment AND c.at > moment);
END $$;

-- Remember the locks that the transaction needs to check a rule: a text with one digit for each number, 1 if it is needed. The arguments
-- are the name of the lock, "shared" or "exclusive", and the column with the record.
CREATE OR REPLACE FUNCTION need_rule_lock() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE setting text := 'policytracker.' || tg_argv[1] || '_locks'; needed text; scope text; place int;
BEGIN
  needed := coalesce(nullif(current_setting(setting, true), ''), repeat('0', {RULE_LOCKS}));
  FOR scope IN SELECT DISTINCT coalesce(written ->> tg_argv[2], '') FROM (VALUES (to_jsonb(old)), (to_jsonb(new))) AS v (written)
    WHERE written IS NOT NULL
  LOOP
    place := (hashtext(tg_argv[0] || ' ' || scope) & ({RULE_LOCKS} - 1)) + 1;
    IF substr(needed, place, 1) = '0' THEN
      needed := overlay(needed placing '1' from place for 1);
      PERFORM set_config(setting, needed, true);
    END IF;
  END LOOP;
  RETURN NULL;
END $$;

-- Take the locks that were remembered, before the first rule is checked. All transactions take them in the same order, after all rows
-- were written, so that they cannot wait for each other in a circle.
CREATE OR REPLACE FUNCTION lock_rules() RETURNS void LANGUAGE plpgsql AS $$
DECLARE alone text := coalesce(current_setting('policytracker.exclusive_locks', true), '');
  shared text := coalesce(current_setting('policytracker.shared_locks', true), ''); needed text; place int;
BEGIN
  IF alone = '' AND shared = '' OR current_setting('policytracker.dry_run', true) = 'on' THEN RETURN; END IF;
  needed := (rpad(alone, {RULE_LOCKS}, '0')::bit({RULE_LOCKS}) | rpad(shared, {RULE_LOCKS}, '0')::bit({RULE_LOCKS}))::text;
  LOOP
    place := strpos(needed, '1');
    EXIT WHEN place = 0;
    IF substr(alone, place, 1) = '1' THEN PERFORM pg_advisory_xact_lock({RULE_LOCK}, place);
    ELSE PERFORM pg_advisory_xact_lock_shared({RULE_LOCK}, place); END IF;
    needed := overlay(needed placing '0' from place for 1);
  END LOOP;
  PERFORM set_config('policytracker.exclusive_locks', '', true), set_config('policytracker.shared_locks', '', true);
END $$;

-- Whether a record of the table is its own ancestor, for a record with too many ancestors to look at for each one that was written. The
-- records below those without a parent are counted: those of a circle are not among them. The answer is kept until the next write.
CREATE OR REPLACE FUNCTION has_circle(name text, parent text) RETURNS boolean LANGUAGE plpgsql{BY_INDEX} AS $$
DECLARE rule text := name || '.' || parent || ' '; known text := coalesce(current_setting('policytracker.without_circle', true), '');
  circle boolean;
BEGIN
  IF strpos(known, rule) > 0 THEN RETURN false; END IF;
  EXECUTE format('WITH RECURSIVE below AS (
      SELECT id FROM %1$I c WHERE %2$I IS NOT NULL AND NOT EXISTS (SELECT FROM %1$I p WHERE p.id = c.%2$I AND p.%2$I IS NOT NULL)
      UNION ALL SELECT c.id FROM %1$I c JOIN below ON c.%2$I = below.id)
    SELECT (SELECT count(*) FROM below) < (SELECT count(*) FROM %1$I WHERE %2$I IS NOT NULL)', name, parent) INTO circle;
  IF NOT circle THEN PERFORM set_config('policytracker.without_circle', known || rule, true); END IF;
  RETURN circle;
END $$;

-- Only triggers write these three columns. touch_parent() sets the version to NULL to have it counted.
CREATE OR REPLACE FUNCTION protect_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF current_setting('policytracker.without_circle', true) <> '' THEN PERFORM set_config('policytracker.without_circle', '', true); END IF;
  IF tg_op = 'INSERT' THEN
    new.version := 1; new.created_at := now(); new.updated_at := now();
  ELSE
    new.created_at := old.created_at;
    new.updated_at := CASE WHEN new.version IS NULL THEN greatest(now(), old.updated_at + interval '1 microsecond') ELSE old.updated_at END;
    new.version := old.version + (new.version IS NULL)::int;
  END IF;
  RETURN new;
END $$;

-- The current row is the newest version, so an insert stores no copy; an update and a deletion store the old row.
CREATE OR REPLACE FUNCTION record_inserts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO {CHANGES} (tbl, row_id, op, at, actor) SELECT tg_table_name, id, 'insert', updated_at, (SELECT actor()) FROM written;
  RETURN NULL;
END $$;

-- The arguments are the columns by which the record is found from its parents.
CREATE OR REPLACE FUNCTION record_update_delete() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE o jsonb; n jsonb; delta jsonb;
BEGIN
  IF tg_op = 'UPDATE' THEN
    o := to_jsonb(old); n := to_jsonb(new);
    delta := (SELECT coalesce(jsonb_object_agg(key, value), '{{}}') FROM jsonb_each(n - 'version' - 'updated_at')
      WHERE value IS DISTINCT FROM o -> key);
    INSERT INTO {CHANGES} (tbl, row_id, op, since, at, actor, before, changed, moved)
    VALUES (tg_table_name, new.id, 'update', old.updated_at, new.updated_at, actor(), o, delta, coalesce(delta ?| tg_argv, false));
  ELSE
    INSERT INTO {CHANGES} (tbl, row_id, op, since, at, actor, before, moved)
    VALUES (tg_table_name, old.id, 'delete', old.updated_at, greatest(now(), old.updated_at), actor(), to_jsonb(old), true);
  END IF;
  RETURN NULL;
END $$;

-- A many-to-many link is recorded as a change of the record that holds it, with the columns of the link.
CREATE OR REPLACE FUNCTION record_links() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO {CHANGES} (tbl, row_id, op, at, actor, before, moved)
  SELECT tg_table_name, (link ->> tg_argv[0])::bigint, lower(tg_op), now(), (SELECT actor()), link, tg_op = 'DELETE'
  FROM (SELECT to_jsonb(written) AS link FROM written OFFSET 0) AS links;
  RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION keep_original_due_on() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF tg_op = 'UPDATE' THEN new.original_due_on := old.original_due_on; END IF;
  IF new.original_due_on = '' THEN new.original_due_on := new.due_on; END IF;
  RETURN new;
END $$;

-- Django deletes the links to a record together with it. That would change the linking record without a change of its own.
CREATE OR REPLACE FUNCTION refuse_linked_delete() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE link jsonb := to_jsonb(old); linked boolean;
BEGIN
  EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE id = $1) AND NOT EXISTS (SELECT FROM %I WHERE id = $2)', tg_argv[0], tg_argv[2])
    INTO linked USING (link ->> tg_argv[1])::bigint, (link ->> tg_argv[3])::bigint;
  IF linked THEN PERFORM refuse('{LINKED_IS_PROTECTED}', 'Other records refer to this one.'); END IF;
  RETURN NULL;
END $$;
"""


@dataclass(frozen=True)
class Trigger:
    """A trigger, with the SQL of its function if no other trigger uses that function."""

    table: str
    name: str
    sql: str
    deferred: bool = False
    function: str = ""


def create(
    name: str,
    when: str,
    table: str,
    call: str,
    *args: str,
    condition: str = "",
    deferred: bool = False,
    function: str = "",
    written: str = "",
) -> Trigger:
    """A trigger for each row; with `written` ("NEW" or "OLD"), one for each statement, which finds its rows in the table `written`."""
    kind, timing = ("CONSTRAINT TRIGGER", "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW") if deferred else ("TRIGGER", "FOR EACH ROW")
    if written:
        timing = f"REFERENCING {written} TABLE AS written FOR EACH STATEMENT"
    arguments = ", ".join(f"'{arg}'" for arg in args)
    restriction = f" WHEN ({condition})" if condition else ""
    return Trigger(
        table,
        name,
        f"CREATE {kind} {name} {when} ON {table} {timing}{restriction} EXECUTE FUNCTION {call}({arguments})",
        deferred,
        function,
    )


def constraint_trigger(constraint: TriggerConstraint, table: str) -> Trigger:
    event = constraint.events.split(" ")[0].lower()
    name = constraint.name if constraint.name != "closed_record" else f"closed_record_{event}"
    call = name if name.startswith(table) else f"{table}_{name}"[:63]
    message = str(constraint.message).replace("'", "''")
    check = f"IF {constraint.violated_when} THEN PERFORM refuse('{constraint.name}', '{message}'); END IF;"
    if not constraint.in_loads:  # not in WHEN: PostgreSQL would plan the condition for each statement
        check = f"IF {NOT_LOADING} THEN {check} END IF;"
    if constraint.deferred:
        changed = constraint.changed
        unchanged = f"IF tg_op = 'UPDATE' AND NOT ({differs(*changed)}) THEN RETURN NULL; END IF; " if changed else ""
        check = f"""{unchanged}PERFORM lock_rules();
  IF tg_op <> 'DELETE' THEN SELECT * INTO new FROM {table} WHERE id = new.id; IF NOT FOUND THEN RETURN NULL; END IF; END IF; {check}"""
    function = f"""CREATE OR REPLACE FUNCTION {call}() RETURNS trigger LANGUAGE plpgsql{BY_INDEX if constraint.deferred else ""} AS $$
BEGIN
  IF tg_op = 'UPDATE' AND old.version = new.version THEN RETURN new; END IF;
  {check}
  IF tg_op = 'DELETE' THEN RETURN old; END IF;
  RETURN new;
END $$"""
    when = f"{'AFTER' if constraint.deferred else 'BEFORE'} {constraint.events}"
    return create(name, when, table, call, condition=constraint.when, deferred=constraint.deferred, function=function)


def rule_lock_triggers(model: type[Record]) -> Iterator[Trigger]:
    """The triggers that remember the locks of the model's constraints. a_4 runs before the constraints, in case these are not deferred."""
    locks = dict.fromkeys(lock for constraint in trigger_constraints(model) for lock in constraint.locks)
    for number, lock in enumerate(locks):
        arguments = (lock.name, "shared" if lock.shared else "exclusive", lock.column)
        name = f"a_4_lock_{lock.name}_{lock.event.lower()}_{number}"
        yield create(name, f"AFTER {lock.event}", model._meta.db_table, "need_rule_lock", *arguments, condition=lock.when)


def derived_write_triggers(write: DerivedWrite, table: str) -> Iterator[Trigger]:
    if write.before:  # a_0 runs before the version is counted, so that the derived columns are counted too
        yield writing_trigger(f"a_0_{write.name}", "BEFORE INSERT OR UPDATE", table, f"{table}_{write.name}", write.sql)
    elif write.inserted:
        yield writing_trigger(write.name, "AFTER UPDATE OR DELETE", table, f"{table}_{write.name}", write.sql)
        name = f"inserted_{write.name}"
        yield writing_trigger(name, "AFTER INSERT", table, f"{table}_{name}", write.inserted, written="NEW")
    else:
        yield writing_trigger(write.name, "AFTER INSERT OR UPDATE OR DELETE", table, f"{table}_{write.name}", write.sql)


def writing_trigger(name: str, when: str, table: str, call: str, sql: str, written: str = "") -> Trigger:
    function = f"""CREATE OR REPLACE FUNCTION {call[:63]}() RETURNS trigger LANGUAGE plpgsql{BY_INDEX} AS $$
BEGIN
  {sql}
  RETURN new;
END $$"""
    return create(name, when, table, call[:63], function=function, written=written)


def touch_parent_triggers(table: str, parent: str, column: str, *events: str) -> Iterator[Trigger]:
    """Count a change of the parents of the written rows.

    At most once in a transaction, and not if the transaction created the parent. Times cannot distinguish transactions.
    """
    sql = f"""UPDATE {parent} SET version = NULL WHERE id = ANY (ARRAY(SELECT {column} FROM written)) AND (
    SELECT {IN_THIS_TRANSACTION} FROM {CHANGES} WHERE tbl = '{parent}' AND row_id = {parent}.id ORDER BY id DESC LIMIT 1) IS NOT TRUE;"""
    for event in events:
        written = "OLD" if event == "DELETE" else "NEW"
        yield writing_trigger(f"touch_parent_{event.lower()}", f"AFTER {event}", table, f"{table}_touch_parent", sql, written=written)


def count_change_trigger(model: type[Record]) -> Trigger:
    """The trigger that counts a change of any column except those that are derived, or written by triggers."""
    table = model._meta.db_table
    # Generated columns are computed after BEFORE triggers; they change only if another column does.
    not_counted = {"version", "created_at", "updated_at", *model.derived_fields, *model.facts}
    counted = [f.column for f in model._meta.concrete_fields if not f.generated and f.name not in not_counted]
    # The condition is in the function: PostgreSQL cannot change the type of a column that a trigger definition names.
    function = f"""CREATE OR REPLACE FUNCTION {table}_count_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF ({", ".join(f"old.{c}" for c in counted)}) IS DISTINCT FROM ({", ".join(f"new.{c}" for c in counted)}) THEN
    new.version := old.version + 1;
    new.updated_at := greatest(now(), old.updated_at + interval '1 microsecond');
  END IF;
  RETURN new;
END $$"""
    return create("a_3_count_change", "BEFORE UPDATE", table, f"{table}_count_change", function=function)


def triggers(model: type[Record]) -> Iterator[Trigger]:
    """Every trigger on the model's tables.

    PostgreSQL runs them in the order of their names: first derived writes and the version, then the constraints, which check the
    final row.
    """
    table = model._meta.db_table
    yield create("a_1_protect_version", "BEFORE INSERT OR UPDATE", table, "protect_version")
    yield count_change_trigger(model)
    yield create("record_insert", "AFTER INSERT", table, "record_inserts", written="NEW")
    condition = "OLD.version <> NEW.version"
    yield create("record_update", "AFTER UPDATE", table, "record_update_delete", *parent_columns(model), condition=condition)
    yield create("record_delete", "AFTER DELETE", table, "record_update_delete")
    if issubclass(model, DeadlineFields):
        yield create("a_2_keep_original_due_on", "BEFORE INSERT OR UPDATE", table, "keep_original_due_on")
    for write in model.derived_writes:
        yield from derived_write_triggers(write, table)
    if registry.of(model).search:
        yield from derived_write_triggers(search_index.writes(registry.of(model)), table)
    yield from (constraint_trigger(constraint, table) for constraint in trigger_constraints(model))
    yield from rule_lock_triggers(model)
    if model.version_parent:
        parent: Any = model._meta.get_field(model.version_parent)
        yield from touch_parent_triggers(table, parent.related_model._meta.db_table, parent.column, "INSERT", "UPDATE", "DELETE")
    for field in links(model):
        link = field.remote_field.through._meta.db_table
        yield create("record_link_insert", "AFTER INSERT", link, "record_links", field.m2m_column_name(), written="NEW")
        yield create("record_link_delete", "AFTER DELETE", link, "record_links", field.m2m_column_name(), written="OLD")
        yield from touch_parent_triggers(link, table, field.m2m_column_name(), "INSERT", "DELETE")
        if issubclass(field.related_model, Record):
            ends = (table, field.m2m_column_name(), field.related_model._meta.db_table, field.m2m_reverse_name())
            yield create(LINKED_IS_PROTECTED, "AFTER DELETE", link, "refuse_linked_delete", *ends, deferred=True)


def own_triggers() -> Iterator[Trigger]:
    """The triggers of models that are not records."""
    for model in apps.get_models():
        for own in getattr(model, "own_triggers", ()):
            links_field: Any = model._meta.get_field(own.links) if own.links else None
            table = (links_field.remote_field.through if links_field else model)._meta.db_table
            call = f"CREATE OR REPLACE FUNCTION {own.name}() RETURNS trigger LANGUAGE plpgsql AS $$\nBEGIN\n  {own.sql}\nEND $$"
            trigger = create(own.name, own.when, table, own.name, condition=own.condition, function=call)
            yield trigger if own.for_each_row else replace(trigger, sql=trigger.sql.replace("FOR EACH ROW", "FOR EACH STATEMENT"))


def functions() -> dict[str, str]:
    """The SQL of every function by its name; shared functions come first, because others call them."""
    of_tables = [trigger.function for model in records() for trigger in triggers(model) if trigger.function]
    of_tables += [trigger.function for trigger in own_triggers()]
    shared = re.split(r"\n(?=CREATE OR REPLACE FUNCTION)", FUNCTIONS)[1:]
    return {name: sql for sql in [*shared, *of_tables] for name in re.findall(r"\ACREATE OR REPLACE FUNCTION (\w+)", sql)}
