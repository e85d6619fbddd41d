"""An update from its filing to its approval, in a real browser, by keyboard alone."""

from datetime import date

import pytest

from recommendations.models import ProgressUpdate, RefusalCode
from tests.admin.page import change
from tests.admin.test_browser import CHROMIUM, QUIET, synchronous  # noqa: F401 - the fixture works by being here
from tests.conftest import make_user
from tests.make import make_recommendation, make_source

sync_playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").sync_playwright
TODAY = date.today()
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium"),
    pytest.mark.django_db(transaction=True),
]


class Keyboard:
    """Somebody at the keyboard, who has no mouse: everything is reached by Tab and done by keys."""

    def __init__(self, page):
        self.page = page

    def tab_to(self, wanted: str) -> None:
        """Tab on until the focus is on what fits the selector, and it can be seen there."""
        for _ in range(400):
            if self.page.evaluate("wanted => document.activeElement?.matches(wanted) ?? false", wanted):
                assert self.page.locator(":focus").is_visible(), wanted
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"no Tab leads to {wanted}")

    def type_into(self, wanted: str, text: str) -> None:
        self.tab_to(wanted)
        self.page.keyboard.press("Control+A")
        self.page.keyboard.type(text)

    def choose(self, wanted: str, label: str) -> None:
        """Type the first letters of an answer, as one does in a closed list."""
        self.tab_to(wanted)
        self.page.keyboard.type(label)

    def press(self, wanted: str) -> None:
        """Press the button, or follow the link, and wait for the page that comes."""
        self.tab_to(wanted)
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")

    def reads(self, text: str) -> None:
        self.page.locator(f"text={text}").first.wait_for()


@pytest.fixture
def sign_in(live_server, settings, groups):
    """A keyboard for each person, in a browser of their own."""
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


def test_an_update_is_filed_returned_mended_and_approved_by_keyboard_alone(sign_in, live_server):
    recommendation = make_recommendation(key_action="Build processing hubs")
    make_source(title="A paper")
    make_user("analyst", "analyst"), make_user("reviewer", "reviewer")
    analyst, reviewer = sign_in("analyst"), sign_in("reviewer")

    # The analyst files an ending, with the page that bears it out.
    analyst.page.goto(live_server.url + change(recommendation))
    analyst.choose("#id_report-status", "Implemented")
    analyst.type_into("#id_report-narrative", "Both hubs operate.")
    analyst.type_into("#id_evidence-0-url", "https://example.org/opening")
    analyst.type_into("#id_evidence-0-title", "Hubs opened")
    analyst.type_into("#id_evidence-0-quote", "Both hubs operate since May.")
    analyst.press("#report + form button.pt-button")
    analyst.reads("It is submitted.")
    analyst.reads(RefusalCode.SECOND_PERSON_REQUIRED.text())

    # The reviewer finds it in the queue, tries to return it without a word, and then says why.
    reviewer.page.goto(f"{live_server.url}/admin/")
    reviewer.press("a[href*='progressupdate/?review=submitted']")
    assert reviewer.page.locator("#result_list tbody tr").count() == 1
    reviewer.press("#result_list a[href*='/recommendations/recommendation/']")
    reviewer.press("button[value=return]")
    reviewer.reads(RefusalCode.REASON_REQUIRED_TO_RETURN.text())
    reviewer.type_into("[id^=note-]", "Since when? Name the day.")
    reviewer.press("button[value=return]")
    reviewer.reads("The update was returned to its author.")

    # The analyst finds it again under "Returned to me", mends it and hands it in.
    analyst.page.goto(f"{live_server.url}/admin/")
    analyst.press("a[href*='review=returned']")
    assert analyst.page.locator("#result_list tbody tr").count() == 1
    analyst.press("#result_list a[href*='/recommendations/recommendation/']")
    analyst.reads("Since when? Name the day.")
    analyst.press("a[href*='?revise=']")
    assert analyst.page.input_value("#id_report-narrative") == "Both hubs operate."
    analyst.type_into("#id_report-narrative", "Both hubs operate since 4 May.")
    analyst.press("#report + form button.pt-button")
    analyst.reads("It is submitted.")

    # The reviewer approves it.
    reviewer.page.reload()
    reviewer.reads("Both hubs operate since 4 May.")
    reviewer.press("button[value=approve]")
    reviewer.reads("The update was approved.")

    update = ProgressUpdate.objects.get()
    recommendation.refresh_from_db()
    assert (update.review, update.author.username, update.reviewed_by.username) == ("approved", "analyst", "reviewer")
    assert update.evidence.get().source.original_url == "https://example.org/opening"
    assert (recommendation.status, recommendation.closed_on) == ("implemented", TODAY)
