"""The page that imports a table into a list: form, preview, and the import of all rows or none."""

import io
import os
import re
import zipfile
from datetime import timedelta
from types import SimpleNamespace

import psycopg
import pytest
from django.conf import settings
from django.contrib.auth.models import Group, Permission
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone
from openpyxl import load_workbook

from agreements.models import Component, Party, Source, TreatyAction
from policytracker.admin import import_page, imports
from policytracker.importing import uploads
from policytracker.importing.mapping import is_importable
from policytracker.importing.record_import import RecordImport
from policytracker.records.changes import Change
from policytracker.resources import registry
from recommendations.models import Evidence, ProgressUpdate, Recommendation
from tests.admin.imports import confirm, example, page, preview
from tests.admin.page import change, changes, messages_of, typed
from tests.imports.conftest import make_records, table
from tests.make import make_party, make_source

pytestmark = pytest.mark.usefixtures("stored_records")
NEW = table({"slug": "rec-2", "key_action": "Train the staff", "priority": "low"})
MIXED = table({"slug": "rec-1", "key_action": "Open two hubs"}, {"slug": "rec-2", "key_action": "Train the staff"})
REFUSED = table({"slug": "rec-2", "key_action": "Train the staff"}, {"slug": "rec-3", "key_action": ""})


@pytest.fixture(scope="module")
def stored_records(once_per_module):
    once_per_module(make_records)


@pytest.fixture(autouse=True)
def stored_files(settings, tmp_path):
    """A folder of its own for the uploads of each test."""
    settings.MEDIA_ROOT = tmp_path
    return tmp_path / "imports"


def counts(response) -> dict[str, int]:
    return response.context["preview"].counts


def errors(response) -> dict[str, list[str]]:
    return {name: list(found) for name, found in response.context["form"].errors.items()}


def register() -> Source:
    return Source.objects.get(slug="register")


def slugs() -> list[str]:
    return list(Recommendation.objects.order_by("slug").values_list("slug", flat=True))


# ---- who may import


@pytest.mark.parametrize(
    ("role", "status"), [("reader", 403), ("party officer", 403), ("analyst", 200), ("reviewer", 200), ("administrator", 200)]
)
def test_only_users_who_may_add_and_change_records_can_import(role, status, users, signed_in):
    client = signed_in(users[role])

    assert client.get(page()).status_code == status
    assert preview(client, NEW).status_code == status
    assert client.post(page(), {"token": "x"}, follow=True).status_code == status
    assert (page() in client.get(changes(Recommendation)).content.decode()) == (status == 200)


def test_an_anonymous_user_is_sent_to_the_login(client, db):
    assert client.get(page()).status_code == 302


@pytest.mark.parametrize("model", [ProgressUpdate, Evidence])
def test_records_that_a_row_cannot_create_have_no_import(model, administrator, signed_in):
    client = signed_in(administrator)
    address = changes(model)

    assert client.get(f"{address}import/").status_code in (302, 404)  # the address of a record that does not exist
    assert "import/" not in client.get(address).content.decode()


def test_every_other_record_type_has_an_import(administrator, signed_in):
    client = signed_in(administrator)

    assert client.get(page(Party)).status_code == client.get(page(TreatyAction)).status_code == 200


def test_the_import_requires_the_csrf_token(analyst):
    client = Client(enforce_csrf_checks=True)
    client.force_login(analyst, backend="django.contrib.auth.backends.ModelBackend")

    assert preview(client, NEW).status_code == 403


# ---- preview


def test_a_preview_shows_each_field_and_writes_nothing(analyst, signed_in):
    response = preview(signed_in(analyst), MIXED)

    changed, created = response.context["preview"].lines
    assert counts(response) == {"created": 1, "changed": 1, "unchanged": 0, "refused": 0}
    assert (str(changed["place"]), changed["outcome"], changed["changes"]) == (
        "Row 2",
        "changed",
        [("key_action", "Open a hub", "Open two hubs")],
    )
    assert (created["outcome"], created["key"], created["changes"]) == ("created", "rec-2", [("key_action", None, "Train the staff")])
    assert list(Recommendation.objects.values_list("slug", "key_action")) == [("rec-1", "Open a hub")]


