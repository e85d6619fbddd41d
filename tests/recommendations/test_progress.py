"""How a recommendation moves: the table of DOMAIN C5, the rules of DESIGN 5 and 10, and two people at one moment."""

from datetime import date, datetime
from threading import Barrier, Thread
from time import sleep
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.db.models.expressions import RawSQL

from agreements.models import PartyOfficer, Source
from policytracker.models import Change
from policytracker.records.access import Role
from policytracker.records.context import change_context
from policytracker.records.exceptions import Stale
from recommendations.derived_status import recompute_status
from recommendations.models import DERIVED_FIELDS, ProgressUpdate, Recommendation, Status
from recommendations.progress import (
    EvidenceRow,
    Refused,
    Report,
    approve,
    discard,
    report_progress,
    revise,
    send_back,
    submit,
    transitions,
    void,
)
from tests.conftest import make_user
from tests.make import change_with_reason, make_party, make_recommendation, make_source

TODAY = date(2025, 10, 20)
JANUARY, FEBRUARY, MARCH, APRIL = (date(2025, month, 15) for month in (1, 2, 3, 4))
FUTURE = date(2025, 10, 21)

# Copied from DOMAIN C5; a star asks for a reason.
TABLE = """
proposed            -> planned in_progress partly_implemented largely_implemented implemented addressed_otherwise stalled closed_not_implemented withdrawn superseded no_longer_applicable not_assessed
planned             -> in_progress partly_implemented largely_implemented implemented addressed_otherwise stalled closed_not_implemented withdrawn superseded no_longer_applicable not_assessed proposed*
in_progress         -> partly_implemented largely_implemented implemented addressed_otherwise stalled closed_not_implemented withdrawn superseded no_longer_applicable not_assessed
partly_implemented  -> largely_implemented implemented addressed_otherwise stalled closed_not_implemented withdrawn superseded no_longer_applicable in_progress*
largely_implemented -> implemented addressed_otherwise stalled closed_not_implemented superseded no_longer_applicable partly_implemented*
stalled             -> in_progress partly_implemented largely_implemented implemented addressed_otherwise closed_not_implemented withdrawn superseded no_longer_applicable
not_assessed        -> proposed planned in_progress partly_implemented largely_implemented implemented addressed_otherwise stalled closed_not_implemented withdrawn superseded no_longer_applicable
implemented            -> in_progress* partly_implemented* not_assessed* addressed_otherwise* closed_not_implemented* withdrawn* superseded* no_longer_applicable*
addressed_otherwise    -> in_progress* partly_implemented* not_assessed* implemented* closed_not_implemented* withdrawn* superseded* no_longer_applicable*
closed_not_implemented -> in_progress* partly_implemented* not_assessed* implemented* addressed_otherwise* withdrawn* superseded* no_longer_applicable*
withdrawn              -> in_progress* partly_implemented* not_assessed* implemented* addressed_otherwise* closed_not_implemented* superseded* no_longer_applicable*
superseded             -> in_progress* partly_implemented* not_assessed* implemented* addressed_otherwise* closed_not_implemented* withdrawn* no_longer_applicable*
no_longer_applicable   -> in_progress* partly_implemented* not_assessed* implemented* addressed_otherwise* closed_not_implemented* withdrawn* superseded*
"""  # noqa: E501
MOVES = {old.strip(): new.split() for old, new in (line.split("->") for line in TABLE.strip().splitlines())}
TERMINAL = ["implemented", "addressed_otherwise", "closed_not_implemented", "withdrawn", "superseded", "no_longer_applicable"]


def may(old: str, new: str) -> bool:
    return new == old or new in MOVES[old] or f"{new}*" in MOVES[old]


def complete(status: str = "in_progress", **fields) -> Report:
    """A report that brings whatever its status asks for."""
    if "evidence" not in fields:
        fields["evidence"] = (EvidenceRow(source=make_source()),)
    return Report(**{"status": status, "narrative": "As found.", "reason": "It was reopened."} | fields)


def claim(status: str = "in_progress", **fields) -> Report:
    return Report(**{"kind": "claim", "status": status, "narrative": "We say so.", "party": make_party("AUS")} | fields)


def archive(recommendation: Recommendation) -> None:
    with change_context(reason="Done with."):
        Recommendation.objects.filter(pk=recommendation.pk).update(publication="archived")


def standing(*found: tuple[str, date], **fields) -> Recommendation:
    """A recommendation with these assessments on record."""
    recommendation = make_recommendation(**fields)
    for number, (status, day) in enumerate(found):
        at = datetime(2025, 10, 1, 12, number, tzinfo=ZoneInfo("UTC"))
        recommendation.updates.create(status=status, reported_on=day, review="approved", reviewed_at=at, narrative="On record.")
    with change_context():
        recompute_status()
    recommendation.refresh_from_db()
    return recommendation


def codes(act, *args, **kwargs) -> list[str]:
    """The codes with which an act is refused; none where it is not. Either way nothing stays written."""
    with transaction.atomic():
        try:
            act(*args, **kwargs)
        except Refused as refused:
            return [refusal.code for refusal in refused.refusals]
        finally:
            transaction.set_rollback(True)
    return []


def now(recommendation: Recommendation) -> dict:
    return Recommendation.objects.filter(pk=recommendation.pk).values(*DERIVED_FIELDS).get()


# The table


@pytest.mark.parametrize("old", Status.values)
def test_a_recommendation_makes_exactly_the_moves_in_the_table(old, reviewer):
    recommendation = standing((old, JANUARY), superseded_by=make_recommendation())

    made = [new for new in Status.values if not codes(report_progress, recommendation, complete(new), by=reviewer, today=TODAY)]

    assert made == [new for new in Status.values if may(old, new)]


@pytest.mark.parametrize("old", Status.values)
def test_what_the_table_does_not_have_is_told_in_words(old, reviewer):
    recommendation = standing((old, JANUARY), superseded_by=make_recommendation())

    for new in Status:
        if not may(old, new.value):
            with pytest.raises(Refused) as refused:
                report_progress(recommendation, complete(new), by=reviewer, today=TODAY)
            assert [refusal.code for refusal in refused.value.refusals] == ["transition_not_allowed"]


@pytest.mark.parametrize("old", Status.values)
def test_exactly_a_step_back_and_a_reopening_need_a_reason(old, reviewer):
    recommendation = standing((old, JANUARY), superseded_by=make_recommendation())

    for new in Status.values:
        if may(old, new):
            expected = ["reason_required"] if f"{new}*" in MOVES[old] else []
            assert codes(report_progress, recommendation, complete(new, reason=" "), by=reviewer, today=TODAY) == expected


