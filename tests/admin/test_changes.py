"""The page *Changes*: one line for each action, filters, the memo, and what a reader may not see."""

import re
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import pytest
from django.urls import reverse

from agreements.models import Party
from policytracker.accounts.models import User
from policytracker.records.context import change_context
from recommendations.models import Recommendation
from recommendations.progress import EvidenceRow, Report, report_progress
from tests.admin.page import change, changes
from tests.conftest import make_user
from tests.make import make_agreement, make_party, make_recommendation, make_source
from tests.queries import captured_queries

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("story")]
PAGE, MEMO = "/admin/changes/", "/admin/changes/memo/"
TODAY = datetime.now(UTC).date()
ROLES = ["reader", "party officer", "analyst", "reviewer", "administrator"]


def name_of(role: str) -> str:
    return f"a-{role.replace(' ', '-')}"


def write_story() -> SimpleNamespace:
    """Actions of several users, each committed by itself."""
    people = {role: make_user(name_of(role), role) for role in ROLES}
    analyst, reviewer = people["analyst"], people["reviewer"]
    with change_context(analyst, "typed in", "admin"):
        pact, other = make_agreement(slug="pact", title="Harbour Pact"), make_agreement(slug="other")
        recommendations = [make_recommendation(pact, slug=f"rec-{number}", key_action=f"Build hub {number}") for number in range(12)]
    with change_context(analyst, "spring cleaning of the list", "admin"):
        for recommendation in recommendations:
            recommendation.priority = "low"
            recommendation.save()
    with change_context(people["administrator"], "", "import"):
        parties = [make_party(f"P{number:02}") for number in range(60)]
    with change_context(reviewer, "A title", "api"):
        other.title = "Other pact"
        other.save()
    with change_context(reviewer, "not for readers", "admin"):
        hidden = make_agreement(slug="hidden", title="Hidden pact", publication="draft")
    with change_context(analyst, "", "admin"):
        report = Report(status="in_progress", narrative="Begun.", reported_on=date(2026, 1, 5), evidence=(EvidenceRow(make_source()),))
        report_progress(recommendations[0], report, by=analyst, today=TODAY)
    return SimpleNamespace(people=people, pact=pact, recommendations=recommendations, parties=parties, hidden=hidden, other=other)


@pytest.fixture(scope="module")
def committed_story(committed_once_per_module):
    return committed_once_per_module(write_story)


@pytest.fixture
def story(committed_story, db):
    return committed_story


@pytest.fixture
def page(story, signed_in):
    """A function that opens the page *Changes* as a user of this role."""

    def opened(role: str = "analyst", address: str = PAGE, **query: str):
        return signed_in(User.objects.get(username=name_of(role))).get(address, query)

    return opened


def reasons(response) -> list[str]:
    return [line.reason for line in response.context["actions"]]


def test_each_action_of_a_user_is_one_line_and_the_newest_is_first(page, story):
    newest, draft, titled, imported, cleaned, entered = page("administrator").context["actions"]

    assert [(line.user, str(line.channel)) for line in (titled, imported, cleaned)] == [
        ("a-reviewer", "API"),
        ("a-administrator", "Import"),
        ("a-analyst", "Desk"),
    ]
    assert cleaned.summary == "Changed: 12 recommendations (priority)"
    assert (cleaned.number, len(cleaned.changes), cleaned.reason) == (12, 12, "spring cleaning of the list")
    assert cleaned.changes[0].fields == [("Priority", "Low")]
    assert cleaned.changes[0].url == change(story.recommendations[0])
    assert (imported.summary, imported.number) == ("Created: 60 parties", 60)
    assert entered.summary.startswith("Created: 2 agreements · Created: 12 recommendations")
    assert "Build hub 0" in newest.summary
    assert (draft.reason, titled.changes[0].title) == ("not for readers", "Other pact")