def test_a_refused_row_is_shown_first_with_its_place_and_there_is_no_import(analyst, signed_in):
    response = preview(signed_in(analyst), REFUSED)

    first = response.context["preview"].lines[0]
    assert (first["outcome"], str(first["problems"][0].place)) == ("refused", "Row 3, column B “key_action”")
    assert counts(response)["refused"] == 1
    assert response.context["token"] == ""


def test_a_file_that_changes_nothing_cannot_be_imported(analyst, signed_in):
    response = preview(signed_in(analyst), table({"slug": "rec-1", "key_action": "Open a hub"}))

    assert counts(response)["unchanged"] == 1
    assert response.context["token"] == ""


def test_names_without_a_match_are_listed_with_similar_ones(analyst, signed_in):
    response = preview(signed_in(analyst), table({"slug": "rec-2", "key_action": "Train", "made_by": "Romanja"}))

    assert response.context["preview"].unmatched == [{"name": "Romanja", "rows": "2", "similar": ["Romania (ROU)"]}]
    assert "Romania (ROU)" in response.content.decode()


def test_at_most_200_records_are_shown(analyst, signed_in, monkeypatch):
    assert imports.SHOWN_LINES == 200
    monkeypatch.setattr(imports, "SHOWN_LINES", 2)

    response = preview(signed_in(analyst), table(*({"slug": f"new-{number}", "key_action": "Train"} for number in range(5))))

    assert len(response.context["preview"].lines) == 2
    assert response.context["preview"].lines_left_out == 3
    assert counts(response)["created"] == 5


def test_values_are_escaped(analyst, signed_in):
    response = preview(signed_in(analyst), table({"slug": "rec-2", "key_action": "<script>alert(1)</script>"}))

    assert "<script>alert(1)" not in response.content.decode()
    assert "&lt;script&gt;alert(1)" in response.content.decode()


def test_how_the_file_was_read_is_said(analyst, signed_in):
    response = preview(signed_in(analyst), NEW.replace(",", ";"))

    assert response.context["preview"].notes == ["Separator: ;."]


# ---- import


def test_an_import_writes_all_rows_with_user_channel_and_reason(analyst, signed_in):
    client = signed_in(analyst)

    done = confirm(client, preview(client, MIXED, reason="From the annual report"))

    assert dict(Recommendation.objects.values_list("slug", "key_action")) == {"rec-1": "Open two hubs", "rec-2": "Train the staff"}
    actors = [row.actor for row in Change.objects.filter(tbl=Recommendation._meta.db_table).order_by("-id")[:2]]
    assert {(actor["user"], actor["channel"], actor["reason"]) for actor in actors} == {("analyst", "import", "From the annual report")}
    assert "1 created, 1 changed, 0 unchanged" in messages_of(done)
    assert f'href="{changes(Recommendation)}"' in messages_of(done)


def test_the_uploaded_file_is_deleted_after_the_import(analyst, signed_in, stored_files, django_capture_on_commit_callbacks):
    client = signed_in(analyst)
    response = preview(client, NEW)
    waiting = len(list(stored_files.iterdir()))

    with django_capture_on_commit_callbacks(execute=True):
        confirm(client, response)
    again = confirm(client, response)

    assert (waiting, list(stored_files.iterdir())) == (1, [])
    assert "expired" in messages_of(again)


def test_an_uploaded_file_is_private(analyst, signed_in, stored_files):
    preview(signed_in(analyst), NEW)

    (file,) = stored_files.iterdir()
    assert (oct(file.stat().st_mode)[-3:], oct(stored_files.stat().st_mode)[-3:]) == ("600", "700")


