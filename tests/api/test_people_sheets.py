"""Lists as sheets for people (`layout=people`), of all record types of the fixtures."""

import csv
import io
import json
import re
from datetime import datetime
from functools import cache
from itertools import count

import pytest
from django.test import Client
from django.utils import timezone
from openpyxl import load_workbook
from openpyxl.utils import get_column_letter

from agreements.models import Source
from policytracker.api import export as export_module
from policytracker.importing.tables import EXECUTABLE
from policytracker.representation.filters import resource_filters
from policytracker.representation.sheets import sheet_columns
from policytracker.resources import registry, today
from recommendations.models import Addressee, ProgressUpdate, Recommendation
from recommendations.progress import EvidenceRow, Report, report_progress
from tests.api.client import Api
from tests.conftest import make_user
from tests.make import make_agreement, make_party, make_recommendation, make_source

pytestmark = pytest.mark.usefixtures("loaded_fixtures")
ADDRESSES = [resource.address for resource in registry.addressed]
HEAD = {"url", "version", "created_at", "updated_at"}
NESTED = {"relations", "claims", "evidence"}
ADDED = {
    "agreements": ["parties"],
    "recommendations": [
        *("addressees", "last_narrative", "last_narrative_on", "last_narrative_sources", "last_narrative_addresses"),
    ],
}


def download(client, address, **parameters) -> bytes:
    response = client.get(f"/api/v1/{address}/", parameters)
    assert response.status_code == 200, response.content
    return b"".join(response.streaming_content)


def workbook(client, address, **parameters):
    return load_workbook(io.BytesIO(download(client, address, format="xlsx", layout="people", **parameters)))


@pytest.fixture(scope="module")
def complete_sheets() -> dict:
    return {}


@pytest.fixture
def complete(as_reviewer, complete_sheets):
    """The sheet of all records of a type, which is read once."""

    def read_once(address: str):
        if address not in complete_sheets:
            complete_sheets[address] = workbook(as_reviewer, address)
        return complete_sheets[address]

    return read_once


def explained(book) -> list[tuple]:
    """The rows of the second sheet that explain the columns: label, meaning, values, field."""
    rows = list(book.worksheets[1].iter_rows(values_only=True))
    return rows[[row[0] for row in rows].index("Column") + 1 :]


def about(book) -> dict[str, str]:
    """What the second sheet says about the first one."""
    rows = list(book.worksheets[1].iter_rows(values_only=True))
    return {row[0]: row[1] for row in rows[: [row[0] for row in rows].index("Column") - 1]}


def rows_of(book) -> list[dict]:
    """The rows of the first sheet, by field."""
    names = [field for _label, _meaning, _values, field in explained(book)]
    return [dict(zip(names, row, strict=True)) for row in book.worksheets[0].iter_rows(min_row=2, values_only=True)]


def records_of(client, address, **parameters) -> list[dict]:
    return [json.loads(line) for line in download(client, address, format="ndjson", **parameters).decode().splitlines()]


@cache
def titles(model) -> dict[str, str]:
    """The title of each record of a type, or its key if it has none."""
    (part,) = model.label_parts
    return {key: title or key for key, title in model.objects.values_list(model.key, part)}


def shown(address: str, name: str, value):
    """What a person reads of a value in the JSON of the API; None for titles that are made of several parts."""
    model = registry.at(address).model
    serializer_field = registry.at(address).serializer().fields[name]
    field = next((f for f in model._meta.get_fields() if f.name == serializer_field.source), None)
    if value in (None, "", []):
        return ""
    if name in registry.code_lists and (field is None or field.choices):
        return dict(registry.code_lists[name].choices)[value]
    if field is not None and field.is_relation and hasattr(field.related_model, "label_parts"):
        if len(field.related_model.label_parts) > 1:
            return None
        known = titles(field.related_model)
        return "; ".join(known[key].replace(";", r"\;") for key in value) if isinstance(value, list) else known[value]
    if isinstance(value, list):
        return "; ".join(item.replace(";", r"\;") for item in value)
    if field is not None and field.choices:
        return str(dict(field.choices)[value])
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if field is not None and field.get_internal_type() in ("DecimalField", "PositiveIntegerField", "PositiveSmallIntegerField"):
        return float(value)
    if re.fullmatch(r"\d{4}-\d\d-\d\d", str(value)) and (
        name.endswith("_on") or name in ("since", "until", "actions_complete_as_of", "status_since")
    ):
        return datetime.fromisoformat(value) if value >= "1900-03-01" else value
    if field is not None and field.get_internal_type() == "DateTimeField":
        return datetime.fromisoformat(value).replace(tzinfo=None, second=0, microsecond=0)
    if re.fullmatch(r"\d{4}[-\d]*~", str(value)):
        return f"about {value[:-1]}"
    if re.fullmatch(r"P\d+\w", str(value)):
        number, unit = value[1:-1], {"Y": "year", "M": "month", "D": "day"}[value[-1]]
        return f"{number} {unit}{'' if number == '1' else 's'}"
    return value


