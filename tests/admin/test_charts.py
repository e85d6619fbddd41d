"""Values of charts."""

import re
from datetime import date

from django.conf import settings

from policytracker.admin.charts import Distribution, Group, Moment, Timeline, Trend
from recommendations.admin.charts import STATUS_GROUPS
from recommendations.models import Status

UNKNOWN = Status.NOT_ASSESSED
BEGUN = Group("Begun", "blue")
GROUPS = {Status.PLANNED: BEGUN, Status.STALLED: BEGUN, UNKNOWN: Group("Unknown", "hatched")}
STYLES = settings.BASE_DIR / "policytracker" / "static" / "policytracker" / "admin.css"


def test_a_distribution_shows_the_codes_that_occur_and_the_unknown_share():
    chart = Distribution.of(GROUPS, {"planned": 1, "not_assessed": 3, "stalled": 0}, UNKNOWN, lambda code: f"?status={code.value}")

    assert [(part.code, part.count, part.percent, part.url) for part in chart.parts] == [
        (Status.PLANNED, 1, 25, "?status=planned"),
        (Status.NOT_ASSESSED, 3, 75, "?status=not_assessed"),
    ]
    assert chart.unknown.count == 3
    empty = Distribution.of(GROUPS, {}, UNKNOWN)
    assert (empty.parts, empty.unknown.count, empty.unknown.percent) == ([], 0, 0)


def test_the_codes_of_a_group_are_drawn_as_one_part_and_listed_one_by_one():
    chart = Distribution.of(GROUPS, {"planned": 1, "stalled": 2, "not_assessed": 1}, UNKNOWN)

    assert [(part.group.label, part.count, part.percent) for part in chart.groups] == [("Begun", 3, 75), ("Unknown", 1, 25)]
    assert [part.count for part in chart.parts] == [1, 2, 1]


def test_the_columns_of_a_trend_have_one_scale():
    points = [(date(2025, 1, 31), {"not_assessed": 1}), (date(2025, 2, 28), {"not_assessed": 1, "planned": 3})]

    chart = Trend.of(GROUPS, points, UNKNOWN)

    assert [height for _on, _url, height, _parts in chart.columns] == [25, 100]
    assert (chart.codes, [group.fill for group in chart.groups]) == ([Status.PLANNED, Status.NOT_ASSESSED], ["blue", "hatched"])
    assert [[count for count, _url in counts] for _on, _url, counts in chart.rows] == [[0, 1], [3, 1]]


def test_the_axis_of_a_timeline_reaches_from_the_first_year_to_the_last_and_includes_today():
    moments = [Moment(date(2020, 7, 1), "2020-07", "Signed", "Actions"), Moment(date(2021, 1, 1), "2021", "Due", "Components")]

    chart = Timeline(moments, date(2022, 12, 31), 2)

    assert [year for _left, year in chart.years] == [2020, 2021, 2022]
    assert chart.position(date(2020, 1, 1)) == 0 and chart.today_position == 100
    assert [(lane, [(title, coming) for _left, title, coming, _url in marks]) for lane, marks in chart.lanes] == [
        ("Actions", [("2020-07: Signed", False)]),
        ("Components", [("2021: Due", False)]),
    ]
    assert all(0 <= float(left) <= 100 for _lane, marks in chart.lanes for left, *_ in marks)


def test_a_long_timeline_labels_few_years():
    chart = Timeline([Moment(date(1901, 1, 1), "1901", "Founded", "Actions")], date(2026, 1, 1), 1)

    assert len(chart.years) <= 9


def test_the_statuses_are_drawn_in_five_groups_and_only_the_unknown_one_has_a_pattern():
    drawn: dict[str, list[str]] = {}
    for status, group in STATUS_GROUPS.items():
        drawn.setdefault(group.fill, []).append(status.value)
    fills = re.findall(r"^\.pt-fill-([\w-]+) \{([^}]*)\}", STYLES.read_text(), re.MULTILINE)

    assert drawn == {
        "pale": ["proposed", "planned"],
        "blue": ["in_progress", "stalled", "partly_implemented", "largely_implemented"],
        "green": ["implemented", "addressed_otherwise"],
        "dark": ["closed_not_implemented", "withdrawn", "superseded", "no_longer_applicable"],
        "hatched": ["not_assessed"],
    }
    assert {name for name, _rule in fills} == set(drawn)
    assert [name for name, rule in fills if "--pattern" in rule] == ["hatched"]
