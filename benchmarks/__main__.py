"""The command line: `python -m benchmarks measure` and `python -m benchmarks load`, without a command what `make bench` does."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from pathlib import Path

from benchmarks.site import configure


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks", description="Benchmarks over HTTP.")
    commands = parser.add_subparsers(dest="command")

    measure = commands.add_parser("measure", help="compare our responses with those of the rivals, and measure them")
    measure.add_argument("--database-url", required=True, help="a register with the users of benchmarks.build, which is written to")
    measure.add_argument("--ways", default="ours,hand,plain")
    measure.add_argument("--roles", default="administrator,analyst,officer")
    measure.add_argument("--requests", default="", help="only requests whose name contains this text")
    measure.add_argument("--rounds", type=int, default=5)
    measure.add_argument("--seconds", type=float, default=1, help="scale of the length of a round")
    measure.add_argument("--json", type=Path, help="write the results to this file")

    load = commands.add_parser("load", help="measure details and lists while other clients ask for expensive responses")
    load.add_argument("--database-url", default="", help="a register with the users of benchmarks.build; default: one of `make bench`")
    load.add_argument("--percent", type=int, choices=[1, 10, 100], default=10, help="the size of that register")
    load.add_argument("--minutes", type=float, default=1)
    load.add_argument("--heavy", type=int, default=20, help="number of clients with expensive requests")
    load.add_argument("--leaving", type=int, help="number of clients that hang up; default: 4 if it runs for 2 minutes or longer")
    load.add_argument("--obey-retry-after", action="store_true", help="wait a second after each 429 and 503 instead of repeating at once")

    parser.add_argument("--quick", action="store_true", help="1 %% and 10 %%, as an administrator")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the servers are stopped
    configure(options.database_url if options.command else "")
    if options.command == "load" and not options.database_url:
        from benchmarks import databases

        # Django keeps the database that it was configured with, so this starts again with another one.
        os.execv(sys.executable, [sys.executable, "-m", "benchmarks", *sys.argv[1:], "--database-url", databases.prepare(options.percent)])  # noqa: S606
    {"measure": run_measure, "load": run_load, None: run_all}[options.command](options)


# Imported here, because the modules import models.


def run_measure(options: argparse.Namespace) -> None:
    from benchmarks.measure import Different, measure

    try:
        results = measure(options.ways.split(","), options.roles.split(","), options.rounds, options.seconds, options.requests)
    except Different as error:
        sys.exit(str(error))
    if options.json:
        options.json.write_text(json.dumps(results))


def run_load(options: argparse.Namespace) -> None:
    from benchmarks.load import LEAVING, measure

    leaving = options.leaving if options.leaving is not None else LEAVING * (options.minutes >= 2)
    for line in measure(60 * options.minutes, options.heavy, options.obey_retry_after, leaving):
        sys.stdout.write(f"{line}\n")


def run_all(options: argparse.Namespace) -> None:
    from benchmarks.report import run

    run(options.quick)


if __name__ == "__main__":
    main()
