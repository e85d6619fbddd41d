"""The served site with too few connections, and while it stops."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from tests.database.site import served

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


@contextmanager
def waiting_write(site, database):
    """A write that waits during the block for a row which another transaction changes. Yields its future response."""
    ((slug,),) = database.rows("SELECT slug FROM recommendations_recommendation ORDER BY slug LIMIT 1")
    with ThreadPoolExecutor(1) as threads, database.connect() as other, other.transaction():
        other.execute("SELECT FROM recommendations_recommendation WHERE slug = %s FOR UPDATE", [slug])
        writing = threads.submit(site.request, "PATCH", f"recommendations/{slug}/", {"details": "x"})
        while not database.rows("SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"):
            time.sleep(0.01)
        yield writing


def test_a_request_without_a_free_connection_gets_503_with_retry_after(upgraded, tmp_path):
    with served(upgraded, tmp_path / "log", DB_POOL="1", WEB_CONCURRENCY="1", LOCK_TIMEOUT="20s", LOCK_TIMEOUT_TOTAL="20s") as site:
        with waiting_write(site, upgraded) as writing:
            refused = site.request("GET", "parties/")
            alive = site.request("GET", "/healthz")

        assert (refused.status, refused.body["code"], "Retry-After" in refused.headers) == (503, "unavailable", True)
        assert alive.status == 200
        assert writing.result().status == 200
        assert site.request("GET", "parties/").status == 200


def test_a_stopping_server_completes_the_running_requests(upgraded, tmp_path):
    with served(upgraded, tmp_path / "log", WEB_CONCURRENCY="1", LOCK_TIMEOUT="20s", LOCK_TIMEOUT_TOTAL="20s") as site:
        with waiting_write(site, upgraded) as writing:
            site.server.process.terminate()

        assert writing.result().status == 200
        assert site.server.process.wait(30) == 0
