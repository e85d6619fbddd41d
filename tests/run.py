"""How a run of the tests is organised: the order of the files, and one migrated database that all test processes copy."""

import fcntl
import gc
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from tests.database.conftest import Database, database

# The files that take longest for their number of tests. They start first, so that no test process waits for another one at the end.
# The first four do not use the test database, which is being migrated then.
FIRST = [
    "platform/test_operator_guide.py",
    "database/test_nothing_lost.py",
    "platform/test_postgres.py",
    "platform/test_server.py",
    "database/test_migrate_backwards.py",
    "history/test_access_then_and_now.py",
    "stories/test_hidden_markers.py",
    "test_random_requests.py",
    "history/test_as_of_equals_a_copy.py",
    "history/test_feed_agrees_with_as_of.py",
    "test_visibility.py",
    "test_openapi.py",
    "test_size.py",
    "stories/test_history_leaks.py",
    "database/test_import_beside_writers.py",
    "database/test_backup.py",
    "database/test_migrate.py",
    "database/test_upgrade.py",
    "database/test_pooler.py",
    "database/test_locked_row.py",
    "test_docs.py",
    "browser/test_accessibility.py",
    "browser/test_pages.py",
    "browser/test_records.py",
    "browser/test_messages.py",
    "browser/test_review.py",
    "admin/test_page_cost.py",
    "recommendations/test_progress_stateful.py",
    "recommendations/test_progress_properties.py",
    "api/test_changes_cursor.py",
]
TEMPLATE = "test_template"  # the end of its name
LOCK = pytest.StashKey[Path]()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort by file: the slow ones, then the others by their number of tests."""
    tests, folder = Counter(item.path for item in items), Path(__file__).parent
    first = {folder / name: place for place, name in enumerate(FIRST)}
    items.sort(key=lambda item: (first.get(item.path, len(first)), -tests[item.path], item.path))


def pytest_collection_finish() -> None:
    """Exempt what exists now from garbage collection, which would take an eighth of the time: it stays until the end."""
    gc.collect()
    gc.freeze()


# ---- the database that test processes copy


@contextmanager
def migrating(server: Database) -> Iterator[Path]:
    """Migrate a database while the test processes collect the tests. Yields a file that is locked until it is migrated."""
    with tempfile.TemporaryDirectory(prefix="migrating") as folder, database(server, TEMPLATE) as made:
        file = Path(folder) / "lock"
        with file.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # `migrate` inherits the lock, so it lasts until that process ends
            command, environment = made.command("migrate", "--verbosity=0"), made.environment()
            migrate = subprocess.Popen(command, env=environment, cwd=settings.BASE_DIR, pass_fds=[lock.fileno()])
        try:
            yield file
        finally:
            migrate.terminate()
            migrate.wait()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config) -> None:
    with ExitStack() as stack:
        config.stash[LOCK] = stack.enter_context(migrating(Database(connection.settings_dict["NAME"])))
        config.add_cleanup(stack.pop_all().close)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node) -> None:
    node.workerinput["migrating"] = str(node.config.stash[LOCK])


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix, request) -> None:
    """Let the database of this test process be a copy of the migrated one. `migrate` then finds nothing to do."""
    if started := getattr(request.config, "workerinput", {}):
        with Path(started["migrating"]).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)
        server = settings.DATABASES["default"]
        server["TEST"]["TEMPLATE"] = f"{server['NAME']}_{TEMPLATE}"
