"""The feed of changes: its entries, filters and permissions."""

from datetime import date, timedelta
from types import SimpleNamespace
from urllib.parse import quote

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.dateparse import parse_datetime

from agreements.models import Agreement, Citation, PartyOfficer
from policytracker.models import User
from policytracker.records.context import change_context
from recommendations.models import Addressee, Dependency, Evidence, Milestone, Recommendation
from recommendations.progress import Report, report_progress, void
from tests.api.client import Api
from tests.api.world import make_world
from tests.conftest import make_user
from tests.make import make_agreement, make_component, make_indicator, make_measurement, make_outcome, make_recommendation, make_source

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("story")]
ENTRY = {"uid", "at", "user", "operation", "reason", "channel", "resource", "key", "url", "agreements", "line", "changes"}
ROLES = ["reader", "party officer", "analyst", "reviewer", "administrator"]


def write_story() -> SimpleNamespace:
    """A committed world with changes of every kind; each step is one transaction."""
    people = {role: make_user(f"a {role}", role) for role in ROLES}
    people["gone"] = make_user("gone", "analyst")
    w = make_world()
    PartyOfficer.objects.create(user=people["party officer"], party=w.aus)
    analyst, reviewer = people["analyst"], people["reviewer"]
    w.secret = make_agreement(slug="secret", visibility="restricted", title="Secret title")
    w.secret_source = make_source(slug="secret-source", visibility="restricted")
    with change_context(analyst, "both at once", "api"):
        Agreement.objects.filter(pk=w.aukus.pk).update(title="AUKUS pact", lead=analyst)
        w.aukus.sectors.set([w.water])
    with change_context(people["administrator"], "hidden link", "api"):
        w.act.agreements.set([w.aukus, w.secret])
    with change_context(people["administrator"], "hidden words", "api"):
        Recommendation.objects.filter(pk=w.act.pk).update(source=w.secret_source, quote="covert words", priority="high")
    with change_context(analyst, "first", "api"):
        Recommendation.objects.filter(pk=w.later.pk).update(due_on="2027")
    with change_context(analyst, "The *minister* postponed it", "api"):
        Recommendation.objects.filter(pk=w.later.pk).update(due_on="2028-06")
    draft = make_agreement(slug="draft", publication="draft", title="Draft title")
    with change_context(analyst, "", "api"):
        draft.delete()
    kinds = [
        Citation.objects.create(source=w.gazette, outcome=w.outcome),
        measurement := make_measurement(indicator := make_indicator(outcome := make_outcome(w.aukus, slug="gone-outcome"))),
        indicator,
        outcome,
        make_component(w.aukus, slug="gone-part", publication="draft"),
        milestone := Milestone.objects.create(recommendation=w.act, title="Keel"),
        Addressee.objects.create(recommendation=w.act, party=w.gbr),
        Dependency.objects.create(recommendation=w.later, depends_on=w.act),
    ]
    assert measurement and milestone
    recommendation = make_recommendation(w.aukus, slug="gone-act", publication="draft")
    w.deleted = [*kinds, recommendation]
    w.deleted_keys = {str(getattr(record, record.key)) for record in w.deleted}
    with change_context(people["gone"], "not needed", "api"):
        for record in w.deleted:
            record.delete()
    people["gone"].delete()
    source = make_source(slug="report", title="Report *one*")
    evidence = [{"source": source, "quote": "It is done."}]
    del evidence
    update = report_progress(
        w.later,
        Report(status="in_progress", narrative="Begun.", evidence=[Evidence(source=source, quote="It is <done>.")]),
        by=analyst,
        today=date(2026, 1, 5),
    )
    void(update, by=reviewer, reason="wrong one")
    w.people = people
    return w


@pytest.fixture(scope="module")
def committed_story(committed_once_per_module):
    return committed_once_per_module(write_story)


@pytest.fixture
def story(committed_story, db):
    return committed_story


def api(role):
    return Api(None if role == "anonymous" else User.objects.get(username=f"a {role}"))


def feed(role="administrator", size=500, **parameters):
    """All entries of the feed, by following `next`."""
    client, found = api(role), []
    link = f"changes/?page_size={size}" + "".join(f"&{name}={quote(str(value))}" for name, value in parameters.items())
    while link:
        response = client.get(link)
        assert response.status_code == 200, response.content
        answer = response.json()
        assert set(answer) == {"results", "next", "cursor"}
        found += answer["results"]
        link = answer["next"]
    return found


def short(entries):
    return [(entry["resource"], entry["key"], entry["operation"]) for entry in entries]


