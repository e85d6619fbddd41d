"""`standing/`, and the questions of standing that the list of agreements answers (API.md 3 and 6)."""

from datetime import date, timedelta
from random import Random

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agreements import acts
from agreements.models import Agreement, Participation, TreatyAction
from agreements.standing import party_standing, text_standing
from policytracker.views import today
from tests.api.client import Api
from tests.make import change_with_reason, make_action, make_agreement, make_condition, make_party

STANDING = "agreements/cptpp/standing/"


@pytest.fixture
def text(db):
    """A binding text of four, in force between three of them by whole and by pairs."""
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


def test_the_answer_has_the_promised_shape(text, as_reader):
    ratification, force = (
        TreatyAction.objects.get(kind="ratification", party__code="AUS"),
        TreatyAction.objects.get(kind="entry_into_force"),
    )
    pair = TreatyAction.objects.get(counterparty__code="JPN")

    answer = as_reader.get(STANDING, {"on": "2024-12-20"}).json()

    assert list(answer) == ["agreement", "on", "text", "parties", "pairs", "conditions"]
    assert (answer["agreement"], answer["on"]) == ("cptpp", "2024-12-20")
    assert answer["text"] == {
        "standing": "in_force", "since": "2018-12-30", "actions": [str(force.uid)], "approximate": False,
        "sentence": "The text has been in force since 2018-12-30: entry into force 2018-12-30.",
    }  # fmt: skip
    assert answer["parties"][0] == {
        "party": "AUS", "standing": "bound", "bound": True, "since": "2018-12-30", "actions": [str(ratification.uid), str(force.uid)],
        "approximate": False, "sentence": "AUS has been bound since 2018-12-30: ratification 2018-10-31, entry into force 2018-12-30.",
    }  # fmt: skip
    assert codes(answer) == {"AUS": "bound", "GBR": "bound", "JPN": "bound", "USA": "none"}
    assert answer["parties"][3]["since"] is None
    assert answer["pairs"] == [{"parties": ["GBR", "JPN"], "since": "2024-12-15", "actions": [str(pair.uid)]}]
    assert answer["conditions"] == [
        {
            "uid": str(text.conditions.get().uid), "kind": "named_parties", "met": False, "met_on": None,
            "missing": {"number": None, "parties": ["USA"], "on": None}, "text": "Article 3",
        }
    ]  # fmt: skip


def test_without_a_day_it_is_of_today(text, as_reader):
    answer = as_reader.get(STANDING).json()

    assert answer["on"] == today().isoformat()
    assert [pair["parties"] for pair in answer["pairs"]] == [["AUS", "GBR"], ["GBR", "JPN"]]


def test_before_anything_happened_nothing_stands(text, as_reader):
    answer = as_reader.get(STANDING, {"on": "2000-01-01"}).json()

    assert (answer["text"]["standing"], set(codes(answer).values())) == ("unknown", {"none"})


def test_the_editors_status_is_not_overwritten(text, as_reader):
    assert as_reader.get("agreements/cptpp/").json()["status"] == "unknown"


@pytest.mark.parametrize(
    "query", ["on=2024-02-30", "on=2024", "on=", "on=2024-01-01&on=2024-01-02", "day=2024-01-01", "on=today", "on=%00"]
)
def test_a_day_that_is_none_gets_a_sentence(text, as_reader, query):
    response = as_reader.get(f"{STANDING}?{query}")

    assert (response.status_code, list(response.json())) == (400, [query.partition("=")[0]])


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_the_ends_of_the_calendar_are_asked_for_like_others(text, as_reader, day):
    assert as_reader.get(STANDING, {"on": day}).status_code == 200


def test_what_one_may_not_read_has_no_standing(text, as_reader, as_administrator):
    change_with_reason(Agreement.objects.filter(pk=text.pk), visibility="restricted")

    assert as_reader.get(STANDING).status_code == 404
    assert as_administrator.get(STANDING).status_code == 200
    assert as_administrator.get("agreements/nowhere/standing/").status_code == 404


