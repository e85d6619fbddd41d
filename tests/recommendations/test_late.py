"""What is late, in which order, and why; and the numbers that stand beside "overdue"."""

from datetime import date, timedelta

import pytest

from agreements.models import Citation, Participation, TreatyAction
from policytracker.records.context import change_context
from policytracker.resources import ReadContext
from recommendations.models import Addressee
from recommendations.progress import EvidenceRow, Report, approve, report_progress
from recommendations.reports.late import KINDS, Figures, Filters, LateReport, Reason, figures, figures_by
from recommendations.reports.tally import recommendations_on
from tests.make import make_agreement, make_component, make_party, make_recommendation, make_source
from tests.queries import count_queries

TODAY = date.today()


def ago(days: int) -> str:
    return str(TODAY - timedelta(days))


def late(user, **filters):
    return LateReport(ReadContext.of(user), Filters(**filters)).page(0, 50)


@pytest.fixture
def register(analyst):
    """One late record of each kind, and one of each that is not late."""
    pact = make_agreement(short_title="Pact", next_review_on=ago(40), lead=analyst)
    make_agreement(next_review_on=ago(-1), expires_on=ago(-1))
    ended = make_agreement(legal_force="binding", expires_on=ago(30))
    TreatyAction.objects.create(agreement=ended, kind="termination", acted_on=ago(20), effective_on=ago(20))
    make_agreement(short_title="Lapsed", status="expired", expires_on=ago(30), next_review_on=ago(30))
    running = make_agreement(short_title="Running", expires_on=ago(10))
    component = make_component(pact, title="Base", due_on=ago(50))
    make_component(pact, due_on=ago(50), status="completed")
    recommendation = make_recommendation(pact, key_action="Build hubs", due_on=ago(30), owner=analyst)
    make_recommendation(pact, due_on="")
    milestone = recommendation.milestones.create(title="Half", due_on=ago(20))
    recommendation.milestones.create(title="Done", due_on=ago(20), completed_on=ago(25))
    return {"pact": pact, "running": running, "component": component, "recommendation": recommendation, "milestone": milestone}


def test_all_kinds_of_dates_are_late_together_and_the_longest_late_is_first(register, analyst):
    found = late(analyst)

    assert [(item.kind.code, item.name, item.days) for item in found] == [
        ("component", "Base", 50),
        ("review", "Pact", 40),
        ("recommendation", "Build hubs", 30),
        ("milestone", "Half", 20),
        ("expiry", "Running", 10),
    ]
    assert [item.owner for item in found] == [analyst.username] * 4 + [""]
    assert [[name for _pk, name in item.agreements] for item in found] == [["Pact"], [], ["Pact"], ["Pact"], []]
    assert LateReport(ReadContext.of(analyst)).count() == dict.fromkeys(KINDS, 1)


def test_a_partial_date_is_late_after_its_last_possible_day(analyst):
    year = TODAY.year
    make_recommendation(due_on=str(year))
    make_recommendation(due_on=str(year - 1))

    (item,) = late(analyst)

    assert (item.due_on, item.days) == (str(year - 1), (TODAY - date(year - 1, 12, 31)).days)


def test_hidden_records_are_not_late(register, reader, officer):
    secret = make_agreement(visibility="restricted", next_review_on=ago(90))
    make_recommendation(secret, visibility="restricted", due_on=ago(90))
    make_recommendation(publication="draft", due_on=ago(90))
    recommendation = register["recommendation"]
    recommendation.agreements.add(secret)

    assert len(late(reader)) == 5
    (item,) = late(reader, kinds=("recommendation",))
    assert [name for _pk, name in item.agreements] == ["Pact"]


