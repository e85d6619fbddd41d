"""`manage.py report`: the same function, the same refusals, and nothing written where anything is unmet."""

from io import StringIO
from uuid import UUID

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from policytracker.api.parameters import today
from policytracker.models import Change
from policytracker.records.context import change_context
from recommendations.models import ProgressUpdate, RefusalCode
from tests.make import make_party, make_recommendation, make_source

pytestmark = pytest.mark.django_db


@pytest.fixture
def act(db):
    return make_recommendation(slug="act")


def run(*options):
    said = StringIO()
    call_command("report", "act", *options, stdout=said)
    return said.getvalue().strip()


def refused(*options):
    before = (ProgressUpdate.objects.count(), Change.objects.count())
    with pytest.raises(CommandError) as error:
        run(*options)
    assert (ProgressUpdate.objects.count(), Change.objects.count()) == before
    assert error.value.returncode == 1
    return str(error.value).splitlines()


def test_it_files_an_update_and_prints_its_uid(act, analyst):
    source = make_source(slug="paper")

    uid = run(
        *("--status", "in_progress", "--percent", "40", "--on", "2026-01-31", "--narrative", "Two sites were chosen."),
        *("--assessed-by", "GAO", "--evidence", "paper:p. 4: table", "--evidence", "paper", "--as", "analyst"),
    )

    update = ProgressUpdate.objects.get(uid=UUID(uid))
    said = (update.status, update.progress_percent, str(update.reported_on), update.narrative, update.assessed_by)
    assert said == ("in_progress", 40, "2026-01-31", "Two sites were chosen.", "GAO")
    assert (update.author, update.review, update.kind) == (analyst, "approved", "assessment")
    assert sorted(update.evidence.values_list("source", "locator")) == [(source.pk, ""), (source.pk, "p. 4: table")]
    act.refresh_from_db()
    assert (act.status, act.progress_percent) == ("in_progress", 40)
    change = Change.objects.filter(tbl="recommendations_progressupdate", op="insert").get()
    assert (change.actor["user"], change.actor["channel"]) == ("analyst", "command")


def test_a_draft_a_claim_and_a_note(act, analyst):
    make_party("AUS")
    make_source(slug="paper")

    draft = run("--status", "planned", "--draft", "--as", "analyst")
    claim = run(
        *("--kind", "claim", "--party", "AUS", "--status", "implemented", "--narrative", "Done.", "--evidence", "paper", "--as", "analyst")
    )
    note = run("--kind", "note", "--narrative", "A new minister.", "--as", "analyst")

    found = {str(update.uid): (update.kind, update.review) for update in ProgressUpdate.objects.all()}
    assert (found[draft], found[note]) == (("assessment", "draft"), ("note", "approved"))
    assert found[claim][0] == "claim"
    assert ProgressUpdate.objects.get(uid=note).reported_on == today()


def test_nobodys_update_waits_for_a_reviewer(act):
    update = ProgressUpdate.objects.get(uid=run("--status", "planned", "--narrative", "Seen."))

    assert (update.author, update.review) == (None, "submitted")


def test_everything_unmet_stands_on_a_line_of_its_own(act, analyst, reader):
    assert refused("--status", "implemented", "--on", "2999-01-01", "--as", "analyst") == [
        RefusalCode.FUTURE_DATE.text(),
        RefusalCode.EVIDENCE_REQUIRED.text(new="Implemented"),
        RefusalCode.NARRATIVE_REQUIRED.text(),
    ]
    assert refused("--status", "planned", "--narrative", "x", "--as", "reader") == [RefusalCode.NOT_PERMITTED_TO_REPORT.text()]
    assert refused("--narrative", "x", "--as", "analyst") == [RefusalCode.STATUS_REQUIRED.text()]


def test_a_move_that_is_not_in_the_table_is_refused_and_a_step_back_needs_a_reason(act, analyst):
    run("--status", "partly_implemented", "--narrative", "x", "--as", "analyst")

    assert refused("--status", "planned", "--narrative", "x", "--as", "analyst") == [
        "The status cannot change from Partly implemented to Planned."
    ]
    back = ["--status", "in_progress", "--narrative", "x", "--as", "analyst"]
    assert len(refused(*back)) == 1
    run(*back, "--reason", "Counted twice.")


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
def test_what_cannot_be_read_is_refused_by_its_name(act, analyst, options, field):
    told = refused("--status", "planned", "--narrative", "x", *options, "--as", "analyst")

    assert len(told) == 1 and told[0].startswith(f"{field}: ")


def test_nobody_reports_of_what_is_not_there_for_them(act, analyst, reader):
    make_recommendation(slug="hidden", visibility="restricted")

    for arguments, sentence in (
        (["missing", "--as", "analyst"], "There is no recommendation “missing”."),
        (["hidden", "--as", "analyst"], "There is no recommendation “hidden”."),
        (["act", "--as", "ghost"], "There is no user “ghost”."),
    ):
        with pytest.raises(CommandError, match=sentence):
            call_command("report", *arguments, "--status", "planned", "--narrative", "x")


def test_an_archived_recommendation_is_closed(act, analyst):
    with change_context(reason="over"):
        type(act).objects.filter(pk=act.pk).update(publication="archived")

    assert refused("--status", "planned", "--narrative", "x", "--as", "analyst") == [RefusalCode.CLOSED_RECORD.text()]


def test_a_dry_run_writes_nothing(act, analyst):
    before = Change.objects.count()

    assert run("--status", "planned", "--narrative", "x", "--as", "analyst", "--dry-run") == "It would be approved."

    assert (ProgressUpdate.objects.count(), Change.objects.count()) == (0, before)
    assert refused("--status", "planned", "--as", "analyst", "--dry-run") == [RefusalCode.NARRATIVE_REQUIRED.text()]
