"""Status periods: their content, who can write them, and the trend calculated from them."""

from datetime import date, timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from hypothesis import HealthCheck, given, settings

from recommendations.derived_status import inconsistent, recompute_status
from recommendations.models import DERIVED_FIELDS, Recommendation, StatusPeriod
from recommendations.progress import EvidenceRow, Report, report_progress, void
from recommendations.reports.trend import month_ends, status_trend
from tests.histories import days, histories, make
from tests.make import make_party, make_recommendation, make_source
from tests.queries import count_queries

TODAY = date(2025, 10, 20)
JANUARY, FEBRUARY, MARCH = (date(2025, month, 15) for month in (1, 2, 3))


def periods_of(recommendation: Recommendation, *names: str) -> list[tuple]:
    return list(recommendation.status_periods.order_by("since").values_list("since", "until", *names))


def assess(recommendation: Recommendation, status: str, day: date, by, **fields):
    report = Report(status=status, reported_on=day, narrative="Checked.", evidence=(EvidenceRow(source=make_source()),), **fields)
    return report_progress(recommendation, report, by=by, today=TODAY)


def test_each_report_date_begins_a_period_and_the_last_one_has_no_end(analyst):
    row = make_recommendation()
    assess(row, "planned", JANUARY, analyst)
    assess(row, "in_progress", MARCH, analyst, progress_percent=30)

    assert periods_of(row, "status", "progress_percent") == [(JANUARY, MARCH, "planned", None), (MARCH, None, "in_progress", 30)]


def test_a_claim_begins_a_period_and_keeps_the_assessment(analyst):
    row = make_recommendation()
    assess(row, "planned", JANUARY, analyst)
    assess(row, "implemented", FEBRUARY, analyst, kind="claim", party=make_party())

    assert periods_of(row, "status", "claimed_status", "last_update_on") == [
        (JANUARY, FEBRUARY, "planned", "", JANUARY),
        (FEBRUARY, None, "planned", "implemented", JANUARY),
    ]


def test_a_claim_before_any_assessment_begins_a_period_that_is_not_assessed(analyst):
    row = make_recommendation()
    assess(row, "implemented", FEBRUARY, analyst, kind="claim", party=make_party())

    assert periods_of(row, *DERIVED_FIELDS) == [(FEBRUARY, None, "not_assessed", "implemented", None, None, None, None)]


def test_an_update_reported_late_divides_a_period(analyst):
    row = make_recommendation()
    assess(row, "planned", JANUARY, analyst)
    assess(row, "in_progress", MARCH, analyst)
    assess(row, "planned", FEBRUARY, analyst)

    assert [since for since, _ in periods_of(row)] == [JANUARY, FEBRUARY, MARCH]
    assert Recommendation.objects.get().status == "in_progress"


def test_voiding_removes_the_period(analyst, reviewer):
    row = make_recommendation()
    assess(row, "planned", JANUARY, analyst)
    void(assess(row, "in_progress", MARCH, analyst), by=reviewer, reason="Wrong record.")

    assert periods_of(row, "status") == [(JANUARY, None, "planned")]


def test_notes_and_submitted_updates_begin_no_period(analyst, officer):
    row = make_recommendation()
    assess(row, "", JANUARY, analyst, kind="note")
    assess(row, "planned", FEBRUARY, officer, kind="claim", party=officer.office.party)

    assert periods_of(row) == []


def test_the_database_rejects_other_writes_of_periods(analyst):
    row = make_recommendation()
    assess(row, "planned", JANUARY, analyst)
    rows = StatusPeriod.objects.filter(recommendation=row)

    for change in (
        lambda: rows.update(status="implemented"),
        lambda: rows.delete(),
        lambda: StatusPeriod.objects.create(recommendation=row, since=MARCH),
    ):
        with pytest.raises(IntegrityError) as refused, transaction.atomic():
            change()
        assert refused.value.__cause__.diag.constraint_name == "status_periods_are_derived"


def test_recomputing_does_not_rewrite_unchanged_periods(analyst):
    row = make_recommendation()
    assess(row, "planned", JANUARY, analyst)
    with connection.cursor() as cursor:
        cursor.execute("SELECT ctid::text FROM recommendations_statusperiod")
        before = cursor.fetchall()

        recompute_status()

        cursor.execute("SELECT ctid::text FROM recommendations_statusperiod")
        assert cursor.fetchall() == before


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(register=histories)
def test_periods_do_not_overlap_and_the_last_one_has_the_current_values(register, db):
    with transaction.atomic():
        make(register)
        for row in Recommendation.objects.all():
            stored = periods_of(row)
            assert [until for _, until in stored[:-1]] == [since for since, _ in stored[1:]]
            if stored:
                assert stored[-1][1] is None
                assert row.status_periods.values(*DERIVED_FIELDS).get(until=None) == {name: getattr(row, name) for name in DERIVED_FIELDS}
        assert inconsistent() == []
        transaction.set_rollback(True)


# Trend


def test_a_trend_has_the_last_day_of_each_month_and_today():
    assert month_ends(3, TODAY) == [date(2025, 8, 31), date(2025, 9, 30), TODAY]
    assert month_ends(1, date(2025, 3, 31)) == [date(2025, 3, 31)]
    assert month_ends(2, date(2024, 3, 31)) == [date(2024, 2, 29), date(2024, 3, 31)]


def test_a_trend_counts_each_recommendation_with_its_status_on_each_day(analyst, reader):
    first, second = make_recommendation(), make_recommendation()
    make_recommendation()
    assess(make_recommendation(publication="draft"), "planned", JANUARY, analyst)
    assess(first, "planned", date(2025, 8, 31), analyst)
    assess(first, "in_progress", date(2025, 9, 1), analyst)
    assess(second, "stalled", TODAY, analyst)

    trend = [
        (point.on, {status: number for status, number in point.by_status.items() if number})
        for point in status_trend(Recommendation.objects.visible_to(reader), 4, TODAY)
    ]

    assert trend == [
        (date(2025, 7, 31), {"not_assessed": 3}),
        (date(2025, 8, 31), {"planned": 1, "not_assessed": 2}),
        (date(2025, 9, 30), {"in_progress": 1, "not_assessed": 2}),
        (TODAY, {"in_progress": 1, "stalled": 1, "not_assessed": 1}),
    ]


def test_a_trend_of_twelve_months_takes_one_query(analyst):
    assess(make_recommendation(), "planned", JANUARY, analyst)
    list(Recommendation.objects.visible_to(analyst))  # loads the roles of the user

    assert count_queries(status_trend, Recommendation.objects.visible_to(analyst), 12, TODAY) == 1


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(register=histories)
def test_a_trend_agrees_with_the_lists_of_its_days(register, administrator):
    with transaction.atomic():
        make(register)
        for point in status_trend(Recommendation.objects.all(), 3, days(3) + timedelta(31)):
            expected = dict.fromkeys(point.by_status, 0)
            for status in Recommendation.objects.all().on_day(point.on).values_list("status", flat=True):
                expected[status] += 1
            assert point.by_status == expected
        transaction.set_rollback(True)
