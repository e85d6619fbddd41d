"""The timeline of an agreement: all dated events in order, in pages."""

from datetime import timedelta

import pytest

from agreements.models import Agreement, FactCheck, Participation
from policytracker.records.context import change_context
from policytracker.resources import today
from recommendations import progress
from recommendations.models import Addressee, Milestone
from recommendations.progress import EvidenceRow, Report
from tests.api.client import Api
from tests.api.world import RESOURCES
from tests.make import (
    change_with_reason,
    make_action,
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

URL = "agreements/pact/timeline/"
# The agreement, and a page with the total count. The roles of the user are loaded before.
QUERIES = 2
NOW = today()


@pytest.fixture
def pact(world):
    """An agreement with a record of every kind that has a date, each on a different day."""
    w = world
    w.pact = make_agreement(slug="pact", title="The Pact", expires_on="2099", next_review_on="2050-01")
    w.usa = make_party("USA", name="United States")
    w.signed = make_action(w.pact, "signature", w.aus, "2001-01-01", effective_on="2001-01-01")
    w.ratified = make_action(w.pact, "ratification", w.aus, "2001-02", effective_on="2001-03~")
    w.paired = make_action(w.pact, "entry_into_force_for_party", w.gbr, effective_on="2001-04-01", counterparty=w.usa)
    w.period = Participation.objects.create(agreement=w.pact, party=w.aus, role="party", since="2002", until="2003-06-30")
    w.build = make_component(w.pact, slug="build", title="Build", starts_on="2004-01", due_on="2004-06", completed_on="2004-08-01")
    w.paid = make_commitment(
        w.pact, stage="committed", amount="13000000000", bound="about", payer=w.aus, stated_on="2005-05-05", component=w.build
    )
    w.study = make_commitment(w.pact, amount="0.5", stated_on="2005-06", component=w.build, description="For study")
    outcome = make_outcome(w.pact)
    w.ships = make_indicator(
        outcome, slug="ships", name="Ships", unit="hulls", baseline_value="1.5", baseline_on="2006-01", target_value=8, target_on="2006-12"
    )
    w.counted = make_measurement(w.ships, "2006-06~", value="2.5")
    w.wrong = FactCheck.objects.create(
        slug="wrong", agreement=w.pact, source=w.communique, statement="It is a treaty", verdict="incorrect", checked_on="2007-07-07"
    )
    w.hubs = make_recommendation(w.pact, slug="hubs", key_action="Open hubs", made_on="2008-01-01", due_on="2008")
    w.answer = Addressee.objects.create(recommendation=w.hubs, party=w.usa, response="accepted", responded_on="2008-03-03")
    w.step = Milestone.objects.create(recommendation=w.hubs, title="Sites chosen", due_on="2008-04", completed_on="2008-05-01")
    return w


EXPECTED = [
    ("2001-01-01", "treaty-actions", "signed", "Signature, Australia"),
    ("2001-02", "treaty-actions", "ratified", "Ratification, Australia"),
    ("2001-03~", "treaty-actions", "ratified", "Takes effect: Ratification, Australia"),
    ("2001-04-01", "treaty-actions", "paired", "Takes effect: Entry into force for a party, United Kingdom with United States"),
    ("2002", "participations", "period", "Begins: Australia as party"),
    ("2003-06-30", "participations", "period", "Ends: Australia as party"),
    ("2004-01", "components", "build", "Starts: Build"),
    ("2004-06", "components", "build", "Due: Build"),
    ("2004-08-01", "components", "build", "Completed: Build"),
    ("2005-05-05", "commitments", "paid", "Committed: about AUD 13,000,000,000, by Australia: Build"),
    ("2005-06", "commitments", "study", "Announced: AUD 0.5: For study"),
    ("2006-01", "indicators", "ships", "Baseline: Ships: 1.5 hulls"),
    ("2006-06~", "measurements", "counted", "Measured: Ships: 2.5 hulls"),
    ("2006-12", "indicators", "ships", "Target: Ships: 8 hulls"),
    ("2007-07-07", "fact-checks", "wrong", "Checked, incorrect: It is a treaty"),
    ("2008-01-01", "recommendations", "hubs", "Recommended: Open hubs"),
    ("2008", "recommendations", "hubs", "Due: Open hubs"),
    ("2008-03-03", "addressees", "answer", "Response of United States, accepted: Open hubs"),
    ("2008-04", "milestones", "step", "Milestone due: Sites chosen"),
    ("2008-05-01", "milestones", "step", "Milestone reached: Sites chosen"),
    ("2050-01", "agreements", "pact", "Next review: The Pact"),
    ("2099", "agreements", "pact", "Expires: The Pact"),
]


def line(client, url=URL, **parameters):
    return client.list(url, page_size=500, **parameters)["results"]


def titles(client, url=URL):
    return [entry["title"] for entry in line(client, url)]


def test_each_dated_event_is_listed_once_oldest_first(pact, as_reader):
    page = as_reader.list(URL)

    expected = [(on, kind, getattr(pact, name).natural_key()[0], title) for on, kind, name, title in EXPECTED]
    assert [(e["on"], e["type"], e["key"], e["title"]) for e in page["results"]] == expected
    assert (page["count"], page["next"], page["previous"]) == (len(EXPECTED), None, None)
    assert list(page["results"][0]) == ["on", "type", "key", "title", "url"]


def test_the_url_of_an_entry_is_that_of_its_record(pact, as_reader):
    for entry in line(as_reader):
        record = as_reader.get(entry["url"]).json()
        assert record["url"] == entry["url"]
        assert str(record[RESOURCES[entry["type"]].key]) == entry["key"]


def test_partial_dates_are_sorted_by_their_first_possible_day(pact, as_reader):
    for number, due_on in enumerate(["2010~", "2009-12-31", "2010-01", "2010-01-02", "2010", "2010-01-01", "2010-02~"]):
        make_component(pact.pact, slug=f"part-{number}", due_on=due_on)

    entries = [entry["on"] for entry in line(as_reader) if entry["on"][:4] in ("2009", "2010")]

    assert entries == ["2009-12-31", "2010~", "2010-01", "2010", "2010-01-01", "2010-01-02", "2010-02~"]


def test_entries_of_one_day_are_sorted_by_type_and_key(world, as_reader):
    day = make_agreement(slug="day", expires_on="2030-01-01")
    for slug in ("b", "a"):
        make_component(day, slug=slug, starts_on="2030", due_on="2030-01", completed_on="2030-01-01")
    make_recommendation(day, slug="r", due_on="2030-01-01", made_on="2030-01-01")

    entries = [(entry["type"], entry["key"], entry["title"][0]) for entry in line(as_reader, "agreements/day/timeline/")]

    assert entries == [
        ("agreements", "day", "E"),
        *(("components", slug, word) for slug in ("a", "b") for word in "SDC"),
        ("recommendations", "r", "R"),
        ("recommendations", "r", "D"),
    ]


def test_records_without_a_date_are_omitted(world, as_reader):
    bare = make_agreement(slug="bare")
    make_component(bare), make_commitment(bare), make_action(bare)
    Participation.objects.create(agreement=bare, party=world.aus, role="party")
    Milestone.objects.create(recommendation=make_recommendation(bare), title="Undated")

    assert as_reader.list("agreements/bare/timeline/") == {"count": 0, "next": None, "previous": None, "results": []}


def report(recommendation, status, day, by=None, **fields):
    narrative = {"narrative": "Seen."}
    return progress.report_progress(recommendation, Report(status=status, reported_on=day, **narrative | fields), by=by, today=NOW)


def test_approved_updates_are_listed_and_voided_ones_marked(pact, as_administrator, analyst, reviewer):
    report(pact.hubs, "in_progress", NOW - timedelta(9), analyst)
    claim = {"kind": "claim", "party": pact.usa, "evidence": (EvidenceRow(source=pact.communique),)}
    report(pact.hubs, "implemented", NOW - timedelta(8), analyst, **claim)
    report(pact.hubs, "", NOW - timedelta(7), analyst, kind="note")
    mistaken = report(pact.hubs, "stalled", NOW - timedelta(6), analyst)
    progress.void(mistaken, by=reviewer, reason="another one")
    progress.report_progress(pact.hubs, Report(status="planned", narrative="x"), by=analyst, today=NOW, submit=False)
    report(pact.hubs, "closed_not_implemented", NOW, analyst)

    entries = [(e["on"], e["title"]) for e in line(as_administrator) if e["type"] == "progress-updates"]

    assert entries == [
        ((NOW - timedelta(9)).isoformat(), "Assessed as in progress: Open hubs"),
        ((NOW - timedelta(8)).isoformat(), "Claimed by United States as implemented: Open hubs"),
        ((NOW - timedelta(7)).isoformat(), "Noted: Open hubs"),
        ((NOW - timedelta(6)).isoformat(), "Voided: Assessed as stalled: Open hubs"),
    ]


def test_records_that_the_user_may_not_read_are_omitted(pact, as_reader, as_officer, as_analyst, as_administrator):
    w = pact
    shut = make_component(w.pact, slug="shut", title="Shut", due_on="2010", visibility="restricted")
    make_commitment(w.pact, component=shut, amount=7, stated_on="2010-01-01")
    make_component(w.pact, slug="sketch", title="Sketch", due_on="2011", publication="draft")
    secret = make_recommendation(w.pact, slug="secret", key_action="Secret", due_on="2012", visibility="restricted")
    Addressee.objects.create(recommendation=secret, party=w.aus, responded_on="2012")
    Milestone.objects.create(recommendation=secret, title="Secret step", due_on="2012")
    report(secret, "planned", NOW - timedelta(3), as_administrator.user)
    paper = make_source(visibility="restricted")
    FactCheck.objects.create(slug="hid", agreement=w.pact, source=paper, statement="Hidden", checked_on="2013-01-01")

    public_titles = [title for *_, title in EXPECTED]
    assert sorted(titles(as_reader)) == sorted(public_titles)
    assert as_reader.list(URL)["count"] == len(public_titles)
    # Australia takes part in the agreement, so its party officer may read the drafts about it.
    assert sorted(titles(as_officer)) == sorted([*public_titles, "Due: Sketch"]) == sorted(titles(as_analyst))
    assert len(titles(as_administrator)) == len(public_titles) + 8


def test_a_recommendation_is_listed_in_each_of_its_agreements_only(pact, as_reader):
    pact.hubs.agreements.add(pact.quad)
    make_recommendation(pact.aukus, slug="other", due_on="2008")

    assert [e["key"] for e in line(as_reader, "agreements/quad/timeline/") if e["type"] == "recommendations"] == ["hubs", "hubs"]
    assert not any(e["key"] == "other" for e in line(as_reader))


def test_a_hidden_agreement_has_no_timeline(pact, as_reader, as_administrator):
    change_with_reason(Agreement.objects.filter(slug="pact"), visibility="restricted")

    assert as_reader.get(URL).status_code == 404
    assert as_reader.get(URL).content == as_reader.get("agreements/none/timeline/").content
    assert len(line(as_administrator)) == len(EXPECTED)


def test_anonymous_users_can_read_the_timeline_with_public_read(pact, settings, analyst):
    report(pact.hubs, "in_progress", NOW, analyst)
    assert Api().get(URL).status_code == 401
    settings.PUBLIC_READ = True

    assert len(line(Api())) == len(EXPECTED) + 1
    assert "analyst" not in Api().get(URL).text


@pytest.mark.parametrize("size", [1, 2, 5, 20, 21])
def test_pages_can_be_read_forward_and_backward(pact, as_reader, size):
    entries = line(as_reader)

    at, pages = f"{URL}?page_size={size}", []
    while at:
        pages.append(as_reader.get(at).json())
        at = pages[-1]["next"]

    assert [entry for page in pages for entry in page["results"]] == entries
    assert {page["count"] for page in pages} == {len(entries)}
    assert all(len(page["results"]) == size for page in pages[:-1])
    at, back = pages[-1]["previous"], []
    while at:
        back.append(as_reader.get(at).json())
        at = back[-1]["previous"]
    assert [page["results"] for page in back] == [page["results"] for page in pages[-2::-1]]


def test_a_cursor_keeps_its_position_when_earlier_entries_change(pact, as_reader):
    first = as_reader.get(f"{URL}?page_size=8").json()
    make_component(pact.pact, due_on="1999")
    with change_context(reason="test"):
        pact.signed.delete()

    assert as_reader.get(first["next"]).json()["results"][0]["title"] == EXPECTED[8][3]


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("cursor=x", "cursor"),
        ("cursor=a&cursor=b", "cursor"),
        ("page_size=0", "page_size"),
        ("page_size=501", "page_size"),
        ("page_size=many", "page_size"),
        ("on=2025-01-01", "on"),
        ("ordering=-on", "ordering"),
        ("type=components", "type"),
    ],
)
def test_an_invalid_parameter_is_refused_by_name(pact, as_reader, query, name):
    response = as_reader.get(f"{URL}?{query}")

    assert response.status_code == 400 and list(response.json()) == [name], response.content