def test_housekeeping_deletes_tables_that_were_not_imported_after_a_day(analyst, signed_in, monkeypatch):
    client = signed_in(analyst)
    response = preview(client, NEW)
    call_command("housekeeping", verbosity=0)
    kept = len(default_storage.listdir(uploads.FOLDER)[1])
    monkeypatch.setattr(default_storage, "get_modified_time", lambda name: timezone.now() - timedelta(hours=25))

    call_command("housekeeping", verbosity=0)

    assert (kept, default_storage.listdir(uploads.FOLDER)[1]) == (1, [])
    assert "expired" in messages_of(confirm(client, response))
    assert slugs() == ["rec-1"]


def test_records_that_changed_since_the_preview_are_previewed_again_and_not_overwritten(analyst, signed_in):
    client = signed_in(analyst)
    response = preview(client, MIXED)
    Recommendation.objects.filter(slug="rec-1").update(key_action="Open a port")

    again = confirm(client, response)

    assert "changed since the preview" in messages_of(again)
    assert again.context["preview"].lines[0]["changes"] == [("key_action", "Open a port", "Open two hubs")]
    assert dict(Recommendation.objects.values_list("slug", "key_action")) == {"rec-1": "Open a port"}

    confirm(client, again)

    assert Recommendation.objects.get(slug="rec-1").key_action == "Open two hubs"


def test_a_row_that_went_stale_since_the_preview_is_refused_and_nothing_is_written(analyst, signed_in):
    client = signed_in(analyst)
    version = str(Recommendation.objects.get(slug="rec-1").version)
    rows = [{"slug": "rec-1", "key_action": "Open two hubs", "version": version}, {"slug": "rec-2", "key_action": "Train", "version": ""}]
    response = preview(client, table(*rows))
    form = typed(client.get(f"{change(Recommendation.objects.get(slug='rec-1'))}?tab=edit"))
    client.post(f"{change(Recommendation.objects.get(slug='rec-1'))}?tab=edit", form | {"key_action": "Open a port"})

    again = confirm(client, response)

    assert (counts(again)["refused"], again.context["token"]) == (1, "")
    assert dict(Recommendation.objects.values_list("slug", "key_action")) == {"rec-1": "Open a port"}


def test_new_records_without_a_code_can_be_imported(analyst, signed_in):
    client = signed_in(analyst)
    rows = table({"agreement": "pact", "kind": "signature", "party": "AUS", "acted_on": "2020-05-01", "place": "Canberra"})

    confirm(client, preview(client, rows, TreatyAction), TreatyAction)

    assert list(TreatyAction.objects.values_list("place", flat=True)) == ["Canberra"]


def test_new_records_get_the_chosen_source(analyst, signed_in):
    client = signed_in(analyst)

    confirm(client, preview(client, NEW, source=register().pk))

    assert Recommendation.objects.get(slug="rec-2").source.slug == "register"


def test_an_unknown_or_hidden_source_is_an_error_of_the_field(analyst, signed_in):
    hidden = make_source(slug="hidden", visibility="restricted")

    for source in (0, "nothing", hidden.pk):
        assert list(errors(preview(signed_in(analyst), NEW, source=source))) == ["source"]


def test_records_without_a_source_are_not_asked_for_one(analyst, signed_in):
    client = signed_in(analyst)

    assert {model: "source" in client.get(page(model)).context["form"].fields for model in (Recommendation, Party)} == {
        Recommendation: True,
        Party: False,
    }


# ---- encoding and reason


def test_the_encoding_that_was_found_is_shown_and_another_can_be_chosen(analyst, signed_in):
    client, content = signed_in(analyst), table({"slug": "rec-2", "key_action": "Łódź"}).encode("windows-1250")
    found, chosen = preview(client, content), preview(client, content, encoding="windows-1250")

    confirm(client, chosen)

    assert found.context["preview"].notes == ["Encoding: windows-1252."]
    assert Recommendation.objects.get(slug="rec-2").key_action == "Łódź"
    assert list(errors(preview(client, content, encoding="zlib"))) == ["encoding"]


