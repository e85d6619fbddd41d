"""The history of records: what changed, by whom, why and through which channel."""

import re
from datetime import date

import pytest

from agreements.models import Agreement, Participation, PartyOfficer
from policytracker.records.context import change_context
from recommendations.models import Recommendation
from recommendations.progress import Report, approve, report_progress, submit, void
from tests.api.client import Api
from tests.api.world import make_world
from tests.conftest import make_user
from tests.make import make_agreement, make_party, make_recommendation, make_source
from tests.queries import count_queries

# Each request has its own transaction, as in production, because links count once per transaction.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def people(transactional_db):
    return {name: make_user(name, name) for name in ("reader", "analyst", "reviewer", "administrator")}


@pytest.fixture
def api(people):
    """API clients, one per role."""
    return {name: Api(user) for name, user in people.items()}


def entries(client, address):
    response = client.get(f"{address}history/?page_size=500")
    assert response.status_code == 200, response.content
    answer = response.json()
    assert answer["count"] == len(answer["results"])
    return answer["results"]


def history_of(client, address):
    """(version, operation, changes) of every entry, oldest first. Of a creation, only the operation."""
    return [
        (entry["version"], entry["operation"], {} if entry["operation"] == "create" else entry["changes"])
        for entry in reversed(entries(client, address))
    ]


def test_a_creation_lists_the_first_value_of_each_field(api):
    make_world()
    body = {
        "agreement": "aukus",
        "stage": "announced",
        "amount": "13000000000.50",
        "currency": "AUD",
        "source": "gazette",
        "quote": "words",
    }
    made = api["analyst"].post("commitments/", body)
    at = f"commitments/{made.json()['uid']}/"
    api["analyst"].patch(at, {"amount": "7.00", "source": "communique", "quote": "other words"})

    changes = entries(api["reader"], at)[-1]["changes"]

    assert {change["before"] for change in changes.values()} == {None}
    stored = {name: made.json()[name] for name in changes}
    assert {name: change["after"] for name, change in changes.items()} == stored
    assert set(body) <= set(changes)
    made = api["analyst"].post("recommendations/", {"slug": "new", "key_action": "New", "agreements": ["aukus"], "sectors": ["water"]})
    api["analyst"].patch("recommendations/new/", {"agreements": ["quad"], "sectors": []})
    changes = entries(api["analyst"], "recommendations/new/")[-1]["changes"]
    assert (changes["agreements"], changes["sectors"]) == ({"before": None, "after": ["aukus"]}, {"before": None, "after": ["water"]})
    assert changes["priority"] == {"before": None, "after": "unset"} and "due_on" not in changes


