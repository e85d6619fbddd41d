"""Temporary database errors: status, code and Retry-After in the API and the admin."""

import pytest
from django.contrib.admin import site
from django.db import InterfaceError, OperationalError, connection

from agreements.models import Party
from policytracker.api.viewsets import RecordViewSet
from tests.api.client import Api

pytestmark = pytest.mark.django_db

RESPONSES = {
    "08006": (503, "unavailable"),
    "25006": (503, "unavailable"),
    "40P01": (409, "conflict"),
    "53100": (503, "unavailable"),
    "53200": (503, "unavailable"),
    "53300": (503, "unavailable"),
    "55P03": (503, "busy"),
    "57014": (503, "timeout"),
    "57P01": (503, "unavailable"),
    "57P02": (503, "unavailable"),
    "57P03": (503, "unavailable"),
}


def failing(state: str):
    """A function whose query fails with this SQLSTATE."""

    def fail(*args, **kwargs):
        with connection.cursor() as cursor:
            cursor.execute(f"DO $$ BEGIN RAISE EXCEPTION 'a message of the server' USING ERRCODE = '{state}'; END $$")

    return fail


@pytest.mark.parametrize(("state", "expected"), RESPONSES.items())
def test_the_api_responds_with_a_code_and_retry_after(state, expected, reader, monkeypatch):
    monkeypatch.setattr(RecordViewSet, "page", failing(state))

    response = Api(reader).get("parties/")

    assert (response.status_code, response.json()["code"]) == expected
    assert ("Retry-After" in response) == (response.status_code == 503)
    assert response.json().keys() == {"code", "detail"}
    assert "a message of the server" not in response.json()["detail"]


@pytest.mark.parametrize(("state", "expected"), RESPONSES.items())
def test_the_admin_responds_with_the_same_status(state, expected, administrator, client, monkeypatch):
    client.force_login(administrator)
    monkeypatch.setattr(type(site.get_model_admin(Party)), "get_queryset", failing(state))

    response = client.get("/admin/agreements/party/", secure=True)

    assert response.status_code == expected[0]
    assert ("Retry-After" in response) == (response.status_code == 503)


@pytest.mark.parametrize(
    "error", [OperationalError("couldn't get a connection after 3.00 sec"), InterfaceError("connection already closed")]
)
def test_no_connection_is_unavailable(error, reader, monkeypatch):
    def fail(*args):
        raise error

    monkeypatch.setattr(RecordViewSet, "page", fail)

    response = Api(reader).get("parties/")

    assert (response.status_code, response.json()["code"], "Retry-After" in response) == (503, "unavailable", True)


def test_an_sql_error_of_the_application_is_a_server_error(reader, monkeypatch):
    monkeypatch.setattr(RecordViewSet, "page", failing("42P01"))
    api = Api(reader)
    api.raise_request_exception = False

    assert api.get("parties/").status_code == 500
