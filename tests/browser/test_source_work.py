"""Working from a source in a browser: a bilateral treaty from its text, and what a closed tab leaves."""

import pytest

from agreements.models import Agreement, Citation, Commitment, Component, Participation, Source, SourceText, TreatyAction
from recommendations.models import Recommendation
from tests.browser.page import IN_BROWSER, fits
from tests.make import make_agreement, make_party, make_source

pytestmark = IN_BROWSER

TEXT = """Treaty between Japan and Korea

Article 1. The Parties shall publish an inventory each year.

Article 2. Japan pledges 80 million dollars. Korea says that it is 27 million dollars.

Article 3. Each Party must report by 2030."""

SELECT = """([place, words]) => {
    const paragraph = [...document.querySelectorAll("#source-text [data-place]")].find((each) => each.dataset.place === place);
    const node = [...paragraph.childNodes].find((each) => each.textContent.includes(words)), text = node.firstChild || node;
    const range = document.createRange(), start = text.textContent.indexOf(words);
    range.setStart(text, start);
    range.setEnd(text, start + words.length);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
}"""
PASTE = """([cell, text]) => {
    const data = new DataTransfer();
    data.setData("text/plain", text);
    document.querySelector(cell).dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
}"""


def paste(page, cell: str, *rows: str) -> None:
    page.focus(f"#id_{cell}")
    page.evaluate(PASTE, [f"#id_{cell}", "\n".join(rows) + "\n"])


def quote(page, cell: str, place: str, words: str) -> None:
    """Select words in the text, for the row of this cell."""
    page.focus(f"#id_{cell}")
    page.evaluate(SELECT, [place, words])
    row = cell.rsplit("-", 1)[0]
    page.wait_for_function(f"document.getElementById('id_{row}-quote').value === {words!r}")
    assert page.input_value(f"#id_{row}-locator") == place


def test_a_bilateral_treaty_takes_at_most_five_saves_and_its_source_is_entered_once(visit, live_server):
    make_party("JPN", name="Japan")
    make_party("KOR", name="Korea")
    page, saves = visit(1280, "light"), []
    page.on("request", lambda request: saves.append(request.url) if request.method == "POST" else None)

    def press(button: str):
        with page.expect_navigation():
            page.get_by_role("button", name=button, exact=True).click()
        assert not page.locator(".pt-summary").count(), page.inner_text(".pt-summary")

    page.goto(live_server.url + "/admin/agreements/source/work/")
    page.fill("#id_title", "Treaty between Japan and Korea")
    page.select_option("#id_kind", "treaty_text")
    page.fill("#id_text", TEXT)
    press("Save and continue")

    paste(page, "agreement-1-title", "Treaty between Japan and Korea\tJapan-Korea treaty\tTreaty\tBinding")
    paste(page, "parties-1-party", "Japan\tParty", "KOR\tparty")
    paste(page, "actions-1-kind", "Signature\tJapan\t3 May 2024", "Signature\tKorea\t3 May 2024", "Entry into force\t\t2025-01-01")
    for number, title in enumerate(("Inventory", "Report", "Pledge", "Review"), 1):  # by keyboard: the last row adds one
        page.fill(f"#id_components-{number}-title", title)
        page.press(f"#id_components-{number}-title", "Enter")
    quote(page, "components-1-title", "paragraph 2", "shall publish an inventory")
    quote(page, "components-2-title", "paragraph 4", "Each Party must report by 2030")
    quote(page, "components-3-title", "paragraph 3", "Japan pledges 80 million dollars")
    paste(page, "sums-1-payer", "Japan\tAnnounced\t\t80000000\tUSD", "Japan\tAnnounced\t\t27000000\tUSD\t\t1")
    quote(page, "sums-1-amount", "paragraph 3", "80 million dollars")
    quote(page, "sums-2-amount", "paragraph 3", "27 million dollars")
    paste(page, "recommendations-1-key_action", *(f"Action {number}\tJapan; Korea\tHigh\t2030" for number in range(1, 6)))
    press("Save")

    page.get_by_role("link", name="View the agreement").click()
    page.get_by_role("link", name="Publish with parts").click()
    press("Publish 11 records")
    agreement = Agreement.objects.get(title="Treaty between Japan and Korea")
    assert len(saves) <= 5
    assert agreement.publication == Source.objects.get(kind="treaty_text").publication == "published"
    assert [model.objects.filter(agreement=agreement).count() for model in (Participation, TreatyAction, Component, Commitment)] == [
        2,
        3,
        4,
        2,
    ]
    assert Commitment.objects.get(amount=27_000_000).disputes == Commitment.objects.get(amount=80_000_000)
    assert Recommendation.objects.filter(agreements=agreement, publication="published").count() == 5
    assert sorted(Citation.objects.values_list("locator", flat=True)) == ["paragraph 2", "paragraph 3", "paragraph 4"]
    assert page.errors == []


@pytest.fixture
def source(world):
    source = make_source(title="A treaty", kind="treaty_text")
    SourceText.objects.create(source=source, text=TEXT)
    return source


def test_a_draft_survives_a_closed_tab_and_a_table_that_does_not_fit_changes_nothing(visit, live_server, source):
    page = visit(390, "dark")
    page.goto(f"{live_server.url}/admin/agreements/source/{source.pk}/work/")
    assert fits(page)
    paste(page, "recommendations-1-key_action", *(f"Action {number}" for number in range(1, 13)))
    paste(page, "components-2-locator", "paragraph 1\tone column too many")
    assert "2 columns" in page.inner_text("[data-status]")
    paste(page, "components-1-title", *(["Row"] * 101))
    assert "101 rows" in page.inner_text("[data-status]")
    page.close(run_before_unload=False)

    page = page.context.new_page()
    page.goto(f"{live_server.url}/admin/agreements/source/{source.pk}/work/")
    assert page.input_value("#id_recommendations-12-key_action") == "Action 12"
    assert page.input_value("#id_components-1-title") == page.input_value("#id_components-2-locator") == ""
    assert page.is_visible("[data-restored]")


def test_suggestions_are_accepted_or_dismissed_and_refusals_lead_to_their_cells(visit, live_server, source):
    agreement = make_agreement(title="Another treaty")
    page = visit(1280, "light")
    page.goto(f"{live_server.url}/admin/agreements/source/{source.pk}/work/?agreement={agreement.pk}")
    assert not page.locator("#source-text mark").count()
    page.check("[data-proposals]")
    assert page.locator("#source-text mark").all_inner_texts() == [
        "The Parties shall publish an inventory each year.",
        "Japan pledges 80 million dollars. ",
        "Each Party must report by 2030.",
    ]
    page.locator(".pt-proposals li").nth(1).get_by_role("button", name="Dismiss").click()
    page.locator(".pt-proposals li").nth(1).get_by_role("button", name="Add to Components").click()
    assert page.input_value("#id_components-1-quote") == "Each Party must report by 2030."
    assert page.locator(".pt-proposals li").count() == 1
    page.fill("#id_components-2-title", "Another")
    page.fill("#id_components-2-quote", "words of another text")
    page.press("#id_components-2-quote", "Control+Enter")
    page.wait_for_selector(".pt-summary")
    page.locator(".pt-summary a").click()

    page.wait_for_function("document.activeElement.id === 'id_components-2-quote'")
    assert page.input_value("#id_components-1-title") == "Each Party must report by 2030."
    assert not Component.objects.filter(agreement=agreement).exists()
