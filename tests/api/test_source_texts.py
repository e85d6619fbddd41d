"""The texts of sources: reading them, finding their words, their history, and what lists cost."""

import pytest
from django.db import IntegrityError, transaction

from agreements.models import Source, SourceText
from agreements.models.source_texts import MAX_TEXT
from policytracker.records.changes import Change
from policytracker.records.context import change_context
from tests.make import change_with_reason, make_source
from tests.queries import captured_queries


@pytest.fixture
def source(db):
    source = make_source(slug="treaty", title="A treaty")
    SourceText.objects.create(source=source, text="The Parties shall not harm the platypus.")
    return source


def found(api, query: str) -> list[str]:
    return [hit["key"] for hit in api.list("search/", q=query)["results"]]


def test_the_text_of_a_source_is_read_as_plain_text(source, as_analyst):
    response = as_analyst.get("sources/treaty/text/")

    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/plain")
    assert response.content.decode() == "The Parties shall not harm the platypus."
    assert "platypus" not in as_analyst.get("sources/").content.decode()


def test_a_source_without_a_text_has_none(as_analyst, db):
    make_source(slug="empty")

    assert as_analyst.get("sources/empty/text/").status_code == 404
    assert as_analyst.get("sources/none/text/").status_code == 404


def test_only_readers_of_the_source_read_its_text_and_find_its_words(source, as_analyst, as_reader):
    assert found(as_reader, "platypus") == ["treaty"]
    change_with_reason(Source.objects.all(), publication="draft")

    assert found(as_analyst, "platypus") == ["treaty"]
    assert found(as_reader, "platypus") == []
    assert as_reader.get("sources/treaty/text/").status_code == 404


def test_the_search_follows_the_text(source, as_analyst):
    text = SourceText.objects.get()
    text.text = "The Parties shall not harm the wombat."
    text.save()

    assert (found(as_analyst, "platypus"), found(as_analyst, "wombat")) == ([], ["treaty"])
    assert as_analyst.keys("sources/", q="wombat") == ["treaty"]
    Source.objects.filter(pk=source.pk).update(title="Another title")
    assert found(as_analyst, "wombat") == ["treaty"]
    text.delete()
    assert found(as_analyst, "wombat") == []


def test_words_of_the_end_of_a_long_text_are_found(source, as_analyst):
    text = SourceText.objects.get()
    text.text = "The Parties agree. " * 50_000 + "The echidna is protected."
    text.save()

    assert found(as_analyst, "echidna") == ["treaty"]


def test_a_text_with_more_different_words_than_the_index_takes_is_stored(source, as_analyst):
    text = SourceText.objects.get()
    text.text = "platypus " + " ".join(f"{number:x}q" for number in range(10**6, 10**6 + 125_000))
    text.save()

    assert found(as_analyst, "platypus") == ["treaty"]


def test_a_change_of_the_source_does_not_store_its_text_again(source):
    with change_context(reason="A better title"):
        Source.objects.filter(pk=source.pk).update(title="Another title")

    assert [change.op for change in Change.objects.filter(tbl="agreements_sourcetext")] == ["insert"]
    assert "text" not in Change.objects.filter(tbl="agreements_source", op="update").get().before


def test_a_list_of_sources_does_not_read_texts(source, as_analyst):
    with captured_queries() as queries:
        as_analyst.list("sources/")

    assert not [query for query in queries if "agreements_sourcetext" in query]


def test_a_text_of_more_than_1_mb_is_refused_by_the_database_too(source):
    with pytest.raises(IntegrityError), transaction.atomic():
        SourceText.objects.update(text="ä" * (MAX_TEXT // 2 + 1))
