"""Versions and history for random sequences of changes and transactions, compared with a simple model."""

import threading

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agreements.models import Agreement, Sector, TreatyAction
from policytracker.accounts.models import User
from policytracker.installed.models import SearchEntry
from policytracker.records.changes import Change
from policytracker.records.context import change_context
from recommendations.models import Addressee, Recommendation
from tests.api.client import Api
from tests.conftest import make_user
from tests.make import make_agreement, make_party, make_recommendation

# The steps of one transaction: set a field, or add, remove or replace links to sectors.
steps = st.one_of(
    st.tuples(st.just("details"), st.sampled_from(["", "a", "b"])),
    st.tuples(st.just("update_every"), st.sampled_from([None, 1, 2])),
    st.tuples(st.just("add"), st.integers(0, 2)),
    st.tuples(st.just("remove"), st.integers(0, 2)),
    st.tuples(st.just("set"), st.sets(st.integers(0, 2))),
)
transactions = st.lists(st.lists(steps, min_size=1, max_size=4), min_size=1, max_size=6)


class Model:
    """The expected versions and changes: each changed field increments the version; links do so once, unless a field did before."""

    def __init__(self):
        self.fields = {"details": "", "update_every": None}
        self.links = set()
        self.version = 1
        self.entries = [{}]

    def apply(self, steps):
        counted = False
        for what, value in steps:
            if what in self.fields:
                if self.fields[what] == value:
                    continue
                self.version, counted = self.version + 1, True
                self.entries.append({what: (self.fields[what], value)})
                self.fields[what] = value
                continue
            after = {"add": self.links | {value}, "remove": self.links - {value}, "set": value}[what] if what != "set" else set(value)
            if after == self.links:
                continue
            if not counted:
                self.version, counted = self.version + 1, True
                self.entries.append({})
            before = self.entries[-1].get("sectors", (frozenset(self.links), None))[0]
            self.entries[-1]["sectors"] = (before, frozenset(after))
            self.links = after
        for entry in self.entries:
            if "sectors" in entry and entry["sectors"][0] == entry["sectors"][1]:
                del entry["sectors"]


def perform(recommendation, sectors, steps):
    for what, value in steps:
        match what:
            case "add":
                recommendation.sectors.add(sectors[value])
            case "remove":
                recommendation.sectors.remove(sectors[value])
            case "set":
                recommendation.sectors.set([sectors[number] for number in value])
            case _:
                Recommendation.objects.filter(pk=recommendation.pk).update(**{what: value})


@pytest.mark.django_db(transaction=True)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(transactions)
def test_versions_and_entries_follow_every_change_of_fields_and_links(transactional_db, transaction_steps):
    sectors = [Sector.objects.get_or_create(code=f"s{number}", defaults={"name": "S"})[0] for number in range(3)]
    recommendation = Recommendation.objects.create(slug=f"r{Recommendation.objects.count()}", key_action="x", publication="published")
    model = Model()

    for number, steps in enumerate(transaction_steps):
        with change_context(reason=f"transaction {number}"):
            perform(recommendation, sectors, steps)
        model.apply(steps)
        recommendation.refresh_from_db()
        assert recommendation.version == model.version
        assert {sector.code for sector in recommendation.sectors.all()} == {f"s{n}" for n in model.links}

    client = Api(reader())
    entries = client.get(f"recommendations/{recommendation.slug}/history/?page_size=500").json()["results"][::-1]
    # The history omits versions without a visible change.
    shown = [number for number, changes in enumerate(model.entries, 1) if changes or number == 1]
    assert [entry["version"] for entry in entries] == shown

    def keys(links):
        return sorted(f"s{number}" for number in links)

    assert {name: entries[0]["changes"][name]["after"] for name in ("key_action", "sectors")} == {"key_action": "x", "sectors": []}
    assert [entry["changes"] if entry["operation"] == "update" else {} for entry in entries] == [
        {n: {"before": keys(b) if n == "sectors" else b, "after": keys(a) if n == "sectors" else a} for n, (b, a) in changes.items()}
        for changes in (model.entries[number - 1] for number in shown)
    ]


def reader():
    return User.objects.filter(username="reader").first() or make_user("reader", "reader")


@pytest.mark.django_db(transaction=True)
def test_a_link_is_counted_after_a_concurrent_change():
    """Transactions are distinguished by id, not by time: ours begins first, theirs increments the version, and our link must too."""
    sector = Sector.objects.create(code="s", name="S")
    recommendation = Recommendation.objects.create(slug="r", key_action="x")

    def change_concurrently():
        try:
            Recommendation.objects.filter(pk=recommendation.pk).update(details="theirs")
        finally:
            connection.close()

    with transaction.atomic():
        Sector.objects.count()
        thread = threading.Thread(target=change_concurrently)
        thread.start()
        thread.join(10)
        recommendation.sectors.add(sector)

    recommendation.refresh_from_db()
    assert recommendation.version == 3
    first, second = Change.objects.filter(tbl="recommendations_recommendation", op="update").order_by("id")
    assert first.at < second.at or first.at == second.since


