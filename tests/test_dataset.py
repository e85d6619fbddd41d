"""The five files: what they hold, and that they come out of the database as they went in."""

import json
import re
import shutil
from datetime import UTC, date, datetime
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import IntegrityError, connection
from django.test.utils import CaptureQueriesContext

from agreements.models import Agreement, Citation, Component, Party, Sector, TreatyAction
from policytracker.dataset import layout as dataset
from policytracker.models import Change, User
from policytracker.records.context import change_context
from policytracker.records.triggers import records
from recommendations.derived_status import recompute_status
from recommendations.models import Addressee, Dependency, Evidence, Milestone, ProgressUpdate, Recommendation
from tests.make import (
    make_action,
    make_agreement,
    make_commitment,
    make_component,
    make_condition,
    make_indicator,
    make_measurement,
    make_outcome,
    make_party,
    make_recommendation,
    make_source,
)

FIXTURES = settings.BASE_DIR / "fixtures"
NAMED = {
    *("NLD", "ABW", "BEL", "ALA", "sector-semiconductors", "source-article"),
    *("aukus", "us-au-critical-minerals-framework-2025", "eu-au-minerals-mou-2024"),
    *("comp-aukus-intelligence-sharing", "fw-financing-1bn", "eu-au-road-map", "rec-interoperability"),
}
NAMES = ["parties.json", "vocabulary.json", "sources.json", "agreements.json", "recommendations.json"]

pytestmark = pytest.mark.django_db


def load(folder: Path = FIXTURES, *options: str) -> str:
    said = StringIO()
    call_command("load_dataset", folder, *options, stdout=said)
    return said.getvalue()


def loaddata(folder: Path = FIXTURES, names: list[str] = NAMES) -> None:
    call_command("loaddata", *[folder / name for name in names], verbosity=0)


def in_order_of_a_shell(folder: Path = FIXTURES) -> None:
    loaddata(folder, sorted(NAMES))


def dumped(folder: Path, *options: str) -> dict[str, bytes]:
    call_command("dump_dataset", folder, *options, stdout=StringIO())
    assert sorted(path.name for path in folder.iterdir()) == sorted(NAMES)
    return {name: (folder / name).read_bytes() for name in NAMES}


def files(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in NAMES}


def versions() -> dict:
    return {model: dict(model.objects.values_list(model.key, "version")) for model in records()}


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """A data set of a few records of the fixtures: those that the tests below name, with all that these refer to."""
    rows = {name: json.loads((FIXTURES / name).read_text()) for name in NAMES}
    by_key = {key: row for found in rows.values() for row in found if (key := key_of(row["fields"]))}
    wanted, waiting = set(), [key for key, row in by_key.items() if key in NAMED or is_wanted(row)]
    while waiting:
        if (key := waiting.pop()) in by_key and key not in wanted:
            wanted.add(key)
            references = [value for value in by_key[key]["fields"].values() if isinstance(value, list)]
            waiting += re.findall(r'"([^"]+)"', json.dumps(references))
    folder = tmp_path_factory.mktemp("small")
    for name, found in rows.items():
        kept = [row for row in found if key_of(row["fields"]) in wanted]
        (folder / name).write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n")
    return folder


def key_of(fields: dict) -> str:
    return fields.get("code") or fields.get("slug") or fields.get("uid")


def is_wanted(row: dict) -> bool:
    """The treaty actions of the named agreements, from which days follow; a relation; a sum."""
    fields = row["fields"]
    return (
        (row["model"] == "agreements.treatyaction" and fields["agreement"][0] in NAMED)
        or (row["model"] == "agreements.agreementrelation" and fields["uid"].startswith("2251a985"))
        or (row["model"] == "agreements.commitment" and fields["amount"] == "8500000000.00")
    )


@pytest.fixture
def folder(small, tmp_path):
    """A copy of the small data set, for a test that changes it."""
    return Path(shutil.copytree(small, tmp_path / "copy"))


