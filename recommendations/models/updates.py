"""Progress updates of recommendations, and their evidence."""

from datetime import UTC, date, datetime, time
from typing import Any

from django.conf import settings
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from agreements.models import Party, Source
from agreements.models.sources import Confidence, SourceKind, Stance
from policytracker.codes import CodeField, Codes
from policytracker.records.access import EDITORS, Grant, Publication, Reader, Visibility
from policytracker.records.constraints import IN_THIS_TRANSACTION, CheckConstraint, TriggerConstraint
from policytracker.records.fields import Locator, Quote, Text
from policytracker.records.models import RecordQuerySet, UidRecord
from policytracker.records.reasons import NamesReader, Opens
from policytracker.sql.parameters import Parameter
from recommendations.models.refusals import CORRECTS_ONLY_VOIDED, RefusalCode


class Status(Codes):
    PROPOSED = "proposed", _("put forward; nothing known or found to be done"), _("Proposed, not started")
    PLANNED = "planned", _("owner or date set; work not begun"), _("Planned")
    IN_PROGRESS = "in_progress", _("work begun, no part delivered"), _("In progress")
    PARTLY_IMPLEMENTED = "partly_implemented", _("some parts delivered"), _("Partly implemented")
    LARGELY_IMPLEMENTED = "largely_implemented", _("main intent met, minor parts open"), _("Largely implemented")
    IMPLEMENTED = "implemented", _("intent met in full"), _("Implemented")
    ADDRESSED_OTHERWISE = "addressed_otherwise", _("aim met by another means"), _("Addressed otherwise")
    STALLED = "stalled", _("begun, no movement for a set time"), _("Stalled")
    CLOSED_NOT_IMPLEMENTED = "closed_not_implemented", _("ended without delivery"), _("Closed, not implemented")
    WITHDRAWN = "withdrawn", _("taken back by its maker"), _("Withdrawn")
    SUPERSEDED = "superseded", _("replaced by another (link required)"), _("Superseded")
    NO_LONGER_APPLICABLE = "no_longer_applicable", _("circumstances removed the need"), _("No longer applicable")
    NOT_ASSESSED = "not_assessed", _("state unknown"), _("Not assessed")


DONE = frozenset({Status.IMPLEMENTED, Status.ADDRESSED_OTHERWISE})
TERMINAL = DONE | {Status.CLOSED_NOT_IMPLEMENTED, Status.WITHDRAWN, Status.SUPERSEDED, Status.NO_LONGER_APPLICABLE}
CLOSABLE = frozenset({Status.PARTLY_IMPLEMENTED, Status.LARGELY_IMPLEMENTED})  # may be closed although they are not terminal


class UpdateKind(Codes):
    ASSESSMENT = "assessment", _("our own judgement of the status"), _("Assessment")
    CLAIM = "claim", _("a party's own account of the status"), _("Claim")
    NOTE = "note", _("information without a status"), _("Note")


class Review(Codes):
    DRAFT = "draft", _("Draft")
    SUBMITTED = "submitted", _("Submitted")
    APPROVED = "approved", _("Approved")
    RETURNED = "returned", _("Returned")


PERCENT_RANGE = _("Enter a percentage from 0 to 100.")
# Voided updates are exempt, so that an inconsistent update from before this rule can be voided.
PERCENT_AGREES_WITH_STATUS = CheckConstraint(
    name="update_percent_agrees_with_status",
    condition=Q(voided_at__isnull=False)
    | Q(progress_percent__isnull=True)
    | Q(status=Status.IMPLEMENTED, progress_percent=100)
    | ~Q(status__in=[Status.IMPLEMENTED, Status.NOT_ASSESSED]),
    violation_error_message=_("The percentage must be 100 or empty for Implemented, and empty for Not assessed."),
    field="progress_percent",
)
# The updates that needed a second person and were reviewed by who is involved: their author, or the user who imported them.
BY_ONE_PERSON = Q(needs_second_person=True) & (Q(reviewed_by=F("author")) | Q(reviewed_by=F("imported_by")))
NEWEST_FIRST = ["-reported_on", "-reviewed_at", "-uid"]


