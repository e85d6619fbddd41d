"""The list of updates that wait for a review: what it shows, and approving from there."""

from datetime import date, timedelta

import pytest

from recommendations.models import ProgressUpdate
from recommendations.progress import EvidenceRow, Report, report_progress
from tests.admin.page import change, changes
from tests.make import make_party, make_recommendation, make_source
from tests.queries import count_queries

TODAY = date.today()
WAITING = f"{changes(ProgressUpdate)}?review=submitted"


def submit(recommendation, by, **values):
    return report_progress(recommendation, Report(**{"status": "in_progress", "narrative": "Begun.", **values}), by=by, today=TODAY)


@pytest.fixture
def waiting(analyst, reviewer):
    """An update that waits for the reviewer, with an earlier one in effect."""
    recommendation = make_recommendation(key_action="Build two hubs", priority="low")
    submit(recommendation, analyst, status="planned", reported_on=TODAY - timedelta(9))
    evidence = (EvidenceRow(make_source(title="A paper"), locator="p. 7", quote="It is open."),)
    return submit(recommendation, analyst, status="implemented", narrative="Both hubs are open.", reported_on=TODAY, evidence=evidence)


def test_the_list_shows_old_and_new_status_narrative_and_evidence(waiting, reviewer, signed_in):
    page = signed_in(reviewer).get(WAITING).text

    for text in ("Build two hubs", "Planned → Implemented", "Both hubs are open.", "A paper</a>, p. 7 “It is open.”"):
        assert text in page, text


def test_the_old_status_of_a_claim_is_the_claim_before_of_the_same_party(officer, analyst, reviewer, signed_in):
    recommendation, own = make_recommendation(), officer.office.party
    evidence = (EvidenceRow(make_source()),)
    submit(recommendation, analyst, status="stalled", reported_on=TODAY - timedelta(9))
    for party, status in ((make_party("JPN"), "withdrawn"), (own, "planned")):
        submit(recommendation, analyst, kind="claim", party=party, status=status, reported_on=TODAY - timedelta(5), evidence=evidence)
    submit(recommendation, officer, kind="claim", status="implemented", reported_on=TODAY, party=own)
    submit(make_recommendation(), officer, kind="claim", status="planned", reported_on=TODAY, party=own)

    page = signed_in(reviewer).get(WAITING).text

    assert f"Planned → Implemented (claim by {own})" in page
    assert f"none → Planned (claim by {own})" in page


def test_an_update_is_approved_from_the_list_which_keeps_its_filters(waiting, reviewer, signed_in):
    client = signed_in(reviewer)

    response = client.post(WAITING, {"_approve": waiting.pk})

    waiting.refresh_from_db()
    assert (response.status_code, response.url, waiting.review) == (302, WAITING, "approved")
    assert waiting.recommendation.__class__.objects.get(pk=waiting.recommendation_id).status == "implemented"


@pytest.mark.parametrize("key", ["", "x", "0", "99999999999999999999", "1'"])
def test_an_update_that_is_gone_is_said(key, waiting, reviewer, signed_in):
    response = signed_in(reviewer).post(WAITING, {"_approve": key}, follow=True)

    assert [message.level_tag for message in response.context["messages"]] == ["error"]


def test_who_may_not_approve_sees_no_button_and_is_refused(waiting, analyst, reader, signed_in):
    as_author = signed_in(analyst)
    page = as_author.get(WAITING).text
    rejected = as_author.post(WAITING, {"_approve": waiting.pk}, follow=True)

    assert 'name="_approve"' not in page and "Another person must approve" in page
    assert [message.level_tag for message in rejected.context["messages"]] == ["error"]
    signed_in(reader).post(WAITING, {"_approve": waiting.pk})
    waiting.refresh_from_db()
    assert waiting.review == "submitted"


def test_the_number_of_queries_does_not_grow_with_the_list(waiting, analyst, reviewer, signed_in):
    client, costs = signed_in(reviewer), []
    client.get(WAITING)

    for _ in range(2):
        for _number in range(3):
            submit(make_recommendation(priority="high"), analyst, evidence=(EvidenceRow(make_source()),), reported_on=TODAY)
        costs.append(count_queries(client.get, WAITING))

    assert costs[0] == costs[1] <= 40


def test_other_lists_of_updates_are_as_before(waiting, reviewer, signed_in):
    page = signed_in(reviewer).get(changes(ProgressUpdate)).text

    assert "Both hubs are open." not in page and 'name="_approve"' not in page
    assert f"{change(waiting.recommendation)}#update-{waiting.pk}" in page
