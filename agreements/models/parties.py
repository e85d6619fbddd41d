"""Who can agree to something or be asked to do it, and by what words subjects are sorted."""

import re
import unicodedata
from typing import Self

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q

from policytracker.codes import CodeField, Codes, ForeignCode
from policytracker.edtf import EdtfField, FirstDay
from policytracker.records.constraints import CheckConstraint, TriggerConstraint, UniqueConstraint
from policytracker.records.fields import Text, contains_index
from policytracker.records.models import CodedRecord, RecordQuerySet


class PartyKind(Codes):
    STATE = "state", "State"
    TERRITORY = "territory", "Territory"
    FORMER_STATE = "former_state", "Former state"
    INTERNATIONAL_ORGANISATION = "international_organisation", "International organisation"
    REGIONAL_ORGANISATION = "regional_organisation", "Regional organisation"
    SUBNATIONAL = "subnational", "Subnational"
    PUBLIC_BODY = "public_body", "Public body"
    COMPANY = "company", "Company"
    CIVIL_SOCIETY = "civil_society", "Civil society"
    GROUP_OF_PERSONS = "group_of_persons", "Group of persons"


def comparable(name: str) -> str:
    """A name without accents, capitals, punctuation, blanks and its article, so that spellings of one name are equal."""
    # Character by character: Unicode sorts the marks on one letter in quadratic time.
    letters = "".join(unicodedata.normalize("NFKD", character) for character in name.casefold().replace("&", " and "))
    words = re.findall(r"\w+", "".join(c for c in letters if not unicodedata.combining(c)))
    return "".join(words[1:] if words[:1] == ["the"] and len(words) > 1 else words)


class PartyQuerySet(RecordQuerySet):
    def named(self, *names: str) -> Self:
        """The parties with one of these codes, names or aliases, whatever the case and the diacritics."""
        wanted = {comparable(name) for name in names} - {""}
        stored = self.order_by().values_list("pk", "code", "name", "aliases")
        found = [pk for pk, code, name, aliases in stored if wanted & {comparable(known) for known in (code, name, *aliases)}]
        return self.filter(pk__in=found)


class Party(CodedRecord):
    """A state, organisation or body that takes part in agreements or is addressed by recommendations. People are none."""

    name = models.CharField(max_length=200)
    kind = CodeField(PartyKind)
    iso_alpha2 = ForeignCode(
        "ISO 3166-1 alpha-2",
        max_length=2,
        blank=True,
        default="",
        validators=[RegexValidator(r"^[A-Z]{2}\Z", "Two capital letters, as in ISO 3166-1.")],
    )
    iso_numeric = ForeignCode(
        "ISO 3166-1 numeric",
        max_length=3,
        blank=True,
        default="",
        validators=[RegexValidator(r"^[0-9]{3}\Z", "Three digits, as in ISO 3166-1.")],
    )
    parent = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="children", help_text="The party to which it belongs."
    )
    since = EdtfField(help_text="When it came into being, where that matters.")
    since_first = FirstDay("since")
    until = EdtfField(help_text="The first day on which it is no more.")
    until_first = FirstDay("until")
    aliases = ArrayField(models.CharField(max_length=200), default=list, blank=True, help_text="Other names, matched on import and search.")

    objects = PartyQuerySet.as_manager()

    trigger_constraints = (
        TriggerConstraint.no_circle("party_is_not_its_own_parent", "A party cannot belong to itself.", "agreements_party", "parent"),
    )

    class Meta:
        ordering = ["code"]
        verbose_name_plural = "parties"
        indexes = [contains_index("name", "party_name_contains")]
        constraints = [
            UniqueConstraint(
                fields=["iso_alpha2"],
                condition=~Q(iso_alpha2=""),
                name="party_iso_alpha2_is_unique",
                violation_error_message="Another party has this ISO code.",
                field="iso_alpha2",
            ),
            UniqueConstraint(
                fields=["iso_numeric"],
                condition=~Q(iso_numeric=""),
                name="party_iso_numeric_is_unique",
                violation_error_message="Another party has this ISO number.",
                field="iso_numeric",
            ),
            CheckConstraint(
                name="party_ends_after_it_begins",
                condition=Q(until_first__isnull=True) | Q(since_first__isnull=True) | Q(until_first__gte=F("since_first")),
                violation_error_message="It cannot end before it begins.",
                field="since",
            ),
        ]

    def __str__(self):
        return self.name


class Subject(CodedRecord):
    """A word by which records are sorted."""

    name = models.CharField(max_length=200)
    description = Text()

    class Meta:
        abstract = True
        ordering = ["code"]

    def __str__(self):
        return self.name


class Sector(Subject):
    """A part of the economy or of public policy that an agreement touches."""

    class Meta(Subject.Meta):
        pass


class FocusArea(Subject):
    """What a party brings in, or what a recommendation is about, in a source's own division."""

    class Meta(Subject.Meta):
        pass


class PartyOfficer(models.Model):
    """The party for which a user files its own account. Who may act for whom is access, not data: it is in no dump."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, related_name="office")
    party = models.ForeignKey(Party, models.PROTECT, related_name="officers")

    def __str__(self):
        return f"{self.user} for {self.party}"
