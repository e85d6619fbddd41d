"""Upgrading a database of version 0.1.0: the schema equals a fresh installation, and no data is lost."""

import pytest

from tests.database.conftest import SCHEMA, schema_of, tables_of

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("kind", SCHEMA)
def test_an_upgraded_database_has_the_schema_of_a_fresh_one(kind, fresh, upgraded):
    assert schema_of(upgraded)[kind] == schema_of(fresh)[kind]


def test_the_history_of_the_baseline_survives_row_by_row(baseline, upgraded):
    history = "SELECT id, uid, tbl, row_id, op, since, at, txid, {actor}, before, changed FROM policytracker_change ORDER BY id"
    channel = "CASE WHEN actor ? 'door' THEN actor - 'door' || jsonb_build_object('channel', actor -> 'door') ELSE actor END"
    before, after = baseline.rows(history.format(actor=channel)), upgraded.rows(history.format(actor="actor"))

    assert len(before) > 1000
    assert after[: len(before)] == before


def test_every_record_of_the_baseline_survives_with_its_version(baseline, upgraded):
    versioned = "SELECT table_name FROM information_schema.columns WHERE column_name = 'version' AND table_schema = 'public'"
    for (table,) in baseline.rows(versioned):
        before = dict(baseline.rows(f"SELECT id, version FROM {table}"))
        after = dict(upgraded.rows(f"SELECT id, version FROM {table}"))

        assert before.keys() <= after.keys(), table
        assert all(after[pk] >= version for pk, version in before.items()), table


@pytest.mark.parametrize("table", ["policytracker_user", "policytracker_token", "policytracker_user_groups", "agreements_partyofficer"])
def test_users_roles_and_tokens_survive(table, baseline, upgraded):
    columns = ", ".join(
        name for (name,) in baseline.rows("SELECT column_name FROM information_schema.columns WHERE table_name = %s ORDER BY 1", table)
    )
    rows = f"SELECT {columns} FROM {table} ORDER BY 1"

    before, after = baseline.rows(rows), upgraded.rows(rows)
    assert before
    assert [row for row in after if row in before] == before  # other tests of this session add tokens


def test_facts_are_stored_for_the_recommendations_of_the_baseline(upgraded):
    checked = upgraded.call("recompute_status", "--check")

    assert checked.returncode == 0, checked.stderr
    assert upgraded.rows("SELECT count(*) > 0 FROM recommendations_recommendation WHERE has_evidence AND has_addressee") == [(True,)]


def test_no_table_of_the_baseline_is_lost(baseline, upgraded):
    assert set(tables_of(baseline)) <= set(tables_of(upgraded))


def test_versions_and_history_continue_after_the_upgrade(upgraded):
    slug, version = upgraded.rows("SELECT slug, version FROM agreements_source ORDER BY slug LIMIT 1")[0]
    (last,) = upgraded.rows("SELECT max(id) FROM policytracker_change")[0]

    upgraded.execute(f"UPDATE agreements_source SET title = title || '!' WHERE slug = '{slug}'")

    assert upgraded.rows("SELECT version FROM agreements_source WHERE slug = %s", slug) == [(version + 1,)]
    assert upgraded.rows("SELECT op FROM policytracker_change WHERE id > %s", last) == [("update",)]
