"""Logging: one JSON line per event on stderr, with the request in which it happened.

The main process of the web server uses it too and must not import Django, so this module does not.
"""

from __future__ import annotations

import json
import logging
import os
import re
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR"]
current_request: ContextVar[Any] = ContextVar("current_request", default=None)

# PostgreSQL appends rows and statements to its message, which contain texts of records.
QUOTED_BY_POSTGRESQL = re.compile(r"\n(?:DETAIL|LINE \d+|CONTEXT|QUERY):.*?(?=\n\nThe above exception |\n\nDuring handling |\Z)", re.S)


def without_quotes(text: str) -> str:
    """An error message or traceback without the rows and statements that PostgreSQL quotes."""
    return QUOTED_BY_POSTGRESQL.sub("", text)


def describe(request: Any) -> dict[str, Any]:
    """The log fields of a request: never its query string, headers or body."""
    if not hasattr(request, "id"):
        return {}
    user = vars(request).get("user")
    user = vars(user).get("_wrapped", user) if user is not None else None  # evaluating a lazy user would cost a query
    return {
        "request_id": request.id,
        "method": request.method,
        "path": request.path,
        "client": request.META.get("REMOTE_ADDR") or None,
        "user_id": getattr(user, "pk", None),
    }


def without_traceback_of_clients(record: logging.LogRecord) -> bool:
    """A filter: a suspicious request (`django.security`), and a client that reads too slowly, are warnings of one line."""
    error = record.exc_info[1] if record.exc_info else None
    if record.name.startswith("django.security.") or (record.name == "gunicorn.error" and isinstance(error, TimeoutError)):
        record.levelno, record.levelname, record.exc_info = logging.WARNING, "WARNING", None
    return True


class JsonFormatter(logging.Formatter):
    """Formats a log record as one line of JSON. A call can add fields with `extra={"fields": {…}}`."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": without_quotes(record.getMessage()),
            **describe(getattr(record, "request", None) or current_request.get()),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["traceback"] = without_quotes(self.formatException(record.exc_info))
        return json.dumps(line, default=str)


def configuration(*, terminal: bool) -> dict[str, Any]:
    """The configuration for `logging.config.dictConfig`: JSON lines for a server; plain text and only warnings for a terminal.

    Ends the program if LOG_LEVEL is not a level.
    """
    level = (os.environ.get("LOG_LEVEL") or ("WARNING" if terminal else "INFO")).upper()
    if level not in LEVELS:
        raise SystemExit(f"Configuration error: LOG_LEVEL is {level}. Use {', '.join(LEVELS[:-1])} or {LEVELS[-1]}.")
    through_root = {"handlers": [], "propagate": True}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": JsonFormatter}, "text": {"format": "%(levelname)s %(name)s: %(message)s"}},
        "filters": {"clients": {"()": lambda: without_traceback_of_clients}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "level": level,
                "formatter": "text" if terminal else "json",
                "filters": ["clients"],
            }
        },
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "django": through_root,
            # Only 5xx. LOG_REQUESTS logs 403 and 404 too.
            "django.request": {"level": "ERROR"},
            "axes": {"level": "WARNING"},
            "gunicorn.error": through_root,
            # It logs query strings; log_requests() writes the access log instead.
            "gunicorn.access": {"handlers": [], "propagate": False},
        },
    }
