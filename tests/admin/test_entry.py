"""Entering several records one after the other: citations of parts, adding another record, and who and what a form offers."""

import pytest
from django.contrib import admin
from django.urls import reverse

from agreements.models import Agreement, Citation, Commitment, Component, Source
from policytracker.accounts.models import User
from recommendations.models import Addressee, Recommendation
from tests.admin.page import add, change, errors_of, tab, typed
from tests.conftest import make_user
from tests.make import make_action, make_agreement, make_commitment, make_component, make_outcome, make_party, make_source

pytestmark = pytest.mark.django_db


@pytest.fixture
def pact():
    return make_agreement(slug="pact", title="A pact")


def added_citation(client, pact, **values):
    """The response to a citation that is added from the tab of an agreement."""
    address = f"{add(Citation)}?agreement={pact.pk}&return_to={tab(pact, 'citations')}"
    return client.post(address, typed(client.get(address)) | {name: getattr(value, "pk", value) for name, value in values.items()})


def test_the_citations_of_the_parts_are_on_the_tab_to_which_adding_them_returns(analyst, signed_in, pact):
    client, source = signed_in(analyst), make_source(title="A paper")
    component, outcome = make_component(pact, title="A refinery"), make_outcome(pact)
    citation = Citation.objects.create(source=source, outcome=outcome)

    response = added_citation(client, pact, source=source, component=component, agreement="", field="title", quote="to be built")
    page = client.get(response["Location"])

    assert response["Location"] == tab(pact, "citations")
    assert [(cited.target, cited.quote) for cited in page.context["citations"]] == [(outcome, ""), (component, "to be built")]
    assert [link.count for link in page.context["record_tabs"] if "tab=citations" in link.url] == [2]
    assert f'href="{change(citation)}?' in page.text and "to be built" in page.text and "A refinery" in page.text


def test_a_part_replaces_the_agreement_with_which_a_citation_was_opened(analyst, signed_in, pact):
    client, source = signed_in(analyst), make_source()
    part, foreign = make_component(pact), make_component(make_agreement())

    accepted = added_citation(client, pact, source=source, component=part)
    refused = added_citation(client, pact, source=source, component=foreign)

    assert accepted.status_code == 302
    assert [citation.target for citation in Citation.objects.all()] == [part]
    assert refused.status_code == 200 and errors_of(refused)


def test_save_and_add_another_begins_with_what_both_have_in_common(analyst, signed_in, pact):
    client, source = signed_in(analyst), make_source()
    parties = [make_party("AUS"), make_party("JPN")]
    rows = {"addressees-TOTAL_FORMS": "2", "addressees-0-party": parties[0].pk, "addressees-1-party": parties[1].pk}
    rows |= {"addressees-0-role": "lead", "addressees-0-response": "none_recorded"}
    rows |= {"addressees-1-role": "support", "addressees-1-response": "none_recorded"}

    form = typed(client.get(add(Recommendation))) | rows | {"key_action": "Build", "source": source.pk, "agreements": [pact.pk]}
    response = client.post(add(Recommendation), form | {"_addanother": "1"})
    page = client.get(response["Location"])
    second = typed(page) | {"key_action": "Run"}
    client.post(response["Location"], second)

    assert response["Location"].endswith("#general")
    assert (second["source"], second["agreements"]) == (str(source.pk), [str(pact.pk)])
    built, run = Recommendation.objects.get(key_action="Build"), Recommendation.objects.get(key_action="Run")
    assert (run.source, list(run.agreements.all())) == (source, [pact])
    parties_of = lambda record: set(Addressee.objects.filter(recommendation=record).values_list("party__code", flat=True))  # noqa: E731
    assert parties_of(built) == parties_of(run) == {"AUS", "JPN"}


@pytest.mark.parametrize("value", ["x", "1,x", "9" * 30, "²"])
def test_a_wrong_value_to_carry_over_is_ignored(value, analyst, signed_in):
    assert signed_in(analyst).get(f"{add(Recommendation)}?addressees={value}").status_code == 200


