"""Changes of records, prepared so that a person sees which words were removed and which were added."""

from collections import Counter
from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher
from typing import Any

from django.utils.dateparse import parse_datetime

# How much one page may spend on comparing words, in pairs of equal words times the words to place; 10 million take 0.2 s.
EFFORT = 10_000_000
NOTHING = "nothing"


class Budget:
    """What a page may still spend. Comparing words costs up to the cube of their number, however short each text is."""

    def __init__(self, effort: int = EFFORT):
        self.left = effort

    def spend(self, effort: int) -> bool:
        """Whether there is enough left for this, which is then spent."""
        if effort > self.left:
            return False
        self.left -= effort
        return True


def shown(entries: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The entries of a page of the history, each with its time and its changes field by field as (" ", "-" or "+", text)."""
    budget = Budget()
    return [
        entry
        | {
            "when": parse_datetime(entry["at"]),
            "told": [
                {"field": name.replace("_", " "), "diff": list(diff(**change, budget=budget))} for name, change in entry["changes"].items()
            ],
        }
        for entry in entries
    ]


def diff(before: Any, after: Any, budget: Budget | None = None) -> Iterator[tuple[str, str]]:
    """What was removed and what was added: the words, or the whole texts where these are short or comparing costs too much."""
    old, new = text(before), text(after)
    a, b = old.split(" "), new.split(" ")
    if min(len(a), len(b)) < 4:
        yield from (("-", old), ("+", new))
        return
    start, end = common(a, b)
    old_middle, new_middle = a[start : len(a) - end], b[start : len(b) - end]
    if not (budget or Budget()).spend(effort(old_middle, new_middle)):
        yield from (("-", old), ("+", new))
        return
    if start:
        yield " ", " ".join(a[:start])
    for operation, i1, i2, j1, j2 in SequenceMatcher(None, old_middle, new_middle, autojunk=False).get_opcodes():
        if operation == "equal":
            yield " ", " ".join(old_middle[i1:i2])
            continue
        if i2 > i1:
            yield "-", " ".join(old_middle[i1:i2])
        if j2 > j1:
            yield "+", " ".join(new_middle[j1:j2])
    if end:
        yield " ", " ".join(a[len(a) - end :])


def common(a: list[str], b: list[str]) -> tuple[int, int]:
    """How many words both texts begin with, and how many of the rest both end with."""
    shorter = min(len(a), len(b))
    start = next((i for i in range(shorter) if a[i] != b[i]), shorter)
    end = next((i for i in range(shorter - start) if a[-1 - i] != b[-1 - i]), shorter - start)
    return start, end


def effort(a: list[str], b: list[str]) -> int:
    """The most that SequenceMatcher does: in each of its rounds it looks at the words, and at each pair of equal ones."""
    in_b = Counter(b)
    pairs = sum(times * in_b[word] for word, times in Counter(a).items())
    return (len(a) + len(b) + pairs) * min(len(a), len(b))


def text(value: Any) -> str:
    if value is None or value == "" or value == []:
        return NOTHING
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