LATER = table({"slug": "rec-1", "due_on": "2031"})


def test_a_change_that_requires_a_reason_is_refused_without_one_and_the_file_name_is_none(analyst, signed_in):
    client = signed_in(analyst)

    without = preview(client, LATER)
    done = confirm(client, preview(client, LATER, reason="The parties agreed on it"))

    assert (list(errors(without)), counts(without)["refused"], without.context["token"]) == (["reason"], 1, "")
    assert "1 changed" in messages_of(done)
    assert Change.objects.latest("id").actor["reason"] == "The parties agreed on it"


def test_the_reason_of_a_row_is_enough(analyst, signed_in):
    assert errors(preview(signed_in(analyst), table({"slug": "rec-1", "due_on": "2031", "change_reason": "Agreed"}))) == {}


def test_a_change_that_requires_no_reason_needs_none(analyst, signed_in):
    client = signed_in(analyst)

    confirm(client, preview(client, MIXED))

    assert "reason" not in Change.objects.latest("id").actor


def test_a_reason_that_is_too_long_is_an_error_of_the_field(analyst, signed_in):
    assert list(errors(preview(signed_in(analyst), NEW, reason="x" * 2001))) == ["reason"]


# ---- leaving out refused rows


def leave_out(client, response, model=Recommendation):
    """The page after the button "Leave out refused rows" of a preview."""
    return client.post(page(model), {"refused": response.context["refused_token"]}, follow=True)


def test_refused_rows_can_be_left_out_after_they_were_shown(analyst, signed_in):
    client = signed_in(analyst)
    shown = preview(client, REFUSED)

    again = leave_out(client, shown)
    before = slugs()
    done = confirm(client, again)

    assert "Leave out refused rows" in shown.content.decode()
    assert (counts(again)["created"], counts(again)["refused"], before) == (1, 1, ["rec-1"])
    assert again.context["left_out"] in again.content.decode() and again.context["left_out"].startswith("1 refused row")
    assert [line["outcome"] for line in again.context["preview"].lines] == ["refused", "created"]
    assert again.context["left_out"] in messages_of(done)
    assert slugs() == ["rec-1", "rec-2"]


def test_rows_that_need_a_refused_row_are_left_out_with_it(analyst, signed_in):
    client = signed_in(analyst)
    rows = [
        {"slug": "rec-2", "key_action": "", "parent": ""},
        {"slug": "rec-3", "key_action": "Hire", "parent": "rec-2"},
        {"slug": "rec-4", "key_action": "Train", "parent": ""},
    ]

    again = leave_out(client, preview(client, table(*rows)))
    confirm(client, again)

    assert again.context["preview"].rows_left_out == 2
    assert slugs() == ["rec-1", "rec-4"]


def test_a_refused_preview_itself_cannot_be_imported(analyst, signed_in):
    client = signed_in(analyst)
    shown = preview(client, REFUSED)

    client.post(page(), {"token": shown.context["refused_token"]}, follow=True)

    assert slugs() == ["rec-1"]


def test_a_preview_without_another_row_offers_nothing_to_leave_out(analyst, signed_in):
    response = preview(signed_in(analyst), table({"slug": "rec-3", "key_action": ""}))

    assert (response.context["token"], response.context["refused_token"]) == ("", "")


def test_a_row_that_is_refused_since_the_preview_is_not_left_out_unseen(analyst, signed_in):
    client = signed_in(analyst)
    again = leave_out(client, preview(client, REFUSED))
    Recommendation.objects.create(slug="rec-2", key_action="Of another")

    third = confirm(client, again)

    assert "changed since the preview" in messages_of(third)
    assert Recommendation.objects.get(slug="rec-2").key_action == "Of another"


def test_a_token_of_another_user_leaves_out_nothing(analyst, reviewer, signed_in):
    shown = preview(signed_in(analyst), REFUSED)

    assert "expired" in messages_of(leave_out(signed_in(reviewer), shown))


