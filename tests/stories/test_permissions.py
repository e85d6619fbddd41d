"""Permissions: each line of the table, through the API and through the admin. tests/test_visibility.py has who can read what.

The admin is tested without rendering its pages: `ModelAdmin.get_queryset`, `has_*_permission` and the views with their forms.
One test renders the page of a record for each role and record type.
"""

from collections.abc import Callable
from datetime import date
from functools import partial
from itertools import product
from types import SimpleNamespace

import pytest
from django.contrib import admin
from django.contrib.auth.models import AnonymousUser, Group
from django.db import models
from django.http import HttpResponse
from django.test import Client
from django.urls import resolve
from django.utils.datastructures import MultiValueDict

from agreements.models import Agreement, Component, PartyOfficer, Source
from policytracker.accounts.models import Token, User
from policytracker.records.context import change_context
from policytracker.resources import registry
from recommendations.models import ProgressUpdate, Recommendation
from tests.admin.page import admin_request, edit, typed, typed_in, unrendered
from tests.api.client import Api
from tests.api.world import RESOURCES
from tests.conftest import make_user
from tests.make import make_agreement, make_component, make_party, make_recommendation, make_source

pytestmark = pytest.mark.usefixtures("people", "world")

# `-` means no. Anonymous visitors may read the API (PUBLIC_READ=1), and never the admin.
TABLE = """
                                                          | anonymous | reader | party officer | analyst | reviewer | administrator
create a record                                           | -         | -      | -             | yes     | yes      | yes
change a record                                           | -         | -      | -             | yes     | yes      | yes
delete a draft                                            | -         | -      | -             | yes     | yes      | yes
publish a draft                                           | -         | -      | -             | yes     | yes      | yes
unpublish a record                                        | -         | -      | -             | -       | yes      | yes
narrow the visibility of a published record               | -         | -      | -             | -       | yes      | yes
widen the visibility of a published record                | -         | -      | -             | yes     | yes      | yes
archive a record                                          | -         | -      | -             | -       | yes      | yes
restore a record                                          | -         | -      | -             | -       | yes      | yes
submit a claim for the own party                          | -         | -      | yes           | -       | -        | -
submit a claim for the own party, with a source           | -         | -      | yes           | yes     | yes      | yes
submit a claim for another party, with a source           | -         | -      | -             | yes     | yes      | yes
submit a claim for another party, without a source        | -         | -      | -             | -       | -        | -
submit an assessment                                      | -         | -      | -             | yes     | yes      | yes
submit a note                                             | -         | -      | -             | yes     | yes      | yes
approve an own ordinary update                            | -         | -      | -             | yes     | yes      | yes
return an own ordinary update                             | -         | -      | -             | yes     | yes      | yes
approve another's ordinary update                         | -         | -      | -             | -       | yes      | yes
return another's ordinary update                          | -         | -      | -             | -       | yes      | yes
approve an own terminal status                            | -         | -      | -             | -       | -        | -
return an own terminal status                             | -         | -      | -             | -       | -        | -
approve an own update of high priority                    | -         | -      | -             | -       | -        | -
approve another's terminal status                         | -         | -      | -             | -       | yes      | yes
return another's terminal status                          | -         | -      | -             | -       | yes      | yes
approve another's update of high priority                 | -         | -      | -             | -       | yes      | yes
approve a party's claim                                   | -         | -      | -             | -       | yes      | yes
return a party's claim                                    | -         | -      | -             | -       | yes      | yes
change an own draft of an update                          | -         | -      | -             | yes     | yes      | yes
change another's draft of an update                       | -         | -      | -             | -       | -        | -
discard another's draft of an update                      | -         | -      | -             | -       | -        | -
void an approved update                                   | -         | -      | -             | -       | yes      | yes
void an own approved update                               | -         | -      | -             | -       | yes      | yes
create a user                                             | -         | -      | -             | -       | -        | yes
create a group                                            | -         | -      | -             | -       | -        | yes
assign a party to a user                                  | -         | -      | -             | -       | -        | yes
revoke another's token                                    | -         | -      | -             | -       | -        | yes
revoke an own token                                       | -         | yes    | yes           | yes     | yes      | yes
"""
HEAD, *LINES = ([cell.strip() for cell in line.split("|")] for line in TABLE.strip("\n").split("\n"))
ROLES = HEAD[1:]
EXPECTED = {permission: dict(zip(ROLES, cells, strict=True)) for permission, *cells in LINES}
ADDRESSES = {resource.model: resource.address for resource in registry.addressed}
REGISTRY_MODELS = [Agreement, Component, Recommendation, Source]
TODAY = date.today()
ALLOWED, REFUSED = (200, 201, 204), (401, 403, 404, 409)


