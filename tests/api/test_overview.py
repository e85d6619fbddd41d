"""Scorecards and summaries: their counts agree with the lists, on any date and for every role."""

from datetime import timedelta

import pytest

from agreements.models import Source
from policytracker.records.context import change_context
from policytracker.resources import today
from recommendations import progress
from recommendations.models import Addressee
from recommendations.progress import EvidenceRow, Report
from tests.api.client import Api
from tests.conftest import make_user
from tests.make import (
    make_agreement,
    make_commitment,
    make_component,
    make_indicator,
    make_measurement,
    make_outcome,
    make_party,
    make_recommendation,
    make_source,
)
from tests.queries import count_queries

DAY = timedelta(1)
NOW = today()
STATUSES = [
    *("proposed", "planned", "in_progress", "partly_implemented", "largely_implemented", "implemented", "addressed_otherwise"),
    *("stalled", "closed_not_implemented", "withdrawn", "superseded", "no_longer_applicable", "not_assessed"),
]
STATES = ["none", "open_ended", "met", "met_late", "closed", "overdue", "due_soon", "upcoming"]
FRESHNESS = ["fresh", "stale", "never", "none"]
PARTS = ["planned", "active", "completed", "suspended", "cancelled", "unknown"]
GROUPS = ["agreement", "party", "sector", "focus_area", "owner", "source"]


def counts(codes, **nonzero):
    return dict.fromkeys(codes, 0) | nonzero


def assess(recommendation, status, on=NOW, by=None, **fields):
    return progress.report_progress(recommendation, Report(status=status, reported_on=on, narrative="Seen.", **fields), by=by, today=NOW)


@pytest.fixture
def progressed(world, analyst, reviewer):
    """AUKUS has an overdue recommendation in progress (also of the Quad) and one never assessed. A third has no agreement."""
    world.act.agreements.set([world.aukus, world.quad])
    with change_context(reason="test"):
        type(world.act).objects.filter(pk=world.act.pk).update(due_on=(NOW - 5 * DAY).isoformat())
    world.never = make_recommendation(world.aukus, slug="never", owner=analyst, due_on="2100")
    assess(world.act, "planned", NOW - 200 * DAY, analyst)
    assess(world.act, "in_progress", NOW - 10 * DAY, analyst)
    fields = {"kind": "claim", "party": world.aus, "evidence": (EvidenceRow(source=world.communique),)}
    claim = assess(world.act, "implemented", NOW - 9 * DAY, reviewer, **fields)
    assert claim.review == "approved"
    return world


def test_a_scorecard_counts_every_code_in_order_and_the_unknown_share(progressed, as_reader):
    card = as_reader.get("agreements/aukus/scorecard/").json()

    assert list(card) == ["agreement", "on", "components", "recommendations", "money", "indicators"]
    assert (card["agreement"], card["on"]) == ("aukus", NOW.isoformat())
    assert card["components"] == {
        "total": 1,
        "by_status": counts(PARTS, unknown=1),
        "by_deadline_state": counts(STATES, none=1),
    }
    assert card["recommendations"] == {
        "total": 2,
        "by_status": counts(STATUSES, in_progress=1, not_assessed=1),
        "by_deadline_state": counts(STATES, overdue=1, upcoming=1),
        "by_freshness": counts(FRESHNESS, fresh=1, never=1),
        "claim_differs": 1,
        "unknown": {"count": 1, "share": 0.5},
    }
    for name, codes in (("by_status", STATUSES), ("by_deadline_state", STATES), ("by_freshness", FRESHNESS)):
        assert list(card["recommendations"][name]) == codes
    assert list(card["components"]["by_status"]) == PARTS


def test_the_unknown_share_is_null_without_recommendations(world, as_reader):
    counted = as_reader.get("agreements/quad/scorecard/").json()["recommendations"]

    assert (counted["total"], counted["unknown"]) == (0, {"count": 0, "share": None})
    assert counted["by_status"] == counts(STATUSES)


def test_a_scorecard_on_a_past_and_a_future_date(progressed, as_reader):
    def on(day):
        return as_reader.get("agreements/aukus/scorecard/", {"on": day.isoformat()}).json()["recommendations"]

    before, between, later = on(NOW - 300 * DAY), on(NOW - 100 * DAY), on(NOW + 200 * DAY)

    assert before["by_status"] == counts(STATUSES, not_assessed=2)
    assert (before["by_freshness"], before["claim_differs"]) == (counts(FRESHNESS, never=2), 0)
    assert between["by_status"] == counts(STATUSES, planned=1, not_assessed=1)
    assert between["by_freshness"] == counts(FRESHNESS, stale=1, never=1)
    assert between["by_deadline_state"] == counts(STATES, upcoming=2)
    assert later["by_status"] == counts(STATUSES, in_progress=1, not_assessed=1)
    assert (later["by_freshness"], later["claim_differs"]) == (counts(FRESHNESS, stale=1, never=1), 1)


