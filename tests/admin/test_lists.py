"""Lists: what they show, what they hide, what they response, and what they cost."""

import re
import uuid
from collections import Counter
from datetime import date, timedelta

import pytest

from agreements.models import (
    Agreement,
    AgreementRelation,
    Citation,
    Commitment,
    Component,
    EntryIntoForceCondition,
    FactCheck,
    FocusArea,
    Measurement,
    Outcome,
    Participation,
    Party,
    Sector,
    Source,
)
from policytracker.accounts.models import Token
from policytracker.admin import rows
from policytracker.resources import registry
from recommendations.models import Addressee, Dependency, Evidence, Milestone, ProgressUpdate, Recommendation
from recommendations.progress import EvidenceRow, Report, approve, report_progress
from tests.admin.page import change, changes, rows_of, tab
from tests.make import (
    make_agreement,
    make_commitment,
    make_component,
    make_condition,
    make_indicator,
    make_measurement,
    make_outcome,
    make_party,
    make_recommendation,
    make_source,
)
from tests.queries import count_queries

TODAY = date.today()
LISTS = [Agreement, AgreementRelation, Citation, Component, FactCheck, FocusArea, Outcome, Participation, Party, Sector, Source]
LISTS += [Addressee, Dependency, Evidence, Milestone, ProgressUpdate, Recommendation]


def fill(start: int, stop: int, owner) -> None:
    """Create rows of every model, each with its own references."""
    for i in range(start, stop):
        party, source = make_party(f"P{i}", parent=make_party("AUS")), make_source(title=f"Source {i}")
        sector, area = Sector.objects.create(code=f"s{i}", name=f"S{i}"), FocusArea.objects.create(code=f"f{i}", name=f"F{i}")
        agreement = make_agreement(lead=owner)
        component = make_component(agreement)
        outcome = Outcome.objects.create(slug=f"o{i}", agreement=agreement, component=component, sector=sector, statement="More")
        Participation.objects.create(agreement=agreement, party=party, role="party", focus_area=area)
        AgreementRelation.objects.create(from_agreement=agreement, kind="complements", to_agreement=make_agreement())
        Citation.objects.create(source=source, outcome=outcome)
        FactCheck.objects.create(slug=f"c{i}", source=source, agreement=agreement, statement="So")
        recommendation = make_recommendation(agreement, owner=owner, source=source, focus_area=area, made_by=party)
        Addressee.objects.create(recommendation=recommendation, party=party)
        Milestone.objects.create(recommendation=recommendation, title="Half")
        Dependency.objects.create(recommendation=recommendation, depends_on=make_recommendation())
        update = ProgressUpdate.objects.create(
            recommendation=recommendation, kind="claim", status="planned", party=party, reported_on=TODAY, author=owner, review="submitted"
        )
        Evidence.objects.create(update=update, source=source)


@pytest.mark.parametrize("role", ["reader", "analyst"])
def test_the_number_of_queries_of_a_list_does_not_depend_on_its_length(role, users, signed_in):
    client = signed_in(users[role])
    fill(0, 3, users["analyst"])
    few = {model.__name__: count_queries(client.get, changes(model)) for model in LISTS}

    fill(3, 60, users["analyst"])
    many = {model.__name__: count_queries(client.get, changes(model)) for model in LISTS}

    assert many == few
    assert max(many.values()) <= 14


def full_agreement(count: int):
    agreement, source = make_agreement(), make_source()
    for i in range(count):
        Participation.objects.create(agreement=agreement, party=make_party(f"X{i}"), role="party")
        make_component(agreement)
        AgreementRelation.objects.create(from_agreement=agreement, kind="complements", to_agreement=make_agreement())
        AgreementRelation.objects.create(from_agreement=make_agreement(), kind="builds_on", to_agreement=agreement)
        Citation.objects.create(source=source, agreement=agreement, field=f"f{i}")
        FactCheck.objects.create(slug=f"fc-{agreement.pk}-{i}", source=source, agreement=agreement, statement="So")
    return agreement


