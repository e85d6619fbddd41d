"""What several pages of this app say in the same words: columns, filters and groups of fields."""

from typing import Any

from agreements import models
from agreements.deadlines import DeadlineState
from policytracker.admin import ask, chip, pick
from policytracker.records.access import Publication, Visibility

AGREEMENT = pick("agreement", models.Participation._meta.get_field("agreement"))
PARTY = pick("party", models.Participation._meta.get_field("party"))
SOURCE = pick("source", models.Citation._meta.get_field("source"))
PUBLISHED = [ask("publication"), ask("visibility")]
WHO_READS_IT = ("Access", {"fields": [("visibility", "publication")]})
CITED = ("Source", {"fields": ["source", "locator", "quote"]})
DEADLINE_COLOURS: dict[str, Any] = {
    "danger": [DeadlineState.OVERDUE],
    "warning": [DeadlineState.DUE_SOON, DeadlineState.MET_LATE],
    "success": [DeadlineState.MET],
}


class PublishedColumns:
    """The columns that every register has."""

    publication_shown = chip("publication", Publication, warning=[Publication.DRAFT], info=[Publication.ARCHIVED])
    visibility_shown = chip("visibility", Visibility, danger=[Visibility.RESTRICTED], warning=[Visibility.INTERNAL])
