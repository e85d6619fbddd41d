"""Progress of recommendations: allowed status changes, conditions, review, derived status, evidence and concurrency."""

import re
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
from policytracker.records.access import Role
from policytracker.records.changes import Change
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
from tests.recommendations.statuses import TERMINAL, TRANSITIONS, is_allowed

TODAY = date(2025, 10, 20)
JANUARY, FEBRUARY, MARCH, APRIL = (date(2025, month, 15) for month in (1, 2, 3, 4))
FUTURE = date(2025, 10, 21)


def complete(status: str = "in_progress", **fields) -> Report:
    """A report that meets the conditions of every status."""
    if "evidence" not in fields:
        fields["evidence"] = (EvidenceRow(source=make_source()),)
    return Report(**{"status": status, "narrative": "Checked on site.", "reason": "It was reopened."} | fields)


def claim(status: str = "in_progress", **fields) -> Report:
    return Report(**{"kind": "claim", "status": status, "narrative": "Our own account.", "party": make_party("AUS")} | fields)


def archive(recommendation: Recommendation) -> None:
    with change_context(reason="Finished."):
        Recommendation.objects.filter(pk=recommendation.pk).update(publication="archived")


def make_assessed(*assessments: tuple[str, date], **fields) -> Recommendation:
    """A recommendation with these approved assessments."""
    recommendation = make_recommendation(**fields)
    for number, (status, day) in enumerate(assessments):
        at = datetime(2025, 10, 1, 12, number, tzinfo=ZoneInfo("UTC"))
        recommendation.updates.create(status=status, reported_on=day, review="approved", reviewed_at=at, narrative="Checked.")
    with change_context():
        recompute_status()
    recommendation.refresh_from_db()
    return recommendation


def codes(function, *args, **kwargs) -> list[str]:
    """The codes of the refusals, empty if there are none. All writes are rolled back."""
    with transaction.atomic():
        try:
            function(*args, **kwargs)
        except Refused as refused:
            return [refusal.code for refusal in refused.refusals]
        finally:
            transaction.set_rollback(True)
    return []


def derived(recommendation: Recommendation) -> dict:
    return Recommendation.objects.filter(pk=recommendation.pk).values(*DERIVED_FIELDS).get()


# Transitions


@pytest.mark.parametrize("old", Status.values)
def test_exactly_the_transitions_of_the_table_are_accepted(old, reviewer):
    recommendation = make_assessed((old, JANUARY), superseded_by=make_recommendation())

    accepted = [new for new in Status.values if not codes(report_progress, recommendation, complete(new), by=reviewer, today=TODAY)]

    assert accepted == [new for new in Status.values if is_allowed(old, new)]


@pytest.mark.parametrize("old", Status.values)
def test_other_transitions_are_refused_with_one_code(old, reviewer):
    recommendation = make_assessed((old, JANUARY), superseded_by=make_recommendation())

    for new in Status:
        if not is_allowed(old, new.value):
            with pytest.raises(Refused) as refused:
                report_progress(recommendation, complete(new), by=reviewer, today=TODAY)
            assert [refusal.code for refusal in refused.value.refusals] == ["transition_not_allowed"]


@pytest.mark.parametrize("old", Status.values)
def test_only_backward_transitions_and_reopenings_require_a_reason(old, reviewer):
    recommendation = make_assessed((old, JANUARY), superseded_by=make_recommendation())

    for new in Status.values:
        if is_allowed(old, new):
            expected = ["reason_required"] if f"{new}*" in TRANSITIONS[old] else []
            assert codes(report_progress, recommendation, complete(new, reason=" "), by=reviewer, today=TODAY) == expected


@pytest.mark.parametrize("new", Status.values)
def test_a_first_assessment_can_have_any_status(new, reviewer):
    recommendation = make_recommendation(superseded_by=make_recommendation())

    assert codes(report_progress, recommendation, complete(new), by=reviewer, today=TODAY) == []


def test_only_implemented_and_addressed_otherwise_require_evidence(reviewer):
    recommendation = make_recommendation(superseded_by=make_recommendation())

    requiring = [
        new for new in Status.values if codes(report_progress, recommendation, complete(new, evidence=()), by=reviewer, today=TODAY)
    ]

    assert requiring == ["implemented", "addressed_otherwise"]
    assert codes(report_progress, recommendation, complete("implemented", evidence=()), by=reviewer, today=TODAY) == ["evidence_required"]


def test_superseded_requires_a_successor_also_when_the_status_is_repeated(reviewer):
    recommendation = make_assessed(("superseded", JANUARY))

    assert codes(report_progress, recommendation, complete("superseded"), by=reviewer, today=TODAY) == [
        "superseding_recommendation_required"
    ]


# Conditions that are not met


@pytest.mark.parametrize(
    ("fields", "expected"),
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
def test_all_unmet_conditions_are_reported_in_the_order_of_the_api(fields, expected, reader):
    recommendation = make_assessed(("implemented", JANUARY))
    archive(recommendation)

    assert codes(report_progress, recommendation, Report(**fields), by=reader, today=TODAY) == expected.split()


def test_a_refusal_writes_nothing(reviewer):
    recommendation = make_assessed(("proposed", JANUARY))
    before = derived(recommendation)

    with pytest.raises(Refused):
        report_progress(
            recommendation, Report(status="implemented", evidence=(EvidenceRow(url="https://a.example/"),)), by=reviewer, today=TODAY
        )

    assert (derived(recommendation), recommendation.updates.count(), Source.objects.count()) == (before, 1, 0)


def test_a_narrative_of_whitespace_is_missing(reviewer):
    for kind, status in [("assessment", "planned"), ("claim", "planned"), ("note", "")]:
        report = complete(status, kind=kind, party=make_party("AUS"), narrative=" \n")
        assert codes(report_progress, make_recommendation(), report, by=reviewer, today=TODAY) == ["narrative_required"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"progress_percent": 101}, "progress_percent"),
        ({"progress_percent": -1}, "progress_percent"),
        ({"status": "finished"}, "status"),
        ({"kind": "rumour"}, "kind"),
        ({"kind": "note", "status": "planned"}, "status"),
        ({"assessed_by": "x" * 301}, "assessed_by"),
    ],
)
def test_an_invalid_value_is_reported_on_its_field(fields, field, reviewer):
    for submitting in (True, False):
        with pytest.raises(ValidationError) as error:
            report_progress(
                make_recommendation(), complete(**{"status": "in_progress"} | fields), by=reviewer, today=TODAY, submit=submitting
            )
        assert list(error.value.message_dict) == [field]


