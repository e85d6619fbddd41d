"""Writing rows with COPY, with a progress bar."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

from django.db import connection
from django.db.models import Model

from policytracker.dataset.layout import WRITTEN_BY_TRIGGERS
from policytracker.records.context import change_context


def with_progress(rows: Iterable[tuple], label: str, total: int, show: bool) -> Iterator[tuple]:
    """The rows, with a progress bar on stderr if `show` is set."""
    step = max(1, total // 50)
    for number, row in enumerate(rows, 1):
        yield row
        if show and number % step == 0:
            done = min(40, 40 * number // total)
            sys.stderr.write(f"\r{label:<32}{'#' * done:<40} {number:>9,}\x1b[K")
    if show:
        sys.stderr.write("\n")


class Writer:
    """Writes the rows of one model at a time; deferred constraints are checked after each."""

    def __init__(self, show: bool):
        self.show = show

    def ids(self, model: type[Model], count: int) -> range:
        """Reserve ids from the sequence of the table."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_get_serial_sequence(%s, 'id')", [model._meta.db_table])
            (sequence,) = cursor.fetchone()
            cursor.execute("SELECT setval(%s, nextval(%s) + %s)", [sequence, sequence, count])
            (last,) = cursor.fetchone()
        return range(last - count, last)

    def fill(self, model: type[Model], columns: str, rows: Iterable[tuple], total: int = 0, channel: str = "benchmark") -> None:
        """COPY rows of the named columns; other columns get the default of their field. `total` is only for the progress bar."""
        named = columns.split()
        fields = [f for f in model._meta.local_concrete_fields if not f.generated and f.name not in WRITTEN_BY_TRIGGERS]
        rest = [] if model._meta.auto_created else [f for f in fields if f.column not in named]
        defaults = tuple(field.get_default() for field in rest)
        names = ", ".join([*named, *(field.column for field in rest)])
        label = str(model._meta.verbose_name_plural).replace("relationships", "").strip()
        copy = f"COPY {model._meta.db_table} ({names}) FROM STDIN"
        if isinstance(rows, list):
            total = len(rows)
        with change_context(None, "Benchmark data.", channel), connection.cursor() as cursor, cursor.copy(copy) as into:
            for row in with_progress(rows, label, total, self.show):
                into.write_row(row + defaults)
