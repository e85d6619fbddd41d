"""Dump a register into a file, and restore it into an empty database, by PostgreSQL's own programs."""
# ruff: noqa: S603 (what is run here is PostgreSQL's own programs)

import contextlib
import os
import re
import shutil
import subprocess
from pathlib import Path
from tempfile import NamedTemporaryFile

import psycopg
from django.db import connection
from django.db.backends.postgresql.client import DatabaseClient
from psycopg.sql import SQL, Identifier

from policytracker.devserver import postgres

# A dump empties the search path while it is restored. The date functions of version 0.1 do not find each other then.
EMPTY_PATH = b"SELECT pg_catalog.set_config('search_path', '', false);"
PUBLIC_PATH = b"SELECT pg_catalog.set_config('search_path', 'public', false);"
UNKNOWN_BEFORE_17 = b"SET transaction_timeout = 0;"
HEAD = 8192  # bytes within which a dump sets its parameters


class BackupError(Exception):
    """Why a register was not dumped or not restored, as a sentence. Nothing was changed then."""


def dump(file: Path) -> int:
    """Write the database into a new file that only its owner can read. Returns its size in bytes. Raises BackupError."""
    if file.exists():
        raise BackupError(f"{file} exists already. Choose another name.")
    with connect() as server:
        program = find("pg_dump", server.info.server_version // 10_000)
    partial = file.with_name(f"{file.name}.partial")
    try:
        partial.unlink(missing_ok=True)
        partial.touch(mode=0o600)  # pg_dump keeps the mode
        run([program, "--format=custom", "--no-owner", f"--file={partial}", *arguments()])
        size = partial.stat().st_size
        partial.rename(file)
    except OSError as error:
        raise BackupError(f"{file} cannot be written: {error.strerror}.") from error
    finally:
        partial.unlink(missing_ok=True)
    return size


def restore(file: Path, database: str = "") -> str:
    """Restore the file into an empty database of the server: the configured one, or another, which is made if it does not exist.

    All or nothing. Returns the database's name. Raises BackupError.
    """
    try:
        with file.open("rb") as dumped:
            if dumped.read(5) != b"PGDMP":
                raise BackupError(f"{file} is not a file of pg dump or pg_dump --format=custom. A file of SQL is restored by psql.")
    except OSError as error:
        raise BackupError(f"{file} cannot be read: {error.strerror}.") from error
    name = database or connection.settings_dict["NAME"]
    with connect(name) if exists(name) else made(name) as server:
        if found := contents(server):
            raise BackupError(
                f"The database {name} is not empty: it has {found} tables, functions or other objects. Nothing was changed. "
                "Restore into an empty one; --database names another, which is made if it does not exist."
            )
        version = server.info.server_version // 10_000
    program, psql = find("pg_restore", version), find("psql", version)
    listed = run([program, "--list", str(file)]).decode()
    with NamedTemporaryFile("w", suffix=".list") as chosen:
        # The comment of an extension belongs to the administrator of the server where the extension was there before.
        chosen.writelines(line for line in listed.splitlines(keepends=True) if " COMMENT - EXTENSION " not in line)
        chosen.flush()
        pipe([program, "--no-owner", "--no-privileges", f"--use-list={chosen.name}", "--file=-", str(file)], psql, name)
    return name


def pipe(reading: list[str], psql: str, name: str) -> None:
    """Run the SQL that a command writes, in one transaction that is only committed when the command has succeeded."""
    options = ["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--output=/dev/null"]
    with (
        NamedTemporaryFile() as complaints,
        subprocess.Popen(reading, stdout=subprocess.PIPE, stderr=complaints, env=environment()) as source,
        subprocess.Popen(
            [psql, *options, *arguments(name)], stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
        ) as target,
    ):  # fmt: skip
        assert source.stdout and target.stdin and target.stderr
        ended_early = False
        try:
            with target.stdin:
                target.stdin.write(b"BEGIN;\nSET client_min_messages = error;\n")
                head = source.stdout.read(HEAD)
                target.stdin.write(head.replace(EMPTY_PATH, PUBLIC_PATH, 1).replace(UNKNOWN_BEFORE_17, b"", 1))
                shutil.copyfileobj(source.stdout, target.stdin)
                if source.wait() == 0:
                    target.stdin.write(b"COMMIT;\nANALYZE;\n")
        except BrokenPipeError:
            ended_early = True  # psql says why, below
        source.stdout.close()
        refused = target.stderr.read().decode(errors="replace")
        if source.wait() and not ended_early:
            complaints.seek(0)
            raise BackupError(sentence(complaints.read().decode(errors="replace")))
        if target.wait():
            raise BackupError(sentence(refused))


def contents(server: psycopg.Connection) -> int:
    """How many tables, functions and types the database has that neither PostgreSQL nor an extension has made."""
    (number,) = server.execute(
        """SELECT count(*) FROM (
             SELECT oid, 'pg_class'::regclass AS of, relnamespace AS place FROM pg_class
             UNION ALL SELECT oid, 'pg_proc'::regclass, pronamespace FROM pg_proc
             UNION ALL SELECT oid, 'pg_type'::regclass, typnamespace FROM pg_type WHERE typrelid = 0 AND typelem = 0
           ) AS object JOIN pg_namespace n ON n.oid = place
           WHERE nspname NOT IN ('pg_catalog', 'information_schema') AND nspname NOT LIKE 'pg\\_t%'
             AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = of AND objid = object.oid AND deptype = 'e')"""
    ).fetchall()[0]
    return number


# ---- the server and its programs


def connect(name: str = "") -> psycopg.Connection:
    """A connection of its own to a database of the configured server. Raises BackupError."""
    parameters = connection.copy().get_connection_params()
    try:
        return psycopg.connect(**parameters | ({"dbname": name} if name else {}), autocommit=True)
    except psycopg.OperationalError as error:
        raise BackupError(f"The database cannot be reached: {' '.join(str(error).split())}") from error


def exists(name: str) -> bool:
    if name == connection.settings_dict["NAME"]:
        return True  # or else connecting says so
    with connect() as server:
        return server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is not None


def made(name: str) -> psycopg.Connection:
    """A connection to a new database, owned by the role that we connect as."""
    try:
        with connect() as server:
            server.execute(SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8'").format(Identifier(name)))
    except psycopg.errors.InsufficientPrivilege as error:
        raise BackupError(f"There is no database {name}, and this role may not make one. The administrator of the server may.") from error
    return connect(name)


def arguments(name: str = "") -> list[str]:
    """How PostgreSQL's programs connect."""
    database = connection.settings_dict | ({"NAME": name} if name else {})
    return DatabaseClient.settings_to_cmd_args_env(database, ["--no-password"])[0][1:]


def environment() -> dict[str, str]:
    return {**os.environ, **(DatabaseClient.settings_to_cmd_args_env(connection.settings_dict, [])[1] or {})}


def find(program: str, server: int) -> str:
    """The program for a server of this major version: of the same version if there is one, else of a newer. Raises BackupError."""
    places = [folder / program for folder in postgres.folders()]
    if not os.environ.get("PG_BIN") and (on_path := shutil.which(program)):
        places.append(Path(on_path))
    versions: dict[Path, int] = {}
    for place in places:
        with contextlib.suppress(OSError):
            answer = subprocess.run([place, "--version"], capture_output=True, text=True)
            if version := re.search(r"\(PostgreSQL\) (\d+)", answer.stdout):
                versions[place] = int(version[1])
    fitting = [place for place, version in versions.items() if version == server]
    fitting += [place for place, version in versions.items() if version > server]
    if not fitting:
        there = ", ".join(f"{place} of version {version}" for place, version in versions.items()) or "none"
        raise BackupError(
            f"{program} of version {server} or newer is needed, as the server is of version {server}; found: {there}. "
            "Install your distribution's PostgreSQL client of that version, or set PG_BIN to the folder of its programs."
        )
    return str(fitting[0])


def run(command: list[str]) -> bytes:
    """What the program writes. Raises BackupError with what it complains of."""
    done = subprocess.run(command, capture_output=True, env=environment())
    if done.returncode:
        raise BackupError(sentence(done.stderr.decode(errors="replace")))
    return done.stdout


def sentence(complaint: str) -> str:
    """The first line of what a program of PostgreSQL complains of."""
    return complaint.strip().split("\n")[0] or "The program ended without a message."
