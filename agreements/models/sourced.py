"""The source of a record that states a single fact."""

from django.db import models

from policytracker.records.fields import Locator, Quote


class SourceFields(models.Model):
    """Source, locator and quote of a record that states one fact. Records with several facts have citations."""

    source = models.ForeignKey("agreements.Source", models.PROTECT, null=True, blank=True, related_name="+")
    locator = Locator()
    quote = Quote()

    class Meta:
        abstract = True
