"""Charts of the admin: values for the templates in `admin/charts/`, which draw them with HTML and CSS.

Each chart has labels or patterns besides its colours, and a table with the same numbers. No script is needed. The fills of the style
sheet, such as "green" or "grey-dots", are a colour with its pattern. A mapping gives each code its fill, in the order of the chart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property, partial

from policytracker.codes import Codes

YEAR_LABELS = 8  # of a time axis, at most


@dataclass(frozen=True)
class Part:
    """The count of one code: its fill, its share of the whole in percent, and the list that it counts."""

    code: Codes
    fill: str
    count: int
    percent: float
    url: str = ""


@dataclass(frozen=True)
class Distribution:
    """How a total is divided among codes. `unknown` is the part whose code says that nothing is known; it may be 0."""

    parts: list[Part]
    total: int
    unknown: Part

    @classmethod
    def of(
        cls, fills: Mapping[Codes, str], counts: Mapping[str, int], unknown: Codes, url: Callable[[Codes], str] = lambda code: ""
    ) -> Distribution:
        """The codes that occur, in the order of `fills`."""
        total = sum(counts.values())
        parts = [Part(code, fill, counts[code], 100 * counts[code] / total, url(code)) for code, fill in fills.items() if counts.get(code)]
        return cls(parts, total, next((part for part in parts if part.code == unknown), Part(unknown, fills[unknown], 0, 0)))


@dataclass(frozen=True)
class Trend:
    """A distribution at several dates, each with the list that it counts. `fills` has the codes that occur at any of them."""

    points: list[tuple[date, str, Distribution]]
    fills: Mapping[Codes, str]

    @property
    def columns(self) -> list[tuple[date, str, float, list[tuple[str, float, str]]]]:
        """Each date with its list, the height of its column in percent, and for each part its fill, share and title."""
        scale = max((point.total for _on, _url, point in self.points), default=0)
        return [
            (
                on,
                url,
                100 * point.total / scale if scale else 0,
                [(part.fill, part.percent, f"{on.isoformat()}, {part.code.label}: {part.count}") for part in point.parts],
            )
            for on, url, point in self.points
        ]

    @property
    def rows(self) -> list[tuple[date, str, list[tuple[int, str]]]]:
        """Each date with its list, and the count of each code in `fills` with its own list."""
        none = 0, ""
        counts = [{part.code: (part.count, part.url) for part in point.parts} for _on, _url, point in self.points]
        return [(on, url, [of.get(code, none) for code in self.fills]) for (on, url, _), of in zip(self.points, counts, strict=True)]

    @classmethod
    def of(
        cls,
        fills: Mapping[Codes, str],
        points: Iterable[tuple[date, Mapping[str, int]]],
        unknown: Codes,
        url: Callable[[date, Codes | None], str] = lambda on, code: "",
    ) -> Trend:
        """`url` gives the list on a date, of one code or of all."""
        distributions = [(on, url(on, None), Distribution.of(fills, counts, unknown, partial(url, on))) for on, counts in points]
        occurring = {part.code for _on, _url, point in distributions for part in point.parts}
        return cls(distributions, {code: fill for code, fill in fills.items() if code in occurring})


@dataclass(frozen=True)
class Moment:
    """An entry of a timeline: its first possible day, its date in words, and its title."""

    day: date
    on: str
    title: str
    lane: str


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
    def lanes(self) -> list[tuple[str, list[tuple[str, str, bool]]]]:
        """Each lane with its marks: position in percent, date and title, and whether the date is still to come."""
        lanes: dict[str, list[tuple[str, str, bool]]] = defaultdict(list)
        for moment in self.moments:
            mark = f"{self.position(moment.day):.2f}", f"{moment.on}: {moment.title}", moment.day > self.today
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
