"""Log lines: one JSON object per event, with its request and without confidential data."""

import json
import logging
import os
import subprocess
import sys
from itertools import count

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.http import HttpResponse
from django.test import Client, RequestFactory, override_settings
from django.urls import include, path

from policytracker.web import logs, requests
from tests.api.client import Api

SECRET = "swordfish"


def fail(request):
    raise RuntimeError("It is broken.")


def query(request):
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s", [SECRET])
    return HttpResponse()


urlpatterns = [
    path("api/v1/fail/", fail),
    path("fail/", fail),
    path("api/v1/query/", query),
    path("", include("policytracker.urls")),
]
handler500 = "policytracker.web.errors.server_error"


@pytest.fixture
def lines():
    """The log lines of the test."""
    written = []

    class Keep(logging.Handler):
        def emit(self, record):
            written.append(json.loads(logs.JsonFormatter().format(record)))

    handler, root = Keep(), logging.getLogger()
    handler.addFilter(logs.without_traceback_of_clients)
    before = root.level
    root.addHandler(handler)
    root.setLevel("INFO")
    yield written
    root.removeHandler(handler)
    root.setLevel(before)


@pytest.fixture
def broken_site():
    with override_settings(ROOT_URLCONF=__name__):
        yield Client(raise_request_exception=False)


def test_an_exception_is_logged_with_traceback_and_request(db, broken_site, lines):
    broken_site.get(f"/api/v1/fail/?password={SECRET}", headers={"X-Request-ID": "abc-1"})

    (line,) = [line for line in lines if "traceback" in line]
    assert (line["level"], line["logger"], line["method"], line["path"]) == ("ERROR", "django.request", "GET", "/api/v1/fail/")
    assert (line["request_id"], line["client"], line["user_id"]) == ("abc-1", "127.0.0.1", None)
    assert line["time"].endswith("+00:00")
    assert "RuntimeError: It is broken." in line["traceback"]
    assert SECRET not in json.dumps(line)


def test_an_exception_gives_json_under_the_api_and_a_page_elsewhere(db, broken_site):
    api, page = broken_site.get("/api/v1/fail/"), broken_site.get("/fail/")

    assert (api.status_code, api.json()["code"], set(api.json())) == (500, "server_error", {"code", "detail"})
    assert (page.status_code, page["Content-Type"]) == (500, "text/html; charset=utf-8")
    assert api["X-Request-ID"] and page["X-Request-ID"]


def test_an_exception_in_an_api_view_gives_json_and_is_logged_with_the_user(analyst, lines, monkeypatch):
    monkeypatch.setattr("recommendations.reports.views.queue", fail)
    api = Api(analyst)
    api.raise_request_exception = False

    response = api.get("me/")

    assert (response.status_code, response.json()["code"]) == (500, "server_error")
    assert [line["user_id"] for line in lines if "traceback" in line] == [analyst.pk]


@pytest.mark.parametrize("sent", ["abc", "3f2a:7/1+b=@_.-", "x" * 128])
def test_a_valid_request_id_is_kept(client, sent):
    assert client.get("/healthz", headers={"X-Request-ID": sent})["X-Request-ID"] == sent


@pytest.mark.parametrize("sent", ["", "x" * 129, "a b", 'a"b', "a\nb", "é", "<script>"])
def test_any_other_request_id_is_replaced(client, sent):
    first, second = (client.get("/healthz", headers={"X-Request-ID": sent})["X-Request-ID"] for _ in range(2))

    assert len(first) == len(second) == 32
    assert first != second


def test_each_request_is_logged_if_log_requests_is_set(client, lines):
    with override_settings(LOG_REQUESTS=True):
        client.get(f"/healthz?token={SECRET}")
    client.get("/healthz")

    (line,) = [line for line in lines if line["level"] == "INFO"]
    assert (line["message"], line["path"], line["status"]) == ("Request", "/healthz", 200)
    assert line["milliseconds"] >= 0
    assert SECRET not in json.dumps(line)


