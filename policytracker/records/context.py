"""The change context: who makes a change, why and through which channel, in one transaction."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import connection, transaction

if TYPE_CHECKING:
    pass


MAX_REASON = 2000  # characters
REASON_TOO_LONG = f"A change reason has at most {MAX_REASON} characters."


def shortened(reason: str) -> str:
    """The text as a change reason; the rest is cut where it is longer than one may be."""
    return reason if len(reason) <= MAX_REASON else f"{reason[: MAX_REASON - 1]}…"


@contextmanager
def change_context(user: Any = None, reason: str = "", channel: str = "") -> Iterator[None]:
    """One act in one transaction: history keeps who did it, why and through which channel. An act within an act adds to it.

    What several rows must keep together is checked before it ends, so a broken rule is raised here, as IntegrityError.
    Raises ValidationError for a reason of more than 2,000 characters.
    """
    reason = reason.strip()
    if len(reason) > MAX_REASON:
        raise ValidationError({"change_reason": ValidationError(REASON_TOO_LONG, "max_length")})
    actor = {"reason": reason, "channel": channel}
    if user is not None and user.is_authenticated:
        actor |= {"id": user.pk, "user": user.get_username()}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(current_setting('policytracker.actor', true), '')")
        outer = cursor.fetchone()[0]
        actor = (json.loads(outer) if outer else {"channel": "shell"}) | {k: v for k, v in actor.items() if v}
        cursor.execute("SELECT set_config('policytracker.actor', %s, true)", [json.dumps(actor)])
        yield
        cursor.execute(
            "SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED; SELECT set_config('policytracker.actor', %s, true)",
            [outer],
        )
