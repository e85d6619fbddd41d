"""API clients, one per role."""

import pytest

from tests.api.client import Api


@pytest.fixture
def as_reader(reader):
    return Api(reader)


@pytest.fixture
def as_officer(officer):
    return Api(officer)


@pytest.fixture
def as_analyst(analyst):
    return Api(analyst)


@pytest.fixture
def as_reviewer(reviewer):
    return Api(reviewer)


@pytest.fixture
def as_administrator(administrator):
    return Api(administrator)
