"""The derived status of a recommendation, and the periods in which it had each one."""

from django.db import models

from policytracker.codes import CodeField
from policytracker.records.constraints import CheckConstraint
from recommendations.models.updates import Status


class DerivedStatus(models.Model):
    """What follows from the updates of a recommendation that are in effect. Only `recompute_status()` writes these fields."""

    status = CodeField(Status, default=Status.NOT_ASSESSED, editable=False, help_text="Our assessment.")
    claimed_status = CodeField(Status, blank=True, default="", editable=False, help_text="The newest claim of any party.")
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

    According to the updates in effect today. A period begins on each day for which an assessment or a claim was reported; the
    last one has no end. Before the first one, and without any, a recommendation is not assessed. Derived data, as the fields of
    the recommendation are: not a record, without history or API, and in no data set. The database refuses writes by anybody
    other than `recompute_status()` (migration 0007).
    """

    pk = models.CompositePrimaryKey("recommendation_id", "since")
    # Where there are periods there are approved updates, which cannot be deleted, and neither can their recommendation.
    recommendation = models.ForeignKey(
        "recommendations.Recommendation", models.DO_NOTHING, related_name="status_periods", db_index=False, editable=False
    )
    since = models.DateField(editable=False)
    until = models.DateField(null=True, editable=False, help_text="The first day after the period; empty for the current one.")

    class Meta:
        default_permissions = ()
        constraints = [
            CheckConstraint(
                name="status_period_ends_after_it_begins",
                condition=models.Q(until__isnull=True) | models.Q(until__gt=models.F("since")),
                violation_error_message="The end must be later than the start.",
                field="until",
            ),
        ]

    def __str__(self):
        return f"{self.get_status_display()} from {self.since} until {self.until or 'now'}"
