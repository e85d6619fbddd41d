"""Many-to-many links that change in a separate transaction. Links are versioned once per transaction, so these tests commit."""

import pytest

from agreements.models import TreatyAction
from tests.api.client import Api
from tests.conftest import make_user
from tests.make import make_action, make_agreement, make_condition, make_party

pytestmark = pytest.mark.django_db(transaction=True)


def refused(response, *fields):
    assert response.status_code == 400, (response.status_code, response.content)
    assert list(response.json()["_codes"]) == list(fields), response.content
    return response.json()


def at(record):
    return f"{'treaty-actions' if isinstance(record, TreatyAction) else 'entry-into-force-conditions'}/{record.uid}/"


def test_a_target_in_another_agreement_is_refused_even_when_only_the_targets_change():
    api, pact = Api(make_user("analyst", "analyst")), make_agreement()
    one, other, elsewhere = make_action(pact), make_action(pact, "reservation"), make_action(make_agreement())

    for wrong in (elsewhere, one):
        refused(api.patch(at(one), {"targets": [str(wrong.uid)]}), "targets")
    right = api.patch(at(one), {"targets": [str(other.uid)]}).json()

    assert (right["targets"], right["version"]) == ([str(other.uid)], 2)
    changes = api.list(f"{at(one)}history/")["results"][0]["changes"]
    assert changes == {"targets": {"before": [], "after": [str(other.uid)]}}


def test_a_condition_on_named_parties_cannot_lose_its_parties():
    api, pact = Api(make_user("analyst", "analyst")), make_agreement()
    condition = make_condition(pact, "named_parties", [make_party("AUS")])

    refused(api.patch(at(condition), {"parties": []}), "parties")

    assert api.get(at(condition)).json()["parties"] == ["AUS"]
    assert api.patch(at(condition), {"parties": [], "kind": "on_signature"}).status_code == 200
