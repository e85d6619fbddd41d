"""The admin in a browser: desktop and phone width, light and dark, by keyboard, without errors or external requests."""

import pytest
from django.urls import reverse

from agreements.models import Participation
from recommendations.models import Addressee
from tests.admin.page import change, changes, edit, tab
from tests.browser.page import IN_BROWSER, fits

pytestmark = IN_BROWSER


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_the_window_and_log_no_errors(scheme, visit, live_server, world):
    agreement, recommendation = world
    page = visit(1280, scheme)

    lists = [changes(type(agreement)), changes(type(recommendation)), changes(Participation), changes(Addressee)]
    for address in ("/admin/", *lists, change(agreement), change(recommendation), edit(recommendation)):
        page.goto(live_server.url + address)
        page.evaluate("document.fonts.ready")
        assert fits(page), address
        assert page.locator("html.dark").count() == (scheme == "dark")

    assert page.errors == []


def test_on_a_phone_the_fields_of_a_row_are_as_wide_as_their_card(visit, live_server, world):
    agreement, recommendation = world
    page = visit(390, "light")

    for address in (tab(agreement, "components"), tab(agreement, "participations"), edit(recommendation) + "#addressees"):
        page.goto("about:blank")
        page.goto(live_server.url + address)
        page.locator(".formset td :is(input, .select2):visible").first.wait_for()
        edges = page.evaluate("""() => [...document.querySelectorAll(".formset td :is(input, select, .select2)")]
            .filter(field => field.offsetWidth > 2).map(field => field.getBoundingClientRect())
            .map(box => `${Math.round(box.left)} ${Math.round(box.right)}`)""")
        assert len(edges) > 2 and len(set(edges)) == 1, address


@pytest.mark.slow
@pytest.mark.parametrize(("system", "chosen", "shown"), [("dark", None, True), ("dark", "light", False), ("light", "dark", True)])
def test_the_api_documentation_has_the_colours_that_the_user_chose(system, chosen, shown, visit, live_server, world):
    page = visit(1280, system)
    page.goto(live_server.url + reverse("docs"))

    if chosen:
        page.evaluate("scheme => localStorage.setItem('adminTheme', JSON.stringify(scheme))", chosen)
        page.reload()
    page.locator(".opblock").first.wait_for()

    assert (page.locator("html.dark-mode").count() == 1) == shown
    assert page.errors == []


@pytest.mark.parametrize("width", [1280, 390])
def test_an_update_is_submitted_by_keyboard(width, visit, live_server, world):
    _, recommendation = world
    page = visit(width, "light")
    page.goto(live_server.url + change(recommendation))

    page.focus("#id_report-status")
    page.keyboard.type("Largely")
    page.keyboard.press("Tab")
    page.keyboard.type("80")
    page.focus("#id_report-narrative")
    page.keyboard.type("Both hubs operate.")
    page.focus("button[name=_report][value=submit]")
    with page.expect_navigation():
        page.keyboard.press("Enter")

    recommendation.refresh_from_db()
    assert (recommendation.status, recommendation.progress_percent) == ("largely_implemented", 80)
    assert page.locator("text=Both hubs operate.").is_visible()
    assert page.errors == []


def test_a_rejected_update_keeps_the_input(visit, live_server, world):
    _, recommendation = world
    page = visit(390, "dark")
    page.goto(live_server.url + change(recommendation))

    page.select_option("#id_report-status", "planned")
    page.fill("#id_report-narrative", "typed with care")
    page.click("button[name=_report][value=submit]")

    page.locator("#id_report-status_error").wait_for()
    assert page.input_value("#id_report-narrative") == "typed with care"
    assert fits(page)


def test_text_that_was_not_submitted_survives_a_closed_tab(visit, live_server, world):
    _, recommendation = world
    page, address = visit(1280, "light"), live_server.url + change(recommendation)
    page.goto(address)
    page.fill("#id_report-narrative", "typed with care")

    page.close()
    reopened = page.context.new_page()
    reopened.goto(address)
    restored = reopened.input_value("#id_report-narrative")
    reopened.click("button[name=_report][value=draft]")
    reopened.locator("text=Draft saved.").wait_for()

    assert restored == "typed with care"
    assert reopened.input_value("#id_report-narrative") == ""


