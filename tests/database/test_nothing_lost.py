"""Web server, database and import are killed with SIGKILL: every acknowledged write is stored, and none is stored in part."""

import os
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPException
from itertools import count
from random import Random
from threading import Event
from typing import Any
from urllib.parse import quote

import pytest

from tests.database.conftest import Database, restore_baseline
from tests.database.private_postgres import Server, private_server
from tests.database.site import Response, Site, served

pytestmark = pytest.mark.slow
SITE_KILLS, DATABASE_KILLS, IMPORT_KILLS = 10, 6, 4
LIST, ROWS = 20, 2000  # records of a posted list; rows of an imported file
WAIT = 60  # seconds, for a busy machine; a start takes a few
SEED = int(os.environ.get("SEED") or time.time_ns() % 1_000_000)


@pytest.fixture
def random(request) -> Random:
    """The random moments of the kills. pytest shows the seed of a failed test; the environment variable SEED sets it."""
    print(f"SEED={SEED}")
    return Random(f"{SEED} {request.node.name}")


class PrivateDatabase(Database):
    """The database of a private server, which can be killed."""

    def __init__(self, server: Server):
        super().__init__("policytracker")
        self.server = server
        self.host = quote(str(server.sockets), safe="")

    @property
    def url(self) -> str:
        return f"postgres://policytracker@{self.host}/{self.name}"


@pytest.fixture(scope="module")
def database() -> Iterator[PrivateDatabase]:
    with private_server() as server:
        server.start()
        assert [server.query(f"SHOW {setting}") for setting in ("fsync", "synchronous_commit", "full_page_writes")] == ["on"] * 3
        made = PrivateDatabase(server)
        restore_baseline(made)
        migrated = made.manage("migrate")
        assert migrated.returncode == 0, migrated.stderr
        yield made


def wait_until(condition, message: str) -> None:
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline, message
        time.sleep(0.01)


def assert_no_transaction_is_open(database: PrivateDatabase) -> None:
    open_transactions = """SELECT (SELECT count(*) FROM pg_stat_activity WHERE xact_start IS NOT NULL AND pid <> pg_backend_pid()
        AND backend_type = 'client backend') + (SELECT count(*) FROM pg_prepared_xacts)"""
    wait_until(lambda: database.rows(open_transactions) == [(0,)], "A transaction is open.")


def assert_complete_history(database: PrivateDatabase, table: str) -> None:
    """Each row has one entry for its creation and one for each later version, and no entry is without a row."""
    history = f"""SELECT count(*), count(record.id), count(*) FILTER (WHERE record.version = entries.versions AND entries.created = 1)
        FROM {table} AS record FULL JOIN (
            SELECT row_id AS id, count(*) AS versions, count(*) FILTER (WHERE op = 'insert') AS created
            FROM policytracker_change WHERE tbl = '{table}' GROUP BY row_id
        ) AS entries USING (id)"""
    ((total, records, complete),) = database.rows(history)
    assert total == records == complete, table


# ---- kills of the web server and the database, under writers


class Writer:
    """Sends requests of one kind until it is stopped, and notes what was acknowledged."""

    def __init__(self, site: Site):
        self.site = site
        self.acknowledged: list[Any] = []

    def run(self, stop: Event) -> None:
        for number in count(1):
            if stop.is_set():
                return
            self.write(number)

    def write(self, number: int) -> None:
        raise NotImplementedError

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Response | None:
        """The response to an accepted request. None if the server was killed, or could not do it now."""
        try:
            response = self.site.request(method, path, body, **headers)
        except (OSError, HTTPException):
            return None
        if 200 <= response.status < 300:
            return response
        expected = {(503, "unavailable"), (503, "busy"), (409, "conflict"), (409, "in_progress"), (412, "stale")}
        assert (response.status, response.body.get("code")) in expected, (method, path, response)
        time.sleep(0.05)
        return None