def full_recommendation(count: int, author):
    recommendation = make_recommendation(make_agreement(), owner=author)
    for i in range(count):
        party = make_party(f"Y{i}")
        Addressee.objects.create(recommendation=recommendation, party=party)
        Milestone.objects.create(recommendation=recommendation, title="Half")
        Dependency.objects.create(recommendation=recommendation, depends_on=make_recommendation())
        fields = {"kind": "claim", "status": "planned", "party": party, "author": author, "review": "submitted"}
        update = ProgressUpdate.objects.create(recommendation=recommendation, reported_on=TODAY - timedelta(i), **fields)
        Evidence.objects.create(update=update, source=make_source())
    return recommendation


@pytest.mark.parametrize("role", ["reader", "analyst", "reviewer"])
def test_the_number_of_queries_of_a_page_does_not_depend_on_related_records(role, users, signed_in):
    client, analyst = signed_in(users[role]), users["analyst"]
    client.get(change(make_agreement())), client.get(change(make_recommendation()))

    agreements = [count_queries(client.get, change(full_agreement(count))) for count in (3, 60)]
    recommendations = [count_queries(client.get, change(full_recommendation(count, analyst))) for count in (3, 60)]

    assert agreements[0] == agreements[1] <= 65
    assert recommendations[0] == recommendations[1] <= 45


def test_a_list_has_the_name_of_its_records_as_title(reader, signed_in):
    page = signed_in(reader).get(changes(Recommendation)).text

    assert re.search(r"<title>\s*Recommendations \| Policy Tracker\s*</title>", page)


@pytest.mark.parametrize("query", ["", "?o=1"])
def test_a_list_is_in_the_order_of_the_names_that_people_read(query, analyst, signed_in):
    client = signed_in(analyst)
    last, first = make_agreement(slug="a", title="Treaty of York"), make_agreement(slug="c", title="Long title", short_title="aUKUS")
    middle = make_agreement(slug="b", title="Pact")
    components = [make_component(first, title=title) for title in ("Zinc", "arsenic", "Iron")]
    sources = [make_source(slug="x", publisher="Bank"), make_source(slug="z", title="A paper"), make_source(slug="a", title="C paper")]
    outcomes = [
        Outcome.objects.create(slug=slug, agreement=first, statement=statement) for slug, statement in (("a", "More"), ("b", "Less"))
    ]
    Participation.objects.bulk_create(
        Participation(agreement=agreement, party=make_party("NZL"), role="party") for agreement in (last, first, middle)
    )

    def shown(model):
        return list(client.get(changes(model, query)).context["cl"].result_list)

    assert shown(Agreement) == [first, middle, last]
    assert shown(Component) == [components[1], components[2], components[0]]
    assert shown(Source) == [sources[1], sources[0], sources[2]]
    if not query:  # these columns are not ordered
        assert shown(Outcome) == [outcomes[1], outcomes[0]]
        assert [participation.agreement for participation in shown(Participation)] == [first, middle, last]


def test_conditions_are_ordered_by_agreement_and_measurements_by_indicator_with_the_newest_first(analyst, signed_in):
    client = signed_in(analyst)
    conditions = [make_condition(make_agreement(title=title)) for title in ("Pact", "accord")]
    measured = [
        make_measurement(indicator, day)
        for indicator in (make_indicator(make_outcome(make_agreement()), name=name) for name in ("Ports", "berths"))
        for day in ("2020", "2024-05")
    ]

    assert list(client.get(changes(EntryIntoForceCondition)).context["cl"].result_list) == conditions[::-1]
    assert list(client.get(changes(Measurement)).context["cl"].result_list) == measured[::-1]


