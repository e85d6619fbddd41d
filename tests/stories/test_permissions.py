"""Who may do what: the table of permissions and every line below it, through the API and through the admin.

The admin is asked without rendering its pages: `ModelAdmin.get_queryset`, `has_*_permission` and the views with their forms.
One test renders the pages of each role and register.
"""

from collections.abc import Callable
from datetime import date
from functools import partial
from types import SimpleNamespace

import pytest
from django.contrib import admin
from django.contrib.auth.models import AnonymousUser, Group
from django.db import models
from django.http import HttpResponse
from django.test import Client
from django.utils.datastructures import MultiValueDict

from agreements.models import Agreement, Component, Participation, PartyOfficer, Source
from policytracker.api import urls
from policytracker.models import Token, User
from policytracker.records.context import change_context
from recommendations.models import ProgressUpdate, Recommendation
from tests.admin.page import add, admin_request, change, changes, delete, edit, history, typed, typed_in, unrendered
from tests.api.client import Api
from tests.api.world import RESOURCES
from tests.conftest import make_user
from tests.make import make_agreement, make_component, make_party, make_recommendation, make_source

pytestmark = pytest.mark.usefixtures("people", "world")

# `-` means no. Anonymous readers meet a site that is open to them (PUBLIC_READ=1); the admin is never open to them.
TABLE = """
                                                          | anonymous | reader | party officer | analyst | reviewer | administrator
read what is public and published                         | yes       | yes    | yes           | yes     | yes      | yes
read what is public and archived                          | yes       | yes    | yes           | yes     | yes      | yes
read internal                                             | -         | yes    | -             | yes     | yes      | yes
read internal of the own party's agreement                | -         | yes    | yes           | yes     | yes      | yes
read a draft                                              | -         | -      | -             | yes     | yes      | yes
read a draft of the own party's agreement                 | -         | -      | yes           | yes     | yes      | yes
read a draft in which the party is subject of concern     | -         | -      | -             | yes     | yes      | yes
read a draft in which the party is only listed            | -         | -      | -             | yes     | yes      | yes
read a component of the own party's draft                 | -         | -      | yes           | yes     | yes      | yes
read a recommendation of the own party's draft            | -         | -      | yes           | yes     | yes      | yes
read a participation in the own party's draft             | -         | -      | yes           | yes     | yes      | yes
read a draft source                                       | -         | -      | -             | yes     | yes      | yes
read restricted                                           | -         | -      | -             | -       | -        | yes
read restricted of the own party's agreement              | -         | -      | -             | -       | -        | yes
read restricted, on its team                              | -         | -      | -             | yes     | yes      | yes
read a restricted draft, on its team                      | -         | -      | -             | yes     | yes      | yes
read a restricted component, on its agreement's team      | -         | -      | -             | yes     | yes      | yes
read a restricted recommendation, on an agreement's team  | -         | -      | -             | yes     | yes      | yes
read a restricted recommendation, as its owner            | -         | -      | -             | yes     | yes      | yes
read a restricted source                                  | -         | -      | -             | -       | -        | yes
read a public component of a restricted agreement         | -         | -      | -             | -       | -        | yes
read a public recommendation of a restricted agreement    | yes       | yes    | yes           | yes     | yes      | yes
read an approved update                                   | yes       | yes    | yes           | yes     | yes      | yes
read a voided update                                      | yes       | yes    | yes           | yes     | yes      | yes
read an approved update of what is restricted             | -         | -      | -             | -       | -        | yes
read another's submitted update                           | -         | -      | -             | yes     | yes      | yes
read another's draft of an update                         | -         | -      | -             | -       | yes      | yes
read another's returned update                            | -         | -      | -             | -       | yes      | yes
read an own draft of an update                            | -         | yes    | yes           | yes     | yes      | yes
read an own returned update                               | -         | yes    | yes           | yes     | yes      | yes
make a record                                             | -         | -      | -             | yes     | yes      | yes
change a record                                           | -         | -      | -             | yes     | yes      | yes
delete a draft                                            | -         | -      | -             | yes     | yes      | yes
publish a draft                                           | -         | -      | -             | yes     | yes      | yes
take what is published back to a draft                    | -         | -      | -             | -       | yes      | yes
show what is published to fewer people                    | -         | -      | -             | -       | yes      | yes
show what is published to more people                     | -         | -      | -             | yes     | yes      | yes
archive a record                                          | -         | -      | -             | -       | yes      | yes
take a record back from the archive                       | -         | -      | -             | -       | yes      | yes
file a claim for the own party                            | -         | -      | yes           | -       | -        | -
file a claim for the own party, with a source             | -         | -      | yes           | yes     | yes      | yes
file a claim for another party, with a source             | -         | -      | -             | yes     | yes      | yes
file a claim for another party, without a source          | -         | -      | -             | -       | -        | -
file an assessment                                        | -         | -      | -             | yes     | yes      | yes
file a note                                               | -         | -      | -             | yes     | yes      | yes
approve own ordinary work                                 | -         | -      | -             | yes     | yes      | yes
return own ordinary work                                  | -         | -      | -             | yes     | yes      | yes
approve another's ordinary work                           | -         | -      | -             | -       | yes      | yes
return another's ordinary work                            | -         | -      | -             | -       | yes      | yes
approve an own ending                                     | -         | -      | -             | -       | -        | -
return an own ending                                      | -         | -      | -             | -       | -        | -
approve own work of high priority                         | -         | -      | -             | -       | -        | -
approve another's ending                                  | -         | -      | -             | -       | yes      | yes
return another's ending                                   | -         | -      | -             | -       | yes      | yes
approve another's work of high priority                   | -         | -      | -             | -       | yes      | yes
approve a party's claim                                   | -         | -      | -             | -       | yes      | yes
return a party's claim                                    | -         | -      | -             | -       | yes      | yes
change an own draft of an update                          | -         | -      | -             | yes     | yes      | yes
change another's draft of an update                       | -         | -      | -             | -       | -        | -
throw away another's draft of an update                   | -         | -      | -             | -       | -        | -
void an approved update                                   | -         | -      | -             | -       | yes      | yes
void an own approved update                               | -         | -      | -             | -       | yes      | yes
make a user                                               | -         | -      | -             | -       | -        | yes
make a group                                              | -         | -      | -             | -       | -        | yes
say for which party a user acts                           | -         | -      | -             | -       | -        | yes
revoke another's token                                    | -         | -      | -             | -       | -        | yes
revoke an own token                                       | -         | yes    | yes           | yes     | yes      | yes
"""
HEAD, *LINES = ([cell.strip() for cell in line.split("|")] for line in TABLE.strip("\n").split("\n"))
ROLES = HEAD[1:]
EXPECTED = {what: dict(zip(ROLES, cells, strict=True)) for what, *cells in LINES}
ADDRESSES = {view.serializer_class.Meta.model: address for address, view in urls.RESOURCES.items()}
REGISTERS = [Agreement, Component, Recommendation, Source]
TODAY = date.today()
YES, NO = (200, 201, 204), (401, 403, 404, 409)