def test_the_anonymous_read_it_where_the_site_is_open(text, settings):
    assert Api().get(STANDING).status_code == 401
    settings.PUBLIC_READ = True

    assert Api().get(STANDING).status_code == 200


def test_it_costs_the_same_for_few_parties_and_for_many(text, as_administrator):
    def asked():
        with CaptureQueriesContext(connection) as queries:
            assert as_administrator.get(STANDING).status_code == 200
        return len([q for q in queries if "SAVEPOINT" not in q["sql"]])

    asked()  # whose roles are then known
    few = asked()
    for number in range(60):
        party = make_party(f"P{number}")
        make_action(text, "ratification", party, "2019")
        Participation.objects.create(agreement=text, party=party, role="party")

    assert asked() == few <= 9


# ---- questions


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
        "standing=in_force",
    ],
)
def test_a_question_that_is_none_gets_a_sentence(others, as_reader, query):
    response = as_reader.get(f"agreements/?{query}")

    assert (response.status_code, list(response.json())) == (400, [query.partition("=")[0]])


@pytest.mark.parametrize("query", ["party_standing=AUS:bound", "in_force_on=2020-01-01"])
def test_a_hidden_agreement_is_found_by_no_question(others, as_reader, query):
    change_with_reason(Agreement.objects.filter(slug="cptpp"), visibility="restricted")

    assert found_by(as_reader, query) == []


def test_a_text_that_has_ended_is_in_force_until_the_day_before(text, as_reader):
    Agreement.objects.filter(pk=text.pk).update(expires_on="2030")

    assert found_by(as_reader, "in_force_on=2030-12-31") == ["cptpp"]
    assert found_by(as_reader, "in_force_on=2031-01-01") == []


def test_the_standing_of_today_moves_with_an_act_of_today(text, as_analyst):
    yesterday = (today() - timedelta(1)).isoformat()
    notice = {"agreement": "cptpp", "kind": "withdrawal_notice", "party": "AUS", "acted_on": today().isoformat()}

    assert as_analyst.post("treaty-actions/", notice).status_code == 201

    assert codes(as_analyst.get(STANDING).json())["AUS"] == "withdrawing"
    assert codes(as_analyst.get(STANDING, {"on": yesterday}).json())["AUS"] == "bound"


@pytest.mark.parametrize("seed", range(4))
def test_the_questions_find_what_the_functions_say(db, as_administrator, seed):
    random = Random(seed)
    parties = [make_party(code) for code in ("AUS", "GBR")]
    kinds = ["signature", "ratification", "entry_into_force", "entry_into_force_for_party", "withdrawal_notice", "suspension"]
    kinds += ["resumption", "termination", "start_of_operation", "deposit"]
    dates = ["", "2000", "2000-06", "2001-02-03", "2002-05-06~", "2003"]
    for _ in range(25):
        text = make_agreement(legal_force=random.choice(["binding", "mixed", "undetermined"]), expires_on=random.choice(["", "", "2002"]))
        for kind in random.sample(kinds, random.randint(1, 6)):
            party = random.choice([None, *parties])
            make_action(text, kind, party, random.choice(dates), effective_on=random.choice(["", "", "2002-01-01"]))
    texts = acts.texts(Agreement.objects.values_list("pk", flat=True))

    for day in ("2000-01-01", "2000-06-01", "2001-12-31", "2002-01-01", "2003-01-01", "2004-01-01"):
        on = date.fromisoformat(day)
        assert set(found_by(as_administrator, f"in_force_on={day}")) == {
            t.slug for t in texts.values() if text_standing(t, on).code == "in_force"
        }
        for code in ("bound", "withdrawing", "former_party", "signatory"):
            expected = {t.slug for t in texts.values() if party_standing(t, "AUS", on).code == code}
            assert set(found_by(as_administrator, f"party_standing=AUS:{code}&on={day}")) == expected
