"""Databases to which tests commit: only then do transactions have times of their own."""

from collections.abc import Iterator
from datetime import datetime

import pytest
from django.db import connection

from tests.conftest import ensure_groups
from tests.database.conftest import Database, database, using


@pytest.fixture(scope="module")
def committed(django_db_setup, django_db_blocker) -> Iterator[Database]:
    """A copy of the empty test database, used by all tests of the module."""
    with django_db_blocker.unblock():
        connection.close()  # PostgreSQL copies a database only while nobody is connected to it
        server = Database(connection.settings_dict["NAME"])
        with database(server, "committed", template=server.name) as made, using(made):
            ensure_groups()
            yield made


def mark() -> datetime:
    """The present time of the database, between two transactions."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        return cursor.fetchone()[0]
