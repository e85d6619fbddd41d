"""The models of the platform, imported from their packages because Django looks for them here."""

from policytracker.accounts.models import ListChoice, Token, User
from policytracker.api.models import IdempotencyKey
from policytracker.installed.models import SearchEntry
from policytracker.records.changes import Change

__all__ = ["Change", "IdempotencyKey", "ListChoice", "SearchEntry", "Token", "User"]
