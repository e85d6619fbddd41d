"""Invalid input gets an error on the right field, writes nothing and causes no server error."""

import json

import pytest

from agreements.models import Agreement
from policytracker.records.changes import Change
from tests.api.refusals import field_errors, messages
from tests.api.world import LISTS, NUMBERS, RESOURCES
from tests.make import make_component, make_party, make_recommendation

pytestmark = pytest.mark.usefixtures("world")
each_resource = pytest.mark.parametrize("resource", RESOURCES.values(), ids=RESOURCES)


@pytest.fixture(autouse=True)
def people(analyst, reviewer):
    """The users that the bodies refer to."""


@pytest.fixture
def refused(world, as_analyst):
    """Returns a function that sends a body by POST, or by PATCH to one record, and checks that exactly these fields have errors."""

    def refuse(address, body, *fields, method=None):
        before = Change.objects.count()
        method = method or ("post" if address.rstrip("/") in RESOURCES else "patch")
        response = getattr(as_analyst, method)(address, body)
        found = field_errors(response, *fields)
        assert len(response.content) < 5000
        assert Change.objects.count() == before
        return found

    return refuse


TEXTS = {
    name
    for r in RESOURCES.values()
    for name, value in r.full.items()
    if r.defaults.get(name) == "" or name in ("title", "name", "key_action", "statement")
}


@each_resource
def test_a_value_of_the_wrong_type_is_rejected_on_its_field(refused, as_analyst, resource):
    made = as_analyst.post(f"{resource.address}/", resource.full).json()
    names = sorted(resource.full.keys() - {resource.key})
    for value in ({}, {"a": 1}, True, [[]], [{}], [None], ["x"], "x", 5, {"slug": "aukus"}):
        if wrong := [name for name in names if not fits_somewhere(name, value)]:
            refused(resource.at(made), dict.fromkeys(wrong, value), *wrong)
    wrong = [name for name in names if not fits_somewhere(name, {})]
    key = {resource.key: "n" if resource.key != "uid" else None}
    refused(f"{resource.address}/", resource.required | key | {name: {} for name in wrong}, *wrong)


def fits_somewhere(name, value):
    """Values that DRF converts: numbers and texts for text fields."""
    if name in LISTS:
        return name == "aliases" and value == ["x"]
    if name in NUMBERS:
        return value == 5
    return isinstance(value, str | int) and value is not True and (name in TEXTS or name in ("field", "language", "currency"))


@each_resource
def test_nul_surrogates_and_very_long_texts_are_rejected(refused, as_analyst, resource):
    made = as_analyst.post(f"{resource.address}/", resource.full).json()
    for value in ("a\0b", "\0", "x" * 200_000):
        body = {name: [value] if name in LISTS else value for name in resource.full}
        refused(f"{resource.address}/", body, *body)
        body.pop(resource.key, None)
        refused(resource.at(made), body, *body)
    raw = json.dumps({name: ["\ud800"] if name in LISTS else "a\ud800b" for name in resource.full})
    response = as_analyst.generic("POST", f"{resource.address}/", raw, content_type="application/json")
    assert response.status_code == 400 and resource.full.keys() <= response.json().keys(), response.content
    response = as_analyst.generic("POST", f"{resource.address}/", '{"\\ud800": 1}', content_type="application/json")
    assert response.status_code == 400 and "?" in response.json(), response.content


@pytest.mark.parametrize(
    ("address", "name", "values"),
    [
        ("agreements", "expires_on", ["2019-13", "2025-02-30", "2025-2-3", "20251020", "0000",
            "0000-01-01", "10000", "2025-10-20T00:00:00Z", "~2025", "2025-10-20~~", "٢٠٢٥", "soon", 20251020, 1.5, -1]),
        ("sources", "retrieved_on", ["2025", "2025-02-30", "20/10/2025", 5, "0000-01-01", "99999-01-01", "2025-10-20T10:00:00Z"]),
        ("fact-checks", "checked_on", ["2025~", "2025-13-01"]),
        ("components", "position", [-1, 2**31, 10**30, 1.5, "three", "1e5", "NaN", -(10**30)]),
        ("recommendations", "update_every", [0, -5, 3651, 10**30, "weekly"]),
        ("components", "due_offset", ["6M", "P", "PT5H", "P-6M", "P6X", "p6m", "P6M ", "P6M\n", "P99999D"]),
        ("parties", "iso_alpha2", ["au", "A", "AUS", "1A", "ÅU"]),
        ("parties", "iso_numeric", ["36", "0036", "abc", "٣٦٣", 36]),
        ("parties", "aliases", [["x" * 201], [""], [" "]]),
        ("sources", "original_url", ["not a url", "javascript:alert(1)", "ftp", "http://", "file:///etc/passwd",
            "x" * 2001, "https://a.example/ b"]),
        ("sources", "kind", ["book", "NEWS", "news "]),
        ("sources", "language", ["x" * 36]),
        ("agreements", "title", ["x" * 501]),
        ("agreements", "status", ["alive", "Signed"]),
        ("agreements", "visibility", ["secret", 1]),
        ("agreements", "publication", ["gone"]),
        ("agreements", "summary", ["x" * 100_001]),
        ("agreements", "sectors", [["nothing"], ["water", "nothing"], ["water "], ["WATER"], ["x"] * 1001]),
        ("agreements", "lead", ["nobody", "analyst ", "ANALYST", 1]),
        ("recommendations", "key_action", ["x" * 401]),
        ("recommendations", "source", ["nothing", "not a slug", "aukus"]),
        ("citations", "participation", ["1", "aukus", "11111111-1111-4111-8111-111111111112"]),
    ],
)  # fmt: skip
def test_an_impossible_value_is_rejected_on_its_field(refused, as_analyst, address, name, values):
    resource = RESOURCES[address]
    made = as_analyst.post(f"{address}/", resource.required).json()
    for value in values:
        refused(resource.at(made), {name: value}, name)


