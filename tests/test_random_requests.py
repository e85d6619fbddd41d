"""Random requests to all addresses of the API and the admin, as each role: none is a server error, and none writes what it may not.

The requests are the same at each run. RANDOM_REQUESTS sets their number (10000 takes many minutes), RANDOM_SEED makes others.
"""

import json
import os
import random
import re
from urllib.parse import quote, urlencode

import pytest
from django.db import connection, transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from drf_spectacular.generators import SchemaGenerator

from agreements.models import PartyOfficer
from policytracker.records.access import Role
from policytracker.resources import registry
from tests.api.world import PARTICIPATION, RESOURCES, make_world
from tests.conftest import make_user
from tests.make import make_party

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
NUMBER, SEED = int(os.environ.get("RANDOM_REQUESTS") or 1_500), int(os.environ.get("RANDOM_SEED") or 1)
KEYS = ["aukus", "act", "later", "AUS", "water", PARTICIPATION, "1", "0", "9" * 30, "x", "\0", "é", "%2e", " ", "-", "None"]
VALUES = [
    *KEYS, "", "true", "me", "none", "2025", "2025-06-31", "2030~", "0000", "9999-12-31", "2147483648", "1e5", "NaN", "'", '"', "\\",
    "%", "x" * 700, "😀", "public", "draft", "in_progress", "2026-11-24T10:35:00Z", "2026-11-24T10:35:00+25:00", "slug,-due_on", "csv",
    "xlsx", "ndjson", "md", "json", "500", "501", "[]", "{}", "analyst", "AUS:bound", "party", "delete_selected",
]  # fmt: skip
PARAMETERS = [
    "q", "s", "o", "p", "e", "all", "as_of", "on", "since", "until", "cursor", "page_size", "format", "fields", "omit", "expand",
    "ordering", "group_by", "rule", "severity", "agreement", "party", "user", "resource", "type", "tab", "_popup", "_to_field",
    "_changelist_filters", "app_label", "model_name", "field_name", "term", "next", "return_to", "home", "named", "binds", "owner",
    "awaiting_approval", "id__exact", "lead__password",
]  # fmt: skip
METHODS = ["GET"] * 10 + ["POST"] * 4 + ["PATCH", "PUT", "DELETE", "HEAD", "OPTIONS", "TRACE"]
TYPES = ["application/json"] * 6 + ["application/x-www-form-urlencoded"] * 3 + ["multipart/form-data; boundary=x", "text/csv", "", "é"]
HEADERS = ["If-Match", "Idempotency-Key", "X-Change-Reason", "Accept", "Content-Encoding", "X-Request-ID", "Range", "If-None-Match"]
WRITES = re.compile(r"\s*(INSERT|UPDATE|DELETE|COPY|TRUNCATE)\b", re.IGNORECASE)
SESSIONS = re.compile(r'"django_session"')


def addresses_of_the_api() -> list[str]:
    return list(SchemaGenerator().get_schema(request=None, public=True)["paths"])


def addresses_of_pages(patterns=None, prefix: str = "/") -> list[str]:
    """The addresses of all other views, with `{}` for their parameters."""
    found = []
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        path = prefix + re.sub(r"<[^>]*>", "{}", str(pattern.pattern)).replace("^", "").replace("$", "")
        path = re.sub(r"\((\?P)?[^)]*\)\w*", "{}", path).replace("\\Z", "").replace("\\", "")
        if isinstance(pattern, URLResolver):
            found += addresses_of_pages(pattern.url_patterns, path)
        elif isinstance(pattern, URLPattern) and not path.startswith("/api/"):
            found.append(path)
    return found


@pytest.fixture
def clients(db, settings):
    """A client of each role, and one without credentials, which is an anonymous reader."""
    settings.PUBLIC_READ = True
    make_world()
    users = [make_user(role.replace(" ", "-"), role, is_superuser=role == Role.ADMINISTRATOR) for role in Role.values]
    PartyOfficer.objects.create(user=users[Role.values.index(Role.OFFICER)], party=make_party("NZL"))
    clients = [Client(raise_request_exception=False) for _ in [*users, None]]
    for client, user in zip(clients, users, strict=False):
        client.force_login(user)
    return clients


def random_body(chance: random.Random):
    resource = chance.choice(list(RESOURCES.values()))
    body = dict(resource.full) if chance.random() < 0.6 else {}
    names = [*registry.at(resource.address).serializer().fields, "change_reason", "status", "narrative", "updates", "action", "x"]
    odd = [None, True, -1, 10**20, 1.5, [], {}, [[]], {"a": []}, "\ud800"]
    for _ in range(chance.randrange(4)):
        body[chance.choice(names)] = chance.choice([*VALUES, *odd])
    return chance.choice([body, body, body, [body], [body] * 3, None, "text", 1])


def random_request(chance: random.Random, addresses: list[str]) -> dict:
    path = re.sub(r"{[^}]*}", lambda _: quote(chance.choice(KEYS), safe=""), chance.choice(addresses))
    query = [(chance.choice(PARAMETERS), chance.choice(VALUES)) for _ in range(chance.choice([0, 0, 1, 1, 2, 4]))]
    kind, body, method = chance.choice(TYPES), random_body(chance), chance.choice(METHODS)
    data = json.dumps(body) if kind == "application/json" or not isinstance(body, dict) else urlencode(body, errors="replace")
    data = data if chance.random() < 0.95 else chance.choice(["{", "\0", "[" * 5000, "é"])
    headers = {name: quote(chance.choice(VALUES)) for name in chance.sample(HEADERS, chance.choice([0, 0, 0, 1, 2]))}
    path = f"{path}?{urlencode(query)}" if query else path
    return {"method": method, "path": path, "data": data, "content_type": kind, "headers": headers, "secure": True}


def numbers_of_rows() -> tuple[int, ...]:
    tables = ["policytracker_change", "policytracker_user", "policytracker_token", "auth_group"]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(f'(SELECT count(*) FROM {table})' for table in tables)}")
        return cursor.fetchone()


def test_random_requests_are_never_server_errors_and_write_only_what_they_may(clients):
    chance, written, problems = random.Random(SEED), [], []
    api, pages = addresses_of_the_api(), addresses_of_pages()
    assert len(api) > 60
    assert len(pages) > 150

    def note(execute, sql, params, many, context):
        if WRITES.match(str(sql)) and not SESSIONS.search(str(sql)):
            written.append(sql)
        return execute(sql, params, many, context)

    before, statuses = numbers_of_rows(), []
    with connection.execute_wrapper(note):
        for _ in range(NUMBER):
            request = random_request(chance, chance.choice([api, pages]))
            written.clear()
            with transaction.atomic():
                with transaction.atomic():  # a refusal rolls back the transaction that it is in
                    response = chance.choice(clients).generic(**request)
                    if response.streaming:
                        b"".join(response.streaming_content)
                statuses.append(response.status_code)
                is_read = request["method"] in ("GET", "HEAD", "OPTIONS", "TRACE")
                if response.status_code >= 500:
                    problems.append((response.status_code, request))
                if is_read and written:
                    problems.append(("a read writes", request, list(written)))
                if not is_read and response.status_code >= 400 and numbers_of_rows() != before:
                    problems.append(("a refused write writes", request))
                transaction.set_rollback(True)

    assert not problems, "\n".join(repr(problem)[:700] for problem in problems[:20])
    assert {200, 302, 400, 403, 404, 405} <= set(statuses)
