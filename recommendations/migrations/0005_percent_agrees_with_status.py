"""The percentage of an update agrees with its status.

Rows that existed before are not checked, because approved updates are append-only. Updates that contradict themselves and
wait for review are returned to their authors. An approved one can be voided. See docs/operator.md, "Upgrade".
"""

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models
from django.db.models import Q
from django.db.models.functions import Now

NOTE = "The percentage must be 100 or empty for Implemented, and empty for Not assessed. Correct it and submit the update again."


def return_contradictions(apps, schema_editor):
    """Return the submitted updates that the constraint would keep from being approved or returned."""
    contradicts = Q(status="implemented") & ~Q(progress_percent=100) | Q(status="not_assessed")
    updates = apps.get_model("recommendations", "ProgressUpdate").objects.filter(review="submitted", progress_percent__isnull=False)
    updates.filter(contradicts).update(review="returned", review_note=NOTE, reviewed_at=Now())
    # Deferred triggers must run before the table can be altered.
    schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE")


class Migration(migrations.Migration):
    dependencies = [("recommendations", "0004_who_writes_texts_and_facts")]
    operations = [
        migrations.RunPython(return_contradictions, migrations.RunPython.noop),
        AddConstraintNotValid(
            model_name="progressupdate",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("voided_at__isnull", False),
                    ("progress_percent__isnull", True),
                    models.Q(("progress_percent", 100), ("status", "implemented")),
                    models.Q(("status__in", ["implemented", "not_assessed"]), _negated=True),
                    _connector="OR",
                ),
                name="update_percent_agrees_with_status",
                violation_error_code="progress_percent",
                violation_error_message="The percentage must be 100 or empty for Implemented, and empty for Not assessed.",
            ),
        ),
    ]
