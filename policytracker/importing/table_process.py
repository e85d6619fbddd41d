"""The process that reads a table: `python -m policytracker.importing.table_process REQUEST`, started by `table_files`.

It reads the file from its standard input and writes JSON lines: the header, each row, and the end or an error. It limits its own memory
and time before it reads anything. Of Django it imports only the translation of messages, so it starts in a tenth of a second.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.conf import settings
from django.utils import translation

from policytracker.importing.formats import open_table
from policytracker.importing.tables import Limits, TableError, TooLarge


def main(request: dict[str, Any]) -> None:
    settings.configure(USE_I18N=True, LANGUAGE_CODE="en", LOCALE_PATHS=request["locale_paths"])
    apps.populate([])
    limits = Limits(**request["limits"])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory, limits.memory))
    resource.setrlimit(resource.RLIMIT_CPU, (limits.seconds, limits.seconds + 1))
    with translation.override(request["language"]):
        try:
            for line in lines(sys.stdin.buffer.read(), request, limits):
                sys.stdout.buffer.write(json.dumps(line, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n")
        except TableError as error:
            report({"error": str(error), "too_large": isinstance(error, TooLarge)})
        except MemoryError:
            report({"out_of_memory": True})
        except BrokenPipeError:
            raise
        except Exception as error:
            report({"defect": type(error).__name__})  # without the message, which can contain texts of the file


def lines(data: bytes, request: dict[str, Any], limits: Any) -> Iterator[Any]:
    table = open_table(request["suffix"], data, request["location"], request["encoding"], limits)
    yield {"headers": table.headers, "is_json": table.is_json, "header_row": table.header_row}
    for number, cells in table.rows:
        yield [number, cells if table.is_json else list(cells.values())]
    yield {"notes": table.notes}


def report(end: dict[str, Any]) -> None:
    sys.stdout.buffer.write(json.dumps(end).encode() + b"\n")


if __name__ == "__main__":
    try:
        main(json.loads(sys.argv[1]))
        sys.stdout.buffer.flush()
    except BrokenPipeError:  # the site has read enough
        sys.stdout = None
