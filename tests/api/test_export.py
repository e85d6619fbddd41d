"""Export of lists: `format=csv`, `xlsx` and `ndjson`."""

import csv
import io
import json
from itertools import count, zip_longest

import pytest
from django.db import connection
from django.db.models import Value
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook
from rest_framework.test import APIClient

from policytracker.accounts.models import User
from policytracker.api import export as export_module
from policytracker.importing.tables import EXECUTABLE
from policytracker.records.access import Role
from policytracker.representation.cells import SafeText
from policytracker.resources import registry
from recommendations.models import Recommendation
from recommendations.progress import EvidenceRow, Report, report_progress
from tests.api.client import Api
from tests.api.world import RESOURCES
from tests.conftest import make_user
from tests.make import make_agreement, make_recommendation, make_source

pytestmark = pytest.mark.usefixtures("world")
ADDRESSES = [resource.address for resource in registry.addressed]
NESTED = {"agreements": ["relations"], "recommendations": ["claims"], "progress-updates": ["evidence"]}
FORMATS = ["csv", "xlsx", "ndjson"]
EXECUTED = "=+-@\t\r\uff1d\uff0b\uff0d\uff20"


def content(response) -> bytes:
    assert response.status_code == 200, response.content
    return b"".join(response.streaming_content)


def export(client, address, **parameters) -> list[dict]:
    """The rows of an export, as dictionaries of texts; in ndjson as records."""
    data = content(client.get(f"{address}/", parameters))
    if parameters["format"] == "csv":
        return list(csv.DictReader(io.StringIO(data.decode(), newline="")))
    if parameters["format"] == "ndjson":
        return [json.loads(line) for line in data.decode().splitlines()]
    names, *rows = load_workbook(io.BytesIO(data), read_only=True).active.iter_rows(values_only=True)
    return [{name: cell or "" for name, cell in zip_longest(names, row)} for row in rows]


def text(value) -> str:
    """The cell of a value in the JSON of the API, if no spreadsheet would execute it."""
    if isinstance(value, list):
        return ";".join(item.replace(";", r"\;") for item in value)
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_export_has_the_rows_of_the_list_and_its_fields_in_order(as_analyst, analyst, reviewer, world, address):
    if address in RESOURCES:
        assert as_analyst.post(f"{address}/", RESOURCES[address].full).status_code == 201
    else:
        report = Report(status="in_progress", narrative="Begun; “so”,\nthey say.", evidence=(EvidenceRow(source=world.communique),))
        report_progress(world.act, report, by=analyst, today=world.act.created_at.date())
    records = as_analyst.list(f"{address}/", page_size=500)["results"]

    tables = [export(as_analyst, address, format=name) for name in ("csv", "xlsx")]

    assert export(as_analyst, address, format="ndjson") == records
    expected = [{name: text(value) for name, value in record.items() if name not in NESTED.get(address, ())} for record in records]
    assert tables == [expected, expected]
    assert list(tables[0][0]) == [name for name in records[0] if name not in NESTED.get(address, ())]


def test_an_export_obeys_filters_ordering_and_fields(as_analyst):
    for slug, due_on in [("first", "2030"), ("second", "2029"), ("third", "")]:
        make_recommendation(slug=slug, due_on=due_on, priority="high")

    for name in FORMATS:
        rows = export(as_analyst, "recommendations", format=name, priority="high", ordering="due_on", fields="due_on,slug,claims")
        assert [(row["slug"], row["due_on"] or None) for row in rows] == [("second", "2029"), ("first", "2030"), ("third", None)]
        assert list(rows[0]) == (["due_on", "slug", "claims"] if name == "ndjson" else ["due_on", "slug"])


def test_an_export_contains_all_rows_and_accepts_no_page(as_analyst):
    for number in range(60):
        make_recommendation(slug=f"many-{number}")

    assert len(export(as_analyst, "recommendations", format="csv")) == Recommendation.objects.count() > 60
    for parameter in ("page_size", "cursor"):
        assert list(as_analyst.get("recommendations/", {"format": "csv", parameter: "1"}).json()) == [parameter]


