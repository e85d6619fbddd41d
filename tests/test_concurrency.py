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

pytestmark = pytest.mark.django_db(transaction=True)

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
    told = (tmp_path_factory.mktemp("gunicorn") / "log").open("w+")
    server = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "--bind", f"fd://{listening.fileno()}", "--threads", str(THREADS)],
        cwd=settings.BASE_DIR,
        env={k: v for k, v in os.environ.items() if k != "GREETING"}
        | {"DJANGO_SETTINGS_MODULE": "tests.settings", "DATABASE_URL": address_of_the_test_database(), "DB_POOL": str(THREADS)},
        pass_fds=[listening.fileno()],
        stdout=told,
        stderr=told,
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
        told.seek(0)
        assert "Traceback" not in told.read()


def request(site, method: str, path: str, body: dict | None = None, **headers: str) -> tuple[int, dict]:
    """Send one request on its own connection. Returns the status and the body."""
    http = HTTPConnection(*site, timeout=60)
    try:
        sent = {name.replace("_", "-"): value for name, value in headers.items()} | {"Content-Type": "application/json"}
        http.request(method, path if path.startswith("/") else f"/api/v1/{path}", json.dumps(body or {}), sent)
        answer = http.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        http.close()


@pytest.fixture
def people(site, groups):
    """Two analysts and four reviewers, each with request headers."""
    credentials = {}
    for name in ("anna", "adam", "vera", "vito", "vala", "vuk"):
        make_user(name, "analyst" if name.startswith("a") else "reviewer")
        status, told = request(site, "POST", "auth/tokens/", {"username": name, "password": "a long pass phrase"})
        assert status == 201
        credentials[name] = {"Authorization": f"Bearer {told['token']}"}
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


def test_one_of_several_contradictory_decisions_succeeds_and_the_others_get_the_reason(site, people):
    author, source, replacing = ProgressUpdate.author.field.related_model.objects.get(username="anna"), make_source(), make_recommendation()
    reviewers, told = ["vera", "vito", "vala", "vuk"], Counter()
    for number in range(ROUNDS):
        recommendation = make_recommendation(superseded_by=replacing)
        updates = [submitted(recommendation, status, author, source) for status in ENDINGS]
        # Six updates with terminal statuses, two of which are approved by two people each.
        wanted = [*updates, updates[number % 6], updates[(number + 1) % 6]]

        answers = at_once(site, [(f"progress-updates/{u.uid}/approve/", {}, people[reviewers[n % 4]]) for n, u in enumerate(wanted)])

        won = [update for update, (status, _) in zip(wanted, answers, strict=True) if status == 200]
        assert len(won) == 1, answers
        for update, (status, answer) in zip(wanted, answers, strict=True):
            if status != 200:
                expected = "already_reviewed" if update == won[0] else "reason_required"
                assert (status, [unmet["code"] for unmet in answer["unmet"]]) == (409, [expected]), answer
                told[answer["code"]] += 1
        recommendation.refresh_from_db()
        assert recommendation.status == won[0].status
        assert list(recommendation.updates.filter(review="approved")) == won
        assert recommendation.version == 2
    print(f"\n{ROUNDS} rounds of {THREADS} decisions: {ROUNDS} won, refused: {dict(told)}", file=sys.stderr)
    assert told.total() == (THREADS - 1) * ROUNDS


def test_one_of_several_writes_of_the_same_version_succeeds(site, people):
    told = Counter()
    for number in range(ROUNDS):
        recommendation = make_recommendation()
        statuses = [*OPEN, OPEN[number % 7]]

        answers = at_once(
            site,
            [
                (
                    f"recommendations/{recommendation.slug}/progress/",
                    {"status": status, "narrative": "Found.", "progress_percent": agreeing_percent(status, n)},
                    people[["anna", "adam"][n % 2]] | {"If_Match": '"1"'},
                )
                for n, status in enumerate(statuses)
            ],
        )

        won = [answer for status, answer in answers if status == 201]
        lost = [(status, answer["code"], answer["current_version"]) for status, answer in answers if status != 201]
        assert len(won) == 1, answers
        assert lost == [(412, "stale", 2)] * (THREADS - 1)
        recommendation.refresh_from_db()
        assert (recommendation.status, recommendation.version) == (won[0]["update"]["status"], 2)
        assert str(recommendation.updates.get().uid) == won[0]["update"]["uid"]
        told[won[0]["update"]["status"]] += 1
    print(f"\n{ROUNDS} rounds of {THREADS} reports on one version: {ROUNDS} filed, by status {dict(told)}", file=sys.stderr)


def test_two_concurrent_approvals_approve_once(site, people):
    author, source = ProgressUpdate.author.field.related_model.objects.get(username="anna"), make_source()
    for _ in range(ROUNDS // 4):
        update = submitted(make_recommendation(), "withdrawn", author, source)
        path = f"progress-updates/{update.uid}/approve/"

        answers = at_once(site, [(path, {}, people["vera"]), (path, {}, people["vito"])])

        (_, one), (_, other) = sorted(answers, key=lambda answer: answer[0])
        assert sorted(status for status, _ in answers) == [200, 409]
        assert one["update"]["review"] == "approved"
        assert other["code"] == "already_reviewed"
        assert [unmet["code"] for unmet in other["unmet"]] == ["already_reviewed"]


def test_thirty_concurrent_writes_are_all_stored(site, people):
    recommendation = make_recommendation()
    page = {"url": "https://news.example/the-same-page", "title": "A page that nobody has cited before"}
    path = f"recommendations/{recommendation.slug}/progress/"

    answers = at_once(
        site,
        [
            (
                path,
                {"status": "in_progress", "narrative": f"Number {n}.", "progress_percent": n, "evidence": [page | {"quote": f"{n}"}]},
                people[["anna", "adam", "vera"][n % 3]],
            )
            for n in range(30)
        ],
    )

    assert [status for status, _ in answers] == [201] * 30, answers
    recommendation.refresh_from_db()
    assert sorted(recommendation.updates.values_list("narrative", flat=True)) == sorted(f"Number {n}." for n in range(30))
    assert recommendation.version == 1 + 30  # each write changes the percentage
    assert sorted(answer["recommendation"]["version"] for _, answer in answers) == list(range(2, 32))
    assert recommendation.progress_percent == recommendation.updates.latest("reviewed_at").progress_percent
    assert Source.objects.count() == 1
    assert Evidence.objects.count() == 30
