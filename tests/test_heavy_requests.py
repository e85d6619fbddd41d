"""Heavy requests run one after the other in each lane, and leave threads for all others."""

from contextlib import contextmanager
from itertools import count
from socket import socketpair
from threading import Event, Thread
from time import monotonic, sleep

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse, StreamingHttpResponse
from django.test import Client, RequestFactory
from django.urls import resolve
from drf_spectacular.generators import SchemaGenerator

from agreements.models import Sector
from policytracker.accounts.models import User
from policytracker.web import heavy
from policytracker.web.heavy import EXPORT, REPORT, HeavyRequests
from tests.api.client import Api
from tests.make import make_agreement

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
        self.started, self.finish, self.users = Event(), Event(), count(1000)
        self.middleware = HeavyRequests(self.respond)

    def respond(self, request):
        def view(request):
            heavy.take_turn(request)
            return self.view(request)

        if request.path != "/light":
            heavy.heavy(request.path.strip("/").rpartition("/")[2])(view)
        self.middleware.process_view(request, view, (), {})
        try:
            return view(request)
        except (heavy.MustWait, heavy.TurnRefused) as error:
            return self.middleware.process_exception(request, error)

    @staticmethod
    def view(request):
        return HttpResponse("done")

    def get(self, path: str, user: int | None = None, address: str = "127.0.0.1", connection=None):
        """`user` is the id of a signed-in user. By default each request comes from another user. `connection` is our end of a socket."""
        request = RequestFactory().get(path, REMOTE_ADDR=address, **{"gunicorn.socket": connection})
        request.user = User(pk=next(self.users) if user is None else user)
        return self.middleware(request)

    @contextmanager
    def running(self, lane: str, user: int | None = None):
        """A request of this lane runs during the block."""

        def view(request):
            self.started.set()
            assert self.finish.wait(10)
            return HttpResponse("done")

        self.view, original = view, self.view
        thread = Thread(target=self.get, args=[f"/{lane}", user])
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


def until(condition) -> None:
    end = monotonic() + 10
    while not condition():
        assert monotonic() < end
        sleep(0.01)


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


def test_a_stream_needs_no_turn_but_a_thread(site, settings):
    settings.HEAVY_THREADS = 1
    site.view = lambda request: StreamingHttpResponse(iter([b"part", b"part"]))

    stream = site.get(f"/{REPORT}")

    assert {turn.state for turn in site.middleware.queue.turns} == {heavy.SENDING}
    assert is_busy(site.get(f"/{REPORT}"))
    stream.close()
    assert site.get(f"/{REPORT}").status_code == 200


def test_a_third_request_of_a_user_is_refused_at_once(site):
    later = []

    with site.running(REPORT, user=1):
        waiting = Thread(target=lambda: later.append(site.get(f"/{REPORT}", user=1)))
        waiting.start()
        until(lambda: len(site.middleware.queue.turns) == 2)
        refused = site.get(f"/{EXPORT}", user=1)
        other = site.get(f"/{EXPORT}", user=2)
    waiting.join()

    assert (refused.status_code, other.status_code) == (429, 200)
    assert int(refused["Retry-After"]) > 0
    assert [response.status_code for response in later] == [200]


def test_a_reload_does_not_count_the_requests_that_it_abandons(site, monkeypatch):
    monkeypatch.setattr(heavy, "LOOK_AFTER", heavy.MAX_WAIT)
    codes, threads = [], []

    with site.running(REPORT, user=1):
        for number in range(1, 6):
            ours, browser = socketpair()
            threads.append(Thread(target=lambda ours=ours: codes.append(site.get(f"/{REPORT}", user=1, connection=ours).status_code)))
            threads[-1].start()
            until(lambda: codes == [499] * (number - 1) and len(site.middleware.queue.turns) == 2)  # noqa: B023
            if number < 5:
                browser.close()
        assert site.get(f"/{REPORT}", user=1).status_code == 429
    for thread in threads:
        thread.join()

    assert codes == [499] * 4 + [200]


def test_a_user_who_reads_two_responses_slowly_gets_no_third_one(site, settings):
    settings.HEAVY_THREADS = 10
    site.view = lambda request: StreamingHttpResponse(iter([b"part"]))
    streams = [site.get(f"/{EXPORT}", user=1) for _ in range(2)]

    assert site.get(f"/{EXPORT}", user=1).status_code == 429
    assert site.get(f"/{EXPORT}", user=2).status_code == 200
    streams[0].close()
    assert site.get(f"/{EXPORT}", user=1).status_code == 200


def test_one_user_does_not_run_both_exports(site, monkeypatch):
    monkeypatch.setattr(heavy, "MAX_WAIT", 0)

    with site.running(EXPORT, user=1):
        assert is_busy(site.get(f"/{EXPORT}", user=1))
        assert site.get(f"/{EXPORT}", user=2).status_code == 200


def turn(number: int, state: str, is_anonymous: bool, lane: str = REPORT) -> heavy.Turn:
    return heavy.Turn(lane, ("client", number), is_anonymous, state)


def test_signed_in_users_come_before_anonymous_ones(settings):
    settings.HEAVY_REQUESTS = 1
    queue = heavy.Queue()
    queue.turns = [turn(1, heavy.WAITING, True), turn(2, heavy.WAITING, False), turn(3, heavy.WAITING, False)]

    order = []
    while chosen := queue.next(REPORT):
        order.append(chosen.client[1])
        queue.leave(chosen)

    assert order == [2, 3, 1]