# ---- one preview, one import


def test_a_user_has_one_waiting_preview_for_each_list(analyst, reviewer, signed_in, stored_files):
    client = signed_in(analyst)
    first = preview(client, NEW)
    preview(signed_in(reviewer), NEW)
    preview(client, table({"code": "ABC", "name": "A", "kind": "group_of_persons"}), Party)
    second = preview(client, MIXED)

    assert len(list(stored_files.iterdir())) == 3
    assert "expired" in messages_of(confirm(client, first))
    assert "1 created, 1 changed" in messages_of(confirm(client, second))


def test_a_refused_file_replaces_the_waiting_preview(analyst, signed_in, stored_files):
    client = signed_in(analyst)
    first = preview(client, NEW)
    preview(client, REFUSED)

    assert len(list(stored_files.iterdir())) == 1
    assert "expired" in messages_of(confirm(client, first))


def test_a_preview_that_is_being_imported_cannot_be_imported_again(analyst, signed_in, monkeypatch):
    client = signed_in(analyst)
    rows = table({"agreement": "pact", "kind": "signature", "party": "AUS", "acted_on": "2020-05-01"})
    response = preview(client, rows, TreatyAction)
    (name,) = default_storage.listdir(uploads.FOLDER)[1]

    with psycopg.connect(**psycopg_parameters()) as other:  # another server process that imports it
        other.execute(uploads.LOCK, [f"{uploads.FOLDER}{name}"])
        refused = confirm(client, response, TreatyAction)
    done, again = confirm(client, response, TreatyAction), confirm(client, response, TreatyAction)

    assert ["expired" in messages_of(page) for page in (refused, done, again)] == [True, False, True]
    assert TreatyAction.objects.count() == 1


def psycopg_parameters() -> dict:
    values = connection.settings_dict
    return {"dbname": values["NAME"], "user": values["USER"], "host": values["HOST"], "port": values["PORT"] or None}


# ---- columns


def example_of(client, model):
    return load_workbook(io.BytesIO(b"".join(client.get(example(model)).streaming_content)))


def test_the_example_sheet_of_each_type_has_the_listed_columns_and_can_be_uploaded(analyst, signed_in):
    client, models = signed_in(analyst), [resource.model for resource in registry.addressed if is_importable(resource)]

    for model in models:
        response, book = client.get(page(model)), example_of(client, model)
        listed = {column.label for column in response.context["columns"]}
        sheet, about = book.worksheets
        assert f'href="{example(model)}"' in response.content.decode()
        assert {cell.value for cell in sheet[1]} == listed and sheet[1][-1].value == "Key"
        assert (sheet.freeze_panes, sheet.max_row) == ("A2", 1)
        assert listed <= {row[0] for row in about.iter_rows(values_only=True)}
        file = io.BytesIO()
        book.save(file)
        assert errors(preview(client, file.getvalue(), model, name="example.xlsx")) == {}, model


def test_an_example_sheet_that_was_filled_in_with_its_own_example_can_be_imported(analyst, signed_in):
    client = signed_in(analyst)
    book = example_of(client, Recommendation)
    sheet, about = book.worksheets
    rows = list(about.iter_rows(values_only=True))
    start = next(number for number, row in enumerate(rows) if row[0] == "Column")
    examples = {row[0]: row[rows[start].index("Example")] for row in rows[start + 1 :]}
    sheet.append([examples[cell.value] or None for cell in sheet[1]])
    sheet.cell(2, [cell.value for cell in sheet[1]].index("Agreements") + 1).value = "pact"
    file = io.BytesIO()
    book.save(file)

    response = preview(client, file.getvalue(), name="example.xlsx")

    assert (errors(response), counts(response)["created"], counts(response)["refused"]) == ({}, 1, 0)