def test_a_line_with_several_changes_opens_and_times_are_in_minutes(page):
    text = page().text

    (line,) = [part for part in text.split("<li>") if "Changed: 12 recommendations" in part]
    assert "<details>" in line and "<summary>" in line
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d<", text)
    assert not re.search(r"\d\d:\d\d:\d\d", text)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"user": "a-reviewer"}, ["not for readers", "A title"]),
        ({"channel": "api"}, ["A title"]),
        ({"channel": "import"}, [""]),
        ({"reason": "SPRING"}, ["spring cleaning of the list"]),
        ({"reason": "100%"}, []),
        ({"resource": "parties"}, [""]),
        ({"agreement": "other"}, ["A title", "typed in"]),
        ({"agreement": "pact", "user": "a-analyst", "reason": "list"}, ["spring cleaning of the list"]),
        ({"since": str(TODAY + timedelta(1))}, []),
        ({"until": str(TODAY - timedelta(1))}, []),
        ({"since": str(TODAY - timedelta(2)), "until": str(TODAY), "channel": "api"}, ["A title"]),
        ({"period": "dates", "since": str(TODAY - timedelta(2)), "channel": "api"}, ["A title"]),
        ({"period": "week", "channel": "api"}, ["A title"]),
        ({"period": "month", "channel": "api", "since": "9999-12-31"}, ["A title"]),
        ({"until": "9999-12-31", "channel": "api"}, ["A title"]),
    ],
)
def test_changes_are_filtered(query, expected, page):
    assert reasons(page(**query)) == expected


def test_an_agreement_is_found_by_its_id_too(page, story):
    assert reasons(page(agreement=str(story.other.pk))) == ["A title", "typed in"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"period": "yesterday"}, "period"),
        ({"since": "soon"}, "since"),
        ({"since": "2026-03-02", "until": "2026-03-01"}, "until"),
        ({"user": "nobody"}, "user"),
        ({"user": "a\0b"}, "user"),
        ({"resource": "evidence"}, "resource"),
        ({"channel": "letter"}, "channel"),
        ({"agreement": "nothing"}, "agreement"),
        ({"reason": "x" * 201}, "reason"),
        ({"reason": "x\0"}, "reason"),
    ],
)
def test_a_wrong_filter_is_refused_at_its_field_and_by_the_memo_too(query, field, page):
    refused = page(**query)
    memo = page("analyst", MEMO, **query)

    assert refused.status_code == 200
    assert list(refused.context["form"].errors) == [field]
    assert "actions" not in refused.context
    assert memo.status_code == 302 and memo.url.startswith(f"{PAGE}?")


def test_what_a_reader_may_not_read_is_in_no_line(page):
    response = page("reader")

    assert "not for readers" not in reasons(response)
    assert "Hidden pact" not in response.text
    assert reasons(page("reader", agreement="other")) == ["A title", "typed in"]
    assert list(page("reader", agreement="hidden").context["form"].errors) == ["agreement"]


@pytest.mark.parametrize(("role", "number", "more"), [("administrator", 60, False), ("reader", 50, True)])
def test_a_large_action_leads_to_a_page_with_all_its_changes(role, number, more, page):
    (line,) = page(role, channel="import").context["actions"]
    assert (line.number, line.more, len(line.changes)) == (number, more, 20)

    first = page(role, PAGE + line.url)
    second = page(role, PAGE + first.context["older"])

    assert [len(response.context["actions"][0].changes) for response in (first, second)] == [50, 10]
    assert second.context["older"] == ""


@pytest.mark.parametrize("action", ["", "x", "0-", "-1-5", "0-999999999", "99999999999-1", "0-1'", "0-٣"])
def test_an_action_that_does_not_exist_is_said(action, page):
    response = page(action=action)

    assert (response.status_code, response.context["actions"]) == (200, [])
    assert "no such action" in response.text


def test_older_changes_are_on_the_next_page(page, monkeypatch):
    expected = [line.url for line in page("administrator").context["actions"]]
    monkeypatch.setattr("policytracker.admin.changes.SHOWN_ACTIONS", 2)
    found, address = [], PAGE
    while address:
        response = page("administrator", address)
        found += [line.url for line in response.context["actions"]]
        address = response.context["older"] and PAGE + response.context["older"]

    assert found == expected
    assert "Invalid page link" in page(cursor="x").text


