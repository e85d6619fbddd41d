"""Heavy requests run one after the other in each lane, and leave threads for all others."""

from contextlib import contextmanager
from threading import Event, Thread

import pytest
from django.http import HttpResponse, StreamingHttpResponse
from django.test import RequestFactory
from django.urls import resolve
from drf_spectacular.generators import SchemaGenerator

from policytracker.web import heavy
from policytracker.web.heavy import EXPORT, REPORT, HeavyRequests
from tests.api.client import Api

pytestmark = pytest.mark.django_db
LANES = {
    "/api/v1/summary/?group_by=party": REPORT,
    "/api/v1/checks/": REPORT,
    "/api/v1/agreements/a/dossier/": REPORT,
    "/api/v1/recommendations/?as_of=2026-01-01": REPORT,
    "/admin/checks/": REPORT,
    "/admin/checks/count/": REPORT,
    "/admin/numbers/": REPORT,
    "/api/v1/recommendations/?format=csv": EXPORT,
    "/api/v1/parties/?format=xlsx": EXPORT,
    "/api/v1/recommendations/": None,
    "/api/v1/recommendations/?format=json": None,
    "/api/v1/recommendations/r/": None,
    "/api/v1/recommendations/r/?as_of=2026-01-01": None,
    "/api/v1/agreements/a/scorecard/": None,
    "/api/v1/me/": None,
    "/admin/": None,
}


def lane_of(path: str, method: str = "GET") -> str | None:
    request = RequestFactory().generic(method, path)
    return heavy.lane_of(request, resolve(request.path).func)


@pytest.mark.parametrize(("path", "lane"), LANES.items())
def test_a_view_declares_which_of_its_requests_are_heavy(path, lane):
    assert lane_of(path) == lane
    assert lane_of(path, "HEAD") == lane
    assert lane_of(path, "POST") == (lane if path.startswith("/admin/") else None)


# ---- turns


class Site:
    """The middleware around a view that declares its lane by its path, and responds when `finish` is set."""

    def __init__(self):
        self.started, self.finish = Event(), Event()
        self.middleware = HeavyRequests(self.respond)

    def respond(self, request):
        def view(request):
            return self.view(request)

        if request.path != "/light":
            heavy.heavy(request.path.strip("/"))(view)
        return self.middleware.process_view(request, view, (), {}) or view(request)

    @staticmethod
    def view(request):
        return HttpResponse("done")

    def get(self, path: str):
        return self.middleware(RequestFactory().get(path))

    @contextmanager
    def running(self, lane: str):
        """A request of this lane runs during the block."""

        def view(request):
            self.started.set()
            assert self.finish.wait(10)
            return HttpResponse("done")

        self.view, original = view, self.view
        thread = Thread(target=self.get, args=[f"/{lane}"])
        thread.start()
        assert self.started.wait(10)
        self.view = original
        try:
            yield
        finally:
            self.finish.set()
            thread.join()


@pytest.fixture
def site(settings):
    settings.HEAVY_REQUESTS, settings.HEAVY_THREADS = 1, 3
    return Site()


def is_busy(response) -> bool:
    return response.status_code == 503 and int(response["Retry-After"]) > 0


def test_a_heavy_request_waits_until_the_one_before_it_is_done(site):
    later = []

    with site.running(REPORT):
        waiting = Thread(target=lambda: later.append(site.get(f"/{REPORT}")))
        waiting.start()
        assert site.get("/light").content == b"done"
        assert site.get(f"/{EXPORT}").content == b"done"
        assert later == []
    waiting.join()

    assert [response.status_code for response in later] == [200]


def test_an_export_does_not_wait_for_another_one(site, monkeypatch):
    monkeypatch.setattr(heavy, "MAX_WAIT", 0)

    with site.running(EXPORT):
        assert site.get(f"/{EXPORT}").status_code == 200


def test_a_request_that_waits_too_long_is_refused(site, monkeypatch):
    monkeypatch.setattr(heavy, "MAX_WAIT", 0)

    with site.running(REPORT):
        assert is_busy(site.get(f"/{REPORT}"))

    assert site.get(f"/{REPORT}").status_code == 200


def test_heavy_requests_beyond_their_threads_are_refused_at_once(site, settings):
    settings.HEAVY_THREADS = 1
    site = Site()

    with site.running(REPORT):
        assert is_busy(site.get(f"/{EXPORT}"))
        assert site.get("/light").status_code == 200

    assert site.get(f"/{EXPORT}").status_code == 200


def test_a_stream_is_heavy_until_it_is_closed(site, monkeypatch):
    monkeypatch.setattr(heavy, "MAX_WAIT", 0)
    site.view = lambda request: StreamingHttpResponse(iter([b"part", b"part"]))

    stream = site.get(f"/{REPORT}")

    assert is_busy(site.get(f"/{REPORT}"))
    stream.close()
    assert site.get(f"/{REPORT}").status_code == 200


def test_a_failed_request_ends_its_turn(site, monkeypatch):
    monkeypatch.setattr(heavy, "MAX_WAIT", 0)

    def fail(request):
        raise SystemExit

    site.view, original = fail, site.view
    with pytest.raises(SystemExit):
        site.get(f"/{REPORT}")
    site.view = original

    assert site.get(f"/{REPORT}").status_code == 200


# ---- responses


def test_the_api_answers_busy_with_a_code_and_retry_after(settings, reader):
    settings.HEAVY_THREADS = 0

    response = Api(reader).get("summary/?group_by=party")

    assert is_busy(response)
    assert response.json()["code"] == "busy"
    assert Api(reader).get("parties/").status_code == 200


def test_the_admin_answers_busy_with_a_message(settings, administrator, client):
    settings.HEAVY_THREADS = 0
    client.force_login(administrator)

    assert is_busy(client.get("/admin/checks/", secure=True))


def test_the_openapi_schema_says_which_operations_can_be_busy():
    schema = SchemaGenerator().get_schema(request=None, public=True)

    def refused(path: str) -> str:
        return schema["paths"][f"/api/v1/{path}"]["get"]["responses"]["503"]["$ref"].rpartition("/")[2]

    assert {refused(path) for path in ("summary/", "checks/", "agreements/{key}/dossier/", "parties/")} == {"Refused503Busy"}
    assert {refused(path) for path in ("parties/{key}/", "agreements/{key}/scorecard/")} == {"Refused503"}
