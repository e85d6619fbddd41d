"""What each group may do with texts of sources. Running this migration again does not overwrite changes made in the admin."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

EVERYBODY = ["reader", "party officer", "analyst", "reviewer", "administrator"]
EDITORS = ["analyst", "reviewer", "administrator"]


def permit(apps, schema_editor):
    config = apps.get_app_config("agreements")
    # Permissions are made after migrate as a rule, which is too late for groups.
    module, config.models_module = getattr(config, "models_module", None), True
    create_permissions(config, apps=apps, verbosity=0)
    config.models_module = module
    Group, Permission = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    for permission in Permission.objects.filter(content_type__app_label="agreements", content_type__model="sourcetext"):
        allowed = EVERYBODY if permission.codename.startswith("view_") else EDITORS
        for group in Group.objects.filter(name__in=allowed):
            group.permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [
        ("recommendations", "0007_index_name"),
        ("agreements", "0006_texts_of_sources"),
    ]
    operations = [migrations.RunPython(permit, migrations.RunPython.noop)]
