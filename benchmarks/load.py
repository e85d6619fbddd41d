"""Measures fairness under load: what details and lists take while many clients ask for the most expensive responses without pause.

    make bench-load                            one minute, on the register of 10 %
    make bench-load MINUTES=10 PERCENT=100     on the whole one, with clients that hang up in the middle of responses
    .venv/bin/python -m benchmarks load --database-url postgres://user@host/copy_of_a_register

The database must have the users of benchmarks.build. Tokens are added to it, nothing else is written.
At the end, connections, memory and open files are compared with those before.
"""

from __future__ import annotations

import multiprocessing
import random
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, wait
from datetime import timedelta
from statistics import median, quantiles
from urllib.parse import urlencode

from django.db import connection

from benchmarks.client import Timing, message
from benchmarks.crowd import REFUSED, Client, Plan, run
from benchmarks.site import OURS, Postgres, Server
from benchmarks.users import NAMES, Reader
from policytracker.resources import today

LIGHT, HEAVY, LEAVING = 4, 20, 4  # clients
MEDIAN_TARGET, P99_TARGET = 3, 10  # times the values of the idle site
SAMPLES = 4  # of what could leak, under load
SETTLE = 8  # seconds for the server to end abandoned requests, and for idle connections to be counted

# ---- the clients


def light_clients(readers: Sequence[Reader]) -> list[Client]:
    """Clients that read details and lists, in all roles."""
    clients = []
    for number in range(LIGHT):
        reader = readers[number % len(readers)]
        details = [("detail", message(f"/api/v1/recommendations/{slug}/", reader.token)) for slug in reader.recommendations]
        queries = ["", "?status=in_progress", "?overdue=true", "?ordering=-due_on"]
        lists = [("list", message(f"/api/v1/recommendations/{query}", reader.token)) for query in queries]
        clients.append([request for n, detail in enumerate(details) for request in (detail, lists[n % len(lists)])])
    return clients


def heavy_clients(readers: Sequence[Reader], number: int) -> list[Client]:
    """Clients that ask for summaries, exports, checks and dossiers, in all roles."""
    year_ago = str(today() - timedelta(365))
    clients = []
    for n in range(number):
        reader = readers[n % len(readers)]
        by = [{"group_by": group} for group in ("agreement", "party", "sector", "focus_area", "source")]
        paths = [("summary", f"summary/?{urlencode(query)}") for query in [*by, *(query | {"on": year_ago} for query in by[:2])]]
        paths += [("export", f"recommendations/?format={form}") for form in ("csv", "ndjson")]
        paths += [("export", f"progress-updates/?format=csv&kind={kind}") for kind in ("claim", "note")]
        paths += [("checks", f"checks/{query}") for query in ("", "?severity=warning", "?rule=status_differs_from_standing")]
        paths += [("dossier", f"agreements/{slug}/dossier/") for slug in reader.large_agreements[:5]]
        random.Random(n).shuffle(paths)
        clients.append([(name, message(f"/api/v1/{path}", reader.token)) for name, path in paths])
    return clients


# ---- the measurement


