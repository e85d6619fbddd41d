"""Migrations can be reversed and applied again: those since version 0.1.0 with data, and all of them without."""

import pytest

from tests.database.conftest import database, schema_of

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
APPS = ["recommendations", "agreements", "policytracker"]  # an app before those that it depends on


def migrate_back(made, targets: dict[str, str]) -> None:
    """Reverse the migrations of each app until its target."""
    for app in APPS:
        backwards = made.call("migrate", app, targets[app])
        assert backwards.returncode == 0, (app, backwards.stderr)


def last_migrations(made) -> dict[str, str]:
    return dict(made.rows("SELECT app, max(name) FROM django_migrations WHERE app = ANY(%s) GROUP BY app", APPS))


def differences(made, schema) -> list[str]:
    after = schema_of(made)
    return [kind for kind in schema if after[kind] != schema[kind]]


def test_a_register_can_be_migrated_back_to_the_baseline_and_forward_again(fresh, baseline, upgraded):
    counted = "SELECT count(*) FROM agreements_component UNION ALL SELECT count(*) FROM recommendations_recommendation"
    with database(fresh, "backwards", template=upgraded.name) as made:
        schema, rows = schema_of(made), made.rows(counted)
        assert rows[0] > (0,)

        migrate_back(made, last_migrations(baseline))

        assert last_migrations(made) == last_migrations(baseline)
        assert made.call("migrate").returncode == 0
        assert made.rows(counted) == rows
        assert differences(made, schema) == []


def test_an_empty_register_can_be_migrated_back_to_nothing_and_forward_again(fresh):
    with database(fresh, "backwards") as made:
        assert made.call("migrate").returncode == 0
        schema = schema_of(made)

        migrate_back(made, dict.fromkeys(APPS, "zero"))

        assert last_migrations(made) == {}
        assert made.call("migrate").returncode == 0
        assert differences(made, schema) == []