def test_commitments_without_a_date_come_last(analyst, signed_in):
    agreement, client = make_agreement(), signed_in(analyst)
    undated, old, new = (make_commitment(agreement, stated_on=day) for day in ("", "2020", "2024-05"))

    rows = client.get(changes(Commitment)).context["cl"].result_list
    (inline,) = client.get(tab(agreement, registry.of(Commitment).address)).context["inline_admin_formsets"]

    assert list(rows) == [form.instance for form in inline.formset.forms] == [new, old, undated]


def test_open_recommendations_come_first_and_then_by_due_date(analyst, reviewer, signed_in):
    closed, late, early, never = (make_recommendation(due_on=due_on) for due_on in ("2020-01-01", "2030", "2027-05", ""))
    report = Report(status="no_longer_applicable", narrative="Ended.", evidence=(EvidenceRow(source=make_source()),))
    approve(report_progress(closed, report, by=analyst, today=date.today()), by=reviewer, today=date.today())

    page = signed_in(analyst).get(changes(Recommendation))

    assert list(page.context["cl"].result_list) == [early, late, never, closed]


def test_the_rows_of_an_agreement_are_in_the_order_in_which_people_read_them(analyst, signed_in):
    agreement, client = make_agreement(), signed_in(analyst)
    components = [make_component(agreement, title=title, position=position) for title, position in (("A", None), ("B", 2), ("C", 1))]
    sources = [make_source(title=title) for title in ("Report", "Annex")]
    citations = [
        Citation.objects.create(source=sources[i], agreement=agreement, field=field) for i, field in ((0, ""), (1, "title"), (1, "kind"))
    ]

    (inline,) = client.get(tab(agreement, "components")).context["inline_admin_formsets"]
    assert [form.instance for form in inline.formset.forms] == components[::-1]
    assert client.get(tab(agreement, "citations")).context["citations"] == [citations[2], citations[1], citations[0]]


def test_hidden_records_are_in_no_list_search_or_page(reader, signed_in):
    client, seen = signed_in(reader), make_agreement(title="Seen framework")
    draft = make_agreement(title="Draft framework", publication="draft")
    restricted = make_agreement(title="Restricted framework", visibility="restricted")
    Participation.objects.create(agreement=draft, party=make_party("NZL"), role="party")

    assert rows_of(client.get(changes(Agreement))) == {seen}
    assert rows_of(client.get(changes(Agreement, "?q=framework"))) == {seen}
    assert not rows_of(client.get(changes(Participation)))
    for hidden in (draft, restricted):
        assert client.get(change(hidden)).status_code == 404
    wanted = {"app_label": "recommendations", "model_name": "recommendation", "field_name": "agreements", "term": "framework"}
    results = client.get("/admin/autocomplete/", wanted).json()["results"]
    assert [row["text"] for row in results] == ["Seen framework"]


def test_a_filter_by_a_hidden_record_reveals_nothing(analyst, signed_in):
    restricted = make_agreement(visibility="restricted")
    make_recommendation(restricted)
    client = signed_in(analyst)

    for value in (restricted.pk, restricted.slug, 999_999):
        assert client.get(changes(Recommendation, f"?agreement={value}")).status_code == 302
    assert client.get(changes(Recommendation, f"?agreements__id__exact={restricted.pk}")).status_code in (302, 400)


def test_a_hidden_reference_is_not_shown_in_columns(analyst, signed_in):
    hidden = make_source(title="A secret paper", visibility="restricted")
    recommendation = make_recommendation()
    update = ProgressUpdate.objects.create(recommendation=recommendation, kind="note", reported_on=TODAY, review="submitted", narrative="x")
    evidence = Evidence.objects.create(update=update, source=hidden, quote="word for word", locator="p. 99")
    client = signed_in(analyst)

    for address in (changes(Evidence), change(evidence), change(recommendation), change(update)):
        content = client.get(address).content.decode()
        assert "A secret paper" not in content, address
        assert "word for word" not in content, address
        assert "p. 99" not in content, address


