"""The change context: who makes a change, why and through which channel, in one transaction."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

MAX_REASON = 2000  # characters
# Takes the locks of all rules in question before it checks the first one.
CHECK_CONSTRAINTS = "SELECT lock_rules(); SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED;"
_checks_wait: ContextVar[bool] = ContextVar("checks_wait", default=False)
_actor: ContextVar[dict[str, Any] | None] = ContextVar("actor", default=None)  # of the context that is open; None outside
IMPORT_LOCK = 7_102_218  # an advisory lock that every running import shares
REASON_TOO_LONG = _("Enter a change reason of at most {maximum} characters.")


def shortened(reason: str) -> str:
    """The text, cut to the maximum length of a change reason."""
    return reason if len(reason) <= MAX_REASON else f"{reason[: MAX_REASON - 1]}…"


@contextmanager
def change_context(user: Any = None, reason: str = "", channel: str = "") -> Iterator[None]:
    """Run the block in one transaction, and record user, reason and channel with each change.

    A nested context is part of the outer one: it adds to what is recorded, and an error ends both. Deferred constraints are checked at
    the end of the outermost block, so a violation raises IntegrityError there.
    Raises ValidationError for a reason of more than 2,000 characters.
    """
    reason = reason.strip()
    if len(reason) > MAX_REASON:
        raise ValidationError({"change_reason": ValidationError(REASON_TOO_LONG.format(maximum=MAX_REASON), "max_length")})
    added = {"reason": reason, "channel": channel}
    if user is not None and user.is_authenticated:
        added |= {"id": user.pk, "user": user.get_username()}
    outer = _actor.get()
    actor = ({"channel": "shell"} if outer is None else outer) | {name: value for name, value in added.items() if value}
    with transaction.atomic(savepoint=outer is None):
        if actor != outer:
            _record(actor)
        token = _actor.set(actor)
        try:
            yield
        finally:
            _actor.reset(token)
        if outer is None:
            _record(None, "" if _checks_wait.get() else CHECK_CONSTRAINTS)
        elif actor != outer:
            _record(outer)


def _record(actor: dict[str, Any] | None, check: str = "") -> None:
    """Tell the triggers who makes the next changes; with `check`, after this statement."""
    with connection.cursor() as cursor:
        cursor.execute(f"{check} SELECT set_config('policytracker.actor', %s, true)", ["" if actor is None else json.dumps(actor)])


def check_constraints() -> None:
    """Check the deferred constraints of what this transaction has written. Raises IntegrityError."""
    if not _checks_wait.get():
        with connection.cursor() as cursor:
            cursor.execute(CHECK_CONSTRAINTS)


def nothing_is_committed() -> None:
    """Check the rules of this transaction without their locks. Only for one that is rolled back in any case."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('policytracker.dry_run', 'on', true)")


def mark_import() -> None:
    """Tell other connections until the end of the transaction that an import is running."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [IMPORT_LOCK])


def import_is_running() -> bool:
    """Whether any connection to this database imports records, or tries an import."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND (classid, objid, objsubid) = (0, %s, 1)
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))""",
            [IMPORT_LOCK],
        )
        return cursor.fetchone()[0]


@contextmanager
def one_check_at_the_end() -> Iterator[None]:
    """Check the deferred constraints once, at the end of the block: a long write then holds the locks of rules for a short time."""
    token = _checks_wait.set(True)
    try:
        yield
    finally:
        _checks_wait.reset(token)
    check_constraints()
