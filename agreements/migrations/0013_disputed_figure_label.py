import django.db.models.deletion
from django.db import migrations, models
from policytracker.sql.operations import StateOnly


class Migration(migrations.Migration):

    dependencies = [
        ('agreements', '0012_names_and_date_labels'),
    ]

    operations = [
        StateOnly(state_operations=[
            migrations.AlterField(
                model_name='commitment',
                name='disputes',
                field=models.ForeignKey(blank=True, help_text='The figure that this one disputes.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='disputed_by', to='agreements.commitment', verbose_name='disputed figure'),
            ),
        ]),
    ]
