"""Submitting and reviewing updates on the page of a recommendation."""

import re
from dataclasses import replace
from datetime import date, timedelta

import pytest
from django.utils import timezone
from django.utils.text import capfirst

from agreements.models import PartyOfficer, Source
from policytracker.records.changes import Change
from recommendations import progress
from recommendations.models import Addressee, ProgressUpdate, Recommendation
from recommendations.models.refusals import RefusalCode
from recommendations.progress import EvidenceRow, Report, approve, discard, report_progress, revise, send_back, submit, transitions, void
from tests.admin.page import change, changes, messages_of, report_data
from tests.conftest import make_user
from tests.make import make_agreement, make_component, make_party, make_recommendation, make_source

TODAY = date.today()


def messages_by_anchor(page) -> dict[str, list[str]]:
    """The levels of the messages of a page, by the anchor at which they appear; "" is the top of the page."""
    levels: dict[str, list[str]] = {}
    for message in page.context["messages"]:
        levels.setdefault(message.extra_tags or "", []).append(message.level_tag)
    return levels


def errors_at(page, update) -> list[str]:
    """The errors that the page shows at an update."""
    (line,) = [line for line in page.context["updates"] if line.update.pk == update.pk]
    return line.rejected.errors if line.rejected else []


def test_an_update_takes_effect_when_it_is_submitted(analyst, signed_in):
    client, recommendation, source = signed_in(analyst), make_recommendation(), make_source(title="A paper")
    page = client.get(change(recommendation))

    data = report_data(
        page, status="in_progress", progress_percent=40, narrative="Begun.", **{"evidence_0-source": source.pk, "evidence_0-quote": "begun"}
    )
    response = client.post(change(recommendation), data, follow=True)

    recommendation.refresh_from_db()
    update = recommendation.updates.get()
    assert (recommendation.status, recommendation.progress_percent, update.review) == ("in_progress", 40, "approved")
    assert messages_by_anchor(response) == {"report": ["success"]}
    assert b"begun" in response.content
    assert b"A paper" in response.content
    assert Change.objects.filter(tbl="recommendations_progressupdate", row_id=update.pk).latest("id").actor["channel"] == "admin"


def test_evidence_may_be_a_url(analyst, signed_in):
    client, recommendation = signed_in(analyst), make_recommendation()
    page = client.get(change(recommendation))
    address = {"evidence_0-url": "https://example.org/report", "evidence_0-title": "Report"}

    client.post(change(recommendation), report_data(page, status="implemented", narrative="Done.", **address))

    assert recommendation.updates.get().evidence.get().source == Source.objects.get(original_url="https://example.org/report")
    assert recommendation.updates.get().review == "submitted"


def test_a_rejected_update_shows_all_errors_and_keeps_the_input(analyst, signed_in):
    client, recommendation = signed_in(analyst), make_recommendation()
    report_progress(recommendation, Report(status="in_progress", narrative="Begun."), by=analyst, today=TODAY)
    page = client.get(change(recommendation))
    tomorrow = TODAY + timedelta(1)

    impossible = client.post(change(recommendation), report_data(page, status="planned", narrative="typed with care"))
    incomplete = client.post(change(recommendation), report_data(page, status="implemented", reported_on=tomorrow, narrative=" "))

    assert set(impossible.context["report"].errors) == {"status"}
    assert b"typed with care" in impossible.content
    assert set(incomplete.context["report"].errors) == {"reported_on", "narrative"}
    assert set(incomplete.context["report"].evidence[0].errors) == {"source"}
    fields = [error.field for error in incomplete.context["report"].error_summary()]
    assert fields == ["id_report-reported_on", "id_report-narrative", "id_evidence-0-source"]
    assert all(f'href="#{field}"' in incomplete.content.decode() for field in fields)
    assert recommendation.updates.count() == 1


