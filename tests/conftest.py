"""Users of each role, and records that are created once per module."""

import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.db import connection, transaction

from agreements.models import PartyOfficer
from policytracker.accounts.models import User
from policytracker.records.access import Role
from tests.api.world import make_world
from tests.make import make_party, settled

pytest_plugins = ["tests.run"]
SHARES_RECORDS = pytest.StashKey[bool]()


@pytest.fixture(scope="module")
def once_per_module(request, django_db_setup, django_db_blocker) -> Iterator[Callable[[Callable[[], Any]], Any]]:
    """Calls a function that creates records for all tests of the module; they are rolled back after the last test.

    The records are made in a transaction that stays open until the module ends. pytest-django runs each test in a savepoint
    of it and rolls back to that, so no test sees what another one wrote. For PostgreSQL a test and its records are one
    transaction (one `now()`, one transaction id), as they are where a test makes its own records. What is checked at the end
    of a transaction has been checked when the function returns.

    Use it as `world` does: a module-scoped fixture makes the records, and a fixture of the test returns a deep
    copy of them, since a test may change the Python objects. Two rules, which `rules_of_shared_records` checks: every test of
    such a module that uses the database asks for the shared records (`pytestmark = pytest.mark.usefixtures(...)`), so that
    no result depends on the order of tests; and none is transactional, because nothing here is ever committed.
    """

    def make(function: Callable[[], Any]) -> Any:
        with django_db_blocker.unblock():
            made = function()
            settled()
        return made

    with django_db_blocker.unblock():
        module_transaction = transaction.atomic()
        module_transaction.__enter__()
    request.node.stash[SHARES_RECORDS] = True
    yield make
    with django_db_blocker.unblock():
        transaction.set_rollback(True)
        module_transaction.__exit__(None, None, None)


@pytest.fixture(scope="module")
def committed_once_per_module(django_db_setup, django_db_blocker) -> Iterator[Callable[[Callable[[], Any]], Any]]:
    """Calls a function that commits records for all tests of the module. The tables are emptied after the last test.

    For tests of the feed of changes, which contains only transactions that have ended. Each test runs in a transaction of its own.
    """

    def make(function: Callable[[], Any]) -> Any:
        with django_db_blocker.unblock():
            made = function()
            wait_for_open_transactions()
            return made

    yield make
    with django_db_blocker.unblock():
        call_command("flush", verbosity=0, interactive=False)


def wait_for_open_transactions() -> None:
    """Wait until all transactions of the server that are open now have ended, those of other test processes too.

    One that ends while the feed looks at it is taken for open, so the feed would end before the changes of later transactions.
    """
    deadline = time.monotonic() + 60
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text")
        (next_transaction,) = cursor.fetchone()
        while time.monotonic() < deadline:
            cursor.execute("SELECT pg_snapshot_xmin(pg_current_snapshot()) >= %s::text::xid8", [next_transaction])
            if cursor.fetchone() == (True,):
                return
            time.sleep(0.05)


@pytest.fixture(scope="module")
def loaded_fixtures(once_per_module):
    """The fixtures of the product, loaded once per module."""
    once_per_module(lambda: call_command("load_dataset", "fixtures", verbosity=0))


@pytest.fixture(scope="module")
def shared_world(once_per_module):
    return once_per_module(make_world)


@pytest.fixture
def world(shared_world, db):
    """A small set of related records."""
    return deepcopy(shared_world)


@pytest.fixture(autouse=True)
def rules_of_shared_records(request):
    """Fails a test that breaks a rule of `once_per_module`."""
    mark = request.node.get_closest_marker("django_db")
    if not request.node.getparent(pytest.Module).stash.get(SHARES_RECORDS, False) or not (mark or "db" in request.fixturenames):
        return
    assert "once_per_module" in request.fixturenames, "Ask for the records that the tests of this module share."
    transactional = "transactional_db" in request.fixturenames or (mark and mark.kwargs.get("transaction"))
    assert not transactional, "Move this test to a module without shared records: it needs a database that it can commit to."


def make_user(name: str, *roles: str, **fields) -> User:
    user = User.objects.create_user(name, password="a long pass phrase", is_staff=True, **fields)
    user.groups.set(Group.objects.filter(name__in=roles))
    return user


@pytest.fixture
def reader(db):
    return make_user("reader", Role.READER)


@pytest.fixture
def officer(db):
    """The party officer of Australia."""
    user = make_user("officer", Role.OFFICER)
    PartyOfficer.objects.create(user=user, party=make_party("AUS"))
    return user


@pytest.fixture
def analyst(db):
    return make_user("analyst", Role.ANALYST)


@pytest.fixture
def reviewer(db):
    return make_user("reviewer", Role.REVIEWER)


@pytest.fixture
def administrator(db):
    return make_user("administrator", Role.ADMINISTRATOR, is_superuser=True)
