"""Concurrent writes through the API: version conflicts, idempotency keys and rules over several records."""

import threading
from functools import partial

import pytest
from django.db import connections, transaction

from agreements.models import Sector
from policytracker.api.models import IdempotencyKey
from tests.api.client import Api
from tests.conftest import make_user
from tests.make import make_agreement
from tests.together import at_once

pytestmark = pytest.mark.django_db(transaction=True)
SECTOR = {"code": "space", "name": "Space"}


@pytest.fixture
def two(transactional_db):
    return Api(make_user("one", "analyst")), Api(make_user("two", "analyst"))


def codes(answers):
    return sorted(answer.status_code for answer in answers)


def test_of_two_records_with_the_same_key_one_is_refused(two):
    for number in range(8):
        body = {"slug": f"race-{number}", "title": "Race"}
        answers = at_once(*(partial(client.post, "agreements/", body) for client in two))
        assert codes(answers) == [201, 400], [a.content for a in answers]
        (refused,) = [answer for answer in answers if answer.status_code == 400]
        assert list(refused.json()["_codes"]) == ["slug"] and "already" in refused.json()["slug"][0]


def test_one_idempotency_key_in_several_threads_creates_one_record(two):
    for number in range(5):
        body = {"code": f"s{number}", "name": "S"}
        answers = at_once(*(partial(Api(two[0].user).post, "sectors/", body, HTTP_IDEMPOTENCY_KEY=f"k{number}") for _ in range(4)))
        assert codes(answers) == [201] * 4, [a.content for a in answers]
        assert len({answer.content for answer in answers}) == 1
        assert sum("Idempotent-Replayed" in answer for answer in answers) == 3
    assert Sector.objects.count() == 5


def test_a_repeated_request_is_409_while_the_first_one_is_running(two, monkeypatch):
    monkeypatch.setitem(connections.settings["default"], "SESSION_LIMITS", {"lock_timeout": "200ms"})  # of the new threads
    entered, ended = threading.Event(), threading.Event()

    def slow():
        with transaction.atomic():
            IdempotencyKey.objects.create(user=two[0].user, address="/api/v1/sectors/", key="k", body_hash="x")
            entered.set()
            ended.wait(10)

    def second():
        entered.wait(10)
        answer = two[0].post("sectors/", SECTOR, HTTP_IDEMPOTENCY_KEY="k")
        ended.set()
        return answer

    _, answer = at_once(slow, second)

    assert answer.status_code == 409 and answer.json()["code"] == "in_progress"


def test_of_two_writes_over_the_same_version_one_is_stale(two):
    for number in range(5):
        agreement = make_agreement(slug=f"a{number}")
        bodies = [{"title": client.user.username} for client in two]
        pairs = zip(two, bodies, strict=True)
        answers = at_once(*(partial(client.patch, f"agreements/a{number}/", body, HTTP_IF_MATCH='"1"') for client, body in pairs))
        assert codes(answers) == [200, 412]
        agreement.refresh_from_db()
        assert agreement.version == 2


def test_a_reference_and_the_deletion_of_its_target_do_not_both_succeed(two):
    for number in range(5):
        one, other = two
        one.post("sectors/", {"code": f"s{number}", "name": "S"})
        make_agreement(slug=f"a{number}")
        link, gone = at_once(
            partial(one.patch, f"agreements/a{number}/", {"sectors": [f"s{number}"]}), partial(other.delete, f"sectors/s{number}/")
        )
        shown = one.get(f"agreements/a{number}/").json()["sectors"]
        exists = one.get(f"sectors/s{number}/").status_code == 200
        assert (link.status_code, gone.status_code, bool(shown), exists) in ((200, 409, True, True), (400, 204, False, False)), (
            link.content,
            gone.content,
        )


def test_two_concurrent_writes_cannot_form_a_cycle_of_parents(two):
    for number in range(5):
        for name in ("a", "b"):
            two[0].post("recommendations/", {"slug": f"{name}{number}", "key_action": name})
        answers = at_once(
            partial(two[0].patch, f"recommendations/a{number}/", {"parent": f"b{number}"}),
            partial(two[1].patch, f"recommendations/b{number}/", {"parent": f"a{number}"}),
        )
        assert codes(answers) == [200, 400], [a.content for a in answers]


def test_two_concurrent_participations_cannot_overlap(two):
    two[0].post("agreements/", {"slug": "pact", "title": "Pact"})
    two[0].post("parties/", {"code": "AUS", "name": "Australia", "kind": "state"})
    periods = [{"agreement": "pact", "party": "AUS", "role": "party", "since": since} for since in ("2020", "2021")]

    answers = at_once(*(partial(client.post, "participations/", period) for client, period in zip(two, periods, strict=True)))

    assert codes(answers) == [201, 400] or codes(answers) == [201, 409], [a.content for a in answers]