def test_an_update_for_an_older_version_is_rejected_with_the_changes(analyst, reviewer, signed_in):
    client, recommendation = signed_in(analyst), make_recommendation()
    data = report_data(client.get(change(recommendation)), status="planned", narrative="typed with care")
    report_progress(recommendation, Report(status="in_progress", narrative="Begun."), by=reviewer, today=TODAY)

    refused = client.post(change(recommendation), data)
    again = client.post(change(recommendation), report_data(refused, status="in_progress"))

    assert "not_assessed → in_progress" in refused.context["report"].errors["__all__"][0]
    assert b"typed with care" in refused.content
    assert again.status_code == 302
    assert recommendation.updates.count() == 2


def test_an_officer_submits_a_claim_of_the_own_party_and_a_reviewer_approves_it(officer, reviewer, signed_in, australia):
    client, recommendation = signed_in(officer), make_recommendation()
    page = client.get(change(recommendation))

    client.post(change(recommendation), report_data(page, status="implemented", narrative="We did it."))
    update = recommendation.updates.get()
    as_reviewer = signed_in(reviewer)
    approved = as_reviewer.post(change(recommendation), {"_action": "approve", "update": update.pk, "note": "Noted"}, follow=True)

    assert (update.kind, update.party, update.review) == ("claim", australia, "submitted")
    assert [value for value, _ in page.context["report"].fields["kind"].choices] == ["claim"]
    assert messages_by_anchor(approved) == {f"update-{update.pk}": ["success"]}
    recommendation.refresh_from_db()
    assert (recommendation.claimed_status, recommendation.status) == ("implemented", "not_assessed")


def test_after_a_decision_the_next_waiting_update_is_one_click_away(analyst, reviewer, signed_in, australia):
    first, second = make_recommendation(priority="high"), make_recommendation(priority="high")
    for recommendation in (first, second, own := make_recommendation(priority="high")):
        author = reviewer if recommendation is own else analyst
        report_progress(recommendation, Report(status="planned", narrative="Begun.", reported_on=TODAY), by=author, today=TODAY)
    client, waiting = signed_in(reviewer), second.updates.get()

    approved = client.post(change(first), {"_action": "approve", "update": first.updates.get().pk}, follow=True)
    returned = client.post(change(second), {"_action": "return", "update": waiting.pk, "note": "Which?"}, follow=True)

    assert f'href="{change(second)}#update-{waiting.pk}"' in approved.text
    assert own.updates.get().review == "submitted"
    assert f'href="{change(own)}#update' not in returned.text


def test_the_page_shows_where_a_recommendation_comes_from_and_what_it_should_achieve(reader, signed_in):
    shown, hidden = make_source(title="A paper"), make_source(title="A secret", visibility="restricted")
    stated = {"locator": "p. 7", "quote": "build two hubs", "expected_outcome": "More supply."}

    page, redacted = (signed_in(reader).get(change(make_recommendation(source=source, **stated))).text for source in (shown, hidden))

    assert all(text in page for text in (f'<a href="{change(shown)}">A paper</a>, p. 7', "build two hubs", "More supply."))
    assert "More supply." in redacted
    assert not any(text in redacted for text in ("A secret", "p. 7", "build two hubs"))


def test_each_state_has_one_colour_everywhere(analyst, reviewer, signed_in):
    recommendation = make_recommendation(priority="high", due_on=str(TODAY - timedelta(3)))
    old = Report(status="in_progress", narrative="Begun.", reported_on=TODAY - timedelta(200))
    approve(report_progress(recommendation, old, by=analyst, today=TODAY), by=reviewer, today=TODAY)
    report_progress(recommendation, Report(status="stalled", narrative="Less.", reported_on=TODAY), by=analyst, today=TODAY)
    client = signed_in(analyst)

    page, of_list = client.get(change(recommendation)).text, client.get(changes(Recommendation)).text
    updates = client.get(changes(ProgressUpdate)).text

    for text in ('pt-danger">Overdue<', 'pt-plain">Stale<', 'pt-info">In progress<'):
        assert text in page and text in of_list, text
    assert 'pt-info">Submitted<' in page and 'pt-info">Submitted<' in updates


def test_a_reader_sees_the_updates_and_no_form(reader, analyst, signed_in):
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


