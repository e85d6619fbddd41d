"""`import_table`: rows become records, are compared with the stored ones and written together, or none is."""

import json

import pytest

from agreements.models import Agreement, Commitment, Indicator, Participation, Party, TreatyAction
from policytracker.records.changes import Change
from policytracker.representation.hidden import CONTENT_IS_HIDDEN
from recommendations.models import Addressee, Recommendation
from tests.conftest import make_user
from tests.imports.conftest import table
from tests.make import make_action, make_indicator, make_outcome, make_source

pytestmark = pytest.mark.usefixtures("stored_records")


def history(record) -> list[Change]:
    return list(Change.objects.filter(tbl=record._meta.db_table, row_id=record.pk).order_by("id"))


# ---- outcomes


def test_new_changed_and_unchanged_rows_are_counted_and_written(import_table):
    rows = [
        {"slug": "rec-1", "key_action": "Open two hubs", "priority": "high"},
        {"slug": "rec-2", "key_action": "Train the staff", "priority": "low"},
    ]

    first, again = import_table(table(*rows)), import_table(table(*rows))

    assert (first.code, first.summary) == (0, "1 created, 1 changed, 0 unchanged, 0 refused")
    assert (again.code, again.summary) == (0, "0 created, 0 changed, 2 unchanged, 0 refused")
    assert dict(Recommendation.objects.values_list("slug", "key_action")) == {"rec-1": "Open two hubs", "rec-2": "Train the staff"}


def test_a_dry_run_prints_each_row_with_old_and_new_values_and_writes_nothing(import_table):
    run = import_table(
        table({"slug": "rec-1", "key_action": "Open two hubs"}, {"slug": "rec-2", "key_action": "Train"}, {"slug": "", "key_action": "x"}),
        dry_run=True,
    )

    lines = run.output.splitlines()
    assert run.code == 1
    created, changed, refused = (next(line for line in lines if line.startswith(f"Row {row}")) for row in (3, 2, 4))
    assert changed.startswith("Row 2: changed") and "key_action: Open a hub → Open two hubs" in changed
    assert created.startswith("Row 3: created") and "key_action: Train" in created
    assert refused.startswith("Row 4, column A “slug”: refused")
    assert run.summary == "1 created, 1 changed, 0 unchanged, 1 refused"
    assert list(Recommendation.objects.values_list("slug", "key_action")) == [("rec-1", "Open a hub")]


def test_if_one_row_is_refused_nothing_is_written(import_table):
    run = import_table(table({"slug": "rec-2", "key_action": "Train"}, {"slug": "rec-3", "key_action": ""}))

    assert (run.code, run.summary) == (1, "1 created, 0 changed, 0 unchanged, 1 refused")
    assert "Row 3, column B “key_action”" in run.output
    assert not Recommendation.objects.filter(slug="rec-2").exists()


def test_the_history_names_the_user_the_channel_and_the_file(import_table, analyst):
    import_table(table({"slug": "rec-1", "key_action": "Open two hubs"}), user="analyst")

    change = history(Recommendation.objects.get(slug="rec-1"))[-1]
    assert (change.actor["user"], change.actor["channel"]) == ("analyst", "import")
    assert "table.csv" in change.actor["reason"]


def test_the_reason_of_a_row_replaces_the_name_of_the_file(import_table):
    import_table(table({"slug": "rec-1", "due_on": "2031", "change_reason": "The minister moved it"}))

    assert history(Recommendation.objects.get(slug="rec-1"))[-1].actor["reason"] == "The minister moved it"


def test_a_user_without_permission_cannot_import(import_table, reader):
    run = import_table(table({"slug": "rec-2", "key_action": "Train"}), user="reader")

    assert run.code == 1
    assert not Recommendation.objects.filter(slug="rec-2").exists()


def test_changes_that_are_reserved_for_reviewers_are_refused_for_an_analyst(import_table, analyst, reviewer):
    rows = table({"slug": "rec-1", "priority": "low"})

    assert import_table(rows, user="analyst").summary == "0 created, 0 changed, 0 unchanged, 1 refused"
    assert import_table(rows, user="reviewer").summary == "0 created, 1 changed, 0 unchanged, 0 refused"


