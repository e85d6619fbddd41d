"""The derived status of a recommendation, and the periods in which it had each status."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from policytracker.codes import CodeField
from policytracker.records.constraints import CheckConstraint
from recommendations.models.updates import Status


class DerivedStatus(models.Model):
    """The values calculated from the updates in effect. Only `recompute_status()` writes these fields."""

    status = CodeField(Status, default=Status.NOT_ASSESSED, editable=False, help_text=_("Our latest assessment."))
    claimed_status = CodeField(Status, blank=True, default="", editable=False, help_text=_("Newest claim of any party."))
    status_since = models.DateField(null=True, blank=True, editable=False)
    progress_percent = models.PositiveSmallIntegerField(null=True, blank=True, editable=False)
    last_update_on = models.DateField(null=True, blank=True, editable=False)
    closed_on = models.DateField(null=True, blank=True, editable=False)

    class Meta:
        abstract = True


DERIVED_FIELDS = [field.name for field in DerivedStatus._meta.local_fields]

# The condition under which the database accepts a write of derived fields and of periods.
RECOMPUTING = "coalesce(current_setting('policytracker.recomputing_status', true), '') = 'on'"


class StatusPeriod(DerivedStatus):
    """The days, from `since` until the day before `until`, on which a recommendation had these derived values.

    Based on the updates in effect today. A period begins on each report date of an assessment or claim; the last period has no
    end. Before the first period, and without periods, a recommendation is not assessed. This is derived data, like the derived
    fields of the recommendation: it has no history and no API, and it is not part of the data set. The database rejects all
    writes except those of `recompute_status()` (migration 0006).
    """

    pk = models.CompositePrimaryKey("recommendation_id", "since")
    # DO_NOTHING is safe: a recommendation with periods has approved updates, so it cannot be deleted.
    recommendation = models.ForeignKey(
        "recommendations.Recommendation", models.DO_NOTHING, related_name="status_periods", db_index=False, editable=False
    )
    since = models.DateField(editable=False)
    until = models.DateField(null=True, editable=False, help_text=_("First day after the period. Empty for the current period."))

    class Meta:
        default_permissions = ()
        constraints = [
            CheckConstraint(
                name="status_period_ends_after_it_begins",
                condition=models.Q(until__isnull=True) | models.Q(until__gt=models.F("since")),
                violation_error_message=_("The end must be later than the start."),
                field="until",
            ),
        ]

    def __str__(self):
        template = _("{status} from {since} until {until}") if self.until else _("{status} since {since}")
        return template.format(status=self.get_status_display(), since=self.since, until=self.until)
