"""The History tab is what the database kept."""

from policytracker.records.context import change_context
from tests.admin.page import change, history, typed
from tests.make import make_agreement, make_recommendation, make_source


def test_the_history_tells_who_changed_what_and_why_with_the_words_that_went_and_came(analyst, signed_in):
    client = signed_in(analyst)
    agreement = make_agreement(summary="A framework of two participants on mining.")
    form = typed(client.get(change(agreement))) | {
        "summary": "A framework of two participants on mining and processing.",
        "change_reason": "incomplete",
    }
    client.post(change(agreement), form)

    page = client.get(history(agreement)).content.decode()

    assert "analyst" in page
    assert "incomplete" in page
    assert '<del class="pt-del">mining.</del>' in page
    assert '<ins class="pt-ins">mining and processing.</ins>' in page


def test_the_history_is_a_tab_of_the_page(analyst, signed_in):
    agreement = make_agreement()

    assert history(agreement).encode() in signed_in(analyst).get(change(agreement)).content


def test_what_was_written_while_the_record_was_hidden_stays_hidden(reader, analyst, signed_in):
    agreement = make_agreement(publication="draft", title="Working title")
    with change_context(analyst, "first words"):
        agreement.title = "Second title"
        agreement.save()
    hidden = signed_in(reader).get(history(agreement))
    with change_context(analyst, "ready"):
        agreement.publication = "published"
        agreement.save()

    shown = signed_in(reader).get(history(agreement)).content.decode()

    assert hidden.status_code == 302
    assert "Working title" not in shown
    assert "first words" not in shown


def test_references_that_one_may_not_read_are_not_in_the_history(analyst, administrator, signed_in):
    recommendation = make_recommendation()
    with change_context(administrator, "found a paper"):
        recommendation.source = make_source(slug="secret-paper", visibility="restricted")
        recommendation.save()

    assert "secret-paper" not in signed_in(analyst).get(history(recommendation)).content.decode()
    assert "secret-paper" in signed_in(administrator).get(history(recommendation)).content.decode()
