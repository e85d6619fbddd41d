"""The home page: queues, counts and deadlines."""

import json
from datetime import date, timedelta

import pytest
from django.conf import settings

from agreements.models import Party, PartyOfficer
from policytracker.accounts.models import User
from policytracker.records.changes import Change
from recommendations.models import Addressee, ProgressUpdate
from recommendations.progress import EvidenceRow, Report, report_progress, send_back
from tests.admin.page import add, messages_of, rows_in_list
from tests.make import make_agreement, make_component, make_party, make_recommendation, make_source
from tests.queries import count_queries

TODAY = date.today()


def make_work(analyst, reviewer):
    for days in (-400, -3, 2, 29, 31, 400):
        for owner in (analyst, None):
            make_recommendation(due_on=str(TODAY + timedelta(days)), owner=owner)
    evidence = (EvidenceRow(source=make_source()),)
    for owner in (analyst, reviewer):
        recommendation = make_recommendation(owner=owner)
        old = Report(status="in_progress", reported_on=TODAY - timedelta(100), narrative="Begun.")
        report_progress(recommendation, old, by=analyst, today=TODAY)
        ended = Report(status="implemented", narrative="Done.", evidence=evidence)
        update = report_progress(recommendation, ended, by=analyst, today=TODAY)
        report_progress(recommendation, ended, by=analyst, today=TODAY)
        send_back(update, by=reviewer, note="Who says so?")


def make_claims(officer, analyst):
    """Recommendations addressed to the party of the officer, with a claim that contradicts the assessment, and one in review."""
    for days in (-5, 5):
        recommendation = make_recommendation(make_agreement(), due_on=str(TODAY + timedelta(days)))
        Addressee.objects.create(recommendation=recommendation, party=officer.office.party)
    assessment = Report(status="in_progress", narrative="Begun.", reported_on=TODAY)
    report_progress(recommendation, assessment, by=analyst, today=TODAY)
    claim = Report(kind="claim", status="largely_implemented", party=officer.office.party, narrative="Nearly done.")
    report_progress(recommendation, claim, by=officer, today=TODAY)


def numbers_of(home, page) -> list[tuple[int, str]]:
    """Each number of the home page, and of the page that it loads last, with the list to which it links."""
    tiles = [(tile.count, tile.url) for queue in home["queues"] for tile in queue.tiles]
    parts = [(part.count, part.url) for part in page["statuses"].parts]
    for line in page["agreements"]:
        parts += [(line.statuses.total, line.list_url), *((part.count, part.url) for part in line.statuses.parts)]
    for _on, url, counts in page["trend"].rows:
        parts += [(sum(count for count, _url in counts), url), *(number for number in counts if number[1])]
    return tiles + parts


@pytest.mark.parametrize("role", ["reader", "party officer", "analyst", "reviewer", "administrator"])
def test_each_number_of_the_home_page_equals_its_list(role, users, signed_in):
    make_work(users["analyst"], users["reviewer"])
    make_claims(users["party officer"], users["analyst"])
    user = users[role]

    client = signed_in(user)
    numbers = numbers_of(client.get("/admin/").context, client.get("/admin/numbers/").context)

    assert len(numbers) >= 6 + 12
    for count, url in numbers:
        assert rows_in_list(url, user) == count, url


def test_the_queues_of_an_analyst(analyst, reviewer, signed_in):
    make_work(analyst, reviewer)

    home = signed_in(analyst).get("/admin/").context

    assert {queue.name: [tile.count for tile in queue.tiles] for queue in home["queues"]} == {
        "my-queue": [2, 2, 1, 7, 2],
        "team-queue": [2, 4, 4, 2, 14, 0, 6],
    }


def test_an_officer_sees_what_concerns_the_own_party(officer, analyst, signed_in):
    make_claims(officer, analyst)
    make_recommendation(due_on=str(TODAY - timedelta(5)))

    home = signed_in(officer).get("/admin/").context

    assert [(queue.name, [tile.count for tile in queue.tiles]) for queue in home["queues"]] == [("party-queue", [2, 2, 1, 1, 0, 1, 1, 0])]


@pytest.mark.parametrize(("role", "queue"), [("analyst", "team-queue"), ("reviewer", "my-queue"), ("administrator", "my-queue")])
def test_what_waits_for_review_is_in_the_queue_of_those_who_review_it(role, queue, users, signed_in):
    make_work(users["analyst"], users["reviewer"])

    queues = signed_in(users[role]).get("/admin/").context["queues"]

    assert [found.name for found in queues for tile in found.tiles if "review=submitted" in tile.url] == [queue]


