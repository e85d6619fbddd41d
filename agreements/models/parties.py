"""Parties, and the code lists of sectors and focus areas."""

import re
import unicodedata
from collections.abc import Iterator
from typing import Self

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from policytracker.codes import CodeField, Codes, ForeignCode
from policytracker.edtf import EdtfField, FirstDay
from policytracker.records.constraints import CheckConstraint, TriggerConstraint, UniqueConstraint
from policytracker.records.fields import Text, contains_index
from policytracker.records.models import CodedRecord, RecordQuerySet


class PartyKind(Codes):
    STATE = "state", _("State")
    TERRITORY = "territory", _("Territory")
    FORMER_STATE = "former_state", _("Former state")
    INTERNATIONAL_ORGANISATION = "international_organisation", _("International organisation")
    REGIONAL_ORGANISATION = "regional_organisation", _("Regional organisation")
    SUBNATIONAL = "subnational", _("Subnational")
    PUBLIC_BODY = "public_body", _("Public body")
    COMPANY = "company", _("Company")
    CIVIL_SOCIETY = "civil_society", _("Civil society")
    GROUP_OF_PERSONS = "group_of_persons", _("Group of persons")


def comparable(name: str) -> str:
    """A name without accents, case, punctuation, spaces and leading article, so that variants of a name are equal."""
    # Character by character, since normalisation sorts the marks on one letter in quadratic time.
    letters = "".join(unicodedata.normalize("NFKD", character) for character in name.casefold().replace("&", " and "))
    words = re.findall(r"\w+", "".join(c for c in letters if not unicodedata.combining(c)))
    return "".join(words[1:] if words[:1] == ["the"] and len(words) > 1 else words)


class PartyQuerySet(RecordQuerySet):
    def names(self) -> Iterator[tuple[str, str]]:
        """The code of each party with each of its names: code, name and aliases."""
        for code, name, aliases in self.order_by().values_list("code", "name", "aliases"):
            yield from ((code, each) for each in (code, name, *aliases))

    def named(self, *names: str) -> Self:
        """Parties with one of these codes, names or aliases, ignoring case and diacritics."""
        wanted = {comparable(name) for name in names} - {""}
        return self.filter(code__in={code for code, name in self.names() if comparable(name) in wanted})


class Party(CodedRecord):
    """A state, territory, organisation or other body, but not a person, that can take part in an agreement or be addressed."""

    name = models.CharField(max_length=200)
    kind = CodeField(PartyKind)
    iso_alpha2 = ForeignCode(
        _("ISO 3166-1 alpha-2"),
        max_length=2,
        blank=True,
        default="",
        validators=[RegexValidator(r"^[A-Z]{2}\Z", _("Enter two capital letters, as in ISO 3166-1."))],
    )
    iso_numeric = ForeignCode(
        _("ISO 3166-1 numeric"),
        max_length=3,
        blank=True,
        default="",
        validators=[RegexValidator(r"^[0-9]{3}\Z", _("Enter three digits, as in ISO 3166-1."))],
    )
    parent = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="children", help_text=_("The party that this one is part of.")
    )
    since = EdtfField(help_text=_("The date on which it came into existence, if relevant."))
    since_first = FirstDay("since")
    until = EdtfField(help_text=_("The first day on which it no longer exists."))
    until_first = FirstDay("until")
    aliases = ArrayField(
        models.CharField(max_length=200), default=list, blank=True, help_text=_("Other names. Import and search match them.")
    )

    objects = PartyQuerySet.as_manager()

    trigger_constraints = (
        TriggerConstraint.no_circle(
            "party_is_not_its_own_parent", _("A party cannot be its own parent, directly or through others."), "agreements_party", "parent"
        ),
    )

    class Meta:
        ordering = ["code"]
        verbose_name_plural = _("parties")
        indexes = [contains_index("name", "party_name_contains")]
        constraints = [
            UniqueConstraint(
                fields=["iso_alpha2"],
                condition=~Q(iso_alpha2=""),
                name="party_iso_alpha2_is_unique",
                violation_error_message=_("Another party already has this ISO code."),
                field="iso_alpha2",
            ),
            UniqueConstraint(
                fields=["iso_numeric"],
                condition=~Q(iso_numeric=""),
                name="party_iso_numeric_is_unique",
                violation_error_message=_("Another party already has this ISO number."),
                field="iso_numeric",
            ),
            CheckConstraint(
                name="party_ends_after_it_begins",
                condition=Q(until_first__isnull=True) | Q(since_first__isnull=True) | Q(until_first__gte=F("since_first")),
                violation_error_message=_("The end date cannot be before the start date."),
                field="since",
            ),
        ]

    def __str__(self):
        return self.name


class Subject(CodedRecord):
    """A keyword for classifying records."""

    name = models.CharField(max_length=200)
    description = Text()

    class Meta:
        abstract = True
        ordering = ["code"]

    def __str__(self):
        return self.name


class Sector(Subject):
    """A sector of the economy or of public policy."""

    class Meta(Subject.Meta):
        pass


class FocusArea(Subject):
    """The subject of a participation or recommendation, in the classification of its source."""

    class Meta(Subject.Meta):
        pass


class PartyOfficer(models.Model):
    """The party that a user acts for. Data sets do not contain it, since it grants access."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, related_name="office")
    party = models.ForeignKey(Party, models.PROTECT, related_name="officers")

    def __str__(self):
        return _("{user} for {party}").format(user=self.user, party=self.party)