# ---- people, and whether they could do something


class Person(SimpleNamespace):
    """A user of a role, their API client, and another user (an analyst) who has nothing to do with the records in question."""

    role: str
    user: User | AnonymousUser
    other: User
    api: Api


def make_people() -> dict[str, User]:
    users = {role: make_user(f"somebody-{role}", role) for role in ROLES if role != "anonymous"}
    # Where a record needs an author, an anonymous visitor is nobody's author: this user has no role and never signs in.
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


def signed_in(who: Person) -> User | AnonymousUser:
    return AnonymousUser() if who.role == "anonymous" else who.user


def allowed(response) -> bool:
    """A plain yes or no, and neither a mistake of the product nor of the test."""
    assert response.status_code in YES + NO, (response.status_code, response.content)
    return response.status_code in YES


def went_on(response: HttpResponse | None) -> bool:
    """Whether a form of the admin was accepted. A stranger is sent to the login."""
    return response is not None and response.status_code == 302 and "/login/" not in response.url


def address(record: models.Model) -> str:
    return f"{ADDRESSES[type(record)]}/{getattr(record, record.key)}/"


def now(record: models.Model) -> models.Model:
    return type(record).objects.get(pk=record.pk)


def api_read(who: Person, record: models.Model) -> bool:
    """Whether the record exists for this person: its page, its history, its list and the count of the list agree."""
    page, past = who.api.get(address(record)), who.api.get(f"{address(record)}history/")
    listed = who.api.list(f"{ADDRESSES[type(record)]}/", **{record.key: getattr(record, record.key)})
    answers = [page.status_code == 200, past.status_code == 200, len(listed["results"]) == 1, listed["count"] == 1]
    assert len(set(answers)) == 1, answers
    assert page.status_code in (200, 404)  # 403 would reveal that the record exists
    return answers[0]


