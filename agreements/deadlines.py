"""Deadline states as SQL expressions."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any

from django.db.models import Case, CharField, DateField, F, Func, Q, Value, When
from django.utils.translation import gettext_lazy as _

from agreements.models.components import ComponentStatus, DueAnchor
from policytracker.codes import Codes
from policytracker.sql.parameters import Parameter

SOON = 30  # days


class DeadlineState(Codes):
    NONE = "none", _("no due day"), _("No due date")
    OPEN_ENDED = "open_ended", _("counted from a day that is not known yet"), _("Not known yet")
    MET = "met", _("done by the due day, or on a day unknown"), _("Met")
    MET_LATE = "met_late", _("done after the due day"), _("Met late")
    CLOSED = "closed", _("ended without being done"), _("Closed")
    OVERDUE = "overdue", _("open after the last day on which it would be in time"), _("Overdue")
    DUE_SOON = "due_soon", _("due within 30 days"), _("Due soon")
    UPCOMING = "upcoming", _("due later than that"), _("Upcoming")


DEADLINE_WORDS = (DeadlineState.OVERDUE, DeadlineState.DUE_SOON, DeadlineState.MET_LATE)  # those that stand alone in a query line


def later(on: date | Parameter, days: int) -> Any:
    """The date `days` after `on`, but not after 9999-12-31."""
    if isinstance(on, date):
        return min(on, date.max - timedelta(days)) + timedelta(days)
    return Func(on, Value(days), arg_joiner=" + ", template="(%(expressions)s)", output_field=DateField())


Cases = Sequence[tuple[str, Q]]  # codes with their conditions; the first condition that matches decides


def states(on: date | Parameter, *, done: Q, finished: str, closed: Q, open_ended: Q | None = None) -> Cases:
    """The conditions of the deadline states on a date.

    `done` and `closed` are the conditions that the work is completed or has ended without completion, `open_ended` that the due date
    is not known yet. `finished` is the column of the completion date.
    """
    return [
        *([(DeadlineState.OPEN_ENDED, open_ended)] if open_ended is not None else []),
        (DeadlineState.NONE, Q(due_on_last__isnull=True)),
        (DeadlineState.MET_LATE, done & Q(**{f"{finished}__isnull": False, f"{finished}__gt": F("due_on_last")})),
        (DeadlineState.MET, done),
        (DeadlineState.CLOSED, closed),
        (DeadlineState.OVERDUE, Q(due_on_last__lt=on)),
        (DeadlineState.DUE_SOON, Q(due_on_last__lte=later(on, SOON))),
        (DeadlineState.UPCOMING, Q()),
    ]


def code_of(cases: Cases) -> Case:
    """The code of the first case that matches, as an SQL expression. The last case matches all rows."""
    *conditional, (last, _) = cases
    return Case(*(When(condition, then=Value(code)) for code, condition in conditional), default=Value(last), output_field=CharField())


def has_code(cases: Cases, codes: Iterable[str]) -> Q:
    """The rows whose code is one of these, as a condition on columns, for which there are indexes.

    The conditions must be false, not unknown, for rows in which a column is empty.
    """
    wanted, earlier = Q(pk__in=[]), Q()
    for code, condition in cases:
        if code in codes:
            wanted |= earlier & condition
        earlier &= ~condition
    return wanted


def component_states(on: date | Parameter) -> Cases:
    """The deadline states of a component, according to its status."""
    return states(
        on,
        done=Q(status=ComponentStatus.COMPLETED),
        finished="completed_on_first",
        closed=Q(status=ComponentStatus.CANCELLED),
        open_ended=Q(due_on_last__isnull=True) & ~Q(due_anchor=DueAnchor.NONE),
    )


def of_component(on: date | Parameter) -> Case:
    """The deadline state of a component on a day."""
    return code_of(component_states(on))
