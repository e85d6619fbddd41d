"""Assessments of many recommendations at once, as an import brings them: validated like single reports, and written together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.utils import timezone

from agreements.models import Source
from policytracker.accounts.models import User
from policytracker.records.context import change_context, shortened
from policytracker.records.exceptions import Refused
from policytracker.records.models import lock_for_change
from policytracker.writing import writer
from recommendations import progress
from recommendations.derived_status import recompute_status
from recommendations.evidence_sources import find_or_create_source
from recommendations.models import Evidence, ProgressUpdate, Recommendation, Review, Status, UpdateKind
from recommendations.progress import EvidenceRow, Report

Newest = tuple[date, datetime, UUID]


@dataclass
class Submission:
    """One assessment to create. `submit_all` sets either `update` or `error`."""

    recommendation_id: int
    report: Report
    update: ProgressUpdate | None = None
    error: Exception | None = None


class BulkProgress:
    """Creates assessments without an author, imported by `by`. A reviewer approves those that need no second person; others wait.

    The conditions are those of `progress.report_progress` and `progress.approve`, which this replaces where one call for each
    recommendation would take too long. The caller decides whether one refused assessment refuses all.
    """

    def __init__(self, *, by: User | None, today: date):
        self.by, self.today = by, today
        self.approves = bool(progress.roles(by) & progress.REVIEWERS)
        self.sources: dict[str, Source] = {}  # by URL

    def submit_all(self, submissions: Sequence[Submission]) -> None:
        """Validate and write the submissions, in the order of their report dates."""
        ids = {submission.recommendation_id for submission in submissions}
        locked = lock_for_change(Recommendation.objects.filter(pk__in=ids).order_by("pk")).in_bulk()
        statuses = self.statuses(ids)
        by_reason: dict[str, list[Submission]] = defaultdict(list)
        for submission in sorted(submissions, key=lambda submission: submission.report.reported_on or self.today):
            self.check(submission, locked[submission.recommendation_id], statuses[submission.recommendation_id])
            if submission.update:
                by_reason[shortened(submission.report.reason)].append(submission)
        newest = {submission.recommendation_id: reason for reason, group in by_reason.items() for submission in group}
        for reason, group in by_reason.items():
            with change_context(None, reason):
                self.write(group)
        for reason in by_reason:
            with change_context(None, reason):
                recompute_status(Recommendation.objects.filter(pk__in=[pk for pk, last in newest.items() if last == reason]))

    def statuses(self, ids: Iterable[int]) -> dict[int, dict[Newest, str]]:
        """The assessments in effect of these recommendations: the status by what decides which assessment is the newest."""
        statuses: dict[int, dict[Newest, str]] = defaultdict(dict)
        rows = ProgressUpdate.objects.in_effect(UpdateKind.ASSESSMENT).filter(recommendation__in=ids)
        for pk, *newest, status in rows.values_list("recommendation", "reported_on", "reviewed_at", "uid", "status"):
            statuses[pk][tuple(newest)] = status
        return statuses

    def check(self, submission: Submission, recommendation: Recommendation, statuses: dict[Newest, str]) -> None:
        """Validate a submission against the assessments before it, and remember it if it takes effect."""
        day = submission.report.reported_on or self.today
        report = replace(submission.report, reported_on=day)
        update = ProgressUpdate(recommendation=recommendation, imported_by=self.by)
        newest = max((key for key in statuses if key[0] <= day), default=None)
        old = Status(statuses[newest]) if newest else Status.NOT_ASSESSED
        try:
            progress.check_report(update, report, old, by=None, today=self.today, submit=True)
        except (Refused, ValidationError) as error:
            submission.error = error
            return
        update.review = Review.SUBMITTED
        update.needs_second_person = progress.needs_second_person(recommendation, report)
        if self.approves and not update.needs_second_person:
            now = timezone.now()
            update.review, update.reviewed_by, update.reviewed_at = Review.APPROVED, self.by, now
            statuses[day, now, update.uid] = update.status
        submission.update = update

    def write(self, submissions: Sequence[Submission]) -> None:
        """Write valid submissions with their evidence."""
        updates = [(submission, submission.update, writer.Row(submission.update)) for submission in submissions if submission.update]
        writer.write([row for _, _, row in updates], error_of=lambda record: None)
        evidence = []
        for submission, update, row in updates:
            submission.error = row.error
            if not row.error:
                evidence += [(submission, writer.Row(self.evidence(update, each))) for each in submission.report.evidence]
        writer.write([row for _, row in evidence], error_of=lambda record: None)
        for submission, row in evidence:
            submission.error = submission.error or row.error

    def evidence(self, update: ProgressUpdate, row: EvidenceRow) -> Evidence:
        values: dict[str, Any] = {name: getattr(row, name) for name in progress.EVIDENCE_FIELDS}
        return Evidence(update=update, **values | {"source": row.source or self.source(row)})

    def source(self, row: EvidenceRow) -> Source:
        if row.url not in self.sources:
            self.sources[row.url] = find_or_create_source(row.url, row.title, self.by)
        return self.sources[row.url]