# Who may submit what


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
def test_each_role_can_submit_its_kinds(role, kinds, request, db):
    user = request.getfixturevalue(role)
    reports = [complete("planned"), claim("planned", evidence=(EvidenceRow(source=make_source()),)), complete("", kind="note")]

    refused = [codes(report_progress, make_recommendation(), report, by=user, today=TODAY) for report in reports]

    assert refused == [[] if report.kind in kinds else ["not_permitted"] for report in reports]


def test_an_officer_can_claim_only_for_the_own_party(officer):
    recommendation = make_recommendation()

    assert codes(report_progress, recommendation, claim(), by=officer, today=TODAY) == []
    assert codes(report_progress, recommendation, claim(party=make_party("USA")), by=officer, today=TODAY) == [
        "not_permitted",
        "evidence_required",
    ]
    assert codes(report_progress, recommendation, claim(party=None), by=officer, today=TODAY) == ["party_required"]


def test_an_officer_without_a_party_cannot_claim(db):
    officer = make_user("officer", Role.OFFICER)

    assert codes(report_progress, make_recommendation(), claim(party=None), by=officer, today=TODAY)[0] == "not_permitted"


def test_a_party_without_the_officer_role_gives_no_permission(reader):
    PartyOfficer.objects.create(user=reader, party=make_party("AUS"))

    assert codes(report_progress, make_recommendation(), claim(), by=reader, today=TODAY)[0] == "not_permitted"


def test_a_claim_on_behalf_of_a_party_requires_evidence_from_every_role(analyst, reviewer, administrator):
    for user in (analyst, reviewer, administrator):
        assert codes(report_progress, make_recommendation(), claim(), by=user, today=TODAY) == ["evidence_required"]


def test_a_recommendation_that_the_user_cannot_read_does_not_exist(officer, analyst):
    with pytest.raises(Recommendation.DoesNotExist):
        report_progress(make_recommendation(publication="draft"), claim(), by=officer, today=TODAY)
    with pytest.raises(Recommendation.DoesNotExist):
        report_progress(make_recommendation(visibility="restricted"), complete(), by=analyst, today=TODAY)


def test_the_draft_of_another_analyst_does_not_exist(analyst):
    draft = report_progress(make_recommendation(), complete(), by=analyst, today=TODAY, submit=False)

    with pytest.raises(ProgressUpdate.DoesNotExist):
        submit(draft, by=make_user("colleague", Role.ANALYST), today=TODAY)


# Immediate approval


@pytest.mark.parametrize("role", ["analyst", "reviewer", "administrator"])
def test_an_ordinary_update_is_approved_on_submission(role, request, db):
    user = request.getfixturevalue(role)

    update = report_progress(make_recommendation(), complete("in_progress", progress_percent=40), by=user, today=TODAY)

    assert (update.review, update.author, update.reviewed_by, update.reported_on) == ("approved", user, user, TODAY)
    assert update.reviewed_at
    assert update.evidence.count() == 1
    assert derived(update.recommendation) == {
        "status": "in_progress",
        "claimed_status": "",
        "status_since": TODAY,
        "progress_percent": 40,
        "last_update_on": TODAY,
        "closed_on": None,
    }
    assert update.recommendation.status == "in_progress"


@pytest.mark.parametrize("status", Status.values)
def test_only_a_terminal_status_waits_for_a_second_person(status, administrator):
    recommendation = make_recommendation(superseded_by=make_recommendation())

    update = report_progress(recommendation, complete(status), by=administrator, today=TODAY)

    assert update.review == ("submitted" if status in TERMINAL else "approved")
    assert update.recommendation.status == ("not_assessed" if status in TERMINAL else status)


@pytest.mark.parametrize(
    ("priority", "review"),
    [("critical", "submitted"), ("high", "submitted"), ("medium", "approved"), ("low", "approved"), ("unset", "approved")],
)
def test_an_assessment_of_high_priority_waits_for_a_second_person(priority, review, reviewer):
    assert report_progress(make_recommendation(priority=priority), complete(), by=reviewer, today=TODAY).review == review


def test_transition_and_second_person_rules_apply_to_assessments_only(analyst):
    recommendation = make_assessed(("implemented", JANUARY), priority="critical")

    claimed = report_progress(recommendation, claim("proposed", evidence=(EvidenceRow(source=make_source()),)), by=analyst, today=TODAY)
    note = report_progress(recommendation, complete("", kind="note"), by=analyst, today=TODAY)

    assert (claimed.review, note.review) == ("approved", "approved")
    assert derived(recommendation)["status"] == "implemented"
    assert derived(recommendation)["claimed_status"] == "proposed"
    assert derived(recommendation)["last_update_on"] == JANUARY


def test_an_officers_claim_waits_for_a_reviewer(officer, analyst, reviewer):
    recommendation = make_recommendation()

    waiting = report_progress(recommendation, claim("implemented"), by=officer, today=TODAY)

    assert (waiting.review, derived(recommendation)["claimed_status"]) == ("submitted", "")
    assert codes(approve, waiting, by=officer, today=TODAY) == ["not_permitted"]
    assert codes(approve, waiting, by=analyst, today=TODAY) == ["not_permitted"]

    approve(waiting, by=reviewer, today=TODAY)

    assert derived(recommendation)["claimed_status"] == "implemented"
    assert derived(recommendation)["status"] == "not_assessed"


