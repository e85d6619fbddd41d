"""Since version 0.1.0: status periods, facts for lists, names of dependencies, percentages that agree with the status, second persons.

Updates that contradict themselves and wait for review are returned to their authors. Approved ones are append-only, so the constraint
does not check those that existed before; they can be voided.
"""

import django.db.models.deletion
from django.conf import settings
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Now

from policytracker.codes import CodeField
from policytracker.records.fields import Locator, Quote
from policytracker.sql.operations import FillEmptyKeys, StateOnly

STATUSES = [
    "proposed", "planned", "in_progress", "partly_implemented", "largely_implemented", "implemented", "addressed_otherwise", "stalled",
    "closed_not_implemented", "withdrawn", "superseded", "no_longer_applicable", "not_assessed",
]  # fmt: skip
CHOICES = list(zip(STATUSES, STATUSES, strict=True))
READER_FIELDS = ["visibility", "publication", "owner"]
NOTE = "The percentage must be 100 or empty for Implemented, and empty for Not assessed. Correct it and submit the update again."


def return_contradictions(apps, schema_editor):
    """Return the submitted updates that the constraint would keep from being approved or returned."""
    contradicts = Q(status="implemented") & ~Q(progress_percent=100) | Q(status="not_assessed")
    updates = apps.get_model("recommendations", "ProgressUpdate").objects.filter(review="submitted", progress_percent__isnull=False)
    updates.filter(contradicts).update(review="returned", review_note=NOTE, reviewed_at=Now())
    # Deferred triggers must run before the table can be altered.
    schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE")


# Status periods, as recommendations/derived_status.py computed them when this migration was written.
PERIODS = """
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

# The history names columns, so earlier versions of a record follow the new name.
RENAME = """UPDATE policytracker_change SET
    before = CASE WHEN before ? '{old}' THEN (before - '{old}') || jsonb_build_object('{new}', before -> '{old}') ELSE before END,
    changed = CASE WHEN changed ? '{old}' THEN (changed - '{old}') || jsonb_build_object('{new}', changed -> '{old}') ELSE changed END