def in_effect(*, on: date | Parameter | None = None, path: str = "") -> Q:
    """The condition for an update to be in effect: approved and not voided. With `on`, its report date must not be later.

    `path` is the lookup from the filtered model to the update, such as `update__`.
    """
    condition = Q(**{f"{path}review": Review.APPROVED, f"{path}voided_at__isnull": True})
    return condition if on is None else condition & Q(**{f"{path}reported_on__lte": on})


def readable_stages(reader: Reader) -> list[Review]:
    """The stages at which this reader can read the updates of other authors."""
    if reader.sees_unapproved:
        return list(Review)
    return [Review.APPROVED, *([Review.SUBMITTED] if reader.roles & EDITORS else [])]


class ProgressUpdateQuerySet(RecordQuerySet):
    def in_effect(self, kind: str | None = None, *, on: date | Parameter | None = None):
        """Updates in effect, of one kind or all. With `on`, only those reported for that day or an earlier one."""
        return self.filter(in_effect(on=on), **({"kind": kind} if kind else {}))

    def newest_first(self):
        return self.order_by(*NEWEST_FIRST)

    def newest_for(self, *paths: str):
        """The newest update for each combination of values of the lookups, ordered by these values."""
        return self.order_by(*paths, *NEWEST_FIRST).distinct(*paths)


def trigger_for(refusal: RefusalCode, name: str, violated_when: str, **options) -> TriggerConstraint:
    """The trigger constraint for a condition that `progress.py` checks too, with the same code, field and message."""
    return TriggerConstraint(name, refusal.message, violated_when, field=refusal.field, code=refusal.code, **options)


