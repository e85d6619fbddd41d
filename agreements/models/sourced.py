"""The source of a record that states a single fact."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from policytracker.records.fields import Text


class SourceFields(models.Model):
    """Source, locator and quote of a record that states one fact. Records with several facts have citations."""

    source = models.ForeignKey("agreements.Source", models.PROTECT, null=True, blank=True, related_name="+")
    locator = models.CharField(max_length=300, blank=True, default="", help_text=_("The place within the source: page, section, row."))
    quote = Text(help_text=_("The source's exact words."))

    class Meta:
        abstract = True