@pytest.mark.parametrize(
    ("stored", "cell"),
    [
        *((f"{sign}1+1", f"'{sign}1+1") for sign in EXECUTED),
        *((f"a;{sign}1+1;b", f"a;'{sign}1+1;b") for sign in EXECUTED),
        ("a; =1", "a; =1"),
        ("'=1+1", "''=1+1"),
        ("''@x", "'''@x"),
        ("'tis true", "'tis true"),
        ("a=b", "a=b"),
        ("#N/A", "#N/A"),
        ("1e5", "1e5"),
        ("\n=1", "\n=1"),
        ("", ""),
    ],
)
def test_a_spreadsheet_executes_no_cell(as_analyst, stored, cell):
    make_source(slug="risky", notes=stored)

    (row,) = export(as_analyst, "sources", format="csv", slug="risky")
    assert row["notes"] == cell
    if "\r" not in stored:  # openpyxl does not decode it
        (row,) = export(as_analyst, "sources", format="xlsx", slug="risky")
        assert row["notes"] == cell


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.sampled_from("';a \\\n" + EXECUTED), max_size=12))
def test_an_import_reads_the_text_that_was_exported_and_no_part_of_it_is_executed(reader, stored):
    cell = User.objects.values_list(SafeText(Value(stored)), flat=True).first()

    assert EXECUTABLE.sub(r"\1", cell) == stored
    assert not any(part.startswith(tuple(EXECUTED)) for part in cell.split(";"))


def test_a_list_in_a_cell_is_safe_and_its_semicolons_can_be_told_from_separators(as_analyst):
    as_analyst.post("parties/", RESOURCES["parties"].full | {"aliases": ["=x", "N; Z"]})

    for name in ("csv", "xlsx"):
        (row,) = export(as_analyst, "parties", format=name, code="NZL")
        assert row["aliases"] == r"'=x;N\; Z"


@pytest.mark.parametrize("name", FORMATS)
def test_an_export_works_while_queries_are_logged(as_analyst, name):
    """As with DEBUG=1: Django uses another cursor then."""
    make_recommendation(slug="percent", key_action="100 % done", priority="high")

    with CaptureQueriesContext(connection):
        (row,) = export(as_analyst, "recommendations", format=name, priority="high")

    assert row["key_action"] == "100 % done"


def test_a_number_stays_a_number(as_analyst):
    as_analyst.post("measurements/", RESOURCES["measurements"].full | {"value": "-3.5"})

    assert "-3.5" in [row["value"][:4] for row in export(as_analyst, "measurements", format="csv")]


@pytest.mark.parametrize("layout", ["machine", "people"])
@pytest.mark.parametrize("name", ["csv", "xlsx"])
def test_a_list_that_no_row_can_match_is_exported_as_a_header(as_analyst, name, layout):
    parameters = {"format": name, "layout": layout, "q": "!"}  # has no word, so PostgreSQL is not asked

    assert as_analyst.list("recommendations/", q="!")["count"] == 0
    assert export(as_analyst, "recommendations", **parameters) == []


@pytest.mark.parametrize("name", FORMATS)
def test_an_export_is_a_file(as_analyst, name):
    response = as_analyst.get("recommendations/", {"format": name})

    assert response["Content-Disposition"] == f'attachment; filename="recommendations.{name}"'
    assert int(response["Content-Length"]) == len(content(response))


@pytest.mark.parametrize("name", FORMATS)
def test_an_export_has_a_maximum_size(as_analyst, settings, name):
    settings.EXPORT_MAX_MB = 1
    make_source(slug="long", notes="x" * 30_000)
    for number in range(40):
        make_source(slug=f"long-{number}", notes="x" * 30_000)

    assert list(as_analyst.get("sources/", {"format": name}).json()) == ["format"]
    assert as_analyst.get("sources/", {"format": name, "slug": "long"}).status_code == 200


@pytest.mark.parametrize("name", FORMATS)
def test_an_export_has_a_maximum_time(as_analyst, monkeypatch, name):
    monkeypatch.setattr(export_module, "monotonic", count(0, 1000).__next__)

    response = as_analyst.get("sources/", {"format": name})

    assert (response.status_code, response.json()["code"]) == (503, "timeout")


