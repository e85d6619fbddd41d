"""What goes wrong between the site and PostgreSQL, as a response: status, code and message by SQLSTATE."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import DatabaseError, InterfaceError, OperationalError
from rest_framework import status

RETRY_AFTER = 5  # seconds


@dataclass(frozen=True)
class Trouble:
    """What hinders the database for the moment, and is no fault of the request."""

    code: str
    detail: str
    status: int = status.HTTP_503_SERVICE_UNAVAILABLE


UNREACHABLE = Trouble("unavailable", "The database cannot be reached. Try again in a few seconds.")
TROUBLES = {  # by SQLSTATE, https://www.postgresql.org/docs/current/errcodes-appendix.html
    "25006": Trouble("unavailable", "The database takes no changes at the moment. Try again later."),
    "40P01": Trouble("conflict", "Two writes waited for each other. Send this one again.", status.HTTP_409_CONFLICT),
    "53100": Trouble("unavailable", "The database has no space left. Try again later."),
    "53200": Trouble("unavailable", "The database has no memory left. Try again later."),
    "53300": Trouble("unavailable", "The database has no free connection. Try again in a few seconds."),
    "55P03": Trouble("busy", "Another request is changing the same record. Try again in a few seconds."),
    "57014": Trouble("timeout", "This takes too long. Ask for less at a time."),
    "57P01": UNREACHABLE,
    "57P02": UNREACHABLE,
    "57P03": UNREACHABLE,
}


def trouble_of(error: DatabaseError | InterfaceError) -> Trouble | None:
    """What hinders the database, or None where the error is a fault of the request or of ours."""
    state = getattr(error.__cause__, "sqlstate", None)
    if state is None:  # it did not come from the server, so there was no server, or no connection of the pool
        return UNREACHABLE if isinstance(error, OperationalError | InterfaceError) else None
    return UNREACHABLE if state.startswith("08") else TROUBLES.get(state)