def test_a_slow_request_and_a_slow_statement_are_logged_without_values(db, broken_site, lines, monkeypatch):
    monkeypatch.setattr(requests, "perf_counter", count().__next__)  # each call returns one second more

    broken_site.get("/api/v1/query/")

    assert {line["message"] for line in lines} == {"Slow statement", "Slow request"}
    assert [line["milliseconds"] for line in lines if line.get("sql") == "SELECT %s"] == [1000]
    assert SECRET not in json.dumps(lines)


def test_slow_requests_are_not_logged_if_the_limit_is_zero(db, broken_site, lines, monkeypatch):
    monkeypatch.setattr(requests, "perf_counter", count().__next__)  # each call returns one second more

    with override_settings(LOG_SLOW_MS=0):
        broken_site.get("/api/v1/query/")

    assert lines == []


@pytest.mark.parametrize(
    "quoted",
    [
        f"DETAIL:  Failing row contains (1, {SECRET}\n{SECRET}).",
        f"LINE 1: SELECT '{SECRET}'\n        ^\nHINT:  Look it up.",
        f"CONTEXT:  COPY party, line 1: {SECRET}",
    ],
)
def test_rows_quoted_by_postgresql_are_removed_from_a_traceback(quoted):
    try:
        try:
            raise RuntimeError(f"null value violates a constraint\n{quoted}")
        except RuntimeError as error:
            raise ValueError("It cannot be saved.") from error
    except ValueError as error:
        record = logging.LogRecord("x", logging.ERROR, "", 0, "failed", None, (type(error), error, error.__traceback__))

    line = json.loads(logs.JsonFormatter().format(record))

    assert SECRET not in line["traceback"]
    assert "null value violates a constraint" in line["traceback"]
    assert "ValueError: It cannot be saved." in line["traceback"]


def test_a_log_line_needs_no_query(rf: RequestFactory, django_assert_num_queries, db):
    request = rf.get("/")
    request.id, request.user = "abc", AnonymousUser()

    with django_assert_num_queries(0):
        assert logs.describe(request)["user_id"] is None


def test_a_line_of_text_with_newlines_stays_one_line():
    record = logging.LogRecord("x", logging.INFO, "", 0, "a\nb\u2028c", None, None)

    assert len(logs.JsonFormatter().format(record).splitlines()) == 1


def test_a_suspicious_request_is_one_line_without_traceback(administrator, client, lines):
    client.force_login(administrator)

    response = client.get("/admin/policytracker/user/?tokens__digest=x", secure=True)

    (line,) = [line for line in lines if line["logger"].startswith("django.security")]
    assert (response.status_code, line["level"], line["path"]) == (400, "WARNING", "/admin/policytracker/user/")
    assert "traceback" not in line
    assert [line for line in lines if line["level"] == "ERROR"] == []


def test_a_wrong_filter_of_a_list_is_no_error(reader, client, lines):
    client.force_login(reader)

    response = client.get("/admin/agreements/agreement/?lead__password=x", secure=True)

    assert (response.status_code, response["Location"]) == (302, "/admin/agreements/agreement/?e=1")
    assert not [line for line in lines if "traceback" in line or line["level"] == "ERROR"]


def test_a_client_that_reads_too_slowly_is_one_line_without_traceback(lines):
    try:
        raise TimeoutError("timed out")
    except TimeoutError:
        logging.getLogger("gunicorn.error").exception("Socket error processing request.")

    assert [(line["level"], "traceback" in line) for line in lines] == [("WARNING", False)]


@pytest.mark.parametrize(("level", "shown"), [("DEBUG", 4), ("INFO", 3), ("WARNING", 2), ("ERROR", 1)])
def test_log_level_selects_the_events(level, shown):
    code = f"""import logging, logging.config
from policytracker.web import logs
logging.config.dictConfig(logs.configuration(terminal=False))
for number in {[10, 20, 30, 40]}: logging.getLogger("x").log(number, "an event")"""

    run = subprocess.run([sys.executable, "-c", code], env=os.environ | {"LOG_LEVEL": level}, capture_output=True, text=True, timeout=30)

    assert [json.loads(line)["message"] for line in run.stderr.splitlines()] == ["an event"] * shown
