"""Who may do what: the table of DESIGN 10 and every line below it, through the API and through the admin."""

from collections.abc import Callable
from datetime import date
from functools import partial

import pytest
from django.contrib.auth.models import Group
from django.db import models
from django.test import Client

from agreements.models import Agreement, Component, Participation, PartyOfficer, Source
from policytracker import api
from policytracker.models import Token, User
from policytracker.records import acting
from recommendations.models import ProgressUpdate, Recommendation
from tests.admin.page import add, change, changes, delete, history, typed
from tests.api.client import Api
from tests.api.world import RESOURCES, make_world
from tests.conftest import make_user
from tests.make import make_agreement, make_component, make_party, make_recommendation, make_source

# As DESIGN 10 has it: what stands below the table there has lines of its own here. `-` is no.
# The anonymous meet a site that is open to them, PUBLIC_READ=1, and its admin, which is not.
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
take what is published back to a draft                    | -         | -      | -             | yes     | yes      | yes
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
ADDRESSES = {view.serializer_class.Meta.model: address for address, view in api.RESOURCES.items()}
TODAY = date.today()
YES, NO = (200, 201, 204), (401, 403, 404, 409)


# ---- how each is tried: through either door, and whether it was done


class Person:
    """Somebody of a role at both doors, and somebody else, who has no part in what is asked."""

    def __init__(self, role: str):
        self.user = make_user("somebody", *(role for role in [role] if role != "anonymous"))
        self.other = make_user("another", "analyst")
        if role == "party officer":
            PartyOfficer.objects.create(user=self.user, party=make_party("AUS"))
        self.api, self.admin = Api(self.user if role != "anonymous" else None), Client()
        if role != "anonymous":
            self.admin.force_login(self.user, backend="django.contrib.auth.backends.ModelBackend")


def allowed(response) -> bool:
    """A plain yes or no, and no mistake of ours or the test's."""
    assert response.status_code in YES + NO, (response.status_code, response.content)
    return response.status_code in YES


def went_on(response) -> bool:
    """Whether a form of the admin was taken; a stranger is led to the login."""
    return response.status_code == 302 and "/login/" not in response.url


def address(record: models.Model) -> str:
    return f"{ADDRESSES[type(record)]}/{getattr(record, record.key)}/"


def now(record: models.Model) -> models.Model:
    return type(record).objects.get(pk=record.pk)


def api_read(who: Person, record: models.Model) -> bool:
    """Whether it exists for this person: by itself, in its list, its count and its history alike."""
    page, past = who.api.get(address(record)), who.api.get(f"{address(record)}history/")
    found = who.api.list(f"{ADDRESSES[type(record)]}/", **{record.key: getattr(record, record.key)})
    answers = [page.status_code == 200, past.status_code == 200, len(found["results"]) == 1, found["count"] == 1]
    assert len(set(answers)) == 1, answers
    assert page.status_code in (200, 404)  # and not 403, which would say that it is there
    return answers[0]


def admin_read(who: Person, record: models.Model) -> bool:
    page, past = who.admin.get(change(record)), who.admin.get(history(record))
    answers = [page.status_code == 200, past.status_code == 200, record in listed(who.admin.get(changes(type(record))))]
    assert len(set(answers)) == 1, answers
    return answers[0]


def listed(page) -> set[models.Model]:
    return set(page.context["cl"].result_list) if page.status_code == 200 else set()


def api_send(who: Person, record: models.Model, method: str, said: dict | None = None, path: str = "", **headers: str) -> bool:
    return allowed(getattr(who.api, method)(address(record) + path, said or {}, headers=headers))


def admin_save(who: Person, record: models.Model, said: dict) -> bool:
    page = who.admin.get(f"{change(record)}?tab=edit")
    before, form = now(record).version, typed(page) if page.context and "adminform" in page.context else {}
    who.admin.post(change(record), form | said)
    return now(record).version > before


def admin_move(who: Person, update: ProgressUpdate, move: str, note: str = "") -> bool:
    before = update.version
    who.admin.post(change(update.recommendation), {"_move": move, "update": update.pk, "note": note})
    after = ProgressUpdate.objects.filter(pk=update.pk).first()
    return after is None or after.version > before


def api_move(who: Person, update: ProgressUpdate, move: str, **said: str) -> bool:
    done = api_send(who, update, "post", said, f"{move}/")
    assert done == (now(update).version > update.version)
    return done


# ---- what is asked of each


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
    with acting(door="data set"):
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


# ---- the acts


