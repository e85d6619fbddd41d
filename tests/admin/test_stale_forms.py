"""Two people edit one record: what the first one saved is neither lost nor overwritten by the form of the second one.

The tests walk over every page and every inline of the admin with a form of a record.
"""

import pytest
from django.contrib import admin

from agreements.models import Agreement, Participation, SourceText
from policytracker.admin.forms import VersionedForm
from policytracker.resources import registry
from recommendations.models import Recommendation
from tests.admin.page import admin_request, change, edit, tab, typed
from tests.api.client import Api
from tests.api.world import RESOURCES
from tests.make import (
    change_with_reason,
    make_agreement,
    make_party,
    make_recommendation,
    make_source,
)

pytestmark = pytest.mark.usefixtures("world")
TEXT_FIELDS = [
    "note",
    "notes",
    "description",
    "details",
    "summary",
    "response_text",
    "text",
    "correction",
    "unit",
    "quote",
    "title",
    "name",
]
TYPES = [resource for resource in registry if resource.address in RESOURCES]
INLINES = [
    (resource, inline)
    for resource in TYPES
    for inline in {inline for page in admin.site._registry.values() for inline in page.inlines}
    if inline.model is resource.model and inline.__name__ not in ("IncomingRelationInline",)
]


@pytest.fixture
def as_other(reviewer):
    """The other person."""
    return Api(reviewer)


@pytest.fixture
def client(analyst, signed_in):
    """The person with the form, who opened it first and saves it last."""
    return signed_in(analyst)


def form_on(page, record):
    """The form of the record on a page, or in its inlines."""
    forms = [page.context_data["adminform"].form, *(f for i in page.context_data["inline_admin_formsets"] for f in i.formset.forms)]
    return next(form for form in forms if type(form.instance) is type(record) and form.instance.pk == record.pk)


def changes_of_the_other(resource):
    return RESOURCES[resource.address].rest or {"depends_on": make_recommendation(slug="other").slug}


def edited_by_both(resource, client, as_other, address_of, own=""):
    """The response to the form of a new record, after another person has changed every field that they can.

    `own` is a text field that the user has changed too.
    """
    example = RESOURCES[resource.address]
    made = as_other.post(f"{resource.address}/", example.required)
    assert made.status_code == 201, made.content
    record = resource.model.objects.get(**{resource.model.key: made.json()[example.key]})
    page = client.get(address_of(record))
    sent = typed(page)
    if own:
        sent[form_on(page, record).add_prefix(own)] = "mine"
    changed = as_other.patch(example.at(made.json()), changes_of_the_other(resource))
    assert changed.status_code == 200, changed.content
    return record, client.post(address_of(record), sent)


def own_text(resource, names):
    """A text field of the record that the form has, and the other person changes too; "" if there is none."""
    fields = resource.serializer().fields
    return next((name for name in TEXT_FIELDS if name in names and name in fields and name in RESOURCES[resource.address].rest), "")


def content(as_other, resource, record):
    body = as_other.get(f"{resource.address}/{record.natural_key()[0]}/").json()
    return {name: value for name, value in body.items() if name not in ("version", "updated_at")}


def test_every_form_of_a_record_is_tested(analyst):
    request = admin_request(analyst)
    tested = {resource.model for resource in TYPES} | {SourceText}  # which the API cannot write: the form is tested below

    assert {
        model
        for model, page in admin.site._registry.items()
        if issubclass(page.form, VersionedForm)
        and page.has_change_permission(request)
        and registry.of(model).address  # the other one uses the API
    } <= tested
    assert {inline.model for page in admin.site._registry.values() for inline in page.inlines} <= tested


def test_a_text_that_was_changed_meanwhile_is_not_overwritten(client):
    text = SourceText.objects.create(source=make_source(), text="First")
    address = change(text)
    sent = typed(client.get(address)) | {"text": "Mine"}
    client.post(address, typed(client.get(address)) | {"text": "Theirs"})

    page = client.post(address, sent)

    text.refresh_from_db()
    assert (page.status_code, text.text) == (200, "Theirs")
    assert page.context["adminform"].form.errors


