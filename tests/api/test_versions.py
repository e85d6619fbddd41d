"""Versions (If-Match) and idempotency keys (docs/api.md)."""

from datetime import timedelta

import pytest
from django.utils import timezone

from agreements.models import Agreement, Sector
from policytracker.api.models import IdempotencyKey
from tests.api.client import Api
from tests.api.world import RESOURCES
from tests.make import make_agreement, make_recommendation

pytestmark = pytest.mark.usefixtures("world")
each_resource = pytest.mark.parametrize("resource", RESOURCES.values(), ids=RESOURCES)


@pytest.fixture(autouse=True)
def people(analyst, reviewer):
    """The users that the bodies refer to."""


@each_resource
def test_every_response_with_one_record_has_its_version_as_etag(world, as_analyst, resource):
    made = as_analyst.post(f"{resource.address}/", resource.full)
    at = resource.at(made.json())
    name = {"parties": "name", "outcomes": "statement", "milestones": "title", "dependencies": "depends_on"}.get(resource.address) or next(
        n for n, value in resource.defaults.items() if value == ""
    )
    for slug in ("changed", "changed-again"):
        make_recommendation(slug=slug)
    changed = as_analyst.patch(at, {name: "changed"})
    put = as_analyst.put(at, changed.json() | {name: "changed-again"})

    for response, version in ((made, 1), (changed, 2), (put, 3), (as_analyst.get(at), 3)):
        assert response["ETag"] == f'"{version}"' and response.json()["version"] == version
    assert as_analyst.get(at, HTTP_IF_NONE_MATCH='"3"').status_code == 200
    assert as_analyst.get(at, HTTP_IF_NONE_MATCH="*").status_code == 200


@pytest.fixture
def third(db):
    """An agreement at version 3."""
    agreement = make_agreement(slug="third", publication="draft")
    for title in ("B", "C"):
        Agreement.objects.filter(pk=agreement.pk).update(title=title)
    return "agreements/third/"


def stale(response):
    assert response.status_code == 412, response.content
    assert set(response.json()) == {"code", "detail", "current_version"}
    assert (response.json()["code"], response.json()["current_version"]) == ("stale", 3)


@pytest.mark.parametrize("tag", ['"2"', '"4"', "2", 'W/"2"', '"1", "2"', '"03"', "nonsense", '""', "", '"*"'])
@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_a_write_with_another_version_in_if_match_is_stale(third, as_analyst, method, tag):
    stale(getattr(as_analyst, method)(third, {"title": "D"}, HTTP_IF_MATCH=tag))

    assert Agreement.objects.get(slug="third").title == "C"


@pytest.mark.parametrize("tag", ['"3"', 'W/"3"', "*", '"1", "3"', '"1",W/"3" , "x"', " * "])
@pytest.mark.parametrize(("method", "code"), [("put", 200), ("patch", 200), ("delete", 204)])
def test_a_write_with_the_current_version_in_if_match_succeeds(third, as_analyst, method, code, tag):
    assert getattr(as_analyst, method)(third, {"title": "D"}, HTTP_IF_MATCH=tag).status_code == code


@pytest.mark.parametrize("version", [2, 4, "2", 0, -1, 3.5, "x", [3], {"a": 3}, True, 10**30])
@pytest.mark.parametrize("method", ["put", "patch"])
def test_a_body_with_another_version_is_stale(third, as_analyst, method, version):
    stale(getattr(as_analyst, method)(third, {"title": "D", "version": version}))


@pytest.mark.parametrize("version", [3, "3", None, ""])
@pytest.mark.parametrize("method", ["put", "patch"])
def test_a_body_with_the_current_or_no_version_is_written(third, as_analyst, method, version):
    assert getattr(as_analyst, method)(third, {"title": "D", "version": version}).status_code == 200


def test_stale_is_reported_before_other_errors(third, as_analyst):
    stale(as_analyst.patch(third, {"title": "", "colour": 1}, HTTP_IF_MATCH='"2"'))
    stale(as_analyst.patch(third, {"title": "D", "version": 3}, HTTP_IF_MATCH='"2"'))
    assert as_analyst.patch(third, {"colour": 1}, HTTP_IF_MATCH='"3"').status_code == 400


def test_if_match_on_a_missing_record_is_404(third, as_reader, as_analyst):
    assert as_analyst.patch("agreements/nothing/", {}, HTTP_IF_MATCH='"1"').status_code == 404


def test_a_write_without_if_match_is_428_if_required(third, as_analyst, settings):
    settings.REQUIRE_IF_MATCH = True

    for method in ("put", "patch", "delete"):
        for body in ({"title": "D"}, {"title": "D", "version": 3}):
            response = getattr(as_analyst, method)(third, body)
            assert response.status_code == 428 and response.json()["code"] == "if_match_required" and response.json()["detail"]
    assert as_analyst.patch(third, {"title": "D"}, HTTP_IF_MATCH="*").status_code == 200
    assert as_analyst.post("sectors/", {"code": "new", "name": "New"}).status_code == 201