def test_an_officer_without_a_party_is_told_whom_to_ask(officer, signed_in):
    make_recommendation()
    officer.office.delete()

    home = signed_in(User.objects.get(pk=officer.pk)).get("/admin/")

    assert home.context["queues"] == []
    assert "Your account has no party yet." in home.text


def test_the_number_of_data_findings_equals_the_page_of_data_checks(analyst, reviewer, signed_in):
    make_work(analyst, reviewer)
    client = signed_in(analyst)

    counted = client.get("/admin/checks/count/").json()

    assert counted == {"count": client.get("/admin/checks/").context["count"], "more": False}
    assert counted["count"] > 0


def test_the_numbers_show_the_share_that_is_not_assessed(analyst, reviewer, signed_in):
    make_work(analyst, reviewer)

    page = signed_in(analyst).get("/admin/numbers/")

    assert (page.context["statuses"].unknown.count, page.context["statuses"].total) == (12, 14)
    assert "12 of 14 (86 %)" in page.text


def test_the_home_page_loads_the_numbers_of_the_whole_register_last(analyst, reviewer, signed_in):
    make_work(analyst, reviewer)
    client = signed_in(analyst)

    home, page = client.get("/admin/"), client.get("/admin/numbers/")

    assert 'id="numbers" data-load="/admin/numbers/"' in home.text
    assert 'id="numbers"' in page.text
    assert "statuses" not in home.context and "trend" not in home.context


def test_the_numbers_need_a_role(django_user_model, signed_in):
    assert signed_in(django_user_model.objects.create_user("no role", is_staff=True)).get("/admin/numbers/").status_code in (302, 403)


def test_statuses_by_agreement_count_only_visible_agreements(reader, signed_in):
    shown, hidden = make_agreement(), make_agreement(publication="draft")
    make_recommendation(shown).agreements.add(hidden)
    make_recommendation(shown)

    page = signed_in(reader).get("/admin/numbers/").context

    assert [(line.title, line.statuses.total) for line in page["agreements"]] == [(str(shown), 2)]


def test_an_officer_sees_the_own_deadlines_first(officer, signed_in):
    day = lambda days: str(TODAY + timedelta(days))  # noqa: E731
    own, other = make_recommendation(key_action="Ours", due_on=day(9)), make_recommendation(key_action="Theirs", due_on=day(2))
    Addressee.objects.create(recommendation=own, party=officer.office.party)
    Addressee.objects.create(recommendation=other, party=make_party("JPN"))
    own.milestones.create(title="Site chosen", due_on=day(4))
    led = make_component(make_agreement(), title="Hub", due_on=day(5))
    led.lead_parties.add(officer.office.party)

    home = signed_in(officer).get("/admin/")

    assert [deadline.name for deadline in home.context["own_deadlines"]] == ["Site chosen", "Hub", "Ours"]
    assert [deadline.name for deadline in home.context["deadlines"]] == ["Theirs", "Site chosen", "Hub", "Ours"]
    assert home.text.index("Ours") < home.text.index("Theirs")


def test_what_is_late_has_a_colour_and_what_cannot_be_late_stands_beside_it(analyst, reviewer, signed_in):
    make_work(analyst, reviewer)

    queues = signed_in(analyst).get("/admin/").context["queues"]

    for queue in queues:
        late = [(tile.colour, tile.url.partition("?")[2]) for tile in queue.tiles if "owner=me" in tile.url or "owner" not in tile.url]
        colours = {colour for colour, query in late if "overdue=true" in query}
        assert colours == {"danger"}
        assert any("without=due_on" in query for _colour, query in late)
        assert any(colour == "unknown" and "freshness=stale" in query for colour, query in late)


def test_the_calendar_has_the_next_dates_of_all_kinds(reader, signed_in):
    day = lambda days: str(TODAY + timedelta(days))  # noqa: E731
    agreement = make_agreement(next_review_on=day(3), expires_on=day(5))
    make_component(agreement, title="Hub", due_on=day(2))
    make_component(agreement, title="Done", due_on=day(2), status="completed")
    recommendation = make_recommendation(agreement, key_action="Build", due_on=day(4))
    recommendation.milestones.create(title="Site chosen", due_on=day(1))
    recommendation.milestones.create(title="Reached", due_on=day(1), completed_on=day(0))
    make_recommendation(due_on=day(-1))

    deadlines = signed_in(reader).get("/admin/").context["deadlines"]

    assert [(deadline.on, str(deadline.kind), deadline.name) for deadline in deadlines] == [
        (day(1), "Milestone due", "Site chosen"),
        (day(2), "Component due", "Hub"),
        (day(3), "Agreement review", str(agreement)),
        (day(4), "Recommendation due", "Build"),
        (day(5), "Agreement expires", str(agreement)),
    ]


