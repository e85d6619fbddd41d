"""Responses match the OpenAPI schema, for valid and invalid requests: documented status, documented shape, never a 5xx."""

import os
import re
from pathlib import Path

import pytest
import schemathesis
from django.conf import settings
from django.core import signals
from django.core.management import call_command
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis
from hypothesis.strategies import one_of
from rest_framework.test import APIClient
from schemathesis import GenerationMode
from schemathesis.checks import content_type_conformance, not_a_server_error, response_schema_conformance, status_code_conformance

from policytracker.accounts.models import Token
from policytracker.wsgi import application
from tests.make import make_agreement, make_commitment, make_indicator, make_measurement, make_outcome

SCHEMA = schemathesis.openapi.from_dict(SchemaGenerator().get_schema(request=None, public=True))
SCHEMA.app = application
# Creating a token must not be part of a transaction, and here it would be part of the test's; see test_access.py.
FOUND = [found.ok() for found in SCHEMA.exclude(path="/api/v1/auth/tokens/").get_all_operations()]
OPERATIONS = {operation.label: operation for operation in FOUND}
EXAMPLES = 100 if os.environ.get("THOROUGH") else 5  # for each operation
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture
def token(administrator, monkeypatch) -> str:
    # All requests share the connection, and the transaction, of the test.
    monkeypatch.setattr(signals.request_started, "receivers", [])
    monkeypatch.setattr(signals.request_finished, "receivers", [])
    return Token.objects.create(administrator)[1]


# Not `SCHEMA.parametrize()`: it gives the same id to the tests of all operations, and pytest-xdist runs one test of each id.
@pytest.mark.parametrize("label", OPERATIONS)
def test_every_operation_matches_the_schema(label, token):
    cases = one_of(*(OPERATIONS[label].as_strategy(generation_mode=mode) for mode in GenerationMode))

    @hypothesis(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
    @given(cases)
    def check(case):
        response = case.call(headers={"Authorization": f"Bearer {token}"})
        case.validate_response(response, checks=CHECKS)

    check()


def test_decimals_are_strings_in_schema_and_responses(administrator):
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


def test_the_committed_schema_is_current(tmp_path):
    call_command("spectacular", file=str(tmp_path / "openapi.yaml"))

    assert (tmp_path / "openapi.yaml").read_text() == Path(settings.BASE_DIR, "docs", "openapi.yaml").read_text()
