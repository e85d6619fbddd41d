"""The session ended, or the form expired, while a person typed: the person logs in and sends the same input again, from any form."""

from html.parser import HTMLParser

import pytest
from django.contrib.auth.models import Group
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from agreements.models import Agreement, Component, Source
from policytracker.accounts.models import Token, User
from recommendations.models import ProgressUpdate, Recommendation
from tests.admin.page import add, change, changes, delete, edit, report_data, tab, typed
from tests.conftest import make_user
from tests.make import make_agreement, make_component, make_recommendation

TYPED = "typed with care,\r\nin two lines: <b>“é”</b> & 100 %"
STORED = TYPED.replace("\r\n", "\n")
PASSWORD = "a long pass phrase"
ORIGIN = "http://testserver"
LOGIN = "/admin/login/"
pytestmark = pytest.mark.django_db


@pytest.fixture
def browser() -> Client:
    """A browser in which the analyst is logged in, and whose forms need a CSRF token."""
    make_user("analyst", "analyst")
    client = Client(enforce_csrf_checks=True, headers={"Origin": ORIGIN})
    log_in(client)
    return client


class Forms(HTMLParser):
    """The hidden fields of the forms of a page, by the address of the form, and the names of the file fields."""

    def __init__(self, page: HttpResponse):
        super().__init__()
        self.forms: list[dict[str, str]] = []
        self.fields: list[tuple[dict[str, str], str]] = []  # the attributes of each field, and the address of the form around it
        self.feed(page.content.decode())
        self.files = [field["name"] for field, _ in self.fields if field.get("type") == "file"]

    def handle_starttag(self, tag, attributes):
        if tag == "form":
            self.forms.append(dict(attributes))
        elif tag == "input":
            self.fields.append((dict(attributes), self.forms[-1].get("action", "") if self.forms else ""))

    def hidden(self, address: str) -> dict[str, list[str]]:
        of_id = {form.get("id"): form.get("action", "") for form in self.forms}
        sent: dict[str, list[str]] = {}
        for field, around in self.fields:
            if field.get("type") == "hidden" and (of_id[field["form"]] if "form" in field else around) == address:
                sent.setdefault(field["name"], []).append(field.get("value", ""))
        return sent


def log_in(client: Client, page=None, username="analyst", password=PASSWORD):
    """Fill in the login form of a page, or of the login page."""
    forms = Forms(page or client.get(LOGIN))
    (address,) = [form["action"] for form in forms.forms if form.get("id") == "login-form"]
    return client.post(address, forms.hidden(address) | {"username": username, "password": password})


def send_again(client: Client, page, address: str, **files):
    """Press the button of the page that keeps the input."""
    return client.post(address, Forms(page).hidden(address) | files)


def with_token(client: Client, data: dict) -> dict:
    return data | {"csrfmiddlewaretoken": client.cookies["csrftoken"].value}


# ---- every form: its address, what a person enters, and what is true once it is saved


def new_agreement(client):
    rows = {"actions-0-kind": "announcement", "actions-0-acted_on": "22 Oct 2022", "actions-TOTAL_FORMS": "1"}
    data = typed(client.get(add(Agreement))) | {"title": "A pact", "summary": TYPED, "_save": "Save"} | rows
    return add(Agreement), data, lambda: Agreement.objects.filter(summary=STORED, actions__acted_on="2022-10-22").exists()


def record(client):
    address = edit(make_agreement())
    data = typed(client.get(address)) | {"summary": TYPED, "_save": "Save"}
    return address, data, lambda: Agreement.objects.filter(summary=STORED).exists()


def rows_of_a_tab(client):
    agreement = make_agreement()
    make_component(agreement)
    address = tab(agreement, "components")
    data = typed(client.get(address)) | {"components-0-title": "Hubs", "_save": "Save"}
    return address, data, lambda: Component.objects.filter(title="Hubs").exists()


def update(client):
    address = change(make_recommendation())
    data = report_data(client.get(address), status="planned", narrative=TYPED)
    return address, data, lambda: ProgressUpdate.objects.filter(narrative=STORED).exists()