def measure(seconds: float, heavy: int, obeys_retry_after: bool, leaving: int) -> list[str]:
    """Run the site idle, then under load. Returns the lines of the report."""
    readers = [Reader.sign_in(name) for name in NAMES]
    light, busy, leavers = light_clients(readers), heavy_clients(readers, heavy), heavy_clients(readers, leaving)
    # Separate processes, so that the heavy clients do not slow down the clocks of the light ones.
    with (
        Server("policytracker", OURS) as server,
        ProcessPoolExecutor(3, multiprocessing.get_context("spawn")) as processes,
    ):
        idle_seconds = min(15, max(5, seconds / 4))
        processes.submit(run, Plan(server.port, 3), light).result()  # warm up
        idle = processes.submit(run, Plan(server.port, idle_seconds), light).result()
        time.sleep(1)
        states = {"before": state(server)}
        postgres = Postgres()
        cpu = server.cpu_seconds(), postgres.cpu_seconds()
        asked = processes.submit(run, Plan(server.port, seconds, obeys_retry_after), busy)
        left = processes.submit(run, Plan(server.port, seconds, leaves_after=1), leavers)
        time.sleep(min(5, seconds / 4))  # until the heavy requests have filled the queues
        loaded_result = processes.submit(run, Plan(server.port, seconds - min(5, seconds / 4)), light)
        for part in range(1, SAMPLES + 1):
            wait([loaded_result], timeout=seconds / (SAMPLES + 1))
            states[f"after {part * seconds / (SAMPLES + 1):.0f} s"] = state(server)
        loaded, answers, abandoned = loaded_result.result(), asked.result(), left.result()
        used = server.cpu_seconds() - cpu[0], (postgres.cpu_seconds() or 0) - (cpu[1] or 0)
        time.sleep(SETTLE)
        states["at the end"] = state(server)
    return [
        f"{LIGHT} clients read details and lists; {heavy} clients ask for summaries, exports, checks and dossiers without pause"
        f"{', waiting a second after each refusal' if obeys_retry_after else ''}"
        f"{f'; {leaving} more clients hang up within a second' if leaving else ''}; {seconds:.0f} s.",
        "",
        *compare(idle, loaded),
        "",
        *heavy_lines(answers, seconds),
        "",
        f"Abandoned requests: {len(abandoned)}. CPU in use: server {used[0] / seconds:.2f}, PostgreSQL {used[1] / seconds:.2f} cores.",
        "",
        f"| | {' | '.join(states)} |",
        f"|---|{'---|' * len(states)}",
        *(f"| {name} | {' | '.join(sample[name] for sample in states.values())} |" for name in states["before"]),
    ]


def state(server: Server) -> dict[str, str]:
    """What could leak: connections of the database, memory and open files of the workers."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT count(*), count(*) FILTER (WHERE state <> 'idle') FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"""
        )
        connections, active = cursor.fetchone()
    return {
        "connections of PostgreSQL": f"{connections}, of which {active} not idle",
        "worker processes": ", ".join(map(str, server.workers())),
        "memory of the workers, MB": ", ".join(map(str, server.memory())),
        "open files of the workers": ", ".join(map(str, server.open_files())),
    }


def p99(values: Sequence[float]) -> float:
    return quantiles(values, n=100, method="inclusive")[98] if len(values) > 1 else values[0]


def compare(idle: list[Timing], loaded: list[Timing]) -> list[str]:
    """A table with the times of the light requests, in milliseconds."""
    lines = [
        "| request | idle: median | p99 | under load: median | p99 | median : idle | p99 : idle | refused | failed | target met |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name in ("detail", "list"):
        alone, together = times(idle, name), times(loaded, name)
        refused = sum(t.name == name and t.status in REFUSED for t in loaded)
        failed = sum(t.name == name and t.status not in (200, *REFUSED) for t in loaded)
        if not together:
            lines.append(f"| {name} | {median(alone):.1f} | {p99(alone):.1f} | no answer | | | | {refused} | {failed} | no |")
            continue
        ratios = median(together) / median(alone), p99(together) / p99(alone)
        met = ratios[0] <= MEDIAN_TARGET and ratios[1] < P99_TARGET and not refused and not failed
        cells = [f"{value:.1f}" for value in (median(alone), p99(alone), median(together), p99(together), *ratios)]
        lines.append(f"| {name} ({len(together)}) | {' | '.join(cells)} | {refused} | {failed} | {'yes' if met else 'no'} |")
    return lines


def times(timings: list[Timing], name: str) -> list[float]:
    """The milliseconds of the successful requests of this name."""
    return [1000 * timing.seconds for timing in timings if timing.name == name and timing.status == 200]


def heavy_lines(timings: list[Timing], seconds: float) -> list[str]:
    """A table of the expensive requests. Of a response that was cut short no time is known."""
    lines = [
        "| expensive request | answers | per second | median, s | p99, s | refused | cut short | other |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in ("summary", "export", "checks", "dossier"):
        answered = [value / 1000 for value in times(timings, name)]
        statuses = [timing.status for timing in timings if timing.name == name]
        numbers = [f"{median(answered):.2f}", f"{p99(answered):.2f}"] if answered else ["", ""]
        refused, cut = sum(map(statuses.count, REFUSED)), statuses.count(-1)
        other = len(statuses) - len(answered) - refused - cut
        lines.append(f"| {name} | {len(answered)} | {len(answered) / seconds:.1f} | {' | '.join(numbers)} | {refused} | {cut} | {other} |")
    return lines
