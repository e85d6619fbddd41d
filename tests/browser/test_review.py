"""Submitting, returning, editing and approving an update in a browser, by keyboard only."""

from datetime import date

import pytest

from recommendations.models import ProgressUpdate
from recommendations.progress import Report, report_progress, send_back
from tests.admin.page import change
from tests.browser.page import CHROMIUM, IN_BROWSER, QUIET
from tests.conftest import make_user
from tests.make import make_recommendation, make_source

pytestmark = IN_BROWSER

sync_playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").sync_playwright
TODAY = date.today()


class Keyboard:
    """Operates a page by keyboard only."""

    def __init__(self, page):
        self.page = page

    def tab_to(self, selector: str) -> None:
        """Press Tab until the focus is on a visible element that matches the selector."""
        for _ in range(400):
            if self.page.evaluate("selector => document.activeElement?.matches(selector) ?? false", selector):
                assert self.page.locator(":focus").is_visible(), selector
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"Tab does not reach {selector}")

    def type_into(self, selector: str, text: str) -> None:
        self.tab_to(selector)
        self.page.keyboard.press("Control+A")
        self.page.keyboard.type(text)

    def choose(self, selector: str, label: str) -> None:
        """Type the first letters of an option, which selects it in a closed list."""
        self.tab_to(selector)
        self.page.keyboard.type(label)

    def press(self, selector: str) -> None:
        """Press the button, or follow the link, and wait for the page that comes."""
        self.tab_to(selector)
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")

    def sees(self, selector: str) -> None:
        self.page.locator(selector).first.wait_for()

    def reads(self, text: str) -> None:
        self.page.locator(f"text={text}").first.wait_for()


@pytest.fixture
def sign_in(live_server, settings):
    """A function that logs in a user in a new browser context and returns the keyboard."""
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = False
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)

        def signed_in(name: str) -> Keyboard:
            page = browser.new_context(viewport={"width": 1280, "height": 844}).new_page()
            page.set_default_timeout(15_000)
            page.goto(f"{live_server.url}/admin/")
            keyboard = Keyboard(page)
            keyboard.type_into("[name=username]", name)
            keyboard.type_into("[name=password]", "a long pass phrase")
            with page.expect_navigation():
                page.keyboard.press("Enter")
            return keyboard

        yield signed_in
        browser.close()


def test_an_update_is_submitted_returned_edited_and_approved_by_keyboard(sign_in, live_server):
    recommendation = make_recommendation(key_action="Build processing hubs")
    make_source(title="A paper")
    make_user("analyst", "analyst"), make_user("reviewer", "reviewer")
    analyst, reviewer = sign_in("analyst"), sign_in("reviewer")

    # The analyst submits a terminal status with evidence.
    analyst.page.goto(live_server.url + change(recommendation))
    analyst.choose("#id_report-status", "Implemented")
    analyst.type_into("#id_report-narrative", "Both hubs operate.")
    analyst.type_into("#id_evidence-0-url", "https://example.org/opening")
    analyst.type_into("#id_evidence-0-title", "Hubs opened")
    analyst.type_into("#id_evidence-0-quote", "Both hubs operate since May.")
    analyst.press("button[name=_report][value=submit]")
    analyst.sees("#report ~ [role=status]")

    # The reviewer opens it from the queue, returns it without a note, which is rejected, and then with a note.
    reviewer.page.goto(f"{live_server.url}/admin/")
    reviewer.press("a[href*='progressupdate/?review=submitted']")
    assert reviewer.page.locator("#result_list tbody tr").count() == 1
    reviewer.press("#result_list a[href*='/recommendations/recommendation/']")
    reviewer.press("button[value=return]")
    reviewer.sees("li [role=alert]")
    reviewer.type_into("[id^=note-]", "Since when? Name the day.")
    reviewer.press("button[value=return]")
    reviewer.sees("li [role=status]")

    # The analyst opens it from "Returned to me", edits it and submits it again.
    analyst.page.goto(f"{live_server.url}/admin/")
    analyst.press("a[href*='review=returned']")
    assert analyst.page.locator("#result_list tbody tr").count() == 1
    analyst.press("#result_list a[href*='/recommendations/recommendation/']")
    analyst.reads("Since when? Name the day.")
    analyst.press("a[href*='?revise=']")
    assert analyst.page.input_value("#id_report-narrative") == "Both hubs operate."
    analyst.type_into("#id_report-narrative", "Both hubs operate since 4 May.")
    analyst.press("button[name=_report][value=submit]")
    analyst.sees("#report ~ [role=status]")

    # The reviewer approves it.
    reviewer.page.reload()
    reviewer.reads("Both hubs operate since 4 May.")
    reviewer.press("button[value=approve]")
    reviewer.sees("li [role=status]")

    update = ProgressUpdate.objects.get()
    recommendation.refresh_from_db()
    assert (update.review, update.author.username, update.reviewed_by.username) == ("approved", "analyst", "reviewer")
    assert update.evidence.get().source.original_url == "https://example.org/opening"
    assert (recommendation.status, recommendation.closed_on) == ("implemented", TODAY)


def test_nothing_in_view_submits_the_old_text_while_an_update_is_edited(sign_in, live_server):
    recommendation, analyst, reviewer = make_recommendation(priority="high"), make_user("analyst", "analyst"), make_user("r", "reviewer")
    update = report_progress(recommendation, Report(status="planned", narrative="Old text."), by=analyst, today=TODAY)
    send_back(update, by=reviewer, note="Since when?")
    page = sign_in("analyst").page
    address = f"{live_server.url}{change(recommendation)}"

    page.goto(address)
    assert page.locator("button[name=_action][value=submit]").is_visible()  # the text that it would submit is the one in view
    page.goto(f"{address}?revise={update.pk}")
    page.fill("#id_report-narrative", "New text.")
    sending = [button.get_attribute("value") for button in page.locator("button[name=_action], button[name=_report]").all()]
    page.click("button[name=_report][value=submit]")
    page.locator("#report ~ [role=status]").first.wait_for()

    update.refresh_from_db()
    assert sending == ["submit", "draft"]
    assert (update.review, update.narrative) == ("submitted", "New text.")
