"""Keyset pagination: a cursor holds the ordering values of the row before the page, so the cost does not grow with depth.

The rows after a given row are split into ranges: first the rows equal in all columns but the last, then rows greater in an
earlier column, then rows where that column is null. The ranges are read one after the other until the page is full; each
can use an index on (column, id).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.core import signing
from django.db.models import F, OrderBy, Q, QuerySet

from policytracker.sql.moment import moment_read


class InvalidCursor(Exception):
    """The cursor was not issued by this site, or belongs to another list or order."""


@dataclass(frozen=True)
class Column:
    """One column of the ordering: a field path or annotation of the queryset. Nulls come last."""

    path: str
    descending: bool = False
    nullable: bool = False

    def order_by(self, forward: bool = True) -> OrderBy:
        descending = self.descending == forward
        if not self.nullable:
            return OrderBy(F(self.path), descending=descending)
        return OrderBy(F(self.path), descending=descending, nulls_last=forward or None, nulls_first=not forward or None)

    def not_null(self) -> Column:
        """The same column, for rows where it is not null: ordering by it can then use the index."""
        return Column(self.path, self.descending)

    def equal(self, value: Any) -> Q:
        return Q(**{f"{self.path}__isnull": True}) if value is None else Q(**{self.path: value})

    def after(self, value: Any, forward: bool) -> Q:
        return Q(**{f"{self.path}__{'lt' if self.descending == forward else 'gt'}": value})

    def is_null(self, value: bool) -> Q:
        return Q(**{f"{self.path}__isnull": value})


@dataclass(frozen=True)
class Page:
    """The results of a page, in order, and the cursors of the next and previous page. `count` is the number on all pages, if counted."""

    results: list[Any]
    next: str | None
    previous: str | None
    count: int | None = None


def columns_of(rows: QuerySet) -> list[Column]:
    """The columns of a queryset that was ordered by `Column.order_by`."""
    terms: Any = rows.query.order_by
    return [Column(term.expression.name, term.descending, bool(term.nulls_last)) for term in terms]


def ranges(rows: QuerySet, columns: Sequence[Column], after: Sequence[Any] | None, forward: bool) -> Iterator[QuerySet]:
    """The rows after (or before) the row with the values `after`, as ordered querysets to read one after the other."""
    if after is None:
        first, rest = columns[0], columns[1:]
        if first.nullable:
            yield _ordered(rows.filter(first.is_null(False)), [first.not_null(), *rest], forward)
            yield _ordered(rows.filter(first.is_null(True)), rest, forward)
        else:
            yield _ordered(rows, columns, forward)
        return
    for depth in reversed(range(len(columns))):
        column, value, rest = columns[depth], after[depth], columns[depth + 1 :]
        same = rows.filter(*(c.equal(v) for c, v in zip(columns[:depth], after[:depth], strict=True)))
        if value is not None:
            yield _ordered(same.filter(column.after(value, forward)), [column.not_null(), *rest], forward)
        if column.nullable and (value is None) != forward:
            yield _ordered(same.filter(column.is_null(forward)), rest if forward else [column.not_null(), *rest], forward)


def _ordered(rows: QuerySet, columns: Sequence[Column], forward: bool) -> QuerySet:
    return rows.order_by(*(c.order_by(forward) for c in columns))


def page(rows: QuerySet, columns: Sequence[Column], cursor: str | None, size: int, salt: str) -> Page:
    """The ids of the page at the cursor, or of the first page. The last of `columns` must be unique. Raises InvalidCursor."""
    forward, after = decode_cursor(cursor, columns, salt) if cursor else (True, None)
    read = read_parts(parts(rows, columns, after, forward, size), size)
    return page_of(read, columns, size, salt, forward, has_cursor=cursor is not None)


def parts(rows: QuerySet, columns: Sequence[Column], after: Sequence[Any] | None, forward: bool, size: int) -> Iterator[QuerySet]:
    """The querysets that `read_parts` reads for a page: ids with the values of the columns."""
    for part in ranges(rows, columns, after, forward):
        yield part.values_list("pk", *(c.path for c in columns))[: size + 1]


def read_parts(parts: Iterable[Iterable[tuple]], size: int) -> list[tuple]:
    """The first `size` + 1 rows of the parts, which are read one after the other until there are enough."""
    rows: list[tuple] = []
    for part in parts:
        rows += part
        if len(rows) > size:
            break
    return rows[: size + 1]


def page_of(
    rows: list[tuple], columns: Sequence[Column], size: int, salt: str, forward: bool, has_cursor: bool, count: int | None = None
) -> Page:
    """The page of up to `size` + 1 rows in the direction of reading: a result, followed by the values of the columns."""
    rows, has_next, has_previous = trim_page(rows, size, forward, has_cursor)
    return Page(
        [row[0] for row in rows],
        encode_cursor(True, rows[-1][1:], columns, salt) if has_next else None,
        encode_cursor(False, rows[0][1:], columns, salt) if has_previous else None,
        count,
    )


def trim_page(rows: list[Any], size: int, forward: bool, has_cursor: bool) -> tuple[list[Any], bool, bool]:
    """The page in list order, and whether there is a next and a previous page.

    `rows` are up to `size` + 1 rows in the direction of reading. With a cursor there are also rows on the side it came from.
    """
    more = len(rows) > size
    page = rows[:size] if forward else rows[:size][::-1]
    has_next, has_previous = (more, has_cursor) if forward else (True, more)
    return page, bool(page) and has_next, bool(page) and has_previous


def _signature(columns: Sequence[Column]) -> str:
    return ",".join(f"{'-' * c.descending}{c.path}" for c in columns)


def bound(salt: str) -> str:
    """The salt of a list, bound to the past moment that is read: its cursors are invalid at other moments."""
    moment = moment_read.get()
    return salt if moment is None else f"{salt} as of {moment.astimezone(UTC)}"


def encode_cursor(forward: bool, values: Sequence[Any], columns: Sequence[Column], salt: str) -> str:
    encoded = [str(v) if isinstance(v, (date, datetime, Decimal, UUID)) else v for v in values]
    return signing.dumps([forward, _signature(columns), encoded], salt=bound(salt))


def decode_cursor(cursor: str, columns: Sequence[Column], salt: str) -> tuple[bool, list[Any]]:
    """The direction of the cursor and the ordering values of its row. Raises InvalidCursor."""
    try:
        forward, signature, values = signing.loads(cursor, salt=bound(salt))
    except signing.BadSignature as error:
        raise InvalidCursor from error
    if signature != _signature(columns):
        raise InvalidCursor
    return forward, values
