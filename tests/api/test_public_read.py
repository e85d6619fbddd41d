"""With PUBLIC_READ=1 anonymous users read public, published records, without names of people."""

import pytest

from agreements.models import Citation, FactCheck, Outcome, Participation, Source
from agreements.models.relations import AgreementRelation
from policytracker.records.context import change_context
from policytracker.representation.filters import names_people, resource_filters
from policytracker.representation.ordering import orders
from policytracker.representation.serializers import declared_fields
from policytracker.resources import registry, today
from recommendations import progress
from recommendations.models import Addressee, Dependency, Milestone, ProgressUpdate, Recommendation
from recommendations.progress import EvidenceRow, Report
from tests.api.client import Api
from tests.make import change_with_reason, make_agreement, make_component, make_recommendation, make_source

NAMES = ["analyst", "reviewer", "administrator"]
ADDRESSES = [resource.address for resource in registry.addressed]
PEOPLE = {
    resource.address: [name for name, shown in declared_fields(resource.serializer).items() if names_people(shown)]
    for resource in registry.addressed
}


@pytest.fixture
def open_to_all(settings):
    settings.PUBLIC_READ = True


@pytest.fixture
def anonymous():
    return Api()


@pytest.fixture
def full(world, analyst, reviewer):
    """The world with a user in every reference to people, and an update in every review state."""
    with change_context(analyst, "test", "api"):
        world.aukus.lead = analyst
        world.aukus.save()
        world.aukus.team.set([analyst, reviewer])
        world.act.owner = analyst
        world.act.save()
    evidence = (EvidenceRow(source=world.communique),)
    approved = progress.report_progress(world.act, Report(status="planned", narrative="Seen."), by=analyst, today=today())
    progress.void(approved, by=reviewer, reason="wrong")
    said = Report(status="implemented", narrative="Done.", evidence=evidence)
    world.submitted = progress.report_progress(world.act, said, by=analyst, today=today())
    world.draft = progress.report_progress(world.act, said, by=analyst, today=today(), submit=False)
    world.nobodys = progress.report_progress(world.act, said, by=None, today=today())
    ended = progress.report_progress(world.later, said, by=analyst, today=today())
    progress.approve(ended, by=reviewer, today=today())
    Milestone.objects.create(recommendation=world.act, title="The keel is laid")
    Dependency.objects.create(recommendation=world.later, depends_on=world.act)
    return world


def rows_of(client, address):
    return client.list(f"{address}/", page_size=500)["results"]


def key_of(address):
    return registry.at(address).model.key


@pytest.mark.parametrize("address", ADDRESSES)
def test_anonymous_users_read_every_list_record_and_history(open_to_all, full, anonymous, address):
    rows = rows_of(anonymous, address)

    assert rows
    for row in rows:
        at = f"{address}/{row[key_of(address)]}/"
        assert anonymous.get(at).json() == row
        assert anonymous.get(f"{at}history/").status_code == 200
    assert anonymous.head(f"{address}/").status_code == 200


@pytest.mark.parametrize("address", ADDRESSES)
def test_no_person_is_named(open_to_all, full, anonymous, as_reader, address):
    named = {row[key_of(address)]: row for row in rows_of(as_reader, address)}
    for row in rows_of(anonymous, address):
        assert row == named[row[key_of(address)]] | {name: [] if name == "team" else None for name in PEOPLE[address]}
        at = f"{address}/{row[key_of(address)]}/"
        for answer in (anonymous.get(at), history := anonymous.get(f"{at}history/")):
            assert not any(f'"{name}"' in answer.text or f" {name} " in answer.text for name in NAMES), answer.text
        for entry in history.json()["results"]:
            assert entry["user"] is None and not entry["changes"].keys() & set(PEOPLE[address])


def test_the_test_data_contains_people(full, as_reader):
    assert {name for names in PEOPLE.values() for name in names} == {"lead", "team", "owner", "author", "reviewed_by", "voided_by"}
    assert as_reader.get("agreements/aukus/").json()["team"] == ["analyst", "reviewer"]
    lines = [entry["line"] for entry in as_reader.list("agreements/aukus/history/")["results"]]
    assert any("analyst" in line for line in lines)


