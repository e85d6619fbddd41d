"""The page of an agreement: the overview and its numbers, tabs that load one by one, adding parts, publishing."""

import json
import re
from datetime import date, timedelta
from html import unescape
from urllib.parse import urlencode

import pytest
from django.utils.html import strip_tags

from agreements.deadlines import DeadlineState
from agreements.models import (
    Agreement,
    AgreementRelation,
    Citation,
    Commitment,
    Component,
    EntryIntoForceCondition,
    FactCheck,
    Outcome,
    Participation,
    Sector,
    Source,
    TreatyAction,
)
from policytracker.resources import registry
from recommendations.models import Addressee, ProgressUpdate, Recommendation
from recommendations.progress import EvidenceRow, Report, report_progress
from recommendations.publication import publish
from tests.admin.page import add, change, changes, edit, errors_of, messages_of, rows_in_list, tab, typed
from tests.conftest import make_user
from tests.make import (
    make_action,
    make_agreement,
    make_commitment,
    make_component,
    make_condition,
    make_indicator,
    make_outcome,
    make_party,
    make_recommendation,
    make_source,
)
from tests.queries import count_queries

TODAY = date.today()
TABS = {
    "overview": [],
    "recommendations": [],
    "participations": ["participations"],
    "components": ["components"],
    "treaty-actions": ["actions"],
    "entry-into-force-conditions": ["conditions"],
    "commitments": ["commitments"],
    "agreement-relations": ["relations_from", "relations_to"],
    "outcomes": ["outcomes"],
    "citations": [],
    "fact-checks": ["fact_checks"],
    "edit": [],
}


def make_pact() -> Agreement:
    """A framework of two parties with parts of every kind, one of each kind a draft."""
    pact = make_agreement(slug="pact", title="A pact", legal_force="non_binding", summary="On minerals.")
    other, source = make_agreement(slug="other"), make_source(slug="paper", title="A paper")
    aus, usa = make_party("AUS", name="Australia"), make_party("USA", name="United States")
    for party in (aus, usa):
        Participation.objects.create(agreement=pact, party=party, role="participant")
        make_action(pact, party=party, acted_on="2025-10-20", source=source)
    upper = make_component(pact, slug="upper", title="Projects", due_on=str(TODAY - timedelta(9)))
    lower = make_component(pact, slug="lower", title="A refinery", parent=upper, due_on=str(TODAY + timedelta(9)))
    upper.lead_parties.add(aus)
    make_component(pact, slug="hidden", title="The hidden component", publication="draft")
    figure = make_commitment(pact, amount=3_000_000, payer=aus, source=source, stated_on="2025-11")
    make_commitment(pact, amount=2_000_000, disputes=figure)
    make_commitment(pact, amount=1_000_000, stage="committed", currency="USD")
    make_indicator(make_outcome(pact), name="Output", target_value="100.5000")
    mining = Sector.objects.create(code="mining", name="Mining")
    pact.sectors.add(mining)
    late = make_recommendation(pact, slug="late", key_action="Build hubs", due_on=str(TODAY - timedelta(1)), source=source)
    early = make_recommendation(pact, slug="early", key_action="Share data")
    shared = make_recommendation(pact, other, slug="shared", key_action="Report yearly")
    make_recommendation(
        pact, slug="draft", key_action="The hidden recommendation", publication="draft", source=make_source(publication="draft")
    )
    late.components.add(lower)
    late.sectors.add(mining)
    for recommendation in (late, early):
        Addressee.objects.create(recommendation=recommendation, party=aus)
    Citation.objects.create(agreement=pact, source=source, field="summary", quote="On the minerals of both")
    Citation.objects.create(component=lower, source=source)
    FactCheck.objects.create(
        slug="check", agreement=pact, source=source, statement="It is binding", verdict="incorrect", correction="It is not"
    )
    analyst = make_user("assessor", "analyst")
    evidence = (EvidenceRow(source=source),)
    report_progress(shared, Report(status="in_progress", narrative="Begun.", evidence=evidence), by=analyst, today=TODAY)
    claim = Report(kind="claim", status="implemented", narrative="Done.", party=aus, evidence=evidence)
    report_progress(shared, claim, by=analyst, today=TODAY)
    ProgressUpdate.objects.filter(kind="claim").update(review="approved")
    return pact


@pytest.fixture(scope="module")
def shared_pact(once_per_module):
    return once_per_module(make_pact).pk


