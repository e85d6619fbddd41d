"""Working from a source: its text, and the grids beside it."""

import json
from decimal import Decimal

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from agreements.models import Agreement, Citation, Commitment, Component, Participation, Source, SourceText, TreatyAction
from agreements.models.source_texts import MAX_TEXT
from policytracker.records.changes import Change
from recommendations.models import Addressee, Recommendation
from tests.admin.page import change
from tests.make import make_agreement, make_party, make_source
from tests.pdf import PAGE, pdf

START = "/admin/agreements/source/work/"
TEXT = """Treaty between Japan and Korea

Article 1. The Parties shall publish an inven-
tory each year.

Article 2. Japan pledges 80 million dollars; Korea says it is 27 million dollars.

Article 3. Each Party must report by 2030."""


@pytest.fixture
def client(signed_in, analyst):
    return signed_in(analyst)


@pytest.fixture
def parties(db):
    return make_party("JPN", name="Japan"), make_party("KOR", name="Korea")


@pytest.fixture
def source(db):
    source = make_source(title="A treaty", kind="treaty_text")
    SourceText.objects.create(source=source, text=TEXT)
    return source


def work(source: Source) -> str:
    return reverse("admin:agreements_source_work", args=[source.pk])


def cells(grid: str, *rows: dict[str, str]) -> dict[str, str]:
    """The fields of a page, without a script."""
    return {f"{grid}-{number}-{name}": value for number, row in enumerate(rows, 1) for name, value in row.items()}


def save(client, source: Source, agreement: Agreement | None = None, **fields):
    return client.post(work(source), {"_save": "1", "agreement": agreement.pk if agreement else ""} | fields)


def refusals(response) -> dict[str, str]:
    """The messages of the page, by the HTML id of the cell or field."""
    assert response.status_code == 200
    return {error.field: error.message for error in response.context_data["error_summary"]}


BILATERAL = {
    **cells("agreement", {"title": "Treaty between Japan and Korea", "kind": "Treaty", "legal_force": "binding"}),
    **cells("parties", {"party": "Japan", "role": "Party"}, {"party": "KOR", "role": "party"}),
    **cells(
        "actions",
        {"kind": "Signature", "party": "Japan", "acted_on": "3 May 2024"},
        {"kind": "signature", "party": "Korea", "acted_on": "2024-05-03"},
        {"kind": "Entry into force", "acted_on": "2025"},
    ),
    **cells(
        "components",
        {"title": "Inventory", "lead_parties": "Japan; Korea", "quote": "publish an inventory each year"},
        {"title": "Report", "due_on": "2030", "quote": "Each Party must report by 2030", "locator": "Article 3"},
        {"title": "Pledge", "quote": "Japan pledges 80 million dollars"},
        {"title": "Review", "due_anchor": "Entry into force", "due_offset": "3 months"},
    ),
    **cells(
        "sums",
        {"payer": "Japan", "stage": "Announced", "amount": "80000000", "currency": "usd", "quote": "80 million dollars", "component": "3"},
        {"payer": "Japan", "stage": "announced", "amount": "27000000", "currency": "USD", "quote": "27 million dollars", "disputes": "1"},
    ),
    **cells(
        "recommendations",
        {"key_action": "Publish the inventory", "addressees": "Japan; KOR", "priority": "High", "due_on": "2026", "quote": "inventory"},
        *({"key_action": f"Action {number}", "addressees": "Japan"} for number in range(4)),
    ),
}


def test_a_treaty_is_entered_with_one_save(client, source, parties):
    response = save(client, source, **BILATERAL)

    agreement = Agreement.objects.get(title="Treaty between Japan and Korea")
    assert response.status_code == 302, refusals(response)
    assert response.url == f"{work(source)}?agreement={agreement.pk}"
    assert agreement.slug == "treaty-between-japan-and-korea"
    assert (agreement.kind, agreement.legal_force, str(agreement.in_force_on)) == ("treaty", "binding", "2025")
    assert sorted(Participation.objects.values_list("party__code", "role")) == [("JPN", "party"), ("KOR", "party")]
    assert {action.source for action in TreatyAction.objects.all()} == {source}
    inventory = Component.objects.get(title="Inventory")
    assert [party.code for party in inventory.lead_parties.order_by("code")] == ["JPN", "KOR"]
    assert list(Citation.objects.order_by("pk").values_list("component__title", "quote", "locator", "source")) == [
        ("Inventory", "publish an inventory each year", "paragraph 2", source.pk),
        ("Report", "Each Party must report by 2030", "Article 3", source.pk),
        ("Pledge", "Japan pledges 80 million dollars", "paragraph 3", source.pk),
    ]
    assert Component.objects.get(title="Review").due_offset == "P3M"
    first, second = Commitment.objects.order_by("amount")[::-1]
    assert (first.amount, first.component.title, first.disputes) == (Decimal(80_000_000), "Pledge", None)
    assert (second.disputes, second.source, second.locator) == (first, source, "paragraph 3")
    recommendation = Recommendation.objects.get(key_action="Publish the inventory")
    assert (recommendation.priority, recommendation.source, recommendation.locator) == ("high", source, "paragraph 2")
    assert [each.slug for each in recommendation.agreements.all()] == [agreement.slug]
    assert Recommendation.objects.count() == 5
    assert Addressee.objects.count() == 6
    change_of = Change.objects.filter(tbl="agreements_component").first()
    assert (change_of.actor["user"], change_of.actor["channel"]) == ("analyst", "admin")


