"""Pages take no more queries with 2,000 recommendations than with 200."""

from datetime import date
from types import SimpleNamespace

import pytest
from django.conf import settings
from django.contrib.admin import site
from django.core.management import call_command
from django.db import transaction
from django.test import Client
from django.urls import reverse

from agreements.models import Agreement, Component, Participation, Party, PartyOfficer, Source
from benchmarks.build import __main__ as build_command
from benchmarks.build.recommendations import recommendation_rows
from benchmarks.build.register import BuildError, build
from benchmarks.build.values import Maker
from policytracker.accounts.models import User
from policytracker.records.access import Role
from policytracker.records.changes import Change
from policytracker.records.models import Record
from policytracker.resources import registry
from recommendations.derived_status import recompute_status
from recommendations.models import TERMINAL, Addressee, Evidence, ProgressUpdate, Recommendation, Status
from tests.api.client import Api
from tests.conftest import make_user
from tests.make import make_party
from tests.queries import captured_queries, count_queries

FEW, SIZE = 200, 2_000
ROLES = [Role.ADMINISTRATOR, Role.OFFICER]  # tests/api/test_query_counts.py asks for all roles, with fewer rows
pytestmark = [pytest.mark.django_db, pytest.mark.slow]
PAGES = sorted(model._meta.label_lower for model in site._registry if issubclass(model, Record))


def queries_of_list(user, address: str, size: int) -> tuple[int, list[dict]]:
    """The number of queries and the rows of a page."""
    with captured_queries() as queries:
        page = Api(user).list(f"{address}/", page_size=size)
    return len(queries), page["results"]


def queries_of_pages(user, size: int) -> dict[str, int]:
    """The number of queries of each list and detail of the API and each change list of the admin for this user."""
    numbers = {}
    for address in (resource.address for resource in registry.addressed):
        numbers[address], rows = queries_of_list(user, address, size)
        if rows:
            numbers[f"{address}/…"] = count_queries(Api(user).get, rows[0]["url"])
    client = Client()
    client.force_login(user)
    for label in PAGES:
        page = reverse(f"admin:{label.replace('.', '_')}_changelist")
        client.get(page, secure=True)
        numbers[f"admin: {label}"] = count_queries(client.get, page, secure=True)
    return numbers


@pytest.fixture(scope="module")
def big(django_db_setup, django_db_blocker):
    """A large register, and the number of queries of all pages with few rows (`few`)."""
    with django_db_blocker.unblock(), transaction.atomic():
        call_command("load_dataset", settings.BASE_DIR / "fixtures", verbosity=0)
        users = {role: make_user(f"{role} of size", role, is_superuser=role == Role.ADMINISTRATOR) for role in ROLES}
        PartyOfficer.objects.create(user=users[Role.OFFICER], party=make_party("AUS"))
        before = Recommendation.objects.count()
        in_fixtures = {model: model.objects.count() for model in (Agreement, Participation, Component, Addressee, ProgressUpdate)}
        with transaction.atomic():
            build(FEW)
            few = {role: queries_of_pages(user, 1) for role, user in users.items()}
            transaction.set_rollback(True)
        build(SIZE)
        PartyOfficer.objects.filter(user=users[Role.OFFICER]).update(party=Party.objects.get(code="p-001"))
        yield SimpleNamespace(users=users, few=few, before=before, in_fixtures=in_fixtures)
        transaction.set_rollback(True)


# ---- queries


@pytest.mark.parametrize("role", ROLES)
def test_no_page_takes_more_queries_than_with_few_rows(big, role):
    few, many = big.few[role], queries_of_pages(User.objects.get(pk=big.users[role].pk), 50)

    # Fewer, if no row of the page refers to a record of some type.
    assert {page: (few.get(page), number) for page, number in many.items() if number > few.get(page, 0)} == {}


def test_the_largest_page_takes_as_many_queries_as_the_smallest(big):
    administrator = big.users[Role.ADMINISTRATOR]

    smallest, _ = queries_of_list(administrator, "recommendations", 1)
    largest, rows = queries_of_list(administrator, "recommendations", 500)

    assert len(rows) == 500 and smallest == largest


@pytest.mark.parametrize("ordering", ["slug", "-due_on", "priority,-last_update_on"])
def test_the_pages_of_a_list_contain_each_recommendation_once(big, ordering):
    api, url, slugs = Api(big.users[Role.ADMINISTRATOR]), f"recommendations/?ordering={ordering}&page_size=500&fields=slug", []

    while url:
        page = api.list(url)
        slugs += [row["slug"] for row in page["results"]]
        url = page["next"]

    assert len(slugs) == len(set(slugs)) == page["count"] == SIZE + big.before


# ---- the generated register


@pytest.mark.parametrize("model", [Party, Source, Agreement, Participation, Component, Recommendation, Addressee, ProgressUpdate, Evidence])
def test_generated_rows_are_valid(big, model):
    rows = model.objects.order_by("-pk")

    for row in [*rows[:10], *rows[: rows.count() : max(1, rows.count() // 10)]]:
        row.full_clean()


def test_the_generated_register_has_the_intended_proportions(big):
    counts = {model: model.objects.count() - number for model, number in big.in_fixtures.items()}

    assert counts == {
        Agreement: pytest.approx(SIZE * 0.08, rel=0.1),
        Participation: pytest.approx(SIZE * 0.32, rel=0.1),
        Component: pytest.approx(SIZE * 0.24, rel=0.1),
        Addressee: pytest.approx(SIZE * 1.6, rel=0.1),
        ProgressUpdate: pytest.approx(SIZE * 4, rel=0.1),
    }
    assert set(Recommendation.objects.values_list("status", flat=True)) == set(Status) - {Status.SUPERSEDED}
    assert 0.2 < Recommendation.objects.filter(status__in=TERMINAL).count() / SIZE < 0.5
    assert 0.1 < Recommendation.objects.overdue(on=date.today()).count() / SIZE < 0.4


def test_generated_statuses_match_the_updates(big):
    before = Change.objects.count()

    recompute_status()

    assert Change.objects.count() == before


def test_generated_rows_are_in_the_history(big):
    insertions = Change.objects.filter(tbl="recommendations_recommendation", op="insert", actor__channel="benchmark")

    assert insertions.count() == SIZE


def test_the_same_size_generates_the_same_register():
    def rows():
        make = Maker(date(2026, 1, 15), seed=1)
        return list(recommendation_rows(range(1, 200), make, range(1, 9), range(1, 9), range(1, 9), [1, 2]))

    assert rows() == rows()


def test_the_generator_refuses_a_register_that_has_agreements(big, monkeypatch):
    monkeypatch.setattr("sys.argv", ["benchmarks.build"])

    with pytest.raises(SystemExit, match="contains agreements"):
        build_command.main()
    with pytest.raises(BuildError, match="already"):
        build(SIZE)
