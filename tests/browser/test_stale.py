"""Two people edit one record in a browser."""

import pytest

from tests.admin.page import edit, tab
from tests.api.client import Api
from tests.browser.page import IN_BROWSER, fits
from tests.conftest import make_user

pytestmark = IN_BROWSER


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_saving_again_stores_what_the_page_shows(scheme, visit, live_server, world):
    _, recommendation = world
    page = visit(1280, scheme)
    page.goto(live_server.url + edit(recommendation))
    as_other = Api(make_user("other", "reviewer"))
    as_other.patch(f"recommendations/{recommendation.slug}/", {"details": "Theirs.", "expected_outcome": "Theirs too.", "sectors": []})

    page.fill("[name=expected_outcome]", "Mine.")
    page.click("[name=_save]")

    page.get_by_text("Not saved. Correct these errors:").wait_for()
    assert page.input_value("[name=details]") == "Theirs."
    assert page.input_value("[name=expected_outcome]") == "Mine."
    assert page.locator(".field-expected_outcome", has_text="other").filter(has_text="Theirs too.").count() == 1
    assert fits(page)

    page.set_viewport_size({"width": 1280, "height": 900})
    page.click("[name=_save]")
    page.wait_for_url(lambda url: "tab=edit" not in url)
    recommendation.refresh_from_db()

    assert (recommendation.details, recommendation.expected_outcome) == ("Theirs.", "Mine.")
    assert page.errors == []


def test_a_row_that_both_changed_shows_the_stored_value(visit, live_server, world):
    agreement, _ = world
    component = agreement.components.get()
    page = visit(1280, "light")
    address = live_server.url + tab(agreement, "components")
    page.goto(address)
    as_other = Api(make_user("other", "reviewer"))
    as_other.patch(f"components/{component.slug}/", {"title": "Theirs", "status": "active"})

    page.fill("[name=components-0-title]", "Mine")
    page.click("[name=_save]")

    page.get_by_text("Not saved. Correct these errors:").wait_for()
    assert page.input_value("[name=components-0-title]") == "Mine"
    assert page.input_value("[name=components-0-status]") == "active"
    assert "Theirs" in page.locator(".formset").first.inner_text()
    assert fits(page)

    page.set_viewport_size({"width": 1280, "height": 900})
    page.click("[name=_save]")
    page.get_by_text("Not saved. Correct these errors:").wait_for(state="detached")
    component.refresh_from_db()

    assert (component.title, component.status) == ("Mine", "active")
