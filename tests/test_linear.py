"""Patterns and word comparisons take linear time, whatever the text is."""

import re
from time import process_time
from types import SimpleNamespace

import pytest
from django.db import connection

from agreements.models import Agreement
from agreements.models.parties import comparable
from agreements.quotes import contains_quote, normalised
from policytracker import edtf
from policytracker.admin.history import history_entries
from policytracker.admin.querysets import search_terms
from policytracker.api import markdown
from policytracker.history.values import ShownChange
from policytracker.quality.engine import CheckContext
from policytracker.representation.diffs import diff
from policytracker.resources import ReadContext, today
from policytracker.writing.writer import UNSTORABLE
from recommendations.checks import QUOTE_NOT_IN_SOURCE
from recommendations.models import Evidence, ProgressUpdate
from tests.api.client import Api
from tests.make import make_agreement, make_commitment, make_recommendation, make_source

LENGTH = 100_000  # the maximum length of a text
BOUND = 5  # seconds of computing, whatever else the machine does; linear time needs far less, quadratic time needs minutes

HOSTILE = {
    "blanks": " " * LENGTH,
    "blanks between words": "x" + " " * (LENGTH - 2) + "y",
    "dots": "." * LENGTH,
    "ellipses": "…" * LENGTH,
    "brackets": "[" * LENGTH,
    "ellipses in brackets": "[...]" * (LENGTH // 5),
    "newlines": "\n" * LENGTH,
    "newlines and blanks": "\n " * (LENGTH // 2) + "x",
    "one letter": "a" * LENGTH,
    "one letter as words": "a " * (LENGTH // 2),
    "digits": "1" * LENGTH,
    "slashes": "http://" + "/" * (LENGTH - 7),
    "colons": ":" * LENGTH,
    "quotation marks": "\"'" * (LENGTH // 2),
    "backslashes": "\\" * LENGTH,
    "markup": "*_`[" * (LENGTH // 4),
    "combining marks": "a" + "\u0301\u0316" * (LENGTH // 2 - 1),
    "long compatibility forms": "\ufdfa" * LENGTH,
    "duration": "P" + "1" * (LENGTH - 1),
}
READERS = {
    "normalised": normalised,
    "contains_quote": lambda text: contains_quote("x y " * 25_000, text),
    "contains_quote in long text": lambda text: contains_quote(normalised(text), "a" * 50_000 + "…b"),
    "comparable": comparable,
    "markdown line": markdown.escaped,
    "markdown paragraphs": markdown.paragraphs,
    "markdown link": markdown.link,
    "date": edtf.SHAPE.fullmatch,
    "duration": lambda text: re.search(edtf.SPAN, text),
    "slug of an address": lambda text: re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-"),
    "unstorable characters": UNSTORABLE.search,
    "words of a search": search_terms,
}


class Within:
    """Fails if the block computes longer than BOUND."""

    def __enter__(self):
        self.start = process_time()

    def __exit__(self, *error):
        assert process_time() - self.start < BOUND


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_functions_read_any_text_in_linear_time(read, text):
    with Within():
        read(text)


PAIRS = {name: (text, text[: len(text) // 2] + " b c d e") for name, text in HOSTILE.items()} | {
    "one word and two in turn": ("a " * 1000, "a b " * 500),
    "below any limit of words": ("a " * 199, "a b " * 100),
    "two words in turn": ("a b " * 25_000, "b a " * 25_000),
    "many words, each a few times": (" ".join(str(i % 100) for i in range(500)), " ".join(str(i * 7 % 100) for i in range(500))),
    "other words": (" ".join(map(str, range(15_000))), " ".join(map(str, range(15_000, 30_000)))),
}


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_any_two_texts_are_compared_within_the_limit(pair):
    with Within():
        list(diff(*pair))


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_a_page_of_any_changes_is_compared_within_the_limit(pair):
    names = ["title", "summary", "purpose"]
    fields = {name: SimpleNamespace(source=name) for name in names}
    history = SimpleNamespace(model=Agreement, fields=fields, entries=lambda changes: changes)
    before, after = (text[:10_000] for text in pair)
    change = {"before": before, "after": after}
    entry = ShownChange({"at": "2026-11-24T10:35:00Z", "channel": "admin", "changes": dict.fromkeys(names, change)}, names)

    with Within():
        entries = history_entries(history, [entry] * 50)

    for change in entries[0]["fields"] + entries[-1]["fields"]:
        assert " ".join(text for kind, text in change["diff"] if kind != "+") == before
        assert " ".join(text for kind, text in change["diff"] if kind != "-") == after


def test_one_changed_word_of_a_long_text_is_shown_as_one_word():
    text = [str(i) for i in range(15_000)]
    changed = [*text[:7_000], "other", *text[7_001:]]

    assert [kind for kind, _ in diff(" ".join(text), " ".join(changed))] == [" ", "-", "+", " "]


def test_added_and_removed_words_are_shown_between_equal_ones():
    before, after = "the text of an agreement on mining", "a text of the agreement on mining and more"

    assert list(diff(before, after)) == [
        ("-", "the"), ("+", "a"), (" ", "text of"), ("-", "an"), ("+", "the"), (" ", "agreement on mining"), ("+", "and more"),
    ]  # fmt: skip


# ---- quotes


def unmatched_quotes(user):
    """The ids of the records whose quote does not occur in its source."""
    context = CheckContext(ReadContext.of(user))
    return {
        record.pk
        for check in QUOTE_NOT_IN_SOURCE.checks
        for pk in check.violations(context)
        for record, _ in check.describe([pk], context).values()
    }


@pytest.mark.parametrize("quote", [HOSTILE["blanks between words"], "a" * 50_000 + "b", "b" + "a" * 50_000])
def test_any_quote_is_searched_within_the_limit(quote, administrator):
    source, agreement = make_source(notes="a" * LENGTH), make_agreement()
    wrong = [make_commitment(agreement, source=source, quote=quote).pk for _ in range(5)]

    with Within():
        assert unmatched_quotes(administrator) == set(wrong)


def test_a_long_quote_that_occurs_in_its_source_is_no_finding(administrator):
    source = make_source(notes="Much was said. " * 1000)
    make_commitment(make_agreement(), source=source, quote="Much was said. " * 100)

    assert unmatched_quotes(administrator) == set()


def test_quotes_of_a_voided_update_are_not_checked(administrator):
    source = make_source(notes="Much was said. " * 100)
    update = ProgressUpdate.objects.create(
        recommendation=make_recommendation(), kind="note", reported_on=today(), narrative="n", review="draft"
    )
    Evidence.objects.create(update=update, source=source, quote="Nobody said so")
    assert unmatched_quotes(administrator) == {update.pk}

    ProgressUpdate.objects.filter(pk=update.pk).update(review="approved", reviewed_at="2026-01-01T00:00Z")
    ProgressUpdate.objects.filter(pk=update.pk).update(voided_at="2026-01-02T00:00Z", void_reason="wrong")

    assert unmatched_quotes(administrator) == set()


@pytest.mark.parametrize(
    "text", [*HOSTILE.values(), "a_" * 50_000, "~/" * 50_000, "<a " * 33_333, "a-" * 50_000], ids=lambda text: text[:4]
)
def test_a_text_is_indexed_and_highlighted_in_linear_time(text, reader):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '60s'")  # PostgreSQL computes here; quadratic time needs more, also on a fast machine

    make_agreement(slug="pact", summary=text, purpose=text)

    assert [hit["key"] for hit in Api(reader).list("search/", q="pact")["results"]] == ["pact"]
