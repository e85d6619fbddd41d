"""Data checks of agreements. Findings are listed in the order of these imports."""

from agreements.checks import standings, actions, parts, sources  # isort: skip

__all__ = ["actions", "parts", "sources", "standings"]