@pytest.fixture
def empty(tmp_path):
    """A data set without records."""
    for name in NAMES:
        (tmp_path / name).write_text("[]")
    return tmp_path


def edit(folder: Path, name: str, **changes) -> None:
    """Change fields of one record of a file: `edit(folder, "parties.json", NLD={"kind": "planet"})`."""
    path = folder / name
    found = json.loads(path.read_text())
    for row in found:
        for key, fields in changes.items():
            if key in (row["fields"].get("code"), row["fields"].get("slug"), row["fields"].get("uid")):
                row["fields"] |= fields
    path.write_text(json.dumps(found))


def write(folder: Path, name: str, *rows: tuple[str, dict]) -> None:
    (folder / name).write_text(json.dumps([{"model": model, "fields": fields} for model, fields in rows]))


@pytest.fixture
def full(analyst, reviewer):
    """A register with something in every place."""
    party, other = make_party("AUS", aliases=["Down\u2028Under", "“Oz”"]), make_party("NFK")
    Party.objects.filter(pk=party.pk).update(parent=other)
    sector = Sector.objects.create(code="space", name="Space")
    source = make_source(retrieved_on=date(2026, 1, 2))
    agreement = make_agreement(lead=analyst, visibility="restricted")
    agreement.team.set([analyst, reviewer])
    agreement.sectors.set([sector])
    later = make_component(agreement, slug="z-first", due_on="2026-05~")
    make_component(agreement, slug="a-second", parent=later).lead_parties.set([party])
    Citation.objects.create(source=source, component=later, quote="a\nb\tc")
    make_component(agreement, slug="counted", due_anchor="signature", due_offset="P6M")
    signed = make_action(agreement, "signature", party, "2025-10-20", signed_by="A. Person, Minister", source=source)
    make_action(agreement, "reservation", party, "2025-10~", counterparty=other, text="Not here.").targets.set([signed])
    make_condition(agreement, "named_parties", [other, party], delay="P30D")
    stated = make_commitment(agreement, component=later, payer=party, amount="12345678901234567.89", stated_on="2025~")
    make_commitment(agreement, amount="0.10", bound="up_to", disputes=stated)
    outcome = make_outcome(agreement, component=later, sector=sector)
    indicator = make_indicator(outcome, baseline_value="0.0001", target_value="-3", target_on="2030")
    make_measurement(indicator, "2025-10", value="1234567890123456.7891", source=source)
    recommendation = make_recommendation(agreement, owner=analyst, due_on="2030")
    replaced = make_recommendation(agreement, superseded_by=recommendation)
    Recommendation.objects.filter(pk=recommendation.pk).update(parent=replaced)
    Addressee.objects.create(recommendation=recommendation, party=party)
    Milestone.objects.create(recommendation=recommendation, title="Half", due_on="2029~")
    Dependency.objects.create(recommendation=recommendation, depends_on=replaced)
    said = {"recommendation": recommendation, "status": "in_progress", "reported_on": date(2026, 1, 2), "author": analyst}
    with change_context(reviewer, "test"):
        moment = datetime(2026, 1, 3, 4, 5, 6, 123456, tzinfo=UTC)
        approved = ProgressUpdate.objects.create(
            **said, review="approved", reviewed_by=reviewer, reviewed_at=moment, voided_at=moment, voided_by=reviewer, void_reason="wrong"
        )
        draft = ProgressUpdate.objects.create(**said, review="draft")
        ProgressUpdate.objects.create(**said, review="returned", corrects=approved)
        for update in (approved, draft):
            Evidence.objects.create(update=update, source=source)
    recompute_status()
    return recommendation


def emptied() -> None:
    """Throw every record away, past the guards, and the history of it."""
    tables = ", ".join(model._meta.db_table for model in records())
    with connection.cursor() as cursor:
        cursor.execute(f"SET CONSTRAINTS ALL IMMEDIATE; TRUNCATE {tables}, {Change._meta.db_table} CASCADE; SET CONSTRAINTS ALL DEFERRED")


