"""The page of data checks: filters, counts, pagination and access."""

import pytest

from agreements.models import Citation, Commitment, Party, TreatyAction
from policytracker.accounts.models import User
from policytracker.quality import engine
from policytracker.records.context import change_context
from tests.admin.page import add, change
from tests.conftest import make_user
from tests.make import make_agreement, make_component, make_party, make_source
from tests.queries import count_queries

PAGE = "/admin/checks/"


def make_backdated_action(agreement, party: str = "CZE") -> TreatyAction:
    """An action with an effective date before the action date."""
    with change_context():
        fields = {"agreement": agreement, "kind": "accession", "acted_on": "1993-02-22", "effective_on": "1993-01-01"}
        return TreatyAction.objects.create(party=make_party(party), **fields)


def findings_on(page) -> set:
    return {(line.finding.rule.id, line.finding.record) for line in page.context["findings"]}


@pytest.mark.parametrize("role", ["reader", "party officer", "analyst", "reviewer", "administrator"])
def test_every_role_sees_the_findings_on_records_that_it_may_read(role, users, signed_in):
    action = make_backdated_action(make_agreement(legal_force="binding"))
    hidden = make_backdated_action(make_agreement(legal_force="binding", visibility="restricted"))

    page = signed_in(users[role]).get(f"{PAGE}?rule=effect_before_act")

    expected = {action, hidden} if role == "administrator" else {action}
    assert findings_on(page) == {("effect_before_act", row) for row in expected}
    assert f'href="{change(action)}"' in page.content.decode()


def test_a_record_without_a_title_is_linked_by_its_key(analyst, signed_in):
    source = make_source()

    page = signed_in(analyst).get(f"{PAGE}?rule=source_without_title")

    assert f'<a href="{change(source)}">{source.slug}</a>' in page.content.decode()


def test_a_record_without_a_title_is_named_by_the_records_that_it_links(analyst, signed_in):
    action = make_backdated_action(make_agreement(slug="pact", title="Pact on ports", legal_force="binding"))

    page = signed_in(analyst).get(f"{PAGE}?rule=effect_before_act")

    (line,) = page.context["findings"]
    assert line.record_title == f"{action}, Pact on ports"
    assert "pact" not in line.record_title


def test_the_name_of_a_citation_has_the_label_of_the_field_and_names_the_record_and_the_source(analyst, signed_in):
    agreement, source = make_agreement(title="Pact"), make_source(title="Report on the Pact")
    with change_context():
        for target in ({"agreement": agreement}, {"component": make_component(agreement, title="Ports")}):
            Citation.objects.create(source=source, field="due_on" if "component" in target else "in_force_on", **target)

    page = signed_in(analyst).get(f"{PAGE}?rule=citation_without_quote")

    assert [line.record_title for line in page.context["findings"]] == [
        "Entry into force of Pact: supported by Report on the Pact",
        "Due date of Ports: supported by Report on the Pact",
    ]


def test_the_name_of_a_citation_does_not_reveal_a_hidden_source(reader, administrator, signed_in):
    source = make_source(title="Secret paper", slug="secret", visibility="restricted")
    with change_context():
        Citation.objects.create(source=source, agreement=make_agreement(title="Pact"), field="title")

    for user, shown in ((administrator, True), (reader, False)):
        page = signed_in(user).get(f"{PAGE}?rule=citation_without_quote").content.decode()
        assert ("Secret paper" in page) == shown
        assert ("secret" in page.lower()) == shown


@pytest.mark.parametrize(("role", "may_fix"), [("reader", False), ("party officer", False), ("analyst", True), ("reviewer", True)])
def test_only_users_who_may_change_the_records_see_how_to_fix_a_finding(role, may_fix, users, signed_in):
    make_backdated_action(make_agreement(legal_force="binding"))
    client, fix = signed_in(users[role]), str(engine.RULES["effect_before_act"].remedy)

    for query in ("", "?rule=effect_before_act"):
        assert (fix in client.get(PAGE + query).content.decode()) == may_fix


def test_without_records_the_page_says_so(administrator, signed_in):
    client = signed_in(administrator)

    empty = client.get(PAGE).context["is_empty"]
    make_agreement()

    assert empty
    assert not client.get(PAGE).context["is_empty"]


def test_without_records_only_who_may_add_them_has_a_link_to_the_first_form(analyst, reader, signed_in):
    pages = [signed_in(user).get(PAGE).text for user in (analyst, reader)]

    assert [f'href="{add(Party)}"' in page for page in pages] == [True, False]


def test_an_anonymous_user_is_redirected_to_the_login(client, db):
    assert client.get(PAGE).status_code == 302


def test_the_menu_links_to_the_page(reader, signed_in):
    content = signed_in(reader).get("/admin/").content.decode()

    assert f'href="{PAGE}"' in content