@pytest.fixture
def pact(shared_pact, db):
    return Agreement.objects.get(pk=shared_pact)


pytestmark = pytest.mark.usefixtures("pact")


def linked_numbers(context) -> list[tuple[int, str]]:
    """Every number of the overview with the list to which it links."""
    numbers = [(tile.count, tile.url) for tile in (*context["late"], *context["attention"])]
    numbers += [(part.count, part.url) for part in context["progress"].parts]
    numbers += [(int(text.split()[0]), url) for bar in context["money"] for text, url in bar.details]
    numbers += [(line.recommendations, line.recommendations_url) for line in context["components"]]
    numbers += [(context["recommendation_total"], context["recommendations_url"])]
    for _kind, matrix, uncovered in context["matrices"]:
        numbers += [(matrix.column_gaps, uncovered)]
        numbers += [(line.count, line.url) for line in matrix.lines]
        numbers += [(1, cell.url) for line in matrix.lines for cell in line.cells if cell.url]
    return numbers


@pytest.mark.parametrize("role", ["reader", "party officer", "analyst", "administrator"])
def test_every_number_of_the_overview_equals_the_list_to_which_it_links(role, users, signed_in, pact):
    context = signed_in(users[role]).get(change(pact)).context

    numbers = linked_numbers(context)

    assert len(numbers) > 12
    assert [(count, url) for count, url in numbers if rows_in_list(url, users[role]) != count] == []


@pytest.mark.parametrize(
    ("model", "rows"),
    [
        (Participation, 2),
        (Component, 2),
        (TreatyAction, 2),
        (AgreementRelation, 1),
        (EntryIntoForceCondition, 1),
        (Commitment, 3),
        (Outcome, 1),
        (Citation, 2),  # with the one of a component
        (FactCheck, 1),
    ],
)
def test_a_tab_with_rows_links_to_the_list_of_the_rows(model, rows, reader, signed_in, pact):
    make_condition(pact)
    AgreementRelation.objects.create(from_agreement=pact, to_agreement=make_agreement(), kind="implements")
    client, name = signed_in(reader), registry.of(model).address

    full, empty = (client.get(tab(agreement, name)).text for agreement in (pact, make_agreement()))
    url = re.search(rf"{changes(model)}\?agreement=\d+", full)

    assert url and rows_in_list(url[0], reader) == rows
    assert f"{changes(model)}?agreement=" not in empty


def test_a_component_is_opened_by_its_title_and_readers_do_not_see_its_key(reader, analyst, signed_in, pact):
    component = Component.objects.get(slug="lower")

    for user, is_editor in ((reader, False), (analyst, True)):
        page = signed_in(user).get(tab(pact, "components")).text
        links = re.findall(rf'<a href="{change(component)}[^>]*>([^<]*)</a>', page)
        assert (links == [component.title], component.slug in strip_tags(page).split()) == (not is_editor, is_editor)


def test_the_participations_lead_to_the_standing_that_is_calculated(reader, analyst, signed_in, pact):
    for user in (reader, analyst):
        assert f'href="{change(pact)}#standing"' in signed_in(user).get(tab(pact, "participations")).text


def test_the_overview_links_to_all_recommendations_only_if_it_shows_fewer(reader, signed_in, monkeypatch, pact):
    client, whole_list = signed_in(reader), f'{urlencode({"agreement": pact.slug})}">View all'

    complete = client.get(change(pact)).text
    monkeypatch.setattr("recommendations.admin.overview.SHOWN_RECOMMENDATIONS", 1)
    shortened = client.get(change(pact)).text

    assert (whole_list in complete, whole_list in shortened) == (False, True)


def test_the_overview_shows_the_numbers_of_the_api(analyst, signed_in, client, pact):
    context = signed_in(analyst).get(change(pact)).context
    client.force_login(analyst, backend="django.contrib.auth.backends.ModelBackend")
    card = client.get("/api/v1/agreements/pact/scorecard/").json()

    assert {part.code.value: part.count for part in context["progress"].parts} == {
        status: count for status, count in card["recommendations"]["by_status"].items() if count
    }
    assert (context["progress"].total, context["progress"].unknown.count) == (4, card["recommendations"]["unknown"]["count"])
    assert [bar.value for bar in context["money"]] == ["AUD 3,000,000", "USD 1,000,000"]
    assert [text for bar in context["money"] for text, _url in bar.details] == ["1 figure", "1 disputed figure", "1 figure"]
    assert [(line.component.slug, line.depth) for line in context["components"]] == [("upper", 0), ("lower", 1), ("hidden", 0)]
    assert context["indicators"][0]["target_value"] == "100.5"
    assert [(line.moment.on, line.url, line.until) for line in context["next_dates"]] == [
        (str(TODAY + timedelta(9)), change(Component.objects.get(slug="lower")), "in 9 days")
    ]


