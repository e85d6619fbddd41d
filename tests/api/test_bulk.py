"""Bulk create and update: all entries or none, with the same errors as if each entry were sent alone."""

import pytest
from django.db import connection

from agreements.models import Agreement, Component, Party
from policytracker.records.changes import Change
from policytracker.writing import entries as bulk
from tests.api.client import Api
from tests.api.world import RESOURCES
from tests.make import change_with_reason, make_action, make_agreement, make_component, make_party, make_recommendation, make_source
from tests.queries import captured_queries

MISSING = "99999999-9999-4999-8999-999999999999"


def errors(response) -> dict:
    assert response.status_code == 400, response.content
    assert list(response.json()) == ["errors"]
    return response.json()["errors"]


def fields(body: dict) -> set[str]:
    return {name for name in body if not name.startswith("_")}


def without_times(record: dict) -> dict:
    return {name: value for name, value in record.items() if name not in ("uid", "url", "created_at", "updated_at")}


# ---- create


@pytest.mark.parametrize("address", [address for address, resource in RESOURCES.items() if address != "progress-updates"])
def test_a_record_created_in_a_list_equals_one_created_alone(world, as_analyst, reviewer, address):
    body = RESOURCES[address].full
    together = as_analyst.post(f"{address}/", [body])
    [record] = together.json()
    connection.cursor().execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")
    assert as_analyst.delete(RESOURCES[address].at(record)).status_code == 204

    alone = as_analyst.post(f"{address}/", body)

    assert together.status_code == 201, together.content
    assert without_times(record) == without_times(alone.json())
    assert record["version"] == 1


def test_entries_may_refer_to_earlier_entries(world, as_analyst):
    bodies = [
        {"slug": "one", "agreement": "aukus", "title": "1"},
        {"slug": "two", "agreement": "aukus", "title": "2", "parent": "one"},
        {"slug": "three", "agreement": "aukus", "title": "3", "parent": "two"},
    ]

    made = as_analyst.post("components/", bodies)

    assert [row["parent"] for row in made.json()] == [None, "one", "two"]
    assert set(Component.objects.filter(slug__in=["one", "two", "three"]).values_list("version", flat=True)) == {1}


def test_a_refused_entry_has_the_same_error_as_if_sent_alone(world, as_analyst, as_reviewer):
    as_reviewer.patch("agreements/quad/", {"publication": "archived", "change_reason": "done"})
    bodies = [
        {"slug": "fine", "agreement": "aukus", "title": "Fine"},
        {"slug": "closed", "agreement": "quad", "title": "Closed"},
        {"slug": "untitled", "agreement": "aukus"},
        {"slug": "half", "agreement": "aukus", "title": "Half", "due_offset": "P6M", "due_on": "never"},
        {"slug": "archived", "agreement": "aukus", "title": "A", "publication": "archived"},
        {"slug": "other", "agreement": "aukus", "title": "O", "due_offset": "P6M"},
    ]
    alone = {str(index): as_analyst.post("components/", body) for index, body in enumerate(bodies) if index}

    found = errors(as_analyst.post("components/", bodies))

    assert found == {index: response.json() for index, response in alone.items()}
    assert (found["1"]["code"], found["4"]["code"]) == ("closed_record", "not_permitted")
    assert not Component.objects.filter(slug="fine").exists()


def test_a_list_without_a_permitted_entry_is_403(world, as_analyst, as_reader):
    archived = [{"slug": f"s{n}", "kind": "news", "publication": "archived"} for n in range(2)]

    assert as_reader.post("sources/", archived).status_code == 403
    refused = as_analyst.post("sources/", archived)

    assert (refused.status_code, refused.json()["code"]) == (403, "not_permitted")
    assert set(errors(as_analyst.post("sources/", [*archived, {"slug": "s3", "kind": "news"}]))) == {"0", "1"}


def test_an_entry_may_have_its_own_reason(world, as_analyst):
    bodies = [{"code": "a", "name": "A", "change_reason": "first"}, {"code": "b", "name": "B"}, {"code": "c", "name": "C"}]

    assert as_analyst.post("sectors/", bodies).status_code == 201
    assert as_analyst.post("sectors/", [{"code": "d", "name": "D"}], HTTP_X_CHANGE_REASON="for all").status_code == 201

    reasons = [as_analyst.get(f"sectors/{code}/history/").json()["results"][0]["reason"] for code in "abcd"]
    assert reasons == ["first", "", "", "for all"]
    assert set(errors(as_analyst.post("sectors/", [{"code": "e", "name": "E", "change_reason": ["x"]}, {"code": "f", "name": "F"}]))) == {
        "0"
    }


