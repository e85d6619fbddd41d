"""docs/operator.md, followed literally: its `sql` and `sh` blocks on a fresh database server of the distribution, then its service.

Blocks of other kinds (`console`, `ini`, `nginx`) are for the reader; of the service unit the command is run. Replaced are the
example's folders, ports and system user, and pip by uv, which installs the same hashed pins faster.
"""

import contextlib
import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.platform.server import free_port

pytestmark = pytest.mark.slow
PROJECT = Path(__file__).parents[2]
GUIDE = (PROJECT / "docs" / "operator.md").read_text()
POSTGRESQL = max(Path("/usr/lib/postgresql").glob("[0-9]*/bin"), key=lambda folder: float(folder.parent.name), default=None)
PYTHON = next((path for path in ("/usr/bin/python3", sys.executable) if Path(path).exists()), sys.executable)
ROOT = os.geteuid() == 0
USER = {"user": "nobody"} if ROOT else {}
PASSWORD = "a long first password"
PROXY = {"Host": "tracker.example", "X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.5"}


def blocks(*kinds: str) -> list[tuple[str, str]]:
    """The fenced blocks of the guide in order, as (kind, text)."""
    return re.findall(rf"^```({'|'.join(kinds)})\n(.*?)^```$", GUIDE, re.M | re.S)


