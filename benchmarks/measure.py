"""Sends the requests to all ways of serving one register, in turn, and measures them. The bodies are compared first.

    .venv/bin/python -m benchmarks measure --database-url postgres://user@host/copy_of_a_register

The database must have the users of benchmarks.build. It is written to: tokens, sessions, updates, and drafts that are deleted again.
"""

from __future__ import annotations

import csv
import io
import json
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count, cycle, islice
from statistics import median
from typing import Any

from django.db import connection

from benchmarks.client import Answer, Connection, Timing, in_threads, timed
from benchmarks.requests import HAND, NEW, OURS, PLAIN, Plan, Request
from benchmarks.site import OURS as OUR_COMMAND
from benchmarks.site import THREADS, WORKERS, Postgres, Server
from benchmarks.users import NAMES, Reader

CLIENTS, FEW_CLIENTS = 8, 2
SLOW = 0.25  # seconds; few clients send a request that takes longer, so that a round does not take a minute
COMPARED = 3  # variants of each request
# PostgreSQL plans a prepared statement again at each of its first five executions on a connection, and then keeps a plan. A worker has at
# most as many connections as there are clients, and uses them in turn. So a way has its plans after this many requests, with a margin
# of 2, because clients do not spread over the workers evenly: each connects WAVES times. Or after WARM_UP seconds, for slow requests.
WARM_UP_REQUESTS, WAVES, WARM_UP = 2 * 6 * WORKERS * CLIENTS, 8, 1.5
GUNICORN = [sys.executable, "-m", "gunicorn", "--config", "/dev/null", "--no-control-socket"]
RIVAL = [*GUNICORN, f"--workers={WORKERS}", f"--threads={THREADS}", "--worker-class=gthread"]
COMMANDS = {
    OURS: OUR_COMMAND,
    HAND: [*RIVAL, "benchmarks.rivals.hand:application"],
    PLAIN: [*RIVAL, "benchmarks.rivals.plain_wsgi:application"],
}


class Different(Exception):
    """Two ways gave different responses, or one gave an error."""