def page_of(model: type[models.Model]) -> admin.ModelAdmin:
    return admin.site.get_model_admin(model)


def may_open(who: Person, model: type[models.Model]) -> bool:
    """Whether the list of this model is a page for this person at all."""
    request = admin_request(signed_in(who))
    return admin.site.has_permission(request) and page_of(model).has_view_permission(request)


def admin_read(who: Person, record: models.Model) -> bool:
    """Whether the admin shows the record: in its list, and as the object of its page and of its history."""
    page, request = page_of(type(record)), admin_request(signed_in(who))
    if not may_open(who, type(record)):
        return False
    answers = [page.get_queryset(request).filter(pk=record.pk).exists(), page.get_object(request, str(record.pk)) is not None]
    assert len(set(answers)) == 1, answers
    return answers[0]


def api_send(who: Person, record: models.Model, method: str, body: dict | None = None, path: str = "", **headers: str) -> bool:
    return allowed(getattr(who.api, method)(address(record) + path, body or {}, headers=headers))


def admin_post(who: Person, record: models.Model, data: dict) -> HttpResponse | None:
    """Send a form to the page of a record."""
    return unrendered(page_of(type(record)).change_view, signed_in(who), str(record.pk), data=data)


def admin_save(who: Person, model: type[models.Model], data: dict, record: models.Model | None = None) -> bool:
    """Send the admin's form of a new record, or of this one: the permission, the rules of the form, then those of the database."""
    page, request = page_of(model), admin_request(signed_in(who), data)
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
    with change_context(who.user, data.get("change_reason", ""), "admin"):
        page.save_model(request, form.save(commit=False), form, change=record is not None)
    return True


def admin_move(who: Person, update: ProgressUpdate, move: str, note: str = "") -> bool:
    before = update.version
    admin_post(who, update.recommendation, {"_action": move, "update": update.pk, "note": note})
    after = ProgressUpdate.objects.filter(pk=update.pk).first()
    return after is None or after.version > before


def api_move(who: Person, update: ProgressUpdate, move: str, **body: str) -> bool:
    done = api_send(who, update, "post", body, f"{move}/")
    assert done == (now(update).version > update.version)
    return done


# ---- the records in question


def of_own_party(agreement: Agreement, role: str = "party") -> Agreement:
    Participation.objects.create(agreement=agreement, party=make_party("AUS"), role=role)
    return agreement


def with_team(agreement: Agreement, who: Person) -> Agreement:
    agreement.team.add(who.user)
    return agreement


