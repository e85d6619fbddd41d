"""Deadline state and freshness of a recommendation, for any day: SQL expressions of the day (DESIGN 5)."""

from datetime import date

from django.db.models import Case, CharField, DateField, F, Func, Q, Value, When
from django.db.models.functions import Coalesce
from django.db.models.lookups import LessThan

from agreements.deadlines import state
from policytracker.codes import Codes
from policytracker.records.parameters import Parameter
from recommendations.models import DONE

USUAL = 90  # days between two assessments where the record says nothing else


class Freshness(Codes):
    FRESH = "fresh", "assessed within the time it is to be looked at again", "Fresh"
    STALE = "stale", "its newest approved assessment is older than that", "Stale"
    NEVER = "never", "never assessed", "Never assessed"
    NONE = "none", "closed: no assessment is expected", "None"


def deadline(on: date | Parameter) -> Case:
    """The deadline state of a recommendation: implemented or addressed otherwise is done, anything else that is closed is closed."""
    return state(on, done=Q(status__in=DONE), finished="closed_on", closed=Q(closed_on__isnull=False))


def freshness(on: date | Parameter) -> Case:
    """How old the newest approved assessment is."""
    fresh_until = Func(
        F("last_update_on"), Coalesce(F("update_every"), USUAL), arg_joiner=" + ", template="(%(expressions)s)", output_field=DateField()
    )
    return Case(
        When(closed_on__isnull=False, then=Value(Freshness.NONE)),
        When(last_update_on__isnull=True, then=Value(Freshness.NEVER)),
        When(LessThan(fresh_until, on), then=Value(Freshness.STALE)),
        default=Value(Freshness.FRESH),
        output_field=CharField(),
    )