def read(door: str, who: Person, what: str) -> bool:
    return {"api": api_read, "admin": admin_read}[door](who, READ[what](who))


def review(move: str, door: str, who: Person, what: str) -> bool:
    update = WORK[what](who)
    done = api_move(who, update, move, note="Seen.") if door == "api" else admin_move(who, update, move, "Seen.")
    assert now(update).review == ({"approve": "approved", "return": "returned"}[move] if done else "submitted")
    return done


def void(door: str, who: Person, what: str) -> bool:
    update = an_update(who.user if "own" in what else who.other, "approved")
    done = api_move(who, update, "void", reason="Wrong.") if door == "api" else admin_move(who, update, "void", "Wrong.")
    assert bool(now(update).voided_at) == done
    return done


def file(door: str, who: Person, what: str) -> bool:
    said, recommendation, source = REPORTS[what], make_recommendation(), make_source()
    make_party("AUS"), make_party("GBR")
    status = "" if said["kind"] == "note" else "planned"
    if door == "api":
        body = {"kind": said["kind"], "narrative": "Found."} | ({"status": status} if status else {})
        body |= ({"party": said["party"]} if said["party"] else {}) | ({"evidence": [{"source": source.slug}]} if said["sourced"] else {})
        done = api_send(who, recommendation, "post", body, "progress/")
    else:
        form = {"_report": "1", "report-kind": said["kind"], "report-status": status, "report-narrative": "Found."}
        form |= {"report-party": make_party(said["party"]).pk} if said["party"] else {}
        form |= {"evidence-TOTAL_FORMS": "1", "evidence-INITIAL_FORMS": "0", "evidence-0-stance": "supports"}
        form |= {"evidence-0-confidence": "reported"} | ({"evidence-0-source": source.pk} if said["sourced"] else {})
        done = went_on(who.admin.post(change(recommendation), form))
    assert recommendation.updates.count() == int(done)
    return done


def change_update(door: str, who: Person, what: str) -> bool:
    update = an_update(who.user if "own" in what else who.other, "draft")
    if "throw away" in what:
        return api_send(who, update, "delete") if door == "api" else admin_move(who, update, "discard")
    if door == "api":
        return api_send(who, update, "patch", {"narrative": "Otherwise."})
    form = {"_report": "1", "report-revises": update.pk, "report-version": update.version, "report-kind": update.kind}
    form |= {"report-status": update.status, "report-narrative": "Otherwise.", "report-draft": "on"}
    form |= {"evidence-TOTAL_FORMS": "0", "evidence-INITIAL_FORMS": "0"}
    who.admin.post(change(update.recommendation), form)
    return now(update).narrative == "Otherwise."


def write(door: str, who: Person, what: str) -> bool:
    """The same for every register: one that is only read and one that is written would show here."""
    answers = {model.__name__: WRITES[what](door, who, model) for model in (Agreement, Component, Recommendation, Source)}
    assert len(set(answers.values())) == 1, answers
    return answers["Agreement"]


def a_register(model: type[models.Model], **fields) -> models.Model:
    if model is Component:
        return make_component(make_agreement(), **fields)
    return {Agreement: make_agreement, Recommendation: make_recommendation, Source: make_source}[model](**fields)


def make(door: str, who: Person, model: type[models.Model]) -> bool:
    parent = make_agreement(slug="parent")
    needed = {Agreement: {"title": "x"}, Recommendation: {"key_action": "x"}, Source: {"kind": "news"}}
    needed |= {Component: {"title": "x", "agreement": "parent" if door == "api" else parent.pk}}
    said = {"slug": "new"} | needed[model]
    if door == "api":
        done = allowed(who.api.post(f"{ADDRESSES[model]}/", said))
    else:
        page = who.admin.get(add(model))
        done = went_on(who.admin.post(add(model), (typed(page) if page.status_code == 200 else {}) | said))
    assert model.objects.filter(slug="new").count() == int(done)
    for record in [*model.objects.filter(slug="new"), parent]:
        record.delete()
    return done


def alter(fields: dict, said: dict, door: str, who: Person, model: type[models.Model]) -> bool:
    with acting(door="data set"):
        record = a_register(model, **fields)
    reason = "So it was decided."
    if door == "api":
        done = api_send(who, record, "patch", said | {"change_reason": reason})
    else:
        done = admin_save(who, record, said | {"change_reason": reason})
    assert {name: getattr(now(record), name) for name in said} == (said if done else {n: getattr(record, n) for n in said})
    return done


