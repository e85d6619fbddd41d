"""A browser's session without the browser, for each role."""

import pytest
from django.test import Client

from policytracker.models import User
from tests.make import make_party


@pytest.fixture
def signed_in():
    """The client of a user."""

    def client(user: User) -> Client:
        found = Client()
        found.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return found

    return client


@pytest.fixture
def everybody(reader, officer, analyst, reviewer, administrator):
    return {"reader": reader, "party officer": officer, "analyst": analyst, "reviewer": reviewer, "administrator": administrator}


@pytest.fixture
def australia(db):
    return make_party("AUS")
