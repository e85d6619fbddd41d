"""How the site is served: `gunicorn` in this folder reads this file by itself."""

import ctypes
import os
import signal
import sys
import tomllib
from pathlib import Path

from gunicorn.errors import AppImportError

sys.path.insert(0, str(Path(__file__).parent))  # `gunicorn` may be started from another folder

from policytracker.web import logs

bind = os.environ.get("BIND") or f"127.0.0.1:{os.environ.get('PORT') or 8000}"
worker_class = "gthread"
workers = int(os.environ.get("WEB_CONCURRENCY") or 2)
threads = int(os.environ.get("WEB_THREADS") or 16)  # more than wait for one locked row at a time, so that others are served meanwhile
wsgi_app = "policytracker.wsgi:application"
graceful_timeout = 30  # how long requests in hand may take to end
limit_request_line = 8190  # the longest that gunicorn allows
control_socket_disable = True
forwarded_allow_ips = ""  # Django alone decides what to believe of a proxy (BEHIND_PROXY)
logconfig_dict = logs.configuration(terminal="GREETING" in os.environ)
os.environ.setdefault("DB_POOL", str(threads))  # connections of each worker, opened as they are needed; a command opens its own


def on_starting(server):
    """End with `make run`, even where that was killed."""
    if os.environ.get("GREETING") and sys.platform == "linux":
        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGTERM)


def when_ready(server):
    """Say what is served, and let the first Ctrl-C wait for the requests in hand; the second does not."""
    server.log.info("Policy Tracker %s started on %s", version(), bind)
    at_once = signal.getsignal(signal.SIGINT)

    def gracefully(number, frame):
        signal.signal(signal.SIGINT, at_once)
        os.kill(os.getpid(), signal.SIGTERM)

    signal.signal(signal.SIGINT, gracefully)
    if greeting := os.environ.get("GREETING"):
        print(f"{greeting}\n\nCtrl-C stops the site.", flush=True)


def version():
    """The version of the product, as its pyproject.toml has it."""
    with (Path(__file__).parent / "pyproject.toml").open("rb") as file:
        return tomllib.load(file)["project"]["version"]


def post_fork(server, worker):
    """Stop with a sentence, not a traceback, where a setting is missing or wrong."""
    from django.core.exceptions import ImproperlyConfigured  # here, so that a reload gets the workers an upgraded Django

    try:
        import policytracker.wsgi  # noqa: F401
    except ImproperlyConfigured as error:
        raise AppImportError(f"Trouble with the configuration: {error}") from error


def post_worker_init(worker):
    """Leave Ctrl-C, which reaches the whole process group, to the master."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def on_exit(server):
    """Say what goes on."""
    server.log.info("Policy Tracker stopped")
    if os.environ.get("GREETING"):
        print("Stopped. The private PostgreSQL stays up; .venv/bin/python manage.py pg stop ends it.", flush=True)