@pytest.mark.parametrize(
    ("resource", "options"),
    [("nothing", {}), ("progress-updates", {}), ("recommendations", {"user": "nobody"}), ("recommendations", {"source": "nothing"})],
)
def test_an_unknown_resource_user_or_source_is_refused(import_table, resource, options):
    assert import_table(table({"slug": "rec-2", "key_action": "Train"}), resource, **options).code == 1


# ---- finding rows


def test_a_record_without_key_is_found_by_the_fields_that_identify_it(import_table):
    rows = table({"agreement": "pact", "kind": "signature", "party": "AUS", "acted_on": "2020-05-01", "place": "Canberra"})
    import_table(rows, "treaty-actions")

    run = import_table(rows.replace("Canberra", "Paris"), "treaty-actions")

    assert run.summary == "0 created, 1 changed, 0 unchanged, 0 refused"
    assert list(TreatyAction.objects.values_list("place", flat=True)) == ["Paris"]


def test_an_action_of_the_whole_text_is_found_too(import_table):
    rows = table({"agreement": "pact", "kind": "adoption", "party": "", "acted_on": "2020"})
    import_table(rows, "treaty-actions")

    assert import_table(rows, "treaty-actions").summary == "0 created, 0 changed, 1 unchanged, 0 refused"


def test_two_statements_of_a_party_on_one_day_are_two_records(import_table):
    same = {"agreement": "pact", "kind": "declaration", "party": "AUS", "acted_on": "2020"}
    rows = table(same | {"text": "One"}, same | {"text": "Two"})

    assert import_table(rows, "treaty-actions").summary == "2 created, 0 changed, 0 unchanged, 0 refused"
    assert import_table(rows, "treaty-actions").summary == "0 created, 0 changed, 2 unchanged, 0 refused"


def test_a_record_is_found_by_its_uid(import_table):
    import_table(table({"agreement": "pact", "party": "AUS", "role": "host"}), "participations")
    uid = Participation.objects.get().uid

    run = import_table(table({"uid": uid, "role": "observer"}), "participations")

    assert run.summary == "0 created, 1 changed, 0 unchanged, 0 refused"
    assert Participation.objects.get().role == "observer"


def test_a_record_that_nothing_identifies_is_unchanged_if_all_values_are_equal(import_table):
    rows = table({"agreement": "pact", "stage": "announced", "amount": "1000000", "currency": "AUD"})
    import_table(rows, "commitments")

    assert import_table(rows, "commitments").summary == "0 created, 0 changed, 1 unchanged, 0 refused"
    assert Commitment.objects.count() == 1


def test_a_record_that_occurs_twice_is_refused(import_table):
    run = import_table(table({"slug": "rec-2", "key_action": "Train"}, {"slug": "rec-2", "key_action": "Train"}))

    assert run.summary == "1 created, 0 changed, 0 unchanged, 1 refused"
    assert "Row 3, column A" in run.output


def test_a_stale_version_is_refused_and_shown(import_table):
    Recommendation.objects.filter(slug="rec-1").update(details="Changed meanwhile")

    run = import_table(table({"slug": "rec-1", "version": "1", "key_action": "Open two hubs"}))

    assert (run.code, run.summary) == (1, "0 created, 0 changed, 0 unchanged, 1 refused")
    assert "changed since" in run.output


def test_a_version_of_a_record_that_does_not_exist_is_refused(import_table):
    assert import_table(table({"slug": "rec-9", "version": "2", "key_action": "Train"})).code == 1


# ---- columns and cells


def test_an_unknown_column_is_refused_with_its_place(import_table):
    run = import_table(table({"slug": "rec-2", "key_action": "Train", "colour": "red"}))

    assert run.code == 1
    assert "Row 1, column C “colour”" in run.output


def test_a_required_column_that_is_missing_is_refused(import_table):
    assert "key_action" in import_table(table({"slug": "rec-2"})).output


def test_read_only_columns_are_accepted_if_they_equal_the_stored_value(import_table):
    equal = {"slug": "rec-1", "status": "not_assessed", "progress_percent": "", "version": "1", "deadline_state": "overdue"}

    assert import_table(table(equal)).summary == "0 created, 0 changed, 1 unchanged, 0 refused"
    assert "column B “status”" in import_table(table(equal | {"status": "implemented"})).output


