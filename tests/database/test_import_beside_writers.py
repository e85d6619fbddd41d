"""An import of a large table lets others write: only writes to its own records wait, and get the reason."""

import csv
import os
import threading
import time

import psycopg
import pytest

from policytracker.records.context import IMPORT_LOCK
from tests.database.site import served

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

ROWS = int(os.environ.get("IMPORT_ROWS", "100000" if os.environ.get("THOROUGH") else "10000"))
IMPORT_RUNS = f"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = {IMPORT_LOCK}"


@pytest.fixture
def site(upgraded, tmp_path):
    with served(upgraded, tmp_path / "log", LOCK_TIMEOUT="1s") as site:
        yield site


def import_file(tmp_path, agreement: str, held: str, prefix: str, rows: int):
    """A table that changes one recommendation, adds others with a parent, and ends with one that waits for the test."""
    path = tmp_path / f"{prefix}.csv"
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["slug", "key_action", "agreements", "parent"])
        table.writerow([held, f"Changed by the import {prefix}", agreement, ""])
        for number in range(rows - 1):
            table.writerow([f"{prefix}-{number}", f"Action {number}", agreement, held])
    return path


def wait_until_it_writes(database, importing, slug: str) -> None:
    """Wait until the import has locked its first record."""
    with database.connect() as other:
        while importing.poll() is None:
            try:
                with other.transaction():
                    other.execute("SELECT FROM recommendations_recommendation WHERE slug = %s FOR NO KEY UPDATE NOWAIT", [slug])
            except psycopg.errors.LockNotAvailable:
                return
            time.sleep(0.02)
    raise AssertionError(f"The import has ended already: {importing.communicate()[0]}")


def test_writes_beside_an_import_are_answered_and_those_to_its_records_say_why(site, upgraded, tmp_path):
    prefix = f"import-{time.time_ns()}"
    agreement = upgraded.rows("SELECT slug FROM agreements_agreement WHERE publication = 'published' ORDER BY slug LIMIT 1")[0][0]
    made = {name: f"{name}-{prefix}" for name in ("held", "edited", "parent")}
    for slug in made.values():
        assert site.request("POST", "recommendations/", {"slug": slug, "key_action": slug}).status == 201
    party = upgraded.rows("SELECT code FROM agreements_party WHERE kind = 'state' ORDER BY code LIMIT 1")[0][0]
    path = import_file(tmp_path, agreement, made["held"], prefix, ROWS)
    importing = upgraded.start("import_table", str(path), "--resource", "recommendations")
    refused = []

    def write(number: int) -> None:
        """Writes of several kinds, each of which has a rule over several records."""
        year = f"{1000 + number}"
        for kind, method, address, body in [
            ("edit", "PATCH", f"recommendations/{made['edited']}/", {"details": f"Edit {number}"}),
            ("parent", "PATCH", f"recommendations/{made['edited']}/", {"parent": [made["parent"], None][number % 2]}),
            ("new", "POST", "recommendations/", {"slug": f"own-{prefix}-{number}", "key_action": "Own", "parent": made["parent"]}),
            ("action", "POST", "treaty-actions/", {"agreement": agreement, "kind": "announcement", "party": party, "acted_on": year}),
            ("party", "PATCH", f"parties/{party}/", {"name": f"Party {number}"}),
            ("list", "POST", "sectors/", [{"code": f"s{time.time_ns()}-{n}", "name": "S"} for n in range(20)]),
        ]:
            response = site.request(method, address, body)
            assert response.status in (200, 201), (kind, response)  # 503 where it waits longer than LOCK_TIMEOUT

    def write_what_the_import_holds() -> None:
        refused.append(site.request("PATCH", f"recommendations/{made['held']}/", {"details": "Mine"}))

    wait_until_it_writes(upgraded, importing, made["held"])
    waiting = threading.Thread(target=write_what_the_import_holds)
    waiting.start()
    number = 0
    while importing.poll() is None:
        write(number)
        number += 1
    waiting.join(timeout=60)
    output, _ = importing.communicate(timeout=60)

    assert importing.returncode == 0, output
    assert upgraded.rows(IMPORT_RUNS) == [(0,)]
    assert number > 3
    (answer,) = refused
    assert (answer.status, answer.body["code"], "Retry-After" in answer.headers) == (503, "busy", True)
    assert "import" in answer.body["detail"]