# ---- what the fixtures hold


def test_every_kind_of_record_has_one_place_in_the_files():
    placed = [model for name in dataset.FILES for model in dataset.models_of(name)]

    assert list(dataset.FILES) == NAMES
    assert len(placed) == len(set(placed))
    assert set(placed) == set(records())


# ---- out as they went in


@pytest.mark.parametrize(("way", "all_fixtures"), [(load, False), (loaddata, False), (in_order_of_a_shell, True)])
def test_a_loaded_database_gives_the_same_bytes_and_each_record_is_written_once(way, all_fixtures, small, tmp_path):
    folder = FIXTURES if all_fixtures else small

    way(folder)

    assert dumped(tmp_path / "dump") == files(folder)
    assert {version for found in versions().values() for version in found.values()} == {1}
    assert set(Change.objects.values_list("op", flat=True)) == {"insert"}


@pytest.mark.parametrize("first", [load, loaddata])
@pytest.mark.parametrize("again", [load, loaddata, in_order_of_a_shell])
def test_loading_again_changes_no_version_and_writes_no_history(first, again, folder):
    first(folder)
    before, changes = versions(), Change.objects.count()

    again(folder)

    assert versions() == before
    assert Change.objects.count() == changes


@pytest.mark.parametrize("way", [load, loaddata, in_order_of_a_shell])
def test_whatever_a_register_holds_comes_back_as_it_was(way, full, tmp_path):
    out = dumped(tmp_path / "dump")
    emptied()

    way(tmp_path / "dump")

    assert dumped(tmp_path / "again") == out
    assert ProgressUpdate.objects.get(review="approved").reviewed_at.microsecond == 123456
    assert Party.objects.get(code="AUS").aliases == ["Down\u2028Under", "“Oz”"]


@pytest.mark.parametrize("way", [load, loaddata])
def test_a_register_takes_its_own_files_back_without_a_change(way, full, tmp_path):
    dumped(tmp_path / "dump")
    before, changes = versions(), Change.objects.count()

    way(tmp_path / "dump")

    assert versions() == before
    assert Change.objects.count() == changes


def test_rows_have_natural_keys_in_order_and_nothing_that_the_database_works_out(full, tmp_path):
    for name, data in dumped(tmp_path / "dump").items():
        found = json.loads(data)
        order = [row["model"] for row in found]
        assert order == sorted(order, key=dataset.FILES[name].index)
        for model in dataset.models_of(name):
            mine = [row["fields"] for row in found if row["model"] == model._meta.label_lower]
            keys = [fields[model.key] for fields in mine]
            assert keys == sorted(keys)
            generated = {f.name for f in model._meta.local_fields if f.generated}
            unwanted = {"id", "version", "created_at", "updated_at"} | generated | set(model.derived_fields)
            if model is Recommendation:
                unwanted |= {"status", "claimed_status", "status_since", "progress_percent", "last_update_on", "closed_on"}
            wanted = {f.name for f in (*model._meta.local_fields, *model._meta.local_many_to_many)} - unwanted
            assert all(set(fields) == wanted for fields in mine)
        assert all(set(row) == {"model", "fields"} for row in found)


def test_people_go_by_user_name_and_stay_out_of_a_public_dump(full, tmp_path):
    [agreement] = json.loads(dumped(tmp_path / "all")["agreements.json"])[:1]
    public = dumped(tmp_path / "public", "--public")

    assert agreement["fields"]["lead"] == ["analyst"]
    assert agreement["fields"]["team"] == [["analyst"], ["reviewer"]]
    assert b"analyst" not in b"".join(public.values())
    assert not {"lead", "team"} & set(json.loads(public["agreements.json"])[0]["fields"])


