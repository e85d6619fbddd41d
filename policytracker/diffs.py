"""A change of a record, told so that a person sees which words went and which came."""

from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Any

from django.utils.dateparse import parse_datetime

COMPARED = 2_000  # words; beyond them both texts are told whole
NOTHING = "nothing"


def shown(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry of the history with its time to be written, and its changes field by field as (" ", "-" or "+", text)."""
    told = [{"field": name.replace("_", " "), "diff": list(diff(**change))} for name, change in entry["changes"].items()]
    return entry | {"when": parse_datetime(entry["at"]), "told": told}


def diff(before: Any, after: Any) -> Iterator[tuple[str, str]]:
    """What went and what came; of long texts, the words."""
    old, new = text(before), text(after)
    a, b = old.split(" "), new.split(" ")
    if min(len(a), len(b)) < 4 or max(len(a), len(b)) > COMPARED:
        yield from (("-", old), ("+", new))
        return
    for operation, i1, i2, j1, j2 in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if operation == "equal":
            yield " ", " ".join(a[i1:i2])
            continue
        if i2 > i1:
            yield "-", " ".join(a[i1:i2])
        if j2 > j1:
            yield "+", " ".join(b[j1:j2])


def text(value: Any) -> str:
    if value is None or value == "" or value == []:
        return NOTHING
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