def an_update(author: User, review: str, status: str = "in_progress", recommendation: Recommendation | None = None, **fields):
    """An update at this stage of its way, with a source."""
    recommendation = recommendation or make_recommendation()
    update = ProgressUpdate.objects.create(
        **{"recommendation": recommendation, "status": status, "reported_on": TODAY, "narrative": "Found.", "author": author} | fields
    )
    update.evidence.create(source=make_source())
    reviewed = {"reviewed_at": "2025-02-01T00:00:00Z", "review_note": "Seen."} if review in ("approved", "returned") else {}
    ProgressUpdate.objects.filter(pk=update.pk).update(review=review, **reviewed)
    return now(update)


def voided(update: ProgressUpdate) -> ProgressUpdate:
    ProgressUpdate.objects.filter(pk=update.pk).update(voided_at="2025-03-01T00:00:00Z", void_reason="Wrong.")
    return now(update)


DRAFT, RESTRICTED = {"publication": "draft"}, {"visibility": "restricted"}
HIGH = {"priority": "high"}
READ: dict[str, Callable[[Person], models.Model]] = {
    "what is public and published": lambda who: make_agreement(),
    "what is public and archived": lambda who: archived(),
    "internal": lambda who: make_agreement(visibility="internal"),
    "internal of the own party's agreement": lambda who: of_own_party(make_agreement(visibility="internal")),
    "a draft": lambda who: make_agreement(**DRAFT),
    "a draft of the own party's agreement": lambda who: of_own_party(make_agreement(**DRAFT)),
    "a draft in which the party is subject of concern": lambda who: of_own_party(make_agreement(**DRAFT), "subject_of_concern"),
    "a draft in which the party is only listed": lambda who: of_own_party(make_agreement(**DRAFT), "listed_in_source"),
    "a component of the own party's draft": lambda who: make_component(of_own_party(make_agreement(**DRAFT)), **DRAFT),
    "a recommendation of the own party's draft": lambda who: make_recommendation(of_own_party(make_agreement(**DRAFT)), **DRAFT),
    "a participation in the own party's draft": lambda who: of_own_party(make_agreement(**DRAFT)).participations.get(),
    "a draft source": lambda who: make_source(**DRAFT),
    "restricted": lambda who: make_agreement(**RESTRICTED),
    "restricted of the own party's agreement": lambda who: of_own_party(make_agreement(**RESTRICTED)),
    "restricted, on its team": lambda who: with_team(make_agreement(**RESTRICTED), who),
    "a restricted draft, on its team": lambda who: with_team(make_agreement(**RESTRICTED, **DRAFT), who),
    "a restricted component, on its agreement's team": lambda who: make_component(with_team(make_agreement(), who), **RESTRICTED),
    "a restricted recommendation, on an agreement's team": lambda who: make_recommendation(
        make_agreement(), with_team(make_agreement(), who), **RESTRICTED
    ),
    "a restricted recommendation, as its owner": lambda who: make_recommendation(owner=who.user, **RESTRICTED),
    "a restricted source": lambda who: make_source(**RESTRICTED),
    "a public component of a restricted agreement": lambda who: make_component(make_agreement(**RESTRICTED)),
    "a public recommendation of a restricted agreement": lambda who: make_recommendation(make_agreement(**RESTRICTED)),
    "an approved update": lambda who: an_update(who.other, "approved"),
    "a voided update": lambda who: voided(an_update(who.other, "approved")),
    "an approved update of what is restricted": lambda who: an_update(
        who.other, "approved", recommendation=make_recommendation(**RESTRICTED)
    ),
    "another's submitted update": lambda who: an_update(who.other, "submitted"),
    "another's draft of an update": lambda who: an_update(who.other, "draft"),
    "another's returned update": lambda who: an_update(who.other, "returned"),
    "an own draft of an update": lambda who: an_update(who.user, "draft"),
    "an own returned update": lambda who: an_update(who.user, "returned"),
}


def archived() -> Agreement:
    with change_context(channel="data set"):
        return make_agreement(publication="archived")


