"""Where a single fact is written."""

from django.db import models

from policytracker.records.fields import Text


class SourceFields(models.Model):
    """A record of one fact: the source that says it, the place in it, and its words. Records of many facts have citations."""

    source = models.ForeignKey("agreements.Source", models.PROTECT, null=True, blank=True, related_name="+")
    locator = models.CharField(max_length=300, blank=True, default="", help_text="Where in the source: page, section, row.")
    quote = Text(help_text="The source's own words.")

    class Meta:
        abstract = True
