"""The answer of an addressed party to a recommendation: who may record it, and what it must say (docs/records.md)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from django.core.exceptions import ValidationError

from policytracker.edtf import first_day
from policytracker.models import User
from policytracker.records.access import Role
from policytracker.records.exceptions import NotPermitted
from recommendations.models import Addressee
from recommendations.progress import EDITORS, roles

FIELDS = ["response", "responded_on", "response_text", "source", "locator", "quote"]


def may_respond(addressee: Addressee, by: User) -> bool:
    """Whether this user may record the response: an analyst or reviewer, or an officer of the addressed party."""
    office = getattr(by, "office", None) if Role.OFFICER in roles(by) else None
    return bool(roles(by) & EDITORS) or (office is not None and office.party_id == addressee.party_id)


def respond(addressee: Addressee, answer: Mapping[str, Any], *, by: User, today: date) -> Addressee:
    """Record a response. `answer` has values of FIELDS; what it leaves out stays as it is.

    It needs no approval: it is the party's own statement. Raises NotPermitted and ValidationError.
    """
    if not may_respond(addressee, by):
        raise NotPermitted("Only the addressed party, analysts and reviewers may record its response.")
    for name in FIELDS:
        if name in answer:
            setattr(addressee, name, answer[name])
    addressee.full_clean()
    responded = first_day(addressee.responded_on)
    if responded and responded > today:
        raise ValidationError({"responded_on": ValidationError("The response date cannot be in the future.", "future_date")})
    addressee.save()
    return addressee
