"""Demonstration data: fictional records beside real ones. Their keys begin with `demo-`, or they are parts of such records.

`dump_dataset` leaves them out, and `remove_demo` deletes them with their history.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from django.apps import apps
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import DO_NOTHING, BooleanField, ExpressionWrapper, Model, Q
from django.utils.translation import gettext_lazy as _

from policytracker.records.changes import Change
from policytracker.records.context import check_constraints
from policytracker.records.declarations import links, records
from policytracker.records.models import Record, UidRecord
from policytracker.resources import registry

PREFIX = "demo-"
LOCK_TIMEOUT = "10s"
NAMED = 5  # records in a message
STILL_REFERENCED = _("Real records refer to the demonstration data: {records}. Change or delete them first.")

Ids = Mapping[type[Model], set[int]]


class StillReferenced(Exception):
    """Real records refer to demonstration data, so it cannot be removed. The message names them."""


def is_demo(model: type[Record], path: str = "") -> Q:
    """The condition for a record to be demonstration data. `path` is the lookup from the filtered model to the record."""
    if not issubclass(model, UidRecord):
        return Q(**{f"{path}{model.key}__startswith": PREFIX})
    condition = Q()
    for field in independent_records(model):
        owner_is_demo = is_demo(field.related_model, f"{path}{field.name}__")
        condition &= owner_is_demo | Q(**{f"{path}{field.name}__isnull": True}) if field.null else owner_is_demo
    return condition


def in_rows(model: type[Record]) -> ExpressionWrapper:
    """Whether each row of a query is demonstration data, for `annotate()`."""
    return ExpressionWrapper(is_demo(model), BooleanField())


def is_fictional(record: Record) -> bool:
    """Whether a record is demonstration data: by its key, without a query, if it has a key of its own."""
    if not isinstance(record, UidRecord):
        return str(getattr(record, record.key)).startswith(PREFIX)
    return record.pk in fictional(type(record), [record.pk])


def fictional(model: type[Record], ids: Iterable[int]) -> set[int]:
    """Which of these records of one type are demonstration data."""
    return set(model._base_manager.filter(is_demo(model), pk__in=ids).values_list("pk", flat=True))


def independent_records(model: type[Record]) -> list[Any]:
    """The foreign keys to the records that a record without a key of its own is a part of.

    It is the record that it is shown in, otherwise the first ones of its scope paths.
    """
    paths = (model.version_parent,) if model.version_parent else registry.of(model).scope_paths
    names = dict.fromkeys(path.split("__")[0] for path in paths)
    return [model._meta.get_field(name) for name in names]


def refers_to_demo(value: Any) -> bool:
    """Whether a reference in the format of the files, or one of a list of them, is the key of demonstration data."""
    if not isinstance(value, list):
        return False
    return any(str(key[0] if isinstance(key, list) else key).startswith(PREFIX) for key in value)


# ---- remove


def remove() -> dict[type[Model], int]:
    """Delete the demonstration data with its history. Returns the numbers of deleted rows by model. Raises StillReferenced.

    The guards of the database reject the deletion of published records and approved updates. They have no exception that a client
    could use. Instead, the triggers of the tables concerned are disabled inside the transaction, which locks these tables for all
    other writers: nobody writes without guards, and after a failure everything is as before.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
        cursor.execute(f"LOCK TABLE {', '.join(sorted(model._meta.db_table for model in records()))} IN SHARE ROW EXCLUSIVE MODE")
        ids: dict[type[Model], set[int]] = {
            model: set(model._base_manager.filter(is_demo(model)).values_list("pk", flat=True)) for model in records()
        }
        if not any(ids.values()):
            return {}
        if found := list(islice(references(ids), NAMED + 1)):
            named = ", ".join(found[:NAMED]) + (", …" if len(found) > NAMED else "")
            raise StillReferenced(STILL_REFERENCED.format(records=named))
        check_constraints()  # a table with pending checks cannot be altered
        disabled = disable_triggers(cursor, tables_of(ids))
        deleted = delete_rows(ids) | delete_descriptions(ids)
        check_constraints()
        for table, name in disabled:
            cursor.execute(f'ALTER TABLE "{table}" ENABLE TRIGGER "{name}"')
    return deleted


