"""Data checks of recommendations: each rule with records that it reports and similar records that it must not report."""

from datetime import UTC, date, datetime

import pytest
from django.db import connection

from policytracker.records.context import change_context
from recommendations.derived_status import recompute_status
from recommendations.models import Addressee, Evidence, Milestone, ProgressUpdate, Recommendation
from tests.findings import TODAY, sentence, violations
from tests.make import make_agreement, make_party, make_recommendation, make_source

pytestmark = pytest.mark.django_db


def update(recommendation, status="in_progress", on="2026-01-01", evidence=(), **fields):
    """Create an approved update and recompute the status."""
    fields = {"review": "approved", "reviewed_at": datetime(2026, 1, 1, tzinfo=UTC), "narrative": "Seen."} | fields
    created = ProgressUpdate.objects.create(recommendation=recommendation, status=status, reported_on=on, **fields)
    for source, values in evidence:
        Evidence.objects.create(update=created, source=source, **values)
    recompute_status(Recommendation.objects.filter(pk=recommendation.pk))
    recommendation.refresh_from_db()
    return created


def test_a_recommendation_that_is_overdue_and_not_assessed_is_reported():
    late = make_recommendation(due_on="2025")
    make_recommendation(due_on="2026")
    update(make_recommendation(due_on="2025"))

    assert violations("overdue_not_assessed") == {late}
    assert "2025" in sentence("overdue_not_assessed")


def test_a_recommendation_without_a_source_is_reported():
    make_recommendation(source=make_source())
    without_source = make_recommendation()

    assert violations("no_source") == {without_source}


def test_a_published_recommendation_with_a_draft_source_is_reported():
    draft = make_source(publication="draft")
    public = make_recommendation(source=draft)
    make_recommendation(source=draft, publication="draft")
    addressee = Addressee.objects.create(recommendation=public, party=make_party(), source=draft)

    assert violations("draft_parts_of_published") == {public, addressee}


def test_a_superseded_recommendation_without_a_successor_is_reported():
    with_successor, without_successor = make_recommendation(superseded_by=make_recommendation()), make_recommendation()
    for recommendation in (with_successor, without_successor):
        update(recommendation, "superseded")

    assert violations("superseded_without_successor") == {without_successor}


def test_a_quote_that_is_not_in_its_source_is_reported_for_recommendations_responses_and_evidence():
    source = make_source(notes="The full text of a report, as it was printed. " * 10)
    correct, wrong = {"source": source, "quote": "as it was printed"}, {"source": source, "quote": "as it was spoken"}
    make_recommendation(**correct)
    recommendation = make_recommendation(**wrong)
    addressee = Addressee.objects.create(recommendation=recommendation, party=make_party(), **wrong)
    update(recommendation, evidence=[(source, {"quote": correct["quote"]})])
    misquoting = update(recommendation, evidence=[(source, {"quote": correct["quote"]}), (source, {"quote": wrong["quote"]})])

    assert violations("quote_not_in_source") == {recommendation, addressee, misquoting}


def test_a_stored_status_that_differs_from_the_updates_is_reported():
    correct, wrong, unassessed = make_recommendation(), make_recommendation(), make_recommendation()
    update(correct)
    update(wrong)
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('policytracker.recomputing_status', 'on', true)")
        cursor.execute("UPDATE recommendations_recommendation SET status = 'implemented' WHERE id = %s", [wrong.pk])
        cursor.execute("SELECT set_config('policytracker.recomputing_status', '', true)")

    assert violations("status_disagrees") == {wrong}
    assert unassessed not in violations("status_disagrees")


def test_an_implemented_recommendation_without_supporting_evidence_is_reported():
    source = make_source()
    supported, unsupported, contradicted, repeated, in_progress = (make_recommendation() for _ in range(5))
    update(supported, "implemented", evidence=[(source, {})])
    update(unsupported, "addressed_otherwise")
    update(contradicted, "implemented", evidence=[(source, {"stance": "contradicts"})])
    update(repeated, "implemented", "2025-12-01", evidence=[(source, {})])
    update(repeated, "implemented")
    update(in_progress)

    assert violations("implemented_without_evidence") == {unsupported, contradicted}


def test_a_claim_that_differs_from_our_assessment_is_reported():
    differing, agreeing, without_claim = (make_recommendation() for _ in range(3))
    for recommendation in (differing, agreeing, without_claim):
        update(recommendation, "in_progress")
    update(differing, "implemented", kind="claim", party=make_party(name="Australia"))
    update(agreeing, "in_progress", kind="claim", party=make_party())

    assert violations("claim_differs") == {differing}
    assert all(part in sentence("claim_differs") for part in ("In progress", "Australia", "Implemented", "2026-01-01"))


def test_an_approved_assessment_that_lacked_a_second_person_is_reported(analyst, reviewer):
    def approved(**fields):
        with change_context(channel="data set"):  # otherwise the database refuses them
            return update(make_recommendation(), **{"needs_second_person": True, "reviewed_by": reviewer} | fields)

    own, imported = approved(author=reviewer), approved(imported_by=reviewer)
    approved(author=analyst, imported_by=None), approved(), approved(author=reviewer, needs_second_person=False)
    approved(author=reviewer, voided_at=datetime(2026, 1, 2, tzinfo=UTC), void_reason="By one person.")

    assert violations("approved_without_second_person") == {own, imported}


def test_a_recommendation_with_an_old_assessment_is_stale():
    default, weekly, fresh, closed = (
        make_recommendation(),
        make_recommendation(update_every=7),
        make_recommendation(),
        make_recommendation(),
    )
    update(default, on="2025-10-16")
    update(weekly, on="2026-01-07")
    update(fresh, on="2025-10-17")
    update(closed, "withdrawn", on="2025-01-01")
    make_recommendation()

    assert violations("stale") == {default, weekly}
    assert violations("stale", on=date(2026, 1, 14)) == set()


def test_an_overdue_milestone_is_reported_while_its_recommendation_is_open():
    open_one, closed = make_recommendation(), make_recommendation()
    update(closed, "withdrawn")
    late = Milestone.objects.create(recommendation=open_one, title="Keel", due_on="2025-12")
    Milestone.objects.create(recommendation=open_one, title="Hull", due_on="2026-01")
    Milestone.objects.create(recommendation=open_one, title="Mast", due_on="2025", completed_on="2026")
    Milestone.objects.create(recommendation=closed, title="Sail", due_on="2025")

    assert violations("milestone_overdue") == {late}


def test_an_open_recommendation_without_addressee_owner_or_agreement_is_reported(analyst):
    agreement = make_agreement()
    incomplete, closed = make_recommendation(), make_recommendation(agreement)
    update(closed, "withdrawn")
    complete = make_recommendation(agreement, owner=analyst)
    Addressee.objects.create(recommendation=complete, party=make_party())

    assert violations("recommendation_without_addressee") == {incomplete}
    assert violations("recommendation_without_owner") == {incomplete}
    assert violations("recommendation_without_agreement") == {incomplete}


def test_an_archived_recommendation_is_not_reported():
    archived = make_recommendation()
    with change_context(reason="test"):
        Recommendation.objects.filter(pk=archived.pk).update(publication="archived")

    assert violations("recommendation_without_owner", on=TODAY) == set()
