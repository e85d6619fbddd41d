"""What a reader could not read at the time stays hidden in the past, although the reader can read the record today.

In each story a word is written while the reader cannot read it and removed again; then the reader is let in.
"""

from collections.abc import Iterator

import pytest

from agreements.models import Agreement, Citation, Participation, PartyOfficer
from policytracker.records.changes import Change
from policytracker.records.context import change_context
from recommendations.models import Addressee, Milestone, ProgressUpdate
from tests.api.client import Api
from tests.conftest import make_user
from tests.make import make_agreement, make_component, make_outcome, make_party, make_recommendation, make_source

pytestmark = pytest.mark.django_db(transaction=True)
WORD, LATER = "qhiddenq", "qlaterq"
INTERNAL, RESTRICTED = {"visibility": "internal"}, {"visibility": "restricted"}


@pytest.fixture
def people(transactional_db):
    roles = {"officer": "party officer", "analyst": "analyst", "reviewer": "reviewer", "reader": "reader"}
    found = {name: make_user(name, role) for name, role in roles.items()}
    PartyOfficer.objects.create(user=found["officer"], party=make_party("AUS"))
    return found


def change(record, reason="It was decided.", **values) -> None:
    with change_context(reason=reason):
        type(record).objects.filter(pk=record.pk).update(**values)


def clean(record, field: str) -> None:
    """The field had the word for a while."""
    change(record, reason=WORD, **{field: WORD})
    change(record, reason=f"{WORD} removed", **{field: "Plain"})


def says(user, agreement: str = "pact") -> str:
    """Everything that histories, feed and memo say to the user about the past."""
    return "\n".join(response.content.decode() for response in answers(Api(user), agreement))


def answers(client: Api, agreement: str) -> Iterator:
    for address in ("changes/?page_size=500", "changes/?format=md", f"changes/?agreement={agreement}"):
        yield client.get(address)
    for address in ("agreements", "components", "participations", "outcomes", "citations", "recommendations", "addressees", "milestones"):
        for key in client.keys(f"{address}/"):
            yield client.get(f"{address}/{key}/history/?page_size=500")


def readable_as_of(user, address: str) -> list[int]:
    """The status codes of the address at the time of each change."""
    moments = Change.objects.order_by("at").values_list("at", flat=True).distinct()
    return [Api(user).get(address, {"as_of": f"{moment.isoformat()}"}).status_code for moment in moments]


def pact_with_parts(**fields):
    """An agreement with parts, each with a field that had the word."""
    pact = make_agreement(slug="pact", **fields)
    recommendation = make_recommendation(pact, slug="act", **fields)
    parts = {
        pact: "summary", make_component(pact, slug="part"): "description", make_outcome(pact): "statement",
        Citation.objects.create(source=make_source(), agreement=pact): "quote",
        recommendation: "details", Addressee.objects.create(recommendation=recommendation, party=make_party("GBR")): "response_text",
        Milestone.objects.create(recommendation=recommendation, title="x"): "title",
    }  # fmt: skip
    for record, field in parts.items():
        clean(record, field)
    return pact, parts


@pytest.mark.parametrize("fields", [INTERNAL, {"publication": "draft"}])
def test_an_officer_whose_party_joins_later_does_not_see_what_was_cleaned_up_before(people, fields):
    pact, parts = pact_with_parts(**fields)
    Participation.objects.create(agreement=pact, party=make_party("AUS"), role="party")
    for record, field in parts.items():
        change(record, **{field: LATER})

    text = says(people["officer"])

    assert WORD not in text
    assert text.count(LATER) >= len(parts)
    assert 200 in (codes := readable_as_of(people["officer"], "agreements/pact/")) and codes[0] == 404
    assert WORD in says(people["analyst"])


def test_an_officer_whose_party_left_and_returned_sees_what_changed_while_it_took_part(people):
    pact = make_agreement(slug="pact", **INTERNAL)
    for word, fields in {"qfirstq": {"role": "party"}, "qsecondq": {"role": "observer"}}.items():
        participation = Participation.objects.create(agreement=pact, party=make_party("AUS"), **fields)
        change(pact, summary=word)
        change(participation, role="listed_in_source")
        clean(pact, "summary")
        participation.delete()
    elsewhere = Participation.objects.create(agreement=make_agreement(), party=make_party("AUS"), role="party")
    change(elsewhere, agreement=pact, since="2001")

    text = says(people["officer"])

    assert "qfirstq" in text and "qsecondq" in text and WORD not in text


