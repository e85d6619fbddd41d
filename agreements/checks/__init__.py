"""What may be wrong with what was agreed. The rules are told in the order in which they are imported here."""

from agreements.checks import standings, acts, parts, sources  # isort: skip

__all__ = ["acts", "parts", "sources", "standings"]