class ProgressUpdate(UidRecord):
    """A dated assessment, claim or note on a recommendation. Append-only once approved."""

    access_parents = ("recommendation",)
    label_parts = ("recommendation__slug", "kind", "reported_on")

    recommendation = models.ForeignKey("recommendations.Recommendation", models.PROTECT, related_name="updates")
    kind = CodeField(UpdateKind, default=UpdateKind.ASSESSMENT)
    status = CodeField(Status, blank=True, default="")
    progress_percent = models.PositiveSmallIntegerField(
        _("progress (%)"), null=True, blank=True, validators=[MaxValueValidator(100, PERCENT_RANGE)]
    )
    reported_on = models.DateField(_("report date"), help_text=_("The date to which the update applies."))
    narrative = Text()
    reason = Text(help_text=_("Required for a step back or for reopening."))
    party = models.ForeignKey(
        Party,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="claims",
        verbose_name=_("claimed by"),
        help_text=_("Party that makes the claim."),
    )
    assessed_by = models.CharField(
        max_length=300, blank=True, default="", help_text=_("External organisation that made the assessment, if it is not ours.")
    )
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="updates")
    imported_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="imported_updates",
        help_text=_("User who imported the update."),
    )
    needs_second_person = models.BooleanField(
        default=False,
        editable=False,
        help_text=_("Decided when the update is submitted: its author and the user who imported it cannot approve it."),
    )
    review = CodeField(Review, default=Review.DRAFT)
    reviewed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="reviewed_updates")
    reviewed_at = models.DateTimeField(null=True, blank=True)
    review_note = Text(_("note to author"))
    voided_at = models.DateTimeField(null=True, blank=True)
    voided_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="voided_updates")
    void_reason = Text(_("reason for voiding"))
    corrects = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="corrected_by")
    closes = models.BooleanField(
        _("close without full implementation"),
        default=False,
        help_text=_("No further work is expected, although it is not fully implemented."),
    )

    objects = ProgressUpdateQuerySet.as_manager()

    trigger_constraints = (
        TriggerConstraint(
            "update_is_append_only",
            _("A submitted or approved update cannot be deleted. An approved update can be voided, with a reason."),
            "OLD.review IN ('submitted', 'approved')",
            code="append_only",
            events="DELETE",
        ),
        TriggerConstraint(
            "update_in_review_stays_as_it_is",
            _("A submitted update cannot be changed. It can only be approved or returned."),
            """OLD.review = 'submitted' AND (NEW.review NOT IN ('approved', 'returned')
                OR to_jsonb(OLD) - '{review,reviewed_by_id,reviewed_at,review_note,version,updated_at}'::text[]
                   <> to_jsonb(NEW) - '{review,reviewed_by_id,reviewed_at,review_note,version,updated_at}'::text[])""",
            code="append_only",
            events="UPDATE",
        ),
        trigger_for(
            RefusalCode.REASON_REQUIRED_TO_RETURN,
            "update_is_returned_with_a_note",
            "NEW.review = 'returned' AND NEW.review_note = ''",
            events="UPDATE",
        ),
        trigger_for(RefusalCode.NOT_APPROVED, "update_is_voided_after_approval", "NEW.voided_at IS NOT NULL AND NEW.review <> 'approved'"),
        TriggerConstraint(
            "update_corrects_a_voided_update",
            CORRECTS_ONLY_VOIDED,
            """NOT EXISTS (SELECT FROM recommendations_progressupdate u
                WHERE u.id = NEW.corrects_id AND u.recommendation_id = NEW.recommendation_id AND u.voided_at IS NOT NULL)""",
            field="corrects",
            when="NEW.corrects_id IS NOT NULL",
            changed=("corrects_id", "recommendation_id"),
            deferred=True,  # without a lock: a voided update does not change any more
        ),
        TriggerConstraint(
            "update_changes_only_by_voiding",
            _("An approved update cannot be changed. It can only be voided, once and with a reason."),
            """OLD.review = 'approved' AND (OLD.voided_at IS NOT NULL OR NEW.voided_at IS NULL OR NEW.void_reason = ''
                OR to_jsonb(OLD) - '{voided_at,voided_by_id,void_reason,version,updated_at}'::text[]
                   <> to_jsonb(NEW) - '{voided_at,voided_by_id,void_reason,version,updated_at}'::text[])""",
            code="append_only",
            events="UPDATE",
        ),
        # Who lowered the priority is known from the history only: progress.py asks it.
        trigger_for(
            RefusalCode.SECOND_PERSON_REQUIRED,
            "update_is_approved_by_a_second_person",
            """NEW.needs_second_person AND NEW.review = 'approved' AND (tg_op = 'INSERT' OR OLD.review <> 'approved')
                AND (NEW.reviewed_by_id IS NULL OR NEW.reviewed_by_id IN (NEW.author_id, NEW.imported_by_id))""",
            in_loads=False,
        ),
        trigger_for(RefusalCode.FUTURE_DATE, "update_is_not_of_the_future", "NEW.reported_on > (now() AT TIME ZONE 'UTC')::date"),
    )

    class Meta:
        ordering = NEWEST_FIRST
        indexes = [
            models.Index(
                fields=["recommendation", "kind", "-reported_on"],
                condition=Q(review=Review.APPROVED, voided_at__isnull=True),
                name="update_in_effect",
            ),
            # Contains all fields that decide which claim of a party is the newest, and what it claims.
            models.Index(
                fields=["recommendation", "party", "-reported_on", "-reviewed_at", "-uid"],
                include=["status"],
                condition=Q(kind=UpdateKind.CLAIM, review=Review.APPROVED, voided_at__isnull=True),
                name="update_newest_claim",
            ),
            models.Index(fields=["reported_on", "id"], name="update_by_report_date"),
            models.Index(fields=["review", "id"], condition=~Q(review=Review.APPROVED), name="update_in_review"),
            models.Index(fields=["id"], condition=BY_ONE_PERSON, name="update_by_one_person"),
        ]
        constraints = [
            CheckConstraint(
                name="update_percent_is_a_share",
                condition=Q(progress_percent__isnull=True) | Q(progress_percent__lte=100),
                violation_error_message=PERCENT_RANGE,
                field="progress_percent",
            ),
            PERCENT_AGREES_WITH_STATUS,
            CheckConstraint(
                name="update_status_unless_a_note",
                condition=Q(kind=UpdateKind.NOTE, status="") | (~Q(kind=UpdateKind.NOTE) & ~Q(status="")),
                violation_error_message=_("An assessment or a claim must have a status. A note must not have one."),
                field="status",
            ),
            CheckConstraint(
                name="update_claim_has_a_party",
                condition=~Q(kind=UpdateKind.CLAIM) | Q(party__isnull=False),
                violation_error_message=RefusalCode.PARTY_REQUIRED.message,
                field=RefusalCode.PARTY_REQUIRED.field,
            ),
            CheckConstraint(
                name="update_approval_has_a_moment",
                condition=~Q(review=Review.APPROVED) | Q(reviewed_at__isnull=False),
                violation_error_message=_("An approved update must have the time of its approval."),
                field="reviewed_at",
            ),
            CheckConstraint(
                name="update_void_has_a_reason",
                condition=Q(voided_at__isnull=True, void_reason="") | (Q(voided_at__isnull=False) & ~Q(void_reason="")),
                violation_error_message=RefusalCode.REASON_REQUIRED_TO_VOID.message,
                field=RefusalCode.REASON_REQUIRED_TO_VOID.field,
            ),
        ]

    @classmethod
    def grants(cls, reader):
        """The updates of other authors at some stages, and those of the reader at any stage."""
        return [Grant({"review": readable_stages(reader)}), Grant({}, NamesReader("author"))]

    @classmethod
    def complete_data_set(cls, values: dict[str, Any], is_new: bool) -> None:
        """Without a time of its approval, a new update was approved at midnight UTC of its report date; a stored one keeps its time.

        The files do not say whether a second person must approve a submitted assessment, so each new one needs one.
        """
        if is_new and values.get("review") == Review.SUBMITTED:
            values["needs_second_person"] = values.get("kind", UpdateKind.ASSESSMENT) == UpdateKind.ASSESSMENT
        if values.get("review") != Review.APPROVED or values.get("reviewed_at") is not None:
            return
        values.pop("reviewed_at", None)
        if is_new and (day := values.get("reported_on")):
            values["reviewed_at"] = datetime.combine(day, time(), UTC)

    def __str__(self):
        template = _("{kind} of {date}: {status}") if self.status else _("{kind} of {date}")
        return template.format(kind=self.get_kind_display(), date=self.reported_on, status=self.get_status_display())