def bulk_edit(client):
    records = [make_recommendation(), make_recommendation()]
    data = {
        "action": "bulk_edit",
        "_bulk_edit": "1",
        "_selected_action": [row.pk for row in records],
        "priority": "high",
        "change_reason": TYPED,
    }
    return changes(Recommendation, "?status=not_assessed"), data, lambda: Recommendation.objects.filter(priority="high").count() == 2


def publish(client):
    agreement = make_agreement(publication="draft")
    address = change(agreement).replace("/change/", "/publish/")
    return address, {"_publish": "1", "change_reason": TYPED}, lambda: Agreement.objects.filter(publication="published").exists()


def deletion(client):
    return delete(make_agreement(publication="draft")), {"post": "yes", "change_reason": TYPED}, lambda: not Agreement.objects.exists()


FORMS = [new_agreement, record, rows_of_a_tab, update, bulk_edit, publish, deletion]


@pytest.mark.parametrize("form", FORMS)
def test_input_is_sent_again_after_the_session_ended(form, browser):
    address, data, saved = form(browser)
    data = with_token(browser, data)
    del browser.cookies["sessionid"]

    page = browser.post(address, data)
    kept = log_in(browser, page)
    saved_before = saved()
    done = send_again(browser, kept, address)

    assert (page.status_code, kept.status_code) == (403, 403)
    assert not saved_before
    assert done.status_code in (200, 302)
    assert saved()


@pytest.mark.parametrize("form", FORMS)
def test_input_is_sent_again_after_a_login_in_another_tab(form, browser):
    address, data, saved = form(browser)
    data = with_token(browser, data)
    del browser.cookies["sessionid"]
    log_in(browser)  # it changes the CSRF token

    kept = browser.post(address, data)
    saved_before = saved()
    done = send_again(browser, kept, address)

    assert kept.status_code == 403
    assert not saved_before
    assert done.status_code in (200, 302)
    assert saved()


def test_a_password_is_not_kept_with_the_input_and_is_asked_for_again(browser):
    token = {"form": "token", "name": "nightly", "expires_in_days": "5", "password": PASSWORD}
    data = with_token(browser, token)
    del browser.cookies["sessionid"]

    kept = log_in(browser, browser.post(reverse("account"), data))
    asked = send_again(browser, kept, reverse("account"))
    saved_without = Token.objects.exists()
    browser.post(reverse("account"), with_token(browser, token))

    assert PASSWORD not in kept.content.decode()
    assert 'value="nightly"' in asked.content.decode()
    assert not saved_without
    assert Token.objects.get().name == "nightly"


def test_input_survives_a_wrong_password_and_a_login_form_that_expired(browser):
    address, data, saved = record(browser)
    data = with_token(browser, data)
    del browser.cookies["sessionid"]

    page = browser.post(address, data)
    again = log_in(browser, page, password="wrong")
    del browser.cookies["csrftoken"]
    expired = log_in(browser, again)
    kept = log_in(browser, expired)
    send_again(browser, kept, address)

    assert (again.status_code, expired.status_code) == (200, 403)
    assert saved()


def test_the_input_is_shown_as_text(browser):
    address, data, _ = record(browser)
    data = with_token(browser, data)
    del browser.cookies["sessionid"]

    kept = log_in(browser, browser.post(address, data))

    assert ("Summary", TYPED) in kept.context["entered"]
    assert "<b>" not in kept.content.decode().partition("Your input</h2>")[2]


def test_the_permissions_are_those_of_the_user_who_logged_in(browser):
    make_user("reader", "reader")
    address, data, saved = record(browser)
    data = with_token(browser, data)
    del browser.cookies["sessionid"]

    kept = log_in(browser, browser.post(address, data), username="reader")
    refused = send_again(browser, kept, address)

    assert "logged in as reader" in kept.content.decode()
    assert refused.status_code == 403
    assert not saved()