def figures(client, agreement="quad"):
    return client.get(f"agreements/{agreement}/scorecard/").json()["money"]


def test_commitments_are_added_for_each_stage_and_currency(world, as_reader):
    w = world
    for stage, currency, amount in [
        ("disbursed", "AUD", "1.10"),
        ("announced", "USD", "12345678901234567.89"),
        ("announced", "AUD", "0.10"),
        ("announced", "AUD", "0.20"),
        ("committed", "USD", "7"),
    ]:
        make_commitment(w.quad, stage=stage, currency=currency, amount=amount)

    rows = figures(as_reader)

    assert [tuple(row.values()) for row in rows] == [
        ("announced", "AUD", 2, "0.30", 0),
        ("announced", "USD", 1, "12345678901234567.89", 0),
        ("committed", "USD", 1, "7.00", 0),
        ("disbursed", "AUD", 1, "1.10", 0),
    ]
    assert list(rows[0]) == ["stage", "currency", "figures", "total", "disputed"]


def test_a_disputing_commitment_is_counted_and_not_added(world, as_reader):
    first = make_commitment(world.quad, amount=100)
    second = make_commitment(world.quad, amount=80, disputes=first)
    make_commitment(world.quad, amount=70, disputes=second)
    make_commitment(world.quad, amount=60, currency="USD", disputes=first)

    assert figures(as_reader) == [
        {"stage": "announced", "currency": "AUD", "figures": 1, "total": "100.00", "disputed": 2},
        {"stage": "announced", "currency": "USD", "figures": 0, "total": "0.00", "disputed": 1},
    ]


def test_a_hidden_commitment_does_not_affect_the_total(world, as_reader, as_administrator):
    part = make_component(world.quad, visibility="restricted")
    hidden = make_commitment(world.quad, amount=100, component=part)
    make_commitment(world.quad, amount=80, disputes=hidden)

    assert [(row["figures"], row["total"], row["disputed"]) for row in figures(as_reader)] == [(1, "80.00", 0)]
    assert [(row["figures"], row["total"], row["disputed"]) for row in figures(as_administrator)] == [(1, "100.00", 1)]


def test_the_newest_measurement_is_that_with_the_latest_first_possible_day(world, as_reader):
    outcome = make_outcome(world.quad)
    make_indicator(outcome, slug="b-unmeasured")
    ships = make_indicator(
        outcome,
        slug="a-ships",
        name="Ships",
        unit="hulls",
        baseline_value="-1.5",
        baseline_on="2020",
        target_value=300,
        target_on="2030-06~",
    )
    for measured_on, value in [("2025-02", 2), ("2025", 1), ("2025-02-01~", "3.25"), ("2024-12-31", 4)]:
        make_measurement(ships, measured_on, value=value)

    rows = as_reader.get("agreements/quad/scorecard/").json()["indicators"]

    assert rows == [
        {
            "slug": "a-ships",
            "name": "Ships",
            "unit": "hulls",
            "latest_value": "3.2500",
            "latest_on": "2025-02-01~",
            "baseline_value": "-1.5000",
            "target_value": "300.0000",
            "target_on": "2030-06~",
        },
        {"slug": "b-unmeasured", "name": "b-unmeasured", "unit": ""}
        | dict.fromkeys(["latest_value", "latest_on", "baseline_value", "target_value", "target_on"]),
    ]


def test_commitments_and_indicators_of_other_agreements_are_excluded(world, as_reader):
    card = as_reader.get("agreements/aukus/scorecard/").json()

    assert [row["figures"] for row in card["money"]] == [1] and [row["slug"] for row in card["indicators"]] == ["boats"]
    assert figures(as_reader) == as_reader.get("agreements/quad/scorecard/").json()["indicators"] == []


def groups(client, by, **parameters):
    return {row["key"]: row for row in client.list("summary/", group_by=by, page_size=500, **parameters)["results"]}