def test_drafts_of_updates_are_in_no_dump_and_returned_ones_are(full, tmp_path):
    found = json.loads(dumped(tmp_path / "dump")["recommendations.json"])

    assert sorted(row["fields"]["review"] for row in found if "review" in row["fields"]) == ["approved", "returned"]
    assert sum(row["model"] == "recommendations.evidence" for row in found) == 1


def test_the_files_are_utf_8_with_a_line_feed_at_the_end(full, tmp_path):
    for data in dumped(tmp_path / "dump").values():
        assert data.endswith(b"\n]\n") or data == b"[]\n"
        assert data.decode() == json.dumps(json.loads(data), indent=2, ensure_ascii=False) + "\n"


# ---- over what is there


@pytest.mark.parametrize("way", [load, loaddata])
def test_a_load_brings_existing_records_up_to_date_and_counts_each_once(way, folder):
    load(folder)
    edit(folder, "agreements.json", aukus={"short_title": "A pact", "sectors": [["sector-semiconductors"]]})

    way(folder)

    aukus = Agreement.objects.get(slug="aukus")
    assert (aukus.short_title, aukus.version) == ("A pact", 2)
    assert [sector.code for sector in aukus.sectors.all()] == ["sector-semiconductors"]
    assert sum(version > 1 for found in versions().values() for version in found.values()) == 1
    assert Change.objects.filter(op="update").get().actor == {"reason": "data set", "channel": "data set"}


def test_it_says_what_it_did(folder):
    first = load(folder)
    edit(folder, "agreements.json", aukus={"sectors": []})
    edit(folder, "parties.json", NLD={"name": "Holland"}, BEL={"name": "Belgica"})

    assert first.splitlines()[0] == "parties.json: 9 created, 0 changed, 0 unchanged"
    assert load(folder).splitlines()[:4:3] == [
        "parties.json: 0 created, 2 changed, 7 unchanged",
        "agreements.json: 0 created, 1 changed, 23 unchanged",
    ]


@pytest.mark.parametrize("way", [load, loaddata])
def test_people_are_filled_in_where_they_are_known_and_the_record_is_new(way, folder, analyst):
    edit(folder, "agreements.json", aukus={"lead": ["analyst"], "team": [["ghost"], ["analyst"]]})
    edit(folder, "agreements.json", **{"us-au-critical-minerals-framework-2025": {"lead": ["ghost"]}})

    way(folder)

    aukus = Agreement.objects.get(slug="aukus")
    assert (aukus.lead, list(aukus.team.all())) == (analyst, [analyst])
    assert Agreement.objects.get(slug="us-au-critical-minerals-framework-2025").lead is None


@pytest.mark.parametrize("way", [load, loaddata])
@pytest.mark.parametrize(
    "people", [{"lead": None, "team": []}, {"lead": ["reviewer"], "team": [["reviewer"]]}, {"lead": ["ghost"], "team": [["ghost"]]}]
)
def test_people_of_existing_records_are_never_touched(way, people, folder, analyst, reviewer):
    load(folder)
    aukus = Agreement.objects.get(slug="aukus")
    Agreement.objects.filter(slug="aukus").update(lead=analyst)
    aukus.team.set([analyst])
    before = versions()
    edit(folder, "agreements.json", aukus=people)

    way(folder)

    aukus.refresh_from_db()
    assert (aukus.lead, list(aukus.team.all())) == (analyst, [analyst])
    assert versions() == before


def test_what_a_file_does_not_speak_of_stays_as_it_is(folder):
    load(folder)
    Agreement.objects.filter(slug="aukus").update(purpose="Ours")
    found = json.loads((folder / "agreements.json").read_text())
    del next(row["fields"] for row in found if row["fields"].get("slug") == "aukus")["purpose"]
    (folder / "agreements.json").write_text(json.dumps(found))

    load(folder)

    assert Agreement.objects.get(slug="aukus").purpose == "Ours"


