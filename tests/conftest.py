"""Users of every role, on a real PostgreSQL."""

import pytest
from django.contrib.auth.models import Group

from agreements.models import PartyOfficer
from policytracker.models import User
from policytracker.visibility import Role
from tests.make import make_party


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