def test_the_page_shows_assessment_claims_responses_and_deadline(reader, analyst, reviewer, signed_in):
    recommendation, source = make_recommendation(due_on=str(TODAY - timedelta(3))), make_source()
    Addressee.objects.create(recommendation=recommendation, party=make_party("AUS", name="Australia"), response="accepted_in_part")
    report_progress(recommendation, Report(status="stalled", narrative="Nothing moves."), by=analyst, today=TODAY)
    claim = Report(kind="claim", status="implemented", party=make_party("AUS"), narrative="Done.", evidence=(EvidenceRow(source=source),))
    report_progress(recommendation, claim, by=analyst, today=TODAY)

    page = signed_in(reader).get(change(recommendation))
    text = " ".join(page.content.decode().split())

    for words in (
        '<span class="pt-label pt-warning">Stalled</span>',
        "<strong>Implemented</strong> – Australia",
        "<strong>Australia</strong>: Accepted in part",
        '<span class="pt-label pt-danger">Overdue</span>',
    ):
        assert words in text, words


def test_the_page_shows_what_the_recommendation_is_about_without_what_is_hidden(reader, signed_in):
    pact, hidden = make_agreement(short_title="Pact"), make_agreement(short_title="Secret pact", publication="draft")
    recommendation = make_recommendation(pact, hidden, made_by=make_party("OECD"), made_on="2025-03", details="All of them.")
    component = make_component(pact)
    recommendation.components.add(component)

    page = signed_in(reader).get(change(recommendation)).text
    facts = re.search(r'<dl class="pt-facts">.*?</dl>', page, re.S)[0]

    assert all(f'href="{change(record)}"' in facts for record in (pact, component, recommendation.made_by))
    assert "Secret" not in page
    assert "2025-03" in facts and "All of them." in page
    assert facts.count("<dt>") == 4  # no priority


def test_each_status_is_listed_with_its_conditions_and_shared_ones_once(analyst, signed_in):
    recommendation = make_recommendation(priority="critical")  # a second person must approve each update
    report_progress(recommendation, Report(status="in_progress", narrative="Begun."), by=analyst, today=TODAY)

    page = signed_in(analyst).get(change(recommendation))
    box = re.search(r'aria-labelledby="status-options".*?</section>', page.text, re.S)[0]

    shared = RefusalCode.SECOND_PERSON_REQUIRED.text()
    assert box.count(shared) == 1
    for option in transitions(recommendation, by=analyst, today=TODAY):
        assert (f">{option.label}<" in box) == (option.status != recommendation.status)  # the present status is not a next one
        shown = [refusal for refusal in option.unmet if refusal.code not in ("narrative_required", "evidence_required")]
        assert all(refusal.detail in box for refusal in shown)


def test_a_condition_of_a_status_does_not_repeat_its_name(analyst, signed_in):
    statuses = signed_in(analyst).get(change(make_recommendation())).context["statuses"]

    conditions = dict(statuses.allowed)["Implemented"]
    assert conditions and not any("Implemented" in condition for condition in conditions)


def test_a_second_person_reviews_an_update_that_requires_it(analyst, reviewer, signed_in):
    recommendation, source = make_recommendation(), make_source()
    done = Report(status="implemented", narrative="Done.", evidence=(EvidenceRow(source=source),))
    update = report_progress(recommendation, done, by=analyst, today=TODAY)

    own = signed_in(analyst).post(change(recommendation), {"_action": "approve", "update": update.pk}, follow=True)
    unexplained = signed_in(reviewer).post(change(recommendation), {"_action": "return", "update": update.pk, "note": ""}, follow=True)
    returned = signed_in(reviewer).post(
        change(recommendation), {"_action": "return", "update": update.pk, "note": "Who says so?"}, follow=True
    )

    assert errors_at(own, update)
    assert errors_at(unexplained, update)
    assert messages_by_anchor(returned) == {f"update-{update.pk}": ["success"]}
    update.refresh_from_db()
    assert (update.review, update.review_note) == ("returned", "Who says so?")


