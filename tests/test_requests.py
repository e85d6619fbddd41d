"""Middleware: limits, client address, probes, caching; sessions and passwords."""

import runpy

import pytest
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.test import override_settings
from rest_framework.test import APIClient

from policytracker.accounts.models import Token, User
from policytracker.web import requests
from tests.api.client import Api

MIB = 1024 * 1024
TOKENS = "/api/v1/auth/tokens/"


class Unread:
    """A body that must not be read."""

    def read(self, *args):
        raise AssertionError("The body was read.")

    readline = read


def send(client, path, length, **headers):
    return client.generic(
        "POST", path, b"", **{"wsgi.input": Unread(), "CONTENT_TYPE": "multipart/form-data; boundary=x"}, **length, **headers
    )


# ---- bodies


@pytest.mark.parametrize(
    ("path", "limit"),
    [
        ("/api/v1/agreements/", 10),
        ("/api/v1/auth/tokens/", 10),
        ("/admin/login/", 10),
        ("/api/v1/sources/", 30),
        ("/api/v1/sources/a-source/", 30),
        ("/admin/agreements/source/add/", 30),
        ("/admin/recommendations/recommendation/import/", 30),
        ("/admin/recommendations/recommendation/import/other/", 10),
        ("/nothing", 10),
    ],
)
def test_a_body_above_the_limit_is_refused_without_reading_it(client, path, limit):
    refused = send(client, path, {"CONTENT_LENGTH": str(limit * MIB + 1)})

    assert refused.status_code == 413
    if path.startswith("/api/"):
        assert refused.json()["code"] == "too_large"


def test_a_body_at_the_limit_is_accepted(db, client):
    assert client.post("/admin/login/", {"username": "x" * (9 * MIB)}).status_code == 200


@pytest.mark.parametrize("length", ["-1", "1e3", "x", "9" * 5000])
def test_an_invalid_content_length_is_refused(client, length):
    assert send(client, "/api/v1/agreements/", {"CONTENT_LENGTH": length}).status_code == 413


