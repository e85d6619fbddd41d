"""Progress of a recommendation: allowed status changes, their conditions, and the review of updates (docs/api.md, "Progress").

These functions are the only way to change a status. Admin, API, import and commands call them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from datetime import date
from functools import lru_cache
from secrets import token_hex
from typing import Any, TypeVar
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models import Subquery
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from agreements.models import Party, Source
from agreements.models.sources import Confidence, SourceKind, Stance
from policytracker.accounts.models import User
from policytracker.records import exceptions, versions
from policytracker.records.access import Publication, Reader, Role
from policytracker.records.changes import Change
from policytracker.records.context import change_context, shortened
from policytracker.records.exceptions import Refused
from policytracker.records.models import lock_for_change
from policytracker.representation import hidden
from recommendations.derived_status import recompute_locked
from recommendations.models import (
    CLOSABLE,
    DONE,
    TERMINAL,
    Evidence,
    Priority,
    ProgressUpdate,
    Recommendation,
    RefusalCode,
    Review,
    Status,
    UpdateKind,
)
from recommendations.models.recommendations import LOWERING_PRIORITY
from recommendations.models.refusals import CORRECTS_ONLY_VOIDED, NOTE_HAS_NO_STATUS
from recommendations.models.updates import PERCENT_AGREES_WITH_STATUS

# Transitions by old status. Repeating a status is always allowed. A transition in neither table is refused.
ALLOWED = {
    Status.NOT_ASSESSED: set(Status),
    Status.PROPOSED: {Status.PLANNED, Status.IN_PROGRESS, *CLOSABLE, Status.STALLED, Status.NOT_ASSESSED} | TERMINAL,
    Status.PLANNED: {Status.IN_PROGRESS, *CLOSABLE, Status.STALLED, Status.NOT_ASSESSED} | TERMINAL,
    Status.IN_PROGRESS: {*CLOSABLE, Status.STALLED, Status.NOT_ASSESSED} | TERMINAL,
    Status.PARTLY_IMPLEMENTED: {Status.LARGELY_IMPLEMENTED, Status.STALLED} | TERMINAL,
    Status.LARGELY_IMPLEMENTED: {Status.STALLED} | TERMINAL - {Status.WITHDRAWN},
    Status.STALLED: {Status.IN_PROGRESS, *CLOSABLE} | TERMINAL,
    **{terminal: set() for terminal in TERMINAL},
}
BACKWARD = {  # allowed with a reason: backward transitions, reopenings and changes from one terminal status to another
    Status.PLANNED: {Status.PROPOSED},
    Status.PARTLY_IMPLEMENTED: {Status.IN_PROGRESS},
    Status.LARGELY_IMPLEMENTED: {Status.PARTLY_IMPLEMENTED},
    **{terminal: {Status.IN_PROGRESS, Status.PARTLY_IMPLEMENTED, Status.NOT_ASSESSED} | TERMINAL - {terminal} for terminal in TERMINAL},
}
EDITORS = {Role.ANALYST, Role.REVIEWER, Role.ADMINISTRATOR}
REVIEWERS = {Role.REVIEWER, Role.ADMINISTRATOR}


@dataclass(frozen=True)
class EvidenceRow:
    """One piece of evidence of a report, with an existing source, or the URL of a source that is found or created."""

    source: Source | None = None
    url: str = ""
    title: str = ""
    locator: str = ""
    quote: str = ""
    stance: str = Stance.SUPPORTS
    confidence: str = Confidence.REPORTED


@dataclass(frozen=True)
class Report:
    """The content of an update before it is validated. The default is an assessment of today.

    This class defines what can be reported. Serializer, form and command take the fields of the same names from `ProgressUpdate`.
    """

    kind: str = UpdateKind.ASSESSMENT
    status: str = ""
    progress_percent: int | None = None
    reported_on: date | None = None
    narrative: str = ""
    party: Party | None = None
    reason: str = ""
    assessed_by: str = ""
    corrects: ProgressUpdate | None = None
    closes: bool = False
    evidence: tuple[EvidenceRow, ...] = ()

    @classmethod
    def of(cls, update: ProgressUpdate) -> Report:
        """The content of an update, as input for validation or revision."""
        rows = update.evidence.select_related("source")
        evidence = tuple(EvidenceRow(**{name: getattr(row, name) for name in EVIDENCE_FIELDS}) for row in rows)
        return cls(**{name: getattr(update, name) for name in REPORT_FIELDS}, evidence=evidence)


REPORT_FIELDS = [field.name for field in fields(Report) if field.name != "evidence"]  # fields of ProgressUpdate
EVIDENCE_FIELDS = [field.name for field in fields(EvidenceRow) if field.name not in ("url", "title")]  # fields of Evidence


class Refusal(exceptions.Refusal):
    """One condition that is not met: its code and its message."""

    reason: RefusalCode

    def __init__(self, reason: RefusalCode, **values: Any):
        super().__init__(reason.code, reason.text(**values))
        object.__setattr__(self, "reason", reason)


@dataclass(frozen=True)
class StatusOption:
    """A status, whether the recommendation can change to it, and the conditions that are not met yet."""

    status: Status
    label: str
    allowed: bool
    unmet: list[Refusal]


def status_on(recommendation: Recommendation, day: date) -> Status:
    """Our assessment on a day. An update reported for a past date is validated against this status, not the current one."""
    updates = recommendation.updates.in_effect(UpdateKind.ASSESSMENT, on=day).newest_first()
    return Status(updates.values_list("status", flat=True).first() or Status.NOT_ASSESSED)


def roles(by: User | None) -> frozenset[str]:
    return Reader.of(by).roles if by else frozenset()


def is_own_claim(report: Report | ProgressUpdate, by: User | None) -> bool:
    """Whether the report is a claim by the officer of the claiming party."""
    if report.kind != UpdateKind.CLAIM or Role.OFFICER not in roles(by):
        return False
    office = getattr(by, "office", None)
    return office is not None and report.party in (None, office.party)


def archive_refusals(recommendation: Recommendation) -> Iterator[Refusal]:
    if recommendation.publication == Publication.ARCHIVED:
        yield Refusal(RefusalCode.CLOSED_RECORD)


def needs_second_person(recommendation: Recommendation, report: Report | ProgressUpdate) -> bool:
    """Whether a second person must approve a report that is submitted now. The update stores the answer.

    It is true for an assessment with a terminal status, or of a recommendation with high or critical priority.
    """
    important = report.status in TERMINAL or recommendation.priority in (Priority.HIGH, Priority.CRITICAL)
    return important and report.kind == UpdateKind.ASSESSMENT


def is_involved(update: ProgressUpdate, by: User) -> bool:
    """Whether the user is not a second person: the author, who imported the update, or who lowered the priority since it was submitted."""
    return by.pk in (update.author_id, update.imported_by_id) or lowered_priority_since(update, by)


def lowered_priority_since(update: ProgressUpdate, by: User) -> bool:
    """Whether the user has lowered a high or critical priority of the recommendation since the update was submitted."""
    # A submitted update does not change, so its newest change is the submission. Both changes were recorded while the
    # recommendation was locked, so that the order of their ids is that of the events.
    submission = Change.objects.filter(tbl=ProgressUpdate._meta.db_table, row_id=update.pk).order_by("-id").values("id")[:1]
    changes = Change.objects.filter(
        tbl=Recommendation._meta.db_table, row_id=update.recommendation_id, op="update", id__gt=Subquery(submission), actor__id=by.pk
    )
    priorities = changes.filter(changed__has_key="priority").values_list("before__priority", "changed__priority")
    return any(change in LOWERING_PRIORITY.changes for change in priorities)


def unmet_conditions(recommendation: Recommendation, report: Report, old: Status, *, by: User | None, today: date) -> Iterator[Refusal]:
    """Every condition that a report does not meet. `old` is the status before it. Without `by`, permissions are not checked."""
    own = is_own_claim(report, by)
    if by and not own and not roles(by) & EDITORS:
        yield Refusal(RefusalCode.NOT_PERMITTED_TO_REPORT)
    yield from archive_refusals(recommendation)
    if report.kind != UpdateKind.NOTE and not report.status:
        yield Refusal(RefusalCode.STATUS_REQUIRED)
    if report.kind == UpdateKind.ASSESSMENT and report.status:
        new = Status(report.status)
        backward = new in BACKWARD.get(old, ())
        if new != old and new not in ALLOWED[old] and not backward:
            yield Refusal(RefusalCode.TRANSITION_NOT_ALLOWED, old=old.label, new=new.label)
        if new == Status.SUPERSEDED and not recommendation.superseded_by_id:
            yield Refusal(RefusalCode.SUPERSEDING_RECOMMENDATION_REQUIRED)
        if backward and not report.reason.strip():
            yield Refusal(RefusalCode.REASON_REQUIRED, old=old.label, new=new.label)
        if new in DONE and not report.evidence:
            yield Refusal(RefusalCode.EVIDENCE_REQUIRED, new=new.label)
    if report.kind == UpdateKind.CLAIM:
        if not report.party:
            yield Refusal(RefusalCode.PARTY_REQUIRED)
        if not own and not report.evidence:
            yield Refusal(RefusalCode.EVIDENCE_REQUIRED_OF_CLAIM)
    if report.reported_on and report.reported_on > today:
        yield Refusal(RefusalCode.FUTURE_DATE)
    if not report.narrative.strip():
        yield Refusal(RefusalCode.NARRATIVE_REQUIRED)


def edit_refusals(update: ProgressUpdate, by: User) -> Iterator[Refusal]:
    """The reasons why this user may not change, submit or discard an update."""
    if update.author != by or update.review not in (Review.DRAFT, Review.RETURNED):
        yield from archive_refusals(update.recommendation)
        yield Refusal(RefusalCode.NOT_EDITABLE)


def review_refusals(update: ProgressUpdate, by: User) -> Iterator[Refusal]:
    """The reasons why this user may not approve or return an update. Analysts may approve their own ordinary updates."""
    own_work = Role.ANALYST in roles(by) and update.author == by and not is_own_claim(update, by)
    if not own_work and not roles(by) & REVIEWERS:
        yield Refusal(RefusalCode.NOT_PERMITTED_TO_REVIEW)
    yield from archive_refusals(update.recommendation)
    if update.review == Review.DRAFT:
        yield Refusal(RefusalCode.NOT_SUBMITTED)
    elif update.review != Review.SUBMITTED:
        yield Refusal(RefusalCode.ALREADY_REVIEWED, review=update.get_review_display())
    elif update.needs_second_person and is_involved(update, by):
        yield Refusal(RefusalCode.SECOND_PERSON_REQUIRED)


def raise_refusals(refusals: Iterable[Refusal]) -> None:
    """Raise Refused if there are refusals, with each refusal once, in the order of RefusalCode."""
    if unique := sorted(dict.fromkeys(refusals), key=lambda refusal: refusal.reason.value):
        raise Refused(list(unique))


def transitions(recommendation: Recommendation, *, by: User, today: date) -> list[StatusOption]:
    """All statuses, with the conditions that an empty report does not meet. For a status that is not allowed, only the reasons."""
    old = status_on(recommendation, today)
    options = []
    for status in Status:
        report = Report(status=status, reported_on=today)
        refusals = list(unmet_conditions(recommendation, report, old, by=by, today=today))
        if needs_second_person(recommendation, report):
            refusals.append(Refusal(RefusalCode.SECOND_PERSON_REQUIRED))
        blocking = [refusal for refusal in refusals if refusal.reason.blocks_status]
        options.append(StatusOption(status, str(status.label), not blocking, blocking or refusals))
    return options


Row = TypeVar("Row", Recommendation, ProgressUpdate)


@contextmanager
def locked(row: Row, *, by: User | None, reason: str, version: int | None) -> Iterator[Row]:
    """Lock the recommendation and yield the current state of the row. Recomputes the status at the end.

    `reason` is the change reason. Raises DoesNotExist if the user cannot read the row, and Stale if its version is not `version`.
    """
    with change_context(by, shortened(reason)):  # the update itself stores the full reason
        recommendation_id = row.pk if isinstance(row, Recommendation) else row.recommendation_id
        # Concurrent changes of the same recommendation wait here. The row is read by a later statement, which sees what they did.
        lock_for_change(Recommendation.objects.all()).values_list("pk").get(pk=recommendation_id)
        rows = type(row).objects
        current = (rows.visible_to(by) if by else rows.all()).get(pk=row.pk)
        if version is not None:
            versions.check(current, version)
        yield current
        recompute_locked([recommendation_id])
        if current.pk:
            current.refresh_from_db()


def report_progress(
    recommendation: Recommendation, report: Report, *, by: User | None, today: date, version: int | None = None, submit: bool = True
) -> ProgressUpdate:
    """Create an update. Raises Refused with all unmet conditions, and writes nothing in that case.

    With `submit=False`, it creates a draft, which must meet fewer conditions. Without `by`, as on import, the update has no
    author and waits for a reviewer.
    """
    with locked(recommendation, by=by, reason=report.reason, version=version) as recommendation:
        update = ProgressUpdate(recommendation=recommendation, author=by)
        write_report(update, report, by=by, today=today, submit=submit)
    return update


def revise(update: ProgressUpdate, report: Report, *, by: User, today: date, version: int | None = None) -> ProgressUpdate:
    """Replace the content of a draft or returned update. It is validated as a draft. Evidence that the author may not read is kept."""
    with locked(update, by=by, reason=report.reason, version=version) as update:
        raise_refusals(edit_refusals(update, by))
        report = with_hidden_evidence(update, report, by)
        write_report(update, report, by=by, today=today, submit=False)
    return update


def hidden_sources(report: Report, by: User | None) -> set[int]:
    """The ids of the sources in the evidence that the user may not read now."""
    ids = {row.source.pk for row in report.evidence if row.source}
    return ids - hidden.readable_ids(Source, ids, by) if by else set()


def with_hidden_evidence(update: ProgressUpdate, report: Report, by: User) -> Report:
    """The new content of an update, with the stored evidence whose source its author may not read, in its place."""
    stored = Report.of(update)
    if not (sources := hidden_sources(stored, by)):
        return report
    evidence = [row for row in report.evidence if not row.source or row.source.pk not in sources]
    for place, row in enumerate(stored.evidence):
        if row.source and row.source.pk in sources:
            evidence.insert(place, row)
    return replace(report, evidence=tuple(evidence))


def discard(update: ProgressUpdate, *, by: User, version: int | None = None) -> None:
    """Delete a draft or returned update."""
    with locked(update, by=by, reason="", version=version) as update:
        raise_refusals([*archive_refusals(update.recommendation), *edit_refusals(update, by)])
        update.delete()


def submit(update: ProgressUpdate, *, by: User, today: date, version: int | None = None) -> ProgressUpdate:
    """Submit a draft or a returned update."""
    with locked(update, by=by, reason=update.reason, version=version) as update:
        raise_refusals(edit_refusals(update, by))
        write_report(update, Report.of(update), by=by, today=today, submit=True)
    return update


def approve(update: ProgressUpdate, *, by: User, today: date, note: str = "", version: int | None = None) -> ProgressUpdate:
    """Put an update into effect. An assessment is validated again, because the status before it may have changed meanwhile."""
    with locked(update, by=by, reason=note, version=version) as update:
        recommendation, refusals = update.recommendation, list(review_refusals(update, by))
        if update.kind == UpdateKind.ASSESSMENT and update.review == Review.SUBMITTED:
            old = status_on(recommendation, update.reported_on)
            refusals += unmet_conditions(recommendation, Report.of(update), old, by=None, today=today)
        raise_refusals(refusals)
        set_review(update, Review.APPROVED, by, note)
    return update


def send_back(update: ProgressUpdate, *, by: User, note: str, version: int | None = None) -> ProgressUpdate:
    """Return an update to its author, who may change and submit it again."""
    with locked(update, by=by, reason=note, version=version) as update:
        refusals = list(review_refusals(update, by))
        if not note.strip():
            refusals.append(Refusal(RefusalCode.REASON_REQUIRED_TO_RETURN))
        raise_refusals(refusals)
        set_review(update, Review.RETURNED, by, note)
    return update


def void(update: ProgressUpdate, *, by: User, reason: str, version: int | None = None) -> ProgressUpdate:
    """Cancel an approved update. It stays readable, with the reason, and has no further effect."""
    with locked(update, by=by, reason=reason, version=version) as update:
        refusals = list(archive_refusals(update.recommendation))
        if not roles(by) & REVIEWERS:
            refusals.append(Refusal(RefusalCode.NOT_PERMITTED_TO_VOID))
        if not reason.strip():
            refusals.append(Refusal(RefusalCode.REASON_REQUIRED_TO_VOID))
        if update.review != Review.APPROVED:
            refusals.append(Refusal(RefusalCode.NOT_APPROVED))
        if update.voided_at:
            refusals.append(Refusal(RefusalCode.ALREADY_VOIDED))
        raise_refusals(refusals)
        update.voided_at, update.voided_by, update.void_reason = timezone.now(), by, reason
        update.save()
    return update


def set_review(update: ProgressUpdate, review: Review, by: User, note: str) -> None:
    update.review, update.reviewed_by, update.reviewed_at, update.review_note = review, by, timezone.now(), note
    update.save()


def write_report(update: ProgressUpdate, report: Report, *, by: User | None, today: date, submit: bool) -> None:
    """Store a report in an update. An ordinary one is approved at once if an analyst or reviewer submits it. Raises as `check_report`."""
    report, is_new = replace(report, reported_on=report.reported_on or today), update.pk is None
    check_report(update, report, status_on(update.recommendation, report.reported_on or today), by=by, today=today, submit=submit)
    update.needs_second_person = submit and needs_second_person(update.recommendation, report)
    if submit and by and roles(by) & EDITORS and not is_own_claim(report, by) and not update.needs_second_person:
        set_review(update, Review.APPROVED, by, note="")
    else:
        update.review = Review.SUBMITTED if submit else update.review
        update.save()
    if report.evidence or not is_new:
        replace_evidence(update, report.evidence, by)


def check_report(update: ProgressUpdate, report: Report, old: Status, *, by: User | None, today: date, submit: bool) -> None:
    """Set the content of an update without saving it; `old` is the status before it. Raises Refused and ValidationError (by field)."""
    for name in REPORT_FIELDS:
        setattr(update, name, getattr(report, name))
    update.clean_fields(exclude={field.name for field in update._meta.fields if field.is_relation})
    if update.progress_percent is not None and not percent_agrees(update.status, update.progress_percent):
        raise ValidationError({"progress_percent": PERCENT_AGREES_WITH_STATUS.violation_error_message})
    if report.kind == UpdateKind.NOTE and report.status:
        raise ValidationError({"status": NOTE_HAS_NO_STATUS})
    corrected = report.corrects
    if corrected and (corrected.recommendation_id != update.recommendation_id or not corrected.voided_at):
        raise ValidationError({"corrects": CORRECTS_ONLY_VOIDED})
    refusals = unmet_conditions(update.recommendation, report, old, by=by, today=today)
    raise_refusals(refusal for refusal in refusals if submit or refusal.reason.required_of_draft)


@lru_cache(len(Status) * 101)
def percent_agrees(status: str, percent: int) -> bool:
    """Whether the constraint accepts the percentage. PostgreSQL evaluates it, once for each pair of values."""
    try:
        PERCENT_AGREES_WITH_STATUS.validate(ProgressUpdate, ProgressUpdate(status=status, progress_percent=percent))
    except ValidationError:
        return False
    return True


def replace_evidence(update: ProgressUpdate, rows: tuple[EvidenceRow, ...], by: User | None) -> None:
    """Replace the evidence of an update. Writes nothing if it would not change."""
    if rows == Report.of(update).evidence:
        return
    update.evidence.all().delete()
    try:
        for row in rows:
            values = {name: getattr(row, name) for name in EVIDENCE_FIELDS} | {"source": row.source or find_or_create_source(row, by)}
            evidence = Evidence(update=update, **values)
            evidence.clean_fields(exclude={"update", "source"})
            evidence.save()
    except ValidationError as error:
        raise ValidationError({"evidence": error.messages}) from error


def find_or_create_source(row: EvidenceRow, by: User | None) -> Source:
    """The source with this URL, if the user can read one, otherwise a new draft source. Raises ValidationError."""
    if not row.url:
        raise ValidationError(_("Select a source or enter its URL."))
    with connection.cursor() as cursor:
        # Serialize, so that two concurrent reports with the same new URL create one source.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('source_at'))")
    sources = Source.objects.visible_to(by) if by else Source.objects.all()
    if existing := sources.filter(original_url=row.url).order_by("-publication", "pk").first():  # published before draft
        return existing
    source = Source(kind=SourceKind.OTHER, title=row.title, original_url=row.url)
    source.clean_fields(exclude={"slug"})
    address = urlsplit(row.url)
    words = re.sub(r"[^a-z0-9]+", "-", f"{address.hostname}{address.path}".lower()).strip("-")[:100]
    # The random part is not only for addresses with the same words, or none in ASCII: a number would tell that another source,
    # which the user may not read, has this address.
    source.slug = f"{words or SourceKind.OTHER}-{token_hex(4)}"
    source.save()
    return source