def test_a_new_record_has_version_1(as_analyst, db):
    assert as_analyst.post("sectors/", {"code": "a", "name": "A", "version": 1}).status_code == 201
    response = as_analyst.post("sectors/", {"code": "b", "name": "B", "version": 7})
    assert response.status_code == 400 and list(response.json()["_codes"]) == ["version"]


# ---- idempotency


SECTOR = {"code": "space", "name": "Space"}


def test_a_repeated_post_gets_the_first_response(as_analyst, db):
    first = as_analyst.post("sectors/", SECTOR, HTTP_IDEMPOTENCY_KEY="k1")
    again = as_analyst.post("sectors/", SECTOR, HTTP_IDEMPOTENCY_KEY="k1")

    assert first.status_code == again.status_code == 201
    assert again.content == first.content
    assert (again["ETag"], again["Location"], again["Content-Type"]) == (first["ETag"], first["Location"], first["Content-Type"])
    assert again["Idempotent-Replayed"] == "true" and "Idempotent-Replayed" not in first
    assert Sector.objects.filter(code="space").count() == 1


def test_a_repeated_list_gets_the_first_response(as_analyst, db):
    bodies = [SECTOR, {"code": "sea", "name": "Sea"}]

    first, again = (as_analyst.post("sectors/", bodies, HTTP_IDEMPOTENCY_KEY="k1") for _ in range(2))

    assert first.json() == again.json() and again["Idempotent-Replayed"] == "true"


def test_an_idempotency_key_belongs_to_one_body_user_and_url(as_analyst, as_reviewer, db):
    as_analyst.post("sectors/", SECTOR, HTTP_IDEMPOTENCY_KEY="k1")

    other = as_analyst.post("sectors/", SECTOR | {"name": "Other"}, HTTP_IDEMPOTENCY_KEY="k1")
    assert other.status_code == 422 and other.json()["code"] == "idempotency_key_reused"
    assert as_analyst.post("focus-areas/", SECTOR, HTTP_IDEMPOTENCY_KEY="k1").status_code == 201
    assert as_reviewer.post("sectors/", SECTOR | {"code": "sea"}, HTTP_IDEMPOTENCY_KEY="k1").status_code == 201
    assert as_analyst.post("sectors/", SECTOR, HTTP_IDEMPOTENCY_KEY="k2").status_code == 400


def test_failed_requests_are_not_stored(as_analyst, db):
    refused = as_analyst.post("sectors/", {"code": "space"}, HTTP_IDEMPOTENCY_KEY="k1")
    done = as_analyst.post("sectors/", SECTOR, HTTP_IDEMPOTENCY_KEY="k1")

    assert (refused.status_code, done.status_code) == (400, 201)
    assert "Idempotent-Replayed" not in done


def test_an_idempotency_key_expires_after_a_day(as_analyst, db):
    as_analyst.post("sectors/", SECTOR, HTTP_IDEMPOTENCY_KEY="k1")
    IdempotencyKey.objects.update(created_at=timezone.now() - timedelta(hours=24, seconds=1))

    again = as_analyst.post("sectors/", SECTOR | {"code": "sea"}, HTTP_IDEMPOTENCY_KEY="k1")

    assert again.status_code == 201 and again.json()["code"] == "sea"


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 256, "é", "a\tb", "\0", "a\x7f"])
def test_an_idempotency_key_has_1_to_255_visible_characters(as_analyst, db, key):
    response = as_analyst.post("sectors/", SECTOR, HTTP_IDEMPOTENCY_KEY=key)

    assert response.status_code == 400 and not Sector.objects.filter(code="space").exists()
    assert list(response.json()["_codes"]) == ["Idempotency-Key"]


@pytest.mark.parametrize("key", ["x", "x" * 255, "!#$%&'()*+,-./:;<=>?@[]^_`{|}~\"\\"])
def test_all_visible_ascii_characters_are_allowed_in_a_key(as_analyst, db, key):
    assert as_analyst.post("sectors/", SECTOR, HTTP_IDEMPOTENCY_KEY=key).status_code == 201


def test_an_idempotency_key_has_no_effect_on_other_methods(third, as_analyst):
    for _ in range(2):
        response = as_analyst.patch(third, {"title": "D"}, HTTP_IDEMPOTENCY_KEY="k1")
        assert response.status_code == 200 and "Idempotent-Replayed" not in response


def test_a_user_without_a_role_gets_no_replay(as_analyst, analyst, db):
    as_analyst.post("sectors/", SECTOR, HTTP_IDEMPOTENCY_KEY="k1")
    analyst.groups.clear()

    assert Api(type(analyst).objects.get(pk=analyst.pk)).post("sectors/", SECTOR, HTTP_IDEMPOTENCY_KEY="k1").status_code == 403
