"""Temporary database errors: HTTP status, code and message by SQLSTATE."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import DatabaseError, InterfaceError, OperationalError
from django.utils.translation import gettext_lazy as _
from psycopg_pool import PoolTimeout
from rest_framework import status

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

RETRY_AFTER = 5  # seconds
LOCK_TIMEOUT = "55P03"


@dataclass(frozen=True)
class TemporaryError:
    """A temporary error of the database that the request did not cause."""

    code: str
    detail: StrOrPromise
    status: int = status.HTTP_503_SERVICE_UNAVAILABLE


UNREACHABLE = TemporaryError("unavailable", _("The database cannot be reached. Try again in a few seconds."))
# The pool does not report whether the database is down, or other requests use all connections.
NO_CONNECTION = TemporaryError(
    "unavailable", _("All database connections are in use, or the database cannot be reached. Try again in a few seconds.")
)
TEMPORARY_ERRORS = {  # by SQLSTATE, https://www.postgresql.org/docs/current/errcodes-appendix.html
    "25006": TemporaryError("unavailable", _("The database is read-only at the moment. Try again later.")),
    "40P01": TemporaryError("conflict", _("This request conflicted with a concurrent one. Send it again."), status.HTTP_409_CONFLICT),
    "53100": TemporaryError("unavailable", _("The database has no disk space left. Try again later.")),
    "53200": TemporaryError("unavailable", _("The database has no memory left. Try again later.")),
    "53300": TemporaryError("unavailable", _("The database has no free connection. Try again in a few seconds.")),
    LOCK_TIMEOUT: TemporaryError(
        "busy", _("Another request is changing this record, or one that a rule connects with it. Try again in a few seconds.")
    ),
    "57014": TemporaryError("timeout", _("The request took too long. Request less data at a time.")),
    "57P01": UNREACHABLE,
    "57P02": UNREACHABLE,
    "57P03": UNREACHABLE,
}


# The server does not report which transaction was waited for.
IMPORT_RUNS = TemporaryError(
    "busy", _("An import is running, which may be changing this record, or one that a rule connects with it. Try again when it has ended.")
)


def waited_too_long_for_a_lock(error: Exception) -> bool:
    return isinstance(error, DatabaseError) and getattr(error.__cause__, "sqlstate", None) == LOCK_TIMEOUT


def temporary_error(error: DatabaseError | InterfaceError) -> TemporaryError | None:
    """The temporary error behind `error`; None if the request or a defect caused it."""
    if isinstance(error.__cause__, PoolTimeout):
        return NO_CONNECTION
    state = getattr(error.__cause__, "sqlstate", None)
    if state is None:  # the server did not send it, because it cannot be reached
        return UNREACHABLE if isinstance(error, OperationalError | InterfaceError) else None
    return UNREACHABLE if state.startswith("08") else TEMPORARY_ERRORS.get(state)
