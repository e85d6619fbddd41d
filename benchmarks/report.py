"""Builds the registers, measures them, and writes RESULTS.md."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg

from benchmarks import databases
from benchmarks.measure import WARM_UP, WARM_UP_REQUESTS
from benchmarks.site import THREADS, WORKERS

RESULTS = Path(__file__).parent / "RESULTS.md"
GROWTH = 1.5  # the target: our time at the largest size, divided by that at 1 %
ROLE_TARGETS = {"analyst": 0.8, "officer": 0.6}  # the least share of an administrator's speed, for the list
DEPTH_TARGET = 1.2
# What must not grow with the register. Everything else is about all of it.
BOUNDED = ("list", "detail", "scorecard", "standing", "dossier", "search", "admin")

Result = dict[str, Any]


def run(quick: bool) -> None:
    """`make bench`: compare at the largest size, and measure ours at the smaller ones for the growth."""
    start = time.monotonic()
    percents = [1, 10] if quick else [1, 10, 100]
    largest = percents[-1]
    urls = {percent: databases.prepare(percent) for percent in percents}
    results = {}
    for percent in percents:
        everything = percent == largest
        print(f"Measuring {'all ways' if everything else 'ours'} at {percent} %", flush=True)
        options = ["--ways", "ours,hand,plain" if everything else "ours", "--rounds", "3" if everything and not quick else "2"]
        options += ["--seconds", "0.4", "--roles", "administrator"] if quick else ["--seconds", "1" if everything else "0.6"]
        results[percent] = measure(urls[percent], options)
    text = document(results, urls[largest], quick)
    print(f"\n{text}")
    if quick:
        print("Not written to RESULTS.md, because QUICK=1 measures less.")
    else:
        RESULTS.write_text(text)
        print(f"Written to {RESULTS}")
    print(f"Done in {(time.monotonic() - start) / 60:.0f} minutes.")


def measure(url: str, options: list[str]) -> dict[str, Any]:
    """Measure one register in a process of its own, because Django keeps one database."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "results.json"
        command = ["measure", "--database-url", url, "--json", str(file), *options]
        with subprocess.Popen([sys.executable, "-m", "benchmarks", *command]) as process:  # noqa: S603 - our own command
            try:
                failed = process.wait()
            finally:
                process.terminate()  # it stops its servers
        if failed:
            sys.exit(1)
        return json.loads(file.read_text())


# ---- the document


def document(results: dict[int, dict[str, Any]], url: str, quick: bool) -> str:
    largest = max(results)
    size = databases.FULL_SIZE * largest // 100
    with psycopg.connect(url) as connection:
        version = connection.info.server_version // 10_000
    lines = [
        "# Speed over HTTP",
        "",
        f"Written by `make bench{' QUICK=1' if quick else ''}` on {datetime.now(UTC).date()}: {os.cpu_count()} cores ({processor()}), "
        f"{memory()} GB of memory, shared by the web server, PostgreSQL {version} and the clients; "
        f"Python {sys.version_info.major}.{sys.version_info.minor}.",
        "",
        *METHOD.format(size=size, workers=WORKERS, threads=THREADS, warm_up=WARM_UP_REQUESTS, warm_up_seconds=WARM_UP).splitlines(),
    ]
    rows = results[largest]["results"]
    for role in dict.fromkeys(row["role"] for row in rows):
        lines += ["", f"## {role.capitalize()}", "", *role_table([row for row in rows if row["role"] == role])]
    lines += ["", "## Growth", "", *growth_table(results)]
    lines += ["", "## Roles and depth", "", *comparisons(rows)]
    lines += ["", "## Memory", "", *memory_table(results[largest]["memory"])]
    if skipped := results[largest]["skipped"]:
        lines += ["", f"Not measured, because the address does not exist in this version: {', '.join(skipped)}."]
    return "\n".join(lines) + "\n"


METHOD = """\
## Method

The register has {size:,} recommendations and a proportional number of other records. Each way of serving it runs in gunicorn with
{workers} workers of {threads} threads. Authentication by token, permissions, history and all rules are on, and every user reads only
what the role permits.

- **ours** is the product with its production settings.
- **hand** is one hand-written SQL statement for each response, behind bare WSGI; another one authenticates the token. Prepared
  statements and a pool of connections. The same rows come out for every role.
- **plain** is what DRF's tutorial leads to: viewsets and model serializers over the same models, with joins and prefetches, pages
  with counts, and Django's default middleware.

The bodies of all ways were compared first, and were the same, except links to other pages. Then each way is warmed up, because
PostgreSQL plans a prepared statement again at each of its first five executions on a connection: before the first round of a request,
each way is sent {warm_up} of it, or as many as it answers in {warm_up_seconds} seconds. That is twice what all connections need
to keep their plans. Eight clients with keep-alive send a request for a part of a second to each way in turn, in several rounds, so that
a slow moment affects all; two clients if a response takes longer than a quarter of a second, one for whole exports and lists of 500.
*Median* and *p95* are the milliseconds that a client waits while the others ask too; *CPU* is the milliseconds of web server +
PostgreSQL for one request. *hand : ours* is the ratio of the medians: 1 means as fast as hand-written SQL, 0.5 half as fast.
PostgreSQL's CPU includes its background processes.
A hand-written write uses the triggers of the product, which write the history.
"""


