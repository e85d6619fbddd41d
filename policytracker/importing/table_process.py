"""The process that reads a table: `python -m policytracker.importing.table_process REQUEST`, started by `table_files`.

It reads the file from its standard input and writes JSON lines: the header, each row, and the end or an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from policytracker.importing.formats import open_table
from policytracker.importing.processes import answer
from policytracker.importing.tables import Limits


def lines(data: bytes, request: dict[str, Any], limits: Limits) -> Iterator[Any]:
    table = open_table(request["suffix"], data, request["location"], request["encoding"], limits)
    yield {"headers": table.headers, "is_json": table.is_json, "header_row": table.header_row}
    for number, cells in table.rows:
        yield [number, cells if table.is_json else list(cells.values())]
    yield {"notes": table.notes}


if __name__ == "__main__":
    answer(lines)
