"""Strict JSON: an object has each name once, and NaN is not a number."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.utils.translation import gettext as _


def unique_names(pairs: list[tuple[str, Any]]) -> dict:
    """The object as a dict. Raises ValueError if a name occurs twice."""
    result = dict(pairs)
    if len(result) < len(pairs):
        name = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise ValueError(_("An object contains “{name}” twice").format(name=name))
    return result


def refuse_constant(name: str) -> None:
    raise ValueError(_("{value} is not a number").format(value=name))
