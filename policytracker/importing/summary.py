"""What an import does: a line for each record, and their summary."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from policytracker.importing.names import NameIndex
from policytracker.importing.tables import Place, one_line
from policytracker.representation.diffs import display_text
from policytracker.writing.writer import Outcome

MAX_EXAMPLES = 10  # records of each outcome
MAX_ROWS = 10  # row numbers of a refusal or name
FEW_SECONDS = 10


@dataclass(frozen=True)
class Term:
    """A text of the file for which there is no code or record. `model` is the type of the record."""

    field: str
    text: str
    model: type[models.Model] | None = None


@dataclass(frozen=True)
class Problem:
    """Why a record is refused: the place, the message, and the term that must be translated, if any."""

    place: Place
    message: str
    term: Term | None = None


@dataclass
class ImportLine:
    """What an import does with one record of a row: the outcome, (old, new) of each changed field, and the problems."""

    row: int
    place: Place
    resource: str
    key: str = ""
    outcome: Outcome = Outcome.UNCHANGED
    changes: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    file: str = ""  # if several files are imported
    needs_reason: bool = False  # whether it is refused because such a change requires a reason

    @property
    def rows(self) -> set[int]:
        """The rows that have the problems of the record; several rows can be about one."""
        return {row for problem in self.problems if (row := problem.place.row) is not None} or {self.row}

    def refuse(self, place: Place, message: str, term: Term | None = None) -> None:
        self.outcome = Outcome.REFUSED
        self.problems.append(Problem(place, message, term))


def display_value(value: Any, length: int) -> str:
    """A value of a changed field, cut to a number of characters."""
    text = display_text(value)
    return text if len(text) <= length else f"{text[: length - 1]}…"


@dataclass
class Group:
    """Refusals with the same message in the same column."""

    column: str
    message: str
    rows: list[Any] = field(default_factory=list)

    @property
    def row_numbers(self) -> str:
        return row_numbers(self.rows)


def row_numbers(rows: list[Any]) -> str:
    """The first row numbers of a list."""
    return ", ".join(map(str, rows[:MAX_ROWS])) + (", …" if len(rows) > MAX_ROWS else "")


class Summary:
    """Counts the lines of an import by outcome, type and field, and keeps some of them as examples.

    `names` returns the index of the names of a model, from which similar names are suggested.
    """

    def __init__(self, names: Callable[[type[models.Model]], NameIndex | None], max_examples: int = MAX_EXAMPLES):
        self.names, self.max_examples = names, max_examples
        self.counts: Counter[Outcome] = Counter()
        self.types: dict[Outcome, Counter[str]] = defaultdict(Counter)
        self.fields: dict[str, Counter[str]] = defaultdict(Counter)
        self.examples: dict[Outcome, list[ImportLine]] = defaultdict(list)
        self.groups: dict[tuple[str, str], Group] = {}
        self.terms: dict[Term, list[Any]] = defaultdict(list)

    def add(self, line: ImportLine) -> None:
        self.counts[line.outcome] += 1
        self.types[line.outcome][line.resource] += 1
        if line.outcome == Outcome.CHANGED:
            self.fields[line.resource].update(line.changes.keys())
        if len(self.examples[line.outcome]) < self.max_examples:
            self.examples[line.outcome].append(line)
        for problem in line.problems:
            number = problem.place.row or line.row
            row = f"{line.file}:{number}" if line.file else number
            key = problem.place.header, problem.message
            self.groups.setdefault(key, Group(*key)).rows.append(row)
            if problem.term:
                self.terms[problem.term].append(row)

    @property
    def refusals(self) -> list[Group]:
        """The groups of refusals, the largest first."""
        return sorted(self.groups.values(), key=lambda group: -len(group.rows))

    def by_type(self, outcome: Outcome) -> str:
        """The number of records of each type, such as `parties 902`, with those of each field if they are changed."""
        parts = []
        for resource, number in self.types[outcome].most_common():
            changed = self.fields[resource].most_common() if outcome == Outcome.CHANGED else []
            fields = ", ".join(f"{name} {count}" for name, count in changed)
            parts.append(f"{resource} {number}" + (f" ({fields})" if fields else ""))
        return ", ".join(parts)

    def similar(self, term: Term) -> list[str]:
        index = self.names(term.model) if term.model else None
        return index.similar(term.text) if index else []

    def codes_blocks(self) -> Iterator[str]:
        """The lines of the `[codes]` blocks that translate the terms without a match, to be completed with our codes."""
        by_field: dict[str, list[Term]] = defaultdict(list)
        for term in self.terms:
            by_field[term.field].append(term)
        for name, terms in by_field.items():
            yield f"[codes.{name}]"
            for term in terms:
                similar = ", ".join(self.similar(term))
                rows = ngettext("%d row", "%d rows", len(self.terms[term])) % len(self.terms[term])
                yield f'{quoted(term.text)} = ""  # {rows}' + (f"; {one_line(similar)}" if similar else "")


def quoted(text: str) -> str:
    """A text as a string of TOML."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(f"\\u{ord(char):04X}" if ord(char) < 32 or ord(char) == 127 else char for char in escaped) + '"'


def expected_duration(seconds: float) -> str:
    """How long an import will take, if its preview took so long."""
    if seconds < FEW_SECONDS:
        return _("The import will take a few seconds.")
    if seconds < 90:
        return _("The import will take about %(seconds)s seconds.") % {"seconds": int(round(seconds, -1))}
    return _("The import will take about %(minutes)s minutes.") % {"minutes": round(seconds / 60)}
