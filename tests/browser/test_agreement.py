"""The page of an agreement in a browser: a new agreement with its parts, and reading at phone width."""

import pytest

from agreements.models import Agreement, Citation, Participation, Source
from recommendations.models import Addressee, Recommendation
from tests.admin.page import add, change, tab
from tests.browser.page import IN_BROWSER, fits
from tests.make import make_commitment, make_party

pytestmark = IN_BROWSER


def choose(page, field: str, name: str) -> None:
    """Select a record by typing part of its name."""
    page.click(f"#{field} + .select2 .select2-selection, #select2-{field}-container")
    page.locator(".select2-search__field:visible").last.fill(name)
    page.locator(".select2-results__option", has_text=name).first.click()


def test_a_new_agreement_takes_at_most_eight_saves(visit, live_server):
    make_party("JPN", name="Japan")
    make_party("KOR", name="Korea")
    page, saves = visit(1280, "light"), []
    page.on("request", lambda request: saves.append(request.url) if request.method == "POST" else None)

    def save(button: str = "Save"):
        with page.expect_navigation():
            page.get_by_role("button", name=button, exact=True).click()
        assert not page.locator(".pt-summary").count(), page.inner_text(".pt-summary")

    page.goto(live_server.url + add(Agreement))
    page.fill("#id_title", "Japan-Australia Critical Minerals Partnership on Secure Supply Chains")
    page.fill("#id_short_title", "Japan-Australia minerals partnership")
    page.select_option("#id_legal_force", "non_binding")
    for number, name in enumerate(("Japan", "Korea")):
        page.locator("#actions-group").locator(".add-row").click()
        page.select_option(f"#id_actions-{number}-kind", "signature")
        choose(page, f"id_actions-{number}-party", name)
        page.fill(f"#id_actions-{number}-acted_on", "22 Oct 2022")
    suggested = page.input_value("#id_slug")
    save()
    agreement = Agreement.objects.get(slug=suggested)

    page.locator(".pt-tabs a", has_text="Components").click()
    for number, title in enumerate(("Joint projects", "Information sharing", "Investment")):
        page.locator("#components-group").locator(".add-row").click()
        page.fill(f"#id_components-{number}-title", title)
    save()

    page.locator(".pt-tabs a", has_text="Citations").click()
    page.get_by_role("link", name="Add source").click()
    page.fill("#id_title", "Joint announcement")
    page.select_option("#id_kind", "official_statement")
    save()
    page.get_by_role("link", name="Add citation").click()
    choose(page, "id_source", "Joint announcement")
    save()

    page.locator(".pt-tabs a", has_text="Recommendations").click()
    page.get_by_role("link", name="Add recommendation").click()
    page.fill("#id_key_action", "Publish the list of joint projects")
    page.locator("#tabs-items a[href='#addressees']").click()
    page.locator("#addressees-group").locator(".add-row").click()
    choose(page, "id_addressees-0-party", "Korea")
    save()

    page.locator(".pt-tabs a", has_text="Overview").click()
    page.get_by_role("link", name="Publish with parts").click()
    save("Publish 6 records")

    assert 6 <= len(saves) <= 8, saves
    assert suggested == "japan-australia-minerals-partnership"
    assert Participation.objects.filter(agreement=agreement, role="participant").count() == 2
    assert agreement.actions.filter(kind="signature", acted_on="2022-10-22").count() == 2
    agreement.refresh_from_db()
    assert agreement.publication == "published"
    assert agreement.components.filter(publication="published").count() == 3
    assert Source.objects.get(title="Joint announcement").publication == "published"
    assert Citation.objects.get().agreement == agreement
    assert Addressee.objects.get(party__code="KOR", recommendation__agreements=agreement)
    assert Recommendation.objects.get(agreements=agreement).publication == "published"
    assert page.errors == []


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1280, "light")])
def test_the_overview_and_its_tabs_fit_and_open_their_tables(width, scheme, visit, live_server, world):
    agreement, _ = world
    make_commitment(agreement, stated_on="2025")
    page = visit(width, scheme)

    page.goto(live_server.url + change(agreement))
    for table in page.locator("#content details > summary").all():
        table.click()
    assert fits(page)
    for link in [element.get_attribute("href") for element in page.locator(".pt-tabs a").all()]:
        page.goto(live_server.url + link)
        assert fits(page), link

    assert page.errors == []


def test_the_tabs_of_a_record_are_one_row_on_a_phone_and_show_the_current_one(visit, live_server, world):
    page = visit(390, "light")

    page.goto(live_server.url + tab(world[0], "citations"), wait_until="load")
    page.wait_for_function("document.querySelector('.pt-tabs').scrollLeft > 0")

    assert page.evaluate("new Set([...document.querySelectorAll('.pt-tabs a')].map(tab => tab.offsetTop)).size") == 1
    left, right = page.evaluate(
        "(({left, right}) => [left, right])(document.querySelector('.pt-tabs [aria-current]').getBoundingClientRect())"
    )
    assert 0 <= left < right <= 390
    assert page.errors == []
