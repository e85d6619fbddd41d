from django.db import migrations

RENAME = """UPDATE policytracker_change SET actor = (actor - '{old}') || jsonb_build_object('{new}', actor -> '{old}')
WHERE actor ? '{old}'"""


class Migration(migrations.Migration):
    """The history calls the interface through which a change was made its channel."""

    # After the last migration that writes history under the old name.
    dependencies = [
        ("policytracker", "0003_account_triggers"),
        ("agreements", "0006_commitment_disputes"),
        ("recommendations", "0007_dependency_depends_on"),
    ]
    operations = [migrations.RunSQL(RENAME.format(old="door", new="channel"), RENAME.format(old="channel", new="door"))]
