from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("recommendations", "0006_fill_facts")]

    operations = [migrations.RenameIndex("recommendation", "recommendation_no_evidence", "recommendation_without_proof")]