@pytest.mark.parametrize("name", FORMATS)
def test_an_export_ends_when_its_client_has_left(as_analyst, monkeypatch, name):
    monkeypatch.setattr("policytracker.api.mixins.has_left", lambda request: True)

    assert as_analyst.get("sources/", {"format": name}).status_code == 499
    assert as_analyst.get("sources/").status_code == 200


@pytest.mark.parametrize("role", Role.values)
def test_each_role_exports_what_it_may_read(world, role):
    hidden = make_source(slug="secret", visibility="restricted")
    make_recommendation(slug="unpublished", publication="draft")
    make_recommendation(slug="internal", visibility="internal", publication="published", source=hidden, quote="Secret words.")
    make_recommendation(slug="restricted", visibility="restricted", publication="published")
    reader = Api(make_user("somebody", role))
    records = reader.list("recommendations/")["results"]

    for name in ("csv", "xlsx"):
        rows = export(reader, "recommendations", format=name)
        assert [[row["slug"], row["source"], row["quote"]] for row in rows] == [[r["slug"], text(r["source"]), r["quote"]] for r in records]
    assert export(reader, "recommendations", format="ndjson") == records


def test_a_past_day_is_exported_as_it_was(as_analyst, analyst, world):
    report_progress(world.act, Report(status="in_progress", narrative="Begun."), by=analyst, today=world.act.created_at.date())
    parameters = {"on": "2020-01-01", "fields": "slug,status"}
    records = as_analyst.list("recommendations/", **parameters)["results"]

    assert export(as_analyst, "recommendations", format="csv", **parameters) == records
    assert {record["status"] for record in records} == {"not_assessed"}


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({"format": "pdf"}, "format"),
        ({"format": ""}, "format"),
        ({"format": "csv", "expand": "source"}, "expand"),
        ({"format": "xlsx", "expand": "source"}, "expand"),
        ({"format": "csv", "colour": "red"}, "colour"),
        ({"format": "csv", "due_on__from": "tomorrow"}, "due_on__from"),
        ({"format": "csv", "ordering": "claims"}, "ordering"),
        ({"format": "csv", "fields": "colour"}, "fields"),
        ({"format": "csv", "fields": "claims"}, "fields"),
        ({"format": "xlsx", "fields": "claims", "layout": "people"}, "fields"),
    ],
)
def test_an_invalid_parameter_is_refused_by_name_before_a_file_begins(as_analyst, parameters, name):
    response = as_analyst.get("recommendations/", parameters)

    assert (response.status_code, list(response.json())) == (400, [name])


def test_a_repeated_format_is_refused(as_analyst):
    assert list(as_analyst.get("recommendations/?format=csv&format=xlsx").json()) == ["format"]


def test_ndjson_can_expand_references(as_analyst, world):
    (record,) = [row for row in export(as_analyst, "recommendations", format="ndjson", expand="agreements") if row["slug"] == "act"]

    assert record == as_analyst.get("recommendations/act/?expand=agreements").json()


def test_a_text_that_no_worksheet_can_hold_is_refused_and_csv_contains_it(as_analyst):
    make_source(slug="long", notes="x" * 40_000)

    assert list(as_analyst.get("sources/?format=xlsx").json()) == ["format"]
    (row,) = export(as_analyst, "sources", format="csv", slug="long")
    assert len(row["notes"]) == 40_000


def test_details_and_writes_have_no_formats(as_analyst):
    assert list(as_analyst.get("recommendations/act/?format=csv").json()) == ["format"]
    assert list(as_analyst.post("sources/?format=csv", {"slug": "new", "kind": "news"}).json()) == ["format"]


def test_anonymous_users_export_no_people(world, settings, analyst):
    settings.PUBLIC_READ = True
    agreement = make_agreement(slug="led", lead=analyst)
    agreement.team.set([analyst])

    (row,) = export(APIClient(), "/api/v1/agreements", format="csv", slug="led")

    assert (row["lead"], row["team"]) == ("", "")
