"""Keys for records that were stored with an empty one, before the database refused it."""

from django.db import migrations

from policytracker.sql.operations import FillEmptyKeys


class Migration(migrations.Migration):
    dependencies = [("recommendations", "0020_fill_second_person")]
    operations = [FillEmptyKeys("recommendations")]
