"""API clients of each role, for rules that are tested in the database and through the API."""

from tests.api.conftest import as_administrator, as_analyst, as_officer, as_reader, as_reviewer

__all__ = ["as_administrator", "as_analyst", "as_officer", "as_reader", "as_reviewer"]
