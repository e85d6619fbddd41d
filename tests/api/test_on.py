"""The parameter `on`: values of another date, shown, filtered and ordered."""

from datetime import date, timedelta

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policytracker.resources import today
from recommendations.progress import EvidenceRow, Report, approve, report_progress, void
from tests.api.client import Api
from tests.histories import days, histories, make
from tests.make import make_agreement, make_component, make_party, make_recommendation, make_source
from tests.queries import count_queries

OF_THE_DAY = ["status", "claimed_status", "status_since", "progress_percent", "last_update_on", "closed_on", "claims", "freshness"]


@pytest.fixture
def reported(analyst, reviewer):
    """A recommendation with three assessments, two claims of a party and a voided update."""
    row = make_recommendation(slug="reported", due_on="2025-01-15", priority="low")
    make_recommendation(slug="untold", due_on="2025-01-15")
    by = {"by": analyst, "today": today()}
    evidence = (EvidenceRow(source=make_source()),)
    party = make_party("USA")
    report_progress(row, Report(status="in_progress", progress_percent=10, reported_on=days(0), narrative="Begun."), **by)
    report_progress(row, Report(status="in_progress", progress_percent=20, reported_on=days(5), narrative="On."), **by)
    wrong = report_progress(row, Report(status="stalled", reported_on=days(6), narrative="No."), **by)
    void(wrong, by=reviewer, reason="Of another.")
    claim = {"kind": "claim", "party": party, "narrative": "We.", "evidence": evidence}
    report_progress(row, Report(status="in_progress", reported_on=days(7), **claim), **by)
    report_progress(row, Report(status="implemented", reported_on=days(9), **claim), **by)
    done = report_progress(
        row, Report(status="implemented", progress_percent=100, reported_on=days(20), narrative="Done.", evidence=evidence), **by
    )
    approve(done, by=reviewer, today=today())
    return row


def shown(api: Api, on: date | None = None, key: str = "reported") -> dict:
    response = api.get(f"recommendations/{key}/", {"on": str(on)} if on else {})
    assert response.status_code == 200, response.content
    return response.json()


def test_a_past_day_uses_only_updates_reported_by_then(reported, as_reader):
    of = lambda row: {name: row[name] for name in [*OF_THE_DAY, "deadline_state"]}  # noqa: E731
    usa = [{"party": "USA", "status": "in_progress", "reported_on": "2025-01-08"}]

    assert of(shown(as_reader, days(-1))) == {
        "status": "not_assessed", "claimed_status": None, "status_since": None, "progress_percent": None, "last_update_on": None,
        "closed_on": None, "claims": [], "freshness": "never", "deadline_state": "due_soon",
    }  # fmt: skip
    assert of(shown(as_reader, days(8))) == {
        "status": "in_progress", "claimed_status": "in_progress", "status_since": "2025-01-01", "progress_percent": 20,
        "last_update_on": "2025-01-06", "closed_on": None, "claims": usa, "freshness": "fresh", "deadline_state": "due_soon",
    }  # fmt: skip
    assert of(shown(as_reader, days(15)))["deadline_state"] == "overdue"
    assert of(shown(as_reader)) == of(shown(as_reader, days(20))) == {
        "status": "implemented", "claimed_status": "implemented", "status_since": "2025-01-21", "progress_percent": 100,
        "last_update_on": "2025-01-21", "closed_on": "2025-01-21", "freshness": "none", "deadline_state": "met_late",
        "claims": [{"party": "USA", "status": "implemented", "reported_on": "2025-01-10"}],
    }  # fmt: skip


def test_fields_not_derived_from_updates_are_current(reported, as_reader):
    now, then = shown(as_reader), shown(as_reader, days(8))

    assert {name for name in now if now[name] != then[name]} <= {*OF_THE_DAY, "deadline_state"}
    assert as_reader.get("recommendations/reported/", {"on": "2025-01-02"})["ETag"] == as_reader.get("recommendations/reported/")["ETag"]