def test_the_claim_of_an_officer_who_is_also_an_analyst_waits_for_a_reviewer(officer):
    officer.groups.add(Group.objects.get(name=Role.ANALYST))

    waiting = report_progress(make_recommendation(), claim(), by=officer, today=TODAY)

    assert waiting.review == "submitted"
    assert codes(approve, waiting, by=officer, today=TODAY) == ["not_permitted"]


def test_a_claim_can_be_approved_after_its_officer_has_left(officer, reviewer):
    waiting = report_progress(make_recommendation(), claim(), by=officer, today=TODAY)
    officer.office.delete()

    assert approve(waiting, by=reviewer, today=TODAY).review == "approved"


def test_an_update_without_author_waits_for_a_reviewer(reviewer):
    update = report_progress(make_recommendation(), complete("implemented"), by=None, today=TODAY)

    assert (update.author, update.review) == (None, "submitted")
    assert codes(report_progress, make_recommendation(), claim(), by=None, today=TODAY) == ["evidence_required"]
    assert approve(update, by=reviewer, today=TODAY).recommendation.status == "implemented"


# Approving and returning


def test_an_author_cannot_review_an_own_terminal_status(analyst, reviewer):
    for author in (analyst, reviewer):
        waiting = report_progress(make_recommendation(), complete("withdrawn"), by=author, today=TODAY)
        assert codes(approve, waiting, by=author, today=TODAY) == ["second_person_required"]
        assert codes(send_back, waiting, by=author, note="Own work.") == ["second_person_required"]


def test_a_reviewer_can_approve_the_update_of_another_user(analyst, reviewer):
    waiting = report_progress(make_recommendation(), complete("withdrawn"), by=analyst, today=TODAY)

    approved = approve(waiting, by=reviewer, today=TODAY, note="Checked.")

    assert (approved.review, approved.reviewed_by, approved.review_note, approved.author) == ("approved", reviewer, "Checked.", analyst)
    assert approved.recommendation.closed_on == TODAY


def test_an_analyst_cannot_review_an_update_that_needs_a_second_person_after_the_priority_was_lowered(analyst):
    recommendation = make_recommendation(priority="high")
    waiting = report_progress(recommendation, complete(), by=analyst, today=TODAY)
    other = report_progress(recommendation, complete(), by=make_user("colleague", Role.ANALYST), today=TODAY)
    change_with_reason(Recommendation.objects.filter(pk=recommendation.pk), priority="low")

    assert codes(approve, other, by=analyst, today=TODAY) == ["not_permitted"]
    assert codes(send_back, other, by=analyst, note="Check again.") == ["not_permitted"]
    assert codes(approve, waiting, by=analyst, today=TODAY) == ["second_person_required"]


def test_a_reviewed_update_cannot_be_reviewed_again(analyst, reviewer):
    recommendation = make_recommendation(priority="high")
    approved = approve(report_progress(recommendation, complete(), by=analyst, today=TODAY), by=reviewer, today=TODAY)
    returned = send_back(report_progress(recommendation, complete(), by=analyst, today=TODAY), by=reviewer, note="Check again.")

    for update in (approved, returned):
        assert codes(approve, update, by=reviewer, today=TODAY) == ["already_reviewed"]
        assert codes(send_back, update, by=reviewer, note="No.") == ["already_reviewed"]
    assert codes(approve, approved, by=analyst, today=TODAY) == ["already_reviewed"]


def test_a_reviewed_update_is_not_validated_again(analyst, reviewer):
    recommendation = make_recommendation()
    planned = report_progress(recommendation, complete("planned"), by=analyst, today=TODAY)
    approve(report_progress(recommendation, complete("withdrawn"), by=analyst, today=TODAY), by=reviewer, today=TODAY)

    assert codes(approve, planned, by=reviewer, today=TODAY) == ["already_reviewed"]


def test_a_draft_cannot_be_reviewed(analyst, reviewer):
    draft = report_progress(make_recommendation(), complete(), by=analyst, today=TODAY, submit=False)

    assert codes(approve, draft, by=reviewer, today=TODAY) == ["append_only"]
    assert codes(send_back, draft, by=reviewer, note="No.") == ["append_only"]


def test_an_assessment_is_validated_again_on_approval(analyst, reviewer):
    recommendation = make_assessed(("in_progress", JANUARY))
    waiting = report_progress(recommendation, complete("implemented", reason=""), by=analyst, today=TODAY)
    terminal = report_progress(recommendation, complete("withdrawn"), by=analyst, today=TODAY)

    approve(terminal, by=reviewer, today=TODAY)

    assert codes(approve, waiting, by=reviewer, today=TODAY) == ["reason_required"]
    assert derived(recommendation)["status"] == "withdrawn"


def test_a_forward_transition_can_be_a_reopening_on_approval(analyst, reviewer):
    recommendation = make_assessed(("proposed", JANUARY), priority="high")
    waiting = report_progress(recommendation, complete("in_progress", reason=""), by=analyst, today=TODAY)
    terminal = report_progress(recommendation, complete("withdrawn"), by=analyst, today=TODAY)

    approve(terminal, by=reviewer, today=TODAY)

    assert codes(approve, waiting, by=reviewer, today=TODAY) == ["reason_required"]


def test_the_successor_must_still_be_set_on_approval(analyst, reviewer):
    recommendation = make_recommendation(superseded_by=make_recommendation())
    waiting = report_progress(recommendation, complete("superseded"), by=analyst, today=TODAY)
    Recommendation.objects.filter(pk=recommendation.pk).update(superseded_by=None)

    assert codes(approve, waiting, by=reviewer, today=TODAY) == ["superseding_recommendation_required"]


def test_an_update_is_returned_with_a_note_and_submitted_again(analyst, reviewer):
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


