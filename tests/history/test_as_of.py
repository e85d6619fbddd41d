"""`as_of`: the register at a past moment, in lists, details and reports, under the permissions of that time and of today."""

import csv
import io
import json
import re
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection, transaction
from django.db.utils import DatabaseError
from openpyxl import load_workbook

from agreements.models import Agreement, Component, Participation, PartyOfficer, Sector, Source
from policytracker.records.access import Role
from policytracker.records.context import change_context
from policytracker.resources import ReadContext
from policytracker.sql.moment import as_of, moment_read
from recommendations.models import Addressee, Recommendation
from recommendations.progress import Report, report_progress, void
from tests.api.client import Api
from tests.api.world import make_world
from tests.conftest import make_user
from tests.history.conftest import mark
from tests.make import change_with_reason, make_action, make_agreement, make_recommendation, make_source
from tests.queries import captured_queries, count_queries

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("story")]
ROLES = [Role.ADMINISTRATOR, Role.REVIEWER, Role.ANALYST, Role.OFFICER, Role.READER]


@pytest.fixture(scope="module")
def story(committed):
    """A register at the moment `then`, which has changed in every way since."""
    s = make_world()
    s.users = {role: make_user(role, role) for role in ROLES}
    PartyOfficer.objects.create(user=s.users[Role.OFFICER], party=s.aus)
    s.before_all = s.aukus.created_at - timedelta(seconds=1)
    draft = make_agreement(slug="draft", title="A draft", publication="draft")
    gone = make_recommendation(draft, slug="gone", key_action="Deleted", publication="draft")
    s.gone_addressee = Addressee.objects.create(recommendation=gone, party=s.gbr)
    secret = make_recommendation(slug="secret-when-deleted", publication="draft")
    s.act.sectors.set([s.energy])
    s.moved = Addressee.objects.create(recommendation=s.later, party=s.gbr, role="support")
    s.team = make_agreement(slug="team", visibility="restricted")
    s.team.team.set([s.users[Role.ANALYST]])
    report = {"narrative": "Yes.", "reported_on": date(2025, 1, 1)}
    s.update = report_progress(s.act, Report(status="in_progress", **report), by=s.users[Role.ANALYST], today=date.today())
    make_action(s.aukus, "signature", s.aus, acted_on="2021-09-15")
    s.leaflet = make_source(slug="leaflet", visibility="internal")
    Recommendation.objects.filter(pk=s.later.pk).update(source=s.leaflet, quote="A quote", locator="p. 3")
    s.then = mark()

    void(s.update, by=s.users[Role.REVIEWER], reason="Wrong.")
    report_progress(s.act, Report(status="stalled", **report), by=s.users[Role.ANALYST], today=date.today())
    Recommendation.objects.filter(pk=s.act.pk).update(key_action="Act at once", due_on="2031", quote="new")
    s.act.sectors.set([s.water])
    s.act.sectors.set([s.energy, s.water])
    s.later.agreements.set([s.quad])
    make_recommendation(slug="new")
    s.moved.recommendation = s.act
    s.moved.save()
    Agreement.objects.filter(pk=s.aukus.pk).update(title="AUKUS pact")
    make_action(s.aukus, "ratification", acted_on="2024-01-01")
    change_with_reason(Agreement.objects.filter(pk=s.quad.pk), visibility="restricted")
    change_with_reason(Source.objects.filter(pk=s.leaflet.pk), visibility="public")
    change_with_reason(Source.objects.filter(pk=s.leaflet.pk), visibility="internal")
    change_with_reason(Source.objects.filter(pk=s.leaflet.pk), visibility="public")
    s.team.team.set([])
    with change_context(reason="No longer needed."):
        s.gone_addressee.delete()
        gone.agreements.set([])
        gone.delete()
        draft.delete()
        change_with_reason(Recommendation.objects.filter(pk=secret.pk), visibility="restricted")
        secret.delete()
    s.late = mark()
    return s


