"""The standing panel and the data checks in a browser: desktop and phone width, light and dark, by keyboard, without scripts."""

import pytest

from agreements.models import Commitment, Indicator, Measurement, Outcome, TreatyAction
from policytracker.records.context import change_context
from tests.admin.page import change, changes
from tests.browser.page import IN_BROWSER, fits
from tests.make import make_agreement, make_component, make_party

pytestmark = [*IN_BROWSER, pytest.mark.slow]


@pytest.fixture
def treaty(world):
    """An agreement signed by two parties and in force between one of them and a third."""
    agreement = make_agreement(title="A treaty with a long name " * 8, legal_force="binding")
    with change_context():
        make_component(agreement, due_anchor="signature", due_offset="P6M")
        for code in ("AUS", "NZL"):
            TreatyAction.objects.create(agreement=agreement, kind="signature", party=make_party(code), acted_on="2020-01-01")
        joined = {
            "kind": "entry_into_force_for_party",
            "party": make_party("GBR", name="United Kingdom of Great Britain"),
            "acted_on": "2022~",
        }
        TreatyAction.objects.create(agreement=agreement, counterparty=make_party("AUS"), **joined)
        agreement.conditions.create(kind="number_of_consents", number=40, text="a-word-that-does-not-end-" * 12)
        Commitment.objects.create(agreement=agreement, stage="announced", amount=1, currency="USD")
        outcome = Outcome.objects.create(slug="more", agreement=agreement, statement="More")
        indicator = Indicator.objects.create(slug="boats", outcome=outcome, name="Boats")
        Measurement.objects.create(indicator=indicator, measured_on="2020", value=1)
    return agreement


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_the_window_and_log_no_errors(scheme, visit, live_server, treaty):
    page = visit(1280, scheme)

    outcomes = [Outcome.objects.get(), Indicator.objects.get(), Measurement.objects.get()]
    details = [treaty.actions.latest("pk"), treaty.conditions.get(), treaty.commitments.get(), treaty.components.get()]
    lists = [TreatyAction, Commitment, Indicator, Measurement, type(details[1])]
    addresses = [change(treaty), f"{change(treaty)}?on=2023-01-01", f"{change(treaty)}?on=soon", "/admin/checks/"]
    for address in [*addresses, *map(changes, lists), *map(change, outcomes + details)]:
        page.goto(live_server.url + address)
        page.evaluate("document.fonts.ready")
        assert fits(page), address

    assert page.errors == []


@pytest.mark.parametrize("width", [1280, 390])
def test_the_date_of_the_panel_is_changed_by_keyboard(width, visit, live_server, treaty):
    page = visit(width, "light")
    page.goto(live_server.url + change(treaty))
    page.fill("#standing-on", "2019-01-01")
    page.press("#standing-on", "Tab")
    while not page.evaluate("document.activeElement.matches('#values-on button')"):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.locator("#standing-head", has_text="on 2019-01-01").wait_for()

    assert page.url.endswith("?on=2019-01-01")
    assert page.errors == []


def test_all_tabs_are_visible_and_open_by_keyboard(visit, live_server, treaty):
    page = visit(390, "dark")
    page.goto(live_server.url + change(treaty))

    page.focus(".pt-tabs a[href*='treaty-actions']")
    with page.expect_navigation():
        page.keyboard.press("Enter")

    assert page.locator("#id_actions-0-acted_on").is_visible()
    assert all(tab.is_visible() for tab in page.locator(".pt-tabs a").all())
    assert fits(page)


def test_the_panel_works_without_scripts(chromium, visit, live_server, treaty):
    cookies = visit(1280, "light").context.cookies()
    context = chromium.new_context(java_script_enabled=False)
    context.add_cookies(cookies)
    page = context.new_page()
    page.goto(f"{live_server.url}{change(treaty)}?participations-page=1")

    page.fill("#standing-on", "2021-01-01")
    page.click("#values-on button")
    page.locator("#standing-head", has_text="on 2021-01-01").wait_for()

    assert "participations-page=1" in page.url
    assert page.locator("#standing-head").is_visible()
    assert "Signatory" in page.inner_text("#standing") or "SIGNATORY" in page.inner_text("#standing")
    context.close()
