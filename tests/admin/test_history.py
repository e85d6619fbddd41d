"""The history page of a record."""

import re
from datetime import date

from policytracker.records.context import change_context
from recommendations.progress import Report, approve, report_progress
from tests.admin.page import change, edit, history, typed
from tests.make import make_agreement, make_recommendation, make_source


def test_the_history_shows_user_reason_and_changed_words(analyst, signed_in):
    client = signed_in(analyst)
    agreement = make_agreement(summary="A framework of two participants on mining.")
    form = typed(client.get(edit(agreement))) | {
        "summary": "A framework of two participants on mining and processing.",
        "change_reason": "incomplete",
    }
    client.post(change(agreement), form)

    page = client.get(history(agreement)).content.decode()

    assert "analyst" in page
    assert "incomplete" in page
    assert '<del class="pt-del">mining.</del>' in page
    assert '<ins class="pt-ins">mining and processing.</ins>' in page


def test_the_history_shows_labels_of_fields_and_codes(analyst, signed_in):
    agreement = make_agreement(legal_force="binding")
    with change_context(None, channel="import"):
        agreement.legal_force, agreement.short_title = "non_binding", "AUKUS"
        agreement.save()

    page = signed_in(analyst).get(history(agreement))

    newest = page.context["entries"][0]
    assert (newest["user"], str(newest["channel_label"])) == (None, "Import")
    assert {field["label"]: field["diff"] for field in newest["fields"]} == {
        "legal force": [("-", "Binding"), ("+", "Non-binding")],
        "short title": [("-", "(empty)"), ("+", "AUKUS")],
    }
    assert "non_binding" not in page.content.decode()


def test_the_history_is_a_tab_of_the_page(analyst, signed_in):
    agreement = make_agreement()

    assert history(agreement).encode() in signed_in(analyst).get(change(agreement)).content


def test_changes_made_while_the_record_was_hidden_stay_hidden(reader, analyst, signed_in):
    agreement = make_agreement(publication="draft", title="Working title")
    with change_context(analyst, "first words"):
        agreement.title = "Second title"
        agreement.save()
    hidden = signed_in(reader).get(history(agreement))
    with change_context(analyst, "ready"):
        agreement.publication = "published"
        agreement.save()

    content = signed_in(reader).get(history(agreement)).content.decode()

    assert hidden.status_code == 404
    assert "Working title" not in content
    assert "first words" not in content


def test_hidden_references_are_not_in_the_history(analyst, administrator, signed_in):
    recommendation = make_recommendation()
    with change_context(administrator, "found a paper"):
        recommendation.source = make_source(slug="secret-paper", visibility="restricted")
        recommendation.save()

    assert "secret-paper" not in signed_in(analyst).get(history(recommendation)).content.decode()
    assert "secret-paper" in signed_in(administrator).get(history(recommendation)).content.decode()


def test_the_page_of_the_history_is_below_the_record(administrator, signed_in):
    client = signed_in(administrator)
    for record in (make_agreement(), administrator):
        page = client.get(history(record)).text
        header = page[page.index('id="header-inner"') : page.index("</h1>")]

        assert header.count(f'href="{change(record)}"') == 2  # the arrow and the breadcrumb
        assert "History" in header


def test_times_are_shown_in_minutes_and_their_zone_once(analyst, reviewer, signed_in):
    recommendation = make_recommendation(priority="high")
    update = report_progress(recommendation, Report(status="planned", narrative="So."), by=analyst, today=date.today())
    approve(update, by=reviewer, today=date.today())
    client = signed_in(reviewer)

    for page in (client.get(history(update)), client.get("/admin/changes/")):
        assert not re.search(r">[^<]*\d\d:\d\d:\d\d", page.text)
        assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d", page.text)
        assert page.text.count("UTC") == 1
