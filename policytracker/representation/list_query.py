"""Filtered and ordered lists: the statements for the same filters, order and roles are compiled once, and planned once per connection."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any, NoReturn

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet

from policytracker.records.access import Reader
from policytracker.records.models import MAX_COUNT
from policytracker.representation import keyset
from policytracker.representation.filters import Values, filtered, resource_filters
from policytracker.representation.ordering import columns, ordered
from policytracker.resources import ReadContext, Resource
from policytracker.sql.parameters import Parameter, Statement


@dataclass(frozen=True)
class ListQuery:
    """What determines the SQL of a list of present records: values of the filters, order, dates, and the roles of the reader.

    No filter may be one that `reads`.
    """

    resource: Resource
    roles: frozenset[str]
    today: date
    on: date
    filters: Values
    order: tuple[str, ...]

    @property
    def columns(self) -> list[keyset.Column]:
        return columns(self.order, self.resource)

    def rows(self) -> Any:
        """The records in their order. The id of the reader is a Parameter. Raises InvalidParameter."""
        context = ReadContext(Reader(self.roles, Parameter("user")), self.today, self.on)
        readable = self.resource.model.objects.visible_to(context.reader)
        with connection.execute_wrapper(refuse):
            rows = filtered(readable, resource_filters(self.resource), self.filters, context)
        return ordered(rows, self.order, self.resource, context.reader)

    def page(self, cursor: str | None, size: int, salt: str, reader: Reader) -> keyset.Page:
        """The ids of a page, as `keyset.page`. Raises InvalidParameter and InvalidCursor."""
        forward, after = keyset.decode_cursor(cursor, self.columns, salt) if cursor else (True, None)
        is_null = None if after is None else tuple(value is None for value in after)
        values = {"user": reader.id} | {f"after{number}": value for number, value in enumerate(after or [])}
        parts = (statement.rows(values) for statement in statements_of_page(self, is_null, forward, size))
        return keyset.page_of(keyset.read_parts(parts, size), self.columns, size, salt, forward, has_cursor=cursor is not None)

    def count(self, reader: Reader) -> int:
        """The number of records, at most MAX_COUNT + 1. Raises InvalidParameter."""
        statement = statement_of_count(self)
        counted = statement and statement.row({"user": reader.id})
        return counted[0] if counted else 0


def refuse(*_: Any) -> NoReturn:
    raise AssertionError("A filter reads the database, so its SQL may not be kept: declare it with `reads`.")


@lru_cache(256)
def statements_of_page(query: ListQuery, is_null: tuple[bool, ...] | None, forward: bool, size: int) -> tuple[Statement, ...]:
    """The statements of `keyset.parts` after a row, whose values are the parameters `after0` and so on, except those that are null."""
    after = is_null and [None if null else Parameter(f"after{number}") for number, null in enumerate(is_null)]
    return tuple(compiled(keyset.parts(query.rows(), query.columns, after, forward, size)))


@lru_cache(256)
def statement_of_count(query: ListQuery) -> Statement | None:
    """The statement that counts the records up to MAX_COUNT + 1. None if no record can match."""
    ids = next(compiled([query.rows().at_most(MAX_COUNT + 1, Reader(query.roles, Parameter("user")))]), None)
    return ids and Statement(f"SELECT count(*) FROM ({ids.sql}) AS counted", ids.names)


def compiled(parts: Iterable[QuerySet]) -> Iterator[Statement]:
    """The statements of these querysets, without those that match no row."""
    for rows in parts:
        with suppress(EmptyResultSet):
            yield Statement.of(rows)
