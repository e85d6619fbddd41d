"""Assessments created in bulk have the outcome of single reports: the same statuses, and the same refusals."""

from datetime import date
from itertools import count, product

import pytest

from policytracker.records.changes import Change
from policytracker.records.exceptions import Refused
from recommendations import progress
from recommendations.bulk_progress import BulkProgress, Submission
from recommendations.models import ProgressUpdate, Recommendation, Status
from recommendations.progress import EvidenceRow, Report
from tests.make import make_source

TODAY = date(2026, 6, 30)
numbers = count(1)
FIRST, SECOND = date(2026, 1, 1), date(2026, 2, 1)


def report(status: str, day: date, **fields) -> Report:
    return Report(**{"status": status, "reported_on": day, "narrative": "Read in the register."} | fields)


def recommendation() -> Recommendation:
    return Recommendation.objects.create(slug=f"rec-{next(numbers)}", key_action="Act")


def singly(reports: list[Report], reviewer) -> tuple[str, list[str]]:
    """The status after the reviewer submitted the reports one by one, and the codes of the first refusal."""
    one = recommendation()
    for each in reports:
        try:
            progress.report_progress(one, each, by=reviewer, today=TODAY)
        except Refused as refused:
            return "", [refusal.code for refusal in refused.refusals]
    one.refresh_from_db()
    return one.status, []


def in_bulk(reports: list[Report], reviewer) -> tuple[str, list[str]]:
    many = recommendation()
    submissions = [Submission(many.pk, each) for each in reports]
    BulkProgress(by=reviewer, today=TODAY).submit_all(submissions)
    refused = next((submission.error for submission in submissions if submission.error), None)
    if refused:
        return "", [refusal.code for refusal in refused.refusals]
    many.refresh_from_db()
    return many.status, []


@pytest.mark.parametrize("first", Status)
def test_a_bulk_has_the_outcome_of_single_reports(first, reviewer):
    evidence = (EvidenceRow(source=make_source()),)
    for second, proven, reason in product(Status, [True, False], ["It was reversed.", ""]):
        reports = [report(first, FIRST, evidence=evidence), report(second, SECOND, evidence=evidence if proven else (), reason=reason)]

        outcomes = [way(reports, reviewer) for way in (singly, in_bulk)]

        assert outcomes[0] == outcomes[1], (first, second, proven, reason)


def test_reports_are_compared_in_the_order_of_their_dates(reviewer):
    one = recommendation()
    source = EvidenceRow(source=make_source())
    submissions = [
        Submission(one.pk, report("largely_implemented", SECOND, evidence=(source,))),
        Submission(one.pk, report("in_progress", FIRST)),
    ]

    BulkProgress(by=reviewer, today=TODAY).submit_all(submissions)

    one.refresh_from_db()
    assert [submission.error for submission in submissions] == [None, None]
    assert (one.status, one.status_since) == ("largely_implemented", SECOND)


def test_without_a_reviewer_the_updates_wait(analyst):
    one = recommendation()

    BulkProgress(by=analyst, today=TODAY).submit_all([Submission(one.pk, report("in_progress", FIRST))])

    one.refresh_from_db()
    assert (one.status, ProgressUpdate.objects.get().review) == ("not_assessed", "submitted")


def test_each_update_has_its_reason_in_the_history(reviewer):
    one, two = recommendation(), recommendation()

    BulkProgress(by=reviewer, today=TODAY).submit_all(
        [Submission(one.pk, report("in_progress", FIRST, reason="A")), Submission(two.pk, report("in_progress", FIRST, reason="B"))]
    )

    changes = Change.objects.filter(tbl="recommendations_recommendation", op="update", row_id__in=[one.pk, two.pk]).order_by("row_id")
    assert [change.actor["reason"] for change in changes] == ["A", "B"]


def test_the_number_of_queries_does_not_depend_on_the_number_of_assessments(reviewer, django_assert_max_num_queries):
    source = EvidenceRow(source=make_source())
    submissions = [Submission(recommendation().pk, report("implemented", FIRST, evidence=(source,))) for _ in range(50)]

    with django_assert_max_num_queries(45):
        BulkProgress(by=reviewer, today=TODAY).submit_all(submissions)

    assert not any(submission.error for submission in submissions)