@pytest.mark.parametrize("login", ["the same tab", "another tab"])
@pytest.mark.parametrize("form", ["update", "record"])
def test_text_survives_the_end_of_the_session(form, login, visit, live_server, world):
    _, recommendation = world
    page, text = visit(390, "light"), "typed with care,\nin two lines"
    page.goto(live_server.url + (change(recommendation) if form == "update" else edit(recommendation)))
    page.fill("#id_report-narrative" if form == "update" else "#id_details", text)

    def log_in(where):
        where.fill("[name=username]", "analyst")
        where.fill("[name=password]", "a long pass phrase")
        where.click("[type=submit]")

    page.context.clear_cookies()
    if login == "another tab":
        other = page.context.new_page()
        other.goto(live_server.url)
        log_in(other)
        other.wait_for_url("**/admin/")
    page.click("button[name=_report][value=draft]" if form == "update" else "[name=_save]")
    if login == "the same tab":
        log_in(page)
    page.get_by_role("button", name="Submit again").wait_for()
    page_fits = fits(page)
    focused = page.evaluate("document.activeElement.hasAttribute('data-message')")
    page.get_by_role("button", name="Submit again").click()
    page.locator("text=Draft saved." if form == "update" else "text=was changed successfully").wait_for()

    saved = (
        recommendation.updates.filter(narrative__startswith="typed with care,")
        if form == "update"
        else type(recommendation).objects.filter(details=text)
    )
    assert saved.exists()
    assert page_fits
    assert focused
    page.goto(live_server.url + change(recommendation))
    assert page.input_value("#id_report-narrative") == ""


def test_a_source_is_found_by_typing(visit, live_server, world):
    _, recommendation = world
    page = visit(1280, "light")
    page.goto(live_server.url + change(recommendation))

    page.click("#select2-id_evidence-0-source-container")
    page.keyboard.type("pap")
    page.click(".select2-results__option >> text=A paper")

    assert "A paper" in page.inner_text("#select2-id_evidence-0-source-container")
    assert page.errors == []


def test_a_list_is_filtered(visit, live_server, world):
    page = visit(1280, "light")
    page.goto(live_server.url + changes(type(world[1])))

    page.click("text=Filters")
    page.check("dialog [name=deadline_state][value=overdue]")
    page.click("dialog button[name=_apply]")
    page.wait_for_url("**deadline_state=overdue**")

    page.locator(".pt-empty").wait_for()
    assert page.errors == []


def test_a_date_is_picked_from_a_calendar(visit, live_server, world):
    agreement, recommendation = world
    page = visit(1280, "light")

    for address, field in ((change(agreement) + "?on=2020-01-01", "standing-on"), (change(recommendation), "id_report-reported_on")):
        page.goto(live_server.url + address)
        page.fill(f"#{field}", "2020-01-01")
        page.click(f"#{field} ~ .datetimeshortcuts a[id^=calendarlink]")
        page.click(".calendarbox:visible td a:text-is('15')")
        assert page.input_value(f"#{field}") == "2020-01-15"
    assert page.errors == []


def test_a_file_that_is_too_large_is_refused_before_it_is_sent(visit, live_server, world, tmp_path):
    page = visit(390, "light")
    page.goto(live_server.url + changes(type(world[1])) + "import/")
    (tmp_path / "large.csv").write_bytes(b"slug\n" + b"x" * 5_000_000)

    page.get_by_label("Layout of the file", exact=True).select_option("gao.toml")
    page.locator("#id_file").set_input_files(tmp_path / "large.csv")
    page.get_by_role("alert").wait_for()
    message = page.get_by_role("alert").inner_text()
    page.get_by_role("button", name="Preview").click()

    assert "5 MB" in message
    assert page.get_by_label("Layout of the file", exact=True).input_value() == "gao.toml"
    page.locator("#id_file").set_input_files([])
    assert page.get_by_role("alert").count() == 0
    assert page.errors == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_table_is_previewed_and_imported(scheme, visit, live_server, world, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    _, recommendation = world
    page = visit(390, scheme)
    page.goto(live_server.url + changes(type(recommendation)))
    page.get_by_role("link", name="Import", exact=True).click()

    content = f"slug,key_action\n{recommendation.slug},Build two hubs\n".encode()
    page.locator("#id_file").set_input_files({"name": "table.csv", "mimeType": "text/csv", "buffer": content})
    page.click("#select2-id_source-container")
    page.keyboard.type("pap")
    page.click(".select2-results__option >> text=A paper")
    page.get_by_role("button", name="Preview").click()
    page.get_by_role("button", name="Import", exact=True).wait_for()
    preview_fits = fits(page)
    page.get_by_role("button", name="Import", exact=True).click()
    page.get_by_role("link", name="View recommendations").wait_for()

    recommendation.refresh_from_db()
    assert preview_fits
    assert recommendation.key_action == "Build two hubs"
    assert page.errors == []


def test_a_preview_with_long_names_fits_the_window(visit, live_server, world, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    page = visit(390, "light")
    page.goto(f"{live_server.url}{changes(type(world[1]))}import/")
    content = (
        f"slug,key_action,made_by\n{'long-' * 22}slug,Build,{'Ministry-of-Everything-' * 5}\nrec-9,Build,The Ministry of {'Other ' * 15}\n"
    )
    names = {"name": f"{'long ' * 30}.csv", "mimeType": "text/csv", "buffer": content.encode()}

    page.locator("#id_file").set_input_files(names)
    page.get_by_role("button", name="Preview").click()
    page.get_by_role("heading", name="Names without a match").wait_for()

    assert fits(page)
    label, help_text = (page.locator(f".pt-check {name}").bounding_box() for name in ("label", "small"))
    assert label["y"] + label["height"] <= help_text["y"] and label["height"] < 30  # on a line of its own