def test_a_script_sends_all_cells_as_one_field(client, source, parties):
    agreement = make_agreement()
    entered = {f"components-{number}-title": f"Part {number}" for number in range(1, 101)} | {"components-101-title": "Too many"}

    response = save(client, source, agreement, cells=json.dumps(entered))

    assert response.status_code == 302
    assert agreement.components.count() == 100


def test_one_list_names_every_refused_cell_and_nothing_is_written(client, source, parties):
    before = Change.objects.count()
    entered = {
        **cells("agreement", {"title": "A treaty", "kind": "pact"}),
        **cells("parties", {"party": "Atlantis", "role": "Party"}, {"role": "friend", "party": "Japan"}),
        **cells("components", {"quote": "publish an inventory"}, {"title": "Report", "quote": "Each Party may report", "due_on": "soon"}),
        **cells("sums", {"amount": "much", "stage": "announced", "currency": "USD", "disputes": "7"}),
        **cells("recommendations", {"key_action": "x" * 401, "addressees": "Japan; Atlantis"}),
    }

    response = save(client, source, **entered)

    assert set(refusals(response)) == {
        "id_agreement-1-kind",
        "id_parties-1-party",
        "id_parties-2-role",
        "id_components-1-title",
        "id_components-2-quote",
        "id_components-2-due_on",
        "id_sums-1-amount",
        "id_sums-1-disputes",
        "id_recommendations-1-key_action",
        "id_recommendations-1-addressees",
    }
    assert Change.objects.count() == before
    page = response.content.decode()
    assert 'value="Each Party may report"' in page  # nothing that was typed is lost
    assert page.count('aria-invalid="true"') == 10


def test_rows_need_an_agreement_and_are_checked_without_one(client, source, parties):
    entered = cells("components", {"title": "Report", "quote": "not in the text"}, {"title": "Review", "status": "odd"})

    response = save(client, source, **entered)

    assert set(refusals(response)) == {"id_agreement", "id_components-1-quote", "id_components-2-status"}


def test_an_agreement_is_chosen_or_new_but_not_both(client, source):
    response = save(client, source, make_agreement(), **cells("agreement", {"title": "Another"}))

    assert set(refusals(response)) == {"id_agreement"}


def test_an_empty_page_is_not_saved(client, source):
    assert "" in refusals(save(client, source, make_agreement()))


def test_a_rule_of_the_register_refuses_all_rows(client, source, parties):
    """A consent needs a binding text: the trigger of the database speaks at the cell."""
    agreement = make_agreement(legal_force="non_binding")

    response = save(
        client, source, agreement, **cells("actions", {"kind": "Ratification", "party": "Japan"}), **cells("components", {"title": "Part"})
    )

    assert set(refusals(response)) == {"id_actions-1-kind"}
    assert not Component.objects.exists()


def test_a_participation_that_is_recorded_already_is_refused(client, source, parties):
    agreement = make_agreement()
    Participation.objects.create(agreement=agreement, party=parties[0], role="party")

    assert set(refusals(save(client, source, agreement, **cells("parties", {"party": "JPN", "role": "party"})))) == {"id_parties-1-since"}


def test_two_rows_with_the_same_title_get_different_keys(client, source):
    agreement = make_agreement()

    assert (
        save(client, source, agreement, **cells("components", {"title": "Report"}, {"title": "Report"}, {"title": "報告"})).status_code
        == 302
    )
    assert sorted(agreement.components.values_list("slug", flat=True)) == ["components", "report", "report-2"]


def test_a_party_with_a_quote_gets_a_citation(client, source, parties):
    agreement = make_agreement()

    save(client, source, agreement, **cells("parties", {"party": "Japan", "role": "Party", "quote": "between Japan and Korea"}))

    assert Citation.objects.get().participation == Participation.objects.get()


def test_more_rows_keep_what_was_typed(client, source):
    page = client.post(work(source), {"_rows": "sums", **cells("sums", {"amount": "5"}), "agreement": ""}).content.decode()

    assert 'name="sums-8-amount"' in page
    assert 'name="sums-1-amount" value="5"' in page
    assert "aria-invalid" not in page


# ---- who, and the way there


