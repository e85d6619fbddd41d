"""An update with evidence takes few key presses. Typed text is not counted; the first letter that selects a status is."""

import pytest

from agreements.models import Citation
from recommendations.models import ProgressUpdate
from tests.admin.page import add, change, edit, tab
from tests.browser.page import IN_BROWSER, fits
from tests.make import make_agreement, make_component, make_source

pytestmark = IN_BROWSER


class Keys:
    """Operates a page by keyboard only, and counts the key presses."""

    def __init__(self, page):
        self.page, self.pressed = page, 0

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
            self.pressed += 1

    def type(self, text: str) -> None:
        self.page.keyboard.type(text)

    def focus(self) -> str:
        """The id of the element that has the focus."""
        return self.page.evaluate("document.activeElement.closest('.select2')?.previousElementSibling.id || document.activeElement.id")

    def submit(self) -> None:
        with self.page.expect_navigation():
            self.press("Control+Enter")


@pytest.mark.parametrize("evidence", ["an existing source", "the address of a page"])
def test_an_update_with_evidence_takes_at_most_twelve_key_presses(evidence, visit, live_server, world):
    _, recommendation = world
    page = visit(1280, "light")
    page.goto(live_server.url + change(recommendation))
    keys = Keys(page)

    keys.press("Tab", "Tab", "Enter")  # the second link of the page leads to the form
    page.wait_for_function("document.activeElement.id === 'id_report-status'")
    keys.press("L", "Tab")
    keys.type("80")
    keys.press("Tab")
    keys.type("Both hubs operate.")
    keys.press("Tab")
    if evidence == "an existing source":
        keys.type("paper")
        page.locator(".select2-results__option", has_text="A paper").wait_for()
        keys.press("Enter", "Tab", "Tab", "Tab")
    else:
        keys.press("Tab")
        keys.type("https://example.org/opening")
        keys.press("Tab")
        keys.type("Hubs opened")
        keys.press("Tab")
    assert keys.focus() == "id_evidence-0-quote"
    keys.type("Both hubs operate since May.")
    keys.submit()

    update = ProgressUpdate.objects.latest("pk")
    source = update.evidence.get().source
    assert (update.status, update.progress_percent, update.narrative) == ("largely_implemented", 80, "Both hubs operate.")
    assert (source.title, update.evidence.get().quote) == (
        "A paper" if evidence == "an existing source" else "Hubs opened",
        "Both hubs operate since May.",
    )
    assert keys.pressed <= 12, keys.pressed
    assert page.errors == []


def test_ctrl_enter_saves_the_form_that_has_the_focus(visit, live_server, world):
    _, recommendation = world
    page = visit(1280, "light")
    page.goto(live_server.url + edit(recommendation))

    page.fill("#id_details", "In two regions.")
    Keys(page).submit()

    recommendation.refresh_from_db()
    assert recommendation.details == "In two regions."
    assert page.errors == []


def test_the_first_link_of_a_page_skips_the_menu(visit, live_server, world):
    page = visit(1280, "light")
    page.goto(live_server.url + edit(world[1]))

    Keys(page).press("Tab", "Enter", "Tab")

    assert page.evaluate("Boolean(document.activeElement.closest('[role=main]'))")
    assert page.errors == []


@pytest.mark.parametrize("delay", [0, 5, 30, 90, 200])
def test_a_field_that_searches_loses_no_letter_and_selects_what_was_typed(delay, visit, live_server, world):
    agreement, recommendation = world
    make_source(slug="taper", title="Aper, the first hit without the first letter")
    make_agreement(slug="river", title="River pact")
    page = visit(1280, "light")
    fields = [  # the page, the id of the select, what is typed, and the hit
        (change(recommendation), "id_evidence-0-source", "paper", "A paper"),
        (edit(recommendation), "id_owner", "analyst", "analyst"),
        (edit(recommendation), "id_agreements", "river", "River pact"),
        (tab(agreement, "participations"), "id_participations-0-party", "AUS", "Aus"),
    ]

    for address, field, text, hit in fields:
        page.goto("about:blank")
        page.goto(live_server.url + address)
        page.locator(f"#{field} ~ .select2").wait_for()
        page.evaluate(
            "id => document.querySelector(`#${id} ~ .select2 :is(.select2-selection--single, .select2-search__field)`).focus()", field
        )
        page.keyboard.type(text, delay=delay)
        typed = page.evaluate("document.activeElement.value")
        page.keyboard.press("Enter")
        page.wait_for_function(
            "([id, hit]) => [...document.getElementById(id).selectedOptions].at(-1)?.text.includes(hit)", arg=[field, hit], timeout=5000
        )
        assert (field, typed) == (field, text)
    assert page.errors == []


@pytest.mark.parametrize("opens", ["/", "Control+k"])
@pytest.mark.parametrize("waits", ["before the results arrive", "when the results are shown"])
def test_enter_in_the_command_palette_opens_the_first_result(opens, waits, visit, live_server, world):
    page = visit(1280, "light")
    page.goto(live_server.url + "/admin/", wait_until="networkidle")  # its numbers are a heavy request, as the data checks are
    page.locator("#search-input-command").wait_for(state="attached")

    page.keyboard.press(opens)
    page.keyboard.type("data checks")
    if waits == "when the results are shown":
        page.locator("#command-results-list a").first.wait_for()
    page.keyboard.press("Enter")

    page.wait_for_url("**/admin/checks/")
    assert page.errors == []


def test_a_citation_has_one_target_and_offers_its_fields(visit, live_server, world):
    agreement, _ = world
    component = make_component(agreement, slug="hub", title="Processing hub")
    make_source(slug="river", title="River paper")
    page = visit(1280, "light")
    page.goto(f"{live_server.url}{add(Citation)}?agreement={agreement.pk}&return_to={tab(agreement, 'citations')}")
    offered = """() => [...document.querySelectorAll('#id_field optgroup')].filter((group) => !group.hidden).map((group) => group.label)"""
    choose = "id => document.querySelector(`#${id} ~ .select2 .select2-selection`).focus()"
    page.locator("#id_component ~ .select2").wait_for()
    of_agreement = page.evaluate(offered)
    page.select_option("#id_field", label="Title")

    for field, text in (("id_component", "hub"), ("id_source", "river")):
        page.evaluate(choose, field)
        page.keyboard.type(text)
        page.keyboard.press("Enter")
        page.wait_for_function("id => document.getElementById(id).value", arg=field)
    targets = [page.input_value(f"#id_{name}") for name in ("agreement", "component", "participation", "outcome")]
    of_component, field = page.evaluate(offered), page.input_value("#id_field")
    page.locator("[name=_save]").click()
    page.wait_for_url("**tab=citations")

    assert (of_agreement, of_component, field) == (["Agreement"], ["Component"], "title")
    assert targets == ["", str(component.pk), "", ""]
    assert Citation.objects.get().target == component
    assert page.get_by_role("cell", name="Processing hub Title").is_visible()
    assert page.errors == []


@pytest.mark.parametrize("width", [1280, 390])
def test_the_fields_of_a_refused_row_keep_their_width(width, visit, live_server, world):
    agreement, _ = world
    make_component(agreement, slug="hub", title="Processing hub")
    page = visit(width, "light")
    page.goto(live_server.url + tab(agreement, "components"))
    title = page.locator("input[name=components-0-title]")
    before = title.bounding_box()["width"]

    page.fill("input[name=components-0-due_on]", "6/7/2027")
    page.locator("[name=_save]").click()
    page.locator("[data-message]").wait_for()

    assert abs(page.locator("input[name=components-0-title]").bounding_box()["width"] - before) < 12
    assert fits(page)