def test_the_first_screen_says_the_standing_what_is_late_what_comes_and_what_changed(reader, signed_in, pact):
    make_action(pact, "start_of_operation", "", "2025-10-20")
    for days in (1, 20, 40):
        make_component(pact, due_on=str(TODAY + timedelta(days)))
    client = signed_in(reader)
    page = client.get(change(pact))
    context = page.context
    changes_of_pact = re.search(r'id="changes" data-load="([^"]*)"', page.text)

    assert changes_of_pact
    (action,) = client.get(unescape(changes_of_pact[1])).context["actions"]
    assert action.number == 6  # in one transaction
    assert context["standing"].in_a_sentence == "Operative since 20 Oct 2025: 2 participants."
    assert {str(tile.title): tile.count for tile in context["late"]} == {
        "Overdue": 1,
        "Due within 30 days": 0,
        "Without a due date": 2,
        "Stale or never assessed": 2,
    }
    assert [line.until for line in context["next_dates"]] == ["tomorrow", "in 9 days", "in 3 weeks"]
    assert [moment.url for moment in context["timeline"].moments if not moment.url] == []


def test_the_overview_shows_the_state_of_a_deadline_without_a_date(reader, signed_in):
    agreement = make_agreement()
    make_component(agreement, due_anchor="entry_into_force", due_offset="P1Y")
    make_component(agreement)

    page = signed_in(reader).get(change(agreement)).text

    assert [page.count(str(state.label)) for state in (DeadlineState.OPEN_ENDED, DeadlineState.NONE)] == [1, 0]


def test_the_overview_says_whether_totals_include_figures_that_are_not_exact(reader, signed_in, pact):
    client, inexact = signed_in(reader), []

    for bound, disputed in (("exactly", True), ("about", False)):
        Commitment.objects.filter(agreement=pact, disputes__isnull=not disputed).update(bound=bound)
        inexact.append(client.get(change(pact)).context["figures"].inexact)

    assert inexact == [False, True]


def test_an_agreement_without_recommendations_says_so_once(reader, signed_in):
    page = signed_in(reader).get(change(make_agreement()))

    assert re.findall(r'<h2 id="(statuses|trend|recommendations)"', page.text) == ["recommendations"]


def test_the_overview_is_for_reading(reader, signed_in, pact):
    content = signed_in(reader).get(change(pact)).content.decode()

    for text in ("On minerals.", "Participant", "Projects", "A refinery", "Build hubs", "On the minerals of both", "It is not", "Mining"):
        assert text in content, text
    assert "dossier/?format=md" in content
    assert "<textarea" not in content and 'name="_save"' not in content


def test_dates_in_tables_that_become_cards_have_labels(analyst, signed_in, pact):
    content = signed_in(analyst).get(change(pact)).content.decode()

    tables = re.findall(r'<table class="pt-table pt-cards">(.*?)</table>', content, re.DOTALL)
    cells = re.findall(r"<td([^>]*)>(?:<span[^>]*>)?\d{4}-\d\d-\d\d", "".join(tables))
    assert len(cells) > 2
    assert [cell for cell in cells if "data-label" not in cell] == []


@pytest.mark.parametrize("role", ["reader", "party officer"])
def test_links_that_lead_to_403_and_hidden_parts_are_not_shown(role, signed_in, users, pact):
    Participation.objects.filter(party__code="AUS").delete()
    client = signed_in(users[role])

    pages = {name: client.get(tab(pact, name)).content.decode() for name in TABS}

    for name, content in pages.items():
        assert "/publish/" not in content and "/add/" not in content, name
        assert "hidden component" not in content and "hidden recommendation" not in content, name
    assert client.get(f"{change(pact).removesuffix('change/')}publish/").status_code == 403