def test_a_returned_update_is_changed_and_submitted_again(analyst, reviewer, signed_in):
    recommendation, source, client = make_recommendation(), make_source(), signed_in(analyst)
    done = Report(status="implemented", narrative="Done.", evidence=(EvidenceRow(source=source),))
    update = report_progress(recommendation, done, by=analyst, today=TODAY)
    signed_in(reviewer).post(change(recommendation), {"_action": "return", "update": update.pk, "note": "Who says so?"})

    page = client.get(f"{change(recommendation)}?revise={update.pk}")
    client.post(change(recommendation), report_data(page, narrative="Done, says the minister."))

    update.refresh_from_db()
    assert (update.review, update.narrative) == ("submitted", "Done, says the minister.")
    assert update.evidence.get().source == source


def test_editing_an_update_keeps_its_link_to_the_corrected_update(analyst, reviewer, signed_in):
    recommendation, client = make_recommendation(), signed_in(analyst)
    begun = Report(status="in_progress", narrative="Begun.")
    wrong = void(report_progress(recommendation, begun, by=analyst, today=TODAY), by=reviewer, reason="wrong record")
    draft = report_progress(recommendation, replace(begun, corrects=wrong), by=analyst, today=TODAY, submit=False)

    page = client.get(f"{change(recommendation)}?revise={draft.pk}")
    client.post(change(recommendation), report_data(page, narrative="Begun in May."))

    draft.refresh_from_db()
    assert (draft.review, draft.narrative, draft.corrects) == ("approved", "Begun in May.", wrong)


def test_a_note_ignores_the_initial_status_of_the_form(analyst, signed_in):
    recommendation, client = make_recommendation(), signed_in(analyst)
    report_progress(recommendation, Report(status="in_progress", narrative="Begun."), by=analyst, today=TODAY)
    page = client.get(change(recommendation))

    chosen = client.post(change(recommendation), report_data(page, kind="note", status="planned", narrative="Asked."))
    client.post(change(recommendation), report_data(page, kind="note", narrative="Asked the ministry."))

    assert set(chosen.context["report"].errors) == {"status"}
    note = recommendation.updates.get(kind="note")
    assert (note.status, note.review, note.narrative) == ("", "approved", "Asked the ministry.")


def test_reviewing_a_discarded_update_shows_an_error(analyst, reviewer, signed_in):
    recommendation = make_recommendation()
    draft = report_progress(recommendation, Report(status="planned"), by=analyst, today=TODAY, submit=False)
    draft_key = draft.pk
    discard(draft, by=analyst)

    response = signed_in(reviewer).post(change(recommendation), {"_action": "approve", "update": draft_key})

    assert response.status_code == 200
    assert messages_by_anchor(response) == {"": ["error"]}


def test_the_list_of_submitted_updates_links_to_the_page_for_reviewing_them(analyst, reviewer, signed_in):
    recommendation = make_recommendation()
    report_progress(recommendation, Report(status="withdrawn", narrative="Taken back."), by=analyst, today=TODAY)

    waiting = signed_in(reviewer).get(changes(ProgressUpdate, "?review=submitted")).content.decode()

    assert f'href="{change(recommendation)}#update-{recommendation.updates.get().pk}"' in waiting


@pytest.mark.parametrize(("role", "may_review"), [("reviewer", True), ("administrator", True), ("analyst", False)])
def test_a_submitted_update_leads_those_who_may_review_it_to_the_buttons(role, may_review, users, signed_in):
    recommendation, client = make_recommendation(), signed_in(users[role])
    ended = Report(
        status="implemented", narrative="Done.", evidence=(EvidenceRow(source=make_source(title="A paper"), quote="it is done"),)
    )
    update = report_progress(recommendation, ended, by=users["analyst"], today=TODAY)

    page, of_recommendation = client.get(change(update)), client.get(change(recommendation))

    assert f'href="{change(recommendation)}#update-{update.pk}"' in page.text
    assert "A paper" in page.text and "it is done" in page.text
    assert page.context["line"].may_review is may_review
    assert of_recommendation.context["to_review"] == ([update] if may_review else [])
    assert ('value="approve"' in of_recommendation.text) is may_review


def test_a_form_has_the_labels_of_the_fields(analyst, signed_in):
    recommendation = make_recommendation()
    Addressee.objects.create(recommendation=recommendation, party=make_party())
    page = signed_in(analyst).get(change(recommendation))
    (addressee,) = page.context["addressees"]

    for form, model in ((page.context["report"], ProgressUpdate), (addressee.form, Addressee)):
        fields = {field.name: field for field in model._meta.fields if field.name in form.fields and field.name != "version"}
        assert len(fields) > 2
        assert {name: str(form[name].label) for name in fields} == {name: capfirst(field.verbose_name) for name, field in fields.items()}


