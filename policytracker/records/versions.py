"""Stale edits: a change that is based on an older version of its record."""

from __future__ import annotations

from typing import Any

from policytracker.records.exceptions import Stale


def check(record: Any, *seen: Any) -> None:
    """Raises Stale if the record has none of the versions that the caller has seen, given as numbers or texts."""
    if str(record.version) not in map(str, seen):
        raise Stale(record.version)