@pytest.mark.parametrize("way", [load, loaddata])
def test_what_follows_from_progress_updates_stays(way, folder):
    load(folder)
    recommendation = Recommendation.objects.get(slug="rec-interoperability")
    found = {"status": "in_progress", "progress_percent": 40, "reported_on": "2026-01-31", "narrative": "Begun."}
    recommendation.updates.create(**found, review="approved", reviewed_at="2026-02-01T09:00:00Z")
    recompute_status()
    before = versions()

    way(folder)

    assert Recommendation.objects.get(slug="rec-interoperability").progress_percent == 40
    assert versions() == before


@pytest.mark.parametrize("way", [load, loaddata])
def test_a_moved_due_day_needs_no_other_reason_and_the_first_one_stays(way, full, tmp_path):
    dumped(tmp_path / "dump")
    edit(tmp_path / "dump", "recommendations.json", **{full.slug: {"due_on": "2031", "original_due_on": "2031"}})

    way(tmp_path / "dump")

    full.refresh_from_db()
    assert (full.due_on, full.original_due_on) == ("2031", "2030")


@pytest.mark.parametrize("way", [load, loaddata])
def test_a_moved_signature_moves_the_due_day_that_is_counted_from_it(way, folder):
    load(folder)
    signatures = TreatyAction.objects.filter(agreement__slug="eu-au-minerals-mou-2024").values_list("uid", flat=True)
    edit(folder, "agreements.json", **{str(uid): {"acted_on": "2024-08-31"} for uid in signatures})
    edit(folder, "agreements.json", **{"eu-au-road-map": {"due_on": "2025-02-28", "original_due_on": "2025-02-28"}})

    way(folder)

    road_map = Component.objects.get(slug="eu-au-road-map")
    assert (road_map.due_on, road_map.original_due_on, road_map.version) == ("2025-02-28", "2024-11-28", 2)
    assert road_map.agreement.signed_on == "2024-08-31"


@pytest.mark.parametrize("way", [load, loaddata])
def test_an_archived_register_loads_and_loads_again(way, folder):
    edit(folder, "agreements.json", aukus={"publication": "archived"})

    way(folder)
    edit(folder, "agreements.json", aukus={"summary": "Closed."})
    way(folder)

    aukus = Agreement.objects.get(slug="aukus")
    assert (aukus.publication, aukus.summary, aukus.version) == ("archived", "Closed.", 2)
    with pytest.raises(IntegrityError):
        Agreement.objects.filter(slug="aukus").update(summary="Opened")


@pytest.mark.parametrize("way", [load, loaddata])
def test_what_follows_from_a_file_is_computed_after_it_was_loaded(way, small, empty, monkeypatch):
    called = []
    monkeypatch.setattr(dataset, "after_load", {"recommendations.json": lambda: called.append(Recommendation.objects.count())})
    write(empty, "sources.json", ("agreements.source", {"slug": "a", "kind": "news"}))

    load(empty)
    assert called == []
    way(small)
    assert called == [1]


def test_it_may_be_told_to_load_an_empty_register_only(folder):
    load(folder, "--if-empty")
    edit(folder, "parties.json", NLD={"name": "Holland"})

    said = load(folder, "--if-empty")

    assert said == "The register has agreements: nothing was loaded.\n"
    assert Party.objects.get(code="NLD").name == "Netherlands"


def test_a_load_asks_no_query_per_record(folder):
    rows = [("agreements.sector", {"code": f"s{number}", "name": "S"}) for number in range(900)]
    write(folder, "vocabulary.json", *rows)
    edit(folder, "agreements.json")
    for name in ("agreements.json", "recommendations.json"):
        (folder / name).write_text("[]")

    with CaptureQueriesContext(connection) as queries:
        load(folder)

    assert len(queries) < 40


# ---- what cannot be loaded


