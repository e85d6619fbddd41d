"""The schema is true: whatever it invites or forbids, no answer is a 5xx, undocumented, or of another shape."""

import os
import re
from pathlib import Path

import pytest
import schemathesis
from django.conf import settings
from django.core import signals
from django.core.management import call_command
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis
from rest_framework.test import APIClient
from schemathesis.checks import content_type_conformance, not_a_server_error, response_schema_conformance, status_code_conformance

from policytracker.models import Token
from policytracker.wsgi import application
from tests.make import make_agreement, make_commitment, make_indicator, make_measurement, make_outcome

SCHEMA = schemathesis.openapi.from_dict(SchemaGenerator().get_schema(request=None, public=True))
SCHEMA.app = application
# Every parameter at every edge takes eight minutes: THOROUGH=1 asks for it, each run here tries a few.
SCHEMA.config.phases.coverage.enabled = THOROUGH = bool(os.environ.get("THOROUGH"))
PROMISED = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture
def token(administrator, monkeypatch) -> str:
    # All requests share the connection, and the transaction, of the test.
    monkeypatch.setattr(signals.request_started, "receivers", [])
    monkeypatch.setattr(signals.request_finished, "receivers", [])
    return Token.objects.create(administrator)[1]


# Making a token is no part of a transaction, which here would be the test's; see test_access.py.
@SCHEMA.exclude(path="/api/v1/auth/tokens/").parametrize()
@hypothesis(max_examples=50 if THOROUGH else 8, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_every_operation_keeps_to_its_schema(case, token):
    response = case.call(headers={"Authorization": f"Bearer {token}"})

    case.validate_response(response, checks=PROMISED)


def test_decimals_are_strings_in_the_schema_as_in_the_answers(administrator):
    commitment = make_commitment(make_agreement(), amount="1000.50")
    measurement = make_measurement(make_indicator(make_outcome(commitment.agreement)), value="-0.25")
    client = APIClient()
    client.force_authenticate(administrator)
    document = SchemaGenerator().get_schema(request=None, public=True)

    for name, address, record, field in (
        ("Commitment", "commitments", commitment, "amount"),
        ("Measurement", "measurements", measurement, "value"),
    ):
        value = client.get(f"/api/v1/{address}/{record.uid}/").json()[field]
        schema = document["components"]["schemas"][name]["properties"][field]
        assert isinstance(value, str)
        assert "string" in schema["type"] and "number" not in schema["type"]
        assert re.search(schema["pattern"], value), (value, schema)


def test_the_committed_schema_is_the_one_that_is_served(tmp_path):
    call_command("spectacular", file=str(tmp_path / "openapi.yaml"))

    assert (tmp_path / "openapi.yaml").read_text() == Path(settings.BASE_DIR, "docs", "openapi.yaml").read_text()
