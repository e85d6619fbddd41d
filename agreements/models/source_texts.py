"""The texts of sources, beside the sources: a list of sources or a change of one does not read or store them."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Func, IntegerField
from django.db.models.functions import Coalesce
from django.db.models.lookups import LessThanOrEqual
from django.utils.translation import gettext_lazy as _

from agreements.models.sources import Source
from policytracker.records.constraints import CheckConstraint
from policytracker.records.fields import Text
from policytracker.records.models import UidRecord

MAX_TEXT = 1024 * 1024  # bytes in UTF-8
FULL_TEXT_LENGTH = 300  # characters; shorter notes of a source without a text are remarks
FULL_TEXT = Coalesce("text__text", "notes")  # of a source
TOO_LONG = _("The text is larger than 1 MB, the most that is kept. Enter the part that you work with.")


class SourceText(UidRecord):
    """The text of a source, in which quotes are looked for. Pages are separated by form feeds."""

    access_parents = ("source",)
    label_parts = ("source__slug",)
    version_parent = "source"

    source = models.OneToOneField(Source, models.CASCADE, related_name="text")
    text = Text(blank=False, max_length=MAX_TEXT)

    class Meta:
        ordering = ["id"]
        verbose_name = _("text of a source")
        verbose_name_plural = _("texts of sources")
        constraints = [
            CheckConstraint(
                name="source_text_is_at_most_1_mb",
                condition=LessThanOrEqual(Func("text", function="octet_length", output_field=IntegerField()), MAX_TEXT),
                violation_error_message=TOO_LONG,
                field="text",
            )
        ]

    def __str__(self):
        return _("Text of {source}").format(source=self.source)

    def clean_fields(self, exclude=None):
        """One message for a text that is too long, in characters or bytes. Line ends are those of one form."""
        self.text = self.text.replace("\r\n", "\n").replace("\r", "\n")
        if len(self.text.encode("utf-8", "replace")) > MAX_TEXT:
            raise ValidationError({"text": ValidationError(TOO_LONG, "source_text_is_at_most_1_mb")})
        super().clean_fields(exclude)


def full_text(source: Source) -> str:
    """The text in which quotes of the source are looked for; "" if there is none. Long notes of a source without a text are its text."""
    stored = SourceText.objects.filter(source=source).values_list("text", flat=True).first()
    return stored or (source.notes if len(source.notes) >= FULL_TEXT_LENGTH else "")


def has_text(source: Source) -> bool:
    """Whether `full_text` has one."""
    return len(source.notes) >= FULL_TEXT_LENGTH or SourceText.objects.filter(source=source).exists()