class Machine:
    """A stand-in for the server of the guide: a folder, a database server and two ports."""

    def __init__(self, folder: Path):
        self.folder, self.port, self.database_port = folder, free_port(), free_port()
        # Only the environment variables that say where packages come from.
        kept = {name: value for name, value in os.environ.items() if re.match(r"(UV|PIP|SSL)_|\w+_proxy$|HOME$", name, re.I)}
        self.environment = kept | {
            "PATH": f"{folder}/usr/local/bin:{POSTGRESQL}:/usr/local/bin:/usr/bin:/bin:/usr/sbin",
            "LC_ALL": "C.UTF-8",
        }

    def here(self, text: str) -> str:
        """The text of a block with the paths and ports of this machine."""
        for path in ("/opt/policytracker", "/etc/policytracker.env", "/usr/local/bin/policytracker", "/var/lib/policytracker"):
            text = text.replace(path, f"{self.folder}{path}")
        text = text.replace("127.0.0.1:5432", f"127.0.0.1:{self.database_port}").replace("127.0.0.1:8000", f"127.0.0.1:{self.port}")
        text = text.replace("runuser -u tracker -- ", "runuser -u nobody -- " if ROOT else "").replace(
            " -o tracker", " -o nobody" if ROOT else ""
        )
        uv = f"{Path(sys.executable).parent}/uv pip install --quiet --compile-bytecode --python .venv/bin/python"
        return text.replace("python3 -m venv", f"{PYTHON} -m venv").replace(".venv/bin/python -m pip install", uv)

    def run(self, command: list, text: str = "", **options) -> str:
        ran = subprocess.run(
            command, input=text, env=self.environment, cwd=self.folder, capture_output=True, text=True, timeout=300, **options
        )
        if "Failed to fetch" in ran.stderr:
            pytest.skip(f"The packages of the guide cannot be downloaded: {ran.stderr.strip()}")
        assert ran.returncode == 0, f"{text or command}\n{ran.stdout}\n{ran.stderr}"
        return ran.stdout

    def install_program(self):
        """Copy the files that `git clone` would create. The site's user can read them but not write."""
        program = self.folder / "opt/policytracker"
        ignored = shutil.ignore_patterns(".venv*", ".data*", ".git", "*_cache", "__pycache__", ".hypothesis")
        shutil.copytree(PROJECT, program, ignore=ignored, symlinks=True)
        self.run(["chmod", "-R", "u=rwX,go=rX", program])
        for folder in ("etc", "usr/local/bin", "var/lib"):
            (self.folder / folder).mkdir(parents=True)

    @contextlib.contextmanager
    def database_server(self):
        """A new cluster with password authentication over the network; only its administrator can use the socket."""
        sockets, cluster = self.folder / "socket", self.folder / "cluster"
        sockets.mkdir()
        if ROOT:
            shutil.chown(sockets, "nobody")
            cluster.mkdir(mode=0o700)
            shutil.chown(cluster, "nobody")
        options = ["--auth-local=trust", "--auth-host=scram-sha-256", "--username=postgres", "--locale=C", "--encoding=UTF8", "--no-sync"]
        self.run([POSTGRESQL / "initdb", "-D", cluster, *options], **USER)
        settings = f"-c listen_addresses=127.0.0.1 -c port={self.database_port} -c unix_socket_directories={sockets} -c fsync=off"
        log = sockets / "log"
        self.run([POSTGRESQL / "pg_ctl", "-D", cluster, "-l", log, "-w", "-s", "-o", settings, "start"], **USER)
        try:
            yield
        finally:
            self.run([POSTGRESQL / "pg_ctl", "-D", cluster, "-m", "immediate", "-s", "stop"], **USER)

    def follow(self, kind: str, text: str) -> str:
        if kind == "sql":
            psql = [
                POSTGRESQL / "psql",
                "-h",
                self.folder / "socket",
                "-p",
                str(self.database_port),
                "-U",
                "postgres",
                "-qv",
                "ON_ERROR_STOP=1",
            ]
            return self.run(psql, text)
        return self.run(["bash", "-e"], self.here(text))

    @contextlib.contextmanager
    def service(self):
        """Run the command of the service unit as its user and with its settings."""
        command = re.search(r"^ExecStart=(.*)$", blocks("ini")[0][1], re.M)[1]
        as_user = "setpriv --reuid=nobody --clear-groups --" if ROOT else ""
        script = self.here(f"set -e -a\n. /etc/policytracker.env\nBIND=127.0.0.1:8000\nexec {as_user} {command}")
        log = self.folder / "service.log"
        with log.open("w") as stderr:
            process = subprocess.Popen(
                ["sh", "-c", script], env=self.environment, cwd=self.folder / "opt/policytracker", stderr=stderr, stdout=stderr
            )
        try:
            for _ in range(600):
                with contextlib.suppress(OSError):
                    self.request("GET", "/healthz")
                    break
                assert process.poll() is None, log.read_text()
                time.sleep(0.1)
            yield process, log
        finally:
            process.terminate()
            process.wait(40)

    def request(self, method, path, body=None, **headers):
        """Send a request as the reverse proxy would."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)) as connection:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, response.headers, response.read().decode()


@pytest.fixture
def machine():
    if POSTGRESQL is None:
        pytest.skip("The guide needs the distribution's PostgreSQL in /usr/lib/postgresql. On Debian: apt-get install postgresql")
    with tempfile.TemporaryDirectory(prefix="guide") as folder:  # not tmp_path, which other users cannot enter
        Path(folder).chmod(0o755)
        yield Machine(Path(folder))


def test_the_guide_leads_to_a_running_site(machine):
    machine.install_program()
    before, after = GUIDE.split("### Service")
    with machine.database_server():
        for kind, text in blocks("sql", "sh"):
            if text in before:
                machine.follow(kind, text)
        with machine.service() as (process, log):
            answers = [machine.follow(kind, text) for kind, text in blocks("sql", "sh") if text in after]
            check_that_it_serves(machine)
        lines = [json.loads(line) for line in log.read_text().splitlines()]

    assert answers[0] == '{"status": "ok"}{"status": "ok"}'
    assert "Deleted idempotency keys: 0" in answers[1]
    assert process.returncode == 0
    assert lines[-1]["message"] == "Policy Tracker stopped"
    assert [line for line in lines if line["level"] in ("ERROR", "CRITICAL")] == []


def check_that_it_serves(machine):
    """Style sheets are served, login and token requests succeed, and the probe accepts any host name."""
    status, headers, form = machine.request("GET", "/admin/login/", **PROXY)
    style = re.search(r'href="(/static/[^"]+\.css)"', form)[1]
    cookie = SimpleCookie(headers["Set-Cookie"])["csrftoken"].value
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)[1]
    credentials = {"username": "admin", "password": PASSWORD}
    form = {"Content-Type": "application/x-www-form-urlencoded", "Referer": "https://tracker.example/", "Cookie": f"csrftoken={cookie}"}

    logged_in = machine.request("POST", "/admin/login/", urlencode(credentials | {"csrfmiddlewaretoken": token}), **PROXY, **form)
    made = machine.request("POST", "/api/v1/auth/tokens/", json.dumps(credentials), **PROXY, **{"Content-Type": "application/json"})
    bearer = {"Authorization": f"Bearer {json.loads(made[2])['token']}"}
    listed = machine.request("GET", "/api/v1/agreements/", **PROXY, **bearer)

    assert (status, machine.request("GET", style, **PROXY)[0]) == (200, 200)
    assert (logged_in[0], logged_in[1]["Location"], made[0]) == (302, "/admin/", 201)
    assert json.loads(listed[2])["count"] > 0
    assert machine.request("GET", "/readyz", Host="10.0.0.1")[0] == 200
    assert machine.request("GET", "/api/v1/agreements/", **PROXY | {"X-Forwarded-Proto": "http"})[0] == 301
