"""Clients that are logged in to the admin, for each role."""

import pytest
from django.test import Client

from policytracker.accounts.models import User
from tests.make import make_party


@pytest.fixture
def signed_in():
    """A function that returns a client logged in as a user."""

    def client(user: User) -> Client:
        client_of_user = Client()
        client_of_user.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return client_of_user

    return client


@pytest.fixture
def users(reader, officer, analyst, reviewer, administrator):
    return {"reader": reader, "party officer": officer, "analyst": analyst, "reviewer": reviewer, "administrator": administrator}


@pytest.fixture
def australia(db):
    return make_party("AUS")