def test_a_list_shows_filters_and_orders_by_the_values_of_that_day(reported, as_reader):
    def asked(on: int, **question) -> list[str]:
        return as_reader.keys("recommendations/", on=str(days(on)), **question)

    assert asked(8, status="in_progress") == ["reported"] == asked(8, status__not="not_assessed")
    assert asked(20, status="in_progress") == [] == asked(-1, status="in_progress")
    assert asked(8, progress_percent__to=20) == ["reported"] and asked(8, progress_percent__from=21) == []
    assert asked(8, claimed_status__empty="true") == ["untold"]
    assert asked(6, without="update") == ["untold"] and asked(-1, without="update") == ["reported", "untold"]
    assert asked(6, without="evidence") == ["reported", "untold"] and asked(7, without="evidence") == ["untold"]
    assert asked(8, claim_differs="true") == [] and asked(9, claim_differs="true") == ["reported"]
    assert asked(9, claim_differs="false") == ["untold"] and asked(20, claim_differs="true") == []
    assert asked(15, overdue="true") == ["reported", "untold"] and asked(20, overdue="true") == ["untold"]
    assert asked(15, overdue="false") == [] and asked(20, overdue="false") == ["reported"]
    assert asked(8, due_within=6) == ["reported", "untold"] and asked(8, due_within=5) == []
    assert asked(19, open="false") == [] and asked(20, open="false") == ["reported"]
    assert asked(20, deadline_state="met_late") == ["reported"] and asked(14, deadline_state=["due_soon"]) == ["reported", "untold"]
    assert asked(8, freshness="never") == ["untold"] and asked(20, freshness="none") == ["reported"]
    assert asked(-1, ordering="-last_update_on,slug") == ["reported", "untold"]
    assert asked(8, ordering="status") == ["reported", "untold"] and asked(-1, ordering="status") == ["reported", "untold"]
    assert asked(8, ordering="-status") == ["untold", "reported"]
    row = as_reader.list("recommendations/", on=str(days(8)), fields="slug,status,claims", status="in_progress")["results"]
    assert row == [{"slug": "reported", "status": "in_progress", "claims": shown(as_reader, days(8))["claims"]}]


def test_the_order_of_the_parameters_does_not_matter(reported, as_reader):
    for question in ({"on": "2025-01-10", "claim_differs": "false"}, {"claim_differs": "false", "on": "2025-01-10"}):
        assert as_reader.keys("recommendations/", **question) == ["untold"]


def test_pages_keep_the_order_of_that_day(reported, as_reader):
    first = as_reader.list("recommendations/", on=str(days(8)), ordering="-status", page_size=1)

    second = as_reader.get(first["next"]).json()

    assert [row["slug"] for row in (*first["results"], *second["results"])] == ["untold", "reported"]
    assert second["results"][0]["status"] == "in_progress"


def test_a_future_day_changes_only_deadline_and_freshness(as_reader, analyst):
    row = make_recommendation(slug="row", due_on=str(today() + timedelta(40)))
    report_progress(row, Report(status="in_progress", narrative="Begun."), by=analyst, today=today())
    moving = {"deadline_state", "freshness"}

    now, soon, late = (shown(as_reader, today() + timedelta(n), "row") for n in (0, 20, 200))

    assert [[row[name] for name in sorted(moving)] for row in (now, soon, late)] == [
        ["upcoming", "fresh"], ["due_soon", "fresh"], ["overdue", "stale"],
    ]  # fmt: skip
    assert {k: v for k, v in now.items() if k not in moving} == {k: v for k, v in late.items() if k not in moving}
    assert as_reader.keys("recommendations/", on=str(today() + timedelta(200)), freshness="stale", overdue="true") == ["row"]


def test_a_component_changes_only_its_deadline_state(as_reader):
    make_component(make_agreement(), slug="part", due_on="2025-06-30", status="active")

    def state(on: str) -> str:
        return as_reader.get("components/part/", {"on": on}).json()["deadline_state"]

    assert [state(on) for on in ("2025-05-30", "2025-05-31", "2025-06-30", "2025-07-01")] == ["upcoming", "due_soon", "due_soon", "overdue"]
    assert as_reader.keys("components/", on="2025-06-30", deadline_state="due_soon") == ["part"]
    assert as_reader.keys("components/", on="2025-06-30", deadline_state="overdue") == []
    assert as_reader.list("components/", on="2025-06-30")["results"][0]["deadline_state"] == "due_soon"


