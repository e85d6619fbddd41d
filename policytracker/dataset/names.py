"""Finding records by names in other tables: exactly, ignoring what the app ignores, and never by similarity."""

from __future__ import annotations

import re
from collections import defaultdict
from difflib import get_close_matches
from functools import cached_property

from django.db.models import QuerySet

from policytracker.resources import Naming

MAX_SUGGESTIONS = 3
MAX_FOOTNOTES = 40  # characters
# Marks of footnotes at the end of a name: superscript figures, `[1]`, `*`. A plain number can be part of a name, as in `District 7`.
FOOTNOTES = re.compile(r"(?:\s*(?:\[\w{1,3}\]|[\u00b9\u00b2\u00b3\u2070-\u2079*\u2020\u2021]+,?))+\Z")


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
        """The records with the most similar names, such as `Romania (ROU)`, to be shown and never to be used."""
        close = get_close_matches(self.naming.comparable(name), self.keys, MAX_SUGGESTIONS)
        names: dict[str, str] = {}
        for match in close:
            for key, stored in sorted(self.keys[match].items()):
                names.setdefault(key, stored)
        return [f"{name} ({key})" for key, name in names.items()][:MAX_SUGGESTIONS]