def tables_of(ids: Ids) -> list[str]:
    """The tables from which rows are deleted: of the records, their links, and what is calculated from them."""
    models = [model for model, found in ids.items() if found]
    tables = {model._meta.db_table for model in models}
    tables |= {field.m2m_db_table() for model in models for field in links(model)}
    return sorted(tables | {model._meta.db_table for model, _field in calculated_from(ids)})


def calculated_from(ids: Ids) -> Iterator[tuple[type[Model], Any]]:
    """The models without records of their own that are calculated from demonstration data, and their foreign keys to it."""
    for model in apps.get_models():
        fields: Sequence[Any] = model._meta.concrete_fields
        for field in fields:
            if field.is_relation and field.remote_field.on_delete is DO_NOTHING and ids.get(field.related_model):
                yield model, field


def disable_triggers(cursor: CursorWrapper, tables: list[str]) -> list[tuple[str, str]]:
    """Disable the enabled triggers of these tables, except those of foreign keys. Returns (table, name) of each."""
    cursor.execute(
        """SELECT relname, tgname FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid
           WHERE c.relname = ANY(%s) AND relnamespace = current_schema()::regnamespace AND NOT tgisinternal AND tgenabled = 'O'
           ORDER BY 1, 2""",
        [tables],
    )
    found = cursor.fetchall()
    for table, name in found:
        cursor.execute(f'ALTER TABLE "{table}" DISABLE TRIGGER "{name}"')
    return found


def references(ids: Ids) -> Iterator[str]:
    """The real rows that refer to demonstration data, as texts for people."""
    for model in apps.get_models():
        own = ids.get(model, set())
        fields: Sequence[Any] = model._meta.concrete_fields
        for field in fields:
            if field.is_relation and field.remote_field.on_delete is not DO_NOTHING and (targets := ids.get(field.related_model)):
                for record in model._base_manager.filter(**{f"{field.name}__in": targets}).exclude(pk__in=own):
                    yield name(record)
        for field in links(model):
            if targets := ids.get(field.related_model):
                near, far = field.m2m_field_name(), field.m2m_reverse_field_name()
                through = field.remote_field.through._base_manager.filter(**{f"{far}__in": targets}).exclude(**{f"{near}__in": own})
                for link in through.select_related(near):
                    yield name(getattr(link, near))


def name(record: Any) -> str:
    """The type and the key of a record; of a row that is no record, its text."""
    return f"{record._meta.verbose_name} {record.natural_key()[0] if isinstance(record, Record) else record}"


def delete_rows(ids: Ids) -> dict[type[Model], int]:
    """Delete the records, their links, and what is calculated from them."""
    deleted: dict[type[Model], int] = {}
    for model, field in calculated_from(ids):
        model._base_manager.filter(**{f"{field.name}__in": ids[field.related_model]}).delete()
    for model in (resource.model for resource in registry if ids[resource.model]):
        for field in links(model):
            through = field.remote_field.through._base_manager
            through.filter(**{f"{field.m2m_field_name()}__in": ids[model]}).delete()
        rows = model._base_manager.filter(pk__in=ids[model])
        deleted[model] = rows._raw_delete(rows.db)  # without the collector of Django: references are checked at the end
    return deleted


def delete_descriptions(ids: Ids) -> dict[type[Model], int]:
    """Delete the rows that describe demonstration data by table and id, such as its history, also of records deleted before."""
    gone: dict[type[Model], set[int]] = defaultdict(set)
    deleted: dict[type[Model], int] = defaultdict(int)
    describing = [model for model in apps.get_models() if {"tbl", "row_id"} <= {field.name for field in model._meta.local_fields}]
    for model in (resource.model for resource in registry):
        gone[model] = ids[model] | deleted_before(model, gone)
        tables = [model._meta.db_table, *(field.m2m_db_table() for field in links(model))]
        for description in describing:
            rows = description._base_manager.filter(tbl__in=tables, row_id__in=gone[model])
            if number := rows._raw_delete(rows.db):
                deleted[description] += number
    return dict(deleted)


def deleted_before(model: type[Record], demo: Ids) -> set[int]:
    """The ids of the demonstration data of a model that only the history still has."""

    def is_part(row: Any) -> bool:
        if not issubclass(model, UidRecord):
            return str(row[model.key]).startswith(PREFIX)
        return all(row[field.column] is None or row[field.column] in demo[field.related_model] for field in independent_records(model))

    rows = Change.objects.filter(tbl=model._meta.db_table, op="delete").values_list("row_id", "before")
    return {row_id for row_id, before in rows.iterator() if is_part(before)}
