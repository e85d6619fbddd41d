"""A private PostgreSQL in a folder of its own, for tests that stop and kill it."""

import contextlib
import io
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import psycopg
from django.core.management import CommandError, call_command

from tools import private_postgres as postgres

PROJECT = Path(__file__).parents[2]


class Result(NamedTuple):
    """What a command did."""

    returncode: int
    stdout: str
    stderr: str


class Server:
    """A private PostgreSQL in a folder, used through `manage.py pg`."""

    def __init__(self, folder):
        self.folder = folder

    def command(self, *arguments):
        return [sys.executable, "manage.py", "pg", *arguments]

    def environment(self, **changes):
        without = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
        return {**without, "PG_DATA_DIR": str(self.folder), **changes}

    def pg(self, *arguments, **changes) -> Result:
        """Run `manage.py pg` in this process, because a process of its own takes a second to start."""
        places = {"DATA": self.folder, "CLUSTER": self.folder / "cluster", "LOG": self.folder / "postgres.log"}
        output = io.StringIO()
        with patch.multiple(postgres, **places), patch.dict(os.environ, changes):
            os.environ.pop("DATABASE_URL", None)
            try:
                call_command("pg", *arguments, stdout=output)
            except CommandError as error:
                return Result(error.returncode, output.getvalue(), str(error))
        return Result(0, output.getvalue(), "")

    def start(self, **changes):
        started = self.pg("start", **changes)
        assert started.returncode == 0, started.stderr
        return started.stdout

    def query(self, sql, user="policytracker", database="policytracker"):
        """The first value that the statement returns, as text."""
        with psycopg.connect(host=str(self.folder / "socket"), user=user, dbname=database, autocommit=True) as connection:
            executed = connection.execute(sql)
            return str(executed.fetchone()[0]) if executed.description else ""

    @property
    def pid_file(self):
        return self.folder / "cluster" / "postmaster.pid"

    @property
    def pid(self):
        return int(self.pid_file.read_text().split("\n")[0])

    @property
    def sockets(self):
        return Path(self.pg("status").stdout.strip().rpartition("socket in ")[2].removesuffix("."))

    def kill(self):
        """Kill the main process. The other processes end when they notice it."""
        os.kill(self.pid, signal.SIGKILL)

    def kill_all(self):
        """Kill the main process and those that it started."""
        main = self.pid
        children = map(int, Path(f"/proc/{main}/task/{main}/children").read_text().split())
        for pid in [main, *children]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def private_server():
    """A server that is not started yet. It is stopped after the block, and its folder is removed."""
    # Not tmp_path, whose path is too long for a socket and which other users cannot enter.
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        Path(folder).chmod(0o755)
        server = Server(Path(folder) / "data")
        try:
            yield server
        finally:
            if server.pid_file.exists():
                server.pg("stop")
