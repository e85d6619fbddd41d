"""The content of a source that the user may not read: shown nowhere, refused where it is written, kept where the record is saved.

The tests walk over all record types with such content, and over the pages, inlines and forms of the admin that show them.
"""

from datetime import date

import pytest
from django.apps import apps
from django.contrib import admin

from agreements.models import AgreementRelation, Commitment, EntryIntoForceCondition, Measurement, TreatyAction
from policytracker.records.fields import SourceContent, hides_source_content
from policytracker.resources import registry
from recommendations import progress
from recommendations.models import Addressee, Evidence, ProgressUpdate, Recommendation
from tests.admin.page import change, changes, errors_of, typed
from tests.api.client import Api
from tests.make import (
    change_with_reason,
    make_action,
    make_agreement,
    make_commitment,
    make_condition,
    make_indicator,
    make_measurement,
    make_outcome,
    make_party,
    make_recommendation,
    make_source,
    settled,
)

LOCATOR, QUOTE = "marker of the locator", "marker of the quote"
CONTENT = {"locator": LOCATOR, "quote": QUOTE}
TODAY = date.today()

# How to make a record of each type that can cite a source, from an agreement, a recommendation and the values.
MAKERS = {
    AgreementRelation: lambda text, _, **values: AgreementRelation.objects.create(
        from_agreement=text, kind="amends", to_agreement=make_agreement(), **values
    ),
    Commitment: lambda text, _, **values: make_commitment(text, **values),
    Measurement: lambda text, _, **values: make_measurement(make_indicator(make_outcome(text)), **values),
    TreatyAction: lambda text, _, **values: make_action(text, **values),
    EntryIntoForceCondition: lambda text, _, **values: make_condition(text, **values),
    Recommendation: lambda text, _, **values: make_recommendation(text, **values),
    Addressee: lambda _, recommendation, **values: Addressee.objects.create(
        recommendation=recommendation, party=make_party("AUS"), **values
    ),
    Evidence: lambda _, recommendation, **values: Evidence.objects.create(
        update=ProgressUpdate.objects.create(
            recommendation=recommendation, status="planned", reported_on="2024-01-01", narrative="Planned.", review="draft"
        ),
        **values,
    ),
}
WRITTEN = [model for model in MAKERS if model is not Evidence]  # evidence is written with its update
each_type = pytest.mark.parametrize("model", MAKERS, ids=lambda model: model.__name__)
each_written_type = pytest.mark.parametrize("model", WRITTEN, ids=lambda model: model.__name__)
each_role = pytest.mark.parametrize("role", ["reader", "party officer", "analyst", "reviewer"])


@pytest.fixture
def hidden_source(db):
    return make_source(slug="secret", title="marker of the source", visibility="restricted")


@pytest.fixture
def made(hidden_source):
    """A function that makes a record of a type with the content of a hidden source."""

    def make(model):
        text = make_agreement()
        record = MAKERS[model](text, make_recommendation(text), source=hidden_source, **CONTENT)
        if model is Evidence:
            ProgressUpdate.objects.filter(pk=record.update_id).update(review="submitted")
            ProgressUpdate.objects.filter(pk=record.update_id).update(review="approved", reviewed_at="2024-01-02T00:00:00Z")
        settled()
        return record

    return make


def pages_that_show(record):
    """The addresses of all pages of the admin that show the record: its own, its list, and those of records with it in an inline."""
    model = type(record)
    if model in admin.site._registry:
        yield from (changes(model), change(record), f"{change(record)}?tab=edit")
    for page in admin.site._registry.values():
        for inline in {*page.inlines, *getattr(page, "add_inlines", ())}:
            if inline.model is model:
                name = inline.fk_name or next(f.name for f in model._meta.fields if f.related_model is page.model)
                address = change(getattr(record, name))
                yield from (address, f"{address}?tab=edit", f"{address}?tab={registry.of(model).address}")
    if model is Evidence:
        yield from (change(record.update), change(record.update.recommendation))


def stored(record):
    return type(record)._base_manager.values("source__slug", "locator", "quote").get(pk=record.pk)


WHOLE = {"source__slug": "secret", **CONTENT}


def test_every_type_with_content_of_a_source_is_tested():
    assert set(MAKERS) == {model for model in apps.get_models() for field in model._meta.fields if hides_source_content(model, field)}


@each_role
@each_type
def test_no_page_shows_the_content_of_a_hidden_source(model, role, made, users, signed_in):
    record, client, administrator = made(model), signed_in(users[role]), signed_in(users["administrator"])
    addresses = list(dict.fromkeys(pages_that_show(record)))

    responses = {address: client.get(address) for address in addresses}

    assert {response.status_code for response in responses.values()} == {200}
    assert [address for address, response in responses.items() if b"marker of" in response.content] == []
    assert any(b"marker of the locator" in administrator.get(address).content for address in addresses)


