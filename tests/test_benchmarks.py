"""The benchmark compares responses before it measures. Here it compares all of them, on a small register."""

import sys
import time
from runpy import run_path
from threading import Thread
from types import SimpleNamespace

import pytest
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.db import connection

from benchmarks import databases, measure
from benchmarks.build.register import build
from benchmarks.client import Connection, Timing, message
from benchmarks.load import compare, heavy_clients, light_clients
from benchmarks.measure import HAND, OURS, PLAIN, Different
from benchmarks.report import document
from benchmarks.requests import Plan, Request
from benchmarks.rivals import hand
from benchmarks.site import THREADS, WORKERS, Server
from benchmarks.users import NAMES, Reader

pytestmark = pytest.mark.django_db


class QuietHandler(WSGIRequestHandler):
    def log_message(self, *arguments):
        """Log nothing."""


class InThread:
    """A WSGI application that a thread of this process serves, with the attributes of a `Server`."""

    def __init__(self, application):
        self.server = ThreadedWSGIServer(("127.0.0.1", 0), QuietHandler, connections_override={})
        self.server.set_app(application)
        self.port = self.server.server_address[1]
        self.thread = Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def end_of_log(self):
        return ""

    def cpu_seconds(self):
        return time.process_time()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture(scope="module")
def readers(committed_once_per_module):
    """Users with tokens and sessions, on a register of the smallest size."""

    def make():
        build(300)
        readers = [Reader.sign_in(name) for name in NAMES]
        return {reader.role: reader for reader in readers if reader.session}

    return committed_once_per_module(make)


@pytest.fixture(scope="module")
def environment(readers):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", databases.url(connection.settings_dict["NAME"]))
        patch.setenv("BEHIND_PROXY", "1")
        yield


@pytest.fixture(scope="module")
def servers(environment):
    """The three ways. Ours and the hand-written one run in this process, which saves starting them."""
    with Server(PLAIN, [*measure.GUNICORN, "--threads=4", "benchmarks.rivals.plain_wsgi:application"], workers=1) as plain:
        in_threads = {OURS: InThread(WSGIHandler()), HAND: InThread(hand.application)}
        yield {**in_threads, PLAIN: plain}
        for server in in_threads.values():
            server.stop()
        hand.connections().close()
        hand.pool = None


@pytest.fixture(autouse=True)
def behind_proxy(settings):
    settings.BEHIND_PROXY, settings.SECURE_PROXY_SSL_HEADER = True, ("HTTP_X_FORWARDED_PROTO", "https")


@pytest.mark.parametrize("role", ["administrator", "analyst", "officer"])
def test_all_ways_give_the_same_responses(readers, servers, role):
    compared = [request for request in Plan(readers[role], list_size=5).requests() if len(request.texts) > 1]

    for request in compared:
        measure.compare(request, servers, list(request.texts), variants=1)

    names = {request.name for request in compared}
    assert {"list", "detail", "scorecard", "summary, group_by=agreement"} <= names
    assert ("submit an update" in names) == (role != "officer")


def test_an_address_that_does_not_exist_is_skipped(readers, servers):
    request = Plan(readers["analyst"]).get("later", ["later/?q=treaty"])

    with pytest.raises(measure.NotServed):
        measure.compare(request, servers, [OURS])


def test_a_request_is_sent_to_every_way_before_it_is_measured(readers, servers, monkeypatch):
    monkeypatch.setattr(measure, "WARM_UP", 600)  # of which a tenth is used
    sent = []
    repeat = measure.repeat
    monkeypatch.setattr(measure, "repeat", lambda server, *args: sent.append((server, timings := repeat(server, *args))) or timings)
    request = next(request for request in Plan(readers["analyst"]).requests() if request.name == "detail")

    results, _clients = measure.run(request, servers, [OURS, HAND], rounds=2, scale=0.1, took=0)

    warm_up = sent[: 2 * measure.WAVES]
    for way in (OURS, HAND):
        number = sum(len(timings) for server, timings in warm_up if server is servers[way])
        assert number == measure.WARM_UP_REQUESTS
        assert results[way]["requests"] == sum(len(timings) for server, timings in sent[len(warm_up) :] if server is servers[way])