def test_a_recommendation_counts_in_each_of_its_agreements_or_in_the_group_without_key(progressed, as_reader):
    by_key = groups(as_reader, "agreement")

    assert list(by_key) == ["aukus", "quad", None]
    assert [row["total"] for row in by_key.values()] == [2, 1, 1]
    quad = by_key["quad"]
    assert list(quad) == [
        *("key", "title", "url", "total", "by_status", "by_deadline_state", "by_freshness", "claim_differs", "unknown"),
    ]
    assert (quad["title"], quad["url"]) == ("Quad", as_reader.get("agreements/quad/").json()["url"])
    assert quad["by_status"] == counts(STATUSES, in_progress=1) and list(quad["by_status"]) == STATUSES
    assert (quad["claim_differs"], quad["unknown"]) == (1, {"count": 0, "share": 0})
    assert (by_key[None]["title"], by_key[None]["url"]) == (None, None)
    assert by_key[None]["unknown"] == {"count": 1, "share": 1}


def test_the_summary_of_an_agreement_agrees_with_its_scorecard(progressed, as_reader):
    for on in ({}, {"on": (NOW - 100 * DAY).isoformat()}, {"on": (NOW + 900 * DAY).isoformat()}):
        card = as_reader.get("agreements/aukus/scorecard/", on).json()["recommendations"]
        group = groups(as_reader, "agreement", **on)["aukus"]
        assert {name: group[name] for name in card} == card


@pytest.mark.parametrize("by", GROUPS)
@pytest.mark.parametrize("role", ["reader", "analyst", "administrator"])
def test_the_counts_of_a_group_agree_with_the_filtered_list(progressed, by, role):
    w = progressed
    w.act.sectors.set([w.energy, w.water])
    type(w.act).objects.filter(pk=w.never.pk).update(focus_area=w.capital, source=w.communique)
    for _ in range(3):
        make_recommendation(w.quad, publication="draft", source=w.gazette)
    make_recommendation(make_agreement(slug="secret", visibility="restricted"), slug="of-a-secret")
    client = Api(make_user("somebody", role, is_superuser=role == "administrator"))

    by_key, name_of_filter = groups(client, by), {"sector": "sectors"}.get(by, by)

    assert by_key
    for key, row in by_key.items():
        if key is not None:
            listed = client.list("recommendations/", **{name_of_filter: key})
            assert row["total"] == listed["count"], key
            differ = client.list("recommendations/", **{name_of_filter: key, "claim_differs": "true"})
            assert row["claim_differs"] == differ["count"]
            for name in ("status", "deadline_state", "freshness"):
                counted = {code: count for code, count in row[f"by_{name}"].items() if count}
                found = {code: client.list("recommendations/", **{name_of_filter: key, name: code})["count"] for code in counted}
                assert counted == found and sum(found.values()) == row["total"], (key, name)


def test_records_that_the_user_may_not_read_form_no_group_and_do_not_count(progressed, as_reader, as_administrator):
    w = progressed
    secret = make_agreement(slug="secret", visibility="restricted")
    make_recommendation(secret, slug="open")
    make_recommendation(w.quad, slug="shut", visibility="restricted")

    seen, complete = groups(as_reader, "agreement"), groups(as_administrator, "agreement")

    assert list(seen) == ["aukus", "quad", None] and list(complete) == ["aukus", "quad", "secret", None]
    # For a user who may not read its only agreement, a recommendation has no agreement.
    assert [seen[key]["total"] for key in seen] == [2, 1, 2]
    assert [complete[key]["total"] for key in complete] == [2, 2, 1, 1]
    assert as_reader.get("agreements/secret/scorecard/").status_code == 404
    part = make_component(w.aukus, slug="hidden", visibility="restricted")
    assert as_reader.get("agreements/aukus/scorecard/").json()["components"]["total"] == 1
    assert as_administrator.get("agreements/aukus/scorecard/").json()["components"]["total"] == 2
    assert part.pk


def test_a_recommendation_counts_once_for_a_source_of_it_and_of_its_evidence(progressed, as_reader):
    w = progressed
    type(w.act).objects.filter(pk=w.act.pk).update(source=w.communique)

    assert groups(as_reader, "source")["communique"]["total"] == 1


def test_owner_groups_have_the_username_as_key(progressed, as_reader):
    by_key = groups(as_reader, "owner")

    assert list(by_key) == ["analyst", None]
    assert (by_key["analyst"]["total"], by_key["analyst"]["url"]) == (1, None)


