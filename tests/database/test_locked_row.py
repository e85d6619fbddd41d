"""A locked row does not block the site: requests that wait for it get 503 soon, and other requests are served."""

import os
import subprocess
import sys
import time
from ast import literal_eval
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.database.site import served

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

WRITERS, LIMIT = 12, 4  # seconds; a site has 5


def test_other_requests_are_served_while_twelve_wait_for_a_locked_row(upgraded, tmp_path):
    ((slug,),) = upgraded.rows("SELECT slug FROM recommendations_recommendation ORDER BY slug LIMIT 1")

    with served(upgraded, tmp_path / "log", LOCK_TIMEOUT=f"{LIMIT}s") as site, ThreadPoolExecutor(WRITERS) as threads:
        for _ in range(8):  # so that both workers have loaded the code and opened connections
            site.request("GET", "parties/?page_size=1")
        with upgraded.connect() as other, other.transaction():
            other.execute("SELECT FROM recommendations_recommendation WHERE slug = %s FOR UPDATE", [slug])
            waiting = [threads.submit(site.request, "PATCH", f"recommendations/{slug}/", {"details": f"{n}"}) for n in range(WRITERS)]
            while upgraded.rows("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")[0][0] < WRITERS // 2:
                time.sleep(0.01)
            paths = ("/healthz", "parties/?page_size=1", "agreements/?page_size=1", "/readyz", "/healthz")
            meanwhile = [site.request("GET", path).status for path in paths]
            answered_meanwhile = not all(write.done() for write in waiting)
            refused = [write.result(timeout=60) for write in waiting]
        again = site.request("PATCH", f"recommendations/{slug}/", {"details": "after"})

    assert meanwhile == [200] * 5
    assert answered_meanwhile
    assert {(response.status, response.body["code"], "Retry-After" in response.headers) for response in refused} == {(503, "busy", True)}
    assert again.status == 200


def test_only_the_web_server_has_timeouts():
    print_limits = "from django.conf import settings; print(settings.DATABASES['default']['SESSION_LIMITS'])"
    environment = {k: v for k, v in os.environ.items() if k not in ("LOCK_TIMEOUT", "STATEMENT_TIMEOUT")}

    def limits(first: str, url: str = "postgres://localhost/x") -> dict:
        code = f"{first}; {print_limits}"
        environ = environment | {"DATABASE_URL": url}
        return literal_eval(subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True).stdout)

    assert limits("import policytracker.wsgi") == {"statement_timeout": "30s", "lock_timeout": "5s"}
    assert limits("pass") == {}
    own = limits("import policytracker.wsgi", "postgres://localhost/x?options=-c%20lock_timeout%3D9s")
    assert own == {"statement_timeout": "30s"}, "DATABASE_URL takes precedence"
