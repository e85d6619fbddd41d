"""Help: the guides inside the admin, by role and page, with search and the words of the glossary."""

import re

import pytest
from django.conf import settings
from django.contrib import admin
from django.urls import reverse

from agreements.models import Agreement
from policytracker.admin import help, menu
from policytracker.guides import documents
from policytracker.guides.rendering import Addresses, render
from policytracker.quality.engine import RULES
from recommendations.models import Recommendation
from tests.admin.page import changes

NOWHERE = Addresses(
    lambda path: f"/{path}" if path in ("b.md", "glossary.md") else "", lambda path: f"/images/{path}", lambda path: "Title of B"
)


def rendered(text: str, **terms: str) -> str:
    return render(text, "a.md", NOWHERE, terms).html


@pytest.mark.parametrize("role", ["reader", "party officer", "analyst", "reviewer", "administrator"])
def test_the_guides_of_the_own_role_come_first(role, users, signed_in):
    page = signed_in(users[role]).get(reverse("help"))

    assert page.context["groups"][0].title.lower() == role
    assert len(page.context["groups"]) == len(documents.index())


@pytest.mark.parametrize("name", documents.names())
def test_every_guide_can_be_read_and_its_links_and_images_lead_somewhere(name, reader, signed_in):
    client = signed_in(reader)

    page = client.get(reverse("guide", args=[name]))

    assert page.status_code == 200
    text = page.text.partition("<article")[2].partition("</article>")[0]
    for address in {*re.findall(r'(?:href|src)="(/[^"#]*)', text)}:
        assert client.get(address).status_code == 200, address
    anchors = {*re.findall(r'id="([^"]+)"', text)}
    assert {*re.findall(r'href="#([^"]+)"', text)} <= anchors
    assert len(page.content) < 250 * 1024


@pytest.mark.parametrize("name", ["nothing", "../README", "../../etc/passwd", "images/model.svg", "openapi.yaml"])
def test_only_documents_of_the_folder_are_served(name, reader, signed_in):
    client = signed_in(reader)

    for address in (f"/admin/help/{name}/", f"/admin/help/images/{name}"):
        assert client.get(address, follow=True).status_code == 404


def test_help_needs_a_user_with_a_role(client, db):
    assert client.get(reverse("help")).status_code == 302
    assert client.get(reverse("guide", args=["glossary"])).status_code == 302


def test_html_in_a_document_is_text():
    assert "<script>" not in rendered("# T\n\na <script>alert(1)</script>\n\n<div onclick='x'>b</div>\n")
    assert 'href="javascript' not in rendered("# T\n\n[x](javascript:alert(1))")


def test_a_link_to_a_file_that_is_not_served_is_text():
    html = rendered("# T\n\n[one](b.md#c), [two](../setup.py), [three](https://example.org/)")

    assert 'href="/b.md#c"' in html and 'href="https://example.org/"' in html
    assert "two" in html and "setup.py" not in html
    assert '<a href="/b.md">Title of B</a>' in rendered("# T\n\n[b.md](b.md)")


def test_a_word_of_the_glossary_has_its_meaning_once_and_not_in_code_links_or_headings():
    html = rendered("# T\n\n## Evidence\n\n`evidence` [evidence](b.md) **Evidence** Evidence, and evidence.", evidence="A <b> source.")

    assert html.count('role="tooltip"') == 1
    assert '<a href="/glossary.md#evidence" aria-describedby="meaning-evidence">Evidence</a>' in html
    assert "A &lt;b&gt; source." in html


def test_verbs_and_short_words_are_not_marked():
    assert "tooltip" not in rendered("# T\n\nclose it on time", close="To set a date.", on="A day.")


def test_a_row_of_a_table_has_an_anchor():
    html = rendered("# T\n\n| rule | code |\n|---|---|\n| Name | `some_rule` |\n\n| term | meaning |\n|---|---|\n| legal act | x |\n")

    assert '<tr id="some_rule">' in html and '<tr id="legal-act">' in html


@pytest.mark.parametrize("rule", sorted(RULES))
def test_each_data_check_is_explained_under_its_code_and_the_name_that_the_desk_shows(rule):
    html = documents.guide("checks").html
    row = html.partition(f'<tr id="{rule}">')[2].partition("</tr>")[0]

    assert f"<td>{RULES[rule].title}</td>" in row.replace("&quot;", '"')


def test_a_search_finds_sections_with_all_words(reader, signed_in):
    page = signed_in(reader).get(reverse("help"), {"q": "approve return"})

    assert any("approve-or-return" in hit.section.anchor for hit in page.context["hits"])
    assert f'href="{reverse("guide", args=["reviewer"])}#approve-or-return-an-update"' in page.text


@pytest.mark.parametrize("text", ["zzqx", "<script>", "\0", "a" * 5000, "%", "(["])
def test_any_search_has_an_answer(text, reader, signed_in):
    page = signed_in(reader).get(reverse("help"), {"q": text})

    assert page.status_code == 200 and "<script>alert" not in page.text


def test_the_sections_that_fit_the_page_come_first_and_those_of_the_own_role_before_others():
    of_analyst = help.fitting(changes(Recommendation), {"analyst"})
    of_officer = help.fitting(changes(Recommendation), {"party officer"})

    assert of_analyst[0].url.startswith(reverse("guide", args=["analyst"]))
    assert of_officer[0].url.startswith(reverse("guide", args=["officer"]))
    assert [chapter.url for chapter in help.fitting(reverse("data_checks"), set())] == [reverse("guide", args=["checks"])]
    assert any("agreement-agreements" in chapter.url for chapter in help.fitting(changes(Agreement), {"analyst"}))
    assert help.fitting("/nothing/", {"analyst"}) == help.fitting("", {"analyst"}) == []


def test_every_section_that_a_page_names_exists():
    pages = [*admin.site._registry.values(), *menu.PAGES]

    for page in pages:
        for reference in getattr(page, "guides", ()):
            name, _hash, anchor = reference.partition("#")
            assert not anchor or anchor in {section.anchor for section in documents.guide(name).sections}, reference


def test_the_guides_are_where_the_program_is():
    """Without the folder the system check stops a start."""
    assert documents.check_guides(None) == []
    assert (settings.BASE_DIR / "docs" / "README.md").is_file()


def test_a_missing_folder_of_guides_is_reported(monkeypatch, tmp_path):
    monkeypatch.setattr(documents, "FOLDER", tmp_path)

    assert [message.id for message in documents.check_guides(None)] == ["policytracker.E010"]


def test_an_empty_register_offers_the_tour(analyst, reader, signed_in):
    for user in (analyst, reader):
        assert f'<a href="{reverse("guide", args=["tour"])}">Answer a question</a>' in signed_in(user).get("/admin/").text


def test_a_guide_names_its_parts_unless_there_are_too_many():
    short, long = documents.guide("analyst"), documents.guide("records")

    assert {section.level for section in help.contents(short)} == {2, 3}
    assert {section.level for section in help.contents(long)} == {2}
