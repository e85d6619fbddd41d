"""Clients that repeat their requests at the same time. They run in processes of their own, which need no Django."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from benchmarks.client import Connection, Timing, in_threads, timed

REFUSED = (429, 503)  # a client, or all of them, ask for too much
Client = Sequence[tuple[str, bytes]]  # the named requests that a client repeats in turn


@dataclass(frozen=True)
class Plan:
    """How clients behave. With `leaves_after`, they close the connection that long after the request, in seconds at most."""

    port: int
    seconds: float
    obeys_retry_after: bool = False
    leaves_after: float = 0


def run(plan: Plan, clients: Sequence[Client]) -> list[Timing]:
    """Send the requests of all clients at the same time, until the time is over."""
    timings: list[Timing] = []
    end = time.monotonic() + plan.seconds
    in_threads([partial(run_client, plan, client, end, timings, seed) for seed, client in enumerate(clients)])
    return timings


def run_client(plan: Plan, client: Client, end: float, timings: list[Timing], seed: int) -> None:
    connection, chance = Connection(plan.port), random.Random(seed)
    number = chance.randrange(len(client))
    while time.monotonic() < end:
        name, text = client[number % len(client)]
        number += 1
        if plan.leaves_after:
            connection.begin(text)
            time.sleep(chance.random() * plan.leaves_after)
            connection.close()
            timings.append(Timing(name, 0, 0))
            continue
        try:
            timing = timed(connection, name, text)
        except (OSError, ValueError):  # the server cut the response short, or did not answer
            connection.close()
            timing = Timing(name, -1, 0)
        timings.append(timing)
        if timing.status in REFUSED and plan.obeys_retry_after:
            time.sleep(1)
