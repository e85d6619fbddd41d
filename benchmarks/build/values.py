"""Random values in realistic proportions, always the same for the same seed."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import accumulate, product
from random import Random
from typing import Any

WORDS = [
    "air", "audit", "border", "charter", "coast", "council", "data", "duty", "energy", "export", "fleet", "forest", "fund", "grid",
    "harbour", "health", "housing", "island", "knowledge", "labour", "licence", "market", "mineral", "network", "ocean", "pilot",
    "pipeline", "port", "quota", "rail", "reactor", "reef", "register", "review", "river", "school", "security", "ship", "skills",
    "standard", "steel", "survey", "tariff", "trade", "transport", "treaty", "trust", "visa", "water", "wind", "yard", "zone",
]  # fmt: skip
# Made-up words, each rarer than the one before, so that a search can find few records or many.
SYLLABLES = ["ba", "dor", "fel", "gan", "hul", "kem", "lis", "mor", "nav", "pel", "rin", "sor", "tav", "ver", "wen", "zul"]
RARE = ["".join(parts) for parts in product(SYLLABLES, repeat=3)]
SHARE_OF_RARE = 0.2  # of the words in a text
TEXTS, WORDS_OF_TEXT = 5_000, 40


class Maker:
    """Random values from one seed."""

    def __init__(self, today: date, seed: int):
        self.random = Random(seed)
        self.today = today
        self.vocabulary = WORDS + RARE
        common = (1 - SHARE_OF_RARE) / len(WORDS)
        ranks = sum(1 / n for n in range(1, len(RARE) + 1))
        self.weights = list(accumulate([common] * len(WORDS) + [SHARE_OF_RARE / ranks / n for n in range(1, len(RARE) + 1)]))
        self.texts = [f"{self.title(WORDS_OF_TEXT)}." for _ in range(TEXTS)]
        self.days = {n: str(today + timedelta(n)) for n in range(-3000, 2000)}

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def skewed_choice(self, ids: range) -> int:
        """One of the ids; the first ones are far more frequent than the last."""
        return ids[int(len(ids) * self.random.random() ** 2)]

    def choice(self, choices: Any) -> Any:
        return choices[int(len(choices) * self.random.random())]

    def uid(self) -> str:
        return f"{self.random.getrandbits(128):032x}"

    def title(self, words: int) -> str:
        return " ".join(self.random.choices(self.vocabulary, cum_weights=self.weights, k=words)).capitalize()

    def text(self) -> str:
        return self.choice(self.texts)

    def day(self, first: int, last: int, unknown: float = 0.15) -> str:
        """A partial date between `first` and `last` days from today, or "" with the probability `unknown`."""
        offset = first + int((last - first) * self.random.random())
        return "" if self.chance(unknown) else self.partial(offset)

    def partial(self, offset: int) -> str:
        """The date so many days from today: usually the day, sometimes only the month or the year, or about it."""
        roll = self.random.random()
        size = 4 if roll > 0.92 else 7 if roll > 0.75 else 10
        return self.days[offset][:size] + "~" * self.chance(0.03)

    def access(self) -> tuple[str, str]:
        """Visibility and publication; most records are public and published."""
        roll = self.random.random()
        return "restricted" if roll < 0.03 else "internal" if roll < 0.1 else "public", "draft" if self.chance(0.05) else "published"