def test_the_history_knows_every_field_of_a_form(analyst, world):
    """Otherwise a change of the field by another person would not be noticed."""
    request, unknown = admin_request(analyst), []
    for resource in TYPES:
        form = admin.site.get_model_admin(resource.model).get_form(request, resource.model(pk=1), change=True)
        own = {f.name for f in (*resource.model._meta.fields, *resource.model._meta.many_to_many)}
        sources = {field.source for field in resource.serializer().fields.values()}
        unknown += [(resource.label, name) for name in form.base_fields if name in own and name not in sources]

    assert unknown == []


@pytest.mark.parametrize("resource", TYPES, ids=lambda resource: resource.address)
def test_fields_that_the_user_did_not_change_take_the_stored_values(resource, client, as_other):
    record, refused = edited_by_both(resource, client, as_other, edit)
    stored = content(as_other, resource, record)

    assert refused.status_code == 200
    form, fresh = form_on(refused, record), form_on(client.get(edit(record)), record)
    assert list(form.errors) == ["__all__"]
    assert [error.code for error in form.errors["__all__"].as_data()] == ["stale"]
    assert {name: str(value) for name, value in typed_values(form).items()} == {n: str(v) for n, v in typed_values(fresh).items()}

    accepted = client.post(edit(record), typed(refused))

    assert accepted.status_code == 302, accepted.context["error_summary"]
    assert content(as_other, resource, record) == stored


def typed_values(form):
    """What the browser would send for each field."""
    sent = {}
    for bound in form:
        value = bound.value()
        if bound.name not in ("change_reason",) and value not in (None, "", False, []):
            sent[bound.html_name] = sorted(map(str, value)) if isinstance(value, list) else str(bound.field.prepare_value(value))
    return sent


@pytest.mark.parametrize("resource", TYPES, ids=lambda resource: resource.address)
def test_a_field_that_both_changed_is_a_conflict_and_the_others_are_merged(resource, client, as_other, analyst):
    form = admin.site.get_model_admin(resource.model).get_form(admin_request(analyst), resource.model(pk=1), change=True)
    own = own_text(resource, form.base_fields)
    if not own:
        pytest.skip("no text field")
    record, refused = edited_by_both(resource, client, as_other, edit, own)
    stored = content(as_other, resource, record)

    assert refused.status_code == 200
    form = form_on(refused, record)
    assert set(form.errors) == {"__all__", own}
    (conflict,) = form.errors[own].as_data()
    assert conflict.code == "changed_by_both"
    assert all(part in " ".join(conflict.messages) for part in ("reviewer", RESOURCES[resource.address].rest[own].strip()))
    assert form[own].value() == "mine"

    accepted = client.post(edit(record), typed(refused))

    assert accepted.status_code == 302, accepted.context["error_summary"]
    assert content(as_other, resource, record) == stored | {own: "mine"}


def tab_of(inline):
    def address(record):
        parent = getattr(record, inline.fk_name) if inline.fk_name else parent_of(record, inline)
        return tab(parent, "edit" if type(parent) is Recommendation else registry.of(inline.model).address)

    return address


def parent_of(record, inline):
    pages = [model for model, page in admin.site._registry.items() if inline in page.inlines]
    return getattr(record, next(f.name for f in type(record)._meta.fields if f.related_model in pages))


