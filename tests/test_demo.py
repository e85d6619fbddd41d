"""The demonstration data: what they show, dates relative to the day of loading, and removing them."""

import json
from datetime import date, timedelta
from io import StringIO

import pytest
from django.apps import apps
from django.conf import settings
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.db import DatabaseError, transaction
from django.db.models import Count

from agreements.deadlines import DeadlineState
from agreements.models import (
    Agreement,
    Citation,
    Commitment,
    Component,
    EntryIntoForceCondition,
    FactCheck,
    Measurement,
    Party,
    PartyOfficer,
    Source,
    TreatyAction,
)
from agreements.standing import conditions, party_standing, text_standing
from agreements.standing.data import load_record
from policytracker.accounts.models import User
from policytracker.dataset import layout, relative_dates
from policytracker.dataset.demo import is_demo
from policytracker.edtf import EdtfField
from policytracker.management.commands.make_demo import ROLES
from policytracker.management.commands.make_demo import Command as MakeDemo
from policytracker.quality.engine import RULES, Severity
from policytracker.records.changes import Change
from policytracker.records.context import change_context
from policytracker.records.declarations import records
from policytracker.records.models import UidRecord
from policytracker.resources import today
from recommendations import progress
from recommendations.deadlines import deadline, freshness
from recommendations.models import Addressee, Evidence, Milestone, ProgressUpdate, Recommendation, Status
from tests.findings import findings

DEMO, FIXTURES = settings.BASE_DIR / "demo", settings.BASE_DIR / "fixtures"
COMPACT, PROTOCOL = "demo-blue-harbour-compact", "demo-harbour-emissions-protocol"

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("loaded_fixtures")]


def load_demo() -> str:
    output = StringIO()
    call_command("load_dataset", DEMO, stdout=output)
    return output.getvalue()


def rows(model: str) -> list[dict]:
    """The records of a model in the demonstration files."""
    files = [json.loads((DEMO / name).read_text()) for name in layout.files()]
    return [row["fields"] for file in files for row in file if row["model"].endswith(f".{model}")]


def set_today(monkeypatch, day: date) -> None:
    monkeypatch.setattr(relative_dates, "today", lambda: day)


@pytest.fixture
def people(db):
    """The users of `make run`."""
    MakeDemo().create_users()
    return {name: User.objects.get(username=name) for name in ROLES}


@pytest.fixture
def demo(people):
    load_demo()
    return people


# ---- what they show


def test_every_key_tells_that_the_record_is_fictional_and_no_title_does():
    files = [row for name in layout.files() for row in json.loads((DEMO / name).read_text())]

    keys = [row["fields"].get("code") or row["fields"].get("slug") for row in files if "uid" not in row["fields"]]
    titles = [row["fields"][name] for row in files for name in ("title", "short_title", "key_action", "name") if row["fields"].get(name)]

    assert [key for key in keys if not key.startswith("demo-")] == []
    assert [title for title in titles if "demonstration" in title.lower() or "fictional" in title.lower()] == []


def test_there_are_fourteen_recommendations_and_one_in_each_status(demo):
    statuses = list(Recommendation.objects.filter(is_demo(Recommendation)).values_list("status", flat=True))

    assert len(statuses) == 14
    assert set(statuses) == set(Status)
    assert Agreement.objects.filter(is_demo(Agreement)).count() == 2


def test_updates_have_evidence_with_quotes():
    updates, evidence = rows("progressupdate"), rows("evidence")

    assert 15 <= len(updates) <= 25
    assert [row for row in evidence if not row["quote"]] == []
    assert {row["uid"] for row in updates if row["kind"] != "note"} == {row["update"][0] for row in evidence}
    assert {row["stance"] for row in evidence} == {"supports", "contradicts"}


def test_a_claim_contradicts_the_assessment(demo):
    assert list(Recommendation.objects.filter(claim_differs=True).values_list("slug", flat=True)) == ["demo-rec-shore-power"]


def test_updates_are_submitted_returned_voided_and_corrected(demo):
    updates = ProgressUpdate.objects.filter(is_demo(ProgressUpdate))

    assert [update.author.username for update in updates.filter(review="submitted")] == ["analyst"]
    assert {(update.author.username, bool(update.review_note)) for update in updates.filter(review="returned")} == {
        ("analyst", True),
        ("reviewer", True),
    }
    assert updates.get(corrects__isnull=False).corrects == updates.get(voided_at__isnull=False)


