"""The frame of each page: the menu, the account and the words with their meaning, by keyboard and on a phone."""

from django.urls import reverse

from tests.admin.page import change
from tests.browser.axe import violations
from tests.browser.page import IN_BROWSER, fits

pytestmark = IN_BROWSER


def test_menu_account_and_words_work_by_keyboard(visit, live_server, world):
    _, recommendation = world
    page = visit(390, "light")
    page.goto(live_server.url + change(recommendation))
    menu, account = page.locator("#nav-sidebar"), page.locator(".pt-drop")

    page.get_by_role("button", name="Menu").press("Enter")
    menu.wait_for(state="visible")
    page.keyboard.press("Escape")
    menu.wait_for(state="hidden")
    account.locator("summary").press("Enter")
    account.get_by_role("link", name="My account").wait_for(state="visible")
    page.keyboard.press("Escape")
    account.get_by_role("link", name="My account").wait_for(state="hidden")
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"

    term = page.get_by_role("link", name="Our assessment")
    meaning = page.locator("#meaning-assessment")
    assert not meaning.is_visible()
    term.focus()
    assert meaning.is_visible()
    page.keyboard.press("Escape")
    assert not meaning.is_visible()
    term.hover()
    page.mouse.move(0, 0)
    term.hover()
    assert meaning.is_visible()
    assert page.errors == [] and fits(page)


def test_help_and_more_have_no_serious_violation_and_fit_a_phone(visit, live_server, world):
    page, found = visit(1280, "light"), []

    for address in (reverse("help") + "?q=evidence", reverse("guide", args=["checks"]), reverse("guide", args=["tour"]), reverse("more")):
        page.goto(live_server.url + address)
        found += violations(page)
        assert fits(page), address
        page.set_viewport_size({"width": 1280, "height": 844})

    assert found == page.errors == []


def test_the_menu_can_be_read_without_scripts(chromium, live_server, visit, client):
    context = chromium.new_context(viewport={"width": 390, "height": 844}, java_script_enabled=False)
    context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}])
    page = context.new_page()

    page.goto(live_server.url + "/admin/")

    assert page.get_by_role("link", name="More").is_visible()
    assert page.get_by_role("link", name="Help").is_visible()
    context.close()