def test_entries_may_refer_only_to_readable_records(world, as_analyst):
    make_source(slug="secret", visibility="restricted")
    body = {"source": "secret", "agreement": "aukus"}

    found = errors(as_analyst.post("citations/", [body, body | {"source": "communique"}]))

    assert found == {"0": as_analyst.post("citations/", body).json()}


def test_a_repeated_list_is_created_once(world, as_analyst):
    sent = [as_analyst.post("sectors/", [{"code": "a", "name": "A"}], HTTP_IDEMPOTENCY_KEY="k") for _ in range(2)]

    assert sent[0].json() == sent[1].json()
    assert sent[1]["Idempotent-Replayed"] == "true"


# ---- update


@pytest.fixture
def three(world):
    made = [make_component(Agreement.objects.get(slug="aukus"), slug=slug, due_on="2030") for slug in ("a", "b", "c")]
    Change.objects.all().delete()  # as if created in an earlier transaction, because links count once per transaction
    return made


def test_a_list_updates_several_records(three, as_analyst):
    answer = as_analyst.patch(
        "components/?fields=slug,title,version,lead_parties",
        [{"slug": "c", "title": "C", "version": 1, "lead_parties": ["AUS"]}, {"slug": "a", "lead_parties": ["GBR"]}, {"slug": "b"}],
    )

    assert answer.status_code == 200, answer.content
    assert answer.json() == [
        {"slug": "c", "title": "C", "version": 2, "lead_parties": ["AUS"]},
        {"slug": "a", "title": "a", "version": 2, "lead_parties": ["GBR"]},
        {"slug": "b", "title": "b", "version": 1, "lead_parties": []},
    ]


def test_a_refused_update_has_the_same_error_as_if_sent_alone(three, as_analyst):
    bodies = {
        "a": {"title": "", "version": 1},
        "b": {"title": "B", "version": 7},
        "c": {"due_on": "2031"},
        "nobody": {"title": "N"},
    }
    alone = {key: as_analyst.patch(f"components/{key}/", body) for key, body in bodies.items()}
    good = {"slug": make_component(three[0].agreement, slug="d").slug, "title": "D"}

    found = errors(as_analyst.patch("components/", [good, *({"slug": key} | body for key, body in bodies.items()), good]))

    assert [found[str(n)] for n in range(1, 5)] == [response.json() for response in alone.values()]
    assert [response.status_code for response in alone.values()] == [400, 412, 400, 404]
    assert found["2"]["current_version"] == 1
    assert (found["3"]["code"], found["4"]["code"]) == ("reason_required", "not_found")
    assert fields(found["5"]) == {"slug"}
    assert set(Component.objects.filter(slug__in="abcd").values_list("version", flat=True)) == {1}


@pytest.mark.parametrize("entry", [[], "a", 5, None, {}, {"title": "T"}, {"slug": None}, {"slug": 5}, {"slug": ["a"]}, {"slug": "\0"}])
def test_an_entry_without_an_existing_key_is_rejected(three, as_analyst, entry):
    assert set(errors(as_analyst.patch("components/", [{"slug": "a", "title": "A"}, entry]))) == {"1"}


def test_a_list_of_updates_has_at_most_500_entries(three, as_analyst):
    for body in ({"slug": "a", "title": "A"}, [{"slug": "a", "title": "A"}] * 501):
        answer = as_analyst.patch("components/", body)
        assert answer.status_code == 400 and fields(answer.json()) == {"non_field_errors"}
    assert as_analyst.patch("components/", []).json() == []
    assert as_analyst.patch("progress-updates/", []).status_code == 405
    assert as_analyst.put("components/", []).status_code == 405


def test_a_list_of_updates_requires_the_permission_to_change(three, as_reader, as_officer):
    for client in (as_reader, as_officer, Api()):
        assert client.patch("components/", [{"slug": "a", "title": "A"}]).status_code in (401, 403)


def test_the_key_of_a_hidden_record_is_unknown(three, as_analyst):
    change_with_reason(Component.objects.filter(slug="a"), visibility="restricted")

    found = errors(as_analyst.patch("components/", [{"slug": "a", "title": "A"}, {"slug": "b", "title": "B"}]))

    assert found["0"]["code"] == "not_found"


def test_an_update_keeps_hidden_references(world, as_analyst, as_administrator):
    secret, shown = make_source(visibility="restricted"), make_source()
    hidden = make_agreement(visibility="restricted")
    actions = [make_action(world.aukus, "announcement", acted_on=f"202{n}", source=secret, quote="q") for n in range(2)]
    recommendation = make_recommendation(world.aukus, hidden)

    bodies = [{"uid": str(actions[0].uid), "source": None, "quote": ""}, {"uid": str(actions[1].uid).upper(), "source": shown.slug}]
    assert as_analyst.patch("treaty-actions/", bodies).status_code == 200
    assert as_analyst.patch("recommendations/", [{"slug": recommendation.slug, "agreements": []}]).status_code == 200

    for action in actions:
        action.refresh_from_db()
    assert [(action.source, action.quote) for action in actions] == [(secret, "q"), (shown, "")]
    assert list(recommendation.agreements.all()) == [hidden]