def read(cell):
    """A cell as `shown` returns it."""
    if isinstance(cell, str):
        return EXECUTABLE.sub(r"\1", cell)
    if isinstance(cell, datetime):
        return cell.replace(second=0, microsecond=0)
    return float(cell) if isinstance(cell, int) else "" if cell is None else cell


@pytest.fixture
def as_reviewer(reviewer):
    return Api(reviewer)


# ---- the first sheet


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_sheet_shows_labels_titles_dates_and_numbers(as_reviewer, complete, address):
    records = records_of(as_reviewer, address)

    rows = rows_of(complete(address))

    assert len(rows) == len(records)
    for record, row in zip(records, rows, strict=True):
        for name, value in record.items():
            expected = None if name in HEAD | NESTED else shown(address, name, value)
            assert expected is None or read(row[name]) == expected, (name, row)


@pytest.mark.parametrize("address", ADDRESSES)
def test_the_columns_are_the_fields_with_the_key_last(complete, address):
    resource = registry.at(address)

    names = [field for _label, _meaning, _values, field in explained(complete(address))]

    assert names[-1] == resource.model.key
    assert sorted(names) == sorted([*(resource.serializer().fields.keys() - HEAD - NESTED), *ADDED.get(address, [])])


@pytest.mark.parametrize("address", ADDRESSES)
def test_the_header_stays_in_view_has_filters_and_each_column_a_width(complete, address):
    book = complete(address)
    sheet = book.worksheets[0]
    header = [cell.value for cell in sheet[1]]

    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref == f"A1:{get_column_letter(len(header))}{max(sheet.max_row, 2)}"
    assert all(sheet.column_dimensions[get_column_letter(number)].width >= 12 for number in range(1, len(header) + 1))
    assert all(cell.font.bold for cell in sheet[1])
    assert len(set(header)) == len(header)
    assert header[-1] == "Key"


@pytest.mark.parametrize("address", ADDRESSES)
def test_the_second_sheet_explains_each_column(complete, address):
    book = complete(address)

    rows = explained(book)

    assert [row[0] for row in rows] == [cell.value for cell in book.worksheets[0][1]]
    assert all(meaning and values for _label, meaning, values, _field in rows), rows


def test_the_second_sheet_says_what_it_is_and_as_of_when(as_reviewer):
    facts = about(workbook(as_reviewer, "recommendations", priority="high", made_on__from="2020"))

    assert facts["What this is"].startswith("Recommendations. A proposed action")
    assert facts["As of"] == f"{timezone.now():%Y-%m-%d %H:%M} UTC"
    assert facts["Rows"] == str(Recommendation.objects.filter(priority="high", made_on_first__gte="2020-01-01").count())
    assert facts["Filters"] == "priority: high\nmade_on__from: 2020"


def test_the_codes_of_a_column_are_explained_with_label_and_definition(complete):
    values = {field: values for _label, _meaning, values, field in explained(complete("recommendations"))}

    assert "Critical: failure would defeat the agreement's purpose\nHigh: " in values["priority"]
    assert "Overdue: open after the last day on which it would be in time" in values["deadline_state"]


@pytest.mark.parametrize("address", ADDRESSES)
def test_csv_has_the_same_cells(as_reviewer, complete, address):
    sheet = complete(address).worksheets[0]
    text = download(as_reviewer, address, format="csv", layout="people").decode()

    header, *rows = csv.reader(io.StringIO(text, newline=""))

    assert header == [cell.value for cell in sheet[1]]
    for row, cells in zip(rows, sheet.iter_rows(min_row=2, values_only=True), strict=True):
        for text, cell in zip(row, cells, strict=True):
            if isinstance(cell, datetime):
                assert text in (f"{cell:%Y-%m-%d}", f"{cell:%Y-%m-%d %H:%M}")
            elif isinstance(cell, int | float):
                assert float(text) == cell
            else:
                assert text.replace("\r", "") == (cell or "").replace("_x000D_", "")


# ---- what apps add


def test_a_recommendation_has_its_addressees_and_its_last_narrative_with_the_source(as_reviewer, analyst):
    recommendation = make_recommendation(slug="told", key_action="Tell")
    for code, name in (("AAA", "Alpha"), ("BBB", "Beta; and others")):
        Addressee.objects.create(recommendation=recommendation, party=make_party(code, name=name))
    source = make_source(slug="letter", title="A letter", original_url="https://letters.example/1")
    for narrative in ("First.", "=Second."):
        evidence = (EvidenceRow(source=source, quote="Words."),)
        report_progress(recommendation, Report(status="in_progress", narrative=narrative, evidence=evidence), by=analyst, today=today())

    (row,) = rows_of(workbook(as_reviewer, "recommendations", slug="told"))

    assert row["addressees"] == r"Alpha; Beta\; and others"
    assert [row[name] for name in ADDED["recommendations"][1:]] == [
        "'=Second.",
        datetime.combine(today(), datetime.min.time()),
        "A letter",
        "https://letters.example/1",
    ]


