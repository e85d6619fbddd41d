"""Store the facts of the existing recommendations, in short transactions, so that no one waits for the whole table."""

from django.db import migrations, transaction

ROWS = 5_000  # ids in a transaction
IN_EFFECT = "u.recommendation_id = r.id AND u.review = 'approved' AND u.voided_at IS NULL"
FILL = f"""UPDATE recommendations_recommendation AS stored
SET (claim_differs, has_update, has_evidence, has_addressee, has_response) = ROW(calculated.claim_differs, calculated.has_update,
    calculated.has_evidence, calculated.has_addressee, calculated.has_response)
FROM (
    SELECT r.id,
        r.claimed_status <> '' AND EXISTS (SELECT FROM (
            SELECT DISTINCT ON (u.party_id) u.status FROM recommendations_progressupdate u WHERE {IN_EFFECT} AND u.kind = 'claim'
            ORDER BY u.party_id, u.reported_on DESC, u.reviewed_at DESC, u.uid DESC
        ) AS newest WHERE newest.status <> r.status) AS claim_differs,
        EXISTS (SELECT FROM recommendations_progressupdate u WHERE {IN_EFFECT}) AS has_update,
        EXISTS (SELECT FROM recommendations_progressupdate u JOIN recommendations_evidence e ON e.update_id = u.id WHERE {IN_EFFECT})
            AS has_evidence,
        EXISTS (SELECT FROM recommendations_addressee a WHERE a.recommendation_id = r.id) AS has_addressee,
        EXISTS (SELECT FROM recommendations_addressee a WHERE a.recommendation_id = r.id AND a.response <> 'none_recorded') AS has_response
    FROM recommendations_recommendation r WHERE r.id >= %(first)s AND r.id < %(first)s + {ROWS} ORDER BY r.id FOR NO KEY UPDATE
) AS calculated
WHERE stored.id = calculated.id
    AND (stored.claim_differs, stored.has_update, stored.has_evidence, stored.has_addressee, stored.has_response)
    IS DISTINCT FROM (calculated.claim_differs, calculated.has_update, calculated.has_evidence, calculated.has_addressee,
        calculated.has_response)"""


def fill(apps, schema_editor):
    connection = schema_editor.connection
    with connection.cursor() as cursor:
        cursor.execute("SELECT min(id), max(id) FROM recommendations_recommendation")
        lowest, highest = cursor.fetchone()
        for first in range(lowest, highest + 1, ROWS) if highest else ():
            with transaction.atomic(connection.alias):
                cursor.execute("SELECT set_config('policytracker.recomputing_status', 'on', true)")
                cursor.execute(FILL, {"first": first})


class Migration(migrations.Migration):
    atomic = False
    replaces = [("recommendations", "0013_fill_facts")]
    dependencies = [("recommendations", "0005_since_0_1")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
