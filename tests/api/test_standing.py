"""`standing/`, and the filters by standing of the list of agreements (docs/api.md)."""

from datetime import date, timedelta
from random import Random
from time import process_time

import pytest

from agreements.models import Agreement, AgreementRelation, Participation, Party, TreatyAction
from agreements.standing import PartyStanding, TextStanding, party_standing, party_standing_code, text_standing
from agreements.standing.data import load_records, standing_document
from policytracker.edtf import first_day
from policytracker.resources import today
from tests.api.client import Api
from tests.make import change_with_reason, make_action, make_agreement, make_condition, make_party
from tests.queries import count_queries

STANDING = "agreements/cptpp/standing/"


@pytest.fixture
def text(db):
    """A binding text of four parties, in force between three of them."""
    text = make_agreement(slug="cptpp", legal_force="binding")
    aus, gbr, jpn, usa = (make_party(code) for code in ("AUS", "GBR", "JPN", "USA"))
    for party in (aus, jpn):
        make_action(text, "ratification", party, "2018-10-31")
    make_action(text, "entry_into_force", acted_on="2018-12-30")
    make_action(text, "entry_into_force_for_party", gbr, "2024-12-15", counterparty=jpn)
    make_action(text, "entry_into_force_for_party", gbr, "2024-12-24", counterparty=aus)
    make_condition(text, "named_parties", parties=[aus, usa], text="Article 3")
    Participation.objects.create(agreement=text, party=usa, role="observer")
    return text


def found_by(client, query):
    response = client.get(f"agreements/?{query}")
    assert response.status_code == 200, response.content
    return [row["slug"] for row in response.json()["results"]]


def codes(answer):
    return {row["party"]: row["standing"] for row in answer["parties"]}


def test_the_response_has_the_documented_shape(text, as_reader):
    ratification, force = (
        TreatyAction.objects.get(kind="ratification", party__code="AUS"),
        TreatyAction.objects.get(kind="entry_into_force"),
    )
    pair = TreatyAction.objects.get(counterparty__code="JPN")

    answer = as_reader.get(STANDING, {"on": "2024-12-20"}).json()

    assert list(answer) == ["agreement", "on", "text", "actions_complete_as_of", "parties", "pairs", "conditions"]
    assert (answer["agreement"], answer["on"]) == ("cptpp", "2024-12-20")
    assert answer["text"] == {
        "standing": "in_force", "since": "2018-12-30", "actions": [str(force.uid)], "approximate": False,
        "sentence": "The text has been in force since 2018-12-30: entry into force 2018-12-30.",
    }  # fmt: skip
    assert answer["parties"][0] == {
        "party": "AUS", "standing": "bound", "bound": True, "since": "2018-12-30", "actions": [str(ratification.uid), str(force.uid)],
        "approximate": False, "incomplete": False, "via": None,
        "sentence": "Aus has been bound since 2018-12-30: ratification 2018-10-31, entry into force 2018-12-30.",
    }  # fmt: skip
    assert codes(answer) == {"AUS": "bound", "GBR": "bound", "JPN": "bound", "USA": "none"}
    assert answer["parties"][3]["since"] is None
    assert answer["pairs"] == [{"parties": ["GBR", "JPN"], "since": "2024-12-15", "actions": [str(pair.uid)], "via": None}]
    assert answer["conditions"] == [
        {
            "uid": str(text.conditions.get().uid), "kind": "named_parties", "met": False, "met_on": None,
            "missing": {"number": None, "parties": ["USA"], "on": None}, "text": "Article 3",
        }
    ]  # fmt: skip


def test_the_default_date_is_today(text, as_reader):
    answer = as_reader.get(STANDING).json()

    assert answer["on"] == today().isoformat()
    assert [pair["parties"] for pair in answer["pairs"]] == [["AUS", "GBR"], ["GBR", "JPN"]]


def test_before_the_first_action_there_is_no_standing(text, as_reader):
    answer = as_reader.get(STANDING, {"on": "2000-01-01"}).json()

    assert (answer["text"]["standing"], set(codes(answer).values())) == ("unknown", {"none"})


def test_the_editorial_status_is_not_overwritten(text, as_reader):
    assert as_reader.get("agreements/cptpp/").json()["status"] == "unknown"


