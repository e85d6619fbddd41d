"""Messages after a save, in a browser: they are visible and have the focus."""

import pytest

from recommendations.models import Addressee
from recommendations.progress import Report, report_progress
from tests.admin.page import change, edit
from tests.browser.page import IN_BROWSER, TODAY
from tests.conftest import make_user

pytestmark = [*IN_BROWSER, pytest.mark.slow]

IN_VIEW = """element => {
    const box = element.getBoundingClientRect();
    return box.height > 0 && box.top >= 0 && box.bottom <= window.innerHeight;
}"""


def focused(page, role: str):
    """The element with the focus, which is in the viewport and has this role."""
    page.wait_for_function("role => document.activeElement?.getAttribute('role') === role", arg=role)
    element = page.locator(":focus")
    page.wait_for_function(IN_VIEW, arg=element.element_handle())
    return element


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_a_rejected_save_is_visible_and_its_links_lead_to_the_fields(width, scheme, visit, live_server, world):
    _, recommendation = world
    page = visit(width, scheme)
    page.goto(live_server.url + edit(recommendation))

    page.fill("#id_details", "typed with care")
    page.fill("#id_due_on", "32/10/2031")
    page.click("#tabs-items a[href='#addressees']")
    page.fill("#id_addressees-0-responded_on", "soon")
    page.click("[name=_save]")
    focused(page, "alert")
    links = page.locator(".pt-summary a").all()
    links[1].click()
    page.wait_for_function("document.activeElement?.id === 'id_addressees-0-responded_on'")
    in_view_on_another_tab = page.locator("#id_addressees-0-responded_on").evaluate(IN_VIEW)
    links[0].click()
    page.wait_for_function("document.activeElement?.id === 'id_due_on'")

    assert in_view_on_another_tab and page.locator("#id_due_on").evaluate(IN_VIEW)
    assert page.input_value("#id_details") == "typed with care"
    assert page.input_value("#id_due_on") == "32/10/2031"
    assert page.input_value("#id_addressees-0-responded_on") == "soon"
    assert page.errors == []


@pytest.mark.parametrize("width", [1280, 390])
def test_the_message_of_an_update_appears_and_has_focus_at_the_form(width, visit, live_server, world):
    _, recommendation = world
    page = visit(width, "light")
    page.goto(live_server.url + change(recommendation))

    page.click("button[value=submit][name=_report]")
    rejected = focused(page, "alert")
    in_form = rejected.evaluate("element => Boolean(element.closest('form').querySelector('[name=_report]'))")
    page.fill("#id_report-narrative", "Still in progress.")
    page.click("button[value=submit][name=_report]")
    accepted = focused(page, "status")

    assert in_form
    assert accepted.evaluate("element => element.closest('section').getAttribute('aria-labelledby')") == "report"
    assert page.locator("[name=_save]").count() == 0
    assert page.errors == []


def test_returning_without_a_note_is_rejected_at_the_update(visit, live_server, world):
    _, recommendation = world
    other = make_user("other", "analyst")
    update = report_progress(recommendation, Report(status="withdrawn", narrative="Withdrawn."), by=other, today=TODAY)
    analyst = recommendation.owner
    analyst.groups.set(make_user("vera", "reviewer").groups.all())
    page = visit(390, "light")
    page.goto(live_server.url + change(recommendation))

    page.click("button[value=return]")
    rejected = focused(page, "alert")
    at_update = rejected.evaluate("element => element.closest('li').id")
    page.fill(f"#note-{update.pk}", "Who says so?")
    page.click("button[value=return]")
    focused(page, "status")

    update.refresh_from_db()
    assert at_update == f"update-{update.pk}"
    assert update.review == "returned"
    assert Addressee.objects.count() == 1