def test_a_summary_has_pages(progressed, as_reader):
    for number in range(5):
        make_recommendation(make_agreement(slug=f"a{number}"))
    unpaged = as_reader.list("summary/", group_by="agreement")

    pages, link = [], "summary/?group_by=agreement&page_size=3"
    while link:
        page = as_reader.get(link).json()
        assert page["count"] == 8
        pages, link = [*pages, page], page["next"]

    assert [row for page in pages for row in page["results"]] == unpaged["results"]
    assert [len(page["results"]) for page in pages] == [3, 3, 2]
    assert unpaged["next"] is unpaged["previous"] is pages[0]["previous"] is None
    assert as_reader.get(pages[2]["previous"]).json()["results"] == pages[1]["results"]
    assert as_reader.get(pages[1]["previous"]).json()["results"] == pages[0]["results"]


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("summary/", "group_by"),
        ("summary/?group_by=colour", "group_by"),
        ("summary/?group_by=agreement&group_by=party", "group_by"),
        ("summary/?group_by=agreement&on=soon", "on"),
        ("summary/?group_by=agreement&on=2025-02-30", "on"),
        ("summary/?group_by=agreement&page_size=0", "page_size"),
        ("summary/?group_by=agreement&cursor=x", "cursor"),
        ("summary/?group_by=agreement&colour=red", "colour"),
        ("agreements/aukus/scorecard/?on=2025", "on"),
        ("agreements/aukus/scorecard/?on=2025-01-01&on=2025-01-02", "on"),
        ("agreements/aukus/scorecard/?group_by=party", "group_by"),
    ],
)
def test_an_invalid_parameter_is_refused_by_name(world, as_reader, address, name):
    response = as_reader.get(address)

    assert response.status_code == 400 and list(response.json()) == [name], response.content


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_the_first_and_last_possible_dates_are_accepted(progressed, as_reader, day):
    assert as_reader.get("agreements/aukus/scorecard/", {"on": day}).status_code == 200
    assert all(as_reader.get("summary/", {"group_by": by, "on": day}).status_code == 200 for by in GROUPS)


def test_a_cursor_of_another_grouping_is_refused(progressed, as_reader):
    link = as_reader.get("summary/?group_by=agreement&page_size=1").json()["next"]

    assert as_reader.get(link.replace("group_by=agreement", "group_by=party")).status_code == 400


def test_anonymous_users_and_writes_are_refused(world, as_administrator):
    for address in ("summary/?group_by=agreement", "agreements/aukus/scorecard/"):
        assert Api().get(address).status_code == 401
        for method in ("post", "put", "patch", "delete"):
            assert getattr(as_administrator, method)(address, {}).status_code == 405
    assert as_administrator.get("agreements/none/scorecard/").status_code == 404


def test_the_number_of_queries_does_not_grow_with_the_records(world, analyst, as_reader):
    addresses = ["agreements/aukus/scorecard/?", *(f"summary/?group_by={by}&page_size=500&" for by in GROUPS)]

    def count():
        return [count_queries(as_reader.get, f"{address}on={on}") for address in addresses for on in (NOW, NOW - 30 * DAY)]

    def more(start, stop):
        for number in range(start, stop):
            agreement, source = make_agreement(), make_source()
            made = make_recommendation(agreement, world.aukus, owner=analyst, focus_area=world.capital, source=source)
            made.sectors.set([world.water])
            Addressee.objects.create(recommendation=made, party=make_party(f"P{number}"))
            make_commitment(world.aukus)
            make_measurement(make_indicator(world.outcome))
            assess(made, "planned", NOW - 40 * DAY, analyst)

    more(0, 2)
    as_reader.get("agreements/")  # loads the roles of the user
    few = count()
    more(2, 30)

    assert count() == few
    assert max(few) <= 8, few
    assert Source.objects.count() > 30


def test_a_past_date_excludes_later_commitments_and_measurements(world, as_reader):
    make_commitment(world.quad, amount=5, stated_on="2025-10-21")
    make_commitment(world.quad, amount=2)
    boats = make_indicator(make_outcome(world.quad), slug="ships")
    for year, value in (("2020", 1), ("2025", 3)):
        make_measurement(boats, year, value=value)

    def commitments_and_indicator(day):
        card = as_reader.get("agreements/quad/scorecard/", {"on": day}).json()
        return [(row["figures"], row["total"]) for row in card["money"]], card["indicators"][0]["latest_on"]

    assert commitments_and_indicator("2025-10-20") == ([(1, "2.00")], "2025")
    assert commitments_and_indicator("2024-12-31") == ([(1, "2.00")], "2020")
    assert commitments_and_indicator(str(today())) == ([(2, "7.00")], "2025")
