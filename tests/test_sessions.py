"""A session that cannot be saved when the response is ready."""

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db import OperationalError, ProgrammingError
from django.http import HttpResponse
from django.test import Client, override_settings
from django.urls import include, path


def change_session(request):
    request.session["changed"] = True
    if "end" in request.GET:
        Session.objects.all().delete()
    return HttpResponse("done")


urlpatterns = [
    path("api/v1/change/", change_session),
    path("change/", change_session),
    path("", include("policytracker.urls")),
]


@pytest.fixture
def browser(reader):
    with override_settings(ROOT_URLCONF=__name__):
        browser = Client(raise_request_exception=False)
        browser.force_login(reader)
        yield browser


def test_a_session_is_saved(browser):
    assert browser.get("/change/").content == b"done"
    assert browser.session["changed"]


def test_a_session_that_ends_during_a_request_is_a_conflict(browser):
    api = browser.get("/api/v1/change/?end")

    assert (api.status_code, api.json()["code"]) == (409, "session_ended")


def test_a_page_says_that_the_session_has_ended(browser):
    page = browser.get("/change/?end")

    assert (page.status_code, page["Content-Type"]) == (409, "text/html; charset=utf-8")
    assert browser.get("/admin/").status_code == 302


def test_a_database_error_while_a_session_is_saved_is_temporary(browser, monkeypatch):
    def fail(*args, **kwargs):
        raise OperationalError("the connection is lost")

    monkeypatch.setattr(SessionStore, "save", fail)

    api, page = browser.get("/api/v1/change/"), browser.get("/change/")

    assert (api.status_code, api.json()["code"], page.status_code) == (503, "unavailable", 503)
    assert int(api["Retry-After"]) == int(page["Retry-After"]) > 0


def test_a_defect_while_a_session_is_saved_is_a_server_error(browser, monkeypatch):
    def fail(*args, **kwargs):
        raise ProgrammingError("no such table")

    monkeypatch.setattr(SessionStore, "save", fail)

    assert browser.get("/api/v1/change/").status_code == 500