@pytest.mark.parametrize("key", ["", " ", "a b", "é", "a/b", "a.b", "x" * 121, "a\nb", "a;b", None, "-" * 121])
def test_a_key_consists_of_letters_digits_hyphens_and_underscores(refused, key):
    refused("agreements/", {"slug": key, "title": "x"}, "slug")
    refused("parties/", {"code": key, "name": "x", "kind": "state"}, "code")


def test_rules_over_several_fields_are_reported_on_the_field_to_fix(refused, world, as_analyst):
    elsewhere = make_component(world.quad, slug="elsewhere")
    child = make_component(world.aukus, slug="child", parent=world.part)
    other = make_recommendation(slug="other", parent=world.act, superseded_by=world.act)
    make_party("NZL", parent=world.gbr)
    as_analyst.post("agreement-relations/", {"from": "aukus", "kind": "supersedes", "to": "quad"})
    as_analyst.post("participations/", {"agreement": "quad", "party": "AUS", "role": "party", "since": "2000", "until": "2010"})
    assert elsewhere.pk and child.pk and other.pk

    refused("agreements/aukus/", {"status": "in_force"}, "status")
    refused("agreements/aukus/", {"status": "in_force", "legal_force": "non_binding"}, "status")
    refused("agreements/", {"slug": "n", "title": "x", "status": "operative", "legal_force": "binding"}, "status")
    refused("agreements/aukus/", {"status": "superseded"}, "status")
    refused("components/pillar-one/", {"parent": "elsewhere"}, "parent")
    refused("components/", {"slug": "n", "agreement": "quad", "title": "x", "parent": "pillar-one"}, "parent")
    refused("components/pillar-one/", {"agreement": "quad"}, "parent")
    refused("components/pillar-one/", {"parent": "pillar-one"}, "parent")
    refused("components/pillar-one/", {"parent": "child"}, "parent")
    refused("recommendations/act/", {"parent": "act"}, "parent")
    refused("recommendations/act/", {"parent": "other"}, "parent")
    refused("recommendations/act/", {"superseded_by": "other"}, "superseded_by")
    refused("recommendations/act/", {"superseded_by": "act"}, "superseded_by")
    refused("parties/GBR/", {"parent": "GBR"}, "parent")
    refused("parties/GBR/", {"parent": "NZL"}, "parent")
    refused("parties/GBR/", {"since": "2000", "until": "1999"}, "since")
    refused("participations/", {"agreement": "quad", "party": "AUS", "role": "party", "since": "2005"}, "since")
    refused("participations/", {"agreement": "quad", "party": "AUS", "role": "party"}, "since")
    refused("participations/", {"agreement": "quad", "party": "AUS", "role": "party", "since": "2000", "until": "2001"}, "since")
    refused("agreement-relations/", {"from": "quad", "kind": "amends", "to": "quad"}, "to")
    refused("agreement-relations/", {"from": "quad", "kind": "supersedes", "to": "aukus"}, "to")
    refused("agreement-relations/", {"from": "aukus", "kind": "supersedes", "to": "quad"}, "to")
    refused("addressees/", {"recommendation": "act", "party": "AUS"}, "party")
    as_analyst.post("dependencies/", {"recommendation": "later", "depends_on": "act"})
    refused("dependencies/", {"recommendation": "later", "depends_on": "act"}, "depends_on")
    refused("dependencies/", {"recommendation": "act", "depends_on": "act"}, "depends_on")
    refused("dependencies/", {"recommendation": "act", "depends_on": "later"}, "depends_on")
    refused("outcomes/safer/", {"component": "elsewhere"}, "component")
    refused("components/pillar-one/", {"due_anchor": "signature"}, "due_offset")
    refused("components/pillar-one/", {"due_offset": "P6M"}, "due_offset")
    refused("components/pillar-one/", {"due_anchor": "signature", "due_offset": "P6M", "due_on": "2030"}, "due_on")
    assert as_analyst.post("participations/", {"agreement": "quad", "party": "AUS", "role": "party", "since": "2010"}).status_code == 201


def test_a_period_cannot_end_before_it_begins(refused):
    refused("participations/", {"agreement": "quad", "party": "GBR", "role": "party", "since": "2000", "until": "1999"}, "since")


