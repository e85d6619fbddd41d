"""Who may archive, unpublish, narrow or lower a record, and which records may be deleted. Every entry point asks here."""

from typing import Any

from policytracker.models import Change
from policytracker.records.access import Publication, Reader, Role
from policytracker.records.constraints import PUBLISHED_RECORD_STAYS
from policytracker.records.exceptions import Conflict, NotPermitted
from policytracker.records.models import Record, RegistryRecord

RESERVED_FOR = {Role.REVIEWER, Role.ADMINISTRATOR}


def denied_changes(user: Any, record: Record, values: dict[str, Any]) -> dict[str, str]:
    """The changes of the stored record that this user may not make: by field, the reason why not."""
    if Reader.of(user).roles & RESERVED_FOR:
        return {}
    if isinstance(record, RegistryRecord) and {record.publication, values.get("publication", record.publication)} == {Publication.ARCHIVED}:
        return {}  # it stays archived, and so the database refuses every change, to everybody
    return {
        change.field: change.denied for change in record.reserved if change.field in values and change.applies(record, values[change.field])
    }


def check_changes(user: Any, record: Record, values: dict[str, Any]) -> None:
    """Raises NotPermitted if `values` contain a change that this user may not make."""
    for message in denied_changes(user, record, values).values():
        raise NotPermitted(message)


def was_published(record: RegistryRecord) -> bool:
    """Whether the record is published or archived, or ever was: then the history has a change of its publication."""
    if record.publication != Publication.DRAFT:
        return True
    changes = Change.objects.filter(tbl=record._meta.db_table, row_id=record.pk, op="update")
    return changes.filter(changed__has_key="publication").exists()


def check_deletion(record: Record) -> None:
    """Raises Conflict (archive_instead) for a record that is or was published. The database enforces the same rule."""
    if isinstance(record, RegistryRecord) and was_published(record):
        raise Conflict("archive_instead", str(PUBLISHED_RECORD_STAYS.sentence))
