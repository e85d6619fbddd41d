"""The page My account: profile, password and own API tokens, for every role."""

import pytest
from django.urls import reverse
from django.utils import timezone

from policytracker.accounts.models import Token
from policytracker.api.tokens import create_token
from tests.admin.page import messages_of
from tests.queries import count_queries

ACCOUNT = "/admin/account/"
PASSWORD = "a long pass phrase"
NEW_TOKEN = {"form": "token", "name": "nightly export", "expires_in_days": "30"}


@pytest.mark.parametrize("role", ["reader", "party officer", "analyst", "reviewer", "administrator"])
def test_every_role_reaches_the_account_from_each_page(role, users, signed_in):
    client = signed_in(users[role])

    assert f'href="{ACCOUNT}"' in client.get("/admin/changes/").text
    assert client.get(ACCOUNT).status_code == 200


def test_a_user_changes_name_and_e_mail(reader, signed_in):
    form = {
        "form": "profile",
        "first_name": "Ann",
        "last_name": "Lee",
        "email": "ann@example.org",
        "password": PASSWORD,
        "username": "root",
        "is_superuser": "1",
    }

    saved = signed_in(reader).post(ACCOUNT, form, follow=True)

    reader.refresh_from_db()
    assert (reader.first_name, reader.last_name, reader.email) == ("Ann", "Lee", "ann@example.org")
    assert (reader.username, reader.is_superuser) == ("reader", False)
    assert "Profile saved." in messages_of(saved)


def test_an_invalid_e_mail_is_rejected_and_the_input_is_kept(reader, signed_in):
    rejected = signed_in(reader).post(ACCOUNT, {"form": "profile", "first_name": "Ann", "email": "nobody"})

    reader.refresh_from_db()
    assert reader.first_name == ""
    assert list(rejected.context["profile"].errors) == ["email"]
    assert 'value="nobody"' in rejected.text


def test_a_new_token_is_shown_once_and_works(reader, signed_in, client):
    browser = signed_in(reader)

    created = browser.post(ACCOUNT, {"form": "token", "name": "nightly export", "expires_in_days": "30", "password": PASSWORD})

    secret = created.context["secret"]
    token = Token.objects.get(user=reader)
    assert secret in created.text
    assert secret not in browser.get(ACCOUNT).text
    assert "no-store" in created["Cache-Control"]
    assert (token.name, (token.expiry - timezone.now()).days) == ("nightly export", 29)
    assert client.get("/api/v1/me/", headers={"authorization": f"Bearer {secret}"}).json()["username"] == "reader"


@pytest.mark.parametrize("values", [{"name": "", "expires_in_days": "30"}, {"name": "a", "expires_in_days": "366"}, {"name": "a"}])
def test_a_token_needs_a_name_and_at_most_a_year(reader, signed_in, values):
    rejected = signed_in(reader).post(ACCOUNT, {"form": "token", "password": PASSWORD} | values)

    assert rejected.context["error_summary"]
    assert not Token.objects.exists()


@pytest.mark.parametrize(("password", "code"), [("", "required"), ("wrong", "wrong_password")])
def test_a_session_alone_makes_no_token(reader, signed_in, password, code):
    rejected = signed_in(reader).post(ACCOUNT, NEW_TOKEN | {"password": password})

    assert rejected.context["token_form"].errors.as_data()["password"][0].code == code
    assert not Token.objects.exists()


def test_a_session_alone_changes_no_e_mail_address_but_a_name(reader, signed_in):
    client = signed_in(reader)

    rejected = client.post(ACCOUNT, {"form": "profile", "first_name": "Ann", "email": "other@example.org"})
    client.post(ACCOUNT, {"form": "profile", "first_name": "Ann", "email": reader.email})

    reader.refresh_from_db()
    assert rejected.context["profile"].errors.as_data()["password"][0].code == "required"
    assert (reader.first_name, reader.email) == ("Ann", "")


def test_wrong_passwords_of_the_account_lock_it_out_like_failed_logins(reader, signed_in):
    client = signed_in(reader)

    statuses = [client.post(ACCOUNT, NEW_TOKEN | {"password": "wrong"}).status_code for _ in range(11)]

    assert statuses == [200] * 10 + [429]
    assert client.post(ACCOUNT, NEW_TOKEN | {"password": PASSWORD}).status_code == 429
    assert not Token.objects.exists()


def test_a_user_without_a_password_of_this_site_is_not_asked_for_it(reader, signed_in):
    reader.set_unusable_password()
    reader.save()

    created = signed_in(reader).post(ACCOUNT, NEW_TOKEN)

    assert created.context["secret"]


def test_a_user_sees_and_revokes_own_tokens_only(reader, analyst, signed_in):
    own, other = create_token(reader, "mine", 1)[0], create_token(analyst, "theirs", 1)[0]
    client = signed_in(reader)

    page = client.get(ACCOUNT).text
    of_other = client.post(ACCOUNT, {"form": "revoke", "token": other.uid}, follow=True)
    of_own = client.post(ACCOUNT, {"form": "revoke", "token": own.uid}, follow=True)

    assert ("mine" in page, "theirs" in page) == (True, False)
    assert "This token does not exist any more." in messages_of(of_other)
    assert "Token revoked." in messages_of(of_own)
    assert list(Token.objects.values_list("name", flat=True)) == ["theirs"]


@pytest.mark.parametrize("data", [{"form": "revoke", "token": "x"}, {"form": "revoke"}, {"form": "nothing"}, {}])
def test_bad_input_changes_nothing(reader, signed_in, data):
    create_token(reader, "mine", 1)

    assert signed_in(reader).post(ACCOUNT, data, follow=True).status_code == 200
    assert Token.objects.count() == 1


def test_the_account_requires_a_login(db, client):
    assert client.get(ACCOUNT).status_code == 302


def test_the_number_of_queries_does_not_depend_on_the_tokens(reader, signed_in):
    client, costs = signed_in(reader), []
    for number in range(3):
        create_token(reader, f"token {number}", 1)
        costs.append(count_queries(client.get, ACCOUNT))

    assert costs[1] == costs[2] <= 40


def test_the_page_that_changes_the_own_password_has_a_way_back(reader, signed_in):
    page = signed_in(reader).get("/admin/password_change/").text

    assert page.count(f'href="{reverse("account")}"') >= 3  # the menu, the breadcrumb and *Cancel*
