"""What a preview says first, which rows an import leaves out, and which records of others it does not change."""

import tomllib

import pytest

from agreements.models import Citation, Commitment, Party, Source
from policytracker.importing.summary import expected_duration
from recommendations.models import Addressee, ProgressUpdate, Recommendation
from tests.imports.conftest import table
from tests.make import make_agreement, make_party, make_source

pytestmark = pytest.mark.usefixtures("stored_records")
MAPPING = '[columns]\nslug = "id"\nkey_action = "what"\n'
TITLES = '[columns]\nslug = "id"\ntitle = "title"\n'


# ---- the summary


def test_a_preview_begins_with_counts_by_type_and_field_and_ten_examples(import_table):
    rows = [{"slug": f"new-{number}", "key_action": "Train"} for number in range(30)] + [{"slug": "rec-1", "key_action": "Open two hubs"}]

    short, long = (import_table(table(*rows), dry_run=True, verbose=verbose).output for verbose in (False, True))

    assert short.startswith("Created: recommendations 30\n")
    assert "Changed: recommendations 1 (key_action 1)" in short
    assert (short.count(": created "), long.count(": created ")) == (10, 30)
    assert short.splitlines()[-1] == "30 created, 1 changed, 0 unchanged, 0 refused"


def test_refusals_are_grouped_with_the_lines_that_translate_their_terms(import_table):
    make_party("USA", name="United States of America")
    rows = [{"recommendation": "rec-1", "party": "Rumania"}] * 3 + [{"recommendation": "rec-1", "party": 'States "United"'}]

    output = import_table(table(*rows), "addressees", dry_run=True).output

    assert "3x “party”: There is no party “Rumania”. (2, 3, 4)" in output
    block = "\n".join(line[2:] for line in output.splitlines() if line.startswith(("  [codes", '  "')))
    assert tomllib.loads(block) == {"codes": {"party": {"Rumania": "", 'States "United"': ""}}}
    assert "Romania (ROU)" in block and "United States of America (USA)" in block


def test_names_are_suggested_by_their_words(import_table):
    Party.objects.filter(code="COD").update(aliases=[])

    output = import_table(table({"recommendation": "rec-1", "party": "Congo, Dem. Rep. of"}), "addressees").output

    assert "Democratic Republic of the Congo (COD)" in output


def test_a_preview_says_how_long_the_import_will_take(import_table):
    assert "The import will take a few seconds." in import_table(table({"slug": "rec-2", "key_action": "Train"}), dry_run=True).output
    assert [expected_duration(seconds).split("take ")[1] for seconds in (3, 42, 236)] == [
        "a few seconds.", "about 40 seconds.", "about 4 minutes.",
    ]  # fmt: skip


# ---- several files, and rows that are left out


def test_several_files_are_written_together_or_not_at_all(import_table, tmp_path):
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    first.write_text(table({"slug": "rec-2", "key_action": "Train"}))
    second.write_text(table({"slug": "rec-3", "key_action": "Hire", "parent": "rec-2"}, {"slug": "rec-4", "key_action": "", "parent": ""}))

    refused = import_table([first, second])
    second.write_text(table({"slug": "rec-3", "key_action": "Hire", "parent": "rec-2"}))
    done = import_table([first, second])

    assert refused.summary == "2 created, 0 changed, 0 unchanged, 1 refused"
    assert "second.csv: Row 3" in refused.output
    assert done.summary == "2 created, 0 changed, 0 unchanged, 0 refused"
    assert Recommendation.objects.get(slug="rec-3").parent.slug == "rec-2"


def test_refused_rows_can_be_left_out_with_those_that_need_them(import_table):
    rows = [
        {"slug": "rec-2", "key_action": "", "parent": ""}, {"slug": "rec-3", "key_action": "Hire", "parent": "rec-2"},
        {"slug": "rec-4", "key_action": "Train", "parent": ""},
    ]  # fmt: skip

    run = import_table(table(*rows), leave_out_refused=True)

    assert (run.code, run.summary) == (1, "1 created, 0 changed, 0 unchanged, 2 refused")
    assert set(Recommendation.objects.values_list("slug", flat=True)) == {"rec-1", "rec-4"}


