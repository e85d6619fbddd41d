"""The site, served by gunicorn on one of the databases."""

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import NamedTuple

from django.conf import settings
from knox.crypto import create_token_string, hash_token
from knox.settings import CONSTANTS


class Response(NamedTuple):
    status: int
    body: dict
    headers: dict


class WebServer:
    """Gunicorn on a socket that stays open when its processes are killed: requests then wait for the next start."""

    process: subprocess.Popen

    def __init__(self, database, listening: socket.socket, log, environment: dict[str, str]):
        self.listening, self.log = listening, log
        self.environment = {k: v for k, v in database.environment(**environment).items() if k != "GREETING"}

    def start(self) -> None:
        with self.log.open("a") as written:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "--bind", f"fd://{self.listening.fileno()}"],
                cwd=settings.BASE_DIR, env=self.environment, pass_fds=[self.listening.fileno()],
                stdout=written, stderr=written, start_new_session=True,
            )  # fmt: skip

    def kill_all(self) -> None:
        """Kill the main process and its workers."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self.kill_all()


class Site:
    def __init__(self, address: tuple[str, int], token: str, server: WebServer):
        self.address, self.token, self.server = address, token, server

    def request(self, method: str, path: str, body: dict | list | None = None, **more_headers: str) -> Response:
        http = HTTPConnection(*self.address, timeout=60)
        try:
            headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"} | more_headers
            http.request(
                method, path if path.startswith("/") else f"/api/v1/{path}", json.dumps(body) if body is not None else None, headers
            )
            answer = http.getresponse()
            content = answer.read()
            return Response(answer.status, json.loads(content) if content else {}, dict(answer.headers))
        finally:
            http.close()


def token_of(database, username: str) -> str:
    """Create a token for the user."""
    token = create_token_string()
    database.execute(
        f"""INSERT INTO policytracker_token (digest, token_key, created, expiry, uid, name, user_id)
        SELECT '{hash_token(token)}', '{token[: CONSTANTS.TOKEN_KEY_LENGTH]}', now(), now() + interval '1 day', gen_random_uuid(), '', id
        FROM policytracker_user WHERE username = '{username}'"""
    )
    return token


@contextmanager
def served(database, log, username: str = "ada", **environment: str):
    """Serve the site on the database during the block, with requests authenticated as the user."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        server = WebServer(database, listening, log, environment)
        site = Site(listening.getsockname(), token_of(database, username), server)
        server.start()
        try:
            ready = site.request("GET", "/readyz")
            assert ready.status == 200, ready
            yield site
        finally:
            listening.close()
            server.stop()