def at(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()


@pytest.fixture
def api(story):
    """A client for each role."""
    return {role: Api(type(user).objects.get(pk=user.pk)) for role, user in story.users.items()}


@pytest.fixture
def reader(api):
    return api[Role.READER]


def past(client: Api, address: str, story, **parameters) -> dict:
    response = client.get(address, {"as_of": at(story.then)} | parameters)
    assert response.status_code == 200, response.content
    return response.json()


# ---- content


def test_a_detail_has_the_values_links_and_version_of_the_moment(story, reader):
    response = reader.get("recommendations/act/", {"as_of": at(story.then)})
    now = reader.get("recommendations/act/").json()

    then = response.json()
    assert (then["key_action"], then["due_on"], then["quote"], then["sectors"], then["status"]) == (
        "Act",
        None,
        "",
        ["energy"],
        "in_progress",
    )
    assert (now["key_action"], now["due_on"], now["quote"], now["sectors"], now["status"]) == (
        "Act at once", "2031", "new", ["energy", "water"], "stalled",
    )  # fmt: skip
    assert then["version"] < now["version"]
    assert response["ETag"] == f'"{then["version"]}"'
    assert then["updated_at"] < at(story.then).replace("+00:00", "Z") < now["updated_at"]


def test_a_list_contains_the_records_of_the_moment(story, reader):
    assert reader.keys("recommendations/", as_of=at(story.then)) == ["act", "later"]
    assert reader.keys("recommendations/") == ["act", "later", "new"]
    assert reader.keys("recommendations/", as_of=at(story.before_all)) == []
    assert reader.get("recommendations/new/", {"as_of": at(story.then)}).status_code == 404


def test_filters_and_order_use_the_values_of_the_moment(story, reader):
    assert reader.keys("recommendations/", status="in_progress", as_of=at(story.then)) == ["act"]
    assert reader.keys("recommendations/", status="stalled", as_of=at(story.then)) == []
    assert reader.keys("recommendations/", sectors="water", as_of=at(story.then)) == []
    assert reader.keys("recommendations/", key_action__contains="once", as_of=at(story.then)) == []
    assert reader.keys("recommendations/", ordering="-key_action", as_of=at(story.then)) == ["later", "act"]
    assert reader.keys("agreements/", title="AUKUS", as_of=at(story.then)) == ["aukus"]


def test_the_full_text_search_of_a_list_finds_the_words_of_that_time(story, reader, api):
    assert reader.keys("recommendations/", q="once") == reader.keys("recommendations/", q="act") == ["act"]
    assert reader.keys("recommendations/", q="act", as_of=at(story.then)) == ["act"]
    assert reader.keys("recommendations/", q="once", as_of=at(story.then)) == []
    assert reader.keys("recommendations/", q="later", as_of=at(story.then)) == ["later"]
    assert reader.keys("recommendations/", q="new") == ["new"]
    assert reader.keys("recommendations/", q="new", as_of=at(story.then)) == []
    assert api[Role.REVIEWER].keys("recommendations/", q="deleted", as_of=at(story.then)) == ["gone"]
    assert reader.keys("recommendations/", q="deleted", as_of=at(story.then)) == []
    assert reader.keys("agreements/", q="pact", as_of=at(story.then)) == []
    assert reader.keys("agreements/", q="aukus", as_of=at(story.then)) == ["aukus"]


def test_the_full_text_search_of_a_list_finds_linked_titles_of_that_time(story, reader):
    of_aukus = reader.keys("recommendations/", agreements="aukus")
    then_of_aukus = reader.keys("recommendations/", agreements="aukus", as_of=at(story.then))

    assert of_aukus and then_of_aukus
    assert reader.keys("recommendations/", q="aukus pact") == of_aukus
    assert reader.keys("recommendations/", q="aukus pact", as_of=at(story.then)) == []
    assert reader.keys("recommendations/", q="aukus", as_of=at(story.then)) == then_of_aukus


def test_a_link_that_was_removed_and_restored_since_is_listed_once(story, reader):
    assert past(reader, "recommendations/act/", story)["sectors"] == ["energy"]
    assert [row["slug"] for row in past(reader, "recommendations/", story, sectors="energy")["results"]] == ["act"]


def test_a_record_that_moved_since_belongs_to_its_parent_of_the_moment(story, reader):
    rows = past(reader, "addressees/", story, recommendation="later")["results"]

    assert [(row["uid"], row["recommendation"]) for row in rows] == [(str(story.moved.uid), "later")]
    assert str(story.moved.uid) not in reader.keys("addressees/", recommendation="act", as_of=at(story.then))
    assert str(story.moved.uid) in reader.keys("addressees/", recommendation="act")


def test_references_are_expanded_with_the_titles_of_the_moment(story, reader):
    then = past(reader, "recommendations/act/", story, expand="agreements", fields="slug,agreements")

    assert [agreement["title"] for agreement in then["agreements"]] == ["AUKUS"]
    assert list(then) == ["slug", "agreements"]


def test_a_voided_update_is_in_effect_before_it_was_voided(story, reader):
    (update,) = past(reader, "progress-updates/", story)["results"]

    assert (update["status"], update["voided_at"], update["void_reason"]) == ("in_progress", None, "")


def test_reports_count_the_records_of_the_moment(story, reader):
    now, then = (reader.get("agreements/aukus/scorecard/", query).json() for query in ({}, {"as_of": at(story.then)}))
    assert (now["recommendations"]["by_status"]["stalled"], then["recommendations"]["by_status"]["in_progress"]) == (1, 1)

    standing = past(reader, "agreements/aukus/standing/", story)
    assert {party["party"]: party["standing"] for party in standing["parties"]}["AUS"] == "signatory"
    types = [entry["type"] for entry in past(reader, "agreements/aukus/timeline/", story)["results"]]
    assert types.count("treaty-actions") == 2
    assert past(reader, "agreements/aukus/dossier/", story)["agreement"]["title"] == "AUKUS"
    assert past(reader, "agreements/aukus/coverage/", story)["sector_recommendation"]["rows"] == ["energy"]
    groups = past(reader, "summary/", story, group_by="sector")["results"]
    assert [(group["key"], group["total"]) for group in groups] == [("energy", 1), (None, 1)]
    assert past(reader, "checks/", story)["count"] != reader.get("checks/").json()["count"]


def test_on_counts_what_was_known_at_the_moment(story, reader):
    """The update of 1 January 2025 was voided later, so it counts only as of an earlier moment."""
    status = lambda **query: reader.get("recommendations/act/", query).json()["status"]  # noqa: E731

    assert status(on="2025-02-01", as_of=at(story.then)) == "in_progress"
    assert status(on="2024-12-31", as_of=at(story.then)) == "not_assessed"
    assert status(on="2025-02-01") == "stalled"
    assert reader.keys("recommendations/", status="in_progress", on="2025-02-01", as_of=at(story.then)) == ["act"]


def test_without_on_the_day_of_the_moment_is_the_present_day(story):
    with as_of(datetime(2024, 6, 1, 12, tzinfo=UTC)):
        context = ReadContext.of(story.users[Role.READER])

    assert (context.today, context.on, context.past) == (date(2024, 6, 1), date(2024, 6, 1), False)


def test_a_day_means_its_end_in_utc(story, reader):
    assert reader.keys("recommendations/", as_of=at(story.late)[:10]) == reader.keys("recommendations/")
    assert reader.keys("recommendations/", as_of=at(story.before_all - timedelta(1))[:10]) == []


def test_times_of_any_zone_are_accepted(story, reader):
    elsewhere = story.then.astimezone(UTC).replace(tzinfo=None) + timedelta(hours=5, minutes=30)

    assert reader.keys("recommendations/", as_of=f"{elsewhere.isoformat()}+05:30") == ["act", "later"]


@pytest.mark.parametrize("role", [Role.ADMINISTRATOR, Role.READER])
def test_an_export_contains_the_rows_of_that_time(story, api, role):
    parameters = {"fields": "slug,key_action,sectors,status", "ordering": "slug"}
    records = past(api[role], "recommendations/", story, **parameters)["results"]

    exports = {
        name: b"".join(api[role].get("recommendations/", {"as_of": at(story.then), "format": name} | parameters).streaming_content)
        for name in ("csv", "ndjson", "xlsx")
    }

    assert [json.loads(line) for line in exports["ndjson"].splitlines()] == records
    rows = list(csv.DictReader(io.StringIO(exports["csv"].decode())))
    assert rows == [record | {"sectors": ";".join(record["sectors"])} for record in records]
    sheet = load_workbook(io.BytesIO(exports["xlsx"])).active
    assert [cell.value for cell in sheet["A"]][1:] == [record["slug"] for record in records]


@pytest.mark.parametrize("role", [Role.ADMINISTRATOR, Role.READER])
def test_a_sheet_for_people_contains_the_rows_of_that_time_and_says_so(story, api, role):
    records = past(api[role], "recommendations/", story, ordering="slug")["results"]

    response = api[role].get("recommendations/", {"as_of": at(story.then), "format": "xlsx", "layout": "people", "ordering": "slug"})
    first, about = load_workbook(io.BytesIO(b"".join(response.streaming_content))).worksheets

    header, *rows = first.iter_rows(values_only=True)
    assert [row[-1] for row in rows] == [record["slug"] for record in records]
    assert [row[header.index("Key action")] for row in rows] == [record["key_action"] for record in records]
    facts = dict(row[:2] for row in about.iter_rows(values_only=True))
    assert facts["As of"] == f"{story.then.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    assert "Exported" in facts


# ---- permissions


def test_a_record_that_was_hidden_since_stays_hidden(story, api):
    assert api[Role.READER].get("agreements/quad/", {"as_of": at(story.then)}).status_code == 404
    assert "quad" not in api[Role.ANALYST].keys("agreements/", as_of=at(story.then))
    assert api[Role.READER].keys("agreement-relations/", as_of=at(story.then)) == []
    assert past(api[Role.READER], "agreements/aukus/", story)["relations"] == []
    assert past(api[Role.ADMINISTRATOR], "agreements/quad/", story)["visibility"] == "public"


@pytest.mark.parametrize("address", ["recommendations/", "recommendations/?fields=slug,quote,locator,source", "recommendations/?q=later"])
def test_the_content_of_a_source_that_was_hidden_then_stays_hidden(address, story, api):
    """The source was internal at the moment, and has been published and hidden several times since."""
    expected = dict.fromkeys(ROLES, ("leaflet", "A quote", "p. 3")) | {Role.OFFICER: (None, "", "")}
    for role in ROLES:
        listed = {row["slug"]: row for row in past(api[role], address, story)["results"]}["later"]
        read = past(api[role], "recommendations/later/", story)

        assert (role, *((row["source"], row["quote"], row["locator"]) for row in (listed, read))) == (role, *[expected[role]] * 2)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("address", ["recommendations/", "agreements/", "sources/", "components/", "recommendations/?status=in_progress"])
def test_the_count_of_a_list_is_that_of_its_records(address, role, story, api):
    for moment in (story.before_all, story.then, story.late):
        answer = api[role].get(address, {"as_of": at(moment)}).json()

        assert answer["count"] == len(answer["results"])


def test_a_member_who_left_the_team_since_reads_nothing(story, api):
    assert api[Role.ANALYST].get("agreements/team/", {"as_of": at(story.then)}).status_code == 404
    assert past(api[Role.ADMINISTRATOR], "agreements/team/", story)["team"] == ["analyst"]


def test_a_record_that_was_hidden_then_stays_hidden(story, api):
    assert "draft" not in api[Role.READER].keys("agreements/", as_of=at(story.then))


@pytest.mark.parametrize("role", ROLES)
def test_deleted_records_are_for_reviewers_and_administrators(role, story, api):
    allowed = role in (Role.REVIEWER, Role.ADMINISTRATOR)
    client, query = api[role], {"as_of": at(story.then)}

    assert client.get("recommendations/gone/", query).status_code == (200 if allowed else 404)
    assert client.get(f"addressees/{story.gone_addressee.uid}/", query).status_code == (200 if allowed else 404)
    assert ("gone" in client.keys("recommendations/", **query)) == allowed
    assert client.get("recommendations/gone/", {"as_of": at(story.late)}).status_code == 404
    if allowed:
        assert client.get("recommendations/gone/", query).json()["agreements"] == ["draft"]


def test_a_record_that_was_restricted_when_it_was_deleted_is_for_administrators(story, api):
    query = {"as_of": at(story.then)}

    assert api[Role.REVIEWER].get("recommendations/secret-when-deleted/", query).status_code == 404
    assert "secret-when-deleted" not in api[Role.REVIEWER].keys("recommendations/", **query)
    assert api[Role.ADMINISTRATOR].get("recommendations/secret-when-deleted/", query).status_code == 200


@pytest.mark.parametrize("role", ROLES)
def test_the_history_of_a_deleted_record_is_for_reviewers_and_administrators(role, story, api):
    allowed = role in (Role.REVIEWER, Role.ADMINISTRATOR)
    response = api[role].get("recommendations/gone/history/")

    assert response.status_code == (200 if allowed else 404)
    assert api[role].get(f"addressees/{story.gone_addressee.uid}/history/").status_code == (200 if allowed else 404)
    assert api[role].get("recommendations/secret-when-deleted/history/").status_code == (200 if role == Role.ADMINISTRATOR else 404)
    if allowed:
        newest = response.json()["results"][0]
        assert (newest["operation"], newest["reason"]) == ("delete", "No longer needed.")


def test_an_unknown_key_has_no_history(api):
    for key in ("none", "%00", "%22"):
        assert api[Role.ADMINISTRATOR].get(f"recommendations/{key}/history/").status_code == 404
        assert api[Role.ADMINISTRATOR].get(f"addressees/{key}/history/").status_code == 404


def test_anonymous_users_read_past_moments_with_public_read(story, settings):
    assert Api().get("recommendations/", {"as_of": at(story.then)}).status_code == 401

    settings.PUBLIC_READ = True

    assert Api().keys("recommendations/", as_of=at(story.then)) == ["act", "later"]


# ---- parameters

BAD = [
    "2026-02-31", "2025-02-29", "0000-01-01", "2025-01-01T10:00:00", "2025-01-01T25:00:00Z", "2025-13-01", "yesterday", "", "2025",
    "2025-01", "2025-01-01\0", "9999-12-31", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00", "²025-01-01", "2025-01-01T10:00Z x",
]  # fmt: skip


@pytest.mark.parametrize("value", BAD)
@pytest.mark.parametrize("address", ["recommendations/", "recommendations/act/", "agreements/aukus/standing/", "checks/"])
def test_an_impossible_moment_is_refused(address, value, reader):
    response = reader.get(address, {"as_of": value})

    assert (response.status_code, list(response.json())) == (400, ["as_of"])


def test_a_moment_may_be_given_only_once(reader):
    response = reader.get("recommendations/?as_of=2025-01-01&as_of=2025-01-02")

    assert (response.status_code, list(response.json())) == (400, ["as_of"])


def test_the_present_day_is_accepted_and_the_next_one_is_not(reader):
    today = datetime.now(UTC)

    assert reader.get("recommendations/", {"as_of": today.date().isoformat()}).status_code == 200
    assert reader.get("recommendations/", {"as_of": (today.date() + timedelta(1)).isoformat()}).status_code == 400


@pytest.mark.parametrize(
    ("method", "address"),
    [
        ("post", "recommendations/"), ("patch", "recommendations/"), ("put", "recommendations/act/"), ("patch", "recommendations/act/"),
        ("delete", "recommendations/act/"), ("post", "recommendations/act/progress/"), ("get", "recommendations/act/transitions/"),
        ("get", "recommendations/act/history/"), ("get", "choices/"), ("get", "me/"), ("get", "sources/communique/file/"),
    ],
)  # fmt: skip
def test_other_requests_do_not_know_the_parameter(method, address, api):
    response = getattr(api[Role.ADMINISTRATOR], method)(f"{address}?as_of=2025-01-01", {} if method != "patch" else [])

    assert (response.status_code, list(response.json())) == (400, ["as_of"])


def test_a_cursor_is_bound_to_its_moment(story, reader):
    first = past(reader, "recommendations/", story, page_size=1)
    second = reader.get(first["next"])
    assert [row["slug"] for row in second.json()["results"]] == ["later"]
    assert second.json()["next"] is None

    cursor = first["next"].partition("cursor=")[2].partition("&")[0]
    for query in (f"as_of={at(story.late)[:19]}Z", ""):
        assert reader.get(f"recommendations/?page_size=1&{query}&cursor={cursor}").json().keys() == {"cursor"}
    timeline = past(reader, "agreements/aukus/timeline/", story, page_size=1)["next"]
    assert reader.get(timeline).status_code == 200
    assert reader.get(re.sub("as_of=[^&]*&?", "", timeline)).status_code == 400


# ---- the mechanism


@pytest.mark.parametrize("address", ["recommendations/act/", "recommendations/"])
def test_present_and_past_reads_alternate_on_one_connection(address, story, reader, api):
    """The statements are prepared once per connection, and PostgreSQL plans them for one search path."""
    answers = {
        (client, moment): client.get(address, {"as_of": at(moment)} if moment else {}).content
        for _ in range(8)
        for client in (reader, api[Role.ADMINISTRATOR])
        for moment in (None, story.then, story.late, None)
    }

    for client in (reader, api[Role.ADMINISTRATOR]):
        then, late, now = (answers[client, moment] for moment in (story.then, story.late, None))
        assert b'"Act"' in then
        assert b'"Act at once"' in now
        assert late == now


def test_a_page_of_a_past_list_needs_one_statement(story, reader):
    with captured_queries() as queries:
        past(reader, "recommendations/", story, page_size=1)

    assert sum("recommendations_recommendation" in query for query in queries) == 1


def test_the_search_path_is_restored(story, reader):
    with connection.cursor() as cursor:
        cursor.execute("SHOW search_path")
        before = cursor.fetchone()
        past(reader, "recommendations/", story)
        reader.get("recommendations/none/", {"as_of": at(story.then)})
        cursor.execute("SHOW search_path")
        assert cursor.fetchone() == before
    assert moment_read.get() is None


def test_models_read_the_past_inside_the_block(story):
    with as_of(story.then):
        act = Recommendation.objects.get(slug="act")
        assert (act.key_action, [sector.code for sector in act.sectors.all()]) == ("Act", ["energy"])
        assert Participation.objects.count() == 1
        assert Sector.objects.filter(recommendations__slug="act").count() == 1
    assert Recommendation.objects.get(slug="act").key_action == "Act at once"


def test_nothing_can_be_written_inside_the_block(story):
    with pytest.raises(DatabaseError), transaction.atomic(), as_of(story.then):
        Component.objects.update(title="x")


def test_missing_views_are_an_outage_and_not_the_present_register(story, api):
    with unseen_views():
        response = api[Role.READER].get("recommendations/", {"as_of": at(story.then)})

    assert (response.status_code, response.json()["code"]) == (503, "unavailable")


@contextmanager
def unseen_views():
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("ALTER SCHEMA as_of RENAME TO as_of_elsewhere")
        yield
        transaction.set_rollback(True)


@pytest.mark.parametrize("role", [Role.ADMINISTRATOR, Role.ANALYST, Role.READER])
@pytest.mark.parametrize(
    "address",
    [
        "recommendations/?page_size=1&ordering=slug",
        "recommendations/act/",
        "agreements/aukus/timeline/",
        "addressees/?ordering=created_at",
    ],
)
def test_a_past_moment_costs_two_more_queries(address, role, story, api):
    def number(query: str) -> int:
        user = story.users[role]
        return count_queries(Api(type(user).objects.get(pk=user.pk)).get, f"{address}{query}")

    separator = "&" if "?" in address else "?"
    assert number(f"{separator}as_of={at(story.then).replace('+00:00', 'Z')}") == number("") + 2


def test_a_column_that_is_newer_than_a_change_has_its_default():
    source = make_source(slug="old", notes="x", title="Old")
    moment = mark()  # in one transaction the next version is one microsecond younger
    type(source).objects.filter(pk=source.pk).update(title="New")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE policytracker_change SET before = before - 'notes' WHERE before ->> 'slug' = 'old'")

    with as_of(moment):
        stored = type(source).objects.get(slug="old")

    assert (stored.title, stored.notes) == ("Old", "")
