"""The representation of records (docs/api.md)."""

import json
import re
from datetime import date

import pytest

from policytracker.records.access import Role
from policytracker.records.models import Record
from policytracker.representation.references import KeyField, KeyListField
from policytracker.resources import registry
from recommendations.progress import EvidenceRow, Report, report_progress
from tests.api.client import Api
from tests.api.world import HEAD, PARTICIPATION, RESOURCES, UPDATE
from tests.conftest import make_user

pytestmark = pytest.mark.usefixtures("world")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
TEXTS = {"sha256"} | {name for resource in RESOURCES.values() for name, value in resource.defaults.items() if value == ""}
each_resource = pytest.mark.parametrize("resource", RESOURCES.values(), ids=RESOURCES)


@pytest.fixture
def people(analyst, reviewer):
    """The users that the bodies refer to."""


@each_resource
def test_a_record_with_only_required_fields_has_the_documented_defaults(world, as_analyst, resource):
    response = as_analyst.post(f"{resource.address}/", resource.required)

    assert response.status_code == 201, response.content
    made = response.json()
    assert set(made) == resource.field_names
    assert {name: made[name] for name in resource.defaults if name not in resource.required} == {
        name: value for name, value in resource.defaults.items() if name not in resource.required
    }
    assert {name: made[name] for name in resource.required} == resource.required
    assert made["version"] == 1
    if resource.published:
        assert (made["visibility"], made["publication"]) == ("public", "draft")


@each_resource
def test_a_record_is_read_as_it_was_written(world, people, as_analyst, resource):
    response = as_analyst.post(f"{resource.address}/", resource.full)

    assert response.status_code == 201, response.content
    made = response.json()
    assert {name: made[name] for name in resource.full} == resource.full
    assert made["url"] == f"https://testserver/api/v1/{resource.at(made)}"
    assert TIME.fullmatch(made["created_at"]) and TIME.fullmatch(made["updated_at"])
    assert as_analyst.get(resource.at(made)).json() == made
    assert made in as_analyst.list(f"{resource.address}/")["results"]
    assert list(made)[:5] == [resource.key, *HEAD]


@each_resource
def test_the_sql_json_equals_the_serializer_output(world, people, as_administrator, resource):
    """Compare the JSON of PostgreSQL with that of Django REST framework: the same fields in the same order."""
    made = as_administrator.post(
        f"{resource.address}/", resource.full | ({"publication": "published"} if resource.published else {})
    ).json()
    serializer = registry.at(resource.address).serializer
    record = serializer.Meta.model.objects.get(**{resource.key: made[resource.key]})
    computed = {"url", *resource.computed}

    for role in Role.values:
        user = make_user(f"a {role}", role)
        shown = Api(user).get(resource.at(made)).json()
        plain = json.loads(json.dumps(serializer(record, context={"user": user}).data, default=str))
        assert [name for name in shown if name not in computed] == [name for name in plain if name not in computed], role
        for name in set(shown) - {"created_at", "updated_at", *computed}:
            value = sorted(plain[name]) if name == "team" else plain[name]  # Django returns people in any order
            assert shown[name] == (value if value != "" or name in TEXTS else None), (role, name)


def test_an_update_shows_its_evidence_and_reviewer(world, as_reader, analyst):
    rows = (EvidenceRow(source=world.communique, locator="p. 1", quote="so"), EvidenceRow(source=world.gazette, stance="contradicts"))
    made = report_progress(world.act, Report(status="in_progress", narrative="Begun.", evidence=rows), by=analyst, today=date(2025, 3, 1))

    shown = as_reader.get(f"progress-updates/{made.uid}/").json()

    assert set(shown) == set(UPDATE.split())
    assert shown["recommendation"] == "act" and shown["author"] == "analyst" and shown["reviewed_by"] == "analyst"
    assert shown["progress_percent"] is None and shown["party"] is None and shown["voided_by"] is None and shown["corrects"] is None
    assert shown["reported_on"] == "2025-03-01" and TIME.fullmatch(shown["reviewed_at"]) and shown["voided_at"] is None
    assert shown["closes"] is False and shown["reason"] == "" and shown["assessed_by"] == ""
    assert [(row["source"], row["locator"], row["quote"], row["stance"], row["confidence"]) for row in shown["evidence"]] == [
        ("communique", "p. 1", "so", "supports", "reported"),
        ("gazette", "", "", "contradicts", "reported"),
    ]


