"""The web server: settings from the environment, start and stop."""

import contextlib
import http.client
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from policytracker.settings import Environment
from policytracker.web import logs
from tests.platform.server import free_port

PROJECT = Path(__file__).parents[2]
GUNICORN = [sys.executable, "-m", "gunicorn"]


def environment(**changes):
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "PG_DATA_DIR") if name in os.environ}
    return kept | {"SECRET_KEY": "of a test"} | changes


def request(port, path, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    with contextlib.closing(connection):
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        response.read()
        return response


def test_the_environment_sets_address_workers_and_threads():
    def configuration(**changes):
        printed = subprocess.run(
            [*GUNICORN, "--print-config"], cwd=PROJECT, env=environment(**changes), capture_output=True, text=True, timeout=30
        )
        assert printed.returncode == 0, printed.stderr
        return dict(line.split("=", 1) for line in printed.stdout.replace(" ", "").splitlines() if "=" in line)

    unset, chosen = configuration(), configuration(BIND="0.0.0.0:80", WEB_CONCURRENCY="3", WEB_THREADS="5")

    assert [unset[name] for name in ("bind", "workers", "threads")] == ["['127.0.0.1:8000']", "2", "32"]
    assert [chosen[name] for name in ("bind", "workers", "threads")] == ["['0.0.0.0:80']", "3", "5"]


def test_parameters_of_the_database_url_reach_libpq():
    url = "postgres://u:p@db.example:6432/x?sslmode=verify-full&sslrootcert=/etc/ssl/ca.pem&target_session_attrs=read-write"
    code = "from django.db import connection; import json; print(json.dumps(connection.get_connection_params(), default=str))"

    printed = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", code],
        cwd=PROJECT, env=environment(DATABASE_URL=url), capture_output=True, text=True, timeout=60,
    )  # fmt: skip

    assert printed.returncode == 0, printed.stderr
    expected = {"sslmode": "verify-full", "sslrootcert": "/etc/ssl/ca.pem", "target_session_attrs": "read-write", "port": 6432}
    assert expected.items() <= json.loads(printed.stdout.splitlines()[-1]).items()


def test_a_missing_secret_key_gives_a_message_and_no_traceback(tmp_path):
    started = subprocess.run(
        GUNICORN, cwd=PROJECT, env=environment(SECRET_KEY="", PORT=str(free_port())), capture_output=True, text=True, timeout=30
    )

    assert started.returncode != 0
    assert "Set SECRET_KEY" in started.stderr
    assert "Traceback" not in started.stderr


def test_a_setting_of_the_wrong_type_gives_a_message_that_names_it(monkeypatch):
    monkeypatch.setenv("DB_POOL", "many")
    monkeypatch.setenv("LOG_LEVEL", "loud")

    with pytest.raises(ImproperlyConfigured, match="DB_POOL"):
        Environment().int("DB_POOL", 0)
    with pytest.raises(SystemExit, match="LOG_LEVEL"):
        logs.configuration(terminal=True)


@pytest.mark.parametrize(
    ("each", "all_together", "message"),
    [
        ("9s", "8s", "LOCK_TIMEOUT is longer than LOCK_TIMEOUT_TOTAL"),
        ("1min", "59000", "LOCK_TIMEOUT is longer than LOCK_TIMEOUT_TOTAL"),
        ("500ms", "soon", "LOCK_TIMEOUT_TOTAL is not valid"),
        ("8s", "8000ms", ""),
        ("9s", "0", ""),
        ("0", "8s", ""),
    ],
)
def test_a_site_whose_lock_timeout_is_longer_than_that_for_all_locks_does_not_start(each, all_together, message):
    started = subprocess.run(
        [sys.executable, "-c", "import policytracker.settings"],
        cwd=PROJECT,
        env=environment(LOCK_TIMEOUT=each, LOCK_TIMEOUT_TOTAL=all_together),
        capture_output=True,
        text=True,
        timeout=30,
    )

    assert (message in started.stderr, started.returncode) == (True, 1 if message else 0), started.stderr


@pytest.fixture
def server(tmp_path):
    """A server of the site with one worker, its port and its log. `SIGTERM` stops it."""
    port, log = free_port(), tmp_path / "log"
    with log.open("w") as stderr:
        process = subprocess.Popen(
            GUNICORN, cwd=PROJECT, env=environment(PORT=str(port), WEB_CONCURRENCY="1", ALLOWED_HOSTS="tracker.example"), stderr=stderr
        )
    for _ in range(300):
        with contextlib.suppress(OSError):
            request(port, "/healthz")
            break
        assert process.poll() is None, log.read_text()
        time.sleep(0.1)
    yield process, port, log
    process.kill()
    process.wait()


def test_start_and_stop_are_logged_as_json_lines_with_the_version(server):
    process, _, log = server

    process.terminate()
    assert process.wait(30) == 0

    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    messages = [line["message"] for line in lines]
    assert any(message.startswith("Policy Tracker 0.") and " started on 127.0.0.1:" in message for message in messages)
    assert messages[-1] == "Policy Tracker stopped"
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)


def test_without_a_proxy_a_forwarded_scheme_is_ignored(server):
    _, port, _ = server

    response = request(port, "/api/v1/me/", **{"Host": "tracker.example", "X-Forwarded-Proto": "https"})

    assert (response.status, response.headers["Location"]) == (301, "https://tracker.example/api/v1/me/")
