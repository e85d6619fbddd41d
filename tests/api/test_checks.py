"""`GET checks/` (docs/api.md)."""

import pytest
from django.test import override_settings

from tests.api.client import Api
from tests.make import make_action, make_agreement, make_party, make_recommendation
from tests.queries import count_queries

pytestmark = pytest.mark.django_db


@pytest.fixture
def undated():
    agreement = make_agreement(slug="pact", title="Pact")
    return make_action(agreement, "ratification", make_party("JPN", name="Japan"))


def test_a_finding_has_its_record_and_its_admin_page(as_reader, undated):
    answer = as_reader.list("checks/", rule="undated_consent")

    assert answer == {
        "count": 1,
        "next": None,
        "previous": None,
        "results": [
            {
                "rule": "undated_consent",
                "severity": "warning",
                "record": {
                    "type": "treaty-actions",
                    "key": str(undated.uid),
                    "title": "ratification · JPN ·  · pact",
                    "url": f"https://testserver/api/v1/treaty-actions/{undated.uid}/",
                },
                "sentence": "Ratification by Japan has no date, so it has no effect.",
                "link": f"https://testserver/admin/agreements/treatyaction/{undated.pk}/change/",
            }
        ],
    }
    assert as_reader.get(answer["results"][0]["record"]["url"]).status_code == 200


def test_findings_are_filtered_by_rule_severity_and_agreement(as_reader, undated):
    other = make_agreement(slug="other")
    make_action(other, "ratification", make_party("JPN"))
    make_recommendation(other)

    def rules(**parameters):
        return {finding["rule"] for finding in as_reader.list("checks/", **parameters)["results"]}

    assert as_reader.list("checks/", rule="undated_consent", agreement="pact")["count"] == 1
    assert as_reader.list("checks/", rule="undated_consent")["count"] == 2
    assert {f["severity"] for f in as_reader.list("checks/", severity="info")["results"]} == {"info"}
    assert rules(rule="undated_consent", severity="info") == set()
    assert rules(rule=["undated_consent", "no_source"]) == {"undated_consent", "no_source"}
    assert "recommendation_without_owner" in rules(agreement="other") - rules(agreement="pact")


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("rule", "no_such_rule"),
        ("rule", ""),
        ("severity", "fatal"),
        ("agreement", "no-such-agreement"),
        ("agreement", "secret"),
        ("agreement", "\0"),
        ("agreement", ["pact", "pact"]),
        ("cursor", "x"),
        ("page_size", "501"),
        ("page_size", "0"),
        ("on", "2020-01-01"),
    ],
)
def test_an_invalid_parameter_is_rejected_by_name(as_reader, undated, parameter, value):
    make_agreement(slug="secret", visibility="restricted")

    response = as_reader.get("checks/", {parameter: value})

    assert response.status_code == 400
    assert list(response.json()) == [parameter]


def test_pages_forward_and_back_contain_each_finding_once(as_reader):
    for _ in range(7):
        make_action(make_agreement(), "ratification", make_party("JPN"))
    every = as_reader.list("checks/", page_size=500, rule=["undated_consent", "no_source"])

    results, pages, link = [], [], "checks/?page_size=3&rule=undated_consent&rule=no_source"
    while link:
        page = as_reader.list(link)
        assert page["count"] == every["count"]
        results += page["results"]
        pages.append(page["results"])
        link, back = page["next"], page["previous"]

    assert results == every["results"]
    assert as_reader.list(back)["results"] == pages[-2]


def test_hidden_records_have_no_findings(as_reader, as_administrator):
    make_action(make_agreement(slug="secret", visibility="restricted"), "ratification", make_party("JPN"))

    assert as_reader.list("checks/")["count"] == 0
    assert "secret" in str(as_administrator.list("checks/"))


def test_findings_need_a_role_and_anonymous_users_need_public_read(undated, django_user_model):
    assert Api().get("checks/").status_code == 401
    assert Api(django_user_model.objects.create_user("nobody")).get("checks/").status_code == 403
    with override_settings(PUBLIC_READ=True):
        assert Api().list("checks/", rule="undated_consent")["count"] == 1


def test_findings_are_read_only(as_administrator):
    assert as_administrator.post("checks/", {}).status_code == 405


def test_the_number_of_queries_does_not_depend_on_the_number_of_findings(reader):
    def queries():
        client = Api(type(reader).objects.get(pk=reader.pk))
        return count_queries(client.get, "checks/?page_size=2&rule=undated_consent&rule=status_differs_from_standing")

    def fill(count):
        for _ in range(count):
            agreement = make_agreement(legal_force="binding", status="signed")
            make_action(agreement, "ratification", make_party("JPN"))
            make_action(agreement, "entry_into_force", acted_on="2020")

    fill(3)
    few = queries()
    fill(40)

    # Roles; candidates, their actions and messages; the count.
    assert queries() == few <= 25


def test_format_is_an_unknown_parameter(as_administrator):
    refused = as_administrator.get("checks/?format=csv")

    assert (refused.status_code, list(refused.json())) == (400, ["format"])
