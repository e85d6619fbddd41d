"""Behind PgBouncer, in session and in transaction mode, every request gets the right response."""

import os
import shutil
import socket
import subprocess
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection
from itertools import cycle, islice
from uuid import uuid4

import psycopg
import pytest
from django.db import connection

from tests.database.conftest import Database
from tests.database.site import served
from tools import private_postgres as postgres

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db,
    pytest.mark.skipif(not PGBOUNCER, reason="pgbouncer is not installed: apt-get install pgbouncer"),
]
REQUESTS, CLIENTS = (1000, 8) if os.environ.get("THOROUGH") else (160, 8)
MODES = {"session": "1", "transaction": "0"}  # and the DB_PREPARE that goes with each
LISTS = ["parties", "agreements", "sources", "components", "recommendations", "participations", "citations", "progress-updates"]


class Pooled(Database):
    """The database, reached through a pooler."""

    port: int

    @property
    def url(self) -> str:
        return f"postgres://policytracker@127.0.0.1:{self.port}/{self.name}"


@contextmanager
def pooler(database: Database, mode: str, folder):
    """PgBouncer with fewer server connections than the site opens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    at = connection.settings_dict
    server = " ".join(
        f"{key}={at[name]}" for key, name in [("host", "HOST"), ("port", "PORT"), ("user", "USER"), ("password", "PASSWORD")] if at[name]
    )
    file = folder / "pgbouncer.ini"
    file.write_text(
        f"[databases]\n{database.name} = {server} dbname={database.name}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = {mode}\n"
        f"default_pool_size = {5 if mode == 'transaction' else 40}\n"
    )
    command, identity = postgres.unprivileged() if postgres.CLUSTER.exists() else ([], {})
    with (folder / "pgbouncer.log").open("w") as log:
        running = subprocess.Popen([*command, PGBOUNCER, str(file)], stdout=log, stderr=log, cwd="/", **identity)
        try:
            pooled = Pooled(database.name)
            pooled.port = port
            wait_for(pooled, running, folder / "pgbouncer.log")
            yield pooled
        finally:
            running.kill()
            running.wait()


def wait_for(pooled, running, log) -> None:
    for _ in range(200):
        assert running.poll() is None, log.read_text()
        try:
            pooled.rows("SELECT 1")
            return
        except psycopg.OperationalError:
            time.sleep(0.05)
    raise AssertionError(log.read_text())


@pytest.fixture(scope="module", params=MODES)
def site(request, upgraded, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    with (
        pooler(upgraded, request.param, folder) as pooled,
        served(pooled, folder / "log", DB_PREPARE=MODES[request.param], HEAVY_REQUESTS="8") as made,
    ):
        yield made


def test_every_concurrent_request_gets_its_own_response(site, upgraded):
    keys = {address: site.request("GET", f"{address}/?page_size=3").body["results"] for address in LISTS}
    batch = uuid4().hex[:12]
    slugs = [row["slug"] for row in keys["recommendations"]]

    def send(number: int, address: str) -> str:
        kind = number % 4
        if kind == 0:  # a write
            code = f"{batch}-{number}"
            response = site.request("POST", "sectors/", {"code": code, "name": f"Sector {number}"})
            ok = response.status == 201 and response.body["code"] == code
        elif kind == 1:
            row = keys[address][number % len(keys[address])]
            key = row.get("slug") or row.get("code") or row["uid"]
            response = site.request("GET", f"{address}/{key}/")
            ok = response.status == 200 and response.body["url"] == row["url"]
        elif kind == 2:
            response = site.request("PATCH", f"recommendations/{slugs[number % len(slugs)]}/", {"details": f"Number {number}"})
            ok = response.status == 200 and response.body["details"] == f"Number {number}"
        else:
            response = site.request("GET", f"{address}/?page_size={5 + number % 7}&ordering=")
            ok = response.status == 200 and all(row["url"].split("/")[-3] == address for row in response.body["results"])
        return "ok" if ok else f"{kind} {address} {response.status} {str(response.body)[:300]}"

    with ThreadPoolExecutor(CLIENTS) as threads:
        results = Counter(threads.map(send, range(REQUESTS), islice(cycle(LISTS * 2 + LISTS[:1]), REQUESTS)))

    assert results == {"ok": REQUESTS}
    written = upgraded.rows("SELECT count(*) FROM agreements_sector WHERE code LIKE %s", f"{batch}-%")
    assert written == [(REQUESTS // 4,)]


def when_free(site, path: str):
    """The response to a heavy request. All requests of these tests come from one user, who has two turns."""
    while (response := site.request("GET", path)).status == 429:
        time.sleep(0.05)
    return response


def rows_of_export(site, address: str) -> list[str]:
    """The lines of an export of the list."""
    http = HTTPConnection(*site.address, timeout=60)
    with closing(http):
        http.request("GET", f"/api/v1/{address}/?format=ndjson", headers={"Authorization": f"Bearer {site.token}"})
        response = http.getresponse()
        text = response.read().decode()
    if response.status == 429:
        time.sleep(0.05)
        return rows_of_export(site, address)
    return text.splitlines()


def test_statements_that_depend_on_each_other_reach_one_connection(site):
    """Settings of a transaction (`as_of`), COPY (exports), locks (lists), and positions in the history (the feed) work concurrently."""
    count = site.request("GET", "parties/?page_size=1").body["count"]
    agreement = site.request("GET", "agreements/?page_size=1").body["results"][0]["slug"]
    now, batch = datetime.now(UTC).isoformat().replace("+00:00", "Z"), uuid4().hex[:12]
    start = site.request("GET", f"changes/?since={now}").body["cursor"]

    def send(number: int) -> bool:
        match number % 6:
            case 0:
                return when_free(site, "parties/?page_size=1&as_of=2001-01-01").body["count"] == 0
            case 1:
                return len(rows_of_export(site, "parties")) == count
            case 2:
                codes = [f"{batch}-{number}-{row}" for row in range(5)]
                body = [{"code": code, "name": code} for code in codes]
                created = [site.request("POST", "sectors/", body, **{"Idempotency-Key": f"{batch}-{number}"}) for _ in range(2)]
                return all(response.status == 201 and [row["code"] for row in response.body] == codes for response in created)
            case 3:
                return when_free(site, "summary/?group_by=agreement&page_size=1").status == 200
            case 4:
                return when_free(site, "checks/?page_size=1").status == 200
            case _:
                return when_free(site, f"agreements/{agreement}/dossier/").body["agreement"]["slug"] == agreement

    with ThreadPoolExecutor(CLIENTS) as threads:
        results = Counter(zip((number % 6 for number in range(30)), threads.map(send, range(30)), strict=True))

    assert results == {(kind, True): 5 for kind in range(6)}
    changed = site.request("GET", f"changes/?cursor={start}&resource=sectors&page_size=500").body["results"]
    assert len([entry for entry in changed if entry["key"].startswith(batch)]) == 25


@pytest.mark.parametrize(("mode", "prepare"), MODES.items())
def test_timeouts_apply_and_do_not_reach_other_clients(mode, prepare, upgraded, tmp_path):
    ((slug,),) = upgraded.rows("SELECT slug FROM recommendations_recommendation ORDER BY slug LIMIT 1")

    with (
        pooler(upgraded, mode, tmp_path) as pooled,
        served(pooled, tmp_path / "log", DB_PREPARE=prepare, LOCK_TIMEOUT="300ms", WEB_CONCURRENCY="1") as site,
        upgraded.connect() as other,
        other.transaction(),
    ):
        other.execute("SELECT FROM recommendations_recommendation WHERE slug = %s FOR UPDATE", [slug])

        refused = site.request("PATCH", f"recommendations/{slug}/", {"details": "x"})

        assert (refused.status, refused.body["code"]) == (503, "busy")
        assert pooled.rows("SHOW lock_timeout") == [("0",)]