def remove(door: str, who: Person, model: type[models.Model]) -> bool:
    record = a_register(model, publication="draft")
    if door == "api":
        done = api_send(who, record, "delete")
    else:
        done = went_on(who.admin.post(delete(record), {"post": "yes"})) and not model.objects.filter(pk=record.pk).exists()
    assert model.objects.filter(pk=record.pk).exists() != done
    return done


WRITES = {
    "make a record": make,
    "change a record": partial(alter, {}, {"visibility": "internal"}),
    "delete a draft": remove,
    "publish a draft": partial(alter, {"publication": "draft"}, {"publication": "published"}),
    "take what is published back to a draft": partial(alter, {}, {"publication": "draft"}),
    "archive a record": partial(alter, {}, {"publication": "archived"}),
    "take a record back from the archive": partial(alter, {"publication": "archived"}, {"publication": "published"}),
}


def people(door: str, who: Person, what: str) -> bool:
    """Users and groups have pages of the admin and no addresses of the API; a token is revoked at either door."""
    if "token" in what:
        token = Token.objects.create(who.user if "own" in what else who.other)[0]
        if door == "api":
            who.api.delete(f"auth/tokens/{token.uid}/")
        elif "own" not in what:
            who.admin.post(f"/admin/policytracker/token/{token.pk}/delete/", {"post": "yes"})
        return not Token.objects.filter(pk=token.pk).exists()
    secret = {"password1": "a long pass phrase", "password2": "a long pass phrase", "usable_password": "true"}
    model, said = {
        "make a user": (User, {"username": "maria"} | secret),
        "make a group": (Group, {"name": "guests"}),
        "say for which party a user acts": (PartyOfficer, {"user": who.other.pk, "party": make_party("GBR").pk}),
    }[what]
    before, page = model.objects.count(), who.admin.get(changes(model))
    done = went_on(who.admin.post(add(model), said))
    assert (page.status_code == 200) == done
    assert model.objects.count() == before + int(done)
    return done


def act(what: str) -> Callable[[str, Person], bool]:
    verb, _, rest = what.partition(" ")
    if what in WRITES:
        return partial(write, what=what)
    if "draft of an update" in rest and verb != "read":
        return partial(change_update, what=what)
    plain = {"read": read, "file": file, "approve": partial(review, "approve"), "return": partial(review, "return"), "void": void}
    return partial(plain[verb], what=rest) if verb in plain else partial(people, what=what)


# Where a door has no such address, or leaves it to the other one.
ELSEWHERE = {
    ("api", "make a user"),
    ("api", "make a group"),
    ("api", "say for which party a user acts"),
    ("api", "revoke another's token"),  # an administrator does it in the admin
    ("admin", "revoke an own token"),
}


@pytest.mark.parametrize("door", ["api", "admin"])
@pytest.mark.parametrize("what", EXPECTED)
def test_each_line_of_the_table(what, door, db, settings):
    settings.PUBLIC_READ = True
    if (door, what) in ELSEWHERE:
        pytest.skip("not at this door")
    answers = {}
    for role in ROLES:
        who = Person(role)
        answers[role] = "yes" if act(what)(door, who) else "-"
        who.user.username, who.other.username = f"somebody-{role}", f"another-{role}"
        who.user.save(), who.other.save()

    nobody = {"anonymous": "-"} if door == "admin" else {}
    assert answers == EXPECTED[what] | nobody


def test_people_are_nobodys_business_over_the_api(db):
    who = Person("administrator")
    token = Token.objects.create(who.other)[0]

    for path in ("users/", "groups/", "party-officers/", f"users/{who.other.username}/"):
        assert who.api.get(path).status_code == 404
    assert who.api.delete(f"auth/tokens/{token.uid}/").status_code == 404
    assert Token.objects.filter(pk=token.pk).exists()


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("resource", RESOURCES.values(), ids=lambda r: r.address)
def test_every_resource_is_written_by_those_who_write_registers(resource, role, db, settings):
    settings.PUBLIC_READ = True
    make_world()
    no = 401 if role == "anonymous" else 403
    who = Person(role)
    writes = EXPECTED["make a record"][role] == "yes"

    made = who.api.post(f"{resource.address}/", resource.required)
    at = resource.at((made if writes else Api(who.other).post(f"{resource.address}/", resource.required)).json())

    assert made.status_code == (201 if writes else no), made.content
    assert who.api.patch(at, {}).status_code == (200 if writes else no)
    assert who.api.put(at, resource.required).status_code == (200 if writes else no)
    assert who.api.delete(at).status_code == (204 if writes else no)