WORK = {
    "own ordinary work": lambda who: an_update(who.user, "submitted"),
    "another's ordinary work": lambda who: an_update(who.other, "submitted"),
    "an own ending": lambda who: an_update(who.user, "submitted", "withdrawn"),
    "another's ending": lambda who: an_update(who.other, "submitted", "withdrawn"),
    "own work of high priority": lambda who: an_update(who.user, "submitted", recommendation=make_recommendation(**HIGH)),
    "another's work of high priority": lambda who: an_update(who.other, "submitted", recommendation=make_recommendation(**HIGH)),
    "a party's claim": lambda who: an_update(who.other, "submitted", kind="claim", party=make_party("GBR")),
}
REPORTS = {
    "a claim for the own party": {"kind": "claim", "party": "AUS", "sourced": False},
    "a claim for the own party, with a source": {"kind": "claim", "party": "AUS", "sourced": True},
    "a claim for another party, with a source": {"kind": "claim", "party": "GBR", "sourced": True},
    "a claim for another party, without a source": {"kind": "claim", "party": "GBR", "sourced": False},
    "an assessment": {"kind": "assessment", "party": None, "sourced": False},
    "a note": {"kind": "note", "party": None, "sourced": False},
}


# ---- what each line of the table does


def read(channel: str, who: Person, what: str) -> bool:
    return {"api": api_read, "admin": admin_read}[channel](who, READ[what](who))


def review(move: str, channel: str, who: Person, what: str) -> bool:
    update = WORK[what](who)
    done = api_move(who, update, move, note="Seen.") if channel == "api" else admin_move(who, update, move, "Seen.")
    assert now(update).review == ({"approve": "approved", "return": "returned"}[move] if done else "submitted")
    return done


def void(channel: str, who: Person, what: str) -> bool:
    update = an_update(who.user if "own" in what else who.other, "approved")
    done = api_move(who, update, "void", reason="Wrong.") if channel == "api" else admin_move(who, update, "void", "Wrong.")
    assert bool(now(update).voided_at) == done
    return done


def file(channel: str, who: Person, what: str) -> bool:
    said, recommendation, source = REPORTS[what], make_recommendation(), make_source()
    make_party("AUS"), make_party("GBR")
    status = "" if said["kind"] == "note" else "planned"
    if channel == "api":
        body = {"kind": said["kind"], "narrative": "Found."} | ({"status": status} if status else {})
        body |= ({"party": said["party"]} if said["party"] else {}) | ({"evidence": [{"source": source.slug}]} if said["sourced"] else {})
        done = api_send(who, recommendation, "post", body, "progress/")
    else:
        form = {"_report": "1", "report-kind": said["kind"], "report-status": status, "report-narrative": "Found."}
        form |= {"report-party": make_party(said["party"]).pk} if said["party"] else {}
        form |= {"evidence-TOTAL_FORMS": "1", "evidence-INITIAL_FORMS": "0", "evidence-0-stance": "supports"}
        form |= {"evidence-0-confidence": "reported"} | ({"evidence-0-source": source.pk} if said["sourced"] else {})
        done = went_on(admin_post(who, recommendation, form))
    assert recommendation.updates.count() == int(done)
    return done


def change_update(channel: str, who: Person, what: str) -> bool:
    update = an_update(who.user if "own" in what else who.other, "draft")
    if "throw away" in what:
        return api_send(who, update, "delete") if channel == "api" else admin_move(who, update, "discard")
    if channel == "api":
        return api_send(who, update, "patch", {"narrative": "Otherwise."})
    form = {"_report": "1", "report-revises": update.pk, "report-version": update.version, "report-kind": update.kind}
    form |= {"report-status": update.status, "report-narrative": "Otherwise.", "report-draft": "on"}
    form |= {"evidence-TOTAL_FORMS": "0", "evidence-INITIAL_FORMS": "0"}
    admin_post(who, update.recommendation, form)
    return now(update).narrative == "Otherwise."