def test_no_one_approved_their_own_update(demo):
    assert [row["uid"] for row in rows("progressupdate") if row["reviewed_by"] and row["reviewed_by"] == row["author"]] == []


def states(day: date) -> dict[str, tuple[str, str]]:
    found = Recommendation.objects.filter(is_demo(Recommendation)).annotate(deadline=deadline(day), age=freshness(day))
    return {row.slug.removeprefix("demo-rec-"): (row.deadline, row.age) for row in found}


def test_deadlines_are_overdue_soon_and_later_and_assessments_are_stale(demo):
    found = states(today())

    assert {slug for slug, (state, _) in found.items() if state == DeadlineState.OVERDUE} == {
        *("emissions-inventory", "ballast-water", "whale-lanes"),
    }
    assert {slug for slug, (state, _) in found.items() if state == DeadlineState.DUE_SOON} == {"shore-power", "closure-drills"}
    assert {"pilot-training", "digital-manifest", "harbour-fund"} <= {
        s for s, (state, _) in found.items() if state == DeadlineState.UPCOMING
    }
    assert {slug for slug, (_, age) in found.items() if age == "stale"} == {"ballast-water", "digital-manifest"}
    assert {state for state, _ in found.values()} >= {DeadlineState.MET, DeadlineState.CLOSED, DeadlineState.NONE}


def test_figures_are_disputed_and_parts_of_a_sum(demo):
    figures = Commitment.objects.filter(is_demo(Commitment))

    assert figures.filter(disputes__isnull=False).count() == 1
    assert figures.filter(part_of__isnull=False).exists()
    assert set(figures.values_list("stage", flat=True)) == {"announced", "authorised", "committed", "disbursed"}


def test_a_condition_of_entry_into_force_is_missed(demo):
    protocol = load_record(Agreement.objects.get(slug=PROTOCOL), demo["admin"])
    compact = load_record(Agreement.objects.get(slug=COMPACT), demo["admin"])
    found = {condition.condition.kind: condition for condition in conditions(protocol, today())}

    assert (text_standing(protocol, today()).code, text_standing(compact, today()).code) == ("signed", "in_force")
    assert {kind: condition.met for kind, condition in found.items()} == {
        "number_of_consents": False,
        "named_parties": False,
        "on_date": True,
    }
    assert found["named_parties"].missing.parties == ("demo-kirrin",)
    assert [party_standing(compact, f"demo-{name}", today()).code for name in ("solenda", "velmar", "kirrin")] == [
        *("bound", "withdrawing", "signatory"),
    ]


def test_parts_of_every_kind_are_present(demo):
    assert set(Component.objects.filter(is_demo(Component)).values_list("status", flat=True)) == {
        *("planned", "active", "completed", "suspended", "cancelled", "unknown"),
    }
    assert Measurement.objects.filter(is_demo(Measurement)).count() >= 6
    assert Milestone.objects.filter(is_demo(Milestone), completed_on="").exists()
    assert set(FactCheck.objects.filter(is_demo(FactCheck)).values_list("verdict", flat=True)) >= {"incorrect", "supported", "unchecked"}
    assert set(Addressee.objects.filter(is_demo(Addressee)).values_list("response", flat=True)) == {
        *("accepted", "accepted_in_part", "noted", "rejected", "deferred", "none_recorded"),
    }
    assert not Citation.objects.filter(is_demo(Citation), quote="").exists()
    assert EntryIntoForceCondition.objects.filter(is_demo(EntryIntoForceCondition)).exists()


def test_some_records_are_drafts_internal_or_restricted(demo):
    def kinds(model):
        return set(model.objects.filter(is_demo(model)).values_list("visibility", "publication"))

    assert kinds(Component) == {("public", "published"), ("internal", "published"), ("public", "draft")}
    assert kinds(Recommendation) == {("public", "published"), ("restricted", "published")}
    assert "demo-rec-closure-drills" not in Recommendation.objects.visible_to(demo["reader"]).values_list("slug", flat=True)
    assert Recommendation.objects.visible_to(demo["analyst"]).filter(slug="demo-rec-closure-drills").exists()


