"""Deadline states of recommendations and milestones, and freshness of recommendations, on a given day, as SQL expressions."""

from collections.abc import Iterable
from datetime import date

from django.db.models import Case, Q, QuerySet
from django.db.models.lookups import LessThan
from django.utils.translation import gettext_lazy as _

from agreements.deadlines import Cases, code_of, has_code, states
from policytracker.codes import Codes
from policytracker.edtf import latest
from policytracker.sql.parameters import Parameter
from recommendations.models import DONE
from recommendations.models.recommendations import fresh_until


class Freshness(Codes):
    FRESH = "fresh", _("the newest approved assessment is recent enough"), _("Fresh")
    STALE = "stale", _("the newest approved assessment is too old"), _("Stale")
    NEVER = "never", _("never assessed"), _("Never assessed")
    NONE = "none", _("closed: no assessment is expected"), _("Closed")


def deadline_states(on: date | Parameter) -> Cases:
    """The deadline states on a day. Implemented and addressed otherwise count as done; all other closed recommendations are closed."""
    # In the order of the index, so that PostgreSQL finds that both conditions are the same.
    return states(on, done=Q(status__in=sorted(DONE)), finished="closed_on", closed=Q(closed_on__isnull=False))


def milestone_states(on: date | Parameter) -> Cases:
    """The deadline states of a milestone on a day. Without completion, it ends with its recommendation."""
    return states(on, done=~Q(completed_on=""), finished="completed_on_first", closed=Q(recommendation__closed_on__isnull=False))


def milestones_in(rows: QuerySet, codes: Iterable[str], on: date | Parameter) -> QuerySet:
    """The milestones in one of these deadline states on a day."""
    return rows.alias(due_on_last=latest("due_on")).filter(has_code(milestone_states(on), codes))


def with_deadline_state(milestones: QuerySet, on: date | Parameter) -> QuerySet:
    """Milestones with their `deadline_state` on a day."""
    return milestones.alias(due_on_last=latest("due_on")).annotate(deadline_state=code_of(milestone_states(on)))


def freshness_states(on: date | Parameter) -> Cases:
    """Whether the newest approved assessment is recent enough on a day."""
    return [
        (Freshness.NONE, Q(closed_on__isnull=False)),
        (Freshness.NEVER, Q(last_update_on__isnull=True)),
        (Freshness.STALE, Q(LessThan(fresh_until(), on))),
        (Freshness.FRESH, Q()),
    ]


def deadline(on: date | Parameter) -> Case:
    """The deadline state on a day."""
    return code_of(deadline_states(on))


def freshness(on: date | Parameter) -> Case:
    """The freshness on a day."""
    return code_of(freshness_states(on))