def test_an_entry_has_the_documented_fields_and_the_order_is_oldest_first():
    entries = feed()

    assert all(set(entry) == ENTRY for entry in entries)
    assert [entry["at"] for entry in entries] == sorted(entry["at"] for entry in entries)
    assert len({entry["uid"] for entry in entries}) == len(entries)
    [entry] = [entry for entry in entries if entry["reason"] == "both at once"]
    assert {name: value for name, value in entry.items() if name not in ("uid", "at", "line")} == {
        "user": "a analyst", "operation": "update", "reason": "both at once", "channel": "api", "resource": "agreements", "key": "aukus",
        "url": "https://testserver/api/v1/agreements/aukus/", "agreements": ["aukus"],
        "changes": {
            "title": {"before": "AUKUS", "after": "AUKUS pact"}, "lead": {"before": None, "after": "a analyst"},
            "sectors": {"before": [], "after": ["water"]},
        },
    }  # fmt: skip
    assert entry == {**entry, **{k: v for k, v in api("administrator").get("agreements/aukus/history/").json()["results"][0].items() if k != "version"}}


def test_every_version_of_every_record_is_one_entry(story):
    entries = feed(resource="recommendations")

    history = {key: api("administrator").get(f"recommendations/{key}/history/").json()["results"] for key in ("act", "later")}
    for key, expected in history.items():
        assert [entry["uid"] for entry in entries if entry["key"] == key] == [entry["uid"] for entry in reversed(expected)]


@pytest.mark.parametrize("size", [1, 7])
@pytest.mark.parametrize("role", ["reader", "administrator"])
def test_pages_together_are_the_feed(role, size):
    assert feed(role, size=size) == feed(role)


def test_the_cursor_continues_where_the_page_ended():
    first = api("analyst").get("changes/?page_size=500").json()
    part = api("analyst").get("changes/?page_size=5").json()

    assert first["next"] is None and part["next"] is not None
    assert api("analyst").get(f"changes/?cursor={first['cursor']}").json() == {"results": [], "next": None, "cursor": first["cursor"]}
    assert api("analyst").get(f"changes/?page_size=500&cursor={part['cursor']}").json()["results"] == first["results"][5:]


