"""A change of which the user may see nothing is not in the history, neither in the API nor in the admin."""

import pytest
from django.test import Client

from policytracker.records.context import change_context
from recommendations.models import Evidence, ProgressUpdate, Recommendation
from tests.admin.page import history
from tests.api.client import Api
from tests.conftest import make_user
from tests.make import make_agreement, make_recommendation, make_source, settled
from tests.queries import count_queries

# Each change has its own transaction, as in production, because links count once per transaction.
pytestmark = pytest.mark.django_db(transaction=True)
SECRET = "a secret reason"


@pytest.fixture
def people(transactional_db):
    return {role: make_user(role, role) for role in ("reader", "analyst", "administrator")}


def change(people, reason, **values):
    with change_context(people["administrator"], reason):
        for name, value in values.items():
            if isinstance(value, list):
                getattr(Recommendation.objects.get(), name).set(value)
            else:
                Recommendation.objects.update(**{name: value})


def hidden_link(people):
    change(people, SECRET, agreements=[make_agreement(visibility="restricted")])


def hidden_parent(people):
    Recommendation.objects.bulk_create([])
    parent = make_source(visibility="restricted")
    change(people, SECRET, source=parent)


def hidden_words(people):
    Recommendation.objects.update(source=make_source(visibility="restricted"))
    change(people, SECRET, quote="hidden words", locator="p. 7")


HIDDEN = [hidden_link, hidden_parent, hidden_words]


def pages(client, address, size):
    """The entries of every page, by following the links forward."""
    found, link, counts = [], f"{address}?page_size={size}", set()
    while link:
        answer = client.get(link).json()
        found += answer["results"]
        counts.add(answer["count"])
        link = answer["next"]
    assert counts == {len(found)}
    return found


@pytest.mark.parametrize("hide", HIDDEN)
def test_a_completely_hidden_change_is_no_entry(hide, people):
    recommendation = make_recommendation(slug="act")
    hide(people)
    change(people, "a plain reason", details="More of it.")

    for role in ("reader", "analyst"):
        entries = Api(people[role]).get("recommendations/act/history/").json()
        client = Client()
        client.force_login(people[role], backend="django.contrib.auth.backends.ModelBackend")
        page = client.get(history(recommendation)).content.decode()

        assert [entry["operation"] for entry in entries["results"]] == ["update", "create"]
        assert entries["count"] == 2
        assert entries["results"][0]["reason"] == "a plain reason"
        assert SECRET not in str(entries) + page
    assert SECRET in Api(people["administrator"]).get("recommendations/act/history/").content.decode()


def test_anonymous_users_do_not_see_the_reason_for_changing_people(people, settings):
    settings.PUBLIC_READ = True
    agreement = make_agreement(slug="pact")
    with change_context(people["administrator"], SECRET):
        agreement.team.set([people["analyst"]])
    with change_context(people["administrator"], SECRET):
        type(agreement).objects.update(lead=people["analyst"])

    assert [entry["operation"] for entry in pages(Api(), "agreements/pact/history/", 50)] == ["create"]
    assert len(pages(Api(people["reader"]), "agreements/pact/history/", 50)) == 3


def test_a_partly_visible_change_is_an_entry_with_its_reason(people):
    make_recommendation(slug="act")
    change(people, "both", source=make_source(visibility="restricted"), priority="high")
    change(people, "one of two", agreements=[make_agreement(visibility="restricted"), make_agreement(slug="open")])

    entries = pages(Api(people["reader"]), "recommendations/act/history/", 50)

    assert [entry["reason"] for entry in entries] == ["one of two", "both", ""]
    assert entries[0]["changes"] == {"agreements": {"before": [], "after": ["open"]}}


def test_a_value_set_while_hidden_is_not_revealed_when_cleared(people):
    make_recommendation(slug="act", visibility="restricted", details="secret")
    change(people, "ready", visibility="public")
    with change_context(people["administrator"], SECRET):
        Recommendation.objects.update(details="")

    assert SECRET in str(pages(Api(people["reader"]), "recommendations/act/history/", 50))  # its text was readable in between


@pytest.mark.parametrize("size", [1, 3, 50])
def test_pages_and_counts_leave_out_hidden_changes(size, people):
    make_recommendation(slug="act")
    hidden, seen = make_agreement(visibility="restricted"), make_agreement(slug="open")
    for number in range(6):
        change(people, SECRET, agreements=[seen, hidden] if number % 2 else [seen])
        change(people, f"plain {number}", details=f"text {number}")

    entries = pages(Api(people["reader"]), "recommendations/act/history/", size)

    assert SECRET not in str([entry for entry in entries if "agreements" not in entry["changes"]])
    assert [entry["reason"] for entry in entries if entry["reason"] != SECRET] == [f"plain {n}" for n in range(5, -1, -1)] + [""]
    assert all(entry["changes"] for entry in entries if entry["operation"] == "update")
    assert len(entries) == 8


def test_hidden_changes_need_no_extra_queries(people):
    make_recommendation(slug="act")
    two = [make_source(visibility="restricted"), make_source(visibility="restricted")]

    def queries():
        return count_queries(Api(people["reader"]).get, "recommendations/act/history/")

    for number in range(4):
        change(people, SECRET, source=two[number % 2])
    queries()
    few = queries()
    for number in range(60):
        change(people, SECRET, source=two[number % 2])

    assert queries() == few
    assert len(pages(Api(people["reader"]), "recommendations/act/history/", 50)) == 1


def test_a_version_caused_by_evidence_is_an_entry(people):
    update = ProgressUpdate.objects.create(
        recommendation=make_recommendation(), kind="note", narrative="n", reported_on="2025-01-01", author=people["analyst"]
    )
    Evidence.objects.create(update=update, source=make_source())
    settled()

    assert len(pages(Api(people["analyst"]), f"progress-updates/{update.uid}/history/", 50)) == 2
