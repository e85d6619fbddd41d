"""Property: no query, body, URL or header causes a 5xx."""

import json
import string
from urllib.parse import quote

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policytracker.representation.filters import resource_filters
from policytracker.resources import registry
from tests.api.client import Api
from tests.api.world import PARTICIPATION, RESOURCES, make_world
from tests.conftest import make_user

pytestmark = pytest.mark.django_db
quietly = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
ADDRESSES = [*RESOURCES, "progress-updates"]

ODD = [
    "", "aukus", "act", "AUS", "water", "me", "none", "true", "false", "0", "-1", "1", "2", "2025", "2025-06", "2025-06-31",
    "2030~", "0000", "9999", "9999-12-31",
    "3650", "2147483647", "2147483648", "-2147483649", "9" * 40, "1e5", "NaN", "Infinity", "\0",
    "'", '"', "%", "\\", "x" * 600, "é", "😀", PARTICIPATION, "public",
    "draft", "overdue", "in_progress", "2026-11-24T10:35:00Z", "2026-11-24T10:35:00+25:00", "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00", ",", "-", "-slug",
    "slug,-due_on", "0001-01-01", "null", "[]", "{}", "analyst",
]  # fmt: skip
values = st.sampled_from(ODD) | st.text(max_size=12)
FORMS = ["", "__not", "__empty", "__from", "__to", "__contains", "__in"]
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.floats()
    | st.sampled_from([v for v in ODD if "\ud800" not in v])
    | st.text(max_size=8)
)
bodies = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=6
)


@pytest.fixture
def everybody(db):
    make_world()
    return [Api(make_user(name, name)) for name in ("reader", "analyst", "administrator")]


def tell(response):
    """Every response is a success or an error in the documented shape."""
    assert response.status_code < 500, response.content[:500]
    if response.status_code == 400:
        assert isinstance(response.json(), dict) and response.json()
    elif response.status_code >= 400:
        assert {"code", "detail"} <= set(response.json())


def undone(act):
    with transaction.atomic():
        act()
        transaction.set_rollback(True)


@pytest.mark.parametrize("address", ADDRESSES)
def test_no_query_causes_a_server_error(everybody, address):
    names = list(registry.at(address).serializer().fields)
    known = sorted(resource_filters(registry.at(address)))
    parameters = (
        st.sampled_from([*known, "ordering", "page_size", "cursor", "fields", "omit", "expand", "q", "format"])
        | st.builds(str.__add__, st.sampled_from(names), st.sampled_from(FORMS))
        | st.text(string.ascii_letters + "_", max_size=6)
    )
    shapes = st.lists(st.sampled_from([*names, "x", ""]), max_size=4).map(",".join) | st.sampled_from(names).map("-".__add__)

    @quietly
    @given(st.lists(st.tuples(parameters, values | shapes), max_size=4), st.integers(0, 2))
    def ask(question, who):
        query = {}
        for name, value in question:
            query.setdefault(name, []).append(value.encode(errors="replace").decode())
        undone(lambda: tell(everybody[who].get(f"{address}/", query)))

    @settings(quietly, max_examples=len(known))
    @given(st.sampled_from(known), values)
    def ask_one(name, value):
        undone(lambda: tell(everybody[1].get(f"{address}/", {name: value.encode(errors="replace").decode()})))

    ask()
    ask_one()


@pytest.mark.parametrize("resource", RESOURCES.values(), ids=RESOURCES)
def test_no_body_causes_a_server_error(everybody, resource):
    analyst = everybody[1]
    make_user("reviewer", "reviewer")
    made = analyst.post(f"{resource.address}/", resource.full).json()
    names = st.sampled_from([*sorted(resource.field_names), "change_reason", "x"])

    @quietly
    @given(st.dictionaries(names, bodies, max_size=5), st.sampled_from(["post", "patch", "put"]), st.booleans())
    def send(changes, method, whole):
        body = (resource.full | changes) if whole else changes
        raw = json.dumps(body, allow_nan=False, default=str) if not has_nan(body) else json.dumps(body)
        address = f"{resource.address}/" if method == "post" else resource.at(made)
        undone(lambda: tell(analyst.generic(method.upper(), address, raw, content_type="application/json")))

    @settings(quietly, max_examples=6)
    @given(bodies | st.lists(st.dictionaries(names, bodies, max_size=3), max_size=3), st.sampled_from(["post", "patch", "put"]))
    def send_anything(body, method):
        address = f"{resource.address}/" if method == "post" else resource.at(made)
        undone(lambda: tell(analyst.generic(method.upper(), address, json.dumps(body), content_type="application/json")))

    send()
    send_anything()


def has_nan(value):
    return json.dumps(value).find("NaN") >= 0 or json.dumps(value).find("Infinity") >= 0


@quietly
@given(st.sampled_from(ADDRESSES), values, st.sampled_from(["", "history/", "file/"]), st.sampled_from(["get", "patch", "delete"]))
def test_no_url_causes_a_server_error(everybody, address, key, part, method):
    path = f"{address}/{quote(key.encode(errors='replace'), safe='')}/{part}"

    undone(lambda: quiet_html(getattr(everybody[1], method)(path)))


def quiet_html(response):
    """Whether Django answers the URL itself, because no resource has it."""
    assert response.status_code < 500
    if response["Content-Type"].startswith("application/json"):
        tell(response)


@quietly
@given(
    st.sampled_from(["post", "patch", "put", "delete"]),
    st.dictionaries(
        st.sampled_from(
            ["HTTP_IF_MATCH", "HTTP_IDEMPOTENCY_KEY", "HTTP_X_CHANGE_REASON", "HTTP_ACCEPT", "CONTENT_TYPE", "HTTP_AUTHORIZATION"]
        ),
        st.text(st.characters(max_codepoint=255), max_size=20),
        max_size=3,
    ),
)
def test_no_header_causes_a_server_error(everybody, method, headers):
    address = "sectors/" if method == "post" else "sectors/water/"

    undone(
        lambda: tell(
            everybody[1].generic(
                method.upper(), address, b'{"code": "new", "name": "New"}', **{"content_type": "application/json"} | headers
            )
        )
    )
