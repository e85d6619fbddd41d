"""API tokens and the lockout after failed logins."""

import pytest
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from policytracker.accounts.models import Token, User

TOKENS = "/api/v1/auth/tokens/"


@pytest.fixture
def ann(transactional_db):
    return User.objects.create_user("ann", password="a long pass phrase")


def sign_in(**changes):
    body = {"username": "ann", "password": "a long pass phrase"} | changes
    return APIClient().post(TOKENS, body, format="json")


def with_token(token: str) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return client


def test_a_token_is_shown_once_and_authenticates_requests(ann):
    made = sign_in(name="laptop", expires_in_days=2)

    client = with_token(made.json()["token"])
    listed = client.get(TOKENS).json()
    assert made.status_code == 201
    assert [(row["id"], row["name"]) for row in listed] == [(made.json()["id"], "laptop")]
    assert "token" not in listed[0]
    assert client.get("/api/v1/me/").json()["username"] == "ann"


def test_a_token_is_stored_as_a_hash(ann):
    secret = sign_in().json()["token"]

    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM policytracker_token t WHERE to_jsonb(t)::text LIKE %s", [f"%{secret}%"])
        assert cursor.fetchone() == (0,)


def test_a_revoked_or_expired_token_is_refused(ann):
    made, other = sign_in().json(), sign_in().json()
    client = with_token(made["token"])
    Token.objects.filter(uid=other["id"]).update(expiry=timezone.now())

    assert client.delete(f"{TOKENS}{made['id']}/").status_code == 204
    assert client.get("/api/v1/me/").status_code == 401
    assert with_token(other["token"]).get("/api/v1/me/").status_code == 401


def test_a_user_cannot_revoke_the_token_of_another(ann):
    User.objects.create_user("bob", password="another pass phrase")
    theirs = sign_in(username="bob", password="another pass phrase").json()

    client = with_token(sign_in().json()["token"])

    assert client.delete(f"{TOKENS}{theirs['id']}/").status_code == 404
    assert Token.objects.filter(uid=theirs["id"]).exists()


def test_lockout_after_ten_failed_logins_is_limited_to_the_user_name(ann):
    User.objects.create_user("bob", password="another pass phrase")

    statuses = [sign_in(password="wrong").status_code for _ in range(11)]

    locked = sign_in()
    assert statuses == [401] * 10 + [429]
    assert (locked.status_code, locked["Retry-After"], locked.json()["code"]) == (429, "900", "throttled")
    assert sign_in(username="bob", password="another pass phrase").status_code == 201


def test_failed_logins_of_the_login_form_count_too(ann, client):
    form = {"username": "ann", "password": "wrong"}

    statuses = [client.post("/admin/login/", form).status_code for _ in range(11)]

    assert statuses == [200] * 10 + [429]
    assert sign_in().status_code == 429


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"username": ""}, "username"),
        ({"username": "a\0b"}, "username"),
        ({"username": "x" * 151}, "username"),
        ({"password": None}, "password"),
        ({"expires_in_days": 0}, "expires_in_days"),
        ({"expires_in_days": 366}, "expires_in_days"),
        ({"expires_in_days": "soon"}, "expires_in_days"),
        ({"name": "x" * 101}, "name"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_an_invalid_token_request_reports_the_field(ann, changes, field):
    response = sign_in(**changes)

    assert response.status_code == 400
    assert list(response.json()["_codes"]) == [field]


@pytest.mark.parametrize("header", ["Bearer", "Bearer x", "Bearer a b", "Bearer \xe9t\xe9", "Basic eA=="])
def test_wrong_credentials_are_unauthorized(ann, header):
    response = APIClient().get("/api/v1/me/", HTTP_AUTHORIZATION=header)

    assert response.status_code == 401
    assert set(response.json()) == {"code", "detail"}


def test_without_credentials_only_health_schema_docs_and_sign_in_are_available(transactional_db):
    open_to_all = {"healthz", "readyz", "api/v1/schema/", "api/v1/docs/"}

    for path in [*open_to_all, "api/v1/agreements/", "api/v1/me/", "api/v1/choices/", TOKENS.strip("/") + "/"]:
        assert (APIClient().get(f"/{path}").status_code == 200) == (path in open_to_all), path


def test_health_needs_no_database(client):
    assert client.get("/healthz").json() == {"status": "ok"}


@pytest.mark.parametrize("address", ["", "agreement/", "agreements/a/b/c/", "nothing"])
def test_an_unknown_api_address_gives_json(ann, address):
    client = with_token(sign_in().json()["token"])

    response = client.get(f"/api/v1/{address}")

    assert response.status_code == 404
    assert response.json()["code"] == "not_found"
