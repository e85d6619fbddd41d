"""The `[progress]` section: assessments of other registers, through the same function as everywhere else."""

import json

import pytest

from agreements.models import Source
from policytracker.resources import today
from recommendations.models import ProgressUpdate, Recommendation, Status
from recommendations.progress import approve
from recommendations.schemes import SCHEMES, named
from tests.conftest import make_user
from tests.imports.conftest import table

pytestmark = pytest.mark.usefixtures("stored_records")

MAPPING = """
    [columns]
    slug = "id"
    key_action = "text"
    [progress]
    scheme = "GAO"
    status = "status"
    narrative = "comments"
    reported_on = "2024-06-30"
    assessed_by = "GAO"
"""
# DOMAIN: their code, whether there is a comment, our code
GAO = [
    ("Open", "", "not_assessed"),
    ("Open", "Work has begun.", "in_progress"),
    ("Open - Partially Addressed", "", "partly_implemented"),
    ("Closed \u2013 Implemented", "", "implemented"),
    ("CLOSED-NOT IMPLEMENTED", "", "closed_not_implemented"),
]


def row(status: str, comments: str = "", **cells) -> dict:
    return {"id": "rec-2", "text": "Train", "status": status, "comments": comments} | cells


@pytest.mark.parametrize(("code", "comments", "status"), GAO)
def test_a_code_of_another_register_becomes_an_assessment(import_table, reviewer, code, comments, status):
    run = import_table(table(row(code, comments)), mapping=MAPPING, user="reviewer", source="register")
    waits = status in ("implemented", "closed_not_implemented")  # for a second person
    if waits:
        assert Recommendation.objects.get(slug="rec-2").status == "not_assessed"
        approve(ProgressUpdate.objects.get(), by=make_user("second", "reviewer"), today=today())

    made, update = Recommendation.objects.get(slug="rec-2"), ProgressUpdate.objects.get()
    assert (run.code, run.summary) == (0, "1 created, 0 changed, 0 unchanged, 0 refused")
    assert (made.status, made.source_scheme, made.source_code) == (status, "GAO", code)
    assert (update.kind, update.status, update.review) == ("assessment", status, "approved")
    assert (update.author, update.imported_by, str(update.reported_on)) == (None, reviewer, "2024-06-30")
    assert update.reviewed_by.username == ("second" if waits else "reviewer")
    assert (update.assessed_by, update.narrative) == ("GAO", comments or f"Imported: GAO, {code}")
    assert [evidence.source.slug for evidence in update.evidence.all()] == ["register"]


def test_the_report_date_can_be_the_retrieval_date_of_the_source(import_table, reviewer):
    Source.objects.filter(slug="register").update(retrieved_on="2024-05-31")
    mapping = MAPPING.replace("2024-06-30", "source.retrieved_on")

    runs = [import_table(table(row("Open")), mapping=mapping, user="reviewer", source="register").summary for _ in range(2)]

    assert runs == ["1 created, 0 changed, 0 unchanged, 0 refused", "0 created, 0 changed, 1 unchanged, 0 refused"]
    assert str(ProgressUpdate.objects.get().reported_on) == "2024-05-31"


@pytest.mark.parametrize("source", ["register", None])
def test_without_a_retrieval_date_no_report_date_is_made_up(import_table, reviewer, source):
    Source.objects.filter(slug="register").update(retrieved_on=None)
    mapping = MAPPING.replace("2024-06-30", "source.retrieved_on")

    run = import_table(table(row("Open")), mapping=mapping, user="reviewer", **({"source": source} if source else {}))

    assert (run.code, run.summary) == (1, "0 created, 0 changed, 0 unchanged, 1 refused")
    assert not ProgressUpdate.objects.exists()


@pytest.mark.parametrize("user", [None, "analyst"])
def test_without_a_reviewer_an_assessment_waits_as_submitted(import_table, analyst, user):
    import_table(table(row("Closed - Implemented")), mapping=MAPPING, user=user, source="register")

    update = ProgressUpdate.objects.get()
    assert (update.review, update.author) == ("submitted", None)
    assert Recommendation.objects.get(slug="rec-2").status == "not_assessed"


def test_the_source_of_the_row_is_the_evidence(import_table, reviewer):
    mapping = MAPPING.replace("[progress]", 'source = "source"\n[progress]')

    import_table(table(row("Closed - Implemented", source="register")), mapping=mapping, user="reviewer")

    assert ProgressUpdate.objects.get().evidence.get().source.slug == "register"


def test_an_assessment_that_requires_evidence_is_refused_without_a_source(import_table, reviewer):
    run = import_table(table(row("Closed - Implemented")), mapping=MAPPING, user="reviewer")

    assert (run.code, run.summary) == (1, "0 created, 0 changed, 0 unchanged, 1 refused")
    assert "Row 2, column C “status”" in run.output
    assert not ProgressUpdate.objects.exists()


def test_an_unknown_source_is_refused(import_table, reviewer):
    rows = table(row("Open", id="rec-1"))
    mapping = MAPPING.replace('key_action = "text"\n', "").replace("[columns]", 'ignore = ["text"]\n[columns]')

    assert import_table(rows, mapping=mapping, user="reviewer", source="missing").code == 1


def test_importing_again_changes_nothing(import_table, reviewer):
    options = {"mapping": MAPPING, "user": "reviewer", "source": "register"}
    import_table(table(row("Open", "Begun")), **options)

    again = import_table(table(row("Open", "Begun")), **options)
    newer = import_table(table(row("Closed - Implemented", "Done")), **options | {"mapping": MAPPING.replace("2024", "2025")})

    assert again.summary == "0 created, 0 changed, 1 unchanged, 0 refused"
    assert newer.summary == "0 created, 1 changed, 0 unchanged, 0 refused"
    assert [update.status for update in ProgressUpdate.objects.order_by("reported_on")] == ["in_progress", "implemented"]