def test_iso_numeric_keeps_its_leading_zeros(as_analyst):
    made = as_analyst.post("parties/", {"code": "NZL", "name": "New Zealand", "kind": "state", "iso_numeric": "036"})

    assert made.json()["iso_numeric"] == "036"


INVERSE_LABELS = """complements/complemented by, supersedes/superseded by, amends/amended by, implements/implemented by,
accession_to/acceded to by, part_of/includes, builds_on/built on by, consistent_with/consistent with,
announced_alongside/announced alongside, successor_of/succeeded by, same_as/same as"""


@pytest.mark.parametrize("pair", [pair.strip() for pair in INVERSE_LABELS.split(",")])
def test_a_relation_is_shown_from_both_agreements(world, as_analyst, pair):
    kind, inverse = pair.split("/")
    world.relation.delete()

    uid = as_analyst.post("agreement-relations/", {"from": "aukus", "kind": kind, "to": "quad"}).json()["uid"]

    here, there = (as_analyst.get(f"agreements/{slug}/").json()["relations"] for slug in ("aukus", "quad"))
    assert here == [{"uid": uid, "kind": kind, "label": kind.replace("_", " "), "agreement": "quad"}]
    assert there == [{"uid": uid, "kind": kind, "label": inverse, "agreement": "aukus"}]


# ---- fields, omit, expand


def test_fields_returns_exactly_these_in_order(world, as_reader):
    assert list(as_reader.get("agreements/aukus/?fields=title,slug,sectors").json().items()) == [
        ("title", "AUKUS"),
        ("slug", "aukus"),
        ("sectors", []),
    ]
    assert [list(row) for row in as_reader.list("agreements/", fields="status,slug")["results"]] == [["status", "slug"]] * 2


def test_omit_excludes_fields(world, as_reader):
    whole = as_reader.get("recommendations/act/").json()

    without = as_reader.get("recommendations/act/?omit=details,claims").json()

    assert list(without) == [name for name in whole if name not in ("details", "claims")]
    assert as_reader.get("recommendations/act/?fields=slug,details&omit=details").json() == {"slug": "act"}
    assert as_reader.get("recommendations/act/?fields=slug&omit=slug").json() == {}


@pytest.mark.parametrize("parameter", ["fields", "omit", "expand"])
@pytest.mark.parametrize("address", ["agreements/", "agreements/aukus/"])
def test_an_unknown_field_name_in_fields_omit_or_expand_is_rejected(world, as_reader, address, parameter):
    response = as_reader.get(f"{address}?{parameter}=slug,colour")

    assert response.status_code == 400
    assert list(response.json()) == [parameter]


def test_expand_replaces_a_key_by_an_object(world, as_analyst, people):
    for address in ("parties", "components", "recommendations", "participations", "citations"):
        assert as_analyst.post(f"{address}/", RESOURCES[address].full).status_code == 201
    base = "https://testserver/api/v1"

    recommendation = as_analyst.get(
        "recommendations/new-recommendation/?expand=agreements,components,sectors,parent,made_by,source,focus_area,superseded_by"
    ).json()
    cited = as_analyst.post("citations/", {"source": "gazette", "participation": PARTICIPATION}).json()["uid"]
    participation = as_analyst.get(f"citations/{cited}/?expand=participation,agreement").json()
    outcome = as_analyst.post("citations/?expand=outcome,source", {"source": "communique", "outcome": "safer"}).json()

    act = {"slug": "act", "title": "Act", "url": f"{base}/recommendations/act/"}
    assert recommendation["agreements"] == [
        {"slug": "aukus", "title": "AUKUS", "url": f"{base}/agreements/aukus/"},
        {"slug": "quad", "title": "Quad", "url": f"{base}/agreements/quad/"},
    ]
    assert recommendation["components"] == [{"slug": "pillar-one", "title": "Pillar one", "url": f"{base}/components/pillar-one/"}]
    assert recommendation["sectors"] == [{"code": "water", "name": "Water", "url": f"{base}/sectors/water/"}]
    assert recommendation["parent"] == recommendation["superseded_by"] == act
    assert recommendation["made_by"] == {"code": "GBR", "name": "United Kingdom", "url": f"{base}/parties/GBR/"}
    assert recommendation["source"] == {"slug": "communique", "title": "Communiqué", "url": f"{base}/sources/communique/"}
    assert recommendation["focus_area"] == {"code": "capital", "name": "Capital", "url": f"{base}/focus-areas/capital/"}
    line = participation["participation"]
    assert set(line) == {"uid", "title", "url"} and line["uid"] == PARTICIPATION
    assert "AUS" in line["title"] and participation["agreement"] is None
    assert outcome["outcome"] == {"slug": "safer", "title": "Safer", "url": f"{base}/outcomes/safer/"}
    assert outcome["source"]["slug"] == "communique"


