"""The main queries use indexes, with the statistics of a register that was built for this test."""

import json
from types import SimpleNamespace

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection

from agreements.models import Component, Party, PartyOfficer
from benchmarks.build.register import build
from policytracker.accounts.models import User
from policytracker.admin.querysets import CappedPaginator
from policytracker.records.access import Role
from policytracker.representation.filters import resource_filters
from policytracker.resources import ReadContext, registry, today
from recommendations.admin.calendar import KINDS
from recommendations.admin.records import RecommendationAdmin
from recommendations.models import Recommendation
from tests.queries import captured_queries

pytestmark = pytest.mark.django_db
LARGE = {"recommendations_recommendation", "recommendations_addressee", "recommendations_progressupdate"}
FILTERS = {
    "status": "withdrawn", "overdue": "true", "due_within": "30", "freshness": "never", "deadline_state": "met_late", "party": "p-040",
    "owner": "analyst-02", "without": "owner", "claim_differs": "true",
    "awaiting_approval": "true",
}  # fmt: skip
MISSING = {
    "evidence": "no_evidence", "update": "without_update", "addressee": "not_addressed", "response": "not_answered",
}  # fmt: skip
USERS = ["administrator-1", "analyst-01", "officer-1", "officer-2"]


@pytest.fixture(scope="module")
def large(once_per_module):
    """A register with so many recommendations that reading all of them costs more than an index.

    The tables are emptied first: rows that other tests rolled back leave tables and indexes larger, which changes the plans.
    """

    def make():
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE recommendations_recommendation CASCADE")
        call_command("load_dataset", settings.BASE_DIR / "fixtures", verbosity=0)
        build(3_000)
        PartyOfficer.objects.filter(user__username="officer-2").update(party=Party.objects.get(code="p-230"))
        return SimpleNamespace(users={name: User.objects.get(username=name) for name in USERS})

    return once_per_module(make)


def nodes(plan):
    """The steps of a plan, without the ones that PostgreSQL never reaches."""
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


def plan_of(rows) -> dict:
    return json.loads(rows.explain(format="json", analyze=True))[0]["Plan"]


def scanned(rows) -> set[str]:
    """The large tables of which the query reads all rows."""
    return {node["Relation Name"] for node in nodes(plan_of(rows)) if node["Node Type"] == "Seq Scan" and node["Actual Loops"]} & LARGE


@pytest.mark.parametrize("order", [["slug"], RecommendationAdmin.ordering])
@pytest.mark.parametrize("name", USERS)
def test_a_page_reads_few_rows(large, name, order):
    rows = Recommendation.objects.visible_to(large.users[name]).order_by(*order).values("pk")[:51]

    plan = plan_of(rows)

    assert not scanned(rows)
    assert max(node["Actual Rows"] * node["Actual Loops"] for node in nodes(plan)) < 500


@pytest.mark.parametrize("filter", FILTERS)
@pytest.mark.parametrize("name", USERS)
def test_a_filtered_page_scans_no_large_table(large, name, filter):
    rows = filtered(large.users[name], filter, FILTERS[filter])

    assert not scanned(rows.order_by("slug").values("pk")[:51])


def filtered(user, filter: str, value: str):
    """The rows of a list with one filter, as the user reads them."""
    filters = resource_filters(registry.of(Recommendation))
    return filters[filter].apply(Recommendation.objects.visible_to(user), [value], ReadContext.of(user))


def indexes(rows) -> set[str]:
    """The indexes that a query reads."""
    return {node["Index Name"] for node in nodes(plan_of(rows)) if "Index Name" in node and node["Actual Loops"]}


@pytest.mark.parametrize(
    ("filter", "value", "index"),
    [
        *(("without", name, index) for name, index in MISSING.items()),
        ("claim_differs", "true", "claim_differs"),
        ("deadline_state", "met_late", "met_late"),
    ],
)
@pytest.mark.parametrize("name", USERS)
def test_pages_and_counts_of_few_rows_read_the_index_of_these_rows(large, name, filter, value, index):
    user = large.users[name]
    rows = filtered(user, filter, value)

    for query in (rows.order_by("slug").values("pk")[:51], rows.at_most(10_001, user)):
        assert f"recommendation_{index}" in indexes(query)
        assert not scanned(query)


@pytest.mark.parametrize("name", USERS)
def test_counting_the_rows_of_a_party_reads_only_its_recommendations(large, name):
    user = large.users[name]

    query = filtered(user, "party", "p-001").at_most(10_001, user)

    assert not scanned(query)
    read = {
        index for index in indexes(query) if index.startswith("recommendation_by") or index.startswith("recommendations_recommendation_")
    }
    assert read <= {"recommendations_recommendation_pkey", "recommendation_by_id"}
    assert query.count() == filtered(user, "party", "p-001").order_by("slug").count()


@pytest.mark.parametrize("name", USERS)
def test_what_waits_for_approval_is_found_from_the_updates_that_wait(large, name):
    user = large.users[name]
    rows = filtered(user, "awaiting_approval", "true")

    for query in (rows.order_by("slug").values("pk")[:51], rows.at_most(10_001, user)):
        if name.startswith("officer"):  # only their own
            assert not scanned(query)
            assert max(node["Actual Rows"] * node["Actual Loops"] for node in nodes(plan_of(query))) < 100


@pytest.mark.parametrize("name", USERS)
def test_the_lists_of_the_admin_are_counted_like_those_of_the_api(large, name):
    user = large.users[name]
    paginator = CappedPaginator(Recommendation.objects.visible_to(user).order_by("due_on_first"), 50)
    paginator.user = user

    with captured_queries() as queries:
        counted = paginator.counted

    assert counted == Recommendation.objects.visible_to(user).count()
    assert ("UNION ALL" in queries[0]) == (name != "administrator-1")


def test_the_next_deadlines_of_components_are_read_in_the_order_of_an_index(large):
    (kind,) = (kind for kind in KINDS if kind.model is Component)

    with captured_queries() as queries:
        kind.rows(large.users["administrator-1"], today(), 12, None)

    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {queries[0]}")
        (plan,) = cursor.fetchone()
    assert "component_by_last_due_day" in {node.get("Index Name") for node in nodes(plan[0]["Plan"])}


@pytest.mark.parametrize("name", USERS)
def test_counting_many_rows_looks_at_no_other_table(large, name):
    user = large.users[name]
    rows = Recommendation.objects.visible_to(user).at_most(1_000, user)

    read = {node["Relation Name"] for node in nodes(plan_of(rows)) if "Relation Name" in node and node["Actual Loops"]}

    assert read == {"recommendations_recommendation"}


def test_the_role_of_the_reader_is_part_of_every_statement(large):
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM recommendations_recommendation")
        (total,) = cursor.fetchone()
    counts = {name: Recommendation.objects.visible_to(user).at_most(10_001, user).count() for name, user in large.users.items()}

    assert counts["administrator-1"] == total
    assert counts["analyst-01"] > counts["officer-1"] > counts["officer-2"]
    assert Role.OFFICER in large.users["officer-2"].roles