@pytest.mark.parametrize("role", ["reader", "party officer"])
def test_only_editors_see_and_open_the_pages(signed_in, users, source, role):
    client = signed_in(users[role])

    assert client.get(work(source)).status_code == 403
    assert client.get(START).status_code == 403
    assert client.post(work(source), {"_text": "1", "text": "Other"}).status_code == 403
    overview = client.get(change(source)).content.decode()
    assert work(source) not in overview
    assert reverse("admin:agreements_source_text", args=[source.pk]) in overview
    assert "Article 3. Each Party must report" in client.get(reverse("admin:agreements_source_text", args=[source.pk])).content.decode()


def test_the_text_has_the_visibility_of_its_source(signed_in, users, client):
    draft = make_source(publication="draft")
    SourceText.objects.create(source=draft, text="A secret passage")
    address = reverse("admin:agreements_source_text", args=[draft.pk])

    assert client.get(address).status_code == 200
    assert signed_in(users["reader"]).get(address).status_code == 404
    assert client.get(reverse("admin:agreements_source_work", args=[0])).status_code == 404


def test_the_page_of_a_source_leads_to_the_work(client, source):
    assert work(source) in client.get(change(source)).content.decode()
    assert client.get(work(source)).status_code == 200


# ---- the source and its text


def new_source(**fields) -> dict:
    return {"source": "", "title": "New treaty", "kind": "treaty_text", "text": TEXT} | fields


def test_a_new_source_is_stored_with_its_text(client):
    response = client.post(START, new_source())

    source = Source.objects.get(title="New treaty")
    assert response.url == work(source)
    assert (source.slug, source.publication, source.text.text) == ("new-treaty", "draft", TEXT)


def test_an_existing_source_keeps_its_text_unless_another_is_entered(client, source):
    assert client.post(START, {"source": source.pk, "text": ""}).url == work(source)
    assert SourceText.objects.get().text == TEXT

    client.post(work(source), {"_text": "1", "text": "A corrected text"})
    stored = SourceText.objects.get()
    assert (stored.text, stored.version) == ("A corrected text", 2)


def test_a_pdf_file_gives_a_text_with_pages(client):
    file = SimpleUploadedFile("treaty.pdf", pdf(PAGE % b"Treaty", PAGE % b"Each Party shall report."))

    response = client.post(START, new_source(text="", file=file))

    source = Source.objects.get(title="New treaty")
    assert response.url == work(source)
    agreement = make_agreement()
    save(client, source, agreement, **cells("components", {"title": "Report", "quote": "shall report"}))
    assert Citation.objects.get().locator == "page 2"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"text": "a" * (MAX_TEXT + 1)}, "id_text"),
        ({"text": "", "file": SimpleUploadedFile("long.txt", b"a" * (MAX_TEXT + 1))}, "id_file"),
        ({"text": "", "file": SimpleUploadedFile("scan.pdf", pdf(b"0 0 m"))}, "id_file"),
        ({"text": "", "file": SimpleUploadedFile("broken.pdf", b"%PDF-1.4 broken")}, "id_file"),
        ({"text": "", "file": SimpleUploadedFile("letter.docx", b"PK")}, "id_file"),
        ({"text": "Both", "file": SimpleUploadedFile("text.txt", b"and")}, "id_file"),
        ({"text": "A NUL \0 character"}, "id_text"),
        ({"source": "999999"}, "id_source"),
        ({"title": ""}, "id_title"),
        ({"kind": ""}, "id_kind"),
    ],
)
def test_a_text_or_source_that_cannot_be_stored_is_refused_with_a_sentence(client, fields, field):
    for file in fields.values():
        if isinstance(file, SimpleUploadedFile):
            file.seek(0)

    response = client.post(START, new_source(**fields))

    assert list(refusals(response)) == [field]
    assert not Source.objects.exists()
    assert not SourceText.objects.exists()


def test_a_text_of_1_mb_is_kept_and_loaded_after_the_page(client, source):
    client.post(work(source), {"_text": "1", "text": "Words of a treaty. " * (MAX_TEXT // 19)})

    assert SourceText.objects.get().text.startswith("Words of a treaty.")
    page = client.get(work(source))
    assert len(page.content) < 250_000
    assert f'data-load="{reverse("admin:agreements_source_text", args=[source.pk])}"' in page.content.decode()


def test_long_notes_are_the_text_of_a_source_without_one(client):
    source = make_source(notes="The Parties shall report. " * 20)
    agreement = make_agreement()

    assert "The Parties shall report." in client.get(work(source)).content.decode()
    refused = save(client, source, agreement, **cells("components", {"title": "Report", "quote": "The Parties may report"}))
    assert set(refusals(refused)) == {"id_components-1-quote"}


def test_a_quote_of_a_source_without_a_text_is_not_checked(client):
    source, agreement = make_source(), make_agreement()

    save(client, source, agreement, **cells("components", {"title": "Report", "quote": "Words"}))

    assert Citation.objects.get().quote == "Words"


def test_a_text_of_an_archived_source_does_not_change(client):
    source = make_source(publication="archived")

    assert "" in refusals(client.post(work(source), {"_text": "1", "text": "New"}))
    assert not SourceText.objects.exists()