def test_the_page_of_an_update_leaves_out_empty_fields(analyst, signed_in):
    update = report_progress(make_recommendation(), Report(status="in_progress", narrative="Begun."), by=analyst, today=TODAY)

    fields = [
        field
        for fieldset in signed_in(analyst).get(change(update)).context["adminform"].fieldsets
        for row in fieldset[1]["fields"]
        for field in row
    ]

    assert {"status", "narrative", "author", "reviewed_at"} <= set(fields)
    assert not {"party", "progress_percent", "voided_at", "void_reason", "corrects"} & set(fields)


def test_a_voided_update_is_shown_with_the_reason(reader, analyst, reviewer, signed_in):
    recommendation = make_recommendation()
    update = report_progress(recommendation, Report(status="in_progress", narrative="Begun."), by=analyst, today=TODAY)

    signed_in(reviewer).post(change(recommendation), {"_action": "void", "update": update.pk, "note": "wrong record"})
    page = signed_in(reader).get(change(recommendation))

    assert Recommendation.objects.get().status == "not_assessed"
    assert b"wrong record" in page.content
    assert b"Begun." in page.content


def test_an_archived_recommendation_accepts_no_update(analyst, signed_in):
    recommendation = make_recommendation(publication="archived")
    client = signed_in(analyst)

    refused = client.post(change(recommendation), report_data(client.get(change(recommendation)), status="planned", narrative="x"))

    assert set(refused.context["report"].errors) == {"__all__"}
    assert recommendation.updates.count() == 0


def test_several_updates_are_approved_from_the_list_and_rejections_are_reported(analyst, reviewer, signed_in):
    ordinary, own = make_recommendation(), make_recommendation()
    evidence = (EvidenceRow(source=make_source()),)
    ended = Report(status="implemented", narrative="Done.", evidence=evidence)
    updates = [report_progress(ordinary, ended, by=analyst, today=TODAY), report_progress(own, ended, by=reviewer, today=TODAY)]

    response = signed_in(reviewer).post(
        changes(ProgressUpdate), {"action": "approve", "_selected_action": [update.pk for update in updates]}, follow=True
    )

    assert [ProgressUpdate.objects.get(pk=update.pk).review for update in updates] == ["approved", "submitted"]
    assert sorted(messages_by_anchor(response)[""]) == ["error", "success"]


@pytest.mark.parametrize("role", ["reader", "party officer"])
def test_users_who_may_not_review_cannot_approve_from_the_list(role, users, signed_in):
    recommendation = make_recommendation()
    ended = Report(status="implemented", narrative="Done.", evidence=(EvidenceRow(source=make_source()),))
    update = report_progress(recommendation, ended, by=users["analyst"], today=TODAY)

    signed_in(users[role]).post(changes(ProgressUpdate), {"action": "approve", "_selected_action": [update.pk]})

    update.refresh_from_db()
    assert update.review == "submitted"


def test_a_voided_update_has_a_read_only_page(analyst, reviewer, signed_in):
    recommendation = make_recommendation()
    update = report_progress(recommendation, Report(status="in_progress", narrative="Begun."), by=analyst, today=TODAY)
    void(update, by=reviewer, reason="wrong record")

    page = signed_in(analyst).get(change(update))

    assert b"wrong record" in page.content
    assert b'name="_save"' not in page.content
    assert signed_in(analyst).post(change(update), {"narrative": "x"}).status_code == 403