def test_an_empty_cell_clears_a_stored_value_and_leaves_the_default_of_a_new_record(import_table):
    import_table(table({"slug": "rec-1", "key_action": "Open a hub", "priority": "high", "due_on": ""}))
    import_table(table({"slug": "rec-2", "key_action": "Train", "priority": "", "due_on": ""}))

    assert Recommendation.objects.get(slug="rec-1").due_on == ""
    assert Recommendation.objects.get(slug="rec-2").priority == "unset"


def test_an_empty_cell_clears_a_code_that_may_be_empty_and_is_refused_with_the_codes_where_one_is_required(import_table):
    make_indicator(make_outcome(Agreement.objects.get(slug="pact")), slug="share", direction="increase")

    assert import_table(table({"slug": "share", "direction": ""}), "indicators").code == 0
    run = import_table(table({"slug": "rec-1", "priority": ""}))

    assert Indicator.objects.get(slug="share").direction == ""
    assert (run.code, Recommendation.objects.get(slug="rec-1").priority) == (1, "high")
    assert "Row 2, column B “priority”: refused. A value is required. Enter one of: critical, high, medium, low, unset." in run.output


def test_new_content_of_a_source_that_the_importing_user_may_not_read_is_refused(import_table):
    make_user("importer", "analyst")
    action = make_action(Agreement.objects.get(slug="pact"), source=make_source(visibility="restricted"), quote="secret", acted_on="2020")

    kept = import_table(table({"uid": action.uid, "quote": "", "place": "Paris"}), "treaty-actions", user="importer")
    refused = import_table(table({"uid": action.uid, "quote": "public"}), "treaty-actions", user="importer")

    action.refresh_from_db()
    assert (kept.code, refused.code, action.quote, action.place) == (0, 1, "secret", "Paris")
    assert f"Row 2, column B “quote”: refused. {CONTENT_IS_HIDDEN.message}" in refused.output


def test_lists_are_separated_by_semicolons(import_table):
    import_table(table({"code": "AUS", "aliases": "Down under; A\\;B ;"}), "parties")

    assert Party.objects.get(code="AUS").aliases == ["Down under", "A;B"]


@pytest.mark.parametrize(
    ("written", "stored"),
    [("22 Oct 2022", "2022-10-22"), ("October 22, 2022", "2022-10-22"), ("22.10.2022", "2022-10-22"), ("Oct 2022", "2022-10"),
     ("2022", "2022"), ("2022-10~", "2022-10~"), ("2022-10-22T00:00:00Z", "2022-10-22"), ("22/10/2022", "2022-10-22"),
     ("20221022", "2022-10-22"), ("22. Okt 2022", "2022-10-22")],
)  # fmt: skip
def test_dates_in_common_forms_keep_their_precision(import_table, written, stored):
    import_table(table({"slug": "rec-2", "key_action": "Train", "due_on": written}))

    assert Recommendation.objects.get(slug="rec-2").due_on == stored


@pytest.mark.parametrize("written", ["2022-02-30", "11/10/2022", "soon", "2022-13", "99"])
def test_an_impossible_or_ambiguous_date_is_refused_with_row_and_column(import_table, written):
    run = import_table(table({"slug": "rec-2", "key_action": "Train", "due_on": written}))

    assert run.code == 1
    assert "Row 2, column C “due_on”" in run.output


def test_an_unknown_code_is_refused_with_row_and_column(import_table):
    run = import_table(table({"slug": "rec-2", "key_action": "Train", "priority": "urgent"}))

    assert "Row 2, column C “priority”" in run.output
    assert "critical" in run.output


def test_the_error_of_a_row_that_the_database_refuses_names_row_and_column(import_table):
    run = import_table(table({"agreement": "pact", "kind": "termination", "party": "AUS", "acted_on": "2020"}), "treaty-actions")

    assert "Row 2, column C “party”" in run.output


# ---- names


@pytest.mark.parametrize("name", ["AUS", "aus", "Australia", "AUSTRALIA", "Commonwealth of Australia", "the commonwealth of australia "])
def test_a_party_is_found_by_code_name_or_alias(import_table, name):
    import_table(table({"recommendation": "rec-1", "party": name}), "addressees")

    assert Addressee.objects.get().party.code == "AUS"


def test_a_party_is_found_without_diacritics(import_table):
    import_table(table({"recommendation": "rec-1", "party": "Cote d’Ivoire"}), "addressees")

    assert Addressee.objects.get().party.code == "CIV"


