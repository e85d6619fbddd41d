"""Data checks of agreements. Findings are listed in the order in which the rules are imported here."""

from agreements.checks import standings, actions, parts, sources  # isort: skip

__all__ = ["actions", "parts", "sources", "standings"]
