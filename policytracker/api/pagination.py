"""Pages of a list at a cost that does not grow with depth: a cursor names the row after which the page begins.

After a row come those that are equal in the first columns and later in the next, then those beyond it, then the unknown.
The ranges are read in turn until the page is full, so that one index on (column, id) serves each of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.core import signing
from django.db.models import F, OrderBy, Q, QuerySet


class InvalidCursor(Exception):
    """A cursor that we did not make, or made for another list or order."""


@dataclass(frozen=True)
class Column:
    """One column of an order: a path or annotation of the queryset."""

    path: str
    descending: bool = False
    nullable: bool = False

    def term(self, forward: bool) -> OrderBy:
        descending = self.descending == forward
        if not self.nullable:
            return OrderBy(F(self.path), descending=descending)
        return OrderBy(F(self.path), descending=descending, nulls_last=forward or None, nulls_first=not forward or None)

    def known(self) -> Column:
        """The same column where no value is unknown: a plain order by it can follow the index."""
        return Column(self.path, self.descending)

    def equal(self, value: Any) -> Q:
        return Q(**{f"{self.path}__isnull": True}) if value is None else Q(**{self.path: value})

    def beyond(self, value: Any, forward: bool) -> Q:
        return Q(**{f"{self.path}__{'lt' if self.descending == forward else 'gt'}": value})

    def unknown(self, is_unknown: bool) -> Q:
        return Q(**{f"{self.path}__isnull": is_unknown})


@dataclass(frozen=True)
class Page:
    """The ids of a page, in order, with the cursors that lead on and back."""

    ids: list[int]
    next: str | None
    previous: str | None


def ranges(rows: QuerySet, columns: Sequence[Column], after: Sequence[Any] | None, forward: bool) -> Iterator[QuerySet]:
    """What comes after the row with these values (or before it), as ordered querysets to be read one after the other."""
    if after is None:
        first, rest = columns[0], columns[1:]
        if first.nullable:
            yield _ordered(rows.filter(first.unknown(False)), [first.known(), *rest], forward)
            yield _ordered(rows.filter(first.unknown(True)), rest, forward)
        else:
            yield _ordered(rows, columns, forward)
        return
    for depth in reversed(range(len(columns))):
        column, value, rest = columns[depth], after[depth], columns[depth + 1 :]
        same = rows.filter(*(c.equal(v) for c, v in zip(columns[:depth], after[:depth], strict=True)))
        if value is not None:
            yield _ordered(same.filter(column.beyond(value, forward)), [column.known(), *rest], forward)
        if column.nullable and (value is None) != forward:
            yield _ordered(same.filter(column.unknown(forward)), rest if forward else [column.known(), *rest], forward)


def _ordered(rows: QuerySet, columns: Sequence[Column], forward: bool) -> QuerySet:
    return rows.order_by(*(c.term(forward) for c in columns))


def page(rows: QuerySet, columns: Sequence[Column], cursor: str | None, size: int, salt: str) -> Page:
    """The page of `size` ids that the cursor leads to. `columns` must end in a unique one. Raises BadCursor."""
    forward, after = read(cursor, columns, salt) if cursor else (True, None)
    found: list[tuple] = []
    paths = ["pk", *(c.path for c in columns)]
    for part in ranges(rows, columns, after, forward):
        found += part.values_list(*paths)[: size + 1 - len(found)]
        if len(found) > size:
            break
    found, has_next, has_previous = cut(found, size, forward, cursor is not None)
    return Page(
        [row[0] for row in found],
        write(True, found[-1][1:], columns, salt) if has_next else None,
        write(False, found[0][1:], columns, salt) if has_previous else None,
    )


def cut(found: list[Any], size: int, forward: bool, begun: bool) -> tuple[list[Any], bool, bool]:
    """Of up to one row more than a page: the page in order, and whether there is a next and a previous one.

    `begun` says that a cursor led here, so that there are rows on the side it came from.
    """
    more = len(found) > size
    page = found[:size] if forward else found[:size][::-1]
    has_next, has_previous = (more, begun) if forward else (True, more)
    return page, bool(page) and has_next, bool(page) and has_previous


def _name(columns: Sequence[Column]) -> str:
    return ",".join(f"{'-' * c.descending}{c.path}" for c in columns)


def write(forward: bool, values: Sequence[Any], columns: Sequence[Column], salt: str) -> str:
    plain = [str(v) if isinstance(v, (date, datetime, Decimal, UUID)) else v for v in values]
    return signing.dumps([forward, _name(columns), plain], salt=salt)


def read(cursor: str, columns: Sequence[Column], salt: str) -> tuple[bool, list[Any]]:
    try:
        forward, name, values = signing.loads(cursor, salt=salt)
    except signing.BadSignature as error:
        raise InvalidCursor from error
    if name != _name(columns):
        raise InvalidCursor
    return forward, values