@pytest.mark.parametrize("new", Status.values)
def test_a_recommendation_never_assessed_can_be_found_in_any_status(new, reviewer):
    recommendation = make_recommendation(superseded_by=make_recommendation())

    assert codes(report_progress, recommendation, complete(new), by=reviewer, today=TODAY) == []


def test_only_what_was_done_needs_evidence(reviewer):
    recommendation = make_recommendation(superseded_by=make_recommendation())

    needing = [new for new in Status.values if codes(report_progress, recommendation, complete(new, evidence=()), by=reviewer, today=TODAY)]

    assert needing == ["implemented", "addressed_otherwise"]
    assert codes(report_progress, recommendation, complete("implemented", evidence=()), by=reviewer, today=TODAY) == ["evidence_required"]


def test_what_is_superseded_names_what_replaces_it_first_also_when_it_is_said_again(reviewer):
    recommendation = standing(("superseded", JANUARY))

    assert codes(report_progress, recommendation, complete("superseded"), by=reviewer, today=TODAY) == [
        "superseding_recommendation_required"
    ]


# What is refused, all at once and in order


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            {"status": "superseded", "reported_on": FUTURE},
            "not_permitted closed_record superseding_recommendation_required future_date reason_required narrative_required",
        ),
        (
            {"kind": "claim", "reported_on": FUTURE},
            "not_permitted closed_record status_required party_required future_date evidence_required narrative_required",
        ),
        ({"status": "in_progress"}, "not_permitted closed_record reason_required narrative_required"),
        ({"status": "implemented"}, "not_permitted closed_record evidence_required narrative_required"),
        ({"status": ""}, "not_permitted closed_record status_required narrative_required"),
        ({"kind": "note"}, "not_permitted closed_record narrative_required"),
    ],
)
def test_everything_unmet_is_told_at_once_in_the_order_of_the_contract(said, expected, reader):
    recommendation = standing(("implemented", JANUARY))
    archive(recommendation)

    assert codes(report_progress, recommendation, Report(**said), by=reader, today=TODAY) == expected.split()


def test_a_refusal_writes_nothing(reviewer):
    recommendation = standing(("proposed", JANUARY))
    before = now(recommendation)

    with pytest.raises(Refused):
        report_progress(
            recommendation, Report(status="implemented", evidence=(EvidenceRow(url="https://a.example/"),)), by=reviewer, today=TODAY
        )

    assert (now(recommendation), recommendation.updates.count(), Source.objects.count()) == (before, 1, 0)


def test_blanks_are_no_narrative(reviewer):
    for kind, status in [("assessment", "planned"), ("claim", "planned"), ("note", "")]:
        said = complete(status, kind=kind, party=make_party("AUS"), narrative=" \n")
        assert codes(report_progress, make_recommendation(), said, by=reviewer, today=TODAY) == ["narrative_required"]


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"progress_percent": 101}, "progress_percent"),
        ({"progress_percent": -1}, "progress_percent"),
        ({"status": "finished"}, "status"),
        ({"kind": "rumour"}, "kind"),
        ({"kind": "note", "status": "planned"}, "status"),
        ({"assessed_by": "x" * 301}, "assessed_by"),
    ],
)
def test_a_value_that_can_never_be_right_is_named(said, field, reviewer):
    for handed_in in (True, False):
        with pytest.raises(ValidationError) as error:
            report_progress(make_recommendation(), complete(**{"status": "in_progress"} | said), by=reviewer, today=TODAY, submit=handed_in)
        assert list(error.value.message_dict) == [field]


# Who may file what


@pytest.mark.parametrize(
    ("role", "kinds"),
    [
        ("reader", []),
        ("officer", ["claim"]),
        ("analyst", ["assessment", "claim", "note"]),
        ("reviewer", ["assessment", "claim", "note"]),
        ("administrator", ["assessment", "claim", "note"]),
    ],
)
def test_each_role_files_its_kinds(role, kinds, request, db):
    user = request.getfixturevalue(role)
    said = [complete("planned"), claim("planned", evidence=(EvidenceRow(source=make_source()),)), complete("", kind="note")]

    refused = [codes(report_progress, make_recommendation(), one, by=user, today=TODAY) for one in said]

    assert refused == [[] if one.kind in kinds else ["not_permitted"] for one in said]


def test_an_officer_claims_for_the_own_party_alone(officer):
    recommendation = make_recommendation()

    assert codes(report_progress, recommendation, claim(), by=officer, today=TODAY) == []
    assert codes(report_progress, recommendation, claim(party=make_party("USA")), by=officer, today=TODAY) == [
        "not_permitted",
        "evidence_required",
    ]
    assert codes(report_progress, recommendation, claim(party=None), by=officer, today=TODAY) == ["party_required"]


def test_an_officer_without_a_party_claims_nothing(db):
    nobody = make_user("nobody", Role.OFFICER)

    assert codes(report_progress, make_recommendation(), claim(party=None), by=nobody, today=TODAY)[0] == "not_permitted"


def test_to_be_of_a_party_is_nothing_without_the_role(reader):
    PartyOfficer.objects.create(user=reader, party=make_party("AUS"))

    assert codes(report_progress, make_recommendation(), claim(), by=reader, today=TODAY)[0] == "not_permitted"


def test_a_claim_for_another_needs_a_source_whoever_files_it(analyst, reviewer, administrator):
    for user in (analyst, reviewer, administrator):
        assert codes(report_progress, make_recommendation(), claim(), by=user, today=TODAY) == ["evidence_required"]


def test_what_one_may_not_read_does_not_exist(officer, analyst):
    with pytest.raises(Recommendation.DoesNotExist):
        report_progress(make_recommendation(publication="draft"), claim(), by=officer, today=TODAY)
    with pytest.raises(Recommendation.DoesNotExist):
        report_progress(make_recommendation(visibility="restricted"), complete(), by=analyst, today=TODAY)


def test_the_draft_of_another_analyst_does_not_exist(analyst):
    draft = report_progress(make_recommendation(), complete(), by=analyst, today=TODAY, submit=False)

    with pytest.raises(ProgressUpdate.DoesNotExist):
        submit(draft, by=make_user("colleague", Role.ANALYST), today=TODAY)


# What counts at once and what waits