def write(channel: str, who: Person, what: str) -> bool:
    """Every register gives the same answer."""
    answers = {model.__name__: WRITES[what](channel, who, model) for model in REGISTERS}
    assert len(set(answers.values())) == 1, answers
    return answers["Agreement"]


def a_register(model: type[models.Model], **fields) -> models.Model:
    if model is Component:
        return make_component(make_agreement(), **fields)
    return {Agreement: make_agreement, Recommendation: make_recommendation, Source: make_source}[model](**fields)


def make(channel: str, who: Person, model: type[models.Model]) -> bool:
    parent = make_agreement(slug="parent", publication="draft")
    needed = {Agreement: {"title": "x"}, Recommendation: {"key_action": "x"}, Source: {"kind": "news"}}
    needed |= {Component: {"title": "x", "agreement": "parent" if channel == "api" else parent.pk}}
    said = {"slug": "new"} | needed[model]
    done = allowed(who.api.post(f"{ADDRESSES[model]}/", said)) if channel == "api" else admin_save(who, model, said)
    assert model.objects.filter(slug="new").count() == int(done)
    for record in [*model.objects.filter(slug="new"), parent]:
        record.delete()
    return done


def alter(fields: dict, said: dict, channel: str, who: Person, model: type[models.Model]) -> bool:
    with change_context(channel="data set"):
        record = a_register(model, **fields)
    reason = "So it was decided."
    if channel == "api":
        done = api_send(who, record, "patch", said | {"change_reason": reason})
    else:
        done = admin_save(who, model, said | {"change_reason": reason}, record)
    assert {name: getattr(now(record), name) for name in said} == (said if done else {n: getattr(record, n) for n in said})
    return done


def remove(channel: str, who: Person, model: type[models.Model]) -> bool:
    record = a_register(model, publication="draft")
    if channel == "api":
        done = api_send(who, record, "delete")
    else:
        page = unrendered(page_of(model).delete_view, signed_in(who), str(record.pk), data={"post": "yes"})
        done = went_on(page) and not model.objects.filter(pk=record.pk).exists()
    assert model.objects.filter(pk=record.pk).exists() != done
    return done


WRITES = {
    "make a record": make,
    "change a record": partial(alter, {"publication": "draft"}, {"visibility": "internal"}),
    "delete a draft": remove,
    "publish a draft": partial(alter, {"publication": "draft"}, {"publication": "published"}),
    "take what is published back to a draft": partial(alter, {}, {"publication": "draft"}),
    "show what is published to fewer people": partial(alter, {}, {"visibility": "internal"}),
    "show what is published to more people": partial(alter, {"visibility": "internal"}, {"visibility": "public"}),
    "archive a record": partial(alter, {}, {"publication": "archived"}),
    "take a record back from the archive": partial(alter, {"publication": "archived"}, {"publication": "published"}),
}


def manage_people(channel: str, who: Person, what: str) -> bool:
    """Users and groups have pages of the admin and no addresses of the API; a token is revoked at either entry point."""
    if "token" in what:
        token = Token.objects.create(who.user if "own" in what else who.other)[0]
        if channel == "api":
            who.api.delete(f"auth/tokens/{token.uid}/")
        elif "own" not in what:
            unrendered(page_of(Token).delete_view, signed_in(who), str(token.pk), data={"post": "yes"})
        return not Token.objects.filter(pk=token.pk).exists()
    secret = {"password1": "a long pass phrase", "password2": "a long pass phrase", "usable_password": "true"}
    model, said = {
        "make a user": (User, {"username": "maria"} | secret),
        "make a group": (Group, {"name": "guests"}),
        "say for which party a user acts": (PartyOfficer, {"user": who.other.pk, "party": make_party("GBR").pk}),
    }[what]
    before = model.objects.count()
    done = went_on(unrendered(page_of(model).add_view, signed_in(who), data=said))
    assert may_open(who, model) == done
    assert model.objects.count() == before + int(done)
    return done