@pytest.mark.parametrize(("resource", "inline"), INLINES, ids=lambda value: getattr(value, "__name__", ""))
def test_rows_that_others_changed_are_merged(resource, inline, client, as_other, analyst, world):
    if not inline(admin.site._registry and Agreement, admin.site).has_change_permission(admin_request(analyst)):
        pytest.skip("read-only rows")
    own = own_text(resource, inline.fields)
    record, refused = edited_by_both(resource, client, as_other, tab_of(inline), own)
    stored = content(as_other, resource, record)

    assert refused.status_code == 200
    assert set(form_on(refused, record).errors) == {"__all__", own} - {""}
    accepted = client.post(tab_of(inline)(record), typed(refused))

    assert accepted.status_code == 302, accepted.context["error_summary"]
    assert content(as_other, resource, record) == (stored | {own: "mine"} if own else stored)


# ---- single cases


def test_what_another_person_wrote_into_another_field_is_not_erased(client, as_other):
    record = make_recommendation(key_action="Build")
    sent = typed(client.get(edit(record))) | {"expected_outcome": "mine"}
    as_other.patch(f"recommendations/{record.slug}/", {"details": "theirs"})

    refused = client.post(edit(record), sent)
    record.refresh_from_db()
    assert (record.details, record.expected_outcome) == ("theirs", "")
    accepted = client.post(edit(record), typed(refused))

    record.refresh_from_db()
    assert accepted.status_code == 302
    assert (record.details, record.expected_outcome) == ("theirs", "mine")


def test_the_same_value_by_both_is_no_conflict(client, as_other):
    record = make_recommendation(key_action="Build")
    sent = typed(client.get(edit(record))) | {"details": "the same"}
    as_other.patch(f"recommendations/{record.slug}/", {"details": "the same"})

    refused = client.post(edit(record), sent)

    assert list(form_on(refused, record).errors) == ["__all__"]
    assert client.post(edit(record), typed(refused)).status_code == 302


def test_a_third_change_between_the_two_saves_is_merged_too(client, as_other):
    record = make_recommendation(key_action="Build")
    sent = typed(client.get(edit(record))) | {"expected_outcome": "mine"}
    as_other.patch(f"recommendations/{record.slug}/", {"details": "theirs"})
    refused = client.post(edit(record), sent)
    as_other.patch(f"recommendations/{record.slug}/", {"details": "theirs again", "expected_outcome": "theirs too"})

    again = client.post(edit(record), typed(refused))

    form = form_on(again, record)
    assert set(form.errors) == {"__all__", "expected_outcome"}
    assert (form["details"].value(), form["expected_outcome"].value()) == ("theirs again", "mine")


def test_a_list_that_both_changed_is_a_conflict(client, as_other, world):
    sent = typed(client.get(edit(world.aus))) | {"aliases": "mine\nalso mine"}
    as_other.patch("parties/AUS/", {"aliases": ["theirs", "N; Z"]})

    refused = client.post(edit(world.aus), sent)

    form = form_on(refused, world.aus)
    assert "theirs, N; Z" in form.errors["aliases"][0]
    assert form["aliases"].value() == "mine\nalso mine"


def test_links_that_both_changed_are_a_conflict_without_hidden_ones(client, as_other, world):
    secret = make_agreement(slug="secret", title="Secret text", visibility="restricted")
    world.act.agreements.add(secret)
    sent = typed(client.get(edit(world.act)))
    assert sent["agreements"] == [str(world.aukus.pk)]
    as_other.patch("recommendations/act/", {"agreements": ["quad"], "details": "theirs"})

    untouched = client.post(edit(world.act), sent)
    both = client.post(edit(world.act), sent | {"agreements": []})

    assert typed(untouched)["agreements"] == [str(world.quad.pk)]
    assert "agreements" not in form_on(untouched, world.act).errors
    assert "Quad" in form_on(both, world.act).errors["agreements"][0]
    assert b"Secret" not in both.content + untouched.content
    assert client.post(edit(world.act), typed(untouched)).status_code == 302
    assert set(world.act.agreements.all()) == {world.quad, secret}


