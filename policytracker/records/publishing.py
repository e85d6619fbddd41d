"""Who may archive, unpublish or restrict a record, and which records may be deleted. API, admin and commands call these functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from policytracker.records.access import REVIEWERS, Publication, Reader
from policytracker.records.changes import Change
from policytracker.records.constraints import PUBLISHED_RECORD_STAYS
from policytracker.records.exceptions import Conflict, NotPermitted
from policytracker.records.models import Record, RegistryRecord

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


def denied_changes(user: Any, record: Record, values: dict[str, Any]) -> dict[str, StrOrPromise]:
    """The messages, by field, for the changes of the stored record that this user may not make."""
    if Reader.of(user).roles & REVIEWERS:
        return {}
    if isinstance(record, RegistryRecord) and {record.publication, values.get("publication", record.publication)} == {Publication.ARCHIVED}:
        return {}  # the record stays archived, so the database refuses any change by any user
    return {
        change.field: change.denied for change in record.reserved if change.field in values and change.applies(record, values[change.field])
    }


def check_changes(user: Any, record: Record, values: dict[str, Any]) -> None:
    """Raises NotPermitted if `values` contain a change that this user may not make."""
    for message in denied_changes(user, record, values).values():
        raise NotPermitted(str(message))


def was_published(record: RegistryRecord) -> bool:
    """Whether the record is or was published or archived, according to its history."""
    if record.publication != Publication.DRAFT:
        return True
    changes = Change.objects.filter(tbl=record._meta.db_table, row_id=record.pk, op="update")
    return changes.filter(changed__has_key="publication").exists()


def check_deletion(record: Record) -> None:
    """Raises Conflict (archive_instead) for a record that is or was published. The database enforces the same rule."""
    if isinstance(record, RegistryRecord) and was_published(record):
        raise Conflict("archive_instead", str(PUBLISHED_RECORD_STAYS.message))
