"""Databases to which tests commit: only then do transactions have times of their own."""

from collections.abc import Iterator
from datetime import datetime

import pytest
from django.db import connection

from tests.database.conftest import Database, database, using


@pytest.fixture(scope="module")
def committed(django_db_setup, django_db_blocker) -> Iterator[Database]:
    """A migrated database, used by all tests of the module."""
    with django_db_blocker.unblock():
        server = Database(connection.settings_dict["NAME"])
        migrated = connection.settings_dict["TEST"].get("TEMPLATE") or server.name
        connection.close()  # PostgreSQL copies a database only while nobody is connected to it
        with database(server, "committed", template=migrated) as made, using(made):
            yield made


def mark() -> datetime:
    """The present time of the database, between two transactions."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        return cursor.fetchone()[0]