class Evidence(UidRecord):
    """The link from a source to a progress update, supporting or contradicting it."""

    access_parents = ("update",)
    # Sources that were created together with an update.
    opens = (
        Opens("source", "update", {"publication": [Publication.DRAFT], "visibility": [Visibility.PUBLIC], "kind": [SourceKind.OTHER]}),
    )
    label_parts = ("source__slug", "locator")
    version_parent = "update"

    update = models.ForeignKey(ProgressUpdate, models.CASCADE, related_name="evidence")
    source = models.ForeignKey(Source, models.PROTECT, related_name="evidence")
    locator = Locator()
    quote = Quote()
    stance = CodeField(Stance, default=Stance.SUPPORTS)
    confidence = CodeField(Confidence, default=Confidence.REPORTED)

    trigger_constraints = (
        TriggerConstraint(
            "evidence_of_an_approved_update_stays",
            _("The evidence of a submitted or approved update cannot be changed."),
            "EXISTS (SELECT FROM recommendations_progressupdate u WHERE u.id = OLD.update_id AND u.review IN ('submitted', 'approved'))",
            code="append_only",
            events="UPDATE OR DELETE",
        ),
        TriggerConstraint(
            "evidence_of_a_submitted_update_is_closed",
            _("Evidence cannot be added to a submitted or approved update."),
            f"""EXISTS (SELECT FROM recommendations_progressupdate u WHERE u.id = NEW.update_id AND u.review IN ('submitted', 'approved'))
                AND NOT EXISTS (SELECT FROM policytracker_change c WHERE c.tbl = 'recommendations_progressupdate'
                    AND c.row_id = NEW.update_id AND c.op = 'insert' AND {IN_THIS_TRANSACTION})""",
            code="append_only",
            events="INSERT",
        ),
    )

    class Meta:
        ordering = ["id"]
        verbose_name_plural = _("evidence")

    def __str__(self):
        return _("{source} {stance} the status").format(source=self.source, stance=self.get_stance_display().lower())
