"""What hinders the database for a while is answered with a code, a sentence and when to come again, at the API and in the admin."""

import pytest
from django.contrib.admin import site
from django.db import InterfaceError, OperationalError, connection

from agreements.models import Party
from policytracker.api.viewsets import RecordViewSet
from tests.api.client import Api

pytestmark = pytest.mark.django_db

ANSWERS = {
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
    """A method that asks PostgreSQL something that ends with this SQLSTATE."""

    def fail(*args, **kwargs):
        with connection.cursor() as cursor:
            cursor.execute(f"DO $$ BEGIN RAISE EXCEPTION 'a message of the server' USING ERRCODE = '{state}'; END $$")

    return fail


@pytest.mark.parametrize(("state", "answer"), ANSWERS.items())
def test_the_api_answers_with_a_code_and_when_to_come_again(state, answer, reader, monkeypatch):
    monkeypatch.setattr(RecordViewSet, "filtered", failing(state))

    response = Api(reader).get("parties/")

    assert (response.status_code, response.json()["code"]) == answer
    assert ("Retry-After" in response) == (response.status_code == 503)
    assert response.json().keys() == {"code", "detail"}
    assert "a message of the server" not in response.json()["detail"]


@pytest.mark.parametrize(("state", "answer"), ANSWERS.items())
def test_the_admin_answers_with_the_same_status(state, answer, administrator, client, monkeypatch):
    client.force_login(administrator)
    monkeypatch.setattr(type(site.get_model_admin(Party)), "get_queryset", failing(state))

    response = client.get("/admin/agreements/party/", secure=True)

    assert response.status_code == answer[0]
    assert ("Retry-After" in response) == (response.status_code == 503)


@pytest.mark.parametrize(
    "error", [OperationalError("couldn't get a connection after 3.00 sec"), InterfaceError("connection already closed")]
)
def test_no_connection_is_unavailable(error, reader, monkeypatch):
    def fail(*args):
        raise error

    monkeypatch.setattr(RecordViewSet, "filtered", fail)

    response = Api(reader).get("parties/")

    assert (response.status_code, response.json()["code"], "Retry-After" in response) == (503, "unavailable", True)


def test_an_error_of_our_own_is_not_called_trouble_of_the_database(reader, monkeypatch):
    monkeypatch.setattr(RecordViewSet, "filtered", failing("42P01"))
    api = Api(reader)
    api.raise_request_exception = False

    assert api.get("parties/").status_code == 500
