"""Publishing an agreement with its parts."""

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from agreements.models import Agreement, Citation
from policytracker.accounts.models import User
from policytracker.records.changes import Change
from tests.admin.conftest import signed_in  # noqa: F401 - imported fixture
from tests.api.client import Api
from tests.make import make_action, make_agreement, make_component, make_recommendation, make_source, settled

DRAFT = {"publication": "draft"}


@pytest.fixture
def pact(db):
    agreement = make_agreement(slug="pact", **DRAFT)
    make_component(agreement, slug="part", **DRAFT)
    make_component(agreement, slug="old-part")
    make_recommendation(agreement, slug="do-it", source=make_source(slug="report", **DRAFT), **DRAFT)
    make_recommendation(agreement, make_agreement(slug="other"), slug="shared", **DRAFT)
    make_action(agreement, source=make_source(slug="gazette-1", **DRAFT))
    Citation.objects.create(source=make_source(slug="article", **DRAFT), agreement=agreement)
    make_source(slug="unrelated", **DRAFT)
    return agreement


def keys(response):
    assert response.status_code == 200, response.content
    return {(record["type"], record["key"]) for record in response.json()["published"]}


AGREEMENT, COMPONENTS, RECOMMENDATIONS = ("agreements", "pact"), {("components", "part")}, {("recommendations", "do-it")}
SOURCES = {("sources", "gazette-1"), ("sources", "article")}


def test_an_agreement_is_published_with_its_drafts(pact, as_analyst, as_reader):
    assert keys(as_analyst.post("agreements/pact/publish/", {})) == (
        {AGREEMENT} | COMPONENTS | RECOMMENDATIONS | SOURCES | {("sources", "report")}
    )
    assert as_reader.get("agreements/pact/").status_code == as_reader.get("components/part/").status_code == 200
    assert as_reader.get("recommendations/shared/").status_code == as_reader.get("sources/unrelated/").status_code == 404
    assert keys(as_analyst.post("agreements/pact/publish/", {})) == set()


def test_the_parts_to_publish_can_be_selected(pact, as_analyst):
    assert keys(as_analyst.post("agreements/pact/publish/", {"recommendations": False, "sources": False})) == {AGREEMENT} | COMPONENTS
    assert keys(as_analyst.post("agreements/pact/publish/", {"recommendations": False, "components": False})) == SOURCES


def test_a_dry_run_returns_the_list_and_writes_nothing(pact, as_analyst):
    settled()
    before = Change.objects.count()

    found = keys(as_analyst.post("agreements/pact/publish/", {"dry_run": True}))

    assert Change.objects.count() == before
    assert found == keys(as_analyst.post("agreements/pact/publish/", {}))


def test_an_archived_agreement_cannot_be_published(pact, as_analyst, as_reviewer):
    as_reviewer.patch("agreements/pact/", {"publication": "archived", "change_reason": "done"})

    refused = as_analyst.post("agreements/pact/publish/", {})

    assert (refused.status_code, refused.json()["code"]) == (409, "closed_record")


def test_publishing_requires_the_permission_to_change_agreements(pact, as_officer, as_reader):
    for client in (as_officer, as_reader):
        assert client.post("agreements/pact/publish/", {}).status_code == 403


@pytest.mark.parametrize("missing", ["component", "recommendation", "source", None])
def test_publishing_requires_the_permission_to_change_all_registry_records_in_api_and_admin(missing, pact, reader, signed_in):  # noqa: F811
    names = [f"change_{name}" for name in ("agreement", "component", "recommendation", "source") if name != missing]
    reader.user_permissions.set(Permission.objects.filter(codename__in=names))
    user = User.objects.get(pk=reader.pk)
    Agreement.objects.update(publication="published")  # a reader does not see drafts

    api = Api(user).post("agreements/pact/publish/", {"dry_run": True})
    page = signed_in(user).get(reverse("admin:agreements_agreement_publish", args=[pact.pk]))

    assert (api.status_code, page.status_code) == ((403, 403) if missing else (200, 200))