def act(what: str) -> Callable[[str, Person], bool]:
    verb, _, rest = what.partition(" ")
    if what in WRITES:
        return partial(write, what=what)
    if "draft of an update" in rest and verb != "read":
        return partial(change_update, what=what)
    plain = {"read": read, "file": file, "approve": partial(review, "approve"), "return": partial(review, "return"), "void": void}
    return partial(plain[verb], what=rest) if verb in plain else partial(manage_people, what=what)


# Where a channel has no such address, or leaves it to the other one.
ELSEWHERE = {
    ("api", "make a user"),
    ("api", "make a group"),
    ("api", "say for which party a user acts"),
    ("api", "revoke another's token"),  # an administrator does it in the admin
    ("admin", "revoke an own token"),
}


@pytest.mark.parametrize("channel", ["api", "admin"])
@pytest.mark.parametrize("what", EXPECTED)
def test_each_line_of_the_table(what, channel, people):
    if (channel, what) in ELSEWHERE:
        pytest.skip("not at this channel")

    answers = {role: "yes" if act(what)(channel, who) else "-" for role, who in people.items()}

    anonymous = {"anonymous": "-"} if channel == "admin" else {}
    assert answers == EXPECTED[what] | anonymous


@pytest.mark.parametrize("model", REGISTERS, ids=lambda model: model.__name__)
@pytest.mark.parametrize("role", ROLES)
def test_the_rendered_pages_of_a_register_are_open_to_those_who_may_use_them(role, model, people):
    reads, writes = role != "anonymous", EXPECTED["change a record"][role] == "yes"
    no = 403 if reads else 302
    client, record, draft = Client(), a_register(model), a_register(model, publication="draft")
    if reads:
        client.force_login(people[role].user, backend="django.contrib.auth.backends.ModelBackend")

    form = edit(record) if model is Recommendation else change(record)

    page = client.get(form)

    assert page.status_code == (200 if reads else 302)
    assert (b'name="_save"' in page.content) == writes
    assert client.get(history(record)).status_code == (200 if reads else 302)
    listed = client.get(changes(model))
    assert listed.status_code == (200 if reads else 302)
    assert not reads or record in listed.context["cl"].result_list
    assert client.get(add(model)).status_code == (200 if writes else no)
    assert went_on(client.post(form, typed(page) if writes else {})) == writes
    assert client.get(change(draft)).status_code == (200 if writes else 302)  # what does not exist for somebody leads home
    assert client.get(delete(draft)).status_code == (200 if writes else no)


def test_users_groups_and_offices_have_no_address_in_the_api(people):
    who = people["administrator"]
    token = Token.objects.create(who.other)[0]

    for path in ("users/", "groups/", "party-officers/", f"users/{who.other.username}/"):
        assert who.api.get(path).status_code == 404
    assert who.api.delete(f"auth/tokens/{token.uid}/").status_code == 404
    assert Token.objects.filter(pk=token.pk).exists()


@pytest.mark.parametrize("resource", RESOURCES.values(), ids=lambda r: r.address)
def test_every_resource_is_written_by_those_who_write_registers(resource, people):
    administrator = people["administrator"].api

    for role, who in people.items():
        no, writes = 401 if role == "anonymous" else 403, EXPECTED["make a record"][role] == "yes"
        made = who.api.post(f"{resource.address}/", resource.required)
        assert made.status_code == (201 if writes else no), (role, made.content)
        at = resource.at((made if writes else administrator.post(f"{resource.address}/", resource.required)).json())
        assert who.api.patch(at, {}).status_code == (200 if writes else no), role
        assert who.api.put(at, resource.required).status_code == (200 if writes else no), role
        assert who.api.delete(at).status_code == (204 if writes else no), role
        if not writes:
            assert administrator.delete(at).status_code == 204
