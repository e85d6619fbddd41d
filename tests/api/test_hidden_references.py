"""References to hidden records: they are left out, are kept by writes, and reveal nothing."""

import pytest

from agreements.models import AgreementRelation, Citation
from recommendations.models import Addressee, Recommendation
from tests.api.client import Api
from tests.api.world import RESOURCES
from tests.conftest import make_user
from tests.make import (
    make_action,
    make_agreement,
    make_commitment,
    make_component,
    make_condition,
    make_indicator,
    make_measurement,
    make_outcome,
    make_recommendation,
    make_source,
)

SECRET = {"visibility": "restricted"}


@pytest.fixture
def secrets(world, analyst):
    """A recommendation with every kind of reference to records that an analyst may not read."""
    world.secret = make_agreement(slug="secret", title="Secret", **SECRET)
    world.secret_part = make_component(world.secret, slug="secret-part", **SECRET)
    make_indicator(make_outcome(world.secret, slug="secret-outcome"), slug="secret-indicator")
    world.secret_source = make_source(slug="secret-source", title="Secret paper", **SECRET)
    world.secret_act = make_recommendation(world.secret, slug="secret-act", **SECRET)
    Recommendation.objects.filter(pk=world.act.pk).update(
        parent=world.secret_act, superseded_by=world.secret_act, source=world.secret_source, locator="p. 9", quote="the secret words"
    )
    world.act.agreements.set([world.aukus, world.secret])
    world.act.components.set([world.part, world.secret_part])
    return world


def test_a_hidden_reference_is_omitted_from_lists_and_null_in_single_fields(secrets, as_analyst, as_administrator):
    seen, whole = (client.get("recommendations/act/").json() for client in (as_analyst, as_administrator))

    assert (seen["agreements"], seen["components"]) == (["aukus"], ["pillar-one"])
    assert seen["parent"] is seen["superseded_by"] is seen["source"] is None
    assert (seen["locator"], seen["quote"]) == ("", "")
    assert (whole["agreements"], whole["components"]) == (["aukus", "secret"], ["pillar-one", "secret-part"])
    assert (whole["parent"], whole["superseded_by"], whole["source"]) == ("secret-act", "secret-act", "secret-source")
    assert (whole["locator"], whole["quote"]) == ("p. 9", "the secret words")


def test_hidden_references_are_not_expanded(secrets, as_analyst):
    for address in ("recommendations/act/", "recommendations/"):
        answer = as_analyst.get(f"{address}?expand=agreements,components,parent,superseded_by,source")
        assert answer.status_code == 200 and b"ecret" not in answer.content


@pytest.mark.parametrize("method", ["put", "patch"])
def test_a_write_keeps_hidden_references(secrets, as_analyst, as_administrator, method):
    whole, seen = (client.get("recommendations/act/").json() for client in (as_administrator, as_analyst))

    written = getattr(as_analyst, method)("recommendations/act/", seen | {"details": "New."})

    assert written.status_code == 200, written.content
    assert written.json() == seen | {"details": "New.", "version": written.json()["version"], "updated_at": written.json()["updated_at"]}
    after = as_administrator.get("recommendations/act/").json()
    assert {n: v for n, v in after.items() if n not in ("version", "updated_at")} == {
        n: v for n, v in (whole | {"details": "New."}).items() if n not in ("version", "updated_at")
    }


def test_a_put_without_them_keeps_hidden_references(secrets, as_analyst, as_administrator):
    assert as_analyst.put("recommendations/act/", {"key_action": "Act"}).status_code == 200

    after = as_administrator.get("recommendations/act/").json()

    assert (after["agreements"], after["components"]) == (["secret"], ["secret-part"])
    assert (after["parent"], after["source"], after["locator"], after["quote"]) == (
        "secret-act",
        "secret-source",
        "p. 9",
        "the secret words",
    )


