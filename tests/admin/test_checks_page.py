"""The page of data checks: what may be wrong with the register, as far as its reader may see."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agreements.models import Commitment, TreatyAction
from policytracker.quality import engine
from policytracker.records.context import change_context
from tests.admin.page import change
from tests.make import make_agreement, make_party

PAGE = "/admin/checks/"


def backwards(agreement, party: str = "CZE") -> TreatyAction:
    """An act that has effect before it."""
    with change_context():
        fields = {"agreement": agreement, "kind": "accession", "acted_on": "1993-02-22", "effective_on": "1993-01-01"}
        return TreatyAction.objects.create(party=make_party(party), **fields)


def found(page) -> set:
    return {(one.finding.rule.id, one.finding.record) for one in page.context["found"]}


@pytest.mark.parametrize("role", ["reader", "party officer", "analyst", "reviewer", "administrator"])
def test_everybody_opens_it_and_finds_what_they_may_read(role, everybody, signed_in):
    action = backwards(make_agreement(legal_force="binding"))
    hidden = backwards(make_agreement(legal_force="binding", visibility="restricted"))

    page = signed_in(everybody[role]).get(f"{PAGE}?rule=effect_before_act")

    expected = {action, hidden} if role == "administrator" else {action}
    assert found(page) == {("effect_before_act", row) for row in expected}
    assert f'href="{change(action)}"' in page.content.decode()


def test_a_stranger_is_asked_to_sign_in(client, db):
    assert client.get(PAGE).status_code == 302


def test_it_is_linked_from_the_menu(reader, signed_in):
    content = signed_in(reader).get("/admin/").content.decode()

    assert f'href="{PAGE}"' in content


def test_rules_are_counted_and_each_number_is_that_of_the_list_it_opens(analyst, signed_in):
    client, agreement = signed_in(analyst), make_agreement(legal_force="binding")
    for party in ("CZE", "SVK"):
        backwards(agreement, party)

    by_rule = client.get(PAGE).context["counted"]

    counted = [*by_rule["broken"], *by_rule["kept"]]
    numbers = {one.rule.id: one.count for one in counted}
    assert set(numbers) == set(engine.RULES)
    assert numbers["effect_before_act"] == 2
    for one in counted:
        page = client.get(PAGE + one.url)
        assert page.context["count"] == one.count == len(page.context["found"]), one.rule.id


def test_findings_are_narrowed_by_rule_severity_and_agreement(analyst, signed_in):
    client, agreement, other = (
        signed_in(analyst),
        make_agreement(slug="treaty", legal_force="binding"),
        make_agreement(legal_force="binding"),
    )
    action, another = backwards(agreement), backwards(other)
    money = {"agreement": other, "stage": "announced", "amount": 1, "currency": "USD"}
    with change_context():
        Commitment.objects.create(disputes=Commitment.objects.create(**money), **money)

    for query, expected in [
        ("rule=effect_before_act", {action, another}),
        (f"rule=effect_before_act&agreement={agreement.pk}", {action}),
        ("rule=effect_before_act&agreement=treaty", {action}),
        ("rule=disputed_figures", {other}),
        ("rule=disputed_figures&severity=error", set()),
        (f"rule=disputed_figures&agreement={agreement.pk}", set()),
    ]:
        assert {record for _, record in found(client.get(f"{PAGE}?{query}"))} == expected, query
    warnings = client.get(f"{PAGE}?severity=warning").context
    assert {one.finding.rule.severity for one in warnings["found"]} == {"warning"}
    assert {one.rule.severity for one in [*warnings["counted"]["broken"], *warnings["counted"]["kept"]]} == {"warning"}


def test_findings_come_in_pages(analyst, signed_in, monkeypatch):
    monkeypatch.setattr("agreements.admin.checks.ON_PAGE", 2)
    client, agreement = signed_in(analyst), make_agreement(legal_force="binding")
    actions = {backwards(agreement, f"X{i}") for i in range(5)}

    first = client.get(f"{PAGE}?rule=effect_before_act")
    second = client.get(PAGE + first.context["next"])
    third = client.get(PAGE + second.context["next"])
    back = client.get(PAGE + second.context["previous"])

    assert [len(page.context["found"]) for page in (first, second, third)] == [2, 2, 1]
    assert {record for page in (first, second, third) for _, record in found(page)} == actions
    assert found(back) == found(first)
    assert first.context["count"] == 5
    assert "next" not in third.context


@pytest.mark.parametrize("query", ["rule=none", "severity=very", "agreement=nobody", "agreement=999999999", "agreement=%00"])
def test_what_is_no_answer_is_told_in_a_sentence(query, analyst, signed_in):
    page = signed_in(analyst).get(f"{PAGE}?{query}")

    assert page.status_code == 200
    assert page.context["form"].errors
    assert 'role="alert"' in page.content.decode()
    assert "found" not in page.context


def test_a_hidden_agreement_is_no_answer(analyst, signed_in):
    hidden = make_agreement(slug="hidden", visibility="restricted", title="Hidden text")

    for key in (hidden.pk, hidden.slug):
        page = signed_in(analyst).get(f"{PAGE}?agreement={key}")
        assert "found" not in page.context
        assert b"Hidden text" not in page.content


def test_a_cursor_that_is_none_of_ours_shows_the_first_page(analyst, signed_in):
    page = signed_in(analyst).get(f"{PAGE}?cursor=zzz")

    assert page.status_code == 200
    assert "This page is none of ours" in page.content.decode()


def test_the_page_costs_the_same_number_of_queries_whatever_is_found(analyst, signed_in):
    client, costs = signed_in(analyst), []

    for count in (60, 61, 120):  # more than a page of them; the first time, Django asks for what it keeps in mind
        for i in range(count):
            backwards(make_agreement(legal_force="binding"), f"Y{count}-{i}")
        with CaptureQueriesContext(connection) as queries:
            client.get(PAGE)
        costs.append(len(queries))

    print("checks", costs)
    assert costs[1] == costs[2] <= 8 * len([check for rule in engine.RULES.values() for check in rule.checks])