# ---- users and their requests


class Person(SimpleNamespace):
    """A user of a role, their API client, and an unrelated analyst (`other`)."""

    role: str
    user: User | AnonymousUser
    other: User
    api: Api


def make_people() -> dict[str, User]:
    users = {role: make_user(f"somebody-{role}", role) for role in ROLES if role != "anonymous"}
    # The author of records in tests of anonymous visitors. This user has no role and never signs in.
    users["anonymous"] = make_user("somebody-anonymous")
    PartyOfficer.objects.create(user=users["party officer"], party=make_party("AUS"))
    return users | {"another": make_user("another", "analyst")}


@pytest.fixture(scope="module")
def shared_people(once_per_module):
    return once_per_module(make_people)


@pytest.fixture
def people(shared_people, db, settings) -> dict[str, Person]:
    """One person of each role."""
    settings.PUBLIC_READ = True
    users = {name: User.objects.get(pk=user.pk) for name, user in shared_people.items()}
    other = users.pop("another")
    return {role: Person(role=role, user=user, other=other, api=Api(None if role == "anonymous" else user)) for role, user in users.items()}


def user_of(person: Person) -> User | AnonymousUser:
    return AnonymousUser() if person.role == "anonymous" else person.user


def succeeded(response) -> bool:
    """Whether the request was allowed. Fails for any status that is neither a success nor a refusal."""
    assert response.status_code in ALLOWED + REFUSED, (response.status_code, response.content)
    return response.status_code in ALLOWED


def was_accepted(response: HttpResponse | None) -> bool:
    """Whether a form of the admin was accepted. Without permission to sign in, it redirects to the login page."""
    return response is not None and response.status_code == 302 and "/login/" not in response.url


def status_of(user: User | AnonymousUser, view: Callable, *args: str) -> int:
    """The status of an admin page that is not rendered."""
    response = unrendered(view, user, *args)
    return 403 if response is None else response.status_code


def path_of(record: models.Model) -> str:
    return f"{ADDRESSES[type(record)]}/{getattr(record, record.key)}/"


def reload(record: models.Model) -> models.Model:
    return type(record).objects.get(pk=record.pk)


def model_admin_of(model: type[models.Model]) -> admin.ModelAdmin:
    return admin.site.get_model_admin(model)


def can_open_list(person: Person, model: type[models.Model]) -> bool:
    """Whether this person can open the list of the model in the admin."""
    request = admin_request(user_of(person))
    return admin.site.has_permission(request) and model_admin_of(model).has_view_permission(request)


def api_send(person: Person, record: models.Model, method: str, body: dict | None = None, path: str = "", **headers: str) -> bool:
    return succeeded(getattr(person.api, method)(path_of(record) + path, body or {}, headers=headers))


def admin_post(person: Person, record: models.Model, data: dict) -> HttpResponse | None:
    """Submit a form to the change page of a record."""
    return unrendered(model_admin_of(type(record)).change_view, user_of(person), str(record.pk), data=data)


def admin_save(person: Person, model: type[models.Model], data: dict, record: models.Model | None = None) -> bool:
    """Submit the admin form of a new or an existing record. Checks permissions, the form and the database, in this order."""
    page, request = model_admin_of(model), admin_request(user_of(person), data)
    permitted = page.has_change_permission(request, record) if record else page.has_add_permission(request)
    if not (permitted and admin.site.has_permission(request)):
        return False
    if record and (record := page.get_object(request, str(record.pk))) is None:
        return False
    form_class = page.get_form(request, record, change=record is not None)
    sent = typed_in(form_class(instance=record)) | data
    form = form_class(
        MultiValueDict({name: value if isinstance(value, list) else [value] for name, value in sent.items()}), instance=record
    )
    if not form.is_valid():
        return False
    with change_context(person.user, data.get("change_reason", ""), "admin"):
        page.save_model(request, form.save(commit=False), form, change=record is not None)
    return True


def admin_transition(person: Person, update: ProgressUpdate, move: str, note: str = "") -> bool:
    before = update.version
    admin_post(person, update.recommendation, {"_action": move, "update": update.pk, "note": note})
    after = ProgressUpdate.objects.filter(pk=update.pk).first()
    return after is None or after.version > before


def api_transition(person: Person, update: ProgressUpdate, move: str, **body: str) -> bool:
    done = api_send(person, update, "post", body, f"{move}/")
    assert done == (reload(update).version > update.version)
    return done


# ---- records


