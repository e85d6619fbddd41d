"""Deadline state and freshness of a recommendation on a given day, as SQL expressions."""

from datetime import date

from django.db.models import Case, CharField, DateField, F, Func, Q, Value, When
from django.db.models.functions import Coalesce
from django.db.models.lookups import LessThan
from django.utils.translation import gettext_lazy as _

from agreements.deadlines import state
from policytracker.codes import Codes
from policytracker.records.parameters import Parameter
from recommendations.models import DONE

DEFAULT_UPDATE_EVERY = 90  # days after which an assessment is stale, if the recommendation does not set `update_every`


class Freshness(Codes):
    FRESH = "fresh", _("the newest approved assessment is recent enough"), _("Fresh")
    STALE = "stale", _("the newest approved assessment is too old"), _("Stale")
    NEVER = "never", _("never assessed"), _("Never assessed")
    NONE = "none", _("closed: no assessment is expected"), _("None")


def deadline(on: date | Parameter) -> Case:
    """The deadline state on a day. Implemented and addressed otherwise count as done; all other closed recommendations are closed."""
    return state(on, done=Q(status__in=DONE), finished="closed_on", closed=Q(closed_on__isnull=False))


def freshness(on: date | Parameter) -> Case:
    """Whether the newest approved assessment is recent enough on a day."""
    fresh_until = Func(
        F("last_update_on"),
        Coalesce(F("update_every"), DEFAULT_UPDATE_EVERY),
        arg_joiner=" + ",
        template="(%(expressions)s)",
        output_field=DateField(),
    )
    return Case(
        When(closed_on__isnull=False, then=Value(Freshness.NONE)),
        When(last_update_on__isnull=True, then=Value(Freshness.NEVER)),
        When(LessThan(fresh_until, on), then=Value(Freshness.STALE)),
        default=Value(Freshness.FRESH),
        output_field=CharField(),
    )