def test_the_example_marks_required_columns_and_offers_the_labels_of_codes(analyst, signed_in):
    sheet, about = example_of(signed_in(analyst), Recommendation).worksheets
    rows = list(about.iter_rows(values_only=True))
    header = next(row for row in rows if row[0] == "Column")

    assert {row[0] for row in rows if row[header.index("Required")] == "Required" and row != header} == {"Key", "Key action"}
    assert '"Critical,High,Medium,Low,Not set"' in {offered.formula1 for offered in sheet.data_validations.dataValidation}


@pytest.mark.parametrize(("role", "status"), [("reader", 403), ("party officer", 403), ("analyst", 200)])
def test_only_users_who_may_import_get_an_example_sheet(role, status, users, signed_in):
    assert signed_in(users[role]).get(example(Recommendation)).status_code == status


def test_an_empty_list_offers_the_example_sheet(analyst, signed_in):
    assert f'href="{example(Component)}"' in signed_in(analyst).get(changes(Component)).content.decode()


def test_required_columns_and_the_codes_of_a_column_are_marked(analyst, signed_in):
    columns = {column.name: column for column in signed_in(analyst).get(page()).context["columns"]}

    assert {name for name, column in columns.items() if column.field.required} == {"slug", "key_action"}
    assert {name for name, column in columns.items() if column.codes} == {"visibility", "publication", "priority"}
    assert columns["visibility"].codes == ["public", "internal", "restricted"]


# ---- forged requests


def test_a_forged_token_writes_nothing(analyst, signed_in):
    client = signed_in(analyst)
    token = preview(client, NEW).context["token"]

    for forged in ("", "x", token[:-1], f"x{token}"):
        assert "expired" in messages_of(client.post(page(), {"token": forged}, follow=True))
    assert slugs() == ["rec-1"]


def test_the_token_of_another_user_or_list_writes_nothing(analyst, reviewer, signed_in):
    response = preview(signed_in(analyst), NEW)

    assert "expired" in messages_of(confirm(signed_in(reviewer), response))
    assert "expired" in messages_of(confirm(signed_in(analyst), response, Party))
    assert slugs() == ["rec-1"]


def test_a_preview_expires_after_a_day(analyst, signed_in, monkeypatch):
    client = signed_in(analyst)
    response = preview(client, NEW)
    monkeypatch.setattr(uploads, "KEPT", timedelta(seconds=-1))

    assert "expired" in messages_of(confirm(client, response))
    assert slugs() == ["rec-1"]


def test_a_user_who_lost_the_role_cannot_import_a_preview(analyst, signed_in):
    client = signed_in(analyst)
    response = preview(client, NEW)
    analyst.groups.clear()

    client.post(page(), {"token": response.context["token"]})

    assert slugs() == ["rec-1"]


# ---- bad files


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"", "table.csv"),
        (b"  \n", "table.csv"),
        (NEW.encode(), "table.pdf"),
        (NEW.encode(), "table"),
        (b"PK\x03\x04damaged", "table.xlsx"),
        (b"\xff\xd8\xff\xe0\x00\x10", "table.csv"),
        (b"slug,slug\r\nrec-2,rec-3\r\n", "table.csv"),
        (b"slug,colour\r\nrec-2,red\r\n", "table.csv"),
        (b'slug,key_action\r\nrec-2,"=1+1"\r\n', "table.csv"),
        (b'slug,key_action\r\nrec-2,"not closed\r\n', "table.csv"),
        (b'{"rows": []}', "table.json"),
        (b"[" * 100_000, "table.json"),
    ],
)
def test_a_bad_file_is_an_error_of_the_field(content, name, analyst, signed_in):
    response = preview(signed_in(analyst), content, name=name)

    assert (response.status_code, list(errors(response))) == (200, ["file"])
    assert response.context["preview"] is None
    assert slugs() == ["rec-1"]


def test_a_missing_file_is_an_error_of_the_field(analyst, signed_in):
    response = signed_in(analyst).post(page(), {"source": register().pk})

    assert list(errors(response)) == ["file"]
    assert response.context["form"]["source"].value() == str(register().pk)


