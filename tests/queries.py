"""The queries of a request or another call."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import connection
from django.test.utils import CaptureQueriesContext


@contextmanager
def captured_queries(savepoints: bool = False) -> Iterator[list[str]]:
    """A list that contains the SQL of the queries at the end of the block.

    Without savepoints: a request has them only because a test is a transaction itself. With them where rows are written.
    """
    found: list[str] = []
    with CaptureQueriesContext(connection) as captured:
        yield found
    found += [query["sql"] for query in captured if savepoints or "SAVEPOINT" not in query["sql"]]


def count_queries(function: Callable, *arguments, **named) -> int:
    """The number of queries of a call. If it returns a response, this must be a successful one."""
    with captured_queries() as found:
        result = function(*arguments, **named)
    assert 200 <= getattr(result, "status_code", 200) < 300, result
    return len(found)
