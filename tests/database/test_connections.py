"""Connections of the pool are checked without a query."""

import select

import psycopg
from django.db import connection

from policytracker.sql.base import is_closed_by_server


def test_a_connection_that_the_server_closed_is_found_without_a_query(db):
    connection.ensure_connection()
    other = psycopg.connect(**connection.get_connection_params())
    assert not is_closed_by_server(other)

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [other.info.backend_pid])
    select.select([other.fileno()], [], [], 10)

    assert is_closed_by_server(other)
    other.close()
