"""Concurrent requests to a real gunicorn: one of several conflicting writes succeeds, and no write is lost."""

import json
import os
import socket
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from http.client import HTTPConnection
from threading import Barrier
from urllib.parse import quote

import pytest
from django.conf import settings
from django.db import connection

from agreements.models import Source
from recommendations.models import Evidence, ProgressUpdate, Recommendation
from tests.conftest import make_user
from tests.make import agreeing_percent, make_recommendation, make_source

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

ROUNDS = 500 if os.environ.get("THOROUGH") else 40
THREADS = 8
TODAY = date.today()
ENDINGS = ["implemented", "addressed_otherwise", "closed_not_implemented", "withdrawn", "superseded", "no_longer_applicable"]
OPEN = ["proposed", "planned", "in_progress", "partly_implemented", "largely_implemented", "stalled", "not_assessed"]


def address_of_the_test_database() -> str:
    at = connection.settings_dict
    host, user = quote(at["HOST"], safe=""), quote(at["USER"])
    password, port = f":{quote(at['PASSWORD'])}" if at["PASSWORD"] else "", f":{at['PORT']}" if at["PORT"] else ""
    return f"postgres://{user}{password}@{host}{port}/{at['NAME']}"


@pytest.fixture(scope="module")
def site(django_db_setup, tmp_path_factory):
    """The site, served by gunicorn on the test database: (host, port)."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=128)
    log = (tmp_path_factory.mktemp("gunicorn") / "log").open("w+")
    server = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "--bind", f"fd://{listening.fileno()}", "--threads", str(THREADS)],
        cwd=settings.BASE_DIR,
        env={k: v for k, v in os.environ.items() if k != "GREETING"}
        | {"DJANGO_SETTINGS_MODULE": "tests.settings", "DATABASE_URL": address_of_the_test_database(), "DB_POOL": str(THREADS)},
        pass_fds=[listening.fileno()],
        stdout=log,
        stderr=log,
    )
    try:
        assert request(listening.getsockname(), "GET", "/readyz") == (200, {"status": "ok"})
        yield listening.getsockname()
    finally:
        listening.close()
        server.terminate()
        try:
            server.wait(timeout=15)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        log.seek(0)
        assert "Traceback" not in log.read()


def request(site, method: str, path: str, body: dict | None = None, **headers: str) -> tuple[int, dict]:
    """Send one request on its own connection. Returns the status and the body."""
    http = HTTPConnection(*site, timeout=60)
    try:
        sent = {name.replace("_", "-"): value for name, value in headers.items()} | {"Content-Type": "application/json"}
        http.request(method, path if path.startswith("/") else f"/api/v1/{path}", json.dumps(body or {}), sent)
        response = http.getresponse()
        return response.status, json.loads(response.read())
    finally:
        http.close()


@pytest.fixture
def users(site):
    """Two analysts and four reviewers, each with request headers."""
    credentials = {}
    for name in ("anna", "adam", "vera", "vito", "vala", "vuk"):
        make_user(name, "analyst" if name.startswith("a") else "reviewer")
        status, token = request(site, "POST", "auth/tokens/", {"username": name, "password": "a long pass phrase"})
        assert status == 201
        credentials[name] = {"Authorization": f"Bearer {token['token']}"}
    return credentials


def at_once(site, requests: list[tuple[str, dict, dict]]) -> list[tuple[int, dict]]:
    """Send all requests (path, body, headers) at the same time. Returns the status and body of each."""
    start = Barrier(len(requests))

    def send(path: str, body: dict, headers: dict) -> tuple[int, dict]:
        start.wait(timeout=60)
        return request(site, "POST", path, body, **headers)

    with ThreadPoolExecutor(len(requests)) as threads:
        return [waiting.result(timeout=120) for waiting in [threads.submit(send, *request) for request in requests]]


def submitted(recommendation: Recommendation, status: str, author, source) -> ProgressUpdate:
    """A submitted update with a terminal status, which a second person must approve."""
    update = ProgressUpdate.objects.create(
        recommendation=recommendation, status=status, reported_on=TODAY, narrative="So it ended.", author=author, review="draft"
    )
    Evidence.objects.create(update=update, source=source)
    ProgressUpdate.objects.filter(pk=update.pk).update(review="submitted")
    return update


def test_one_of_several_contradictory_decisions_succeeds_and_the_others_get_the_reason(site, users):
    author, source, replacing = ProgressUpdate.author.field.related_model.objects.get(username="anna"), make_source(), make_recommendation()
    reviewers, outcomes = ["vera", "vito", "vala", "vuk"], Counter()
    for number in range(ROUNDS):
        recommendation = make_recommendation(superseded_by=replacing)
        updates = [submitted(recommendation, status, author, source) for status in ENDINGS]
        # Six updates with terminal statuses, two of which are approved by two people each.
        wanted = [*updates, updates[number % 6], updates[(number + 1) % 6]]

        responses = at_once(site, [(f"progress-updates/{u.uid}/approve/", {}, users[reviewers[n % 4]]) for n, u in enumerate(wanted)])

        won = [update for update, (status, _) in zip(wanted, responses, strict=True) if status == 200]
        assert len(won) == 1, responses
        for update, (status, response) in zip(wanted, responses, strict=True):
            if status != 200:
                expected = "already_reviewed" if update == won[0] else "reason_required"
                assert (status, [unmet["code"] for unmet in response["unmet"]]) == (409, [expected]), response
                outcomes[response["code"]] += 1
        recommendation.refresh_from_db()
        assert recommendation.status == won[0].status
        assert list(recommendation.updates.filter(review="approved")) == won
        assert recommendation.version == 2
    assert outcomes.total() == (THREADS - 1) * ROUNDS


def test_one_of_several_writes_of_the_same_version_succeeds(site, users):
    for number in range(ROUNDS):
        recommendation = make_recommendation()
        statuses = [*OPEN, OPEN[number % 7]]

        responses = at_once(
            site,
            [
                (
                    f"recommendations/{recommendation.slug}/progress/",
                    {"status": status, "narrative": "Found.", "progress_percent": agreeing_percent(status, n)},
                    users[["anna", "adam"][n % 2]] | {"If_Match": '"1"'},
                )
                for n, status in enumerate(statuses)
            ],
        )

        won = [response for status, response in responses if status == 201]
        lost = [(status, response["code"], response["current_version"]) for status, response in responses if status != 201]
        assert len(won) == 1, responses
        assert lost == [(412, "stale", 2)] * (THREADS - 1)
        recommendation.refresh_from_db()
        assert (recommendation.status, recommendation.version) == (won[0]["update"]["status"], 2)
        assert str(recommendation.updates.get().uid) == won[0]["update"]["uid"]


def test_two_concurrent_approvals_approve_once(site, users):
    author, source = ProgressUpdate.author.field.related_model.objects.get(username="anna"), make_source()
    for _ in range(ROUNDS // 4):
        update = submitted(make_recommendation(), "withdrawn", author, source)
        path = f"progress-updates/{update.uid}/approve/"

        responses = at_once(site, [(path, {}, users["vera"]), (path, {}, users["vito"])])

        (_, one), (_, other) = sorted(responses, key=lambda response: response[0])
        assert sorted(status for status, _ in responses) == [200, 409]
        assert one["update"]["review"] == "approved"
        assert other["code"] == "already_reviewed"
        assert [unmet["code"] for unmet in other["unmet"]] == ["already_reviewed"]


def test_thirty_concurrent_writes_are_all_stored(site, users):
    recommendation = make_recommendation()
    page = {"url": "https://news.example/the-same-page", "title": "A page without citations"}
    path = f"recommendations/{recommendation.slug}/progress/"

    responses = at_once(
        site,
        [
            (
                path,
                {"status": "in_progress", "narrative": f"Number {n}.", "progress_percent": n, "evidence": [page | {"quote": f"{n}"}]},
                users[["anna", "adam", "vera"][n % 3]],
            )
            for n in range(30)
        ],
    )

    assert [status for status, _ in responses] == [201] * 30, responses
    recommendation.refresh_from_db()
    assert sorted(recommendation.updates.values_list("narrative", flat=True)) == sorted(f"Number {n}." for n in range(30))
    assert recommendation.version == 1 + 30  # each write changes the percentage
    assert sorted(response["recommendation"]["version"] for _, response in responses) == list(range(2, 32))
    assert recommendation.progress_percent == recommendation.updates.latest("reviewed_at").progress_percent
    assert Source.objects.count() == 1
    assert Evidence.objects.count() == 30
