"""What becomes of a register's row at the end: who may archive it, and what may still be deleted. The same at every door."""

from typing import Any

from policytracker.errors import Declined
from policytracker.records import Published, Record
from policytracker.visibility import Publication, Reader, Role

MAY_ARCHIVE = {Role.REVIEWER, Role.ADMINISTRATOR}


def move(user: Any, before: str, after: str) -> None:
    """Into the archive and back go reviewers and administrators. Raises Declined for anybody else."""
    if before != after and Publication.ARCHIVED in (before, after) and not Reader.of(user).roles & MAY_ARCHIVE:
        raise Declined("not_permitted", "Reviewers and administrators archive, and take back.", 403)


def delete(record: Record) -> None:
    """Raises Declined where the record must stay."""
    if isinstance(record, Published) and record.publication != Publication.DRAFT:
        raise Declined("archive_instead", "What was published is not deleted; archive it instead.")