def test_a_row_is_left_out_with_all_its_records(import_table):
    mapping = MAPPING + '[[records]]\nresource = "addressees"\ncolumns = { recommendation = "id", party = "who" }\n'
    rows = [{"id": "rec-2", "what": "Train", "who": "AUS"}, {"id": "rec-3", "what": "Hire", "who": "Nobody"}]

    run = import_table(table(*rows), mapping=mapping, leave_out_refused=True)

    assert run.summary == "2 created, 0 changed, 0 unchanged, 1 refused"
    assert not Recommendation.objects.filter(slug="rec-3").exists()


# ---- records of other sources


def test_a_change_of_a_record_of_another_source_is_refused_unless_it_is_wanted(import_table):
    make_source(slug="mine")
    Recommendation.objects.filter(slug="rec-1").update(source=make_source(slug="theirs"))
    rows = table({"id": "rec-1", "what": "Close the hub"})

    refused = import_table(rows, mapping=MAPPING, source="mine")
    wanted = import_table(rows, mapping=MAPPING, source="mine", update_others=True)

    assert (refused.code, refused.summary) == (1, "0 created, 0 changed, 0 unchanged, 1 refused")
    assert "changes a record of another source" in refused.output
    assert (wanted.code, wanted.summary) == (0, "0 created, 1 changed, 0 unchanged, 0 refused")


def test_records_of_the_same_source_or_of_none_can_be_changed(import_table):
    make_source(slug="mine")
    rows = table({"id": "rec-1", "what": "Close the hub"})

    assert import_table(rows, mapping=MAPPING, source="mine").code == 0
    Recommendation.objects.filter(slug="rec-1").update(source=Source.objects.get(slug="mine"), key_action="Open a hub")
    assert import_table(rows, mapping=MAPPING, source="mine").code == 0


def test_a_mapped_table_without_a_source_does_not_change_records_that_have_one(import_table):
    Recommendation.objects.filter(slug="rec-1").update(source=make_source(slug="theirs"))

    assert import_table(table({"id": "rec-1", "what": "Close the hub"}), mapping=MAPPING).code == 1
    assert import_table(table({"id": "rec-1", "what": "Open a hub"}), mapping=MAPPING).code == 0
    assert import_table(table({"slug": "rec-1", "key_action": "Close the hub"})).code == 0  # our own table


@pytest.mark.parametrize("kind", ["citation", "action"])
def test_the_sources_of_an_agreement_are_those_that_cite_it_and_those_of_its_parts(import_table, kind):
    make_source(slug="mine")
    treaty, theirs = make_agreement(slug="32", title="Maritime boundary"), make_source(slug="theirs")
    if kind == "citation":
        Citation.objects.create(agreement=treaty, source=theirs)
    else:
        treaty.actions.create(kind="announcement", acted_on="2020", source=theirs)

    run = import_table(table({"id": "32", "title": "Partnership"}), "agreements", mapping=TITLES, source="mine")

    assert run.summary == "0 created, 0 changed, 0 unchanged, 1 refused"


# ---- assessments by row

ASSESSED = """
    [columns]
    slug = "id"
    key_action = "what"
    [progress]
    scheme = "PolitiFact"
    status = "rating"
    reported_on = "on"
    progress_percent = "score"
    [[records]]
    resource = "addressees"
    columns = { recommendation = "id", party = "who" }
"""


def assessed(rating: str, on: str, score: str = "", **cells) -> dict:
    return {"id": "rec-2", "what": "Train", "rating": rating, "on": on, "score": score, "who": "AUS"} | cells


def test_several_rows_can_be_assessments_of_one_record(import_table, reviewer):
    rows = table(
        assessed("In the Works", "2025-01-01", "40 %"), assessed("Stalled", "2026-01-01", "45"), assessed("Not yet rated", "2023-01-01"),
        assessed("Promise Kept", "2024-01-01", id="rec-3", what="Hire"),
    )  # fmt: skip

    first, again = (import_table(rows, mapping=ASSESSED, user="reviewer", source="register") for _ in range(2))

    made = Recommendation.objects.get(slug="rec-2")
    assert first.summary == "4 created, 0 changed, 0 unchanged, 0 refused"
    assert again.summary == "0 created, 0 changed, 4 unchanged, 0 refused"
    assert (made.status, made.source_code, made.progress_percent) == ("stalled", "Stalled", 45)
    assert list(made.updates.order_by("reported_on").values_list("status", "progress_percent")) == [
        ("not_assessed", None), ("in_progress", 40), ("stalled", 45),
    ]  # fmt: skip
    assert Addressee.objects.count() == 2


