"""How long a list and a detail of recommendations take: ours, a plain ModelSerializer, and SQL by hand, in one run on one register.

    make bench SIZE=50000

Each is called in process, through its view and renderer where it has one, on a warm connection. All three must say the same first.
The register stands in a database of its own beside the one of DATABASE_URL, and is built anew when what it is made of has changed.
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


# ---- the database


def use_own_database(size: int) -> None:
    """Point Django at a database of our own, before it is used, and fill it unless it holds this very register."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "policytracker.settings")
    found = settings.DATABASES["default"]
    server, name = found["NAME"], f"{found['NAME']}_bench"
    found["NAME"] = name
    connect = {"host": found["HOST"], "port": found["PORT"], "user": found["USER"], "password": found["PASSWORD"]}
    mark = f"A register for measuring: {size} recommendations, {made_of()}"
    with psycopg.connect(**{k: v for k, v in connect.items() if v}, dbname=server, autocommit=True) as administrator:
        said = administrator.execute("SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", [name]).fetchone()
        if said and not (said[0] or "").startswith("A register for measuring"):
            sys.exit(f"The database {name} is none of ours. Move it away.")
        if said != (mark,):
            administrator.execute(f'DROP DATABASE IF EXISTS "{name}"')
            administrator.execute(f"CREATE DATABASE \"{name}\" TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8'")
            administrator.execute(f"COMMENT ON DATABASE \"{name}\" IS 'A register for measuring, not finished'")
    django.setup()
    if said == (mark,):
        return
    from django.core.management import call_command
    from django.db import connection

    from benchmarks.build import build

    call_command("migrate", verbosity=0)
    began = time.perf_counter()
    build(size, show=sys.stderr.isatty())
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE)")
        cursor.execute(f"COMMENT ON DATABASE \"{name}\" IS '{mark}'")
    print(f"Built {size:,} recommendations in {time.perf_counter() - began:.0f} s.")


def made_of() -> str:
    """A word that changes with the builder and with the tables."""
    files = [HERE / "build.py", *sorted(HERE.parent.glob("*/migrations/*.py"))]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


# ---- the measuring


def medians(ways: dict[str, Callable[[int], Any]], runs: int) -> dict[str, float]:
    """Milliseconds of each way, called in turn so that a slow moment meets all of them."""
    took: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        for number in range(5):
            way(number)
    gc.collect()
    gc.disable()
    for number in range(runs):
        for name, way in ways.items():
            began = time.perf_counter()
            way(number)
            took[name].append(time.perf_counter() - began)
        if number % 20 == 19:
            gc.collect()
    gc.enable()
    return {name: 1000 * statistics.median(times) for name, times in took.items()}


def plain_json(body: str | bytes) -> Any:
    """The body as a value, without what may differ: the links of a page, and the order of claims."""
    told = json.loads(body)
    rows = told.get("results", [told])
    for row in rows:
        row.get("claims", []).sort(key=lambda claim: claim["party"])
    return rows


def measure(runs: int, omit: str) -> list[str]:
    """The lines of the table."""
    from benchmarks.ways import By, requests

    lines = [
        "| asked by | request | ours | plain DRF | capped | by hand | plain : ours | capped : ours | ours : by hand |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for username in ("administrator-1", "analyst-01", "officer-1"):
        by = By(username, omit)
        for label, request in requests(by):
            ways = by.ways(request)
            for number in range(3):
                bodies = {name: plain_json(way(number)) for name, way in ways.items()}
                for name, body in bodies.items():
                    if body != bodies["ours"] or not body:
                        different(label, name, bodies["ours"], body)
            took = medians(ways, runs if request.is_list else 4 * runs)
            ours, plain, capped, hand = (took.get(name) for name in ("ours", "plain", "capped", "hand"))
            of = [f"{plain / ours:.1f}", f"{capped / ours:.1f}" if capped else "", f"{ours / hand:.1f}" if hand else ""]
            told = [f"{ms:.2f}" if ms else "" for ms in (ours, plain, capped, hand)]
            line = f"| {username.partition('-')[0]} | {label} | {' | '.join(told)} | {' | '.join(of)} |"
            print(line, flush=True)
            lines.append(line)
    return lines


def different(label: str, name: str, ours: list[dict], theirs: list[dict]) -> None:
    """Ends the run with the first field that is told otherwise."""
    for one, other in zip(ours, theirs, strict=False):
        for field in one.keys() | other.keys():
            if one.get(field) != other.get(field):
                sys.exit(f"{label}: {name} says {field} of {one.get('slug')} is {other.get(field)!r}; ours is {one.get(field)!r}.")
    sys.exit(f"{label}: {name} has {len(theirs)} rows; ours has {len(ours)}.")


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.reading", description=__doc__.split("\n")[0])
    parser.add_argument("--size", type=int, default=50_000, help="how many recommendations")
    parser.add_argument("--runs", type=int, default=60, help="of each list; a detail is read four times as often")
    # Ours has no claims yet.
    parser.add_argument("--omit", default="", help="fields that are left out of all three, separated by commas")
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
    left_out = f" Left out of all three: {omit}." if omit else ""
    RESULTS.write_text(
        f"""# How long reading recommendations takes

Milliseconds, with {size:,} recommendations and what goes with them in proportion. {os.cpu_count()} cores, shared with the server;
PostgreSQL {version}, Python {sys.version_info.major}.{sys.version_info.minor}; {today}. Made by `make bench SIZE={size}`.

Lists have 50 rows. Each is asked in process, through its view and renderer, on one warm connection, in turn; these are medians.
Before it was measured, all were seen to say the same.{left_out}

- *Plain DRF* is a `ModelViewSet` with a `ModelSerializer` over the same queryset; references are joined or prefetched, states annotated.
- *Capped* is the same, but counts to 10,000 and no further, as ours does.
- *By hand* is one SQL statement that gives page and count as one JSON text, without a view.

{chr(10).join(lines)}
"""
    )


if __name__ == "__main__":
    main()