def make_update(author: User, review: str, status: str = "in_progress", recommendation: Recommendation | None = None, **fields):
    """An update with evidence, in this review state."""
    recommendation = recommendation or make_recommendation()
    update = ProgressUpdate.objects.create(
        **{"recommendation": recommendation, "status": status, "reported_on": TODAY, "narrative": "Checked.", "author": author} | fields
    )
    update.evidence.create(source=make_source())
    reviewed = {"reviewed_at": "2025-02-01T00:00:00Z", "review_note": "Checked."} if review in ("approved", "returned") else {}
    ProgressUpdate.objects.filter(pk=update.pk).update(review=review, **reviewed)
    return reload(update)


def make_important_update(author: User) -> ProgressUpdate:
    """A submitted assessment of a recommendation of high priority, which needs a second person."""
    return make_update(author, "submitted", recommendation=make_recommendation(**HIGH), needs_second_person=True)


HIGH = {"priority": "high"}

WORK = {
    "an own ordinary update": lambda person: make_update(person.user, "submitted"),
    "another's ordinary update": lambda person: make_update(person.other, "submitted"),
    "an own terminal status": lambda person: make_update(person.user, "submitted", "withdrawn", needs_second_person=True),
    "another's terminal status": lambda person: make_update(person.other, "submitted", "withdrawn", needs_second_person=True),
    "an own update of high priority": lambda person: make_important_update(person.user),
    "another's update of high priority": lambda person: make_important_update(person.other),
    "a party's claim": lambda person: make_update(person.other, "submitted", kind="claim", party=make_party("GBR")),
}
REPORTS = {
    "a claim for the own party": {"kind": "claim", "party": "AUS", "sourced": False},
    "a claim for the own party, with a source": {"kind": "claim", "party": "AUS", "sourced": True},
    "a claim for another party, with a source": {"kind": "claim", "party": "GBR", "sourced": True},
    "a claim for another party, without a source": {"kind": "claim", "party": "GBR", "sourced": False},
    "an assessment": {"kind": "assessment", "party": None, "sourced": False},
    "a note": {"kind": "note", "party": None, "sourced": False},
}


# ---- actions


def review(move: str, entry_point: str, person: Person, permission: str) -> bool:
    update = WORK[permission](person)
    done = (
        api_transition(person, update, move, note="Checked.")
        if entry_point == "api"
        else admin_transition(person, update, move, "Checked.")
    )
    assert reload(update).review == ({"approve": "approved", "return": "returned"}[move] if done else "submitted")
    return done


def void(entry_point: str, person: Person, permission: str) -> bool:
    update = make_update(person.user if "own" in permission else person.other, "approved")
    done = (
        api_transition(person, update, "void", reason="Wrong.")
        if entry_point == "api"
        else admin_transition(person, update, "void", "Wrong.")
    )
    assert bool(reload(update).voided_at) == done
    return done


def submit_report(entry_point: str, person: Person, permission: str) -> bool:
    report, recommendation, source = REPORTS[permission], make_recommendation(), make_source()
    make_party("AUS"), make_party("GBR")
    status = "" if report["kind"] == "note" else "planned"
    if entry_point == "api":
        body = {"kind": report["kind"], "narrative": "Checked."} | ({"status": status} if status else {})
        body |= ({"party": report["party"]} if report["party"] else {}) | (
            {"evidence": [{"source": source.slug}]} if report["sourced"] else {}
        )
        done = api_send(person, recommendation, "post", body, "progress/")
    else:
        form = {"_report": "1", "report-kind": report["kind"], "report-status": status, "report-narrative": "Checked."}
        form |= {"report-party": make_party(report["party"]).pk} if report["party"] else {}
        form |= {"evidence-TOTAL_FORMS": "1", "evidence-INITIAL_FORMS": "0", "evidence-0-stance": "supports"}
        form |= {"evidence-0-confidence": "reported"} | ({"evidence-0-source": source.pk} if report["sourced"] else {})
        done = was_accepted(admin_post(person, recommendation, form))
    assert recommendation.updates.count() == int(done)
    return done


def change_update(entry_point: str, person: Person, permission: str) -> bool:
    update = make_update(person.user if "own" in permission else person.other, "draft")
    if "discard" in permission:
        return api_send(person, update, "delete") if entry_point == "api" else admin_transition(person, update, "discard")
    if entry_point == "api":
        return api_send(person, update, "patch", {"narrative": "Changed."})
    form = {"_report": "1", "report-revises": update.pk, "report-version": update.version, "report-kind": update.kind}
    form |= {"report-status": update.status, "report-narrative": "Changed.", "report-draft": "on"}
    form |= {"evidence-TOTAL_FORMS": "0", "evidence-INITIAL_FORMS": "0"}
    admin_post(person, update.recommendation, form)
    return reload(update).narrative == "Changed."