@pytest.mark.parametrize("path", ["/api/v1/agreements/", "/admin/login/"])
def test_a_body_without_content_length_is_refused_without_reading_it(client, path):
    refused = send(client, path, {"CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "chunked"})

    assert refused.status_code == 411
    if path.startswith("/api/"):
        assert refused.json()["code"] == "length_required"


# ---- query strings


@pytest.mark.parametrize("path", ["agreements/", "me/", "schema/", "auth/tokens/", "nothing/"])
@pytest.mark.parametrize("query", ["&".join(["slug=a"] * 1001), "slug=" + "a" * 17_000, "&" * 5000])
def test_too_many_or_too_long_parameters_of_the_api_are_a_bad_request(analyst, path, query):
    response = Api(analyst).get(f"{path}?{query}")

    assert response.status_code == 400
    assert list(response.json()) == ["non_field_errors"]


@pytest.mark.parametrize("path", ["/admin/", "/admin/login/", "/admin/agreements/agreement/", "/admin/search/"])
def test_too_many_parameters_of_a_page_are_a_bad_request(administrator, client, path):
    client.force_login(administrator)

    assert client.get(f"{path}?{'&'.join(['s=a'] * 1001)}").status_code == 400


def test_the_command_palette_is_for_signed_in_staff(db, client):
    assert client.get("/admin/search/?s=a").status_code == 302


# ---- the client's address


@pytest.fixture
def ann(transactional_db):
    return User.objects.create_user("ann", password="a long pass phrase")


def sign_in(forwarded_for, password="a long pass phrase"):
    return APIClient().post(TOKENS, {"username": "ann", "password": password}, format="json", HTTP_X_FORWARDED_FOR=forwarded_for)


@override_settings(BEHIND_PROXY=True)
def test_behind_a_proxy_a_lockout_is_limited_to_one_address(ann):
    failures = [sign_in("203.0.113.5", "wrong").status_code for _ in range(11)]

    assert failures == [401] * 10 + [429]
    assert sign_in("203.0.113.5").status_code == 429
    assert sign_in("198.51.100.7").status_code == 201


@override_settings(BEHIND_PROXY=True)
def test_behind_a_proxy_a_forged_entry_changes_nothing(ann):
    failures = [sign_in(f"198.51.100.{n}, 203.0.113.5", "wrong").status_code for n in range(11)]

    assert failures == [401] * 10 + [429]
    assert set(AccessAttempt.objects.values_list("ip_address", flat=True)) == {"203.0.113.5"}
    assert sign_in("203.0.113.5, 198.51.100.7").status_code == 201


@override_settings(BEHIND_PROXY=True)
@pytest.mark.parametrize("header", ["", "unknown", "203.0.113.5,", "<script>"])
def test_a_header_without_an_address_keeps_the_address_of_the_proxy(ann, header):
    sign_in(header, "wrong")

    assert AccessAttempt.objects.get().ip_address == "127.0.0.1"


@override_settings(BEHIND_PROXY=True)
def test_an_ipv6_address_is_accepted(ann):
    sign_in("2001:db8::1", "wrong")

    assert AccessAttempt.objects.get().ip_address == "2001:db8::1"


def test_without_a_proxy_forwarded_headers_are_ignored(ann, settings):
    settings.SECURE_SSL_REDIRECT = True

    assert APIClient().get("/api/v1/me/", HTTP_X_FORWARDED_PROTO="https").status_code == 301
    settings.SECURE_SSL_REDIRECT = False
    failures = [sign_in(f"203.0.113.{n}", "wrong").status_code for n in range(11)]
    assert failures == [401] * 10 + [429]


# ---- probes


@override_settings(ALLOWED_HOSTS=["tracker.example"], SECURE_SSL_REDIRECT=True)
@pytest.mark.parametrize("probe", ["/healthz", "/readyz"])
@pytest.mark.parametrize("host", ["tracker.example", "10.1.2.3:8000", "anything_at.all"])
def test_probes_accept_any_host_name_and_plain_http(db, client, probe, host):
    response = client.get(probe, headers={"Host": host})

    assert (response.status_code, response.json()["status"]) == (200, "ok")


@override_settings(ALLOWED_HOSTS=["tracker.example"])
def test_other_paths_require_an_allowed_host_name(db, client):
    assert client.get("/admin/login/", headers={"Host": "10.1.2.3"}).status_code == 400


def test_the_root_redirects_to_the_admin(db, client):
    response = client.get("/")

    assert (response.status_code, response["Location"]) == (302, "/admin/")


# ---- caches, sessions, passwords, HTTPS


def test_responses_to_authenticated_requests_are_not_cached(ann, client):
    _token, secret = Token.objects.create(ann)
    made = sign_in("")
    client.force_login(ann)

    by_token = APIClient().get("/api/v1/me/", HTTP_AUTHORIZATION=f"Bearer {secret}")
    for response in (made, by_token, client.get("/api/v1/me/"), client.get("/api/v1/nothing/")):
        assert set(response["Cache-Control"].split(", ")) == {"private", "no-store"}
    assert "Cache-Control" not in APIClient().get("/api/v1/schema/")


def test_a_session_ends_after_twelve_hours():
    assert settings.SESSION_COOKIE_AGE == 12 * 60 * 60


def test_a_password_has_at_least_twelve_characters():
    validate_password("twelve charz")
    with pytest.raises(ValidationError) as refused:
        validate_password("eleven char")

    assert refused.value.error_list[0].code == "password_too_short"


def test_hsts_does_not_include_subdomains(db, client):
    with override_settings(SECURE_HSTS_SECONDS=31_536_000):
        response = client.get("/", secure=True)

    assert response["Strict-Transport-Security"] == "max-age=31536000"


# ---- other responses


@pytest.mark.parametrize(
    "path", ["me/", "choices/", "changes/?format=md", "checks/", "search/?q=a", "agreements/", "summary/", "auth/tokens/"]
)
def test_no_address_of_the_api_has_options(analyst, path):
    response = Api(analyst).options(path)

    assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")


@pytest.mark.parametrize("accept", ["*/*", "text/html", "application/vnd.oai.openapi", "application/yaml", "nonsense", "application/json"])
def test_the_schema_is_json_if_the_format_is(db, client, accept):
    response = client.get("/api/v1/schema/?format=json", headers={"Accept": accept}, secure=True)

    assert response.status_code == 200
    assert response.json()["openapi"].startswith("3.")


@pytest.mark.parametrize(("accept", "kind"), [("application/json", "json"), ("*/*", "openapi"), ("application/yaml", "yaml")])
def test_the_accept_header_selects_the_format_of_the_schema(db, client, accept, kind):
    response = client.get("/api/v1/schema/", headers={"Accept": accept}, secure=True)

    assert response.status_code == 200
    assert kind in response["Content-Type"]


@pytest.mark.parametrize("query", ["format=csv", "format=", "format=json&format=yaml"])
def test_another_format_of_the_schema_is_refused(db, client, query):
    response = client.get(f"/api/v1/schema/?{query}", secure=True)

    assert (response.status_code, list(response.json())) == (400, ["format"])


def test_the_icon_is_found_at_its_usual_address(db, client):
    response = client.get("/favicon.ico", secure=True)

    assert (response.status_code, response["Location"]) == (302, "/static/policytracker/icon.svg")


def test_the_login_page_has_one_main_landmark(db, client):
    assert client.get("/admin/login/", secure=True).text.count("<main") == 1


def test_the_web_server_accepts_each_query_string_that_the_site_accepts():
    longest = f"GET /api/v1/recommendations/?{'a' * requests.MAX_QUERY_LENGTH} HTTP/1.1"

    assert len(longest) < runpy.run_path(str(settings.BASE_DIR / "gunicorn.conf.py"))["limit_request_line"]