@pytest.mark.parametrize(
    ("q", "found"), [("aukus", 2), ("australia", 1), ("aotearoa", 0), ("designs aukus", 1), ("aukus zealand", 1), ("covenant", 0)]
)
def test_recommendations_are_found_by_the_names_of_agreements_and_addressees(reader, signed_in, q, found):
    aukus, secret = (
        make_agreement(title="AUKUS partnership", publication="published"),
        make_agreement(title="Covenant", visibility="restricted"),
    )
    australia, zealand = make_party("AUS", name="Australia"), make_party("NZL", name="New Zealand")
    for agreement, party, action in [(aukus, australia, "Share designs"), (aukus, zealand, "Train crews"), (secret, zealand, "Keep")]:
        Addressee.objects.create(recommendation=make_recommendation(agreement, key_action=action), party=party)

    assert len(rows_of(signed_in(reader).get(changes(Recommendation, f"?q={q.replace(' ', '+')}")))) == found


@pytest.mark.parametrize(("q", "found"), [("dredgers", True), ("hub-plan", True), ("returned", False), ("ministry", False)])
def test_recommendations_are_found_by_their_key_and_by_narratives_that_the_user_may_read(reader, analyst, signed_in, q, found):
    recommendation = make_recommendation(slug="hub-plan-2030", key_action="Build")
    make_recommendation()
    report_progress(recommendation, Report(kind="note", narrative="The dredgers have left."), by=analyst, today=TODAY)
    draft = {"kind": "note", "reported_on": TODAY, "author": analyst, "narrative": "Returned: ask the ministry.", "review": "draft"}
    ProgressUpdate.objects.create(recommendation=recommendation, **draft)

    assert rows_of(signed_in(reader).get(changes(Recommendation, f"?q={q}"))) == ({recommendation} if found else set())


def test_a_list_is_searched_by_name_and_by_natural_key(analyst, signed_in):
    client, wanted = signed_in(analyst), make_agreement(slug="aukus", title="Enhanced trilateral security partnership")
    make_agreement()
    participation = Participation.objects.create(agreement=wanted, party=make_party("GBR", name="United Kingdom"), role="party")

    for words in ("aukus", "trilateral enhanced", '"security partnership"'):
        assert rows_of(client.get(changes(Agreement, f"?q={words}"))) == {wanted}, words
    for words in ("aukus", "kingdom", str(participation.uid)):
        assert rows_of(client.get(changes(Participation, f"?q={words}"))) == {participation}, words
    assert not rows_of(client.get(changes(Participation, f"?q={uuid.uuid4()}")))


def test_lists_use_the_filters_of_the_api(analyst, signed_in):
    client = signed_in(analyst)
    late = make_recommendation(due_on=str(TODAY - timedelta(1)), owner=analyst)
    soon = make_recommendation(due_on=str(TODAY + timedelta(9)))
    some_day = make_recommendation()

    expected_rows = {
        "overdue=true": {late},
        "due_within=30": {soon},
        "deadline_state=due_soon": {soon},
        "deadline_state=overdue&deadline_state=none": {late, some_day},
        "freshness=never": {late, soon, some_day},
        "open=true&without=due_on": {some_day},
        "without=owner": {soon, some_day},
        "owner=me": {late},
        "owner=none": {soon, some_day},
        "owner=analyst": {late},
    }
    for query, expected in expected_rows.items():
        assert rows_of(client.get(changes(Recommendation, f"?{query}"))) == expected, query


def test_invalid_parameters_cause_no_server_error(analyst, signed_in):
    client = signed_in(analyst)

    for query in ("due_within=x", "agreement=%00", "q=%00", "p=zzz", "owner=nobody-of-that-name", "status=very", "o=99", "e=1", "q='"):
        assert client.get(changes(Recommendation, f"?{query}"), follow=True).status_code in (200, 400), query


def test_a_long_list_is_counted_up_to_a_limit(analyst, signed_in, monkeypatch):
    monkeypatch.setattr("policytracker.admin.querysets.MAX_COUNT", 4)
    for _ in range(6):
        make_agreement()

    page = signed_in(analyst).get(changes(Agreement)).content.decode()

    assert "more than 4" in " ".join(page.split())


