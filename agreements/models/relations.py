"""Relations between agreements."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from agreements.models.agreements import Agreement
from agreements.models.sourced import SourceFields
from policytracker.codes import CodeField, Codes
from policytracker.records.constraints import (
    CheckConstraint,
    RuleLock,
    TriggerConstraint,
    UniqueConstraint,
    differs,
)
from policytracker.records.fields import Text
from policytracker.records.models import UidRecord


class RelationKind(Codes):
    """The relation of one agreement to another, read from the first one."""

    SAME_AS = "same_as", _("Same as")
    COMPLEMENTS = "complements", _("Complements")
    SUPERSEDES = "supersedes", _("Supersedes")
    AMENDS = "amends", _("Amends")
    IMPLEMENTS = "implements", _("Implements")
    ACCESSION_TO = "accession_to", _("Accession to")
    PART_OF = "part_of", _("Part of")
    BUILDS_ON = "builds_on", _("Builds on")
    CONSISTENT_WITH = "consistent_with", _("Consistent with")
    ANNOUNCED_ALONGSIDE = "announced_alongside", _("Announced alongside")
    SUCCESSOR_OF = "successor_of", _("Successor of")


# Labels of the same relations, read from the second agreement. They are part of the API; the admin translates them.
INVERSE_LABELS = {
    RelationKind.SAME_AS: gettext_noop("same as"),
    RelationKind.COMPLEMENTS: gettext_noop("complemented by"),
    RelationKind.SUPERSEDES: gettext_noop("superseded by"),
    RelationKind.AMENDS: gettext_noop("amended by"),
    RelationKind.IMPLEMENTS: gettext_noop("implemented by"),
    RelationKind.ACCESSION_TO: gettext_noop("acceded to by"),
    RelationKind.PART_OF: gettext_noop("includes"),
    RelationKind.BUILDS_ON: gettext_noop("built on by"),
    RelationKind.CONSISTENT_WITH: gettext_noop("consistent with"),
    RelationKind.ANNOUNCED_ALONGSIDE: gettext_noop("announced alongside"),
    RelationKind.SUCCESSOR_OF: gettext_noop("succeeded by"),
}


class AgreementRelation(UidRecord, SourceFields):
    """A relation between two agreements, shown on both."""

    access_parents = ("from_agreement", "to_agreement")
    label_parts = ("from_agreement__slug", "kind", "to_agreement__slug")

    from_agreement = models.ForeignKey(Agreement, models.PROTECT, related_name="relations_from", verbose_name=_("from"))
    kind = CodeField(RelationKind)
    to_agreement = models.ForeignKey(Agreement, models.PROTECT, related_name="relations_to", verbose_name=_("to"))
    note = Text()

    trigger_constraints = (
        TriggerConstraint(
            "agreement_supersession_has_no_circle",
            _("Circular relation: the other agreement already supersedes this one, directly or through others."),
            """NEW.kind = 'supersedes' AND EXISTS (WITH RECURSIVE after AS (SELECT NEW.to_agreement_id AS id UNION
                SELECT r.to_agreement_id FROM agreements_agreementrelation r JOIN after ON r.from_agreement_id = after.id
                WHERE r.kind = 'supersedes')
                SELECT FROM after WHERE id = NEW.from_agreement_id)""",
            field="to_agreement",
            when="NEW.kind = 'supersedes'",
            changed=("kind", "from_agreement_id", "to_agreement_id"),
            deferred=True,
            locks=(
                RuleLock("supersession", "INSERT", "NEW.kind = 'supersedes'"),
                RuleLock(
                    "supersession", "UPDATE", f"NEW.kind = 'supersedes' AND {differs('kind', 'from_agreement_id', 'to_agreement_id')}"
                ),
            ),
        ),
        TriggerConstraint(
            "superseded_agreement_keeps_its_relation",
            _("The other agreement has the status “Superseded” because of this relation. Change that status first."),
            """OLD.kind = 'supersedes'
                AND EXISTS (SELECT FROM agreements_agreement a WHERE a.id = OLD.to_agreement_id AND a.status = 'superseded')
                AND NOT EXISTS (SELECT FROM agreements_agreementrelation r
                    WHERE r.to_agreement_id = OLD.to_agreement_id AND r.kind = 'supersedes')""",
            field="kind",
            code="in_use",
            events="UPDATE OR DELETE",
            when="OLD.kind = 'supersedes'",
            changed=("kind", "to_agreement_id"),
            deferred=True,
            locks=(
                RuleLock("superseded", "UPDATE", f"OLD.kind = 'supersedes' AND {differs('kind', 'to_agreement_id')}", "to_agreement_id"),
                RuleLock("superseded", "DELETE", "OLD.kind = 'supersedes'", "to_agreement_id"),
            ),
        ),
    )

    class Meta:
        ordering = ["id"]
        constraints = [
            UniqueConstraint(
                fields=["from_agreement", "kind", "to_agreement"],
                name="agreement_relation_is_stated_once",
                violation_error_message=_("This relation is already recorded."),
                field="to_agreement",
            ),
            CheckConstraint(
                name="agreement_relation_needs_two",
                condition=~Q(from_agreement=F("to_agreement")),
                violation_error_message=_("Select another agreement. An agreement cannot have a relation to itself."),
                field="to_agreement",
            ),
        ]

    def __str__(self):
        return _("{from_agreement} {relation} {to_agreement}").format(
            from_agreement=self.from_agreement, relation=self.get_kind_display().lower(), to_agreement=self.to_agreement
        )