@pytest.mark.django_db(transaction=True)
def test_a_rolled_back_change_is_not_recorded():
    recommendation = Recommendation.objects.create(slug="r", key_action="x")
    with transaction.atomic():
        Recommendation.objects.filter(pk=recommendation.pk).update(details="never")
        transaction.set_rollback(True)

    assert not Change.objects.filter(tbl="recommendations_recommendation", op="update").exists()


@pytest.mark.django_db
def test_bulk_and_raw_writes_are_recorded():
    Sector.objects.bulk_create(Sector(code=f"s{number}", name="S") for number in range(3))
    Sector.objects.update(name="T")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE agreements_sector SET name = 'U' WHERE code = 's0'")
    Sector.objects.filter(code="s1").delete()

    assert list(Change.objects.filter(tbl="agreements_sector").order_by("id").values_list("op", flat=True)) == ["insert"] * 3 + [
        "update"
    ] * 4 + ["delete"]
    assert Change.objects.filter(op="update").order_by("id").last().before["name"] == "T"
    assert Change.objects.get(op="delete").before["version"] == 2


# ---- rows that one statement writes


def changes_of(table: str) -> list[tuple[str, int]]:
    return list(Change.objects.filter(tbl=table).order_by("id").values_list("op", "row_id"))


@pytest.mark.django_db
def test_rows_inserted_together_are_recorded_like_rows_inserted_one_by_one(analyst):
    with change_context(analyst, "together"):
        together = Sector.objects.bulk_create(Sector(code=f"t{number}", name="T") for number in range(3))
    with change_context(analyst, "one by one"):
        alone = [Sector.objects.create(code=f"a{number}", name="A") for number in range(3)]

    assert changes_of("agreements_sector") == [("insert", sector.pk) for sector in [*together, *alone]]
    rows = Change.objects.filter(tbl="agreements_sector")
    known = {(row.actor["user"], row.moved, row.before, row.changed, row.since) for row in rows}
    assert known == {(analyst.username, False, None, None, None)}
    assert {row.at for row in rows} == {sector.updated_at for sector in Sector.objects.all()}
    assert [row.actor["reason"] for row in rows.order_by("id")] == ["together"] * 3 + ["one by one"] * 3


@pytest.mark.django_db
def test_an_insert_is_recorded_before_the_first_update_of_the_row():
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO agreements_sector (code, name, description) VALUES ('a', 'A', ''), ('b', 'B', '')")
    first, second = Sector.objects.order_by("code")
    Sector.objects.update(name="C")

    assert changes_of("agreements_sector")[:2] == [("insert", first.pk), ("insert", second.pk)]
    assert sorted(changes_of("agreements_sector")[2:]) == [("update", first.pk), ("update", second.pk)]


@pytest.mark.django_db(transaction=True)
def test_links_written_together_count_each_record_once():
    sectors = [Sector.objects.create(code=f"s{number}", name="S") for number in range(2)]
    stored, other = (Recommendation.objects.create(slug=slug, key_action="x") for slug in ("stored", "other"))
    links = Recommendation.sectors.through

    with transaction.atomic():
        new = Recommendation.objects.create(slug="new", key_action="x")
        links.objects.bulk_create(links(recommendation=row, sector=sector) for row in (stored, new) for sector in sectors)
    with transaction.atomic():
        links.objects.filter(recommendation=stored).delete()

    assert dict(Recommendation.objects.values_list("slug", "version")) == {"stored": 3, "new": 1, "other": 1}
    added = [("insert", row.pk) for row in (stored, stored, new, new)]
    assert changes_of(links._meta.db_table) == [*added, ("delete", stored.pk), ("delete", stored.pk)]
    inserted = [("insert", row.pk) for row in (stored, other, new)]
    assert changes_of("recommendations_recommendation") == [*inserted, ("update", stored.pk), ("update", stored.pk)]


@pytest.mark.django_db
def test_what_follows_from_rows_inserted_together_is_that_of_rows_inserted_one_by_one():
    party, other = make_party("AUS"), make_party("NZL")
    agreement, second = make_agreement(slug="a"), make_agreement(slug="b")
    days = {agreement: "2001-02-03", second: "2004-05-06"}
    TreatyAction.objects.bulk_create(
        TreatyAction(agreement=signed, kind="signature", party=by, acted_on=day) for signed, day in days.items() for by in (party, other)
    )
    answered, silent, _unaddressed = (make_recommendation(slug=slug) for slug in ("answered", "silent", "unaddressed"))
    Addressee.objects.bulk_create(
        Addressee(recommendation=row, party=by, response=response)
        for row, by, response in [(answered, party, "none_recorded"), (answered, other, "accepted"), (silent, party, "none_recorded")]
    )

    assert dict(Agreement.objects.values_list("slug", "signed_on")) == {"a": "2001-02-03", "b": "2004-05-06"}
    facts = {slug: tuple(stored) for slug, *stored in Recommendation.objects.values_list("slug", "has_addressee", "has_response")}
    assert facts == {"answered": (True, True), "silent": (True, False), "unaddressed": (False, False)}
    assert SearchEntry.objects.filter(tbl="recommendations_recommendation").count() == 3