def test_a_draft_has_no_effect_until_it_is_submitted(analyst):
    recommendation = make_recommendation()

    draft = report_progress(recommendation, complete("in_progress"), by=analyst, today=TODAY, submit=False)
    assert (draft.review, draft.reviewed_by, derived(recommendation)["status"]) == ("draft", None, "not_assessed")

    submitted = submit(draft, by=analyst, today=TODAY)
    assert (submitted.review, submitted.reviewed_by, derived(recommendation)["status"]) == ("approved", analyst, "in_progress")
    assert submitted.evidence.count() == 1


def test_a_draft_does_not_require_reason_evidence_or_narrative(analyst):
    recommendation = make_assessed(("withdrawn", JANUARY))
    draft = report_progress(recommendation, Report(status="implemented"), by=analyst, today=TODAY, submit=False)

    assert draft.review == "draft"
    assert codes(submit, draft, by=analyst, today=TODAY) == ["reason_required", "evidence_required", "narrative_required"]


def test_a_draft_requires_status_party_and_a_date_that_is_not_in_the_future(analyst, reader):
    def codes_of_draft(report, by=analyst, **fields):
        return codes(report_progress, make_recommendation(**fields), report, by=by, today=TODAY, submit=False)

    assert codes_of_draft(Report()) == ["status_required"]
    assert codes_of_draft(Report(kind="claim")) == ["status_required", "party_required"]
    assert codes_of_draft(Report(status="planned", reported_on=FUTURE)) == ["future_date"]
    assert codes_of_draft(Report(status="planned"), by=reader) == ["not_permitted"]
    assert codes_of_draft(Report(status="planned"), publication="archived") == ["closed_record"]
    assert codes_of_draft(Report(kind="note")) == []


def test_the_author_can_change_and_discard_a_draft(analyst):
    draft = report_progress(make_recommendation(), complete("planned"), by=analyst, today=TODAY, submit=False)
    evidence, new = draft.evidence.get(), make_source()
    rows = Report.of(draft).evidence

    same = revise(draft, Report(status="planned", evidence=rows), by=analyst, today=TODAY)
    assert same.evidence.get() == evidence

    other = revise(draft, Report(status="stalled", evidence=(EvidenceRow(source=new),)), by=analyst, today=TODAY)
    assert (other.status, other.narrative, other.evidence.get().source) == ("stalled", "", new)

    discard(other, by=analyst)
    assert not ProgressUpdate.objects.exists()


def test_a_changed_draft_is_validated_as_a_draft(analyst):
    draft = report_progress(make_recommendation(), complete(), by=analyst, today=TODAY, submit=False)

    assert codes(revise, draft, Report(reported_on=FUTURE), by=analyst, today=TODAY) == ["status_required", "future_date"]


def test_other_users_cannot_change_a_draft(analyst, administrator):
    draft = report_progress(make_recommendation(), complete(), by=analyst, today=TODAY, submit=False)

    assert codes(revise, draft, complete(), by=administrator, today=TODAY) == ["append_only"]
    assert codes(submit, draft, by=administrator, today=TODAY) == ["append_only"]
    assert codes(discard, draft, by=administrator) == ["append_only"]


def test_a_submitted_or_approved_update_cannot_be_changed(analyst, reviewer):
    waiting = report_progress(make_recommendation(), complete("withdrawn"), by=analyst, today=TODAY)
    approved = report_progress(make_recommendation(), complete(), by=analyst, today=TODAY)

    for update in (waiting, approved):
        assert codes(revise, update, complete(), by=analyst, today=TODAY) == ["append_only"]
        assert codes(submit, update, by=analyst, today=TODAY) == ["append_only"]
        assert codes(discard, update, by=analyst) == ["append_only"]