@pytest.mark.parametrize(
    "query", ["on=2024-02-30", "on=2024", "on=", "on=2024-01-01&on=2024-01-02", "day=2024-01-01", "on=today", "on=%00"]
)
def test_an_invalid_date_is_rejected_with_a_message(text, as_reader, query):
    response = as_reader.get(f"{STANDING}?{query}")

    assert (response.status_code, list(response.json())) == (400, [query.partition("=")[0]])


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_the_ends_of_the_calendar_are_accepted(text, as_reader, day):
    assert as_reader.get(STANDING, {"on": day}).status_code == 200


def test_a_hidden_agreement_has_no_standing(text, as_reader, as_administrator):
    change_with_reason(Agreement.objects.filter(pk=text.pk), visibility="restricted")

    assert as_reader.get(STANDING).status_code == 404
    assert as_administrator.get(STANDING).status_code == 200
    assert as_administrator.get("agreements/nowhere/standing/").status_code == 404


def test_anonymous_users_read_it_with_public_read(text, settings):
    assert Api().get(STANDING).status_code == 401
    settings.PUBLIC_READ = True

    assert Api().get(STANDING).status_code == 200


def test_the_number_of_queries_does_not_depend_on_the_number_of_parties(text, as_administrator):
    as_administrator.get(STANDING)  # caches the roles of the user
    few = count_queries(as_administrator.get, STANDING)
    for number in range(60):
        party = make_party(f"P{number}")
        make_action(text, "ratification", party, "2019")
        Participation.objects.create(agreement=text, party=party, role="party")

    assert count_queries(as_administrator.get, STANDING) == few <= 9


# ---- filters


@pytest.fixture
def others(text):
    made = make_agreement(slug="made", legal_force="non_binding")
    make_action(made, "signature", make_party("AUS"), "2025-10-20")
    make_agreement(slug="untouched")
    return made


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("party_standing=AUS:bound", ["cptpp"]),
        ("party_standing=AUS:participant", ["made"]),
        ("party_standing=AUS:bound&party_standing=AUS:participant", ["cptpp", "made"]),
        ("party_standing=AUS:contracting", []),
        ("party_standing=AUS:contracting&on=2018-11-01", ["cptpp"]),
        ("party_standing=USA:none", ["cptpp"]),
        ("party_standing=GBR:none&on=2024-12-14", ["cptpp"]),
        ("party_standing=GBR:bound&party=JPN", []),
        ("in_force_on=2018-12-29", []),
        ("in_force_on=2018-12-30", ["cptpp"]),
        ("in_force_on=2018-12-29&in_force_on=2020-01-01", ["cptpp"]),
        ("in_force_on__from=2018-12-30&in_force_on__to=2018-12-30", ["cptpp"]),
        ("in_force_on__empty=true", ["made", "untouched"]),
        ("signed_on=2025-10-20", ["made"]),
        ("ordering=-signed_on", ["made", "cptpp", "untouched"]),
    ],
)
def test_agreements_are_found_by_their_standing(others, as_reader, asked, found):
    assert found_by(as_reader, asked) == found


@pytest.mark.parametrize(
    "query",
    [
        "party_standing=AUS",
        "party_standing=AUS:married",
        "party_standing=XXX:bound",
        "party_standing=:",
        "party_standing=",
        "party_standing=A:b:c",
        "in_force_on=2018",
        "in_force_on=2018-02-30",
        "in_force_on=",
        "binds=XXX",
        "binds=",
        "text_standing=none",
        "on=2024-01-01",
        "standing=in_force",
    ],
)
def test_an_invalid_filter_value_is_rejected_with_a_message(others, as_reader, query):
    response = as_reader.get(f"agreements/?{query}")

    assert (response.status_code, list(response.json())) == (400, [query.partition("=")[0]])


@pytest.mark.parametrize("query", ["party_standing=AUS:bound", "in_force_on=2020-01-01"])
def test_a_hidden_agreement_is_found_by_no_filter(others, as_reader, query):
    change_with_reason(Agreement.objects.filter(slug="cptpp"), visibility="restricted")

    assert found_by(as_reader, query) == []


def test_a_text_that_has_ended_is_in_force_until_the_day_before(text, as_reader):
    Agreement.objects.filter(pk=text.pk).update(expires_on="2030")

    assert found_by(as_reader, "in_force_on=2030-12-31") == ["cptpp"]
    assert found_by(as_reader, "in_force_on=2031-01-01") == []


