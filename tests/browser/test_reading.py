"""Reading an agreement in a browser: source marks by keyboard and without a script, the first screen, and the printed document."""

import re

import pytest
from django.conf import settings
from django.core.management import call_command

from agreements.models import Agreement, Citation
from tests.admin.page import change
from tests.browser.page import IN_BROWSER
from tests.make import make_source

pytestmark = IN_BROWSER


def cite(agreement: Agreement) -> None:
    source = make_source(title="A report", publisher="An office", published_on="2024-05-06", original_url="https://example.org/report")
    Citation.objects.create(source=source, agreement=agreement, field="status", locator="Page 3", quote="It is so.", confidence="confirmed")


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1280, "light")])
def test_a_source_mark_opens_and_closes_by_keyboard(width, scheme, visit, live_server, world):
    cite(world[0])
    page = visit(width, scheme)
    page.goto(live_server.url + change(world[0]))
    mark = page.locator("#content-main").get_by_role("link", name="Source").first

    mark.focus()
    page.keyboard.press("Enter")
    box = page.get_by_role("dialog", name="Source")
    box.wait_for()
    text, document = box.inner_text(), box.get_by_role("link", name="Open document").get_attribute("href")
    place = box.bounding_box()
    page.keyboard.press("Escape")

    assert [words for words in ("A report", "An office", "2024-05-06", "Page 3", "It is so.", "Confirmed") if words not in text] == []
    assert document == "https://example.org/report"
    assert place["x"] >= 0 and place["x"] + place["width"] <= width
    assert not box.is_visible()
    assert mark.evaluate("mark => mark === document.activeElement")
    assert page.url == live_server.url + change(world[0])
    assert page.errors == []


@pytest.mark.slow
def test_the_first_screen_has_what_one_asks_first_and_the_print_has_few_pages(chromium, visit, live_server, world):
    call_command("load_dataset", settings.BASE_DIR / "fixtures", verbosity=0)
    page = visit(1280, "light")
    page.set_viewport_size({"width": 1280, "height": 800})
    page.goto(live_server.url + change(Agreement.objects.get(slug="aukus")))

    ends = page.evaluate(
        "['.pt-sentence', '.pt-figures', '[aria-labelledby=next-dates]', '#changes']"
        ".map(part => document.querySelector(part).getBoundingClientRect().bottom)"
    )
    contents = [
        (width, page.set_viewport_size({"width": width, "height": 900}), page.locator(".pt-contents").is_visible())
        for width in (1280, 1600)
    ]
    printed = page.pdf(prefer_css_page_size=True)

    assert max(ends) <= 800
    assert [(width, visible) for width, _, visible in contents] == [(1280, False), (1600, True)]
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) <= 4
    assert page.errors == []
