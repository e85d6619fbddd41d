"""Commitments: sums of money announced, authorised, committed or disbursed under an agreement."""

from typing import ClassVar

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from agreements.models.agreements import Agreement
from agreements.models.components import REFERS_TO_COMPONENT, Component
from agreements.models.parties import Party
from agreements.models.sourced import SourceFields
from agreements.numbers import number
from policytracker.codes import CodeField, Codes, ForeignCode
from policytracker.edtf import EdtfField, FirstDay
from policytracker.records.constraints import CheckConstraint, RuleLock, TriggerConstraint, differs
from policytracker.records.fields import Text
from policytracker.records.models import UidRecord

# The ISO 4217 codes in use. Convert sums in older currencies, and say so in the description.
ISO_4217 = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF
CHW CLF CLP CNY COP COU CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF
IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU
MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD
SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST XAD
XAF XAG XAU XBA XBB XBC XBD XCD XCG XDR XOF XPD XPF XPT XSU XUA YER ZAR ZMW ZWG
"""
CURRENCIES = ISO_4217.split()
NEGATIVE_AMOUNT = _("The amount cannot be negative.")


class Stage(Codes):
    ANNOUNCED = "announced", _("announced publicly"), _("Announced")
    AUTHORISED = "authorised", _("allowed by those who vote or grant it"), _("Authorised")
    COMMITTED = "committed", _("promised in a contract or decision"), _("Committed")
    DISBURSED = "disbursed", _("paid"), _("Disbursed")


class Bound(Codes):
    EXACTLY = "exactly", _("the sum itself"), _("Exactly")
    AT_LEAST = "at_least", _("this or more"), _("At least")
    UP_TO = "up_to", _("this or less"), _("Up to")
    ABOUT = "about", _("near this"), _("About")


FIGURES = "figures_of_one_agreement"  # the lock of the rules between figures, for each agreement


class Commitment(UidRecord, SourceFields):
    """A sum of money as one source gives it. A figure that contradicts another one is recorded beside it and disputes it."""

    access_parents = ("agreement", "component")
    label_parts = ("stage", "amount", "currency", "agreement__slug")

    agreement = models.ForeignKey(Agreement, models.PROTECT, related_name="commitments")
    component = models.ForeignKey(Component, models.PROTECT, null=True, blank=True, related_name="commitments")
    payer = models.ForeignKey(Party, models.PROTECT, null=True, blank=True, related_name="commitments", help_text=_("The party that pays."))
    stage = CodeField(Stage)
    amount = models.DecimalField(
        max_digits=20,
        decimal_places=2,
        validators=[MinValueValidator(0, NEGATIVE_AMOUNT)],
        help_text=_("In whole currency units, not in thousands or millions."),
    )
    bound = CodeField(Bound, default=Bound.EXACTLY, help_text=_("The precision that the source gives."))
    currency = ForeignCode(max_length=3, read=str.upper, help_text=_("ISO 4217 code, such as USD."))
    stated_on = EdtfField(_("date stated"), help_text=_("The date on which the source gives this figure."))
    stated_on_first = FirstDay("stated_on")
    description = Text()
    disputes = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="disputed_by",
        verbose_name=_("disputed figure"),
        help_text=_("The figure that this one disputes."),
    )
    part_of = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="parts",
        help_text=_("The figure that includes this one. It has the same agreement, currency and stage. Totals leave out this one."),
    )

    trigger_constraints: ClassVar = (
        TriggerConstraint(
            "commitment_component_in_the_same_agreement",
            _("The component must belong to the same agreement."),
            "EXISTS (SELECT FROM agreements_component c WHERE c.id = NEW.component_id AND c.agreement_id <> NEW.agreement_id)",
            field="component",
            when="NEW.component_id IS NOT NULL",
            changed=("component_id", "agreement_id"),
            deferred=True,
            locks=REFERS_TO_COMPONENT,
        ),
        TriggerConstraint(
            "commitment_disputes_one_of_the_same_agreement",
            _("The disputed figure must belong to the same agreement."),
            """EXISTS (SELECT FROM agreements_commitment c WHERE c.agreement_id <> NEW.agreement_id
                AND (c.id = NEW.disputes_id OR c.disputes_id = NEW.id))""",
            field="disputes",
            changed=("agreement_id", "disputes_id"),
            deferred=True,
            locks=(
                RuleLock(FIGURES, "INSERT", "NEW.disputes_id IS NOT NULL", "agreement_id", shared=True),
                RuleLock(FIGURES, "UPDATE", "NEW.agreement_id <> OLD.agreement_id", "agreement_id"),
            ),
        ),
        TriggerConstraint.no_circle(
            "commitment_does_not_dispute_itself",
            _("Circular dispute: the other figure already disputes this one, directly or through others."),
            "agreements_commitment",
            "disputes",
            lock=FIGURES,
            scope="agreement_id",
        ),
        TriggerConstraint(
            "commitment_part_is_alike",
            _("A part must have the same agreement, currency and stage as the figure that includes it."),
            """EXISTS (SELECT FROM agreements_commitment c WHERE (c.id = NEW.part_of_id OR c.part_of_id = NEW.id)
                AND (c.agreement_id, c.currency, c.stage) <> (NEW.agreement_id, NEW.currency, NEW.stage))""",
            field="part_of",
            changed=("agreement_id", "currency", "stage", "part_of_id"),
            deferred=True,
            locks=(
                RuleLock(FIGURES, "INSERT", "NEW.part_of_id IS NOT NULL", "agreement_id", shared=True),
                RuleLock(FIGURES, "UPDATE", differs("agreement_id", "currency", "stage"), "agreement_id"),
            ),
        ),
        TriggerConstraint.no_circle(
            "commitment_is_not_its_own_part",
            _("A figure cannot be part of itself, directly or through others."),
            "agreements_commitment",
            "part_of",
            lock=FIGURES,
            scope="agreement_id",
        ),
    )

    class Meta:
        ordering = ["id"]
        constraints = [
            CheckConstraint(
                name="commitment_is_not_below_zero",
                condition=Q(amount__gte=0, amount__lt=10**18),  # PostgreSQL sorts NaN above every number
                violation_error_message=NEGATIVE_AMOUNT,
                field="amount",
            ),
            CheckConstraint(
                name="commitment_currency_is_in_use",
                condition=Q(currency__in=CURRENCIES),
                violation_error_message=_("Enter a currency code of ISO 4217, such as USD, AUD or EUR."),
                field="currency",
            ),
        ]

    @property
    def figure(self) -> str:
        """Amount and currency, with the bound unless it is exact: "about AUD 13,000"."""
        bound = "" if self.bound == Bound.EXACTLY else f"{self.get_bound_display().lower()} "
        return f"{bound}{self.currency}\N{NO-BREAK SPACE}{number(self.amount)}"

    def __str__(self):
        return _("{stage}: {figure}").format(stage=self.get_stage_display(), figure=self.figure)
