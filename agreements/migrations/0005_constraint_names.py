"""Three constraints get names that say what is true."""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateRangeField, RangeOperators
from django.db import migrations, models
from django.db.models import Q


def rename(model, old, constraint):
    """Rename a constraint in the table; Django would check all rows again."""
    statement = f"ALTER TABLE agreements_{model} RENAME CONSTRAINT {{}} TO {{}}"
    return migrations.RunSQL(
        statement.format(old, constraint.name),
        statement.format(constraint.name, old),
        state_operations=[migrations.RemoveConstraint(model, old), migrations.AddConstraint(model, constraint)],
    )


class Migration(migrations.Migration):
    dependencies = [("agreements", "0004_since_0_1")]

    operations = [
        rename(
            "participation",
            "participation_spells_do_not_overlap",
            ExclusionConstraint(
                name="participation_periods_do_not_overlap",
                expressions=[
                    ("agreement", RangeOperators.EQUAL),
                    ("party", RangeOperators.EQUAL),
                    ("role", RangeOperators.EQUAL),
                    (
                        models.Func("since_first", "until_first", function="daterange", output_field=DateRangeField()),
                        RangeOperators.OVERLAPS,
                    ),
                ],
            ),
        ),
        rename(
            "entryintoforcecondition",
            "condition_says_its_number",
            models.CheckConstraint(
                condition=Q(
                    Q(("kind", "number_of_consents"), _negated=True), Q(("number__gte", 1), ("number__isnull", False)), _connector="OR"
                ),
                name="condition_has_a_number",
            ),
        ),
        rename(
            "entryintoforcecondition",
            "condition_says_its_day",
            models.CheckConstraint(
                condition=Q(Q(("kind", "on_date"), _negated=True), Q(("fixed_on", ""), _negated=True), _connector="OR"),
                name="condition_has_a_date",
            ),
        ),
    ]
