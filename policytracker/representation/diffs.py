"""Word-by-word differences between the old and new values of a record."""

from collections import Counter
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Any

from django.utils.translation import gettext_lazy as _

# The limit for one page, in the units of effort(); 10 million take about 0.2 s.
EFFORT = 10_000_000
EMPTY = _("(empty)")


class Budget:
    """The effort that is left for a page. Comparing two texts can take time cubic in their number of words."""

    def __init__(self, effort: int = EFFORT):
        self.left = effort

    def spend(self, effort: int) -> bool:
        """Whether enough effort is left; if so, it is subtracted."""
        if effort > self.left:
            return False
        self.left -= effort
        return True


def diff(before: Any, after: Any, budget: Budget | None = None) -> Iterator[tuple[str, str]]:
    """The removed ("-"), added ("+") and equal (" ") parts; the complete texts if they are short or too expensive to compare."""
    old, new = display_text(before), display_text(after)
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
    """The lengths of the common prefix and, in the rest, of the common suffix, in words."""
    shorter = min(len(a), len(b))
    start = next((i for i in range(shorter) if a[i] != b[i]), shorter)
    end = next((i for i in range(shorter - start) if a[-1 - i] != b[-1 - i]), shorter - start)
    return start, end


def effort(a: list[str], b: list[str]) -> int:
    """An upper bound for the work of SequenceMatcher: each round reads all words and all pairs of equal words."""
    in_b = Counter(b)
    pairs = sum(count * in_b[word] for word, count in Counter(a).items())
    return (len(a) + len(b) + pairs) * min(len(a), len(b))


def display_text(value: Any) -> str:
    if value is None or value == "" or value == []:
        return str(EMPTY)
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