def spoil(name: str, old: bytes, new: bytes):
    def spoiled(folder: Path) -> None:
        data = (folder / name).read_bytes()
        assert old in data
        (folder / name).write_bytes(data.replace(old, new, 1))

    return spoiled


def change(name: str, **changes):
    return lambda folder: edit(folder, name, **changes)


def repeat(folder: Path) -> None:
    path = folder / "parties.json"
    path.write_text(json.dumps(json.loads(path.read_text()) + json.loads(path.read_text())[:1]))


BAD = {
    "a missing folder": (shutil.rmtree, r"copy is no folder\."),
    "a missing file": (lambda folder: (folder / "sources.json").unlink(), r"sources\.json is missing in .*copy\."),
    "a truncated file": (
        lambda folder: (folder / "sources.json").write_text('[\n  {"model": "agr'),
        r"sources\.json, line 2: This is not JSON\.",
    ),
    "a comma too many": (spoil("vocabulary.json", b"\n  }\n]", b"\n  },\n]"), r"vocabulary\.json, line \d+: This is not JSON\."),
    "no list": (lambda folder: (folder / "sources.json").write_text("{}"), r"sources\.json: The file must hold a list"),
    "deep nesting": (lambda folder: (folder / "sources.json").write_text("[" * 100_000), r"sources\.json: Lists are nested too deeply"),
    "no number": (
        spoil("recommendations.json", b'"update_every": null', b'"update_every": NaN'),
        r"recommendations\.json: .*NaN is no number",
    ),
    "a wrong encoding": (spoil("parties.json", "Å".encode(), "Å".encode("latin-1")), r"parties\.json, line \d+: This is not UTF-8\."),
    "another encoding": (
        lambda folder: (folder / "parties.json").write_text("[]", encoding="utf-16"),
        r"parties\.json, line 1: This is not UTF-8\.",
    ),
    "no record": (lambda folder: (folder / "sources.json").write_text("[7]"), r"sources\.json, record 1: A record is written"),
    "a pk": (spoil("parties.json", b'"fields"', b'"pk": 1, "fields"'), r"parties\.json, record 1: A record is written"),
    "an unknown model": (
        spoil("parties.json", b"agreements.party", b"agreements.planet"),
        r"parties\.json, record 1: 'agreements\.planet' is none of agreements\.party",
    ),
    "a model of another file": (
        spoil("parties.json", b"agreements.party", b"policytracker.user"),
        r"parties\.json, record 1: 'policytracker\.user' is none of",
    ),
    "an unknown field": (change("parties.json", NLD={"colour": "orange"}), r"agreements\.party NLD: It has no field 'colour'"),
    "a column that is worked out": (
        change("agreements.json", aukus={"version": 7}),
        r"agreements\.agreement aukus: It has no field 'version'",
    ),
    "a status that progress writes": (
        change("recommendations.json", **{"rec-interoperability": {"status": "implemented"}}),
        r"rec-interoperability: It has no field 'status'",
    ),
    "no key": (change("parties.json", NLD={"code": ""}), r"parties\.json, record \d+: A record of agreements\.party needs its code"),
    "a bad key": (change("parties.json", ABW={"code": "A B W"}), r"parties\.json, agreements\.party A B W, code: Enter a valid “slug”"),
    "a bad uid": (
        spoil("agreements.json", b'"uid": "2251a985', b'"uid": "x251a985'),
        r"agreements\.json, agreements\.agreementrelation x251a985\S+, uid: .*not a valid UUID",
    ),
    "a record twice": (repeat, r"parties\.json, agreements\.party ABW: It is in the file twice\."),
    "a name twice": (
        spoil("parties.json", b'"name": "Aruba"', b'"name": "Aruba", "name": "Aruba"'),
        r"parties\.json: .*One object has 'name' twice",
    ),
    "an unknown code": (
        change("parties.json", NLD={"kind": "planet"}),
        r"parties\.json, agreements\.party NLD, kind: “planet” is not one of: state, ",
    ),
    "an impossible date": (
        change("sources.json", **{"source-article": {"published_on": "2019-02-30"}}),
        r"sources\.json, agreements\.source source-article, published_on: Write a date as",
    ),
    "an impossible day": (
        change("sources.json", **{"source-article": {"retrieved_on": "2019-02-30"}}),
        r"source-article, retrieved_on: .*invalid date",
    ),
    "an unknown reference": (
        change("parties.json", NLD={"parent": ["XXX"]}),
        r"parties\.json, agreements\.party NLD, parent: There is no party 'XXX'\.",
    ),
    "an unknown link": (
        change("agreements.json", aukus={"sectors": [["sector-x"]]}),
        r"agreements\.agreement aukus, sectors: There is no sector 'sector-x'\.",
    ),
    "a reference by number": (change("parties.json", NLD={"parent": 1}), r'NLD, parent: A reference is written \["key"\]\.'),
    "links that are no list": (change("agreements.json", aukus={"sectors": "x"}), r"aukus, sectors: References are written"),
    "a NUL": (
        change("sources.json", **{"source-article": {"notes": "a\0b"}}),
        r"sources\.json, agreements\.source source-article, notes: PostgreSQL keeps no character U\+0000\.",
    ),
    "a NUL in a list": (change("parties.json", NLD={"aliases": ["a\0b"]}), r"NLD, aliases: PostgreSQL keeps no character U\+0000\."),
    "half a character": (
        change("sources.json", **{"source-article": {"title": "\ud800"}}),
        r"source-article, title: PostgreSQL keeps no character U\+D800\.",
    ),
    "null for a text": (change("sources.json", **{"source-article": {"title": None}}), r"source-article, title: It cannot be null\."),
    "a list for a text": (
        change("sources.json", **{"source-article": {"title": ["a"]}}),
        r"source-article, title: A list or an object has no place here\.",
    ),
    "a list in a list": (change("parties.json", NLD={"aliases": [["a"]]}), r"NLD, aliases: A list or an object has no place here\."),
    "a text for a list": (change("parties.json", NLD={"aliases": "a"}), r"NLD, aliases: 'a' is none of its values\."),
    "too long a text": (
        change("sources.json", **{"source-article": {"notes": "x" * 100_001}}),
        r"source-article, notes: Ensure this value has at most 100000",
    ),
    "too large a number": (
        change("agreements.json", **{"comp-aukus-intelligence-sharing": {"position": 10**30}}),
        r"comp-aukus-intelligence-sharing, position: Ensure this value is less",
    ),
    "a broken constraint": (
        change("agreements.json", aukus={"status": "in_force"}),
        r"agreements\.json, agreements\.agreement aukus, status: Only a binding or mixed text",
    ),
    "a code of another": (
        change("parties.json", NLD={"iso_alpha2": "BE"}),
        r"parties\.json, agreements\.party NLD, iso_alpha2: Another party has this ISO code\.",
    ),
    "a sum that is no number": (
        spoil("agreements.json", b'"amount": "8500000000.00"', b'"amount": "many"'),
        r"agreements\.commitment \S+, amount: .*must be a decimal number",
    ),
    "a sum of no currency": (
        spoil("agreements.json", b'"currency": "USD"', b'"currency": "ECU"'),
        r"agreements\.commitment \S+, currency: This is no currency code of ISO 4217",
    ),
    "a consent to what does not bind": (
        spoil("agreements.json", b'"kind": "reaffirmation"', b'"kind": "ratification"'),
        r"agreements\.treatyaction \S+, kind: A non-binding text can be signed, and has no other form of consent\.",
    ),
    "a day that follows from acts": (
        change("agreements.json", aukus={"signed_on": "2021-09-15"}),
        r"agreements\.agreement aukus: It has no field 'signed_on'",
    ),
    "a due day that does not follow from its anchor": (
        change("agreements.json", **{"fw-financing-1bn": {"due_on": "2026-05-01"}}),
        r"agreements\.component fw-financing-1bn, due_on: The due day of a relative deadline follows from its anchor\.",
    ),
    "a broken guard": (
        change("parties.json", NLD={"parent": ["ABW"]}),
        r"parties\.json, agreements\.party \w+, parent: A party cannot belong to itself\.",
    ),
}


