"""The private PostgreSQL: `manage.py pg` with its own data folder."""

import contextlib
import multiprocessing
import os
import pwd
import shutil
import signal
import stat
import subprocess
from pathlib import Path
from threading import Timer

import psycopg
import pytest

from tests.database.private_postgres import PROJECT, private_server
from tools import private_postgres as postgres

pytestmark = pytest.mark.slow


def is_refused(result, message):
    """Whether the command failed with one line that contains the message."""
    output = result.stderr.strip()
    return result.returncode == 1 and message in output and "\n" not in output


@pytest.fixture
def server():
    with private_server() as server:
        yield server


@pytest.fixture
def remote_server(server):
    """A server in a folder whose path is too long for a socket."""
    server.folder = server.folder / ("far" * 40)
    owner = os.geteuid()
    before = set(Path("/tmp").glob(f"policytracker-{owner}-*"))
    yield server
    server.pg("stop")
    for sockets in set(Path("/tmp").glob(f"policytracker-{owner}-*")) - before:
        shutil.rmtree(sockets)


def test_a_started_server_has_the_database_and_accepts_only_its_owner(server):
    server.start()

    assert server.query("SELECT datcollate FROM pg_database WHERE datname = current_database()") == "C.UTF-8"
    assert server.query("SHOW listen_addresses") == ""
    assert server.query("SHOW fsync") == "on"
    assert stat.S_IMODE((server.folder / "socket").stat().st_mode) == 0o700
    assert stat.S_IMODE((server.folder / "cluster").stat().st_mode) == 0o700
    assert os.getsid(server.pid) == server.pid, "Ctrl-C in our terminal would end it"


def test_without_a_server_commands_report_it_and_create_nothing(server):
    status, prompt, stop = server.pg("status"), server.pg("psql"), server.pg("stop")

    assert status.returncode == 3
    assert is_refused(prompt, "PostgreSQL is not running.")
    assert stop.returncode == 0
    assert not server.folder.exists()


def test_committed_data_survives_kill_9(server):
    server.start()
    server.query("CREATE TABLE fact AS SELECT 42 AS answer")

    server.kill()
    server.start()

    assert server.query("SELECT answer FROM fact") == "42"