@each_role
@each_type
def test_no_response_of_the_api_shows_the_content_of_a_hidden_source(model, role, made, users):
    record, api = made(model), Api(users[role])
    resource = registry.of(model)
    address = resource.address or "progress-updates"
    shown = record if resource.address else record.update

    bodies = [api.get(f"{address}/{shown.natural_key()[0]}/"), api.get(f"{address}/"), api.get(f"{address}/?format=ndjson")]

    assert {body.status_code for body in bodies} == {200}
    assert not any(b"marker of" in b"".join(body) for body in bodies)


@each_written_type
def test_saving_a_page_keeps_the_content_of_a_hidden_source(model, made, analyst, signed_in):
    record, client = made(model), signed_in(analyst)

    for address in pages_that_show(record):
        page = client.get(address)
        if "adminform" in (page.context_data or {}) and not page.context_data.get("progress_tab"):
            response = client.post(address, changed(page, record))
            assert response.status_code == 302, (address, response.context["error_summary"])

    assert stored(record) == WHOLE


def changed(page, record) -> dict[str, object]:
    """The data of the forms on the page, with another value in a field of each form of the record, if it has one to write in."""
    sent = typed(page)
    forms = [page.context_data["adminform"].form, *(f for i in page.context_data["inline_admin_formsets"] for f in i.formset.forms)]
    for form in forms:
        for name in ("note", "details", "description", "response_text", "value", "kind"):
            if isinstance(form.instance, type(record)) and form.instance.pk and name in form.fields:
                sent[form.add_prefix(name)] = {"value": "7", "kind": sent.get(form.add_prefix(name), "")}.get(name, "changed")
    return sent


@each_written_type
@pytest.mark.parametrize("field", CONTENT)
def test_a_form_refuses_new_content_for_a_hidden_source(model, field, made, analyst, signed_in):
    record, client = made(model), signed_in(analyst)
    refused = []

    for address in pages_that_show(record):
        page = client.get(address)
        if "adminform" not in (page.context_data or {}):
            continue
        forms = [page.context_data["adminform"].form, *(f for i in page.context_data["inline_admin_formsets"] for f in i.formset.forms)]
        for form in (form for form in forms if form.instance.pk == record.pk and type(form.instance) is model and field in form.fields):
            response = client.post(address, typed(page) | {form.add_prefix(field): "x"})
            assert response.status_code == 200
            assert b"marker of" not in response.content
            rendered = [response.context_data["adminform"].form]
            rendered += [f for i in response.context_data["inline_admin_formsets"] for f in i.formset.forms]
            refused += [e.code for f in rendered if field in f.errors for e in f.errors[field].as_data()]

    assert refused and set(refused) == {"hidden_source"}
    assert stored(record) == WHOLE


def test_an_inline_row_with_a_hidden_source_keeps_its_content(made, analyst, signed_in):
    record, client = made(Measurement), signed_in(analyst)
    address = change(record.indicator)

    page = client.get(address)
    row = page.context_data["inline_admin_formsets"][0].formset.forms[0]
    response = client.post(address, typed(page) | {row.add_prefix("value"): "7"})

    assert response.status_code == 302
    assert stored(record) == WHOLE
    assert Measurement.objects.get().value == 7


def test_another_source_in_a_form_clears_the_content_of_the_hidden_one(made, analyst, signed_in):
    record, client, other = made(Measurement), signed_in(analyst), make_source(slug="other")
    address = change(record.indicator)

    page = client.get(address)
    row = page.context_data["inline_admin_formsets"][0].formset.forms[0]
    response = client.post(address, typed(page) | {row.add_prefix("source"): str(other.pk), row.add_prefix("locator"): "p. 1"})

    assert response.status_code == 302
    assert stored(record) == {"source__slug": "other", "locator": "p. 1", "quote": ""}


@each_written_type
@pytest.mark.parametrize("method", ["put", "patch", "list"])
@pytest.mark.parametrize("field", CONTENT)
def test_the_api_refuses_new_content_for_a_hidden_source(model, field, method, made, analyst):
    record, api = made(model), Api(analyst)
    address, key = registry.of(model).address, record.natural_key()[0]
    body = api.get(f"{address}/{key}/").json() | {field: "x"}

    match method:
        case "put":
            response = api.put(f"{address}/{key}/", body)
        case "patch":
            response = api.patch(f"{address}/{key}/", {field: "x"})
        case "list":
            response = api.patch(f"{address}/", [{model.key: key, field: "x"}])

    refused = response.json()["errors"]["0"] if method == "list" else response.json()
    assert (response.status_code, refused["_codes"]) == (400, {field: ["hidden_source"]})
    assert stored(record) == WHOLE


