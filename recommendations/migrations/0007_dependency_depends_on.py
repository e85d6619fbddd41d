from django.db import migrations, models

# The history names columns, so earlier versions of a record follow the new name.
RENAME = """UPDATE policytracker_change SET
    before = CASE WHEN before ? '{old}' THEN (before - '{old}') || jsonb_build_object('{new}', before -> '{old}') ELSE before END,
    changed = CASE WHEN changed ? '{old}' THEN (changed - '{old}') || jsonb_build_object('{new}', changed -> '{old}') ELSE changed END
WHERE tbl = 'recommendations_dependency' AND (before ? '{old}' OR changed ? '{old}')"""


class Migration(migrations.Migration):
    dependencies = [("recommendations", "0006_status_periods")]
    operations = [
        migrations.RemoveConstraint("dependency", "dependency_is_stated_once"),
        migrations.RemoveConstraint("dependency", "dependency_needs_two"),
        migrations.RenameField("dependency", "needs", "depends_on"),
        migrations.AlterField(
            "dependency",
            "depends_on",
            models.ForeignKey(
                help_text="The recommendation that must be done first.",
                on_delete=models.PROTECT,
                related_name="needed_by",
                to="recommendations.recommendation",
            ),
        ),
        migrations.AddConstraint(
            "dependency",
            models.UniqueConstraint(
                fields=("recommendation", "depends_on"),
                name="dependency_is_stated_once",
                violation_error_code="depends_on",
                violation_error_message="This dependency is already recorded.",
            ),
        ),
        migrations.AddConstraint(
            "dependency",
            models.CheckConstraint(
                condition=models.Q(("recommendation", models.F("depends_on")), _negated=True),
                name="dependency_needs_two",
                violation_error_code="depends_on",
                violation_error_message="A recommendation cannot depend on itself.",
            ),
        ),
        migrations.RunSQL(RENAME.format(old="needs_id", new="depends_on_id"), RENAME.format(old="depends_on_id", new="needs_id")),
    ]