def test_an_action_of_today_changes_the_standing_of_today(text, as_analyst):
    yesterday = (today() - timedelta(1)).isoformat()
    notice = {"agreement": "cptpp", "kind": "withdrawal_notice", "party": "AUS", "acted_on": today().isoformat()}

    assert as_analyst.post("treaty-actions/", notice).status_code == 201

    assert codes(as_analyst.get(STANDING).json())["AUS"] == "withdrawing"
    assert codes(as_analyst.get(STANDING, {"on": yesterday}).json())["AUS"] == "bound"


KINDS = [
    *("signature", "ratification", "accession", "entry_into_force", "entry_into_force_for_party", "withdrawal_notice", "suspension"),
    *("resumption", "termination", "start_of_operation", "deposit", "adoption", "announcement", "provisional_application"),
]
OF_A_PARTY = {"ratification", "accession", "entry_into_force_for_party", "withdrawal_notice"}


def make_random_register(random: Random) -> None:
    """Agreements with random actions, some with accession protocols; one of the parties no longer exists."""
    parties = [make_party("AUS"), make_party("GBR"), make_party("YUG", until="2002-03")]
    dates = ["", "2000", "2000-06", "2001-02-03", "2002-05-06~", "2003"]
    made = []
    for _ in range(25):
        force = random.choice(["binding", "mixed", "undetermined", "non_binding"])
        delay = random.choice(["", "P30D"]) if force != "non_binding" else ""
        text = make_agreement(legal_force=force, expires_on=random.choice(["", "", "2002"]), later_joiner_delay=delay)
        for kind in random.sample(KINDS, random.randint(1, 7)):
            if force == "non_binding" and kind in ("ratification", "accession"):
                continue
            party = None if kind == "termination" else random.choice(parties if kind in OF_A_PARTY else [None, *parties])
            make_action(text, kind, party, random.choice(dates), effective_on=random.choice(["", "", "2002-01-01"]))
        made.append(text)
    for protocol, text in zip(made[:8], made[8:16], strict=True):
        AgreementRelation.objects.create(from_agreement=protocol, kind="accession_to", to_agreement=text)


DAYS = ("2000-01-01", "2001-12-31", "2002-01-01", "2002-03-01", "2003-01-01")


def test_the_filters_agree_with_the_functions(db, as_administrator, administrator):
    make_random_register(Random(0))
    records = load_records(Agreement.objects.values_list("pk", flat=True), administrator).values()

    for day in DAYS:
        on = date.fromisoformat(day)
        texts = {record.slug: text_standing(record, on).code for record in records}
        for code in TextStanding:
            assert set(found_by(as_administrator, f"text_standing={code}&on={day}")) == {s for s, c in texts.items() if c == code}, day
        assert set(found_by(as_administrator, f"in_force_on={day}")) == {s for s, code in texts.items() if code == "in_force"}
        for party in ("AUS", "YUG"):
            standings = {record.slug: party_standing(record, party, on) for record in records}
            assert set(found_by(as_administrator, f"binds={party}&on={day}")) == {s for s, found in standings.items() if found.bound}
            for code in set(PartyStanding) - {PartyStanding.NONE}:
                expected = {slug for slug, found in standings.items() if found.code == code}
                assert set(found_by(as_administrator, f"party_standing={party}:{code}&on={day}")) == expected, (day, party, code)


@pytest.mark.parametrize("seed", range(1, 3))
def test_the_records_that_are_read_for_one_party_give_it_the_same_standing(db, administrator, seed):
    make_random_register(Random(seed))
    ids = list(Agreement.objects.values_list("pk", flat=True))
    complete = load_records(ids, administrator)

    for party in Party.objects.all():
        of_party = load_records(ids, administrator, party=party.pk)

        for on in map(date.fromisoformat, DAYS):
            expected = {pk: party_standing(record, party.code, on) for pk, record in complete.items()}
            assert {pk: party_standing(record, party.code, on) for pk, record in of_party.items()} == expected
            assert {pk: party_standing_code(record, party.code, on) for pk, record in of_party.items()} == {
                pk: standing.code for pk, standing in expected.items()
            }


