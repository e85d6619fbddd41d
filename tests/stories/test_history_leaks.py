"""History leaks nothing: which words of earlier versions each role can find, in everything that the API says about the past.

Each word is in the title or text of a record at a time when only some roles could read it. `SURFACES` are the addresses that are
searched for it, as each role.
"""

from collections.abc import Iterator
from datetime import date

import pytest
from django.test import override_settings

from agreements.models import Agreement, Participation, PartyOfficer
from policytracker.accounts.models import User
from policytracker.records.changes import Change
from policytracker.records.context import change_context
from policytracker.resources import registry
from recommendations.models import ProgressUpdate
from recommendations.progress import EvidenceRow, Report, approve, report_progress, revise, send_back, submit
from tests.api.client import Api
from tests.conftest import make_user
from tests.make import make_agreement, make_component, make_party, make_recommendation, make_source

TODAY = date(2026, 1, 5)

TABLE = """
                                                             | anonymous | reader | party officer | analyst | reviewer | administrator
title of a public agreement                                  | yes       | yes    | yes           | yes     | yes      | yes
title while the agreement was a draft                        | -         | -      | -             | yes     | yes      | yes
title while the own party's agreement was a draft            | -         | -      | yes           | yes     | yes      | yes
title while the agreement was restricted                     | -         | -      | -             | -       | -        | yes
title while the agreement was internal                       | -         | yes    | -             | yes     | yes      | yes
old title of an agreement that is restricted now             | -         | -      | -             | -       | -        | yes
old title of a component of an agreement that was restricted | -         | -      | -             | -       | -        | yes
reason of a change while the agreement was restricted        | -         | -      | -             | -       | -        | yes
text of a deleted draft                                      | -         | -      | -             | yes     | yes      | yes
key of a hidden agreement that was linked                    | -         | -      | -             | -       | -        | yes
reason of a change of a hidden link                          | -         | -      | -             | -       | -        | yes
key of a hidden source                                       | -         | -      | -             | -       | -        | yes
words of a hidden source                                     | -         | -      | -             | -       | -        | yes
evidence from a hidden source                                | -         | -      | -             | -       | -        | yes
narrative of an approved update                              | yes       | yes    | yes           | yes     | yes      | yes
narrative of a submitted update                              | -         | -      | -             | yes     | yes      | yes
narrative of a draft of an update                            | -         | -      | -             | -       | yes      | yes
narrative of a returned update                               | -         | -      | -             | -       | yes      | yes
narrative of an approved update, while it was a draft        | -         | -      | -             | -       | yes      | yes
note of a return, until the update was approved              | -         | -      | -             | yes     | yes      | yes
name of a user                                               | -         | yes    | yes           | yes     | yes      | yes
name of a removed user                                       | -         | yes    | yes           | yes     | yes      | yes
"""
HEAD, *LINES = ([cell.strip() for cell in line.split("|")] for line in TABLE.strip("\n").split("\n"))
ROLES = HEAD[1:]
EXPECTED = {subject: dict(zip(ROLES, cells, strict=True)) for subject, *cells in LINES}
WORDS = {subject: f"word{number}x" for number, subject in enumerate(EXPECTED)}


def change(record, user=None, reason="It was decided.", **values) -> None:
    """Change the record in a transaction of its own."""
    with change_context(user, reason, "api"):
        type(record).objects.filter(pk=record.pk).update(**values)


def titled(record, word: str, before: dict, after: dict, field: str = "title", **change_options) -> None:
    """A word that a field contains only while the record has the values `before`."""
    change(record, **before)
    change(record, **{field: WORDS[word]}, **change_options)
    change(record, **{field: "Plain words"})
    change(record, **after)


DRAFT, PUBLISHED = {"publication": "draft"}, {"publication": "published"}
RESTRICTED, PUBLIC = {"visibility": "restricted"}, {"visibility": "public"}


