"""The command palette: pages of the admin, and records that the user may read."""

import pytest

from recommendations.models import Recommendation
from tests.admin.page import change, changes
from tests.make import make_agreement, make_component, make_party, make_recommendation

PALETTE = "/admin/search/"


@pytest.fixture
def records(db):
    pact = make_agreement(slug="pact", title="Pacific <b>Pact</b>")
    return {
        "pact": pact,
        "part": make_component(pact, slug="pacific-part", title="Pacific base"),
        "act": make_recommendation(pact, slug="pacific-act", key_action="Dredge the Pacific"),
        "party": make_party("PIF", name="Pacific Islands Forum"),
        "secret": make_agreement(slug="secret", title="Pacific secret", visibility="restricted"),
    }


def shown(client, text):
    response = client.get(PALETTE, {"s": text, "extended": "1"})
    assert response.status_code == 200
    return response.content.decode()


@pytest.mark.parametrize("role", ["reader", "party officer", "analyst", "reviewer", "administrator"])
def test_records_of_all_types_are_found_as_the_user_may_read_them(role, users, signed_in, records):
    page = shown(signed_in(users[role]), "pacif")

    for name in ("pact", "part", "act", "party"):
        assert f'href="{change(records[name])}"' in page
    assert (change(records["secret"]) in page) == (role == "administrator")
    assert "Pacific &lt;b&gt;Pact&lt;/b&gt;" in page


def test_pages_of_the_menu_are_found(analyst, signed_in, records):
    page = shown(signed_in(analyst), "agreem")

    assert f'href="{changes(type(records["pact"]))}"' in page
    assert "/admin/checks/" in shown(signed_in(analyst), "data ch")


def test_a_write_is_found_at_once(analyst, signed_in, records):
    client = signed_in(analyst)
    assert change(records["pact"]) not in shown(client, "lagoon")

    records["pact"].summary = "In the lagoon."
    records["pact"].save()

    assert change(records["pact"]) in shown(client, "lagoon")


def test_a_misspelled_word_is_corrected_from_records_that_the_user_may_read(reader, administrator, signed_in, records):
    make_agreement(slug="base", title="Submarine", visibility="restricted")

    assert "<strong>pacific</strong>" in shown(signed_in(reader), "pacifik")
    assert "<strong>submarine</strong>" in shown(signed_in(administrator), "submarin3")
    assert "submarine" not in shown(signed_in(reader), "submarin3").lower()


@pytest.mark.parametrize("text", ["", " ", "\0", "'", '"', "-" * 300, "%", "<script>", "a" * 5000])
def test_any_text_has_an_answer(reader, signed_in, text):
    assert "<script>" not in shown(signed_in(reader), text)


def test_the_palette_is_on_every_page_with_its_shortcut(reader, signed_in):
    page = signed_in(reader).get("/admin/").content.decode()

    assert "search-input-command" in page
    assert "opencommand" in page


@pytest.fixture
def australia_and_zealand(db):
    make_party("AUS", name="Australia")
    make_party("NZL", name="New Zealand", aliases=["Aotearoa"])
    make_party("AND", name="Andorra")


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("overdue Australia", "overdue=true&party=AUS"),
        ("australia OVERDUE", "overdue=true&party=AUS"),
        ("New Zealand stale", "freshness=stale&party=NZL"),
        ("overdue aotearoa Australia", "overdue=true&party=NZL&party=AUS"),
        ("overdue NZL", "overdue=true&party=NZL"),
        ("owner:me ports", "owner=me&q=ports"),
        ("-party:AUS overdue", "party__not=AUS&overdue=true"),
        ("overdue and ports", "overdue=true&q=and+ports"),
    ],
)
def test_a_query_offers_the_list_in_any_order_of_its_words(text, query, analyst, signed_in, australia_and_zealand):
    page = shown(signed_in(analyst), text)

    assert f'href="{changes(Recommendation)}?{query}"'.replace("&", "&amp;") in page


@pytest.mark.parametrize("text", ["Australia", "ports", "priorty:high", "party:Atlantis overdue"])
def test_a_text_that_is_no_query_offers_no_list(text, analyst, signed_in, australia_and_zealand):
    assert f"{changes(Recommendation)}?" not in shown(signed_in(analyst), text)