def write_record(entry_point: str, person: Person, permission: str) -> bool:
    """The result must be the same for every type of registry record.

    Forms of the admin are slow. Of the other types `test_pages_are_open_to_the_roles_that_may_use_them` asks who may use a form, and
    `test_reserved_changes.py` which changes it refuses.
    """
    written = REGISTRY_MODELS if entry_point == "api" else [Agreement]
    answers = {model.__name__: WRITES[permission](entry_point, person, model) for model in written}
    assert len(set(answers.values())) == 1, answers
    return answers["Agreement"]


def make_record(model: type[models.Model], **fields) -> models.Model:
    if model is Component:
        return make_component(make_agreement(), **fields)
    return {Agreement: make_agreement, Recommendation: make_recommendation, Source: make_source}[model](**fields)


def create_record(entry_point: str, person: Person, model: type[models.Model]) -> bool:
    parent = make_agreement(slug="parent", publication="draft")
    needed = {Agreement: {"title": "x"}, Recommendation: {"key_action": "x"}, Source: {"kind": "news"}}
    needed |= {Component: {"title": "x", "agreement": "parent" if entry_point == "api" else parent.pk}}
    values = {"slug": "new"} | needed[model]
    done = succeeded(person.api.post(f"{ADDRESSES[model]}/", values)) if entry_point == "api" else admin_save(person, model, values)
    assert model.objects.filter(slug="new").count() == int(done)
    for record in [*model.objects.filter(slug="new"), parent]:
        record.delete()
    return done


def change_record(fields: dict, values: dict, entry_point: str, person: Person, model: type[models.Model]) -> bool:
    with change_context(channel="data set"):
        record = make_record(model, **fields)
    reason = "Decided by the board."
    if entry_point == "api":
        done = api_send(person, record, "patch", values | {"change_reason": reason})
    else:
        done = admin_save(person, model, values | {"change_reason": reason}, record)
    assert {name: getattr(reload(record), name) for name in values} == (
        values if done else {name: getattr(record, name) for name in values}
    )
    return done


def delete_record(entry_point: str, person: Person, model: type[models.Model]) -> bool:
    record = make_record(model, publication="draft")
    if entry_point == "api":
        done = api_send(person, record, "delete")
    else:
        page = unrendered(model_admin_of(model).delete_view, user_of(person), str(record.pk), data={"post": "yes"})
        done = was_accepted(page) and not model.objects.filter(pk=record.pk).exists()
    assert model.objects.filter(pk=record.pk).exists() != done
    return done


WRITES = {
    "create a record": create_record,
    "change a record": partial(change_record, {"publication": "draft"}, {"visibility": "internal"}),
    "delete a draft": delete_record,
    "publish a draft": partial(change_record, {"publication": "draft"}, {"publication": "published"}),
    "unpublish a record": partial(change_record, {}, {"publication": "draft"}),
    "narrow the visibility of a published record": partial(change_record, {}, {"visibility": "internal"}),
    "widen the visibility of a published record": partial(change_record, {"visibility": "internal"}, {"visibility": "public"}),
    "archive a record": partial(change_record, {}, {"publication": "archived"}),
    "restore a record": partial(change_record, {"publication": "archived"}, {"publication": "published"}),
}


def manage_people(entry_point: str, person: Person, permission: str) -> bool:
    """Users and groups are managed only in the admin. A token can be revoked through both entry points."""
    if "token" in permission:
        token = Token.objects.create(person.user if "own" in permission else person.other)[0]
        if entry_point == "api":
            person.api.delete(f"auth/tokens/{token.uid}/")
        elif "own" not in permission:
            unrendered(model_admin_of(Token).delete_view, user_of(person), str(token.pk), data={"post": "yes"})
        return not Token.objects.filter(pk=token.pk).exists()
    officer = make_user(f"officer without a party, {person.role}", "party officer")
    secret = {"password1": "a long pass phrase", "password2": "a long pass phrase", "usable_password": "true"}
    model, values = {
        "create a user": (User, {"username": "maria"} | secret),
        "create a group": (Group, {"name": "guests"}),
        "assign a party to a user": (PartyOfficer, {"user": officer.pk, "party": make_party("GBR").pk}),
    }[permission]
    before = model.objects.count()
    done = was_accepted(unrendered(model_admin_of(model).add_view, user_of(person), data=values))
    assert can_open_list(person, model) == done
    assert model.objects.count() == before + int(done)
    return done