@pytest.mark.parametrize("way", BAD)
def test_what_cannot_be_loaded_is_named_and_nothing_is_written(way, folder):
    spoiled, sentence = BAD[way]
    spoiled(folder)

    with pytest.raises(CommandError, match=sentence) as refused:
        load(folder)

    assert str(refused.value).startswith("Nothing was loaded. ")
    assert refused.value.returncode == 1
    assert not any(model.objects.exists() for model in records())
    assert not Change.objects.exists()


def test_a_record_needs_the_references_that_all_its_kind_have(empty):
    write(empty, "agreements.json", ("agreements.outcome", {"slug": "o", "statement": "Something"}))

    with pytest.raises(CommandError, match=r"agreements\.json, agreements\.outcome o, agreement: It cannot be missing\."):
        load(empty)


def test_an_approved_update_is_not_changed_by_a_file(full, tmp_path):
    dumped(tmp_path / "dump")
    uid = str(ProgressUpdate.objects.get(review="approved").uid)
    edit(tmp_path / "dump", "recommendations.json", **{uid: {"narrative": "Otherwise"}})

    with pytest.raises(CommandError, match=rf"progressupdate {uid}: An approved update cannot be changed"):
        load(tmp_path / "dump")


LOADDATA_REFUSES = {
    "an unknown code": "agreements.party NLD, kind: “planet” is not one of: state, ",
    "an impossible date": "agreements.source source-article, published_on: Write a date as",
    "an unknown reference": "agreements.party NLD, parent: There is no party 'XXX'.",
    "an unknown link": "agreements.agreement aukus, sectors: There is no sector 'sector-x'.",
    "an unknown field": "agreements.party NLD: It has no field 'colour'",
    "a truncated file": "sources.json, line 2: This is not JSON.",
    "a wrong encoding": ": This is not UTF-8.",
    "a NUL": "source-article, notes: PostgreSQL keeps no character U+0000.",
    "a broken constraint": "agreements.agreement aukus, status: Only a binding or mixed text",
    "a broken guard": "A party cannot be its own parent, directly or through others.",
    "a missing file": "No fixture named 'sources' found.",
}


