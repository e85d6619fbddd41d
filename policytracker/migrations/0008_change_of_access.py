"""An index of the changes of visibility and publication, so that a past moment reads these columns from the present rows."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("policytracker", "0007_search_entries")]

    operations = [
        migrations.AddIndex(
            "change",
            models.Index(
                condition=models.Q(changed__has_any_keys=["publication", "visibility"]),
                fields=["tbl", "row_id", "at"],
                name="change_of_access",
            ),
        ),
    ]
