"""axe-core finds no serious or critical violation of WCAG on the pages of the admin, light and dark."""

import pytest
from django.urls import reverse

from agreements.models import Component
from policytracker.accounts.models import User
from policytracker.admin.base import BaseAdmin
from recommendations.models import Recommendation
from tests.admin.page import add, change, changes, edit, tab
from tests.admin.pages import every_page, load_demo
from tests.browser.axe import violations
from tests.browser.page import IN_BROWSER, TODAY

pytestmark = IN_BROWSER

# The fields whose outline differs from what is around them by less than 3:1 (WCAG 1.4.11), which axe-core does not check. Browsers draw
# the boxes that select rows.
FAINT = """() => {
    const context = Object.assign(document.createElement("canvas"), {width: 1, height: 1}).getContext("2d", {willReadFrequently: true});
    const luminance = colours => {
        for (const colour of colours) {
            context.fillStyle = colour;
            context.fillRect(0, 0, 1, 1);
        }
        const parts = [...context.getImageData(0, 0, 1, 1).data].map(part => part / 255);
        const [red, green, blue] = parts.map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const backgrounds = element => element ? [...backgrounds(element.parentElement), getComputedStyle(element).backgroundColor] : ["white"];
    const isFaint = field => {
        const box = getComputedStyle(field).borderTopWidth === "0px" ? field.parentElement : field;
        const around = backgrounds(box.parentElement), outline = getComputedStyle(box).borderTopColor;
        const [dark, light] = [luminance(around), luminance([...around, outline])].sort((one, other) => one - other);
        return (light + 0.05) / (dark + 0.05) < 3;
    };
    const fields = document.querySelectorAll(
        "input:not(.action-select, .action-toggle), select:not(.select2-hidden-accessible), textarea, .select2",
    );
    return [...fields].filter(field => field.offsetWidth > 2 && !field.closest(".select2 *") && isFaint(field))
        .map(field => field.outerHTML.slice(0, 200));
}"""


def test_the_main_pages_have_no_serious_violation(visit, live_server, world):
    agreement, recommendation = world
    page, found = visit(1280, "light"), []

    for address in (
        reverse("admin:index"),
        change(agreement),
        tab(agreement, "participations"),
        change(recommendation),
        edit(recommendation),
        add(Component),
        f"{change(recommendation)}?as_of={TODAY}",
        f"{reverse('compare')}?as_of={TODAY}&page={change(recommendation)}",
    ):
        page.goto(live_server.url + address)
        found += violations(page)

    assert found == [] == page.errors


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_outlines_of_fields_can_be_seen(scheme, visit, live_server, world):
    agreement, recommendation = world
    page, found = visit(1280, scheme), []

    for address in (
        changes(Recommendation),
        change(recommendation),
        edit(recommendation),
        tab(agreement, "participations"),
        changes(Recommendation) + "import/",
        reverse("data_checks"),
    ):
        page.goto(live_server.url + address)
        found += [f"{address} {field}" for field in page.evaluate(FAINT)]

    assert found == []


def test_filters_search_and_errors_have_no_serious_violation_on_a_phone(visit, live_server, world):
    _, recommendation = world
    page = visit(390, "light")

    page.goto(live_server.url + changes(Recommendation, "?status=in_progress"))
    page.click("text=Filters")
    page.locator("dialog button[name=_apply]").wait_for()
    filters = violations(page)
    page.goto(live_server.url + change(recommendation))
    page.click("button[name=_report][value=submit]")
    page.locator("[data-message]").wait_for()
    errors = violations(page)
    page.keyboard.press("Control+k")
    page.locator("#search-input-command").press_sequentially("hubs")
    page.locator("#command-results-list a").first.wait_for()
    search = violations(page)

    assert filters == search == errors == []


@pytest.mark.slow
def test_no_page_or_tab_has_a_serious_violation(visit, live_server, world, monkeypatch):
    monkeypatch.setattr(BaseAdmin, "list_per_page", 10)  # axe-core takes long for many rows, which are all alike
    load_demo()
    User.objects.filter(username="analyst").update(is_superuser=True)
    page, found = visit(1280, "light"), []

    for address in every_page(User.objects.get(username="analyst")):
        page.goto(live_server.url + address)
        found += violations(page)

    assert found == []
