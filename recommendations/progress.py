"""Progress of a recommendation: allowed status changes, their conditions, and the review of updates (docs/api.md, "Progress").

These functions are the only way to change a status. Admin, API, import and commands call them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from datetime import date
from functools import cache
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db.models import DateField, Subquery
from django.utils import timezone

from agreements.models import Party, Source
from agreements.models.sources import Confidence, Stance
from policytracker.accounts.models import User
from policytracker.records import versions
from policytracker.records.access import EDITORS, FULL_ACCESS, REVIEWERS, Publication, Reader, Role
from policytracker.records.changes import Change
from policytracker.records.context import change_context, shortened
from policytracker.records.exceptions import Refused
from policytracker.records.models import Record, get_record
from policytracker.representation import hidden
from policytracker.sql.parameters import Parameter, Statement
from recommendations.derived_status import recompute_locked
from recommendations.evidence_sources import find_or_create_source
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
from recommendations.refusals import Refusal, errors_of_refusals, in_order, invalid_values, raise_refusals

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


@dataclass(frozen=True)
class StatusOption:
    """A status, whether the recommendation can change to it, and the conditions that are not met yet."""

    status: Status
    label: str
    allowed: bool
    unmet: list[Refusal]


def status_on(recommendation: Recommendation, day: date) -> Status:
    """Our assessment on a day. An update reported for a past date is validated against this status, not the current one."""
    row = statement_of_status().row({"recommendation": recommendation.pk, "on": day})
    return Status(row[0]) if row else Status.NOT_ASSESSED


@cache
def statement_of_status() -> Statement:
    updates = ProgressUpdate.objects.in_effect(UpdateKind.ASSESSMENT, on=Parameter("on", DateField()))
    updates = updates.filter(recommendation=Parameter("recommendation")).newest_first()
    return Statement.of(updates.values_list("status")[:1])


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
    if update.author_id != by.pk or update.review not in (Review.DRAFT, Review.RETURNED):
        yield from archive_refusals(update.recommendation)
        yield Refusal(RefusalCode.NOT_EDITABLE)


def review_refusals(update: ProgressUpdate, by: User) -> Iterator[Refusal]:
    """The reasons why this user may not approve or return an update. Analysts may approve their own ordinary updates."""
    own_work = Role.ANALYST in roles(by) and update.author_id == by.pk and not is_own_claim(update, by)
    if not own_work and not roles(by) & REVIEWERS:
        yield Refusal(RefusalCode.NOT_PERMITTED_TO_REVIEW)
    yield from archive_refusals(update.recommendation)
    if update.review == Review.DRAFT:
        yield Refusal(RefusalCode.NOT_SUBMITTED)
    elif update.review != Review.SUBMITTED:
        yield Refusal(RefusalCode.ALREADY_REVIEWED, review=update.get_review_display())
    elif update.needs_second_person and is_involved(update, by):
        yield Refusal(RefusalCode.SECOND_PERSON_REQUIRED)


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


def key(row: Record | str | UUID) -> Any:
    """The natural key of a record that is given as itself or by its key."""
    return row.natural_key()[0] if isinstance(row, Record) else row


@contextmanager
def locked_recommendation(
    recommendation: Recommendation | str, *, by: User | None, reason: str, version: versions.Seen
) -> Iterator[Recommendation]:
    """Lock the recommendation and yield its current state, in a change context with this reason.

    Raises DoesNotExist if the user cannot read it, and Stale if it has another version. Concurrent changes of it and its updates wait.
    """
    with change_context(by, shortened(reason)):  # the update itself stores the full reason
        current = get_record(Recommendation, "slug", key(recommendation), by or FULL_ACCESS, lock=True)
        versions.check(current, version)
        yield current


@contextmanager
def locked_update(
    update: ProgressUpdate | UUID, *, by: User | None, version: versions.Seen, reason: str | None = None
) -> Iterator[ProgressUpdate]:
    """The same for an update: lock its recommendation and yield the current state of the update. Without `reason`, that of the update.

    Recomputes the status at the end, if the update is in effect then or was before.
    """
    with change_context(by):
        try:
            recommendation = get_record(Recommendation, "updates__uid", key(update), FULL_ACCESS, lock=True)
        except Recommendation.DoesNotExist as error:
            raise ProgressUpdate.DoesNotExist from error
        current = get_record(ProgressUpdate, "uid", key(update), by or FULL_ACCESS)
        current.recommendation = recommendation
        versions.check(current, version)
        with change_context(reason=shortened(current.reason if reason is None else reason)):
            yield current
            take_effect(current)


def take_effect(update: ProgressUpdate) -> None:
    """Recompute the status of the recommendation after a write of an update. Only approved updates determine it, or did until voided."""
    if update.review == Review.APPROVED:
        recompute_locked([update.recommendation_id])
    # Django reads again what triggers and the recomputation have written, but only if somebody asks for it.
    del update.version, update.updated_at
    update._meta.get_field("recommendation").delete_cached_value(update)


def report_progress(
    recommendation: Recommendation | str,
    report: Report,
    *,
    by: User | None,
    today: date,
    version: versions.Seen = None,
    submit: bool = True,
) -> ProgressUpdate:
    """Create an update of a recommendation, which is given as itself or by its slug.

    Raises Refused with all unmet conditions, and writes nothing in that case. With `submit=False`, it creates a draft, which must meet
    fewer conditions. Without `by`, as on import, the update has no author and waits for a reviewer.
    """
    with locked_recommendation(recommendation, by=by, reason=report.reason, version=version) as current:
        update = ProgressUpdate(recommendation=current, author=by)
        write_report(update, report, by=by, today=today, submit=submit)
        add_evidence(update, report.evidence, by)
        take_effect(update)
    return update


def revise(
    update: ProgressUpdate | UUID,
    report: Report | Callable[[Report], Report],
    *,
    by: User,
    today: date,
    version: versions.Seen = None,
) -> ProgressUpdate:
    """Replace the content of a draft or returned update; `report` may be a function of the stored content. It is validated as a draft.

    Evidence that the author may not read is kept.
    """
    with locked_update(update, by=by, version=version, reason="") as current:
        raise_refusals(edit_refusals(current, by))
        stored = Report.of(current)
        report = with_hidden_evidence(stored, report(stored) if callable(report) else report, by)
        with change_context(reason=shortened(report.reason)):
            write_report(current, report, by=by, today=today, submit=False)
            if report.evidence != stored.evidence:
                current.evidence.all().delete()
                add_evidence(current, report.evidence, by)
    return current


def hidden_sources(report: Report, by: User | None) -> set[int]:
    """The ids of the sources in the evidence that the user may not read now."""
    ids = {row.source.pk for row in report.evidence if row.source}
    return ids - hidden.readable_ids(Source, ids, by) if by else set()


def with_hidden_evidence(stored: Report, report: Report, by: User) -> Report:
    """The new content of an update, with the stored evidence whose source its author may not read, in its place."""
    if not (sources := hidden_sources(stored, by)):
        return report
    evidence = [row for row in report.evidence if not row.source or row.source.pk not in sources]
    for place, row in enumerate(stored.evidence):
        if row.source and row.source.pk in sources:
            evidence.insert(place, row)
    return replace(report, evidence=tuple(evidence))


def discard(update: ProgressUpdate | UUID, *, by: User, version: versions.Seen = None) -> None:
    """Delete a draft or returned update."""
    with locked_update(update, by=by, version=version, reason="") as current:
        raise_refusals([*archive_refusals(current.recommendation), *edit_refusals(current, by)])
        current.delete()


def submit(update: ProgressUpdate | UUID, *, by: User, today: date, version: versions.Seen = None) -> ProgressUpdate:
    """Submit a draft or a returned update."""
    with locked_update(update, by=by, version=version) as current:
        raise_refusals(edit_refusals(current, by))
        write_report(current, Report.of(current), by=by, today=today, submit=True)
    return current


def approve(update: ProgressUpdate | UUID, *, by: User, today: date, note: str = "", version: versions.Seen = None) -> ProgressUpdate:
    """Put an update into effect. An assessment is validated again, because the status before it may have changed meanwhile."""
    with locked_update(update, by=by, version=version, reason=note) as current:
        refusals = list(review_refusals(current, by))
        if current.kind == UpdateKind.ASSESSMENT and current.review == Review.SUBMITTED:
            old = status_on(current.recommendation, current.reported_on)
            refusals += unmet_conditions(current.recommendation, Report.of(current), old, by=None, today=today)
        raise_refusals(refusals)
        set_review(current, Review.APPROVED, by, note)
    return current


def send_back(update: ProgressUpdate | UUID, *, by: User, note: str, version: versions.Seen = None) -> ProgressUpdate:
    """Return an update to its author, who may change and submit it again."""
    with locked_update(update, by=by, version=version, reason=note) as current:
        refusals = list(review_refusals(current, by))
        if not note.strip():
            refusals.append(Refusal(RefusalCode.REASON_REQUIRED_TO_RETURN))
        raise_refusals(refusals)
        set_review(current, Review.RETURNED, by, note)
    return current


def void(update: ProgressUpdate | UUID, *, by: User, reason: str, version: versions.Seen = None) -> ProgressUpdate:
    """Cancel an approved update. It stays readable, with the reason, and has no further effect."""
    with locked_update(update, by=by, version=version, reason=reason) as current:
        refusals = list(archive_refusals(current.recommendation))
        if not roles(by) & REVIEWERS:
            refusals.append(Refusal(RefusalCode.NOT_PERMITTED_TO_VOID))
        if not reason.strip():
            refusals.append(Refusal(RefusalCode.REASON_REQUIRED_TO_VOID))
        if current.review != Review.APPROVED:
            refusals.append(Refusal(RefusalCode.NOT_APPROVED))
        if current.voided_at:
            refusals.append(Refusal(RefusalCode.ALREADY_VOIDED))
        raise_refusals(refusals)
        current.voided_at, current.voided_by, current.void_reason = timezone.now(), by, reason
        current.save()
    return current


def set_review(update: ProgressUpdate, review: Review, by: User, note: str) -> None:
    update.review, update.reviewed_by, update.reviewed_at, update.review_note = review, by, timezone.now(), note
    update.save()


def write_report(update: ProgressUpdate, report: Report, *, by: User | None, today: date, submit: bool) -> None:
    """Store a report without its evidence. An ordinary one is approved at once if an analyst or reviewer submits it.

    Raises as `check_report`.
    """
    report = replace(report, reported_on=report.reported_on or today)
    check_report(update, report, status_on(update.recommendation, report.reported_on or today), by=by, today=today, submit=submit)
    update.needs_second_person = submit and needs_second_person(update.recommendation, report)
    if submit and by and roles(by) & EDITORS and not is_own_claim(report, by) and not update.needs_second_person:
        set_review(update, Review.APPROVED, by, note="")
    else:
        update.review = Review.SUBMITTED if submit else update.review
        update.save()


def check_report(update: ProgressUpdate, report: Report, old: Status, *, by: User | None, today: date, submit: bool) -> None:
    """Set the content of an update without saving it; `old` is the status before it.

    Raises Refused with all unmet conditions. If a value is invalid, raises ValidationError, by field, with them and all invalid values.
    """
    for name in REPORT_FIELDS:
        setattr(update, name, getattr(report, name))
    errors = invalid_values(update)
    report = replace(report, **{name: getattr(Report, name) for name in REPORT_FIELDS if name in errors})
    conditions = unmet_conditions(update.recommendation, report, old, by=by, today=today)
    refusals = [refusal for refusal in conditions if submit or refusal.reason.required_of_draft]
    if not errors:
        raise_refusals(refusals)
        return
    raise ValidationError(errors | errors_of_refusals(in_order(refusals), errors))


def errors_beside(
    names: Collection[str], recommendation: Recommendation, report: Report, *, by: User, today: date, submit: bool
) -> dict[str, list[ValidationError]]:
    """What else is wrong with a report whose fields `names` have values that could not be read: invalid values and unmet conditions."""
    update, report = ProgressUpdate(recommendation=recommendation), replace(report, reported_on=report.reported_on or today)
    old = status_on(recommendation, report.reported_on or today)
    try:
        check_report(update, report, old, by=by, today=today, submit=submit)
    except Refused as refused:
        return errors_of_refusals(refused.refusals, names)
    except ValidationError as error:
        return {name: errors for name, errors in error.error_dict.items() if name not in names}
    return {}


def add_evidence(update: ProgressUpdate, rows: Iterable[EvidenceRow], by: User | None) -> None:
    """Add evidence to an update. Raises ValidationError."""
    try:
        for row in rows:
            values = {name: getattr(row, name) for name in EVIDENCE_FIELDS} | {
                "source": row.source or find_or_create_source(row.url, row.title, by)
            }
            evidence = Evidence(update=update, **values)
            evidence.clean_fields(exclude={"update", "source"})
            evidence.save()
    except ValidationError as error:
        raise ValidationError({"evidence": error.messages}) from error
