"""Components: the parts of an agreement that can be tracked, with status and due date."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from agreements.models.agreements import Agreement
from agreements.models.parties import Party
from policytracker.codes import CodeField, Codes, ForeignCode
from policytracker.edtf import DURATION, NO_SPAN, SPAN, EdtfField, FirstDay, LastDay
from policytracker.records.constraints import (
    MOVED_DEADLINE_HAS_A_REASON,
    CheckConstraint,
    DerivedWrite,
    RuleLock,
    TriggerConstraint,
    differs,
)
from policytracker.records.fields import Text, contains_index
from policytracker.records.models import DeadlineFields, RegistryRecord
from policytracker.records.reasons import Through


class ComponentStatus(Codes):
    PLANNED = "planned", _("agreed and not begun"), _("Planned")
    ACTIVE = "active", _("being carried out"), _("Active")
    COMPLETED = "completed", _("done"), _("Completed")
    SUSPENDED = "suspended", _("halted for now"), _("Suspended")
    CANCELLED = "cancelled", _("will not be done"), _("Cancelled")
    UNKNOWN = "unknown", _("not established"), _("Unknown")


class DueAnchor(Codes):
    NONE = "none", _("the due day, if any, is a day of the calendar"), _("None")
    SIGNATURE = "signature", _("counted from the day of signature"), _("Signature")
    ENTRY_INTO_FORCE = "entry_into_force", _("counted from the day of entry into force"), _("Entry into force")


DUE_DATE_IS_CALCULATED = _("Leave the due date empty: a relative deadline is calculated from its anchor and offset.")
# SQL for the due date of a relative deadline: "" while the anchor is not an exact date. Adding months never leaves the target month.
RESOLVED = f"""(SELECT CASE WHEN day !~ '^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}$' OR NEW.due_offset !~ '{SPAN}' THEN ''
        WHEN extract(year FROM day::date + NEW.due_offset::interval) > 9999 THEN ''
        ELSE to_char(day::date + NEW.due_offset::interval, 'YYYY-MM-DD') END
    FROM (SELECT CASE NEW.due_anchor WHEN 'signature' THEN a.signed_on ELSE a.in_force_on END AS day
        FROM agreements_agreement a WHERE a.id = NEW.agreement_id) anchor)"""
# Archived components are loaded from a data set unchanged, even if the anchor has moved since they were archived.
LOADED_AS_ARCHIVED = "NEW.publication = 'archived' AND coalesce(actor() ->> 'channel', '') = 'data set'"


# The lock of the rules by which a component belongs to the same agreement as its parent and as what refers to it, for each agreement.
PARTS = "parts_of_one_agreement"
COMPONENT_MOVED = RuleLock(PARTS, "UPDATE", "NEW.agreement_id <> OLD.agreement_id", "agreement_id")
REFERS_TO_COMPONENT = (
    RuleLock(PARTS, "INSERT", "NEW.component_id IS NOT NULL", "agreement_id", shared=True),
    RuleLock(
        PARTS,
        "UPDATE",
        f"NEW.component_id IS NOT NULL AND {differs('component_id', 'agreement_id')}",
        "agreement_id",
        shared=True,
    ),
)


class Component(DeadlineFields, RegistryRecord):
    """A part of an agreement that can be tracked by itself: a programme, project or obligation."""

    access_parents = ("agreement",)
    reasons = {name: Through("agreement", reason) for name, reason in Agreement.reasons.items()}

    agreement = models.ForeignKey(Agreement, models.PROTECT, related_name="components")
    parent = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="children",
        help_text=_("The component that this one is part of, in the same agreement."),
    )
    position = models.PositiveIntegerField(null=True, blank=True, help_text=_("Position within the agreement."))
    title = models.CharField(max_length=500)
    description = Text()
    status = CodeField(ComponentStatus, default=ComponentStatus.UNKNOWN)
    lead_parties = models.ManyToManyField(Party, blank=True, related_name="led_components")
    starts_on = EdtfField(_("start date"))
    starts_on_first = FirstDay("starts_on")
    due_anchor = CodeField(DueAnchor, default=DueAnchor.NONE, help_text=_("The date that a relative deadline is counted from."))
    due_offset = ForeignCode(
        max_length=20,
        blank=True,
        default="",
        validators=[DURATION],
        help_text=_("Time after the anchor, such as P6M (6 months) or P180D (180 days)."),
    )
    completed_on = EdtfField(_("completion date"))
    completed_on_first = FirstDay("completed_on")
    completed_on_last = LastDay("completed_on")

    trigger_constraints = (
        *RegistryRecord.trigger_constraints,
        MOVED_DEADLINE_HAS_A_REASON,
        TriggerConstraint(
            "component_parent_in_the_same_agreement",
            _("The parent must be a component of the same agreement."),
            """EXISTS (SELECT FROM agreements_component c WHERE c.id = NEW.parent_id AND c.agreement_id <> NEW.agreement_id)
                OR EXISTS (SELECT FROM agreements_component c WHERE c.parent_id = NEW.id AND c.agreement_id <> NEW.agreement_id)""",
            field="parent",
            changed=("parent_id", "agreement_id"),
            deferred=True,
            locks=(RuleLock(PARTS, "INSERT", "NEW.parent_id IS NOT NULL", "agreement_id", shared=True), COMPONENT_MOVED),
        ),
        TriggerConstraint(
            "component_with_dependents_keeps_its_agreement",
            _("Outcomes or commitments of the current agreement refer to this component. Change them first."),
            """EXISTS (SELECT FROM agreements_outcome o WHERE o.component_id = NEW.id AND o.agreement_id <> NEW.agreement_id)
                OR EXISTS (SELECT FROM agreements_commitment c WHERE c.component_id = NEW.id AND c.agreement_id <> NEW.agreement_id)""",
            field="agreement",
            events="UPDATE",
            when="NEW.agreement_id <> OLD.agreement_id",
            deferred=True,
            locks=(COMPONENT_MOVED,),
        ),
        TriggerConstraint(
            "component_relative_due_day_is_derived",
            DUE_DATE_IS_CALCULATED,
            f"NEW.due_on <> {RESOLVED} AND NOT ({LOADED_AS_ARCHIVED})",
            field="due_on",
            events="UPDATE",
            when="NEW.due_anchor <> 'none' AND NEW.due_offset <> ''",
        ),
        TriggerConstraint(
            "component_relative_due_day_begins_derived",
            DUE_DATE_IS_CALCULATED,
            # Checked at the end of the transaction, when the anchor may have been removed again.
            f"NEW.due_anchor <> 'none' AND NEW.due_on <> {RESOLVED} AND NOT ({LOADED_AS_ARCHIVED})",
            field="due_on",
            events="INSERT",
            when="NEW.due_anchor <> 'none' AND NEW.due_offset <> ''",
            # A data set may contain the treaty actions after the component. Without a lock: the row of the agreement is locked.
            deferred=True,
        ),
        TriggerConstraint.no_circle(
            "component_is_not_its_own_parent",
            _("A component cannot be its own parent, directly or through others."),
            "agreements_component",
            "parent",
            lock=PARTS,
            scope="agreement_id",
        ),
    )

    derived_writes: ClassVar = (
        DerivedWrite(
            "component_due_day_follows_its_anchor",
            # A due date that was entered by hand is kept here, and the trigger constraints reject it. A concurrent change of the anchor
            # updates all stored components; the lock makes it wait for one that is being added or given another anchor.
            f"""IF new.due_anchor <> 'none' AND new.due_offset <> '' AND NOT ({LOADED_AS_ARCHIVED}) THEN
    IF tg_op = 'INSERT' OR (old.agreement_id, old.due_anchor) IS DISTINCT FROM (new.agreement_id, new.due_anchor) THEN
      PERFORM FROM agreements_agreement WHERE id = new.agreement_id FOR NO KEY UPDATE;
    END IF;
    IF new.due_on = (CASE tg_op WHEN 'INSERT' THEN '' ELSE old.due_on END) THEN new.due_on := {RESOLVED}; END IF;
  END IF;""",
            before=True,
        ),
    )

    class Meta:
        ordering = ["slug"]
        indexes = [
            contains_index("title", "component_title_contains"),
            contains_index("slug", "component_slug_contains"),
            models.Index(Lower("title"), "id", name="component_by_title"),
            models.Index(fields=["due_on_first", "id"], name="component_by_due_day"),
            # For the next deadlines: a partial date counts as its last day.
            models.Index(fields=["due_on_last", "id"], name="component_by_last_due_day"),
        ]
        constraints = [
            CheckConstraint(
                name="component_offset_has_an_anchor",
                condition=Q(due_anchor=DueAnchor.NONE, due_offset="") | (~Q(due_anchor=DueAnchor.NONE) & ~Q(due_offset="")),
                violation_error_message=_("Enter both an anchor and an offset, or neither."),
                field="due_offset",
            ),
            CheckConstraint(
                name="component_offset_is_a_duration",
                condition=Q(due_offset="") | Q(due_offset__regex=SPAN),
                violation_error_message=NO_SPAN,
                field="due_offset",
            ),
        ]

    def __str__(self):
        return self.title
