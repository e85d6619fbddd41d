"""The parts of an agreement: what is to be done, by whom, by when, and what it is meant to bring."""

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q

from agreements.models.agreements import Agreement, officers_agreements, team_agreements
from agreements.models.parties import Party, Sector
from policytracker.codes import CodeField, Codes, ForeignCode
from policytracker.edtf import EdtfField, FirstDay, LastDay
from policytracker.records import (
    ARCHIVING_HAS_A_REASON,
    MOVED_DEADLINE_HAS_A_REASON,
    Due,
    Guard,
    Published,
    PublishedQuerySet,
    Slugged,
    Text,
    words_within,
)

DURATION = RegexValidator(r"^P(?=\d)(\d{1,4}Y)?(\d{1,4}M)?(\d{1,4}W)?(\d{1,4}D)?\Z", "Write a duration as P6M, P180D or P1Y6M (ISO 8601).")


class ComponentStatus(Codes):
    PLANNED = "planned", "agreed and not begun", "Planned"
    ACTIVE = "active", "being carried out", "Active"
    COMPLETED = "completed", "done", "Completed"
    SUSPENDED = "suspended", "halted for now", "Suspended"
    CANCELLED = "cancelled", "will not be done", "Cancelled"
    UNKNOWN = "unknown", "not established", "Unknown"


class DueAnchor(Codes):
    NONE = "none", "the due day, if any, is a day of the calendar", "None"
    SIGNATURE = "signature", "counted from the day of signature", "Signature"
    ENTRY_INTO_FORCE = "entry_into_force", "counted from the day of entry into force", "Entry into force"


class ComponentQuerySet(PublishedQuerySet):
    """By its own fields, and never more readable than its agreement."""

    def belonging(self, reader):
        return officers_agreements(reader, "agreement"), team_agreements(reader, "agreement")


class Component(Published, Due):
    """Something that an agreement says will be done."""

    hangs_on = ("agreement",)

    agreement = models.ForeignKey(Agreement, models.PROTECT, related_name="components")
    parent = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="children",
        help_text="The component of the same agreement of which it is a part.",
    )
    position = models.PositiveIntegerField(null=True, blank=True, help_text="Its place in the text.")
    title = models.CharField(max_length=500)
    description = Text()
    status = CodeField(ComponentStatus, default=ComponentStatus.UNKNOWN)
    lead_parties = models.ManyToManyField(Party, blank=True, related_name="led_components")
    starts_on = EdtfField()
    starts_on_first = FirstDay("starts_on")
    due_anchor = CodeField(DueAnchor, default=DueAnchor.NONE, help_text="What a relative deadline is counted from.")
    due_offset = ForeignCode(
        max_length=20, blank=True, default="", validators=[DURATION], help_text="How long after the anchor, such as P6M or P180D."
    )
    completed_on = EdtfField()
    completed_on_first = FirstDay("completed_on")
    completed_on_last = LastDay("completed_on")

    objects = ComponentQuerySet.as_manager()

    guards = (
        ARCHIVING_HAS_A_REASON,
        MOVED_DEADLINE_HAS_A_REASON,
        Guard(
            "component_parent_in_the_same_agreement",
            "The parent must be a component of the same agreement.",
            """EXISTS (SELECT FROM agreements_component c WHERE c.id = NEW.parent_id AND c.agreement_id <> NEW.agreement_id)
                OR EXISTS (SELECT FROM agreements_component c WHERE c.parent_id = NEW.id AND c.agreement_id <> NEW.agreement_id)""",
            field="parent",
            deferred=True,
        ),
        Guard.no_circle("component_is_not_its_own_parent", "A component cannot be part of itself.", "agreements_component", "parent"),
    )

    class Meta:
        ordering = ["slug"]
        indexes = [
            words_within("title", "component_title_contains"),
            words_within("slug", "component_slug_contains"),
            models.Index(fields=["due_on_first", "id"], name="component_by_due_day"),
        ]
        constraints = [
            models.CheckConstraint(
                name="component_offset_has_an_anchor",
                condition=Q(due_anchor=DueAnchor.NONE, due_offset="") | (~Q(due_anchor=DueAnchor.NONE) & ~Q(due_offset="")),
                violation_error_message="A relative deadline needs both an anchor and an offset.",
                violation_error_code="due_offset",
            ),
            models.CheckConstraint(
                name="component_relative_due_day_is_derived",
                condition=Q(due_anchor=DueAnchor.NONE) | Q(due_on=""),
                violation_error_message="The due day of a relative deadline follows from its anchor.",
                violation_error_code="due_on",
            ),
        ]

    def __str__(self):
        return self.title


class Outcome(Slugged):
    """What an agreement, or one of its components, is meant to bring about."""

    hangs_on = ("agreement",)

    agreement = models.ForeignKey(Agreement, models.PROTECT, related_name="outcomes")
    component = models.ForeignKey(Component, models.PROTECT, null=True, blank=True, related_name="outcomes")
    sector = models.ForeignKey(Sector, models.PROTECT, null=True, blank=True, related_name="outcomes")
    statement = Text(blank=False)

    guards = (
        Guard(
            "outcome_component_in_the_same_agreement",
            "The component must belong to the same agreement.",
            "EXISTS (SELECT FROM agreements_component c WHERE c.id = NEW.component_id AND c.agreement_id <> NEW.agreement_id)",
            field="component",
            when="NEW.component_id IS NOT NULL",
            deferred=True,
        ),
    )

    class Meta:
        ordering = ["slug"]

    def __str__(self):
        return self.statement[:120]
