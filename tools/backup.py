"""Dumps the database into a file and restores it into an empty database, with pg_dump and pg_restore."""
# ruff: noqa: S603 (the commands are PostgreSQL's programs)

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
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from psycopg.sql import SQL, Identifier

from tools import private_postgres as postgres

# A dump sets an empty search path. The date functions of version 0.1 call each other without a schema and need the path.
EMPTY_PATH = b"SELECT pg_catalog.set_config('search_path', '', false);"
PUBLIC_PATH = b"SELECT pg_catalog.set_config('search_path', 'public', false);"
UNKNOWN_BEFORE_17 = b"SET transaction_timeout = 0;"
NOT_EMPTY = gettext_lazy(
    "The database {database} is not empty: it contains {number} tables, functions or other objects. Nothing was changed. "
    "Restore into an empty database. The option --database names another one and creates it if it does not exist."
)
PROGRAM_REQUIRED = gettext_lazy(
    "{program} {version} or newer is required, because the server has version {version}. Found: {installed}. "
    "Install your distribution's PostgreSQL client of that version, or set PG_BIN to the folder with its programs."
)
HEAD = 8192  # bytes; a dump sets its parameters within them


class BackupError(Exception):
    """The dump or restore failed. Nothing was changed. The message is for people."""


def dump(file: Path) -> int:
    """Write the database into a new file that only its owner can read. Returns its size in bytes. Raises BackupError."""
    if file.exists():
        raise BackupError(_("{file} already exists. Choose another name.").format(file=file))
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
        raise BackupError(_("{file} cannot be written: {reason}.").format(file=file, reason=error.strerror)) from error
    finally:
        partial.unlink(missing_ok=True)
    return size


def restore(file: Path, database: str = "") -> str:
    """Restore the file, in one transaction, into an empty database: the configured one, or `database`, which is created if missing.

    Returns the name of the database. Raises BackupError.
    """
    try:
        with file.open("rb") as dumped:
            if dumped.read(5) != b"PGDMP":
                raise BackupError(
                    _("{file} was not written by pg dump or pg_dump --format=custom. Use psql to restore an SQL file.").format(file=file)
                )
    except OSError as error:
        raise BackupError(_("{file} cannot be read: {reason}.").format(file=file, reason=error.strerror)) from error
    name = database or connection.settings_dict["NAME"]
    with connect(name) if exists(name) else create_database(name) as server:
        if count := count_objects(server):
            raise BackupError(NOT_EMPTY.format(database=name, number=count))
        version = server.info.server_version // 10_000
    program, psql = find("pg_restore", version), find("psql", version)
    listed = run([program, "--list", str(file)]).decode()
    with NamedTemporaryFile("w", suffix=".list") as contents:
        # Only the owner of an extension may comment on it, and that may be the administrator of the server.
        contents.writelines(line for line in listed.splitlines(keepends=True) if " COMMENT - EXTENSION " not in line)
        contents.flush()
        pipe([program, "--no-owner", "--no-privileges", f"--use-list={contents.name}", "--file=-", str(file)], psql, name)
    return name


def pipe(command: list[str], psql: str, name: str) -> None:
    """Run the SQL that `command` writes, in one transaction that is committed only if the command succeeds."""
    options = ["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--output=/dev/null"]
    with (
        NamedTemporaryFile() as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env=environment()) as source,
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
            ended_early = True  # psql reports why, below
        source.stdout.close()
        psql_errors = target.stderr.read().decode(errors="replace")
        if source.wait() and not ended_early:
            errors.seek(0)
            raise BackupError(first_line(errors.read().decode(errors="replace")))
        if target.wait():
            raise BackupError(first_line(psql_errors))


def count_objects(server: psycopg.Connection) -> int:
    """The number of tables, functions and types that do not belong to PostgreSQL or an extension."""
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


# ---- server and programs


def connect(name: str = "") -> psycopg.Connection:
    """A new connection to a database of the configured server. Raises BackupError."""
    parameters = connection.copy().get_connection_params()
    try:
        return psycopg.connect(**parameters | ({"dbname": name} if name else {}), autocommit=True)
    except psycopg.OperationalError as error:
        raise BackupError(_("The database cannot be reached: {reason}").format(reason=" ".join(str(error).split()))) from error


def exists(name: str) -> bool:
    if name == connection.settings_dict["NAME"]:
        return True  # otherwise connect() reports it
    with connect() as server:
        return server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is not None


def create_database(name: str) -> psycopg.Connection:
    """Create the database. Returns a connection to it. Raises BackupError."""
    try:
        with connect() as server:
            server.execute(SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8'").format(Identifier(name)))
    except psycopg.errors.InsufficientPrivilege as error:
        raise BackupError(
            _("The database {database} does not exist, and this role may not create it. Ask the administrator of the server.").format(
                database=name
            )
        ) from error
    return connect(name)


def arguments(name: str = "") -> list[str]:
    """The command line options that connect PostgreSQL's programs to the database."""
    database = connection.settings_dict | ({"NAME": name} if name else {})
    return DatabaseClient.settings_to_cmd_args_env(database, ["--no-password"])[0][1:]


def environment() -> dict[str, str]:
    return {**os.environ, **(DatabaseClient.settings_to_cmd_args_env(connection.settings_dict, [])[1] or {})}


def find(program: str, server: int) -> str:
    """The path of a program for a server of this major version: the same version, else a newer one. Raises BackupError."""
    candidates = [folder / program for folder in postgres.folders()]
    if not os.environ.get("PG_BIN") and (on_path := shutil.which(program)):
        candidates.append(Path(on_path))
    versions: dict[Path, int] = {}
    for path in candidates:
        with contextlib.suppress(OSError):
            result = subprocess.run([path, "--version"], capture_output=True, text=True)
            if version := re.search(r"\(PostgreSQL\) (\d+)", result.stdout):
                versions[path] = int(version[1])
    suitable = [path for path, version in versions.items() if version == server]
    suitable += [path for path, version in versions.items() if version > server]
    if not suitable:
        installed = [_("{program} (version {version})").format(program=path, version=version) for path, version in versions.items()]
        raise BackupError(PROGRAM_REQUIRED.format(program=program, version=server, installed=", ".join(installed) or _("none")))
    return str(suitable[0])


def run(command: list[str]) -> bytes:
    """The output of the program. Raises BackupError with its first error message."""
    done = subprocess.run(command, capture_output=True, env=environment())
    if done.returncode:
        raise BackupError(first_line(done.stderr.decode(errors="replace")))
    return done.stdout


def first_line(output: str) -> str:
    """The first line of the error output of a program."""
    return output.strip().split("\n")[0] or _("The program ended without a message.")