def test_a_dry_run_shows_the_new_status_and_writes_nothing(import_table, reviewer):
    run = import_table(table(row("Open", "Begun")), mapping=MAPPING, user="reviewer", source="register", dry_run=True)

    assert "status: not_assessed → in_progress" in run.output
    assert not ProgressUpdate.objects.exists()


def test_a_row_without_a_status_makes_no_assessment(import_table):
    run = import_table(table(row("")), mapping=MAPPING)

    assert run.summary == "1 created, 0 changed, 0 unchanged, 0 refused"
    assert not ProgressUpdate.objects.exists()


def test_an_unknown_status_is_refused_with_row_and_column(import_table):
    run = import_table(table(row("Reopened")), mapping=MAPPING)

    assert run.code == 1
    assert "Row 2, column C “status”" in run.output


@pytest.mark.parametrize("day", ["", "2024", "2024-06", "soon", "2999-01-01"])
def test_a_report_date_is_never_made_up(import_table, day):
    mapping = MAPPING.replace('"2024-06-30"', '"day"')

    run = import_table(table(row("Open", day=day)), mapping=mapping)

    assert run.code == 1
    assert not ProgressUpdate.objects.exists()


def test_own_codes_replace_a_scheme(import_table, reviewer):
    mapping = MAPPING.replace('scheme = "GAO"\n', "") + '[progress.codes]\n"In Arbeit" = "in_progress"\n'

    import_table(table(row("in arbeit")), mapping=mapping, user="reviewer")

    made = Recommendation.objects.get(slug="rec-2")
    assert (made.status, made.source_code, ProgressUpdate.objects.get().narrative) == ("in_progress", "in arbeit", "Imported: in arbeit")


def test_the_history_of_statuses_becomes_assessments_in_order(import_table, reviewer):
    document = [
        {
            "id": "rec-2", "text": "Train",
            "history": [
                {"on": "2026-01-20", "rating": "Promise Broken", "why": "It was reversed."},
                {"on": "2023-02-01", "rating": "In the Works", "why": ""},
                {"on": "2025-03-01", "rating": "Promise Kept", "why": "It is open."},
            ],
            "sources": [{"url": "https://news.example/opening", "title": "Opening"}],
        }
    ]  # fmt: skip
    mapping = """
        [columns]
        slug = "id"
        key_action = "text"
        [progress]
        scheme = "politifact"
        path = "history"
        status = "rating"
        narrative = "why"
        reported_on = "on"
        evidence = "sources"
    """

    run = import_table(json.dumps(document), name="promises.json", mapping=mapping, user="reviewer")
    second = make_user("second", "reviewer")
    for update in ProgressUpdate.objects.filter(review="submitted").order_by("reported_on"):
        approve(update, by=second, today=today())

    made = Recommendation.objects.get(slug="rec-2")
    updates = ProgressUpdate.objects.order_by("reported_on")
    assert run.summary == "1 created, 0 changed, 0 unchanged, 0 refused"
    assert [(str(update.reported_on), update.status) for update in updates] == [
        ("2023-02-01", "in_progress"), ("2025-03-01", "implemented"), ("2026-01-20", "closed_not_implemented"),
    ]  # fmt: skip
    assert (made.status, made.source_code, str(made.closed_on)) == ("closed_not_implemented", "Promise Broken", "2026-01-20")
    assert {update.evidence.get().source.original_url for update in updates} == {"https://news.example/opening"}


def test_a_compromise_closes_the_recommendation(import_table, reviewer):
    mapping = MAPPING.replace("GAO", "PolitiFact")

    import_table(table(row("Compromise")), mapping=mapping, user="reviewer")

    made = Recommendation.objects.get(slug="rec-2")
    assert (made.status, str(made.closed_on)) == ("partly_implemented", "2024-06-30")


@pytest.mark.parametrize(
    ("scheme", "code", "status"),
    [
        ("OGP", "not started", "proposed"), ("OGP", "limited", "partly_implemented"), ("OGP", "substantial", "largely_implemented"),
        ("OGP", "complete", "implemented"), ("GRECO", "implemented satisfactorily", "implemented"),
        ("GRECO", "dealt with in a satisfactory manner", "addressed_otherwise"), ("GRECO", "partly implemented", "partly_implemented"),
        ("GRECO", "not implemented", "proposed"), ("ANAO", "fully", "implemented"), ("ANAO", "largely", "largely_implemented"),
        ("ANAO", "partly", "partly_implemented"), ("ANAO", "not implemented", "proposed"), ("ANAO", "ongoing", "in_progress"),
        ("PolitiFact", "stalled", "stalled"), ("PolitiFact", "not yet rated", "not_assessed"), ("TrumpTracker", "not started", "proposed"),
        ("TrumpTracker", "achieved", "implemented"), ("TrumpTracker", "compromised", "partly_implemented"),
        ("WeVis", "nodata", "not_assessed"),
        ("WeVis", "proposed", "planned"), ("WeVis", "working", "in_progress"), ("WeVis", "paused", "stalled"),
        ("WeVis", "done", "implemented"),
    ],
)  # fmt: skip
def test_the_codes_of_a_scheme_become_ours(scheme, code, status):
    assert named(scheme.upper())[code].status == status


def test_every_scheme_translates_to_statuses():
    assert {rating.status for codes in SCHEMES.values() for rating in codes.values()} <= set(Status)
