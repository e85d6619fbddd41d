"""Reviews of updates: their returns, read from the history, because an update stores only its newest review; and what waits next."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from policytracker.records.access import Reader
from policytracker.records.changes import Change
from policytracker.records.past_access import PastAccess
from policytracker.records.periods import contains
from recommendations import progress
from recommendations.models import ProgressUpdate, Review


@dataclass(frozen=True)
class ReturnedUpdate:
    """A return of an update to its author. `user` is None if the reviewer is unknown."""

    user: str | None
    note: str


def returns(updates: Sequence[ProgressUpdate], user: Any) -> dict[int, list[ReturnedUpdate]]:
    """The returns of each update by its id, oldest first. Only the author and reviewers can read them.

    As in the history, those from a time at which the reader could not read the update are left out. A returned update shows its newest
    return to everyone who reads it.
    """
    reader = Reader.of(user)
    readable = [update for update in updates if reader.sees_unapproved or (reader.id and update.author_id == reader.id)]
    returns_by_update: dict[int, list[ReturnedUpdate]] = defaultdict(list)
    rows = Change.objects.filter(tbl=ProgressUpdate._meta.db_table, row_id__in=[update.pk for update in readable], op="update")
    changes = list(rows.filter(changed__review=Review.RETURNED).order_by("id"))
    periods = PastAccess(reader).periods(ProgressUpdate, {change.row_id for change in changes})
    newest_is_shown: dict[int, bool] = {}
    for change in changes:
        newest_is_shown[change.row_id] = contains(periods[change.row_id], change.at)
        if newest_is_shown[change.row_id]:
            row = (change.before or {}) | (change.changed or {})
            returns_by_update[change.row_id].append(ReturnedUpdate((change.actor or {}).get("user"), row["review_note"]))
    for update in readable:
        if update.review == Review.RETURNED and not newest_is_shown.get(update.pk):  # also one that was loaded or imported as returned
            returns_by_update[update.pk].append(ReturnedUpdate(str(update.reviewed_by) if update.reviewed_by else None, update.review_note))
    return returns_by_update


LOOKED_AT = 20  # waiting updates; those that the user may not review, such as the own ones, are few


def next_waiting(user: Any) -> ProgressUpdate | None:
    """The update that waits longest for a review by this user, or None."""
    rows = ProgressUpdate.objects.visible_to(user).filter(review=Review.SUBMITTED).select_related("recommendation")
    waiting = rows.order_by("reported_on", "id")[:LOOKED_AT]
    return next((update for update in waiting if not list(progress.review_refusals(update, user))), None)
