"""The private PostgreSQL, from the outside: `manage.py pg` in a folder of its own."""

import contextlib
import multiprocessing
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg
import pytest

from policytracker.devserver import postgres

PROJECT = Path(__file__).parents[2]


class Server:
    """A private PostgreSQL in a folder, and what a person can do with it."""

    def __init__(self, folder):
        self.folder = folder

    def command(self, *arguments):
        return [sys.executable, "manage.py", "pg", *arguments]

    def surroundings(self, **changes):
        without = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
        return {**without, "PG_DATA_DIR": str(self.folder), **changes}

    def pg(self, *arguments, **changes):
        """Runs `manage.py pg`. It ends only when everybody let go of its output, so a server that kept it would show."""
        return subprocess.run(
            self.command(*arguments), cwd=PROJECT, env=self.surroundings(**changes),
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip

    def start(self, **changes):
        started = self.pg("start", **changes)
        assert started.returncode == 0, started.stderr
        return started.stdout

    def ask(self, question):
        answer = self.pg("psql", "-Atc", question)
        assert answer.returncode == 0, answer.stderr
        return answer.stdout.strip()

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
        os.kill(self.pid, signal.SIGKILL)


def refused(answer, sentence):
    """Whether a command ended in one sentence that says so."""
    told = answer.stderr.strip()
    return answer.returncode == 1 and sentence in told and "Traceback" not in told and "\n" not in told


@pytest.fixture
def server():
    # Not tmp_path, which is too long for a socket and closed to other users.
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        Path(folder).chmod(0o755)
        server = Server(Path(folder) / "data")
        yield server
        server.pg("stop")


@pytest.fixture
def remote_server(server):
    """A server whose folder has a path that no socket can have."""
    server.folder = server.folder / ("far" * 40)
    owner = os.geteuid()
    before = set(Path("/tmp").glob(f"policytracker-{owner}-*"))
    yield server
    server.pg("stop")
    for sockets in set(Path("/tmp").glob(f"policytracker-{owner}-*")) - before:
        shutil.rmtree(sockets)


def test_a_started_server_has_the_database_and_listens_to_its_owner_only(server):
    server.start()

    assert server.apply("SELECT datcollate FROM pg_database WHERE datname = current_database()") == "C.UTF-8"
    assert server.apply("SHOW listen_addresses") == ""
    assert server.apply("SHOW fsync") == "on"
    assert stat.S_IMODE((server.folder / "socket").stat().st_mode) == 0o700
    assert stat.S_IMODE((server.folder / "cluster").stat().st_mode) == 0o700
    assert os.getsid(server.pid) == server.pid, "Ctrl-C in our terminal would end it"


def test_whoever_asks_without_a_server_is_told_so_and_nothing_is_made(server):
    status, prompt, stop = server.pg("status"), server.pg("psql"), server.pg("stop")

    assert status.returncode == 3
    assert refused(prompt, "PostgreSQL is not running.")
    assert stop.returncode == 0
    assert not server.folder.exists()


def test_what_was_committed_survives_kill_9(server):
    server.start()
    server.apply("CREATE TABLE fact AS SELECT 42 AS answer")

    server.kill()
    server.start()

    assert server.apply("SELECT answer FROM fact") == "42"


def test_a_long_query_of_a_killed_server_does_not_keep_the_next_one_waiting(server):
    server.start()
    query = subprocess.Popen(
        server.command("psql", "-c", "SELECT 'begun'", "-c", "SELECT count(*) FROM generate_series(1, 100000000000)"),
        cwd=PROJECT, env=server.surroundings(PYTHONUNBUFFERED="1"), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    query.stdout.readline()

    server.kill()
    said = server.start()
    query.communicate(timeout=10)

    assert said.startswith("Started")


def test_a_stale_pid_file_that_names_another_process_harms_neither(server):
    server.start()
    server.kill()
    other = subprocess.Popen(["sleep", "60"])
    for file in (server.pid_file, server.folder / "socket/.s.PGSQL.5432.lock"):
        _, _, rest = file.read_text().partition("\n")
        file.write_text(f"{other.pid}\n{rest}")

    running, stopped, said = server.pg("status"), server.pg("stop"), server.start()

    assert running.returncode == 3
    assert stopped.returncode == 0
    assert said.startswith("Started")
    assert other.poll() is None
    other.kill()
    other.wait()


def test_started_many_times_at_once_there_is_one_server(server):
    starts = [
        subprocess.Popen(server.command("start"), cwd=PROJECT, env=server.surroundings(), stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    said = sorted(start.communicate(timeout=60)[0].split(":")[0] for start in starts)

    assert [start.returncode for start in starts] == [0, 0, 0]
    assert said == ["Already running", "Already running", "Started"]


def test_what_an_interrupted_making_left_is_made_again(server):
    (server.folder / "cluster.new").mkdir(parents=True)
    (server.folder / "cluster.new" / "PG_VERSION").touch()

    server.start()

    assert server.apply("SELECT 1") == "1"


def test_a_database_that_an_interrupted_reset_dropped_is_made_again(server):
    server.start()
    server.pg("psql", "-U", "postgres", "-d", "postgres", "-c", "DROP DATABASE policytracker")

    server.start()

    assert server.apply("SELECT current_database()") == "policytracker"


def test_the_data_of_another_version_are_left_alone(server):
    cluster = server.folder / "cluster"
    cluster.mkdir(parents=True)
    (cluster / "PG_VERSION").write_text("12\n")
    before = traces(server.folder)

    answer = server.pg("start")

    assert refused(answer, "was made by PostgreSQL 12")
    assert traces(server.folder) == before


def test_a_folder_that_holds_something_else_is_left_alone(server):
    cluster = server.folder / "cluster"
    cluster.mkdir(parents=True)
    cluster.chmod(0o755)
    server.folder.chmod(0o750)

    answer = server.pg("start")

    assert refused(answer, "is not a PostgreSQL data folder")
    assert stat.S_IMODE(cluster.stat().st_mode) == 0o755
    assert stat.S_IMODE(server.folder.stat().st_mode) == 0o750


def test_a_path_too_long_for_a_socket_gets_a_short_private_one(remote_server):
    remote_server.start()

    sockets = remote_server.sockets
    assert sockets.parent == Path("/tmp")
    assert stat.S_IMODE(sockets.stat().st_mode) == 0o700


def test_a_short_socket_folder_that_others_can_enter_is_refused(remote_server):
    remote_server.start()
    sockets = remote_server.sockets
    remote_server.pg("stop")
    sockets.chmod(0o755)

    answer = remote_server.pg("start")

    assert refused(answer, "alone can enter")
    assert stat.S_IMODE(sockets.stat().st_mode) == 0o755


def test_programs_that_are_not_there_are_named(server):
    answer = server.pg("start", PG_BIN="/nowhere")

    assert refused(answer, "No PostgreSQL server was found in /nowhere")
    assert not server.folder.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start it as somebody else")
def test_root_without_namespaces_hands_the_server_to_an_unprivileged_user(server):
    tools = server.folder.parent / "tools"
    tools.mkdir()
    (tools / "test").symlink_to("/usr/bin/test")
    if not reachable(postgres.programs()[0]):
        pytest.skip("the server's programs lie where only root can go")

    server.start(PATH=str(tools))

    owner = (server.folder / "cluster").stat().st_uid
    assert owner != 0
    assert Path(f"/proc/{server.pid}").stat().st_uid == owner
    assert server.apply("SELECT 1") == "1"


@pytest.mark.skipif(os.geteuid() != 0, reason="every other test here runs as an ordinary user")
def test_an_ordinary_user_starts_and_stops_it(server, monkeypatch):
    if not reachable(postgres.programs()[0]):
        pytest.skip("the server's programs lie where only root can go")
    server.folder.mkdir()
    shutil.chown(server.folder, "nobody")
    monkeypatch.setattr(postgres, "DATA", server.folder)
    monkeypatch.setattr(postgres, "CLUSTER", server.folder / "cluster")
    monkeypatch.setattr(postgres, "LOG", server.folder / "postgres.log")

    # A fork, since the interpreter itself may lie where an ordinary user cannot go.
    user = multiprocessing.get_context("fork").Process(target=start_and_stop_as, args=["nobody"])
    user.start()
    user.join(60)

    assert user.exitcode == 0
    assert (server.folder / "cluster").stat().st_uid == pwd.getpwnam("nobody").pw_uid


def start_and_stop_as(name):
    user = pwd.getpwnam(name)
    os.setgroups([])
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
    assert postgres.start()
    where = postgres.connection()
    with contextlib.closing(psycopg.connect(host=where["HOST"], port=where["PORT"], user=where["USER"])) as connection:
        assert connection.execute("SELECT current_database()").fetchone() == (where["NAME"],)
    assert postgres.stop()


def traces(folder):
    """What touching the folder would change."""
    return {path: (path.stat().st_mode, path.stat().st_uid, path.stat().st_mtime_ns) for path in [folder, *folder.rglob("*")]}


def reachable(folder):
    """Whether nobody can run the programs in the folder."""
    try:
        return subprocess.run([folder / "postgres", "--version"], user="nobody", capture_output=True).returncode == 0
    except PermissionError:
        return False