def test_pages_of_the_admin_accept_the_session(readers, servers):
    (home, *_) = Plan(readers["analyst"]).pages()

    assert Connection(servers[OURS].port).send(home.texts[OURS][0]).status == 200


def test_different_responses_are_reported_with_the_place(readers, servers):
    texts = {way: [message(f"/api/v1/recommendations/{slug}/", readers["analyst"].token)] for way, slug in zip(
        (OURS, HAND), readers["analyst"].recommendations, strict=False
    )}  # fmt: skip

    with pytest.raises(Different, match=r"detail: hand differs from ours at \.slug"):
        measure.compare(Request("detail", texts, compare=lambda body: body), servers, [OURS, HAND])


@pytest.mark.parametrize("way", [OURS, HAND, PLAIN])
def test_no_way_answers_without_a_token(servers, way):
    answer = Connection(servers[way].port).send(message("/api/v1/recommendations/"))

    assert answer.status == 401


def test_clients_of_the_load_send_requests_that_are_served(readers, servers):
    reader = [readers["officer"]]
    texts = dict(light_clients(reader)[0] + heavy_clients(reader, 1)[0])  # one of each kind

    statuses = {name: Connection(servers[OURS].port).send(text).status for name, text in texts.items()}

    assert statuses == dict.fromkeys(["detail", "list", "summary", "export", "checks", "dossier"], 200)


def test_a_slow_or_refused_request_misses_the_target_of_fairness():
    idle = [Timing(name, 200, 0.01) for name in ("detail", "list") for _ in range(9)]
    busy = [Timing("detail", 200, 0.02), Timing("list", 200, 0.05), Timing("list", 503, 0.01)]

    *_, detail, listed = compare(idle, busy)

    assert detail.endswith("| yes |") and listed.endswith("| 1 | 0 | no |")


def test_the_document_says_for_each_target_whether_it_is_met(environment):
    def values(median):
        return {"median": median, "p95": 2 * median, "server_cpu": 1, "postgres_cpu": 1, "bytes": 1000, "requests": 10}

    ways = {OURS: values(10), HAND: values(8), PLAIN: values(50)}
    rows = [
        {"role": role, "name": "list", "ways": ways, "target": 0.7, "plain_target": 6}
        for role in ("administrator", "analyst", "officer")
    ]  # fmt: skip
    results = {"results": rows, "memory": {OURS: [[90], [95]]}, "skipped": ["search"]}

    text = document({1: results, 10: results}, databases.url(connection.settings_dict["NAME"]), quick=True)

    assert "| 0.80 | 5.0 | 1.0 | hand ≥ 0.7, plain ≥ 6 | yes, **no** |" in text
    assert "| analyst | list | 10.0 | 10.0 | 1.0 | yes |" in text
    assert "search" in text


def test_servers_that_do_not_start_say_why(monkeypatch):
    with pytest.raises(RuntimeError, match="No module named"), Server("broken", [sys.executable, "-m", "no_such_module"]):
        pass


def test_a_database_url_keeps_socket_folders_and_passwords(monkeypatch):
    database = {"USER": "us", "PASSWORD": "p/w", "HOST": "/var/run", "PORT": "", "OPTIONS": {"sslmode": "require", "application_name": "x"}}
    monkeypatch.setattr(databases, "settings", SimpleNamespace(DATABASES={"default": database}))

    assert databases.url("big") == "postgres://us:p%2Fw@%2Fvar%2Frun/big?sslmode=require"


def test_the_servers_of_the_benchmark_have_the_defaults_of_the_site(monkeypatch):
    for name in ("WEB_CONCURRENCY", "WEB_THREADS", "DB_POOL", "GREETING"):
        monkeypatch.setenv(name, "")  # which also undoes what the file sets

    defaults = run_path(str(settings.BASE_DIR / "gunicorn.conf.py"))

    assert (defaults["workers"], defaults["threads"]) == (WORKERS, THREADS)