def test_a_long_query_of_a_killed_server_does_not_delay_the_next_start(server):
    server.start()
    query = subprocess.Popen(
        server.command("psql", "-c", "SELECT 'begun'", "-c", "SELECT count(*) FROM generate_series(1, 100000000000)"),
        cwd=PROJECT, env=server.environment(PYTHONUNBUFFERED="1"), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    query.stdout.readline()

    server.kill()
    output = server.start()
    query.communicate(timeout=10)

    assert output.startswith("Started")


def test_a_start_beside_a_server_that_is_being_killed_starts_another_one(server):
    server.start()
    os.kill(server.pid, signal.SIGSTOP)
    killed = Timer(0.5, server.kill_all)
    killed.start()

    output = server.start()

    assert output.startswith("Started")
    assert server.query("SELECT 1") == "1"
    killed.join()


def test_a_stale_pid_file_with_the_id_of_another_process_is_ignored(server):
    server.start()
    server.kill()
    other = subprocess.Popen(["sleep", "60"])
    for file in (server.pid_file, server.folder / "socket/.s.PGSQL.5432.lock"):
        _, _, rest = file.read_text().partition("\n")
        file.write_text(f"{other.pid}\n{rest}")

    running, stopped, output = server.pg("status"), server.pg("stop"), server.start()

    assert running.returncode == 3
    assert stopped.returncode == 0
    assert output.startswith("Started")
    assert other.poll() is None
    other.kill()
    other.wait()


def test_concurrent_starts_start_one_server(server):
    starts = [
        subprocess.Popen(server.command("start"), cwd=PROJECT, env=server.environment(), stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    output = sorted(start.communicate(timeout=60)[0].split(":")[0] for start in starts)

    assert [start.returncode for start in starts] == [0, 0, 0]
    assert output == ["Already running", "Already running", "Started"]


def test_an_incomplete_cluster_is_created_again(server):
    (server.folder / "cluster.new").mkdir(parents=True)
    (server.folder / "cluster.new" / "PG_VERSION").touch()

    server.start()

    assert server.query("SELECT 1") == "1"


def test_a_missing_database_is_created_again(server):
    server.start()
    server.query("DROP DATABASE policytracker", "postgres", "postgres")

    server.start()

    assert server.query("SELECT current_database()") == "policytracker"


def test_a_cluster_of_another_version_is_not_changed(server):
    cluster = server.folder / "cluster"
    cluster.mkdir(parents=True)
    (cluster / "PG_VERSION").write_text("12\n")
    before = traces(server.folder)

    result = server.pg("start")

    assert is_refused(result, "was created by PostgreSQL 12")
    assert traces(server.folder) == before


def test_a_folder_with_other_contents_is_not_changed(server):
    cluster = server.folder / "cluster"
    cluster.mkdir(parents=True)
    cluster.chmod(0o755)
    server.folder.chmod(0o750)

    result = server.pg("start")

    assert is_refused(result, "is not a PostgreSQL data folder")
    assert stat.S_IMODE(cluster.stat().st_mode) == 0o755
    assert stat.S_IMODE(server.folder.stat().st_mode) == 0o750


def test_a_long_path_gets_a_private_socket_folder_in_tmp(remote_server):
    remote_server.start()

    sockets = remote_server.sockets
    assert sockets.parent == Path("/tmp")
    assert stat.S_IMODE(sockets.stat().st_mode) == 0o700


def test_a_short_socket_folder_that_others_can_enter_is_refused(remote_server):
    remote_server.start()
    sockets = remote_server.sockets
    remote_server.pg("stop")
    sockets.chmod(0o755)

    result = remote_server.pg("start")

    assert is_refused(result, "can enter. Move it away.")
    assert stat.S_IMODE(sockets.stat().st_mode) == 0o755


def test_missing_programs_are_reported_with_the_searched_folder(server):
    result = server.pg("start", PG_BIN="/nowhere")

    assert is_refused(result, "No PostgreSQL server was found in /nowhere")
    assert not server.folder.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start it as another user")
def test_root_without_namespaces_hands_the_server_to_an_unprivileged_user(server):
    tools = server.folder.parent / "tools"
    tools.mkdir()
    (tools / "test").symlink_to("/usr/bin/test")
    if not reachable(postgres.programs()[0]):
        pytest.skip("only root can run the server's programs")

    server.start(PATH=str(tools))

    owner = (server.folder / "cluster").stat().st_uid
    assert owner != 0
    assert Path(f"/proc/{server.pid}").stat().st_uid == owner
    assert server.query("SELECT 1") == "1"


@pytest.mark.skipif(os.geteuid() != 0, reason="every other test here runs as an ordinary user")
def test_an_ordinary_user_starts_and_stops_it(server, monkeypatch):
    if not reachable(postgres.programs()[0]):
        pytest.skip("only root can run the server's programs")
    server.folder.mkdir()
    shutil.chown(server.folder, "nobody")
    monkeypatch.setattr(postgres, "DATA", server.folder)
    monkeypatch.setattr(postgres, "CLUSTER", server.folder / "cluster")
    monkeypatch.setattr(postgres, "LOG", server.folder / "postgres.log")

    # A fork, because an ordinary user may not be able to run the interpreter.
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
    """Mode, owner and time of all files below the folder."""
    return {path: (path.stat().st_mode, path.stat().st_uid, path.stat().st_mtime_ns) for path in [folder, *folder.rglob("*")]}


def reachable(folder):
    """Whether the user `nobody` can run the programs in the folder."""
    try:
        return subprocess.run([folder / "postgres", "--version"], user="nobody", capture_output=True).returncode == 0
    except PermissionError:
        return False