@each_written_type
def test_the_api_keeps_hidden_content_that_is_omitted_or_empty(model, made, analyst):
    record, api = made(model), Api(analyst)
    at = f"{registry.of(model).address}/{record.natural_key()[0]}/"
    shown = api.get(at).json()

    responses = [
        api.put(at, shown),
        api.put(at, {name: value for name, value in shown.items() if name not in ("source", *CONTENT)}),
        api.patch(at, {"source": None, "locator": "", "quote": ""}),
    ]

    assert {response.status_code for response in responses} == {200}
    assert stored(record) == WHOLE


def test_a_response_of_an_addressee_does_not_change_the_content_of_a_hidden_source(made, analyst):
    record = made(Addressee)

    response = Api(analyst).post(f"addressees/{record.uid}/respond/", {"response": "accepted", "quote": "x"})

    assert (response.status_code, response.json()["_codes"]) == (400, {"quote": ["hidden_source"]})
    assert stored(record) == WHOLE


def test_no_serializer_writes_the_content_of_a_source_on_its_own():
    """Each serializer with such fields that can be written is walked over above, or writes evidence, which is replaced with its source."""
    unknown = [
        resource.model
        for resource in registry
        for field in resource.serializer().fields.values()
        if not field.read_only
        and resource.address
        and isinstance(next((f for f in resource.model._meta.fields if f.name == field.source), None), SourceContent)
        and "source" not in resource.model.access_parents
        and resource.model not in WRITTEN
    ]

    assert unknown == []


# ---- evidence


@pytest.fixture
def returned(analyst, reviewer):
    """A returned update of the analyst with three pieces of evidence. The source of the second was hidden meanwhile."""
    recommendation, sources = make_recommendation(make_agreement()), [make_source(slug=f"s-{n}") for n in range(3)]
    rows = tuple(progress.EvidenceRow(source=source, locator=f"p. {source.slug}", quote=f"words of {source.slug}") for source in sources)
    report = progress.Report(status="implemented", narrative="Done.", evidence=rows)
    update = progress.report_progress(recommendation, report, by=analyst, today=TODAY)
    progress.send_back(update, by=reviewer, note="Check it.")
    change_with_reason(type(sources[1]).objects.filter(pk=sources[1].pk), visibility="restricted")
    return update


def evidence_of(update):
    return list(update.evidence.values_list("source__slug", "locator", "quote"))


def row(number):
    return f"s-{number}", f"p. s-{number}", f"words of s-{number}"


def revision(client, update):
    """The data of the form that revises the update."""
    page = client.get(f"{change(update.recommendation)}?revise={update.pk}")
    assert b"words of s-1" not in page.content and b"p. s-1" not in page.content
    report = page.context["report"]
    data = {"_report": "draft"}
    for form in (report, report.evidence.management_form, *report.evidence):
        data |= {bound.html_name: v for bound in form if (v := bound.value()) not in (None, False, "")}
    return data


def test_revising_an_update_keeps_evidence_whose_source_was_hidden(returned, analyst, signed_in):
    client = signed_in(analyst)

    response = client.post(change(returned.recommendation), revision(client, returned) | {"report-narrative": "Done, as checked."})

    assert response.status_code == 302
    assert ProgressUpdate.objects.get().narrative == "Done, as checked."
    assert evidence_of(returned) == [row(0), row(1), row(2)]


def test_a_revision_changes_the_other_evidence(returned, analyst, signed_in):
    client = signed_in(analyst)

    data = revision(client, returned) | {"evidence-1-quote": "other words"}
    response = client.post(change(returned.recommendation), data)

    assert response.status_code == 302
    assert evidence_of(returned) == [row(0), row(1), ("s-2", "p. s-2", "other words")]


@pytest.mark.parametrize(
    ("method", "body", "kept"),
    [
        ("patch", {"narrative": "Checked."}, [0, 1, 2]),
        ("put", {"status": "implemented", "narrative": "Checked."}, [1]),
        ("patch", {"evidence": [{"source": "s-2", "locator": "p. s-2", "quote": "words of s-2"}]}, [2, 1]),
    ],
)
def test_the_api_keeps_evidence_whose_source_was_hidden(method, body, kept, returned, analyst):
    response = getattr(Api(analyst), method)(f"progress-updates/{returned.uid}/", body)

    assert response.status_code == 200
    assert b"words of s-1" not in response.content
    assert evidence_of(returned) == [row(number) for number in kept]
    assert ProgressUpdate.objects.get().review == "returned"


def test_a_page_that_is_refused_shows_no_hidden_content(made, analyst, signed_in):
    record, client = made(Recommendation), signed_in(analyst)

    response = client.post(change(record), typed(client.get(f"{change(record)}?tab=edit")) | {"key_action": ""})

    assert list(errors_of(response)) == ["key_action"]
    assert b"marker of" not in response.content
