"""Reports of one agreement read only the rows of this agreement, whatever the size of the register."""

from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import Count

from agreements.models import Agreement
from benchmarks.build.register import build
from policytracker.accounts.models import User
from policytracker.resources import today
from tests.api.client import Api

SIZE = 3_000
LARGE = 500  # rows
MAX_SHARE = 0.15  # of the rows of a large table
PAST = today() - timedelta(200)
REPORTS = ["scorecard/", f"scorecard/?on={PAST}", "coverage/", "timeline/", "standing/", f"dossier/?on={PAST}", "dossier/"]
pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def agreement(once_per_module):
    """An agreement with a few recommendations in a large register."""

    def make():
        build(SIZE)
        published = Agreement.objects.filter(visibility="public", publication="published")
        numbered = published.annotate(number=Count("recommendations")).filter(number__range=(5, 10))
        return numbered.earliest("slug")

    return once_per_module(make)


def rows_read() -> dict[str, tuple[int, int]]:
    """For each table: the rows that this transaction has read by sequential scans, and by indexes."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname, seq_tup_read, coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables")
        return {table: (sequential, by_index) for table, sequential, by_index in cursor.fetchall()}


def large_tables() -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname, reltuples FROM pg_class WHERE relkind = 'r' AND reltuples >= %s", [LARGE])
        return dict(cursor.fetchall())


@pytest.mark.parametrize("username", ["administrator-1", "analyst-01", "officer-1"])
@pytest.mark.parametrize("report", REPORTS)
def test_a_report_of_one_agreement_reads_a_small_part_of_each_large_table(report, username, agreement):
    user, tables = User.objects.get(username=username), large_tables()
    before = rows_read()

    response = Api(user).get(f"agreements/{agreement.slug}/{report}")

    assert response.status_code == 200
    after = rows_read()
    assert {"recommendations_recommendation", "recommendations_progressupdate", "recommendations_addressee"} <= tables.keys()
    read = {table: sum(after.get(table, (0, 0))) - sum(before.get(table, (0, 0))) for table in tables}
    assert {table: number for table, number in read.items() if number > MAX_SHARE * tables[table]} == {}


def test_the_number_of_rows_is_that_of_postgresql(agreement):
    """Proves that the counters see every row: a list of all recommendations reads more than the limit."""
    before = rows_read()["recommendations_recommendation"]

    assert len(list(agreement.recommendations.model.objects.values_list("details"))) == SIZE

    after = rows_read()["recommendations_recommendation"]
    assert sum(after) - sum(before) >= SIZE
