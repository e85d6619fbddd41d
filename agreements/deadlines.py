"""Deadline states as SQL expressions."""

from datetime import date, timedelta
from typing import Any

from django.db.models import Case, CharField, DateField, F, Func, Q, Value, When
from django.utils.translation import gettext_lazy as _

from agreements.models.components import ComponentStatus, DueAnchor
from policytracker.codes import Codes
from policytracker.records.parameters import Parameter

SOON = 30  # days


class DeadlineState(Codes):
    NONE = "none", _("no due day"), _("None")
    OPEN_ENDED = "open_ended", _("counted from a day that is not known yet"), _("Open-ended")
    MET = "met", _("done by the due day, or on a day unknown"), _("Met")
    MET_LATE = "met_late", _("done after the due day"), _("Met late")
    CLOSED = "closed", _("ended without being done"), _("Closed")
    OVERDUE = "overdue", _("open after the last day on which it would be in time"), _("Overdue")
    DUE_SOON = "due_soon", _("due within 30 days"), _("Due soon")
    UPCOMING = "upcoming", _("due later than that"), _("Upcoming")


def later(on: date | Parameter, days: int) -> Any:
    """The date `days` after `on`, but not after 9999-12-31."""
    if isinstance(on, date):
        return min(on, date.max - timedelta(days)) + timedelta(days)
    return Func(on, Value(days), arg_joiner=" + ", template="(%(expressions)s)", output_field=DateField())


def state(on: date | Parameter, *, done: Q, finished: str, closed: Q, open_ended: Q | None = None) -> Case:
    """The deadline state on a date.

    `done` and `closed` are the conditions that the work is completed or has ended without completion, `open_ended` that the due date
    is not known yet. `finished` is the column of the completion date.
    """
    open_ended_case = [When(open_ended, then=Value(DeadlineState.OPEN_ENDED))] if open_ended is not None else []
    return Case(
        *open_ended_case,
        When(due_on_last__isnull=True, then=Value(DeadlineState.NONE)),
        When(done & Q(**{f"{finished}__gt": F("due_on_last")}), then=Value(DeadlineState.MET_LATE)),
        When(done, then=Value(DeadlineState.MET)),
        When(closed, then=Value(DeadlineState.CLOSED)),
        When(due_on_last__lt=on, then=Value(DeadlineState.OVERDUE)),
        When(due_on_last__lte=later(on, SOON), then=Value(DeadlineState.DUE_SOON)),
        default=Value(DeadlineState.UPCOMING),
        output_field=CharField(),
    )


def of_component(on: date | Parameter) -> Case:
    """The deadline state of a component, according to its status."""
    return state(
        on,
        done=Q(status=ComponentStatus.COMPLETED),
        finished="completed_on_first",
        closed=Q(status=ComponentStatus.CANCELLED),
        open_ended=Q(due_on_last__isnull=True) & ~Q(due_anchor=DueAnchor.NONE),
    )