class Single(Writer):
    """Creates records."""

    def write(self, number):
        code = f"single-{number}"
        if self.send("POST", "sectors/", {"code": code, "name": f"Sector {number}"}):
            self.acknowledged.append(code)


class Lists(Writer):
    """Creates lists of records."""

    def write(self, number):
        records = [{"code": f"list-{number}-{index}", "name": f"Area {index}"} for index in range(LIST)]
        if self.send("POST", "focus-areas/", records):
            self.acknowledged.append(number)


class Counter(Writer):
    """Adds 1 to a number in a text, which another writer changes too. Writes only if it is still the number that was read."""

    PATH = "sectors/counter/"

    def write(self, number):
        if read := self.send("GET", self.PATH):
            after = int(read.body["description"]) + 1
            if self.send("PATCH", self.PATH, {"description": str(after)}, **{"If-Match": read.headers["ETag"]}):
                self.acknowledged.append(after)


class Reports(Writer):
    """Reports progress with evidence. Repeats each report with its key until it is acknowledged."""

    PATH = "recommendations/reported/progress/"

    def __init__(self, site: Site, source: str, day: str):
        super().__init__(site)
        self.source, self.day = source, day

    def write(self, number):
        report = {
            "kind": "assessment",
            "status": "in_progress" if number % 2 else "stalled",
            "reported_on": self.day,
            "narrative": f"Report {number}",
            "evidence": [{"source": self.source, "locator": f"p. {page}"} for page in (1, 2)],
        }
        response = None
        deadline = time.monotonic() + WAIT
        while not response:
            assert time.monotonic() < deadline, "The report was not accepted in time."
            response = self.send("POST", self.PATH, report, **{"Idempotency-Key": f"report-{number}"})
        self.acknowledged.append(response.body["update"]["uid"])


@contextmanager
def running(writers: list[Writer]) -> Iterator[list[Future]]:
    stop = Event()
    with ThreadPoolExecutor(len(writers)) as threads:
        runs = [threads.submit(writer.run, stop) for writer in writers]
        try:
            yield runs
        finally:
            stop.set()
    for run in runs:
        run.result()


def wait_for_writes(writers: list[Writer], runs: list[Future]) -> None:
    """Wait until each writer had a write acknowledged since this call."""
    before = [len(writer.acknowledged) for writer in writers]

    def all_wrote() -> bool:
        for run in runs:
            if run.done():
                run.result()
        return all(len(writer.acknowledged) > number for writer, number in zip(writers, before, strict=True))

    wait_until(all_wrote, "A writer had no write acknowledged.")


def wait_until_ready(site: Site) -> None:
    def ready() -> bool:
        try:
            return site.request("GET", "/readyz").status == 200
        except (OSError, HTTPException):
            return False

    wait_until(ready, "The site is not ready.")


