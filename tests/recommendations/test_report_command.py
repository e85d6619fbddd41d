"""`manage.py report`: the same conditions as in the API; if one is not met, nothing is written."""

from io import StringIO
from uuid import UUID

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from policytracker.records.changes import Change
from policytracker.records.context import change_context
from policytracker.resources import today
from recommendations.models import ProgressUpdate, Recommendation, RefusalCode
from tests.make import make_party, make_recommendation, make_source

pytestmark = pytest.mark.django_db


@pytest.fixture
def recommendation(db):
    return make_recommendation(slug="act")


def run(*options):
    out = StringIO()
    call_command("report", "act", *options, stdout=out)
    return out.getvalue().strip()


def refusals(*options):
    """The lines of the error. Asserts that nothing was written."""
    before = (ProgressUpdate.objects.count(), Change.objects.count())
    with pytest.raises(CommandError) as error:
        run(*options)
    assert (ProgressUpdate.objects.count(), Change.objects.count()) == before
    assert error.value.returncode == 1
    return str(error.value).splitlines()


def test_it_creates_an_update_and_prints_its_uid(recommendation, analyst):
    source = make_source(slug="paper")

    uid = run(
        *("--status", "in_progress", "--percent", "40", "--on", "2026-01-31", "--narrative", "Two sites were chosen."),
        *("--assessed-by", "GAO", "--evidence", "paper:p. 4: table", "--evidence", "paper", "--as", "analyst"),
    )

    update = ProgressUpdate.objects.get(uid=UUID(uid))
    values = (update.status, update.progress_percent, str(update.reported_on), update.narrative, update.assessed_by)
    assert values == ("in_progress", 40, "2026-01-31", "Two sites were chosen.", "GAO")
    assert (update.author, update.review, update.kind) == (analyst, "approved", "assessment")
    assert sorted(update.evidence.values_list("source", "locator")) == [(source.pk, ""), (source.pk, "p. 4: table")]
    recommendation.refresh_from_db()
    assert (recommendation.status, recommendation.progress_percent) == ("in_progress", 40)
    change = Change.objects.filter(tbl="recommendations_progressupdate", op="insert").get()
    assert (change.actor["user"], change.actor["channel"]) == ("analyst", "command")


def test_it_creates_drafts_claims_and_notes(recommendation, analyst):
    make_party("AUS")
    make_source(slug="paper")

    draft = run("--status", "planned", "--draft", "--as", "analyst")
    claim = run(
        *("--kind", "claim", "--party", "AUS", "--status", "implemented", "--narrative", "Done.", "--evidence", "paper", "--as", "analyst")
    )
    note = run("--kind", "note", "--narrative", "A new minister.", "--as", "analyst")

    created = {str(update.uid): (update.kind, update.review) for update in ProgressUpdate.objects.all()}
    assert (created[draft], created[note]) == (("assessment", "draft"), ("note", "approved"))
    assert created[claim][0] == "claim"
    assert ProgressUpdate.objects.get(uid=note).reported_on == today()


def test_an_update_without_author_waits_for_a_reviewer(recommendation):
    update = ProgressUpdate.objects.get(uid=run("--status", "planned", "--narrative", "Seen."))

    assert (update.author, update.review) == (None, "submitted")


def test_each_unmet_condition_is_printed_on_its_own_line(recommendation, analyst, reader):
    assert refusals("--status", "implemented", "--on", "2999-01-01", "--as", "analyst") == [
        RefusalCode.FUTURE_DATE.text(),
        RefusalCode.EVIDENCE_REQUIRED.text(new="Implemented"),
        RefusalCode.NARRATIVE_REQUIRED.text(),
    ]
    assert refusals("--status", "planned", "--narrative", "x", "--as", "reader") == [RefusalCode.NOT_PERMITTED_TO_REPORT.text()]
    assert refusals("--narrative", "x", "--as", "analyst") == [RefusalCode.STATUS_REQUIRED.text()]


def test_a_transition_that_is_not_allowed_is_refused_and_a_backward_one_requires_a_reason(recommendation, analyst):
    run("--status", "partly_implemented", "--narrative", "x", "--as", "analyst")

    assert refusals("--status", "planned", "--narrative", "x", "--as", "analyst") == [
        RefusalCode.TRANSITION_NOT_ALLOWED.text(old="Partly implemented", new="Planned")
    ]
    backward = ["--status", "in_progress", "--narrative", "x", "--as", "analyst"]
    assert len(refusals(*backward)) == 1
    run(*backward, "--reason", "Counted twice.")


@pytest.mark.parametrize(
    ("options", "field"),
    [
        (["--status", "gone"], "status"),
        (["--kind", "guess"], "kind"),
        (["--percent", "101"], "progress_percent"),
        (["--percent", "many"], "progress_percent"),
        (["--on", "2026-02-30"], "reported_on"),
        (["--on", "yesterday"], "reported_on"),
        (["--party", "XXX"], "party"),
        (["--evidence", "missing:p. 4"], "evidence"),
    ],
)
def test_an_invalid_value_is_reported_on_its_field(recommendation, analyst, options, field):
    errors = refusals("--status", "planned", "--narrative", "x", *options, "--as", "analyst")

    assert len(errors) == 1 and errors[0].startswith(f"{field}: ")


def test_an_unknown_or_unreadable_recommendation_or_user_is_an_error(recommendation, analyst, reader):
    make_recommendation(slug="hidden", visibility="restricted")

    for arguments, name in (
        (["missing", "--as", "analyst"], "missing"),
        (["hidden", "--as", "analyst"], "hidden"),
        (["act", "--as", "ghost"], "ghost"),
    ):
        with pytest.raises(CommandError, match=name):
            call_command("report", *arguments, "--status", "planned", "--narrative", "x")


def test_an_update_of_an_archived_recommendation_is_refused(recommendation, analyst):
    with change_context(reason="over"):
        Recommendation.objects.filter(pk=recommendation.pk).update(publication="archived")

    assert refusals("--status", "planned", "--narrative", "x", "--as", "analyst") == [RefusalCode.CLOSED_RECORD.text()]


def test_a_dry_run_writes_nothing(recommendation, analyst):
    before = Change.objects.count()

    assert run("--status", "planned", "--narrative", "x", "--as", "analyst", "--dry-run") == "Dry run: the update would be approved."

    assert (ProgressUpdate.objects.count(), Change.objects.count()) == (0, before)
    assert refusals("--status", "planned", "--as", "analyst", "--dry-run") == [RefusalCode.NARRATIVE_REQUIRED.text()]
