"""Treaty actions, and the conditions of entry into force."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from agreements.models.agreements import ACTIONS, Agreement, force_day_sql, signature_day_sql
from agreements.models.parties import Party
from agreements.models.sourced import SourceFields
from policytracker.codes import CodeField, Codes, ForeignCode
from policytracker.edtf import DURATION, NO_SPAN, SPAN, EdtfField, FirstDay, LastDay
from policytracker.records.constraints import IN_THIS_TRANSACTION, CheckConstraint, DerivedWrite, TriggerConstraint, UniqueConstraint
from policytracker.records.fields import Text
from policytracker.records.models import UidRecord

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

ACTION = _("{action}, {date}")
ACTION_OF_PARTY = _("{action} by {party}, {date}")
ACTION_BETWEEN = _("{action} by {party} with {counterparty}, {date}")


class ActionKind(Codes):
    """The kinds of treaty action, each in a `group` such as consent, force or exit."""

    group: str

    def __new__(cls, code: str, definition: StrOrPromise = "", group: str = ""):
        member = str.__new__(cls, code)
        member._value_ = code
        member.definition, member.group = definition, group
        return member

    ANNOUNCEMENT = "announcement", _("made public without an instrument"), "political", _("Announcement")
    REAFFIRMATION = "reaffirmation", _("political restatement of support"), "political", _("Reaffirmation")
    REVIEW_OPENED = "review_opened", _("a party starts a formal review"), "political", _("Review opened")
    REVIEW_CLOSED = "review_closed", _("that review ends"), "political", _("Review closed")
    ADOPTION = "adoption", _("text settled"), "text", _("Adoption")
    AUTHENTICATION = "authentication", _("text fixed as final"), "text", _("Authentication")
    AMENDMENT = "amendment", _("text changed for all"), "text", _("Amendment")
    CORRECTION = "correction", _("clerical error mended"), "text", _("Correction")
    SIGNATURE = "signature", _("signed subject to later consent; or signed a non-binding text"), "consent", _("Signature")
    SIGNATURE_AD_REFERENDUM = "signature_ad_referendum", _("signed until confirmed"), "consent", _("Signature ad referendum")
    DEFINITIVE_SIGNATURE = "definitive_signature", _("bound by signing"), "consent", _("Definitive signature")
    RATIFICATION = "ratification", _("consent by instrument after signature"), "consent", _("Ratification")
    ACCEPTANCE = "acceptance", _("same effect as ratification"), "consent", _("Acceptance")
    APPROVAL = "approval", _("same effect as ratification"), "consent", _("Approval")
    ACCESSION = "accession", _("consent without having signed"), "consent", _("Accession")
    FORMAL_CONFIRMATION = "formal_confirmation", _("consent by an organisation"), "consent", _("Formal confirmation")
    SUCCESSION = "succession", _("successor state declares itself bound"), "consent", _("Succession")
    CONTINUED_APPLICATION = (
        "continued_application",
        _("new state continues a treaty (may predate the instrument)"),
        "consent",
        _("Continued application"),
    )
    CONSENT_TO_BE_BOUND = "consent_to_be_bound", _("other form of consent"), "consent", _("Consent to be bound")
    SUBMISSION_TO_LEGISLATURE = "submission_to_legislature", _("tabled or sent for approval"), "domestic", _("Submission to legislature")
    LEGISLATIVE_APPROVAL = "legislative_approval", _("domestic body approves"), "domestic", _("Legislative approval")
    DEPOSIT = "deposit", _("instrument lodged with the depositary"), "delivery", _("Deposit")
    NOTIFICATION = "notification", _("party tells the others or the depositary"), "delivery", _("Notification")
    REGISTRATION = "registration", _("registered with the UN"), "delivery", _("Registration")
    START_OF_OPERATION = "start_of_operation", _("a non-binding text begins to be acted on"), "force", _("Start of operation")
    PROVISIONAL_APPLICATION = "provisional_application", _("applied before entry into force"), "force", _("Provisional application")
    ENTRY_INTO_FORCE = "entry_into_force", _("treaty as a whole in force"), "force", _("Entry into force")
    ENTRY_INTO_FORCE_FOR_PARTY = (
        "entry_into_force_for_party",
        _("in force for one party; or for a pair when a counterparty is given"),
        "force",
        _("Entry into force for a party"),
    )
    TERRITORIAL_EXTENSION = "territorial_extension", _("applied to a territory"), "force", _("Territorial extension")
    RESERVATION = "reservation", _("excludes or alters effect for the maker"), "statement", _("Reservation")
    RESERVATION_WITHDRAWAL = "reservation_withdrawal", "", "statement", _("Withdrawal of reservation")
    DECLARATION = "declaration", _("interpretive or other statement"), "statement", _("Declaration")
    OBJECTION = "objection", _("against another party's statement"), "statement", _("Objection")
    OBJECTION_WITHDRAWAL = "objection_withdrawal", "", "statement", _("Withdrawal of objection")
    CONSENT_WITHDRAWAL = (
        "consent_withdrawal",
        _("signature or instrument taken back before entry into force"),
        "exit",
        _("Withdrawal of consent"),
    )
    WITHDRAWAL_NOTICE = "withdrawal_notice", _("notice given; effect later"), "exit", _("Notice of withdrawal")
    DENUNCIATION_NOTICE = "denunciation_notice", _("same for treaties that use the word"), "exit", _("Notice of denunciation")
    WITHDRAWAL_EFFECT = "withdrawal_effect", _("party no longer bound"), "exit", _("Withdrawal takes effect")
    NOTICE_REVOCATION = "notice_revocation", _("a notice of withdrawal taken back before its effect"), "exit", _("Revocation of a notice")
    SUSPENSION = "suspension", _("operation halted"), "exit", _("Suspension")
    RESUMPTION = "resumption", _("operation begins again after a suspension"), "force", _("Resumption")
    TERMINATION = "termination", _("treaty ends"), "exit", _("Termination")


SIGNATURES = [ActionKind.SIGNATURE, ActionKind.SIGNATURE_AD_REFERENDUM, ActionKind.DEFINITIVE_SIGNATURE]
STATEMENTS = [kind for kind in ActionKind if kind.group == "statement"]
# Consents to be bound: the group without signatures that must still be confirmed.
CONSENTS = [kind for kind in ActionKind if kind.group == "consent" and kind not in SIGNATURES[:2]]
ONLY_BINDING = [kind for kind in ActionKind if kind.group == "consent" and kind != ActionKind.SIGNATURE]
# These require a party: they cannot be recorded for the text as a whole.
OF_A_PARTY = [
    *ONLY_BINDING,
    ActionKind.ENTRY_INTO_FORCE_FOR_PARTY,
    *(k for k in ActionKind if k.group == "exit" and k not in (ActionKind.SUSPENSION, ActionKind.TERMINATION)),
]
NO_CONSENT_TO_NON_BINDING = _("A non-binding agreement can be signed, but cannot be ratified or consented to in any other form.")


def sql_list(kinds: Iterable[str]) -> str:
    return ", ".join(f"'{kind}'" for kind in kinds)


def follow_actions(agreements: str) -> str:
    """The PL/pgSQL statements that calculate the dates of the agreements whose ids this SELECT returns."""
    # With the lock, the second of two concurrent transactions waits and then sees the actions of the first.
    return f"""DECLARE of_agreement bigint; legal text; term text; signed text; force text; BEGIN
  FOR of_agreement IN {agreements} ORDER BY id LOOP
    SELECT legal_force, expires_on INTO legal, term FROM agreements_agreement WHERE id = of_agreement FOR NO KEY UPDATE;
    signed := {signature_day_sql("of_agreement")};
    force := {force_day_sql("of_agreement", "legal", "term")};
    UPDATE agreements_agreement SET signed_on = signed, in_force_on = force,
      version = CASE WHEN EXISTS (SELECT FROM policytracker_change WHERE tbl = 'agreements_agreement' AND row_id = of_agreement
        AND op = 'insert' AND {IN_THIS_TRANSACTION}) THEN version END
      WHERE id = of_agreement AND (signed_on, in_force_on) IS DISTINCT FROM (signed, force);
  END LOOP; END;"""


class TreatyAction(UidRecord, SourceFields):
    """A dated event in the life of an agreement, of one party or of the text as a whole. `agreements.standing` computes its effects."""

    access_parents = ("agreement",)
    label_parts = ("kind", "party__code", "acted_on", "agreement__slug")
    label_relations = ("party", "counterparty")

    agreement = models.ForeignKey(Agreement, models.PROTECT, related_name="actions")
    kind = CodeField(ActionKind)
    party = models.ForeignKey(
        Party,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="actions",
        help_text=_("The party that acts. Leave empty for an action on the text as a whole."),
    )
    acted_on = EdtfField(_("action date"), help_text=_("The date of the action."))
    acted_on_first = FirstDay("acted_on")
    acted_on_last = LastDay("acted_on")
    counterparty = models.ForeignKey(
        Party,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text=_("The other party, if the action concerns only these two."),
    )
    effective_on = EdtfField(_("effective date"), help_text=_("The date on which it takes effect, if that is another date."))
    effective_on_first = FirstDay("effective_on")
    place = models.CharField(max_length=200, blank=True, default="")
    signed_by = models.CharField(
        max_length=300, blank=True, default="", help_text=_("Name and office, such as “Anthony Albanese, Prime Minister”.")
    )
    targets = models.ManyToManyField(
        "self",
        symmetrical=False,
        blank=True,
        related_name="targeted_by",
        help_text=_("The actions that this one objects to, withdraws or revokes."),
    )
    text = Text(help_text=_("The wording of the action, such as that of a reservation."))
    note = Text()

    trigger_constraints: ClassVar = (
        TriggerConstraint(
            "treaty_action_consent_needs_a_binding_text",
            NO_CONSENT_TO_NON_BINDING,
            f"""NEW.kind IN ({sql_list(ONLY_BINDING)})
                AND EXISTS (SELECT FROM agreements_agreement a WHERE a.id = NEW.agreement_id AND a.legal_force = 'non_binding')""",
            field="kind",
            when=f"NEW.kind IN ({sql_list(ONLY_BINDING)})",
            changed=("kind", "agreement_id"),
            deferred=True,  # without a lock, as the next one: `follow_actions` has locked the row of the agreement
        ),
        TriggerConstraint(
            "treaty_action_targets_the_same_agreement",
            _("Select other actions on the same agreement."),
            f"""EXISTS (SELECT FROM {ACTIONS}_targets l JOIN {ACTIONS} t ON t.id = l.to_treatyaction_id
                WHERE l.from_treatyaction_id = NEW.id AND (t.agreement_id <> NEW.agreement_id OR t.id = NEW.id))
                OR EXISTS (SELECT FROM {ACTIONS}_targets l JOIN {ACTIONS} t ON t.id = l.from_treatyaction_id
                    WHERE l.to_treatyaction_id = NEW.id AND t.agreement_id <> NEW.agreement_id)""",
            field="targets",
            deferred=True,
        ),
    )
    derived_writes: ClassVar = (
        DerivedWrite(
            "agreement_follows_its_actions",
            follow_actions("SELECT DISTINCT id FROM unnest(ARRAY[old.agreement_id, new.agreement_id]) AS id WHERE id IS NOT NULL"),
            inserted=follow_actions("SELECT DISTINCT agreement_id AS id FROM written"),
        ),
    )

    @classmethod
    def identifying_fields(cls, values):
        # A party can make several statements on one day.
        return () if values.get("kind") in STATEMENTS else super().identifying_fields(values)

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(fields=["agreement", "acted_on_first", "id"], name="treaty_action_of_agreement"),
            models.Index(fields=["acted_on_first", "id"], name="treaty_action_by_day"),
        ]
        constraints = [
            UniqueConstraint(
                fields=["agreement", "kind", "party", "acted_on", "counterparty"],
                condition=~Q(kind__in=[kind.value for kind in STATEMENTS]),
                nulls_distinct=False,
                name="treaty_action_is_recorded_once",
                violation_error_message=_("This action is already recorded."),
                field="kind",
            ),
            CheckConstraint(
                name="treaty_action_pair_has_two",
                condition=Q(counterparty__isnull=True) | Q(party__isnull=True) | ~Q(party=F("counterparty")),
                violation_error_message=_("Select another party. The counterparty cannot be the party itself."),
                field="counterparty",
            ),
            CheckConstraint(
                name="treaty_action_pair_has_a_party",
                condition=Q(counterparty__isnull=True) | Q(party__isnull=False),
                violation_error_message=_("Select the party that acts towards the counterparty."),
                field="party",
            ),
            CheckConstraint(
                name="treaty_action_of_a_party_names_it",
                condition=Q(party__isnull=False) | ~Q(kind__in=[kind.value for kind in OF_A_PARTY]),
                violation_error_message=_("Select the party. This kind of action always has one."),
                field="party",
            ),
            CheckConstraint(
                name="treaty_action_termination_has_no_party",
                condition=Q(party__isnull=True) | ~Q(kind=ActionKind.TERMINATION),
                violation_error_message=_(
                    "Leave the party empty: a termination ends the agreement for all parties. Record one party's exit as a withdrawal."
                ),
                field="party",
            ),
        ]

    def __str__(self):
        template = ACTION_BETWEEN if self.counterparty_id else ACTION_OF_PARTY if self.party_id else ACTION
        values = {"action": self.get_kind_display(), "date": self.acted_on or _("undated")}
        return template.format(**values, party=self.party, counterparty=self.counterparty)


class ConditionKind(Codes):
    ON_SIGNATURE = "on_signature", _("when it is signed"), _("On signature")
    ON_DATE = "on_date", _("on a fixed day"), _("On a date")
    NUMBER_OF_CONSENTS = "number_of_consents", _("when so many parties have consented"), _("Number of consents")
    ALL_SIGNATORIES = "all_signatories", _("when every signatory has consented"), _("All signatories")
    NAMED_PARTIES = "named_parties", _("when these parties have consented"), _("Named parties")
    EXCHANGE_OF_NOTES = "exchange_of_notes", _("when every signatory has notified the others"), _("Exchange of notes")


class EntryIntoForceCondition(UidRecord, SourceFields):
    """A condition of the text for its entry into force. A met condition is reported; it does not put the text in force."""

    access_parents = ("agreement",)
    label_parts = ("kind", "agreement__slug")

    agreement = models.ForeignKey(Agreement, models.PROTECT, related_name="conditions")
    kind = CodeField(ConditionKind)
    number = models.PositiveIntegerField(null=True, blank=True, help_text=_("The number of consents required."))
    parties = models.ManyToManyField(Party, blank=True, related_name="+", help_text=_("The parties whose consent is required."))
    fixed_on = EdtfField(_("fixed date"), help_text=_("The date in the text."))
    fixed_on_first = FirstDay("fixed_on")
    delay = ForeignCode(
        max_length=20,
        blank=True,
        default="",
        validators=[DURATION],
        help_text=_("Time between meeting the condition and entry into force, such as P30D (30 days)."),
    )
    text = Text(help_text=_("The wording of the article."))

    trigger_constraints: ClassVar = (
        TriggerConstraint(
            "condition_names_its_parties",
            _("Select the parties whose consent is required."),
            """NEW.kind = 'named_parties' AND NOT EXISTS (SELECT FROM agreements_entryintoforcecondition_parties l
                WHERE l.entryintoforcecondition_id = NEW.id)""",
            field="parties",
            when="NEW.kind = 'named_parties'",
            deferred=True,
        ),
    )

    class Meta:
        ordering = ["id"]
        verbose_name = _("condition of entry into force")
        verbose_name_plural = _("conditions of entry into force")
        constraints = [
            CheckConstraint(
                name="condition_has_a_number",
                condition=~Q(kind=ConditionKind.NUMBER_OF_CONSENTS) | Q(number__isnull=False, number__gte=1),
                violation_error_message=_("Enter the number of consents required."),
                field="number",
            ),
            CheckConstraint(
                name="condition_has_a_date",
                condition=~Q(kind=ConditionKind.ON_DATE) | ~Q(fixed_on=""),
                violation_error_message=_("Enter the date."),
                field="fixed_on",
            ),
            CheckConstraint(
                name="condition_delay_is_a_duration",
                condition=Q(delay="") | Q(delay__regex=SPAN),
                violation_error_message=NO_SPAN,
                field="delay",
            ),
        ]

    def __str__(self):
        return self.get_kind_display()