@pytest.mark.parametrize("role", ["analyst", "reviewer", "administrator"])
def test_ordinary_work_counts_as_it_is_filed(role, request, db):
    user = request.getfixturevalue(role)

    update = report_progress(make_recommendation(), complete("in_progress", progress_percent=40), by=user, today=TODAY)

    assert (update.review, update.author, update.reviewed_by, update.reported_on) == ("approved", user, user, TODAY)
    assert update.reviewed_at
    assert update.evidence.count() == 1
    assert now(update.recommendation) == {
        "status": "in_progress",
        "claimed_status": "",
        "status_since": TODAY,
        "progress_percent": 40,
        "last_update_on": TODAY,
        "closed_on": None,
    }
    assert update.recommendation.status == "in_progress"


@pytest.mark.parametrize("status", Status.values)
def test_exactly_an_ending_waits_for_a_second_person(status, administrator):
    recommendation = make_recommendation(superseded_by=make_recommendation())

    update = report_progress(recommendation, complete(status), by=administrator, today=TODAY)

    assert update.review == ("submitted" if status in TERMINAL else "approved")
    assert update.recommendation.status == ("not_assessed" if status in TERMINAL else status)


@pytest.mark.parametrize(
    ("priority", "review"),
    [("critical", "submitted"), ("high", "submitted"), ("medium", "approved"), ("low", "approved"), ("unset", "approved")],
)
def test_what_matters_most_waits_for_a_second_person(priority, review, reviewer):
    assert report_progress(make_recommendation(priority=priority), complete(), by=reviewer, today=TODAY).review == review


def test_transition_and_second_person_rules_bind_assessments_only(analyst):
    recommendation = standing(("implemented", JANUARY), priority="critical")

    said = report_progress(recommendation, claim("proposed", evidence=(EvidenceRow(source=make_source()),)), by=analyst, today=TODAY)
    note = report_progress(recommendation, complete("", kind="note"), by=analyst, today=TODAY)

    assert (said.review, note.review) == ("approved", "approved")
    assert now(recommendation)["status"] == "implemented"
    assert now(recommendation)["claimed_status"] == "proposed"
    assert now(recommendation)["last_update_on"] == JANUARY


def test_an_officers_claim_waits_for_a_reviewer(officer, analyst, reviewer):
    recommendation = make_recommendation()

    waiting = report_progress(recommendation, claim("implemented"), by=officer, today=TODAY)

    assert (waiting.review, now(recommendation)["claimed_status"]) == ("submitted", "")
    assert codes(approve, waiting, by=officer, today=TODAY) == ["not_permitted"]
    assert codes(approve, waiting, by=analyst, today=TODAY) == ["not_permitted"]

    approve(waiting, by=reviewer, today=TODAY)

    assert now(recommendation)["claimed_status"] == "implemented"
    assert now(recommendation)["status"] == "not_assessed"


def test_an_officers_claim_waits_also_where_the_officer_is_an_analyst(officer):
    officer.groups.add(Group.objects.get(name=Role.ANALYST))

    waiting = report_progress(make_recommendation(), claim(), by=officer, today=TODAY)

    assert waiting.review == "submitted"
    assert codes(approve, waiting, by=officer, today=TODAY) == ["not_permitted"]


def test_a_claim_is_approved_although_its_officer_has_left(officer, reviewer):
    waiting = report_progress(make_recommendation(), claim(), by=officer, today=TODAY)
    officer.office.delete()

    assert approve(waiting, by=reviewer, today=TODAY).review == "approved"


def test_what_nobody_files_has_no_author_and_waits(reviewer):
    update = report_progress(make_recommendation(), complete("implemented"), by=None, today=TODAY)

    assert (update.author, update.review) == (None, "submitted")
    assert codes(report_progress, make_recommendation(), claim(), by=None, today=TODAY) == ["evidence_required"]
    assert approve(update, by=reviewer, today=TODAY).recommendation.status == "implemented"


# Approving and returning


def test_an_ending_is_not_approved_by_its_author(analyst, reviewer):
    for author in (analyst, reviewer):
        waiting = report_progress(make_recommendation(), complete("withdrawn"), by=author, today=TODAY)
        assert codes(approve, waiting, by=author, today=TODAY) == ["second_person_required"]
        assert codes(send_back, waiting, by=author, note="Mine.") == ["second_person_required"]


def test_a_reviewer_approves_what_another_filed(analyst, reviewer):
    waiting = report_progress(make_recommendation(), complete("withdrawn"), by=analyst, today=TODAY)

    approved = approve(waiting, by=reviewer, today=TODAY, note="Seen.")

    assert (approved.review, approved.reviewed_by, approved.review_note, approved.author) == ("approved", reviewer, "Seen.", analyst)
    assert approved.recommendation.closed_on == TODAY


def test_an_analyst_reviews_own_ordinary_work_alone(analyst):
    recommendation = make_recommendation(priority="high")
    waiting = report_progress(recommendation, complete(), by=analyst, today=TODAY)
    other = report_progress(recommendation, complete(), by=make_user("colleague", Role.ANALYST), today=TODAY)
    change_with_reason(Recommendation.objects.filter(pk=recommendation.pk), priority="low")

    assert codes(approve, other, by=analyst, today=TODAY) == ["not_permitted"]
    assert codes(send_back, other, by=analyst, note="Look again.") == ["not_permitted"]
    assert codes(approve, waiting, by=analyst, today=TODAY) == []


def test_what_was_reviewed_is_not_reviewed_again(analyst, reviewer):
    recommendation = make_recommendation(priority="high")
    approved = approve(report_progress(recommendation, complete(), by=analyst, today=TODAY), by=reviewer, today=TODAY)
    returned = send_back(report_progress(recommendation, complete(), by=analyst, today=TODAY), by=reviewer, note="Look again.")

    for update in (approved, returned):
        assert codes(approve, update, by=reviewer, today=TODAY) == ["already_reviewed"]
        assert codes(send_back, update, by=reviewer, note="No.") == ["already_reviewed"]
    assert codes(approve, approved, by=analyst, today=TODAY) == ["already_reviewed"]


def test_what_was_reviewed_is_not_judged_again_either(analyst, reviewer):
    recommendation = make_recommendation()
    planned = report_progress(recommendation, complete("planned"), by=analyst, today=TODAY)
    approve(report_progress(recommendation, complete("withdrawn"), by=analyst, today=TODAY), by=reviewer, today=TODAY)

    assert codes(approve, planned, by=reviewer, today=TODAY) == ["already_reviewed"]


def test_a_draft_is_not_reviewed(analyst, reviewer):
    draft = report_progress(make_recommendation(), complete(), by=analyst, today=TODAY, submit=False)

    assert codes(approve, draft, by=reviewer, today=TODAY) == ["append_only"]
    assert codes(send_back, draft, by=reviewer, note="No.") == ["append_only"]


