"""The three users who send the requests: their credentials, and records that they can read."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.db.models import Count

from agreements.models import Agreement
from policytracker.accounts.models import Token, User
from recommendations.models import Recommendation

NAMES = ["administrator-1", "analyst-01", "officer-1"]
SAMPLES = 100  # records of each kind that details are read of


@dataclass(frozen=True)
class Reader:
    """A user with a token and a session. Readable records are chosen once, spread over the register."""

    user: User
    token: str

    @classmethod
    def sign_in(cls, username: str) -> Reader:
        """Create a token for the user."""
        user = User.objects.get(username=username)
        return cls(user, Token.objects.create(user=user, name="benchmark")[1])

    @property
    def role(self) -> str:
        return self.user.username.partition("-")[0]

    @cached_property
    def session(self) -> str:
        """The key of a new session of the admin."""
        store = SessionStore()
        store[SESSION_KEY] = str(self.user.pk)
        store[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[-1]
        store[HASH_SESSION_KEY] = self.user.get_session_auth_hash()
        store.create()
        return str(store.session_key)

    @cached_property
    def recommendations(self) -> list[str]:
        return spread(Recommendation.objects.visible_to(self.user), SAMPLES)

    @cached_property
    def agreements(self) -> list[str]:
        return spread(Agreement.objects.visible_to(self.user), SAMPLES)

    @cached_property
    def large_agreements(self) -> list[str]:
        """The agreements with the most parties, the largest first."""
        rows = Agreement.objects.visible_to(self.user).annotate(size=Count("participations")).order_by("-size", "slug")
        return list(rows.values_list("slug", flat=True)[:20])


def spread(rows: Any, number: int) -> list[str]:
    """The slugs of so many rows, at equal distances in the order of slugs."""
    slugs = list(rows.order_by("slug").values_list("slug", flat=True))
    return slugs[:: max(1, len(slugs) // number)][:number]
