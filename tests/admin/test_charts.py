"""Values of charts."""

import re
from datetime import date

from django.conf import settings

from policytracker.admin.charts import Distribution, Moment, Timeline, Trend
from recommendations.admin.charts import STATUS_FILLS
from recommendations.models import Status

UNKNOWN = Status.NOT_ASSESSED
FILLS = {Status.PLANNED: "blue", Status.STALLED: "orange", UNKNOWN: "hatched"}
STYLES = settings.BASE_DIR / "policytracker" / "static" / "policytracker" / "admin.css"


def test_a_distribution_shows_the_codes_that_occur_and_the_unknown_share():
    chart = Distribution.of(FILLS, {"planned": 1, "not_assessed": 3, "stalled": 0}, UNKNOWN, lambda code: f"?status={code.value}")

    assert [(part.code, part.fill, part.count, part.percent, part.url) for part in chart.parts] == [
        (Status.PLANNED, "blue", 1, 25, "?status=planned"),
        (Status.NOT_ASSESSED, "hatched", 3, 75, "?status=not_assessed"),
    ]
    assert chart.unknown.count == 3
    empty = Distribution.of(FILLS, {}, UNKNOWN)
    assert (empty.parts, empty.unknown.count, empty.unknown.percent) == ([], 0, 0)


def test_the_columns_of_a_trend_have_one_scale():
    points = [(date(2025, 1, 31), {"not_assessed": 1}), (date(2025, 2, 28), {"not_assessed": 1, "planned": 3})]

    chart = Trend.of(FILLS, points, UNKNOWN)

    assert [height for _on, _url, height, _parts in chart.columns] == [25, 100]
    assert list(chart.fills) == [Status.PLANNED, Status.NOT_ASSESSED]
    assert [[count for count, _url in counts] for _on, _url, counts in chart.rows] == [[0, 1], [3, 1]]


def test_the_axis_of_a_timeline_reaches_from_the_first_year_to_the_last_and_includes_today():
    moments = [Moment(date(2020, 7, 1), "2020-07", "Signed", "Actions"), Moment(date(2021, 1, 1), "2021", "Due", "Components")]

    chart = Timeline(moments, date(2022, 12, 31), 2)

    assert [year for _left, year in chart.years] == [2020, 2021, 2022]
    assert chart.position(date(2020, 1, 1)) == 0 and chart.today_position == 100
    assert [(lane, [(title, coming) for _left, title, coming in marks]) for lane, marks in chart.lanes] == [
        ("Actions", [("2020-07: Signed", False)]),
        ("Components", [("2021: Due", False)]),
    ]
    assert all(0 <= float(left) <= 100 for _lane, marks in chart.lanes for left, *_ in marks)


def test_a_long_timeline_labels_few_years():
    chart = Timeline([Moment(date(1901, 1, 1), "1901", "Founded", "Actions")], date(2026, 1, 1), 1)

    assert len(chart.years) <= 9


def test_each_status_has_a_fill_of_its_own_in_the_order_of_the_statuses():
    fills = set(re.findall(r"\.pt-fill-([\w-]+)", STYLES.read_text()))

    assert list(STATUS_FILLS) == list(Status)
    assert set(STATUS_FILLS.values()) == fills and len(fills) == len(Status)