def test_all_errors_are_reported_at_once(refused):
    refused(
        "agreements/",
        {"slug": "a b", "title": "", "kind": "x", "expires_on": "soon", "sectors": ["no"], "colour": 1, "lead": 5},
        "slug",
        "title",
        "kind",
        "expires_on",
        "sectors",
        "colour",
        "lead",
    )


@pytest.mark.parametrize("method", ["post", "put", "patch"])
@pytest.mark.parametrize(
    "raw",
    [
        b"{", b"", b"nonsense", b"{'a': 1}", b'{"title": NaN}', b'{"title": Infinity}',
        b"\xff\xfe", b'{"title": "\xff"}', b'{"title": "x"', b"[1, 2",
        b'{"title": ' + b"9" * 10_000 + b"}", b"[" * 100_000, b'{"a":' * 100_000, b"[" * 100_000 + b"]" * 100_000, b"\0", b'{"a\0b": 1}',
        b'"text"', b"5", b"null", b"true", b"1.5",
    ],
    ids=lambda raw: repr(raw[:12]),
)  # fmt: skip
def test_a_body_that_is_not_an_object_is_400(world, as_analyst, method, raw):
    address = "agreements/" if method == "post" else "agreements/aukus/"
    if method == "patch" and raw == b"":
        return  # an empty body changes nothing

    for key in ({}, {"HTTP_IDEMPOTENCY_KEY": "k"} if method == "post" else {}):
        response = as_analyst.generic(method.upper(), address, raw, content_type="application/json", **key)

        assert response.status_code == 400, response.content
        messages(response.json(), *(set(response.json()) - {"_codes"}))
    assert Agreement.objects.count() == 2 and Agreement.objects.get(slug="aukus").version == 1


def test_list_entries_that_are_not_objects_are_reported_by_index(world, as_analyst):
    response = as_analyst.post("sectors/", [1, None, [], "x", [[]], {}])

    assert response.status_code == 400
    assert set(response.json()["errors"]) == {"0", "1", "2", "3", "4", "5"}


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "nonsense",
        "",
        "application/jsonx",
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_a_body_of_another_media_type_is_415(world, as_analyst, method, kind):
    response = as_analyst.generic(
        method, "agreements/" if method == "POST" else "agreements/aukus/", b'{"slug": "n", "title": "x"}', content_type=kind
    )

    assert response.status_code == 415, (kind, response.content)
    assert set(response.json()) == {"code", "detail"}


def test_an_invalid_multipart_body_is_400(world, as_analyst):
    for kind, raw in (
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=x", b"--x\r\nnonsense"),
        ("multipart/form-data; boundary=x", b""),
    ):
        response = as_analyst.generic("PATCH", "sources/gazette/", raw, content_type=kind)
        assert response.status_code in (200, 400), response.content
        assert isinstance(response.json(), dict)


def test_a_body_that_is_too_large_is_rejected(world, as_analyst):
    raw = b'{"slug": "n", "title": "' + b"x" * 11_000_000 + b'"}'

    for headers in ({}, {"HTTP_IDEMPOTENCY_KEY": "k"}):
        response = as_analyst.generic("POST", "agreements/", raw, content_type="application/json", **headers)
        assert response.status_code in (400, 413), response.status_code
        assert set(response.json())


def test_invalid_headers_cause_no_server_error(world, as_analyst, as_reader):
    for headers in (
        {"HTTP_IF_MATCH": "\xff\0"}, {"HTTP_ACCEPT": "nonsense"}, {"HTTP_ACCEPT": "text/html"}, {"HTTP_ACCEPT": "*/*;q=x"},
        {"HTTP_X_CHANGE_REASON": "%"},
        {"HTTP_IF_NONE_MATCH": "\0"}, {"HTTP_RANGE": "bytes=0-1"}, {"HTTP_X_HTTP_METHOD_OVERRIDE": "DELETE"}, {"HTTP_CONTENT_LENGTH": "x"},
    ):  # fmt: skip
        assert as_reader.get("agreements/aukus/", **headers).status_code == 200, headers
        assert as_analyst.patch("agreements/aukus/", {}, **headers).status_code in (200, 412), headers


def test_invalid_credentials_are_401(db):
    from tests.api.client import Api

    for value in ("Bearer", "Bearer x", "Bearer a b", "Basic eA==", "Bearer \xff", "Bearer " + "x" * 10_000, "x", "Bearer \0"):
        response = Api().get("agreements/", HTTP_AUTHORIZATION=value)
        assert response.status_code == 401 and set(response.json()) == {"code", "detail"}, value


def test_an_unusual_field_name_is_an_unknown_field(world, as_analyst):
    for name in ("__class__", "_state", "pk", "id", "objects", "slug__in", "agreements", "\0", "x" * 10_000, "'; DROP TABLE", "save"):
        response = as_analyst.patch("agreements/aukus/", {name: 1})
        assert response.status_code == 400 and list(response.json()["_codes"]) == [name]
