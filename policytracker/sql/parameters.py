"""SQL statements that are compiled once, and executed with different values of their parameters."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

from django.conf import settings
from django.db import connection
from django.db.models import BooleanField, Exists, Expression, F, Func, IntegerField, Q, QuerySet, Subquery, Value
from psycopg import RawCursor
from psycopg.sql import Literal


class Parameter(Expression):
    """A placeholder for a value that each execution provides: the user, the date, the base URL."""

    def __init__(self, name: str, output_field=None, cast: str = ""):
        super().__init__(output_field=output_field or IntegerField())
        self.name, self.cast = name, cast

    def as_sql(self, compiler, connection):
        return f"%s{self.cast}", [self]


def bind_parameters(values: Iterable[Any], **bound: Any) -> list[Any]:
    """The values of a compiled statement, with each Parameter replaced by the value bound to its name."""
    return [bound[value.name] if isinstance(value, Parameter) else value for value in values]


class CompiledCondition(Expression):
    """A condition on the rows of a model, whose SQL is compiled once: building it each time takes longer than most queries.

    `condition(rows, *shape)` returns the Q for a queryset of the model. Its text is determined by `shape`; its only parameter is the
    user. It does not join other tables.
    """

    def __init__(self, condition: Callable[..., Q], model: Any, shape: Hashable, user: int | Parameter | None):
        super().__init__(output_field=BooleanField())
        self.condition, self.model, self.shape, self.user = condition, model, shape, user
        self.row: Any = F("pk")

    def get_source_expressions(self):
        return [self.row]

    def set_source_expressions(self, expressions):
        (self.row,) = expressions

    def as_sql(self, compiler, connection):
        if self.row.alias == self.model._meta.db_table:
            sql, params = compiled_condition(self.condition, self.model, self.shape)
        else:  # in a subquery, in which tables have other names
            condition = self.condition(self.model.objects, self.shape).resolve_expression(compiler.query.clone())
            sql, params = compiler.compile(condition)
        return sql, bind_parameters(params, user=self.user)


@lru_cache(1024)
def compiled_condition(condition: Callable[..., Q], model: Any, shape: Hashable) -> tuple[str, tuple[Any, ...]]:
    """The SQL of a condition on the rows of the model, and its parameters."""
    query = model.objects.filter(condition(model.objects, shape)).query
    compiler = query.get_compiler(connection=connection)
    sql, params = compiler.compile(query.where)
    assert sum(map(bool, query.alias_refcount.values())) == 1, f"A compiled condition on {model.__name__} joins other tables."
    return f"({sql})", tuple(params)


class ExistsForRow(Exists):
    """An EXISTS that PostgreSQL checks for each row on which the result depends.

    PostgreSQL would otherwise compute the subquery for all rows of the table, which takes longer than reading a page. OFFSET 0 is its
    documented way to prevent this.
    """

    template = "EXISTS(%(subquery)s OFFSET 0)"


class InLinks(Func):
    """Whether the id of a row is among the values of a queryset, for links from another table.

    A page, which has an order, checks the links of its rows. A query without an order counts: it reads all links first, as an array,
    and then these rows only. PostgreSQL would read the rows of the whole table until it has found enough.
    """

    output_field = BooleanField()
    conditional = True

    def __init__(self, links: QuerySet):
        super().__init__(F("pk"), Subquery(links.order_by()))

    def as_sql(self, compiler, connection, **context):
        counts = not compiler.query.order_by and not compiler.query.default_ordering
        arg_joiner, template = (" = ANY(ARRAY", "%(expressions)s)") if counts else (" IN ", "%(expressions)s")
        return super().as_sql(compiler, connection, arg_joiner=arg_joiner, template=template)


class InIds(Func):
    """Whether the column of a row is among ids, which are one array parameter: thousands of placeholders take long to parse."""

    output_field = BooleanField()
    conditional = True
    template = "%(expressions)s::bigint[])"
    arg_joiner = " = ANY("

    def __init__(self, column: str, ids: Iterable[int]):
        super().__init__(F(column), Value(list(ids)))


@dataclass(frozen=True)
class Statement:
    """A compiled SELECT. `names` are its parameters $1, $2 and so on."""

    sql: str
    names: tuple[str, ...]

    @classmethod
    def of(cls, rows: QuerySet, *first: str) -> Self:
        """Compile a queryset with parameters. `first` are the names of the first ones."""
        return cls.numbered(*rows.query.sql_with_params(), *first)

    @classmethod
    def numbered(cls, sql: str, params: Iterable[Any], *first: str) -> Self:
        """The statement with this SQL, in which each parameter is a `%s`. Other values become part of the text."""
        connection.ensure_connection()
        names = tuple(dict.fromkeys([*first, *(p.name for p in params if isinstance(p, Parameter))]))
        numbers = {name: f"${number}" for number, name in enumerate(names, 1)}
        texts = (numbers[p.name] if isinstance(p, Parameter) else Literal(p).as_string(connection.connection) for p in params)
        return cls(sql % tuple(texts), names)

    def marked(self, as_of: bool) -> Statement:
        """The statement, with a comment that distinguishes it if it reads a past moment."""
        return Statement(f"/* as of */ {self.sql}", self.names) if as_of else self

    def row(self, values: Mapping[str, Any]) -> tuple[Any, ...] | None:
        """The first row, or None."""
        return next(iter(self.rows(values)), None)

    def rows(self, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Run the statement. It is planned once per connection, because planning takes longer than reading a page.

        With `DB_PREPARE=0` (behind a transaction pooler) nothing is prepared.
        """
        # Send all values as texts: psycopg would choose the type of a number by its size, and each type needs its own statement.
        texts = [None if values[name] is None else str(values[name]) for name in self.names]
        connection.ensure_connection()
        # Django's own cursors put the values into the SQL text, so that PostgreSQL would plan it each time.
        if settings.DB_PREPARE:
            connection.connection.prepare_threshold = 0
        raw: Any = RawCursor(connection.connection)
        log = connection.make_debug_cursor(raw).debug_sql(self.sql, texts) if connection.queries_logged else nullcontext()
        with connection.make_cursor(raw) as cursor, log:
            cursor.execute(self.sql, texts)
            return cursor.fetchall()
