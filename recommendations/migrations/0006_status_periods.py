"""Status periods: what the derived status of each recommendation was, from which day until which, for the updates there are."""

import django.db.models.deletion
import policytracker.codes
from django.db import migrations, models

STATUSES = [
    ('proposed', 'Proposed, not started'),
    ('planned', 'Planned'),
    ('in_progress', 'In progress'),
    ('partly_implemented', 'Partly implemented'),
    ('largely_implemented', 'Largely implemented'),
    ('implemented', 'Implemented'),
    ('addressed_otherwise', 'Addressed otherwise'),
    ('stalled', 'Stalled'),
    ('closed_not_implemented', 'Closed, not implemented'),
    ('withdrawn', 'Withdrawn'),
    ('superseded', 'Superseded'),
    ('no_longer_applicable', 'No longer applicable'),
    ('not_assessed', 'Not assessed'),
]

# As recommendations/derived_status.py computed them when this migration was written.
FILL = """
INSERT INTO recommendations_statusperiod
    (recommendation_id, since, until, status, claimed_status, status_since, progress_percent, last_update_on, closed_on)
WITH in_effect AS (
    SELECT *, status IN ('addressed_otherwise', 'closed_not_implemented', 'implemented', 'no_longer_applicable', 'superseded', 'withdrawn') OR closes AND status IN ('largely_implemented', 'partly_implemented') AS ends
    FROM recommendations_progressupdate
    WHERE true AND kind <> 'note' AND review = 'approved' AND voided_at IS NULL
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

# One check for each statement, not for each row.
GUARD = """
CREATE FUNCTION status_periods_are_derived() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF coalesce(current_setting('policytracker.recomputing_status', true), '') <> 'on' THEN
    RAISE check_violation USING CONSTRAINT = 'status_periods_are_derived',
      MESSAGE = 'Status periods are calculated from progress updates. Submit an update to change them.';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER status_periods_are_derived BEFORE INSERT OR UPDATE OR DELETE ON recommendations_statusperiod
FOR EACH STATEMENT EXECUTE FUNCTION status_periods_are_derived();
"""
UNGUARD = """
DROP TRIGGER status_periods_are_derived ON recommendations_statusperiod;
DROP FUNCTION status_periods_are_derived();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('recommendations', '0005_percent_agrees_with_status'),
    ]

    operations = [
        migrations.CreateModel(
            name='StatusPeriod',
            fields=[
                ('pk', models.CompositePrimaryKey('recommendation_id', 'since', blank=True, editable=False, primary_key=True, serialize=False)),
                ('status', policytracker.codes.CodeField(choices=STATUSES, default='not_assessed', editable=False, help_text='Our assessment.', max_length=40)),
                ('claimed_status', policytracker.codes.CodeField(blank=True, choices=STATUSES, default='', editable=False, help_text='The newest claim of any party.', max_length=40)),
                ('status_since', models.DateField(blank=True, editable=False, null=True)),
                ('progress_percent', models.PositiveSmallIntegerField(blank=True, editable=False, null=True)),
                ('last_update_on', models.DateField(blank=True, editable=False, null=True)),
                ('closed_on', models.DateField(blank=True, editable=False, null=True)),
                ('recommendation', models.ForeignKey(db_index=False, editable=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='status_periods', to='recommendations.recommendation')),
                ('since', models.DateField(editable=False)),
                ('until', models.DateField(editable=False, help_text='The first day after the period; empty for the current one.', null=True)),
            ],
            options={
                'default_permissions': (),
                'constraints': [models.CheckConstraint(condition=models.Q(('until__isnull', True), ('until__gt', models.F('since')), _connector='OR'), name='status_period_ends_after_it_begins', violation_error_code='until', violation_error_message='The end must be later than the start.')],
            },
        ),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
        migrations.RunSQL(GUARD, UNGUARD),
        migrations.AlterConstraint(
            model_name='progressupdate',
            name='update_claim_has_a_party',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('kind', 'claim'), _negated=True), ('party__isnull', False), _connector='OR'), name='update_claim_has_a_party', violation_error_code='party', violation_error_message='Select the party that makes this claim.'),
        ),
        migrations.AlterConstraint(
            model_name='progressupdate',
            name='update_void_has_a_reason',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('void_reason', ''), ('voided_at__isnull', True)), models.Q(('voided_at__isnull', False), models.Q(('void_reason', ''), _negated=True)), _connector='OR'), name='update_void_has_a_reason', violation_error_code='void_reason', violation_error_message='Enter a reason for voiding the update.'),
        ),
    ]