def test_invalid_form_data_causes_no_server_error(analyst, signed_in):
    client, recommendation = signed_in(analyst), make_recommendation()

    for nonsense in (
        {"_action": "approve", "update": "x"},
        {"_action": "explode", "update": "1"},
        {"_action": "approve"},
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
    assert client.post("/admin/recommendations/recommendation/x/change/", {"_action": "approve", "update": "1"}).status_code == 404


def test_a_stale_edit_of_an_update_is_rejected(analyst, reviewer, signed_in):
    recommendation, client = make_recommendation(), signed_in(analyst)
    update = report_progress(recommendation, Report(status="planned", narrative="First."), by=analyst, today=TODAY, submit=False)
    data = report_data(client.get(f"{change(recommendation)}?revise={update.pk}"), narrative="typed with care")
    revise(update, Report(status="planned", narrative="Second."), by=analyst, today=TODAY)

    refused = client.post(change(recommendation), data)

    update.refresh_from_db()
    assert update.narrative == "Second."
    assert "narrative: First. → Second." in refused.context["report"].errors["__all__"][0]
    assert b"typed with care" in refused.content


def test_an_update_that_was_changed_in_another_tab_is_merged(analyst, signed_in):
    recommendation, client = make_recommendation(), signed_in(analyst)
    update = report_progress(recommendation, Report(status="planned", narrative="First."), by=analyst, today=TODAY, submit=False)
    page = client.get(f"{change(recommendation)}?revise={update.pk}")
    revise(update, Report(status="in_progress", progress_percent=20, narrative="Second."), by=analyst, today=TODAY)

    refused = client.post(change(recommendation), report_data(page, narrative="typed with care"))
    form = refused.context["report"]
    assert [error.code for error in form.errors["__all__"].as_data()] == ["stale"]
    assert [error.code for error in form.errors["narrative"].as_data()] == ["changed_by_both"]
    assert (form["status"].value(), form["progress_percent"].value()) == ("in_progress", "20")
    assert form["narrative"].value() == "typed with care"

    again = client.post(change(recommendation), report_data(refused) | {"_report": "draft"})

    update.refresh_from_db()
    assert again.status_code == 302, again.context["report"].errors
    assert (update.status, update.progress_percent, update.narrative) == ("in_progress", 20, "typed with care")


def test_evidence_that_was_changed_in_another_tab_is_shown_before_it_is_replaced(analyst, signed_in):
    recommendation, client, (first, second) = make_recommendation(), signed_in(analyst), [make_source(title=t) for t in ("First", "Second")]
    report = Report(status="planned", narrative="Begun.", evidence=(EvidenceRow(source=first),))
    update = report_progress(recommendation, report, by=analyst, today=TODAY, submit=False)
    page = client.get(f"{change(recommendation)}?revise={update.pk}")
    # The test is one transaction, in which evidence alone does not count as a change of an update that was created in it.
    revise(update, replace(report, narrative="Well begun.", evidence=(EvidenceRow(source=second),)), by=analyst, today=TODAY)

    refused = client.post(change(recommendation), report_data(page))

    assert update.evidence.get().source == second
    assert [error.code for error in refused.context["report"].evidence[0].errors["source"].as_data()] == ["changed_by_both"]
    assert "Second" in refused.context["report"].evidence[0].errors["source"][0]


def bulk_edit(client, recommendations, **values):
    selected = {"action": "bulk_edit", "_selected_action": [recommendation.pk for recommendation in recommendations]}
    return client.post(changes(Recommendation), selected | values, follow=True)


def test_bulk_edit_sets_owner_and_due_date_and_adds_a_note(analyst, signed_in):
    client, several = signed_in(analyst), [make_recommendation() for _ in range(3)]

    response = bulk_edit(client, several)
    empty = bulk_edit(client, several, _bulk_edit="1")
    done = bulk_edit(client, several, _bulk_edit="1", owner=analyst.pk, due_on="2031", narrative="Asked the ministry.")

    assert response.context["selected"] == several
    assert set(empty.context["form"].errors) == {"__all__"}
    assert messages_by_anchor(done) == {"": ["success"]}
    assert list(Recommendation.objects.values_list("owner__username", "due_on")) == [("analyst", "2031")] * 3
    assert list(ProgressUpdate.objects.values_list("kind", "narrative", "review")) == [("note", "Asked the ministry.", "approved")] * 3


def test_bulk_edit_reports_a_rejection_and_changes_the_others(analyst, signed_in):
    client, late, free = signed_in(analyst), make_recommendation(due_on="2030"), make_recommendation()

    response = bulk_edit(client, [late, free], _bulk_edit="1", due_on="2031")

    assert messages_by_anchor(response) == {"": ["error", "success"]}
    assert str(late) in messages_of(response)
    assert set(Recommendation.objects.values_list("slug", "due_on")) == {(late.slug, "2030"), (free.slug, "2031")}


def test_a_reader_cannot_bulk_edit(reader, signed_in):
    recommendation = make_recommendation()

    bulk_edit(signed_in(reader), [recommendation], _bulk_edit="1", due_on="2031")

    assert Recommendation.objects.get().due_on == ""


def test_a_rejected_review_action_keeps_the_note(analyst, reviewer, signed_in):
    recommendation = make_recommendation()
    update = report_progress(recommendation, Report(status="in_progress", narrative="Begun."), by=analyst, today=TODAY)
    void(update, by=reviewer, reason="wrong record")

    response = signed_in(reviewer).post(change(recommendation), {"_action": "void", "update": update.pk, "note": "typed with care"})

    assert errors_at(response, update)
    (line,) = response.context["updates"]
    assert line.rejected.note == "typed with care"


def test_save_draft_saves_a_draft(analyst, signed_in):
    client, recommendation = signed_in(analyst), make_recommendation()
    sent = report_data(client.get(change(recommendation)), status="planned", narrative="Not ready.") | {"_report": "draft"}

    response = client.post(change(recommendation), sent, follow=True)

    assert recommendation.updates.get().review == "draft"
    assert messages_by_anchor(response) == {"report": ["success"]}


def test_a_percentage_that_contradicts_the_status_is_reported_on_its_field(analyst, signed_in):
    client, recommendation, source = signed_in(analyst), make_recommendation(), make_source()
    sent = report_data(client.get(change(recommendation)), status="implemented", progress_percent=40, narrative="x")

    refused = client.post(change(recommendation), sent | {"evidence-0-source": source.pk})

    assert set(refused.context["report"].errors) == {"progress_percent"}


def test_an_update_names_who_submitted_returned_and_approved_it(analyst, reviewer, signed_in):
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


def test_the_note_of_an_update_that_was_loaded_as_returned_is_shown(analyst, reviewer, signed_in):
    recommendation = make_recommendation()
    ProgressUpdate.objects.create(
        recommendation=recommendation,
        kind="note",
        reported_on=TODAY,
        narrative="Someone said so.",
        author=analyst,
        review="returned",
        reviewed_by=reviewer,
        reviewed_at=timezone.now(),
        review_note="Who says so?",
    )

    page = signed_in(analyst).get(change(recommendation)).text

    assert "<li>Returned by reviewer: “Who says so?”</li>" in page


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


def test_the_fields_of_an_update_search_for_those_who_may_not_edit_the_record(officer, signed_in, australia):
    page = signed_in(officer).get(change(make_recommendation()))

    assert "admin/js/autocomplete.js" in page.text


def test_an_officer_gets_a_form_for_claims_of_the_own_party_only(officer, signed_in, australia):
    form = signed_in(officer).get(change(make_recommendation())).context["report"]

    assert form.claimant == australia
    assert [field.name for field in form.visible_fields()] == ["status", "progress_percent", "reported_on", "narrative"]


def test_an_officer_is_warned_that_a_recommendation_is_not_addressed_to_the_own_party(officer, analyst, signed_in, australia):
    recommendation = make_recommendation()

    def is_warned(user):
        return signed_in(user).get(change(recommendation)).context["report"].claimant_is_not_addressed

    assert is_warned(officer) and not is_warned(analyst)
    Addressee.objects.create(recommendation=recommendation, party=australia)
    assert not is_warned(officer)


def test_a_returned_claim_keeps_its_status_in_the_form(officer, reviewer, signed_in, australia):
    client, recommendation = signed_in(officer), make_recommendation()
    client.post(change(recommendation), report_data(client.get(change(recommendation)), status="implemented", narrative="We did it."))
    update = recommendation.updates.get()
    signed_in(reviewer).post(change(recommendation), {"_action": "return", "update": update.pk, "note": "Add a source."})

    form = client.get(change(recommendation), {"revise": update.pk}).context["report"]

    assert (form["status"].value(), form["narrative"].value()) == ("implemented", "We did it.")


def test_the_page_of_an_update_says_yes_or_no(reader, analyst, signed_in):
    update = report_progress(make_recommendation(), Report(status="in_progress", narrative="Begun."), by=analyst, today=TODAY)

    page = " ".join(signed_in(reader).get(change(update)).text.split())

    assert re.search(r"Close without full implementation</label>.{0,300}?\bNo\b", page)
    assert re.search(r">\s*close\s*</span>", page[page.index("Close without full implementation</label>") :]) is None


def test_an_officer_without_a_party_gets_no_form(officer, signed_in):
    recommendation = make_recommendation()
    client = signed_in(officer)
    PartyOfficer.objects.all().delete()

    assert client.get(change(recommendation)).context["report"] is None


def test_an_officer_sees_that_a_claim_awaits_review(officer, signed_in, australia):
    client, recommendation = signed_in(officer), make_recommendation()

    client.post(change(recommendation), report_data(client.get(change(recommendation)), status="implemented", narrative="We did it."))
    page = client.get(change(recommendation))

    (line,) = page.context["updates"]
    assert (line.may_review, line.refusals) == (False, [])
    assert page.context["statuses"] is None
    assert b"Awaiting review" in page.content


@pytest.mark.parametrize("meanwhile", ["returned", "discarded"])
def test_bulk_approval_reports_an_update_that_was_returned_or_discarded_meanwhile(meanwhile, analyst, reviewer, signed_in, monkeypatch):
    done = Report(status="withdrawn", narrative="Taken back.")
    first, second = (report_progress(make_recommendation(), done, by=analyst, today=TODAY) for _ in range(2))
    original = progress.approve

    def approve_later(update, **options):
        if update.pk == first.pk:
            send_back(first, by=reviewer, note="No.")
            if meanwhile == "discarded":
                discard(first, by=analyst)
        return original(update, **options)

    monkeypatch.setattr(progress, "approve", approve_later)
    data = {"action": "approve", "_selected_action": [first.pk, second.pk]}
    response = signed_in(reviewer).post(changes(ProgressUpdate), data, follow=True)

    assert sorted(message.level_tag for message in response.context["messages"]) == ["error", "success"]
    second.refresh_from_db()
    assert second.review == "approved"


def test_no_button_submits_the_old_text_of_an_update_that_is_edited(analyst, signed_in):
    recommendation, client = make_recommendation(), signed_in(analyst)
    draft = report_progress(recommendation, Report(status="planned", narrative="Old."), by=analyst, today=TODAY, submit=False)
    button = re.compile(r'name="_action" value="(?:submit|discard)"')

    page = client.get(change(recommendation))
    edited = client.get(f"{change(recommendation)}?revise={draft.pk}")
    rejected = client.post(change(recommendation), report_data(edited, narrative=""))

    assert len(button.findall(page.text)) == 2
    assert not button.findall(edited.text)
    assert not button.findall(rejected.text)


def test_all_errors_of_an_update_are_shown_at_once(analyst, signed_in):
    recommendation, client = make_recommendation(), signed_in(analyst)
    page = client.get(change(recommendation))

    for percent in ("140", "40"):  # the second contradicts the status
        rejected = client.post(
            change(recommendation), report_data(page, status="implemented", progress_percent=percent, reported_on="2030-01-01")
        ).context["report"]

        assert {"progress_percent", "reported_on", "narrative"} == set(rejected.errors), percent
        assert set(rejected.evidence.errors[0]) == {"source"}
    assert not ProgressUpdate.objects.exists()


def test_the_status_field_offers_an_assessment_only_what_is_allowed(analyst, signed_in):
    recommendation = make_recommendation()
    report_progress(recommendation, Report(status="partly_implemented", narrative="Begun."), by=analyst, today=TODAY)

    choices = signed_in(analyst).get(change(recommendation)).context["report"].fields["status"].choices

    _empty, (_allowed, allowed), (_claims, others) = choices
    assert {"proposed", "planned", "not_assessed", "superseded"} == {code for code, _label in others}
    assert "partly_implemented" in dict(allowed) and "in_progress" in dict(allowed)