def test_visible_links_change_and_hidden_links_stay(secrets, as_analyst, as_administrator):
    assert as_analyst.patch("recommendations/act/", {"agreements": ["quad"]}).json()["agreements"] == ["quad"]
    assert as_administrator.get("recommendations/act/").json()["agreements"] == ["quad", "secret"]
    assert as_analyst.patch("recommendations/act/", {"agreements": []}).json()["agreements"] == []
    assert as_administrator.get("recommendations/act/").json()["agreements"] == ["secret"]
    assert as_administrator.patch("recommendations/act/", {"agreements": []}).json()["agreements"] == []


def test_replacing_a_hidden_source_clears_its_locator_and_quote(secrets, as_analyst, as_administrator):
    """A new source replaces the locator and quote of the hidden one."""
    written = as_analyst.patch("recommendations/act/", {"source": "gazette", "locator": "p. 1"}).json()

    assert (written["source"], written["locator"]) == ("gazette", "p. 1")
    assert "secret" not in written["quote"]


@pytest.mark.parametrize(
    "address",
    [
        *("agreement-relations", "addressees", "fact-checks"),
        *("treaty-actions", "entry-into-force-conditions", "commitments", "measurements"),
    ],
)
def test_locator_and_quote_of_a_hidden_source_are_empty(secrets, as_analyst, as_administrator, address):
    words = {"source": secrets.secret_source, "locator": "p. 9", "quote": "the secret words"}
    match address:
        case "agreement-relations":
            record = AgreementRelation.objects.create(from_agreement=secrets.aukus, kind="amends", to_agreement=secrets.quad, **words)
        case "addressees":
            record = Addressee.objects.create(recommendation=secrets.later, party=secrets.gbr, **words)
        case "treaty-actions":
            record = make_action(secrets.aukus, **words)
        case "entry-into-force-conditions":
            record = make_condition(secrets.aukus, **words)
        case "commitments":
            record = make_commitment(secrets.aukus, **words)
        case "measurements":
            record = make_measurement(secrets.indicator, "2020", **words)
        case "fact-checks":
            as_administrator.patch("fact-checks/when/", {"correcting_source": "secret-source", "quote": "in May"})
            assert as_analyst.get("fact-checks/when/").json()["correcting_source"] is None
            assert as_analyst.get("fact-checks/when/").json()["quote"] == "in May"
            as_analyst.put("fact-checks/when/", as_analyst.get("fact-checks/when/").json() | {"correction": "June"})
            assert as_administrator.get("fact-checks/when/").json()["correcting_source"] == "secret-source"
            return
    at = f"{address}/{record.uid}/"

    seen = as_analyst.get(at).json()
    assert (seen["source"], seen["locator"], seen["quote"]) == (None, "", "")
    assert seen == next(row for row in as_analyst.list(f"{address}/")["results"] if row["uid"] == str(record.uid))
    assert as_analyst.put(at, seen).json() == seen
    whole = as_administrator.get(at).json()
    assert (whole["source"], whole["locator"], whole["quote"]) == ("secret-source", "p. 9", "the secret words")


def test_filters_do_not_find_the_text_of_a_hidden_source(secrets, as_analyst, as_administrator):
    for question in (
        {"locator": "p. 9"},
        {"quote": "the secret words"},
        {"source__empty": "false", "quote__empty": "false"},
        {"locator__empty": "false"},
    ):
        assert as_administrator.keys("recommendations/", **question) == ["act"], question
        assert as_analyst.keys("recommendations/", **question) == [], question
    for question in ({"parent__empty": "false"}, {"source__empty": "false"}):
        assert as_administrator.keys("recommendations/", **question) == ["act"], question
        assert as_analyst.keys("recommendations/", **question) == [], question


def test_ordering_does_not_reveal_the_text_of_a_hidden_source(secrets, as_analyst, as_administrator):
    as_administrator.patch("recommendations/later/", {"source": "gazette", "quote": "their words", "locator": "p. 8"})

    assert (
        as_administrator.keys("recommendations/", ordering="-quote")
        == as_administrator.keys("recommendations/", ordering="locator")
        == ["later", "act", "secret-act"]
    )
    for by in ("quote", "-quote", "locator", "-locator", "source", "-source"):
        assert as_analyst.keys("recommendations/", ordering=by) == ["later", "act"], by
    for by in ("parent", "superseded_by"):
        assert as_analyst.keys("recommendations/", ordering=by) == ["act", "later"], by


