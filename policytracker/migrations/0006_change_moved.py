"""The history marks the changes after which queries by parent no longer find a row, so that a past moment is read by index."""

from django.db import migrations, models

# Every reference counts here: a change that is marked although the row kept its parent costs time, and is read correctly.
MARK = """UPDATE policytracker_change SET moved = true
WHERE op = 'delete' OR (op = 'update' AND EXISTS (SELECT FROM jsonb_object_keys(changed) AS name WHERE name LIKE '%\\_id'))"""


class Migration(migrations.Migration):
    dependencies = [("policytracker", "0005_changes_in_order")]

    operations = [
        migrations.AddField("change", "moved", models.BooleanField(db_default=False)),
        migrations.RunSQL(MARK, migrations.RunSQL.noop),
        migrations.AddIndex(
            "change",
            models.Index(condition=models.Q(("moved", True)), fields=["tbl", "op", "at"], include=("row_id",), name="change_that_moved"),
        ),
    ]
