"""Finding records by names in other tables: exactly, ignoring what the app ignores, and never by similarity."""

from __future__ import annotations

from collections import defaultdict
from difflib import get_close_matches
from functools import cached_property

from django.db.models import QuerySet

from policytracker.resources import Naming

MAX_SUGGESTIONS = 3


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
        """The keys of the records with this name. A key that is spelled exactly like the name comes alone."""
        keys = self.keys.get(self.naming.comparable(name), {})
        return [name] if name in keys else sorted(keys)

    def similar(self, name: str) -> list[str]:
        """The records with the most similar names, such as `Romania (ROU)`, to be shown and never to be used."""
        close = get_close_matches(self.naming.comparable(name), self.keys, MAX_SUGGESTIONS)
        names: dict[str, str] = {}
        for match in close:
            for key, stored in sorted(self.keys[match].items()):
                names.setdefault(key, stored)
        return [f"{name} ({key})" for key, name in names.items()][:MAX_SUGGESTIONS]