def test_every_version_is_one_entry_with_exactly_the_changed_fields(api):
    analyst = api["analyst"]
    make_world()
    analyst.post("agreements/", {"slug": "pact", "title": "Pact", "sectors": ["water"], "expires_on": "2030"}, HTTP_X_CHANGE_REASON="new")
    analyst.patch("agreements/pact/", {"title": "The Pact"})
    analyst.patch("agreements/pact/", {"title": "The Pact"})
    analyst.patch("agreements/pact/", {"sectors": ["energy", "water"]})
    analyst.patch("agreements/pact/", {"sectors": ["energy"], "lead": "analyst", "expires_on": None, "change_reason": "as agreed"})
    api["reviewer"].put("agreements/pact/", {"title": "Pact", "team": ["reviewer", "analyst"]})

    assert history_of(analyst, "agreements/pact/") == [
        (1, "create", {}),
        (2, "update", {"title": {"before": "Pact", "after": "The Pact"}}),
        (3, "update", {"sectors": {"before": ["water"], "after": ["energy", "water"]}}),
        (
            4,
            "update",
            {
                "sectors": {"before": ["energy", "water"], "after": ["energy"]},
                "lead": {"before": None, "after": "analyst"},
                "expires_on": {"before": "2030", "after": None},
            },
        ),
        (
            5,
            "update",
            {
                "title": {"before": "The Pact", "after": "Pact"},
                "sectors": {"before": ["energy"], "after": []},
                "lead": {"before": "analyst", "after": None},
                "team": {"before": [], "after": ["analyst", "reviewer"]},
            },
        ),
    ]
    assert analyst.get("agreements/pact/").json()["version"] == 5
    newest, *_, oldest = entries(analyst, "agreements/pact/")
    assert set(newest) == {"uid", "at", "user", "operation", "version", "reason", "channel", "line", "changes"}
    assert (oldest["user"], oldest["reason"], oldest["channel"]) == ("analyst", "new", "api")
    assert (newest["user"], newest["reason"], newest["channel"]) == ("reviewer", "", "api")
    assert newest["at"] == analyst.get("agreements/pact/").json()["updated_at"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", oldest["at"])
    for part in ("reviewer", "title", "The Pact", "Pact", "sectors", "energy", "team"):
        assert part in newest["line"]
    assert "as agreed" in entries(analyst, "agreements/pact/")[1]["line"]


def test_every_type_of_field_is_shown_as_in_the_record(api):
    analyst = api["analyst"]
    w = make_world()
    for at, body in (
        ("parties/GBR/", {"aliases": ["UK"], "iso_numeric": "826", "parent": "AUS", "since": "1707-05~"}),
        ("sources/gazette/", {"retrieved_on": "2025-01-01", "language": "en", "notes": "Long"}),
        (
            "recommendations/later/",
            {"parent": "act", "owner": "analyst", "due_on": "2030-06", "update_every": 30, "focus_area": "capital", "agreements": ["quad"]},
        ),
        ("components/pillar-one/", {"position": 4, "lead_parties": ["AUS"], "due_anchor": "signature", "due_offset": "P6M"}),
        (f"agreement-relations/{w.relation.uid}/", {"from": "aukus", "to": "quad", "note": "turned"}),
        (f"citations/{w.citation.uid}/", {"agreement": None, "outcome": "safer", "stance": "contradicts"}),
        (f"participations/{w.participation.uid}/", {"until": "2031", "role": "signatory"}),
    ):
        before = analyst.get(at).json()
        after = analyst.patch(at, body)
        assert after.status_code == 200, after.content
        after = after.json()
        changed = {n for n in before if before[n] != after[n]} - {"version", "updated_at", "deadline_state"}
        newest = entries(analyst, at)[0]
        assert newest["changes"] == {n: {"before": before[n], "after": after[n]} for n in changed}, at
        assert newest["version"] == after["version"]


def test_links_written_outside_the_api_are_entries_too(api):
    w = make_world()
    with change_context(reason="by hand"):
        w.act.sectors.set([w.water])
    w.act.sectors.add(w.energy)
    with change_context(api["analyst"].user, "two in one", "admin"):
        w.act.sectors.remove(w.water)
        w.act.components.set([w.part])
        Recommendation.objects.filter(pk=w.act.pk).update(details="x")
        w.act.agreements.set([w.quad])
    w.act.sectors.clear()
    with change_context():
        made = make_recommendation(w.aukus, slug="made")
        Recommendation.objects.filter(pk=made.pk).update(details="x")
        made.sectors.set([w.water])

    # make_recommendation() adds links in a separate transaction
    assert [changes for _, _, changes in history_of(api["reader"], "recommendations/act/")] == [
        {},
        {"agreements": {"before": [], "after": ["aukus"]}},
        {"sectors": {"before": [], "after": ["water"]}},
        {"sectors": {"before": ["water"], "after": ["energy", "water"]}},
        {"sectors": {"before": ["energy", "water"], "after": ["energy"]}, "components": {"before": [], "after": ["pillar-one"]}},
        {"details": {"before": "", "after": "x"}, "agreements": {"before": ["aukus"], "after": ["quad"]}},
        {"sectors": {"before": ["energy"], "after": []}},
    ]
    found = entries(api["reader"], "recommendations/act/")
    assert (found[1]["user"], found[1]["reason"], found[1]["channel"]) == ("analyst", "two in one", "admin")
    assert (found[4]["user"], found[4]["reason"], found[4]["channel"]) == (None, "by hand", "shell")
    assert [changes for _, _, changes in history_of(api["reader"], "recommendations/made/")] == [
        {},
        {"details": {"before": "", "after": "x"}, "sectors": {"before": [], "after": ["water"]}},
    ]


def test_changes_made_while_hidden_stay_hidden(api):
    analyst, reader = api["analyst"], api["reader"]
    make_world()
    analyst.post("agreements/", {"slug": "pact", "title": "Draft title", "summary": "secret words", "sectors": ["water"]})
    analyst.patch("agreements/pact/", {"title": "Second draft"})
    analyst.patch("agreements/pact/", {"publication": "published", "title": "Title", "sectors": ["energy"]}, HTTP_X_CHANGE_REASON="ready")
    analyst.patch("agreements/pact/", {"summary": "Open words"})
    api["reviewer"].patch("agreements/pact/", {"publication": "draft", "title": "Rethought", "change_reason": "too early"})
    analyst.patch("agreements/pact/", {"title": "Again"})
    analyst.patch("agreements/pact/", {"publication": "published"})

    seen = entries(reader, "agreements/pact/")

    assert [entry["version"] for entry in reversed(seen)] == [3, 4, 7]
    text = reader.get("agreements/pact/history/").content.decode()
    for secret in ("Draft title", "Second draft", "Rethought"):
        assert secret not in text, secret
    assert "water" not in text
    assert [entry["version"] for entry in reversed(entries(analyst, "agreements/pact/"))] == [1, 2, 3, 4, 5, 6, 7]
    assert seen[-1]["changes"]["publication"] == {"before": "draft", "after": "published"}


def test_the_history_of_a_child_is_hidden_with_its_parent(api):
    analyst, reader = api["analyst"], api["reader"]
    w = make_world()
    children = [
        ("participations/", str(w.participation.uid), "note"), ("outcomes/", "safer", "statement"), ("fact-checks/", "when", "correction"),
        ("citations/", str(w.citation.uid), "quote"), ("components/", "pillar-one", "description"),
        ("agreement-relations/", str(w.relation.uid), "note"),
    ]  # fmt: skip

    for publication, words in (("draft", ["hidden words", "cleaned words"]), ("published", ["open words"])):
        api["reviewer"].patch("agreements/aukus/", {"publication": publication, "change_reason": "as it is"})
        for address, key, name in children:
            for text in words:
                assert analyst.patch(f"{address}{key}/", {name: text}).status_code == 200
    for address, key, name in children:
        seen = entries(reader, f"{address}{key}/")
        assert [entry["version"] for entry in reversed(seen)] == [1, 4], address
        assert seen[0]["changes"] == {name: {"before": "cleaned words", "after": "open words"}}  # both were readable
        assert "hidden words" not in reader.get(f"{address}{key}/history/").content.decode(), address
        assert len(entries(analyst, f"{address}{key}/")) == 4

    api["reviewer"].patch("recommendations/act/", {"publication": "draft", "change_reason": "too early"})
    analyst.patch(f"addressees/{w.addressee.uid}/", {"response_text": "hidden words"})
    analyst.patch("recommendations/act/", {"publication": "published"})
    assert len(entries(reader, f"addressees/{w.addressee.uid}/")) == 1


def test_a_child_moved_from_a_hidden_record_does_not_reveal_it(api):
    analyst, reader = api["analyst"], api["reader"]
    w = make_world()
    hidden = make_agreement(slug="hidden", publication="draft")
    moved = Participation.objects.create(agreement=hidden, party=w.gbr, role="host", note="born hidden")
    at = f"participations/{moved.uid}/"
    analyst.patch(at, {"note": "changed hidden"})
    analyst.patch(at, {"agreement": "aukus", "note": "open"})
    analyst.patch(at, {"note": "more open"})

    text = reader.get(f"{at}history/").content.decode()

    assert "born hidden" not in text and "changed hidden" not in text and '"hidden"' not in text
    assert [entry["version"] for entry in reversed(entries(reader, at))] == [3, 4]


def test_hidden_references_are_not_in_the_history(api):
    analyst, administrator = api["analyst"], api["administrator"]
    make_world()
    make_agreement(slug="secret", visibility="restricted")
    make_recommendation(slug="secret-act", visibility="restricted")
    make_source(slug="secret-paper", visibility="restricted")
    administrator.patch(
        "recommendations/act/",
        {"agreements": ["aukus", "secret"], "parent": "secret-act", "source": "secret-paper", "quote": "covert words", "locator": "p. 99"},
    )
    administrator.patch("recommendations/act/", {"quote": "other covert words"})
    administrator.patch(
        "recommendations/act/", {"agreements": ["quad", "secret"], "source": "gazette", "quote": "plain words", "locator": ""}
    )

    text = analyst.get("recommendations/act/history/").content.decode()

    assert "secret" not in text and "covert" not in text and "p. 99" not in text
    assert "plain words" in text
    last = entries(analyst, "recommendations/act/")[0]["changes"]
    assert last["agreements"] == {"before": ["aukus"], "after": ["quad"]}
    assert "secret-act" in administrator.get("recommendations/act/history/").content.decode()
    whole = entries(administrator, "recommendations/act/")[0]["changes"]
    assert whole["quote"] == {"before": "other covert words", "after": "plain words"}
    assert whole["agreements"] == {"before": ["aukus", "secret"], "after": ["quad", "secret"]}


def test_an_officer_sees_the_history_of_an_agreement_since_the_own_party_takes_part(api):
    officer = make_user("officer", "party officer")
    PartyOfficer.objects.create(user=officer, party=make_party("AUS"))
    api["analyst"].post("agreements/", {"slug": "pact", "title": "Draft"})
    api["analyst"].post("participations/", {"agreement": "pact", "party": "AUS", "role": "party"})
    api["analyst"].patch("agreements/pact/", {"title": "More of it"})

    assert history_of(Api(officer), "agreements/pact/") == [(2, "update", {"title": {"before": "Draft", "after": "More of it"}})]


def test_the_history_of_an_update_includes_its_review(api, people):
    recommendation = make_recommendation(slug="act", priority="high")
    update = report_progress(
        recommendation, Report(status="in_progress", narrative="Begun."), by=people["analyst"], today=date(2025, 3, 1), submit=False
    )
    submit(update, by=people["analyst"], today=date(2025, 3, 1))
    approve(update, by=people["reviewer"], today=date(2025, 3, 2), note="seen")
    void(update, by=people["reviewer"], reason="wrong one")
    at = f"progress-updates/{update.uid}/"

    seen, whole = entries(api["reader"], at), entries(api["analyst"], at)

    assert [entry["version"] for entry in whole] == [4, 3, 2, 1]
    assert [entry["version"] for entry in seen] == [4, 3]
    assert seen[0]["changes"]["voided_by"] == {"before": None, "after": "reviewer"}
    assert seen[0]["changes"]["voided_at"]["after"].endswith("Z") and seen[0]["reason"] == "wrong one"
    assert [entry["operation"] for entry in entries(api["reader"], "recommendations/act/")] == ["update", "update", "create"]


def test_a_long_history_is_paginated_at_constant_cost(api, people):
    w = make_world()
    for number in range(6):
        with change_context(people["analyst"]):
            Agreement.objects.filter(pk=w.aukus.pk).update(title=f"T{number}", lead=people["analyst"] if number % 2 else None)
            w.aukus.sectors.set([w.water] if number % 2 else [w.energy])

    page = "agreements/aukus/history/?page_size=5"
    api["reader"].get(page)  # fills caches
    few = count_queries(api["reader"].get, page)
    for number in range(60):
        with change_context(people["analyst"]):
            Agreement.objects.filter(pk=w.aukus.pk).update(title=f"More {number}", lead=people["analyst"] if number % 2 else None)
            w.aukus.sectors.set([w.water] if number % 2 else [w.energy])
    assert count_queries(api["reader"].get, page) == few

    pages, link = [], "agreements/aukus/history/?page_size=20"
    while link:
        answer = api["reader"].get(link).json()
        pages.append(answer["results"])
        link = answer["next"]
    assert answer["count"] == 67 and [len(page) for page in pages] == [20, 20, 20, 7]
    assert [entry["version"] for page in pages for entry in page] == list(range(67, 0, -1))
    assert api["reader"].get(answer["previous"]).json()["results"] == pages[2]
    assert [entry["changes"]["sectors"]["after"] for page in pages for entry in page if "sectors" in entry["changes"]][:2] == [
        ["water"],
        ["energy"],
    ]


def test_links_of_archived_records_stay(api):
    make_world()
    api["reviewer"].patch("agreements/aukus/", {"publication": "archived", "change_reason": "over"})
    api["reviewer"].patch("components/pillar-one/", {"lead_parties": ["AUS"]})

    for who in ("analyst", "administrator"):
        response = api[who].patch("agreements/aukus/", {"sectors": ["water"]})
        assert response.status_code == 409 and response.json()["code"] == "closed_record", response.content
        response = api[who].patch("components/pillar-one/", {"lead_parties": ["AUS", "GBR"]})
        assert response.status_code == 409 and response.json()["code"] == "closed_record", response.content
    assert api["reader"].get("agreements/aukus/").json()["sectors"] == []
    back = api["reviewer"].patch("agreements/aukus/", {"publication": "published", "sectors": ["water"], "change_reason": "again"})
    assert back.status_code == 200 and back.json()["sectors"] == ["water"]


def test_a_new_link_makes_the_previous_etag_stale(api):
    make_world()
    tag = api["analyst"].get("recommendations/act/")["ETag"]

    linked = api["analyst"].patch("recommendations/act/", {"sectors": ["water"]}, HTTP_IF_MATCH=tag)
    late = api["reviewer"].patch("recommendations/act/", {"sectors": ["energy"]}, HTTP_IF_MATCH=tag)

    assert linked.status_code == 200 and linked["ETag"] != tag
    assert late.status_code == 412 and late.json()["current_version"] == linked.json()["version"]
