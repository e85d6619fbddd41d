"""The change context: who makes a change, why and through which channel, in one transaction."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

MAX_REASON = 2000  # characters
ADD_TO_ACTOR = """WITH outer_context AS MATERIALIZED (SELECT coalesce(current_setting('policytracker.actor', true), '') AS actor)
SELECT actor, set_config('policytracker.actor', (coalesce(nullif(actor, ''), '{"channel": "shell"}')::jsonb || %s)::text, true)
FROM outer_context"""
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
        cursor.execute(
            "SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED; SELECT set_config('policytracker.actor', %s, true)",
            [outer],
        )