def test_since_is_inclusive_and_until_exclusive(story):
    entries = feed()
    times = [entry["at"] for entry in entries]
    middle = times[len(times) // 2]

    assert [entry["at"] for entry in feed(since=middle)] == [time for time in times if time >= middle]
    assert [entry["at"] for entry in feed(until=middle)] == [time for time in times if time < middle]
    assert feed(since=middle, until=middle) == []


def test_a_date_means_its_beginning():
    entries = feed()
    first, last = (parse_datetime(entries[index]["at"]).date() for index in (0, -1))

    assert feed(since=first.isoformat()) == entries
    assert feed(until=first.isoformat()) == []
    assert feed(since=(last + timedelta(days=1)).isoformat()) == []
    assert feed(until=(last + timedelta(days=1)).isoformat(), size=3) == entries


def test_a_period_in_the_past_is_found_by_its_transactions(story):
    """`since` and `until` skip changes that are far outside the period, without losing any inside."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE policytracker_change SET at = at - interval '30 days' WHERE id <= (SELECT min(id) + 10 FROM policytracker_change)")
    entries = feed()
    boundary = (parse_datetime(entries[-1]["at"]) - timedelta(days=2)).isoformat()

    assert feed(since=boundary) == [entry for entry in entries if parse_datetime(entry["at"]) >= parse_datetime(boundary)]
    assert feed(until=boundary) == [entry for entry in entries if parse_datetime(entry["at"]) < parse_datetime(boundary)]
    assert 0 < len(feed(until=boundary)) < len(entries)


def test_changes_are_filtered_by_agreement_also_after_deletion(story):
    entries = feed(agreement="aukus")

    assert entries == [entry for entry in feed() if "aukus" in entry["agreements"]]
    assert {entry["resource"] for entry in entries} >= {
        "agreements", "components", "participations", "treaty-actions", "entry-into-force-conditions", "commitments", "outcomes",
        "indicators", "measurements", "fact-checks", "citations", "recommendations", "addressees", "milestones", "dependencies",
        "agreement-relations",
    }  # fmt: skip
    assert {entry["key"] for entry in entries if entry["operation"] == "delete"} == story.deleted_keys
    assert feed(agreement="secret") == [entry for entry in feed() if "secret" in entry["agreements"]]


def test_changes_are_filtered_by_resource_and_user(story):
    everything = feed()

    assert feed(resource="citations") == [entry for entry in everything if entry["resource"] == "citations"]
    assert feed(user="a analyst") == [entry for entry in everything if entry["user"] == "a analyst"]
    assert feed(user="a analyst", resource="agreements", agreement="aukus") == [e for e in everything if e["reason"] == "both at once"]


def test_a_removed_user_stays_named(story):
    entries = feed("reader", user="gone")

    assert entries and {entry["user"] for entry in entries} == {"gone"}
    assert all("gone" in entry["line"] for entry in entries)


@pytest.mark.parametrize(
    "query",
    [
        "since=yesterday", "since=2026-02-30", "since=2026-01-01T00:00:00", "until=", "since=2026-01-01&since=2026-01-02",
        "agreement=nothing", "agreement=aukus&agreement=quad", "agreement=", "agreement=%00", "user=nobody", "user=%00", "user=",
        "user=a%20analyst&user=a%20reader", "resource=evidence", "resource=parties&resource=sectors", "cursor=x", "cursor=a&cursor=b",
        "page_size=0", "page_size=501", "page_size=x", "page_size=1&page_size=2", "format=csv", "format=md&format=md", "unknown=1",
    ],
)  # fmt: skip
def test_invalid_parameters_are_400(query):
    response = api("administrator").get(f"changes/?{query}")

    assert response.status_code == 400
    assert list(response.json()) == [query.split("=")[0] if not query.startswith("format=md&") else "format"]


def test_a_cursor_of_another_list_is_400():
    other = api("administrator").get("parties/?page_size=1").json()["next"].split("cursor=")[1]

    assert api("administrator").get(f"changes/?cursor={other}").status_code == 400


def test_times_at_the_ends_of_the_calendar_are_answered():
    assert feed(since="0001-01-02") == feed()
    assert feed(since="9999-12-30") == []
    assert feed(until="0001-01-02") == []


def test_an_agreement_that_the_reader_may_not_read_is_unknown():
    assert api("reader").get("changes/?agreement=secret").status_code == 400
    assert api("reader").get("changes/?agreement=draft").status_code == 400


def test_anonymous_users_see_no_people(settings):
    assert Api().get("changes/").status_code == 401
    settings.PUBLIC_READ = True

    text = Api().get("changes/?page_size=500").content.decode()

    assert "a analyst" not in text and "gone" not in text.replace("gone-", "")
    assert {entry["user"] for entry in feed("anonymous")} == {None}
    assert Api().get("changes/?user=gone").status_code == 400


def test_hidden_references_and_words_are_not_in_the_changes():
    for role in ("reader", "party officer", "analyst", "reviewer"):
        entries = feed(role)
        text = str(entries)
        assert "secret" not in text.lower() and "covert" not in text, role
        assert "hidden link" not in text, role
        assert [entry["changes"] for entry in entries if entry["reason"] == "hidden words"] == [
            {"priority": {"before": "unset", "after": "high"}}
        ]
    assert "covert words" in str(feed()) and "hidden link" in str(feed())
    assert ["aukus", "secret"] in [entry["agreements"] for entry in feed()]


@pytest.mark.parametrize(("role", "sees"), [("reader", False), ("party officer", False), ("analyst", True), ("reviewer", True), ("administrator", True)])
def test_a_deletion_is_shown_to_readers_who_could_read_the_record(role, sees):
    entries = short(feed(role))

    assert (("agreements", "draft", "delete") in entries) == sees
    assert (("agreements", "draft", "create") in entries) == sees
    assert (("recommendations", "gone-act", "delete") in entries) == (sees or role == "party officer")
    assert ("outcomes", "gone-outcome", "delete") in entries


def test_records_that_were_hidden_since_are_not_in_the_feed():
    assert "quad" in str(short(feed("reader")))
    with connection.cursor() as cursor:  # without a change of its own, because this test is not committed
        cursor.execute("ALTER TABLE agreements_agreement DISABLE TRIGGER USER; UPDATE agreements_agreement SET visibility = 'restricted' WHERE slug = 'quad'")

    assert ("agreements", "quad", "create") not in short(feed("reader"))
    assert "quad" in str(short(feed()))


def kinds_of_queries(role, address):
    """The number of queries of a request, without cached roles and without the savepoint that replaces the request's transaction."""
    client = api(role)
    with CaptureQueriesContext(connection) as captured:
        response = client.get(address)
    assert response.status_code == 200, response.content
    return sum("SAVEPOINT" not in query["sql"] for query in captured)


@pytest.mark.parametrize(("role", "expected"), [("administrator", 0), ("reader", 0)])
def test_the_number_of_queries_does_not_depend_on_the_number_of_changes(role, expected, story):
    address = "changes/?page_size={}&resource=recommendations"
    few, many = (kinds_of_queries(role, address.format(size)) for size in (2, 5))

    assert (few, many) == (expected, expected)
