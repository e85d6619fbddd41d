"""The search index: it is complete after `migrate`, and searches use it."""

import pytest
from django.core.checks import run_checks
from django.db import connection

from policytracker.installed import installation
from policytracker.installed.models import SearchEntry
from policytracker.representation.search_words import ENTRIES
from policytracker.resources import registry
from tests.api.client import Api
from tests.make import make_agreement, make_party, make_recommendation
from tests.queries import captured_queries, count_queries

pytestmark = pytest.mark.django_db


def execute(sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)


def reported():
    return [message.id for message in run_checks(databases=["default"], tags=["database"])]


def test_an_incomplete_index_is_reported_and_completed(as_reader):
    make_party("AUS", name="Australia")
    execute("COMMENT ON TABLE search_agreements_party IS NULL")
    execute("DELETE FROM search_agreements_party")
    assert reported() == ["policytracker.E002"]
    assert as_reader.keys("parties/", q="australia") == []

    installation.install("default", print)

    assert reported() == []
    assert as_reader.keys("parties/", q="australia") == ["AUS"]


def test_a_missing_partition_is_created(as_reader):
    make_party("AUS", name="Australia")
    execute("DROP TABLE search_agreements_party")
    assert reported() == ["policytracker.E002"]

    installation.install("default", print)

    assert as_reader.keys("parties/", q="australia") == ["AUS"]


def test_entries_are_filled_in_several_transactions(monkeypatch):
    monkeypatch.setattr(installation, "FILL_ROWS", 2)
    for code in "ABCDE":
        make_party(code)
    before = list(SearchEntry.objects.filter(tbl="agreements_party").order_by("row_id").values_list("row_id", "vector"))

    installation.fill_partition("default", registry.at("parties"), print)

    assert len(before) == 5
    assert list(SearchEntry.objects.filter(tbl="agreements_party").order_by("row_id").values_list("row_id", "vector")) == before


def test_a_change_of_other_fields_does_not_write_the_entry():
    record = make_recommendation()
    position = "SELECT ctid FROM search_recommendations_recommendation"

    def written(**values):
        with connection.cursor() as cursor:
            cursor.execute(position)
            before = cursor.fetchone()
            type(record).objects.filter(pk=record.pk).update(**values)
            cursor.execute(position)
            return cursor.fetchone() != before

    assert not written(update_every=30)
    assert written(details="More of it.")


@pytest.fixture
def many_entries(db):
    """A record with a rare word, and 20,000 entries with a frequent one."""
    make_agreement(slug="pact", title="Pact")
    execute(
        """INSERT INTO policytracker_searchentry SELECT 'agreements_agreement', n, 'harbour'
            FROM generate_series(1000001, 1020000) n;
        ANALYZE search_agreements_agreement"""
    )


def plans(client, path, word):
    """The plans of the statements that look for the word in a response."""
    with captured_queries() as queries:
        client.list(path, q=word)
    for query in queries:
        if ENTRIES in query and f"''{word}''" in query and "json_agg" not in query:
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN {query}")
                yield "\n".join(line for (line,) in cursor)


@pytest.mark.parametrize("role", ["reader", "officer", "analyst", "administrator"])
def test_a_rare_word_is_found_by_the_index_of_words(role, request, many_entries):
    found = list(plans(Api(request.getfixturevalue(role)), "search/", "pact"))

    assert found
    assert all("Bitmap Index Scan on search_agreements_agreement_vector_idx" in plan for plan in found)


@pytest.mark.parametrize("role", ["reader", "officer", "analyst", "administrator"])
def test_a_filter_by_words_does_not_read_all_entries(role, request, many_entries):
    found = list(plans(Api(request.getfixturevalue(role)), "agreements/", "pact"))

    assert found
    assert not any("Seq Scan on search_agreements_agreement" in plan for plan in found)


@pytest.mark.parametrize("role", ["reader", "administrator"])
def test_hits_of_a_frequent_word_are_read_from_the_newest_on(role, request, many_entries):
    found = list(plans(Api(request.getfixturevalue(role)), "search/", "harbour"))

    assert found
    assert all("Index Scan Backward using search_agreements_agreement_pkey" in plan for plan in found)


def test_the_number_of_queries_does_not_depend_on_the_number_of_hits(as_analyst):
    numbers = []
    for number in range(30):
        make_agreement(slug=f"pact-{number}", title="Pact")
        if number in (0, 1, 29):
            numbers.append(count_queries(as_analyst.list, "search/", q="pact"))

    assert numbers[1] == numbers[2] <= 8