def test_links_to_hidden_records_count_as_empty(secrets, as_analyst, as_administrator):
    secrets.later.agreements.set([secrets.secret])

    assert as_administrator.keys("recommendations/", agreements__empty="true") == []
    assert as_analyst.keys("recommendations/", agreements__empty="true") == ["later"]
    assert as_analyst.keys("recommendations/", agreements__empty="false") == ["act"]


def test_relations_to_hidden_records_are_not_shown(secrets, as_analyst, as_administrator):
    AgreementRelation.objects.create(from_agreement=secrets.secret, kind="amends", to_agreement=secrets.aukus)

    assert [row["agreement"] for row in as_analyst.get("agreements/aukus/").json()["relations"]] == ["quad"]
    assert len(as_administrator.get("agreements/aukus/").json()["relations"]) == 2


def test_a_hidden_record_cannot_be_referenced_and_is_unknown(secrets, as_analyst):
    bodies = {
        "recommendations": {
            "slug": "n",
            "key_action": "x",
            "agreements": ["secret"],
            "components": ["secret-part"],
            "parent": "secret-act",
            "source": "secret-source",
        },
        "components": {"slug": "n", "agreement": "secret", "title": "x"},
        "participations": {"agreement": "secret", "party": "AUS", "role": "host"},
        "treaty-actions": {"agreement": "secret", "kind": "signature", "source": "secret-source"},
        "entry-into-force-conditions": {"agreement": "secret", "kind": "on_signature", "source": "secret-source"},
        "commitments": {"agreement": "secret", "component": "secret-part", "stage": "announced", "amount": "1", "currency": "AUD"},
        "indicators": {"slug": "n", "outcome": "secret-outcome", "name": "x"},
        "measurements": {"indicator": "secret-indicator", "measured_on": "2025", "value": "1"},
        "citations": {"source": "secret-source", "agreement": "secret"},
        "agreement-relations": {"from": "aukus", "kind": "amends", "to": "secret"},
        "addressees": {"recommendation": "secret-act", "party": "GBR"},
        "milestones": {"recommendation": "secret-act", "title": "x"},
        "dependencies": {"recommendation": "act", "depends_on": "secret-act"},
        "fact-checks": {"slug": "n", "source": "secret-source", "statement": "x", "correcting_source": "secret-source"},
    }
    for address, body in bodies.items():
        hidden = as_analyst.post(f"{address}/", body)
        missing = as_analyst.post(
            f"{address}/",
            {n: ([v[0].replace("secret", "absent")] if isinstance(v, list) else v.replace("secret", "absent")) for n, v in body.items()},
        )
        assert hidden.status_code == missing.status_code == 400
        assert hidden.content.replace(b"secret", b"absent") == missing.content
        assert set(hidden.json()) - {"_codes"} == {n for n, v in body.items() if "secret" in str(v)}


def test_writing_a_child_of_a_hidden_record_is_404(secrets, as_analyst, as_reader):
    citation = Citation.objects.create(source=secrets.secret_source, agreement=secrets.aukus)

    for at in (f"citations/{citation.uid}/", "agreements/secret/", "components/secret-part/", "sources/secret-source/"):
        for response in (as_analyst.get(at), as_analyst.patch(at, {}), as_analyst.put(at, {}), as_analyst.delete(at)):
            assert response.status_code == 404 and response.json() == {"code": "not_found", "detail": "There is no such record."}


def test_the_owner_can_read_a_restricted_record(secrets, as_administrator):
    member = make_user("member", "analyst")
    as_administrator.patch("agreements/secret/", {"team": ["member"]})

    seen = Api(member).get("recommendations/act/").json()

    assert seen["agreements"] == ["aukus", "secret"] and seen["components"] == ["pillar-one", "secret-part"]
    assert seen["parent"] == "secret-act" and seen["source"] is None
    assert RESOURCES["recommendations"].field_names == set(seen)
