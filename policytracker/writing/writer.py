"""Bulk writes: compares records of one model with the stored ones, validates them and writes them in few statements.

Data sets and lists of the API use it. The caller resolves references; each invalid row is reported separately.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from operator import attrgetter
from types import NoneType
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import DataError, IntegrityError, connection, transaction
from django.db.models import NOT_PROVIDED, Field, Model
from psycopg.copy import LibpqWriter
from psycopg.errors import error_from_result
from psycopg.generators import execute, send
from psycopg.pq import ExecStatus

from policytracker.records.context import check_constraints

BATCH = 200  # rows in one UPDATE
UNSTORABLE = re.compile("[\0\ud800-\udfff]")  # characters that PostgreSQL does not store
STORED_AS_THEY_ARE = {NoneType, str, int, bool, date, UUID}  # types whose values Django passes to PostgreSQL unchanged
RESERVE_IDS = "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)"

ErrorOf = Callable[[Any], Exception | None]


class Outcome(StrEnum):
    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


@dataclass(eq=False)
class Row:
    """One record to write.

    `record` is a new or a stored instance, `values` are the attributes to set on it, and `links` are the ids that each many-to-many
    field must link to, by field name. With `validated`, the value of each field is valid, and only the rules over several fields
    must be checked. `write()` sets `changes`, the names of the fields that differ, and `error` if the row is refused.
    """

    record: Model
    values: dict[str, Any] = field(default_factory=dict)
    links: dict[str, set[int]] = field(default_factory=dict)
    validated: bool = False
    changes: set[str] = field(default_factory=set)
    error: Exception | None = None

    def __post_init__(self):
        self.is_new = self.record._state.adding
        self.stored_links: dict[str, dict[int, int]] = {}
        self.invalid: ValidationError | None = None

    @property
    def outcome(self) -> Outcome:
        if self.error:
            return Outcome.REFUSED
        if self.is_new:
            return Outcome.CREATED
        return Outcome.CHANGED if self.changes else Outcome.UNCHANGED


def write(rows: Sequence[Row], *, error_of: ErrorOf, check_deferred: bool = True) -> None:
    """Write the valid rows of one model in their order, and set `error` on the others.

    If validation or the database refuses a row, `error_of(record)` returns the error that the record would get if it were written alone,
    or None to keep the original error. `check_deferred` checks deferred constraints after each write, not at the end of the
    transaction. The caller decides whether one refused row refuses all.
    """
    for _ in write_in_steps(rows, error_of=error_of, check_deferred=check_deferred):
        pass


def write_in_steps(rows: Sequence[Row], *, error_of: ErrorOf, check_deferred: bool = True) -> Iterator[None]:
    """Like `write()`, but yields while PostgreSQL inserts rows. Until the next step, the connection can execute no statement."""
    if rows:
        prepare(rows)
        yield from write_or_split([row for row in rows if row.is_new or row.changes or row.invalid], error_of, check_deferred)


# ---- compare and validate


def prepare(rows: Sequence[Row]) -> None:
    """Set the values on the records, and find the changed fields and the invalid records."""
    read_links(rows)
    columns = [f for f in rows[0].record._meta.concrete_fields if not f.generated and not f.primary_key]
    for row in rows:
        before = {} if row.is_new else stored_values(row.record, columns)
        for name, value in row.values.items():
            setattr(row.record, name, value)
        if not row.is_new:
            row.changes = differing(row, columns, before)
        if not (row.is_new or row.changes):
            continue
        try:
            clean(row.record, row.validated)
        except ValidationError as error:
            row.invalid = error
        if not row.is_new:  # clean() may have changed more fields
            row.changes = differing(row, columns, before)


def stored_values(record: Model, columns: Iterable[Field]) -> dict[str, Any]:
    return {f.name: f.get_prep_value(f.value_from_object(record)) for f in columns}


def differing(row: Row, columns: Iterable[Field], before: dict[str, Any]) -> set[str]:
    """The names of the fields of a stored record that differ from what was stored."""
    now = stored_values(row.record, columns)
    links = {name for name, targets in row.links.items() if targets != row.stored_links[name].keys()}
    return links | {name for name in now if now[name] != before[name]}


def clean(record: Model, validated: bool = False) -> None:
    """Validate the record without queries. References are already resolved, and the database checks the constraints."""
    if validated:
        record.clean()
        return
    relations = [f.name for f in record._meta.concrete_fields if f.is_relation]
    problems: dict[str, Any] = {}
    for validate in (lambda: record.clean_fields(exclude=relations), record.clean):
        try:
            validate()
        except ValidationError as error:
            problems = error.update_error_dict(problems)
    if problems:
        raise ValidationError(problems)


def read_links(rows: Sequence[Row]) -> None:
    """Read the links of the stored records, in one query for each field."""
    for m2m, linking_rows in linked(rows):
        stored: dict[int, dict[int, int]] = {row.record.pk: {} for row in linking_rows if not row.is_new}
        through, near, far = ends(m2m)
        if stored:
            for pk, record_id, target in through.filter(**{f"{near}__in": stored}).values_list("pk", near, far):
                stored[record_id][target] = pk
        for row in linking_rows:
            row.stored_links[m2m.name] = {} if row.is_new else stored[row.record.pk]


def linked(rows: Sequence[Row]) -> Iterator[tuple[Any, list[Row]]]:
    """The many-to-many fields that any row sets, each with those rows."""
    for m2m in rows[0].record._meta.local_many_to_many:
        if linking_rows := [row for row in rows if m2m.name in row.links]:
            yield m2m, linking_rows


def ends(m2m: Any) -> tuple[Any, str, str]:
    """The manager of the link table, and the names of its two foreign key columns."""
    through = m2m.remote_field.through
    near, far = (through._meta.get_field(name).attname for name in (m2m.m2m_field_name(), m2m.m2m_reverse_field_name()))
    return through._base_manager, near, far


# ---- write


def write_or_split(rows: Sequence[Row], error_of: ErrorOf, check_deferred: bool) -> Iterator[None]:
    """Write the rows together. If that fails, split them in halves until the refused rows are found."""
    if not rows:
        return
    refused: Exception | None = next((row.invalid for row in rows if row.invalid), None)
    if not refused:
        try:
            with transaction.atomic():
                yield from write_together(rows, check_deferred)
            return
        except (DataError, IntegrityError) as error:
            refused = error
    if len(rows) == 1:
        rows[0].error = error_of(rows[0].record) or refused
        return
    half = len(rows) // 2
    # The first half is written before the second is checked, as if the rows were written one after the other.
    yield from write_or_split(rows[:half], error_of, check_deferred)
    yield from write_or_split(rows[half:], error_of, check_deferred)


def write_together(rows: Sequence[Row], check_deferred: bool) -> Iterator[None]:
    model = type(rows[0].record)
    columns = {f.name for f in model._meta.concrete_fields}
    yield from insert(model, [row.record for row in rows if row.is_new])
    changed = [row for row in rows if not row.is_new and row.changes & columns]
    if changed:
        names = sorted(set().union(*(row.changes & columns for row in changed)))
        model._base_manager.bulk_update([row.record for row in changed], names, batch_size=BATCH)
    for m2m, linking_rows in linked(rows):
        yield from write_links(m2m, linking_rows)
    if check_deferred:
        check_constraints()


def write_links(m2m: Any, rows: Sequence[Row]) -> Iterator[None]:
    """Create and delete links so that each record has exactly those of its row."""
    through, near, far = ends(m2m)
    removed = [pk for row in rows for target, pk in row.stored_links[m2m.name].items() if target not in row.links[m2m.name]]
    if removed:
        through.filter(pk__in=removed).delete()
    new = ((row.record.pk, target) for row in rows for target in sorted(row.links[m2m.name] - row.stored_links[m2m.name].keys()))
    yield from copy(through.model, [near, far], new)


def insert(model: type[Model], records: Sequence[Model]) -> Iterator[None]:
    """Insert new records by COPY, and set their ids. Values that the database sets, such as the version, are not read back."""
    if not records:
        return
    if new := [record for record in records if record.pk is None]:
        for record, number in zip(new, reserve_ids(model, len(new)), strict=True):
            record.pk = number
    fields: list[Any] = [f for f in model._meta.local_concrete_fields if not f.generated and f.db_default is NOT_PROVIDED]
    yield from copy(model, [f.column for f in fields], map(column_values(fields), records))
    alias = connection.alias
    for record in records:
        record._state.adding, record._state.db = False, alias


def column_values(fields: Sequence[Any]) -> Callable[[Model], list[Any]]:
    """A function that returns the values of a record for these columns, as psycopg takes them."""
    saved = [f for f in fields if type(f).pre_save is not Field.pre_save and (getattr(f, "auto_now", True) or f.auto_now_add)]
    read = attrgetter(*(f.attname for f in fields))

    def values(record: Model) -> list[Any]:
        for f in saved:
            f.pre_save(record, True)
        given = zip(fields, read(record), strict=True)
        return [value if type(value) in STORED_AS_THEY_ARE else f.get_db_prep_save(value, connection) for f, value in given]

    return values


class CopyInTwoSteps(LibpqWriter):
    """Sends rows to a COPY. The first `finish()` tells PostgreSQL that these are all, and the second one waits for the result."""

    ended = False

    def finish(self, exc: BaseException | None = None) -> None:
        if self.ended:
            (result,) = self.connection.wait(execute(self._pgconn))  # sends what does not fit into the buffers yet, and waits
            if result.status != ExecStatus.COMMAND_OK:
                raise error_from_result(result, encoding=self.connection.info.encoding)
        elif exc:
            super().finish(exc)
        else:
            self._pgconn.put_copy_end()
            self.connection.wait(send(self._pgconn))
            self.ended = True


def copy(model: type[Model], columns: Iterable[str], rows: Iterable[Sequence[Any]]) -> Iterator[None]:
    """Insert rows by COPY. Yields while PostgreSQL inserts the last of them."""
    names = ", ".join(f'"{column}"' for column in columns)
    statement = f'COPY "{model._meta.db_table}" ({names}) FROM STDIN'
    with connection.wrap_database_errors, connection.cursor() as wrapper:
        cursor = wrapper.cursor  # the one of psycopg, because the one of Django takes no `writer` if queries are logged
        with cursor.copy(statement, writer=CopyInTwoSteps(cursor)) as to:
            for row in rows:
                to.write_row(row)
            to.finish(None)
            yield


def reserve_ids(model: type[Model], number: int) -> list[int]:
    """New ids for records of the model."""
    with connection.cursor() as cursor:
        cursor.execute(RESERVE_IDS, [model._meta.db_table, number])
        return [pk for (pk,) in cursor.fetchall()]
