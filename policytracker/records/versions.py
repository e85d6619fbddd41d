"""Stale edits: a change that is based on an older version of its record."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from policytracker.records.exceptions import Stale

Seen = int | str | Collection[str] | None  # the version that a caller has seen, one of several versions, or any


def check(record: Any, seen: Seen) -> None:
    """Raises Stale if the record has none of the versions that the caller has seen."""
    if seen is not None and str(record.version) not in ([str(seen)] if isinstance(seen, int | str) else seen):
        raise Stale(record.version)