WHERE tbl = 'recommendations_dependency' AND (before ? '{old}' OR changed ? '{old}')"""

# Who imported the existing updates, and which of them need a second person, as far as the history says so. An update without author that a user created was imported by that user. An assessment that was submitted or approved needed a second
# person if its status is terminal, or if the priority was high or critical when it was submitted. Assessments that a data set brought
# as approved needed none. The data check `approved_without_second_person` finds those that were approved by who was involved.
SECOND_PERSON = """
WITH history AS (
    SELECT u.id, u.kind, u.status, u.review, u.recommendation_id, u.author_id, created.actor AS creator,
        coalesce(submitted.id, approved.id, created.id) AS submission,
        coalesce(approved.actor, created.actor) ->> 'channel' AS approved_through
    FROM recommendations_progressupdate u
    JOIN LATERAL (SELECT c.id, c.actor FROM policytracker_change c
        WHERE c.tbl = 'recommendations_progressupdate' AND c.row_id = u.id AND c.op = 'insert' ORDER BY c.id LIMIT 1) created ON true
    LEFT JOIN LATERAL (SELECT c.id FROM policytracker_change c
        WHERE c.tbl = 'recommendations_progressupdate' AND c.row_id = u.id AND c.changed ->> 'review' = 'submitted'
        ORDER BY c.id DESC LIMIT 1) submitted ON true
    LEFT JOIN LATERAL (SELECT c.id, c.actor FROM policytracker_change c
        WHERE c.tbl = 'recommendations_progressupdate' AND c.row_id = u.id AND c.changed ->> 'review' = 'approved'
        ORDER BY c.id DESC LIMIT 1) approved ON true
), filled AS (
    SELECT h.id, importer.id AS imported_by_id,
        h.kind = 'assessment' AND h.review IN ('submitted', 'approved')
        AND NOT (h.review = 'approved' AND coalesce(h.approved_through, '') = 'data set')
        AND (h.status IN ('implemented', 'addressed_otherwise', 'closed_not_implemented', 'withdrawn', 'superseded', 'no_longer_applicable')
            OR coalesce(later.priority, r.priority) IN ('high', 'critical')) AS needs_second_person
    FROM history h
    JOIN recommendations_recommendation r ON r.id = h.recommendation_id
    LEFT JOIN policytracker_user importer ON h.author_id IS NULL AND importer.id = (h.creator ->> 'id')::bigint
    LEFT JOIN LATERAL (SELECT c.before ->> 'priority' AS priority FROM policytracker_change c
        WHERE c.tbl = 'recommendations_recommendation' AND c.row_id = h.recommendation_id AND c.id > h.submission AND c.changed ? 'priority'
        ORDER BY c.id LIMIT 1) later ON true
)
UPDATE recommendations_progressupdate u SET imported_by_id = filled.imported_by_id, needs_second_person = filled.needs_second_person
FROM filled WHERE filled.id = u.id AND (filled.needs_second_person OR filled.imported_by_id IS NOT NULL)"""


def fill_second_person(apps, schema_editor):
    # An approved update is append-only, and this is no change of it: neither the rules nor the history apply. Deferred
    # constraints must be checked before the table can be altered.
    schema_editor.execute("ALTER TABLE recommendations_progressupdate DISABLE TRIGGER USER")
    schema_editor.execute(SECOND_PERSON)
    schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    schema_editor.execute("ALTER TABLE recommendations_progressupdate ENABLE TRIGGER USER")


def list_index(name, condition):
    return migrations.AddIndex(
        "recommendation", models.Index(fields=["slug"], include=["id", *READER_FIELDS], condition=condition, name=name)
    )


class Migration(migrations.Migration):
    replaces = [
        ("recommendations", "0005_percent_agrees_with_status"),
        ("recommendations", "0006_status_periods"),
        ("recommendations", "0007_dependency_depends_on"),
        ("recommendations", "0008_plain_labels"),
        ("recommendations", "0009_source_content_fields"),
        ("recommendations", "0010_covering_indexes"),
        ("recommendations", "0011_newest_claims"),
        ("recommendations", "0012_facts"),
        ("recommendations", "0014_due_date_labels"),
        ("recommendations", "0015_key_label"),
        ("recommendations", "0016_labels_of_dates_and_review"),
        ("recommendations", "0017_recommendations_open_first"),
        ("recommendations", "0018_external_labels"),
        ("recommendations", "0019_second_person"),
        ("recommendations", "0020_fill_second_person"),
        ("recommendations", "0021_keys_are_not_empty"),
    ]
    dependencies = [
        ("recommendations", "0004_who_writes_texts_and_facts"),
        ("agreements", "0004_since_0_1"),
        ("policytracker", "0002_history_and_search"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RunPython(return_contradictions, migrations.RunPython.noop),
        AddConstraintNotValid(
            "progressupdate",
            models.CheckConstraint(
                condition=Q(
                    ("voided_at__isnull", False),
                    ("progress_percent__isnull", True),
                    Q(("progress_percent", 100), ("status", "implemented")),
                    Q(("status__in", ["implemented", "not_assessed"]), _negated=True),
                    _connector="OR",
                ),
                name="update_percent_agrees_with_status",
            ),
        ),
        StateOnly(
            state_operations=[
                operation
                for model in ["addressee", "evidence", "recommendation"]
                for operation in (migrations.AlterField(model, "locator", Locator()), migrations.AlterField(model, "quote", Quote()))
            ]
        ),
        migrations.RemoveConstraint("dependency", "dependency_is_stated_once"),
        migrations.RemoveConstraint("dependency", "dependency_needs_two"),
        migrations.RenameField("dependency", "needs", "depends_on"),
        migrations.RunSQL(RENAME.format(old="needs_id", new="depends_on_id"), RENAME.format(old="depends_on_id", new="needs_id")),
        migrations.AddConstraint(
            "dependency", models.UniqueConstraint(fields=("recommendation", "depends_on"), name="dependency_is_stated_once")
        ),
        migrations.AddConstraint(
            "dependency",
            models.CheckConstraint(condition=Q(("recommendation", F("depends_on")), _negated=True), name="dependency_needs_two"),
        ),
        migrations.CreateModel(
            name="StatusPeriod",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey("recommendation_id", "since", blank=True, editable=False, primary_key=True, serialize=False),
                ),
                ("status", CodeField(choices=CHOICES, default="not_assessed")),
                ("claimed_status", CodeField(choices=CHOICES, blank=True, default="")),
                ("status_since", models.DateField(blank=True, null=True)),
                ("progress_percent", models.PositiveSmallIntegerField(blank=True, null=True)),
                ("last_update_on", models.DateField(blank=True, null=True)),
                ("closed_on", models.DateField(blank=True, null=True)),
                (
                    "recommendation",
                    models.ForeignKey(
                        "recommendations.recommendation",
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="status_periods",
                    ),
                ),
                ("since", models.DateField()),
                ("until", models.DateField(null=True)),
            ],
            options={
                "default_permissions": (),
                "constraints": [
                    models.CheckConstraint(
                        condition=Q(("until__isnull", True), ("until__gt", F("since")), _connector="OR"),
                        name="status_period_ends_after_it_begins",
                    )
                ],
            },
        ),
        migrations.AddField(
            "progressupdate",
            "imported_by",
            models.ForeignKey(
                settings.AUTH_USER_MODEL,
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="imported_updates",
            ),
        ),
        migrations.AddField("progressupdate", "needs_second_person", models.BooleanField(default=False)),
        *(
            migrations.AddField("recommendation", name, models.BooleanField(db_default=False, default=False))
            for name in ("claim_differs", "has_addressee", "has_evidence", "has_response", "has_update")
        ),
        migrations.AlterField(
            "addressee",
            "party",
            models.ForeignKey("agreements.party", db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="addressed"),
        ),
        migrations.RenameIndex("progressupdate", "update_in_effect", "update_that_stands"),
        migrations.RenameIndex("progressupdate", "update_by_report_date", "update_by_day"),
        migrations.RenameIndex("recommendation", "recommendation_by_due_date", "recommendation_by_due_day"),
        migrations.RenameIndex("recommendation", "recommendation_by_made_on", "recommendation_by_making"),
        migrations.RenameIndex("recommendation", "recommendation_by_updated_at", "recommendation_by_change"),
        *(
            migrations.RemoveIndex("recommendation", f"recommendation_{name}")
            for name in ("open_by_due_day", "by_closing", "by_status", "by_last_update")
        ),
        migrations.AddIndex("addressee", models.Index(fields=["party", "recommendation"], name="addressee_of_party")),
        migrations.AddIndex(
            "progressupdate",
            models.Index(
                fields=["recommendation", "party", "-reported_on", "-reviewed_at", "-uid"],
                include=["status"],
                condition=Q(kind="claim", review="approved", voided_at__isnull=True),
                name="update_newest_claim",
            ),
        ),
        migrations.AddIndex(
            "progressupdate",
            models.Index(
                fields=["id"],
                condition=Q(needs_second_person=True) & (Q(reviewed_by=F("author")) | Q(reviewed_by=F("imported_by"))),
                name="update_by_one_person",
            ),
        ),
        migrations.AddIndex("recommendation", models.Index(fields=["id"], include=[*READER_FIELDS, "slug"], name="recommendation_by_id")),
        migrations.AddIndex(
            "recommendation",
            models.Index(fields=["status", "id"], include=[*READER_FIELDS, "due_on_last", "closed_on"], name="recommendation_by_status"),
        ),
        migrations.AddIndex(
            "recommendation",
            models.Index(
                fields=["due_on_last"],
                include=[*READER_FIELDS, "id", "due_on_first", "status", "closed_on"],
                name="recommendation_by_due_on_last",
            ),
        ),
        migrations.AddIndex(
            "recommendation",
            models.Index(
                fields=["last_update_on", "id"],
                include=[*READER_FIELDS, "closed_on", "update_every", "claimed_status"],
                name="recommendation_by_last_update",
            ),
        ),
        migrations.AddIndex(
            "recommendation",
            models.Index(
                models.Func(
                    F("last_update_on"),
                    Coalesce(F("update_every"), 90),
                    arg_joiner=" + ",
                    output_field=models.DateField(),
                    template="(%(expressions)s)",
                ),
                condition=Q(closed_on__isnull=True),
                include=[*READER_FIELDS, "id", "last_update_on", "update_every", "closed_on"],
                name="recommendation_by_freshness",
            ),
        ),
        migrations.AddIndex(
            "recommendation",
            models.Index(
                fields=["-closed_on", "due_on_first", "id"],
                include=[*READER_FIELDS, "status", "due_on_last"],
                name="recommendation_by_closed_on",
            ),
        ),
        list_index("recommendation_claim_differs", Q(claim_differs=True)),
        list_index("recommendation_without_update", Q(has_update=False)),
        list_index("recommendation_without_proof", Q(has_evidence=False)),
        list_index("recommendation_not_addressed", Q(has_addressee=False)),
        list_index("recommendation_not_answered", Q(has_response=False)),
        list_index(
            "recommendation_met_late",
            Q(
                ("closed_on__gt", F("due_on_last")),
                ("closed_on__isnull", False),
                ("due_on_last__isnull", False),
                ("status__in", ["addressed_otherwise", "implemented"]),
            ),
        ),
        migrations.RunSQL(PERIODS, migrations.RunSQL.noop),
        migrations.RunPython(fill_second_person, migrations.RunPython.noop),
        FillEmptyKeys("recommendations"),
    ]