def test_entries_need_a_version_if_if_match_is_required(three, as_analyst, settings):
    settings.REQUIRE_IF_MATCH = True

    assert as_analyst.patch("components/", [{"slug": "a", "title": "A", "version": 1}]).status_code == 200
    found = errors(as_analyst.patch("components/", [{"slug": "a", "title": "A", "version": 2}, {"slug": "b", "title": "B"}]))

    assert found["1"]["code"] == "if_match_required"
    assert as_analyst.patch("components/", [{"slug": "b", "title": "B"}], HTTP_IF_MATCH="*").status_code == 200


def test_entries_of_a_list_may_swap_unique_values(world, as_analyst):
    make_party("ONE", iso_alpha2="XA"), make_party("TWO", iso_alpha2="XB")

    freed = as_analyst.patch("parties/", [{"code": "ONE", "iso_alpha2": "XC"}, {"code": "TWO", "iso_alpha2": "XA"}])

    assert freed.status_code == 200, freed.content
    assert list(Party.objects.filter(code__in=["ONE", "TWO"]).values_list("iso_alpha2", flat=True)) == ["XC", "XA"]


def test_the_history_has_the_reason_of_each_entry(three, as_analyst):
    bodies = [{"slug": "a", "due_on": "2031", "change_reason": "moved"}, {"slug": "b", "due_on": "2032", "change_reason": "too"}]

    assert as_analyst.patch("components/", bodies).status_code == 200

    entries = [as_analyst.get(f"components/{key}/history/").json()["results"][0] for key in "ab"]
    assert [(entry["reason"], list(entry["changes"])) for entry in entries] == [("moved", ["due_on"]), ("too", ["due_on"])]


# ---- cost


def test_the_number_of_statements_does_not_depend_on_the_length_of_the_list(world, as_analyst):
    Party.objects.bulk_create(Party(code=f"P{n}", name="P", kind="state") for n in range(80))
    binding = make_agreement(legal_force="binding")

    def statements(first, last):
        rows = [{"agreement": binding.slug, "kind": "accession", "party": f"P{n}", "acted_on": "2020"} for n in range(first, last)]
        with captured_queries(savepoints=True) as post:
            made = as_analyst.post("treaty-actions/", rows)
        assert made.status_code == 201, made.content
        with captured_queries(savepoints=True) as patch:
            changed = as_analyst.patch("treaty-actions/", [{"uid": row["uid"], "note": "seen"} for row in made.json()])
        assert changed.status_code == 200, changed.content
        return len(post), len(patch)

    statements(0, 1)  # queries that are cached
    few = statements(1, 11)

    assert statements(11, 71) == few
    assert Agreement.objects.get(pk=binding.pk).version == 1


def test_stored_records_are_rendered_before_a_change_only_to_compare_read_only_fields(three, as_analyst):
    def statements(**values):
        with captured_queries() as queries:
            changed = as_analyst.patch("components/", [{"slug": key, **values} for key in "ab"])
        return changed.status_code, len(queries)

    statements(title="Same")  # queries that are cached
    code, number = statements(title="Same")

    assert (code, statements(title="Same", original_due_on="2030")) == (200, (200, number + 1))
    assert statements(title="Same", original_due_on="2031")[0] == 400


def test_a_list_of_actions_updates_the_agreement_once(world, as_analyst):
    agreement = make_agreement(legal_force="binding")
    Party.objects.bulk_create(Party(code=f"P{n}", name="P", kind="state") for n in range(9))
    Change.objects.all().delete()  # as if created in an earlier transaction
    actions = {"agreement": agreement.slug, "kind": "signature"}

    made = as_analyst.post("treaty-actions/", [actions | {"party": f"P{n}", "acted_on": f"2020-01-0{n + 1}"} for n in range(9)])

    assert made.status_code == 201, made.content
    agreement.refresh_from_db()
    assert (agreement.signed_on, agreement.version) == ("2020-01-09", 2)


def test_entries_are_put_in_the_order_in_which_they_need_each_other():
    chain = {number: [number + 1] for number in range(4_998)}

    assert bulk.in_order(4_999, chain) == list(range(4_998, -1, -1))
    assert bulk.in_order(4, {0: [2], 2: [0, 3]}) == [3, 2, 0, 1]  # a circle is refused later, by its own rule