@pytest.mark.parametrize("role", ["analyst", "reviewer"])
def test_a_new_member_of_the_team_does_not_see_what_was_cleaned_up_before(people, role):
    pact, parts = pact_with_parts(**RESTRICTED)
    with change_context(reason="Joined."):
        pact.team.add(people[role])
    for record, field in parts.items():
        change(record, **{field: LATER})

    text = says(people[role])

    assert WORD not in text
    assert text.count(LATER) >= len(parts)


def test_a_new_owner_does_not_see_what_was_cleaned_up_before(people):
    recommendation = make_recommendation(make_agreement(slug="pact"), slug="act", **RESTRICTED)
    clean(recommendation, "details")
    change(recommendation, owner=people["analyst"])
    change(recommendation, details=LATER)

    text = says(people["analyst"])

    assert WORD not in text and LATER in text


def test_a_recommendation_that_joins_an_agreement_of_the_team_does_not_show_what_was_cleaned_up_before(people):
    pact = make_agreement(slug="pact", **RESTRICTED)
    pact.team.add(people["reviewer"])
    recommendation = make_recommendation(slug="act", **RESTRICTED)
    clean(recommendation, "details")
    recommendation.agreements.set([pact])
    change(recommendation, details=LATER)

    text = says(people["reviewer"])

    assert WORD not in text and LATER in text


def test_a_reference_that_was_hidden_then_stays_hidden_after_the_record_was_opened(people):
    make_agreement(slug="pact")
    opened, source = make_agreement(slug=WORD, **RESTRICTED), make_source(slug=f"{WORD}-source", **RESTRICTED)
    recommendation = make_recommendation(slug="act")
    with change_context(reason="qreasonq"):
        recommendation.agreements.set([opened])
    change(recommendation, "qreasonq", source=source, quote="qwordsq")
    change(recommendation, source=None, quote="")
    with change_context(reason="qreasonq"):
        recommendation.agreements.set([])
    change(opened, visibility="public")
    change(source, visibility="public")

    text = "".join(response.content.decode() for response in answers(Api(people["reader"]), WORD) if b'"act"' in response.content)

    of_recommendation = Api(people["reader"]).get("recommendations/act/history/").content.decode()
    assert WORD not in of_recommendation and "qwordsq" not in text and "qreasonq" not in text
    assert not [e for e in Api(people["reader"]).get(f"changes/?agreement={WORD}").json()["results"] if e["key"] == "act"]
    with change_context(reason="Again."):
        recommendation.agreements.set([opened])
    assert WORD in Api(people["reader"]).get("recommendations/act/history/").content.decode()


def test_a_new_officer_reads_the_past_of_the_office(people):
    """Offices are user data and have no history: that of today counts, as for `as_of`."""
    pact = make_agreement(slug="pact", **INTERNAL)
    Participation.objects.create(agreement=pact, party=make_party("AUS"), role="party")
    clean(pact, "summary")
    successor = make_user("successor", "party officer")
    assert WORD not in says(successor, "none")
    PartyOfficer.objects.create(user=successor, party=make_party("AUS"))

    assert WORD in says(successor)
    assert 200 in readable_as_of(successor, "agreements/pact/")


def test_a_draft_source_of_an_update_is_in_the_history_while_the_update_is_readable(people):
    make_agreement(slug="pact")
    recommendation = make_recommendation(slug="act")
    source = make_source(slug="cited", kind="other", publication="draft")
    change(source, title=WORD)
    update = ProgressUpdate.objects.create(recommendation=recommendation, kind="note", reported_on="2025-01-01", narrative="n")
    update.evidence.create(source=source)
    change(update, review="approved", reviewed_at="2025-01-01T00:00:00Z")
    change(source, title=LATER)

    text = Api(people["reader"]).get("sources/cited/history/").content.decode()

    assert LATER in text
    assert [e["changes"]["title"]["before"] for e in Api(people["reader"]).get("sources/cited/history/").json()["results"]] == [WORD]


def test_deleted_records_keep_their_team(people):
    pact = make_agreement(slug="pact", publication="draft", **RESTRICTED)
    clean(pact, "summary")
    pact.team.set([people["reviewer"]])
    change(pact, summary=LATER)
    with change_context(people["analyst"], "qdeletedq"):
        pact.delete()

    text = Api(people["reviewer"]).get("changes/").content.decode()

    assert "qdeletedq" in text and LATER in text and WORD not in text
    assert "qdeletedq" not in Api(people["analyst"]).get("changes/").content.decode()
    assert not Agreement.objects.exists()
