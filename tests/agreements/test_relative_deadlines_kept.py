"""Relative deadlines in history, archived records, data sets and concurrent transactions."""

import json
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections

from agreements.models import Agreement, Component, TreatyAction
from policytracker.dataset.layout import files
from policytracker.records.changes import Change
from policytracker.records.context import change_context
from tests.agreements.deadlines import SIX_MONTHS, days, due
from tests.api.client import Api
from tests.conftest import make_user
from tests.make import make_action, make_agreement, make_component, make_party, settled

pytestmark = pytest.mark.django_db


@pytest.fixture
def pact(db):
    return make_agreement(slug="pact")


@pytest.fixture
def part(pact):
    """Due six months after signature."""
    return make_component(pact, slug="part", **SIX_MONTHS)


# ---- history


@pytest.fixture
def analyst_outside(transactional_db):
    """An API client of an analyst that commits each request."""
    return Api(make_user("analyst", "analyst"))


def versions(api, *addresses):
    return [api.get(address).json()["version"] for address in addresses]


@pytest.mark.django_db(transaction=True)
def test_each_anchor_change_adds_one_version(analyst_outside):
    api, pact = analyst_outside, make_agreement(slug="pact")
    make_component(pact, slug="part", **SIX_MONTHS)
    make_component(pact, slug="other", due_anchor="entry_into_force", due_offset="P1D")
    make_component(pact, slug="plain", due_on="2030")
    all_of_them = ["agreements/pact/", "components/part/", "components/other/", "components/plain/"]
    aus, usa = make_party("AUS"), make_party("USA")
    found = [versions(api, *all_of_them)]

    for body in (
        {"kind": "announcement", "acted_on": "2025-09-01"},  # moves nothing
        {"kind": "signature", "party": aus.code, "acted_on": "2025-10-20"},
        {"kind": "signature", "party": usa.code, "acted_on": "2025-10-19"},  # not the last
        {"kind": "ratification", "party": usa.code, "acted_on": "2026-01-01"},
        {"kind": "entry_into_force", "acted_on": "2026-02-01"},
    ):
        assert api.post("treaty-actions/", {"agreement": "pact"} | body).status_code == 201
        found.append(versions(api, *all_of_them))

    assert found == [[1, 1, 1, 1], [1, 1, 1, 1], [2, 2, 1, 1], [2, 2, 1, 1], [2, 2, 1, 1], [3, 2, 2, 1]]


@pytest.mark.django_db(transaction=True)
def test_history_has_the_reason_of_a_moved_deadline(analyst_outside):
    api, pact = analyst_outside, make_agreement(slug="pact")
    make_component(pact, slug="part", **SIX_MONTHS)
    at = (
        f"treaty-actions/{api.post('treaty-actions/', {'agreement': 'pact', 'kind': 'signature', 'acted_on': '2025-10-20'}).json()['uid']}/"
    )

    assert api.patch(at, {"acted_on": "2025-10-31"}, HTTP_X_CHANGE_REASON="misread").status_code == 200

    component, agreement, action = (api.list(f"{of}history/")["results"] for of in ("components/part/", "agreements/pact/", at))
    assert [entry["changes"] for entry in component[:2]] == [
        {"due_on": {"before": "2026-04-20", "after": "2026-04-30"}},
        {"due_on": {"before": None, "after": "2026-04-20"}, "original_due_on": {"before": None, "after": "2026-04-20"}},
    ]
    assert [(entry["reason"], entry["user"], entry["channel"], entry["version"]) for entry in component[:2]] == [
        ("anchor moved", "analyst", "api", 3),
        ("anchor moved", "analyst", "api", 2),
    ]
    assert [(entry["changes"], entry["reason"]) for entry in agreement[:2]] == [
        ({"signed_on": {"before": "2025-10-20", "after": "2025-10-31"}}, "misread"),
        ({"signed_on": {"before": None, "after": "2025-10-20"}}, ""),
    ]
    assert action[0]["reason"] == "misread"