def action_for(permission: str) -> Callable[[str, Person], bool]:
    verb, _, rest = permission.partition(" ")
    if permission in WRITES:
        return partial(write_record, permission=permission)
    if "draft of an update" in rest:
        return partial(change_update, permission=permission)
    functions = {
        "submit": submit_report,
        "approve": partial(review, "approve"),
        "return": partial(review, "return"),
        "void": void,
    }
    return partial(functions[verb], permission=rest) if verb in functions else partial(manage_people, permission=permission)


# Actions that an entry point does not offer.
NOT_OFFERED = {
    ("api", "create a user"),
    ("api", "create a group"),
    ("api", "assign a party to a user"),
    ("api", "revoke another's token"),  # only in the admin
    ("admin", "revoke an own token"),
}


@pytest.mark.parametrize("entry_point", ["api", "admin"])
@pytest.mark.parametrize("permission", EXPECTED)
def test_permissions_match_the_table(permission, entry_point, people):
    if (entry_point, permission) in NOT_OFFERED:
        pytest.skip("not offered by this entry point")

    results = {role: "yes" if action_for(permission)(entry_point, person) else "-" for role, person in people.items()}

    anonymous = {"anonymous": "-"} if entry_point == "admin" else {}
    assert results == EXPECTED[permission] | anonymous


@pytest.mark.parametrize("model", REGISTRY_MODELS, ids=lambda model: model.__name__)
@pytest.mark.parametrize("role", ROLES)
def test_pages_are_open_to_the_roles_that_may_use_them(role, model, people):
    can_read, can_write = role != "anonymous", EXPECTED["change a record"][role] == "yes"
    refused = 403 if can_read else 302
    client, record, draft = Client(), make_record(model), make_record(model, publication="draft")
    model_admin, ask = model_admin_of(model), partial(status_of, user_of(people[role]))
    if can_read:
        client.force_login(people[role].user, backend="django.contrib.auth.backends.ModelBackend")

    form = edit(record)

    page = client.get(form)

    assert page.status_code == (200 if can_read else 302)
    assert (b'name="_save"' in page.content) == can_write
    assert was_accepted(client.post(form, typed(page) if can_write else {})) == can_write
    assert ask(model_admin.history_view, str(record.pk)) == (200 if can_read else 302)
    assert ask(model_admin.changelist_view) == (200 if can_read else 302)
    assert ask(model_admin.add_view) == (200 if can_write else refused)
    # A record that the user cannot read is not found.
    assert ask(model_admin.change_view, str(draft.pk)) == (200 if can_write else 404 if can_read else 302)
    assert ask(model_admin.delete_view, str(draft.pk)) == (200 if can_write else refused)


def test_the_api_has_no_users_groups_and_party_officers(people):
    person = people["administrator"]
    token = Token.objects.create(person.other)[0]

    for path in ("users/", "groups/", "party-officers/", f"users/{person.other.username}/"):
        assert person.api.get(path).status_code == 404
    assert person.api.delete(f"auth/tokens/{token.uid}/").status_code == 404
    assert Token.objects.filter(pk=token.pk).exists()


def test_every_request_that_writes_is_for_the_roles_that_can_create_records(people):
    resource, administrator = RESOURCES["agreements"], people["administrator"].api

    for role, person in people.items():
        refused, can_write = 401 if role == "anonymous" else 403, EXPECTED["create a record"][role] == "yes"
        created = person.api.post(f"{resource.address}/", resource.required)
        assert created.status_code == (201 if can_write else refused), (role, created.content)
        path = resource.at((created if can_write else administrator.post(f"{resource.address}/", resource.required)).json())
        assert person.api.patch(path, {}).status_code == (200 if can_write else refused), role
        assert person.api.put(path, resource.required).status_code == (200 if can_write else refused), role
        assert person.api.delete(path).status_code == (204 if can_write else refused), role
        if not can_write:
            assert administrator.delete(path).status_code == 204


@pytest.mark.parametrize("resource", RESOURCES.values(), ids=lambda r: r.address)
def test_every_resource_can_be_written_by_the_roles_that_can_create_records(resource, people):
    """Asks the views. `tests/api/test_writes.py` writes each resource with requests."""
    for path, methods in ((f"{resource.address}/", ["POST", "PATCH"]), (f"{resource.address}/key/", ["PUT", "PATCH", "DELETE"])):
        view = resolve(f"/api/v1/{path}").func
        for method, (role, person) in product(methods, people.items()):
            request = SimpleNamespace(user=user_of(person), method=method)
            asked = view.cls(**view.initkwargs, action=view.actions[method.lower()])
            permitted = all(permission.has_permission(request, asked) for permission in asked.get_permissions())
            assert permitted == (EXPECTED["create a record"][role] == "yes"), (role, method, path)