def test_acknowledged_writes_survive_kills_of_the_web_server_and_the_database(database, random, tmp_path):
    with served(database, tmp_path / "log", LOCK_TIMEOUT="5s") as site:
        ((source, day),) = database.rows("SELECT slug, current_date::text FROM agreements_source ORDER BY slug LIMIT 1")
        assert site.request("POST", "sectors/", {"code": "counter", "name": "Counter", "description": "0"}).status == 201
        recommendation = {"slug": "reported", "key_action": "Act", "publication": "published"}
        assert site.request("POST", "recommendations/", recommendation).status == 201
        single, lists, counters, reports = Single(site), Lists(site), [Counter(site), Counter(site)], Reports(site, source, day)
        writers = [single, lists, *counters, reports]
        victims = [site.server] * SITE_KILLS + [database.server] * DATABASE_KILLS
        random.shuffle(victims)

        with running(writers) as runs:
            for victim in victims:
                wait_for_writes(writers, runs)
                time.sleep(random.uniform(0, 0.3))
                victim.kill_all()
                victim.start()
                wait_until_ready(site)
            wait_for_writes(writers, runs)

        assert_no_transaction_is_open(database)

    stored = {code for (code,) in database.rows("SELECT code FROM agreements_sector WHERE code LIKE 'single-%'")}
    assert stored >= set(single.acknowledged)

    sizes = dict(
        database.rows("SELECT split_part(code, '-', 2)::int, count(*) FROM agreements_focusarea WHERE code LIKE 'list-%' GROUP BY 1")
    )
    assert set(sizes.values()) == {LIST}
    assert sizes.keys() >= set(lists.acknowledged)

    ((last,),) = database.rows("SELECT description::int FROM agreements_sector WHERE code = 'counter'")
    steps = database.rows(
        """SELECT (before ->> 'description')::int FROM policytracker_change WHERE tbl = 'agreements_sector' AND op = 'update'
        AND row_id = (SELECT id FROM agreements_sector WHERE code = 'counter') ORDER BY id"""
    )
    acknowledged = [*counters[0].acknowledged, *counters[1].acknowledged]
    assert steps == [(number,) for number in range(last)]
    assert len(acknowledged) == len(set(acknowledged))
    assert set(acknowledged) <= set(range(1, last + 1))

    updates = database.rows(
        """SELECT u.uid::text, u.narrative, count(e.id) FROM recommendations_progressupdate u
        LEFT JOIN recommendations_evidence e ON e.update_id = u.id WHERE u.narrative LIKE 'Report %' GROUP BY u.id ORDER BY u.id"""
    )
    assert updates == [(uid, f"Report {number}", 2) for number, uid in enumerate(reports.acknowledged, 1)]
    status = "in_progress" if len(updates) % 2 else "stalled"
    assert database.rows("SELECT status FROM recommendations_recommendation WHERE slug = 'reported'") == [(status,)]
    assert database.manage("recompute_status", "--check").returncode == 0

    for table in ("agreements_sector", "agreements_focusarea", "recommendations_recommendation", "recommendations_progressupdate"):
        assert_complete_history(database, table)


# ---- kills of an import, and of the database under it


def imported(database: PrivateDatabase, name: str) -> tuple[int, int]:
    """How many recommendations of the file are stored, and how many links of them to sectors."""
    return database.rows(
        f"""SELECT count(DISTINCT r.id), count(s.id) FROM recommendations_recommendation r
        LEFT JOIN recommendations_recommendation_sectors s ON s.recommendation_id = r.id WHERE r.slug LIKE '{name}-%'"""
    )[0]


@pytest.mark.parametrize("number", range(IMPORT_KILLS))
def test_a_killed_import_writes_all_rows_or_none_and_can_be_repeated(number, database, random, tmp_path):
    name, (sector, *_) = f"import-{number}", database.rows("SELECT code FROM agreements_sector ORDER BY id LIMIT 1")[0]
    file = tmp_path / "table.csv"
    lines = [f"{name}-{row},Action {row},{sector}" for row in range(ROWS)]
    file.write_text("\n".join(["slug,key_action,sectors", *lines]))
    command = ("import_table", str(file), "--resource", "recommendations")

    running_import = database.start(*command)
    try:
        writing = "SELECT count(*) FROM pg_stat_activity WHERE backend_xid IS NOT NULL"
        wait_until(lambda: running_import.poll() is not None or database.rows(writing) != [(0,)], "The import does not write.")
        time.sleep(random.uniform(0, 0.5))
        if number % 2:
            database.server.kill_all()
            database.server.start()
        else:
            running_import.kill()
        output, _ = running_import.communicate(timeout=WAIT)
    finally:
        running_import.kill()

    assert_no_transaction_is_open(database)
    stored = imported(database, name)
    assert stored in [(0, 0), (ROWS, ROWS)]
    assert stored == (ROWS, ROWS) or running_import.returncode != 0, output

    repeated = database.manage(*command)

    assert repeated.returncode == 0, repeated.stdout + repeated.stderr
    assert imported(database, name) == (ROWS, ROWS)
    assert_complete_history(database, "recommendations_recommendation")
