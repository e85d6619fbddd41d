"""The answers of `as_of` equal those of a copy of the database that was made at that moment, for each role.

A random script of edits, links, progress, voids, restrictions and deletions runs against the API. At each mark the database is copied.
Until the mark `LAST_HIDING`, records are deleted and hidden; after it they are only changed, so that every role can still read them.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest
from django.db import connection

from agreements.models import Agreement, PartyOfficer
from policytracker.api.serializers import KeyField, KeyListField, declared_fields
from policytracker.records.access import Role
from policytracker.resources import registry
from recommendations.models import ProgressUpdate
from tests.api.client import Api
from tests.api.world import make_world
from tests.conftest import make_user
from tests.database.conftest import Database, database
from tests.history.conftest import mark, using
from tests.make import make_agreement, make_component, make_party, make_recommendation, make_source

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
STEPS, EVERY, LAST_HIDING = 300, 100, 2
ROLES = [Role.ADMINISTRATOR, Role.REVIEWER, Role.ANALYST, Role.OFFICER, Role.READER]
HIDING = {"visibility": ["public", "public", "internal", "restricted"], "publication": ["draft", "published", "published", "archived"]}
AGREEMENTS = ["aukus", "quad", "extra-0", "extra-1"]


class Script:
    """Random writes through the API, by an administrator or by a person who may make them."""

    def __init__(self, users: dict[str, Any]):
        self.random, self.users = Random(20261125), users
        self.admin, self.analyst, self.reviewer = (Api(users[role]) for role in (Role.ADMINISTRATOR, Role.ANALYST, Role.REVIEWER))
        self.number, self.accepted = 0, 0

    def step(self, hiding: bool) -> None:
        writes = [self.edit, self.edit, self.edit, self.link, self.link, self.report, self.report, self.review, self.void, self.create]
        write = self.random.choice([*writes, self.delete, self.hide, self.move] if hiding else writes)
        self.number += 1
        response = write()
        assert response.status_code < 500, response.content
        self.accepted += response.status_code < 300

    def some(self, address: str) -> str:
        model = MODELS[address]
        return str(self.random.choice(model.objects.order_by("pk").values_list(model.key, flat=True) or ["none"]))

    def patch(self, address: str, body: dict, **headers):
        return self.admin.patch(f"{address}/{self.some(address)}/", body, headers={"X-Change-Reason": f"Step {self.number}"} | headers)

    def edit(self):
        text, day = f"Step {self.number}", f"20{self.random.randint(20, 30)}-0{self.random.randint(1, 9)}"
        return self.patch(
            *self.random.choice([
                ("agreements", {"title": text, "status": self.random.choice(["announced", "signed", "unknown"]), "expires_on": day}),
                ("components", {"status": self.random.choice(["active", "completed", "planned"]), "due_on": day}),
                ("recommendations", {"details": text, "due_on": day, "priority": self.random.choice(["low", "high"]), "source": "gazette"}),
                ("recommendations", {"key_action": text, "update_every": self.random.choice([None, 1, 30]), "owner": "an analyst"}),
                ("parties", {"name": text, "aliases": [text, "same"]}),
                ("sectors", {"name": text}),
                ("sources", {"title": text}),
                ("participations", {"note": text, "since": day}),
                ("treaty-actions", {"acted_on": day, "kind": self.random.choice(["signature", "adoption", "entry_into_force"])}),
                ("commitments", {"amount": str(self.number), "stated_on": day}),
                ("citations", {"quote": text}),
                ("addressees", {"response": self.random.choice(["noted", "accepted"]), "quote": text, "source": "gazette"}),
                ("milestones", {"title": text, "due_on": day}),
                ("measurements", {"value": str(self.number)}),
            ])
        )  # fmt: skip

    def link(self):
        some = lambda keys: self.random.sample(keys, self.random.randint(0, len(keys)))  # noqa: E731
        return self.patch(
            *self.random.choice([
                ("recommendations", {"agreements": some(AGREEMENTS)}),
                ("recommendations", {"sectors": some(["energy", "water"]), "components": some(["pillar-one"])}),
                ("agreements", {"sectors": some(["energy", "water"])}),
                ("components", {"lead_parties": some(["AUS", "GBR", "USA"])}),
                ("entry-into-force-conditions", {"parties": some(["AUS", "GBR", "USA"])}),
            ])
        )  # fmt: skip

    def create(self):
        name, agreement = f"made-{self.number}", self.random.choice(AGREEMENTS)
        address, body = self.random.choice([
            ("recommendations", {"slug": name, "key_action": name, "agreements": [agreement], "publication": "published"}),
            ("components", {"slug": name, "agreement": agreement, "title": name, "publication": "published"}),
            ("treaty-actions", {"agreement": agreement, "kind": "signature", "party": "USA", "acted_on": f"20{self.number % 30 + 10}"}),
            ("participations", {"agreement": agreement, "party": "USA", "role": "party", "since": str(1700 + self.number)}),
            ("addressees", {"recommendation": self.some("recommendations"), "party": "GBR"}),
            ("milestones", {"recommendation": self.some("recommendations"), "title": name, "due_on": "2027"}),
            ("commitments", {"agreement": agreement, "stage": "announced", "amount": "5", "currency": "USD"}),
            ("citations", {"agreement": agreement, "source": "communique", "quote": name}),
            ("sectors", {"code": name, "name": name}),
        ])  # fmt: skip
        return self.admin.post(f"{address}/", body)

    def report(self):
        kind = self.random.choice(["assessment", "assessment", "claim", "note"])
        body = {"kind": kind, "narrative": f"Step {self.number}", "reported_on": f"2025-0{self.random.randint(1, 9)}-01", "reason": "Then."}
        body |= {"evidence": [{"source": "gazette", "quote": f"Step {self.number}"}], "submit": self.random.random() < 0.8}
        if kind != "note":
            body |= {"status": self.random.choice(["planned", "in_progress", "stalled", "implemented"])}
        if kind == "claim":
            body |= {"party": "AUS"}
        return self.analyst.post(f"recommendations/{self.some('recommendations')}/progress/", body)

    def update(self, **filters) -> str:
        rows = ProgressUpdate.objects.filter(**filters).order_by("pk").values_list("uid", flat=True)
        return str(self.random.choice(list(rows) or ["none"]))

    def review(self):
        action = self.random.choice(["approve", "approve", "return"])
        return self.reviewer.post(f"progress-updates/{self.update(review='submitted')}/{action}/", {"note": "Read."})

    def void(self):
        update = self.update(review="approved", voided_at=None)
        return self.reviewer.post(f"progress-updates/{update}/void/", {"reason": f"Step {self.number}"})

    def delete(self):
        address = self.random.choice(
            ["treaty-actions", "participations", "addressees", "milestones", "citations", "commitments", "sectors"]
        )
        if self.random.random() < 0.2:
            return self.analyst.delete(f"progress-updates/{self.update(review__in=['draft', 'returned'])}/")
        return self.admin.delete(f"{address}/{self.some(address)}/")

    def hide(self):
        address, field = self.random.choice(["agreements", "components", "recommendations", "sources"]), self.random.choice([*HIDING])
        value = self.random.choice(HIDING[field])
        return self.patch(
            address, {field: value, "team": self.random.choice([[], ["a reviewer"]])} if address == "agreements" else {field: value}
        )

    def move(self):
        return self.patch(
            *self.random.choice([
                ("addressees", {"recommendation": self.some("recommendations")}),
                ("milestones", {"recommendation": self.some("recommendations")}),
                ("participations", {"agreement": self.random.choice(AGREEMENTS)}),
                ("treaty-actions", {"agreement": self.random.choice(AGREEMENTS)}),
            ])
        )  # fmt: skip


@pytest.fixture(scope="module")
def users(committed) -> dict[str, Any]:
    world = make_world()
    make_party("USA")
    for number in range(2):
        extra = make_agreement(slug=f"extra-{number}", legal_force="binding")
        make_component(extra, slug=f"extra-part-{number}", due_anchor="signature", due_offset="P1Y")
    for number in range(6):
        make_recommendation(world.aukus, slug=f"rec-{number}", due_on="2025-06", source=make_source(slug=f"paper-{number}"))
    people = {role: make_user(f"{'an' if role[0] in 'aeiou' else 'a'} {role}", role) for role in ROLES}
    PartyOfficer.objects.create(user=people[Role.OFFICER], party=world.aus)
    Agreement.objects.get(slug="quad").team.set([people[Role.ANALYST]])
    return people


@pytest.fixture(scope="module")
def copies(users, committed) -> Iterator[list[tuple[datetime, Database]]]:
    """Each mark, with a copy of the database made then; the present register is many changes further."""
    script, made = Script(users), []
    with ExitStack() as stack:
        for number in range(STEPS):
            script.step(hiding=number < EVERY * LAST_HIDING)
            if number % EVERY == EVERY // 2:
                moment = mark()
                connection.close()
                made.append((moment, stack.enter_context(database(committed, f"copy_{len(made)}", template=committed.name))))
        assert script.accepted > STEPS / 2
        yield made


@pytest.fixture
def bodies(users):
    """Reads addresses for a role, as of a moment or without one, and returns the bodies by address."""

    def read(role: str, addresses: list[str], moment: datetime | None = None) -> dict[str, Any]:
        client, found = Api(type(users[role]).objects.get(pk=users[role].pk)), {}
        for address in addresses:
            separator = "&" if "?" in address else "?"
            past = f"{separator}as_of={moment.astimezone(UTC).isoformat().replace('+00:00', 'Z')}" if moment else ""
            response = client.get(f"{address}{past}")
            text = response.content.decode().replace(past.replace(":", "%3A"), "") if past else response.content.decode()
            found[address] = (response.status_code, response.json() if address.split("format=")[-1] != "md" else text)
        return found

    return read


SERIALIZERS = {resource.address: resource.serializer for resource in registry.addressed}
MODELS = {resource.address: resource.model for resource in registry.addressed}
ADDRESS = {model: address for address, model in MODELS.items()}
LISTS = [f"{address}/?page_size=500" for address in SERIALIZERS]
FILTERED = [
    "agreements/?page_size=500&ordering=-expires_on,title&expand=sectors",
    "agreements/?sector=x",
    "agreements/?party=AUS&fields=slug,title,relations",
    "agreements/?text_standing=signed&on=2024-01-01&fields=slug",
    "agreements/?party_standing=USA:signatory&fields=slug",
    "recommendations/?page_size=500&ordering=-due_on,status&expand=agreements,sectors,source",
    "recommendations/?page_size=500&agreement=aukus&deadline_state=overdue&fields=slug,claims,freshness",
    "recommendations/?page_size=500&status=in_progress&sectors=energy",
    "recommendations/?page_size=500&on=2025-05-15&ordering=status",
    "recommendations/?page_size=500&claim_differs=true",
    "recommendations/?page_size=500&source=gazette&fields=slug,status",
    "recommendations/?page_size=500&without=owner&without=addressee",
    "progress-updates/?page_size=500&agreement=aukus&review=approved&ordering=-reported_on",
    "components/?page_size=500&agreement=extra-0&deadline_state=overdue",
    "citations/?agreement=aukus",
    "parties/?named=same",
]
REPORTS = [
    f"agreements/{slug}/{report}"
    for slug in ["aukus", "extra-0"]
    for report in ["standing/", "standing/?on=2024-06-01", "scorecard/", "scorecard/?on=2025-04-15", "coverage/", "timeline/?page_size=500",
                   "dossier/", "dossier/?on=2025-04-15", "dossier/?format=md"]
] + ["checks/?page_size=500", "checks/?agreement=aukus"] + [
    "summary/?group_by=agreement", "summary/?group_by=party&on=2025-05-15", "summary/?group_by=source", "summary/?group_by=sector",
]  # fmt: skip


def without_links(body: Any) -> Any:
    """The body without the links to pages, which contain signed cursors."""
    return {name: value for name, value in body.items() if name not in ("next", "previous")} if isinstance(body, dict) else body


# Each case reads every third address, so that all cases together read each of them twice.
CASES = [*((number, Role.ADMINISTRATOR) for number in range(LAST_HIDING)), *((LAST_HIDING, role) for role in ROLES)]


@pytest.mark.parametrize("case", range(len(CASES)), ids=[f"{role} at mark {number}" for number, role in CASES])
def test_every_answer_equals_that_of_the_copy(case, copies, bodies):
    (number, role), addresses = CASES[case], [*LISTS, *FILTERED, *REPORTS][case % 3 :: 3]
    moment, copy = copies[number]
    with using(copy):
        expected = bodies(role, addresses)
        details = [row["url"].partition("/api/v1/")[2] for body in expected.values() for row in rows_of(body[1])][::19]
        expected |= bodies(role, details)

    found = bodies(role, [*addresses, *details], moment)

    assert sum(status == 200 for status, _ in expected.values()) > len(expected) / 2
    for address, (status, body) in expected.items():
        assert (address, found[address][0], without_links(found[address][1])) == (address, status, without_links(body))


def rows_of(body: Any) -> list[dict]:
    results = body.get("results", []) if isinstance(body, dict) else []
    return [row for row in results if "url" in row and "created_at" in row]


def masked(address: str, row: dict, readable: dict[str, set]) -> dict:
    """The row without references to records that are not readable today."""
    row = dict(row)
    for name, field in declared_fields(SERIALIZERS[address]).items():
        if isinstance(field, KeyListField) and field.hides:
            row[name] = [key for key in row[name] if key in readable[ADDRESS[field.child_relation.model]]]
        elif isinstance(field, KeyField) and field.hides and row[name] not in readable[ADDRESS[field.model]]:
            if name == "source" and row["source"]:
                row |= {"locator": "", "quote": ""}
            row[name] = None
    if "relations" in row:
        row["relations"] = [relation for relation in row["relations"] if relation["uid"] in readable["agreement-relations"]]
    for evidence in row.get("evidence", []):
        if evidence["source"] not in readable["sources"]:
            evidence |= {"source": None, "locator": "", "quote": ""}
    return row


@pytest.mark.parametrize("role", [Role.ANALYST, Role.READER])
def test_a_role_reads_exactly_what_it_could_read_then_and_can_read_today(role, copies, bodies):
    moment, copy = copies[0]
    with using(copy):
        then = bodies(role, LISTS)
    today = bodies(role, LISTS)

    found = bodies(role, LISTS, moment)

    key = {address: model.key for address, model in MODELS.items()}
    readable = {address: {row[key[address]] for row in today[at][1]["results"]} for address, at in zip(key, LISTS, strict=True)}
    for address, at in zip(key, LISTS, strict=True):
        expected = [masked(address, row, readable) for row in then[at][1]["results"] if row[key[address]] in readable[address]]
        assert (address, found[at][1]["results"]) == (address, expected)
    assert sum(len(then[at][1]["results"]) - len(found[at][1]["results"]) for at in LISTS) > 0
