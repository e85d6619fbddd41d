"""Sources, citations and fact checks."""

import hashlib
from typing import Any

from django.conf.locale import LANG_INFO
from django.core.exceptions import ValidationError
from django.core.validators import FileExtensionValidator
from django.db import models
from django.db.models import Q, Value
from django.db.models.functions import Coalesce, Lower, NullIf
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from agreements.models.agreements import Agreement, Participation
from agreements.models.components import Component
from agreements.models.outcomes import Outcome
from policytracker.codes import CodeField, Codes, ForeignCode
from policytracker.edtf import EdtfField, FirstDay
from policytracker.records.constraints import CheckConstraint
from policytracker.records.fields import Locator, Quote, Text, contains_index
from policytracker.records.models import RegistryRecord, SluggedRecord, UidRecord

FILE_TYPES = ["pdf", "txt", "md", "html", "docx", "odt", "xlsx", "ods", "csv", "json", "xml", "png", "jpg", "jpeg"]
MAX_FILE_SIZE = 25 * 1024 * 1024  # bytes
FILE_TOO_LARGE = _("The file is too large. The limit is %(limit)s MiB.")


class SourceKind(Codes):
    TREATY_TEXT = "treaty_text", _("the instrument itself"), _("Treaty or agreement text")
    LEGISLATION = "legislation", _("domestic law"), _("Legislation")
    OFFICIAL_STATEMENT = "official_statement", _("statement or fact sheet by a government or body"), _("Official statement")
    PRESS_RELEASE = "press_release", _("by any organisation"), _("Press release")
    PARLIAMENTARY_RECORD = "parliamentary_record", _("debate; tabled paper; committee report"), _("Parliamentary record")
    AUDIT_REPORT = "audit_report", _("by an audit or oversight body"), _("Audit report")
    INTERNATIONAL_BODY = "international_body", _("depositary notice or report"), _("International body")
    COURT_DECISION = "court_decision", _("Court decision")
    COMPANY_FILING = "company_filing", _("exchange notice or report"), _("Company filing")
    DATA_SET = "data_set", _("register or file"), _("Data set")
    NEWS = "news", _("reporting"), _("News")
    ANALYSIS = "analysis", _("think tank; law firm; academic"), _("Analysis")
    AGGREGATOR = "aggregator", _("copies or machine summaries of others"), _("Aggregator")
    SOCIAL_MEDIA = "social_media", _("Social media")
    PERSONAL_COMMUNICATION = "personal_communication", _("Personal communication")
    OTHER = "other", _("Other")


class Confidence(Codes):
    CONFIRMED = "confirmed", _("primary source or two independent ones"), _("Confirmed")
    PROBABLE = "probable", _("one reliable secondary source"), _("Probable")
    REPORTED = "reported", _("one source unchecked"), _("Reported")
    DISPUTED = "disputed", _("sources conflict"), _("Disputed")
    UNVERIFIED = "unverified", _("no source"), _("Unverified")
    REFUTED = "refuted", _("a better source says otherwise"), _("Refuted")


class Stance(Codes):
    SUPPORTS = "supports", _("Supports")
    CONTRADICTS = "contradicts", _("Contradicts")


class Verdict(Codes):
    SUPPORTED = "supported", _("Supported")
    IMPRECISE = "imprecise", _("Imprecise")
    INCOMPLETE = "incomplete", _("Incomplete")
    UNSUPPORTED = "unsupported", _("Unsupported")
    INCORRECT = "incorrect", _("Incorrect")
    FORECAST = "forecast", _("Forecast")
    UNATTRIBUTED = "unattributed", _("Unattributed")
    DISPUTED = "disputed", _("Disputed")
    UNCHECKED = "unchecked", _("Unchecked")


def by_source_name(path: str = "") -> Lower:
    """The order of sources by the name that people read. `path` leads to the source, such as `source__`."""
    return Lower(Coalesce(NullIf(f"{path}title", Value("")), NullIf(f"{path}publisher", Value("")), f"{path}slug"))


LANGUAGE_TAGS = {name.casefold(): tag for tag, each in LANG_INFO.items() if "name" in each for name in (each["name"], each["name_local"])}


def language_tag(text: str) -> str:
    """The tag of a language that is written by its name, in English or in the language itself. Other texts stay."""
    return LANGUAGE_TAGS.get(text.strip().casefold(), text)


