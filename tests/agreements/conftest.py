"""The same small world as that of the API's tests, for rules that are tried at more doors than one."""

import pytest

from tests.api.conftest import as_administrator, as_analyst, as_officer, as_reader, as_reviewer
from tests.api.world import make_world
from tests.make import settled

__all__ = ["as_administrator", "as_analyst", "as_officer", "as_reader", "as_reviewer"]


@pytest.fixture
def world(db):
    world = make_world()
    settled()
    return world
