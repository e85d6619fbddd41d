"""The percentage of an update must agree with its status. The API reports 400 on `progress_percent`."""

from datetime import date
from importlib import import_module

import pytest
from django.apps import apps
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from rest_framework.test import APIClient

from recommendations.models import ProgressUpdate
from recommendations.progress import EvidenceRow, Report, report_progress, void
from recommendations.refusals import percent_agrees
from tests.make import make_recommendation, make_source, settled

TODAY = date.today()
CONSTRAINT = "update_percent_agrees_with_status"


def report(status: str, percent: int | None, **fields) -> Report:
    return Report(status=status, progress_percent=percent, narrative="Verified.", evidence=(EvidenceRow(source=make_source()),), **fields)


@pytest.mark.parametrize(
    ("status", "percent"), [("implemented", 40), ("implemented", 0), ("implemented", 99), ("not_assessed", 0), ("not_assessed", 100)]
)
def test_a_percentage_that_contradicts_the_status_is_rejected(status, percent, reviewer):
    for submit in (True, False):
        with pytest.raises(ValidationError) as error:
            report_progress(make_recommendation(), report(status, percent), by=reviewer, today=TODAY, submit=submit)
        assert list(error.value.message_dict) == ["progress_percent"]


@pytest.mark.parametrize(
    ("status", "percent"), [("implemented", 100), ("implemented", None), ("not_assessed", None), ("in_progress", 100), ("planned", 0)]
)
def test_a_percentage_that_agrees_with_the_status_is_accepted(status, percent, reviewer):
    assert report_progress(make_recommendation(), report(status, percent), by=reviewer, today=TODAY).progress_percent == percent


def test_postgresql_evaluates_the_rule_once_for_each_pair_of_values(reviewer, django_assert_num_queries):
    percent_agrees.cache_clear()
    pairs = [("implemented", 40), ("implemented", 100), ("planned", 40)]

    first = [percent_agrees(*pair) for pair in pairs]

    with django_assert_num_queries(0):
        assert [percent_agrees(*pair) for pair in pairs] == first == [False, True, True]


def test_the_rule_applies_to_claims_too(reviewer, officer):
    with pytest.raises(ValidationError) as error:
        report_progress(
            make_recommendation(), report("implemented", 40, kind="claim", party=officer.office.party), by=reviewer, today=TODAY
        )

    assert list(error.value.message_dict) == ["progress_percent"]


def test_the_database_rejects_a_contradicting_percentage(analyst):
    fields = {"recommendation": make_recommendation(), "author": analyst, "reported_on": TODAY}

    with pytest.raises(IntegrityError, match=CONSTRAINT), transaction.atomic():
        ProgressUpdate.objects.create(**fields, status="implemented", progress_percent=40)


def test_the_api_reports_it_on_the_field(analyst):
    client = APIClient()
    client.force_authenticate(analyst)
    url = f"/api/v1/recommendations/{make_recommendation().slug}/progress/"
    body = {"status": "implemented", "progress_percent": 40, "narrative": "Done.", "evidence": [{"source": make_source().slug}]}

    submitted = client.post(url, body, format="json")
    draft = client.post(url, body | {"submit": False}, format="json")
    revised = client.post(url, body | {"progress_percent": 100, "submit": False}, format="json").json()["update"]
    changed = client.patch(f"/api/v1/progress-updates/{revised['uid']}/", {"progress_percent": 50}, format="json")

    assert [(response.status_code, "progress_percent" in response.json()) for response in (submitted, draft, changed)] == [(400, True)] * 3


def test_the_command_reports_it(analyst):
    slug, source = make_recommendation().slug, make_source().slug

    with pytest.raises(CommandError, match="percentage"):
        call_command(
            *("report", slug, "--status", "implemented", "--percent", "40", "--narrative", "x", "--evidence", source, "--as", "analyst")
        )


@pytest.fixture
def updates_from_before_the_rule(analyst):
    """An approved and a submitted update from before the rule. The constraint is added afterwards, as in the migration."""
    migration = import_module("recommendations.migrations.0005_since_0_1")
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE recommendations_progressupdate DROP CONSTRAINT {CONSTRAINT}")
    fields = {"author": analyst, "reported_on": TODAY, "status": "implemented", "progress_percent": 40, "narrative": "Done."}
    approved = ProgressUpdate.objects.create(**fields, recommendation=make_recommendation(), review="approved", reviewed_at=timezone.now())
    submitted = ProgressUpdate.objects.create(**fields, recommendation=make_recommendation(), review="submitted")
    settled()
    with connection.schema_editor(atomic=False) as editor:
        migration.return_contradictions(apps, editor)
        constraint = migration.Migration("0006", "recommendations").operations[1].constraint
        editor.execute(f"{constraint.create_sql(ProgressUpdate, editor)} NOT VALID", params=None)
    return approved, submitted


def test_an_approved_contradiction_from_updates_from_before_the_rule_stays_and_can_be_voided(updates_from_before_the_rule, reviewer):
    approved, _ = updates_from_before_the_rule

    void(approved, by=reviewer, reason="The percentage is wrong.")

    approved.refresh_from_db()
    assert (approved.progress_percent, approved.void_reason) == (40, "The percentage is wrong.")


def test_a_submitted_contradiction_from_updates_from_before_the_rule_is_returned_to_its_author(updates_from_before_the_rule):
    _, submitted = updates_from_before_the_rule

    submitted.refresh_from_db()
    assert (submitted.review, submitted.reviewed_by, bool(submitted.review_note)) == ("returned", None, True)