def test_a_file_above_the_usual_limit_of_a_request_gets_a_message_in_the_form(analyst, signed_in):
    response = preview(signed_in(analyst), b"slug\n" + b"x" * 11_000_000, source=register().pk)

    assert response.status_code == 200
    assert list(errors(response)) == ["file"]
    assert response.context["form"]["source"].value() == str(register().pk)
    assert 'data-limit="5000000"' in response.content.decode()


def test_the_breadcrumb_names_the_list_and_the_page(analyst, signed_in):
    text = signed_in(analyst).get(page()).content.decode()

    header = text[text.index('id="header-inner"') : text.index('id="content"')]
    links = re.findall(r"<(?:a|span)[^>]*truncate[^>]*>\s*(.*?)\s*</", header)
    assert links == ["Recommendations", "Import recommendations"]
    assert f'href="{changes(Recommendation)}"' in header


def test_files_that_are_too_large_are_refused_with_the_command(analyst, signed_in, monkeypatch):
    client = signed_in(analyst)
    monkeypatch.setattr(imports, "MAX_ROWS", 1)
    too_many_rows = preview(client, MIXED)
    monkeypatch.setattr(imports, "MAX_FILE", 10)
    too_many_bytes = preview(client, NEW)

    assert list(errors(too_many_rows)) == list(errors(too_many_bytes)) == ["file"]
    assert "import_table" in errors(too_many_rows)["file"][0]


@pytest.mark.parametrize("name", ["table.csv", "table.tsv", "table.jsonl"])
def test_reading_stops_at_the_maximum_number_of_rows(name, analyst, signed_in, monkeypatch):
    monkeypatch.setattr(imports, "MAX_ROWS", 2)
    content = '{"slug": "rec-2"}\n' * 3 if name.endswith("jsonl") else "slug\n" + "rec-2\n" * 3

    assert "import_table" in errors(preview(signed_in(analyst), content, name=name))["file"][0]


def test_a_spreadsheet_that_unpacks_to_much_more_than_such_rows_need_is_refused(analyst, signed_in):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/sharedStrings.xml", "".join(os.urandom(50).hex() + "a" * 1_900 for _ in range(15_000)))

    response = preview(signed_in(analyst), content.getvalue(), name="table.xlsx")

    assert "unpacks to 30.0 MB" in errors(response)["file"][0]


def test_an_import_that_the_database_stops_is_refused_with_the_command(analyst, signed_in, monkeypatch):
    client = signed_in(analyst)
    response = preview(client, NEW)

    def slow(part, rows, **options):
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = '1ms'; SELECT pg_sleep(1)")

    monkeypatch.setattr(RecordImport, "write", slow)

    assert "import_table" in errors(preview(client, NEW))["file"][0]
    assert "import_table" in messages_of(confirm(client, response))


def test_an_import_that_takes_longer_than_the_limit_of_the_page_writes_nothing(analyst, signed_in, monkeypatch):
    client, now = signed_in(analyst), [0.0]
    response = preview(client, NEW)
    write = RecordImport.write

    def slow(part, rows, **options):
        now[0] += import_page.MAX_SECONDS + 1
        return write(part, rows, **options)

    monkeypatch.setattr(RecordImport, "write", slow)
    monkeypatch.setattr(import_page, "time", SimpleNamespace(monotonic=lambda: now[0]))

    assert errors(preview(client, NEW))["file"] == [str(import_page.TOO_LONG)]
    assert str(import_page.TOO_LONG) in messages_of(confirm(client, response))
    assert slugs() == ["rec-1"]


def test_records_of_other_sources_are_changed_only_if_the_box_is_ticked(analyst, signed_in):
    client = signed_in(analyst)
    Recommendation.objects.filter(slug="rec-1").update(source=make_source())
    rows = table({"slug": "rec-1", "key_action": "Open two hubs"})

    refused = preview(client, rows, source=register().pk)
    offered = preview(client, rows, source=register().pk, update_others="on")
    confirm(client, offered)

    assert (counts(refused)["refused"], refused.context["token"]) == (1, "")
    assert counts(offered)["changed"] == 1
    assert Recommendation.objects.get(slug="rec-1").key_action == "Open two hubs"


