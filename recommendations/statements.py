"""What recommendations and their records state on the authority of their source, in words."""

from __future__ import annotations

from django.db.models import Q, Value
from django.utils.translation import gettext_lazy as _

from policytracker.resources import States
from recommendations.events import KEY_ACTION, response_title, update_title
from recommendations.models import Recommendation, Response, Review


def addressee_title(code: str, party: str, action: str) -> str:
    if code == Response.NONE_RECORDED:
        return ADDRESSED.format(party=party, action=action)
    return response_title(code, party, action)


ADDRESSED = _("Addressed to {party}: {action}")

RECOMMENDATION = States(("key_action",), str)
ADDRESSEE = States(("response", "party__name", KEY_ACTION), addressee_title)
EVIDENCE = States(
    ("update__kind", "update__status", "update__party__name", Value(""), f"update__{KEY_ACTION}", "update__recommendation_id"),
    lambda *parts: update_title(*parts[:-1]),
    condition=Q(update__review=Review.APPROVED, update__voided_at__isnull=True),
    about=Recommendation,
)
