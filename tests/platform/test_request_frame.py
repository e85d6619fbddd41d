"""What happens to a request with a token, and to one with a session."""

from datetime import timedelta

import pytest
from django.test import Client

from policytracker.accounts.models import Token
from policytracker.records.access import Role
from tests.conftest import make_user
from tests.make import make_recommendation
from tests.queries import count_queries

LIST = "/api/v1/recommendations/"
PAGE_HEADERS = {"Content-Security-Policy", "X-Frame-Options"}


@pytest.fixture
def user(db):
    return make_user("reader", Role.READER)


@pytest.fixture
def with_token(user):
    _, token = Token.objects.create(user=user, expiry=timedelta(days=1))
    return Client(headers={"Authorization": f"Bearer {token}"})


def get(client, url=LIST, **options):
    return client.get(url, secure=True, **options)


def test_one_query_reads_the_token_its_user_and_the_roles(with_token):
    make_recommendation(slug="r")

    for url in (LIST, f"{LIST}r/"):
        get(with_token, url)  # fills caches
        assert count_queries(get, with_token, url) == 2


def test_a_request_with_a_token_skips_the_middleware_of_pages(with_token, user):
    with_session = Client()
    with_session.force_login(user)

    token_headers, session_headers = get(with_token).headers, get(with_session).headers

    assert not PAGE_HEADERS & set(token_headers)
    assert set(session_headers) >= PAGE_HEADERS
    for name in ("X-Request-ID", "X-Content-Type-Options", "Content-Length", "Cache-Control"):
        assert name in token_headers and name in session_headers


def test_a_session_still_needs_the_csrf_token(user):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(user)

    assert get(browser).status_code == 200
    assert browser.post(LIST, {}, content_type="application/json", secure=True).status_code == 403


@pytest.mark.parametrize("header", ["Bearer", "bearer x", "Bearer x y", "Basic x", "Bearer \u00e9"])
def test_other_credentials_are_401(db, header):
    response = get(Client(), headers={"Authorization": header})

    assert response.status_code == 401 and response.json()["code"] in ("authentication_failed", "not_authenticated")


def test_a_changed_role_takes_effect_on_the_next_request(with_token, user):
    assert get(with_token).status_code == 200

    user.groups.clear()

    assert get(with_token).status_code == 403


def test_a_revoked_token_and_a_deactivated_user_are_401_on_the_next_request(with_token, user):
    assert get(with_token).status_code == 200

    Token.objects.update(expiry="2020-01-01T00:00:00Z")

    assert get(with_token).status_code == 401
    user.is_active = False
    user.save()
    assert get(with_token).status_code == 401