def test_records_have_owners_and_leads(demo):
    owners = Recommendation.objects.filter(is_demo(Recommendation)).values("owner__username").annotate(number=Count("pk"))

    assert {row["owner__username"] for row in owners} == {"analyst", "reviewer", None}
    assert Agreement.objects.get(slug=COMPACT).lead == demo["analyst"]


def test_every_demonstration_record_is_valid(demo):
    for model in records():
        for record in model.objects.filter(is_demo(model)):
            record.full_clean()


def test_data_checks_find_no_error_in_real_and_fictional_data(demo):
    errors = [rule for rule in RULES if RULES[rule].severity == Severity.ERROR]

    assert errors
    assert {rule: findings(rule, on=today()) for rule in errors} == {rule: [] for rule in errors}


# ---- dates relative to the day of loading


@pytest.mark.parametrize("later", [timedelta(0), timedelta(days=-400), timedelta(days=-61)])
def test_deadline_states_are_the_same_on_every_day_of_loading(later, monkeypatch, people):
    day = today() + later
    set_today(monkeypatch, day)

    load_demo()

    found = states(day)
    assert (found["shore-power"][0], found["emissions-inventory"][0], found["pilot-training"][0]) == ("due_soon", "overdue", "upcoming")
    assert found["ballast-water"][1] == "stale"
    assert Component.objects.get(slug="demo-comp-monitoring").due_on == (day - timedelta(days=70)).isoformat()


def test_data_loaded_before_keep_their_dates(monkeypatch, demo):
    changes = Change.objects.count()
    set_today(monkeypatch, today() + timedelta(days=30))

    output = load_demo()

    assert " 0 created, 0 changed, " in output and "1 created" not in output
    assert Change.objects.count() == changes


def test_loaddata_moves_the_dates_too(monkeypatch, people):
    call_command("loaddata", *(DEMO / name for name in layout.files()), verbosity=0)

    assert states(today())["shore-power"][0] == "due_soon"


@pytest.mark.parametrize(
    ("given", "moved"),
    [
        ("2026-07-01", "2026-07-11"),
        ("2026-07-25~", "2026-08-04~"),
        ("2026-07", "2026-07"),
        ("2026-12", "2026-12"),
        ("2026~", "2026~"),
        ("", ""),
        ("someday", "someday"),
    ],
)
def test_a_partial_date_moves_in_its_precision(given, moved):
    assert relative_dates.moved(EdtfField(), given, timedelta(days=10)) == moved


def test_a_data_set_without_a_reference_date_is_loaded_as_it_is(tmp_path):
    assert relative_dates.reference_date(FIXTURES) is None
    assert relative_dates.reference_date(DEMO) == date(2026, 7, 1)
    (tmp_path / "datapackage.json").write_text("[]")
    assert relative_dates.reference_date(tmp_path) is None


# ---- dump


def dumped(folder, *options: str) -> dict[str, bytes]:
    call_command("dump_dataset", folder, *options, stdout=StringIO())
    return {name: (folder / name).read_bytes() for name in layout.files()}


def test_a_dump_leaves_the_demonstration_out(demo, tmp_path):
    assert dumped(tmp_path) == {name: (FIXTURES / name).read_bytes() for name in layout.files()}


def test_a_dump_with_demo_contains_the_loaded_demonstration(monkeypatch, people, tmp_path):
    set_today(monkeypatch, relative_dates.reference_date(DEMO))
    load_demo()

    found = {name: json.loads(content) for name, content in dumped(tmp_path, "--demo").items()}

    for name in layout.files():
        real = json.loads((FIXTURES / name).read_text())
        assert [row for row in found[name] if row not in real] == json.loads((DEMO / name).read_text())


def test_a_dump_rejects_a_real_record_that_refers_to_the_demonstration(demo, tmp_path):
    Citation.objects.create(
        agreement=Agreement.objects.get(slug="aukus"), source=Source.objects.get(slug="demo-audit-marevia"), field="summary"
    )

    with pytest.raises(CommandError, match="demonstration data"):
        dumped(tmp_path)

    assert dumped(tmp_path, "--demo")


# ---- remove


def remove_demo() -> str:
    output = StringIO()
    call_command("remove_demo", stdout=output)
    return output.getvalue()


