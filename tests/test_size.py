"""The same pages cost the same with five thousand recommendations as with two hundred."""

from datetime import date
from types import SimpleNamespace

import pytest
from django.conf import settings
from django.contrib.admin import site
from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from agreements.models import Agreement, Component, Participation, Party, PartyOfficer, Source
from benchmarks import build
from policytracker.api.urls import RESOURCES
from policytracker.models import Change, User
from policytracker.records.access import Role
from policytracker.records.models import Record
from recommendations.derived_status import recompute_status
from recommendations.models import TERMINAL, Addressee, Evidence, ProgressUpdate, Recommendation, Status
from tests.api.client import Api
from tests.conftest import ensure_groups, make_user
from tests.make import make_party

FEW, SIZE = 200, 5_000
ROLES = [Role.ADMINISTRATOR, Role.ANALYST, Role.OFFICER]
pytestmark = pytest.mark.django_db
PAGES = sorted(model._meta.label_lower for model in site._registry if issubclass(model, Record))


def number_of_queries(ask) -> tuple[int, object]:
    with CaptureQueriesContext(connection) as asked:
        answer = ask()
    return len(asked), answer


def cost_of_list(user, address: str, size: int) -> tuple[int, list[dict]]:
    """The queries of one page, as if there were more: where all rows are on it, nothing is counted."""
    queries, told = number_of_queries(lambda: Api(user).list(f"{address}/", page_size=size))
    return queries + (told["next"] is None), told["results"]


def costs(user, size: int) -> dict[str, int]:
    """How many queries each list, each detail and each change list of the admin takes for this user."""
    found = {}
    for address in RESOURCES:
        found[address], rows = cost_of_list(user, address, size)
        if rows:
            found[f"{address}/…"], answer = number_of_queries(lambda at=rows[0]["url"]: Api(user).get(at))
            assert answer.status_code == 200
    client = Client()
    client.force_login(user)
    for label in PAGES:
        page = reverse(f"admin:{label.replace('.', '_')}_changelist")
        client.get(page, secure=True)
        found[f"admin: {label}"], answer = number_of_queries(lambda at=page: client.get(at, secure=True))
        assert answer.status_code == 200, label
    return found


@pytest.fixture(scope="module")
def big(django_db_setup, django_db_blocker):
    """What everything costs with a few rows beside those of the fixtures, and then, in their place, a large register."""
    with django_db_blocker.unblock(), transaction.atomic():
        ensure_groups()
        call_command("load_dataset", settings.BASE_DIR / "fixtures", verbosity=0)
        users = {role: make_user(f"{role} of size", role, is_superuser=role == Role.ADMINISTRATOR) for role in ROLES}
        PartyOfficer.objects.create(user=users[Role.OFFICER], party=make_party("AUS"))
        before = Recommendation.objects.count()
        with transaction.atomic():
            build.build(FEW)
            few = {role: costs(user, 1) for role, user in users.items()}
            transaction.set_rollback(True)
        build.build(SIZE)
        PartyOfficer.objects.filter(user=users[Role.OFFICER]).update(party=Party.objects.get(code="p-001"))
        yield SimpleNamespace(users=users, few=few, before=before)
        transaction.set_rollback(True)


# ---- what pages cost


@pytest.mark.parametrize("role", ROLES)
def test_every_page_takes_as_many_queries_as_with_a_few_rows(big, role):
    assert costs(User.objects.get(pk=big.users[role].pk), 50) == big.few[role]


def test_the_longest_list_takes_no_more_queries_than_the_shortest(big):
    administrator = big.users[Role.ADMINISTRATOR]

    one, _ = cost_of_list(administrator, "recommendations", 1)
    most, rows = cost_of_list(administrator, "recommendations", 500)

    assert len(rows) == 500 and one == most


@pytest.mark.parametrize("ordering", ["slug", "-due_on", "priority,-last_update_on"])
def test_turning_the_pages_meets_each_recommendation_once(big, ordering):
    api, at, met = Api(big.users[Role.ADMINISTRATOR]), f"recommendations/?ordering={ordering}&page_size=500&fields=slug", []

    while at:
        told = api.list(at)
        met += [row["slug"] for row in told["results"]]
        at = told["next"]

    assert len(met) == len(set(met)) == told["count"] == SIZE + big.before


# ---- what was built


@pytest.mark.parametrize("model", [Party, Source, Agreement, Participation, Component, Recommendation, Addressee, ProgressUpdate, Evidence])
def test_what_was_built_is_what_a_person_could_have_entered(big, model):
    rows = model.objects.order_by("-pk")

    for row in [*rows[:10], *rows[: rows.count() : max(1, rows.count() // 10)]]:
        row.full_clean()


def test_it_is_built_in_proportion(big):
    counts = {model: model.objects.count() for model in (Agreement, Participation, Component, Addressee, ProgressUpdate)}

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


def test_its_statuses_follow_from_its_updates(big):
    before = Change.objects.count()

    recompute_status()

    assert Change.objects.count() == before


def test_it_is_remembered(big):
    born = Change.objects.filter(tbl="recommendations_recommendation", op="insert", actor__channel="benchmark")

    assert born.count() == SIZE


def test_the_same_size_makes_the_same_register():
    def rows():
        make = build.Maker(date(2026, 1, 15), seed=1)
        return list(build.recommendation_rows(range(1, 200), make, range(1, 9), range(1, 9), range(1, 9), [1, 2]))

    assert rows() == rows()


def test_it_is_built_once_and_into_no_register_of_others_unasked(big, monkeypatch):
    monkeypatch.setattr("sys.argv", ["benchmarks.build"])

    with pytest.raises(SystemExit, match="contains agreements"):
        build.main()
    with pytest.raises(build.BuildError, match="already"):
        build.build(SIZE)
