"""Stored facts about recommendations equal what their rules find, after every kind of change."""

from datetime import date, timedelta

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policytracker.resources import ReadContext
from recommendations.derived_status import inconsistent, recompute_status
from recommendations.facts import RULES, fact
from recommendations.models import Addressee, Recommendation, Response
from recommendations.progress import EvidenceRow, Report, approve, report_progress, send_back, void
from tests.api.client import Api
from tests.conftest import make_user
from tests.histories import days, histories, make
from tests.make import make_party, make_recommendation, make_source

TODAY = date(2025, 10, 20)
EARLIER, LATER = date(2025, 1, 15), date(2025, 2, 15)
pytestmark = pytest.mark.django_db


def stored(row: Recommendation) -> set[str]:
    """The names of the facts that are stored as true, after a comparison of all facts with their rules."""
    values = Recommendation.objects.values(*RULES).get(pk=row.pk)
    assert {name: Recommendation.objects.filter(rule(None), pk=row.pk).exists() for name, rule in RULES.items()} == values
    assert inconsistent() == []
    return {name for name, value in values.items() if value}


def report(row: Recommendation, by, kind: str = "note", status: str = "", day: date = LATER, party=None, evidence: bool = False):
    rows = (EvidenceRow(source=make_source()),) if evidence else ()
    content = Report(kind=kind, status=status, reported_on=day, narrative="Checked.", party=party, evidence=rows)
    return report_progress(row, content, by=by, today=TODAY)


def claim(row: Recommendation, by, status: str, party, day: date = LATER):
    return report(row, by, "claim", status, day, party, evidence=True)


# ---- facts about updates


def test_a_new_recommendation_has_no_facts():
    assert stored(make_recommendation()) == set()


def test_a_note_is_an_update_and_its_evidence_counts(analyst):
    row = make_recommendation()

    report(row, analyst)
    assert stored(row) == {"has_update"}
    report(row, analyst, evidence=True)
    assert stored(row) == {"has_update", "has_evidence"}


def test_an_update_counts_from_its_approval_until_it_is_voided(officer, reviewer):
    row = make_recommendation()

    update = claim(row, officer, "implemented", officer.office.party)
    assert stored(row) == set()
    send_back(update, by=reviewer, note="Which harbour?")
    assert stored(row) == set()
    update = approve(claim(row, officer, "implemented", officer.office.party), by=reviewer, today=TODAY)
    assert stored(row) == {"has_update", "has_evidence", "claim_differs"}
    void(update, by=reviewer, reason="Wrong record.")
    assert stored(row) == set()


def test_the_newest_claim_of_each_party_is_compared_with_the_assessment(analyst, reviewer):
    row, first, second = make_recommendation(), make_party("AAA"), make_party("BBB")

    report(row, analyst, "assessment", "in_progress")
    claim(row, analyst, "in_progress", first)
    assert "claim_differs" not in stored(row)
    differing = claim(row, analyst, "planned", second, day=EARLIER)  # not the newest claim of all, but that of its party
    assert "claim_differs" in stored(row)
    claim(row, analyst, "in_progress", second)
    assert "claim_differs" not in stored(row)
    void(differing, by=reviewer, reason="Superseded.")
    assert "claim_differs" not in stored(row)
    report(row, analyst, "assessment", "partly_implemented")
    assert "claim_differs" in stored(row)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(register=histories)
def test_facts_equal_their_rules_in_any_history(register, db):
    with transaction.atomic():
        make(register)
        for row in Recommendation.objects.all():
            stored(row)
        transaction.set_rollback(True)


# ---- facts about addressees


def test_addressees_and_responses_are_facts_at_once():
    row, other = make_recommendation(), make_recommendation(slug="other")

    addressee = Addressee.objects.create(recommendation=row, party=make_party())
    assert stored(row) == {"has_addressee"}
    Addressee.objects.filter(pk=addressee.pk).update(response=Response.ACCEPTED)
    assert stored(row) == {"has_addressee", "has_response"}
    Addressee.objects.filter(pk=addressee.pk).update(recommendation=other)
    assert (stored(row), stored(other)) == (set(), {"has_addressee", "has_response"})
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM recommendations_addressee")
    assert stored(other) == set()


def test_many_addressees_in_one_statement_are_facts():
    rows, party = [make_recommendation() for _ in range(3)], make_party()

    Addressee.objects.bulk_create(Addressee(recommendation=row, party=party) for row in rows)

    assert [stored(row) for row in rows] == [{"has_addressee"}] * 3


# ---- who writes facts


def test_a_fact_is_no_change_of_the_recommendation(analyst):
    row = make_recommendation()
    before = Recommendation.objects.values("version", "updated_at").get(pk=row.pk)

    report(row, analyst, evidence=True)
    Addressee.objects.create(recommendation=row, party=make_party())

    assert stored(row) == {"has_update", "has_evidence", "has_addressee"}
    assert Recommendation.objects.values("version", "updated_at").get(pk=row.pk) == before


def test_saving_an_object_that_was_read_before_keeps_the_facts(analyst):
    row = make_recommendation()
    report(row, analyst, evidence=True)

    row.key_action = "Saved later."
    row.save()
    Recommendation.objects.update(has_evidence=False, claim_differs=True)

    assert stored(row) == {"has_update", "has_evidence"}


def test_no_one_can_write_facts_through_the_api(administrator):
    api = Api(administrator)

    response = api.post("recommendations/", {"slug": "new", "key_action": "Act.", "has_evidence": True})

    assert response.status_code == 400
    assert "has_evidence" in response.json()


def test_recompute_status_finds_and_corrects_a_wrong_fact(analyst):
    row = make_recommendation()
    report(row, analyst, evidence=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('policytracker.recomputing_status', 'on', true)")
        Recommendation.objects.update(has_evidence=False, has_addressee=True)
        cursor.execute("SELECT set_config('policytracker.recomputing_status', '', true)")

    assert inconsistent() == [row.slug]
    recompute_status()
    assert stored(row) == {"has_update", "has_evidence"}


def test_recomputing_writes_no_fact_that_is_right(analyst):
    row = make_recommendation()
    report(row, analyst, evidence=True)

    def place() -> list[tuple]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT ctid::text FROM recommendations_recommendation")
            return cursor.fetchall()

    before = place()
    recompute_status()
    assert place() == before


# ---- filters


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(register=histories, day=st.integers(-1, 30))
def test_a_stored_fact_selects_the_same_rows_as_its_rule_on_any_day(register, day, db):
    with transaction.atomic():
        make(register)
        reader = make_user("reads facts", "administrator")
        for context in (
            ReadContext.of(reader),
            ReadContext.of(reader, on=days(day)),
            ReadContext.of(reader, on=date.today() + timedelta(9)),
        ):
            rows = Recommendation.objects.on_day(context.on) if context.past else Recommendation.objects.all()
            for name, rule in RULES.items():
                assert set(rows.filter(fact(name, context))) == set(rows.filter(rule(context.on))), name
        transaction.set_rollback(True)


def test_a_loaded_data_set_has_its_facts(loaded_fixtures):
    assert inconsistent() == []
    assert Recommendation.objects.filter(has_evidence=True).exists()
    assert Recommendation.objects.filter(has_addressee=True).exists()
