"""Charts of the admin: values for the templates in `admin/charts/`, which draw them with HTML and CSS.

Each chart has labels besides its colours, and a table with the same numbers. No script is needed. A mapping gives each code its group,
in the order of the chart; the fills of the groups are in the style sheet. Only what is not known has a pattern.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property, partial
from typing import Any

from policytracker.codes import Codes

YEAR_LABELS = 8  # of a time axis, at most


@dataclass(frozen=True)
class Group:
    """Codes that a chart draws alike: their name together, and their fill."""

    label: Any
    fill: str


@dataclass(frozen=True)
class Part:
    """The count of one code: its share of the whole in percent, and the list that it counts."""

    code: Codes
    count: int
    percent: float
    url: str = ""


@dataclass(frozen=True)
class GroupPart:
    """The codes of one group that occur, with their count and share together."""

    group: Group
    parts: list[Part]

    @property
    def count(self) -> int:
        return sum(part.count for part in self.parts)

    @property
    def percent(self) -> float:
        return sum(part.percent for part in self.parts)


@dataclass(frozen=True)
class Distribution:
    """How a total is divided among groups of codes. `unknown` is the part whose code says that nothing is known; it may be 0."""

    groups: list[GroupPart]
    total: int
    unknown: Part

    @property
    def parts(self) -> list[Part]:
        return [part for group in self.groups for part in group.parts]

    @classmethod
    def of(
        cls, groups: Mapping[Codes, Group], counts: Mapping[str, int], unknown: Codes, url: Callable[[Codes], str] = lambda code: ""
    ) -> Distribution:
        """The codes that occur, group by group, in the order of `groups`."""
        total = sum(counts.values())
        parts: dict[Group, list[Part]] = {}
        for code, group in groups.items():
            if count := counts.get(code):
                parts.setdefault(group, []).append(Part(code, count, 100 * count / total, url(code)))
        found = [GroupPart(group, of_group) for group, of_group in parts.items()]
        nothing_known = next((part for of_group in parts.values() for part in of_group if part.code == unknown), Part(unknown, 0, 0))
        return cls(found, total, nothing_known)


@dataclass(frozen=True)
class Trend:
    """A distribution at several dates, each with the list that it counts, and the groups and codes that occur at any of them."""

    points: list[tuple[date, str, Distribution]]
    groups: list[Group]
    codes: list[Codes]

    @property
    def columns(self) -> list[tuple[date, str, float, list[tuple[str, float, str]]]]:
        """Each date with its list, the height of its column in percent, and for each group its fill, share and title."""
        scale = max((point.total for _on, _url, point in self.points), default=0)
        return [
            (
                on,
                url,
                100 * point.total / scale if scale else 0,
                [(part.group.fill, part.percent, f"{on.isoformat()}, {part.group.label}: {part.count}") for part in point.groups],
            )
            for on, url, point in self.points
        ]

    @property
    def rows(self) -> list[tuple[date, str, list[tuple[int, str]]]]:
        """Each date with its list, and the count of each code in `codes` with its own list."""
        none = 0, ""
        counts = [{part.code: (part.count, part.url) for part in point.parts} for _on, _url, point in self.points]
        return [(on, url, [of.get(code, none) for code in self.codes]) for (on, url, _), of in zip(self.points, counts, strict=True)]

    @classmethod
    def of(
        cls,
        groups: Mapping[Codes, Group],
        points: Iterable[tuple[date, Mapping[str, int]]],
        unknown: Codes,
        url: Callable[[date, Codes | None], str] = lambda on, code: "",
    ) -> Trend:
        """`url` gives the list on a date, of one code or of all."""
        distributions = [(on, url(on, None), Distribution.of(groups, counts, unknown, partial(url, on))) for on, counts in points]
        occurring = {part.code for _on, _url, point in distributions for part in point.parts}
        codes = [code for code in groups if code in occurring]
        return cls(distributions, list(dict.fromkeys(groups[code] for code in codes)), codes)


@dataclass(frozen=True)
class Moment:
    """An entry of a timeline: its first possible day, its date in words, its title, and the page of its record."""

    day: date
    on: str
    title: str
    lane: str
    url: str = ""


@dataclass(frozen=True)
class Timeline:
    """Entries on an axis of time, one lane for each kind. `total` may be larger than the number of entries."""

    moments: Sequence[Moment]
    today: date
    total: int

    @cached_property
    def first(self) -> date:
        return date(min(moment.day for moment in self.moments).year, 1, 1)

    @cached_property
    def days(self) -> int:
        last = max([self.today, *(moment.day for moment in self.moments)])
        return max((date(last.year, 12, 31) - self.first).days, 1)

    def position(self, day: date) -> float:
        """The position on the axis in percent."""
        return 100 * (day - self.first).days / self.days

    @property
    def today_position(self) -> float | None:
        return self.position(self.today) if self.today >= self.first else None

    @property
    def lanes(self) -> list[tuple[str, list[tuple[str, str, bool, str]]]]:
        """Each lane with its marks: position in percent, date and title, whether the date is still to come, and the page."""
        lanes: dict[str, list[tuple[str, str, bool, str]]] = defaultdict(list)
        for moment in self.moments:
            mark = f"{self.position(moment.day):.2f}", f"{moment.on}: {moment.title}", moment.day > self.today, moment.url
            lanes[moment.lane].append(mark)
        return list(lanes.items())

    @property
    def years(self) -> list[tuple[float, int]]:
        """The labels of the axis with their positions."""
        first, last = self.first.year, self.first.year + round(self.days / 365.2425)
        step = -(-(last - first) // YEAR_LABELS) or 1
        return [(self.position(date(year, 1, 1)), year) for year in range(first, last, step)]


@dataclass(frozen=True)
class Cell:
    """A cell of a matrix. `url` leads to the list of the records that the cell counts; an empty cell has none."""

    title: str
    url: str = ""


@dataclass(frozen=True)
class MatrixRow:
    """A row of a matrix: its name, its number of filled cells, the list of their records, and the cells."""

    name: str
    url: str
    count: int
    cells: list[Cell]


@dataclass(frozen=True)
class Matrix:
    """Filled and empty cells, with the names of the columns.

    `row_gaps` are the names of the rows without a filled cell, which are not drawn. `column_gaps` is the number of such columns.
    """

    columns: list[str]
    lines: list[MatrixRow]
    row_gaps: list[str]
    column_gaps: int
    more: int = 0  # rows that are not shown


@dataclass(frozen=True)
class Bar:
    """A bar of a bar chart: its length in percent of the longest one of its unit, its value as text, and its details with their lists."""

    name: str
    value: str
    percent: float
    details: list[tuple[str, str]]
