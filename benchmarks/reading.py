"""Measures lists and details of recommendations: our API, a plain ModelSerializer, and hand-written SQL, on the same data.

    make bench SIZE=50000

Each runs in process, through its view and renderer if it has one, on a warm connection. Their responses are compared first.
The data is in a separate database next to that of DATABASE_URL; it is built again if its builder or the migrations have changed.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import django
import psycopg
from django.conf import settings

HERE = Path(__file__).parent
RESULTS = HERE / "RESULTS.md"
MARK = "Benchmark data"  # the comment of a benchmark database begins with it


# ---- the database


def use_own_database(size: int) -> None:
    """Set the benchmark database in the settings before Django uses it, and fill it unless it already holds the same data."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "policytracker.settings")
    database = settings.DATABASES["default"]
    server, name = database["NAME"], f"{database['NAME']}_bench"
    database["NAME"] = name
    connect = {"host": database["HOST"], "port": database["PORT"], "user": database["USER"], "password": database["PASSWORD"]}
    mark = f"{MARK}: {size} recommendations, {fingerprint()}"
    with psycopg.connect(**{k: v for k, v in connect.items() if v}, dbname=server, autocommit=True) as administrator:
        comment = administrator.execute(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", [name]
        ).fetchone()
        if comment and not (comment[0] or "").startswith(MARK):
            sys.exit(f"The database {name} exists and is not a benchmark database. Rename it.")
        if comment != (mark,):
            administrator.execute(f'DROP DATABASE IF EXISTS "{name}"')
            administrator.execute(f"CREATE DATABASE \"{name}\" TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8'")
            administrator.execute(f"COMMENT ON DATABASE \"{name}\" IS '{MARK}, incomplete'")
    django.setup()
    if comment == (mark,):
        return
    from django.core.management import call_command
    from django.db import connection

    from benchmarks.build import build

    call_command("migrate", verbosity=0)
    start = time.perf_counter()
    build(size, show=sys.stderr.isatty())
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE)")
        cursor.execute(f"COMMENT ON DATABASE \"{name}\" IS '{mark}'")
    print(f"Built {size:,} recommendations in {time.perf_counter() - start:.0f} s.")


def fingerprint() -> str:
    """A hash of the builder and the migrations."""
    files = [HERE / "build.py", *sorted(HERE.parent.glob("*/migrations/*.py"))]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


# ---- measurements


def medians(functions: dict[str, Callable[[int], Any]], runs: int) -> dict[str, float]:
    """The median milliseconds of each function. They are called in turn, so that a slow moment affects all."""
    durations: dict[str, list[float]] = {name: [] for name in functions}
    for function in functions.values():
        for number in range(5):
            function(number)
    gc.collect()
    gc.disable()
    for number in range(runs):
        for name, function in functions.items():
            start = time.perf_counter()
            function(number)
            durations[name].append(time.perf_counter() - start)
        if number % 20 == 19:
            gc.collect()
    gc.enable()
    return {name: 1000 * statistics.median(times) for name, times in durations.items()}


def plain_json(body: str | bytes) -> Any:
    """The records of a response, without the links of the page and with sorted claims."""
    content = json.loads(body)
    rows = content.get("results", [content])
    for row in rows:
        row.get("claims", []).sort(key=lambda claim: claim["party"])
    return rows


def measure(runs: int, omit: str) -> list[str]:
    """The lines of the Markdown table."""
    from benchmarks.ways import Client, requests

    lines = [
        "| role | request | ours | plain DRF | capped | by hand | plain : ours | capped : ours | ours : by hand |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for username in ("administrator-1", "analyst-01", "officer-1"):
        client = Client(username, omit)
        for label, request in requests(client):
            functions = client.functions(request)
            for number in range(3):
                bodies = {name: plain_json(function(number)) for name, function in functions.items()}
                for name, body in bodies.items():
                    if body != bodies["ours"] or not body:
                        exit_with_difference(label, name, bodies["ours"], body)
            times = medians(functions, runs if request.is_list else 4 * runs)
            ours, plain, capped, hand = (times.get(name) for name in ("ours", "plain", "capped", "hand"))
            ratios = [f"{plain / ours:.1f}", f"{capped / ours:.1f}" if capped else "", f"{ours / hand:.1f}" if hand else ""]
            cells = [f"{ms:.2f}" if ms else "" for ms in (ours, plain, capped, hand)]
            line = f"| {username.partition('-')[0]} | {label} | {' | '.join(cells)} | {' | '.join(ratios)} |"
            print(line, flush=True)
            lines.append(line)
    return lines


def exit_with_difference(label: str, name: str, ours: list[dict], theirs: list[dict]) -> None:
    """Exit with the first field that differs."""
    for our_row, other_row in zip(ours, theirs, strict=False):
        for field in our_row.keys() | other_row.keys():
            if our_row.get(field) != other_row.get(field):
                sys.exit(f"{label}, {our_row.get('slug')}: {field} is {other_row.get(field)!r} in {name}, {our_row.get(field)!r} in ours.")
    sys.exit(f"{label}: {name} has {len(theirs)} rows; ours has {len(ours)}.")


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.reading", description=__doc__.split("\n")[0])
    parser.add_argument("--size", type=int, default=50_000, help="number of recommendations")
    parser.add_argument("--runs", type=int, default=60, help="runs per list; details run four times as often")
    parser.add_argument("--omit", default="", help="fields to omit in all three, separated by commas")
    parser.add_argument("--write", action="store_true", help="write RESULTS.md")
    options = parser.parse_args()
    use_own_database(options.size)
    lines = measure(options.runs, options.omit)
    if options.write:
        write(options.size, options.omit, lines)


def write(size: int, omit: str, lines: list[str]) -> None:
    from django.db import connection

    version = connection.pg_version // 10_000
    today = datetime.now(UTC).date()
    omitted = f" Omitted in all three: {omit}." if omit else ""
    RESULTS.write_text(
        f"""# Speed of reading recommendations

Milliseconds, with {size:,} recommendations and a proportional number of other records. {os.cpu_count()} cores, shared with the
database server; PostgreSQL {version}, Python {sys.version_info.major}.{sys.version_info.minor}; {today}.
Written by `make bench SIZE={size}`.

Lists have 50 rows. Requests run in process, through view and renderer, on one warm connection, in turn; the values are medians.
The responses were compared before the measurement and were the same.{omitted}

- *Plain DRF* is a `ModelViewSet` with a `ModelSerializer` over the same queryset, with joins, prefetches and annotated states.
- *Capped* is the same, but counts at most 10,000 rows, like our API.
- *By hand* is one SQL statement that returns page and count as JSON text, without a view.

{chr(10).join(lines)}
"""
    )


if __name__ == "__main__":
    main()
