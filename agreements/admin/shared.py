"""Columns, filters and fieldsets that several pages use."""

from typing import Any

from django.utils.translation import gettext_lazy as _

from agreements import models
from agreements.deadlines import DeadlineState
from agreements.source_marks import source_mark
from agreements.source_uses import uses_about
from policytracker.admin import CodeColours, choice_filter, code_column, referring, related_filter
from policytracker.records.access import Publication, Visibility

SHOWN_USES = 30
AGREEMENT = related_filter("agreement", models.Participation._meta.get_field("agreement"))
PARTY = related_filter("party", models.Participation._meta.get_field("party"))
SOURCE = related_filter("source", models.Citation._meta.get_field("source"))
PUBLISHED = [choice_filter("publication"), choice_filter("visibility")]
ACCESS = (_("Access"), {"fields": [("visibility", "publication")]})
CITED = (_("Source"), {"fields": ["source", "locator", "quote"]})
ACCESS_COLUMNS = ["visibility_shown", "publication_shown", "slug"]  # of registry records, shown if a user chooses them
DEADLINE_COLOURS: dict[str, Any] = {
    "danger": [DeadlineState.OVERDUE],
    "warning": [DeadlineState.DUE_SOON, DeadlineState.MET_LATE],
    "success": [DeadlineState.MET],
}
DEADLINE_COLOUR = CodeColours({code: colour for colour, codes in DEADLINE_COLOURS.items() for code in codes})


def deadline_label(state: str) -> tuple[str, str]:
    """The label and the colour of a deadline state."""
    return str(DeadlineState(state).label), DEADLINE_COLOUR[state]


def with_access(record: Any, name: str) -> str:
    """The name of a record, with what limits who reads it: that it is not published, or restricted."""
    limits = [record.get_publication_display()] if record.publication != Publication.PUBLISHED else []
    limits += [record.get_visibility_display()] if record.visibility == Visibility.RESTRICTED else []
    return f"{name} ({', '.join(limits).lower()})" if limits else name


class ReferringPage:
    """Shows the lists of the records that refer to the record above its form."""

    def render_change_form(self, request, context, add=False, change=False, form_url="", obj=None):
        if obj is not None and change:
            context["referring"] = referring(request, obj)
        return super().render_change_form(request, context, add, change, form_url, obj)  # type: ignore[misc]


class SourcedPage:
    """Shows what the facts of the record rest on above its form."""

    def render_change_form(self, request, context, add=False, change=False, form_url="", obj=None):
        if obj is not None and change:
            uses = uses_about(obj, request.user)
            context |= {"uses": [(use, source_mark([use])) for use in uses[:SHOWN_USES]], "more_uses": max(0, len(uses) - SHOWN_USES)}
        return super().render_change_form(request, context, add, change, form_url, obj)  # type: ignore[misc]


class RegistryColumns:
    """Columns of the lists of all registry records."""

    publication_shown = code_column("publication", Publication, warning=[Publication.DRAFT], info=[Publication.ARCHIVED])
    visibility_shown = code_column("visibility", Visibility, danger=[Visibility.RESTRICTED], warning=[Visibility.INTERNAL])