def test_a_conflict_does_not_show_the_content_of_a_hidden_source(client, administrator, world):
    source = make_source(slug="secret")
    Recommendation.objects.filter(pk=world.act.pk).update(source=source, quote="marker one")
    change_with_reason(type(source).objects.filter(pk=source.pk), visibility="restricted")
    sent = typed(client.get(edit(world.act)))
    Api(administrator).patch("recommendations/act/", {"quote": "marker two", "details": "theirs"})

    refused = client.post(edit(world.act), sent | {"quote": "mine"})

    assert refused.status_code == 200
    assert b"marker" not in refused.content
    assert {error.code for error in form_on(refused, world.act).errors["quote"].as_data()} == {"hidden_source"}


def test_a_record_with_very_many_changes_is_merged_without_losing_any(client, as_other, world, monkeypatch):
    monkeypatch.setattr("policytracker.admin.stale.MAX_CHANGES", 3)
    sent = typed(client.get(edit(world.act)))
    for number in range(5):
        as_other.patch("recommendations/act/", {"expected_outcome": f"theirs {number}"})
    as_other.patch("recommendations/act/", {"details": "theirs"})

    refused = client.post(edit(world.act), sent)

    form = form_on(refused, world.act)
    assert form["expected_outcome"].value() == "theirs 4"
    assert "theirs" in form.errors["details"][0]


@pytest.mark.parametrize("seen", ["0", "-1", "99999", "x", str(10**12)])
def test_a_version_that_never_existed_is_refused_without_a_server_error(seen, client, world):
    response = client.post(edit(world.act), typed(client.get(edit(world.act))) | {"seen_version": seen, "details": "mine"})

    assert response.status_code == 200
    assert type(world.act).objects.get(pk=world.act.pk).details == ""


def test_a_row_that_was_added_meanwhile_stays(client, as_other, world):
    address = tab(world.aukus, "participations")
    sent = typed(client.get(address))
    added = Participation.objects.create(agreement=world.aukus, party=world.gbr, role="party")
    row = next(name for name in sent if name.endswith("-role"))

    response = client.post(address, sent | {row: "observer"})

    assert response.status_code == 302
    assert set(Participation.objects.filter(agreement=world.aukus).values_list("pk", "role")) == {
        (world.participation.pk, "observer"),
        (added.pk, "party"),
    }


def test_a_row_that_was_deleted_meanwhile_is_an_error_and_the_others_are_kept(client, as_other, world):
    other = Participation.objects.create(agreement=world.aukus, party=world.gbr, role="party")
    address = tab(world.aukus, "participations")
    page = client.get(address)
    sent = typed(page) | {form_on(page, other).add_prefix("role"): "observer"}
    gone = form_on(page, world.participation).add_prefix("role")
    as_other.delete(f"participations/{world.participation.uid}/")

    refused = client.post(address, sent | {gone: "host"})

    assert refused.status_code == 200
    assert [error.code for error in refused.context["inline_admin_formsets"][0].formset.forms[0].errors["__all__"].as_data()] == ["removed"]
    assert b'<option value="host" selected' in refused.content
    assert Participation.objects.get(pk=other.pk).role == "party"
    again = client.post(address, typed(refused))
    assert again.status_code == 302, again.context["error_summary"]
    assert Participation.objects.get().role == "observer"


def test_a_row_that_moved_to_another_page_meanwhile_is_saved(client, world):
    made = [Participation.objects.create(agreement=world.aukus, party=make_party(f"M{n:02}"), role="party") for n in range(20)]
    address = tab(world.aukus, "participations")
    page = client.get(address)
    last = page.context_data["inline_admin_formsets"][0].formset.forms[14].instance
    sent = typed(page) | {form_on(page, last).add_prefix("role"): "observer"}
    for number in range(3):
        Participation.objects.create(agreement=world.aukus, party=make_party(f"A{number:02}"), role="party")

    response = client.post(address, sent)

    assert response.status_code == 302, response.context["error_summary"]
    assert set(Participation.objects.filter(role="observer")) == {last}
    assert Participation.objects.filter(agreement=world.aukus).count() == len(made) + 4
