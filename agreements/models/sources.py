"""Where a fact is written, and how far to believe it."""

import hashlib
from collections.abc import Callable
from typing import ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import FileExtensionValidator
from django.db import models
from django.db.models import Q

from agreements.models.agreements import Agreement, Participation
from agreements.models.components import Component
from agreements.models.outcomes import Outcome
from policytracker.codes import CodeField, Codes, ForeignCode
from policytracker.edtf import EdtfField, FirstDay
from policytracker.records.access import Reader, Role
from policytracker.records.constraints import CheckConstraint
from policytracker.records.fields import Text, contains_index
from policytracker.records.models import RegistryQuerySet, RegistryRecord, SluggedRecord, UidRecord

FILE_TYPES = ["pdf", "txt", "md", "html", "docx", "odt", "xlsx", "ods", "csv", "json", "xml", "png", "jpg", "jpeg"]
MAX_FILE_SIZE = 25 * 1024 * 1024


class SourceKind(Codes):
    TREATY_TEXT = "treaty_text", "the instrument itself", "Treaty or agreement text"
    LEGISLATION = "legislation", "domestic law", "Legislation"
    OFFICIAL_STATEMENT = "official_statement", "statement or fact sheet by a government or body", "Official statement"
    PRESS_RELEASE = "press_release", "by any organisation", "Press release"
    PARLIAMENTARY_RECORD = "parliamentary_record", "debate; tabled paper; committee report", "Parliamentary record"
    AUDIT_REPORT = "audit_report", "by an audit or oversight body", "Audit report"
    INTERNATIONAL_BODY = "international_body", "depositary notice or report", "International body"
    COURT_DECISION = "court_decision", "Court decision"
    COMPANY_FILING = "company_filing", "exchange notice or report", "Company filing"
    DATA_SET = "data_set", "register or file", "Data set"
    NEWS = "news", "reporting", "News"
    ANALYSIS = "analysis", "think tank; law firm; academic", "Analysis"
    AGGREGATOR = "aggregator", "copies or machine summaries of others", "Aggregator"
    SOCIAL_MEDIA = "social_media", "Social media"
    PERSONAL_COMMUNICATION = "personal_communication", "Personal communication"
    OTHER = "other", "Other"


class Confidence(Codes):
    CONFIRMED = "confirmed", "primary source or two independent ones", "Confirmed"
    PROBABLE = "probable", "one reliable secondary source", "Probable"
    REPORTED = "reported", "one source unchecked", "Reported"
    DISPUTED = "disputed", "sources conflict", "Disputed"
    UNVERIFIED = "unverified", "no source", "Unverified"
    REFUTED = "refuted", "a better source says otherwise", "Refuted"


class Stance(Codes):
    SUPPORTS = "supports", "Supports"
    CONTRADICTS = "contradicts", "Contradicts"


class Verdict(Codes):
    SUPPORTED = "supported", "Supported"
    IMPRECISE = "imprecise", "Imprecise"
    INCOMPLETE = "incomplete", "Incomplete"
    UNSUPPORTED = "unsupported", "Unsupported"
    INCORRECT = "incorrect", "Incorrect"
    FORECAST = "forecast", "Forecast"
    UNATTRIBUTED = "unattributed", "Unattributed"
    DISPUTED = "disputed", "Disputed"
    UNCHECKED = "unchecked", "Unchecked"


class SourceQuerySet(RegistryQuerySet):
    """A source belongs to nobody, so that a restricted one is left to administrators; others may grant more."""

    granted: ClassVar[list[Callable[[Reader], Q]]] = []

    def readable_by(self, reader):
        rule = super().readable_by(reader)
        if not reader.roles & {Role.ANALYST, Role.REVIEWER}:  # who read every draft as it is
            for grant in self.granted:
                rule |= grant(reader)
        return rule


