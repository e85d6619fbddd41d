"""Outcomes of agreements, with indicators and measurements."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from agreements.models.agreements import Agreement
from agreements.models.components import REFERS_TO_COMPONENT, Component
from agreements.models.parties import Sector
from agreements.models.sourced import SourceFields
from agreements.numbers import number
from policytracker.codes import CodeField, Codes
from policytracker.edtf import EdtfField, FirstDay
from policytracker.records.constraints import CheckConstraint, TriggerConstraint, UniqueConstraint
from policytracker.records.fields import Text
from policytracker.records.models import SluggedRecord, UidRecord


class Outcome(SluggedRecord):
    """A result that an agreement or component aims at."""

    access_parents = ("agreement",)
    label_parts = ("statement",)

    agreement = models.ForeignKey(Agreement, models.PROTECT, related_name="outcomes")
    component = models.ForeignKey(Component, models.PROTECT, null=True, blank=True, related_name="outcomes")
    sector = models.ForeignKey(Sector, models.PROTECT, null=True, blank=True, related_name="outcomes")
    statement = Text(blank=False)

    trigger_constraints: ClassVar = (
        TriggerConstraint(
            "outcome_component_in_the_same_agreement",
            _("The component must belong to the same agreement."),
            "EXISTS (SELECT FROM agreements_component c WHERE c.id = NEW.component_id AND c.agreement_id <> NEW.agreement_id)",
            field="component",
            when="NEW.component_id IS NOT NULL",
            changed=("component_id", "agreement_id"),
            deferred=True,
            locks=REFERS_TO_COMPONENT,
        ),
    )

    class Meta:
        ordering = ["slug"]

    def __str__(self):
        return self.statement[:120]


class Direction(Codes):
    INCREASE = "increase", _("more is better"), _("Increase")
    DECREASE = "decrease", _("less is better"), _("Decrease")
    REACH = "reach", _("the target itself is meant"), _("Reach")


class Indicator(SluggedRecord):
    """A quantity that shows progress towards an outcome, with baseline and target."""

    access_parents = ("outcome",)
    label_parts = ("name",)

    outcome = models.ForeignKey(Outcome, models.PROTECT, related_name="indicators")
    name = models.CharField(max_length=300)
    unit = models.CharField(max_length=100, blank=True, default="", help_text=_("Examples: t/y, %, USD."))
    direction = CodeField(Direction, blank=True, default="", help_text=_("The direction of improvement."))
    baseline_value = models.DecimalField(max_digits=20, decimal_places=4, null=True, blank=True)
    baseline_on = EdtfField(_("baseline date"), help_text=_("The date of the baseline value."))
    baseline_on_first = FirstDay("baseline_on")
    target_value = models.DecimalField(max_digits=20, decimal_places=4, null=True, blank=True)
    target_on = EdtfField(_("target date"), help_text=_("The date for reaching the target value."))
    target_on_first = FirstDay("target_on")

    class Meta:
        ordering = ["slug"]
        indexes = [models.Index(fields=["name"], name="indicator_by_name")]

    def __str__(self):
        return f"{self.name} ({self.unit})" if self.unit else self.name


class Measurement(UidRecord, SourceFields):
    """The value of an indicator on a date."""

    access_parents = ("indicator",)
    label_parts = ("indicator__slug", "measured_on")

    indicator = models.ForeignKey(Indicator, models.PROTECT, related_name="measurements")
    measured_on = EdtfField(_("date measured"), blank=False)
    measured_on_first = FirstDay("measured_on")
    value = models.DecimalField(max_digits=20, decimal_places=4)
    note = Text()

    class Meta:
        ordering = ["id"]
        constraints = [
            UniqueConstraint(
                fields=["indicator", "measured_on"],
                name="measurement_is_recorded_once",
                violation_error_message=_("A measurement of this date is already recorded."),
                field="measured_on",
            ),
            CheckConstraint(
                name="measurement_has_a_day",
                condition=~Q(measured_on=""),
                violation_error_message=_("Enter the date of the measurement."),
                field="measured_on",
            ),
        ]

    def __str__(self):
        return _("{value} on {date}").format(value=number(self.value), date=self.measured_on)
