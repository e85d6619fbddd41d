"""An update that needs a second person is approved neither by its author, nor by who imported it or lowered the priority."""

from datetime import date

import pytest
from django.core.management import call_command
from django.db import IntegrityError, transaction

from policytracker.records.context import change_context
from policytracker.records.exceptions import Refused
from policytracker.resources import today
from recommendations import progress
from recommendations.bulk_progress import BulkProgress, Submission
from recommendations.models import ProgressUpdate, Recommendation
from recommendations.progress import EvidenceRow, Report
from tests.admin.conftest import signed_in  # noqa: F401 - imported fixture
from tests.admin.imports import confirm, preview
from tests.admin.page import change, changes, report_data
from tests.api.client import Api
from tests.conftest import make_user
from tests.imports.conftest import table
from tests.make import make_recommendation, make_source

DAY = date(2025, 10, 20)
MAPPING = """
    [columns]
    slug = "slug"
    [progress]
    status = "status"
    narrative = "narrative"
    reported_on = "2025-10-20"
    evidence = {url = "url", title = "title"}
    [progress.codes]
    "done" = "implemented"
    "begun" = "in_progress"
"""


@pytest.fixture
def recommendation(db):
    return make_recommendation(slug="rec", priority="critical")


def done(**fields) -> Report:
    evidence = (EvidenceRow(source=make_source()),)
    return Report(**{"status": "implemented", "narrative": "Done.", "reported_on": DAY, "evidence": evidence} | fields)


def body(**fields) -> dict:
    return {"status": "implemented", "narrative": "Done.", "evidence": [{"url": "https://example.org/proof", "title": "Proof"}]} | fields


def lower_priority(recommendation: Recommendation, by, priority: str = "low") -> None:
    with change_context(by, "It was too high."):
        Recommendation.objects.filter(pk=recommendation.pk).update(priority=priority)


def imported(status: str = "done") -> str:
    return table({"slug": "rec", "status": status, "narrative": "I say so.", "url": "https://example.org/proof", "title": "Proof"})


# Each submits an implemented assessment and tries everything by which the same person could approve it.


def by_the_api(recommendation, user, client, tmp_path):
    api = Api(user)
    uid = api.post("recommendations/rec/progress/", body()).json()["update"]["uid"]
    assert api.post(f"progress-updates/{uid}/approve/").status_code == 409
    assert api.post(f"progress-updates/{uid}/submit/").status_code == 409


def by_a_draft_of_the_api(recommendation, user, client, tmp_path):
    uid = Api(user).post("recommendations/rec/progress/", body(submit=False)).json()["update"]["uid"]
    assert Api(user).post(f"progress-updates/{uid}/submit/").json()["update"]["review"] == "submitted"
    assert Api(user).post(f"progress-updates/{uid}/approve/").status_code == 409


def by_lists_of_the_api(recommendation, user, client, tmp_path):
    answer = Api(user).post("recommendations/progress/", [{"recommendation": "rec", **body()}]).json()
    assert Api(user).post("progress-updates/approve/", {"updates": [answer[0]["update"]["uid"]]}).status_code == 400


def by_the_form_of_the_admin(recommendation, user, client, tmp_path):
    page = client.get(change(recommendation))
    values = {"status": "implemented", "narrative": "Done.", "evidence_0-url": "https://example.org/proof"}
    client.post(change(recommendation), report_data(page, **values))
    client.post(change(recommendation), {"_action": "approve", "update": ProgressUpdate.objects.get().pk})


def by_bulk_actions_of_the_admin(recommendation, user, client, tmp_path):
    update = progress.report_progress(recommendation, done(), by=user, today=today())
    client.post(changes(ProgressUpdate), {"action": "approve", "_selected_action": [update.pk]})


def by_the_import_page(recommendation, user, client, tmp_path):
    confirm(client, preview(client, imported(), mapping_file=MAPPING))
    approve_everywhere(recommendation, user, client)


def by_the_import_command(recommendation, user, client, tmp_path):
    (tmp_path / "map.toml").write_text(f'resource = "recommendations"\n{MAPPING}')
    (tmp_path / "table.csv").write_text(imported())
    call_command("import_table", tmp_path / "table.csv", map=tmp_path / "map.toml", user=user.username)
    approve_everywhere(recommendation, user, client)


def by_bulk_progress(recommendation, user, client, tmp_path):
    BulkProgress(by=user, today=today()).submit_all([Submission(recommendation.pk, done())])
    approve_everywhere(recommendation, user, client)


def by_the_command_report(recommendation, user, client, tmp_path):
    source = make_source()
    call_command("report", "rec", status="implemented", narrative="Done.", evidence=[source.slug], user=user.username)
    approve_everywhere(recommendation, user, client)


def by_lowering_the_priority(recommendation, user, client, tmp_path):
    begun = progress.report_progress(recommendation, Report(status="in_progress", narrative="Begun."), by=user, today=today())
    lowered = Api(user).patch("recommendations/rec/", {"priority": "low", "change_reason": "for a moment"})
    assert lowered.status_code == 200
    approve_everywhere(recommendation, user, client)
    assert Api(user).post(f"progress-updates/{begun.uid}/return/", {"note": "x"}).status_code == 409