def test_an_older_assessment_does_not_replace_the_code_of_a_newer_one(import_table, reviewer):
    import_table(table(assessed("Stalled", "2026-01-01")), mapping=ASSESSED, user="reviewer", source="register")

    run = import_table(table(assessed("In the Works", "2024-01-01")), mapping=ASSESSED, user="reviewer", source="register")

    made = Recommendation.objects.get(slug="rec-2")
    assert (run.code, made.source_code, made.status, made.updates.count()) == (0, "Stalled", "stalled", 2)


def test_rows_of_one_record_that_differ_in_a_field_are_refused(import_table, reviewer):
    rows = table(assessed("In the Works", "2025-01-01"), assessed("Stalled", "2026-01-01", what="Hire"))

    run = import_table(rows, mapping=ASSESSED, user="reviewer", source="register")

    assert run.code == 1
    assert "key_action" in run.output and "row 2" in run.output


@pytest.mark.parametrize("score", ["101", "-1", "many", "4.5"])
def test_a_percentage_that_is_none_is_refused_with_its_place(import_table, score):
    run = import_table(table(assessed("In the Works", "2025-01-01", score)), mapping=ASSESSED)

    assert "Row 2, column E “score”" in run.output
    assert not ProgressUpdate.objects.exists()


# ---- labels, and values that are there already


@pytest.mark.parametrize("written", ["high", "HIGH", "High", " high "])
def test_a_label_or_a_code_in_any_case_is_the_code(import_table, written):
    run = import_table(table({"slug": "rec-2", "key_action": "Train", "priority": written, "visibility": "Internal"}))
    assert run.code == 0, run.output

    made = Recommendation.objects.get(slug="rec-2")
    assert (made.priority, made.visibility) == ("high", "internal")


def test_currencies_in_any_case_and_names_of_languages_become_codes(import_table):
    row = {"agreement": "pact", "stage": "Announced", "amount": "1", "currency": "usd"}
    import_table(table(row), "commitments")
    import_table(
        table({"slug": "report", "kind": "news", "language": "English"}, {"slug": "avis", "kind": "news", "language": "fr-CA"}), "sources"
    )

    assert Commitment.objects.get().currency == "USD"
    assert (Source.objects.get(slug="report").language, Source.objects.get(slug="avis").language) == ("en", "fr-CA")


def test_an_edited_export_that_is_imported_twice_is_unchanged_the_second_time(import_table):
    version = Recommendation.objects.get(slug="rec-1").version
    rows = table({"slug": "rec-1", "version": str(version), "key_action": "Open two hubs"})

    first, again = import_table(rows), import_table(rows)

    assert first.summary == "0 created, 1 changed, 0 unchanged, 0 refused"
    assert (again.code, again.summary) == (0, "0 created, 0 changed, 1 unchanged, 0 refused")


# ---- a mapping to begin with


def test_a_draft_is_a_valid_mapping_with_the_headers_and_the_values_of_short_columns(import_table):
    rows = table(
        *(
            {"slug": f"r{number}", "Due date": "2030", "Priority": "Urgent" if number % 2 else "High", 'Odd \\ "x"': "a"}
            for number in range(20)
        )
    )

    output = import_table(rows, draft=True).output

    mapping = tomllib.loads(output)
    assert mapping["resource"] == "recommendations"
    assert mapping["columns"] == {"slug": "slug", "due_on": "Due date", "priority": "Priority"}
    assert mapping["codes"] == {"priority": {"High": "high", "Urgent": ""}}
    assert '# ... = "Odd' in output


def test_a_draft_without_a_resource_lists_the_types(import_table):
    output = import_table(table({"ID": "1", "Status": "Open"}), "", draft=True).output

    assert tomllib.loads(output) == {"columns": {}}
    assert "recommendations" in output and '"Status"' in output
