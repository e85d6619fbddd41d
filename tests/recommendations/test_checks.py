"""Each rule about recommendations: what it finds, and what it leaves alone although it looks alike."""

from datetime import UTC, date, datetime

import pytest
from django.db import connection

from policytracker.records.context import change_context
from recommendations.derived_status import recompute_status
from recommendations.models import Addressee, Evidence, Milestone, ProgressUpdate, Recommendation
from tests.look import TODAY, found, sentence
from tests.make import make_agreement, make_party, make_recommendation, make_source

pytestmark = pytest.mark.django_db


def update(recommendation, status="in_progress", on="2026-01-01", evidence=(), **fields):
    """An update that was approved, and what follows from it."""
    fields = {"review": "approved", "reviewed_at": datetime(2026, 1, 1, tzinfo=UTC), "narrative": "Seen."} | fields
    made = ProgressUpdate.objects.create(recommendation=recommendation, status=status, reported_on=on, **fields)
    for source, said in evidence:
        Evidence.objects.create(update=made, source=source, **said)
    recompute_status(Recommendation.objects.filter(pk=recommendation.pk))
    recommendation.refresh_from_db()
    return made


def test_overdue_and_never_assessed():
    late = make_recommendation(due_on="2025")
    make_recommendation(due_on="2026")
    update(make_recommendation(due_on="2025"))

    assert found("overdue_not_assessed") == {late}
    assert "2025" in sentence("overdue_not_assessed")


def test_a_recommendation_is_made_somewhere():
    make_recommendation(source=make_source())
    nowhere = make_recommendation()

    assert found("no_source") == {nowhere}


def test_a_published_recommendation_rests_on_a_published_source():
    draft = make_source(publication="draft")
    public = make_recommendation(source=draft)
    make_recommendation(source=draft, publication="draft")
    answered = Addressee.objects.create(recommendation=public, party=make_party(), source=draft)

    assert found("draft_parts_of_published") == {public, answered}


def test_what_is_superseded_names_what_took_its_place():
    named, unnamed = make_recommendation(superseded_by=make_recommendation()), make_recommendation()
    for recommendation in (named, unnamed):
        update(recommendation, "superseded")

    assert found("superseded_without_successor") == {unnamed}


def test_quotes_stand_in_their_source_in_recommendations_responses_and_evidence():
    source = make_source(notes="The whole text of a report, as it was printed. " * 10)
    words, invented = {"source": source, "quote": "as it was printed"}, {"source": source, "quote": "as it was dreamt"}
    make_recommendation(**words)
    made = make_recommendation(**invented)
    answered = Addressee.objects.create(recommendation=made, party=make_party(), **invented)
    update(made, evidence=[(source, {"quote": words["quote"]})])
    found_wrong = update(made, evidence=[(source, {"quote": words["quote"]}), (source, {"quote": invented["quote"]})])

    assert found("quote_not_in_source") == {made, answered, found_wrong}


def test_the_status_is_that_of_the_updates():
    right, wrong, unassessed = make_recommendation(), make_recommendation(), make_recommendation()
    update(right)
    update(wrong)
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('policytracker.recomputing_status', 'on', true)")
        cursor.execute("UPDATE recommendations_recommendation SET status = 'implemented' WHERE id = %s", [wrong.pk])
        cursor.execute("SELECT set_config('policytracker.recomputing_status', '', true)")

    assert found("status_disagrees") == {wrong}
    assert unassessed not in found("status_disagrees")


def test_what_is_implemented_is_borne_out():
    source = make_source()
    proven, unproven, refuted, repeated, going_on = (make_recommendation() for _ in range(5))
    update(proven, "implemented", evidence=[(source, {})])
    update(unproven, "addressed_otherwise")
    update(refuted, "implemented", evidence=[(source, {"stance": "contradicts"})])
    update(repeated, "implemented", "2025-12-01", evidence=[(source, {})])
    update(repeated, "implemented")
    update(going_on)

    assert found("implemented_without_evidence") == {unproven, refuted}


def test_a_claim_that_is_not_what_we_find():
    differing, agreeing, silent = (make_recommendation() for _ in range(3))
    for recommendation in (differing, agreeing, silent):
        update(recommendation, "in_progress")
    update(differing, "implemented", kind="claim", party=make_party(name="Australia"))
    update(agreeing, "in_progress", kind="claim", party=make_party())

    assert found("claim_differs") == {differing}
    assert sentence("claim_differs") == "Our assessment is “In progress”; Australia says “Implemented” (2026-01-01)."


def test_an_assessment_grows_stale():
    usual, often, fresh, closed = make_recommendation(), make_recommendation(update_every=7), make_recommendation(), make_recommendation()
    update(usual, on="2025-10-16")
    update(often, on="2026-01-07")
    update(fresh, on="2025-10-17")
    update(closed, "withdrawn", on="2025-01-01")
    make_recommendation()

    assert found("stale") == {usual, often}
    assert found("stale", on=date(2026, 1, 14)) == set()


def test_a_step_past_its_due_day():
    going, done = make_recommendation(), make_recommendation()
    update(done, "withdrawn")
    late = Milestone.objects.create(recommendation=going, title="Keel", due_on="2025-12")
    Milestone.objects.create(recommendation=going, title="Hull", due_on="2026-01")
    Milestone.objects.create(recommendation=going, title="Mast", due_on="2025", completed_on="2026")
    Milestone.objects.create(recommendation=done, title="Sail", due_on="2025")

    assert found("milestone_overdue") == {late}


def test_an_open_recommendation_is_somebodys_business(analyst):
    agreement = make_agreement()
    orphan, closed = make_recommendation(), make_recommendation(agreement)
    update(closed, "withdrawn")
    cared_for = make_recommendation(agreement, owner=analyst)
    Addressee.objects.create(recommendation=cared_for, party=make_party())

    assert found("recommendation_without_addressee") == {orphan}
    assert found("recommendation_without_owner") == {orphan}
    assert found("recommendation_without_agreement") == {orphan}


def test_what_is_archived_is_left_alone():
    archived = make_recommendation()
    with change_context(reason="test"):
        Recommendation.objects.filter(pk=archived.pk).update(publication="archived")
    Milestone.objects.bulk_create([])

    assert found("recommendation_without_owner", on=TODAY) == set()
