"""A user has the time of the login before the present one, so that changes since the last visit are found.

Until the second login after this migration it is unknown.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("policytracker", "0003_list_choice")]

    operations = [
        migrations.AddField(
            "user",
            "previous_login",
            models.DateTimeField(
                blank=True, editable=False, help_text="When the visit before this one began. The database sets it.", null=True
            ),
        ),
        migrations.RunSQL(migrations.RunSQL.noop, "DROP TRIGGER IF EXISTS visit_before_this_one ON policytracker_user"),
    ]
