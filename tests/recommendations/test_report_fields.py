"""The fields of a report are declared once and available in every interface."""

from django.core.management.base import CommandParser

from recommendations.admin.forms import EvidenceForm, ReportForm
from recommendations.management.commands.report import Command
from recommendations.models import Evidence, ProgressUpdate
from recommendations.progress import EVIDENCE_FIELDS, REPORT_FIELDS
from recommendations.serializers import EvidenceRowSerializer, ReportSerializer

REPORT = {
    "kind", "status", "progress_percent", "reported_on", "narrative", "reason", "party", "assessed_by", "corrects", "closes",
}  # fmt: skip
EVIDENCE = {"source", "locator", "quote", "stance", "confidence"}


def test_the_fields_of_a_report_are_fields_of_an_update():
    assert set(REPORT_FIELDS) == REPORT <= {field.name for field in ProgressUpdate._meta.fields}
    assert set(EVIDENCE_FIELDS) == EVIDENCE <= {field.name for field in Evidence._meta.fields}


def test_the_api_takes_every_field_of_a_report():
    assert set(ReportSerializer().fields) == REPORT | {"evidence", "change_reason"}
    assert set(EvidenceRowSerializer().fields) == EVIDENCE | {"url", "title"}
    assert not any(field.required for field in (*ReportSerializer().fields.values(), *EvidenceRowSerializer().fields.values()))


def test_the_form_has_every_field_of_a_report():
    # A correction is submitted through the API; the form keeps what was set there.
    assert set(ReportForm.base_fields) == REPORT - {"corrects"} | {"version", "revises"}
    assert set(EvidenceForm.base_fields) == EVIDENCE | {"url", "title"}


def test_the_command_takes_every_field_of_a_report():
    parser = CommandParser()
    Command().add_arguments(parser)

    assert {action.dest for action in parser._actions} >= REPORT | {"evidence"}