def by_lowering_the_priority_of_the_update_of_somebody_else(recommendation, user, client, tmp_path):
    progress.report_progress(recommendation, done(), by=make_user("author", "analyst"), today=today())
    Api(user).patch("recommendations/rec/", {"priority": "medium", "change_reason": "for a moment"})
    Api(user).patch("recommendations/rec/", {"priority": "critical"})
    approve_everywhere(recommendation, user, client)


def approve_everywhere(recommendation, user, client) -> None:
    """Try to approve the only update by the API, by its lists, and by both buttons of the admin."""
    update = ProgressUpdate.objects.get()
    assert update.review == "submitted"
    refused = Api(user).post(f"progress-updates/{update.uid}/approve/")
    assert (refused.status_code, refused.json().get("code")) == (409, "second_person_required"), refused.content
    assert Api(user).post("progress-updates/approve/", {"updates": [str(update.uid)]}).status_code == 400
    client.post(change(recommendation), {"_action": "approve", "update": update.pk})
    client.post(changes(ProgressUpdate), {"action": "approve", "_selected_action": [update.pk]})


WAYS = [
    by_the_api, by_a_draft_of_the_api, by_lists_of_the_api, by_the_form_of_the_admin, by_bulk_actions_of_the_admin, by_the_import_page,
    by_the_import_command, by_bulk_progress, by_the_command_report, by_lowering_the_priority,
    by_lowering_the_priority_of_the_update_of_somebody_else,
]  # fmt: skip


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("role", ["reviewer", "administrator"])
def test_nobody_alone_approves_an_update_that_needs_a_second_person(way, role, recommendation, request, signed_in, settings, tmp_path):  # noqa: F811
    settings.MEDIA_ROOT = tmp_path
    user = request.getfixturevalue(role)

    way(recommendation, user, signed_in(user), tmp_path)

    update = ProgressUpdate.objects.get()
    recommendation.refresh_from_db()
    assert (update.review, update.reviewed_by, recommendation.status) == ("submitted", None, "not_assessed")
    second = make_user("second", "reviewer")
    assert progress.approve(update, by=second, today=today()).reviewed_by == second


def test_an_ordinary_assessment_that_a_reviewer_imports_is_approved(reviewer, tmp_path):
    make_recommendation(slug="rec")
    (tmp_path / "map.toml").write_text(f'resource = "recommendations"\n{MAPPING}')
    (tmp_path / "table.csv").write_text(imported("begun"))

    call_command("import_table", tmp_path / "table.csv", map=tmp_path / "map.toml", user="reviewer")

    update = ProgressUpdate.objects.get()
    assert (update.review, update.author, update.imported_by, update.reviewed_by) == ("approved", None, reviewer, reviewer)


def test_the_need_is_decided_on_submission(analyst, reviewer, recommendation):
    draft = progress.report_progress(recommendation, Report(status="planned", narrative="x"), by=analyst, today=today(), submit=False)
    lower_priority(recommendation, reviewer)
    submitted = progress.submit(draft, by=analyst, today=today())
    Recommendation.objects.update(priority="critical")

    assert (draft.needs_second_person, submitted.needs_second_person, submitted.review) == (False, False, "approved")


def test_who_lowered_the_priority_before_the_submission_is_a_second_person(analyst, reviewer, recommendation):
    lower_priority(recommendation, reviewer, "high")
    update = progress.report_progress(recommendation, done(), by=analyst, today=today())

    assert progress.approve(update, by=reviewer, today=today()).review == "approved"


def test_who_changed_the_priority_without_lowering_it_is_a_second_person(analyst, reviewer):
    recommendation = make_recommendation(priority="medium")
    update = progress.report_progress(recommendation, done(), by=analyst, today=today())
    lower_priority(recommendation, reviewer, "low")  # from medium: no reserved change
    lower_priority(recommendation, reviewer, "critical")

    assert progress.approve(update, by=reviewer, today=today()).review == "approved"


@pytest.mark.parametrize("involved", ["author", "imported_by"])
def test_the_database_refuses_approval_by_who_is_involved(involved, analyst, reviewer, recommendation):
    update = ProgressUpdate.objects.create(
        recommendation=recommendation, status="implemented", narrative="x", reported_on=DAY, review="submitted",
        needs_second_person=True, **{involved: analyst},
    )  # fmt: skip
    rows = ProgressUpdate.objects.filter(pk=update.pk)

    for approver in (analyst, None):
        with pytest.raises(IntegrityError, match="update_is_approved_by_a_second_person"), transaction.atomic():
            rows.update(review="approved", reviewed_by=approver, reviewed_at="2025-10-21T00:00Z")

    assert rows.update(review="approved", reviewed_by=reviewer, reviewed_at="2025-10-21T00:00Z") == 1


def test_the_refusals_come_in_the_order_of_the_contract(analyst, recommendation):
    update = progress.report_progress(recommendation, done(), by=analyst, today=today())
    with change_context(reason="It ended."):
        Recommendation.objects.update(publication="archived")

    with pytest.raises(Refused) as refused:
        progress.approve(update, by=analyst, today=today())

    assert [refusal.code for refusal in refused.value.refusals] == ["closed_record", "second_person_required"]
