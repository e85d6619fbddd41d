"""What recommendations and their records state on the authority of their source, in words."""

from __future__ import annotations

from django.db.models import Q, Value

from policytracker.resources import States
from recommendations.events import KEY_ACTION, response_title, update_title
from recommendations.models import Review

RECOMMENDATION = States(("key_action",), str)
RESPONSE = States(("response", "party__name", KEY_ACTION), response_title)
EVIDENCE = States(
    ("update__kind", "update__status", "update__party__name", Value(""), f"update__{KEY_ACTION}"),
    update_title,
    condition=Q(update__review=Review.APPROVED, update__voided_at__isnull=True),
)