@pytest.mark.django_db(transaction=True)
def test_records_made_in_one_transaction_have_version_one(analyst_outside):
    with change_context():
        pact = make_agreement(slug="pact")
        part = make_component(pact, slug="part", **SIX_MONTHS)
        make_action(pact, acted_on="2025-10-20")
        make_action(pact, "entry_into_force", acted_on="2025-10-20")

    now = Agreement.objects.get(pk=pact.pk)
    assert (now.version, now.signed_on, now.in_force_on) == (1, "2025-10-20", "2025-10-20")
    assert due(part) == "2026-04-20"
    assert Change.objects.filter(tbl="agreements_agreement", row_id=pact.pk).count() == 1


@pytest.mark.django_db(transaction=True)
def test_rolled_back_transaction_changes_no_date(analyst_outside):
    pact = make_agreement(slug="pact")
    part = make_component(pact, **SIX_MONTHS)

    with pytest.raises(RuntimeError), change_context():
        make_action(pact, acted_on="2025-10-20")
        raise RuntimeError

    assert (days(pact), due(part), Component.objects.get(pk=part.pk).version) == (("", ""), "", 1)


@pytest.mark.django_db(transaction=True)
def test_concurrent_actions_of_two_users_both_count():
    """The second signature waits for the first transaction, and then sees the first signature."""
    pact, aus, usa = make_agreement(), make_party("AUS"), make_party("USA")
    part = make_component(pact, **SIX_MONTHS)

    for round_ in range(5):
        TreatyAction.objects.all().delete()
        start = Barrier(3)

        def sign(party, on, start=start):
            try:
                with change_context():
                    start.wait(timeout=30)
                    make_action(pact, party=party, acted_on=on)
            finally:
                connections.close_all()

        def add(start=start, round_=round_):
            try:
                with change_context():
                    start.wait(timeout=30)
                    return make_component(pact, slug=f"late-{round_}", **SIX_MONTHS)
            finally:
                connections.close_all()

        with ThreadPoolExecutor(3) as threads:
            waiting = [threads.submit(sign, aus, "2025-10-20"), threads.submit(sign, usa, "2025-10-31"), threads.submit(add)]
            *_, late = (one.result(timeout=60) for one in waiting)

        assert (days(pact)[0], due(part), due(late)) == ("2025-10-31", "2026-04-30", "2026-04-30")


# ---- archived records


def archive(record):
    with change_context(reason="over"):
        type(record).objects.filter(pk=record.pk).update(publication="archived")


def test_archived_component_keeps_its_due_date_until_it_is_restored(part, pact):
    action = make_action(pact, acted_on="2025-10-20")
    archive(part)

    TreatyAction.objects.filter(pk=action.pk).update(acted_on="2025-10-31")
    closed = due(part)
    with change_context(reason="again"):
        Component.objects.filter(pk=part.pk).update(publication="published")

    assert (closed, due(part)) == ("2026-04-20", "2026-04-30")


def test_archived_agreement_accepts_no_action(part, pact, as_analyst):
    action = make_action(pact, acted_on="2025-10-20")
    archive(pact)

    for response in (
        as_analyst.post("treaty-actions/", {"agreement": "pact", "kind": "signature", "acted_on": "2025-11-01", "place": "x"}),
        as_analyst.patch(f"treaty-actions/{action.uid}/", {"acted_on": "2025-10-31"}),
        as_analyst.delete(f"treaty-actions/{action.uid}/"),
    ):
        assert (response.status_code, response.json()["code"]) == (409, "closed_record")
    assert (days(pact)[0], due(part)) == ("2025-10-20", "2026-04-20")


# ---- data sets


def dumped(folder):
    call_command("dump_dataset", str(folder), verbosity=0)
    return {name: (folder / name).read_text() for name in files()}


