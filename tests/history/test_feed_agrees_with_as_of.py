"""The feed agrees with the register: with what `as_of` shows before and after each change, and, replayed, with the lists.

The register is written by a random script of edits, links, teams, owners, progress, restrictions, moves and deletions.
"""

import os
from datetime import datetime, timedelta
from typing import Any

import pytest

from agreements.models import Agreement
from policytracker.accounts.models import User
from policytracker.history.values import ACCESS
from policytracker.records.access import Role
from policytracker.records.changes import Change
from policytracker.representation.json_sql import ComputedField, NestedRecords
from policytracker.representation.serializers import declared_fields
from policytracker.resources import registry
from recommendations.models import Recommendation
from tests.api.client import Api
from tests.conftest import wait_for_open_transactions
from tests.history.script import MODELS, ROLES, Script, make_register
from tests.make import change_with_reason

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
MICROSECOND = timedelta(microseconds=1)
# They follow from the changes of a record; of a file the lists have the address, and changes the stored name.
NOT_RECORDED = {"version", "created_at", "updated_at", "file"}
READERS = [role for role in ROLES if role != Role.ADMINISTRATOR]


def recorded(address: str) -> list[str]:
    """The fields of a record whose changes are recorded."""
    fields = declared_fields(registry.at(address).serializer).items()
    return [name for name, field in fields if not isinstance(field, ComputedField | NestedRecords) and name not in NOT_RECORDED]


def write_register(seed: int, steps: int, hiding: bool) -> dict[str, User]:
    users = make_register()
    if hiding:
        for number, visibility in enumerate(["internal", "restricted"]):
            change_with_reason(Agreement.objects.filter(slug=f"extra-{number}"), visibility=visibility)
            change_with_reason(Recommendation.objects.filter(slug__in=[f"rec-{number}", f"rec-{number + 2}"]), visibility=visibility)
    script = Script(users, seed)
    for number in range(steps):
        script.step(hiding)
        if hiding:
            response = script.let_in() if number % 3 else script.hide()
            assert response.status_code < 500, response.content
    assert script.accepted > steps / 3
    wait_for_open_transactions()
    return {role: User.objects.get(pk=user.pk) for role, user in users.items()}


def feed(client: Api) -> list[dict]:
    entries, link = [], "changes/?page_size=100"
    while link:
        answer = client.get(link).json()
        entries += answer["results"]
        link = answer["next"]
    return entries


# ---- against `as_of`


def values_at(client: Api, address: str, key: str, moment: datetime) -> dict[str, Any] | None:
    """The recorded fields of the record at the moment; None if the reader cannot read it as of then."""
    response = client.get(f"{address}/{key}/", {"as_of": moment.isoformat(), "fields": ",".join(recorded(address))})
    assert response.status_code in (200, 404), response.content
    return response.json() if response.status_code == 200 else None


def expected_changes(before: dict | None, after: dict) -> dict[str, dict[str, Any]]:
    before = before or dict.fromkeys(after)
    return {name: {"before": before[name], "after": after[name]} for name in after if before[name] != after[name]}


@pytest.mark.parametrize("seed", [1, 2, 5] if os.environ.get("THOROUGH") else [1])
def test_every_reader_sees_exactly_the_changes_that_as_of_shows(seed, transactional_db):
    users = write_register(seed, steps=90, hiding=True)
    present = {model._meta.db_table: (at, dict(model.objects.values_list("pk", model.key))) for at, model in MODELS.items()}
    changes = [change for change in Change.objects.filter(tbl__in=present).order_by("id") if change.row_id in present[change.tbl][1]]
    compared = hidden = became_readable = 0

    for role in READERS:
        client = Api(users[role])
        entries = {entry["uid"]: entry["changes"] for entry in feed(client)}
        for change in changes:
            address, keys = present[change.tbl]
            key, name = str(keys[change.row_id]), f"{role}: {change.op} of {address} {keys[change.row_id]} at {change.at}"
            after = values_at(client, address, key, change.at)
            if after is None:
                assert str(change.uid) not in entries, name
                hidden += 1
                continue
            before = values_at(client, address, key, change.at - MICROSECOND) if change.op == "update" else None
            expected = expected_changes(before, after)
            found = entries.get(str(change.uid), {})
            if change.op == "update" and before is None:
                became_readable += 1
                for field in ACCESS:  # the reason why it was hidden is shown
                    if field in found and field in expected:
                        found[field] = {"before": None, "after": found[field]["after"]}
            assert found == expected, name
            compared += bool(expected)

    assert min(compared, hidden) > 100 and became_readable, (compared, hidden, became_readable)


# ---- replayed


def replayed(client: Api) -> dict[str, dict[str, dict]]:
    """The records, by resource and key, that the entries of the feed produce one after another."""
    records: dict[str, dict[str, dict]] = {address: {} for address in MODELS}
    for entry in feed(client):
        if entry["operation"] == "delete":
            del records[entry["resource"]][entry["key"]]
        else:
            record = records[entry["resource"]].setdefault(entry["key"], dict.fromkeys(recorded(entry["resource"])))
            record |= {name: change["after"] for name, change in entry["changes"].items()}
    return records


def listed(client: Api) -> dict[str, dict[str, dict]]:
    found = {}
    for address, model in MODELS.items():
        rows = client.get(f"{address}/?page_size=500").json()["results"]
        found[address] = {row[model.key]: {name: row[name] for name in recorded(address)} for row in rows}
    return found


def test_the_feed_replayed_by_an_administrator_gives_the_lists(transactional_db):
    users = write_register(3, steps=60, hiding=True)
    administrator = Api(users[Role.ADMINISTRATOR])
    assert replayed(administrator) == listed(administrator)


@pytest.mark.parametrize("role", [Role.READER, Role.ANALYST])
def test_the_feed_replayed_by_a_reader_gives_the_lists(role, transactional_db):
    """If no record was opened or closed by the change of another one, such as its agreement: that is no entry of its own."""
    users = write_register(4, steps=60, hiding=False)
    administrator, client = Api(users[Role.ADMINISTRATOR]), Api(users[role])
    draft = {"slug": "draft", "key_action": "Draft", "details": "Words", "agreements": ["aukus"], "publication": "draft"}
    closed = {"slug": "closed", "key_action": "Closed", "visibility": "restricted", "publication": "published"}
    assert administrator.post("recommendations/", [draft, closed]).status_code == 201
    for address, body in {"draft": {"publication": "published"}, "closed": {"details": "More"}}.items():
        assert administrator.patch(f"recommendations/{address}/", body).status_code == 200
    milestone = administrator.post("milestones/", {"recommendation": "draft", "title": "Deleted"}).json()["uid"]
    assert administrator.delete(f"milestones/{milestone}/").status_code == 204
    wait_for_open_transactions()

    records = replayed(client)

    assert records == listed(client)
    assert records["recommendations"]["draft"]["details"] == "Words" and "closed" not in records["recommendations"]