class Source(RegistryRecord):
    """A document or other reference from which facts are taken. Only slug and kind are required."""

    kind = CodeField(SourceKind)
    title = models.CharField(max_length=500, blank=True, default="")
    publisher = models.CharField(max_length=300, blank=True, default="")
    author = models.CharField(max_length=300, blank=True, default="")
    original_url = models.URLField(_("original address"), max_length=2000, blank=True, default="")
    archived_url = models.URLField(_("archived address"), max_length=2000, blank=True, default="")
    published_on = EdtfField(_("date published"))
    published_on_first = FirstDay("published_on")
    retrieved_on = models.DateField(_("date retrieved"), null=True, blank=True)
    language = ForeignCode(
        max_length=35, blank=True, default="", read=language_tag, help_text=_("Language tag (BCP 47), such as en or fr-CA.")
    )
    file = models.FileField(upload_to="sources/", blank=True, default="", max_length=300, validators=[FileExtensionValidator(FILE_TYPES)])
    sha256 = models.CharField(_("SHA-256 of the file"), max_length=64, blank=True, default="", editable=False)
    notes = Text(help_text=_("Remarks, or the full text. Quotes are checked against the full text."))

    class Meta:
        ordering = ["slug"]
        indexes = [
            contains_index("title", "source_title_contains"),
            contains_index("slug", "source_slug_contains"),
            models.Index(fields=["original_url"], name="source_by_address"),
        ]

    def __str__(self):
        return self.title or (f"{self.publisher} ({self.slug})" if self.publisher else self.slug)

    def clean(self):
        """Hashes a new file. Raises ValidationError if it is larger than 25 MiB."""
        super().clean()
        if self.file and not self.file._committed:
            if self.file.size > MAX_FILE_SIZE:
                raise ValidationError({"file": ValidationError(FILE_TOO_LARGE, params={"limit": MAX_FILE_SIZE // 1024 // 1024})})
            self.sha256 = hashlib.sha256(b"".join(self.file.chunks())).hexdigest()
            self.file.seek(0)
        elif not self.file:
            self.sha256 = ""


class FactCheck(SluggedRecord):
    """The verdict on a statement made by a source, with the correction."""

    access_parents = ("source", "agreement")
    label_parts = ("statement",)

    agreement = models.ForeignKey(
        Agreement,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="fact_checks",
        help_text=_("The agreement that the statement is about."),
    )
    source = models.ForeignKey(Source, models.PROTECT, related_name="fact_checks", help_text=_("The source that makes the statement."))
    locator = Locator()
    quote = Quote()
    statement = Text(blank=False)
    verdict = CodeField(Verdict, default=Verdict.UNCHECKED)
    correction = Text(help_text=_("The correct statement."))
    correcting_source = models.ForeignKey(Source, models.PROTECT, null=True, blank=True, related_name="corrections")
    checked_on = models.DateField(_("date checked"), null=True, blank=True)

    class Meta:
        ordering = ["slug"]

    def __str__(self):
        return self.statement[:120]


CITABLE = ["agreement", "component", "participation", "outcome"]
STATES_A_FACT = (EdtfField, models.CharField, models.TextField, models.ForeignKey, models.ManyToManyField)
NOT_CITED = {"slug", "uid", "visibility", "publication", "next_review_on", "original_due_on", "agreement", "parent", "lead", "team"}


def citable_fields(model: type[models.Model]) -> dict[str, str]:
    """The label of each field that states a fact, which a citation can name."""
    stated = [f for f in (*model._meta.concrete_fields, *model._meta.many_to_many) if isinstance(f, STATES_A_FACT)]
    return {field.name: str(capfirst(field.verbose_name)) for field in stated if field.name not in NOT_CITED}


def label_from_name(name: str) -> str:
    """A label made of the name of a field."""
    return str(capfirst(name.replace("_", " ")))


class Citation(UidRecord):
    """A source that supports or contradicts a fact of an agreement, component, participation or outcome."""

    access_parents = ("source", *CITABLE)
    label_parts = ("source__slug", "field")

    source = models.ForeignKey(Source, models.PROTECT, related_name="citations")
    agreement = models.ForeignKey(Agreement, models.PROTECT, null=True, blank=True, related_name="citations")
    component = models.ForeignKey(Component, models.PROTECT, null=True, blank=True, related_name="citations")
    participation = models.ForeignKey(Participation, models.PROTECT, null=True, blank=True, related_name="citations")
    outcome = models.ForeignKey(Outcome, models.PROTECT, null=True, blank=True, related_name="citations")
    field = models.CharField(
        max_length=60, blank=True, default="", help_text=_("The field that the source states. Leave empty for the record as a whole.")
    )
    locator = Locator()
    quote = Quote()
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
                violation_error_message=_("Select exactly one agreement, component, participation or outcome."),
            )
        ]

    @property
    def target(self):
        """The cited record; None if no record is selected yet."""
        return getattr(self, self.target_name) if self.target_name else None

    @property
    def target_name(self) -> str:
        """The name of the field that leads to the cited record; "" if no record is selected yet."""
        return next((name for name in CITABLE if getattr(self, f"{name}_id")), "")

    @property
    def field_label(self) -> str:
        """The label of the field that is cited. If the cited record has no such field, a label made of the name that was entered."""
        target: Any = self._meta.get_field(self.target_name) if self.target_name else None
        labels = citable_fields(target.related_model) if target else {}
        return labels.get(self.field) or label_from_name(self.field)

    def __str__(self):
        record = self.target or "\N{EM DASH}"
        subject = _("{field} of {record}").format(field=self.field_label, record=record) if self.field else record
        template = _("{subject}: contradicted by {source}") if self.stance == Stance.CONTRADICTS else _("{subject}: supported by {source}")
        return template.format(subject=subject, source=self.source)
