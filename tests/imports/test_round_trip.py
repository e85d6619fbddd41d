"""An export, changed with a spreadsheet library, changes exactly those fields."""

import io
import re

import pytest
from django.core.management import call_command
from django.test import Client
from openpyxl import Workbook, load_workbook

from policytracker.records.changes import Change
from policytracker.resources import registry
from recommendations.models import Recommendation
from tests.make import make_agreement

pytestmark = pytest.mark.usefixtures("stored_records")


@pytest.fixture
def exported(db, administrator):
    """The export of all recommendations."""
    treaty = make_agreement(slug="treaty")
    for number in range(2, 6):
        made = Recommendation.objects.create(
            slug=f"rec-{number}", key_action=f"=Action; {number}", quote=" verbatim\ntext ", due_on="2031-05"
        )
        made.agreements.set([treaty])
    client = Client()
    client.force_login(administrator)
    response = client.get("/api/v1/recommendations/?format=xlsx", secure=True)
    return load_workbook(io.BytesIO(b"".join(response.streaming_content)))


def saved(workbook: Workbook) -> bytes:
    file = io.BytesIO()
    workbook.save(file)
    return file.getvalue()


def change_cell(workbook: Workbook, slug: str, field: str, value: str) -> None:
    sheet = workbook.active
    header, *rows = sheet.iter_rows()
    column = [cell.value for cell in header].index(field)
    next(row for row in rows if row[0].value == slug)[column].value = value


def test_an_unchanged_export_changes_nothing(import_table, exported):
    run = import_table(saved(exported), name="export.xlsx")

    assert run.summary == "0 created, 0 changed, 5 unchanged, 0 refused"


@pytest.mark.parametrize("parameters", ["format=csv", "format=xlsx", "format=csv&layout=people", "format=xlsx&layout=people"])
def test_every_list_can_be_exported_and_imported_without_a_change(import_table, stored_records, administrator, parameters):
    call_command("load_dataset", "fixtures", verbosity=0)
    client = Client()
    client.force_login(administrator)

    for resource in registry.addressed:
        if resource.serializer.example is None or not resource.model.objects.exists():  # progress updates are reported, not imported
            continue
        content = b"".join(client.get(f"/api/v1/{resource.address}/?{parameters}", secure=True).streaming_content)
        run = import_table(content, name="export.csv" if "csv" in parameters else "export.xlsx", resource=resource.address, dry_run=True)
        assert run.summary.startswith("0 created, 0 changed, "), (resource.address, run.output[-800:])
        refused = re.findall(r"^Row \d+.*: refused\. (.*)$", run.output, re.M)
        # In a sheet for people: two sources of the fixtures, and two outcomes, have the same title. The preview asks for the key.
        assert all("people" in parameters and message.startswith("There are several records") for message in refused), (
            resource.address,
            refused,
        )


def test_three_changed_cells_are_exactly_three_changed_fields_with_history(import_table, exported, reviewer):
    workbook = load_workbook(io.BytesIO(saved(exported)))
    changes = [("rec-2", "details", "More"), ("rec-3", "due_on", "2032"), ("rec-4", "agreements", "pact;treaty")]
    for change in changes:
        change_cell(workbook, *change)
    before = Change.objects.order_by("id").last().id

    run = import_table(saved(workbook), name="export.xlsx", user="reviewer")

    assert run.summary == "0 created, 3 changed, 2 unchanged, 0 refused"
    assert Recommendation.objects.get(slug="rec-2").details == "More"
    assert Recommendation.objects.get(slug="rec-3").due_on == "2032"
    assert {agreement.slug for agreement in Recommendation.objects.get(slug="rec-4").agreements.all()} == {"pact", "treaty"}
    recorded = Change.objects.filter(id__gt=before).order_by("id")
    derived = {"due_on_first", "due_on_last", "version", "updated_at"}
    changed = [sorted(set(change.changed) - derived) for change in recorded if change.op == "update" and set(change.changed) - derived]
    # The third change is a link. One statement writes all rows, and PostgreSQL chooses their order.
    assert sorted(changed) == [["details"], ["due_on"]]
    assert all(change.actor["user"] == "reviewer" and change.actor["channel"] == "import" for change in recorded)


def test_a_row_that_changed_meanwhile_is_refused_and_shown(import_table, exported):
    change_cell(exported, "rec-2", "details", "More")
    change_cell(exported, "rec-3", "details", "More")
    Recommendation.objects.filter(slug="rec-3").update(details="Changed meanwhile")

    run = import_table(saved(exported), name="export.xlsx")

    assert (run.code, run.summary) == (1, "0 created, 1 changed, 3 unchanged, 1 refused")
    refused = [line for line in run.output.splitlines() if "refused" in line]
    assert len(refused) == 2 and refused[0].startswith("Row 4")
    assert Recommendation.objects.get(slug="rec-2").details == ""