@pytest.mark.parametrize("seed", range(2, 5))
def test_the_dates_of_signature_and_force_agree_with_the_functions(db, administrator, seed):
    make_random_register(Random(seed))
    records = {record.slug: record for record in load_records(Agreement.objects.values_list("pk", flat=True), administrator).values()}

    for agreement in Agreement.objects.all():
        record = records[agreement.slug]
        effects = {first_day(stated) for action in record.actions for stated in (action.acted_on, action.effective_on)}
        days = sorted(day for day in effects if day)
        in_force = next((day for day in days if text_standing(record, day).code == "in_force"), None)
        assert agreement.in_force_on_first == in_force, agreement.slug
        signatures = [a for a in record.actions if a.kind == "signature" and a.acted_on]
        whole = [a.acted_on for a in signatures if not a.party]
        every = sorted(a.acted_on for a in signatures)
        adopted = any(a.kind == "adoption" for a in record.actions)
        expected = min(whole) if whole else (every[0] if adopted else every[-1]) if every else ""
        assert agreement.signed_on == expected, agreement.slug


# ---- accession protocols, complete records and the parameter `party`


@pytest.fixture
def acceded(text):
    """The accession of a party to the text by a separate protocol."""
    protocol = make_agreement(slug="accession", title="Accession of New Zealand", legal_force="binding")
    AgreementRelation.objects.create(from_agreement=protocol, kind="accession_to", to_agreement=text)
    make_action(protocol, "entry_into_force_for_party", make_party("NZL"), "2022-05-01")
    return protocol


def test_an_accession_protocol_gives_its_party_a_standing_on_the_agreement(acceded, as_reader):
    answer = as_reader.get(STANDING, {"on": "2023-01-01"}).json()

    rows = {row["party"]: row for row in answer["parties"]}
    assert (rows["NZL"]["standing"], rows["NZL"]["via"], rows["NZL"]["bound"]) == ("bound", "accession", True)
    assert rows["AUS"]["via"] is None
    assert found_by(as_reader, "binds=NZL") == ["accession", "cptpp"]
    assert found_by(as_reader, "party_standing=NZL:bound&on=2022-04-30") == []


def test_a_hidden_protocol_gives_no_standing(acceded, as_reader):
    change_with_reason(Agreement.objects.filter(pk=acceded.pk), visibility="restricted")

    assert "NZL" not in codes(as_reader.get(STANDING).json())
    assert found_by(as_reader, "binds=NZL") == []


def test_the_party_parameter_limits_the_parties_shown(text, as_reader):
    make_party("CHN")

    answer = as_reader.get(f"{STANDING}?party=CHN&party=AUS&on=2024-12-30").json()

    assert codes(answer) == {"AUS": "bound", "CHN": "none"}
    assert [row["incomplete"] for row in answer["parties"]] == [False, True]
    assert [pair["parties"] for pair in answer["pairs"]] == [["AUS", "GBR"]]


def test_an_unknown_party_is_rejected(text, as_reader):
    response = as_reader.get(f"{STANDING}?party=XXX")

    assert (response.status_code, list(response.json())) == (400, ["party"])


def test_a_complete_record_makes_absence_certain(text, as_analyst):
    assert as_analyst.patch("agreements/cptpp/", {"actions_complete_as_of": "2024-06-30"}).status_code == 200

    found = [as_analyst.get(f"{STANDING}?party=USA&on={day}").json() for day in ("2024-06-30", "2024-07-01")]

    assert [answer["parties"][0]["incomplete"] for answer in found] == [False, True]
    assert found[0]["actions_complete_as_of"] == "2024-06-30"


def test_on_requires_a_filter_that_depends_on_the_date(text, as_reader):
    response = as_reader.get("agreements/?on=2024-01-01&in_force_on=2024-01-01")

    assert (response.status_code, list(response.json())) == (400, ["on"])
    assert found_by(as_reader, "text_standing=in_force&on=2024-01-01") == ["cptpp"]


def test_the_standing_of_a_large_text_is_computed_in_bounded_time(text, administrator):
    """180 parties with four actions each. The time limit is generous, because the machine may be busy."""
    for number in range(180):
        party = make_party(f"P{number:03}")
        for kind in ("signature", "ratification", "deposit", "entry_into_force_for_party"):
            make_action(text, kind, party, f"2019-0{1 + number % 9}-01")
    record = load_records([text.pk], administrator)[text.pk]

    begun = process_time()
    standing_document(record, date(2026, 1, 1))

    assert process_time() - begun < 1