def test_a_partial_date_is_in_the_calendar_until_its_last_possible_day(reader, signed_in):
    make_agreement(next_review_on=str(TODAY.year))

    assert [deadline.on for deadline in signed_in(reader).get("/admin/").context["deadlines"]] == [str(TODAY.year)]


def test_hidden_records_are_not_on_the_home_page(reader, analyst, reviewer, signed_in):
    hidden = make_recommendation(publication="draft", due_on=str(TODAY + timedelta(5)), key_action="Not to be seen")
    hidden.milestones.create(title="Secret milestone", due_on=str(TODAY + timedelta(5)))
    recommendation = make_recommendation()
    ProgressUpdate.objects.create(recommendation=recommendation, kind="note", reported_on=TODAY, review="submitted", author=analyst)
    client = signed_in(reader)

    home, changes, numbers = (client.get(f"/admin/{path}") for path in ("", "changes/", "numbers/"))

    assert (numbers.context["statuses"].total, home.context["deadlines"], home.context["queues"]) == (1, [], [])
    assert [change.title for line in changes.context["actions"] for change in line.changes] == [str(recommendation)]
    assert hidden.slug not in changes.text


def test_a_recent_update_names_its_recommendation(analyst, signed_in):
    report = Report(status="in_progress", narrative="Begun.", reported_on=TODAY)
    report_progress(make_recommendation(key_action="Build"), report, by=analyst, today=TODAY)

    changes = [change for line in signed_in(analyst).get("/admin/changes/").context["actions"] for change in line.changes]

    assert [change.title.endswith("Build") for change in changes] == [True] * len(changes)
    assert {str(change.kind) for change in changes} == {"recommendation", "progress update"}


def test_an_empty_register_says_what_to_do_next(analyst, reader, signed_in):
    for_analyst, for_reader = (signed_in(user).get("/admin/").text for user in (analyst, reader))
    make_party("AUS")
    with_parties = signed_in(analyst).get("/admin/").text

    assert "Add party" in for_analyst
    assert "Add agreement" not in for_analyst
    assert "Add agreement" in with_parties
    assert "Add party" not in for_reader
    assert "Nothing is published yet" in for_reader


LOAD = "/admin/agreements/party/load/"


def test_states_and_territories_are_loaded_into_an_empty_register(analyst, signed_in):
    client = signed_in(analyst)
    offered = client.get("/admin/").text

    done = client.post(LOAD, follow=True)

    parties = {party["fields"]["code"] for party in json.loads((settings.BASE_DIR / "fixtures" / "parties.json").read_text())}
    assert "Load states and territories" in offered and LOAD in offered
    assert set(Party.objects.values_list("code", flat=True)) == parties
    assert str(len(parties)) in messages_of(done)
    assert Change.objects.latest("id").actor["user"] == "analyst"
    assert "Load states and territories" not in client.get("/admin/").text


def test_nothing_is_loaded_into_a_register_with_parties(analyst, signed_in):
    make_party("AUS")

    signed_in(analyst).post(LOAD)

    assert Party.objects.count() == 1


def test_only_editors_load_states_and_territories_by_the_button(reader, officer, analyst, signed_in):
    Party.objects.exclude(officers__user=officer).delete()

    assert [signed_in(user).post(LOAD).status_code for user in (reader, officer)] == [403, 403]
    assert signed_in(analyst).get(LOAD).status_code == 405


def test_only_who_may_add_users_is_asked_to_add_them_to_an_empty_register(administrator, analyst, signed_in):
    pages = [signed_in(user).get("/admin/").text for user in (administrator, analyst)]

    assert [f'href="{add(User)}"' in page for page in pages] == [True, False]


def test_an_officer_of_an_empty_register_reads_what_will_be_shown(officer, signed_in):
    client = signed_in(officer)

    with_party = client.get("/admin/").text
    PartyOfficer.objects.all().delete()
    without_party = client.get("/admin/").text

    assert f"What is addressed to {officer.office.party} will be shown here." in with_party
    assert "Your account has no party yet." in without_party


def test_an_account_that_lost_its_role_is_sent_to_the_login_page(reader, signed_in):
    client = signed_in(reader)
    reader.groups.clear()

    assert client.get("/admin/").status_code == 302


def test_the_number_of_queries_of_the_home_page_is_fixed(analyst, reviewer, signed_in):
    client, costs = signed_in(analyst), []
    client.get("/admin/")

    for _ in range(2):
        make_work(analyst, reviewer)
        costs.append(count_queries(client.get, "/admin/"))

    assert costs[0] == costs[1] <= 40
