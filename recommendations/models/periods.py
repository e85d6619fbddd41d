"""The derived status of a recommendation, and the periods in which it had each status."""

from collections.abc import Iterable

from django.db import models
from django.utils.translation import gettext_lazy as _

from policytracker.codes import CodeField
from policytracker.records.constraints import CheckConstraint, OwnTrigger
from policytracker.sql.moment import CHANGES, MOMENT, TABLES
from recommendations.models.updates import CLOSABLE, TERMINAL, Status


class DerivedStatus(models.Model):
    """The values calculated from the updates in effect. Only `recompute_status()` writes these fields."""

    status = CodeField(Status, default=Status.NOT_ASSESSED, editable=False, help_text=_("Our latest assessment."))
    claimed_status = CodeField(Status, blank=True, default="", editable=False, help_text=_("Newest claim of any party."))
    status_since = models.DateField(null=True, blank=True, editable=False)
    progress_percent = models.PositiveSmallIntegerField(_("progress (%)"), null=True, blank=True, editable=False)
    last_update_on = models.DateField(null=True, blank=True, editable=False)
    closed_on = models.DateField(null=True, blank=True, editable=False)

    class Meta:
        abstract = True


DERIVED_FIELDS = [field.name for field in DerivedStatus._meta.local_fields]

# The condition under which the database accepts a write of derived fields and of periods.
RECOMPUTING_SETTING = "policytracker.recomputing_status"
RECOMPUTING = f"coalesce(current_setting('{RECOMPUTING_SETTING}', true), '') = 'on'"


def sql_list(statuses: Iterable[Status]) -> str:
    return ", ".join(f"'{status.value}'" for status in sorted(statuses))


# The status periods, calculated from the updates in effect. `{condition}` selects recommendations.
# - in_effect: `ends` is true for an update that closes the recommendation.
# - compared: where the status or the closure changes, compared with the previous assessment (or claim).
# - dated: the date of the last such change, which is the start of the current run of equal values.
# - days: one row per report date. The last update of a date counts. Assessments and claims of one date share a row.
# - numbered: a date without an assessment (or claim) has the values of the previous one.
PERIODS = f"""
WITH in_effect AS (
    SELECT *, status IN ({sql_list(TERMINAL)}) OR closes AND status IN ({sql_list(CLOSABLE)}) AS ends
    FROM recommendations_progressupdate
    WHERE {{condition}} AND kind <> 'note' AND review = 'approved' AND voided_at IS NULL
), compared AS (
    SELECT *,
        status IS DISTINCT FROM lag(status) OVER earlier AS status_begins,
        (status, ends) IS DISTINCT FROM (lag(status) OVER earlier, lag(ends) OVER earlier) AS closure_begins,
        reported_on IS DISTINCT FROM lead(reported_on) OVER earlier AS last_of_day
    FROM in_effect
    WINDOW earlier AS (PARTITION BY recommendation_id, kind ORDER BY reported_on, reviewed_at, uid)
), dated AS (
    SELECT *,
        max(reported_on) FILTER (WHERE status_begins) OVER earlier AS status_since,
        CASE WHEN ends THEN max(reported_on) FILTER (WHERE closure_begins) OVER earlier END AS closed_on
    FROM compared
    WINDOW earlier AS (PARTITION BY recommendation_id, kind ORDER BY reported_on, reviewed_at, uid)
), days AS (
    SELECT recommendation_id, reported_on AS since,
        max(status) FILTER (WHERE kind = 'assessment') AS status,
        max(status_since) FILTER (WHERE kind = 'assessment') AS status_since,
        max(progress_percent) FILTER (WHERE kind = 'assessment') AS progress_percent,
        max(reported_on) FILTER (WHERE kind = 'assessment') AS last_update_on,
        max(closed_on) FILTER (WHERE kind = 'assessment') AS closed_on,
        max(status) FILTER (WHERE kind = 'claim') AS claimed_status
    FROM dated WHERE last_of_day GROUP BY recommendation_id, reported_on
), numbered AS (
    SELECT *,
        lead(since) OVER earlier AS until,
        count(status) OVER earlier AS assessment,
        count(claimed_status) OVER earlier AS claim
    FROM days
    WINDOW earlier AS (PARTITION BY recommendation_id ORDER BY since)
)
SELECT recommendation_id, since, until,
    coalesce(max(status) OVER same_assessment, 'not_assessed') AS status,
    coalesce(max(claimed_status) OVER same_claim, '') AS claimed_status,
    max(status_since) OVER same_assessment AS status_since,
    max(progress_percent) OVER same_assessment AS progress_percent,
    max(last_update_on) OVER same_assessment AS last_update_on,
    max(closed_on) OVER same_assessment AS closed_on
FROM numbered
WINDOW same_assessment AS (PARTITION BY recommendation_id, assessment), same_claim AS (PARTITION BY recommendation_id, claim)
"""

# The periods at a past moment: the stored ones, except where an update changed since. No update that was in effect can have been
# deleted or moved since.
COLUMNS = ", ".join(["recommendation_id", "since", "until", *DERIVED_FIELDS])
CHANGED_SINCE = f"""SELECT u.recommendation_id FROM {TABLES}.recommendations_progressupdate AS u
    JOIN {CHANGES} AS c ON c.row_id = u.id WHERE c.tbl = 'recommendations_progressupdate' AND c.at > {MOMENT}"""
PERIODS_AS_OF = f"""SELECT {COLUMNS} FROM (
    SELECT true AS stored, {COLUMNS} FROM {TABLES}.recommendations_statusperiod
    UNION ALL
    SELECT false, {COLUMNS} FROM ({PERIODS.format(condition=f"recommendation_id = ANY(ARRAY({CHANGED_SINCE}))")}) AS computed
) AS period WHERE NOT stored OR recommendation_id NOT IN ({CHANGED_SINCE})"""


class StatusPeriod(DerivedStatus):
    """The days, from `since` until the day before `until`, on which a recommendation had these derived values.

    Based on the updates in effect today. A period begins on each report date of an assessment or claim; the last period has no
    end. Before the first period, and without periods, a recommendation is not assessed. This is derived data, like the derived
    fields of the recommendation: it has no history and no API, and it is not part of the data set. The periods of a past moment are
    calculated from the updates of that moment (`as_of_view`). The database rejects all writes except those of `recompute_status()`.
    """

    as_of_view = PERIODS_AS_OF
    own_triggers = (
        OwnTrigger(
            "status_periods_are_derived",
            "BEFORE INSERT OR UPDATE OR DELETE",
            f"""IF NOT ({RECOMPUTING}) THEN
    PERFORM refuse('status_periods_are_derived', 'Status periods are calculated from progress updates. Submit an update to change them.');
  END IF;
  RETURN NULL;""",
            for_each_row=False,  # one check for each statement
        ),
    )

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
