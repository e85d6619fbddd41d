"""Dump and restore by a role without superuser rights, with our commands and with PostgreSQL's programs."""

import stat

import pytest

from tests.database.conftest import data_of, database, schema_of
from tools import backup

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


@pytest.fixture(scope="module")
def dumped(upgraded, tmp_path_factory):
    """A file written by `pg dump` from a database with history."""
    file = tmp_path_factory.mktemp("dump") / "database.dump"
    done = upgraded.manage("pg", "dump", str(file))
    assert done.returncode == 0, done.stderr
    return file


@pytest.fixture(scope="module")
def restored_into(fresh):
    with database(fresh, "restored") as made:
        yield made


@pytest.fixture
def empty(restored_into):
    """An empty database. It is emptied between tests, because PostgreSQL takes seconds to drop one."""
    restored_into.execute("DROP OWNED BY CURRENT_USER")
    return restored_into


def is_refused(result, message: str) -> bool:
    """Whether the command failed with one line that contains the message."""
    output = result.stderr.strip()
    return result.returncode == 1 and message in output and "\n" not in output


def test_the_role_of_these_tests_is_not_a_superuser(fresh):
    assert fresh.rows("SELECT rolsuper FROM pg_roles WHERE rolname = current_user") == [(False,)]


def test_pg_dump_and_pg_restore_commands_restore_everything(upgraded, dumped, empty):
    restored = empty.manage("pg", "restore", str(dumped))

    assert restored.returncode == 0, restored.stderr
    assert schema_of(empty) == schema_of(upgraded)
    assert data_of(empty) == data_of(upgraded)


def test_the_programs_of_postgresql_restore_everything(upgraded, empty, tmp_path):
    file = tmp_path / "plain.dump"
    done = upgraded.program("pg_dump", "--format=custom", f"--file={file}", upgraded.url)
    assert done.returncode == 0, done.stderr

    restored = empty.program("pg_restore", "--no-owner", "--exit-on-error", f"--dbname={empty.url}", str(file))

    assert restored.returncode == 0, restored.stderr
    assert schema_of(empty) == schema_of(upgraded)
    assert data_of(empty) == data_of(upgraded)


def test_a_restored_database_counts_versions_and_records_history(dumped, empty):
    assert empty.call("pg", "restore", str(dumped)).returncode == 0
    code, version = empty.rows("SELECT code, version FROM agreements_party ORDER BY code LIMIT 1")[0]

    empty.execute(f"UPDATE agreements_party SET name = name || '!' WHERE code = '{code}'")

    assert empty.rows("SELECT version FROM agreements_party WHERE code = %s", code) == [(version + 1,)]
    assert empty.rows("SELECT op, tbl FROM policytracker_change ORDER BY id DESC LIMIT 1") == [("update", "agreements_party")]
    assert empty.call("check", "--database", "default").returncode == 0


def test_a_restore_creates_a_missing_database(fresh, upgraded, dumped):
    with database(fresh, "made") as made:
        fresh.execute(f"DROP DATABASE {made.name}")

        restored = upgraded.call("pg", "restore", str(dumped), "--database", made.name)

        assert restored.returncode == 0, restored.stderr
        assert data_of(made) == data_of(upgraded)


def test_a_restore_does_not_overwrite_a_database(upgraded, dumped):
    before = data_of(upgraded)

    assert is_refused(upgraded.call("pg", "restore", str(dumped)), "is not empty")
    assert data_of(upgraded) == before


def test_a_database_with_an_unknown_table_is_not_empty(dumped, empty):
    empty.execute("CREATE TABLE note (text text)")

    assert is_refused(empty.call("pg", "restore", str(dumped)), "is not empty")
    assert empty.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == [("note",)]


def test_a_damaged_dump_restores_nothing(dumped, empty, tmp_path):
    damaged = tmp_path / "damaged.dump"
    damaged.write_bytes(dumped.read_bytes()[: dumped.stat().st_size * 2 // 3])

    result = empty.call("pg", "restore", str(damaged))

    assert is_refused(result, "pg_restore")
    assert empty.rows("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]


def test_a_dump_of_version_0_1_can_be_restored(baseline, empty, tmp_path):
    file = tmp_path / "old.dump"
    assert baseline.call("pg", "dump", str(file)).returncode == 0

    restored = empty.call("pg", "restore", str(file))

    assert restored.returncode == 0, restored.stderr
    assert data_of(empty) == data_of(baseline)


@pytest.mark.parametrize(("content", "part"), [(None, "cannot be read"), (b"SELECT 1;", "was not written by pg dump")])
def test_a_file_that_is_not_a_dump_is_refused(content, part, empty, tmp_path):
    file = tmp_path / "file"
    if content:
        file.write_bytes(content)

    assert is_refused(empty.call("pg", "restore", str(file)), part)


def test_a_dump_is_private_and_overwrites_no_file(upgraded, dumped):
    before = dumped.stat()

    assert is_refused(upgraded.call("pg", "dump", str(dumped)), "already exists")
    assert stat.S_IMODE(before.st_mode) == 0o600
    assert dumped.stat().st_mtime_ns == before.st_mtime_ns


def test_a_failed_dump_leaves_no_file(upgraded, tmp_path):
    assert is_refused(upgraded.call("pg", "dump", str(tmp_path / "missing" / "file")), "cannot be written")
    assert list(tmp_path.iterdir()) == []


def test_programs_older_than_the_server_are_refused(monkeypatch):
    with pytest.raises(backup.BackupError, match="PG_BIN"):
        backup.find("pg_dump", 99)

    monkeypatch.setenv("PG_BIN", "/nowhere")
    with pytest.raises(backup.BackupError, match="Found: none"):
        backup.find("pg_dump", 15)


def test_the_system_check_reports_a_missing_table(dumped, empty):
    assert empty.call("pg", "restore", str(dumped)).returncode == 0
    empty.execute("DROP TABLE recommendations_milestone CASCADE")

    checked = empty.call("check", "--database", "default")

    assert checked.returncode == 1
    assert "policytracker.E001" in checked.stderr
