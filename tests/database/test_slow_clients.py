"""The served site beside clients that read slowly, and beside floods of heavy requests."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from policytracker.resources import today
from tests.database.conftest import database
from tests.database.site import Site, served, token_of

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
LARGE = "sources/?format=csv"
ONE_PROCESS = {"WEB_CONCURRENCY": "1", "DB_POOL": "4", "WEB_THREADS": "32"}


@pytest.fixture(scope="module")
def register(upgraded, tmp_path_factory):
    """A database with a reader, and with 18 MB of sources, more than the buffers of a connection hold."""
    with database(upgraded, "slow", template=upgraded.name) as made:
        made.execute(
            """WITH reader AS (
                INSERT INTO policytracker_user
                (password, is_superuser, username, first_name, last_name, email, is_staff, is_active, date_joined)
                VALUES ('!', false, 'slow', '', '', '', true, true, now()) RETURNING id)
            INSERT INTO policytracker_user_groups (user_id, group_id)
            SELECT reader.id, g.id FROM reader, auth_group g WHERE g.name = 'reader'"""
        )
        with served(made, tmp_path_factory.mktemp("site") / "log", **ONE_PROCESS) as site:
            for part in range(6):
                entries = [
                    {"slug": f"long-{part}-{number}", "kind": "news", "publication": "published", "notes": "x" * 30_000}
                    for number in range(100)
                ]
                assert site.request("POST", "sources/", entries).status == 201
        yield made


def slow_client(site: Site, path: str, token: str = "") -> socket.socket:
    """A connection that has sent its request and reads nothing."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(site.address)
    credentials = f"Authorization: Bearer {token}\r\n" if token else ""
    client.sendall(f"GET /api/v1/{path} HTTP/1.1\r\nHost: localhost\r\n{credentials}\r\n".encode())
    return client


def first_line(client: socket.socket) -> bytes:
    client.settimeout(60)
    return client.recv(100).split(b"\r\n")[0]


def status_of(site: Site, path: str) -> int:
    """The status of a request whose body is not JSON."""
    client = slow_client(site, path, site.token)
    with client:
        return int(first_line(client).split()[1])


def test_slow_readers_of_exports_hold_no_turn_and_no_connection(register, tmp_path):
    with served(register, tmp_path / "log", **ONE_PROCESS) as site, ExitStack() as clients:
        token = token_of(register, "slow")
        slow = [clients.enter_context(slow_client(site, LARGE, token)) for _ in range(6)]
        lines = {client: first_line(client) for client in slow}

        assert [status_of(site, path) for path in ("parties/?format=csv", "recommendations/?format=xlsx", LARGE)] == [200] * 3
        assert site.request("GET", "summary/?group_by=party").status == 200

        assert sorted(lines.values()) == [b"HTTP/1.1 200 OK"] * 2 + [b"HTTP/1.1 429 Too Many Requests"] * 4
        assert connections(register) <= 4
        # The slow readers were there all the time: their responses still come, which are larger than the buffers of a connection.
        assert sum(received(client, 10_000_000) for client, line in lines.items() if b" 200 " in line) >= 20_000_000


def received(client: socket.socket, at_most: int) -> int:
    """How many bytes come from the connection, until it has sent that many or everything."""
    number = 0
    while number < at_most and (data := client.recv(65536)):
        number += len(data)
    return number


def connections(register) -> int:
    ((number,),) = register.rows(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'policytracker'"
    )
    return number


def test_slow_readers_of_lists_hold_no_connection(register, tmp_path):
    with served(register, tmp_path / "log", **ONE_PROCESS) as site, ExitStack() as clients:
        for _ in range(8):
            clients.enter_context(slow_client(site, "sources/?page_size=500", site.token))
        time.sleep(3)

        assert [site.request("GET", "parties/").status for _ in range(5)] == [200] * 5


def test_an_export_ends_when_its_client_leaves(register, tmp_path):
    with served(register, tmp_path / "log", LOG_REQUESTS="1", **ONE_PROCESS) as site:
        for _ in range(4):
            slow_client(site, LARGE, site.token).close()
            time.sleep(0.5)

        assert status_of(site, LARGE) == 200


@pytest.mark.parametrize("public", ["0", "1"])
def test_a_flood_of_one_client_leaves_turns_for_others(register, tmp_path, public):
    """The flood comes from a signed-in reader, or from an anonymous client."""
    with served(register, tmp_path / "log", PUBLIC_READ=public, **ONE_PROCESS) as site:
        flood = Site(site.address, token_of(register, "slow"), site.server)
        end = time.monotonic() + 8

        def ask(_):
            statuses = []
            while time.monotonic() < end:
                headers = {"Authorization": ""} if public == "1" else {}
                statuses.append(flood.request("GET", f"recommendations/?as_of={today()}&page_size=500", **headers).status)
            return statuses

        with ThreadPoolExecutor(20) as threads:
            flooding = threads.map(ask, range(20))
            time.sleep(1)
            mine = []
            while time.monotonic() < end - 1:
                mine.append(site.request("GET", "checks/?rule=no_source").status)
        statuses = {status for result in flooding for status in result}

        assert set(mine) == {200}
        assert len(mine) >= 2
        assert statuses <= {200, 429}
        assert 429 in statuses
    assert "Heavy requests refused" in (tmp_path / "log").read_text()