def test_the_last_narrative_is_that_of_the_chosen_day(as_reviewer):
    newest = ProgressUpdate.objects.in_effect().exclude(narrative="").order_by("-reported_on").first()
    recommendation = newest.recommendation
    before = newest.recommendation.updates.in_effect().exclude(narrative="").filter(reported_on__lt=newest.reported_on).first()
    parameters = {"slug": recommendation.slug, "on": f"{newest.reported_on.year - 30}-01-01"}

    (now,), (then,) = (rows_of(workbook(as_reviewer, "recommendations", **asked)) for asked in ({"slug": recommendation.slug}, parameters))

    assert read(now["last_narrative"]) == newest.narrative
    assert before is None or then["last_narrative"] is None
    assert (then["status"], then["last_narrative"]) == ("Not assessed", None)
    assert about(workbook(as_reviewer, "recommendations", **parameters))["Values on"] == parameters["on"]


def test_an_agreement_has_its_parties(as_reviewer):
    (row,) = rows_of(workbook(as_reviewer, "agreements", slug="aukus"))

    assert {"Australia", "United Kingdom", "United States"} <= set(row["parties"].split("; "))


@pytest.mark.parametrize("role", ["reader", "analyst", "administrator"])
def test_hidden_content_stays_hidden(role, analyst):
    hidden = make_source(
        slug="secret", title="Secret title", visibility="restricted", publication="published", original_url="https://s.example/"
    )
    recommendation = make_recommendation(slug="open", publication="published", source=hidden, quote="Secret words.")
    recommendation.agreements.add(make_agreement(slug="hidden", title="Hidden agreement", visibility="restricted"))
    seen = make_source(slug="seen", title="Seen", publication="published")
    evidence = (EvidenceRow(source=seen), EvidenceRow(source=hidden))
    administrator = make_user("first", "administrator", is_superuser=True)
    report_progress(recommendation, Report(status="in_progress", narrative="Begun.", evidence=evidence), by=administrator, today=today())

    content = download(Api(make_user("somebody", role)), "recommendations", format="csv", layout="people", slug="open").decode()

    secrets = ("Secret title", "Secret words.", "Hidden agreement", "https://s.example/")
    assert [secret in content for secret in secrets] == [role == "administrator"] * 4
    assert "Seen" in content and "Begun." in content


def test_anonymous_users_read_no_people(settings, analyst):
    settings.PUBLIC_READ = True
    agreement = make_agreement(slug="led", lead=analyst)
    agreement.team.set([analyst])

    (row,) = rows_of(workbook(Client(), "agreements", slug="led"))

    assert (row["lead"], row["team"]) == (None, None)


# ---- parameters


def some_value(name: str, schema: dict, records: list[dict]) -> str | None:
    """A value of this filter that occurs; None if none is known."""
    field, _, form = name.partition("__")
    values = [value for record in records if (value := record.get(field)) not in (None, "", [])]
    value = values[len(values) // 2] if values else None
    value = value[0] if isinstance(value, list) else value
    if form == "empty" or schema.get("type") == "boolean":
        return "true"
    if "enum" in schema:
        return value if value in schema["enum"] else schema["enum"][0]
    if value is not None and not isinstance(value, dict):
        return str(value)[:40] if form == "contains" else str(value)
    return {"q": "a", "agreement": "aukus", "party": "AUS", "addressee": "AUS"}.get(field)


@pytest.mark.slow
@pytest.mark.parametrize("address", ADDRESSES)
def test_a_sheet_has_the_rows_of_every_filter(as_reviewer, address):
    records, key, asked = records_of(as_reviewer, address), registry.at(address).model.key, 0

    for name, declared in resource_filters(registry.at(address)).items():
        value = some_value(name, declared.schema, records)
        if value is None:
            continue
        rows = csv.reader(io.StringIO(download(as_reviewer, address, format="csv", layout="people", **{name: value}).decode(), newline=""))
        assert [row[-1] for row in rows][1:] == [str(record[key]) for record in records_of(as_reviewer, address, **{name: value})], name
        asked += 1

    assert asked > 10 or not records


def test_order_and_fields_are_those_of_the_request(as_reviewer):
    book = workbook(as_reviewer, "recommendations", fields="slug,due_on,key_action", ordering="-key_action")

    assert [cell.value for cell in book.worksheets[0][1]] == ["Due date", "Key action", "Key"]
    assert [row["slug"] for row in rows_of(book)] == [
        row["slug"] for row in records_of(as_reviewer, "recommendations", ordering="-key_action")
    ]


def test_a_field_can_be_omitted(as_reviewer):
    names = {row[-1] for row in explained(workbook(as_reviewer, "agreements", omit="summary,slug"))}

    assert not {"summary", "slug"} & names
    assert "parties" in names


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({"format": "xlsx", "layout": "robots"}, "layout"),
        ({"format": "csv", "layout": ""}, "layout"),
        ({"layout": "people"}, "layout"),
        ({"format": "ndjson", "layout": "people"}, "layout"),
        ({"format": "csv", "layout": "people", "expand": "source"}, "expand"),
        ({"format": "xlsx", "layout": "people", "page_size": "5"}, "page_size"),
    ],
)
def test_an_invalid_layout_is_refused_by_name(as_reviewer, parameters, name):
    response = as_reviewer.get("recommendations/", parameters)

    assert (response.status_code, list(response.json())) == (400, [name])