@pytest.mark.parametrize("address", ["recommendations/", "recommendations/reported/", "components/"])
@pytest.mark.parametrize("wrong", ["", "2025", "2025-02-30", "today", "2025-01-01T00:00:00Z", "10000-01-01", "0000-01-01"])
def test_an_invalid_date_is_rejected(reported, as_reader, address, wrong):
    response = as_reader.get(address, {"on": wrong})

    assert (response.status_code, list(response.json())) == (400, ["on"])
    assert as_reader.get(f"{address}?on=2025-01-01&on=2025-01-02").status_code == 400


def test_the_first_and_last_day_of_the_calendar_are_accepted(reported, as_reader):
    for on in ("0001-01-01", "9999-12-31"):
        for question in ({}, {"due_within": 3650}, {"deadline_state": "due_soon"}, {"freshness": "stale"}, {"overdue": "true"}):
            assert as_reader.get("recommendations/", {"on": on, **question}).status_code == 200


def test_other_records_and_writes_reject_on(reported, as_reader, as_analyst):
    assert as_reader.get("participations/", {"on": "2025-01-01"}).status_code == 400
    assert as_analyst.patch("recommendations/reported/?on=2025-01-01", {"details": "x"}).status_code == 400


def test_another_day_needs_the_same_number_of_queries(reported, as_reader):
    for address in ("recommendations/?ordering=slug", "recommendations/reported/?"):
        as_reader.get(address)  # fills caches
        assert count_queries(as_reader.get, address) == count_queries(as_reader.get, f"{address}&on=2025-01-08")


# ---- random histories

QUESTIONS = [
    *({"status": [code]} for code in ("in_progress", "partly_implemented", "implemented", "not_assessed")),
    *({name: [value]} for name in ("overdue", "open", "claim_differs") for value in ("true", "false")),
    *({"deadline_state": [code]} for code in ("none", "met", "met_late", "closed", "overdue", "due_soon", "upcoming")),
    *({"freshness": [code]} for code in ("fresh", "stale", "never", "none")),
    {"due_within": ["3"]}, {"without": ["update"]}, {"without": ["evidence"]}, {"status__not": ["in_progress"]},
    {"claimed_status__empty": ["true"]}, {"closed_on__empty": ["false"]}, {"last_update_on__from": ["2025-01-04"]},
    {"progress_percent__from": ["50"]}, {"status_since__to": ["2025-01-05"]}, {"claimed_status": ["implemented"]},
    {"closed_on__not": ["2025-01-05"]}, {"progress_percent__not": ["50"]}, {"claimed_status__not": ["implemented"]},
]  # fmt: skip
ORDERS = ["status", "-claimed_status", "status_since", "-progress_percent", "last_update_on", "-closed_on"]


def answers(api: Api, **day: str) -> dict[str, list]:
    """The results of every filter and ordering, and the records."""
    found: dict[str, list] = {"shown": api.list("recommendations/", omit="version,created_at,updated_at", **day)["results"]}
    for question in QUESTIONS:
        found[str(question)] = api.keys("recommendations/", **day, **question)
    for order in ORDERS:
        found[order] = api.keys("recommendations/", ordering=order, **day)
    return found


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(register=histories, on=st.integers(-1, 10).map(days))
def test_a_past_day_equals_a_register_with_only_earlier_reports(register, on, as_reader, monkeypatch):
    with transaction.atomic():
        make(register)
        found = answers(as_reader, on=str(on))
        transaction.set_rollback(True)
    with transaction.atomic(), monkeypatch.context() as then:
        make(register, by=on)
        then.setattr("policytracker.resources.today", lambda: on)
        expected = answers(as_reader)
        transaction.set_rollback(True)

    assert found == expected
