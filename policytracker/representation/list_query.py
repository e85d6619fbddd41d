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
from policytracker.representation.json_sql import Representation, parameters, with_json
from policytracker.representation.ordering import columns, ordered
from policytracker.resources import ReadContext, Resource
from policytracker.sql.parameters import Parameter, Statement


@dataclass(frozen=True)
class ListQuery:
    """What determines the SQL of a list: values of the filters, order, dates, and the roles of the reader.

    With a `representation` its statement renders the records too, else it returns their ids. No filter may be one that `reads`. A list of
    a past moment has no filter, no order and a representation.
    """

    resource: Resource
    roles: frozenset[str]
    today: date
    on: date
    filters: Values
    order: tuple[str, ...]
    representation: Representation | None = None

    @property
    def reader(self) -> Reader:
        """The reader, whose id is a Parameter."""
        return Reader(self.roles, Parameter("user"))

    @property
    def columns(self) -> list[keyset.Column]:
        return columns(self.order, self.resource)

    def rows(self) -> Any:
        """The records in their order. Raises InvalidParameter."""
        context = ReadContext(self.reader, self.today, self.on)
        readable = self.resource.model.objects.visible_to(context.reader)
        with connection.execute_wrapper(refuse):
            rows = filtered(readable, resource_filters(self.resource), self.filters, context)
        return ordered(rows, self.order, self.resource, context.reader)

    def page(self, cursor: str | None, size: int, salt: str, context: ReadContext) -> keyset.Page:
        """The ids or the JSON texts of a page, as `keyset.page`, with the number of all records, at most MAX_COUNT + 1.

        Raises InvalidParameter and InvalidCursor.
        """
        forward, after = keyset.decode_cursor(cursor, self.columns, salt) if cursor else (True, None)
        is_null = None if after is None else tuple(value is None for value in after)
        values = parameters(context) | {f"after{number}": value for number, value in enumerate(after or [])}
        rows = keyset.read_parts((statement.rows(values) for statement in statements_of_page(self, is_null, forward, size)), size)
        if after is None and len(rows) <= size:
            count = len(rows)
        else:
            count = rows[0][-1] if self.representation and rows else self.count(context.reader)
        if self.representation:
            rows = [row[:-1] for row in rows]
        return keyset.page_of(rows, self.columns, size, salt, forward, cursor is not None, count)

    def count(self, reader: Reader) -> int:
        """The number of records, at most MAX_COUNT + 1. Raises InvalidParameter."""
        statement = statement_of_count(self)
        counted = statement and statement.row({"user": reader.id})
        return counted[0] if counted else 0


def refuse(*_: Any) -> NoReturn:
    raise AssertionError("A filter reads the database, so its SQL may not be kept: declare it with `reads`.")


@lru_cache(256)
def statements_of_page(query: ListQuery, is_null: tuple[bool, ...] | None, forward: bool, size: int) -> tuple[Statement, ...]:
    """The statements of `keyset.parts` after a row, whose values are the parameters `after0` and so on, except those that are null.

    A row has the id or the JSON text of a record, and the values of the columns; with a JSON text also the number of all records.
    """
    after = is_null and [None if null else Parameter(f"after{number}") for number, null in enumerate(is_null)]
    rows, representation = query.rows(), query.representation
    if representation is None:
        return tuple(compiled(keyset.parts(rows, query.columns, after, forward, size)))
    paths = [column.path for column in query.columns]
    parts = keyset.ranges(rows, query.columns, after, forward)
    pages = compiled(with_json(representation, part[: size + 1], *paths) for part in parts)
    return tuple(with_count(page, rows, query.reader).marked(query.reader.as_of) for page in pages)


def with_count(page: Statement, rows: Any, reader: Reader) -> Statement:
    """The statement of a page, whose rows end with the number of all rows of the list, at most MAX_COUNT + 1."""
    counted = Statement.of(rows.at_most(MAX_COUNT + 1, reader), *page.names)
    return Statement(f"SELECT page.*, (SELECT count(*) FROM ({counted.sql}) AS counted) FROM ({page.sql}) AS page", counted.names)


@lru_cache(256)
def statement_of_count(query: ListQuery) -> Statement | None:
    """The statement that counts the records up to MAX_COUNT + 1. None if no record can match."""
    ids = next(compiled([query.rows().at_most(MAX_COUNT + 1, query.reader)]), None)
    return ids and Statement(f"SELECT count(*) FROM ({ids.sql}) AS counted", ids.names).marked(query.reader.as_of)


def compiled(parts: Iterable[QuerySet]) -> Iterator[Statement]:
    """The statements of these querysets, without those that match no row."""
    for rows in parts:
        with suppress(EmptyResultSet):
            yield Statement.of(rows)