class Source(RegistryRecord):
    """A document that says something; only its slug and kind must be known."""

    kind = CodeField(SourceKind)
    title = models.CharField(max_length=500, blank=True, default="")
    publisher = models.CharField(max_length=300, blank=True, default="")
    author = models.CharField(max_length=300, blank=True, default="")
    original_url = models.URLField("original address", max_length=2000, blank=True, default="")
    archived_url = models.URLField("archived address", max_length=2000, blank=True, default="")
    published_on = EdtfField()
    published_on_first = FirstDay("published_on")
    retrieved_on = models.DateField(null=True, blank=True)
    language = ForeignCode(max_length=35, blank=True, default="", help_text="A language tag, such as en or fr-CA.")
    file = models.FileField(upload_to="sources/", blank=True, default="", max_length=300, validators=[FileExtensionValidator(FILE_TYPES)])
    sha256 = models.CharField("SHA-256 of the file", max_length=64, blank=True, default="", editable=False)
    notes = Text(help_text="Also the whole text, where quotes are to be checked against it.")

    objects = SourceQuerySet.as_manager()

    class Meta:
        ordering = ["slug"]
        indexes = [
            contains_index("title", "source_title_contains"),
            contains_index("slug", "source_slug_contains"),
            models.Index(fields=["original_url"], name="source_by_address"),
        ]

    def __str__(self):
        return self.title or self.slug

    def clean(self):
        """A file that is new is measured and hashed. Raises ValidationError for one that is too large."""
        super().clean()
        if self.file and not self.file._committed:
            if self.file.size > MAX_FILE_SIZE:
                raise ValidationError({"file": f"A file may have {MAX_FILE_SIZE // 1024 // 1024} MiB at most."})
            self.sha256 = hashlib.sha256(b"".join(self.file.chunks())).hexdigest()
            self.file.seek(0)
        elif not self.file:
            self.sha256 = ""


class FactCheck(SluggedRecord):
    """What a source says, set beside what is right. The mistake stays visible."""

    access_parents = ("source", "agreement")

    agreement = models.ForeignKey(
        Agreement, models.PROTECT, null=True, blank=True, related_name="fact_checks", help_text="The agreement that the statement is about."
    )
    source = models.ForeignKey(Source, models.PROTECT, related_name="fact_checks", help_text="The source that says it.")
    locator = models.CharField(max_length=300, blank=True, default="", help_text="Where in the source: page, section, row.")
    quote = Text(help_text="The source's own words.")
    statement = Text(blank=False)
    verdict = CodeField(Verdict, default=Verdict.UNCHECKED)
    correction = Text(help_text="What is right.")
    correcting_source = models.ForeignKey(Source, models.PROTECT, null=True, blank=True, related_name="corrections")
    checked_on = models.DateField(null=True, blank=True)

    class Meta:
        ordering = ["slug"]

    def __str__(self):
        return self.statement[:120]


CITABLE = ["agreement", "component", "participation", "outcome"]


class Citation(UidRecord):
    """The words by which a source bears out, or contradicts, one fact of a record."""

    access_parents = ("source", *CITABLE)
    label_parts = ("source__slug", "field")

    source = models.ForeignKey(Source, models.PROTECT, related_name="citations")
    agreement = models.ForeignKey(Agreement, models.PROTECT, null=True, blank=True, related_name="citations")
    component = models.ForeignKey(Component, models.PROTECT, null=True, blank=True, related_name="citations")
    participation = models.ForeignKey(Participation, models.PROTECT, null=True, blank=True, related_name="citations")
    outcome = models.ForeignKey(Outcome, models.PROTECT, null=True, blank=True, related_name="citations")
    field = models.CharField(max_length=60, blank=True, default="", help_text="Which fact of the record; empty for the record as a whole.")
    locator = models.CharField(max_length=300, blank=True, default="", help_text="Where in the source: page, section, row.")
    quote = Text(help_text="The source's own words.")
    confidence = CodeField(Confidence, default=Confidence.REPORTED)
    stance = CodeField(Stance, default=Stance.SUPPORTS)

    class Meta:
        ordering = ["id"]
        constraints = [
            CheckConstraint(
                name="citation_has_exactly_one_target",
                condition=Q(
                    *[Q(**{f"{target}__isnull": target != chosen for target in CITABLE}) for chosen in CITABLE],
                    _connector=Q.OR,
                ),
                violation_error_message="A citation names exactly one agreement, component, participation or outcome.",
            )
        ]

    @property
    def target(self):
        """The record that the source speaks of."""
        return next((getattr(self, name) for name in CITABLE if getattr(self, f"{name}_id")), None)

    def __str__(self):
        return f"{self.source} {self.get_stance_display().lower()} {self.field or 'the record'}"
