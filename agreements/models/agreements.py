"""Agreements, and the parties that take part."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.postgres.fields import DateRangeField, RangeOperators
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Exists, F, Func, OuterRef, Q, Subquery, Value
from django.db.models.functions import Coalesce, Lower, NullIf
from django.utils.translation import gettext_lazy as _

from agreements.models.parties import FocusArea, Party, PartyOfficer, Sector
from policytracker.codes import CodeField, Codes, ForeignCode
from policytracker.edtf import DURATION, NO_SPAN, SPAN, EdtfField, FirstDay, LastDay, is_before
from policytracker.records.access import OWN, TEAM, Reader, Visibility
from policytracker.records.constraints import (
    CheckConstraint,
    DerivedWrite,
    ExclusionConstraint,
    RuleLock,
    TriggerConstraint,
    UniqueConstraint,
)
from policytracker.records.fields import Text, contains_index
from policytracker.records.models import RegistryQuerySet, RegistryRecord, UidRecord
from policytracker.records.past_access import periods_of_children
from policytracker.records.periods import Period, union
from policytracker.records.reasons import NamesReader, Reason
from policytracker.sql.parameters import ExistsForRow


class LegalForce(Codes):
    BINDING = "binding", _("Binding")
    NON_BINDING = "non_binding", _("Non-binding")
    MIXED = "mixed", _("Mixed")
    UNDETERMINED = "undetermined", _("Undetermined")


class AgreementKind(Codes):
    TREATY = "treaty", _("Treaty")
    AGREEMENT = "agreement", _("Agreement")
    CONVENTION = "convention", _("Convention")
    PROTOCOL = "protocol", _("Protocol")
    ACCESSION_PROTOCOL = "accession_protocol", _("Accession protocol")
    EXCHANGE_OF_NOTES = "exchange_of_notes", _("Exchange of notes")
    MEMORANDUM_OF_UNDERSTANDING = "memorandum_of_understanding", _("Memorandum of understanding")
    FRAMEWORK = "framework", _("Framework")
    JOINT_STATEMENT = "joint_statement", _("Joint statement")
    DECLARATION_OF_INTENT = "declaration_of_intent", _("Declaration of intent")
    PARTNERSHIP = "partnership", _("Partnership")
    INITIATIVE = "initiative", _("Initiative")
    CHARTER = "charter", _("Charter")
    OTHER = "other", _("Other")


class AgreementStatus(Codes):
    PROPOSED = "proposed", _("named as an aim; no talks known"), _("Proposed")
    UNDER_NEGOTIATION = "under_negotiation", _("talks open"), _("Under negotiation")
    ANNOUNCED = "announced", _("made public, no signed text known"), _("Announced")
    ADOPTED = "adopted", _("text settled, not open or not signed"), _("Adopted")
    SIGNED = "signed", _("signed, not yet in force or operative"), _("Signed")
    PROVISIONALLY_APPLIED = "provisionally_applied", _("binding text applied before force"), _("Provisionally applied")
    IN_FORCE = "in_force", _("binding text in force for at least two parties"), _("In force")
    OPERATIVE = "operative", _("non-binding text being acted on"), _("Operative")
    SUSPENDED = "suspended", _("operation halted, not ended"), _("Suspended")
    SUPERSEDED = "superseded", _("replaced by another agreement (link required)"), _("Superseded")
    EXPIRED = "expired", _("ended by its own term"), _("Expired")
    TERMINATED = "terminated", _("ended by act of the parties"), _("Terminated")
    LAPSED = "lapsed", _("never came into force and will not"), _("Lapsed")
    UNKNOWN = "unknown", _("not established"), _("Unknown")


class ParticipationRole(Codes):
    PARTY = "party", _("bound by the agreement"), _("Party")
    SIGNATORY = "signatory", _("signed but not bound"), _("Signatory")
    PARTICIPANT = "participant", _("takes part in a non-binding text"), _("Participant")
    PROVISIONAL_APPLIER = "provisional_applier", _("applies before being bound"), _("Applies provisionally")
    ACCEDING = "acceding", _("accession agreed or filed and not yet in force"), _("Acceding")
    APPLICANT = "applicant", _("has asked to join"), _("Applicant")
    OBSERVER = "observer", _("attends without obligations"), _("Observer")
    DEPOSITARY = "depositary", _("keeps the instruments and records acts"), _("Depositary")
    HOST = "host", _("hosts the signing or secretariat"), _("Host")
    FUNDER = "funder", _("provides money (IATI 1)"), _("Funder")
    OVERSIGHT = "oversight", _("accountable for outcomes (IATI 2)"), _("Oversight")
    MANAGER = "manager", _("runs budget or direction for a funder (IATI 3)"), _("Manager")
    IMPLEMENTER = "implementer", _("carries out the work (IATI 4)"), _("Implementer")
    BENEFICIARY = "beneficiary", _("meant to gain; no obligation"), _("Beneficiary")
    FORMER_PARTY = "former_party", _("was bound and has left"), _("Former party")
    LISTED_IN_SOURCE = "listed_in_source", _("a source names it; contested or unconfirmed"), _("Listed in a source")
    SUBJECT_OF_CONCERN = "subject_of_concern", _("named in the purpose and not a participant"), _("Subject of concern")


# The dates that relative deadlines are counted from. "" if no treaty action gives the date. The rules: docs/standing.md.
ACTIONS = "agreements_treatyaction"


def signature_day_sql(agreement: str) -> str:
    """SQL for the date of signature: of the text, otherwise the first signature of an adopted text, otherwise the last signature."""
    return f"""coalesce((SELECT acted_on
    FROM {ACTIONS}, (SELECT EXISTS (SELECT FROM {ACTIONS} WHERE agreement_id = {agreement} AND kind = 'adoption') AS adopted) text
    WHERE agreement_id = {agreement} AND acted_on <> '' AND kind IN ('signature', 'signature_ad_referendum', 'definitive_signature')
    ORDER BY party_id IS NOT NULL,
      CASE WHEN party_id IS NULL OR adopted THEN acted_on_first END, CASE WHEN party_id IS NULL OR adopted THEN acted_on_last END,
      acted_on_first DESC, acted_on_last DESC, acted_on
    LIMIT 1), '')"""


def force_day_sql(agreement: str, legal_force: str, expires_on: str) -> str:
    """SQL for the first date on which the standing of the text is `in_force`."""
    return f"""coalesce((WITH effects AS (
      SELECT kind, party_id, coalesce(effective_on_first, acted_on_first) AS day, coalesce(nullif(effective_on, ''), acted_on) AS stated
      FROM {ACTIONS} WHERE agreement_id = {agreement}
        AND kind IN ('entry_into_force', 'entry_into_force_for_party', 'suspension', 'resumption', 'termination')),
    force AS (
      SELECT day, stated FROM effects WHERE kind IN ('entry_into_force', 'entry_into_force_for_party') AND day IS NOT NULL
      ORDER BY kind = 'entry_into_force' AND party_id IS NULL DESC, day, stated DESC LIMIT 1),
    begin AS (
      SELECT day, stated FROM force WHERE NOT EXISTS (
        SELECT FROM effects s WHERE s.kind = 'suspension' AND s.party_id IS NULL AND s.day <= force.day AND NOT EXISTS (
          SELECT FROM effects r WHERE r.kind = 'resumption' AND r.party_id IS NULL AND r.day BETWEEN s.day AND force.day))
      UNION ALL
      SELECT r.day, r.stated FROM effects r JOIN force ON r.day > force.day WHERE r.kind = 'resumption' AND r.party_id IS NULL
      ORDER BY day, stated DESC LIMIT 1)
    SELECT stated FROM begin WHERE {legal_force} <> 'non_binding' AND ({expires_on} = '' OR edtf_last({expires_on}) >= day)
      AND NOT EXISTS (SELECT FROM effects e WHERE e.kind = 'termination' AND e.party_id IS NULL AND e.day <= begin.day)), '')"""


ENDS_BEFORE_START = _("The end date cannot be before the start date.")

# Roles of parties that are named in connection with an agreement but do not take part in it.
NON_PARTICIPANT_ROLES = [ParticipationRole.SUBJECT_OF_CONCERN, ParticipationRole.LISTED_IN_SOURCE]
# A party with no other role is not expected to have a standing.
ROLES_WITHOUT_STANDING = {
    ParticipationRole.OBSERVER,
    ParticipationRole.DEPOSITARY,
    ParticipationRole.HOST,
    ParticipationRole.FUNDER,
    ParticipationRole.OVERSIGHT,
    ParticipationRole.MANAGER,
    ParticipationRole.IMPLEMENTER,
    ParticipationRole.BENEFICIARY,
    ParticipationRole.SUBJECT_OF_CONCERN,
}


class OfficersPartyTakesPart(Reason):
    """The party that this officer acts for takes part in the agreement.

    The office is that of today: only the present says whom to trust.
    """

    reads_rows = False

    def condition(self, model, reader, column="pk"):
        party = PartyOfficer.objects.filter(user=reader.id).values("party")
        own = Participation.objects.filter(agreement=OuterRef(column), party=Subquery(party))
        return Q(ExistsForRow(own.exclude(role__in=NON_PARTICIPANT_ROLES)))

    def periods(self, model, access, rows):
        party = PartyOfficer.objects.filter(user=access.reader.id).values_list("party", flat=True).first() if access.reader.id else None
        periods: dict[int, list[Period]] = defaultdict(list)
        if party is not None:
            for agreement, period, _pk, row in periods_of_children(Participation, "agreement", rows, "party_id", "role"):
                if row["party_id"] == party and row["role"] not in NON_PARTICIPANT_ROLES:
                    periods[agreement].append(period)
        return {agreement: union(of_rows) for agreement, of_rows in periods.items()}


def team_with_caller(user: Any, visibility: str, team: Iterable[Any]) -> list[Any]:
    """The team to store. A user who restricts an agreement, or edits a restricted one, is added, so as to keep access to it.

    Administrators read every agreement without being on a team.
    """
    team = list(team)
    if visibility == Visibility.RESTRICTED and user not in team and not Reader.of(user).sees_all:
        team.append(user)
    return team


class AgreementQuerySet(RegistryQuerySet):
    def binding(self):
        """Agreements that are legally binding, wholly or in part."""
        return self.filter(legal_force__in=[LegalForce.BINDING, LegalForce.MIXED])

    def with_party(self, parties):
        """Agreements in which at least one of these parties takes part."""
        rows = Participation.objects.filter(agreement=OuterRef("pk"), party__in=parties).exclude(role__in=NON_PARTICIPANT_ROLES)
        return self.filter(Exists(rows))


def name(path: str = "") -> Coalesce:
    """The name of an agreement that people read. `path` leads to the agreement, such as `agreement__`."""
    return Coalesce(NullIf(f"{path}short_title", Value("")), f"{path}title")  # type: ignore[arg-type]


def by_name(path: str = "") -> Lower:
    """The order of agreements by this name."""
    return Lower(name(path))


class Agreement(RegistryRecord):
    """An instrument or arrangement between two or more parties: binding, non-binding or mixed."""

    reasons = {OWN: OfficersPartyTakesPart(), TEAM: NamesReader("team")}

    title = models.CharField(max_length=500)
    short_title = models.CharField(max_length=200, blank=True, default="")
    kind = CodeField(
        AgreementKind, default=AgreementKind.AGREEMENT, help_text=_("The type of instrument. It does not determine the legal force.")
    )
    legal_force = CodeField(LegalForce, default=LegalForce.UNDETERMINED)
    status = CodeField(
        AgreementStatus,
        default=AgreementStatus.UNKNOWN,
        help_text=_("Only a binding agreement can be in force. A non-binding one is operative."),
    )
    summary = Text()
    purpose = Text()
    signed_at_place = models.CharField(_("place of signature"), max_length=200, blank=True, default="")
    registration = models.CharField(
        max_length=200, blank=True, default="", help_text=_("Number in the UN treaty series or a national one.")
    )
    depositary = models.CharField(
        max_length=200, blank=True, default="", help_text=_("The body that keeps the instruments and records treaty actions.")
    )
    expires_on = EdtfField(_("expiry date"), help_text=_("The last day of the term."))
    expires_on_first = FirstDay("expires_on")
    expires_on_last = LastDay("expires_on")
    next_review_on = EdtfField(_("next review"))
    next_review_on_first = FirstDay("next_review_on")
    actions_complete_as_of = models.DateField(
        null=True, blank=True, help_text=_("The treaty actions of all parties are recorded up to this date. Leave empty if unknown.")
    )
    later_joiner_delay = ForeignCode(
        max_length=20,
        blank=True,
        default="",
        validators=[DURATION],
        help_text=_("Time between consent and being bound, for a party that consents after entry into force, such as P30D (30 days)."),
    )
    signed_on = EdtfField(
        _("signature date"),
        editable=False,
        help_text=_("Calculated: the signature of the text, otherwise the first one of an adopted text, otherwise the last one."),
    )
    signed_on_first = FirstDay("signed_on")
    in_force_on = EdtfField(_("entry into force"), editable=False, help_text=_("Calculated: the first date on which the text is in force."))
    in_force_on_first = FirstDay("in_force_on")
    sectors = models.ManyToManyField(Sector, blank=True, related_name="agreements")
    lead = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="led_agreements",
        help_text=_("The person responsible for this record."),
    )
    team = models.ManyToManyField(
        settings.AUTH_USER_MODEL,
        blank=True,
        related_name="team_agreements",
        help_text=_("Analysts and reviewers with access if the agreement is restricted."),
    )

    objects = AgreementQuerySet.as_manager()

    trigger_constraints = (
        *RegistryRecord.trigger_constraints,
        TriggerConstraint(
            "agreement_superseded_by_another",
            _("Add a relation in which another agreement supersedes this one, or choose another status."),
            """NEW.status = 'superseded' AND NOT EXISTS (SELECT FROM agreements_agreementrelation r
                WHERE r.to_agreement_id = NEW.id AND r.kind = 'supersedes')""",
            field="status",
            when="NEW.status = 'superseded'",
            changed=("status",),
            deferred=True,
            locks=(RuleLock("superseded", "UPDATE", "NEW.status = 'superseded' AND OLD.status <> 'superseded'", "id"),),
            in_loads=False,  # a public data set lacks relations to hidden agreements; a data check reports such agreements
        ),
        TriggerConstraint(
            "agreement_with_consents_is_binding",
            _("This agreement has treaty actions of consent, so it cannot be non-binding."),
            f"""NEW.legal_force = 'non_binding' AND EXISTS (SELECT FROM {ACTIONS} t WHERE t.agreement_id = NEW.id
                AND t.kind IN ('signature_ad_referendum', 'definitive_signature', 'ratification', 'acceptance', 'approval', 'accession',
                    'formal_confirmation', 'succession', 'continued_application', 'consent_to_be_bound'))""",
            field="legal_force",
            events="UPDATE",
            when="NEW.legal_force = 'non_binding'",
            changed=("legal_force",),
            deferred=True,  # without a lock: a treaty action locks the row of its agreement too (`follow_actions`)
        ),
    )
    derived_writes: ClassVar = (
        DerivedWrite(
            "days_follow_the_actions",
            f"""new.signed_on := {signature_day_sql("new.id")};
  new.in_force_on := {force_day_sql("new.id", "new.legal_force", "new.expires_on")};""",
            before=True,
        ),
        DerivedWrite(
            "anchor_moved",
            """IF tg_op = 'UPDATE' AND (new.signed_on, new.in_force_on) IS DISTINCT FROM (old.signed_on, old.in_force_on) THEN
    DECLARE outer_actor text := current_setting('policytracker.actor', true); BEGIN
      PERFORM set_config('policytracker.actor', (coalesce(actor(), '{}') || '{"reason": "anchor moved"}')::text, true);
      UPDATE agreements_component SET due_on = due_on WHERE agreement_id = new.id AND due_anchor <> 'none' AND publication <> 'archived';
      PERFORM set_config('policytracker.actor', coalesce(outer_actor, ''), true);
    END;
  END IF;""",
        ),
    )
    derived_fields = ("signed_on", "in_force_on")

    class Meta:
        ordering = ["slug"]
        indexes = [
            contains_index("title", "agreement_title_contains"),
            contains_index("slug", "agreement_slug_contains"),
            models.Index(fields=["status", "id"], name="agreement_by_status"),
            models.Index(by_name(), "id", name="agreement_by_name"),
        ]
        constraints = [
            CheckConstraint(
                name="agreement_in_force_is_binding",
                condition=~Q(status__in=[AgreementStatus.IN_FORCE, AgreementStatus.PROVISIONALLY_APPLIED])
                | Q(legal_force__in=[LegalForce.BINDING, LegalForce.MIXED]),
                violation_error_message=_("Only a binding or mixed agreement can be in force or provisionally applied."),
                field="status",
            ),
            CheckConstraint(
                name="agreement_operative_is_non_binding",
                condition=~Q(status=AgreementStatus.OPERATIVE) | Q(legal_force__in=[LegalForce.NON_BINDING, LegalForce.MIXED]),
                violation_error_message=_("Only a non-binding or mixed agreement can be operative."),
                field="status",
            ),
            CheckConstraint(
                name="agreement_later_joiner_delay_is_a_duration",
                condition=Q(later_joiner_delay="") | Q(later_joiner_delay__regex=SPAN),
                violation_error_message=NO_SPAN,
                field="later_joiner_delay",
            ),
            CheckConstraint(
                name="agreement_later_joiner_delay_binds",
                condition=Q(later_joiner_delay="") | ~Q(legal_force=LegalForce.NON_BINDING),
                violation_error_message=_("Leave the delay empty: a non-binding agreement binds no party."),
                field="later_joiner_delay",
            ),
        ]

    def __str__(self):
        return self.short_title or self.title


class Participation(UidRecord):
    """A party's role in an agreement over a period. A party that leaves and returns has several."""

    access_parents = ("agreement",)
    label_parts = ("party__code", "role", "agreement__slug")
    label_relations = ("party", "agreement")

    agreement = models.ForeignKey(Agreement, models.PROTECT, related_name="participations")
    party = models.ForeignKey(Party, models.PROTECT, related_name="participations")
    role = CodeField(ParticipationRole)
    since = EdtfField(help_text=_("The first day of the period."))
    since_first = FirstDay("since")
    until = EdtfField(help_text=_("The first day after the period."))
    until_first = FirstDay("until")
    focus_area = models.ForeignKey(FocusArea, models.PROTECT, null=True, blank=True, related_name="participations")
    contribution = Text(help_text=_("What the party contributes."))
    note = Text()

    class Meta:
        ordering = ["id"]
        constraints = [
            CheckConstraint(
                name="participation_ends_after_it_begins",
                condition=Q(until_first__isnull=True) | Q(since_first__isnull=True) | Q(until_first__gte=F("since_first")),
                violation_error_message=ENDS_BEFORE_START,
                field="since",
            ),
            UniqueConstraint(
                fields=["agreement", "party", "role", "since"],
                name="participation_is_recorded_once",
                violation_error_message=_("This participation is already recorded."),
                field="since",
            ),
            ExclusionConstraint(
                name="participation_periods_do_not_overlap",
                expressions=[
                    ("agreement", RangeOperators.EQUAL),
                    ("party", RangeOperators.EQUAL),
                    ("role", RangeOperators.EQUAL),
                    (Func("since_first", "until_first", function="daterange", output_field=DateRangeField()), RangeOperators.OVERLAPS),
                ],
                violation_error_message=_("This party already has this role in an overlapping period."),
                field="since",
            ),
        ]

    def clean(self):
        super().clean()
        # PostgreSQL raises an error for a range that ends before it starts, so this is checked before the exclusion constraint.
        if is_before(self.until, self.since):
            raise ValidationError({"since": ENDS_BEFORE_START})

    def __str__(self):
        role = self.get_role_display().lower()
        return _("{party} in {agreement} as {role}").format(party=self.party, agreement=self.agreement, role=role)
