"""What the fields of records mean, in words: those of the guide to records, which tests compare with the code."""

from __future__ import annotations

import re
from functools import cache

from django.conf import settings

GUIDE = settings.BASE_DIR / "docs" / "records.md"
HEADING = re.compile(r"^###? .*?(?:\(`([-\w]+)`\))?$", re.M)
ROW = re.compile(r"^\| `(\w+)` \| ([^|]+?) \|", re.M)


@cache
def meanings() -> dict[str, dict[str, str]]:
    """The meaning of each field by record type and name; under "" that of the fields of every record."""
    parts = HEADING.split(GUIDE.read_text("utf-8"))
    found: dict[str, dict[str, str]] = {}
    for address, text in zip(parts[1::2], parts[2::2], strict=True):
        rows = {name: meaning.replace("`", "") for name, meaning in ROW.findall(text)}
        for name, meaning in rows.items():
            found.setdefault(address or "", {}).setdefault(name, meaning)
    return found


def meaning_of(address: str, name: str) -> str:
    """What the field of a record type means; "" if the guide does not say it."""
    guide = meanings()
    return guide.get(address, {}).get(name) or guide[""].get(name, "")