def content() -> dict[str, list]:
    """The rows of all tables."""
    models = [model for model in apps.get_models(include_auto_created=True) if model._meta.managed]
    return {model._meta.db_table: sorted(map(str, model._base_manager.values_list())) for model in models}


def test_removing_leaves_a_register_as_it_was_without_demonstration(people):
    before = content()
    load_demo()
    assert content() != before

    output = remove_demo()

    assert content() == before
    assert "Removed recommendations: 14" in output and "Removed changes: " in output


def test_what_users_did_with_the_demonstration_is_removed_too(people):
    before = content()
    load_demo()
    analyst, recommendation = people["analyst"], Recommendation.objects.get(slug="demo-rec-harbour-fund")
    with change_context(analyst, "", "api"):
        report = progress.Report(status="planned", narrative="The parties have met.")
        progress.report_progress(recommendation, report, by=analyst, today=today())
    draft = Component.objects.create(slug="demo-comp-of-a-user", agreement=Agreement.objects.get(slug=COMPACT), title="Extra")
    draft.delete()
    Citation.objects.create(agreement=Agreement.objects.get(slug=COMPACT), source=Source.objects.get(slug="gov-uk"), field="summary")
    Milestone.objects.filter(recommendation=recommendation).delete()
    TreatyAction.objects.filter(agreement__slug=PROTOCOL, kind="acceptance").delete()

    remove_demo()

    assert content() == before


def test_removing_twice_removes_nothing_more(demo):
    remove_demo()
    before = content()

    assert remove_demo() == "There is no demonstration data.\n"
    assert content() == before


def test_a_register_without_real_data_is_empty_after_removing(demo):
    remove_demo()

    for model in records():
        assert not model.objects.filter(is_demo(model)).exists()
    assert set(User.objects.values_list("username", flat=True)) == set(ROLES)


def cite_demo_source():
    Citation.objects.create(
        agreement=Agreement.objects.get(slug="aukus"), source=Source.objects.get(slug="demo-audit-marevia"), field="summary"
    )
    return "citation"


def link_demo_agreement():
    Recommendation.objects.get(slug="rec-interoperability").agreements.add(Agreement.objects.get(slug=COMPACT))
    return "recommendation rec-interoperability"


def add_component_under_another_key():
    Component.objects.create(slug="my-component", agreement=Agreement.objects.get(slug=COMPACT), title="Mine")
    return "component my-component"


def use_demo_source_as_evidence():
    update = ProgressUpdate.objects.create(
        recommendation=Recommendation.objects.get(slug="rec-joint-task-forces"), status="planned", reported_on=today(), review="draft"
    )
    Evidence.objects.create(update=update, source=Source.objects.get(slug="demo-audit-marevia"))
    return "evidence"


def make_officer_of_demo_party():
    PartyOfficer.objects.filter(user__username="officer").update(party=Party.objects.get(code="demo-solenda"))
    return "officer for Solenda"


@pytest.mark.parametrize(
    "refer",
    [cite_demo_source, link_demo_agreement, add_component_under_another_key, use_demo_source_as_evidence, make_officer_of_demo_party],
)
def test_nothing_is_removed_while_a_real_record_refers_to_the_demonstration(refer, demo):
    named = refer()
    before = content()

    with pytest.raises(CommandError, match=f"Real records refer to the demonstration data: .*{named}"):
        remove_demo()

    assert content() == before


def test_the_guards_are_in_force_after_removing(demo):
    remove_demo()

    assert run_checks(databases=["default"], tags=["database"]) == []
    approved = ProgressUpdate.objects.filter(review="approved").first()
    for record in (approved, Agreement.objects.get(slug="aukus")):
        with pytest.raises(DatabaseError), transaction.atomic():
            type(record)._base_manager.filter(pk=record.pk)._raw_delete("default")


def test_a_published_demonstration_record_cannot_be_deleted_otherwise(demo):
    with pytest.raises(DatabaseError), transaction.atomic():
        Recommendation._base_manager.filter(slug="demo-rec-shore-power")._raw_delete("default")


def test_every_part_of_the_demonstration_is_recognised(demo):
    for model in (model for model in records() if issubclass(model, UidRecord)):
        uids = {row["uid"] for row in rows(model._meta.model_name)}
        assert {str(uid) for uid in model.objects.filter(is_demo(model)).values_list("uid", flat=True)} == uids
