"""The texts of sources, beside the sources."""

import django.db.models.deletion
import django.db.models.functions.datetime
import django.db.models.lookups
import policytracker.records.fields
import uuid
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('agreements', '0005_constraint_names'),
    ]

    operations = [
        migrations.CreateModel(
            name='SourceText',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('version', models.PositiveIntegerField(db_default=1, editable=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('uid', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('text', policytracker.records.fields.Text(blank=True, default='', max_length=1048576)),
                ('source', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='text', to='agreements.source')),
            ],
            options={
                'verbose_name': 'text of a source',
                'verbose_name_plural': 'texts of sources',
                'ordering': ['id'],
                'constraints': [models.CheckConstraint(condition=django.db.models.lookups.LessThanOrEqual(models.Func('text', function='octet_length', output_field=models.IntegerField()), 1048576), name='source_text_is_at_most_1_mb', violation_error_code='source_text_is_at_most_1_mb', violation_error_message='The text is larger than 1 MB, the most that is kept. Enter the part that you work with.')],
            },
        ),
    ]