def test_older_changes_keep_the_filters(page, monkeypatch):
    monkeypatch.setattr("policytracker.admin.changes.SHOWN_ACTIONS", 1)

    first = page(user="a-reviewer")

    assert reasons(first) == ["not for readers"]
    assert reasons(page("analyst", PAGE + first.context["older"])) == ["A title"]


def test_changes_since_the_last_visit_are_those_since_the_login_before(page, story, signed_in):
    analyst = User.objects.get(username="a-analyst")
    first = page(period="visit")
    assert "first visit" in first.text and len(first.context["actions"]) == 6

    before = datetime.now(UTC) - timedelta(days=1)
    User.objects.filter(pk=analyst.pk).update(last_login=before)
    User.objects.filter(pk=analyst.pk).update(last_login=datetime.now(UTC))
    analyst.refresh_from_db()
    assert analyst.previous_login == before

    User.objects.filter(pk=analyst.pk).update(previous_login=datetime.now(UTC) + timedelta(minutes=1))
    client = signed_in(story.people["reader"])  # the login of another user changes nothing
    client.logout()
    User.objects.filter(pk=analyst.pk).update(first_name="Ann")  # nor does another change of the user
    analyst.refresh_from_db()
    assert analyst.previous_login > datetime.now(UTC)


def test_the_person_is_a_filter_for_readers_too_and_names_are_offered_to_editors_only(page):
    as_reader, as_analyst = page("reader", user="a-reviewer"), page("analyst")

    assert reasons(as_reader) == ["A title"]
    assert (as_reader.context["people"], "a-reviewer" in as_analyst.context["people"]) == ([], True)


def test_what_a_person_did_is_one_click_from_the_list_of_users(page):
    users = page("administrator", changes(User))

    assert f'href="{PAGE}?user=a-reviewer"' in users.text
    assert "What did this person do" in users.text


def test_the_memo_has_what_is_shown_and_leads_to_pages_of_the_desk(page, story):
    memo = page("analyst", MEMO, agreement="pact", reason="cleaning")

    text = memo.content.decode()
    assert memo["Content-Type"] == "text/markdown; charset=utf-8"
    assert memo["Content-Disposition"].startswith("attachment")
    assert text.count("priority") == 12 and "Build hub 3" in text
    assert f"(<http://testserver{change(story.recommendations[3])}>)" in text
    assert "/api/" not in text
    assert "contains “cleaning”" in text
    assert (
        f'{MEMO}?agreement={story.pk if hasattr(story, "pk") else story.pact.pk}&amp;reason=cleaning"'
        in page(agreement="pact", reason="cleaning").text
    )


def test_the_memo_of_a_reader_has_nothing_hidden(page):
    assert "Hidden pact" in page("analyst", MEMO).content.decode()
    assert "Hidden pact" not in page("reader", MEMO).content.decode()


def test_the_home_page_shows_the_newest_of_the_same_lines(page):
    home, whole = page(newest="1"), page()

    assert [line.url for line in home.context["actions"]] == [line.url for line in whole.context["actions"]]
    assert "form" not in home.context and "View more changes" in home.text
    assert 'data-load="/admin/changes/?newest=1"' in page("analyst", "/admin/").text


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("query", [{}, {"agreement": "pact"}, {"user": "a-analyst"}, {"newest": "1"}])
def test_the_page_takes_at_most_40_queries(role, query, signed_in):
    client = signed_in(User.objects.get(username=name_of(role)))

    with captured_queries() as queries:
        assert client.get(PAGE, query).status_code == 200

    assert len(queries) <= 40


def test_the_menu_leads_to_the_page(page):
    assert f'href="{reverse("recent_changes")}"' in page("reader", changes(Party)).text


def test_a_user_without_a_role_sees_no_changes(signed_in, django_user_model):
    client = signed_in(django_user_model.objects.create_user("no role", is_staff=True))

    assert [client.get(address).status_code in (302, 403) for address in (PAGE, MEMO)] == [True, True]


def test_the_names_of_records_that_were_removed_stay(page):
    with change_context(User.objects.get(username="a-analyst"), "removed", "admin"):
        Recommendation.objects.create(slug="short-lived", key_action="Short", publication="draft").delete()

    line = page().context["actions"][0]

    assert (line.changes[-1].title, line.changes[-1].url) == ("short-lived", "")
