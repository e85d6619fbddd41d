"""The home page: queues, counts and deadlines."""

from datetime import date, timedelta

from django.db import connection
from django.test.utils import CaptureQueriesContext

from recommendations.models import ProgressUpdate
from recommendations.progress import EvidenceRow, Report, report_progress, send_back
from tests.admin.page import rows_of
from tests.make import make_recommendation, make_source

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


def test_every_number_of_the_home_page_matches_its_list(analyst, reviewer, signed_in):
    make_work(analyst, reviewer)
    client = signed_in(analyst)

    home = client.get("/admin/").context
    tiles = [*home["my_queue"], *home["team_queue"], *home["distribution"]]

    assert [tile.count for tile in home["my_queue"]] == [2, 2, 7, 2]
    assert [tile.count for tile in home["team_queue"]] == [2, 4, 4, 0, 6]
    for tile in tiles:
        assert len(rows_of(client.get(tile.url))) == tile.count, tile


def test_the_home_page_shows_the_share_that_is_not_assessed(analyst, reviewer, signed_in):
    make_work(analyst, reviewer)

    home = signed_in(analyst).get("/admin/")

    assert (home.context["not_assessed"].count, home.context["total"]) == (12, 14)
    assert b"12 of 14 (86 %)" in home.content
    assert [r.due_on for r in home.context["deadlines"]] == sorted(str(TODAY + timedelta(d)) for d in (2, 2, 29, 29, 31, 31, 400, 400))


def test_hidden_records_are_not_counted(reader, analyst, reviewer, signed_in):
    make_recommendation(publication="draft", due_on=str(TODAY - timedelta(5)))
    recommendation = make_recommendation()
    ProgressUpdate.objects.create(recommendation=recommendation, kind="note", reported_on=TODAY, review="submitted", author=analyst)

    home = signed_in(reader).get("/admin/").context

    assert home["total"] == 1
    assert home["deadlines"] == []


def test_a_reader_has_no_queue_and_an_officer_only_the_own_claims(reader, officer, analyst, signed_in):
    recommendation = make_recommendation(due_on=str(TODAY - timedelta(5)))
    claim = Report(kind="claim", status="in_progress", party=officer.office.party, narrative="Begun.")
    report_progress(recommendation, claim, by=officer, today=TODAY)

    of_reader, of_officer = (signed_in(user).get("/admin/").context for user in (reader, officer))

    assert (of_reader["my_queue"], of_reader["team_queue"]) == ([], [])
    assert ([tile.count for tile in of_officer["my_queue"]], of_officer["team_queue"]) == ([1, 0], [])


def test_the_number_of_queries_of_the_home_page_is_fixed(analyst, reviewer, signed_in):
    client, costs = signed_in(analyst), []
    client.get("/admin/")

    for _ in range(2):
        make_work(analyst, reviewer)
        with CaptureQueriesContext(connection) as queries:
            client.get("/admin/")
        costs.append(len(queries))

    print("home", costs)
    assert costs[0] == costs[1] <= 20
