"""Tables with the labels, titles and dates of a sheet for people."""

import io
from datetime import date, datetime

import pytest
from openpyxl import Workbook

from agreements.models import Agreement, EntryIntoForceCondition
from recommendations.models import Milestone, Recommendation
from tests.imports.conftest import table
from tests.make import make_agreement, make_recommendation

pytestmark = pytest.mark.usefixtures("stored_records")


def sheet(*rows: dict) -> bytes:
    """An XLSX file with these rows."""
    book, file = Workbook(), io.BytesIO()
    book.active.append(list(rows[0]))
    for row in rows:
        book.active.append(list(row.values()))
    book.save(file)
    return file.getvalue()


def test_labels_are_understood_in_any_case_as_headers_and_as_codes(import_table):
    row = {"KEY": "rec-2", "key Action": "Train", "priority": "hIGH", "Visibility": "Internal", "Date made": date(2025, 3, 1)}

    run = import_table(sheet(row), name="own.xlsx")

    assert run.summary == "1 created, 0 changed, 0 unchanged, 0 refused", run.output
    made = Recommendation.objects.get(slug="rec-2")
    assert (made.key_action, made.priority, made.visibility, made.made_on) == ("Train", "high", "internal", "2025-03-01")


def test_records_are_found_by_their_titles_and_parties_by_their_names(import_table):
    make_agreement(slug="one", title="Treaty; of Darwin")
    rows = table({"Key": "rec-2", "Key action": "Train", "Agreements": r"treaty\;  of Darwin; pact", "Made by": "Côte d'Ivoire"})

    run = import_table(rows)

    made = Recommendation.objects.get(slug="rec-2")
    assert run.code == 0, run.output
    assert {agreement.slug for agreement in made.agreements.all()} == {"one", "pact"}
    assert made.made_by.code == "CIV"


def test_a_title_that_several_records_have_is_refused_with_their_keys(import_table):
    for slug in ("one", "two"):
        make_agreement(slug=slug, title="Treaty of Darwin")

    run = import_table(table({"Key": "rec-2", "Key action": "Train", "Agreements": "Treaty of Darwin"}))

    assert run.summary == "0 created, 0 changed, 0 unchanged, 1 refused"
    assert "one, two" in run.output


def test_a_title_that_no_record_has_is_never_guessed(import_table):
    make_agreement(slug="one", title="Treaty of Darwin")

    run = import_table(table({"Key": "rec-2", "Key action": "Train", "Agreements": "Treaty of Darvin"}))

    assert run.summary == "0 created, 0 changed, 0 unchanged, 1 refused"
    assert "Similar: Treaty of Darwin (one)" in run.output


def test_a_title_of_a_record_that_the_user_may_not_read_is_not_found(import_table, analyst):
    make_agreement(slug="one", title="Treaty of Darwin", visibility="restricted")

    run = import_table(table({"Key": "rec-2", "Key action": "Train", "Agreements": "Treaty of Darwin"}), user="analyst")

    assert (run.code, "Darwin (one)" in run.output) == (1, False)


def test_a_row_can_refer_to_a_record_that_the_same_sheet_makes(import_table):
    rows = table(
        {"Key": "rec-3", "Key action": "Hire", "Parent": "rec-2"},
        {"Key": "rec-2", "Key action": "Train", "Parent": ""},
    )

    run = import_table(rows)

    assert run.summary == "2 created, 0 changed, 0 unchanged, 0 refused", run.output
    assert Recommendation.objects.get(slug="rec-3").parent.slug == "rec-2"


def test_titles_are_understood_only_in_tables_with_labels(import_table):
    make_agreement(slug="one", title="Treaty of Darwin")

    run = import_table(table({"slug": "rec-2", "key_action": "Train", "agreements": "Treaty of Darwin"}))

    assert run.summary == "0 created, 0 changed, 0 unchanged, 1 refused"


def test_columns_that_show_other_records_are_not_imported_and_named(import_table):
    run = import_table(table({"Key": "rec-2", "Key action": "Train", "Addressees": "Australia", "Last narrative": "Begun."}))

    assert run.summary == "1 created, 0 changed, 0 unchanged, 0 refused"
    assert "Not imported, because these columns show other records: Addressees, Last narrative." in run.output


def test_a_column_that_is_neither_a_field_nor_a_label_is_refused(import_table):
    assert "“Colour”" in import_table(table({"Key": "rec-2", "Key action": "Train", "Colour": "red"})).output


def test_a_field_with_two_columns_is_refused(import_table):
    run = import_table(table({"slug": "rec-2", "key_action": "Train", "Key action": "Hire"}))

    assert (run.code, "Key action" in run.output) == (1, True)
    assert not Recommendation.objects.filter(slug="rec-2").exists()


def test_durations_are_understood_in_words(import_table):
    rows = table({"Agreement": "pact", "Kind": "Number of consents", "Number": "3", "Delay": "6 months"})

    run = import_table(rows, resource="entry-into-force-conditions")

    assert run.code == 0, run.output
    assert EntryIntoForceCondition.objects.get().delay == "P6M"


def test_a_duration_that_is_none_is_refused(import_table):
    run = import_table(table({"Key": "pact", "Later joiner delay": "soon"}), resource="agreements")

    assert run.summary == "0 created, 0 changed, 0 unchanged, 1 refused"
    assert Agreement.objects.get(slug="pact").later_joiner_delay == ""


def test_an_exact_date_of_a_spreadsheet_is_a_day_and_a_year_stays_a_year(import_table):
    make_recommendation(slug="act", key_action="Act; now")
    rows = [
        {"Recommendation": "Act; now", "Title": "Begin", "Due date": datetime(2027, 6, 1)},
        {"Recommendation": "Act; now", "Title": "End", "Due date": "2028"},
        {"Recommendation": "Act; now", "Title": "Close", "Due date": "About 2029"},
    ]

    run = import_table(sheet(*rows), "milestones", name="own.xlsx")

    assert run.code == 0, run.output
    assert list(Milestone.objects.order_by("due_on").values_list("due_on", flat=True)) == ["2027-06-01", "2028", "2029~"]