# ---- mappings

OWN = """resource = "recommendations"
ignore = ["Notes"]
[columns]
slug = "ID"
key_action = "Action"
"""
OWN_TABLE = table({"ID": "Rec. 7", "Action": "Train", "Notes": "x"})


def test_an_uploaded_mapping_is_used_for_preview_and_import(analyst, signed_in):
    client = signed_in(analyst)

    confirm(client, preview(client, OWN_TABLE, mapping_file=OWN))

    assert slugs() == ["rec-1", "rec-7"]


@pytest.mark.parametrize(
    "mapping",
    [
        'resource = "parties"',
        "resource = ",
        "colour = 1",
        "[columns]\ncolour = 'Colour'",
        "a = " + "[" * 10_000,
        "a = " + "9" * 5_000,
        b"\xff\xfe\xfa",
        "x = 1\n" * 10_000,
    ],
)
def test_a_bad_mapping_is_an_error_of_the_field(mapping, analyst, signed_in):
    response = preview(signed_in(analyst), OWN_TABLE, mapping_file=mapping)

    assert (response.status_code, list(errors(response))) == (200, ["mapping_file"])
    assert slugs() == ["rec-1"]


def test_a_mapping_of_records_that_the_user_may_not_write_is_refused(analyst, signed_in):
    Group.objects.get(name="analyst").permissions.remove(Permission.objects.get(codename="add_party"))
    mapping = OWN + '[[records]]\nresource = "parties"\n[records.columns]\ncode = "ID"\n'

    response = preview(signed_in(analyst), OWN_TABLE, mapping_file=mapping)

    assert list(errors(response)) == ["__all__"]
    assert slugs() == ["rec-1"]


def test_a_list_offers_the_mappings_of_the_product_for_its_records(analyst, signed_in):
    client = signed_in(analyst)

    fields = {model: client.get(page(model)).context["form"].fields for model in (Recommendation, TreatyAction, Party)}

    offered = {model: [name for name, _label in fields[model]["mapping"].choices] for model in (Recommendation, TreatyAction)}
    assert offered == {
        Recommendation: ["", "anao.toml", "gao.toml", "ogp.toml", "promise-tracker.toml"],
        TreatyAction: ["", "un-treaty-participation.toml"],
    }
    assert "mapping" not in fields[Party]  # there are none


def test_a_mapping_of_the_product_makes_several_records_of_a_row(reviewer, signed_in):
    client = signed_in(reviewer)
    make_party("GAO", name="Government Accountability Office", kind="public_body")
    make_party("DIA", name="Department of Invented Affairs", kind="public_body")
    Source.objects.filter(slug="register").update(retrieved_on="2026-06-30")
    content = (settings.BASE_DIR / "mappings/samples/gao.csv").read_bytes()

    response = preview(client, content, name="gao.csv", mapping="gao.toml", source=register().pk)
    confirm(client, response)

    assert counts(response) == {"created": 6, "changed": 0, "unchanged": 0, "refused": 0}
    reviews = dict(ProgressUpdate.objects.values_list("status", "review"))
    assert reviews == {status: "submitted" if status == "implemented" else "approved" for status in reviews} and len(reviews) == 3


def test_a_mapping_that_is_not_offered_is_refused(analyst, signed_in):
    for name in ("nothing.toml", "../pyproject.toml", "un-treaty-participation.toml"):
        assert list(errors(preview(signed_in(analyst), NEW, mapping=name))) == ["mapping"]


def test_two_mappings_are_refused(analyst, signed_in):
    response = preview(signed_in(analyst), NEW, mapping="gao.toml", mapping_file=OWN)

    assert list(errors(response)) == ["mapping_file"]
