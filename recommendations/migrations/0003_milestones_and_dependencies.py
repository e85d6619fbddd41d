"""Milestones and dependencies, and what each group may do with them. Whoever changes that in the admin is not overruled later."""

import django.db.models.deletion
import django.db.models.functions.datetime
import policytracker.edtf
import uuid
from django.contrib.auth.management import create_permissions
from django.db import migrations, models


EVERYBODY = ["reader", "party officer", "analyst", "reviewer", "administrator"]
EDITORS = ["analyst", "reviewer", "administrator"]


def permit(apps, schema_editor):
    config = apps.get_app_config("recommendations")
    # Permissions are made after migrate as a rule, which is too late for groups.
    module, config.models_module = getattr(config, "models_module", None), True
    create_permissions(config, apps=apps, verbosity=0)
    config.models_module = module
    Group, Permission = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    new = Permission.objects.filter(content_type__app_label="recommendations", content_type__model__in=["milestone", "dependency"])
    for permission in new:
        allowed = EVERYBODY if permission.codename.startswith("view_") else EDITORS
        for group in Group.objects.filter(name__in=allowed):
            group.permissions.add(permission)


class Migration(migrations.Migration):

    dependencies = [
        ('recommendations', '0002_groups'),
    ]

    operations = [
        migrations.CreateModel(
            name='Milestone',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('version', models.PositiveIntegerField(db_default=1, editable=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('uid', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('position', models.PositiveIntegerField(blank=True, help_text='Its place among the steps.', null=True)),
                ('title', models.CharField(max_length=500)),
                ('due_on', policytracker.edtf.EdtfField(help_text='The day by which it is to be done.', verbose_name='due on')),
                ('due_on_first', models.GeneratedField(db_persist=True, expression=models.Func(models.F('due_on'), function='edtf_first', output_field=models.DateField()), output_field=models.DateField(null=True))),
                ('completed_on', policytracker.edtf.EdtfField(help_text='The day on which it was done.')),
                ('completed_on_first', models.GeneratedField(db_persist=True, expression=models.Func(models.F('completed_on'), function='edtf_first', output_field=models.DateField()), output_field=models.DateField(null=True))),
                ('recommendation', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='milestones', to='recommendations.recommendation')),
            ],
            options={
                'ordering': ['id'],
            },
        ),
        migrations.CreateModel(
            name='Dependency',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('version', models.PositiveIntegerField(db_default=1, editable=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('uid', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('needs', models.ForeignKey(help_text='What must be done before it.', on_delete=django.db.models.deletion.PROTECT, related_name='needed_by', to='recommendations.recommendation')),
                ('recommendation', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='dependencies', to='recommendations.recommendation')),
            ],
            options={
                'verbose_name_plural': 'dependencies',
                'ordering': ['id'],
                'constraints': [models.UniqueConstraint(fields=('recommendation', 'needs'), name='dependency_is_stated_once', violation_error_code='needs', violation_error_message='This dependency is already recorded.'), models.CheckConstraint(condition=models.Q(('recommendation', models.F('needs')), _negated=True), name='dependency_needs_two', violation_error_code='needs', violation_error_message='A recommendation does not need itself.')],
            },
        ),
        migrations.RunPython(permit, migrations.RunPython.noop),
    ]
