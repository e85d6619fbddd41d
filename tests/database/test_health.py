"""The liveness and readiness probes."""

import pytest
from django.db import OperationalError, connection
from django.db.migrations.loader import MigrationLoader

from policytracker.installed import installation
from policytracker.web import health

pytestmark = pytest.mark.django_db


def probed(client, path: str = "/readyz"):
    response = client.get(path)
    return response.status_code, response.json()["status"], "Retry-After" in response


def test_a_complete_database_is_ready_with_few_queries(client, django_assert_max_num_queries):
    client.get("/readyz")

    with django_assert_max_num_queries(5):
        assert probed(client) == (200, "ok", False)


def test_a_missing_trigger_is_not_ready(client):
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER record_update ON agreements_party")

    assert probed(client) == (503, "unavailable", True)


@pytest.mark.parametrize(
    ("table", "trigger"),
    [
        ("policytracker_user", "end_tokens"),
        ("policytracker_user", "staff_have_a_role"),
        ("policytracker_user_groups", "role_makes_staff"),
        ("recommendations_statusperiod", "status_periods_are_derived"),
    ],
)
@pytest.mark.parametrize("missing", ["DROP TRIGGER {trigger} ON {table}", "DROP FUNCTION {trigger} CASCADE"])
def test_a_missing_trigger_of_accounts_and_periods_is_not_ready_until_it_is_installed_again(missing, table, trigger, client):
    with connection.cursor() as cursor:
        cursor.execute(missing.format(table=table, trigger=trigger))
    assert probed(client) == (503, "unavailable", True)

    installation.install("default", lambda line: None)

    assert probed(client) == (200, "ok", False)


def test_a_disabled_trigger_is_not_ready(client):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE agreements_party DISABLE TRIGGER record_update")

    assert probed(client) == (503, "unavailable", True)


def test_a_missing_view_of_past_moments_is_not_ready(client):
    with connection.cursor() as cursor:
        cursor.execute("DROP VIEW as_of.agreements_party")

    assert probed(client) == (503, "unavailable", True)


@pytest.mark.parametrize("app", ["policytracker", "agreements", "recommendations", "auth"])
def test_a_pending_migration_is_not_ready(app, client):
    with connection.cursor() as cursor:
        [last] = MigrationLoader(None).graph.leaf_nodes(app)
        cursor.execute("DELETE FROM django_migrations WHERE (app, name) = (%s, %s)", last)

    assert probed(client) == (503, "unavailable", True)


def test_an_unreachable_database_is_not_ready_but_alive(client, monkeypatch):
    def unreachable(using):
        raise OperationalError

    monkeypatch.setattr(health, "pending_migrations", unreachable)

    assert probed(client) == (503, "unavailable", True)
    assert probed(client, "/healthz") == (200, "ok", False)


def test_the_liveness_probe_needs_no_query(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert probed(client, "/healthz") == (200, "ok", False)
