"""The response of an addressee to a recommendation: who may record it, and how it is validated."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from policytracker.accounts.models import User
from policytracker.edtf import first_day
from policytracker.records.access import Role
from policytracker.records.exceptions import NotPermitted
from policytracker.sql.moment import reads_past
from recommendations.models import Addressee
from recommendations.progress import EDITORS, roles

FIELDS = ["response", "responded_on", "response_text", "source", "locator", "quote"]


def may_respond(addressee: Addressee, by: User) -> bool:
    """Whether this user may record the response: analysts, reviewers, administrators, and officers of the addressed party.

    Nobody may while a past moment is read.
    """
    if reads_past():
        return False
    office = getattr(by, "office", None) if Role.OFFICER in roles(by) else None
    return bool(roles(by) & EDITORS) or (office is not None and office.party_id == addressee.party_id)


def check_permission(addressee: Addressee, by: User) -> None:
    """Raises NotPermitted if this user may not record the response."""
    if not may_respond(addressee, by):
        raise NotPermitted(str(_("Only analysts, reviewers, administrators and officers of the addressed party may record a response.")))


def respond(addressee: Addressee, values: Mapping[str, Any], *, by: User, today: date) -> Addressee:
    """Record a response, which takes effect without approval. Fields missing in `values` keep their value.

    Raises NotPermitted, or ValidationError for invalid values.
    """
    check_permission(addressee, by)
    for name in FIELDS:
        if name in values:
            setattr(addressee, name, values[name])
    addressee.full_clean()
    responded = first_day(addressee.responded_on)
    if responded and responded > today:
        raise ValidationError({"responded_on": ValidationError(_("The response date cannot be in the future."), "future_date")})
    addressee.save()
    return addressee