@pytest.mark.parametrize("role", ["reader", "analyst"])
def test_each_tab_loads_its_own_rows_and_counts_them(role, users, signed_in, pact):
    client = signed_in(users[role])

    for name, prefixes in TABS.items():
        response = client.get(tab(pact, name))
        formsets = [inline.formset for inline in response.context.get("inline_admin_formsets", [])]
        current = next(link for link in response.context["record_tabs"] if link.current)
        assert current.url == tab(pact, name)
        assert [formset.prefix for formset in formsets] == prefixes
        if prefixes:
            assert current.count == sum(formset.initial_form_count() for formset in formsets), name
    assert next(link.count for link in response.context["record_tabs"] if "=recommendations" in link.url) == (4 if role == "analyst" else 3)


def test_a_tab_saves_its_rows_only_and_stays_open(analyst, signed_in, pact):
    client, components = signed_in(analyst), tab(pact, "components")
    form = typed(client.get(components))

    response = client.post(components, form | {"components-0-status": "active", "title": "Another title"})

    assert response["Location"] == components
    assert Component.objects.filter(status="active").count() == 1
    assert Agreement.objects.get(pk=pact.pk).title == "A pact"


def test_a_rejected_tab_keeps_the_input_and_names_the_row(analyst, signed_in, pact):
    client, components = signed_in(analyst), tab(pact, "components")

    refused = client.post(
        components, typed(client.get(components)) | {"components-0-title": "typed with care", "components-0-due_on": "3/4/2022"}
    )

    assert [error.field for error in refused.context["error_summary"]] == ["id_components-0-due_on"]
    assert b"typed with care" in refused.content
    assert [link.current for link in refused.context["record_tabs"] if "tab=components" in link.url] == [True]


def test_every_field_of_a_row_has_a_name(analyst, signed_in, pact):
    for name in ("participations", "treaty-actions", "components", "agreement-relations"):
        for inline in signed_in(analyst).get(tab(pact, name)).context["inline_admin_formsets"]:
            for form in inline.formset.forms:
                for field in form.visible_fields():
                    widget = getattr(field.field.widget, "widget", field.field.widget)
                    assert str(widget.attrs["aria-label"]).startswith(str(field.label)), field.name


@pytest.mark.parametrize("model", [Component, Participation, Citation, Commitment])
def test_a_tab_has_one_button_that_adds_a_part(model, analyst, signed_in, pact):
    page = signed_in(analyst).get(tab(pact, registry.of(model).address)).text

    assert page.count('class="add-row') + page.count(f'href="{add(model)}') == 1


def test_a_part_that_was_added_from_a_tab_returns_to_it(analyst, signed_in, pact):
    client, citations = signed_in(analyst), tab(pact, "citations")
    content = client.get(citations).content.decode()
    address = next(part.split('"')[0].replace("&amp;", "&") for part in content.split('href="') if part.startswith(add(Citation)))

    form = typed(client.get(address)) | {"source": Source.objects.get(slug="paper").pk}
    response = client.post(address, form)

    assert form["agreement"] == str(pact.pk)
    assert response["Location"] == citations


@pytest.mark.parametrize("elsewhere", ["https://example.org/", "//example.org", "javascript:alert(1)"])
def test_the_address_to_return_to_is_a_page_of_this_host(elsewhere, analyst, signed_in):
    response = signed_in(analyst).post(f"{add(Source)}?return_to={elsewhere}", {"slug": "new", "kind": "news", "title": "New", **PUBLIC})

    assert response["Location"] == change(Source.objects.get(slug="new"))


PUBLIC = {"visibility": "public", "publication": "draft"}


# ---- publishing


def publish_address(agreement) -> str:
    return change(agreement).replace("/change/", "/publish/")


def test_the_drafts_are_listed_before_they_are_published(analyst, signed_in, pact, client):
    client.force_login(analyst, backend="django.contrib.auth.backends.ModelBackend")
    listed = client.post("/api/v1/agreements/pact/publish/", {"dry_run": True}, "application/json").json()["published"]

    page = signed_in(analyst).get(publish_address(pact))

    assert len(page.context["drafts"]) == len(listed) == 3
    assert not Component.objects.filter(slug="hidden", publication="published").exists()


def test_an_agreement_is_published_with_the_selected_parts(analyst, signed_in, pact):
    client = signed_in(analyst)

    listed = client.post(publish_address(pact), {"_list": "1", "components": "on"})
    published = client.post(publish_address(pact), {"_publish": "1", "components": "on"})

    assert [draft.title for draft in listed.context["drafts"]] == ["The hidden component"]
    assert published["Location"] == change(pact)
    assert Component.objects.get(slug="hidden").publication == "published"
    assert Recommendation.objects.get(slug="draft").publication == "draft"
    assert "1 record" in messages_of(client.get(change(pact)))