def test_the_database_rejects_changes_that_bypass_the_functions(analyst):
    update = report_progress(make_recommendation(), complete(), by=analyst, today=TODAY)

    for change in (
        lambda: ProgressUpdate.objects.filter(pk=update.pk).update(status="implemented"),
        lambda: update.evidence.all().update(quote="Changed."),
        lambda: update.evidence.all().delete(),
        lambda: ProgressUpdate.objects.filter(pk=update.pk).delete(),
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            change()


def violated_constraint(change) -> str:
    """The name of the constraint that a change violates. Nothing is written."""
    with pytest.raises(IntegrityError) as error, transaction.atomic(), change_context():
        change()
    return error.value.__cause__.diag.constraint_name


DERIVED_VALUES = {
    "status": "implemented",
    "claimed_status": "implemented",
    "status_since": JANUARY,
    "progress_percent": 7,
    "last_update_on": JANUARY,
    "closed_on": JANUARY,
}


@pytest.mark.parametrize("name", DERIVED_VALUES)
def test_the_database_rejects_other_writes_of_derived_fields(name, analyst):
    recommendation = make_recommendation()
    report_progress(recommendation, complete(), by=analyst, today=TODAY)
    rows = Recommendation.objects.filter(pk=recommendation.pk)

    updated = violated_constraint(lambda: rows.update(**{name: DERIVED_VALUES[name]}))
    created = violated_constraint(lambda: make_recommendation(**{name: DERIVED_VALUES[name]}))

    assert (updated, created) == ("status_follows_from_updates", "status_begins_unknown")


def test_derived_fields_are_protected_again_after_a_recomputation(analyst):
    recommendation = make_recommendation()
    with transaction.atomic():
        report_progress(recommendation, complete(), by=analyst, today=TODAY)

        constraint = violated_constraint(lambda: Recommendation.objects.update(status="implemented"))

    assert constraint == "status_follows_from_updates"


def test_the_database_rejects_changes_of_a_submitted_update(analyst):
    waiting = report_progress(make_recommendation(), complete("withdrawn"), by=analyst, today=TODAY)
    rows = ProgressUpdate.objects.filter(pk=waiting.pk)

    for change, constraint in (
        (lambda: rows.update(narrative="Changed."), "update_in_review_stays_as_it_is"),
        (lambda: rows.update(review="draft"), "update_in_review_stays_as_it_is"),
        (lambda: rows.update(review="returned"), "update_is_returned_with_a_note"),
        (lambda: rows.update(voided_at="2025-02-01T00:00:00Z", void_reason="Wrong."), "update_in_review_stays_as_it_is"),
        (lambda: rows._raw_delete("default"), "update_is_append_only"),
        (lambda: waiting.evidence.all().update(quote="Changed."), "evidence_of_an_approved_update_stays"),
        (lambda: waiting.evidence.all().delete(), "evidence_of_an_approved_update_stays"),
    ):
        assert violated_constraint(change) == constraint


def test_the_database_rejects_changes_of_voided_updates_and_wrong_corrections(analyst, reviewer):
    recommendation = make_recommendation()
    approved = report_progress(recommendation, complete("planned"), by=analyst, today=TODAY)
    voided = void(report_progress(recommendation, complete(), by=analyst, today=TODAY), by=reviewer, reason="Wrong.")
    draft = report_progress(make_recommendation(), complete(), by=analyst, today=TODAY, submit=False)
    row, at = ProgressUpdate.objects.filter(pk=voided.pk), "2025-02-01T00:00:00Z"

    for change, constraint in (
        (lambda: row.update(voided_at=None, void_reason=""), "update_changes_only_by_voiding"),
        (lambda: row.update(void_reason="Changed."), "update_changes_only_by_voiding"),
        (lambda: row.update(review="returned"), "update_changes_only_by_voiding"),
        (lambda: ProgressUpdate.objects.filter(pk=approved.pk).update(voided_at=at), "update_changes_only_by_voiding"),
        (lambda: ProgressUpdate.objects.filter(pk=draft.pk).update(voided_at=at, void_reason="x"), "update_is_voided_after_approval"),
        (lambda: ProgressUpdate.objects.filter(pk=draft.pk).update(corrects=voided), "update_corrects_a_voided_update"),
        (lambda: ProgressUpdate.objects.filter(pk=draft.pk).update(corrects=approved), "update_corrects_a_voided_update"),
    ):
        assert violated_constraint(change) == constraint


def test_updates_of_an_archived_recommendation_cannot_be_changed(analyst, reviewer):
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


def test_a_claim_on_an_archived_recommendation_cannot_be_approved(officer, reviewer):
    waiting = report_progress(make_recommendation(), claim(), by=officer, today=TODAY)
    archive(waiting.recommendation)

    assert codes(approve, waiting, by=reviewer, today=TODAY) == ["closed_record"]


# Past report dates, voiding, correcting


def test_an_assessment_for_a_past_date_does_not_change_the_current_status(analyst):
    recommendation = make_assessed(("proposed", JANUARY), ("partly_implemented", MARCH))

    report_progress(recommendation, complete("in_progress", reported_on=FEBRUARY, progress_percent=10), by=analyst, today=TODAY)

    assert derived(recommendation) == {
        "status": "partly_implemented",
        "claimed_status": "",
        "status_since": MARCH,
        "progress_percent": None,
        "last_update_on": MARCH,
        "closed_on": None,
    }


def test_an_assessment_for_a_past_date_is_validated_against_the_status_on_that_date(analyst):
    recommendation = make_assessed(("planned", JANUARY), ("largely_implemented", MARCH))

    def codes_on(day):
        return codes(report_progress, recommendation, complete("proposed", reported_on=day, reason=""), by=analyst, today=TODAY)

    assert codes_on(date(2025, 1, 14)) == []  # before the first assessment
    assert codes_on(JANUARY) == ["reason_required"]  # assessments of the same date count
    assert codes_on(date(2025, 3, 14)) == ["reason_required"]
    assert codes_on(MARCH) == ["transition_not_allowed"]
    assert codes_on(None) == ["transition_not_allowed"]


def test_an_earlier_assessment_with_the_same_status_moves_status_since(analyst):
    recommendation = make_assessed(("proposed", JANUARY), ("in_progress", MARCH))

    report_progress(recommendation, complete("in_progress", reported_on=FEBRUARY), by=analyst, today=TODAY)

    assert derived(recommendation)["status_since"] == FEBRUARY


def test_another_status_in_between_moves_status_since(analyst):
    recommendation = make_assessed(("in_progress", JANUARY), ("in_progress", MARCH))
    assert derived(recommendation)["status_since"] == JANUARY

    report_progress(recommendation, complete("stalled", reported_on=FEBRUARY), by=analyst, today=TODAY)

    assert derived(recommendation)["status_since"] == MARCH


def test_of_two_assessments_for_one_date_the_later_reviewed_one_counts(analyst):
    recommendation = make_assessed(("in_progress", JANUARY))

    report_progress(recommendation, complete("stalled", reported_on=JANUARY), by=analyst, today=TODAY)

    assert derived(recommendation)["status"] == "stalled"
    assert derived(recommendation)["status_since"] == JANUARY


def test_voiding_restores_the_previous_assessment(analyst, reviewer):
    recommendation = make_assessed(("planned", JANUARY))
    update = report_progress(recommendation, complete("in_progress", progress_percent=40), by=analyst, today=TODAY)

    voided = void(update, by=reviewer, reason="Wrong recommendation.")

    assert (voided.voided_by, voided.void_reason, voided.status) == (reviewer, "Wrong recommendation.", "in_progress")
    assert voided.voided_at
    assert voided.recommendation.status == "planned"
    assert (derived(recommendation)["progress_percent"], derived(recommendation)["last_update_on"]) == (None, JANUARY)


def test_without_updates_in_effect_a_recommendation_is_not_assessed(analyst, reviewer):
    recommendation = make_recommendation()
    update = report_progress(recommendation, complete("in_progress", progress_percent=40), by=analyst, today=TODAY)
    claimed = report_progress(recommendation, complete("planned", kind="claim", party=make_party("USA")), by=analyst, today=TODAY)

    void(update, by=reviewer, reason="Wrong.")
    void(claimed, by=reviewer, reason="Wrong.")

    assert derived(recommendation) == dict.fromkeys(DERIVED_FIELDS) | {"status": "not_assessed", "claimed_status": ""}


def test_voiding_a_terminal_status_reopens_the_recommendation(analyst, reviewer):
    recommendation = make_assessed(("in_progress", JANUARY))
    terminal = report_progress(recommendation, complete("withdrawn"), by=analyst, today=TODAY)
    assert approve(terminal, by=reviewer, today=TODAY).recommendation.closed_on == TODAY

    assert void(terminal, by=reviewer, reason="Wrong.").recommendation.closed_on is None


def test_a_reviewer_can_void_an_approved_update_once_and_with_a_reason(analyst, reviewer, administrator):
    update = report_progress(make_recommendation(), complete(), by=analyst, today=TODAY)
    waiting = report_progress(make_recommendation(), complete("withdrawn"), by=analyst, today=TODAY)

    assert codes(void, update, by=analyst, reason="") == ["not_permitted", "reason_required"]
    assert codes(void, update, by=reviewer, reason=" ") == ["reason_required"]
    assert codes(void, waiting, by=reviewer, reason="Wrong.") == ["append_only"]
    void(update, by=administrator, reason="Wrong.")
    assert codes(void, update, by=reviewer, reason="Wrong.") == ["already_voided"]
    assert codes(approve, update, by=reviewer, today=TODAY) == ["already_reviewed"]


def test_a_correction_must_reference_a_voided_update_of_the_same_recommendation(analyst, reviewer):
    recommendation = make_recommendation()
    wrong = report_progress(recommendation, complete("planned"), by=analyst, today=TODAY)

    for other in (wrong, void(report_progress(make_recommendation(), complete(), by=analyst, today=TODAY), by=reviewer, reason="Wrong.")):
        with pytest.raises(ValidationError) as error:
            report_progress(recommendation, complete(corrects=other), by=analyst, today=TODAY)
        assert list(error.value.message_dict) == ["corrects"]
    wrong = void(wrong, by=reviewer, reason="Wrong.")
    correction = report_progress(recommendation, complete("stalled", corrects=wrong), by=analyst, today=TODAY)

    assert correction.corrects == wrong
    assert correction.recommendation.status == "stalled"


# Closing


def test_a_terminal_status_closes_on_its_first_date(reviewer):
    recommendation = make_assessed(("in_progress", JANUARY), ("implemented", FEBRUARY), ("implemented", MARCH))

    assert (derived(recommendation)["status_since"], derived(recommendation)["closed_on"]) == (FEBRUARY, FEBRUARY)


@pytest.mark.parametrize("status", Status.values)
def test_closes_applies_to_partly_and_largely_implemented_and_terminal_statuses(status, reviewer):
    recommendation = make_recommendation(superseded_by=make_recommendation())

    update = report_progress(recommendation, complete(status, closes=True), by=None, today=TODAY)
    approve(update, by=reviewer, today=TODAY)

    closed = status in [*TERMINAL, "partly_implemented", "largely_implemented"]
    assert derived(recommendation)["closed_on"] == (TODAY if closed else None)


def test_closed_on_is_the_first_of_the_latest_closing_assessments(analyst):
    recommendation = make_recommendation()

    def assess(day, *, closes):
        report_progress(recommendation, complete("partly_implemented", reported_on=day, closes=closes), by=analyst, today=TODAY)
        return derived(recommendation)["closed_on"]

    assert assess(JANUARY, closes=False) is None
    assert assess(FEBRUARY, closes=True) == FEBRUARY
    assert assess(MARCH, closes=True) == FEBRUARY
    assert assess(APRIL, closes=False) is None
    assert derived(recommendation)["status_since"] == JANUARY


# Evidence


def evidence_of(user, *rows: EvidenceRow):
    update = report_progress(make_recommendation(), complete(evidence=rows), by=user, today=TODAY)
    return update.evidence.order_by("pk")


def test_evidence_keeps_locator_quote_stance_and_confidence(analyst):
    source = make_source()

    row = evidence_of(
        analyst, EvidenceRow(source, locator="p. 3", quote="Exact words.", stance="contradicts", confidence="confirmed")
    ).get()

    assert (row.source, row.locator, row.quote, row.stance, row.confidence) == (source, "p. 3", "Exact words.", "contradicts", "confirmed")


def test_a_url_finds_its_source_and_prefers_a_published_one(analyst):
    make_source(original_url="https://a.example/x", publication="draft")
    published = make_source(original_url="https://a.example/x")

    assert evidence_of(analyst, EvidenceRow(url="https://a.example/x", title="Another")).get().source == published


def test_an_unknown_url_creates_a_draft_source(analyst):
    source = evidence_of(analyst, EvidenceRow(url="https://www.State.gov/Releases/2025/10.html?x=1", title="Fact sheet")).get().source

    assert re.fullmatch("www-state-gov-releases-2025-10-html-[0-9a-f]{8}", source.slug)
    assert (source.kind, source.publication) == ("other", "draft")
    assert (source.title, source.original_url) == ("Fact sheet", "https://www.State.gov/Releases/2025/10.html?x=1")


def test_two_rows_with_one_url_create_one_source(analyst):
    first, second = evidence_of(analyst, *(EvidenceRow(url="https://a.example/x", locator=place) for place in ("1", "2")))

    assert first.source == second.source


def test_a_source_that_the_user_cannot_read_is_not_found_by_its_url(analyst):
    hidden = make_source(original_url="https://a.example/x", slug="a-example-x", visibility="restricted")

    source = evidence_of(analyst, EvidenceRow(url="https://a.example/x")).get().source

    assert source != hidden
    assert re.fullmatch("a-example-x-[0-9a-f]{8}", source.slug)


def test_a_long_url_creates_a_short_slug(analyst):
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
def test_invalid_evidence_is_reported_on_its_field(row, analyst):
    with pytest.raises(ValidationError) as error:
        evidence_of(analyst, row)

    assert list(error.value.message_dict) == ["evidence"]
    assert not Source.objects.exists()


# Versions and history


def test_a_change_of_another_version_is_stale(analyst, reviewer):
    recommendation = make_assessed(("planned", JANUARY), priority="high")
    draft = report_progress(recommendation, complete(), by=analyst, today=TODAY, submit=False)
    waiting = report_progress(recommendation, complete(), by=analyst, today=TODAY)
    approved = recommendation.updates.get(review="approved")

    for function in (
        lambda version: report_progress(recommendation, complete(), by=analyst, today=TODAY, version=version),
        lambda version: revise(draft, complete(), by=analyst, today=TODAY, version=version),
        lambda version: submit(draft, by=analyst, today=TODAY, version=version),
        lambda version: discard(draft, by=analyst, version=version),
        lambda version: approve(waiting, by=reviewer, today=TODAY, version=version),
        lambda version: send_back(waiting, by=reviewer, note="No.", version=version),
        lambda version: void(approved, by=reviewer, reason="Wrong.", version=version),
    ):
        with pytest.raises(Stale) as stale:
            function(99)
        assert codes(function, stale.value.current_version) == []


def test_the_returned_update_has_the_new_versions(analyst, reviewer):
    recommendation = make_recommendation()

    waiting = report_progress(recommendation, complete("withdrawn"), by=analyst, today=TODAY)
    assert (waiting.version, waiting.recommendation.version) == (1, 1)

    approved = approve(waiting, by=reviewer, today=TODAY)
    assert (approved.version, approved.recommendation.version) == (2, 2)


def test_history_has_user_and_reason(analyst, reviewer):
    recommendation = make_assessed(("planned", JANUARY))
    update = report_progress(recommendation, complete("proposed", reason="The plan was dropped."), by=analyst, today=TODAY)
    void(update, by=reviewer, reason="Wrong.")

    changes = Change.objects.filter(tbl="recommendations_recommendation", op="update").order_by("id")
    entries = [(change.actor["user"], change.actor["reason"], change.changed["status"]) for change in changes.filter(actor__has_key="user")]

    assert entries == [("analyst", "The plan was dropped.", "proposed"), ("reviewer", "Wrong.", "planned")]


# Recomputing


def create_without_functions(recommendation: Recommendation, status: str, day: date) -> None:
    """Create an approved assessment without `report_progress`, as `load_dataset` does."""
    at = datetime(2025, 10, 1, tzinfo=ZoneInfo("UTC"))
    recommendation.updates.create(status=status, reported_on=day, review="approved", reviewed_at=at, narrative="Checked.")


def test_recomputing_writes_only_rows_that_differ(db):
    correct, wrong = make_assessed(("planned", JANUARY)), make_recommendation()
    create_without_functions(wrong, "in_progress", TODAY)
    rows = Recommendation.objects.annotate(ctid=RawSQL("ctid::text", [])).values_list("pk", "version", "ctid").order_by("pk")
    before = list(rows)

    recompute_status()

    unchanged, corrected = rows.all()
    assert unchanged == before[0]  # not rewritten, not even with the same values
    assert corrected[1] == before[1][1] + 1
    assert (derived(wrong)["status"], derived(wrong)["progress_percent"], derived(correct)["status"]) == ("in_progress", None, "planned")


def test_recomputing_changes_only_the_selected_recommendations(db):
    selected, other = make_recommendation(), make_recommendation()
    create_without_functions(selected, "stalled", MARCH)
    create_without_functions(other, "stalled", MARCH)

    recompute_status(Recommendation.objects.filter(pk=selected.pk))
    recompute_status(Recommendation.objects.none())

    assert (derived(selected)["status"], derived(other)["status"]) == ("stalled", "not_assessed")


def test_recomputing_takes_a_fixed_number_of_queries(db, django_assert_num_queries):
    for _ in range(3):
        make_assessed(("planned", JANUARY))

    with django_assert_num_queries(4 + 2):  # and a savepoint
        recompute_status()


# Allowed status changes


def test_transitions_lists_every_status_and_allows_those_of_the_table(analyst):
    for old in Status.values:
        recommendation = make_assessed((old, JANUARY), superseded_by=make_recommendation())

        options = transitions(recommendation, by=analyst, today=TODAY)

        assert [option.status for option in options] == Status.values
        assert [option.status for option in options if option.allowed] == [new for new in Status.values if is_allowed(old, new)]
        assert options[0].label == "Proposed, not started"


def test_transitions_lists_the_conditions_and_the_second_person(analyst):
    def unmet(recommendation, status):
        options = transitions(recommendation, by=analyst, today=TODAY)
        return next([refusal.code for refusal in option.unmet] for option in options if option.status == status)

    ordinary, closed = make_assessed(("planned", JANUARY)), make_assessed(("withdrawn", JANUARY))
    assert unmet(ordinary, "in_progress") == ["narrative_required"]
    assert unmet(ordinary, "planned") == ["narrative_required"]
    assert unmet(ordinary, "proposed") == ["reason_required", "narrative_required"]
    assert unmet(ordinary, "implemented") == ["evidence_required", "narrative_required", "second_person_required"]
    assert unmet(ordinary, "withdrawn") == ["narrative_required", "second_person_required"]
    assert unmet(make_assessed(priority="critical"), "planned") == ["narrative_required", "second_person_required"]
    assert unmet(ordinary, "superseded") == ["superseding_recommendation_required"]
    assert unmet(closed, "planned") == ["transition_not_allowed"]
    assert unmet(closed, "superseded") == ["superseding_recommendation_required"]


def test_transitions_allows_nothing_without_permission_or_in_an_archived_recommendation(reader, officer, analyst):
    for user in (reader, officer):
        options = transitions(make_assessed(("planned", JANUARY)), by=user, today=TODAY)
        assert not any(option.allowed for option in options)
        assert {refusal.code for refusal in options[2].unmet} == {"not_permitted"}
    recommendation = make_assessed(("planned", JANUARY))
    archive(recommendation)
    recommendation.refresh_from_db()
    options = transitions(recommendation, by=analyst, today=TODAY)
    assert {refusal.code for refusal in options[2].unmet} == {"closed_record"}


def test_transitions_takes_one_query(analyst, django_assert_num_queries):
    recommendation = make_assessed(("planned", JANUARY))
    _ = analyst.roles

    with django_assert_num_queries(1):
        transitions(recommendation, by=analyst, today=TODAY)


# Concurrency


def run_concurrently(*functions) -> list[Exception | None]:
    """Run the functions in threads that start together. Returns the exception of each, or None."""
    start, raised = Barrier(len(functions)), [None] * len(functions)

    def run(index, function):
        start.wait()
        try:
            function()
        except Exception as error:
            raised[index] = error
        finally:
            connection.close()

    threads = [Thread(target=run, args=pair) for pair in enumerate(functions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


# These tests need real transactions. Afterwards all tables are truncated.
concurrent = pytest.mark.django_db(transaction=True)


@pytest.fixture
def people():
    """An analyst and two reviewers. Creates the groups again, because the previous test truncated them."""
    for role in Role.values:
        Group.objects.get_or_create(name=role)
    return make_user("analyst", Role.ANALYST), make_user("reviewer", Role.REVIEWER), make_user("second", Role.REVIEWER)


@concurrent
def test_of_two_concurrent_contradicting_approvals_one_is_refused(people):
    analyst, *reviewers = people
    for _ in range(5):
        recommendation = make_assessed(("in_progress", JANUARY))
        # A change from one terminal status to another requires a reason.
        statuses = ("implemented", "withdrawn")
        waiting = [report_progress(recommendation, complete(status, reason=""), by=analyst, today=TODAY) for status in statuses]

        raised = run_concurrently(
            *(lambda update=update, by=by: approve(update, by=by, today=TODAY) for update, by in zip(waiting, reviewers, strict=True))
        )

        assert sorted(type(error).__name__ for error in raised) == ["NoneType", "Refused"]
        refused = next(error for error in raised if error)
        assert [refusal.code for refusal in refused.refusals] == ["reason_required"]
        assert derived(recommendation)["status"] == waiting[raised.index(None)].status


@concurrent
def test_of_two_concurrent_reports_on_one_version_one_is_stale(people):
    analyst, reviewer, _ = people
    recommendation = make_assessed(("in_progress", JANUARY))
    reports = [(analyst, complete("stalled")), (reviewer, complete("partly_implemented"))]

    raised = run_concurrently(
        *(
            lambda by=by, report=report: report_progress(recommendation, report, by=by, today=TODAY, version=recommendation.version)
            for by, report in reports
        )
    )

    assert sorted(type(error).__name__ for error in raised) == ["NoneType", "Stale"]
    assert derived(recommendation)["status"] == reports[raised.index(None)][1].status


@concurrent
def test_concurrent_approvals_or_voids_of_one_update_take_effect_once(people):
    analyst, *reviewers = people
    waiting = report_progress(make_recommendation(), complete("withdrawn"), by=analyst, today=TODAY)

    raised = run_concurrently(*(lambda by=by: approve(waiting, by=by, today=TODAY) for by in reviewers))
    assert [error.refusals[0].code for error in raised if error] == ["already_reviewed"]

    raised = run_concurrently(*(lambda by=by: void(waiting, by=by, reason="Wrong.") for by in reviewers))
    assert [error.refusals[0].code for error in raised if error] == ["already_voided"]


@concurrent
def test_concurrent_reports_with_the_same_new_url_create_one_source(people):
    analyst, reviewer, _ = people
    page = (EvidenceRow(url="https://a.example/new"),)
    first_recommendation, second_recommendation = make_recommendation(), make_recommendation()
    cited = Barrier(2)

    def first():
        with transaction.atomic():
            report_progress(first_recommendation, complete(evidence=page), by=analyst, today=TODAY)
            cited.wait()
            sleep(0.3)

    def second():
        cited.wait()
        report_progress(second_recommendation, complete(evidence=page), by=reviewer, today=TODAY)

    assert run_concurrently(first, second) == [None, None]
    assert Source.objects.filter(original_url="https://a.example/new").count() == 1


@concurrent
def test_a_recomputation_waits_for_a_concurrent_report(people):
    analyst, *_ = people
    recommendation = make_assessed(("planned", JANUARY))
    create_without_functions(recommendation, "stalled", MARCH)  # a difference to correct
    reported = Barrier(2)

    def report_first():
        with transaction.atomic():
            report_progress(recommendation, complete("in_progress"), by=analyst, today=TODAY)
            reported.wait()
            sleep(0.3)

    def recompute_then():
        reported.wait()
        recompute_status()

    assert run_concurrently(report_first, recompute_then) == [None, None]
    assert derived(recommendation)["status"] == "in_progress"


@pytest.mark.parametrize(("url", "words"), [("https://президент.рф/акты", "other"), ("https://example.org/path", "example-org-path")])
def test_a_new_source_of_a_url_has_a_key_that_reveals_nothing_about_others(url, words, officer):
    make_source(slug=words, original_url=url, visibility="restricted")
    rows = [EvidenceRow(url=url, title="A page"), EvidenceRow(url=f"{url}/")]

    report_progress(make_recommendation(), claim(evidence=tuple(rows)), by=officer, today=TODAY, submit=False)

    slugs = [evidence.source.slug for evidence in ProgressUpdate.objects.get().evidence.all()]
    assert len(set(slugs)) == 2
    assert all(re.fullmatch(f"{words}-[0-9a-f]{{8}}", slug) for slug in slugs)
