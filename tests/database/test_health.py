"""The two probes: one asks whether the process answers, the other whether the site can serve."""

import pytest
from django.db import OperationalError, connection

from policytracker.web import health

pytestmark = pytest.mark.django_db


def probed(client, path: str = "/readyz"):
    response = client.get(path)
    return response.status_code, response.json()["status"], "Retry-After" in response


def test_a_complete_database_is_ready_at_a_bounded_cost(client, django_assert_max_num_queries):
    client.get("/readyz")

    with django_assert_max_num_queries(4):
        assert probed(client) == (200, "ok", False)


def test_a_missing_trigger_is_not_ready(client):
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER record_update ON agreements_party")

    assert probed(client) == (503, "unavailable", True)


def test_a_trigger_that_was_switched_off_is_not_ready(client):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE agreements_party DISABLE TRIGGER record_update")

    assert probed(client) == (503, "unavailable", True)


@pytest.mark.parametrize("app", ["policytracker", "agreements", "recommendations", "auth"])
def test_a_pending_migration_is_not_ready(app, client):
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE id = (SELECT max(id) FROM django_migrations WHERE app = %s)", [app])

    assert probed(client) == (503, "unavailable", True)


def test_an_unreachable_database_is_not_ready_and_the_process_still_answers(client, monkeypatch):
    def unreachable(using):
        raise OperationalError

    monkeypatch.setattr(health, "pending_migrations", unreachable)

    assert probed(client) == (503, "unavailable", True)
    assert probed(client, "/healthz") == (200, "ok", False)


def test_the_probe_of_the_process_asks_nothing_of_the_database(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert probed(client, "/healthz") == (200, "ok", False)