def test_only_an_agreement_with_a_draft_part_can_be_published(analyst, reader, signed_in, pact):
    def offered(user):
        return publish_address(pact) in signed_in(user).get(change(pact)).text

    before = offered(analyst), offered(reader)
    publish(pact, by=analyst, components=True, recommendations=True, sources=True)

    assert (*before, offered(analyst)) == (True, False, False)


def test_an_archived_agreement_is_not_published(administrator, signed_in):
    archived = make_agreement(publication="archived")

    page = signed_in(administrator).post(publish_address(archived), {"_publish": "1", "components": "on"})

    assert page.context["error"]
    assert Agreement.objects.get(pk=archived.pk).publication == "archived"


# ---- a new agreement


def test_the_key_of_a_new_record_is_made_of_its_title(analyst, signed_in):
    client = signed_in(analyst)
    title = "Japan-Australia Critical Minerals Partnership on Secure and Diversified Supply Chains"

    keys = []
    for typed_key in ("", "", "my-key"):
        form = typed(client.get(add(Source))) | {"title": title, "kind": "news", "slug": typed_key}
        assert client.post(add(Source), form).status_code == 302
        keys.append(Source.objects.latest("pk").slug)
    nameless = client.post(add(Source), typed(client.get(add(Source))) | {"title": "日本", "kind": "news"})

    assert keys == ["japan-australia-critical-minerals-partnership-on-secure-and", f"{keys[0]}-2", "my-key"]
    assert len(keys[0]) <= 60
    assert list(errors_of(nameless)) == ["slug"]


def test_an_agreement_is_added_with_its_signatures_and_the_signers_take_part(analyst, signed_in):
    client, parties = signed_in(analyst), [make_party("JPN"), make_party("AUS")]
    form = typed(client.get(add(Agreement))) | {"title": "A partnership", "legal_force": "non_binding", "kind": "partnership"}
    form |= {"actions-TOTAL_FORMS": "2"}
    for number, party in enumerate(parties):
        form |= {f"actions-{number}-kind": "signature", f"actions-{number}-party": party.pk, f"actions-{number}-acted_on": "22 Oct 2022"}

    response = client.post(add(Agreement), form)

    agreement = Agreement.objects.get(slug="a-partnership")
    assert response["Location"] == change(agreement)
    assert agreement.signed_on == "2022-10-22"
    participations = Participation.objects.filter(agreement=agreement)
    assert sorted(participations.values_list("party__code", "role", "since")) == [
        (code, "participant", "2022-10-22") for code in ("AUS", "JPN")
    ]
    assert client.get(change(agreement)).context["suggested_status"] == "operative"


def test_the_role_of_a_party_follows_from_the_action_and_the_legal_force(analyst, signed_in):
    client, binding = signed_in(analyst), make_agreement(legal_force="binding")
    address = tab(binding, "treaty-actions")
    kinds = {"FRA": "signature", "FJI": "accession", "NZL": "announcement"}
    form = typed(client.get(address)) | {"actions-TOTAL_FORMS": "3"}
    for number, (code, kind) in enumerate(kinds.items()):
        form |= {f"actions-{number}-kind": kind, f"actions-{number}-party": make_party(code).pk, f"actions-{number}-acted_on": "2022"}

    client.post(address, form)

    assert dict(Participation.objects.filter(agreement=binding).values_list("party__code", "role")) == {"FRA": "signatory", "FJI": "party"}


def test_components_are_added_as_rows_with_keys_of_their_titles(analyst, signed_in, pact):
    client, address = signed_in(analyst), tab(pact, "components")
    form = typed(client.get(address)) | {"components-TOTAL_FORMS": "5"}
    for number, title in ((3, "Joint mapping"), (4, "Price floors")):
        form |= {f"components-{number}-title": title, f"components-{number}-status": "active"}

    response = client.post(address, form)

    assert response.status_code == 302
    assert {"joint-mapping", "price-floors"} <= set(Component.objects.filter(agreement=pact).values_list("slug", flat=True))


def test_the_parent_of_a_component_is_one_of_the_same_agreement(analyst, signed_in, pact):
    make_component(make_agreement(), title="Elsewhere")
    client, upper = signed_in(analyst), Component.objects.get(slug="upper")

    new = client.get(f"{add(Component)}?agreement={pact.pk}").context["adminform"].form.fields["parent"]
    old = client.get(change(upper)).context["adminform"].form.fields["parent"]

    assert {component.slug for component in new.queryset} == {"upper", "lower", "hidden"}
    assert {component.slug for component in old.queryset} == {"lower", "hidden"}


