"""The site that is measured: its settings, its gunicorn, and what its processes use."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryFile

ROOT = Path(__file__).parent.parent
WORKERS, THREADS = 2, 32  # the defaults of gunicorn.conf.py; every server has the same
OURS = [sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py"]
START_TIMEOUT = 120  # seconds
TICK = os.sysconf("SC_CLK_TCK")


def configure(database_url: str = "") -> None:
    """Use the settings of production, and this database, in this process and in the servers that it starts. Sets Django up."""
    # Production runs behind a proxy that ends TLS; the requests carry the headers of such a proxy.
    os.environ |= {"DEBUG": "0", "BEHIND_PROXY": "1", "DJANGO_SETTINGS_MODULE": "policytracker.settings"}
    os.environ["SECRET_KEY"] = secrets.token_urlsafe(50)  # servers must accept the sessions and cursors that this process signs
    if database_url:
        os.environ["DATABASE_URL"] = database_url
    import django

    django.setup()


class Server:
    """A running gunicorn. `name` is used in messages; the command is given `--bind`."""

    def __init__(self, name: str, command: list[str], workers: int = WORKERS):
        self.name, self.expected_workers = name, workers
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.log = TemporaryFile()  # noqa: SIM115 - closed by stop()
        environment = os.environ | {"WEB_CONCURRENCY": str(workers), "WEB_THREADS": str(THREADS), "BIND": f"127.0.0.1:{self.port}"}
        self.process = subprocess.Popen(  # noqa: S603 - our own command
            [*command, "--bind", f"127.0.0.1:{self.port}"],
            cwd=ROOT,
            env=environment,
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,
        )

    def __enter__(self) -> Server:
        deadline = time.monotonic() + START_TIMEOUT
        while len(self.workers()) < self.expected_workers or not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"The server {self.name} did not start:\n{self.end_of_log()}")
            time.sleep(0.1)
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                return connection.recv(4) == b"HTTP"
        except OSError:
            return False

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()

    def end_of_log(self) -> str:
        self.log.seek(0)
        return self.log.read()[-3000:].decode(errors="replace")

    def workers(self) -> list[int]:
        return children(self.process.pid)

    def cpu_seconds(self) -> float:
        return sum(cpu_seconds(pid) for pid in [self.process.pid, *self.workers()])

    def memory(self) -> list[int]:
        """The resident memory of each worker in MB."""
        return [int(status(pid)["VmRSS"].split()[0]) // 1024 for pid in self.workers()]

    def open_files(self) -> list[int]:
        return [len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in self.workers()]


# ---- processes, from /proc


def children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name: state, parent and so on. Empty if the process has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def status(pid: int) -> dict[str, str]:
    return dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())


def cpu_seconds(pid: int, with_ended_children: bool = False) -> float:
    """The CPU time of a process, user and system, and optionally that of its children that have ended."""
    fields = stat(pid)
    return sum(map(int, fields[11 : 15 if with_ended_children else 13])) / TICK if fields else 0.0


class Postgres:
    """The processes of the database server, if it runs on this machine. Includes background and parallel workers."""

    def __init__(self) -> None:
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            (backend,) = cursor.fetchone()
        name = status(backend)["Name"] if Path(f"/proc/{backend}").exists() else ""
        self.postmaster = int(stat(backend)[1]) if name.startswith("postgres") else 0

    def cpu_seconds(self) -> float | None:
        if not self.postmaster:
            return None
        return cpu_seconds(self.postmaster, with_ended_children=True) + sum(map(cpu_seconds, children(self.postmaster)))
