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
ADD_TO_ACTOR = """WITH outer_context AS MATERIALIZED (SELECT coalesce(current_setting('policytracker.actor', true), '') AS actor)
SELECT actor, set_config('policytracker.actor', (coalesce(nullif(actor, ''), '{"channel": "shell"}')::jsonb || %s)::text, true)
FROM outer_context"""
# Takes the locks of all rules in question before it checks the first one.
CHECK_CONSTRAINTS = "SELECT lock_rules(); SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED;"
_checks_wait: ContextVar[bool] = ContextVar("checks_wait", default=False)
IMPORT_LOCK = 7_102_218  # an advisory lock that every running import shares
REASON_TOO_LONG = _("Enter a change reason of at most {maximum} characters.")


def shortened(reason: str) -> str:
    """The text, cut to the maximum length of a change reason."""
    return reason if len(reason) <= MAX_REASON else f"{reason[: MAX_REASON - 1]}…"


@contextmanager
def change_context(user: Any = None, reason: str = "", channel: str = "") -> Iterator[None]:
    """Run the block in one transaction, and record user, reason and channel with each change. A nested context adds to the outer one.

    Deferred constraints are checked at the end of the block, so a violation raises IntegrityError here.
    Raises ValidationError for a reason of more than 2,000 characters.
    """
    reason = reason.strip()
    if len(reason) > MAX_REASON:
        raise ValidationError({"change_reason": ValidationError(REASON_TOO_LONG.format(maximum=MAX_REASON), "max_length")})
    actor = {"reason": reason, "channel": channel}
    if user is not None and user.is_authenticated:
        actor |= {"id": user.pk, "user": user.get_username()}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(ADD_TO_ACTOR, [json.dumps({name: value for name, value in actor.items() if value})])
        outer = cursor.fetchone()[0]
        yield
        check = "" if _checks_wait.get() else CHECK_CONSTRAINTS
        cursor.execute(f"{check} SELECT set_config('policytracker.actor', %s, true)", [outer])


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