def test_a_page_after_the_last_entry_is_empty(pact, as_reader):
    last = as_reader.get(f"{URL}?page_size={len(EXPECTED) - 1}").json()["next"]
    Agreement.objects.filter(slug="pact").update(expires_on="")

    page = as_reader.get(last).json()

    assert (page["count"], page["results"], page["next"]) == (len(EXPECTED) - 1, [], None)


def test_a_cursor_of_another_agreement_or_list_is_rejected(pact, as_reader):
    make_component(pact.quad, due_on="2020", starts_on="2019")
    cursor_url = as_reader.get(f"{URL}?page_size=1").json()["next"]
    list_url = as_reader.get("agreements/?page_size=1").json()["next"]

    assert as_reader.get(cursor_url.replace("/pact/", "/quad/")).status_code == 400
    assert as_reader.get(list_url.replace("/agreements/", "/agreements/pact/timeline/")).status_code == 400


def test_titles_are_limited_and_keep_text_unchanged(pact, as_reader):
    long = "x" * 5_000
    FactCheck.objects.create(slug="long", agreement=pact.pact, source=pact.communique, statement=long, checked_on="2040-01-01")
    make_component(pact.pact, slug="odd", title="{0} {} %s <b>|*bold*", due_on="2040-02")

    entries = [entry["title"] for entry in line(as_reader) if entry["on"].startswith("2040")]

    assert entries[1] == "Due: {0} {} %s <b>|*bold*"
    assert len(entries[0]) == 300 and entries[0].startswith("Checked, unchecked: xxx") and entries[0].endswith("x…")


def test_writes_are_refused(pact, as_administrator):
    for method in ("post", "put", "patch", "delete"):
        assert getattr(as_administrator, method)(URL, {}).status_code == 405


def test_the_number_of_queries_does_not_grow_with_the_entries(pact, as_reader, analyst):
    as_reader.get("agreements/")  # loads the roles of the user
    few = count_queries(as_reader.get, f"{URL}?page_size=2")
    for number in range(60):
        made = make_recommendation(pact.pact, due_on=f"{2010 + number}")
        report(made, "planned", NOW, analyst)
        make_component(pact.pact, starts_on="2010", due_on="2011", completed_on="2012")
    second_page = as_reader.get(f"{URL}?page_size=200").json()["next"]

    assert few == count_queries(as_reader.get, f"{URL}?page_size=200") == count_queries(as_reader.get, second_page) == QUERIES
