"""Users of every role, on a real PostgreSQL."""

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import override_settings

from agreements.models import PartyOfficer
from policytracker.models import User
from policytracker.visibility import Role
from tests.make import make_party


@pytest.fixture(autouse=True, scope="session")
def quick_passwords():
    """Making a user costs half a second where its password is hashed as in production."""
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]):
        yield


@pytest.fixture(scope="session")
def permissions_by_group(django_db_setup, django_db_blocker):
    """What a migration let each group do."""
    with django_db_blocker.unblock():
        return {group.name: list(group.permissions.values_list("content_type__app_label", "codename")) for group in Group.objects.all()}


@pytest.fixture(autouse=True)
def groups(request):
    """A transactional test leaves every table empty, the groups too: make them again for the next one."""
    mark = request.node.get_closest_marker("django_db")
    if not (mark and mark.kwargs.get("transaction")) and "transactional_db" not in request.fixturenames:
        return
    request.getfixturevalue("transactional_db")
    allowed = request.getfixturevalue("permissions_by_group")
    if not Group.objects.exists():
        known = {(p.content_type.app_label, p.codename): p for p in Permission.objects.select_related("content_type")}
        for name, permissions in allowed.items():
            Group.objects.create(name=name).permissions.set([known[permission] for permission in permissions])


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
