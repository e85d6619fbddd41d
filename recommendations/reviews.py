"""The returns of an update by reviewers, read from its history: the update itself keeps only its newest review."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from policytracker.models import Change
from policytracker.records.access import Reader
from recommendations.models import ProgressUpdate, Review


@dataclass(frozen=True)
class Return:
    """A return of an update to its author. `user` is None if nobody is recorded."""

    user: str | None
    note: str


def returns(updates: Iterable[ProgressUpdate], who: Any) -> dict[int, list[Return]]:
    """The returns of each update, oldest first, by id. Returned updates are read by their author and by reviewers only."""
    reader = Reader.of(who)
    readable = [update.pk for update in updates if reader.sees_unapproved or (reader.id and update.author_id == reader.id)]
    found: dict[int, list[Return]] = defaultdict(list)
    changes = Change.objects.filter(tbl=ProgressUpdate._meta.db_table, row_id__in=readable, op="update")
    for change in changes.filter(changed__review=Review.RETURNED).order_by("id"):
        row = (change.before or {}) | (change.changed or {})
        found[change.row_id].append(Return((change.actor or {}).get("user"), row["review_note"]))
    return found