def test_the_headers_of_a_list_are_made_once(analyst, signed_in, monkeypatch):
    for _ in range(6):
        make_agreement()
    asked = Counter()
    label_for_field = rows.label_for_field
    monkeypatch.setattr(
        rows, "label_for_field", lambda name, *args, **kwargs: asked.update([name]) or label_for_field(name, *args, **kwargs)
    )

    assert len(rows_of(signed_in(analyst).get(changes(Agreement)))) == 6

    assert set(asked.values()) == {1}


def test_an_officer_filters_by_owners_of_readable_recommendations(officer, analyst, reviewer, signed_in):
    make_recommendation(owner=analyst)
    make_recommendation(owner=reviewer, visibility="restricted")

    offered = {
        user: str(owner.options(page.wsgi_request))
        for user in (officer, analyst)
        for page in [signed_in(user).get(changes(Recommendation))]
        for owner in page.context["cl"].filter_specs
        if owner.parameter_name == "owner"
    }

    assert analyst.username in offered[officer] and reviewer.username not in offered[officer]
    assert analyst.username in offered[analyst] and reviewer.username in offered[analyst]


# ---- a list on a past date


def test_a_list_of_a_past_date_shows_its_values_and_changes_nothing(analyst, signed_in):
    recommendation, client = make_recommendation(due_on=str(TODAY + timedelta(20))), signed_in(analyst)
    for days, status in ((100, "planned"), (10, "in_progress")):
        report = Report(status=status, narrative="As seen.", reported_on=TODAY - timedelta(days))
        report_progress(recommendation, report, by=analyst, today=TODAY)
    past = f"?on={TODAY - timedelta(50)}"

    page = client.get(changes(Recommendation, f"{past}&status=planned&freshness=fresh&deadline_state=upcoming"))
    client.post(
        changes(Recommendation, past),
        {"action": "bulk_edit", "_bulk_edit": "1", "_selected_action": [recommendation.pk], "priority": "high"},
    )

    assert [(row.status, row.deadline_state) for row in page.context["cl"].result_list] == [("planned", "upcoming")]
    assert str(TODAY - timedelta(50)) in [chip.value for chip in page.context["cl"].chips]
    assert page.context["action_form"] is None
    recommendation.refresh_from_db()
    assert recommendation.status == "in_progress"
    assert recommendation.priority != "high"


def test_the_form_of_a_record_ignores_the_date_of_a_list(analyst, signed_in):
    recommendation = make_recommendation()
    report_progress(recommendation, Report(status="planned", narrative="As seen."), by=analyst, today=TODAY)

    page = signed_in(analyst).get(f"{change(recommendation)}?on=2020-01-01")

    assert page.context["original"].status == "planned"


@pytest.mark.parametrize("date", ["yesterday", "2025-13-01", "0"])
def test_an_invalid_date_of_a_list_is_told(date, analyst, signed_in):
    response = signed_in(analyst).get(changes(Recommendation, f"?on={date}"))

    assert (response.status_code, response.url) == (302, changes(Recommendation, "?e=1"))


def test_an_empty_list_without_an_add_button_links_to_the_page_that_adds_its_records(administrator, reader, signed_in):
    make_recommendation()
    client, recommendations = signed_in(administrator), f'<p><a href="{changes(Recommendation)}">'

    assert recommendations in client.get(changes(ProgressUpdate)).text
    assert '<p><a href="/admin/account/">' in client.get(changes(Token)).text
    assert recommendations not in signed_in(reader).get(changes(ProgressUpdate)).text


def test_the_head_of_a_list_has_capitalised_labels_and_the_box_that_selects_all_rows(analyst, signed_in):
    make_recommendation(due_on="2031")

    page = signed_in(analyst).get(changes(Recommendation)).text

    assert 'id="action-toggle"' in page
    assert 'data-label="Due date"' in page