def write_past() -> dict[str, User]:
    people = {role: make_user(f"the-{role}".replace(" ", "-"), role) for role in ROLES if role != "anonymous"}
    PartyOfficer.objects.create(user=people["party officer"], party=make_party("AUS"))
    author, named = make_user("author", "analyst"), make_user(WORDS["name of a user"], "analyst")
    removed = make_user(WORDS["name of a removed user"], "analyst")

    titled(make_agreement(slug="open"), "title of a public agreement", {}, {})
    titled(make_agreement(slug="once-a-draft", **DRAFT), "title while the agreement was a draft", {}, PUBLISHED)
    own = make_agreement(slug="own", **DRAFT)
    Participation.objects.create(agreement=own, party=make_party("AUS"), role="party")
    titled(own, "title while the own party's agreement was a draft", {}, PUBLISHED)
    once_restricted = make_agreement(slug="once-restricted")
    part = make_component(once_restricted, slug="part")
    change(once_restricted, **RESTRICTED)
    titled(part, "old title of a component of an agreement that was restricted", {}, {})
    reason = WORDS["reason of a change while the agreement was restricted"]
    titled(once_restricted, "title while the agreement was restricted", {}, PUBLIC, reason=reason)
    titled(make_agreement(slug="once-internal"), "title while the agreement was internal", {"visibility": "internal"}, PUBLIC)
    titled(make_agreement(slug="closed"), "old title of an agreement that is restricted now", {}, RESTRICTED)
    deleted = make_agreement(slug="deleted", **DRAFT)
    titled(deleted, "text of a deleted draft", {}, {}, field="summary")
    with change_context(author):
        deleted.delete()

    act = make_recommendation(Agreement.objects.get(slug="open"), slug="act")
    hidden = make_agreement(slug=WORDS["key of a hidden agreement that was linked"], **RESTRICTED)
    for agreements in ([hidden], []):
        with change_context(author, WORDS["reason of a change of a hidden link"]):
            act.agreements.set([Agreement.objects.get(slug="open"), *agreements])
    source = make_source(slug=WORDS["key of a hidden source"], **RESTRICTED)
    change(act, source=source, quote=WORDS["words of a hidden source"])
    change(act, quote="Plain words")
    change(act, named, "By a person.", details="A person was here.")
    change(act, removed, "By a person who left.", details="Nobody is here.")
    removed.delete()

    def report(subject: str, agreement: str = "open", submitted: bool = True, **fields) -> ProgressUpdate:
        """An update with the word of the subject in its narrative. It needs a second person, because the priority is high."""
        recommendation = make_recommendation(Agreement.objects.get(slug=agreement), priority="high")
        content = Report(status="in_progress", narrative=WORDS[subject], **fields)
        return report_progress(recommendation, content, by=author, today=TODAY, submit=submitted)

    report("narrative of a draft of an update", submitted=False)
    report("narrative of a submitted update")
    reviewer = people["reviewer"]
    send_back(report("narrative of a returned update"), by=reviewer, note="More, please.")
    approve(report("narrative of an approved update"), by=reviewer, today=TODAY)
    revised = report("narrative of an approved update, while it was a draft", submitted=False)
    revise(revised, Report(status="in_progress", narrative="Few words."), by=author, today=TODAY)
    submit(revised, by=author, today=TODAY)
    send_back(revised, by=reviewer, note=WORDS["note of a return, until the update was approved"])
    quoting = EvidenceRow(source=source, quote=WORDS["evidence from a hidden source"])
    revise(revised, Report(status="in_progress", narrative="Plain words.", evidence=(quoting,)), by=author, today=TODAY)
    submit(revised, by=author, today=TODAY)
    approve(revised, by=reviewer, today=TODAY, note="Now it is right.")
    return people


def surfaces(client: Api) -> Iterator[str]:
    """Every address that shows something of the past."""
    yield from ("changes/?page_size=500", "changes/?format=md", "checks/?page_size=500")
    for address in (resource.address for resource in registry.addressed):
        yield f"{address}/?page_size=500"
        for key in client.keys(f"{address}/"):
            yield f"{address}/{key}/history/?page_size=500"
    for key in client.keys("agreements/"):
        yield from (f"agreements/{key}/dossier/", f"agreements/{key}/dossier/?format=md", f"changes/?agreement={key}")
    addresses = {
        registry.at(name).model._meta.db_table: name for name in ("agreements", "components", "recommendations", "progress-updates")
    }
    for table, moment in Change.objects.filter(tbl__in=addresses).order_by("at").values_list("tbl", "at").distinct():
        yield f"{addresses[table]}/?page_size=500&as_of={moment:%Y-%m-%dT%H:%M:%S.%fZ}"


def everything_shown(user: User | None) -> str:
    client = Api(user)
    responses = [client.get(address) for address in surfaces(client)]
    assert {response.status_code for response in responses} == {200}
    return "\n".join(response.content.decode() for response in responses)


def write_and_read() -> dict[str, str]:
    """What each role is shown of the past."""
    people = write_past()
    with override_settings(PUBLIC_READ=True):
        return {role: everything_shown(people.get(role)) for role in ROLES}


@pytest.fixture(scope="module")
def visible_past(committed_once_per_module):
    return committed_once_per_module(write_and_read)


@pytest.mark.parametrize("subject", EXPECTED)
def test_the_past_is_shown_to_exactly_the_roles_that_could_read_it(subject, visible_past, db):
    assert {role: "yes" if WORDS[subject] in text else "-" for role, text in visible_past.items()} == EXPECTED[subject]
