"""Configuration of the web server. `gunicorn` reads this file when it is started in this folder."""

import ctypes
import gc
import os
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

from gunicorn.errors import AppImportError

sys.path.insert(0, str(Path(__file__).parent))  # `gunicorn` may be started from another folder

from policytracker.web import logs

bind = os.environ.get("BIND") or f"127.0.0.1:{os.environ.get('PORT') or 8000}"
worker_class = "gthread"
workers = int(os.environ.get("WEB_CONCURRENCY") or 2)
threads = int(os.environ.get("WEB_THREADS") or 32)  # heavy requests use at most half of them (web/heavy.py)
os.environ["WEB_THREADS"] = str(threads)
wsgi_app = "policytracker.wsgi:application"
graceful_timeout = 30  # seconds for running requests to finish
limit_request_line = 8190  # the maximum of gunicorn
control_socket_disable = True
forwarded_allow_ips = ""  # only Django reads proxy headers (BEHIND_PROXY)
logconfig_dict = logs.configuration(terminal="GREETING" in os.environ)
# The maximum number of connections per worker. Heavy requests that wait for their turn use none.
os.environ.setdefault("DB_POOL", str(threads // 2 + 2))


def on_starting(server):
    """Refuse to start with a missing or invalid setting. Stop when `make run` ends, even if it was killed."""
    # A separate process, because this one must not import Django: reloaded workers would not get an upgraded one.
    check = [sys.executable, Path(__file__).parent / "manage.py", "check"]
    if subprocess.run(check, stdout=subprocess.DEVNULL, check=False).returncode != 0:  # noqa: S603 - our own command
        sys.exit(1)
    if os.environ.get("GREETING") and sys.platform == "linux":
        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGTERM)


def when_ready(server):
    """Log the address, and let the first Ctrl-C wait for running requests; the second stops at once."""
    server.log.info("Policy Tracker %s started on %s", version(), bind)
    stop_at_once = signal.getsignal(signal.SIGINT)

    def stop_gracefully(number, frame):
        signal.signal(signal.SIGINT, stop_at_once)
        os.kill(os.getpid(), signal.SIGTERM)

    signal.signal(signal.SIGINT, stop_gracefully)
    if greeting := os.environ.get("GREETING"):
        print(f"{greeting}\n\nCtrl-C stops the site.", flush=True)


def version():
    """The version in pyproject.toml."""
    with (Path(__file__).parent / "pyproject.toml").open("rb") as file:
        return tomllib.load(file)["project"]["version"]


def post_fork(server, worker):
    """Stop with a message, not a traceback, if a setting is missing or invalid."""
    from django.core.exceptions import ImproperlyConfigured  # here, so that reloaded workers import an upgraded Django

    try:
        import policytracker.wsgi  # noqa: F401
    except ImproperlyConfigured as error:
        raise AppImportError(f"Configuration error: {error}") from error


def post_worker_init(worker):
    """Ignore Ctrl-C, which reaches all processes of the group; the main process handles it. Let short requests run beside long ones.

    Also exclude what is loaded from garbage collection, which would otherwise examine it again and again.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.setswitchinterval(0.001)  # seconds; the default is 0.005
    gc.collect()
    gc.freeze()


def on_exit(server):
    """Log the stop, and say that PostgreSQL still runs."""
    server.log.info("Policy Tracker stopped")
    if os.environ.get("GREETING"):
        print("Stopped. The private PostgreSQL is still running. Stop it with: .venv/bin/python manage.py pg stop", flush=True)
