"""The feed of changes: its entries, filters and permissions."""

import re
import shlex
from datetime import date, timedelta
from io import StringIO
from types import SimpleNamespace
from urllib.parse import quote

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils.dateparse import parse_datetime

from agreements.models import Agreement, Citation, Indicator, PartyOfficer
from policytracker.accounts.models import User
from policytracker.records.context import change_context
from recommendations.models import Addressee, Dependency, Milestone, Recommendation
from recommendations.progress import EvidenceRow, Report, report_progress, void
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
    indicator = make_indicator(outcome := make_outcome(w.aukus, slug="gone-outcome"))
    w.deleted = [
        Citation.objects.create(source=w.gazette, outcome=w.outcome),
        make_measurement(indicator),
        indicator,
        outcome,
        make_component(w.aukus, slug="gone-part", publication="draft"),
        Milestone.objects.create(recommendation=w.act, title="Keel"),
        Addressee.objects.create(recommendation=w.act, party=w.gbr),
        Dependency.objects.create(recommendation=w.act, depends_on=w.later),
        make_recommendation(w.aukus, slug="gone-act", publication="draft"),
    ]
    w.deleted_keys = {str(getattr(record, record.key)) for record in w.deleted}
    with change_context(people["gone"], "not needed", "api"):
        for record in w.deleted:
            record.delete()
    people["gone"].delete()
    source = make_source(slug="report", title="Report *one*")
    update = report_progress(
        w.later,
        Report(status="in_progress", narrative="Begun.", evidence=(EvidenceRow(source=source, quote="It is <done>."),)),
        by=analyst,
        today=date(2026, 1, 5),
    )
    void(update, by=reviewer, reason="wrong one")
    moved, indicator = make_recommendation(w.aukus, slug="moved-act"), make_indicator(make_outcome(w.aukus), slug="moved-indicator")
    elsewhere = make_outcome(w.quad)
    make_recommendation(w.secret, slug="once-hidden").agreements.set([w.secret, w.aukus])
    with change_context(people["administrator"], "left", "api"):
        moved.agreements.set([w.quad])
        Indicator.objects.filter(pk=indicator.pk).update(outcome=elsewhere)
        Recommendation.objects.get(slug="once-hidden").agreements.set([w.aukus])
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
    in_history = api("administrator").get("agreements/aukus/history/").json()["results"][0]
    assert {name: in_history[name] for name in in_history if name != "version"} == {
        name: entry[name] for name in entry if name in in_history
    }


def test_every_version_of_every_record_is_one_entry(story):
    entries = feed(resource="recommendations")

    history = {key: api("administrator").get(f"recommendations/{key}/history/").json()["results"] for key in ("act", "later")}
    for key, expected in history.items():
        assert [entry["uid"] for entry in entries if entry["key"] == key] == [entry["uid"] for entry in reversed(expected)]


@pytest.mark.parametrize(("role", "size"), [("administrator", 1), ("reader", 5)])
def test_pages_together_are_the_feed(role, size):
    assert feed(role, size=size) == feed(role)


def test_the_cursor_continues_where_the_page_ended():
    first = api("analyst").get("changes/?page_size=500").json()
    part = api("analyst").get("changes/?page_size=5").json()

    assert first["next"] is None and part["next"] is not None
    again = api("analyst").get(f"changes/?cursor={first['cursor']}").json()
    assert (again["results"], again["next"], again["cursor"] != "") == ([], None, True)
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
        cursor.execute(
            """UPDATE policytracker_change SET at = at - interval '30 days'
               WHERE id <= (SELECT min(id) + 10 FROM policytracker_change)"""
        )
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


def test_a_record_that_left_an_agreement_is_in_the_changes_of_both():
    for slug in ("aukus", "quad"):
        entries = [entry for entry in feed("reader", agreement=slug) if entry["reason"] == "left" and entry["key"].startswith("moved")]
        assert [(entry["key"], entry["agreements"]) for entry in entries] == [
            ("moved-act", ["aukus", "quad"]),
            ("moved-indicator", ["aukus", "quad"]),
        ]
        assert entries[0]["changes"] == {"agreements": {"before": ["aukus"], "after": ["quad"]}}


def test_a_record_that_left_a_hidden_agreement_does_not_name_it():
    entries = [entry for entry in feed() if entry["reason"] == "left" and entry["key"] == "once-hidden"]

    assert [entry["agreements"] for entry in entries] == [["aukus", "secret"]]
    assert entries[0] in feed(agreement="secret")
    assert "left" not in {entry["reason"] for entry in feed("reader") if entry["key"] == "once-hidden"}


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


@pytest.mark.parametrize(("role", "sees"), list(zip(ROLES, [False, False, True, True, True], strict=True)))
def test_a_deletion_is_shown_to_readers_who_could_read_the_record(role, sees):
    entries = short(feed(role))

    assert (("agreements", "draft", "delete") in entries) == sees
    assert (("agreements", "draft", "create") in entries) == sees
    assert (("recommendations", "gone-act", "delete") in entries) == (sees or role == "party officer")
    assert ("outcomes", "gone-outcome", "delete") in entries


