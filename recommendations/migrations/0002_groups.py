"""The five groups with their permissions. Running this migration again does not overwrite changes made in the admin."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

GROUPS = ["reader", "party officer", "analyst", "reviewer", "administrator"]
PEOPLE = [("policytracker", "user"), ("policytracker", "token"), ("auth", "group"), ("agreements", "partyofficer")]
APPS = ["policytracker", "auth", "agreements", "recommendations"]


def make_groups(apps, schema_editor):
    for label in APPS:
        config = apps.get_app_config(label)
        # Permissions are made after migrate as a rule, which is too late for groups.
        module, config.models_module = getattr(config, "models_module", None), True
        create_permissions(config, apps=apps, verbosity=0)
        config.models_module = module
    Group, Permission = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    granted = {name: [] for name in GROUPS}
    for permission in Permission.objects.filter(content_type__app_label__in=APPS).select_related("content_type"):
        kind, model = permission.codename.split("_", 1)
        if (permission.content_type.app_label, model) in PEOPLE:
            allowed = ["administrator"]
        elif permission.content_type.app_label not in ("agreements", "recommendations"):
            continue
        elif kind == "view":
            allowed = GROUPS
        else:
            allowed = ["analyst", "reviewer", "administrator"]
            if permission.codename == "add_progressupdate":
                allowed = ["party officer", *allowed]
        for name in allowed:
            granted[name].append(permission)
    for name, permissions in granted.items():
        Group.objects.get_or_create(name=name)[0].permissions.add(*permissions)


class Migration(migrations.Migration):
    dependencies = [
        ("agreements", "0002_initial"),
        ("recommendations", "0001_initial"),
        ("policytracker", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]
    operations = [migrations.RunPython(make_groups, migrations.RunPython.noop)]
