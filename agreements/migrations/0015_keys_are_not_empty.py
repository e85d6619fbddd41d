"""Keys for records that were stored with an empty one, before the database refused it."""

from django.db import migrations

from policytracker.sql.operations import FillEmptyKeys


class Migration(migrations.Migration):
    dependencies = [("agreements", "0014_plain_help")]
    operations = [FillEmptyKeys("agreements")]