def test_the_reason_says_moved_claimed_done_or_never_assessed(analyst, reviewer, officer):
    moved, claimed, assessed = (make_recommendation(due_on=day) for day in (ago(100), ago(40), ago(30)))
    with change_context(analyst, "Later", "admin"):
        moved.due_on = ago(50)
        moved.save()
    party, source = officer.office.party, make_source(title="Letter")
    Addressee.objects.create(recommendation=claimed, party=party)
    report = Report(status="implemented", kind="claim", party=party, narrative="Done.", evidence=(EvidenceRow(source=source),))
    approve(report_progress(claimed, report, by=officer, today=TODAY), by=reviewer, today=TODAY)
    report = Report(status="in_progress", narrative="Begun.", evidence=(EvidenceRow(source=source),))
    approve_if_needed(report_progress(assessed, report, by=analyst, today=TODAY), reviewer)

    found = {item.pk: item for item in late(analyst)}

    assert found[moved.pk].reasons == [Reason.MOVED, Reason.NEVER_ASSESSED]
    assert found[claimed.pk].reasons == [Reason.CLAIMED_DONE, Reason.NEVER_ASSESSED]
    assert found[assessed.pk].reasons == []
    assert (found[assessed.pk].evidence.title, found[assessed.pk].evidence.on) == ("Letter", str(TODAY))
    assert found[moved.pk].evidence is None
    assert [item.pk for item in late(analyst, reasons=("moved",))] == [moved.pk]


def approve_if_needed(update, reviewer):
    if update.review == "submitted":
        approve(update, by=reviewer, today=TODAY)


def test_the_evidence_of_a_component_is_its_newest_citation_that_the_user_may_read(register, reader):
    component = register["component"]
    for title, fields in (("Old", {"published_on": "2020"}), ("New", {"published_on": "2024-05"}), ("Secret", {"published_on": "2025"})):
        visibility = "restricted" if title == "Secret" else "public"
        Citation.objects.create(source=make_source(title=title, visibility=visibility, **fields), component=component)

    (item,) = late(reader, kinds=("component",))

    assert (item.evidence.title, item.evidence.on) == ("New", "2024-05")


def test_late_records_are_filtered_by_agreement_party_and_owner(register, analyst):
    party, other = make_party("AUS"), make_agreement(next_review_on=ago(5))
    Addressee.objects.create(recommendation=register["recommendation"], party=party)
    register["component"].lead_parties.add(party)
    Participation.objects.create(agreement=other, party=party, role="party")

    def kinds(**filters):
        return [item.kind.code for item in late(analyst, **filters)]

    assert kinds(agreements=(register["pact"].pk,)) == ["component", "review", "recommendation", "milestone"]
    assert kinds(parties=(party.pk,)) == ["component", "recommendation", "milestone", "review"]
    assert kinds(owners=(analyst.pk,)) == ["component", "review", "recommendation", "milestone"]
    assert kinds(owners=(None,)) == ["expiry", "review"]
    assert kinds(owners=(None,), kinds=("expiry",)) == ["expiry"]


def test_the_number_of_queries_does_not_depend_on_the_number_of_late_records(register, analyst):
    late(analyst)
    few = count_queries(late, analyst)
    for number in range(12):
        make_component(make_agreement(next_review_on=ago(3)), due_on=ago(number + 1))
        make_recommendation(make_agreement(), due_on=ago(number + 1))

    assert count_queries(late, analyst) == few <= 20


def test_without_due_date_and_stale_are_counted_beside_overdue(analyst, reviewer):
    first, second = make_agreement(), make_agreement()
    make_recommendation(first, due_on=ago(1))
    make_recommendation(first, due_on=ago(-10))
    make_recommendation(first, due_on="")
    both = make_recommendation(second, due_on="")
    both.agreements.add(first)
    context = ReadContext.of(analyst)

    assert figures(recommendations_on(context), TODAY) == Figures(overdue=1, due_soon=1, undated=2, stale=4, total=4)
    assert figures_by("agreements", [first.pk, second.pk], context) == {
        first.pk: Figures(overdue=1, due_soon=1, undated=2, stale=4, total=4),
        second.pk: Figures(undated=1, stale=1, total=1),
    }
