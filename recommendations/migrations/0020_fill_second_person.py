"""Who imported the existing updates, and which of them need a second person, as far as the history says so.

An update without author that a user created was imported by that user. An assessment that was submitted or approved needed a second
person if its status is terminal, or if the priority was high or critical when it was submitted. Assessments that a data set brought
as approved needed none. The data check `approved_without_second_person` finds those that were approved by who was involved.
"""

from django.db import migrations

FILL = """
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


def fill(apps, schema_editor):
    # An approved update is append-only, and this is no change of it: neither the rules nor the history apply. Deferred
    # constraints must be checked before the table can be altered.
    schema_editor.execute("ALTER TABLE recommendations_progressupdate DISABLE TRIGGER USER")
    schema_editor.execute(FILL)
    schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    schema_editor.execute("ALTER TABLE recommendations_progressupdate ENABLE TRIGGER USER")


class Migration(migrations.Migration):
    dependencies = [("recommendations", "0019_second_person"), ("policytracker", "0008_change_of_access")]
    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