def test_an_assessment_is_judged_again_when_it_is_approved(analyst, reviewer):
    recommendation = standing(("in_progress", JANUARY))
    waiting = report_progress(recommendation, complete("implemented", reason=""), by=analyst, today=TODAY)
    ending = report_progress(recommendation, complete("withdrawn"), by=analyst, today=TODAY)

    approve(ending, by=reviewer, today=TODAY)

    assert codes(approve, waiting, by=reviewer, today=TODAY) == ["reason_required"]
    assert now(recommendation)["status"] == "withdrawn"


def test_what_went_forward_when_it_was_filed_may_be_a_reopening_when_it_is_approved(analyst, reviewer):
    recommendation = standing(("proposed", JANUARY), priority="high")
    waiting = report_progress(recommendation, complete("in_progress", reason=""), by=analyst, today=TODAY)
    ending = report_progress(recommendation, complete("withdrawn"), by=analyst, today=TODAY)

    approve(ending, by=reviewer, today=TODAY)

    assert codes(approve, waiting, by=reviewer, today=TODAY) == ["reason_required"]


def test_what_replaces_it_must_still_be_named_when_it_is_approved(analyst, reviewer):
    recommendation = make_recommendation(superseded_by=make_recommendation())
    waiting = report_progress(recommendation, complete("superseded"), by=analyst, today=TODAY)
    Recommendation.objects.filter(pk=recommendation.pk).update(superseded_by=None)

    assert codes(approve, waiting, by=reviewer, today=TODAY) == ["superseding_recommendation_required"]


def test_an_update_is_returned_with_a_reason_and_handed_in_again(analyst, reviewer):
    recommendation = make_recommendation(priority="high")
    waiting = report_progress(recommendation, complete("planned"), by=analyst, today=TODAY)
    assert codes(send_back, waiting, by=reviewer, note=" ") == ["reason_required"]

    returned = send_back(waiting, by=reviewer, note="By whom?")
    assert (returned.review, returned.review_note, returned.reviewed_by) == ("returned", "By whom?", reviewer)

    revised = revise(returned, complete("planned", narrative="By the ministry."), by=analyst, today=TODAY)
    assert (revised.review, revised.narrative) == ("returned", "By the ministry.")

    again = submit(revised, by=analyst, today=TODAY)
    assert again.review == "submitted"
    assert approve(again, by=reviewer, today=TODAY).recommendation.status == "planned"


# Drafts


def test_a_draft_counts_for_nothing_until_it_is_submitted(analyst):
    recommendation = make_recommendation()

    draft = report_progress(recommendation, complete("in_progress"), by=analyst, today=TODAY, submit=False)
    assert (draft.review, draft.reviewed_by, now(recommendation)["status"]) == ("draft", None, "not_assessed")

    submitted = submit(draft, by=analyst, today=TODAY)
    assert (submitted.review, submitted.reviewed_by, now(recommendation)["status"]) == ("approved", analyst, "in_progress")
    assert submitted.evidence.count() == 1


def test_a_draft_may_lack_what_can_be_added_before_it_is_submitted(analyst):
    recommendation = standing(("withdrawn", JANUARY))
    poor = Report(status="implemented")

    draft = report_progress(recommendation, poor, by=analyst, today=TODAY, submit=False)

    assert draft.review == "draft"
    assert codes(submit, draft, by=analyst, today=TODAY) == ["reason_required", "evidence_required", "narrative_required"]


def test_a_draft_has_a_status_a_party_where_it_claims_and_no_day_to_come(analyst, reader):
    def drafted(said, by=analyst, **fields):
        return codes(report_progress, make_recommendation(**fields), said, by=by, today=TODAY, submit=False)

    assert drafted(Report()) == ["status_required"]
    assert drafted(Report(kind="claim")) == ["status_required", "party_required"]
    assert drafted(Report(status="planned", reported_on=FUTURE)) == ["future_date"]
    assert drafted(Report(status="planned"), by=reader) == ["not_permitted"]
    assert drafted(Report(status="planned"), publication="archived") == ["closed_record"]
    assert drafted(Report(kind="note")) == []


def test_its_author_changes_and_discards_a_draft(analyst):
    draft = report_progress(make_recommendation(), complete("planned"), by=analyst, today=TODAY, submit=False)
    kept, new = draft.evidence.get(), make_source()
    rows = Report.of(draft).evidence

    same = revise(draft, Report(status="planned", evidence=rows), by=analyst, today=TODAY)
    assert same.evidence.get() == kept

    other = revise(draft, Report(status="stalled", evidence=(EvidenceRow(source=new),)), by=analyst, today=TODAY)
    assert (other.status, other.narrative, other.evidence.get().source) == ("stalled", "", new)

    discard(other, by=analyst)
    assert not ProgressUpdate.objects.exists()


def test_a_changed_draft_is_judged_as_a_draft(analyst):
    draft = report_progress(make_recommendation(), complete(), by=analyst, today=TODAY, submit=False)

    assert codes(revise, draft, Report(reported_on=FUTURE), by=analyst, today=TODAY) == ["status_required", "future_date"]


def test_nobody_else_changes_a_draft(analyst, administrator):
    draft = report_progress(make_recommendation(), complete(), by=analyst, today=TODAY, submit=False)

    assert codes(revise, draft, complete(), by=administrator, today=TODAY) == ["append_only"]
    assert codes(submit, draft, by=administrator, today=TODAY) == ["append_only"]
    assert codes(discard, draft, by=administrator) == ["append_only"]


def test_what_was_handed_in_is_not_changed(analyst, reviewer):
    waiting = report_progress(make_recommendation(), complete("withdrawn"), by=analyst, today=TODAY)
    approved = report_progress(make_recommendation(), complete(), by=analyst, today=TODAY)

    for update in (waiting, approved):
        assert codes(revise, update, complete(), by=analyst, today=TODAY) == ["append_only"]
        assert codes(submit, update, by=analyst, today=TODAY) == ["append_only"]
        assert codes(discard, update, by=analyst) == ["append_only"]