@pytest.mark.parametrize("name", ["lead", "team", "title", "relations", "slug"])
def test_people_and_other_fields_cannot_be_expanded(world, as_reader, name):
    response = as_reader.get(f"agreements/?expand={name}")

    assert response.status_code == 400 and list(response.json()) == ["expand"]


@each_resource
def test_every_reference_can_be_expanded(world, people, as_analyst, resource):
    made = as_analyst.post(f"{resource.address}/", resource.full).json()
    fields = registry.at(resource.address).serializer().fields
    references = [
        n for n, f in fields.items() if isinstance(f, KeyField | KeyListField) and issubclass(getattr(f, "child_relation", f).model, Record)
    ]

    for role in ("analyst", "somebody"):
        client = as_analyst if role == "analyst" else Api(make_user(role, Role.ADMINISTRATOR))
        expanded = client.get(f"{resource.at(made)}?expand={','.join(references)}").json()
        assert list(expanded) == list(made)
        for name in references:
            items = expanded[name] if isinstance(expanded[name], list) else [expanded[name]]
            keys = [item and item.get("slug", item.get("code", item.get("uid"))) for item in items]
            assert (keys if isinstance(made[name], list) else keys[0]) == made[name]
            for item in filter(None, items):
                assert set(item) - {"slug", "code", "uid"} in ({"title", "url"}, {"name", "url"})
                assert client.get(item["url"]).status_code == 200


# ---- URLs


def test_a_missing_record_is_404_with_a_code(world, as_reader):
    for address in (
        "agreements/nothing/",
        "agreements/not a slug/",
        "participations/nothing/",
        "agreements/%00/",
        "agreements/%ff/",
        f"participations/{'1' * 5000}/",
    ):
        response = as_reader.get(address)
        assert response.status_code == 404, address
        assert set(response.json()) == {"code", "detail"}


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
def test_an_unknown_url_is_404_for_every_method(db, method):
    client = Api()
    client.handler.enforce_csrf_checks = True

    for address in ("", "nothing/", "agreements/aukus/nothing/", "agreements", "auth/tokens/6/"):
        response = getattr(client, method)(address)
        assert response.status_code == 404 and response.json()["code"] == "not_found", address


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_without_credentials_everything_is_401(db, method):
    for address in ("agreements/", "agreements/aukus/", "agreements/aukus/history/"):
        for response in (getattr(Api(), method)(address), Api().get(address)):
            assert response.status_code == 401
            assert set(response.json()) == {"code", "detail"}


def test_a_user_without_a_role_reads_nothing(world):
    response = Api(make_user("nobody")).get("agreements/")

    assert response.status_code == 403
    assert set(response.json()) == {"code", "detail"}


def test_an_unsupported_method_is_405(world, as_analyst):
    for response in (
        as_analyst.post("agreements/aukus/", {}),
        as_analyst.put("agreements/", {}),
        as_analyst.delete("agreements/"),
        as_analyst.post("agreements/aukus/history/", {}),
        as_analyst.post("progress-updates/", {}),
        as_analyst.generic("FOO", "agreements/"),
        as_analyst.generic("TRACE", "agreements/aukus/"),
    ):
        assert response.status_code == 405, response.content
        assert set(response.json()) == {"code", "detail"}


@each_resource
def test_options_works_on_every_url(world, as_administrator, as_reader, resource):
    made = as_administrator.post(f"{resource.address}/", resource.required).json()
    for client in (as_administrator, as_reader):
        for address in (f"{resource.address}/", resource.at(made), f"{resource.at(made)}history/"):
            assert client.options(address).status_code in (200, 403, 404, 405)


def test_head_equals_get_without_a_body(world, as_reader):
    response = as_reader.head("agreements/aukus/")

    assert response.status_code == 200 and response["ETag"] == '"1"' and not response.content
