"""Users of every role, on a real PostgreSQL."""

from importlib import import_module

import pytest
from django.apps import apps
from django.contrib.auth.models import Group

from agreements.models import PartyOfficer
from policytracker.models import User
from policytracker.visibility import Role
from tests.make import make_party


@pytest.fixture(autouse=True)
def groups(request):
    """A transactional test leaves every table empty, the groups of the migration too: make them again for whoever comes next."""
    mark = request.node.get_closest_marker("django_db")
    if "transactional_db" in request.fixturenames or (mark and mark.kwargs.get("transaction")):
        request.getfixturevalue("transactional_db")
    elif mark or "db" in request.fixturenames:
        request.getfixturevalue("db")
    else:
        return
    if not Group.objects.exists():
        import_module("recommendations.migrations.0002_groups").make_groups(apps, None)


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
