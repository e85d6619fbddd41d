"""Finding records by names in other tables: exactly, ignoring what the app ignores, and never by similarity."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from difflib import get_close_matches
from functools import cached_property

from django.db.models import QuerySet

from policytracker.records.models import Record
from policytracker.representation.references import title
from policytracker.resources import Naming

MAX_SUGGESTIONS = 3
MAX_COMMON = 30  # names; a word of more names is ignored
SPELLED_ALIKE = 0.85  # of difflib
MAX_FOOTNOTES = 40  # characters
# Marks of footnotes at the end of a name: superscript figures, `[1]`, `*`. A plain number can be part of a name, as in `District 7`.
FOOTNOTES = re.compile(r"(?:\s*(?:\[\w{1,3}\]|[\u00b9\u00b2\u00b3\u2070-\u2079*\u2020\u2021]+,?))+\Z")


def titles(model: type[Record]) -> Naming:
    """How records that have no other names are named in a sheet for people: by their key, title, or title and key."""

    def pairs(rows: QuerySet) -> Iterator[tuple[str, str]]:
        _name, shown = title(model)
        for key, text in rows.order_by().values_list(model.key, shown):
            yield from ((str(key), name) for name in (str(key), text, f"{text} ({key})") if name)

    return Naming(pairs, lambda name: " ".join(name.split()).casefold())


def without_footnotes(text: str) -> str:
    """The text without marks of footnotes at its end."""
    return text[:-MAX_FOOTNOTES] + FOOTNOTES.sub("", text[-MAX_FOOTNOTES:])  # a pattern at the end of a long text would take long


class NameIndex:
    """The names of the records of a model that a user may read."""

    def __init__(self, naming: Naming, rows: QuerySet):
        self.naming, self.rows = naming, rows

    @cached_property
    def keys(self) -> dict[str, dict[str, str]]:
        """The keys of the records, each with the name as it is stored, by comparable name."""
        keys: dict[str, dict[str, str]] = defaultdict(dict)
        for key, name in self.naming.pairs(self.rows):
            keys[self.naming.comparable(name)].setdefault(key, name)
        return dict(keys)

    def find(self, name: str) -> list[str]:
        """The keys of the records with this name, or with this name without footnotes. A key that equals the name comes alone."""
        comparable = self.naming.comparable
        keys = self.keys.get(comparable(name)) or self.keys.get(comparable(without_footnotes(name)), {})
        return [name] if name in keys else sorted(keys)

    def similar(self, name: str) -> list[str]:
        """The records with the most similar names, such as `Romania (ROU)`, to be shown and never to be used.

        Names are similar if they share words (`Congo, Dem. Rep.` and `Democratic Republic of the Congo`) or are spelled alike.
        """
        wanted = self.naming.comparable(name)
        close = get_close_matches(wanted, self.keys, MAX_SUGGESTIONS, SPELLED_ALIKE)
        names: dict[str, str] = {}
        for match in dict.fromkeys([*close, *self.with_shared_words(name), *get_close_matches(wanted, self.keys, MAX_SUGGESTIONS)]):
            for key, stored in sorted(self.keys[match].items()):
                names.setdefault(key, stored)
        return [f"{name} ({key})" for key, name in names.items()][:MAX_SUGGESTIONS]

    def with_shared_words(self, name: str) -> list[str]:
        """The comparable names that share the most words with a name; rare words count more, and an abbreviation is the word it begins."""
        scores: dict[str, float] = defaultdict(float)
        for word in self.words_of(name):
            matches = {each for known, names in self.words.items() if known.startswith(word) for each in names}
            for match in matches if len(matches) <= MAX_COMMON else ():
                scores[match] += 1 / len(matches)
        return sorted(scores, key=lambda match: (-scores[match], len(match), match))[:MAX_SUGGESTIONS]

    def words_of(self, name: str) -> set[str]:
        """The words of a name, except short ones."""
        return {word for each in re.findall(r"\w{3,}", name) if (word := self.naming.comparable(each))}

    @cached_property
    def words(self) -> dict[str, set[str]]:
        """The comparable names by each of their words."""
        words: dict[str, set[str]] = defaultdict(set)
        for comparable, keys in self.keys.items():
            for word in set().union(*(self.words_of(name) for name in keys.values())):
                words[word].add(comparable)
        return dict(words)
