"""The number of queries of each read is fixed and does not depend on the number of rows."""

import pytest

from agreements.models import Agreement, Party, PartyOfficer
from recommendations.models import ProgressUpdate, Recommendation
from tests.api.client import Api
from tests.api.world import RESOURCES
from tests.conftest import make_user
from tests.make import make_agreement
from tests.queries import count_queries

ROLES = ["administrator", "analyst", "party officer", "reader"]
# A page with a next page: roles, ids of the page, count, JSON.
LIST = 4
# Roles, and the record with its JSON, or a page of all records with their number.
DETAIL = ALL = 2


def variation(resource, number):
    """The full body, changed so that a second record can exist beside the first."""
    body = dict(resource.full)
    if resource.key != "uid":
        body[resource.key] = f"n{number}"
    match resource.address:
        case "parties":
            body |= {"iso_alpha2": None, "iso_numeric": None}
        case "participations":
            body |= {"since": str(1900 + number), "until": str(1901 + number)}
        case "treaty-actions":
            body["acted_on"] = str(1900 + number)
        case "measurements":
            body["measured_on"] = str(1900 + number)
        case "agreement-relations":
            body["from"] = f"a{number}"
        case "addressees":
            body["party"] = f"P{number}"
        case "dependencies":
            body["recommendation"] = f"r{number}"
    return body | ({"publication": "published"} if resource.published else {})


@pytest.fixture
def readers(world, analyst, reviewer):
    people = {role: analyst if role == "analyst" else make_user(f"a {role}", role) for role in ROLES}
    PartyOfficer.objects.create(user=people["party officer"], party=world.aus)
    return people


def count(user, address):
    """The number of queries of a request by this user, without cached roles."""
    return count_queries(Api(type(user).objects.get(pk=user.pk)).get, address)


@pytest.mark.parametrize("resource", RESOURCES.values(), ids=RESOURCES)
def test_the_number_of_queries_does_not_depend_on_the_number_of_rows(readers, as_analyst, resource):
    Agreement.objects.bulk_create(Agreement(slug=f"a{number}", title="A", publication="published") for number in range(12))
    Party.objects.bulk_create(Party(code=f"P{number}", name="P", kind="state") for number in range(12))
    Recommendation.objects.bulk_create(Recommendation(slug=f"r{number}", key_action="R", publication="published") for number in range(12))
    made = as_analyst.post(f"{resource.address}/", [variation(resource, number) for number in range(3)])
    assert made.status_code == 201, made.content
    addresses = {
        "list": f"{resource.address}/?page_size=2&ordering=-created_at",
        "expanded": f"{resource.address}/?page_size=2&ordering=-created_at&expand={','.join(REFERENCES.get(resource.address, []))}",
        "detail": resource.at(made.json()[0]),
    }
    few = {(name, role): count(readers[role], address) for name, address in addresses.items() for role in ROLES}

    assert as_analyst.post(f"{resource.address}/", [variation(resource, number) for number in range(3, 12)]).status_code == 201
    addresses = {name: address.replace("page_size=2", "page_size=11") for name, address in addresses.items()}
    many = {(name, role): count(readers[role], address) for name, address in addresses.items() for role in ROLES}

    assert many == few
    assert few == {(name, role): DETAIL if name == "detail" else LIST for name in addresses for role in ROLES}


REFERENCES = {
    "parties": ["parent"],
    "agreements": ["sectors"],
    "agreement-relations": ["from", "to", "source"],
    "participations": ["agreement", "party", "focus_area"],
    "treaty-actions": ["agreement", "party", "counterparty", "targets", "source"],
    "entry-into-force-conditions": ["agreement", "parties", "source"],
    "components": ["agreement", "parent", "lead_parties"],
    "commitments": ["agreement", "component", "payer", "disputes", "source"],
    "outcomes": ["agreement", "component", "sector"],
    "indicators": ["outcome"],
    "measurements": ["indicator", "source"],
    "fact-checks": ["agreement", "source", "correcting_source"],
    "citations": ["source", "agreement", "component", "participation", "outcome"],
    "recommendations": ["focus_area", "agreements", "components", "sectors", "parent", "made_by", "source", "superseded_by"],
    "addressees": ["recommendation", "party", "source"],
    "milestones": ["recommendation"],
    "dependencies": ["recommendation", "depends_on"],
}