@pytest.mark.parametrize(("role", "offered"), [("analyst", True), ("reader", False)])
def test_a_field_is_cited_from_the_form(role, offered, users, signed_in, pact):
    participation = Participation.objects.create(agreement=pact, party=make_party("NZL"), role="party")
    component, outcome = Component.objects.get(slug="upper"), make_outcome(pact)
    client = signed_in(users[role])
    cited = [
        (edit(pact), f"agreement={pact.pk}&amp;field=signed_at_place"),
        (change(component), f"component={component.pk}&amp;field=due_on"),
        (change(participation), f"participation={participation.pk}&amp;field=since"),
        (change(outcome), f"outcome={outcome.pk}&amp;field=statement"),
    ]

    for address, query in cited:
        content = client.get(address).content.decode()
        assert (f"{add(Citation)}?{query}&amp;return_to=" in content) == offered, query


def test_a_citation_offers_the_fields_of_each_record_that_can_be_cited(analyst, signed_in, pact):
    field = signed_in(analyst).get(add(Citation)).context["adminform"].form.fields["field"]
    groups = {label: {name for name, _label in options} for label, options in field.widget.choices if isinstance(options, list)}

    assert json.loads(field.widget.attrs["data-groups"])["component"] == "Component"
    assert {"title", "description", "due_on", "lead_parties"} <= groups["Component"]
    assert not {"slug", "agreement", "visibility", "signed_at_place", "due_on_first"} & groups["Component"]
    assert ("signed_at_place" in groups["Agreement"], "role" in groups["Participation"], "statement" in groups["Outcome"]) == (True,) * 3


def test_a_stored_field_that_is_not_offered_stays_selected(analyst, signed_in, pact):
    citation = Citation.objects.create(source=Source.objects.get(slug="paper"), agreement=pact, field="definitive_signature")
    client = signed_in(analyst)

    page = client.get(change(citation))
    form = typed(page)
    response = client.post(change(citation), form | {"quote": "as signed"})

    citation.refresh_from_db()
    assert re.search(r'<option value="definitive_signature"\s+selected', page.text)
    assert response.status_code == 302
    assert (form["field"], citation.field, citation.quote) == ("definitive_signature", "definitive_signature", "as signed")


def test_a_citation_is_added_and_edited_without_leaving_the_agreement(analyst, signed_in, pact):
    client, citations = signed_in(analyst), tab(pact, "citations")
    link = f"{add(Citation)}?{urlencode({'agreement': pact.pk, 'field': 'signed_at_place', 'return_to': citations})}"
    form = typed(client.get(link)) | {"source": Source.objects.get(slug="paper").pk, "quote": "in Perth"}

    added = client.post(link, form)
    citation = Citation.objects.get(quote="in Perth")
    page = client.get(citations).content.decode()
    opened = f"{change(citation)}?{urlencode({'return_to': citations})}"
    edited = client.post(opened, typed(client.get(opened)) | {"quote": "at Perth"})

    assert (citation.agreement, citation.field) == (pact, "signed_at_place")
    assert "in Perth" in page and opened in page
    assert (added.url, edited.url) == (citations, citations)
    assert Citation.objects.filter(quote="at Perth").exists()


# ---- cost


@pytest.mark.parametrize("role", ["reader", "analyst"])
def test_the_cost_of_the_page_does_not_grow_with_the_agreement(role, users, signed_in, pact):
    client, costs = signed_in(users[role]), []
    source = Source.objects.get(slug="paper")

    for size in (0, 12):
        for number in range(size):
            make_action(pact, party=make_party(f"X{number}"), acted_on="2025")
            component = make_component(pact, due_on="2031")
            Citation.objects.create(component=component, source=source, quote="as they said")
            recommendation = make_recommendation(pact)
            Addressee.objects.create(recommendation=recommendation, party=make_party(f"X{number}"))
            FactCheck.objects.create(slug=f"c{number}", agreement=pact, source=source, statement="x", correcting_source=make_source())
        assert len(client.get(change(pact)).content) < 250_000  # also fills caches
        costs.append(count_queries(client.get, change(pact)))

    assert costs[0] <= costs[1] <= 40
    assert costs[1] - costs[0] <= 1  # the correcting sources