@dataclass
class Measured:
    """The times of a request in one way, in milliseconds, and what it cost per request."""

    seconds: list[float] = field(default_factory=list, repr=False)
    sizes: list[int] = field(default_factory=list, repr=False)
    server_cpu: float = 0
    postgres_cpu: float | None = 0

    def add(self, timings: list[Timing], server_cpu: float, postgres_cpu: float | None) -> None:
        self.seconds += [timing.seconds for timing in timings]
        self.sizes += [timing.size for timing in timings]
        self.server_cpu += server_cpu
        self.postgres_cpu = None if postgres_cpu is None or self.postgres_cpu is None else self.postgres_cpu + postgres_cpu

    def result(self) -> dict[str, Any]:
        number, ordered = len(self.seconds), sorted(self.seconds)
        return {
            "requests": number,
            "median": 1000 * median(ordered),
            "p95": 1000 * ordered[min(number - 1, number * 95 // 100)],
            "server_cpu": 1000 * self.server_cpu / number,
            "postgres_cpu": None if self.postgres_cpu is None else 1000 * self.postgres_cpu / number,
            "bytes": round(median(self.sizes)),
        }


def measure(ways: list[str], roles: list[str], rounds: int, seconds: float, names: str = "") -> dict[str, Any]:
    """Serve the register in these ways and measure all requests. `seconds` scales the length of a round."""
    delete_drafts()  # of an earlier run that was interrupted
    results: list[dict[str, Any]] = []
    skipped: list[str] = []
    with ExitStack() as stack:
        servers = {way: stack.enter_context(Server(way, COMMANDS[way])) for way in ways}
        readers = [Reader.sign_in(name) for name in NAMES]
        before: dict[str, list[int]] = {}
        for reader in readers:
            for request in Plan(reader).requests() if reader.role in roles else ():
                if names not in request.name:
                    continue
                chosen = [way for way in ways if way in request.texts]
                try:
                    took = compare(request, servers, chosen)
                except NotServed:
                    skipped.append(request.name)
                    sys.stderr.write(f"Skipped, because the address does not exist: {request.name}\n")
                    continue
                before = before or {way: server.memory() for way, server in servers.items()}
                measured, clients = run(request, servers, chosen, rounds, seconds, took)
                result = {"role": reader.role, "name": request.name, "clients": clients, "ways": measured}
                results.append(result | {"target": request.target, "plain_target": request.plain_target})
                show(results[-1])
        memory = {way: [before.get(way, []), server.memory()] for way, server in servers.items()}
    delete_drafts()
    return {"results": results, "memory": memory, "skipped": sorted(set(skipped))}


class NotServed(Exception):
    """Our server has no such address."""


def run(
    request: Request, servers: dict[str, Server], ways: list[str], rounds: int, scale: float, took: float
) -> tuple[dict[str, dict[str, Any]], int]:
    """Measure a request in rounds, so that a slow moment of the machine affects every way. Returns the results, and the clients."""
    clients = 1 if request.once else FEW_CLIENTS if took > SLOW else CLIENTS
    measured, postgres = {way: Measured() for way in ways}, Postgres()
    if request.writes:
        texts = {way: iter(request.texts[way][COMPARED:]) for way in ways}
    else:
        texts = {way: cycle(request.texts[way]) for way in ways}
    for way in ways if not request.once else ():
        number = min(WARM_UP_REQUESTS, len(request.texts[way]) // 3) if request.writes else WARM_UP_REQUESTS
        end = time.monotonic() + WARM_UP * scale
        for _ in range(WAVES):
            if time.monotonic() < end:
                repeat(servers[way], request.name, islice(texts[way], number // WAVES), clients, WARM_UP * scale / WAVES)
    for number in range(2 if request.once else rounds):
        for way in ways[number % len(ways) :] + ways[: number % len(ways)]:
            server = servers[way]
            cpu = server.cpu_seconds(), postgres.cpu_seconds()
            length = 0.0 if request.once else scale * request.seconds
            timings = repeat(server, request.name, texts[way], clients, length)
            if wrong := [timing for timing in timings if timing.status not in (200, 201)]:
                raise Different(f"{request.name}: {way} answered {wrong[0].status}.\n{server.end_of_log()}")
            after = server.cpu_seconds(), postgres.cpu_seconds()
            used = None if cpu[1] is None or after[1] is None else after[1] - cpu[1]
            measured[way].add(timings, after[0] - cpu[0], used)
    return {way: measured[way].result() for way in ways if measured[way].seconds}, clients


def repeat(server: Server, name: str, texts: Iterator[bytes], clients: int, seconds: float) -> list[Timing]:
    """Send the requests from so many clients, each at least once, until the time is over."""
    timings: list[Timing] = []
    end = time.monotonic() + seconds

    def client() -> None:
        connection = Connection(server.port)
        for sent in count():
            if sent and time.monotonic() > end:
                break
            text = next(texts, None)
            if text is None:
                break
            timings.append(timed(connection, name, text))
        connection.close()

    in_threads([client] * clients)
    return timings


# ---- comparing


def compare(request: Request, servers: dict[str, Server], ways: list[str], variants: int = COMPARED) -> float:
    """Raise Different unless all ways give the same responses. Returns the seconds of our last one."""
    seconds = 0.0
    for number in range(1 if request.once else min(variants, *(len(request.texts[way]) for way in ways))):
        bodies = {}
        for way in ways:
            client, start = Connection(servers[way].port), time.perf_counter()
            answer = client.send(request.texts[way][number], keep_body=True)
            client.close()
            seconds = time.perf_counter() - start if way == OURS else seconds
            if answer.status == 404 and way == OURS:
                raise NotServed
            if answer.status not in (200, 201):
                raise Different(f"{request.name}: {way} answered {answer.status}: {answer.body[:500]!r}\n{servers[way].end_of_log()}")
            bodies[way] = content(answer, request)
        for way in ways:
            if difference := first_difference(bodies[ways[0]], bodies[way]):
                raise Different(f"{request.name}: {way} differs from {ways[0]} at {difference}")
    return seconds


def content(answer: Answer, request: Request) -> Any:
    """What is compared: the JSON, or the rows of a table. Nothing of a page of the admin, which only we have."""
    if answer.header(b"content-type").startswith(b"text/csv"):
        return list(csv.reader(io.StringIO(answer.body.decode())))
    return request.compare(json.loads(answer.body)) if request.compare else None


def first_difference(one: Any, other: Any, place: str = "") -> str:
    """Where two JSON values differ; empty if they do not."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return next(filter(None, (first_difference(one[name], other[name], f"{place}.{name}") for name in one)), "")
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return next(filter(None, (first_difference(a, b, f"{place}[{n}]") for n, (a, b) in enumerate(zip(one, other, strict=True)))), "")
    return "" if one == other else f"{place or 'the top'}: {str(one)[:300]} and {str(other)[:300]}"


def delete_drafts() -> None:
    """Delete what the lists of 500 created. The updates stay: they are append-only."""
    drafts = f"(SELECT id FROM recommendations_recommendation WHERE slug LIKE '{NEW}%%' AND publication = 'draft')"
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM recommendations_recommendation_agreements WHERE recommendation_id IN {drafts}")
        cursor.execute(f"DELETE FROM recommendations_recommendation WHERE id IN {drafts}")
        # Autovacuum would come later: until then, a count meets the deleted rows, and takes twice as long.
        cursor.execute("VACUUM recommendations_recommendation, recommendations_recommendation_agreements")


def show(result: dict[str, Any]) -> None:
    """Print the medians of a request and what it cost."""
    cells = [
        f"{way} {values['median']:.1f} ms ({values['server_cpu']:.1f} + {values['postgres_cpu'] or 0:.1f})"
        for way, values in result["ways"].items()
    ]
    print(f"{result['role'][:13]:<14}{result['name']:<34}{', '.join(cells)}", flush=True)