def role_table(rows: list[Result]) -> Iterator[str]:
    names = ["request", "ours: median", "p95", "CPU", "hand: median", "CPU", "plain: median", "CPU", "hand : ours", "plain : ours", "KB"]
    names += ["target", "met"]
    yield f"| {' | '.join(names)} |"
    yield f"|{'---|' * len(names)}"
    for row in rows:
        ours, hand, plain = (row["ways"].get(way) for way in ("ours", "hand", "plain"))
        cells = [row["name"], f"{ours['median']:.1f}", f"{ours['p95']:.1f}", cpu(ours)]
        for other in (hand, plain):
            cells += [f"{other['median']:.1f}", cpu(other)] if other else ["", ""]
        to_hand, to_plain = (other["median"] / ours["median"] if other else None for other in (hand, plain))
        cells += [f"{to_hand:.2f}" if to_hand else "", f"{to_plain:.1f}" if to_plain else "", f"{ours['bytes'] / 1000:.1f}"]
        targets = [(row["target"], to_hand, "hand"), (row["plain_target"], to_plain, "plain")]
        given = [(target, ratio, name) for target, ratio, name in targets if target and ratio]
        cells.append(", ".join(f"{name} ≥ {target:.2g}" for target, _, name in given))
        cells.append(", ".join("yes" if ratio >= target else "**no**" for target, ratio, _ in given))
        yield f"| {' | '.join(cells)} |"


def cpu(values: dict[str, Any]) -> str:
    postgres = "?" if values["postgres_cpu"] is None else f"{values['postgres_cpu']:.1f}"
    return f"{values['server_cpu']:.1f} + {postgres}"


def growth_table(results: dict[int, dict[str, Any]]) -> Iterator[str]:
    """Our medians at each size."""
    percents = sorted(results)
    by_size = {percent: {key(row): row["ways"]["ours"] for row in results[percent]["results"]} for percent in percents}
    yield f"| role | request | {' | '.join(f'{percent} %' for percent in percents)} | growth | at most {GROWTH} |"
    yield f"|---|---|{'---|' * len(percents)}---|---|"
    for role, name in by_size[percents[-1]]:
        medians = [by_size[percent].get((role, name), {}).get("median") for percent in percents]
        if not all(medians):
            continue
        growth = medians[-1] / medians[0]
        met = ("yes" if growth <= GROWTH else "**no**") if name.startswith(BOUNDED) else ""
        yield f"| {role} | {name} | {' | '.join(f'{value:.1f}' for value in medians)} | {growth:.1f} | {met} |"


def key(row: Result) -> tuple[str, str]:
    """What identifies a request at every size: the deepest page has another number in a small register."""
    name = row["name"]
    return row["role"], "list, a deep page" if name.startswith("list, page") else name


def comparisons(rows: list[Result]) -> Iterator[str]:
    """The list of the other roles beside that of an administrator, and a deep page beside the first."""
    medians = {key(row): row["ways"]["ours"]["median"] for row in rows}
    yield "| comparison | ratio | target | met |"
    yield "|---|---|---|---|"
    for role, target in ROLE_TARGETS.items():
        if (role, "list") in medians:
            ratio = medians["administrator", "list"] / medians[role, "list"]
            yield f"| list: administrator : {role} | {ratio:.2f} | ≥ {target} | {'yes' if ratio >= target else '**no**'} |"
    for role in ("administrator", *ROLE_TARGETS):
        if (role, "list") in medians and (role, "list, a deep page") in medians:
            ratio = medians[role, "list, a deep page"] / medians[role, "list"]
            yield f"| {role}: deep page : first page | {ratio:.2f} | ≤ {DEPTH_TARGET} | {'yes' if ratio <= DEPTH_TARGET else '**no**'} |"


def memory_table(values: dict[str, list[list[int]]]) -> Iterator[str]:
    yield "| way | MB of each worker at the start | at the end |"
    yield "|---|---|---|"
    for way, (before, after) in values.items():
        yield f"| {way} | {', '.join(map(str, before))} | {', '.join(map(str, after))} |"


def processor() -> str:
    """The name of the processor, as Linux gives it."""
    names = [line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return names[0] if names else "unknown processor"


def memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024**3
