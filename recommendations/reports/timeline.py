"""The timeline of an agreement: all dated events of its records and recommendations, in order."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cache, lru_cache
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import connection
from django.db.models import F, Func, TextField, Value
from django.db.models.functions import Cast, Coalesce

from agreements.events import MAX_TITLE
from agreements.models import Agreement
from policytracker.edtf import EdtfField
from policytracker.records.access import Reader
from policytracker.representation import keyset
from policytracker.resources import Event, Resource, registry
from policytracker.sql.parameters import Parameter, bind_parameters

COLUMNS = [keyset.Column(name) for name in ("day", "type", "key", "position")]
ORDER = ", ".join(column.path for column in COLUMNS)


AGREEMENT = Parameter("agreement")


@cache
def kinds() -> tuple[tuple[Resource, Event], ...]:
    """Each event of each record type. The order determines the order of the entries of one record on one day."""
    return tuple((resource, event) for resource in registry for event in resource.events)


def select(resource: Resource, event: Event, reader: Reader, position: int) -> tuple[str, tuple]:
    """SQL and values that select first day, type, key, position of the kind, original date and title parts."""
    model = resource.model
    partial = isinstance(model._meta.get_field(event.day), EdtfField)
    first = f"{event.day}_first" if partial else event.day
    original = F(event.day) if partial else Func(F(event.day), Value("YYYY-MM-DD"), function="to_char", output_field=TextField())
    parts = [Coalesce(Cast(part, TextField()), Value(""), output_field=TextField()) for part in event.parts]
    of_agreement = model.objects.visible_to(reader).filter(resource.belonging_to(AGREEMENT))
    rows = of_agreement.filter(event.condition, **{f"{first}__isnull": False}).order_by()
    columns: list[Any] = [
        F(first),
        Value(resource.address, TextField()),
        Cast(model.key, TextField()),
        Value(position),
        original,
        Func(*parts, template="ARRAY[%(expressions)s]", output_field=ArrayField(TextField())),
    ]
    return rows.values_list(*columns).query.sql_with_params()


@dataclass(frozen=True)
class DatedEvent:
    """One dated event. `on` is the date as recorded, `day` its first possible day."""

    day: date
    type: str
    key: str
    position: int
    on: str
    parts: list[str]

    @property
    def title(self) -> str:
        _, event = kinds()[self.position]
        title = str(event.format_title(*self.parts))
        return title if len(title) <= MAX_TITLE else f"{title[: MAX_TITLE - 1]}…"

    @property
    def sort_key(self) -> tuple:
        return self.day, self.type, self.key, self.position


@lru_cache(100)
def union(roles: frozenset[str], as_of: bool) -> tuple[str, tuple]:
    """SQL and values that select all entries of an agreement for these roles."""
    reader = Reader(roles, Parameter("user"), as_of)
    selects = [select(resource, event, reader, position) for position, (resource, event) in enumerate(kinds())]
    return " UNION ALL ".join(sql for sql, _ in selects), tuple(value for _, values in selects for value in values)


class Timeline:
    """The timeline of an agreement with the records that the user may read. The cost depends only on the records of this agreement."""

    def __init__(self, agreement: Agreement, user: Any):
        reader = Reader.of(user)
        self.rows, values = union(reader.roles, reader.as_of)
        self.values = bind_parameters(values, user=reader.id, agreement=agreement.pk)
        self.salt = f"timeline of {agreement.pk}"

    def cursor_from(self, day: date) -> str:
        """A cursor for the entries from this day on."""
        return keyset.encode_cursor(True, (day, "", "", 0), COLUMNS, self.salt)

    def page(self, cursor: str | None, size: int) -> keyset.Page:
        """The page at the cursor, or the first page. Raises keyset.InvalidCursor."""
        forward, after = keyset.decode_cursor(cursor, COLUMNS, self.salt) if cursor else (True, None)
        beyond = f"WHERE ({ORDER}) {'>' if forward else '<'} (%s::date, %s, %s, %s)" if after else ""
        order = ORDER if forward else ", ".join(f"{column.path} DESC" for column in COLUMNS)
        with connection.cursor() as db:
            db.execute(
                f"""WITH line ({ORDER}, original, parts) AS MATERIALIZED ({self.rows})
                SELECT counted.number, page.* FROM (SELECT count(*) AS number FROM line) AS counted
                LEFT JOIN (SELECT * FROM line {beyond} ORDER BY {order} LIMIT {size + 1}) AS page ON true ORDER BY {order}""",
                [*self.values, *(after or [])],
            )
            rows = db.fetchall()
        # The join with the count returns one row without an entry if the page is empty.
        entries = [DatedEvent(*entry) for _count, *entry in rows if entry[0] is not None]
        entries, has_next, has_previous = keyset.trim_page(entries, size, forward, cursor is not None)
        return keyset.Page(
            entries,
            keyset.encode_cursor(True, entries[-1].sort_key, COLUMNS, self.salt) if has_next else None,
            keyset.encode_cursor(False, entries[0].sort_key, COLUMNS, self.salt) if has_previous else None,
            rows[0][0],
        )