def edit(folder, slug, **fields):
    """Changes fields of a row in agreements.json."""
    path = folder / "agreements.json"
    entries = json.loads(path.read_text())
    for entry in entries:
        if entry["fields"].get("slug") == slug or entry["model"] == slug:
            entry["fields"] |= fields
    path.write_text(json.dumps(entries))


def load(folder, way):
    if way == "loaddata":
        call_command("loaddata", *[str(folder / name) for name in files()], verbosity=0)
    else:
        call_command("load_dataset", str(folder), verbosity=0)


def everything():
    return {
        model._meta.label: list(model.objects.order_by("pk").values())
        for model in (Agreement, Component, TreatyAction)
    }  # fmt: skip


def empty():
    settled()
    with connection.cursor() as cursor:  # the ORM cannot delete published records
        cursor.execute("TRUNCATE agreements_treatyaction, agreements_component, agreements_agreement CASCADE")


@pytest.mark.parametrize("way", ["load_dataset", "loaddata"])
def test_data_set_loads_deadlines_with_their_anchors(part, pact, tmp_path, way):
    """The files contain the due date, but not the calculated dates of the agreement."""
    open_ended = make_component(pact, slug="open", due_anchor="entry_into_force", due_offset="P1Y")
    make_action(pact, acted_on="2025-10-20")
    files = dumped(tmp_path)
    before = [days(pact), due(part), due(open_ended)]
    empty()

    load(tmp_path, way)

    pact, part, open_ended = Agreement.objects.get(), Component.objects.get(slug="part"), Component.objects.get(slug="open")
    assert [days(pact), due(part), due(open_ended)] == before == [("2025-10-20", ""), "2026-04-20", ""]
    assert (pact.version, part.version, open_ended.version) == (1, 1, 1)
    assert "signed_on" not in files["agreements.json"].replace("signed_on_", "")
    changes = Change.objects.count()
    load(tmp_path, way)
    assert Change.objects.count() == changes
    assert dumped(tmp_path) == files


@pytest.mark.parametrize("way", ["load_dataset", "loaddata"])
def test_data_set_that_moves_an_anchor_moves_its_deadlines(part, pact, tmp_path, way):
    make_action(pact, acted_on="2025-10-20")
    dumped(tmp_path)
    edit(tmp_path, "agreements.treatyaction", acted_on="2025-10-31")
    edit(tmp_path, "part", due_on="2026-04-30")

    load(tmp_path, way)

    assert (days(pact)[0], due(part)) == ("2025-10-31", "2026-04-30")
    assert Change.objects.filter(tbl="agreements_component", op="update").last().actor["reason"] == "anchor moved"


@pytest.mark.parametrize("way", ["load_dataset", "loaddata"])
def test_data_set_with_another_due_date_is_rejected(part, pact, tmp_path, way):
    make_action(pact, acted_on="2025-10-20")
    dumped(tmp_path)
    edit(tmp_path, "part", due_on="2027-01-01")

    with pytest.raises(CommandError, match="Leave the due date empty"):
        load(tmp_path, way)

    assert due(part) == "2026-04-20"


@pytest.mark.parametrize("way", ["load_dataset", "loaddata"])
def test_data_set_loads_archived_components_unchanged(part, pact, tmp_path, way):
    action = make_action(pact, acted_on="2025-10-20")
    archive(part)
    TreatyAction.objects.filter(pk=action.pk).update(acted_on="2025-10-31")
    archive(pact)
    files, there = dumped(tmp_path), everything()

    load(tmp_path, way)
    assert everything() == there
    edit(tmp_path, "part", description="Told later.")
    load(tmp_path, way)
    assert (due(part), Component.objects.get(pk=part.pk).description) == ("2026-04-20", "Told later.")
    empty()
    edit(tmp_path, "part", description="")
    load(tmp_path, way)

    assert due(Component.objects.get(slug="part")) == "2026-04-20"
    assert dumped(tmp_path) == files
