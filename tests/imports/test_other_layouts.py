"""Files of other registers than those with a mapping of this product, mapped as docs/steward.md says."""

import json

import pytest

from agreements.models import TreatyAction
from recommendations.models import ProgressUpdate, Recommendation
from tests.imports.conftest import approve_waiting, table

pytestmark = pytest.mark.usefixtures("stored_records")

PARTICIPATION = """
    resource = "treaty-actions"
    [columns]
    party = "State"
    [constants]
    agreement = "pact"
    [codes.party]
    "Congo 2" = "COG"
    [[records]]
    when = "Signed"
    columns = { acted_on = "Signed" }
    constants = { kind = "signature" }
    [[records]]
    when = "Bound"
    [records.columns]
    acted_on = "Bound"
    kind = "Bound"
    [records.codes.kind]
    "" = "ratification"
    a = "accession"
    d = "succession"
"""
PROMISES = """
    resource = "recommendations"
    path = "governments"
    [[records]]
    path = "pledges"
    [records.columns]
    slug = "ref"
    key_action = "text"
    due_on = "deadline"
    made_by_text = "cabinet"
    [records.progress]
    path = "log"
    status = "state"
    reported_on = "when"
    narrative = "note"
    evidence = { path = "refs", url = "href", title = "label" }
    [records.progress.codes]
    "Under way" = "in_progress"
    Done = "implemented"
"""


def test_a_table_of_states_with_footnotes_aliases_and_letters_after_dates(import_table):
    rows = [
        {"State": "Australia [1]", "Signed": "12 Jan 2016", "Bound": "25 Oct 2016"},
        {"State": "COTE D’IVOIRE\u00b2", "Signed": "", "Bound": "12 Jan 2016 a"},
        {"State": "Rom\u00e2nia *", "Signed": "", "Bound": "3 Nov 2016 d [4]"},
        {"State": "Congo 2", "Signed": "22 Apr 2016", "Bound": ""},
    ]

    run = import_table(table(*rows), "treaty-actions", mapping=PARTICIPATION)

    assert (run.code, run.summary) == (0, "5 created, 0 changed, 0 unchanged, 0 refused")
    assert set(TreatyAction.objects.values_list("party__code", "kind", "acted_on")) == {
        ("AUS", "signature", "2016-01-12"), ("AUS", "ratification", "2016-10-25"), ("CIV", "accession", "2016-01-12"),
        ("ROU", "succession", "2016-11-03"), ("COG", "signature", "2016-04-22"),
    }  # fmt: skip


def test_a_number_after_a_name_is_not_taken_for_a_footnote(import_table):
    run = import_table(table({"State": "Romania 3", "Signed": "2016", "Bound": ""}), "treaty-actions", mapping=PARTICIPATION)

    assert run.code == 1
    assert "Romania (ROU)" in run.output
    assert not TreatyAction.objects.exists()


def test_a_document_of_promises_inside_governments_with_a_history_of_statuses(import_table, reviewer):
    log = [
        {"when": "3 Mar 2024", "state": "Under way", "note": "Begun.", "refs": [{"href": "https://news.example/one", "label": "One"}]},
        {"when": "2025-06-30", "state": "Done", "note": "Open.", "refs": [{"href": "https://news.example/two", "label": "Two"}]},
    ]
    pledges = [{"ref": "A/12", "text": "Open a school", "deadline": "2027", "log": log}, {"ref": "A/13", "text": "Open a road", "log": []}]
    document = {"updated": "2026", "governments": [{"cabinet": "Cabinet A", "pledges": pledges}]}

    run = import_table(json.dumps(document), name="promises.json", mapping=PROMISES, user="reviewer", source="register")

    assert (run.code, run.summary) == (0, "2 created, 0 changed, 0 unchanged, 0 refused")
    approve_waiting()
    done = Recommendation.objects.get(slug="a-12")
    assert (done.status, done.due_on, done.made_by_text, str(done.closed_on)) == ("implemented", "2027", "Cabinet A", "2025-06-30")
    update = ProgressUpdate.objects.get(status="in_progress")
    assert {evidence.source.title for evidence in update.evidence.all()} >= {"One"}
    assert Recommendation.objects.get(slug="a-13").status == "not_assessed"