@pytest.mark.parametrize(("address", "name"), [(address, name) for address, names in PEOPLE.items() for name in names])
def test_anonymous_users_cannot_filter_or_order_by_people(open_to_all, full, anonymous, as_reader, address, name):
    questions = [asked for asked in resource_filters(registry.at(address)) if asked.partition("__")[0] == name]
    assert questions
    for asked in questions:
        for value in ("analyst", "me", "none", "true"):
            response = anonymous.get(f"{address}/", {asked: value})
            assert response.status_code == 400 and list(response.json()) == [asked]
    orderings = [name] if name in orders(registry.at(address).serializer) else []
    for order in [f"{sign}{one}" for one in orderings for sign in ("", "-")]:
        response = anonymous.get(f"{address}/", {"ordering": order})
        assert response.status_code == 400 and list(response.json()) == ["ordering"]
        assert as_reader.get(f"{address}/", {"ordering": order}).status_code == 200


def test_anonymous_users_cannot_group_by_owner(open_to_all, full, anonymous, as_reader):
    response = anonymous.get("summary/?group_by=owner")

    assert response.status_code == 400 and list(response.json()) == ["group_by"]
    assert as_reader.get("summary/?group_by=owner").status_code == 200
    assert anonymous.get("summary/?group_by=agreement").status_code == 200
    assert anonymous.get("agreements/aukus/scorecard/").status_code == 200
    assert anonymous.get("recommendations/act/transitions/").status_code == 200
    assert anonymous.get("choices/").status_code == 200


def test_children_of_hidden_records_are_hidden(open_to_all, world, anonymous):
    before = {address: anonymous.list(f"{address}/")["count"] for address in ADDRESSES}
    shut, act = make_agreement(visibility="internal"), make_recommendation(visibility="internal")
    paper = make_source(visibility="internal")
    Participation.objects.create(agreement=shut, party=world.aus, role="party")
    AgreementRelation.objects.create(from_agreement=world.aukus, kind="amends", to_agreement=shut)
    Outcome.objects.create(slug="hidden", agreement=shut, statement="x")
    FactCheck.objects.create(slug="hidden", source=paper, statement="x")
    Citation.objects.create(source=paper, agreement=world.aukus)
    make_component(shut)
    Addressee.objects.create(recommendation=act, party=world.aus)
    Milestone.objects.create(recommendation=act, title="x")
    Dependency.objects.create(recommendation=world.act, depends_on=act)
    progress.report_progress(act, Report(status="planned", narrative="Seen."), by=None, today=today())
    Recommendation.objects.filter(pk=world.act.pk).update(source=paper, locator="p. 9", quote="hidden", parent=act)
    world.act.agreements.add(shut)

    assert {address: anonymous.list(f"{address}/")["count"] for address in ADDRESSES} == before
    seen = anonymous.get("recommendations/act/").json()
    assert (seen["source"], seen["locator"], seen["quote"], seen["parent"], seen["agreements"]) == (None, "", "", None, ["aukus"])


def test_only_approved_updates_exist_with_or_without_an_author(open_to_all, full, anonymous):
    seen = set(anonymous.keys("progress-updates/"))

    assert seen == {str(uid) for uid in ProgressUpdate.objects.filter(review="approved").values_list("uid", flat=True)}
    for update in (full.submitted, full.draft, full.nobodys):
        assert anonymous.get(f"progress-updates/{update.uid}/").status_code == 404


def test_me_tokens_and_writes_require_credentials(open_to_all, full, anonymous):
    assert anonymous.get("me/").status_code == 401
    for address in ADDRESSES:
        at = f"{address}/{rows_of(anonymous, address)[0][key_of(address)]}/"
        answers = [getattr(anonymous, method)(at, {}) for method in ("put", "patch", "delete")]
        answers.append(anonymous.post(f"{address}/", {}))
        assert {answer.status_code for answer in answers} <= {401, 405}, address
        assert {answer.status_code for answer in answers[:3]} == {401}
    for act in ("recommendations/act/progress/", *(f"progress-updates/{full.submitted.uid}/{move}/" for move in ("approve", "return"))):
        assert anonymous.post(act, {"status": "planned", "narrative": "x"}).status_code == 401
    assert anonymous.get("auth/tokens/").status_code == 401


def test_an_invalid_token_is_still_rejected(open_to_all, world):
    assert Api(authorization="Bearer nonsense").get("agreements/").status_code == 401


def test_the_file_of_a_public_source_is_public(open_to_all, world, anonymous, as_analyst, tmp_path, settings):
    settings.MEDIA_ROOT = tmp_path
    assert anonymous.get("sources/communique/file/").status_code == 404
    change_with_reason(Source.objects.filter(slug="gazette"), visibility="internal")
    assert anonymous.get("sources/gazette/file/").status_code == 404


@pytest.mark.parametrize("address", [*(f"{address}/" for address in ADDRESSES), "choices/", "summary/?group_by=agreement"])
def test_without_public_read_everything_requires_credentials(world, anonymous, address):
    assert anonymous.get(address).status_code == 401
