from django.db import migrations

# The history names columns, so earlier versions of a record follow the new name.
RENAME = """UPDATE policytracker_change SET
    before = CASE WHEN before ? '{old}' THEN (before - '{old}') || jsonb_build_object('{new}', before -> '{old}') ELSE before END,
    changed = CASE WHEN changed ? '{old}' THEN (changed - '{old}') || jsonb_build_object('{new}', changed -> '{old}') ELSE changed END
WHERE tbl = 'agreements_commitment' AND (before ? '{old}' OR changed ? '{old}')"""


class Migration(migrations.Migration):
    dependencies = [("agreements", "0005_recompute_signature_and_force_days")]
    operations = [
        migrations.RenameField("commitment", "instead_of", "disputes"),
        migrations.RunSQL(
            RENAME.format(old="instead_of_id", new="disputes_id"), RENAME.format(old="disputes_id", new="instead_of_id")
        ),
    ]