@pytest.mark.parametrize("way", LOADDATA_REFUSES)
def test_loaddata_says_in_a_sentence_what_it_cannot_load_and_writes_nothing(way, folder):
    BAD[way][0](folder)

    with pytest.raises(CommandError) as refused:
        loaddata(folder)

    assert LOADDATA_REFUSES[way] in str(refused.value)
    assert not any(model.objects.exists() for model in records())


def test_loaddata_takes_other_fixtures_too(tmp_path):
    people = [{"model": "policytracker.user", "fields": {"username": "ann", "password": "!"}}]
    office = [{"model": "agreements.partyofficer", "fields": {"user": ["ann"], "party": ["AUS"]}}]
    (tmp_path / "people.json").write_text(json.dumps(office + people))

    call_command("loaddata", FIXTURES / "parties.json", tmp_path / "people.json", verbosity=0)

    assert User.objects.get().office.party.code == "AUS"


def test_loaddata_takes_what_dumpdata_gives(full, tmp_path):
    out = dumped(tmp_path / "dump")
    call_command("dumpdata", "agreements", "recommendations", output=tmp_path / "all.json", verbosity=0)
    emptied()

    call_command("loaddata", tmp_path / "all.json", verbosity=0)
    # Django's own dump rounds moments to the millisecond.
    assert dumped(tmp_path / "again") == {name: data.replace(b".123456", b".123000") for name, data in out.items()}
