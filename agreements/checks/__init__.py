"""Data checks of agreements. Findings are listed in the order of these imports."""

from agreements.checks import standings, actions, sources, parts  # isort: skip

__all__ = ["actions", "parts", "sources", "standings"]