def test_evidence_of_updates_needs_no_extra_queries(readers, world):
    def add(count):
        ProgressUpdate.objects.bulk_create(
            ProgressUpdate(
                recommendation=world.act, status="planned", reported_on="2025-01-01", narrative="x", review="approved",
                author=readers["analyst"],
                reviewed_by=readers["analyst"], reviewed_at="2025-01-01T00:00:00Z",
            )
            for _ in range(count)
        )  # fmt: skip

    add(3)
    few = {role: count(readers[role], "progress-updates/?page_size=2&expand=recommendation,corrects") for role in ROLES}
    add(9)
    many = {role: count(readers[role], "progress-updates/?page_size=11&expand=recommendation,corrects") for role in ROLES}

    assert few == many == dict.fromkeys(ROLES, ALL)


@pytest.mark.parametrize("query", ["", "?on=2025-01-01"])
def test_a_scorecard_needs_as_many_queries_as_a_detail(readers, world, query):
    counts = {role: count(readers[role], f"agreements/aukus/scorecard/{query}") for role in ROLES}

    assert counts == dict.fromkeys(ROLES, DETAIL)


def test_ordering_by_nullable_columns_needs_one_query_per_range(readers, world):
    for number in range(12):
        make_agreement(slug=f"a{number}")
    client = Api(readers["reader"])

    link, counts = "agreements/?page_size=3&ordering=expires_on,-next_review_on", []
    while link:
        counts.append(count_queries(client.get, link))
        link = client.get(link).json()["next"]

    assert max(counts) <= LIST + 4


def test_submitting_an_update_takes_few_statements(readers, world):
    client = Api(readers["analyst"])
    body = {"status": "in_progress", "progress_percent": 40, "narrative": "The second site has been chosen."}
    assert client.post("recommendations/act/progress/", body).status_code == 201  # also fills caches

    assert count_queries(client.post, "recommendations/act/progress/", body) <= 10


@pytest.mark.parametrize(
    ("review", "who", "method", "path", "body", "count"),
    [
        ("draft", "analyst", "post", "submit/", {}, 12),
        ("draft", "analyst", "patch", "", {"narrative": "The third site."}, 8),
        ("draft", "analyst", "delete", "", None, 7),
        ("submitted", "reviewer", "post", "approve/", {}, 13),
        ("submitted", "reviewer", "post", "return/", {"note": "Which site?"}, 10),
        ("approved", "reviewer", "post", "void/", {"reason": "Wrong site."}, 12),
    ],
)
def test_a_transition_of_an_update_takes_few_statements(readers, world, reviewer, review, who, method, path, body, count):
    people = {"analyst": Api(readers["analyst"]), "reviewer": Api(reviewer)}
    status = "withdrawn" if review == "submitted" else "in_progress"
    report = {"status": status, "narrative": "The second site has been chosen.", "submit": review != "draft"}

    def update():
        response = people["analyst"].post("recommendations/act/progress/", report)
        assert response.json()["update"]["review"] == review
        return response.json()["update"]["url"]

    counts = []
    for address in (update(), update()):  # the first request fills caches
        counts.append(count_queries(getattr(people[who], method), f"{address}{path}", body))

    assert counts[1] <= count


@pytest.mark.parametrize(("body", "count"), [({"details": "By 2031."}, 7), ({"details": "By 2032.", "status": "not_assessed"}, 8)])
def test_a_patch_renders_the_stored_record_only_to_compare_read_only_fields(readers, world, body, count):
    client = Api(readers["analyst"])
    assert client.patch("recommendations/act/", {"details": "By 2030."}).status_code == 200  # also fills caches

    assert count_queries(client.patch, "recommendations/act/", body) <= count
