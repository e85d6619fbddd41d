"""The answers of `as_of` equal those of a copy of the database that was made at that moment, for each role.

A random script of edits, links, progress, voids, restrictions and deletions runs against the API. At each mark the database is copied.
Until the mark `LAST_HIDING`, records are deleted and hidden; after it they are only changed, so that every role can still read them.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection

from policytracker.records.access import Role
from policytracker.representation.references import KeyField, KeyListField
from policytracker.representation.serializers import declared_fields
from policytracker.resources import registry
from tests.api.client import Api
from tests.database.conftest import Database, database
from tests.history.conftest import mark, using
from tests.history.script import MODELS, ROLES, Script, make_register

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
STEPS, EVERY, LAST_HIDING = 300, 100, 2


@pytest.fixture(scope="module")
def users(committed) -> dict[str, Any]:
    return make_register()


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
