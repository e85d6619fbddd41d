"""Many records of one model at once: compared with what is stored, validated, written in few statements, refused row by row.

The caller finds out what its rows refer to. Everything else is the same for a data set, a list of the API and an import.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from django.core.exceptions import ValidationError
from django.db import DataError, IntegrityError, connection, transaction
from django.db.models import Field, Model

BATCH = 200  # rows in one UPDATE

Judge = Callable[[Any], Exception | None]


class Outcome(StrEnum):
    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


@dataclass(eq=False)
class Row:
    """One record to write.

    `record` is new, or as it is stored. `values` are set on it. `links` are the ids that a many-to-many field shall lead to, by its
    name. Writing fills in the rest: `changes` are the names of the fields that differ, `error` is why the row is refused.
    """

    record: Model
    values: dict[str, Any] = field(default_factory=dict)
    links: dict[str, set[int]] = field(default_factory=dict)
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


def write(rows: Sequence[Row], *, judge: Judge, ask_guards: bool = True) -> None:
    """Write the rows of one model that can be written, in their order. The others keep their error.

    A row is refused by its model or by the database. `judge(record)` then gives the error that the record would get alone; None
    leaves the error that was found. With `ask_guards` the rules over several rows are asked of each statement, and otherwise when
    the transaction asks for them. The caller decides whether the refusal of one row is the refusal of all.
    """
    if rows:
        prepare(rows)
        write_or_split([row for row in rows if row.is_new or row.changes or row.invalid], judge, ask_guards)


# ---- compare and validate


def prepare(rows: Sequence[Row]) -> None:
    """Set the values on the records, and find out what differs and which record is not valid by itself."""
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
            clean(row.record)
        except ValidationError as error:
            row.invalid = error
        if not row.is_new:  # clean() may have changed others
            row.changes = differing(row, columns, before)


def stored_values(record: Model, columns: Iterable[Field]) -> dict[str, Any]:
    return {f.name: f.get_prep_value(f.value_from_object(record)) for f in columns}


def differing(row: Row, columns: Iterable[Field], before: dict[str, Any]) -> set[str]:
    """The names of the fields of a stored record that differ from what was stored."""
    now = stored_values(row.record, columns)
    links = {name for name, wanted in row.links.items() if wanted != row.stored_links[name].keys()}
    return links | {name for name in now if now[name] != before[name]}


def clean(record: Model) -> None:
    """What the model asks of a record by itself, without a query. References were found, and constraints are the database's."""
    relations = [f.name for f in record._meta.concrete_fields if f.is_relation]
    problems: dict[str, Any] = {}
    for ask in (lambda: record.clean_fields(exclude=relations), record.clean):
        try:
            ask()
        except ValidationError as error:
            problems = error.update_error_dict(problems)
    if problems:
        raise ValidationError(problems)


def read_links(rows: Sequence[Row]) -> None:
    """Read where the links of the stored records lead to, in one query for each field."""
    for m2m, having in linked(rows):
        stored: dict[int, dict[int, int]] = {row.record.pk: {} for row in having if not row.is_new}
        through, near, far = ends(m2m)
        if stored:
            for pk, owner, target in through.filter(**{f"{near}__in": stored}).values_list("pk", near, far):
                stored[owner][target] = pk
        for row in having:
            row.stored_links[m2m.name] = {} if row.is_new else stored[row.record.pk]


def linked(rows: Sequence[Row]) -> Iterator[tuple[Any, list[Row]]]:
    """Each many-to-many field that the rows write, with those rows."""
    for m2m in rows[0].record._meta.local_many_to_many:
        if having := [row for row in rows if m2m.name in row.links]:
            yield m2m, having


def ends(m2m: Any) -> tuple[Any, str, str]:
    """The rows of a link table, and its two columns."""
    through = m2m.remote_field.through
    near, far = (through._meta.get_field(name).attname for name in (m2m.m2m_field_name(), m2m.m2m_reverse_field_name()))
    return through._base_manager, near, far


# ---- write


def write_or_split(rows: Sequence[Row], judge: Judge, ask_guards: bool) -> None:
    """Write the rows together. Where that is refused, each half by itself, until it is known which rows are refused."""
    if not rows:
        return
    refused: Exception | None = next((row.invalid for row in rows if row.invalid), None)
    if not refused:
        try:
            with transaction.atomic():
                write_together(rows, ask_guards)
            return
        except (DataError, IntegrityError) as error:
            refused = error
    if len(rows) == 1:
        rows[0].error = judge(rows[0].record) or refused
        return
    half = len(rows) // 2
    # The first half is there when the second is judged, as if one row were written after the other.
    write_or_split(rows[:half], judge, ask_guards)
    write_or_split(rows[half:], judge, ask_guards)


def write_together(rows: Sequence[Row], ask_guards: bool) -> None:
    model = type(rows[0].record)
    columns = {f.name for f in model._meta.concrete_fields}
    model._base_manager.bulk_create(row.record for row in rows if row.is_new)
    changed = [row for row in rows if not row.is_new and row.changes & columns]
    if changed:
        names = sorted(set().union(*(row.changes & columns for row in changed)))
        model._base_manager.bulk_update([row.record for row in changed], names, batch_size=BATCH)
    for m2m, having in linked(rows):
        link(m2m, having)
    if ask_guards:
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")


def link(m2m: Any, rows: Sequence[Row]) -> None:
    """Give the records the links that are wanted, and no others."""
    through, near, far = ends(m2m)
    gone = [pk for row in rows for target, pk in row.stored_links[m2m.name].items() if target not in row.links[m2m.name]]
    if gone:
        through.filter(pk__in=gone).delete()
    through.bulk_create(
        through.model(**{near: row.record.pk, far: target})
        for row in rows
        for target in sorted(row.links[m2m.name] - row.stored_links[m2m.name].keys())
    )
