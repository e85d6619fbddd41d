"""How the site is served: `gunicorn` in this folder reads this file by itself."""

import ctypes
import os
import signal
import sys

wsgi_app = "policytracker.wsgi:application"
bind = f"127.0.0.1:{os.environ.get('PORT') or 8000}"
worker_class = "gthread"
workers = 2
threads = 16  # more than wait for one locked row at a time, so that others are served meanwhile
graceful_timeout = 30  # how long requests in hand may take to end
loglevel = "warning"
control_socket_disable = True
os.environ.setdefault("DB_POOL", str(threads))  # connections of each worker, opened as they are needed; a command opens its own


def on_starting(server):
    """End with `make run`, even where that was killed."""
    if os.environ.get("GREETING") and sys.platform == "linux":
        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGTERM)


def when_ready(server):
    """Say what is served, and let the first Ctrl-C wait for the requests in hand; the second does not."""
    at_once = signal.getsignal(signal.SIGINT)

    def gracefully(number, frame):
        signal.signal(signal.SIGINT, at_once)
        os.kill(os.getpid(), signal.SIGTERM)

    signal.signal(signal.SIGINT, gracefully)
    if greeting := os.environ.get("GREETING"):
        print(f"{greeting}\n\nCtrl-C stops the site.", flush=True)


def post_worker_init(worker):
    """Leave Ctrl-C, which reaches the whole process group, to the master."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def on_exit(server):
    """Say what goes on."""
    if os.environ.get("GREETING"):
        print("Stopped. The private PostgreSQL stays up; .venv/bin/python manage.py pg stop ends it.", flush=True)