def test_records_that_were_hidden_since_are_not_in_the_feed():
    assert "quad" in str(short(feed("reader")))
    with connection.cursor() as cursor:  # without a change of its own, because this test is not committed
        cursor.execute("ALTER TABLE agreements_agreement DISABLE TRIGGER USER")
        cursor.execute("UPDATE agreements_agreement SET visibility = 'restricted' WHERE slug = 'quad'")

    assert ("agreements", "quad", "create") not in short(feed("reader"))
    assert "quad" in str(short(feed()))


# ---- the memo


def memo(role="administrator", **parameters):
    response = api(role).get("changes/?format=md" + "".join(f"&{name}={quote(str(value))}" for name, value in parameters.items()))
    assert response.status_code == 200, response.content
    assert response["Content-Type"] == "text/markdown; charset=utf-8"
    return response.content.decode()


def section(text, title):
    """The lines of a section of the memo."""
    return text.partition(f"## {title}\n\n")[2].partition("\n\n## ")[0].splitlines()


def test_the_memo_says_what_happened_in_sections():
    text = memo()
    later, today = "[Later](<https://testserver/api/v1/recommendations/later/>)", feed()[0]["at"][:10]

    assert [line for line in text.splitlines() if line.startswith("#")] == [
        "# Changes", "## Status changes", "## Deadlines moved", "## New records", "## Withdrawn records", "## New evidence",
        "## Other changes",
    ]  # fmt: skip
    assert section(text, "Status changes") == [
        f"- Recommendation {later}: status changed from *Not assessed* to *In progress*. ({today}, a analyst)",
        f"- Recommendation {later}: status changed from *In progress* to *Not assessed*. ({today}, a reviewer) Reason: wrong one",
    ]
    assert section(text, "Deadlines moved")[-1] == (
        f"- Recommendation {later}: moved from 2027 to 2028-06. ({today}, a analyst) Reason: The \\*minister\\* postponed it"
    )
    withdrawn = section(text, "Withdrawn records")
    addressee = "Addressee United Kingdom (no response recorded), Act"
    assert f"- {addressee} was created and deleted. ({today}, gone) Reason: not needed" in withdrawn
    assert f"- Assessment (*In progress*) of {later} for 2026-01-05 was voided. ({today}, a reviewer) Reason: wrong one" in withdrawn
    assert section(text, "New evidence") == [
        "- [Communiqué](<https://testserver/api/v1/sources/communique/>) supports [AUKUS pact](<https://testserver/api/v1/agreements/aukus/>):"
        f" “words”. ({today})",
        f"- Assessment (*In progress*) of {later} for 2026-01-05, with evidence: "
        f"[Report \\*one\\*](<https://testserver/api/v1/sources/report/>): “It is &lt;done&gt;.”. ({today}, a analyst)",
    ]
    assert any("sectors: added water" in line for line in section(text, "Other changes"))


def test_the_memo_of_a_period_names_it_and_the_agreement(story):
    [entry] = [entry for entry in feed() if entry["reason"] == "both at once"]
    until = feed(agreement="aukus")[-1]["at"]

    text = memo(agreement="aukus", since=entry["at"], until="9999-01-01")

    assert text.startswith(f"# AUKUS pact: changes from {entry['at'][:16].replace('T', ' ')} UTC until 9999-01-01\n")
    assert "Participation" not in text and "title changed from AUKUS to AUKUS pact" in text
    assert memo(agreement="aukus", since=entry["at"], until=until) != text


def test_an_empty_period_says_so():
    assert memo(since="9999-01-01") == "# Changes from 9999-01-01\n\nNothing changed in this period.\n"


def test_a_memo_that_is_cut_links_to_the_rest():
    text = memo(page_size=3)

    assert "There are more changes: <https://testserver/api/v1/changes/?" in text
    link = text.partition("There are more changes: <")[2].partition(">")[0]
    assert "format=md" in link and api("administrator").get(link).status_code == 200


def test_the_memo_hides_what_the_reader_may_not_read():
    text = memo("reader")

    assert "ecret" not in text and "covert" not in text and "Draft title" not in text


def run(*arguments):
    output = StringIO()
    call_command("changes", *arguments, stdout=output)
    return output.getvalue()


def test_the_command_prints_the_memo_of_an_administrator():
    assert run() == memo().replace("https://testserver", "")
    assert run("--since", "2020-01-01", "--agreement", "aukus") == memo(since="2020-01-01", agreement="aukus").replace(
        "https://testserver", ""
    )


def test_the_documented_command_prints_a_memo():
    [line] = re.findall(r"^DEBUG=1 \.venv/bin/python manage\.py changes (.*)$", (settings.BASE_DIR / "docs/time.md").read_text(), re.M)

    assert run(*shlex.split(line)).startswith("# AUKUS pact: changes from 2026-01-01 until 2030-01-01\n\n## ")


@pytest.mark.parametrize(
    "arguments", [("--since", "yesterday"), ("--until", "2026-02-30"), ("--agreement", "nothing"), ("--agreement", "\0")]
)
def test_the_command_refuses_invalid_options(arguments):
    with pytest.raises(CommandError) as refused:
        run(*arguments)

    assert refused.value.returncode == 1
    assert str(refused.value).startswith(arguments[0])
