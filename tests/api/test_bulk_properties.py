"""Property: a list gives the same records, versions and errors as its entries sent one after the other."""

import json
import os

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agreements.models import Agreement, Component, Participation, TreatyAction
from tests.make import make_action, make_agreement, make_component, make_party, make_source

UIDS = [f"{n:08d}-0000-4000-8000-000000000000" for n in range(6)]
DAYS = ["2020", "2021-05~", "2020-13", None]

pytestmark = pytest.mark.django_db
few = settings(max_examples=int(os.environ.get("EXAMPLES", 20)), deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


@pytest.fixture
def register(analyst):
    parties = [make_party(code) for code in ("AUS", "GBR")]
    binding, other, archived = (make_agreement(slug=slug, legal_force=force) for slug, force in FORCES.items())
    archived.publication = "archived"
    Agreement.objects.filter(pk=binding.pk).update(status="in_force")
    make_source(slug="secret", visibility="restricted")
    make_source(slug="shown")
    parts = [make_component(binding, slug=slug, due_on="2030") for slug in ("a", "b", "c")]
    parts[0].lead_parties.set(parties)
    for uid, kind in zip(UIDS[3:], ("adoption", "signature", "declaration"), strict=True):
        make_action(binding, kind, uid=uid, acted_on="2019", note="old")
    return other


FORCES = {"binding": "binding", "political": "non_binding", "archived": "mixed"}


def one_of(*values):
    return st.sampled_from(values)


def body(**fields):
    """Bodies with some of the fields, each with one of its values."""
    return st.fixed_dictionaries({}, optional=fields)


ACTIONS = body(
    uid=one_of(*UIDS, "nonsense"),
    agreement=one_of("binding", "political", "nowhere"),
    kind=one_of("ratification", "signature", "reservation", "unheard"),
    party=one_of("AUS", "GBR", None, 5),
    counterparty=one_of("AUS", None),
    acted_on=one_of(*DAYS),
    source=one_of("secret", "shown", None),
    targets=st.lists(one_of(*UIDS), max_size=2),
    colour=one_of("red"),
    version=one_of(1, 2),
)
COMPONENTS = body(
    slug=one_of("a", "n", "m", "A B"),
    agreement=one_of("binding", "political"),
    title=one_of("T", ""),
    parent=one_of("a", "n", None),
    due_on=one_of(*DAYS),
    due_anchor=one_of("none", "signature"),
    due_offset=one_of("P6M", "soon", None),
    lead_parties=st.lists(one_of("AUS", "GBR", "XXX"), max_size=2),
    original_due_on=one_of(*DAYS),
    publication=one_of("published", "archived"),
    change_reason=one_of("because", ""),
)
PARTICIPATIONS = body(
    uid=one_of(*UIDS),
    agreement=one_of("binding", "political"),
    party=one_of("AUS", "GBR"),
    role=one_of("party", "host"),
    since=one_of(*DAYS),
    until=one_of(*DAYS),
)


def mostly_with(required):
    """Mostly bodies with the required fields, so that they reach the database."""
    return lambda bodies: [required(n) | body if n % 4 else body for n, body in enumerate(bodies, 1)]


def action(n):
    return {"uid": UIDS[n % 3], "agreement": "binding", "kind": "reservation"}


def component(n):
    return {"slug": f"new{n}", "agreement": "binding", "title": "T"}


def participation(n):
    return {"uid": UIDS[n % 6], "agreement": "binding", "party": "AUS", "role": "party"}


MADE = st.one_of(
    st.tuples(st.just(("treaty-actions", TreatyAction)), st.lists(ACTIONS, min_size=1, max_size=5).map(mostly_with(action))),
    st.tuples(st.just(("components", Component)), st.lists(COMPONENTS, min_size=1, max_size=5).map(mostly_with(component))),
    st.tuples(st.just(("participations", Participation)), st.lists(PARTICIPATIONS, min_size=1, max_size=5).map(mostly_with(participation))),
)
CHANGED = st.one_of(
    st.tuples(st.just(("treaty-actions", TreatyAction)), st.dictionaries(one_of(*UIDS), ACTIONS, min_size=1, max_size=4)),
    st.tuples(st.just(("components", Component)), st.dictionaries(one_of("a", "b", "c", "n"), COMPONENTS, min_size=1, max_size=4)),
)


def stored(client, address) -> list[dict]:
    """All records of the resource, without values that differ between runs."""
    rows = client.list(f"{address}/", page_size=500)["results"]
    return [{name: value for name, value in row.items() if name not in ("url", "created_at", "updated_at")} for row in rows]


def undone(do):
    """The result of the function; its writes are rolled back."""
    with transaction.atomic():
        result = do()
        transaction.set_rollback(True)
    return result


def sequentially(client, address, send) -> tuple[dict, list]:
    """The errors of entries sent one after the other, by index, and the stored records afterwards."""
    answers = list(send)
    refused = {str(n): response.json() for n, response in enumerate(answers) if response.status_code >= 400}
    return refused, stored(client, address)


def together(client, address, response) -> tuple[dict, list]:
    found = response.json()
    refused = found["errors"] if response.status_code == 400 else {}
    if response.status_code == 403:
        refused = {"all": found}
    return refused, stored(client, address)


def agree(alone, as_list, before, count):
    refused, records = as_list
    if not alone[0]:
        assert refused == {} and records == alone[1]
        return
    forbidden = [body for body in alone[0].values() if body.get("code") == "not_permitted"]
    assert refused == ({"all": alone[0]["0"]} if len(forbidden) == count else alone[0]), json.dumps([refused, alone[0]], indent=1)
    assert records == before


@few
@given(made=MADE)
def test_creating_a_list_equals_creating_each_record(made, register, as_analyst):
    (address, _), bodies = made
    at = f"{address}/"
    before = stored(as_analyst, address)

    alone = undone(lambda: sequentially(as_analyst, address, (as_analyst.post(at, body) for body in bodies)))
    as_list = undone(lambda: together(as_analyst, address, as_analyst.post(at, bodies)))

    agree(alone, as_list, before, len(bodies))


@few
@given(changed=CHANGED)
def test_updating_a_list_equals_updating_each_record(changed, register, as_analyst):
    (address, model), by_key = changed
    entries = [body | {model.key: key} for key, body in by_key.items()]
    before = stored(as_analyst, address)

    alone = undone(
        lambda: sequentially(as_analyst, address, (as_analyst.patch(f"{address}/{entry[model.key]}/", entry) for entry in entries))
    )
    as_list = undone(lambda: together(as_analyst, address, as_analyst.patch(f"{address}/", entries)))

    agree(alone, as_list, before, len(entries))