def test_a_repeated_layout_is_refused(as_reviewer):
    assert list(as_reviewer.get("recommendations/?format=csv&layout=people&layout=machine").json()) == ["layout"]


@pytest.mark.parametrize("name", ["csv", "xlsx"])
def test_the_layout_of_machines_is_the_default(as_reviewer, name):
    plain, machine = (as_reviewer.get("sectors/", {"format": name} | more) for more in ({}, {"layout": "machine"}))

    header = b"code,url,version" if name == "csv" else b"PK"
    assert [b"".join(response.streaming_content)[: len(header)] for response in (plain, machine)] == [header, header]
    assert as_reviewer.get("sectors/", {"layout": "machine"}).json() == as_reviewer.get("sectors/").json()


# ---- limits


def test_a_text_that_a_spreadsheet_would_execute_has_an_apostrophe(as_reviewer):
    make_source(slug="risky", title="=1+1", notes="a;@b")

    for name in ("csv", "xlsx"):
        content = download(as_reviewer, "sources", format=name, layout="people", slug="risky")
        if name == "csv":
            (row,) = csv.DictReader(io.StringIO(content.decode(), newline=""))
        else:
            sheet = load_workbook(io.BytesIO(content)).worksheets[0]
            row = dict(zip(*sheet.iter_rows(values_only=True), strict=True))
        assert (row["Title"], row["Notes"]) == ("'=1+1", "a;'@b")


def test_a_date_that_is_not_exact_stays_as_precise_as_its_source(as_reviewer):
    for number, due_on in enumerate(("2030", "2030-06", "2030-06-01", "2030-06-01~")):
        make_recommendation(slug=f"due-{number}", due_on=due_on)
    make_party("OLD", name="Old", since="1815-06-09")

    rows = rows_of(workbook(as_reviewer, "recommendations", slug__contains="due-", ordering="slug"))

    assert [row["due_on"] for row in rows] == ["2030", "2030-06", datetime(2030, 6, 1), "about 2030-06-01"]
    assert rows_of(workbook(as_reviewer, "parties", code="OLD"))[0]["since"] == "1815-06-09"


@pytest.mark.parametrize("name", ["csv", "xlsx"])
def test_a_sheet_has_a_maximum_size_and_time(as_reviewer, settings, monkeypatch, name):
    settings.EXPORT_MAX_MB = 0.001
    refused = as_reviewer.get("parties/", {"format": name, "layout": "people"})
    settings.EXPORT_MAX_MB = 100
    monkeypatch.setattr(export_module, "monotonic", count(0, 1000).__next__)
    late = as_reviewer.get("parties/", {"format": name, "layout": "people"})

    assert (refused.status_code, list(refused.json())) == (400, ["format"])
    assert (late.status_code, late.json()["code"]) == (503, "timeout")


def test_a_text_that_no_cell_can_hold_is_refused_with_its_label(as_reviewer):
    make_source(slug="long", notes="x" * 40_000)

    response = as_reviewer.get("sources/", {"format": "xlsx", "layout": "people"})

    assert list(response.json()) == ["format"]
    assert "Notes" in response.json()["format"][0]


@pytest.mark.parametrize("resource", registry.addressed, ids=lambda resource: resource.address)
def test_each_label_stands_for_one_column(resource):
    labels = [column.label for column in sheet_columns(resource)]

    assert len(set(labels)) == len(labels)
    assert all(labels)


def test_a_source_without_a_title_is_named_by_its_key(as_reviewer):
    make_recommendation(slug="cited", source=make_source(slug="untitled", title=""))
    assert Source.objects.get(slug="untitled").title == ""

    (row,) = rows_of(workbook(as_reviewer, "recommendations", slug="cited"))

    assert row["source"] == "untitled"