def test_the_database_refuses_what_would_go_past_these_functions(analyst):
    update = report_progress(make_recommendation(), complete(), by=analyst, today=TODAY)

    for change in (
        lambda: ProgressUpdate.objects.filter(pk=update.pk).update(status="implemented"),
        lambda: update.evidence.all().update(quote="Otherwise."),
        lambda: update.evidence.all().delete(),
        lambda: ProgressUpdate.objects.filter(pk=update.pk).delete(),
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            change()


def refused_by_the_database(change) -> str:
    """The rule by which the database refuses a change; nothing stays written."""
    with pytest.raises(IntegrityError) as error, transaction.atomic(), change_context():
        change()
    return error.value.__cause__.diag.constraint_name


WAYS_ROUND = {
    "status": "implemented",
    "claimed_status": "implemented",
    "status_since": JANUARY,
    "progress_percent": 7,
    "last_update_on": JANUARY,
    "closed_on": JANUARY,
}


@pytest.mark.parametrize("name", WAYS_ROUND)
def test_the_database_lets_nobody_write_what_follows_from_updates(name, analyst):
    recommendation = make_recommendation()
    report_progress(recommendation, complete(), by=analyst, today=TODAY)
    rows = Recommendation.objects.filter(pk=recommendation.pk)

    changed = refused_by_the_database(lambda: rows.update(**{name: WAYS_ROUND[name]}))
    made = refused_by_the_database(lambda: make_recommendation(**{name: WAYS_ROUND[name]}))

    assert (changed, made) == ("status_follows_from_updates", "status_begins_unknown")


def test_the_guard_applies_again_after_a_recomputation(analyst):
    recommendation = make_recommendation()
    with transaction.atomic():
        report_progress(recommendation, complete(), by=analyst, today=TODAY)

        rule = refused_by_the_database(lambda: Recommendation.objects.update(status="implemented"))

    assert rule == "status_follows_from_updates"


def test_the_database_keeps_what_waits_for_review_as_it_was_handed_in(analyst):
    waiting = report_progress(make_recommendation(), complete("withdrawn"), by=analyst, today=TODAY)
    rows = ProgressUpdate.objects.filter(pk=waiting.pk)

    for change, rule in (
        (lambda: rows.update(narrative="Otherwise."), "update_in_review_stays_as_it_is"),
        (lambda: rows.update(review="draft"), "update_in_review_stays_as_it_is"),
        (lambda: rows.update(review="returned"), "update_is_returned_with_a_note"),
        (lambda: rows.update(voided_at="2025-02-01T00:00:00Z", void_reason="Wrong."), "update_in_review_stays_as_it_is"),
        (lambda: rows._raw_delete("default"), "update_is_append_only"),
        (lambda: waiting.evidence.all().update(quote="Otherwise."), "evidence_of_an_approved_update_stays"),
        (lambda: waiting.evidence.all().delete(), "evidence_of_an_approved_update_stays"),
    ):
        assert refused_by_the_database(change) == rule


def test_the_database_keeps_what_was_voided_voided_and_what_is_corrected_true(analyst, reviewer):
    recommendation = make_recommendation()
    standing_one = report_progress(recommendation, complete("planned"), by=analyst, today=TODAY)
    voided = void(report_progress(recommendation, complete(), by=analyst, today=TODAY), by=reviewer, reason="Wrong.")
    draft = report_progress(make_recommendation(), complete(), by=analyst, today=TODAY, submit=False)
    row, at = ProgressUpdate.objects.filter(pk=voided.pk), "2025-02-01T00:00:00Z"

    for change, rule in (
        (lambda: row.update(voided_at=None, void_reason=""), "update_changes_only_by_voiding"),
        (lambda: row.update(void_reason="Otherwise."), "update_changes_only_by_voiding"),
        (lambda: row.update(review="returned"), "update_changes_only_by_voiding"),
        (lambda: ProgressUpdate.objects.filter(pk=standing_one.pk).update(voided_at=at), "update_changes_only_by_voiding"),
        (lambda: ProgressUpdate.objects.filter(pk=draft.pk).update(voided_at=at, void_reason="x"), "update_is_voided_after_approval"),
        (lambda: ProgressUpdate.objects.filter(pk=draft.pk).update(corrects=voided), "update_corrects_what_was_voided"),
        (lambda: ProgressUpdate.objects.filter(pk=draft.pk).update(corrects=standing_one), "update_corrects_what_was_voided"),
    ):
        assert refused_by_the_database(change) == rule


def test_nothing_moves_in_the_archive(analyst, reviewer):
    recommendation = make_recommendation(priority="high")
    draft = report_progress(recommendation, complete(), by=analyst, today=TODAY, submit=False)
    waiting = report_progress(recommendation, complete(), by=analyst, today=TODAY)
    approved = approve(report_progress(recommendation, complete(), by=analyst, today=TODAY), by=reviewer, today=TODAY)
    archive(recommendation)

    assert codes(report_progress, recommendation, complete(), by=analyst, today=TODAY) == ["closed_record"]
    assert codes(revise, draft, complete(), by=analyst, today=TODAY) == ["closed_record"]
    assert codes(submit, draft, by=analyst, today=TODAY) == ["closed_record"]
    assert codes(discard, draft, by=analyst) == ["closed_record"]
    assert codes(approve, waiting, by=reviewer, today=TODAY) == ["closed_record"]
    assert codes(send_back, waiting, by=reviewer, note="No.") == ["closed_record"]
    assert codes(void, approved, by=reviewer, reason="Wrong.") == ["closed_record"]


def test_a_waiting_claim_does_not_move_in_the_archive(officer, reviewer):
    waiting = report_progress(make_recommendation(), claim(), by=officer, today=TODAY)
    archive(waiting.recommendation)

    assert codes(approve, waiting, by=reviewer, today=TODAY) == ["closed_record"]


# Late filing, voiding, correcting


def test_an_assessment_filed_late_changes_the_history_and_not_the_present(analyst):
    recommendation = standing(("proposed", JANUARY), ("partly_implemented", MARCH))

    report_progress(recommendation, complete("in_progress", reported_on=FEBRUARY, progress_percent=10), by=analyst, today=TODAY)

    assert now(recommendation) == {
        "status": "partly_implemented",
        "claimed_status": "",
        "status_since": MARCH,
        "progress_percent": None,
        "last_update_on": MARCH,
        "closed_on": None,
    }


def test_an_assessment_filed_late_is_judged_by_what_stood_on_its_day(analyst):
    recommendation = standing(("planned", JANUARY), ("largely_implemented", MARCH))

    def filed(day):
        return codes(report_progress, recommendation, complete("proposed", reported_on=day, reason=""), by=analyst, today=TODAY)

    assert filed(date(2025, 1, 14)) == []  # before the first nothing was known
    assert filed(JANUARY) == ["reason_required"]  # those of the same day included
    assert filed(date(2025, 3, 14)) == ["reason_required"]
    assert filed(MARCH) == ["transition_not_allowed"]
    assert filed(None) == ["transition_not_allowed"]


def test_an_earlier_finding_of_the_same_status_begins_the_run_earlier(analyst):
    recommendation = standing(("proposed", JANUARY), ("in_progress", MARCH))

    report_progress(recommendation, complete("in_progress", reported_on=FEBRUARY), by=analyst, today=TODAY)

    assert now(recommendation)["status_since"] == FEBRUARY


def test_another_status_in_between_breaks_the_run(analyst):
    recommendation = standing(("in_progress", JANUARY), ("in_progress", MARCH))
    assert now(recommendation)["status_since"] == JANUARY

    report_progress(recommendation, complete("stalled", reported_on=FEBRUARY), by=analyst, today=TODAY)

    assert now(recommendation)["status_since"] == MARCH


def test_of_two_findings_of_one_day_the_later_reviewed_one_counts(analyst):
    recommendation = standing(("in_progress", JANUARY))

    report_progress(recommendation, complete("stalled", reported_on=JANUARY), by=analyst, today=TODAY)

    assert now(recommendation)["status"] == "stalled"
    assert now(recommendation)["status_since"] == JANUARY


def test_voiding_lets_the_one_before_count_again(analyst, reviewer):
    recommendation = standing(("planned", JANUARY))
    update = report_progress(recommendation, complete("in_progress", progress_percent=40), by=analyst, today=TODAY)

    voided = void(update, by=reviewer, reason="Of another recommendation.")

    assert (voided.voided_by, voided.void_reason, voided.status) == (reviewer, "Of another recommendation.", "in_progress")
    assert voided.voided_at
    assert voided.recommendation.status == "planned"
    assert (now(recommendation)["progress_percent"], now(recommendation)["last_update_on"]) == (None, JANUARY)


def test_with_none_left_it_is_not_assessed_again(analyst, reviewer):
    recommendation = make_recommendation()
    update = report_progress(recommendation, complete("in_progress", progress_percent=40), by=analyst, today=TODAY)
    said = report_progress(recommendation, complete("planned", kind="claim", party=make_party("USA")), by=analyst, today=TODAY)

    void(update, by=reviewer, reason="Wrong.")
    void(said, by=reviewer, reason="Wrong.")

    assert now(recommendation) == dict.fromkeys(DERIVED_FIELDS) | {"status": "not_assessed", "claimed_status": ""}


def test_voiding_an_ending_opens_it_again(analyst, reviewer):
    recommendation = standing(("in_progress", JANUARY))
    ending = report_progress(recommendation, complete("withdrawn"), by=analyst, today=TODAY)
    assert approve(ending, by=reviewer, today=TODAY).recommendation.closed_on == TODAY

    assert void(ending, by=reviewer, reason="It was not.").recommendation.closed_on is None


def test_a_reviewer_voids_once_with_a_reason_what_was_approved(analyst, reviewer, administrator):
    update = report_progress(make_recommendation(), complete(), by=analyst, today=TODAY)
    waiting = report_progress(make_recommendation(), complete("withdrawn"), by=analyst, today=TODAY)

    assert codes(void, update, by=analyst, reason="") == ["not_permitted", "reason_required"]
    assert codes(void, update, by=reviewer, reason=" ") == ["reason_required"]
    assert codes(void, waiting, by=reviewer, reason="Wrong.") == ["append_only"]
    void(update, by=administrator, reason="Wrong.")
    assert codes(void, update, by=reviewer, reason="Wrong.") == ["already_voided"]
    assert codes(approve, update, by=reviewer, today=TODAY) == ["already_reviewed"]


def test_a_correction_names_a_voided_update_of_the_same_recommendation(analyst, reviewer):
    recommendation = make_recommendation()
    wrong = report_progress(recommendation, complete("planned"), by=analyst, today=TODAY)

    for other in (wrong, void(report_progress(make_recommendation(), complete(), by=analyst, today=TODAY), by=reviewer, reason="Wrong.")):
        with pytest.raises(ValidationError) as error:
            report_progress(recommendation, complete(corrects=other), by=analyst, today=TODAY)
        assert list(error.value.message_dict) == ["corrects"]
    wrong = void(wrong, by=reviewer, reason="Wrong.")
    right = report_progress(recommendation, complete("stalled", corrects=wrong), by=analyst, today=TODAY)

    assert right.corrects == wrong
    assert right.recommendation.status == "stalled"


# Closing


def test_an_ending_closes_on_the_first_day_of_its_run(reviewer):
    recommendation = standing(("in_progress", JANUARY), ("implemented", FEBRUARY), ("implemented", MARCH))

    assert (now(recommendation)["status_since"], now(recommendation)["closed_on"]) == (FEBRUARY, FEBRUARY)


@pytest.mark.parametrize("status", Status.values)
def test_closes_ends_what_is_partly_or_largely_done(status, reviewer):
    recommendation = make_recommendation(superseded_by=make_recommendation())

    update = report_progress(recommendation, complete(status, closes=True), by=None, today=TODAY)
    approve(update, by=reviewer, today=TODAY)

    ends = status in [*TERMINAL, "partly_implemented", "largely_implemented"]
    assert now(recommendation)["closed_on"] == (TODAY if ends else None)


def test_it_is_closed_since_each_finding_has_said_so(analyst):
    recommendation = make_recommendation()

    def found(day, *, closes):
        report_progress(recommendation, complete("partly_implemented", reported_on=day, closes=closes), by=analyst, today=TODAY)
        return now(recommendation)["closed_on"]

    assert found(JANUARY, closes=False) is None
    assert found(FEBRUARY, closes=True) == FEBRUARY
    assert found(MARCH, closes=True) == FEBRUARY
    assert found(APRIL, closes=False) is None
    assert now(recommendation)["status_since"] == JANUARY


# Evidence


def evidence_of(user, *rows: EvidenceRow):
    update = report_progress(make_recommendation(), complete(evidence=rows), by=user, today=TODAY)
    return update.evidence.order_by("pk")


def test_evidence_keeps_the_words_of_its_source(analyst):
    source = make_source()

    row = evidence_of(analyst, EvidenceRow(source, locator="p. 3", quote="It is.", stance="contradicts", confidence="confirmed")).get()

    assert (row.source, row.locator, row.quote, row.stance, row.confidence) == (source, "p. 3", "It is.", "contradicts", "confirmed")


def test_an_address_finds_its_source_a_published_one_first(analyst):
    make_source(original_url="https://a.example/x", publication="draft")
    published = make_source(original_url="https://a.example/x")

    assert evidence_of(analyst, EvidenceRow(url="https://a.example/x", title="Another")).get().source == published


def test_an_unknown_address_makes_a_draft_source(analyst):
    source = evidence_of(analyst, EvidenceRow(url="https://www.State.gov/Releases/2025/10.html?x=1", title="Fact sheet")).get().source

    assert (source.slug, source.kind, source.publication) == ("www-state-gov-releases-2025-10-html", "other", "draft")
    assert (source.title, source.original_url) == ("Fact sheet", "https://www.State.gov/Releases/2025/10.html?x=1")


def test_two_rows_of_one_address_are_of_one_source(analyst):
    first, second = evidence_of(analyst, *(EvidenceRow(url="https://a.example/x", locator=place) for place in ("1", "2")))

    assert first.source == second.source


def test_a_taken_slug_gets_a_number(analyst):
    rows = [EvidenceRow(url=f"https://a.example/x?page={page}") for page in range(3)]

    slugs = [row.source.slug for row in evidence_of(analyst, *rows)]

    assert slugs == ["a-example-x", "a-example-x-2", "a-example-x-3"]


def test_a_source_that_one_may_not_read_is_not_found_by_its_address(analyst):
    hidden = make_source(original_url="https://a.example/x", slug="a-example-x", visibility="restricted")

    source = evidence_of(analyst, EvidenceRow(url="https://a.example/x")).get().source

    assert (source == hidden, source.slug) == (False, "a-example-x-2")


def test_a_long_address_makes_a_short_slug(analyst):
    slugs = [row.source.slug for row in evidence_of(analyst, *(EvidenceRow(url=f"https://a.example/{'y' * 300}{n}") for n in "ab"))]

    assert all(len(slug) <= 120 for slug in slugs)


@pytest.mark.parametrize(
    "row",
    [
        EvidenceRow(),
        EvidenceRow(url="javascript:alert(1)"),
        EvidenceRow(url="https://[/"),
        EvidenceRow(url="https://a.example/", title="x" * 501),
        EvidenceRow(url="https://a.example/", stance="shrugs"),
        EvidenceRow(url="https://a.example/", confidence="sure"),
        EvidenceRow(url="https://a.example/", locator="x" * 301),
    ],
)
def test_evidence_that_can_never_be_right_is_named(row, analyst):
    with pytest.raises(ValidationError) as error:
        evidence_of(analyst, row)

    assert list(error.value.message_dict) == ["evidence"]
    assert not Source.objects.exists()


# Stale eyes, and what history keeps


def test_an_act_on_another_version_is_stale(analyst, reviewer):
    recommendation = standing(("planned", JANUARY), priority="high")
    draft = report_progress(recommendation, complete(), by=analyst, today=TODAY, submit=False)
    waiting = report_progress(recommendation, complete(), by=analyst, today=TODAY)
    approved = recommendation.updates.get(review="approved")

    for act in (
        lambda version: report_progress(recommendation, complete(), by=analyst, today=TODAY, version=version),
        lambda version: revise(draft, complete(), by=analyst, today=TODAY, version=version),
        lambda version: submit(draft, by=analyst, today=TODAY, version=version),
        lambda version: discard(draft, by=analyst, version=version),
        lambda version: approve(waiting, by=reviewer, today=TODAY, version=version),
        lambda version: send_back(waiting, by=reviewer, note="No.", version=version),
        lambda version: void(approved, by=reviewer, reason="Wrong.", version=version),
    ):
        with pytest.raises(Stale) as stale:
            act(99)
        assert codes(act, stale.value.current_version) == []


def test_a_move_gives_back_the_versions_that_it_made(analyst, reviewer):
    recommendation = make_recommendation()

    waiting = report_progress(recommendation, complete("withdrawn"), by=analyst, today=TODAY)
    assert (waiting.version, waiting.recommendation.version) == (1, 1)

    approved = approve(waiting, by=reviewer, today=TODAY)
    assert (approved.version, approved.recommendation.version) == (2, 2)


def test_history_keeps_who_and_why(analyst, reviewer):
    recommendation = standing(("planned", JANUARY))
    update = report_progress(recommendation, complete("proposed", reason="The plan was dropped."), by=analyst, today=TODAY)
    void(update, by=reviewer, reason="It was not.")

    moves = Change.objects.filter(tbl="recommendations_recommendation", op="update").order_by("id")
    kept = [(move.actor["user"], move.actor["reason"], move.changed["status"]) for move in moves.filter(actor__has_key="user")]

    assert kept == [("analyst", "The plan was dropped.", "proposed"), ("reviewer", "It was not.", "planned")]


# Recomputing


def approved_directly(recommendation: Recommendation, status: str, day: date) -> None:
    """An assessment that was not created by the functions, as rows of a data set are."""
    at = datetime(2025, 10, 1, tzinfo=ZoneInfo("UTC"))
    recommendation.updates.create(status=status, reported_on=day, review="approved", reviewed_at=at, narrative="On record.")


def test_recomputing_writes_only_what_differs(db):
    right, wrong = standing(("planned", JANUARY)), make_recommendation()
    approved_directly(wrong, "in_progress", TODAY)
    places = Recommendation.objects.annotate(place=RawSQL("ctid::text", [])).values_list("pk", "version", "place").order_by("pk")
    before = list(places)

    recompute_status()

    untouched, mended = places.all()
    assert untouched == before[0]  # not written again, not even with the same words
    assert mended[1] == before[1][1] + 1
    assert (now(wrong)["status"], now(wrong)["progress_percent"], now(right)["status"]) == ("in_progress", None, "planned")


def test_recomputing_some_leaves_the_others(db):
    one, other = make_recommendation(), make_recommendation()
    approved_directly(one, "stalled", MARCH), approved_directly(other, "stalled", MARCH)

    recompute_status(Recommendation.objects.filter(pk=one.pk))
    recompute_status(Recommendation.objects.none())

    assert (now(one)["status"], now(other)["status"]) == ("stalled", "not_assessed")


def test_recomputing_takes_the_same_few_queries_for_any_number(db, django_assert_num_queries):
    for _ in range(3):
        standing(("planned", JANUARY))

    with django_assert_num_queries(6 + 2):  # and a savepoint
        recompute_status()


# Asking beforehand


def test_transitions_are_the_moves_in_the_order_of_the_codes(analyst):
    for old in Status.values:
        recommendation = standing((old, JANUARY), superseded_by=make_recommendation())

        moves = transitions(recommendation, by=analyst, today=TODAY)

        assert [move.status for move in moves] == Status.values
        assert [move.status for move in moves if move.allowed] == [new for new in Status.values if may(old, new)]
        assert moves[0].label == "Proposed, not started"


def test_transitions_say_what_the_report_must_bring_and_who_must_agree(analyst):
    def asked(recommendation, status):
        moves = transitions(recommendation, by=analyst, today=TODAY)
        return next([refusal.code for refusal in move.unmet] for move in moves if move.status == status)

    ordinary, ended = standing(("planned", JANUARY)), standing(("withdrawn", JANUARY))
    assert asked(ordinary, "in_progress") == ["narrative_required"]
    assert asked(ordinary, "planned") == ["narrative_required"]
    assert asked(ordinary, "proposed") == ["reason_required", "narrative_required"]
    assert asked(ordinary, "implemented") == ["evidence_required", "narrative_required", "second_person_required"]
    assert asked(ordinary, "withdrawn") == ["narrative_required", "second_person_required"]
    assert asked(standing(priority="critical"), "planned") == ["narrative_required", "second_person_required"]
    assert asked(ordinary, "superseded") == ["superseding_recommendation_required"]
    assert asked(ended, "planned") == ["transition_not_allowed"]
    assert asked(ended, "superseded") == ["superseding_recommendation_required"]


def test_transitions_are_closed_to_who_may_not_assess_and_in_the_archive(reader, officer, analyst):
    for user in (reader, officer):
        moves = transitions(standing(("planned", JANUARY)), by=user, today=TODAY)
        assert not any(move.allowed for move in moves)
        assert {refusal.code for refusal in moves[2].unmet} == {"not_permitted"}
    recommendation = standing(("planned", JANUARY))
    archive(recommendation)
    recommendation.refresh_from_db()
    moves = transitions(recommendation, by=analyst, today=TODAY)
    assert {refusal.code for refusal in moves[2].unmet} == {"closed_record"}


def test_asking_takes_a_fixed_number_of_queries(analyst, django_assert_num_queries):
    recommendation = standing(("planned", JANUARY))
    _ = analyst.roles

    with django_assert_num_queries(1):
        transitions(recommendation, by=analyst, today=TODAY)


# Two people at one moment


def at_once(*acts) -> list[Exception | None]:
    """Run the acts in threads that start together; what each raised."""
    together, raised = Barrier(len(acts)), [None] * len(acts)

    def run(index, act):
        together.wait()
        try:
            act()
        except Exception as error:
            raised[index] = error
        finally:
            connection.close()

    threads = [Thread(target=run, args=pair) for pair in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


# Tests of real transactions empty the tables. Naming the apps lets them empty also those that knox made for nothing.
at_one_moment = pytest.mark.django_db(transaction=True)


@pytest.fixture
def people():
    """An analyst and two reviewers, and the groups, which the test before has emptied too."""
    for role in Role.values:
        Group.objects.get_or_create(name=role)
    return make_user("analyst", Role.ANALYST), make_user("reviewer", Role.REVIEWER), make_user("second", Role.REVIEWER)


@at_one_moment
def test_of_two_contradictory_approvals_at_one_moment_exactly_one_wins(people):
    analyst, *reviewers = people
    for _ in range(5):
        recommendation = standing(("in_progress", JANUARY))
        # Without a reason no terminal status follows another.
        statuses = ("implemented", "withdrawn")
        waiting = [report_progress(recommendation, complete(status, reason=""), by=analyst, today=TODAY) for status in statuses]

        raised = at_once(*(lambda u=u, by=by: approve(u, by=by, today=TODAY) for u, by in zip(waiting, reviewers, strict=True)))

        assert sorted(type(error).__name__ for error in raised) == ["NoneType", "Refused"]
        loser = next(error for error in raised if error)
        assert [refusal.code for refusal in loser.refusals] == ["reason_required"]
        assert now(recommendation)["status"] == waiting[raised.index(None)].status


@at_one_moment
def test_of_two_reports_on_one_version_exactly_one_is_stale(people):
    analyst, reviewer, _ = people
    recommendation = standing(("in_progress", JANUARY))
    said = [(analyst, complete("stalled")), (reviewer, complete("partly_implemented"))]

    raised = at_once(
        *(
            lambda by=by, one=one: report_progress(recommendation, one, by=by, today=TODAY, version=recommendation.version)
            for by, one in said
        )
    )

    assert sorted(type(error).__name__ for error in raised) == ["NoneType", "Stale"]
    assert now(recommendation)["status"] == said[raised.index(None)][1].status


@at_one_moment
def test_one_update_is_approved_and_voided_once(people):
    analyst, *reviewers = people
    waiting = report_progress(make_recommendation(), complete("withdrawn"), by=analyst, today=TODAY)

    raised = at_once(*(lambda by=by: approve(waiting, by=by, today=TODAY) for by in reviewers))
    assert [error.refusals[0].code for error in raised if error] == ["already_reviewed"]

    raised = at_once(*(lambda by=by: void(waiting, by=by, reason="Wrong.") for by in reviewers))
    assert [error.refusals[0].code for error in raised if error] == ["already_voided"]


@at_one_moment
def test_two_who_cite_a_new_page_at_once_make_one_source_of_it(people):
    analyst, reviewer, _ = people
    page = (EvidenceRow(url="https://a.example/new"),)
    one, other = make_recommendation(), make_recommendation()
    cited = Barrier(2)

    def first():
        with transaction.atomic():
            report_progress(one, complete(evidence=page), by=analyst, today=TODAY)
            cited.wait()
            sleep(0.3)

    def second():
        cited.wait()
        report_progress(other, complete(evidence=page), by=reviewer, today=TODAY)

    assert at_once(first, second) == [None, None]
    assert Source.objects.filter(original_url="https://a.example/new").count() == 1


@at_one_moment
def test_a_recomputation_waits_for_a_concurrent_report(people):
    analyst, *_ = people
    recommendation = standing(("planned", JANUARY))
    approved_directly(recommendation, "stalled", MARCH)  # so that there is something to recompute
    reported = Barrier(2)

    def reporting():
        with transaction.atomic():
            report_progress(recommendation, complete("in_progress"), by=analyst, today=TODAY)
            reported.wait()
            sleep(0.3)

    def recomputing():
        reported.wait()
        recompute_status()

    assert at_once(reporting, recomputing) == [None, None]
    assert now(recommendation)["status"] == "in_progress"