def test_input_that_the_role_no_longer_permits_is_shown(browser):
    address, data, saved = record(browser)
    data = with_token(browser, data)
    User.objects.get(username="analyst").groups.set(Group.objects.filter(name="reader"))

    refused = browser.post(address, data)

    assert refused.status_code == 403
    assert ("Summary", TYPED) in refused.context["entered"]
    assert not saved()


def test_a_user_without_staff_status_gets_no_input(browser):
    User.objects.create_user("stranger", password=PASSWORD)
    address, data, saved = record(browser)
    data = with_token(browser, data)
    del browser.cookies["sessionid"]

    refused = log_in(browser, browser.post(address, data), username="stranger")

    assert "entered" not in refused.context
    assert not saved()


@pytest.mark.parametrize("origin", ["https://elsewhere.example", "null", None])
def test_a_form_of_another_site_is_refused_without_its_input(origin, browser):
    address, data, saved = record(browser)
    other = Client(enforce_csrf_checks=True, headers={"Origin": origin} if origin else {})
    other.cookies = browser.cookies

    refused = other.post(address, data)

    assert refused.status_code == 403
    assert "typed with care" not in refused.content.decode()
    assert not saved()


def test_only_input_that_this_site_signed_is_shown_after_the_login(browser):
    browser.logout()
    page = browser.get(LOGIN)
    forged = {"unsaved_input": '{"address": "https://elsewhere.example", "fields": [["title", "forged"]], "files": []}'}

    answer = browser.post(LOGIN, Forms(page).hidden(LOGIN) | forged | {"username": "analyst", "password": PASSWORD})

    assert (answer.status_code, answer.url) == (302, "/admin/")


def test_passwords_are_not_kept(browser):
    make_user("chief", "administrator", is_superuser=True)
    del browser.cookies["sessionid"]
    log_in(browser, username="chief")
    address = add(User)
    data = with_token(browser, {"username": "newcomer", "password1": "first secret", "password2": "first secret"})
    del browser.cookies["sessionid"]

    page = browser.post(address, data)
    kept = log_in(browser, page, username="chief")
    again = send_again(browser, kept, address)

    assert kept.context["entered"] == [("Username", "newcomer")]
    assert kept.context["unsaved"]["fields"] == [["username", "newcomer"]]
    assert "password1" in again.context_data["adminform"].form.errors


def test_a_file_is_chosen_again(browser, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    data = typed(browser.get(add(Source))) | {"title": "A paper", "slug": "paper", "kind": "press_release", "_save": "Save"}
    file = SimpleUploadedFile("paper.txt", b"the paper")
    data = with_token(browser, data | {"file": file})
    del browser.cookies["sessionid"]

    kept = log_in(browser, browser.post(add(Source), data))
    file.seek(0)
    done = send_again(browser, kept, add(Source), file=file)

    assert Forms(kept).files == ["file"]
    assert "paper.txt" in kept.content.decode()
    assert done.status_code == 302
    assert Source.objects.get().file.read() == b"the paper"


def test_a_text_of_three_megabytes_is_kept(browser):
    address, data, _ = record(browser)
    text = "lång " * 500_000
    data = with_token(browser, data | {"summary": text})
    del browser.cookies["sessionid"]

    kept = log_in(browser, browser.post(address, data))
    done = send_again(browser, kept, address)

    assert done.status_code in (200, 302)
    assert ("Summary", text) in kept.context["entered"]


def test_logging_out_twice_leads_to_the_login_page(browser):
    data = with_token(browser, {})
    del browser.cookies["sessionid"]

    answer = browser.post(reverse("admin:logout"), data)

    assert (answer.status_code, answer.url) == (302, "/admin/")


def test_a_page_that_is_only_read_leads_to_the_login_page(browser):
    address = edit(make_agreement())
    del browser.cookies["sessionid"]

    answer = browser.get(address)

    assert answer.status_code == 302
    assert answer.url.startswith(f"{LOGIN}?next=/admin/agreements/agreement/")
