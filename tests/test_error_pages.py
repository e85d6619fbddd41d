"""Error responses outside the API: a page with the layout of the site and a way back."""

import pytest
from django.db import OperationalError
from django.test import Client, RequestFactory
from django.urls import reverse

from policytracker.api.errors import DatabaseErrors
from policytracker.api.tokens import locked_out
from policytracker.web import errors
from tests.admin.page import add
from tests.make import make_agreement


def is_error_page(response, status: int) -> bool:
    text = response.content.decode()
    return response.status_code == status and "<main>" in text and f'href="{reverse("admin:index")}"' in text and "error.css" in text


def test_the_root_leads_to_the_admin(db, client):
    response = client.get("/")

    assert (response.status_code, response["Location"]) == (302, "/admin/")


def test_a_missing_page_is_an_error_page(db, client):
    assert is_error_page(client.get("/nothing/"), 404)


def test_a_page_that_the_role_may_not_open_is_an_error_page(reader, client):
    client.force_login(reader, backend="django.contrib.auth.backends.ModelBackend")

    assert is_error_page(client.get(add(type(make_agreement()))), 403)


def test_an_expired_form_is_an_error_page(db):
    client = Client(enforce_csrf_checks=True)

    assert is_error_page(client.post("/admin/login/", {"username": "ann"}), 403)


def test_too_many_parameters_are_an_error_page(client):
    assert is_error_page(client.get("/admin/login/?" + "&".join(["s=a"] * 1001)), 400)


def test_a_body_above_the_limit_is_an_error_page(client):
    assert is_error_page(client.post("/admin/login/", {}, headers={"content-length": str(2**30)}), 413)


def test_a_lockout_is_an_error_page_that_says_when_to_try_again(rf: RequestFactory):
    response = locked_out(rf.post("/admin/login/"))

    assert is_error_page(response, 429)
    assert response["Retry-After"] == "900"


def test_a_server_error_is_an_error_page_without_the_database(rf):
    # Without the fixture `db`, each query fails.
    assert is_error_page(errors.server_error(rf.get("/admin/")), 500)


def test_a_lost_database_is_an_error_page(rf):
    middleware = DatabaseErrors(lambda request: None)

    assert is_error_page(middleware.process_exception(rf.get("/admin/"), OperationalError("connection refused")), 503)


@pytest.mark.parametrize("handler", [errors.bad_request, errors.not_permitted, errors.not_found])
def test_errors_under_the_path_of_the_api_are_json(handler, rf):
    response = handler(rf.get("/api/"), Exception())

    assert response["Content-Type"] == "application/json"


def test_an_error_page_does_not_show_markup_of_a_message(rf):
    response = errors.not_permitted(rf.get("/admin/"), Exception("<script>"))

    assert b"<script>" not in response.content.split(b"<main>")[1]
