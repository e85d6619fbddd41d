"""Filing and reviewing on the page of a recommendation."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from agreements.models import Source
from policytracker.models import Change
from recommendations.models import Addressee, ProgressUpdate, Recommendation, Status
from recommendations.progress import EvidenceRow, Report, approve, discard, report_progress, revise, send_back, submit, void
from tests.admin.page import change, changes, told
from tests.conftest import make_user
from tests.make import make_party, make_recommendation, make_source

TODAY = date.today()


def filed(page, **said) -> dict[str, object]:
    """What the form on the page sends, with what was typed."""
    form = page.context["report"]
    sent = {field.html_name: field.value() for part in (form, form.evidence.management_form, *form.evidence) for field in part}
    sent |= {f"evidence-{name[9:]}" if name.startswith("evidence_") else f"report-{name}": value for name, value in said.items()}
    return {name: value for name, value in sent.items() if value is not None and value is not False} | {"_report": "submit"}


def placed(page) -> dict[str, list[str]]:
    """The messages of a page: the levels, by the place at which they appear ("" is the top of the page)."""
    found: dict[str, list[str]] = {}
    for message in page.context["messages"]:
        found.setdefault(message.extra_tags or "", []).append(message.level_tag)
    return found


def refused_at(page, update) -> list[str]:
    """The refusals that the page shows at an update."""
    (shown,) = [one for one in page.context["updates"] if one.update.pk == update.pk]
    return shown.refused.sentences if shown.refused else []


def test_an_update_is_filed_on_the_page_and_counts_at_once(analyst, signed_in):
    client, recommendation, source = signed_in(analyst), make_recommendation(), make_source(title="A paper")
    page = client.get(change(recommendation))

    said = filed(
        page, status="in_progress", progress_percent=40, narrative="Begun.", **{"evidence_0-source": source.pk, "evidence_0-quote": "begun"}
    )
    answer = client.post(change(recommendation), said, follow=True)

    recommendation.refresh_from_db()
    update = recommendation.updates.get()
    assert (recommendation.status, recommendation.progress_percent, update.review) == ("in_progress", 40, "approved")
    assert placed(answer) == {"report": ["success"]}
    assert b"begun" in answer.content
    assert b"A paper" in answer.content
    assert Change.objects.filter(tbl="recommendations_progressupdate", row_id=update.pk).latest("id").actor["channel"] == "admin"


def test_evidence_may_be_an_address(analyst, signed_in):
    client, recommendation = signed_in(analyst), make_recommendation()
    page = client.get(change(recommendation))
    address = {"evidence_0-url": "https://example.org/report", "evidence_0-title": "Report"}

    client.post(change(recommendation), filed(page, status="implemented", narrative="Done.", **address))

    assert recommendation.updates.get().evidence.get().source == Source.objects.get(original_url="https://example.org/report")
    assert recommendation.updates.get().review == "submitted"


def test_a_refused_update_says_all_that_is_unmet_and_keeps_what_was_typed(analyst, signed_in):
    client, recommendation = signed_in(analyst), make_recommendation()
    report_progress(recommendation, Report(status="in_progress", narrative="Begun."), by=analyst, today=TODAY)
    page = client.get(change(recommendation))
    tomorrow = TODAY + timedelta(1)

    impossible = client.post(change(recommendation), filed(page, status="planned", narrative="typed with care"))
    incomplete = client.post(change(recommendation), filed(page, status="implemented", reported_on=tomorrow, narrative=" "))

    assert set(impossible.context["report"].errors) == {"status"}
    assert b"typed with care" in impossible.content
    assert set(incomplete.context["report"].errors) == {"reported_on", "narrative"}
    assert set(incomplete.context["report"].evidence[0].errors) == {"source"}
    fields = [error.field for error in incomplete.context["report"].error_summary()]
    assert fields == ["id_report-reported_on", "id_report-narrative", "id_evidence-0-source"]
    assert all(f'href="#{field}"' in incomplete.content.decode() for field in fields)
    assert recommendation.updates.count() == 1


def test_an_update_typed_over_another_version_is_refused_with_what_changed(analyst, reviewer, signed_in):
    client, recommendation = signed_in(analyst), make_recommendation()
    said = filed(client.get(change(recommendation)), status="planned", narrative="typed with care")
    report_progress(recommendation, Report(status="in_progress", narrative="Begun."), by=reviewer, today=TODAY)

    refused = client.post(change(recommendation), said)
    again = client.post(change(recommendation), filed(refused, status="in_progress"))

    assert "status: not_assessed → in_progress" in refused.context["report"].errors["__all__"][0]
    assert b"typed with care" in refused.content
    assert again.status_code == 302
    assert recommendation.updates.count() == 2


def test_an_officer_claims_for_the_own_party_and_a_reviewer_decides(officer, reviewer, signed_in, australia):
    client, recommendation = signed_in(officer), make_recommendation()
    page = client.get(change(recommendation))

    client.post(change(recommendation), filed(page, status="implemented", narrative="We did it."))
    update = recommendation.updates.get()
    as_reviewer = signed_in(reviewer)
    approved = as_reviewer.post(change(recommendation), {"_move": "approve", "update": update.pk, "note": "Noted"}, follow=True)

    assert (update.kind, update.party, update.review) == ("claim", australia, "submitted")
    assert [value for value, _ in page.context["report"].fields["kind"].choices] == ["claim"]
    assert placed(approved) == {f"update-{update.pk}": ["success"]}
    recommendation.refresh_from_db()
    assert (recommendation.claimed_status, recommendation.status) == ("implemented", "not_assessed")


def test_a_reader_sees_the_time_line_and_no_form(reader, analyst, signed_in):
    recommendation = make_recommendation()
    report_progress(recommendation, Report(status="in_progress", narrative="Work has begun."), by=analyst, today=TODAY)
    client = signed_in(reader)

    page = client.get(change(recommendation))
    refused = client.post(change(recommendation), {"_report": "1", "report-status": "implemented", "report-narrative": "x"})

    assert page.context["report"] is None
    assert b"Work has begun." in page.content
    assert b"_report" not in page.content
    assert recommendation.updates.count() == 1
    assert refused.status_code == 200


def test_the_four_axes_stand_side_by_side(reader, analyst, reviewer, signed_in):
    recommendation, source = make_recommendation(due_on=str(TODAY - timedelta(3))), make_source()
    Addressee.objects.create(recommendation=recommendation, party=make_party("AUS", name="Australia"), response="accepted_in_part")
    report_progress(recommendation, Report(status="stalled", narrative="Nothing moves."), by=analyst, today=TODAY)
    claim = Report(kind="claim", status="implemented", party=make_party("AUS"), narrative="Done.", evidence=(EvidenceRow(source=source),))
    report_progress(recommendation, claim, by=analyst, today=TODAY)

    page = signed_in(reader).get(change(recommendation))
    text = " ".join(page.content.decode().split())

    for words in (
        "<strong>Stalled</strong>",
        "<strong>Implemented</strong> – Australia",
        "<strong>Australia</strong>: Accepted in part",
        "<strong>Overdue</strong>",
    ):
        assert words in text, words


def test_each_status_says_whether_it_may_come_next_and_why_not(analyst, signed_in):
    recommendation = make_recommendation()
    report_progress(recommendation, Report(status="in_progress", narrative="Begun."), by=analyst, today=TODAY)

    page = signed_in(analyst).get(change(recommendation))

    assert [move.status for move in page.context["moves"]] == list(Status)
    for move in page.context["moves"]:
        assert all(refusal.detail in page.content.decode() for refusal in move.unmet if refusal.code != "narrative_required")


def test_a_second_person_decides_where_it_is_asked_for(analyst, reviewer, signed_in):
    recommendation, source = make_recommendation(), make_source()
    done = Report(status="implemented", narrative="Done.", evidence=(EvidenceRow(source=source),))
    update = report_progress(recommendation, done, by=analyst, today=TODAY)

    own = signed_in(analyst).post(change(recommendation), {"_move": "approve", "update": update.pk}, follow=True)
    unexplained = signed_in(reviewer).post(change(recommendation), {"_move": "return", "update": update.pk, "note": ""}, follow=True)
    returned = signed_in(reviewer).post(
        change(recommendation), {"_move": "return", "update": update.pk, "note": "Who says so?"}, follow=True
    )

    assert refused_at(own, update)
    assert refused_at(unexplained, update)
    assert placed(returned) == {f"update-{update.pk}": ["success"]}
    update.refresh_from_db()
    assert (update.review, update.review_note) == ("returned", "Who says so?")


def test_a_returned_update_is_changed_and_submitted_again(analyst, reviewer, signed_in):
    recommendation, source, client = make_recommendation(), make_source(), signed_in(analyst)
    done = Report(status="implemented", narrative="Done.", evidence=(EvidenceRow(source=source),))
    update = report_progress(recommendation, done, by=analyst, today=TODAY)
    signed_in(reviewer).post(change(recommendation), {"_move": "return", "update": update.pk, "note": "Who says so?"})

    page = client.get(f"{change(recommendation)}?revise={update.pk}")
    client.post(change(recommendation), filed(page, narrative="Done, says the minister."))

    update.refresh_from_db()
    assert (update.review, update.narrative) == ("submitted", "Done, says the minister.")
    assert update.evidence.get().source == source


def test_what_an_update_corrects_outlives_a_change_of_its_words(analyst, reviewer, signed_in):
    recommendation, client = make_recommendation(), signed_in(analyst)
    begun = Report(status="in_progress", narrative="Begun.")
    wrong = void(report_progress(recommendation, begun, by=analyst, today=TODAY), by=reviewer, reason="wrong record")
    draft = report_progress(recommendation, replace(begun, corrects=wrong), by=analyst, today=TODAY, submit=False)

    page = client.get(f"{change(recommendation)}?revise={draft.pk}")
    client.post(change(recommendation), filed(page, narrative="Begun in May."))

    draft.refresh_from_db()
    assert (draft.review, draft.narrative, draft.corrects) == ("approved", "Begun in May.", wrong)


def test_a_note_is_filed_without_emptying_the_status_that_the_form_fills_in(analyst, signed_in):
    recommendation, client = make_recommendation(), signed_in(analyst)
    report_progress(recommendation, Report(status="in_progress", narrative="Begun."), by=analyst, today=TODAY)
    page = client.get(change(recommendation))

    chosen = client.post(change(recommendation), filed(page, kind="note", status="planned", narrative="Asked."))
    client.post(change(recommendation), filed(page, kind="note", narrative="Asked the ministry."))

    assert chosen.context["report"].errors == {"status": ["A note has no status."]}
    note = recommendation.updates.get(kind="note")
    assert (note.status, note.review, note.narrative) == ("", "approved", "Asked the ministry.")


def test_an_update_that_was_thrown_away_meanwhile_is_told_of(analyst, reviewer, signed_in):
    recommendation = make_recommendation()
    draft = report_progress(recommendation, Report(status="planned"), by=analyst, today=TODAY, submit=False)
    draft_key = draft.pk
    discard(draft, by=analyst)

    answer = signed_in(reviewer).post(change(recommendation), {"_move": "approve", "update": draft_key})

    assert answer.status_code == 200
    assert placed(answer) == {"": ["error"]}


def test_the_list_of_what_waits_leads_to_the_page_on_which_it_is_reviewed(analyst, reviewer, signed_in):
    recommendation = make_recommendation()
    report_progress(recommendation, Report(status="withdrawn", narrative="Taken back."), by=analyst, today=TODAY)

    waiting = signed_in(reviewer).get(changes(ProgressUpdate, "?review=submitted")).content.decode()

    assert f'href="{change(recommendation)}#update-{recommendation.updates.get().pk}"' in waiting


def test_what_was_voided_stays_on_the_page_with_the_reason(reader, analyst, reviewer, signed_in):
    recommendation = make_recommendation()
    update = report_progress(recommendation, Report(status="in_progress", narrative="Begun."), by=analyst, today=TODAY)

    signed_in(reviewer).post(change(recommendation), {"_move": "void", "update": update.pk, "note": "wrong record"})
    page = signed_in(reader).get(change(recommendation))

    assert Recommendation.objects.get().status == "not_assessed"
    assert b"wrong record" in page.content
    assert b"Begun." in page.content


def test_an_archived_recommendation_takes_no_update(analyst, signed_in):
    recommendation = make_recommendation(publication="archived")
    client = signed_in(analyst)

    refused = client.post(change(recommendation), filed(client.get(change(recommendation)), status="planned", narrative="x"))

    assert set(refused.context["report"].errors) == {"__all__"}
    assert recommendation.updates.count() == 0


def test_several_updates_are_approved_from_the_list_and_each_refusal_is_told(analyst, reviewer, signed_in):
    ordinary, own = make_recommendation(), make_recommendation()
    evidence = (EvidenceRow(source=make_source()),)
    ended = Report(status="implemented", narrative="Done.", evidence=evidence)
    updates = [report_progress(ordinary, ended, by=analyst, today=TODAY), report_progress(own, ended, by=reviewer, today=TODAY)]

    answer = signed_in(reviewer).post(
        changes(ProgressUpdate), {"action": "approve", "_selected_action": [update.pk for update in updates]}, follow=True
    )

    assert [ProgressUpdate.objects.get(pk=update.pk).review for update in updates] == ["approved", "submitted"]
    assert sorted(placed(answer)[""]) == ["error", "success"]


@pytest.mark.parametrize("role", ["reader", "party officer"])
def test_whoever_may_not_review_is_offered_no_such_action(role, everybody, signed_in):
    recommendation = make_recommendation()
    ended = Report(status="implemented", narrative="Done.", evidence=(EvidenceRow(source=make_source()),))
    update = report_progress(recommendation, ended, by=everybody["analyst"], today=TODAY)

    signed_in(everybody[role]).post(changes(ProgressUpdate), {"action": "approve", "_selected_action": [update.pk]})

    update.refresh_from_db()
    assert update.review == "submitted"


def test_voided_updates_are_read_on_pages_of_their_own(analyst, reviewer, signed_in):
    recommendation = make_recommendation()
    update = report_progress(recommendation, Report(status="in_progress", narrative="Begun."), by=analyst, today=TODAY)
    void(update, by=reviewer, reason="wrong record")

    page = signed_in(analyst).get(change(update))

    assert b"wrong record" in page.content
    assert b'name="_save"' not in page.content
    assert signed_in(analyst).post(change(update), {"narrative": "x"}).status_code == 403


def test_nonsense_sent_to_the_page_is_no_error_of_ours(analyst, signed_in):
    client, recommendation = signed_in(analyst), make_recommendation()

    for nonsense in (
        {"_move": "approve", "update": "x"},
        {"_move": "explode", "update": "1"},
        {"_move": "approve"},
        {"_report": "1"},
        {"_report": "1", "evidence-TOTAL_FORMS": "999999999", "evidence-INITIAL_FORMS": "0"},
        {
            "_report": "1",
            "report-kind": "assessment",
            "report-status": "implemented",
            "evidence-TOTAL_FORMS": "0",
            "evidence-INITIAL_FORMS": "0",
        },
        {"_report": "1", "report-revises": "x", "report-version": "x", "report-narrative": "\0"},
    ):
        assert client.post(change(recommendation), nonsense).status_code == 200, nonsense
    assert client.post("/admin/recommendations/recommendation/x/change/", {"_move": "approve", "update": "1"}).status_code == 302


def test_an_update_that_was_changed_elsewhere_is_not_changed_over_it(analyst, reviewer, signed_in):
    recommendation, client = make_recommendation(), signed_in(analyst)
    update = report_progress(recommendation, Report(status="planned", narrative="First."), by=analyst, today=TODAY, submit=False)
    said = filed(client.get(f"{change(recommendation)}?revise={update.pk}"), narrative="typed with care")
    revise(update, Report(status="planned", narrative="Second."), by=analyst, today=TODAY)

    refused = client.post(change(recommendation), said)

    update.refresh_from_db()
    assert update.narrative == "Second."
    assert "narrative: First. → Second." in refused.context["report"].errors["__all__"][0]
    assert b"typed with care" in refused.content


def bulk_edit(client, recommendations, **said):
    chosen = {"action": "bulk_edit", "_selected_action": [recommendation.pk for recommendation in recommendations]}
    return client.post(changes(Recommendation), chosen | said, follow=True)


def test_several_are_given_an_owner_a_due_day_and_a_note_at_once(analyst, signed_in):
    client, several = signed_in(analyst), [make_recommendation() for _ in range(3)]

    asked = bulk_edit(client, several)
    empty = bulk_edit(client, several, _bulk_edit="1")
    done = bulk_edit(client, several, _bulk_edit="1", owner=analyst.pk, due_on="2031", narrative="Asked the ministry.")

    assert asked.context["chosen"] == several
    assert set(empty.context["form"].errors) == {"__all__"}
    assert placed(done) == {"": ["success"]}
    assert list(Recommendation.objects.values_list("owner__username", "due_on")) == [("analyst", "2031")] * 3
    assert list(ProgressUpdate.objects.values_list("kind", "narrative", "review")) == [("note", "Asked the ministry.", "approved")] * 3


def test_of_several_each_refusal_is_told_and_keeps_nothing_from_the_others(analyst, signed_in):
    client, late, free = signed_in(analyst), make_recommendation(due_on="2030"), make_recommendation()

    answer = bulk_edit(client, [late, free], _bulk_edit="1", due_on="2031")

    assert placed(answer) == {"": ["error", "success"]}
    assert str(late) in told(answer)
    assert set(Recommendation.objects.values_list("slug", "due_on")) == {(late.slug, "2030"), (free.slug, "2031")}


def test_a_reader_does_nothing_to_several(reader, signed_in):
    recommendation = make_recommendation()

    bulk_edit(signed_in(reader), [recommendation], _bulk_edit="1", due_on="2031")

    assert Recommendation.objects.get().due_on == ""


def test_a_refused_act_of_review_keeps_the_note_that_was_typed(analyst, reviewer, signed_in):
    recommendation = make_recommendation()
    update = report_progress(recommendation, Report(status="in_progress", narrative="Begun."), by=analyst, today=TODAY)
    void(update, by=reviewer, reason="wrong record")

    answer = signed_in(reviewer).post(change(recommendation), {"_move": "void", "update": update.pk, "note": "typed with care"})

    assert refused_at(answer, update)
    (shown,) = answer.context["updates"]
    assert shown.refused.note == "typed with care"


def test_a_draft_is_saved_by_its_own_button(analyst, signed_in):
    client, recommendation = signed_in(analyst), make_recommendation()
    sent = filed(client.get(change(recommendation)), status="planned", narrative="Not ready.") | {"_report": "draft"}

    answer = client.post(change(recommendation), sent, follow=True)

    assert recommendation.updates.get().review == "draft"
    assert placed(answer) == {"report": ["success"]}


def test_a_percentage_that_contradicts_the_status_is_reported_on_its_field(analyst, signed_in):
    client, recommendation, source = signed_in(analyst), make_recommendation(), make_source()
    sent = filed(client.get(change(recommendation)), status="implemented", progress_percent=40, narrative="x")

    refused = client.post(change(recommendation), sent | {"evidence-0-source": source.pk})

    assert set(refused.context["report"].errors) == {"progress_percent"}


def test_the_line_of_an_update_names_who_submitted_who_returned_and_who_approved(analyst, reviewer, signed_in):
    recommendation, source = make_recommendation(), make_source()
    done = Report(status="implemented", narrative="Done.", evidence=(EvidenceRow(source=source),))
    update = report_progress(recommendation, done, by=analyst, today=TODAY)
    send_back(update, by=reviewer, note="Who says so?")
    submit(update, by=analyst, today=TODAY)

    waiting = " ".join(signed_in(reviewer).get(change(recommendation)).content.decode().split())
    approve(update, by=make_user("other-reviewer", "reviewer"), today=TODAY)
    approved = " ".join(signed_in(analyst).get(change(recommendation)).content.decode().split())

    for page in (waiting, approved):
        assert "<li>Submitted by analyst</li>" in page
        assert "<li>Returned by reviewer: “Who says so?”</li>" in page
    assert "<li>Approved by other-reviewer</li>" in approved


def test_a_return_is_not_shown_to_readers(reader, analyst, reviewer, signed_in):
    recommendation, source = make_recommendation(), make_source()
    done = Report(status="implemented", narrative="Done.", evidence=(EvidenceRow(source=source),))
    update = report_progress(recommendation, done, by=analyst, today=TODAY)
    send_back(update, by=reviewer, note="Who says so?")
    submit(update, by=analyst, today=TODAY)
    approve(update, by=reviewer, today=TODAY)

    page = signed_in(reader).get(change(recommendation))

    assert b"Who says so?" not in page.content


def test_a_closed_recommendation_has_no_freshness(analyst, reviewer, signed_in):
    recommendation, source = make_recommendation(), make_source()
    done = Report(status="implemented", narrative="Done.", evidence=(EvidenceRow(source=source),))
    approve(report_progress(recommendation, done, by=analyst, today=TODAY), by=reviewer, today=TODAY)

    page = signed_in(analyst).get(change(recommendation))

    assert page.context["freshness_label"] == ""
    assert "(none)" not in page.content.decode().lower()


def test_an_officer_reads_that_a_claim_awaits_review(officer, signed_in, australia):
    client, recommendation = signed_in(officer), make_recommendation()

    client.post(change(recommendation), filed(client.get(change(recommendation)), status="implemented", narrative="We did it."))
    page = client.get(change(recommendation))

    (shown,) = page.context["updates"]
    assert (shown.may_review, shown.refusals) == (False, [])
    assert page.context["moves"] is None
    assert b"Awaiting review</p>" in page.content