def test_only_users_who_may_edit_are_offered_as_owners(analyst, reviewer, reader, officer, administrator, signed_in):
    make_user("root", None, is_superuser=True)
    make_user("gone", "analyst", is_active=False)
    client = signed_in(analyst)
    search = {"app_label": "recommendations", "model_name": "recommendation", "field_name": "owner", "term": ""}
    author = search | {"model_name": "progressupdate", "field_name": "author"}

    offered, authors = (client.get(reverse("admin:autocomplete"), query).json()["results"] for query in (search, author))
    owners = next(offer for offer in admin.site.get_model_admin(Recommendation).list_filter if offer.parameter_name == "owner")
    filtered = owners.value_choices(client.get("/admin/").wsgi_request)

    editors = {str(user) for user in (analyst, reviewer, administrator)} | {"root"}
    assert {row["text"] for row in offered} == editors
    assert {name for name, _label in filtered} - {"me", "none"} == editors
    assert {str(reader), str(officer)} <= {row["text"] for row in authors}


def test_nobody_deletes_the_own_account(administrator, reader, signed_in):
    client = signed_in(administrator)
    delete = "admin:policytracker_user_delete"

    assert client.post(reverse(delete, args=[administrator.pk]), {"post": "yes"}).status_code == 403
    assert "/delete/" not in client.get(change(administrator)).text
    assert User.objects.filter(pk=administrator.pk).exists()
    assert client.get(reverse(delete, args=[reader.pk])).status_code == 200


def test_components_keep_the_order_in_which_they_were_entered(analyst, signed_in, pact):
    for title in ("Projects", "Finance", "A refinery"):
        make_component(pact, title=title)
    client = signed_in(analyst)

    rows = client.get(tab(pact, "components")).context["inline_admin_formsets"][0].formset.queryset

    assert [component.title for component in rows] == ["Projects", "Finance", "A refinery"]
    assert [line.component.title for line in client.get(change(pact)).context["components"]] == ["Projects", "Finance", "A refinery"]
    assert Component.objects.filter(position__isnull=True).count() == 3


@pytest.mark.parametrize("role", ["reader", "analyst"])
def test_commitments_show_their_description_source_and_quote(role, users, signed_in, pact):
    source = make_source(title="A budget")
    make_commitment(pact, description="For a smelter", source=source, locator="p. 7", quote="one million")
    make_commitment(pact, description="Half", source=make_source(title="Secret", publication="draft"), locator="p. 9", quote="hidden words")

    page = signed_in(users[role]).get(tab(pact, "commitments")).text

    assert all(text in page for text in ("For a smelter", "A budget", "p. 7", "“one million”"))
    assert ("hidden words" in page) == (role == "analyst")


def test_the_suggested_status_is_set_with_one_button(analyst, reader, signed_in, pact):
    Agreement.objects.filter(pk=pact.pk).update(legal_force="binding", status="unknown")
    make_action(pact, "entry_into_force", None, "2021-01-01")
    address = reverse("admin:agreements_agreement_set_status", args=[pact.pk])
    client = signed_in(analyst)

    assert address in client.get(change(pact)).text
    assert signed_in(reader).post(address, {"status": "in_force"}).status_code == 403
    client.get(address)
    client.post(address, {"status": "terminated"})
    pact.refresh_from_db()
    assert pact.status == "unknown"
    client.post(address, {"status": "in_force"})
    pact.refresh_from_db()
    assert pact.status == "in_force"
    assert address not in client.get(change(pact)).text


def test_a_source_that_is_carried_over_is_one_that_the_user_may_read(analyst, signed_in):
    hidden = make_source(visibility="restricted", title="Secret paper")

    page = signed_in(analyst).get(f"{add(Commitment)}?source={hidden.pk}")

    assert "Secret paper" not in page.text
    assert Source.objects.filter(pk=hidden.pk).exists()