def test_an_unmatched_name_is_listed_with_suggestions_and_never_guessed(import_table):
    run = import_table(table({"recommendation": "rec-1", "party": "Rumania"}), "addressees")

    assert run.code == 1
    assert "Rumania (2)" in run.output and "Romania (ROU)" in run.output
    assert not Addressee.objects.exists()


def test_a_name_of_two_parties_is_refused(import_table):
    run = import_table(table({"recommendation": "rec-1", "party": "Congo"}), "addressees")

    assert run.code == 1
    assert "COD, COG" in run.output


def test_new_parties_of_the_file_are_found_by_name(import_table):
    mapping = """
        resource = "addressees"
        [columns]
        recommendation = "rec"
        party = "agency"
        [[records]]
        resource = "parties"
        columns = { code = "code", name = "agency" }
        constants = { kind = "public_body" }
    """

    run = import_table(table({"rec": "rec-1", "agency": "Department of Hubs", "code": "DOH"}), "addressees", mapping=mapping)

    assert run.summary == "2 created, 0 changed, 0 unchanged, 0 refused"
    assert Addressee.objects.get().party.code == "DOH"


# ---- mappings


def test_columns_constants_and_codes_are_applied(import_table):
    mapping = """
        ignore = ["Notes"]
        [columns]
        slug = "ID"
        key_action = "What"
        details = { join = ["Why", "How"] }
        priority = "Urgency"
        [constants]
        made_by = "Australia"
        update_every = 30
        [codes.priority]
        Dringend = "high"
    """

    run = import_table(
        table({"ID": "No. 7 (new)", "What": "Train", "Why": "Few", "How": "Fast", "Urgency": "dringend ", "Notes": "x"}), mapping=mapping
    )

    assert run.summary == "1 created, 0 changed, 0 unchanged, 0 refused"
    made = Recommendation.objects.get(slug="no-7-new")
    assert (made.key_action, made.details, made.priority) == ("Train", "Few\n\nFast", "high")
    assert (made.made_by.code, made.update_every) == ("AUS", 30)


def test_a_column_of_the_mapping_that_the_file_does_not_have_is_refused(import_table):
    run = import_table(table({"ID": "rec-2"}), mapping='[columns]\nslug = "ID"\nkey_action = "What"\nmade_on = "When"\n')

    assert run.code == 1
    assert "“What”" in run.output and "“When”" in run.output


def test_blocks_make_several_records_that_refer_to_each_other(import_table):
    mapping = """
        [columns]
        slug = "id"
        key_action = "what"
        [[records]]
        resource = "addressees"
        when = "agency"
        columns = { recommendation = "id", party = "agency" }
        [[records]]
        resource = "milestones"
        columns = { recommendation = "id", title = "what" }
    """

    run = import_table(
        table({"id": "rec-2", "what": "Train", "agency": "Romania"}, {"id": "rec-3", "what": "Hire", "agency": ""}), mapping=mapping
    )

    assert run.summary == "5 created, 0 changed, 0 unchanged, 0 refused"
    assert [addressee.recommendation.slug for addressee in Addressee.objects.all()] == ["rec-2"]


def test_a_record_that_several_rows_describe_equally_is_made_once(import_table):
    mapping = """
        resource = "participations"
        columns = { agreement = "treaty", party = "who" }
        constants = { role = "party" }
        [[records]]
        resource = "agreements"
        columns = { slug = "treaty", title = "title" }
    """
    rows = [{"treaty": "deal", "title": "Deal", "who": "AUS"}, {"treaty": "deal", "title": "Deal", "who": "ROU"}]

    run = import_table(table(*rows), "participations", mapping=mapping)
    different = import_table(table(*rows, {"treaty": "deal", "title": "Other", "who": "CIV"}), "participations", mapping=mapping)

    assert run.summary == "3 created, 0 changed, 0 unchanged, 0 refused"
    assert Agreement.objects.get(slug="deal").title == "Deal"
    assert different.code == 1