def test_the_number_of_each_rule_matches_its_list(analyst, signed_in):
    client, agreement = signed_in(analyst), make_agreement(legal_force="binding")
    for party in ("CZE", "SVK"):
        make_backdated_action(agreement, party)

    rules = client.get(PAGE).context["rules"]

    lines = [*rules["with_findings"], *rules["without_findings"]]
    numbers = {line.rule.id: line.count for line in lines}
    assert set(numbers) == {rule.id for rule in engine.RULES.values() if not rule.slow}
    assert numbers["effect_before_act"] == 2
    for line in lines:
        page = client.get(PAGE + line.url)
        assert page.context["count"] == line.count == len(page.context["findings"]), line.rule.id


def test_findings_are_filtered_by_rule_severity_and_agreement(analyst, signed_in):
    client, agreement, other = (
        signed_in(analyst),
        make_agreement(slug="treaty", legal_force="binding"),
        make_agreement(legal_force="binding"),
    )
    action, another = make_backdated_action(agreement), make_backdated_action(other)
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
        assert {record for _, record in findings_on(client.get(f"{PAGE}?{query}"))} == expected, query
    warnings = client.get(f"{PAGE}?severity=warning").context
    rules = warnings["rules"]
    assert {line.finding.rule.severity for line in warnings["findings"]} == {"warning"}
    assert {line.rule.severity for line in [*rules["with_findings"], *rules["without_findings"]]} == {"warning"}


def test_findings_are_paginated(analyst, signed_in, monkeypatch):
    monkeypatch.setattr("agreements.admin.checks.PAGE_SIZE", 2)
    client, agreement = signed_in(analyst), make_agreement(legal_force="binding")
    actions = {make_backdated_action(agreement, f"X{i}") for i in range(5)}

    first = client.get(f"{PAGE}?rule=effect_before_act")
    second = client.get(PAGE + first.context["next"])
    third = client.get(PAGE + second.context["next"])
    back = client.get(PAGE + second.context["previous"])

    assert [len(page.context["findings"]) for page in (first, second, third)] == [2, 2, 1]
    assert {record for page in (first, second, third) for _, record in findings_on(page)} == actions
    assert findings_on(back) == findings_on(first)
    assert first.context["count"] == 5
    assert "next" not in third.context


@pytest.mark.parametrize("query", ["rule=none", "severity=very", "agreement=nobody", "agreement=999999999", "agreement=%00"])
def test_an_invalid_filter_value_is_reported(query, analyst, signed_in):
    page = signed_in(analyst).get(f"{PAGE}?{query}")

    assert page.status_code == 200
    assert page.context["form"].errors
    assert 'role="alert"' in page.content.decode()
    assert "findings" not in page.context


def test_a_hidden_agreement_is_an_invalid_filter_value(analyst, signed_in):
    hidden = make_agreement(slug="hidden", visibility="restricted", title="Hidden text")

    for key in (hidden.pk, hidden.slug):
        page = signed_in(analyst).get(f"{PAGE}?agreement={key}")
        assert "findings" not in page.context
        assert b"Hidden text" not in page.content


def test_an_invalid_cursor_shows_the_first_page(analyst, signed_in):
    page = signed_in(analyst).get(f"{PAGE}?cursor=zzz")

    assert page.status_code == 200
    assert page.context["cursor_error"]


def test_the_number_of_queries_does_not_depend_on_the_findings(analyst, signed_in):
    client, costs = signed_in(analyst), []

    for count in (60, 61, 120):  # more than a page; the first request also fills caches of Django
        for i in range(count):
            make_backdated_action(make_agreement(legal_force="binding"), f"Y{count}-{i}")
        costs.append(count_queries(client.get, PAGE))

    assert costs[1] == costs[2] <= 8 * len([check for rule in engine.RULES.values() for check in rule.checks])


def test_the_findings_of_a_rule_are_counted_among_a_limited_number_of_candidates(analyst, signed_in, monkeypatch):
    monkeypatch.setattr("agreements.admin.checks.COUNTED", 2)
    for party in ("CZE", "SVK", "POL"):
        make_backdated_action(make_agreement(legal_force="binding"), party)
    for name in ("Bohemia", "Moravia", "Silesia"):
        Party.objects.create(code=name.lower(), name=name, kind="state")  # candidates of a rule that Python decides

    page = signed_in(analyst).get(PAGE)

    lines = {line.rule.id: line for lines in page.context["rules"].values() for line in lines}
    assert (lines["effect_before_act"].count, lines["effect_before_act"].more) == (2, True)
    assert (lines["near_duplicate_parties"].count, lines["near_duplicate_parties"].more) == (0, True)
    assert page.context["more"]


def test_statements_that_are_compiled_once_show_each_user_the_own_findings(db, signed_in):
    teams = {name: make_agreement(legal_force="binding", visibility="restricted") for name in ("one", "two")}
    actions = {name: make_backdated_action(agreement) for name, agreement in teams.items()}
    for name, agreement in teams.items():
        agreement.team.add(make_user(name, "analyst"))

    for name in teams:
        page = signed_in(User.objects.get(username=name)).get(PAGE)
        assert {record for rule, record in findings_on(page) if rule == "effect_before_act"} == {actions[name]}
