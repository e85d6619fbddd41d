"""Who may archive, unpublish, narrow or lower a record, and which records may be deleted. Every entry point asks here."""

from typing import Any

from policytracker.api.errors import Declined
from policytracker.models import Change
from policytracker.records.access import Publication, Reader, Role
from policytracker.records.constraints import PUBLISHED_RECORD_STAYS
from policytracker.records.models import Published, Record

RESERVED_FOR = {Role.REVIEWER, Role.ADMINISTRATOR}


def denied_changes(user: Any, record: Record, values: dict[str, Any]) -> dict[str, str]:
    """The changes of the stored record that this user may not make: by field, the reason why not."""
    if Reader.of(user).roles & RESERVED_FOR:
        return {}
    if isinstance(record, Published) and {record.publication, values.get("publication", record.publication)} == {Publication.ARCHIVED}:
        return {}  # it stays archived, and so the database refuses every change, to everybody
    return {
        change.field: change.denied for change in record.reserved if change.field in values and change.applies(record, values[change.field])
    }


def check_changes(user: Any, record: Record, values: dict[str, Any]) -> None:
    """Raises Declined (403) where `values` contain a change that this user may not make."""
    for message in denied_changes(user, record, values).values():
        raise Declined("not_permitted", message, 403)


def was_published(record: Published) -> bool:
    """Whether the record is published or archived, or ever was: then the history has a change of its publication."""
    if record.publication != Publication.DRAFT:
        return True
    changes = Change.objects.filter(tbl=record._meta.db_table, row_id=record.pk, op="update")
    return changes.filter(changed__has_key="publication").exists()


def check_deletion(record: Record) -> None:
    """Raises Declined where the record must stay. The database has the same rule as a guard."""
    if isinstance(record, Published) and was_published(record):
        raise Declined("archive_instead", PUBLISHED_RECORD_STAYS.sentence)