def test_anonymous_users_have_at_most_half_of_the_turns_and_places(settings):
    settings.HEAVY_REQUESTS, settings.HEAVY_THREADS = 1, 4
    queue = heavy.Queue()
    queue.turns = [turn(1, heavy.RUNNING, True, EXPORT), turn(2, heavy.WAITING, True, EXPORT)]

    assert queue.next(EXPORT) is None
    with pytest.raises(heavy.TurnRefused) as refused:
        queue.enter(turn(3, heavy.WAITING, True, EXPORT))
    staff = turn(4, heavy.WAITING, False, EXPORT)
    queue.enter(staff)

    assert refused.value.status == 503
    assert queue.next(EXPORT) is staff


IMPORT = "/admin/agreements/sector/import/"
TABLE = b"code,name\nspace,Space\n"


def signed_in(user) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def table() -> dict:
    return {"file": SimpleUploadedFile("sectors.csv", TABLE)}


@pytest.mark.parametrize("path", [path for path, lane in LANES.items() if lane and path.startswith("/admin/")])
def test_each_heavy_page_takes_a_turn(settings, administrator, path):
    client = signed_in(administrator)
    assert client.get(path, secure=True).status_code == 200
    settings.HEAVY_THREADS = 0

    assert is_busy(client.get(path, secure=True))


def test_a_preview_and_an_import_take_a_turn(settings, administrator):
    client = signed_in(administrator)
    token = client.post(IMPORT, table(), secure=True).context_data["token"]
    settings.HEAVY_THREADS = 0

    assert token
    assert is_busy(client.post(IMPORT, table(), secure=True))
    assert is_busy(client.post(IMPORT, {"token": token}, secure=True))


def test_a_preview_and_an_import_that_had_to_wait_work_as_otherwise(administrator, monkeypatch):
    client, start, starts = signed_in(administrator), heavy.Queue.start, iter([False, True, False, True])
    monkeypatch.setattr(heavy.Queue, "start", lambda queue, turn: next(starts) and start(queue, turn))

    token = client.post(IMPORT, table(), secure=True).context_data["token"]
    client.post(IMPORT, {"token": token}, secure=True)

    assert Sector.objects.filter(code="space").exists()
    assert next(starts, None) is None


def test_a_forbidden_or_wrong_request_to_a_page_does_not_wait(settings, administrator, reader):
    settings.HEAVY_THREADS = 0

    assert signed_in(reader).post(IMPORT, table(), secure=True).status_code == 403
    assert signed_in(administrator).post(IMPORT, {}, secure=True).context_data["form"].errors
    assert signed_in(administrator).post(IMPORT, {"token": "x"}, secure=True).status_code == 302
    assert signed_in(administrator).get("/admin/checks/?rule=none", secure=True).status_code == 200


def test_an_anonymous_request_to_a_page_takes_no_turn(client, settings):
    settings.HEAVY_THREADS = 0

    assert client.get("/admin/checks/", secure=True).status_code == 302


def test_the_number_of_refused_requests_is_logged(site, settings, caplog):
    settings.HEAVY_THREADS = 0

    for _ in range(3):
        site.get(f"/{REPORT}")

    assert [record.fields for record in caplog.records] == [{"refused_since_start": {503: 1}}]
    assert site.middleware.queue.refused == {503: 3}


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


BAD = {
    "checks/?cursor=true": 400,
    "checks/?rule=unknown": 400,
    "summary/": 400,
    "summary/?group_by=party&cursor=true": 400,
    "summary/?group_by=party&page_size=501": 400,
    "agreements/unknown/dossier/": 404,
    "recommendations/?as_of=2026-01-01&cursor=true": 400,
    "recommendations/?as_of=2026-01-01&page_size=x": 400,
    "recommendations/?as_of=2026-01-01&party=unknown": 400,
    "recommendations/?as_of=2026-01-01&ordering=unknown": 400,
    "recommendations/?as_of=tomorrow": 400,
    "recommendations/?format=csv&status=unknown": 400,
    "recommendations/?format=csv&expand=source": 400,
    "recommendations/?format=pdf": 400,
}


@pytest.mark.parametrize(("path", "status"), BAD.items())
def test_a_wrong_request_does_not_wait(settings, reader, path, status):
    settings.HEAVY_THREADS = 0

    assert Api(reader).get(path).status_code == status


def test_a_request_without_credentials_does_not_wait(settings, db):
    settings.HEAVY_THREADS = 0

    assert Api().get("summary/?group_by=party").status_code == 401


@pytest.mark.parametrize("path", [path.removeprefix("/api/v1/") for path, lane in LANES.items() if lane and path.startswith("/api/")])
def test_each_heavy_request_of_the_api_takes_a_turn(settings, reader, path):
    make_agreement(slug="a")
    assert Api(reader).get(path).status_code == 200
    settings.HEAVY_THREADS = 0

    assert is_busy(Api(reader).get(path))


def test_a_request_that_had_to_wait_gets_the_same_response(reader, monkeypatch):
    api, path = Api(reader), "summary/?group_by=party"
    expected = api.get(path).content
    starts = iter([False, True])
    start = heavy.Queue.start
    monkeypatch.setattr(heavy.Queue, "start", lambda queue, turn: next(starts) and start(queue, turn))

    assert api.get(path).content == expected
    assert next(starts, None) is None


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