def test_a_date_and_a_code_in_one_cell_are_read_from_the_same_column(import_table):
    mapping = """
        [columns]
        party = "Participant"
        acted_on = "Instrument"
        kind = "Instrument"
        [constants]
        agreement = "pact"
        [codes.kind]
        "" = "ratification"
        a = "accession"
        Succession = "succession"
    """
    instruments = ["9 Aug 2010 a", "19 Dec 1986", "Succession: January 16, 1978"]
    rows = [{"Participant": party, "Instrument": text} for party, text in zip(["AUS", "CIV", "ROU"], instruments, strict=True)]

    import_table(table(*rows), "treaty-actions", mapping=mapping)

    assert set(TreatyAction.objects.values_list("party__code", "kind", "acted_on")) == {
        ("AUS", "accession", "2010-08-09"), ("CIV", "ratification", "1986-12-19"), ("ROU", "succession", "1978-01-16"),
    }  # fmt: skip


def test_nested_lists_and_paths_of_json_are_read(import_table):
    document = {
        "data": [
            {
                "id": "rec-2", "text": {"short": "Train", "long": "Train all staff"}, "to": [{"name": "Romania"}, {"name": "Australia"}],
                "links": ["https://news.example/a", "https://news.example/b"],
            }
        ]
    }  # fmt: skip
    mapping = """
        path = "data"
        [columns]
        slug = "id"
        key_action = "text.short"
        details = "text.long"
        [[records]]
        resource = "addressees"
        path = "to"
        columns = { recommendation = "id", party = "name" }
        [[records]]
        resource = "sources"
        path = "links"
        columns = { slug = ".", original_url = "." }
        constants = { kind = "news" }
    """

    run = import_table(json.dumps(document), name="data.json", mapping=mapping)

    assert run.summary == "5 created, 0 changed, 0 unchanged, 0 refused"
    assert {addressee.party.code for addressee in Addressee.objects.all()} == {"ROU", "AUS"}


def test_a_path_that_is_in_no_item_is_refused(import_table):
    document = json.dumps([{"id": "rec-2", "text": {"short": "Train"}, "extra": 1}])

    run = import_table(document, name="data.json", mapping='[columns]\nslug = "id"\nkey_action = "text.long"\n')

    assert run.code == 1
    assert "text.long" in run.output and "“extra”" not in run.output


def test_a_damaged_file_is_reported_and_nothing_is_written(import_table):
    run = import_table(b"slug,key_action\nrec-2,=1+1\n")

    assert run.code == 1
    assert "Row 2, column B" in run.output


def test_records_that_refer_to_a_later_row_are_written_too(import_table):
    rows = [{"slug": "rec-2", "key_action": "Part", "parent": "rec-3"}, {"slug": "rec-3", "key_action": "Whole", "parent": ""}]

    run = import_table(table(*rows))

    assert run.summary == "2 created, 0 changed, 0 unchanged, 0 refused"
    assert Recommendation.objects.get(slug="rec-2").parent.slug == "rec-3"


def test_the_source_of_the_command_is_the_source_of_new_records(import_table):
    import_table(table({"agreement": "pact", "kind": "signature", "party": "AUS", "acted_on": "2020"}), "treaty-actions", source="register")

    assert TreatyAction.objects.get().source.slug == "register"


def test_the_number_of_queries_does_not_depend_on_the_number_of_rows(import_table, django_assert_max_num_queries):
    rows = [{"slug": f"new-{number}", "key_action": "Train", "made_by": "Romania", "agreements": "pact"} for number in range(300)]

    with django_assert_max_num_queries(40):
        assert import_table(table(*rows)).summary == "300 created, 0 changed, 0 unchanged, 0 refused"


@pytest.mark.parametrize("text", ["a\\u0000b", "a\\ud800b"])
@pytest.mark.parametrize("field", ["slug", "key_action", "agreements", "made_by", "due_on"])
def test_a_text_that_cannot_be_stored_is_refused(import_table, field, text):
    item = {"slug": "rec-2", "key_action": "Train"} | {field: "TEXT"}

    run = import_table(json.dumps([item]).replace("TEXT", text), name="data.json")

    assert run.code == 1
    assert "Item 1" in run.output


def test_the_encoding_of_a_file_can_be_given(import_table):
    content = table({"slug": "rec-2", "key_action": "Łódź"}).encode("windows-1250")

    given, mapped = import_table(content, encoding="cp1250"), import_table(content, mapping='encoding = "windows-1250"\nignore = []\n')

    assert (given.code, given.summary) == (0, "1 created, 0 changed, 0 unchanged, 0 refused")
    assert mapped.summary == "0 created, 0 changed, 1 unchanged, 0 refused"
    assert import_table(content, encoding="zlib").code == 1
