"""Logging: one JSON line per event on stderr, with the request in which it happened.

The web server's own process logs in the same way, and must not import Django: this module does not.
"""

from __future__ import annotations

import json
import logging
import os
import re
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

current_request: ContextVar[Any] = ContextVar("current_request", default=None)

# PostgreSQL quotes rows and statements below its message, and these hold texts of records.
QUOTED_BY_POSTGRESQL = re.compile(r"\n(?:DETAIL|LINE \d+|CONTEXT|QUERY):.*?(?=\n\nThe above exception |\n\nDuring handling |\Z)", re.S)


def without_quotes(text: str) -> str:
    """An error message or traceback without the rows and statements that PostgreSQL quotes."""
    return QUOTED_BY_POSTGRESQL.sub("", text)


def describe(request: Any) -> dict[str, Any]:
    """The log fields of a request: never its query string, headers or body."""
    if not hasattr(request, "id"):
        return {}
    user = vars(request).get("user")
    user = vars(user).get("_wrapped", user) if user is not None else None  # a lazy user that nobody needed costs a query
    return {
        "request_id": request.id,
        "method": request.method,
        "path": request.path,
        "client": request.META.get("REMOTE_ADDR") or None,
        "user_id": getattr(user, "pk", None),
    }


class JsonFormatter(logging.Formatter):
    """Writes one line of JSON. A call adds fields of its own with `extra={"fields": {…}}`."""

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
    """The configuration for `logging.config.dictConfig`: JSON lines for a server; plain text, and only warnings, for a terminal."""
    level = (os.environ.get("LOG_LEVEL") or ("WARNING" if terminal else "INFO")).upper()
    through_root = {"handlers": [], "propagate": True}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": JsonFormatter}, "text": {"format": "%(levelname)s %(name)s: %(message)s"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "level": level, "formatter": "text" if terminal else "json"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "django": through_root,
            # Only 5xx: a 404 or 403 is no event for an operator, and LOG_REQUESTS shows it.
            "django.request": {"level": "ERROR"},
            "axes": {"level": "WARNING"},
            "gunicorn.error": through_root,
            # It would log query strings; log_requests() writes the access log.
            "gunicorn.access": {"handlers": [], "propagate": False},
        },
    }
