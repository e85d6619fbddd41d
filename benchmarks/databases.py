"""The databases of the benchmark, next to that of DATABASE_URL. Each is built once, and again if the builder or a migration changed."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote, urlencode

import psycopg
from django.conf import settings

HERE = Path(__file__).parent
MARK = "Benchmark data"  # the comment of a benchmark database begins with it
FULL_SIZE = 250_000  # recommendations at 100 %


def fingerprint() -> str:
    """A hash of the builder and the migrations."""
    files = [*sorted((HERE / "build").glob("*.py")), *sorted(HERE.parent.glob("*/migrations/*.py"))]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


def url(name: str) -> str:
    """The URL of the database of this name on the server of DATABASE_URL."""
    database = settings.DATABASES["default"]
    user = quote(database["USER"]) + (f":{quote(database['PASSWORD'], safe='')}" if database["PASSWORD"] else "")
    port = f":{database['PORT']}" if database["PORT"] else ""
    options = {key: value for key, value in database["OPTIONS"].items() if isinstance(value, str) and key != "application_name"}
    return f"postgres://{user}@{quote(database['HOST'], safe='')}{port}/{name}{f'?{urlencode(options)}' if options else ''}"


def prepare(percent: int) -> str:
    """The URL of the database of this size. Builds it if there is none, or an outdated one."""
    server = settings.DATABASES["default"]["NAME"]
    name, size = f"{server}_bench_{percent}", FULL_SIZE * percent // 100
    mark = f"{MARK}: {size} recommendations, {fingerprint()}"
    with psycopg.connect(url(server), autocommit=True) as connection:
        find = "SELECT coalesce(shobj_description(oid, 'pg_database'), '') FROM pg_database WHERE datname = %s"
        found = connection.execute(find, [name]).fetchone()
        if found == (mark,):
            return url(name)
        if found and not found[0].startswith(MARK):
            sys.exit(f"The database {name} exists and is not a benchmark database. Rename it.")
        connection.execute(f'DROP DATABASE IF EXISTS "{name}"')
        connection.execute(f"CREATE DATABASE \"{name}\" TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8'")
        connection.execute(f"COMMENT ON DATABASE \"{name}\" IS '{MARK}, incomplete'")
        start = time.perf_counter()
        print(f"Building a register of {size:,} recommendations in the database {name}", flush=True)
        environment = os.environ | {"DATABASE_URL": url(name)}
        for command in (["manage.py", "migrate", "--verbosity=0"], ["-m", "benchmarks.build", f"--recommendations={size}"]):
            subprocess.run([sys.executable, *command], env=environment, cwd=HERE.parent, check=True)  # noqa: S603 - our own commands
        connection.execute(f"COMMENT ON DATABASE \"{name}\" IS '{mark}'")
    print(f"Built in {time.perf_counter() - start:.0f} s.", flush=True)
    return url(name)
