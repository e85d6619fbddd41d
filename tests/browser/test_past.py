"""The past in a browser: entering a moment, following links, comparing, and going back to today."""

import pytest

from agreements.models import Agreement
from recommendations.models import Recommendation
from tests.admin.page import changes
from tests.browser.page import IN_BROWSER, fits
from tests.history.conftest import mark

pytestmark = IN_BROWSER


@pytest.fixture
def moment(world):
    """A moment before the recommendation and the agreement of the page changed."""
    agreement, recommendation = world
    then = mark().isoformat().replace("+00:00", "Z")
    Recommendation.objects.filter(pk=recommendation.pk).update(key_action="Build processing plants")
    Agreement.objects.filter(pk=agreement.pk).update(short_title="The new name")
    return then


def test_a_moment_is_entered_followed_compared_and_left_by_keyboard(visit, live_server, world, moment):
    page = visit(1280, "light")
    page.goto(live_server.url + changes(Agreement))

    page.get_by_label("Register as of").fill(moment)
    page.get_by_label("Register as of").press("Enter")
    page.get_by_text("Read-only").wait_for()
    page.locator("#nav-sidebar a[href*='recommendations/recommendation/']").click()
    page.get_by_role("link", name="Build processing hubs").click()
    assert "as_of=" in page.url
    assert page.get_by_role("button", name="Submit update").count() == 0

    page.get_by_role("button", name="Compare").click()
    page.locator("del", has_text="Build processing hubs").wait_for()
    assert page.locator("ins", has_text="Build processing plants").is_visible()
    assert fits(page)

    page.set_viewport_size({"width": 1280, "height": 844})
    page.get_by_role("link", name="Back to the page").click()
    page.emulate_media(media="print")
    page.locator(".pt-past").wait_for()
    page.emulate_media(media="screen")
    page.get_by_role("link", name="Back to today").click()
    page.get_by_role("button", name="Submit update").wait_for()
    assert "as_of" not in page.url
    assert page.errors == []
